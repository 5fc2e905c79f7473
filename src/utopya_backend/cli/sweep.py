"""``utopya-backend sweep``: runs a model for many parameters."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError, UserError
from ..finding import ModelInfo, find_model
from ..limits import MAX_VALUES
from ..space import Space, import_paramspace
from ..sweeps.directory import SweepDirectory
from ..sweeps.local import num_cores
from ..sweeps.options import (
    MAX_UNIVERSES,
    Options,
    check_options,
    describe_settings,
    find_model_of,
    make_rules,
    names_of,
    options_of,
)
from ..sweeps.progress import NoDisplay, SweepDisplay, display_of_sweep
from ..sweeps.run import (
    Summary,
    describe_loss,
    failures,
    remove_unused,
    run_universes,
    to_run,
)
from ..sweeps.tally import Outcome
from ..tools import format_time, load_cfg_file
from ..universe import resolve_space
from .paths import short
from .run import Seed, Setting, check_files, nested
from .unread import going_on_unread

_MAX_FAILURES = 10


@click.command()
@click.argument("model", type=click.Path(), required=False)
@click.argument("cfg", type=click.Path(), nargs=-1)
@click.option(
    "--workers", "-W", type=click.IntRange(min=1),
    help="How many universes run at the same time.  [default: one for each core]",
)  # fmt: skip
@click.option(
    "--set", "settings", type=Setting(), multiple=True,
    help="Set an entry of the configuration, e.g. SIR.infection_rate=0.3 or "
    "SIR.infection_rate='!sweep {default: 0.3, values: [0.1, 0.3]}'. May be given "
    "several times.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(min=0), help="Number of steps; without any, 3."
)
@click.option(
    "--seed",
    type=Seed(),
    help="Seed of the random numbers, also instead of a sweep of it.",
)
@click.option(
    "--num-seeds", type=click.IntRange(min=1, max=MAX_VALUES),
    help="Sweep the seed, too: from --seed (42) on, so many.",
)  # fmt: skip
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default="out",
    show_default=True,
    help="Directory for the output.",
)
@click.option("--note", help="A word for the name of the run's directory.")
@click.option(
    "--continue", "run", type=click.Path(exists=True, file_okay=False),
    help="Run those universes of a run that are missing or have failed. MODEL is only "
    "needed if it is not where it was.",
)  # fmt: skip
@click.option(
    "--force", is_flag=True,
    help="Continue with another source, parameters or versions than before; also if it "
    "cannot be known whether universes still run: where there are no locks, and they "
    "were begun on another machine.",
)  # fmt: skip
@click.option("--fail-fast", is_flag=True, help="End when a universe has failed.")
@click.option(
    "--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help="End after this time, the running universes in order.",
)  # fmt: skip
@click.option(
    "--grace", type=click.FloatRange(min=0), metavar="SECONDS",
    help="How long a universe has to end in order once it was told to, before it is "
    "killed.  [default: 30]",
)  # fmt: skip
@click.option(
    "--fresh", is_flag=True,
    help="Give each universe a Python of its own: for models that cannot be forked.",
)  # fmt: skip
@click.option(
    "--scheduler", metavar="ADDRESS",
    help="Run the universes on the workers of a Dask scheduler.",
)  # fmt: skip
@click.option(
    "--cluster", metavar="KIND",
    help="Start a Dask cluster for it: slurm, or another one of dask-jobqueue.",
)  # fmt: skip
@click.option(
    "--env", metavar="NAME[,NAME]", multiple=True,
    help="Environment variables that the workers of a cluster get for the universes, "
    "as they are here. May be given several times.",
)  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but failures.")
@click.option("--no-progress", is_flag=True, help="Show no progress.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask, however large it is.")
@click.option("--dry-run", is_flag=True, help="Say what would be run, and run nothing.")
@going_on_unread()
def sweep(
    model: str | None,
    cfg: tuple[str, ...],
    settings: tuple[tuple[list[str], Any], ...],
    run: str | None,
    quiet: bool,
    no_progress: bool,
    **options: Any,
) -> None:
    """Run a model for many parameters, or many seeds.

    MODEL and CFG are as of `utopya-backend run`. What is swept stands in a CFG:

    \b
      num_steps: 100
      seed: !sweep {default: 0, range: [10]}
      SIR:
        infection_rate: !sweep
          default: 0.3
          linspace: [0, 1, 11]

    Each combination is a universe, and a process of its own; as many of them run side
    by side as there are cores. The data goes to OUT/<name>/<time>/data/uni<N>/.

    A failure does not end the others; the exit code is 1 then. Ctrl-C ends the
    running universes in order, and a second one kills them.
    """  # noqa: D301  # the \b is for click: it keeps the line breaks below it
    if run is None and model is None:
        raise click.UsageError("Missing argument 'MODEL'.")
    prepare = _prepare if run is None else _prepare_to_continue
    prepared = prepare(model or "", cfg, nested(settings), run or "", **options)
    if prepared is None:
        return
    info, directory, how = prepared
    _warn_of_workers(how, quiet=quiet)
    display = _display(info.name, shown=not (quiet or no_progress))
    start, place = time.monotonic(), directory.path
    try:
        summary = run_universes(info, directory, how, display, _tell_of_end)
    except UserError:
        if run is None:
            remove_unused(directory)
        raise
    _show_end(info, directory, summary, time.monotonic() - start, quiet=quiet)
    _show_move(directory, place, summary)
    sys.exit(summary.exit_code)


Prepared = tuple[ModelInfo, SweepDirectory, Options]


def _prepare(
    model: str,
    cfg: tuple[str, ...],
    settings: dict[str, Any],
    run: str,
    *,
    out: str,
    note: str | None,
    steps: int | None,
    seed: int | None,
    num_seeds: int | None,
    yes: bool,
    dry_run: bool,
    **options: Any,
) -> Prepared | None:
    """Makes the directory of a new sweep; None if nothing is to be run."""
    check_files(cfg)
    info = find_model(model)
    frontend = _frontend_settings(cfg)
    how = _make_options(frontend, **options)
    given = {"num_steps": steps, "seed": _swept_seed(seed, num_seeds)}
    updates = {key: value for key, value in given.items() if value is not None}
    space = resolve_space(info, cfg, settings=settings, **updates)
    if dry_run:
        _describe(info, space)
        return None
    if not yes:
        _confirm_size(space)
    settings_file = describe_settings(model, how, frontend.get("stop_conditions"))
    directory = SweepDirectory.make(
        out, info.name, space, note=note, settings=settings_file
    )
    return info, directory, how


def _prepare_to_continue(
    model: str,
    cfg: tuple[str, ...],
    settings: dict[str, Any],
    run: str,
    *,
    out: str,
    yes: bool,
    dry_run: bool,
    **options: Any,
) -> Prepared | None:
    """Opens the directory of a sweep that is there."""
    fixed = ("note", "steps", "seed", "num_seeds")
    if cfg or settings or any(options.pop(name) is not None for name in fixed):
        raise click.UsageError(
            "A sweep is continued with the parameters that it has: leave out CFG, "
            "--set, --steps, --seed, --num-seeds and --note."
        )
    directory = SweepDirectory.open(run)
    info = find_model(model or find_model_of(directory))
    if dry_run:
        numbers, _ = to_run(info, directory, force=options["force"])
        click.echo(f"{len(numbers)} universes are to be run.")
        return None
    return info, directory, options_of(directory, **options)


def _make_options(
    frontend: Mapping[str, Any],
    *,
    fail_fast: bool,
    time_limit: float | None,
    grace: float | None,
    workers: int | None,
    env: tuple[str, ...],
    **others: Any,
) -> Options:
    rules = make_rules(
        frontend.get("stop_conditions"),
        time_limit or frontend.get("timeout"),
        fail_fast=fail_fast or frontend.get("nonzero_exit_handling") == "raise",
        grace=grace,
    )
    configured = frontend.get("num_workers")
    if workers is None and isinstance(configured, int):
        workers = configured if configured > 0 else max(1, num_cores() + configured)
    options = Options(workers, rules=rules, env=names_of(env), **others)
    check_options(options)
    return options


def _frontend_settings(cfg: tuple[str, ...]) -> dict[str, Any]:
    """What a run configuration of the frontend says about the sweep as a whole."""
    found: dict[str, Any] = {}
    for file in cfg:
        content = load_cfg_file(file)
        if not isinstance(content, Mapping) or "parameter_space" not in content:
            continue
        for section, keys in _OF_FRONTEND.items():
            entries = content.get(section)
            if isinstance(entries, Mapping):
                found |= {key: entries[key] for key in keys if key in entries}
    return found


_OF_FRONTEND = {
    "run_kwargs": ("stop_conditions", "timeout"),
    "worker_manager": ("num_workers", "nonzero_exit_handling"),
}


def _swept_seed(seed: int | None, num_seeds: int | None) -> Any:
    if num_seeds is None:
        return seed
    param_dim = import_paramspace().ParamDim
    first = 42 if seed is None else seed
    # They are unique; to look whether that is so takes the time of their square.
    values = [first, first + num_seeds]
    return param_dim(default=first, range=values, assert_unique=False)


# .. What is shown ............................................................


def _describe(info: ModelInfo, space: Space) -> None:
    steps = space.cfg(next(iter(space)))["num_steps"]
    of_steps = "" if "num_steps" in space.coords else f", of {steps} steps each"
    click.echo(f"{info.name}: {space.num_universes:,} universes{of_steps}")
    for line in space.describe():
        click.echo(f"  {line}")


def _confirm_size(space: Space) -> None:
    if space.num_universes <= MAX_UNIVERSES:
        return
    click.echo(f"This sweep has {space.describe_size()}.", err=True)
    if not sys.stdin.isatty():
        raise ConfigError("If that is meant, say --yes.")
    click.confirm("Run all of them?", abort=True, err=True)


def _warn_of_workers(options: Options, *, quiet: bool) -> None:
    cores = num_cores()
    if not quiet and not options.uses_dask and (options.workers or 1) > cores:
        click.echo(
            f"{options.workers} universes run at the same time, on {cores} cores.",
            err=True,
        )


def _display(name: str, *, shown: bool) -> SweepDisplay:
    if not shown or sys.stderr is None:
        return NoDisplay()
    return display_of_sweep(name, lambda line: click.echo(line, err=True))


def _tell_of_end(reason: str, num_running: int) -> None:
    universes = "universe" if num_running == 1 else "universes"
    text = (
        f"\nStopped by {reason}: waiting for {num_running} running {universes} to end"
    )
    if sys.stderr is not None and sys.stderr.isatty():
        text += "; another Ctrl-C kills them"
    click.echo(f"{text}.", err=True)


def _show_end(
    info: ModelInfo,
    directory: SweepDirectory,
    summary: Summary,
    seconds: float,
    *,
    quiet: bool,
) -> None:
    tally = summary.tally
    counts = ", ".join(
        f"{tally.counts[outcome]} {outcome.value}"
        for outcome in Outcome
        if tally.counts[outcome]
    )
    earlier = f", {tally.before} before" if tally.before else ""
    left = tally.total - tally.num_ended
    not_begun = f", {left} not begun" if left else ""
    if not quiet:
        duration = format_time(seconds, ms_precision=2)
        click.echo(
            f"{info.name}: {tally.total} universes, {counts or 'none to run'}"
            f"{earlier}{not_begun}, after {duration}."
        )
    if summary.is_lost:
        return
    _show_failures(directory, summary)
    if not quiet:
        click.echo(f"Run:   {short(directory.path)}")
    if tally.num_complete < tally.total:
        click.echo(
            f"The rest:  utopya-backend sweep --continue {short(directory.path)}",
            err=True,
        )


def _show_move(directory: SweepDirectory, place: Path, summary: Summary) -> None:
    """Says what has become of the directory of the run, if that is not where it was."""
    if summary.is_lost:
        click.echo(describe_loss(directory), err=True)
    elif directory.path != place:
        click.echo(
            f"While the universes ran, {short(place)} was moved to "
            f"{short(directory.path)}.", err=True,
        )  # fmt: skip


def _show_failures(directory: SweepDirectory, summary: Summary) -> None:
    found = failures(directory, summary.tally, _MAX_FAILURES)
    before: tuple[int, str] | None = None
    for failure in found:
        where = ", ".join(f"{key}={value}" for key, value in failure.parameters.items())
        word = "ended" if failure.number in summary.tally.killed else "failed"
        click.echo(
            f"\n{failure.directory.name} ({where}) {word} with exit code "
            f"{failure.exit_code}:",
            err=True,
        )
        said = (failure.exit_code, failure.reason)
        shown = "as the one before" if said == before else failure.reason
        click.echo("  " + shown.replace("\n", "\n  "), err=True)
        before = said
    tally = summary.tally
    more = len(tally.failed | tally.killed) - len(found)
    if more > 0:
        click.echo(f"\n… and {more} more, see _report.txt.", err=True)
    if found:
        log = found[0].directory / "out.log"
        click.echo(f"\nThe whole log of the first one: {short(log)}", err=True)
