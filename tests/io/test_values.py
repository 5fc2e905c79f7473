"""What a model gives arrives as the same value, in each way of writing, or not."""

import collections
import datetime
import enum
import math
from decimal import Decimal
from fractions import Fraction

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from utopya_backend.io.graph import GraphSeries
from utopya_backend.io.grid import GridSeries
from utopya_backend.io.output import OutputFile, create_series, make_series
from utopya_backend.io.timeseries import TimeSeries
from utopya_backend.io.values import convert

STRINGS = np.dtype("T") if np.__version__ >= "2" else np.dtype(object)
"""The strings that numpy has since version 2"""


class State(str, enum.Enum):  # noqa: UP042  # printed as State.ILL, unlike a StrEnum
    HEALTHY = "S"
    ILL = "I"


class Level(enum.IntEnum):
    LOW = 1


Pair = collections.namedtuple("Pair", "a b")  # the plain kind


class Duck:
    """An array of another library, as those of JAX and PyTorch."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


class Quantity(np.ndarray):
    """An array with a unit, as those of astropy."""

    unit = ""

    def __new__(cls, values, unit):
        self = np.asarray(values, float).view(cls)
        self.unit = unit
        return self


class ForeignQuantity(Duck):
    """An array with a unit, as those of pint."""

    units = "metre"


class ForeignMasked(Duck):
    """A masked array as those of astropy, which are none of numpy's."""

    mask = np.array([False, True, False])


class Refusing(Quantity):
    """A quantity as those of astropy, which are no numbers."""

    def __float__(self):
        raise TypeError


@pytest.fixture
def file(tmp_path):
    with OutputFile(tmp_path / "data.h5") as file:
        yield file


def make(file, dtype, row_shape=(), cls=TimeSeries):
    dset = create_series(
        file, f"x{len(file)}", num_rows=None, row_shape=row_shape, dtype=dtype,
        compression=2,
    )  # fmt: skip
    return make_series(dset, file, cls)


def append(dset, row):
    dset.append(row)


def grow_and_set(dset, row):
    dset.resize(dset.shape[0] + 1, axis=0)
    dset[-1, ...] = row


WAYS = pytest.mark.parametrize("write", [append, grow_and_set])


def same(one, other):
    np.testing.assert_array_equal(one, other, strict=True)


# .. Masked values ............................................................


RECORD = [("a", int), ("b", float)]
MASKED = np.ma.masked_array([1, -999, 99], [False, True, False])


@WAYS
@pytest.mark.parametrize(
    "row",
    [
        MASKED,
        MASKED.astype(float),
        ForeignMasked([1, -999, 99]),
        [1, np.ma.masked, 99.0],
        (1, np.ma.masked_array(-999, True), 99),
        pd.array([1, None, 99], dtype="Int64"),
        pd.Series([1, None, 99], dtype="Int64"),
        [1, None, 99],
        np.ma.masked_array([Fraction(1), "none", 99], [0, 1, 0], dtype=object),
    ],
    ids=lambda row: type(row).__name__,
)
@pytest.mark.filterwarnings("error")
def test_a_masked_value_is_nan(file, write, row):
    dset = make(file, "f4", (3,))
    write(dset, row)
    same(dset[-1], np.array([1, np.nan, 99], "f4"))


@WAYS
def test_what_is_behind_a_mask_does_not_matter(file, write):
    dset = make(file, "f4", (2,))
    write(dset, np.ma.masked_array([1e300, 2.0], [True, False]))
    same(dset[-1], np.array([np.nan, 2], "f4"))


@WAYS
@pytest.mark.parametrize("row", [np.ma.masked, MASKED[1], np.ma.masked_array(7, True)])
def test_a_masked_number_is_nan(file, write, row):
    for dtype in (float, complex):
        dset = make(file, dtype)
        write(dset, row)
        assert np.isnan(dset[-1])


