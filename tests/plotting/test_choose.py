import numpy as np
import pytest
import xarray

from utopya_backend.errors import NotDrawableError
from utopya_backend.plotting import choose as choosing
from utopya_backend.plotting import reduce
from utopya_backend.plotting.choose import choose
from utopya_backend.plotting.pictures import Bars, Image, Lines

RNG = np.random.default_rng(1)


def array(values, dims, coords=None, name="x", **attrs):
    return xarray.DataArray(values, dims=dims, coords=coords, name=name, attrs=attrs)


def test_line():
    picture = choose(array([3.0, 1.0, 2.0], ["time"], {"time": [0, 10, 20]}))
    assert isinstance(picture, Lines)
    assert list(picture.x) == [0, 10, 20]
    assert (picture.x_label, picture.y_label) == ("time", "x")
    (curve,) = picture.curves
    assert list(curve.values) == [3, 1, 2]
    assert curve.bands == ()
    assert picture.notes == ()


def test_few_others_are_lines_with_labels():
    values = RNG.random((5, 3))
    variable = array(values, ["time", "kind"], {"kind": ["a", "b", "c"]})
    picture = choose(variable)
    assert [curve.label for curve in picture.curves] == ["a", "b", "c"]
    assert picture.legend == "kind"
    for number, curve in enumerate(picture.curves):
        assert (curve.values == values[:, number]).all()


def test_two_others_name_both():
    picture = choose(array(np.zeros((2, 2, 2)), ["seed", "kind", "time"]))
    labels = [curve.label for curve in picture.curves]
    assert labels[1] == "seed = 0, kind = 1"
    assert picture.legend == ""


def test_many_others_are_quantiles():
    values = RNG.random((5, 200))
    (curve,) = choose(array(values, ["time", "member"])).curves
    assert curve.values == pytest.approx(values.mean(axis=1))
    (low90, high90), (low50, high50) = curve.bands
    expected = np.quantile(values, [0.05, 0.25, 0.75, 0.95], axis=1)
    assert np.allclose([low90, low50, high50, high90], expected)


def test_all_others_are_taken_together():
    values = RNG.random((20, 5, 30))
    picture = choose(array(values, ["seed", "time", "vertex_idx"]))
    (curve,) = picture.curves
    assert curve.values == pytest.approx(values.mean(axis=(0, 2)))
    assert "seed (20) × vertex_idx (30)" in picture.notes[0]


def test_a_short_one_among_them_gets_lines():
    values = RNG.random((3, 12, 5))
    variable = array(values, ["rate", "seed", "time"], {"rate": [0.1, 0.2, 0.4]})
    picture = choose(variable)
    assert [curve.label for curve in picture.curves] == ["0.1", "0.2", "0.4"]
    assert picture.curves[1].values == pytest.approx(values[1].mean(axis=0))
    ((low, high),) = picture.curves[2].bands
    assert np.allclose([low, high], np.quantile(values[2], [0.25, 0.75], axis=0))


def test_few_seeds_are_no_groups_of_their_own():
    picture = choose(array(RNG.random((3, 100, 5)), ["seed", "member", "time"]))
    assert len(picture.curves) == 1


def test_missing_values():
    values = RNG.random((4, 20))
    values[2, :5] = np.nan
    values[3] = np.nan
    (curve,) = choose(array(values, ["time", "seed"])).curves
    assert curve.values[2] == pytest.approx(values[2, 5:].mean())
    assert np.isnan(curve.values[3])


