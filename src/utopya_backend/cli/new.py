"""``utopya-backend new``: begins a model."""

import builtins
import keyword
import os
import re
import shlex
import tempfile
from pathlib import Path

import click

from ..errors import ModelNameError, OutputDirectoryError, OutputExistsError
from ..model.config import ROOT_KEYS
from .paths import short

SCAFFOLD = Path(__file__).parents[1] / "scaffold" / "NAME"
"""The files of a new model; ``NAME`` stands for its name, in them and their names."""

_PLACEHOLDER = "NAME"
_PROGRAM = "run_model.py"
_IGNORE = "gitignore"  # with a dot, tools that build this package would heed it

# What its program and its package have under a name of their own
_NAMES_OF_SCAFFOLD = {"Any", "StepwiseModel", "impl", "model", "np", "os", "sys"}


@click.command()
@click.argument("model", metavar="[DIR/]NAME", type=click.Path())
def new(model: str) -> None:
    """Begin a model called NAME.

    Its directory NAME, in DIR or the current one, then has all that a model needs: one
    of random walkers, to be changed into your own, with its configuration, plots
    and tests.
    """
    target = Path(model).expanduser()
    check_name(target.name)
    write_model(target)
    name, path = target.name, short(target)
    click.echo(f"{path}/ has a model of random walkers, to be changed into your own:\n")
    for file, what in (
        ("impl/model.py", "the model"),
        (f"{name}_cfg.yml", "its parameters"),
        (f"test_{name}.py", "its tests"),
        ("README.md", "all else"),
    ):
        click.echo(f"  {file:<{len(name) + 12}}{what}")
    click.echo("\nRun it, draw its data, and test it (pip install pytest):\n")
    click.echo(f"  utopya-backend run {shlex.quote(path)}")
    click.echo(f"  utopya-backend plot out/{name}")
    click.echo(f"  pytest {shlex.quote(path)}")
    if name[0].islower():
        click.echo(f"\n(Classes mostly begin with a capital: {_camel_case(name)}.)")


def check_name(name: str) -> None:
    """Checks that a model can have a name.

    Args:
        name: The name, which is that of its class and directory, too

    Raises:
        ValueError: If it is not possible
    """
    # Other alphabets are left out: file systems differ in how they write an é.
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        raise ModelNameError(
            f"A model cannot be called '{name}': its name, as that of its class, has "
            "to consist of letters from A to Z, digits and underscores, and to begin "
            f"with a letter. Try e.g. {_camel_case(name)}."
        )
    if keyword.iskeyword(name) or hasattr(builtins, name):
        meaning = "means something else in Python"
    elif name in ROOT_KEYS:
        meaning = "is a key of the configuration that means something else"
    elif name in _NAMES_OF_SCAFFOLD:
        meaning = "is the name of something else in its files"
    else:
        return
    raise ModelNameError(
        f"A model cannot be called '{name}', which {meaning}. Try e.g. "
        f"{_camel_case(name)}Model."
    )


def _camel_case(name: str) -> str:
    """A similar name in the usual form, or any one."""
    words = re.findall("[A-Za-z0-9]+", name) if name.isascii() else []
    similar = "".join(word[0].upper() + word[1:] for word in words)
    return similar if re.fullmatch("[A-Z].+", similar) else "Walk"


def write_model(target: Path) -> None:
    """Writes the files of a new model: all of them, or nothing.

    Args:
        target: The directory, which is made. Its name is that of the model.

    Raises:
        FileExistsError: If there is something
        OSError: If it cannot be made
    """
    if os.path.lexists(target):
        raise OutputExistsError(
            f"{target} exists already, and nothing is overwritten: give another name, "
            "or another directory as DIR/NAME."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as tmp:
            unfinished = Path(tmp, target.name)
            _copy_scaffold(unfinished)
            unfinished.rename(target)
    except OSError as error:
        raise OutputDirectoryError(
            f"Cannot make {target} ({error.strerror}): give a directory that you can "
            "write to, as DIR/NAME."
        ) from None


def _copy_scaffold(target: Path) -> None:
    for directory, _, files in os.walk(SCAFFOLD):
        if os.path.basename(directory) == "__pycache__":
            continue
        inside = target / os.path.relpath(directory, SCAFFOLD)
        inside.mkdir()
        for file in files:
            text = Path(directory, file).read_text(encoding="utf-8")
            name = f".{file}" if file == _IGNORE else file
            copy = inside / name.replace(_PLACEHOLDER, target.name)
            copy.write_text(text.replace(_PLACEHOLDER, target.name), encoding="utf-8")
    program = target / _PROGRAM
    program.chmod(program.stat().st_mode | 0o111)  # which an installation may lose
