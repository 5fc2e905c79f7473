import enum
import fractions
import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from utopya_backend.monitor import Progress, format_line


class Huge(int):
    """Too large for str(), and so for the name of a test."""

    __str__ = __repr__ = object.__repr__


def load(line, *, pure=True):
    return YAML(typ="safe", pure=pure).load(line)


def entries(monitor_info):
    return load(format_line(monitor_info, progress=0.5, n_iter=3, name="M"))["M"]


def test_line():
    line = format_line({"mean": 0.25, "n": 7}, progress=0.5, n_iter=3, name="SIR")
    assert line == "!!map {progress: 0.5, n_iter: 3, SIR: {mean: 0.25, n: 7}}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(6.0), 6.0),
        (np.float64(1e-7), 1e-7),
        (1 / 3, 1 / 3),
        (1e22, 1e22),
        (np.int8(-3), -3),
        (2**100, 2**100),
        (np.bool_(True), True),
        (False, False),
        (math.inf, math.inf),
        (-np.inf, -math.inf),
        (np.str_("text"), "text"),
        (np.array(1.5), 1.5),
        (np.arange(3), [0, 1, 2]),
        (np.zeros((2, 2)), [[0.0, 0.0], [0.0, 0.0]]),
        (np.float128("1.5"), 1.5),
        (fractions.Fraction(1, 4), 0.25),
        ((1, "a", [True]), [1, "a", [True]]),
        ({"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({1: "one"}, {1: "one"}),
        ('it\'s "quoted"\nand\\ more: {a}, #é\x00\x85\u2028\U0001f600', ...),
        ("", ""),
        ("null", "null"),
        ("1e3", "1e3"),
        ("yes", "yes"),
        ("\ud800", "\ufffd"),
    ],
)
def test_values(value, expected):
    expected = value if expected is ... else expected
    loaded = entries({"key": value})["key"]
    assert loaded == expected
    assert type(loaded) is type(expected)


def test_nan():
    assert math.isnan(entries({"key": np.float32("nan")})["key"])


class Colour(str, enum.Enum):  # noqa: UP042  # as many models have it
    RED = "red"

    def __str__(self):
        return "not: [quoted"


class Tensor:
    """Like those of a library for machine learning."""

    def size(self):
        return 2

    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0])


class LostTensor:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("the device is gone")


def test_values_of_other_libraries():
    assert entries({"a": Colour.RED, "b": Tensor(), "c": LostTensor()}) == {
        "a": "red", "b": [1.0, 2.0],
    }  # fmt: skip


def endless():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        None,
        object(),
        1j,
        b"bytes",
        {1, 2},
        np.zeros(101),
        [0] * 101,
        [[0] * 50] * 50,
        [1, None],
        np.datetime64("2001-12-14"),
        10**5000,
        fractions.Fraction(10**400, 1),
        endless(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_represented_is_left_out(value):
    assert entries({"before": 1, "key": value, "after": 2}) == {"before": 1, "after": 2}


@pytest.mark.parametrize("key", [None, 1.5, True, ("a",), "k" * 1001, Huge(10**5000)])
def test_odd_keys_are_left_out(key):
    assert entries({key: 1, "after": 2}) == {"after": 2}


@pytest.mark.parametrize("key", ["a b", "y", "null", "a: b", "é", "<<", "1", "", "-"])
def test_keys(key):
    assert entries({key: 1}) == {key: 1}


@pytest.mark.parametrize("name", ["progress", "n_iter"])
def test_a_model_cannot_replace_the_progress(name):
    line = format_line({"a": 1}, progress=0.5, n_iter=3, name=name)
    assert load(line) == {"progress": 0.5, "n_iter": 3}


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.fractions()
    | st.builds(np.float32, st.floats(width=32))
    | st.builds(np.array, st.lists(st.floats(), max_size=200))
    | st.builds(object),
    lambda values: (
        st.lists(values)
        | st.tuples(values, values)
        | st.dictionaries(
            st.text() | st.integers() | st.none() | st.floats() | st.booleans(), values
        )
    ),
    max_leaves=15,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text() | st.integers(), anything), st.text(), st.floats(0, 1))
def test_every_line_loads(monitor_info, name, progress):
    line = format_line(monitor_info, progress=progress, n_iter=3, name=name)
    assert line.startswith("!!map")
    assert line.isascii()
    assert "\n" not in line
    for pure in (True, False):
        loaded = load(line, pure=pure)
        assert loaded["progress"] == progress
        assert loaded["n_iter"] == 3
        assert set(loaded) <= {"progress", "n_iter", name.replace("\ud800", "\ufffd")}


# .. Progress .................................................................


@pytest.fixture
def progress():
    return Progress(logging.getLogger("model"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.5, 0.5), (np.float32(0.5), 0.5), (1, 1.0), (True, 1.0), (1.5, 1.0),
        (-0.1, 0.0), (math.inf, 1.0), (-math.inf, 0.0), (np.array(0.25), 0.25),
    ],
)  # fmt: skip
def test_progress(progress, caplog, given, expected):
    assert progress.update(given) == expected
    assert type(progress.value) is float
    assert caplog.text == ""


@pytest.mark.parametrize(
    "bad", [math.nan, None, "0.7", object(), [0.5], 1j, 10**400, np.zeros(3)]
)
def test_the_last_good_progress_counts(progress, caplog, bad):
    assert progress.update(bad) == 0
    assert progress.update(0.5) == 0.5
    assert progress.update(bad) == 0.5
    assert len(caplog.records) == 1
    assert "has to be a number between 0 and 1" in caplog.text


@pytest.mark.parametrize(
    ("value", "entry"),
    [
        (np.ma.masked, math.nan),
        (np.ma.masked_array(-999.0, True), math.nan),
        (np.ma.masked_array([1, -999], [False, True]), [1, math.nan]),
        ([np.ma.masked, 1.5], [math.nan, 1.5]),
        (np.ma.masked_array([1, 2], [False, False]), [1, 2]),
    ],
)
def test_a_masked_value_is_nan(value, entry):
    np.testing.assert_equal(entries({"key": value}), {"key": entry})


def test_quantities_are_numbers():
    class Quantity(np.ndarray):
        def tolist(self):
            raise NotImplementedError

    assert entries({"key": np.array([1.5]).view(Quantity)}) == {"key": [1.5]}