@pytest.mark.parametrize(("lines", "end"), [(8, ""), (40, ": the mean is of these")])
@pytest.mark.parametrize("size", [5, 9000])
def test_how_many_there_are_over_time(size, lines, end):
    values = RNG.random((size, lines))
    values[size // 2 :, 2:] = np.nan
    last = 8995 if (size, lines) == (9000, 40) else size - 1  # not all are read
    there = f"{lines} of {lines} have values at time = 0, 2 at time = {last}{end}"
    assert there in choose(array(values, ["time", "seed"])).notes[-1]
    values[: size // 3, 0] = np.nan
    there = f"2 to {lines} of {lines} have values at each time{end}"
    assert there in choose(array(values, ["time", "seed"])).notes[-1]


def test_a_line_that_ends_shows_it():
    values = np.where(np.arange(5) < 3, 1, np.nan)
    assert choose(array(values, ["time"])).notes == ()


def test_infinite_values():
    picture = choose(array([1, np.inf, 3], ["time"]))
    assert np.isnan(picture.curves[0].values[1])
    assert picture.notes == ("without infinite values",)


def test_coordinates_out_of_order():
    picture = choose(
        array([4.0, 0.0, np.pi, 2.0], ["time"], {"time": [4, 0, np.nan, 2]})
    )
    assert list(picture.x) == list(picture.curves[0].values) == [0, 2, 4]


def test_unit():
    variable = array([1, 2], ["time"], units="m/s", long_name="speed")
    variable = variable.assign_coords(time=("time", [0, 1], {"unit": "s"}))
    picture = choose(variable)
    assert (picture.x_label, picture.y_label) == ("time [s]", "speed [m/s]")


def test_name_of_a_dimension_that_differs_from_others():
    assert choose(array([1.0, 2.0], ["x_time"])).x_label == "time"


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        (["seed"], "seed"),
        (["rate", "seed"], "rate"),
        (["seed", "radius"], "radius"),
        (["time", "a"], "time"),
        (["rate", "n_iterations"], "n_iterations"),
    ],
)
def test_along_which_dimension(dims, expected):
    assert choose(array(np.ones((15,) * len(dims)), dims)).x_label == expected


def test_times_as_text():
    coords = {"time": [f"day {i}" for i in range(30)]}
    picture = choose(array(np.arange(30), ["time"], coords))
    assert list(picture.x) == list(range(30))
    assert picture.ticks[3] == "day 3"
    assert len(picture.ticks) <= 12


def test_text_is_bars():
    variable = array([1.0, -2.0, 3.0], ["kind"], {"kind": ["a", "b", "c"]})
    picture = choose(variable)
    assert isinstance(picture, Bars)
    assert picture.names == ("a", "b", "c")
    assert list(picture.values) == [1, -2, 3]
    assert not picture.is_share


def test_very_many_bars():
    coords = {"kind": [str(number) for number in range(100)]}
    picture = choose(array(np.arange(100), ["kind"], coords))
    assert picture.names[:2] == ("99", "98")
    assert picture.notes == ("the 40 largest of 100",)


def test_timers_are_sorted_means():
    values = [[1.0, 5.0, 3.0], [1.0, 7.0, np.nan]]
    coords = {"total_label": ["a", "b", "c"]}
    picture = choose(array(values, ["rate", "total_label"], coords, name="total"))
    assert isinstance(picture, Bars)
    assert picture.names == ("b", "c", "a")
    assert list(picture.values) == [6, 3, 1]
    assert picture.is_share
    assert picture.x_label == "time [s]"
    assert picture.notes == ("mean of rate (2)", "1 of 6 values are missing")


def test_cumulative_timers_are_lines():
    variable = array(np.ones((3, 2)), ["n_iterations", "label"], name="cumulative")
    picture = choose(variable)
    assert isinstance(picture, Lines)
    assert picture.y_label == "time [s]"


def grid(values, *outer, coords=None):
    shape = values.shape[len(outer) :]
    dims = [*outer, *"xyz"[: len(shape)]]
    return array(values, dims, coords, content="grid", grid_shape=shape)


def test_grid_at_the_last_time():
    values = RNG.integers(0, 3, (4, 5, 6))
    picture = choose(grid(values, "time", coords={"time": [0, 5, 10, 15]}))
    assert isinstance(picture, Image)
    (frame,) = picture.frames
    assert (frame == values[-1]).all()
    assert picture.times == ("time = 15",)
    assert picture.states == (0, 1, 2)
    assert picture.extent == (-0.5, 4.5, -0.5, 5.5)


def test_cells_have_an_extent():
    coords = {"x": [0.25, 0.75], "y": [0.5, 1.5, 2.5]}
    picture = choose(grid(RNG.random((2, 3)), coords=coords))
    assert picture.extent == (0, 1, 0, 3)
    assert picture.states == ()
    assert picture.times == ("",)


def test_animation():
    picture = choose(grid(RNG.random((1001, 2, 2)), "time"), max_frames=200)
    assert len(picture.frames) == 200
    assert (picture.times[0], picture.times[-1]) == ("time = 0", "time = 1000")
    assert picture.notes == ("200 of 1001 times",)


def test_grid_of_many_universes():
    values = RNG.random((3, 4, 2, 2))
    values[0] = np.nan  # has not run
    values[1, 2:] = np.nan  # has ended early
    picture = choose(grid(values, "seed", "time", coords={"seed": [7, 8, 9]}))
    assert picture.frames[0] == pytest.approx(values[1, 1])
    assert picture.notes == ("only seed = 8",)
    assert picture.times == ("time = 1",)


