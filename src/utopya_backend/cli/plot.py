"""``utopya-backend plot``: pictures of what is in the output."""

import importlib.util
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import (
    InexactError,
    NotDrawableError,
    OutputExistsError,
    UnknownDimensionError,
)
from ..io.opening import reporting_damage
from ..io.walking import visible
from .paths import short

if TYPE_CHECKING:
    import xarray

    from ..plotting.pictures import Picture

_MAX_PICTURES = 12


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("var", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: .png, .pdf or .svg; .gif with --animate.",
)
@click.option(
    "--over",
    multiple=True,
    metavar="DIM",
    help="Over this swept parameter or other dimension; twice: a map over both.",
)
@click.option(
    "--at",
    multiple=True,
    metavar="DIM=VALUE",
    help="Only at the nearest coordinate of a dimension.",
)
@click.option("--animate", is_flag=True, help="Grids over time, as a GIF.")
@click.option("--terminal", is_flag=True, help="Draw with characters; write no file.")
@click.option("--open", "open_", is_flag=True, help="Open the pictures, too.")
def plot(
    path: Path,
    var: str | None,
    output: Path | None,
    over: tuple[str, ...],
    at: tuple[str, ...],
    animate: bool,
    terminal: bool,
    open_: bool,
) -> None:
    """Draw what is in the output, by its labels.

    PATH is a data.h5, the directory of a universe or of a run, or one with several
    runs, such as out/SIR, for the latest one; a model may still be writing it. VAR is
    a variable, such as SIR/I, or I if there is but one, or a group;
    without it, all are drawn.

    A time series becomes a line, and many of them, such as those of an ensemble, their
    mean and the bands that hold 50 % and 90 % of the values; a grid becomes an image
    of its last time, and timers become bars. With --over, a swept parameter is the
    axis, and the mean over all else is drawn, at the last time of each universe.

    The pictures go to the directory eval of the run, or to the current directory.
    Nothing is overwritten.
    """
    _check_options(output, animate, terminal, open_)
    wants_file = output is not None or animate or open_
    if not wants_file and importlib.util.find_spec("matplotlib") is None:
        click.echo("matplotlib is not installed: drawn with characters.", err=True)
        terminal = True
    part = Part(over, _parse_at(at))
    _check_part(part, animate)
    variables, part.swept = _open(path, var)
    if var is None or len(variables) > 1:
        variables = _having(variables, part)
    pictures = _choose(path, variables, part, is_asked=var is not None, animate=animate)
    if output is not None and len(variables) > 1:
        raise click.UsageError(
            "--output is for one picture: name one variable, "
            f"e.g. {next(iter(variables))}."
        )
    for name, picture in pictures:
        title = name.replace("/", ": ", 1)
        if terminal:
            _show(picture, title)
        else:
            file = _write(picture, title, output, path, name, animate)
            click.echo(visible(str(short(file))))
            if open_ and click.launch(str(file)) != 0:
                click.echo("There is no program here that opens it.", err=True)


@dataclass
class Part:
    """What is drawn of a variable.

    Attributes:
        over: The dimensions along the axes; none if the labels decide
        at: Coordinates of other dimensions
        swept: Those dimensions that are parameters of a sweep
    """

    over: tuple[str, ...]
    at: dict[str, str]
    swept: tuple[str, ...] = ()


def _parse_at(texts: Sequence[str]) -> dict[str, str]:
    at = {}
    for text in texts:
        dim, equals, value = text.partition("=")
        if not dim or not equals or not value:
            raise click.UsageError(f"--at takes DIM=VALUE, e.g. time=7, not {text!r}.")
        if dim in at:
            raise click.UsageError(f"--at is given twice for {dim}: choose one value.")
        at[dim] = value
    return at


def _check_part(part: Part, animate: bool) -> None:
    from ..plotting.axes import check_over

    check_over(part.over)
    if part.over and animate:
        raise click.UsageError("--animate shows grids over time: leave out --over.")
    if both := [name for name in part.over if name in part.at]:
        raise click.UsageError(
            f"{both[0]} is an axis of the picture: leave out --at {both[0]}, or --over."
        )


