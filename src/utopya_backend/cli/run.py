"""``utopya-backend run``: runs a model once."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from ..errors import EXIT_CODE
from ..io.summary import format_size, summarize
from ..process import Report, error_in, run_process
from ..tools import format_time
from ..universe import find_model, make_run_dir, make_universe, resolve_cfg


@click.command()
@click.argument("model", type=click.Path())
@click.argument("cfg", type=click.Path(), required=False)
@click.option("--steps", type=click.IntRange(min=0), help="Number of steps.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the random numbers.")
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default="out",
    show_default=True,
    help="Directory for the output.",
)
def run(
    model: str, cfg: str | None, steps: int | None, seed: int | None, out: str
) -> None:
    r"""Run a model once.

    MODEL is the directory of a model, or its manifest, <name>_info.yml. CFG is
    a YAML file with what is to differ from the model's defaults, for example

    \b
      num_steps: 100
      SIR:
        infection_rate: 0.3

    The data goes to OUT/<name>/<time>/data/uni0/data.h5.
    """
    options = {"num_steps": steps, "seed": seed}
    info = find_model(model)
    config = resolve_cfg(
        info, cfg, **{key: value for key, value in options.items() if value is not None}
    )
    cfg_file = make_universe(make_run_dir(out, info.name), config)
    log_file = cfg_file.with_name("out.log")

    start = time.monotonic()
    with _progress_bar(info.name) as bar:
        exit_code = run_process([*info.args, str(cfg_file)], log_file, bar.update)
    duration = format_time(time.monotonic() - start, ms_precision=2)

    if exit_code == 0:
        click.echo(f"{info.name} finished after {duration}.")
    elif exit_code > 128:
        name = signal.Signals(exit_code - 128).name
        click.echo(f"{info.name} was stopped by {name} after {duration}.", err=True)
    else:
        _show_failure(info.name, duration, exit_code, log_file)
    _show_data(cfg_file.with_name("data.h5"))
    click.echo(f"Log:   {_short(log_file)}")
    sys.exit(exit_code if exit_code in (0, EXIT_CODE) or exit_code > 128 else 1)


def _show_failure(name: str, duration: str, exit_code: int, log_file: Path) -> None:
    if exit_code != EXIT_CODE:
        click.echo(
            f"{name} failed with exit code {exit_code} after {duration}:\n", err=True
        )
    click.echo(error_in(log_file.read_text(encoding="utf-8")) + "\n", err=True)


def _show_data(path: Path) -> None:
    if not path.exists():
        return
    click.echo(f"Data:  {_short(path)} ({format_size(path.stat().st_size)})")
    try:
        for line in summarize(path):
            click.echo(f"         {line}")
    except OSError as error:
        click.echo(f"         cannot be read: {error}", err=True)


def _short(path: Path) -> str:
    """The path as one would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


class _Bar(tqdm):  # type: ignore[misc]  # tqdm has no type information
    monitor_interval = 0  # no thread that watches over it: each report refreshes it


class _ProgressBar:
    """A progress bar that shows what the model reports."""

    def __init__(self, bar: Any, name: str) -> None:
        self._bar = bar
        self._name = name

    def update(self, report: Report) -> None:
        self._bar.n = report.get("progress", 0)
        entries = report.get(self._name)
        if isinstance(entries, Mapping):
            self._bar.set_postfix_str(_format_entries(entries), refresh=False)
        self._bar.refresh()


def _format_entries(entries: Mapping[Any, Any]) -> str:
    return ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in entries.items()
        if not isinstance(value, (Mapping, list))
    )


@contextmanager
def _progress_bar(name: str) -> Iterator[_ProgressBar]:
    bar = _Bar(
        total=1,
        desc=name,
        bar_format="{desc} {percentage:3.0f}%|{bar:30}| {elapsed}<{remaining}{postfix}",
        disable=None,  # shown on a terminal only
        file=sys.stderr,
    )
    with bar:
        yield _ProgressBar(bar, name)
