import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from utopya_backend.cli import main

COMMAND = Path(sys.executable).with_name("utopya-backend")


def invoke(*args):
    return CliRunner().invoke(main, args)


def test_help_lists_all_commands():
    lines = invoke("--help").output.splitlines()
    commands = [line.split()[0] for line in lines[lines.index("Commands:") + 1 :]]
    assert commands == list(main.list_commands(None))
    for command in commands:
        assert f"Usage: main {command} " in invoke(command, "-h").output


def test_misspelled_command():
    result = invoke("rnu", "M")
    assert result.exit_code == 2
    assert "There is no command 'rnu'. Did you mean 'run'?" in result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sh", ["plain,show"]),
        ("run --se", ["plain,--set", "plain,--seed"]),
        ("run --log-level er", ["plain,error"]),
        ("run ", ["file,"]),
    ],
)
def test_completion_in_a_shell(words, expected):
    environ = os.environ | {
        "_UTOPYA_BACKEND_COMPLETE": "bash_complete",
        "COMP_WORDS": f"utopya-backend {words}",
        "COMP_CWORD": str(len(words.split(" "))),
    }
    process = subprocess.run([COMMAND], env=environ, capture_output=True, text=True)
    assert process.stdout.split() == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_for_completion(shell):
    script = invoke("completion", shell).output
    assert f"_UTOPYA_BACKEND_COMPLETE={shell}_complete" in script
    assert "utopya-backend" in script


def test_script_is_one_of_bash():
    script = invoke("completion", "bash").output
    command = script + "\ncomplete -p utopya-backend"
    process = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert process.stdout.endswith("_utopya_backend_completion utopya-backend\n")


def test_completion_imports_no_more_than_it_needs():
    """A shell asks at each press of the key."""
    code = (
        "import sys; from utopya_backend.cli import main; "
        "main.get_command(None, 'run'); "
        "print({'xarray', 'matplotlib', 'dask', 'pandas', 'tqdm'} & set(sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert process.stdout == b"set()\n"


@pytest.mark.parametrize("name", ["run", "show", "plot", "watch", "recover", "schema"])
def test_a_name_that_no_file_can_have(name):
    result = invoke(name, "a" * 5000)
    assert result.exit_code == 2
    assert "is too long for a file" in result.output or "There is no" in result.output