def _having(
    variables: "Mapping[str, xarray.DataArray]", part: Part
) -> "Mapping[str, xarray.DataArray]":
    """Those of the variables that have the dimensions that were named."""
    from ..plotting.parts import has_dims, unknown_dim

    named = (*part.over, *part.at)
    having = {name: v for name, v in variables.items() if has_dims(v, named)}
    if having:
        return having
    for name in named:
        if not any(has_dims(v, [name]) for v in variables.values()):
            raise UnknownDimensionError(
                unknown_dim(name, variables.values(), part.swept)
            )
    raise UnknownDimensionError(
        f"There is no variable with all of the dimensions {', '.join(named)}."
    )


def _check_options(
    output: Path | None, animate: bool, terminal: bool, open_: bool
) -> None:
    from ..plotting.files import FORMATS

    if terminal and (output is not None or animate or open_):
        raise click.UsageError(
            "--terminal writes no file: leave out --output, --animate and --open."
        )
    formats = ("gif",) if animate else FORMATS
    if output is not None and output.suffix.lower()[1:] not in formats:
        only = "an animation" if animate else "a picture without --animate"
        raise click.UsageError(
            f"The file of {only} ends with .{', .'.join(formats)}, but is {output}."
        )
    if output is not None and os.path.lexists(output):
        raise OutputExistsError(
            f"There is a file {output} already, and it is not overwritten: choose "
            "another name, or remove it."
        )


def _open(
    path: Path, var: str | None
) -> "tuple[Mapping[str, xarray.DataArray], tuple[str, ...]]":
    """The variables to draw, by their paths; and the swept parameters."""
    from ..io import open_output

    with _short_warnings():
        tree = open_output(path)
    from ..plotting.select import data_variables, find_variables, swept_dims

    variables = find_variables(tree, var) if var else data_variables(tree)
    if not variables:
        raise NotDrawableError(
            f"There is no data in {path}: has the model written any yet? "
            "utopya-backend show tells."
        )
    return variables, swept_dims(tree)


def _choose(
    path: Path,
    variables: "Mapping[str, xarray.DataArray]",
    part: Part,
    *,
    is_asked: bool,
    animate: bool,
) -> "Iterator[tuple[str, Picture]]":
    """The pictures, with the paths of their variables, one after the other."""
    from ..plotting.choose import MAX_FRAMES, grid_dims
    from ..plotting.over import choose_part

    if animate and not is_asked:
        grids = {name: v for name, v in variables.items() if grid_dims(v)}
        if not grids:
            raise NotDrawableError(
                f"There is no grid to animate, but {', '.join(variables)}."
            )
        variables = grids
    problems = []
    number = 0
    for name, variable in variables.items():
        if number == _MAX_PICTURES:
            left = list(variables)[list(variables).index(name) :]
            click.echo(
                f"Only {_MAX_PICTURES} are drawn at once; name others to draw them: "
                f"{', '.join(left)}.",
                err=True,
            )
            return
        try:
            with reporting_damage(path):
                max_frames = MAX_FRAMES if animate else 1
                picture = choose_part(
                    variable, part.over, part.at, part.swept, max_frames
                )
        except (NotDrawableError, InexactError) as error:
            problems.append(str(error))
            continue
        number += 1
        yield name, picture
    if problems and not number:
        raise NotDrawableError("Nothing can be drawn. " + " ".join(problems))
    for problem in problems:
        click.echo(f"Not drawn: {visible(problem)}", err=True)


def _show(picture: "Picture", title: str) -> None:
    from ..plotting.terminal import draw_text

    size = shutil.get_terminal_size()
    is_terminal = sys.stdout.isatty()
    has_color = is_terminal and "NO_COLOR" not in os.environ
    height = max(min(size.lines - 6, 24), 8)
    text = draw_text(picture, title, width=size.columns, height=height, color=has_color)
    click.echo(f"{text}\n", color=has_color)


def _write(
    picture: "Picture",
    title: str,
    output: Path | None,
    path: Path,
    name: str,
    animate: bool,
) -> Path:
    from ..plotting import files
    from ..plotting.figures import render

    if output is not None:
        extension = output.suffix.lower()[1:]
        return files.write_exclusively(output, render(picture, title, extension))
    extension = "gif" if animate else "png"
    content = render(picture, title, extension)
    directory = files.default_directory(path)
    files.make_directory(directory)
    return files.write_new(
        directory / f"{files.default_name(path, name)}.{extension}", content
    )


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Shows warnings as a line, once, without the code that gives them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    # Each of many universes may give the same one.
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        click.echo(f"Warning: {visible(message)}", err=True)
