"""A glance into an output file: its last values, without keeping its writer waiting.

Readers that have a file open put the commits of its writer off. So it is open only
for as long as it takes to read a few rows.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import prod
from typing import Any

import h5py
import numpy as np

from .labels import read_coords, read_dims
from .opening import check_signature, open_hdf5, reporting_damage
from .recovery import find_writer
from .walking import all_datasets, printable
from .writer import Life

MAX_SERIES = 20
"""How many time series are read at most"""

_MAX_DATASETS = 500  # as many are looked at
_MAX_VALUES = 1_000_000  # longer rows are left out
_MAX_SECONDS = 0.1  # nothing is begun after that
_PATIENCE = 0.5  # a commit takes a fraction of that [s]

_ATTRIBUTES = ("status", "model", "started", "ended", "iterations")


@dataclass(frozen=True)
class LastRow:
    """The last row of a time series."""

    name: str
    """The path in the file"""

    num_rows: int
    """How many rows there are"""

    values: np.ndarray[Any, Any]
    """The row"""


@dataclass(frozen=True)
class Glance:
    """What was seen in an output file."""

    attrs: Mapping[str, Any] = field(default_factory=dict)
    """What it says about its run; see :py:mod:`~utopya_backend.io.provenance`"""

    rows: tuple[LastRow, ...] = ()
    """The last rows of its time series"""

    timers: Mapping[str, float] = field(default_factory=dict)
    """Elapsed times [s], if the model takes them"""

    @property
    def status(self) -> str | None:
        """How its run has ended, if it says so; see :py:mod:`.status`."""
        return str(self.attrs["status"]) if "status" in self.attrs else None


def glance_at(
    path: str | os.PathLike[str],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Glance:
    """Reads the last values in an output file, as they were at its last commit.

    Nothing is recovered. If a commit is being made, that is waited for.

    Args:
        path: The file
        clock: Tells the time [s]
        sleep: Waits for a time [s]

    Raises:
        FileNotFoundError: If there is no such file
        ValueError: If it is no HDF5 file, or damaged
        BlockingIOError: If its writer, one that makes no commits, has locked it
        PermissionError: If it may not be read
    """
    path = os.fspath(path)
    check_signature(path)
    file = open_hdf5(path, patience=_PATIENCE, clock=clock, sleep=sleep)
    with file, reporting_damage(path):
        attrs = {key: file.attrs[key] for key in _ATTRIBUTES if key in file.attrs}
        return _look_around(file, attrs, clock)


def has_writer(path: str | os.PathLike[str]) -> bool:
    """Whether the writer of an output file lives, or may do so.

    Args:
        path: The file
    """
    life, _ = find_writer(os.fspath(path))
    return life in (Life.LIVES, Life.UNKNOWN)


def _look_around(
    file: h5py.File, attrs: Mapping[str, Any], clock: Callable[[], float]
) -> Glance:
    deadline = clock() + _MAX_SECONDS
    rows: list[LastRow] = []
    timers: dict[str, float] = {}
    for dset in islice(all_datasets(file), _MAX_DATASETS):
        if clock() > deadline:
            break
        dims, name = read_dims(dset), printable(dset.name)
        if name.endswith(("/cumulative", "/total")) and dims[-1:] == ["label"]:
            timers |= _read_timers(dset)
        elif dims[:1] == ["time"] and len(rows) < MAX_SERIES and _is_small(dset):
            rows.append(LastRow(name, len(dset), np.asarray(dset[-1])))
    return Glance(attrs, tuple(rows), timers)


def _is_small(dset: h5py.Dataset) -> bool:
    has_rows = len(dset) > 0 and dset.dtype.kind in "biuf"
    return has_rows and 0 < prod(dset.shape[1:]) <= _MAX_VALUES


def _read_timers(dset: h5py.Dataset) -> dict[str, float]:
    """The elapsed times in ``cumulative``, its last row, or in ``total``."""
    if 0 in dset.shape or dset.dtype.kind != "f":
        return {}
    seconds = dset[-1] if len(dset.shape) == 2 else dset[:]
    try:
        names = read_coords(dset, "label", len(seconds))
    except ValueError:  # another program's
        return {}
    if names is None or not np.isfinite(seconds).all():
        return {}
    return dict(zip(map(str, names), map(float, seconds), strict=True))
