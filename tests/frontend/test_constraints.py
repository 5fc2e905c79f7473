"""What `!is-*` and `!param` demand: the same here as in the frontend."""

import json
import os
import subprocess

from utopya_backend.constraints import SHORTHANDS, Constraint

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


def test_same_verdicts(frontend_env, tmp_path):
    process = subprocess.run(
        [frontend_env / "bin/python", "-c", THEIR_VERDICTS],
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
