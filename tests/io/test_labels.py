import enum
import itertools
import math
from datetime import date
from decimal import Decimal
from fractions import Fraction

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from utopya_backend.io.labels import (
    check_coords,
    read_coords,
    read_dims,
    write_coords,
    write_labels,
)


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        yield file


@pytest.fixture
def dset(file):
    return file.create_dataset("group/data", (3, 4), dtype=float)


def read(dset, dim):
    args = dset.attrs[f"coords__{dim}"]
    if dset.attrs[f"coords_mode__{dim}"] == "linked":
        args = dset.parent[args]
        assert list(args.attrs["dim_names"]) == [dim]
        args = args.asstr()[:] if args.dtype.kind == "O" else args[:]
    return np.asarray(args).tolist()


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3],
        (1.5, 2.5),
        range(3),
        ["a", "ä"],
        np.arange(3),
        np.array(["a", "bc"]),
        [],
        range(100_000),
        np.linspace(0, 1, 100_000),
        [f"name {number}" for number in range(5000)],
    ],
    ids=lambda values: f"{type(values).__name__} of {len(values)}",
)
def test_values(dset, values):
    write_coords(dset, "x", mode="values", args=values)
    assert read(dset, "x") == list(values)
    linked = dset.attrs["coords_mode__x"] == "linked"
    assert linked == (len(values) >= 5000)


def test_linked_coordinates_are_replaced(dset):
    write_coords(dset, "x", mode="values", args=range(10_000))
    write_coords(dset, "x", mode="values", args=range(20_000))
    assert read(dset, "x") == list(range(20_000))
    assert set(dset.parent) == {"data", "data__coords__x"}


def test_labels(dset):
    coords = {"x": ["a", "b", "c"], "y": {"mode": "range", "coords": [0, 8, 2]}}
    write_labels(dset, ["x", "y"], coords)
    assert list(dset.attrs["dim_names"]) == ["x", "y"]
    assert dset.attrs["coords_mode__x"] == "values"
    assert dset.attrs["coords_mode__y"] == "range"
    assert read(dset, "y") == [0, 8, 2]


def test_mode_without_an_argument(dset):
    write_labels(dset, ["x", "y"], {"x": {"mode": "trivial"}})
    assert dset.attrs["coords_mode__x"] == "trivial"


def test_check_coords():
    check_coords({"x": [1, 2], "y": {"mode": "trivial"}}, {"x": 2, "y": 9, "z": None})
    check_coords({"z": [1, 2, 3]}, {"z": None})
    with pytest.raises(ValueError, match=r"'y' .* was not part of the list .*\(x, z\)"):
        check_coords({"y": [1]}, {"x": 2, "z": 1})
    with pytest.raises(ValueError, match=r"\(there are none\)"):
        check_coords({"y": [1]}, {})
    with pytest.raises(ValueError, match="does not match its size, 2"):
        check_coords({"x": [1]}, {"x": 2})
    with pytest.raises(ValueError, match="have no mode, but only"):
        check_coords({"x": {"coords": [1]}}, {"x": 1})


def test_dantro_reads_them(tmp_path):
    """The evaluation side of the frontend gets the same labels."""
    data_mngr = pytest.importorskip("dantro.data_mngr")
    from dantro.containers import XrDataContainer
    from dantro.data_loaders import AllAvailableLoadersMixin
    from dantro.mixins.proxy_support import Hdf5ProxySupportMixin

    class Container(Hdf5ProxySupportMixin, XrDataContainer):
        """As the frontend defines it."""

        _XRC_DIMS_ATTR = "dim_names"
        _XRC_COORDS_ATTR_PREFIX = "coords__"
        _XRC_COORDS_MODE_ATTR_PREFIX = "coords_mode__"

    class DataManager(AllAvailableLoadersMixin, data_mngr.DataManager):
        _HDF5_DSET_DEFAULT_CLS = Container

    with h5py.File(tmp_path / "data.h5", "w") as file:
        dset = file.create_dataset("group/data", data=np.zeros((3, 10_000)))
        write_labels(dset, ["name", "x"], {"name": ["a", "b", "c"], "x": range(10_000)})
        dset = file.create_dataset("group/names", data=np.zeros(5000))
        write_labels(dset, ["name"], {"name": [f"n{number}" for number in range(5000)]})
    manager = DataManager(str(tmp_path), out_dir=False)
    manager.load("data", loader="hdf5_proxy", glob_str="data.h5")
    array = manager["data/group/data"].data
    assert array.dims == ("name", "x")
    assert array.coords["name"].values.tolist() == ["a", "b", "c"]
    assert array.coords["x"].values.tolist() == list(range(10_000))
    # It does not decode the strings of datasets, only those of attributes.
    names = manager["data/group/names"].data.coords["name"].values
    assert names[:2].tolist() == [b"n0", b"n1"]


