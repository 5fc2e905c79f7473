"""Labels that differ by rounding only, such as 0.1 + 0.2 and 0.3."""

import warnings
from collections.abc import Iterable

import numpy as np

from .missing import Array

_ULPS = 8  # the distance of two numbers that a few operations may make of one [ulp]
_SUMMED = 1e-10  # and that of many, relative to the numbers
_OF_STEP = 1e-3  # but no more of the distance of two labels that stand side by side
_MAX_SHOWN = 3


def warn_of_rounding(what: str, all_coords: Iterable[Array]) -> None:
    """Warns if labels that were probably meant to be the same are not.

    Args:
        what: What they are the labels of
        all_coords: Those of some datasets that are joined. The labels of one dataset
            are meant to differ from each other.
    """
    floats = [coords for coords in all_coords if coords.dtype.kind == "f"]
    if not floats:
        return
    values = np.unique(np.concatenate(floats).astype(float))
    values = values[np.isfinite(values)]
    steps = np.concatenate([abs(np.diff(coords.astype(float))) for coords in floats])
    steps = steps[np.isfinite(steps) & (steps > 0)]
    size = abs(values[1:])
    limit = _ULPS * np.spacing(size)
    if steps.size:
        limit = np.maximum(limit, np.minimum(_SUMMED * size, _OF_STEP * steps.min()))
    close = np.flatnonzero(np.diff(values) <= limit)
    if close.size:
        labels = values.tolist()
        pairs = [f"{labels[n]} and {labels[n + 1]}" for n in close[:_MAX_SHOWN]]
        more = ", …" if close.size > _MAX_SHOWN else ""
        warnings.warn(
            f"The labels of {what} differ by rounding only: {', '.join(pairs)}{more}. "
            "Each is a label of its own; round them where they are made.",
            stacklevel=2,
        )
