"""Parameters arrive as the plain value that they stand for, or are refused."""

import array
import collections
import datetime
import enum
import io
import math
import pathlib
import types
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from paramspace import ParamDim
from ruamel.yaml import YAML

from utopya_backend import StepwiseModel, limits, simulate, sweep, yaml
from utopya_backend.errors import ConfigError
from utopya_backend.plain import plain
from utopya_backend.tools import load_cfg_file


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.StrEnum):
    OPEN = "open"


class Old(str, enum.Enum):  # noqa: UP042  # printed as Old.A, unlike a StrEnum
    A = "a"


class Colour(enum.Enum):
    RED = (1, Level.LOW)


class Flag(enum.Flag):
    A = 1
    B = 2


Pair = collections.namedtuple("Pair", "a b")  # the plain kind
DAY = datetime.datetime(2024, 1, 1)
HALF = np.float64(0.5)
RECORD = np.dtype([("n", int), ("day", "M8[D]")])
COMMENTED = YAML().load(
    "a: 1.50\nb: [1, 0x1F]\nc: &c true\nd: 'x'\ne: 2024-01-01 00:00:00"
)
STANDS_FOR = {
    "None": (None, None),
    "np.bool_": (np.True_, True),
    "np.int8": (np.int8(3), 3),
    "np.uint64": (np.uint64(2**64 - 1), 2**64 - 1),
    "np.float32": (np.float32(0.1), 0.10000000149011612),
    "np.float64": (np.float64(0.1), 0.1),
    "long double": (np.longdouble(1.5), 1.5),
    "nan": (np.float16("nan"), math.nan),
    "np.str_": (np.str_("a"), "a"),
    "np.bytes_": (np.bytes_(b"a"), b"a"),
    "bytearray": (bytearray(b"a"), b"a"),
    "Fraction": (Fraction(1, 2), 0.5),
    "Decimal": (Decimal("0.5"), 0.5),
    "IntEnum": (Level.LOW, 1),
    "StrEnum": (Mode.OPEN, "open"),
    "text Enum": (Old.A, "a"),
    "Enum": (Colour.RED, [1, 1]),
    "Flag": (Flag.A | Flag.B, 3),
    "path": (pathlib.Path("/tmp"), "/tmp"),
    "tuple": ((1, (2,)), [1, [2]]),
    "namedtuple": (Pair(1, Mode.OPEN), [1, "open"]),
    "deque": (collections.deque([1, 2]), [1, 2]),
    "array.array": (array.array("d", [1.0]), [1.0]),
    "keys": ({"b": 1, "a": 2}.keys(), ["b", "a"]),
    "values": ({"b": 1, "a": 2}.values(), [1, 2]),
    "OrderedDict": (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "defaultdict": (collections.defaultdict(int, a=np.int8(1)), {"a": 1}),
    "mapping": (types.MappingProxyType({"a": 1}), {"a": 1}),
    "keys that are no text": ({Mode.OPEN: 1, Level.LOW: 2, (np.int8(1), 2): 3},
                              {"open": 1, 1: 2, (1, 2): 3}),
    "frozenset": (frozenset({Level.LOW}), {1}),
    "range": (range(0, 5, 2), range(0, 5, 2)),
    "slice": (slice(np.int64(1), None), slice(1, None)),
    "array": (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
    "0-d array": (np.array(1.5), 1.5),
    "array of float16": (np.array([0.5], "f2"), [0.5]),
    "array of texts": (np.array(["a", "bc"]), ["a", "bc"]),
    "array of objects": (np.array([Level.LOW, "a", None], object), [1, "a", None]),
    "array of long doubles": (np.ones(2, np.longdouble), [1.0, 1.0]),
    "record": (np.array([(1, "2024-01-01")], RECORD),
               [{"n": 1, "day": datetime.date(2024, 1, 1)}]),
    "masked": (np.ma.masked_array([1.0, 2.0], [True, False]), [math.nan, 2.0]),
    "masked number": (np.ma.masked, math.nan),
    "not masked": (np.ma.masked_array([1, 2], [False, False]), [1, 2]),
    "datetime64[ns]": (np.datetime64("2024-01-01", "ns"), DAY),
    "datetime64[us]": (np.datetime64("2024-01-01T00:00", "us"), DAY),
    "datetime64[D]": (np.datetime64("2024-01-01"), DAY.date()),
    "array of dates": (np.array(["2024-01-01"], "M8[ns]"), [DAY]),
    "Timestamp": (pd.Timestamp("2024-01-01"), DAY),
    "Series of dates": (pd.Series(pd.to_datetime(["2024-01-01"])), [DAY]),
    "Series": (pd.Series([1, 2]), [1, 2]),
    "Int64": (pd.array([1, 2], dtype="Int64"), [1, 2]),
    "Index": (pd.Index(["a", "b"]), ["a", "b"]),
    "Categorical": (pd.Categorical(["a", "b"]), ["a", "b"]),
    "DataArray": (xr.DataArray([1, 2]), [1, 2]),
    "ruamel's": (COMMENTED, {"a": 1.5, "b": [1, 31], "c": True, "d": "x", "e": DAY}),
}  # fmt: skip


def types_in(value):
    """The types of a value and of what is in it."""
    inner = []
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, (list, tuple)):
        inner = value
    elif isinstance(value, set):
        inner = sorted(value, key=repr)
    return type(value), *map(types_in, inner)


@pytest.mark.parametrize(
    ("value", "expected"), STANDS_FOR.values(), ids=STANDS_FOR.keys()
)
def test_what_a_value_stands_for(value, expected):
    found = plain(value)
    np.testing.assert_equal(found, expected)
    assert types_in(found) == types_in(expected)
    stream = io.StringIO()
    yaml.dump({"v": value}, stream)
    read = yaml.load(stream.getvalue())["v"]
    np.testing.assert_equal(read, expected)
    assert types_in(read) == types_in(expected)


def endless():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.datetime64("2024-01-01T00:00:00.000000001"), "to the microsecond"),
        (pd.Timestamp("2024-01-01T00:00:00.000000001"), "to the microsecond"),
        (np.datetime64("NaT", "ns"), "missing date"),
        (pd.NaT, "missing date"),
        (np.datetime64("12024-01-01"), "years 1 to 9999"),
        (np.timedelta64(5, "ns"), "e.g. of seconds"),
        (pd.Timedelta(5), "e.g. of seconds"),
        (datetime.timedelta(1), "e.g. of seconds"),
        (datetime.time(7, 32), "give a text, e.g. '07:32:00'"),
        (np.longdouble(1) / 3, "would not be the same"),
        (Fraction(1, 3), r"give float\(…\), 0.333"),
        (Decimal("0.1"), r"give float\(…\), 0.1,"),
        (10**5000, "at most 4,300 digits"),
        (1j, "its real and its imaginary part"),
        (np.complex64(1), "its real and its imaginary part"),
        (pd.NA, "have setup"),
        (pd.Series([1, 2], index=["a", "b"]), "its labels would be lost"),
        (pd.DataFrame({"a": [1]}), "its labels would be lost"),
        (xr.DataArray([1, 2], coords={"x": [3, 4]}), "its labels would be lost"),
        (np.ma.masked_array([1, 2], [True, False]), "fill what is masked"),
        (np.ones(1).view(type("Quantity", (np.ndarray,), {"unit": "km"})), "unit, km"),
        ("\ud800", "surrogate"),
        (iter([1]), "have setup"),
        (len, "have setup"),
        (Level, "have setup"),
        (endless(), "More than 100 levels"),
        ({Colour.RED: 1, (1, 1): 2}, r"two keys would be \(1, 1\)"),
        (datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(
            datetime.timedelta(seconds=1))), "whole minutes"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)  # fmt: skip
