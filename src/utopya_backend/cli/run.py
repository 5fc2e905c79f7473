"""``utopya-backend run``: runs a model once."""

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
from .paths import short

_SIGNAL_NAMES = {signum.value: signum.name for signum in signal.Signals}


@click.command()
@click.argument("model", type=click.Path())
@click.argument("cfg", type=click.Path(), required=False)
@click.option(
    "--steps", type=click.IntRange(min=0), help="Number of steps; without any, 3."
)
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
    """Run a model once.

    MODEL is the directory of a model, or its manifest, <name>_info.yml. CFG is
    a YAML file with what is to differ from the model's defaults, for example

    \b
      num_steps: 100
      SIR:
        infection_rate: 0.3

    The data goes to OUT/<name>/<time>/data/uni0/data.h5, and what the model
    prints and logs to out.log beside it.
    """  # noqa: D301  # the \b is for click: it keeps the line breaks below it
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

    exit_code = _show_end(f"{info.name} {{}} {bar.when(duration)}", exit_code, log_file)
    _show_data(cfg_file.with_name("data.h5"))
    click.echo(f"Log:   {short(log_file)}")
    sys.exit(exit_code)


def _show_end(sentence: str, exit_code: int, log_file: Path) -> int:
    """Says how the model ended; returns the exit code of this command."""
    if exit_code == 0:
        click.echo(sentence.format("finished") + ".")
        return 0
    if exit_code - 128 in _SIGNAL_NAMES:
        name = _SIGNAL_NAMES[exit_code - 128]
        click.echo(sentence.format(f"was stopped by {name}") + ".", err=True)
        return exit_code
    error = error_in(log_file.read_text(encoding="utf-8"))
    is_users = exit_code == EXIT_CODE and error.startswith("Error: ")
    if not is_users:
        headline = sentence.format(f"failed with exit code {exit_code}")
        click.echo(f"{headline}:\n", err=True)
    click.echo(f"{error}\n", err=True)
    return EXIT_CODE if is_users else 1


def _show_data(path: Path) -> None:
    if not path.exists():
        return
    click.echo(f"Data:  {short(path)} ({format_size(path.stat().st_size)})")
    try:
        for line in summarize(path):
            click.echo(f"         {line}")
    except OSError as error:
        click.echo(f"         cannot be read: {error}", err=True)


class _Bar(tqdm):  # type: ignore[misc]  # tqdm has no type information
    monitor_interval = 0  # no thread that watches over it: each report refreshes it


class _ProgressBar:
    """A progress bar that shows what the model reports."""

    def __init__(self, bar: Any, name: str) -> None:
        self._bar = bar
        self._name = name
        self._last: Report = {}

    def update(self, report: Report) -> None:
        self._last = report
        self._bar.n = report.get("progress", 0)
        entries = report.get(self._name)
        if isinstance(entries, Mapping):
            self._bar.set_postfix_str(_format_entries(entries), refresh=False)
        self._bar.refresh()

    def when(self, duration: str) -> str:
        """When the model ended, as far as it has told."""
        number = self._last.get("n_iter")
        return f"after {duration}" + (f", {number} iterations" if number else "")


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
        # Shown on a terminal only; there may be no standard error at all.
        disable=None if sys.stderr is not None else True,
        file=sys.stderr,
    )
    with bar:
        yield _ProgressBar(bar, name)