# .. Labels of any kind .......................................................


STRINGS = np.dtype("T") if np.__version__ >= "2" else np.dtype(object)
"""The strings that numpy has since version 2"""


class State(str, enum.Enum):  # noqa: UP042  # printed as State.ILL, unlike a StrEnum
    HEALTHY = "S"
    ILL = "I"


@pytest.mark.parametrize(
    "labels",
    [
        list(State),
        ("S", State.ILL),
        dict.fromkeys(["S", "I"]).keys(),
        {1: "S", 2: State.ILL}.values(),
        iter(["S", "I"]),
        (text for text in ["S", "I"]),
        np.array(["S", "I"], dtype=object),
        np.array(["S", "I"], STRINGS),
        np.array([b"S", b"I"]),
        [b"S", b"I"],
        pd.DataFrame(columns=["S", "I"]).columns,
        pd.Series(["S", "I"]),
        pd.Categorical(["S", "I"]),
        xr.DataArray(["S", "I"], dims="q"),
        {"mode": "values", "coords": list(State)},
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_texts_of_any_kind(dset, labels):
    checked = check_coords({State.ILL: labels}, {"I": 2})
    write_labels(dset, ["x", State.ILL], checked)
    assert read_dims(dset) == ["x", "I"]
    assert read_coords(dset, "I", 2).tolist() == ["S", "I"]


@pytest.mark.parametrize(
    ("labels", "read"),
    [
        (np.ma.masked_array([1.0, 2.0], [True, False]), [math.nan, 2.0]),
        ([True, False], [True, False]),
        ([math.inf, math.nan], [math.inf, math.nan]),
        ([Fraction(1, 2), Decimal("0.25")], [0.5, 0.25]),
        (pd.RangeIndex(2), [0, 1]),
        (range(3, 5), [3, 4]),
    ],
)
def test_numbers_of_any_kind(dset, labels, read):
    write_labels(dset, ["x", "y"], check_coords({"y": labels}, {"y": 2}))
    np.testing.assert_equal(read_coords(dset, "y", 2).tolist(), read)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", 1], "holds texts, and not 1, which is int"),
        ([1, "a"], "not 'a', which is str and no number"),
        (["a", None], "not None"),
        ({"a", "b"}, "have to be a list or an array"),
        ("ab", "have to be a list or an array"),
        ([[1, 2], [3, 4]], "with one dimension"),
        ([[1, 2], [3]], "numbers or strings"),
        ([date(2024, 1, 1)] * 2, "not datetime.date"),
        (np.array(["2024-01-01"] * 2, "M8[D]"), "datetime_as_string"),
        (np.array([1, 2], "m8[s]"), "no durations: give numbers"),
        (pd.date_range("2024-01-01", periods=2), "datetime_as_string"),
        (np.ma.masked_array([1, 2], [True, False]), r"masked.*filled"),
        ([2**64, 1], "holds int64"),
        (["a\0", "b"], "end at a"),
        (itertools.count(), "3, does not match its size, 2"),
        ([enum.Enum("E", "A").A] * 2, "numbers or strings"),
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_labels_that_are_refused(dset, labels, message):
    with pytest.raises(ValueError, match=f"dimension 'y'.*{message}"):
        check_coords({"y": labels}, {"y": 2})
    if not isinstance(labels, itertools.count):
        with pytest.raises(ValueError, match=f"dimension 'y'.*{message}"):
            write_labels(dset, ["x", "y"], {"x": [1, 2, 3], "y": labels})
    assert not dset.attrs.keys()


def test_labels_with_a_unit(dset):
    class Quantity(np.ndarray):
        unit = "km"

    labels = np.array([1.0, 2.0, 3.0]).view(Quantity)
    write_labels(dset, ["x", "y"], check_coords({"x": labels}, {"x": 3}))
    assert read_coords(dset, "x", 3).tolist() == [1, 2, 3]
    assert dset.attrs["units__x"] == "km"