def test_what_stands_for_nothing_is_refused(value, message):
    for outer in (value, [value], {"a": {"b": value}}, np.array([value, 1], object)):
        with pytest.raises(ConfigError, match=message):
            plain(outer, "M", "x")
    with pytest.raises(ConfigError, match=r"^M\.x\.a\[1\]( |\.)|levels|digits"):
        plain({"a": [1, value]}, "M", "x")
    with pytest.raises(yaml.YAMLError, match=message):
        yaml.dump(np.array([value, 1], object), io.StringIO())


def test_missing_numbers_of_pandas():
    assert math.isnan(plain(pd.array([1.5, None], dtype="Float64"))[1])
    integers = pd.array([2**53 + 1, None], dtype="Int64")  # no floats that are rounded
    for values in (integers, pd.Series(integers), pd.Index(integers)):
        with pytest.raises(ConfigError, match=r"^x\[1\] .* <NA>"):
            plain(values, "x")


def test_what_is_shared_is_written_out_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(limits, "MAX_VALUES", 2_000)
    value = [0]
    for _ in range(30):
        value = [value, value]
    with pytest.raises(ConfigError, match="more than 2,000 values"):
        plain(value)


KEYS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(),
    st.binary(), st.datetimes().map(lambda d: d.replace(fold=0)), st.dates(),
)  # fmt: skip
PLAIN = st.recursive(
    st.one_of(KEYS, st.just(math.nan)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3),
        st.sets(KEYS, max_size=3),
    ),
    max_leaves=8,
)  # fmt: skip


