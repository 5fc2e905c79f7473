"""The ways to have the frontend and this package, as README.md gives them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from utopya_backend import load_cfg_file

from .conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
WAYS = re.findall(r"\*\*\d\. (.*?)\*\*.*?```shell\n(.*?)```", README, re.DOTALL)


class Shell:
    """Commands in a checkout, by a user who has nothing yet."""

    def __init__(self, home: Path) -> None:
        self.home = home
        unset = ("VIRTUAL_ENV", "PYTHONPATH")
        self.environ = {k: v for k, v in os.environ.items() if k not in unset}
        pip_cache = os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache/pip"))
        python = str(Path(sys.executable).resolve().parent)  # python3, in venvs, too
        self.environ |= {
            "HOME": str(home),
            "MPLBACKEND": "agg",
            "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
            "PIP_CACHE_DIR": pip_cache,
        }
        for config in (".config/pip/pip.conf", ".pip/pip.conf"):
            if (Path.home() / config).exists():
                self.environ["PIP_CONFIG_FILE"] = str(Path.home() / config)

    def __call__(self, commands: str, code: int = 0) -> str:
        """Runs commands; returns what they print."""
        process = subprocess.run(
            ["bash", "-e", "-c", commands],
            cwd=ROOT,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.returncode == code, process.stdout[-5000:]
        return process.stdout


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


ALL_IS_WELL = "All is well: models that this Python runs use this package."


def check_way(shell, commands):
    """The commands work, and the model has imported our package."""
    assert ALL_IS_WELL in shell(commands)
    (universe,) = shell.home.glob("utopya_output/Influenza/*/data/uni0")
    with h5py.File(universe / "data.h5") as file:
        assert file.attrs["utopya_backend"]
    assert list(shell.home.glob("utopya_output/Influenza/*/eval/*/infected.*"))


def test_readme_has_the_ways():
    assert [name for name, _ in WAYS] == [
        *("Two environments.", "`PYTHONPATH`."),
        "One environment, this package last.",
    ]


def test_two_environments(shell):
    check_way(shell, WAYS[0][1])


def test_pythonpath(shell):
    check_way(shell, WAYS[1][1])
    editable = shell(
        "source ~/envs/both/bin/activate; pip install --no-deps --editable .;"
        "utopya-backend info",
        code=1,
    )
    assert "This is not utopya-backend, but the package of the same name" in editable
    assert "utopya-backend is installed, too, but found later" in editable


def test_in_the_frontends_own_environment(shell, frontend_env):
    """It has numpy, h5py and ruamel.yaml, and nothing else that this package needs."""
    python = frontend_env / "bin/python"
    shell(f'for name in isal tqdm _ruamel_yaml; do ! {python} -c "import $name"; done')
    path = shell.home / "data.h5"
    parameters = load_cfg_file(ROOT / "examples/Influenza/Influenza_cfg.yml")
    cfg = {"root_model_name": "Influenza", "Influenza": parameters, "num_steps": 9}
    with open(shell.home / "config.yml", "w") as file:
        json.dump(cfg | {"output_path": str(path)}, file)  # which is YAML, too
    model = "examples/Influenza/run_model.py"
    run = f"PYTHONPATH=src {python} -W error {model} ~/config.yml"
    printed = shell(run)
    assert printed.count("pip install isal") == 1
    assert "Traceback" not in printed
    with h5py.File(path) as file:
        assert file["Influenza/I"].compression == "gzip"
        assert file["Influenza/I"].shape[0] == 10


def test_one_environment(shell):
    """… and what happens if the frontend is upgraded, or removed."""
    check_way(shell, WAYS[2][1])
    shell.environ["PATH"] = f"{shell.home}/envs/both/bin:{shell.environ['PATH']}"

    shell("pip install --no-deps --force-reinstall utopya")
    mixed = shell("utopya-backend info", code=1)
    assert "These files have been replaced, by those of utopya" in mixed
    assert "model/base.py" in mixed

    again = "pip install --no-deps --force-reinstall ."
    assert again in README
    shell(again)
    assert ALL_IS_WELL in shell("utopya-backend info")

    shell("pip uninstall --yes utopya")
    for command in ("info", "run examples/Influenza"):
        broken = shell(f"utopya-backend {command}", code=1)
        assert "These files are missing: __init__.py, benchmark.py" in broken
        assert "Traceback" not in broken
