"""Colours that people with any colour vision can tell apart."""

from collections.abc import Sequence

LINES = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
)  # fmt: skip
"""Those of lines. Source: M. Okabe and K. Ito, Color Universal Design (2008)."""

STATES = (
    "#ece7dc", "#009e73", "#d55e00", "#0072b2", "#e69f00", "#cc79a7", "#56b4e9",
    "#000000",
)  # fmt: skip
"""Those of the states of cells, the same with one for the ground"""

VIRIDIS = (
    "#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962",
    "#addc30", "#fde725",
)  # fmt: skip
"""From the least to the largest value: points of matplotlib's viridis"""


def line_colors(number: int) -> Sequence[str]:
    """Colours for some lines.

    Args:
        number: How many
    """
    if number <= len(LINES):
        return LINES[:number]
    last = len(VIRIDIS) - 2  # the lightest is hard to see on white
    return [blend(VIRIDIS, i / (number - 1) * last) for i in range(number)]


def blend(colors: Sequence[str], position: float) -> str:
    """The colour at a position between others.

    Args:
        colors: The others
        position: From 0, the first one, to the number of the last one
    """
    index = min(int(position), len(colors) - 2)
    share = position - index
    parts = zip(rgb(colors[index]), rgb(colors[index + 1]), strict=True)
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in parts)


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue, from 0 to 255.

    Args:
        color: As ``#0072b2``
    """
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
