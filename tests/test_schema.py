"""The JSON schema of parameters agrees with the check of them."""

import dataclasses
import enum
import json
import math
import pathlib
from typing import Any, Literal

import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from utopya_backend import StepwiseModel, yaml
from utopya_backend.cli import main
from utopya_backend.errors import UserError
from utopya_backend.model.parameters import check_parameters
from utopya_backend.schema import run_schema_of, schema_of


class Kind(enum.Enum):
    A = "a"
    B = 2


@dataclasses.dataclass
class Agents:
    """Agents.

    Attributes:
        speed: How fast they are [m/s]
    """

    speed: float
    kind: Kind = Kind.A
    friends: "list[Agents]" = dataclasses.field(default_factory=list)


class Base(StepwiseModel):
    def perform_step(self):
        pass

    def write_data(self):
        pass


class Model(Base):
    def setup(
        self,
        *args,
        beta: float,
        mode: Literal["fast", "slow"] = "fast",
        size: tuple[int, int] = (3, 4),
        agents: Agents | None = None,
        weights: dict[str, float] = {},  # noqa: B006  # as people write it
        file: pathlib.Path = pathlib.Path("x"),
        odd: int = "odd",
        anything: Any = math.inf,
    ):
        """Sets it up.

        Args:
            beta: The infection rate, which is
                a probability
            mode (str): How to compute
        """


def test_schema():
    schema = schema_of(Model)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == "Model"
    assert schema["required"] == ["beta"]
    assert schema["additionalProperties"] is False
    assert schema["properties"] == {
        "beta": {
            "type": "number",
            "description": "The infection rate, which is a probability",
        },
        "mode": {
            "enum": ["fast", "slow"],
            "default": "fast",
            "description": "How to compute",
        },
        "size": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "integer"}],
            "minItems": 2,
            "maxItems": 2,
        },
        "agents": {
            "anyOf": [{"$ref": "#/$defs/Agents"}, {"type": "null"}],
            "default": None,
        },
        "weights": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "default": {},
        },
        "file": {"type": "string"},
        "odd": {"anyOf": [{"type": "integer"}, {"const": "odd"}], "default": "odd"},
        "anything": {},
    }
    assert schema["$defs"]["Agents"]["properties"]["speed"] == {
        "type": "number",
        "description": "How fast they are [m/s]",
    }
    assert schema["$defs"]["Agents"]["properties"]["kind"] == {
        "enum": ["a", 2, "A", "B"]
    }


def test_run_schema():
    schema = run_schema_of(Model, name="M", defaults={"beta": 0.3})
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert schema["properties"]["M"]["properties"]["beta"]["default"] == 0.3
    for fine in (
        {"num_steps": 3, "M": {"mode": "slow"}}, {"M": None}, {"own": 1},
        {"parameter_space": {"seed": 3, "M": {}}}, {"log_levels": {"model": "info"}},
    ):  # fmt: skip
        assert validator.is_valid(fine), fine
    for wrong in (
        {"num_steps": -1}, {"M": {"mood": 1}}, {"M": {"agents": {}}},
        {"parameter_space": {"seed": "x"}}, {"log_levels": {"model": "loud"}},
    ):  # fmt: skip
        assert not validator.is_valid(wrong), wrong


def test_constraints():
    text = """
beta: !is-probability 0.5
weights: {a: !param {default: 1, limits: [0, 9], limits_mode: "()", description: W}}
mode: !param {default: fast, is_any_of: [fast]}
"""
    defaults, constraints = yaml.load_with_constraints(text)
    schema = schema_of(Model, defaults=defaults, constraints=constraints)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for weight in (0, 0.5, 9, -1):
        for beta in (0, 0.5, 1, 2, -1):
            for mode in ("fast", "slow"):
                cfg = {"beta": beta, "weights": {"a": weight}, "mode": mode}
                valid = all(
                    not one.complaint(value)
                    for one, value in zip(
                        constraints.values(), (beta, weight, mode), strict=True
                    )
                )
                assert validator.is_valid(cfg) == valid
    assert schema["properties"]["weights"]["properties"]["a"]["description"] == "W"


# .. Agreement ................................................................

SCALARS = [int, float, bool, str, None, Any, Kind, Literal[1, "a", None, True], Agents]
ANNOTATIONS = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.one_of(
        inner.map(lambda one: list[one]),
        inner.map(lambda one: dict[str, one]),
        inner.map(lambda one: tuple[one, ...]),
        st.tuples(inner, inner).map(lambda two: tuple[two]),
        st.tuples(inner, inner).map(lambda two: list[two[0]] | list[two[1]] | None),
    ),
    max_leaves=5,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3, width=16)
    | st.sampled_from(["a", "A", "b", ""]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["speed", "kind", "x"]), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip


@given(ANNOTATIONS, JSON)
def test_schema_and_check_agree(annotation, value):
    class Model(Base):
        def setup(self, *, x: annotation):
            pass

    schema = schema_of(Model)
    jsonschema.Draft202012Validator.check_schema(schema)
    try:
        check_parameters(Model.setup.__get__(object()), {"x": value}, section="M")
    except UserError:
        fits = False
    else:
        fits = True
    assert jsonschema.Draft202012Validator(schema).is_valid({"x": value}) == fits


# .. The command ..............................................................

PROGRAM = """
import sys, impl
if __name__ == "__main__":
    impl.M(cfg_file_path=sys.argv[1]).run()
"""
MODEL = """
from __future__ import annotations
from utopya_backend import StepwiseModel

class Other(StepwiseModel):
    def setup(self, *, other: int): pass
    def perform_step(self): pass
    def write_data(self): pass

class M(Other):
    def setup(self, *, size: int = 3): pass
"""


@pytest.fixture
def model(tmp_path):
    (tmp_path / "run_model.py").write_text(PROGRAM)
    (tmp_path / "impl.py").write_text(MODEL)
    (tmp_path / "M_cfg.yml").write_text("size: !is-positive-int 7")
    (tmp_path / "M_info.yml").write_text(
        "model_name: M\npaths: {executable: run_model.py}"
    )
    return tmp_path


def test_command(model, monkeypatch):
    monkeypatch.delitem(__import__("sys").modules, "impl", raising=False)
    result = CliRunner().invoke(main, ["schema", str(model)])
    assert result.exit_code == 0, result.output
    size = json.loads(result.output)["properties"]["size"]
    assert (size["type"], size["default"]) == ("integer", 7)
    result = CliRunner().invoke(main, ["schema", "--run", str(model)])
    assert json.loads(result.output)["properties"]["M"]["properties"]["size"] == size


def test_no_class(model):
    (model / "run_model.py").write_text("")
    result = CliRunner().invoke(main, ["schema", str(model)])
    assert result.exit_code == 2
    assert "There is no model in" in result.output
