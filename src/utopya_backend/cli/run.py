"""``utopya-backend run``: runs a model once."""

import contextlib
import os
import secrets
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from .. import yaml
from ..display import Bar, Display, LogLines, Nothing, Report
from ..errors import EXIT_CODE, ConfigError, UserError
from ..finding import ModelInfo, find_model
from ..io.disk import DiskFile
from ..io.runs import PARAMETER_SPACE, PROVENANCE
from ..io.status import complaint_about_end, signal_in
from ..io.summary import (
    complaint_about_output,
    format_size,
    has_output,
    read_end,
    summarize,
)
from ..limits import MAX_DIGITS, check_value
from ..logging import LOG_LEVELS
from ..process import error_in, run_process, users_line, warnings_in
from ..signal import SIG_STOPCOND
from ..tools import format_time
from ..universe import make_run_dir, make_universe, resolve_cfg
from .paths import short
from .unread import going_on_unread

_SIGNAL_NAMES = {signum.value: signum.name for signum in signal.Signals}
_CRASHES = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT")


class Seed(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """A seed; ``random`` stands for one from the system."""

    name = "INTEGER|random"

    def convert(self, value: str, *args: Any) -> int:
        """Reads an integer, or takes a random one."""
        if value == "random":
            return secrets.randbits(32)
        if not value.isdecimal() or len(value) > MAX_DIGITS:
            problem = "is no integer of at least 0, nor `random`"
            if value.isdecimal():
                problem = f"has more than {MAX_DIGITS:,} digits"
            self.fail(f"'{value[:50]}' {problem}.", *args)
        return int(value)


class Setting(click.ParamType):  # type: ignore[type-arg]  # likewise
    """An entry of the configuration, ``a.b=1``, with a value in YAML."""

    name = "KEY=VALUE"

    def convert(self, value: str, *args: Any) -> tuple[list[str], Any]:
        """Reads the keys and the value."""
        key, equals, text = value.partition("=")
        if not equals or not all(key.split(".")):
            self.fail(
                f"'{value}' is not of the form KEY=VALUE, e.g. num_steps=100 or "
                "SIR.infection_rate=0.3",
                *args,
            )
        try:
            return key.split("."), yaml.load(text)
        except yaml.YAMLError as error:
            hint = "" if " " in text or text[:1] not in "![{" else (
                " Put all of it in quotes, e.g. --set 'SIR.rate=!sweep {default: 1, "
                "values: [1, 2]}'."
            )  # fmt: skip
            self.fail(f"'{text}' is no value in YAML: {error}{hint}", *args)


@click.command()
@click.argument("model", type=click.Path())
@click.argument("cfg", type=click.Path(), nargs=-1)
@click.option(
    "--set", "settings", type=Setting(), multiple=True,
    help="Set an entry of the configuration, e.g. SIR.infection_rate=0.3; the value "
    "is YAML. May be given several times.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(min=0), help="Number of steps; without any, 3."
)
@click.option(
    "--seed", type=Seed(),
    help="Seed of the random numbers, or `random`: one from the system. [default: 42]",
)  # fmt: skip
@click.option(
    "--write-every", type=click.IntRange(min=1), help="How many steps between writes."
)
@click.option(
    "--write-start", type=click.IntRange(min=0), help="The time of the first write."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default="out",
    show_default=True,
    help="Directory for the output.",
)
@click.option("--note", help="A word for the name of the run's directory.")
@click.option(
    "--log-level",
    type=click.Choice(list(LOG_LEVELS), case_sensitive=False),
    help="What the model logs.",
)
@click.option(
    "--quiet", "-q", is_flag=True, help="Print nothing but warnings and errors."
)
@click.option("--no-progress", is_flag=True, help="Show no progress.")
@click.option(
    "--dry-run", is_flag=True, help="Print the configuration, and run nothing."
)
@going_on_unread()
def run(
    model: str,
    cfg: tuple[str, ...],
    settings: tuple[tuple[list[str], Any], ...],
    out: str,
    note: str | None,
    quiet: bool,
    no_progress: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Run a model once.

    MODEL is the directory of a model, or its manifest <name>_info.yml; a Python
    file with its class (model.py, or model.py:SIR if there are several); or a class
    that can be imported (package.module:SIR).

    Each CFG is a YAML file with what is to differ from the model's defaults; later
    ones override earlier ones. For example

    \b
      num_steps: 100
      SIR:
        infection_rate: 0.3

    The data goes to OUT/<name>/<time>/data/uni0/data.h5, and what the model
    prints and logs to out.log beside it.
    """  # noqa: D301  # the \b is for click: it keeps the line breaks below it
    check_files(cfg)
    info = find_model(model)
    config = resolve_cfg(
        info,
        cfg,
        settings=nested(settings),
        thorough=dry_run,
        **_root_entries(**options),
    )
    if dry_run:
        yaml.dump(config, sys.stdout)
        return
    cfg_file = make_universe(make_run_dir(out, info.name, note=note), config)
    progress = not (quiet or no_progress)
    sys.exit(_run_universe(info, cfg_file, quiet=quiet, progress=progress))


def _run_universe(
    info: ModelInfo, cfg_file: Path, *, quiet: bool, progress: bool
) -> int:
    """Runs a model, and says what has become of it; returns the exit code."""
    display = _Latest(_display(info.name, shown=progress))
    start = time.monotonic()
    with contextlib.closing(DiskFile.open(str(cfg_file.parent), read_only=True)) as uni:
        try:
            exit_code = run_process(
                [*info.args, str(cfg_file)], cfg_file.with_name("out.log"),
                display.show, _tell_of_interrupt,
            )  # fmt: skip
        finally:
            display.close()
        duration = format_time(time.monotonic() - start, ms_precision=2)
        where = uni.find()
    if where is None:
        click.echo(
            f"{info.name} has ended after {duration}, but without its directory "
            f"{short(cfg_file.parent)}: somebody has deleted that meanwhile, with all "
            "output.", err=True,
        )  # fmt: skip
        return exit_code or 1
    if where != str(cfg_file.parent):
        click.echo(
            f"While {info.name} ran, its directory was moved to {short(Path(where))}.",
            err=True,
        )
        cfg_file = Path(where) / cfg_file.name
    log_file, data_file = cfg_file.with_name("out.log"), cfg_file.with_name("data.h5")
    status, number = read_end(data_file)
    if exit_code == 0 and (signum := signal_in(status)):
        exit_code = 128 + signum  # which the program has hidden
    if complaint := _complaint(exit_code, status, number, cfg_file.parent):
        exit_code = 1
        click.echo(f"{info.name} {complaint}", err=True)
    number = number or display.n_iter
    when = f"after {duration}" + (f", {number} iterations" if number else "")
    sentence = f"{info.name} {{}} {when}"
    if exit_code - 128 in _SIGNAL_NAMES:
        _show_signal(sentence, exit_code - 128, status)
    else:
        exit_code = _show_end(sentence, exit_code, log_file, quiet=quiet)
    is_left = exit_code != EXIT_CODE or not _remove_if_unused(cfg_file)
    if is_left and not quiet:
        _show_data(data_file)
        click.echo(f"Log:   {short(log_file)}")
    return exit_code


def _complaint(
    exit_code: int, status: str | None, number: int | None, directory: Path
) -> str:
    """What is to be said of a run that would count as a success, and is none."""
    if exit_code == 128 + SIG_STOPCOND and not has_output(directory):
        return "was stopped by SIGUSR1 before it had written any data."
    if exit_code != 0:
        return ""
    return complaint_about_end(status, number) or complaint_about_output(directory)


def _remove_if_unused(cfg_file: Path) -> bool:
    """Removes the directory of a run that has ended before the model made anything.

    Args:
        cfg_file: The configuration of its universe

    Returns:
        Whether there was nothing but what this command has made
    """
    run_dir = cfg_file.parents[2]
    made = {path for path in run_dir.rglob("*") if not path.is_dir()}
    is_ours = made == {
        cfg_file, cfg_file.with_name("out.log"),
        run_dir / "config/meta_cfg.yml", run_dir / PARAMETER_SPACE,
        run_dir / PROVENANCE,
    }  # fmt: skip
    if is_ours:
        shutil.rmtree(run_dir)
    return is_ours


def _tell_of_interrupt() -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        text = "\nStopping after this step; another Ctrl-C kills the model.\n"
        os.write(sys.stderr.fileno(), text.encode())  # all that a handler may do


# .. The configuration ........................................................


def check_files(cfg: tuple[str, ...]) -> None:
    """Helps those who have forgotten ``--set``.

    Args:
        cfg: The configuration files

    Raises:
        ValueError: If one is an entry of a configuration
    """
    for file in cfg:
        if "=" in file and not os.path.exists(file):
            raise ConfigError(
                f"There is no configuration file '{file}'. To set an entry, write: "
                f"--set {file}"
            )


def _root_entries(
    *, steps: int | None, log_level: str | None, **others: int | None
) -> dict[str, Any]:
    """The entries of the root level for what was given as options."""
    given = {"num_steps": steps, **others}
    entries: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    if log_level is not None:
        entries["log_levels"] = {"model": log_level}
    return entries


def nested(settings: tuple[tuple[list[str], Any], ...]) -> dict[str, Any]:
    """Settings, as they would stand in a file.

    Args:
        settings: For each the keys and the value

    Raises:
        ValueError: If they contradict each other
    """
    result: dict[str, Any] = {}
    for (*path, last), value in settings:
        section = result
        for number, key in enumerate(path):
            section = section.setdefault(key, {})
            if not isinstance(section, dict):
                raise ConfigError(
                    f"{'.'.join(path[: number + 1])} was set to {section!r} before, so "
                    f"that {'.'.join([*path, last])} cannot be set."
                )
        section[last] = value
    check_value(result)
    return result


# .. What is shown ............................................................


class _Latest:
    """A display that remembers the number of iterations."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self.n_iter = 0

    def show(self, report: Report) -> None:
        self.n_iter = report.n_iter
        self._display.show(report)

    def close(self) -> None:
        self._display.close()


def _display(name: str, *, shown: bool) -> Display:
    if not shown or sys.stderr is None:
        return Nothing()
    if sys.stderr.isatty():
        return Bar(name)
    return LogLines(name, lambda line: click.echo(line, err=True))


def _show_signal(sentence: str, signum: int, status: str | None) -> None:
    """Says by which signal a model ended, and whether it could do so in order."""
    name = _SIGNAL_NAMES[signum]
    how = "was stopped by"
    if name in _CRASHES:
        how = "crashed by"
    elif status == "running" or signum == signal.SIGKILL:
        how = "was killed by"
    click.echo(sentence.format(f"{how} {name}") + ".", err=True)


def _show_end(sentence: str, exit_code: int, log_file: Path, *, quiet: bool) -> int:
    """Says how the model ended; returns the exit code of this command."""
    log = ""
    with contextlib.suppress(FileNotFoundError):  # somebody has deleted it
        log = log_file.read_text(encoding="utf-8")
    if exit_code == 0:
        for warning in warnings_in(log):
            click.echo(warning, err=True)
        if not quiet:
            click.echo(sentence.format("finished") + ".")
        return 0
    error = error_in(log)
    is_users = exit_code == EXIT_CODE and error.startswith("Error: ")
    if not is_users:
        headline = sentence.format(f"failed with exit code {exit_code}")
        click.echo(f"{headline}:\n", err=True)
        if line := users_line(log):
            click.echo(f"{line}\n", err=True)
    click.echo(f"{error}\n", err=True)
    return EXIT_CODE if is_users else 1


def _show_data(path: Path) -> None:
    if not path.exists():
        return
    click.echo(f"Data:  {short(path)} ({format_size(path.stat().st_size)})")
    try:
        lines = summarize(path)
    except (UserError, OSError) as error:
        click.echo(f"         cannot be read: {error}", err=True)
        return
    for line in lines:
        click.echo(f"         {line}")
