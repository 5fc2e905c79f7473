"""Sweeps from Python: what notebooks and scripts call."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingFileError, UserError
from ..finding import ModelInfo
from ..interactive import Model, find, remove_directory, settings_of
from ..universe import resolve_space
from .directory import SweepDirectory
from .options import (
    MAX_UNIVERSES,
    Options,
    check_options,
    check_size,
    describe_settings,
    find_model_of,
    make_rules,
    names_of,
    options_of,
)
from .progress import NoDisplay, SweepDisplay, display_of_sweep
from .run import (
    Failure,
    Summary,
    describe_loss,
    failures,
    remove_unused,
    run_universes,
)
from .tally import Outcome

if TYPE_CHECKING:
    import xarray


def sweep(
    model: Model,
    params: Mapping[str, Any] | None = None,
    *,
    num_steps: Any = None,
    seed: Any = None,
    out: str | os.PathLike[str] | None = None,
    note: str | None = None,
    workers: int | None = None,
    fresh: bool = False,
    scheduler: str | None = None,
    cluster: str | None = None,
    env: Sequence[str] = (),
    stop_conditions: Sequence[Mapping[str, Any]] | None = None,
    time_limit: float | None = None,
    grace: float | None = None,
    fail_fast: bool = False,
    max_universes: float = MAX_UNIVERSES,
    progress: bool = True,
    **root: Any,
) -> SweepResult:
    """Runs a model for all combinations of parameters.

    Each universe is a process of its own. What is swept is given by the classes of
    the package ``paramspace``, or in a configuration file by its tags.

    Args:
        model: As of :py:func:`~utopya_backend.simulate`: the class of the model, its
            directory, its manifest, a Python file, or ``package.module:MyModel``
        params: Its parameters; those that are swept are a ``ParamDim``
        num_steps: The number of steps; a ``ParamDim`` sweeps it, too
        seed: The seed of the random numbers, 42 by default; likewise
        out: Where the output goes, to ``<out>/<name>/<time>/``; by default, to a
            temporary directory that is removed together with the result
        note: A word for the name of the run's directory
        workers: How many universes run at the same time; by default, as many as there
            are cores, or as a cluster has workers
        fresh: Whether each universe gets a Python of its own, rather than a copy of
            one that has imported the model: for models that cannot be forked
        scheduler: The address of a Dask scheduler, the workers of which run the
            universes
        cluster: The kind of a cluster to be started for that: ``slurm`` or another
            one of ``dask-jobqueue``, or ``local``
        env: The names of environment variables that its workers get for the
            universes, with the values that they have here
        stop_conditions: When a universe is stopped, in the frontend's notation, e.g.
            ``[{"func": "timeout_wall", "seconds": 600}]``
        time_limit: After this time the sweep ends, and running universes in order [s]
        grace: How long a universe has to end in order once it was told to, before it
            is killed; by default, 30 s. To be set for steps that take longer [s]
        fail_fast: Whether it ends as soon as a universe has failed
        max_universes: Larger sweeps are refused
        progress: Whether to show the progress
        **root: Further entries of the configuration's root level, e.g.
            ``write_every``

    Returns:
        The result: all data as one tree, and what has become of the universes

    Raises:
        UserError: If the configuration is not what it has to be, before anything is
            made
        KeyboardInterrupt: After a Ctrl-C. The running universes have ended in order,
            and the attribute ``result`` of the exception has what there is.
        SystemExit: After a SIGTERM or SIGHUP, likewise

    Example:
        ::

            from paramspace import ParamDim
            from utopya_backend import sweep

            result = sweep(
                Walk,
                {"step_size": ParamDim(default=1, values=[0.5, 1, 2])},
                seed=ParamDim(default=0, range=[10]),
                num_steps=100,
            )
            result.data["Walk/position"].std("seed")  # (step_size, time)
    """
    info, cls = find(model)
    seed = secrets.randbits(32) if seed == "random" else seed
    given = {"num_steps": num_steps, "seed": seed, **root}
    root = {key: value for key, value in given.items() if value is not None}
    settings = settings_of(info, cls, params, root)
    space = resolve_space(info, settings=settings)
    check_size(space, max_universes)
    rules = make_rules(stop_conditions, time_limit, fail_fast=fail_fast, grace=grace)
    options = Options(workers, fresh, scheduler, cluster, rules, env=names_of(env))
    check_options(options)
    where = tempfile.mkdtemp(prefix="sweep-") if out is None else out
    try:
        directory = SweepDirectory.make(
            where, info.name, space, note=note,
            settings=describe_settings(model, options, stop_conditions),
        )  # fmt: skip
        try:
            summary = _run(info, directory, options, progress=progress)
        except UserError:
            remove_unused(directory)
            raise
        result = _result_of(info.name, directory, summary)
    except BaseException:
        if out is None:
            shutil.rmtree(where, ignore_errors=True)
        raise
    if out is None:
        result = replace(result, is_temporary=True)
        weakref.finalize(result, remove_directory, str(where), os.getpid())
    return _returned(result, summary.signum)


def continue_sweep(
    path: str | os.PathLike[str],
    model: Model | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    cluster: str | None = None,
    env: Sequence[str] = (),
    time_limit: float | None = None,
    grace: float | None = None,
    force: bool = False,
    progress: bool = True,
) -> SweepResult:
    """Runs those universes of a sweep that are missing, or have failed.

    Args:
        path: The directory of the run
        model: The model, if it is not where it was
        workers: How many universes run at the same time
        scheduler: The address of a Dask scheduler, as of :py:func:`sweep`
        cluster: The kind of a cluster to be started, likewise
        env: The names of environment variables for its workers; by default, those of
            before
        time_limit: After this time the sweep ends [s]
        grace: How long a universe has to end once it was told to, as before [s]
        force: Whether to go on with another source of the model, other parameters or
            versions than before; also if it cannot be known whether universes still run
        progress: Whether to show the progress

    Returns:
        The result, of all universes

    Raises:
        UserError: If there is no sweep, its universes are just being run by another
            process, or the model cannot be found; and without ``force``, if the source
            is not what it was
    """
    directory = SweepDirectory.open(path)
    info, _ = find(find_model_of(directory) if model is None else model)
    options = options_of(
        directory, workers=workers, scheduler=scheduler, cluster=cluster, env=env,
        time_limit=time_limit, grace=grace, force=force,
    )  # fmt: skip
    summary = _run(info, directory, options, progress=progress)
    return _returned(_result_of(info.name, directory, summary), summary.signum)


@dataclass(frozen=True, eq=False)
class SweepResult:
    """What a sweep has led to.

    Attributes:
        name: The name of the model
        path: The directory of the run
        num_universes: How many universes the sweep has
        counts: How many of those that were run have ended how: ``finished``,
            ``stopped`` by a stop condition, ``failed``, ``killed`` as they did not end
            in time, ``interrupted``
        failures: Those that have failed, and why; the first 100 of them
        is_temporary: Whether the output is removed together with this object
    """

    name: str
    path: Path
    num_universes: int
    counts: Mapping[str, int]
    failures: Sequence[Failure]
    is_temporary: bool = False

    @cached_property
    def data(self) -> xarray.DataTree:
        """The output of all universes, with the parameters as dimensions.

        Values are read when they are looked at; from temporary files, all at once.
        See :py:func:`.open_output`.
        """
        from ..io.reading import open_output

        tree = open_output(self.path)
        return tree.load() if self.is_temporary else tree

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {name}" for name, n in self.counts.items() if n)
        lines = [f"{self.name}: {self.num_universes} universes, {counts or 'none run'}"]
        for failure in self.failures[:3]:
            where = ", ".join(f"{k}={v}" for k, v in failure.parameters.items())
            reason = failure.reason.partition("\n")[0]
            lines.append(f"  {failure.directory.name} ({where}): {reason}")
        where = "a temporary directory" if self.is_temporary else str(self.path)
        return "\n".join([*lines, f"  in {where}"])


def _run(
    info: ModelInfo, directory: SweepDirectory, options: Options, *, progress: bool
) -> Summary:
    display: SweepDisplay = NoDisplay()
    if progress:
        display = display_of_sweep(info.name, logging.getLogger().info)
    summary = run_universes(info, directory, options, display)
    if summary.is_lost:
        raise MissingFileError(describe_loss(directory))
    return summary


def _returned(result: SweepResult, signum: int | None) -> SweepResult:
    """The result, unless a signal that is meant for the whole program has ended it."""
    if signum is None:
        return result
    is_interrupt = signum == signal.SIGINT
    error = KeyboardInterrupt() if is_interrupt else SystemExit(128 + signum)
    error.result = result  # type: ignore[union-attr]  # exceptions take any
    raise error


def _result_of(name: str, directory: SweepDirectory, summary: Summary) -> SweepResult:
    tally = summary.tally
    counts = {outcome.value: tally.counts[outcome] for outcome in Outcome}
    counts["finished"] += tally.before
    found = failures(directory, tally, 100)
    return SweepResult(name, directory.path, tally.total, counts, found)
