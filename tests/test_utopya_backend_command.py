"""The command, if another package is in the place of ours, or something is missing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import utopya_backend
from utopya_backend.cli import main

SRC = Path(utopya_backend.__file__).parents[1]


def test_info():
    result = CliRunner().invoke(main, ["info"])
    assert result.exit_code == 0
    assert re.search(r"^utopya_backend +.*/__init__.py$", result.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", ["info", "run"])
def test_command_with_another_package(tmp_path, command):
    package = tmp_path / "site/utopya_backend"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("theirs = True")
    info = tmp_path / "site/utopya-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: utopya\nVersion: 1.0\n")
    (info / "RECORD").write_text("utopya_backend/__init__.py,,\n")
    process = subprocess.run(
        [sys.executable, "-c", "import utopya_backend_command as c; c.main()", command],
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{SRC}"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert "This is not utopya-backend" in process.stdout + process.stderr
    assert "Traceback" not in process.stderr


def test_missing_packages(tmp_path):
    """Of which `info` needs none, and the others say the name."""
    (tmp_path / "click.py").write_text("import no_such_package")
    environ = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{SRC}"}
    for command, code, text in (("info", 0, "All is well"), ("run", 1, "pip install")):
        process = subprocess.run(
            [
                sys.executable,
                "-c",
                "import utopya_backend_command as c; c.main()",
                command,
            ],
            env=environ,
            capture_output=True,
            text=True,
        )
        assert process.returncode == code
        assert text in process.stdout + process.stderr
        assert "Traceback" not in process.stderr


def test_error_in_the_package_itself_is_not_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, "utopya_backend.cli", None)
    import utopya_backend_command

    with pytest.raises(ImportError):
        utopya_backend_command.main()


def test_it_can_be_interrupted_as_soon_as_it_is_imported():
    """Whatever takes time is imported where a Ctrl-C gives no traceback."""
    code = (
        "import sys; before = set(sys.modules); import utopya_backend_command; "
        "print(*set(sys.modules) - before)"
    )
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert output.split() == ["utopya_backend_command"]


@pytest.mark.parametrize("command", ["info", "run"])
def test_an_interrupt_while_it_imports(tmp_path, command):
    for name in ("click", "csv"):
        (tmp_path / f"{name}.py").write_text("raise KeyboardInterrupt")
    process = subprocess.run(
        [sys.executable, "-m", "utopya_backend_command", command],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{SRC}"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 130
    assert process.stderr == ""
