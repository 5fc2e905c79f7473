"""Datasets that hold elapsed times, one column for each timer."""

from collections.abc import Sequence
from typing import Any

import h5py

from .labels import read_dims, write_coords, write_labels
from .output import create_series, make_series
from .row_labels import RowLabels
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


def create_cumulative(
    group: h5py.Group, num_timers: int, *, start: int, step: int, **options: Any
) -> TimeSeries:
    """Creates the dataset ``cumulative``, of dimensions ``n_iterations`` and ``label``.

    Args:
        group: Where to create it
        num_timers: How many timers there are now
        start: The label of the first row
        step: The distance to that of the second one, as it is expected
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
    series = make_series(dset, group)
    series.label_rows(
        # A model that is run again with another time has some of them twice.
        RowLabels("n_iterations", start=start, step=step, are_unique=False)
    )
    return series


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