@WAYS
@pytest.mark.parametrize(
    ("dtype", "row"),
    [
        (int, MASKED),
        ("u1", [1, np.ma.masked, 0]),
        (bool, np.ma.masked_array([True, False, True], [1, 0, 0])),
        (str, np.ma.masked_array(["a", "b", "c"], [1, 0, 0])),
        (RECORD, np.ma.masked_array([(1, 2.0)] * 3, [(1, 0)] * 3, dtype=RECORD)),
    ],
)
def test_there_is_nothing_for_a_masked_value(file, write, dtype, row):
    dset = make(file, dtype, (3,))
    with pytest.raises(ValueError, match=r"masked, as \d of 3 are.*\.filled\(-1\)"):
        write(dset, row)
    assert len(dset) == (write is grow_and_set)


@WAYS
def test_a_mask_with_nothing_masked(file, write):
    dset = make(file, int, (3,))
    write(dset, np.ma.masked_array([1, 2, 3], [False] * 3))
    assert dset[-1].tolist() == [1, 2, 3]


@WAYS
def test_masked_fields_of_records(file, write):
    rows = np.ma.masked_array([(1, 2.0)], [(False, True)], dtype=RECORD)
    for row in (rows[0], rows.reshape(1)[0:1].reshape(())):
        dset = make(file, RECORD)
        write(dset, row)
        assert dset[-1]["a"] == 1
        assert np.isnan(dset[-1]["b"])


def test_masked_cells_of_a_grid(file):
    dset = make(file, float, (6,), GridSeries)
    dset.grid_shape = (2, 3)
    dset.append(np.ma.masked_less([[1.0, -9, 2], [3, 4, 5]], 0))
    same(dset[0], np.array([1, np.nan, 2, 3, 4, 5]))


def test_masked_values_of_graphs(file):
    series = GraphSeries(file.create_group("g"))
    series.append(range(3), [], vertex_properties={"p": MASKED.astype(float)}, time=0)
    same(file["g/p/0"][()], np.array([1, np.nan, 99]))
    for kwargs in (
        {"vertices": MASKED, "edges": []},
        {"vertices": range(3), "edges": np.ma.masked_array([(0, 1)], [(0, 1)])},
        {"vertices": range(3), "edges": [], "vertex_properties": {"p": MASKED}},
    ):
        with pytest.raises(ValueError, match=r"1 of . are.*filled"):
            series.append(**kwargs, time=1)
    assert len(series) == 1


# .. Arrays of other libraries ................................................


@WAYS
@pytest.mark.parametrize("dtype", [float, "f4", "i2"])
@pytest.mark.parametrize(
    "row",
    [
        [1, 2, 3],
        (Level.LOW, 2.0, 3),
        range(1, 4),
        pd.Series([1, 2, 3]),
        pd.Index([1, 2, 3]),
        xr.DataArray([1, 2, 3], dims="x", coords={"x": [7, 8, 9]}),
        Duck([1, 2, 3]),
        np.array([1, 2, 3]).view(type("Own", (np.ndarray,), {})),
        np.array([1, 2, 3], object),
    ],
    ids=lambda row: type(row).__name__,
)
def test_arrays_of_any_kind(file, write, dtype, row):
    dset = make(file, dtype, (3,))
    write(dset, row)
    same(dset[-1], np.array([1, 2, 3], dtype))


@WAYS
def test_a_mapped_array(file, tmp_path, write):
    row = np.memmap(tmp_path / "row", dtype="f8", mode="w+", shape=(2,))
    row[:] = [1, 2]
    dset = make(file, float, (2,))
    write(dset, row)
    same(dset[-1], np.array([1.0, 2]))


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_keeps_its_two_dimensions(file):
    matrix = np.asmatrix([[1.0, 2], [3, 4]])
    dset = make(file, float, (2, 2))
    dset.append(matrix)
    same(dset[-1], np.array([[1.0, 2], [3, 4]]))
    with pytest.raises(ValueError, match=r"but this one has \(1, 2\)"):
        make(file, float, (2,)).append(matrix[0])