@given(value=PLAIN)
def test_plain_values_stay_what_they_are(value):
    stream = io.StringIO()
    yaml.dump({"v": value}, stream)
    for found in (plain(value), yaml.load(stream.getvalue())["v"]):
        np.testing.assert_equal(found, value)
        assert types_in(found) == types_in(value)


class Parameter(StepwiseModel):
    def setup(self, *, x):
        self.got = x
        self.create_ts_dset("y")
        stream = io.StringIO()
        yaml.dump({"x": x}, stream)
        self.h5group.attrs["got"] = stream.getvalue()

    def perform_step(self):
        pass

    def write_data(self):
        pass


@pytest.mark.parametrize("name", ["Enum", "ruamel's", "array of dates"])
def test_setup_gets_what_the_configuration_says(tmp_path, name):
    value, expected = STANDS_FOR[name]
    result = simulate(
        Parameter, {"x": value}, num_steps=0, progress=False, out=tmp_path,
        write_every=np.int64(2),
    )  # fmt: skip
    cfg = load_cfg_file(str(result.path.with_name("config.yml")))
    assert cfg["Parameter"]["x"] == expected
    assert cfg["write_every"] == 2
    assert yaml.load(result.data["Parameter"].attrs["got"]) == {"x": expected}


def test_nothing_is_made_for_what_cannot_be_written(tmp_path):
    with pytest.raises(ConfigError, match=r"^Parameter\.x\[0\] cannot stand in"):
        simulate(Parameter, {"x": [1j]}, num_steps=0, out=tmp_path, progress=False)
    with pytest.raises(ConfigError, match=r"^note_of_mine cannot stand in"):
        simulate(Parameter, {"x": 1}, num_steps=0, out=tmp_path, note_of_mine=1j)
    assert not list(tmp_path.iterdir())


def test_defaults_of_any_kind(tmp_path):
    class Defaults(Parameter):
        def setup(self, *, x=Mode.OPEN, y=(Level.LOW, 1j), z=HALF):
            super().setup(x=[x, z])

    result = simulate(Defaults, num_steps=0, progress=False)
    cfg = yaml.load(result.data.attrs["configuration"])
    assert cfg["Defaults"] == {"x": "open", "z": 0.5}


def test_a_model_that_is_started_with_what_cannot_be_written(tmp_path):
    cfg = tmp_path / "cfg.toml"
    output = tmp_path / "data.h5"
    cfg.write_text(
        f"root_model_name = 'Parameter'\noutput_path = '{output}'\nseed = 1\n"
        f"output_dir = '{tmp_path}'\nnum_steps = 1\n[Parameter]\nx = 07:32:00\n"
    )
    with pytest.raises(ConfigError, match=r"cannot stand in .* e\.g\. '07:32"):
        Parameter(cfg_file_path=str(cfg))
    assert not output.exists()


def test_swept_values_of_any_kind():
    values = ParamDim(
        default=Level.LOW,
        values=[Mode.OPEN, np.float32(0.5), pd.Timestamp("2024-01-01")],
    )
    result = sweep(Parameter, {"x": values}, num_steps=0, progress=False)
    assert result.counts["finished"] == 3
    got = result.data["Parameter"]["y"].coords["x"].values.tolist()
    assert sorted(map(str, got)) == ["0.5", "2024-01-01 00:00:00", "open"]


def test_swept_values_that_stand_for_nothing(tmp_path):
    for value in (1j, datetime.time(7), np.timedelta64(1, "s")):
        values = ParamDim(default=1, values=[2, [value]])
        with pytest.raises(ConfigError, match=r"^Parameter\.x\[0\] cannot stand in"):
            sweep(Parameter, {"x": values}, num_steps=0, out=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())
