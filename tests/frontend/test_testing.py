"""Models that lead to the same data here and there; new models."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from utopya_backend.cli import main
from utopya_backend.testing import check_same_under_frontend

from .conftest import ROOT

EXAMPLES = {
    "Influenza": ({}, {}),
    "ForestFire": ({"grid_shape": [30, 40]}, {"num_steps": 20, "write_every": 3}),
    "Opinions": ({"num_agents": 50}, {"num_steps": 20, "seed": 1}),
    "PredatorPrey": ({"end_time": 1}, {}),
}


@pytest.fixture
def utopya(frontend_env):
    return frontend_env / "bin/utopya"


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name, utopya):
    params, settings = EXAMPLES[name]
    check_same_under_frontend(
        ROOT / "examples" / name, params, utopya=utopya, **settings
    )


M = """
import sys
from utopya_backend import StepwiseModel

class M(StepwiseModel):
    def setup(self, *, wrong):
        if wrong == "values":
            self.h5group.attrs["is_there"] = "pytest" not in sys.modules
        elif "pytest" not in sys.modules:
            raise RuntimeError("Only here")

    def perform_step(self):
        pass

    write_data = perform_step

if __name__ == "__main__":
    M(cfg_file_path=sys.argv[1]).run()
"""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("values", "differs from that under the frontend .*:\n.*is_there: False and T"),
        ("error", r"(?s)`utopya run M .*` fails with exit code 1:.*Only here"),
    ],
)
def test_not_the_same(utopya, tmp_path, wrong, message):
    info = "model_name: M\npaths: {executable: run_model.py, source_dir: .}"
    (tmp_path / "M_info.yml").write_text(info)
    (tmp_path / "M_cfg.yml").write_text("wrong: ~")
    (tmp_path / "run_model.py").write_text(M)
    (tmp_path / "run_model.py").chmod(0o755)
    with pytest.raises(AssertionError, match=message):
        check_same_under_frontend(
            tmp_path, {"wrong": wrong}, num_steps=1, utopya=utopya
        )


def test_a_new_model(frontend, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["new", "Walk"])
    assert result.exit_code == 0, result.output
    frontend.home = tmp_path / "home"
    frontend.home.mkdir()
    readme = Path("Walk/README.md").read_text()
    commands = [line.split() for line in readme.splitlines() if "    utopya " in line]
    assert [command[1] for command in commands] == ["models", "run", "run", "config"]
    frontend(*commands[0][1:])
    frontend(*commands[1][1:], "--debug")
    assert list(frontend.run_dir("Walk").glob("eval/*/mean_square_displacement.png"))
    check_same_under_frontend("Walk", utopya=frontend.env / "bin/utopya")
    output = frontend(*("run", "Walk", "--no-eval", "--mp", "step_length=-1"), code=1)
    assert "step_length" in output