@WAYS
@pytest.mark.parametrize(
    ("row", "unit"),
    [(Quantity([1, 2], "km"), "km"), ([Quantity(1, "km"), Quantity(2, "km")], "km"),
     ([Refusing(1, "km"), Refusing(2, "km")], "km"),
     (ForeignQuantity([1.0, 2.0]), "metre")],
)  # fmt: skip
def test_the_unit_of_a_quantity_is_kept(file, write, row, unit):
    dset = make(file, float, (2,))
    for _ in range(2):
        write(dset, row)
    write(dset, [3.0, 4.0])  # a number without a unit is one in that
    same(dset[()], np.array([[1.0, 2], [1, 2], [3, 4]]))
    assert dset.attrs["units"] == unit


@WAYS
def test_quantities_in_other_units_are_refused(file, write):
    dset = make(file, float, (2,))
    write(dset, Quantity([1, 2], "km"))
    with pytest.raises(ValueError, match=r"values in km, and these are in m.*\.to"):
        write(dset, Quantity([1, 2], "m"))
    with pytest.raises(ValueError, match="have different units"):
        write(dset, [Quantity(1, "km"), Quantity(2, "m")])
    dset.attrs["units"] = "s"
    with pytest.raises(ValueError, match="values in s, and these are in km"):
        make_series(file[dset.name], file)[-1] = Quantity([1, 2], "km")


def test_units_of_graphs(file):
    series = GraphSeries(file.create_group("g"))
    series.append([0], [], vertex_properties={"p": Quantity([1], "km")}, time=0)
    assert file["g/p/0"].attrs["units"] == "km"
    with pytest.raises(ValueError, match=r"\['p \[km\]'\], but now has \['p'\]"):
        series.append([0], [], vertex_properties={"p": [1.0]}, time=1)


# .. Numbers ..................................................................


@WAYS
@pytest.mark.parametrize(
    ("dtype", "value", "stored"),
    [
        (float, 2**63, 2.0**63),
        (float, 2**64, 2.0**64),
        ("f4", Fraction(1, 3), np.float32(1 / 3)),
        (float, Decimal("0.1"), 0.1),
        (float, Decimal("Infinity"), math.inf),
        (float, True, 1.0),
        ("f4", 1e-60, 0.0),  # rounded
        (complex, Fraction(1, 2), 0.5),
        ("u8", 2**64 - 1, 2**64 - 1),
        (int, Fraction(4, 2), 2),
        (int, 2.0, 2),
        (int, 2.0**60, 2**60),
        ("u8", np.float32(2**63), 2**63),
        (bool, 1, True),
        (bool, np.int8(0), False),
        (bool, 1.0, True),
    ],
)
def test_numbers(file, write, dtype, value, stored):
    dset = make(file, dtype)
    write(dset, value)
    assert dset[-1] == stored
    rows = make(file, dtype, (2,))
    write(rows, [value, 0])
    assert rows[-1].tolist() == [dset[-1], 0]


