"""Constraints by ``!is-*`` and ``!param``; their verdicts, see tests/frontend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utopya_backend import yaml
from utopya_backend.constraints import SHORTHANDS, Constraint, check_constraints
from utopya_backend.errors import ManyMistakesError

TEXT = """
a: !is-positive 1.5
b: {c: [!is-int 3, 4], d: !param {default: x, is_any_of: [x, y], description: Why}}
base: &base {e: !is-bool true}
merged: {<<: *base}
sum: !add [!is-int 1, 2]
plain: 5
"""


def test_places():
    value, constraints = yaml.load_with_constraints(TEXT)
    assert value == yaml.load(TEXT)
    assert [*constraints] == [
        ("a",), ("b", "c", 0), ("b", "d"), ("base", "e"), ("merged", "e"),
    ]  # fmt: skip
    assert constraints["b", "d"] == Constraint(
        default="x", is_any_of=["x", "y"], description="Why"
    )


@pytest.mark.parametrize(
    "text", ["a: 1", "!is-int 3", "[]", "~", "[&x [1], *x, !is-int 1]"]
)
def test_what_is_read_is_the_same(text):
    assert repr(yaml.load_with_constraints(text)[0]) == repr(yaml.load(text))


@pytest.mark.parametrize(
    "text",
    [
        "!is-positive a", "!param {default: 1, limits: 3}",
        "!param {default: 1, no: 2}",
        "!param {default: 1, limits: [a, b]}", "!param {default: 1, is_any_of: 5}",
        "!param {default: 1, is_any_of: !range [1000000000000]}",
        "!param {default: 1, dtype: no}", "!param {default: 1, is_any_of: word}",
    ],
)  # fmt: skip
def test_senseless_constraint(text):
    with pytest.raises(yaml.YAMLError, match="this constraint makes no sense"):
        yaml.load_with_constraints(f"a: {text}")


def test_messages():
    cfg, constraints = yaml.load_with_constraints(TEXT)
    cfg |= {"a": -1, "b": {"c": [2.5], "d": "z"}}
    with pytest.raises(ManyMistakesError) as error:
        check_constraints(cfg, constraints)
    assert [str(one) for one in error.value.mistakes] == [
        "a has to be a number in (0, inf), but is -1 (int).",
        "b.c[0] has to be an integer (of type int64), but is 2.5 (float).",
        "b.d has to be one of 'x', 'y', but is 'z' (str).",
    ]


def test_what_is_not_there_says_nothing():
    _, constraints = yaml.load_with_constraints(TEXT)
    check_constraints({"b": 3}, constraints)


def test_all_values_of_a_sweep():
    _, constraints = yaml.load_with_constraints("a: !is-positive 1\nb: !is-int 1")
    cfg = yaml.load(
        "a: !sweep {default: 0, values: [1, -2, 3], name: n}\n"
        "b: !coupled-sweep {default: 1, values: [1, 2.5, 3], target_name: n}"
    )
    with pytest.raises(ManyMistakesError) as error:
        check_constraints(cfg, constraints)
    assert [str(one) for one in error.value.mistakes] == [
        "a has to be a number in (0, inf), but is 0 (int).",
        "a has to be a number in (0, inf), but is -2 (int).",
        "b has to be an integer (of type int64), but is 2.5 (float).",
    ]


@given(st.sampled_from([*SHORTHANDS]), st.floats() | st.integers() | st.text())
def test_any_value_gets_a_verdict(mode, value):
    complaint = Constraint.from_shorthand(mode, None).complaint(value)
    assert complaint == "" or complaint.startswith("has to be")
