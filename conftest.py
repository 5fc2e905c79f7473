"""Has the examples in README.md and in the manual run by the tests.

- Python, YAML and text that begin with a comment such as ``# Forest/model.py`` are
  files, written to a temporary directory.
- Other Python code is executed.
- Commands in a console, ``$ command``, are run in that directory, after the files
  above them were written. Those of `make` and `pip` are not run.
- There is a copy of the directory `examples` of the repository.
- What stands below a command is part of what it prints, but for numbers, spaces and
  absolute paths. If it says so, ``Error: …`` or ``failed``, the command has to fail,
  otherwise to succeed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser

from utopya_backend import load_cfg_file

pytest_plugins = ["utopya_backend.testing"]

# What `utopya-backend new` copies: it is tested where it is copied to.
collect_ignore = ["src/utopya_backend/scaffold"]

NOT_RUN = ("make ", "pip ", "git ", "source ")


def write_file(example: Example) -> bool:
    first_line = example.parsed.splitlines()[0]
    if not (match := re.fullmatch(r"# (\S+\.(py|yml))", first_line)):
        return False
    path = Path(match[1])
    path.parent.mkdir(exist_ok=True)
    path.write_text(example.parsed, encoding="utf-8")
    return True


class PythonParser(CodeBlockParser):
    language = "python"

    def evaluate(self, example: Example) -> None:
        if not write_file(example):
            PythonEvaluator()(example)


class YamlParser(CodeBlockParser):
    language = "yaml"

    def evaluate(self, example: Example) -> None:
        assert write_file(example), "begin with the name of the file"
        assert load_cfg_file(example.parsed.splitlines()[0].removeprefix("# "))


class ConsoleParser(CodeBlockParser):
    language = "console"

    def evaluate(self, example: Example) -> None:
        for command, shown in commands(example.parsed):
            if not command.startswith(NOT_RUN):
                self.run(command, shown)

    def run(self, command: str, shown: str) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        process = subprocess.run(
            command,
            shell=True,
            env=os.environ | {"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        is_to_fail = re.search("^Error: | failed ", shown, re.MULTILINE) is not None
        told = f"{command}\n{process.stdout}"
        assert (process.returncode != 0) == is_to_fail, told
        assert comparable(shown) in comparable(process.stdout), told


def commands(console: str) -> Iterator[tuple[str, str]]:
    """The commands, each with what is shown of its output."""
    before, *blocks = re.split(r"^\$ ", console, flags=re.MULTILINE)
    assert not before, "begin with a command"
    for block in blocks:
        command, _, shown = block.partition("\n")
        yield command, shown


def comparable(text: str) -> str:
    """A text without what differs from run to run, or between computers."""
    without_directories = re.sub(r"(?<!\S)/\S*/(?=\S+\.py\b)", "", text)
    return " ".join(re.sub(r"[\d.]*\d", "0", without_directories).split())


@pytest.fixture(scope="module")
def in_tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before, modules = Path.cwd(), set(sys.modules)
    directory = tmp_path_factory.mktemp("docs")
    os.chdir(directory)
    examples = Path(__file__).parent / "examples"
    shutil.copytree(examples, "examples", ignore=shutil.ignore_patterns("__pycache__"))
    sys.path.insert(0, str(directory))  # as for somebody who runs Python there
    yield
    sys.path.remove(str(directory))
    os.chdir(before)
    for name in set(sys.modules) - modules:  # another page has files of these names
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(directory)):
            del sys.modules[name]


pytest_collect_file = Sybil(
    parsers=[PythonParser(), YamlParser(), ConsoleParser()],
    patterns=["*.md"],
    excludes=["CHANGELOG.md", "examples/**"],
    fixtures=["in_tmp_path"],
).pytest()