@WAYS
@pytest.mark.parametrize(
    ("dtype", "value", "error"),
    [
        ("u1", 300, ValueError),
        ("u1", -1, ValueError),
        ("u1", 300.0, ValueError),
        ("u8", -1, ValueError),
        (int, 2**63, ValueError),
        (int, 2**70, ValueError),
        (int, math.nan, TypeError),
        (int, math.inf, ValueError),
        (int, 2.0**63, ValueError),
        ("u8", [2**64 - 1, -1], ValueError),
        (int, [2**53 + 1, 0.5], TypeError),
        (int, Decimal("2.5"), TypeError),
        (int, None, TypeError),
        (bool, 2, ValueError),
        (bool, 0.5, TypeError),
        ("f4", 1e39, ValueError),
        ("f2", 70_000, ValueError),
        ("c8", 1e39j, ValueError),
        (float, 10**400, ValueError),
        (float, Decimal("1e400"), ValueError),
        (float, 1j, TypeError),
        (float, "1.5", TypeError),
        (float, b"1.5", TypeError),
        (float, np.datetime64("2024-01-01"), TypeError),
        (float, np.timedelta64(1, "s"), TypeError),
        (float, object(), TypeError),
        (float, {}, TypeError),
    ],
)
def test_numbers_that_a_type_does_not_hold(file, write, dtype, value, error):
    is_list = isinstance(value, list)
    for row_shape, row in ((np.shape(value), value), ((2,), [value, 0])):
        if is_list and row is not value:
            continue
        dset = make(file, dtype, row_shape)
        write(dset, np.ones(row_shape, bool))
        before = dset[()].tolist()
        with pytest.raises(error, match=r"^'/x\d' holds"):
            write(dset, row)
        assert dset[:1].tolist() == before
        assert len(dset) == 1 + (write is grow_and_set)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("f2", 65_520.0),
        ("f4", -1e39),
        (">f4", 1e39),
        ("c8", 1e39),
        ("c8", 1e39 + 0j),
        ("f4", 2**128),
    ],
)
def test_numbers_do_not_become_infinite_in_memory(file, dtype, value):
    dset = make(file, dtype)
    dset.append(1.0)
    for write in (dset.append, lambda value: dset.__setitem__(-1, value)):
        with pytest.raises(ValueError, match=r"^'/x0' holds"):
            write(value)
    for value in (float(np.finfo(dtype).max), math.inf, -math.inf, math.nan, 0.1):
        dset.append(value)
        assert math.isinf(dset[-1].real) == math.isinf(value)
    assert len(dset) == 6


@pytest.mark.parametrize("values", [[2.5, -0.5], np.array([2.5, -0.5]), [2, -0.5]])
def test_fractions_for_integers(file, caplog, values):
    """Refused by append(); cut off by assignment, as by h5py, with one warning."""
    dset = make(file, int, (2,))
    with pytest.raises(TypeError, match="round it"):
        dset.append(values)
    for number in (1, 2):
        dset.resize(number, axis=0)
        dset[-1] = values
    assert dset[()].tolist() == [[2, 0], [2, 0]]
    (message,) = caplog.messages
    assert "the integer part only" in message


NUMBERS = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.complex_numbers(),
    st.fractions(), st.decimals(), st.sampled_from([0, 1, 255, 2**31, 2**63, 2**64]),
)  # fmt: skip


