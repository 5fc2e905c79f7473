import dataclasses
import io
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import PIL.Image
import pytest
import xarray
from matplotlib.figure import Figure
from matplotlib.text import Text

from utopya_backend.plotting import draw
from utopya_backend.plotting.choose import choose
from utopya_backend.plotting.figures import make_figure, render
from utopya_backend.plotting.over import choose_over

RNG = np.random.default_rng(1)


def array(values, dims, coords=None, name="x", **attrs):
    return xarray.DataArray(values, dims=dims, coords=coords, name=name, attrs=attrs)


def cells(values):
    dims = ["time", "x", "y"]
    return array(values, dims, content="grid", grid_shape=values.shape[1:])


def axes_of(variable):
    return make_figure(choose(variable), "M: x").axes[0]


def test_line_has_the_data():
    ax = axes_of(array([3.0, 1.0, 2.0], ["time"], {"time": [0, 10, 20]}))
    (line,) = ax.get_lines()
    assert line.get_xydata().tolist() == [[0, 3], [10, 1], [20, 2]]
    assert ax.get_xlabel() == "time"
    assert ax.get_ylabel() == "x"
    assert ax.get_title(loc="left") == "M: x"
    assert ax.get_legend() is None


def test_lines_have_a_legend():
    ax = axes_of(array(RNG.random((4, 3)), ["time", "k"], {"k": list("abc")}))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list("abc")
    assert len({line.get_color() for line in ax.get_lines()}) == 3


def test_ten_lines_have_ten_colours():
    ax = axes_of(array(RNG.random((4, 10)), ["time", "k"]))
    assert len({line.get_color() for line in ax.get_lines()}) == 10


def test_bands_are_the_quantiles():
    values = RNG.random((5, 200))
    ax = axes_of(array(values, ["time", "member"]))
    (line,) = ax.get_lines()
    assert line.get_ydata() == pytest.approx(values.mean(axis=1))
    for band, limits in zip(ax.collections, ([0.05, 0.95], [0.25, 0.75]), strict=True):
        vertices = band.get_paths()[0].vertices
        for time, row in enumerate(values):
            drawn = vertices[vertices[:, 0] == time, 1]
            expected = np.quantile(row, limits)
            assert [drawn.min(), drawn.max()] == pytest.approx(expected)


def test_points_without_neighbours_are_seen():
    (line,) = axes_of(array([1, np.nan, 2, 3, np.inf, 4], ["time"])).get_lines()
    assert line.get_marker() == "o"
    assert line.get_markevery() == [0, 5]


def test_a_single_time():
    ax = axes_of(array([4.0], ["time"], {"time": [30]}))
    assert ax.get_lines()[0].get_markevery() == [0]
    assert list(ax.get_xticks()) == [30]


def test_times_as_text():
    ax = axes_of(array([1.0, 2.0], ["time"], {"time": ["mon", "tue"]}))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["mon", "tue"]


