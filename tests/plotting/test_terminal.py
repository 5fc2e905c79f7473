import re

import numpy as np
import pytest
import xarray

from utopya_backend.plotting.choose import choose
from utopya_backend.plotting.colors import LINES, STATES, VIRIDIS, blend, line_colors
from utopya_backend.plotting.over import choose_over
from utopya_backend.plotting.terminal import draw_text

RNG = np.random.default_rng(1)


def array(values, dims, coords=None, name="x", **attrs):
    return xarray.DataArray(values, dims=dims, coords=coords, name=name, attrs=attrs)


def cells(values):
    dims = ["time", "x", "y"]
    return array(values, dims, content="grid", grid_shape=values.shape[1:])


def text_of(variable, title="M: x", width=60, height=10, color=False):
    return draw_text(choose(variable), title, width=width, height=height, color=color)


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


PICTURES = {
    "line": array(RNG.random(100), ["time"]),
    "lines": array(RNG.random((100, 3)), ["time", "kind"], {"kind": ["a" * 99, *"bc"]}),
    "ensemble": array(RNG.random((100, 50)), ["time", "member"]),
    "groups": array(RNG.random((100, 3, 50)), ["time", "rate", "member"]),
    "bars": array(RNG.random(3), ["kind"], {"kind": ["a" * 99, "b", "c"]}),
    "timers": array(RNG.random(3), ["label"], {"label": list("abc")}, name="total"),
    "states": cells(RNG.integers(0, 3, (1, 200, 200))),
    "field": cells(RNG.random((1, 10, 300))),
    "small": cells(RNG.random((1, 3, 3))),
    "one": array([4.0], ["time"]),
    "text": array([4.0, 5.0], ["time"], {"time": ["mon", "tue"]}),
    "constant": array([-1e-300] * 9, ["time"], {"time": np.arange(9) * 1e300}),
    "gaps": cells(np.array([[[np.nan, 1.5], [2.5, np.inf]]])),
}


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("width", [30, 61, 200])
@pytest.mark.parametrize("name", PICTURES)
def test_width_and_height(name, width, color):
    text = text_of(PICTURES[name], "A long title " * 5, width, 10, color)
    assert ("\x1b" in text) == color
    lines = plain(text).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 24


def test_a_rising_line():
    lines = text_of(array(np.arange(50.0), ["time"])).splitlines()
    assert lines[0] == "M: x"
    assert lines[1].startswith("49 │")
    assert lines[10].startswith(" 0 │")
    assert lines[-1].split() == ["0", "time", "49"]
    rows = [line.split("│")[1] for line in lines[1:11]]
    firsts = [len(row) - len(row.lstrip()) for row in rows]
    assert firsts == sorted(firsts, reverse=True)
    assert firsts[-1] == 0
    assert len(rows[0].rstrip()) == 56


def test_lines_without_colours_are_letters():
    values = np.stack([np.zeros(9), np.ones(9)], axis=1)
    lines = text_of(array(values, ["time", "kind"], {"kind": ["low", "high"]}))
    lines = lines.splitlines()
    assert set(lines[1].split("│")[1]) == {"b"}
    assert set(lines[10].split("│")[1]) == {"a"}
    assert lines[-2:] == ["  a low", "  b high"]


def test_unit():
    variable = array([1.0, 2.0], ["time"], units="m")
    assert text_of(variable).splitlines()[0] == "M: x: x [m]"


def test_bars_are_as_long_as_the_values():
    coords = {"label": ["a", "b", "c"]}
    variable = array([10.0, 40.0, np.nan], ["label"], coords, name="total")
    first, second, third = text_of(variable).splitlines()[1:]
    assert first.startswith("b ")
    assert first.endswith("40 100.0%")
    assert 3.5 < first.count("█") / second.count("█") < 4.5
    assert "█" not in third


def test_states_have_signs():
    values = np.repeat([[0], [1], [2]], 3, axis=1)[None]
    lines = text_of(cells(values), height=3).splitlines()
    assert lines[1:4] == ["  ++##"] * 3  # x goes to the right
    assert lines[-1] == "x: ' ' 0  '+' 1  '#' 2"