@given(
    value=NUMBERS,
    dtype=st.sampled_from(["?", "u1", "i4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]),
)
def test_what_is_converted_is_the_same_number(value, dtype):
    dtype = np.dtype(dtype)
    try:
        stored = convert(value, dtype, "x")[()].item()
    except (TypeError, ValueError, OverflowError):
        return
    if dtype.kind in "biu":
        assert stored == value
    elif value != value:  # of any of these types
        assert stored != stored
    elif isinstance(value, complex):
        assert math.isinf(abs(stored)) == math.isinf(abs(value)) or dtype == "c8"
    else:
        precision = 2.0 ** -np.finfo(dtype).nmant
        smallest = float(np.finfo(dtype).smallest_subnormal)
        real = stored.real if dtype.kind == "c" else stored
        exact = float(value)
        assert real == exact or abs(real - exact) <= abs(exact) * precision + smallest


# .. Texts ....................................................................


@WAYS
@pytest.mark.parametrize("dtype", [str, "S3", h5py.string_dtype(length=3)])
@pytest.mark.parametrize(
    "row",
    [
        list(State),
        np.array(["S", "I"]),
        np.array(["S", "I"], STRINGS),
        np.array([State.HEALTHY, "I"], object),
        (np.str_("S"), "I"),
        np.array([b"S", b"I"]),
        pd.Series(["S", "I"]),
        pd.Categorical(["S", "I"]),
        xr.DataArray(["S", "I"]),
    ],
    ids=lambda row: type(row).__name__,
)
def test_texts(file, write, dtype, row):
    dset = make(file, dtype, (2,))
    write(dset, row)
    assert dset.asstr()[-1].tolist() == ["S", "I"]
    one = make(file, dtype)
    write(one, row[1] if not isinstance(row, pd.Series) else row.iloc[1])
    assert one.asstr()[-1] == "I"


@WAYS
@pytest.mark.parametrize(
    ("dtype", "value", "error", "message"),
    [
        (str, 1, TypeError, "holds texts, and not 1, which is int"),
        (str, None, TypeError, "which is NoneType"),
        (str, math.nan, TypeError, "which is float"),
        (str, "a\0b", ValueError, "end at a"),
        (str, "\ud800", ValueError, "surrogates"),
        ("S3", "abcd", ValueError, "texts of 3 bytes, and not 'abcd', which has 4"),
        ("S3", b"abcd", ValueError, "texts of 3 bytes"),
        ("S3", "ä", ValueError, "cannot hold 'ä'"),
        ("S3", "a\0", ValueError, "would be cut off"),
        ("S3", b"\0", ValueError, "would be cut off"),
        (h5py.string_dtype(length=3), "aää", ValueError, "which has 5"),
    ],
)
def test_what_is_no_text(file, write, dtype, value, error, message):
    dset = make(file, dtype)
    with pytest.raises(error, match=message):
        write(dset, value)
    assert len(dset) == (write is grow_and_set)


# .. Records ..................................................................


KIND = np.dtype(
    [("name", h5py.string_dtype()), ("at", [("x", "f4"), ("n", "u1", (2,))])]
)


@WAYS
@pytest.mark.parametrize(
    "row",
    [
        (State.ILL, (Fraction(1, 2), [1, 2])),
        collections.namedtuple("R", "a b")(
            "I", (0.5, np.array([1, 2]))
        ),  # the plain kind
        np.array(("I", (0.5, [1, 2])), KIND),
        np.array(
            (([1, 2], 0.5), "I"),
            [("at", [("n", int, (2,)), ("x", float)]), ("name", object)],
        ),
    ],
)
def test_records_are_taken_by_their_names(file, write, row):
    dset = make(file, KIND)
    write(dset, row)
    assert dset[-1]["name"] == b"I"
    assert dset[-1]["at"]["x"] == 0.5
    assert dset[-1]["at"]["n"].tolist() == [1, 2]


@WAYS
@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", (1e39, [1, 2])), r"\['at'\]\['x'\] holds float32"),
        (("a", (1.0, [1, 300])), r"\['at'\]\['n'\] holds uint8"),
        ((1, (1.0, [1, 2])), r"\['name'\] holds texts"),
        (("a", 1, 2), "holds records of name, at, and not"),
        (np.zeros((), [("name", "S1"), ("a", int)]), "and not of name, a"),
    ],
)
def test_records_that_are_refused(file, write, row, message):
    dset = make(file, KIND)
    with pytest.raises((TypeError, ValueError), match=message):
        write(dset, row)
    assert len(dset) == (write is grow_and_set)


def test_one_field_of_records(file):
    dset = make(file, [("a", "u1"), ("b", "f8")])
    dset.resize(2, axis=0)
    dset["a"] = [1, 2]
    dset[-1, "b"] = Fraction(1, 2)
    assert dset[()].tolist() == [(1, 0.0), (2, 0.5)]
    with pytest.raises(ValueError, match="holds uint8"):
        dset["a", 0] = np.array(300)


# .. Dates and durations ............

DATE = h5py.opaque_dtype(np.dtype("M8[s]"))
SPAN = h5py.opaque_dtype(np.dtype("m8[s]"))
NANOSECONDS = h5py.opaque_dtype(np.dtype("M8[ns]"))


