"""Datasets that hold elapsed times, one column for each timer."""

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from .labels import read_dims, write_coords, write_labels
from .output import create_series, make_series
from .timeseries import TimeSeries


def create_total(group: h5py.Group, num_timers: int, **options: Any) -> h5py.Dataset:
    """Creates the dataset ``total``, with the dimension ``label``.

    Args:
        group: Where to create it
        num_timers: How many timers there are now
        **options: Passed on, e.g. the ``dtype``
    """
    dset = group.create_dataset(
        "total", (num_timers,), maxshape=(None,), chunks=True, **options
    )
    write_labels(dset, ["label"], {})
    return dset


def create_cumulative(group: h5py.Group, num_timers: int, **options: Any) -> TimeSeries:
    """Creates the dataset ``cumulative``, of dimensions ``n_iterations`` and ``label``.

    Args:
        group: Where to create it
        num_timers: How many timers there are now
        **options: Passed on, e.g. the ``dtype``
    """
    dset = create_series(
        group,
        "cumulative",
        num_rows=None,
        row_shape=(num_timers,),
        maxshape=(None, None),  # timers may be added later on
        **options,
    )
    write_labels(dset, ["n_iterations", "label"], {})
    return make_series(dset, group)


def holds_elapsed_times(dset: h5py.Dataset) -> bool:
    """Whether a dataset is one of these two.

    Args:
        dset: The dataset
    """
    dims = {"total": ["label"], "cumulative": ["n_iterations", "label"]}
    name = dset.name.rpartition("/")[2]
    return name in dims and read_dims(dset) == dims[name]


def fit_labels(dset: h5py.Dataset, names: Sequence[str]) -> None:
    """Makes room for timers that were added since the last time, and names them.

    Args:
        dset: The dataset; its last dimension is the ``label``.
        names: The names of all timers that there are now
    """
    if dset.shape[-1] != len(names):
        dset.resize(len(names), axis=len(dset.shape) - 1)
    write_coords(dset, "label", mode="values", args=names)


def label_rows(dset: h5py.Dataset, times: Sequence[int]) -> None:
    """Labels each row with the time at which it was taken.

    Args:
        dset: The dataset; its first dimension is ``n_iterations``.
        times: The times, one for each row
    """
    values = np.array(times)
    steps = np.diff(values)
    if len(steps) > 0 and steps[0] > 0 and (steps == steps[0]).all():
        mode, args = "start_and_step", np.array([values[0], steps[0]])
    else:
        mode, args = "values", values
    write_coords(dset, "n_iterations", mode=mode, args=args)