def test_bars():
    coords = {"label": ["a", "b", "c"]}
    ax = axes_of(array([1.0, 4.0, np.nan], ["label"], coords, name="total"))
    assert [bar.get_width() for bar in ax.patches] == [4, 1, 0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["b", "a", "c"]
    assert "25.0%" in ax.texts[1].get_text()


def test_image_has_x_to_the_right_and_y_upwards():
    values = RNG.integers(0, 3, (1, 4, 6))
    ax = axes_of(cells(values))
    (image,) = ax.get_images()
    assert (image.get_array() == values[0].T).all()
    assert image.origin == "lower"
    assert ax.get_aspect() == 1
    assert "time = 0" in ax.get_title(loc="left")
    colors = {tuple(color) for color in image.to_rgba(image.get_array()).reshape(-1, 4)}
    assert len(colors) == 3
    bar = ax.figure.axes[1]
    assert [text.get_text() for text in bar.get_yticklabels()] == ["0", "1", "2"]


def test_states_far_from_each_other():
    ax = axes_of(cells(np.array([[[-1, 0], [1, 100]]])))
    (image,) = ax.get_images()
    assert len(np.unique(image.to_rgba(image.get_array()).reshape(-1, 4), axis=0)) == 4


@pytest.mark.parametrize(
    "values",
    [
        np.ones((1, 3, 3)),
        np.array([[[np.inf, 1.5], [np.nan, 2]]]),
        np.ones((2, 1, 1), bool),
        RNG.random((2, 3, 100)),
    ],
)
def test_odd_images(values):
    assert render(choose(cells(values)), "x", "png")


@pytest.mark.parametrize(
    ("extension", "signature"),
    [("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-"), ("svg", b"<?xml")],
)
def test_formats(extension, signature):
    picture = choose(array(RNG.random((5, 200)), ["time", "member"]))
    content = render(picture, "M: x", extension)
    assert content.startswith(signature)
    if extension == "svg":
        assert b"M: x</text>" in content
    if extension == "png":
        pixels = np.asarray(PIL.Image.open(io.BytesIO(content)).convert("L"))
        assert 0.05 < (pixels < 250).mean() < 0.9


def test_animation():
    values = np.zeros((5, 20, 20), int)
    for time in range(5):
        values[time, : 4 * time] = 1
    content = render(choose(cells(values), max_frames=200), "M: x", "gif")
    shares = []
    with PIL.Image.open(io.BytesIO(content)) as gif:
        assert gif.n_frames == 5
        assert gif.info["loop"] == 0
        for number in range(5):
            gif.seek(number)
            pixels = np.asarray(gif.convert("RGB")).astype(int)
            green = np.array([0, 0x9E, 0x73])
            shares.append((np.abs(pixels - green).sum(axis=2) < 30).mean())
    assert (np.diff(shares) > 0.01).all()


def test_nothing_of_matplotlib_is_changed():
    before = dict(mpl.rcParams)
    with mpl.rc_context({"lines.linewidth": 9.0, "font.size": 30}):
        within = dict(mpl.rcParams)
        render(choose(array([1.0, 2.0], ["time"])), "x", "png")
        ax = axes_of(array([1.0, 2.0], ["time"]))
        assert dict(mpl.rcParams) == within
    assert dict(mpl.rcParams) == before
    assert ax.title.get_fontsize() < 20  # nor does it change ours


def test_draw():
    variable = array([3.0, 1.0, 2.0], ["time"])
    figure = draw(variable)
    assert isinstance(figure, Figure)
    assert figure.axes[0].get_title(loc="left") == "x"
    figure = Figure()
    one, other = figure.subplots(1, 2)
    assert draw(variable, other) is figure
    assert not one.get_lines()
    assert other.get_lines()
    (part,) = figure.subfigures(1, 1, squeeze=False).ravel()
    assert draw(variable, part.subplots()) is figure


# .. Values of any size ............

ROW, COLUMN = np.meshgrid(np.arange(12), np.arange(12), indexing="ij")
FIELDS = {
    "300 K": 300 + 1e-5 * np.sin(ROW + COLUMN / 7),
    "Unix times": 1.7e9 + ROW + COLUMN / 2,
    "small": 1e-50 * (1 + ROW * COLUMN),
    "large": 1e40 * (1 + ROW * COLUMN),
    "below zero": -1e40 * (1 + ROW * COLUMN),
    "single": np.float32(3e38) * np.sin(ROW).astype("f4"),
    "half": np.float16(100) + ROW.astype("f2"),
    "nanoseconds": 1_700_000_000_000_000_000 + ROW * 12 + COLUMN,
    "unsigned": 2**63 + (ROW * 12 + COLUMN).astype("u8"),
    "few states": 2**60 + ROW % 3,
}


def shades(image):
    """How many colours an image has."""
    colors = image.to_rgba(image.get_array())
    return len(np.unique(colors.reshape(-1, 4), axis=0))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FIELDS)
def test_small_differences_and_values_of_any_size_are_seen(name):
    field = FIELDS[name]
    number = min(len(np.unique(field)), 30)
    picture = choose(cells(field[np.newaxis]))
    figure = make_figure(picture, name)
    assert shades(figure.axes[0].get_images()[0]) >= number
    figure.canvas.draw()
    ticks = figure.axes[1].get_yticklabels()
    assert len({tick.get_text() for tick in ticks}) == len(ticks) > 2
    if "states" in name:
        return
    (line,) = axes_of(array(field.ravel(), ["time"])).get_lines()
    assert len(np.unique(line.get_ydata())) >= number
    parameters = choose_over(array(field, ["a", "b"]), ["a", "b"])
    (mesh,) = make_figure(parameters, name).axes[0].collections
    assert shades(mesh) >= number