def test_grid_in_three_dimensions():
    values = RNG.random((2, 3, 4))
    picture = choose(grid(values))
    assert picture.frames[0] == pytest.approx(values[:, :, 2])
    assert picture.notes == ("z = 2",)


def test_grid_whose_shape_does_not_fit():
    variable = array(np.ones((2, 30)), ["time", "cell_ids"], content="grid")
    variable.attrs["grid_shape"] = [4, 4]
    assert isinstance(choose(variable), Lines)


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        (array(5.5, []), "x is a single value, 5.5"),
        (array([], ["time"]), "x is empty"),
        (array(["a"], ["time"]), "x is text"),
        (array(np.array(["a"], object), ["time"]), "x is text"),
        (array([1j], ["time"]), "x is complex numbers"),
        (array([np.nan, np.inf], ["time"]), "x has no finite values"),
        (array(np.full((3, 20), np.nan), ["time", "k"]), "x has no finite values"),
        (array([np.nan], ["k"], {"k": ["a"]}), "x has no finite values"),
        (grid(np.full((2, 2, 2), np.nan), "time"), "x has no finite values"),
        (array(np.array([1], "M8[s]"), ["time"]), "of the type datetime64"),
    ],
)
def test_what_cannot_be_drawn(variable, problem):
    with pytest.raises(NotDrawableError, match=problem):
        choose(variable)


def test_only_grids_are_animated():
    with pytest.raises(NotDrawableError, match="only grids"):
        choose(array([1.0, 2.0], ["time"]), max_frames=200)


def test_long_lines_keep_their_extremes():
    values = np.sin(np.arange(1_000_000) / 1e5)
    values[123_456] = 50
    values[654_321] = np.nan
    picture = choose(array(values, ["time"]))
    (curve,) = picture.curves
    assert len(curve.values) <= reduce.MAX_POINTS
    assert np.nanmax(curve.values) == 50
    assert np.nanmin(curve.values) == np.nanmin(values)
    assert (np.diff(picture.x) >= 0).all()
    assert "every 500 values" in picture.notes[0]


def test_blocks_change_nothing(monkeypatch):
    variable = array(RNG.random((5000, 7)), ["time", "k"])
    members = array(RNG.random((4999, 30)), ["time", "member"])
    whole = choose(variable), choose(members)
    monkeypatch.setattr(reduce, "BLOCK", 3000)
    parts = choose(variable), choose(members)
    for one, other in zip(whole, parts, strict=True):
        assert (one.x == other.x).all()
        for curve, same in zip(one.curves, other.curves, strict=True):
            assert np.array_equal(curve.values, same.values)
            assert np.array_equal(curve.bands, same.bands)


def test_very_many_members(monkeypatch):
    monkeypatch.setattr(reduce, "MAX_MEMBERS", 100)
    values = np.tile(np.arange(1000), (3, 1))
    picture = choose(array(values, ["time", "member"]))
    assert "one member in 10" in picture.notes[1]
    assert picture.curves[0].values == pytest.approx(values.mean(axis=1), rel=0.02)


def test_large_grids_are_thinned(monkeypatch):
    monkeypatch.setattr(choosing, "_MAX_CELLS", 10)
    values = RNG.random((40, 20))
    picture = choose(grid(values))
    assert picture.frames[0] == pytest.approx(values[::4, ::2])
    assert picture.extent == (-0.5, 39.5, -0.5, 19.5)
    assert picture.notes == ("at most 10 cells along each axis",)


class Counting:
    """An array that notes how much is read of it at once."""

    def __init__(self, shape):
        self.shape, self.dtype, self.largest = shape, np.dtype(float), 0

    def read(self, index):
        sizes = [len(np.arange(n)[i]) for n, i in zip(self.shape, index, strict=True)]
        self.largest = max(self.largest, int(np.prod(sizes)))
        return np.ones(sizes)


@pytest.mark.parametrize("shape", [(10**7,), (10**7, 3), (10**6, 1000)])
def test_memory(shape):
    from utopya_backend.io.lazy import Labelled
    from utopya_backend.io.reading import Node
    from utopya_backend.io.tree import to_datasets

    counting = Counting(shape)
    data = Labelled(("time", "k")[: len(shape)], counting)
    (dataset,) = to_datasets(Node({"x": data})).values()
    choose(dataset["x"])
    assert counting.largest <= reduce.BLOCK
