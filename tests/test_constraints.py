"""Constraints by ``!is-*`` and ``!param``: the verdicts of the frontend."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utopya_backend import yaml
from utopya_backend.constraints import SHORTHANDS, Constraint, check_constraints
from utopya_backend.errors import ManyMistakesError

FRONTEND = Path(__file__).parents[1] / ".venv-frontend/bin/python"

PARAMETERS = [
    {"limits": [0, 1]}, {"limits": [0, 1], "limits_mode": "()"},
    {"limits": [None, 3], "limits_mode": "(]"}, {"limits": [-2, None]},
    {"is_any_of": [1, "a", None, True]}, {"is_any_of": []}, {"limits": []},
    {"limits": [0, 1], "is_any_of": [1]}, {"limits": 3}, {"limits_mode": "x"},
    {"limits": [1]}, {"dtype": "int8"}, {"dtype": "uint16"}, {"dtype": "float32"},
    {"dtype": "str"}, {"dtype": "bool"}, {"dtype": "string"}, {"dtype": "complex"},
    {"dtype": "int", "limits": [0, None]}, {},
]  # fmt: skip
VALUES = [
    None, True, False, 0, 1, -1, 2, 127, 128, 70000, 2**40, 2**70, 0.0, 0.5, 1.0, 1e-9,
    -0.5, 1e30, 1e300, "a", "", "1", [], [1], {}, {"a": 1},
]  # fmt: skip

THEIR_VERDICTS = """
import json, sys, warnings
from utopya.parameter import Parameter

warnings.simplefilter("ignore")
parameters, modes, values = json.load(sys.stdin)

def verdicts(make):
    try:
        parameter = make()
    except Exception:
        return "refused"
    return [one(parameter, value) for value in values]

def one(parameter, value):
    try:
        return bool(parameter.validate(value, raise_exc=False))
    except Exception:  # on numbers that numpy does not know
        return None

print(json.dumps(
    [verdicts(lambda: Parameter(default=1, **p)) for p in parameters]
    + [verdicts(lambda: Parameter.from_shorthand(1, mode=m)) for m in modes]
    + [verdicts(lambda: Parameter.from_shorthand("a", mode=m)) for m in modes]
))
"""


def our_verdicts(make):
    try:
        constraint = make()
    except (TypeError, ValueError):
        return "refused"
    return [not constraint.complaint(value) for value in VALUES]


@pytest.mark.skipif(not FRONTEND.exists(), reason="needs the frontend: make frontend")
def test_verdicts_of_the_frontend(tmp_path):
    process = subprocess.run(
        [FRONTEND, "-c", THEIR_VERDICTS],
        input=json.dumps([PARAMETERS, [*SHORTHANDS], VALUES]),
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        | {"HOME": str(tmp_path)},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    theirs = json.loads(process.stdout.splitlines()[-1])
    ours = [
        *(our_verdicts(lambda p=p: Constraint(default=1, **p)) for p in PARAMETERS),
        *(
            our_verdicts(lambda d=d, m=m: Constraint.from_shorthand(m, d))
            for d in (1, "a")
            for m in SHORTHANDS
        ),
    ]
    for our, their in zip(ours, theirs, strict=True):
        if isinstance(their, list):
            pairs = zip(our, their, strict=True)
            our = [a for a, b in pairs if b is not None]
            their = [b for b in their if b is not None]
        assert our == their


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
    "text", ["a: 1", "!is-int 3", "[]", "~", "a: &x [*x, !is-int 1]"]
)
def test_what_is_read_is_the_same(text):
    assert repr(yaml.load_with_constraints(text)[0]) == repr(yaml.load(text))


@pytest.mark.parametrize(
    "text",
    ["!is-positive a", "!param {default: 1, limits: 3}", "!param {default: 1, no: 2}"],
)
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
