"""Checking a model under the real `utopya` frontend."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .. import yaml
from ..errors import MissingFileError, ParameterError
from ..finding import find_manifest
from ..interactive import simulate
from ..io.comparing import compare
from .checks import fail

_HOW_TO_GET_IT = (
    "there is no command `utopya`, the frontend: install it in an environment of its "
    "own (python3 -m venv FRONTEND; FRONTEND/bin/pip install utopya) and set the "
    "environment variable UTOPYA=FRONTEND/bin/utopya, with its whole path"
)


def check_same_under_frontend(
    model: str | os.PathLike[str],
    params: Mapping[str, Any] | None = None,
    *,
    num_steps: int | None = None,
    seed: int | None = None,
    utopya: str | os.PathLike[str] | None = None,
    **root: Any,
) -> None:
    """Checks that a model leads to the same data under the `utopya` frontend.

    There, it is registered and run by the real command, in a home directory of its own,
    with this Python. Without the frontend, the test is skipped.

    Args:
        model: The directory of the model, or its manifest
        params: See :py:func:`.simulate`
        num_steps: See there
        seed: See there
        utopya: The frontend's command; by default, that which the environment variable
            ``UTOPYA`` names, or the one on the PATH
        **root: See :py:func:`.simulate`

    Raises:
        AssertionError: If something differs, or it fails there
        UserError: If it has no manifest, or the frontend is not where it should be
    """
    __tracebackhide__ = True
    if isinstance(model, type):
        raise ParameterError(
            "The frontend finds a model by its manifest, not by its class "
            f"{model.__name__}: give the directory with the <name>_info.yml."
        )
    manifest = find_manifest(model)
    command = _find_frontend(utopya)
    here = simulate(
        manifest, params, num_steps=num_steps, seed=seed, progress=False, **root
    )
    given = {"num_steps": num_steps, "seed": seed, **root}
    space = {key: value for key, value in given.items() if value is not None}
    with tempfile.TemporaryDirectory() as tmp:
        there = _run_there(
            command, manifest, here.name, {**space, here.name: dict(params or {})}, tmp
        )
        if differences := compare(here.path, there):
            fail(
                f"The data of {here.name} (first) differs from that under the frontend "
                "(second):",
                differences,
            )


def _find_frontend(utopya: str | os.PathLike[str] | None) -> str:
    named = utopya or os.environ.get("UTOPYA")
    if command := shutil.which(named or "utopya"):
        return command
    if named:
        raise MissingFileError(
            f"There is no frontend at {os.fspath(named)}: correct the argument "
            "`utopya`, or the environment variable UTOPYA."
        )
    pytest.skip(_HOW_TO_GET_IT)


def _run_there(
    command: str, manifest: Path, name: str, space: Mapping[str, Any], home: str
) -> Path:
    """Runs a model under the frontend; returns its output file."""
    run_cfg = {
        "paths": {"out_dir": home},
        # The program needs what is beside it.
        "executable_control": {"prefix": [sys.executable], "run_from_tmpdir": False},
        "parameter_space": space,
    }
    cfg_file = Path(home, "run.yml")
    with open(cfg_file, "w", encoding="utf-8") as file:
        yaml.dump(run_cfg, file)
    for args in (
        ("models", "register", "from-manifest", str(manifest.absolute())),
        ("run", name, str(cfg_file), "--no-eval"),
    ):
        process = subprocess.run(
            [command, *args],
            env=os.environ | {"HOME": home, "MPLBACKEND": "agg"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if process.returncode != 0:
            fail(
                f"`utopya {' '.join(args)}` fails with exit code {process.returncode}:",
                process.stdout.splitlines()[-20:],
            )
    (path,) = Path(home, name).glob("*/data/uni0/data.h5")
    return path