def test_states_have_colours():
    values = np.array([[[0, 1], [1, 0]]])
    line = text_of(cells(values), height=1, color=True).splitlines()[1]
    empty, tree = "236;231;220", "0;158;115"
    # The upper half of a character is in the foreground; y goes upwards.
    assert f"\x1b[38;2;{tree};48;2;{empty}m▀" in line
    assert f"\x1b[38;2;{empty};48;2;{tree}m▀" in line


def test_colours():
    for colors in (LINES, STATES, VIRIDIS, line_colors(10)):
        assert len(set(colors)) == len(colors)
    assert blend(("#000000", "#ffffff"), 0.5) == "#808080"
    assert blend(VIRIDIS, 8) == VIRIDIS[-1]


# .. Maps ............


def map_of(values, coords, width=60, height=10, color=False):
    picture = choose_over(array(values, list(coords), coords), list(coords))
    return draw_text(picture, "M: x", width=width, height=height, color=color)


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("width", [30, 61, 200])
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (100, 3), (3, 100), (300, 300)])
def test_width_and_height_of_a_map(shape, width, color):
    values = RNG.random(shape)
    values[0, 0] = 1.0 if values.size == 1 else np.nan
    coords = {"a" * 40: np.arange(shape[0]) / 7, "b" * 99: np.arange(shape[1])}
    text = map_of(values, coords, width, 10, color)
    assert ("\x1b" in text) == color
    lines = plain(text).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 18


def test_map():
    values = np.array([[1.0, 2.0], [3.0, np.nan]])
    lines = map_of(values, {"rate": [0.1, 5], "kind": ["ash", "oak"]}).splitlines()
    assert lines[:2] == ["M: x", "kind"]
    rows = lines[2:12]
    assert rows[0].startswith("oak │▒▒")
    assert rows[0].endswith("??")
    assert rows[-1].startswith("ash │  ")
    assert rows[-1].endswith("██")
    assert lines[13].split() == ["0.1", "rate", "5"]
    assert lines[14] == "x: 1 (dark) to 3, ? no data"
    assert "1 of 4 fields are blank" in lines[15]


def test_lines_over_powers():
    variable = array([0.0, 1.0, 2.0], ["rate"], {"rate": [0.01, 0.1, 1.0]})
    picture = choose_over(variable, ["rate"])
    *rows, _, below = draw_text(picture, "x", width=60, height=11).splitlines()
    assert "rate (logarithmic)" in below
    assert rows[6].index("│") + 20 < len(rows[6].rstrip()) < 40  # straight


# .. Values of any size, and any text ............


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (300 + 1e-5 * np.arange(12), "300", "300.00011"),
        (1.7e9 + np.arange(12) / 2, "1700000000", "1700000005.5"),
        (1e-50 * np.arange(1, 13), "1e-50", "1.2e-49"),
        (np.linspace(-1e300, 1e300, 12), "-1e+300", "1e+300"),
        (2**60 + np.arange(12), "0", "11"),
    ],
)
def test_limits_and_differences_of_values_of_any_size(values, low, high):
    line = text_of(array(values, ["time"]))
    assert line.split("│")[0].split()[-1] == high
    assert f"{low} │" in line
    field = text_of(cells(values.reshape(1, 3, 4).astype(values.dtype)))
    assert f": {low} (dark) to {high}" in field
    assert set(" ░▒▓█") <= set(field)


def test_states_that_are_large():
    text = text_of(cells(2**60 + np.array([[[0, 1], [2, 1]]])))
    first, second, third = (f"{2**60 + n}" for n in range(3))
    assert f"' ' {first}  '+' {second}  '#' {third}" in text


@pytest.mark.parametrize("over", [(), ("$k",), ("$k", "time")])
def test_any_text(over):
    """None of it moves the cursor, or begins another line."""
    odd = ["two\nlines", "\x1b[31mred", "a$b$", "\udcff", "nul\0", "bell\a", "cr\r"]
    variable = array(RNG.random((7, 7)), ["$k", "time"], {"$k": odd}, "\x1b[2J_\n$")
    variable.attrs.update(long_name="\x1b[2J$", units="\n\x07")
    picture = choose_over(variable, over) if over else choose(variable)
    text = draw_text(picture, "\x1b[2J\n", width=60, height=10)
    assert all(char.isprintable() for line in text.split("\n") for char in line)
    assert max(map(len, text.split("\n"))) <= 60
    assert r"\x1b[2J$ [ \x07]" in text