@pytest.mark.filterwarnings("error")
def test_animation_of_small_differences():
    field = FIELDS["300 K"]
    picture = choose(cells(np.stack([field, field.T])), max_frames=2)
    with PIL.Image.open(io.BytesIO(render(picture, "x", "gif"))) as gif:
        for number in range(2):
            gif.seek(number)
            pixels = np.asarray(gif.convert("RGB"))[100:-100, 100:-250]
            assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def test_large_integers_are_told_less_what_they_begin_with():
    ax = axes_of(array(2**60 + np.array([3, 4, 6]), ["time"], units="ns"))
    assert ax.get_ylabel() == f"x [ns] − {2**60 + 3}"
    assert ax.get_lines()[0].get_ydata().tolist() == [0, 1, 3]
    ax = axes_of(array(np.array([-(2**63), 2**63 - 1]), ["time"]))
    assert ax.get_lines()[0].get_ydata().tolist() == [0, 2.0**64]
    seeds = array([1.0, 2.0, 3.0], ["seed"], {"seed": 2**60 + np.array([5, 1, 2])})
    labels = make_figure(choose_over(seeds, ["seed"]), "x").axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == [str(2**60 + n) for n in (5, 1, 2)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dims", [["time"], ["time", "x", "y"]])
def test_values_that_are_too_large(dims):
    values = np.array([[1.5, 1.7e308], [-1.7e308, np.nan]])
    picture = choose(array(values[np.newaxis] if "x" in dims else values[0], dims))
    assert "without values beyond 1e+300" in picture.notes
    assert render(picture, "x", "png")


# .. Text ............

ODD = ["Ba$$in", "cost $ per $x", "a_$ vs b_$", "_wet", "\\frac{1}{2}", "50 % & #1 ^2",
       "{x} \N{GREEK SMALL LETTER ALPHA}", "two\nlines", "<b>&amp;"]  # fmt: skip


def texts_in(figure):
    figure.canvas.draw()
    return [text for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("own_axes", [False, True])
def test_text_is_drawn_as_text(own_axes):
    coords = {"time": ODD, "$k$": ODD}
    variable = array(RNG.random((9, 9)), ["time", "$k$"], coords, name="$_x", units="$")
    variables = {
        "lines": variable,
        "map": variable,
        "bars": array(RNG.random(9), ["label_$"], {"label_$": ODD}, name="_$"),
        "image": cells(RNG.random((1, 3, 3))).rename(x="$x", y="_y$"),
    }
    variables["image"].attrs.update(long_name="$ of _", grid_shape=[3, 3])
    for kind, drawn in variables.items():
        ax = Figure().subplots() if own_axes else None
        figure = draw(drawn, ax, over=["time", "$k$"] if kind == "map" else ())
        texts = texts_in(figure)
        assert not any(
            text.get_parse_math() for text in texts if "$" in text.get_text()
        )
        shown = {text.get_text() for text in texts}
        if kind in ("lines", "bars"):
            assert set(ODD) <= {text.replace("\n ", "\n") for text in shown}
        figure.savefig(io.BytesIO(), format="svg")


def test_a_title_with_a_dollar_in_each_format():
    picture = choose(cells(RNG.random((2, 3, 3))), max_frames=2)
    for extension in ("png", "pdf", "svg", "gif"):
        content = render(picture, "a_$ vs b_$ \x1b[31m \udcff", extension)
        if extension == "svg":
            assert b"a_$ vs b_$ \\x1b[31m \\udcff" in content


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "text", ["x" * 3000, "some words " * 9, "line\n" * 30, " ", ""]
)
def test_long_text_leaves_room_for_the_picture(text):
    texts = [f"{n}{text}" for n in range(3)]
    for variable in (
        array(RNG.random((5, 3)), ["time", "k"], {"k": texts}, name=text, units=text),
        array(RNG.random(3), ["label"], {"label": texts}, name=text),
        cells(RNG.random((1, 3, 3))).assign_attrs(long_name=text),
    ):
        figure = make_figure(choose(variable), text)
        figure.canvas.draw()
        box = figure.axes[0].get_window_extent()
        assert min(box.width, box.height) > 50


def test_long_notes_are_not_cut():
    picture = choose(array(RNG.random((5, 200)), ["time", "member"]))
    picture = dataclasses.replace(picture, notes=("a few words " * 20,) * 2)
    figure = make_figure(picture, "M: x")
    figure.canvas.draw()
    (note,) = figure.axes[0].texts
    box = note.get_window_extent()
    assert box.x1 < figure.bbox.x1
    assert box.y1 < figure.axes[0]._left_title.get_window_extent().y0 + 1


def test_a_backend_that_there_is_not(monkeypatch):
    code = (
        "import numpy, xarray\n"
        "from utopya_backend.plotting import draw\n"
        "draw(xarray.DataArray(numpy.arange(3.0), dims='time'))\n"
    )
    monkeypatch.setenv("MPLBACKEND", "no such $one")
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    last = result.stderr.splitlines()[-1]
    assert last.startswith(
        "utopya_backend.errors.ConfigError: The environment variable"
    )
    assert "'no such $one'" in last
    assert last.endswith("unset it, or set it to agg.")


# .. Maps ............


def test_map_has_the_data_where_the_parameters_are():
    coords = {"a": [0.1, 1.0, 10.0], "kind": ["c", "d"], "seed": [1, 2]}
    values = RNG.random((3, 2, 2))
    values[1, 0] = np.nan
    variable = array(values, list(coords), coords, units="m")
    figure = make_figure(choose_over(variable, ["a", "kind"]), "M: x")
    ax, bar = figure.axes
    (mesh,) = ax.collections
    limits = mesh.get_coordinates()[0, :, 0].tolist()
    assert limits == pytest.approx(10 ** np.array([-1.5, -0.5, 0.5, 1.5]))
    drawn = np.ma.filled(mesh.get_array().reshape(2, 3), np.nan)
    assert np.allclose(drawn, values.mean(axis=2).T, equal_nan=True)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["c", "d"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "kind")
    assert bar.get_ylabel() == "x [m]"
    assert "1 of 6 fields are blank" in ax.texts[0].get_text()


def test_missing_fields_of_a_map_have_no_colour_of_it():
    variable = array([[1.0, np.nan], [2.0, 3.0]], ["a", "b"])
    content = render(choose_over(variable, ["a", "b"]), "M: x", "png")
    with PIL.Image.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    blank = ((pixels == 255) | (pixels == 0xCC)).all(axis=1)
    assert blank.mean() > 0.3


@pytest.mark.parametrize("extension", ["png", "pdf", "svg"])
def test_formats_of_a_map(extension):
    variable = array(RNG.random((60, 60)), ["a", "b"])
    assert render(choose_over(variable, ["a", "b"]), "M: x", extension)


def labels_of(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def test_axes_of_a_map():
    coords = {"rate": [1e-5, 1e-4, 1e-3], "seed": [3, 4, 6]}
    variable = array(RNG.random((3, 3)), list(coords), coords)
    ax, _ = draw(variable, over=["rate", "seed"]).axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert ax.get_xlim() == pytest.approx((10**-5.5, 10**-2.5))
    assert ax.get_ylim() == pytest.approx((2.5, 7))
    assert labels_of(ax.xaxis) == ["1e-05", "0.0001", "0.001"]
    assert labels_of(ax.yaxis) == ["3", "4", "6"]
    assert not len(ax.get_xticks(minor=True))


def test_axes_of_a_map_with_many_values():
    coords = {"rate": np.arange(20) / 19, "seed": np.arange(13)}
    variable = array(RNG.random((20, 13)), list(coords), coords)
    ax, _ = draw(variable, over=["rate", "seed"]).axes
    assert len(ax.get_xticks()) < 12
    assert all(tick == round(tick) for tick in ax.get_yticks())


def test_many_powers_have_ticks_of_matplotlib():
    rates = {"rate": np.logspace(-3, 0, 16), "seed": [1, 2]}
    ax = draw(array(RNG.random((16, 2)), list(rates), rates), over="rate").axes[0]
    ax.figure.canvas.draw()
    assert {"0.001", "0.01", "0.1", "1"} <= set(labels_of(ax.xaxis))


def test_lines_over_powers():
    variable = array(RNG.random((3, 2)), ["rate", "seed"], {"rate": [1, 10, 100]})
    ax = draw(variable, over="rate").axes[0]
    assert ax.get_xscale() == "log"
    assert labels_of(ax.xaxis) == ["1", "10", "100"]


@pytest.mark.parametrize(("step", "rotation"), [(1, 0), (0.00125, 45)])
def test_long_labels_are_turned(step, rotation):
    variable = array(RNG.random((12, 2)), ["a", "b"], {"a": step * np.arange(12)})
    figure = draw(variable, over=["a", "b"])
    figure.canvas.draw()
    labels = figure.axes[0].get_xticklabels()
    assert {label.get_rotation() for label in labels} == {rotation}


def test_draw_over():
    variable = array(RNG.random((3, 2, 4)), ["a", "b", "time"])
    assert draw(variable, over="a").axes[0].get_xlabel() == "a"
    ax, _ = draw(variable, over=["b", "a"], at={"time": 1}).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("b", "a")
    assert "time = 1" in ax.texts[0].get_text()
    assert "a = 2" in draw(variable, at={"a": 2}).axes[0].texts[0].get_text()