@WAYS
@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        (DATE, np.datetime64("2024-01-02", "s"), "2024-01-02"),
        (DATE, np.asarray(np.datetime64("2024-01-02", "s")), "2024-01-02"),
        (DATE, np.datetime64("2024-01-02", "D"), "2024-01-02"),
        (DATE, datetime.datetime(2024, 1, 2), "2024-01-02"),
        (DATE, "2024-01-02", "2024-01-02"),
        (DATE, np.datetime64("NaT", "s"), "NaT"),
        (SPAN, np.timedelta64(2, "m"), 120),
        (SPAN, np.asarray(np.timedelta64(5, "s")), 5),
        (SPAN, datetime.timedelta(seconds=3), 3),
        (SPAN, np.timedelta64("NaT", "s"), "NaT"),
        (SPAN, pd.Timedelta("2s"), 2),
        (DATE, pd.Timestamp("2024-01-02"), "2024-01-02"),
        (DATE, pd.NaT, "NaT"),
        (DATE, None, "NaT"),
        (DATE, np.datetime64("2024", "Y"), "2024-01-01"),
        (NANOSECONDS, pd.Timestamp(5), np.datetime64(5, "ns")),
        (NANOSECONDS, datetime.datetime(2024, 1, 2), "2024-01-02"),
    ],
)
def test_dates_and_durations(file, write, dtype, value, expected):
    dset = make(file, dtype, ())
    write(dset, value)
    np.testing.assert_array_equal(dset[-1], np.array(expected, dtype))
    assert len(dset) == 1


@pytest.mark.parametrize(
    ("dtype", "value", "error"),
    [
        (DATE, 5, TypeError),
        (DATE, np.timedelta64(5, "s"), TypeError),
        (DATE, np.datetime64("2024-01-02T00:00:00.5"), ValueError),
        (SPAN, 5, TypeError),
        (SPAN, 1.5, TypeError),
        (SPAN, np.datetime64("2024-01-02", "s"), TypeError),
        (SPAN, np.timedelta64(1500, "ms"), ValueError),
        (SPAN, datetime.timedelta(milliseconds=1500), ValueError),
        (SPAN, pd.Timedelta(1, "ns"), ValueError),
        (DATE, datetime.datetime(2024, 1, 2, 0, 0, 0, 1), ValueError),
        (DATE, "2024-01-02T00:00:00.5", ValueError),
        (DATE, "tomorrow", ValueError),
        (DATE, pd.Timestamp(5), ValueError),
        # Beyond the year 2262, nanoseconds do not fit, and would start anew
        (NANOSECONDS, np.datetime64("3000-01-01", "s"), ValueError),
        (NANOSECONDS, datetime.datetime(3000, 1, 1), ValueError),
        (NANOSECONDS, "3000-01-01", ValueError),
    ],
)
def test_dates_and_durations_that_a_type_does_not_hold(file, dtype, value, error):
    """Neither is a number, and nothing is rounded."""
    dset = make(file, dtype, ())
    with pytest.raises(error, match=r"^'/x\d?' holds (datetime|timedelta)64\[n?s\]"):
        dset.append(value)
    assert len(dset) == 0


@WAYS
def test_lists_of_any_length(file, write):
    dset = make(file, h5py.vlen_dtype("u1"))
    for row in ([1, 2], np.array([3.0]), [], pd.Series([4, 5, 6])):
        write(dset, row)
        assert dset[-1].tolist() == list(row)
        assert dset[-1].dtype == "u1"
    for row in ([300], np.array([1.5]), np.ma.masked_array([1], [True])):
        before = len(dset)
        with pytest.raises((TypeError, ValueError), match=r"^'/x0' (holds|cannot)"):
            write(dset, row)
        assert len(dset) == before + (write is grow_and_set)


def test_what_h5py_does_by_itself(file):
    dset = make(file, h5py.vlen_dtype(int), (2,))
    dset.resize(1, axis=0)
    dset[-1] = [[1, 2, 3], [4]]
    assert [row.tolist() for row in dset[-1]] == [[1, 2, 3], [4]]
    refs = make(file, h5py.ref_dtype)
    refs.append(file.ref)
    assert file[refs[-1]] == file["/"]


@pytest.mark.filterwarnings("ignore:The 'generic' unit")  # as numpy 2.5 says itself
def test_a_duration_without_a_unit(file):
    dset = make(file, SPAN, ())
    with pytest.raises(TypeError):
        dset.append(np.timedelta64(5))
    assert dset.shape == (0,)
