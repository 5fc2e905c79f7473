"""What a model has written, as far as it grows with the time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..io.comparing import Array, first_difference
from ..io.labels import read_coords, read_dims
from ..io.opening import open_for_reading
from ..io.walking import leaves


@dataclass
class Series:
    """Data that grows with the time.

    Attributes:
        times: The label of each row, None if they have none
        rows: The rows
        fillvalue: What stands where nothing has been written
    """

    times: list[int] | None
    rows: Sequence[Any]
    fillvalue: Any = None


def read_series(path: Path, name: str, skip: Collection[str]) -> dict[str, Series]:
    """Reads all data with times in the group of a model.

    Args:
        path: The output file
        name: The name of the model
        skip: What is left out, by its path in the group

    Returns:
        The data, by its path in the group
    """
    found: dict[str, Series] = {}
    with open_for_reading(path)[0] as file:
        for item in leaves(file[name]):
            inner_path = item.name.removeprefix(f"/{name}/")
            if inner_path in skip:
                continue
            if isinstance(item, h5py.Group):  # a dataset for each time
                times = sorted(map(int, item))
                rows = [item[str(time)][()] for time in times]
                found[inner_path] = Series(times, rows)
            elif read_dims(item)[:1] == ["time"]:
                coords = read_coords(item, "time", len(item))
                labels = None if coords is None else coords.tolist()
                found[inner_path] = Series(labels, item[()], item.fillvalue)
    return found


def check_beginning(
    whole: Series | None, stopped: Series | None, stopped_at: int | None
) -> str | None:
    """Says what is wrong with the data of a run that was stopped.

    Args:
        whole: The same data of a run that was not stopped, None if it is not there
        stopped: That of the run that was, likewise
        stopped_at: The time of a model with steps by then

    Returns:
        What is wrong, None if all is right
    """
    if whole is None:
        return "is not there in a whole run"
    if stopped is None:  # what begins later need not be there yet
        stopped = Series([], [])
    rows = stopped.rows
    if stopped_at is None or whole.times is None:  # how many there are, nobody knows
        rows = _without_empty_end(stopped)
    else:
        expected = [time for time in whole.times if time <= stopped_at]
        times = stopped.times
        if times and times[-1] == stopped_at not in whole.times:
            times, rows = times[:-1], rows[:-1]  # the state when it was stopped
        if times != expected:
            return f"has the times {stopped.times}, not {expected}"
    if len(rows) > len(whole.rows):
        return f"has {len(rows)} rows, more than that of a whole run"
    for index, (row, other) in enumerate(zip(rows, whole.rows, strict=False)):
        if difference := _describe_difference(np.asarray(other), np.asarray(row)):
            return f"row {index} is not that of a whole run ({difference})"
    return None


def _describe_difference(one: Array, other: Array) -> str | None:
    if one.shape != other.shape or one.dtype != other.dtype:
        return "another shape or type"
    return first_difference(one, other)


def _without_empty_end(series: Series) -> Sequence[Any]:
    """The rows, without those at the end for which there only is a place."""
    rows = list(series.rows)
    while rows and _is_everywhere(series.fillvalue, np.asarray(rows[-1])):
        rows.pop()
    return rows


def _is_everywhere(value: Any, row: Array) -> bool:
    filled = np.full(row.shape, value, dtype=row.dtype)
    return first_difference(filled, row) is None
