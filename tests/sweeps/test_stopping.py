"""Stop conditions: what the frontend's users write, with the frontend's verdicts."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from utopya_backend.errors import ConfigError, MissingKeyError, UserError
from utopya_backend.sweeps.stopping import (
    MonitorEntry,
    StopCondition,
    Timeout,
    parse_stop_conditions,
)

MONITOR = {
    "progress": 0.5,
    "n_iter": 5,
    "M": {
        "x": 2.5, "n": 3, "on": True, "name": "far", "number": "10", "list": [1, 2],
        "deep": {"er": 1}, "none": None, "nan": float("nan"),
    },
}  # fmt: skip


def verdict(entry_name, operator, value, monitor=MONITOR):
    content = {
        "func": "check_monitor_entry", "entry_name": entry_name, "operator": operator,
        "value": value,
    }  # fmt: skip
    (condition,) = parse_stop_conditions([content])
    return condition.is_fulfilled(0.0, monitor)


@pytest.mark.parametrize(
    ("operator", "holds_for"),
    [
        ("==", [2.5]), ("eq", [2.5]),
        ("!=", [2, 3]), ("ne", [2, 3]),
        ("<", [3]), ("lt", [3]),
        ("<=", [2.5, 3]), ("le", [2.5, 3]),
        (">", [2]), ("gt", [2]),
        (">=", [2, 2.5]), ("ge", [2, 2.5]),
    ],
)  # fmt: skip
def test_comparison(operator, holds_for):
    assert [v for v in (2, 2.5, 3) if verdict("M.x", operator, v)] == holds_for


@pytest.mark.parametrize(
    ("entry", "operator", "value", "expected"),
    [
        ("M.on", "^", False, True),
        ("M.on", "xor", True, False),
        ("M.n", "xor", 3, False),
        ("M.n", "xor", 1, True),
        ("M.name", "contains", "a", True),
        ("M.name", "contains", "b", False),
        ("M.list", "contains", 2, True),
        ("M.n", "in", [1, 3], True),
        ("M.n", "in", [1, 2], False),
        ("M.n", "not in", [1, 2], True),
        ("M.n", "not in", [3], False),
        ("M.name", "in", "far away", True),
        ("M.x", "in interval", [2.5, 3], True),
        ("M.x", "in interval", [2, 2.5], True),
        ("M.x", "in interval", [2.6, 3], False),
        ("M.x", "not in interval", [2.6, 3], True),
        ("M.x", "not in interval", [2, 3], False),
    ],
)
def test_other_operators(entry, operator, value, expected):
    assert verdict(entry, operator, value) is expected


@pytest.mark.parametrize(
    ("entry", "value", "expected"),
    [
        ("progress", 0.5, True),
        ("n_iter", 5.0, True),
        ("M.deep.er", 1, True),
        ("M.deep", 1, False),
        ("M.deep.er.est", 1, False),  # within a number
        ("M.list.0", 1, False),
        ("M.y", 1, False),
        ("N.x", 2.5, False),
        ("x", 2.5, False),  # not without the name of the model
        ("", 1, False),
        ("M.", 1, False),
        ("M.none", None, True),
        ("M.nan", float("nan"), False),
        ("M.on", True, True),
        ("M.on", 1, True),  # as Python and the frontend have it
        ("M.name", "far", True),
    ],
)
def test_entries(entry, value, expected):
    assert verdict(entry, "==", value) is expected


@pytest.mark.parametrize("operator", ["==", "!=", "<", ">", "in", "not in", "xor"])
def test_nothing_was_told_yet(operator):
    assert verdict("M.x", operator, 1, monitor={}) is False


@pytest.mark.parametrize(
    ("entry", "operator", "value", "expected"),
    [
        ("M.x", ">", "2", True),
        ("M.x", ">", "2e0", True),
        ("M.x", "==", "2.5", True),
        ("M.number", ">", 9, True),  # not as strings, of which "10" is less than "9"
        ("M.number", ">", "9", True),
        ("M.on", "==", "true", True),
        ("M.on", "==", "False", False),
        ("M.none", "==", "none", True),
        ("M.x", ">", "far", False),  # cannot be compared
        ("M.x", "==", "far", False),
        ("M.x", "!=", "far", True),
        ("M.x", "in", 3, False),
        ("M.x", "in interval", [1], False),
        ("M.x", "in interval", 3, False),
        ("M.x", "in interval", ["1", "x"], False),
        ("M.x", "contains", 3, False),
    ],
)
def test_numbers_and_strings(entry, operator, value, expected):
    assert verdict(entry, operator, value) is expected


def frontend_conversion():
    return pytest.importorskip("dantro.tools").try_conversion


SCALARS = (
    st.none() | st.booleans() | st.integers(-20, 20) | st.floats(allow_nan=False)
    | st.sampled_from(["1", "2.5", "true", "False", "none", "~", "a", "", "1e3", "inf"])
)  # fmt: skip


@given(SCALARS, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "xor"]), SCALARS)
@example("10", ">", 9)
def test_verdicts_of_the_frontend(entry, operator, value):
    """Where it has one: what it cannot compare ends it by an exception."""
    operators = pytest.importorskip("dantro.data_ops.db").BOOLEAN_OPERATORS
    convert = frontend_conversion()
    try:
        expected = bool(operators[operator](convert(entry), convert(value)))
    except TypeError:
        expected = False
    assert verdict("M.x", operator, value, {"M": {"x": entry}}) is expected


def test_operators_of_the_frontend():
    operators = pytest.importorskip("dantro.data_ops.db").BOOLEAN_OPERATORS
    for operator in operators:
        assert verdict("M.x", operator, 1, {}) is False


# .. Conditions ...............................................................

TIMEOUT = {"func": "timeout_wall", "seconds": 10}
ENTRY = {
    "func": "check_monitor_entry", "entry_name": "M.x", "operator": ">", "value": 1,
}  # fmt: skip


def test_timeout():
    (condition,) = parse_stop_conditions([TIMEOUT])
    assert condition == StopCondition("timeout_wall", (Timeout(10),))
    assert not condition.is_fulfilled(10.0, {})  # not yet, as in the frontend
    assert condition.is_fulfilled(10.1, {})
    assert not condition.needs_monitor


def test_all_of_several_checks():
    content = {"to_check": [TIMEOUT, ENTRY], "name": "both", "description": "why"}
    (condition,) = parse_stop_conditions([content])
    checks = (Timeout(10), MonitorEntry("M.x", ">", 1))
    assert condition == StopCondition("both", checks, "why")
    assert condition.needs_monitor
    near, far = {"M": {"x": 1}}, {"M": {"x": 2}}
    assert [
        condition.is_fulfilled(elapsed, monitor)
        for elapsed in (10, 11)
        for monitor in (near, far)
    ] == [False, False, False, True]


def test_no_checks_are_never_fulfilled():
    """As in the frontend: else, all universes would end at once."""
    conditions = parse_stop_conditions(
        [{"to_check": []}, {"to_check": [], "name": "x"}]
    )
    assert not any(condition.is_fulfilled(1e9, MONITOR) for condition in conditions)


def test_names():
    contents = [TIMEOUT, {"to_check": [TIMEOUT, ENTRY]}, {**ENTRY, "name": 5}]
    names = [condition.name for condition in parse_stop_conditions(contents)]
    assert names == ["timeout_wall", "timeout_wall && check_monitor_entry", "5"]


def test_disabled_ones_are_left_out():
    contents = [{**TIMEOUT, "enabled": False}, {**ENTRY, "enabled": True}]
    assert [c.name for c in parse_stop_conditions(contents)] == ["check_monitor_entry"]


@pytest.mark.parametrize("content", [None, [], ()])
def test_no_conditions(content):
    assert parse_stop_conditions(content) == []


# .. Errors: the value, what was expected, the remedy .........................


@pytest.mark.parametrize(
    ("content", "error", "texts"),
    [
        ({"func": "x"}, ConfigError, ["to be a list", "(dict)", "stop_conditions: ["]),
        ("timeout_wall", ConfigError, ["has to be a list", "'timeout_wall' (str)"]),
        (["timeout_wall"], ConfigError, ["a mapping", "'timeout_wall'", "Write e.g."]),
        ([{}], ConfigError, ["no stop condition None", "timeout_wall, check_monitor"]),
        (
            [{"func": "timeout"}], ConfigError,
            ["no stop condition 'timeout' (str)", "Did you mean 'timeout_wall'?"],
        ),
        ([{"func": []}], ConfigError, ["no stop condition []"]),
        ([{"func": "timeout_wall"}], MissingKeyError, ["lacks the entry 'seconds'"]),
        (
            [{**TIMEOUT, "second": 1}], ConfigError,
            ["takes: seconds", "'second' is not one", "Did you mean 'seconds'?"],
        ),
        (
            [{**TIMEOUT, "seconds": "10"}], ConfigError,
            ["seconds has to be a number", "'10' (str)", "Write e.g."],
        ),
        ([{**TIMEOUT, "seconds": True}], ConfigError, ["True (bool)"]),
        ([{**TIMEOUT, "seconds": math.nan}], ConfigError, ["nan (float)"]),
        (
            [{**ENTRY, "operator": "=>"}], ConfigError,
            ["no operator '=>' (str)", ">=", "in quotes"],
        ),
        ([{**ENTRY, "operator": ["<"]}], ConfigError, ["no operator ['<'] (list)"]),
        ([{**ENTRY, "operator": None}], ConfigError, ["no operator None"]),
        (
            [{**ENTRY, "entry_name": 3}], ConfigError,
            ["entry_name has to be a string", "3 (int)", "Walk.mean"],
        ),
        ([{"to_check": [TIMEOUT], **ENTRY}], ConfigError, ["either a list `to_check`"]),
        ([{"to_check": TIMEOUT}], ConfigError, ["either a list `to_check`"]),
        ([{"to_check": ["timeout_wall"]}], ConfigError, ["no stop condition"]),
        ([{"to_check": [{"seconds": 3}]}], ConfigError, ["no stop condition None"]),
    ],
)  # fmt: skip
def test_errors(content, error, texts):
    with pytest.raises(error) as caught:
        parse_stop_conditions(content)
    assert isinstance(caught.value, UserError)
    for text in texts:
        assert text in str(caught.value)
