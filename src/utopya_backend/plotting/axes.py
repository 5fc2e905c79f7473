"""Axes of pictures: which ones there may be, and how coordinates lie along them.

Nothing here needs xarray, so that mistakes can be told before that is imported.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import NotDrawableError

if TYPE_CHECKING:
    from .reduce import Array

MAX_OVER = 2
"""Dimensions that can be axes of a picture, beside the values"""

MAX_TICKS = 12
"""Coordinates that have a tick each; of more, round numbers are told"""

_MIN_GAP = 0.05  # between two labels, as a share of the axis
_MAX_DIGITS = 17  # with which each float64 is told from all others
_TOLERANCE = 1e-6  # of the ratio of two neighbours on a logarithmic axis


@dataclass(frozen=True)
class Axis:
    """How coordinates lie along an axis.

    Attributes:
        edges: The limits of the fields around the coordinates, one more than these
        ticks: The texts at some places; none if round numbers serve better
        is_log: Whether it is logarithmic
        is_integer: Whether only integers mean anything
    """

    edges: "Array"
    ticks: dict[float, str]
    is_log: bool
    is_integer: bool

    def scaled(self, places: "Array") -> "Array":
        """Where places are, in numbers that grow evenly along the axis.

        Args:
            places: The places, as coordinates
        """
        places = np.asarray(places, float)
        return np.log(places) if self.is_log else places


def texts_of(values: Iterable[float], digits: int = 6) -> list[str]:
    """Numbers as texts, with as many digits as it takes to tell them apart.

    Args:
        values: The numbers
        digits: How many digits there are at least, but for zeros at the end
    """
    values = list(values)
    number = len(np.unique(values))
    for precision in range(digits, _MAX_DIGITS + 1):
        texts = [f"{value:.{precision}g}" for value in values]
        if len(set(texts)) >= number:
            break
    return texts


def limits_as_texts(low: float, high: float, digits: int = 4) -> tuple[str, str]:
    """The least and the largest value as texts that show how far apart they are.

    Args:
        low: The least
        high: The largest
        digits: How many digits the difference has at least
    """
    largest = max(abs(low), abs(high))
    share = high / largest - low / largest if largest else 1.0
    more = 2 if share == 0 else max(math.ceil(-math.log10(share)), 0)
    digits = min(digits + more, _MAX_DIGITS)
    return f"{low:.{digits}g}", f"{high:.{digits}g}"


def lay_out(coords: "Array", names: Mapping[int, str]) -> Axis:
    """Chooses how coordinates lie along an axis.

    Args:
        coords: The coordinates, in their order
        names: What some of them are called, if they are the numbers of texts
    """
    is_log = not names and _are_powers(coords)
    places = np.log(coords, dtype=float) if is_log else coords.astype(float)
    steps = np.diff(places) if len(places) > 1 else np.ones(1)
    edges = np.array(
        [
            places[0] - steps[0] / 2,
            *(places[:-1] + places[1:]) / 2,
            places[-1] + steps[-1] / 2,
        ]
    )
    ticks: dict[float, str] = dict(names.items())
    if not names and len(coords) <= MAX_TICKS:
        ticks = dict(zip(coords.tolist(), _labels(coords, places), strict=True))
    is_integer = bool((coords == np.round(coords)).all())
    return Axis(np.exp(edges) if is_log else edges, ticks, is_log, is_integer)


def _are_powers(coords: "Array") -> bool:
    """Whether each is the same multiple of the one before it."""
    if len(coords) < 3 or coords[0] <= 0:
        return False
    steps = np.diff(np.log(coords, dtype=float))
    return bool(steps[0] > 0 and np.allclose(steps, steps[0], rtol=_TOLERANCE, atol=0))


def _labels(coords: "Array", places: "Array") -> list[str]:
    """The coordinates as texts; nothing, where there is no room beside the last one."""
    labels: list[str] = []
    last = -np.inf
    is_float = coords.dtype.kind == "f"
    texts = texts_of(coords.tolist()) if is_float else list(map(str, coords.tolist()))
    for text, place in zip(texts, places, strict=True):
        has_room = place - last > _MIN_GAP * (places[-1] - places[0])
        labels.append(text if has_room or not labels else "")
        last = place if labels[-1] else last
    return labels


def check_over(over: Sequence[str]) -> None:
    """Checks which dimensions are to be the axes.

    Args:
        over: Their names

    Raises:
        ValueError: If there are too many, or the same twice
    """
    if len(over) > MAX_OVER:
        raise NotDrawableError(
            f"A picture is drawn over one or two dimensions, but these are "
            f"{len(over)}: {', '.join(over)}. Leave out some, to see the mean over "
            "them, or choose a value of them, by --at DIM=VALUE."
        )
    if len(set(over)) < len(over):
        raise NotDrawableError(
            f"The axes are both over {over[0]}: name two dimensions, or one."
        )
