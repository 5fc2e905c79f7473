"""How a sweep is run: what its user says about it, and what is kept to continue it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError, ParameterError
from ..finding import split_source
from ..interactive import Model
from ..space import Space
from .directory import SweepDirectory
from .stopping import parse_stop_conditions
from .supervisor import GRACE, Rules

_logger = logging.getLogger(__name__)

MAX_UNIVERSES = 100_000
"""Larger sweeps are begun only if the user confirms that they are meant"""


@dataclass(frozen=True)
class Options:
    """How a sweep is run.

    Attributes:
        workers: How many universes may run at the same time; by default, as many as
            there are cores, or workers of the cluster
        fresh: Whether each universe gets an interpreter of its own
        scheduler: The address of a Dask scheduler, if its workers are to run them
        cluster: The kind of a cluster to be started for it, e.g. ``slurm``
        rules: When universes are ended, or the whole sweep is
        force: Whether a sweep is continued although something speaks against it, of
            which only its user knows better
        env: The names of environment variables that the workers of a cluster get
        cwd: The working directory of the universes, if it is not that of this process
    """

    workers: int | None = None
    fresh: bool = False
    scheduler: str | None = None
    cluster: str | None = None
    rules: Rules = field(default_factory=Rules)
    force: bool = False
    env: tuple[str, ...] = ()
    cwd: str | None = None

    @property
    def uses_dask(self) -> bool:
        """Whether a cluster runs the universes."""
        return self.scheduler is not None or self.cluster is not None


def check_size(space: Space, most: float = MAX_UNIVERSES) -> None:
    """Refuses sweeps that are probably larger than they are meant to be.

    Args:
        space: The parameter space
        most: How many universes it may have

    Raises:
        ValueError: If it has more
    """
    if space.num_universes > most:
        raise ConfigError(
            f"This sweep has {space.describe_size()}. If it is meant to have more than "
            f"{most:,.0f}, say so by max_universes."
        )


def check_options(options: Options) -> None:
    """Checks how a sweep is to be run.

    Args:
        options: How

    Raises:
        ValueError: If that is impossible
    """
    workers = options.workers
    is_number = isinstance(workers, int) and not isinstance(workers, bool)
    if workers is not None and (not is_number or workers < 1):
        raise ParameterError(
            f"workers has to be an integer of at least 1, but is {workers!r}."
        )
    if options.scheduler is not None and options.cluster is not None:
        raise ParameterError(
            "Either a scheduler that is running or a cluster to be started runs the "
            "universes: leave out scheduler or cluster."
        )
    for name in options.env:
        if not isinstance(name, str) or name not in os.environ:
            raise ParameterError(
                f"There is no environment variable {name!r} here, which the universes "
                "could get: set it, and give its name only."
            )
    limit = options.rules.time_limit
    if limit is not None and (not isinstance(limit, (int, float)) or not limit > 0):
        raise ParameterError(
            f"The time limit has to be a positive number of seconds, but is {limit!r}."
        )
    grace = options.rules.grace
    if isinstance(grace, bool) or not isinstance(grace, (int, float)) or not grace >= 0:
        raise ParameterError(
            f"grace has to be a number of seconds of at least 0, but is {grace!r}."
        )


def make_rules(
    stop_conditions: Any,
    time_limit: float | None,
    *,
    fail_fast: bool,
    grace: float | None = None,
) -> Rules:
    """When universes are ended.

    Args:
        stop_conditions: In the frontend's notation
        time_limit: For the whole sweep [s]
        fail_fast: Whether the sweep ends with the first failure
        grace: How long universes have to end once they were told to [s]

    Raises:
        UserError: If a stop condition is not what it has to be
    """
    grace = GRACE if grace is None else grace
    return Rules(parse_stop_conditions(stop_conditions), time_limit, fail_fast, grace)


def describe_settings(
    model: Model, options: Options, stop_conditions: Any
) -> dict[str, Any]:
    """What has to be known of a sweep to continue it.

    Args:
        model: The model, as the user gave it
        options: How it is run
        stop_conditions: In the frontend's notation
    """
    source = None
    if isinstance(model, (str, os.PathLike)):
        path = Path(model).expanduser()
        source = str(path.absolute()) if path.exists() else _absolute(os.fspath(model))
    return {
        "model": source,
        "fresh": options.fresh,
        "fail_fast": options.rules.fail_fast,
        "time_limit": options.rules.time_limit,
        "grace": options.rules.grace,
        "stop_conditions": list(stop_conditions) if stop_conditions else None,
        "env": list(options.env),
        "cwd": _cwd(),
    }


def _cwd() -> str | None:
    """The current directory, unless somebody has removed it."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _absolute(source: str) -> str:
    """``model.py:Walk`` with the whole path; ``package.module:Walk`` as it is."""
    where, name = split_source(source)
    if not where.endswith(".py"):
        return source
    return f"{os.path.abspath(os.path.expanduser(where))}:{name}"


def find_model_of(directory: SweepDirectory) -> str:
    """The model of a sweep.

    Args:
        directory: The sweep

    Raises:
        ValueError: If it does not say which one that is
    """
    source = directory.settings.get("model")
    if not isinstance(source, str):
        raise ConfigError(
            f"The run {directory.path} does not say where its model is: give it, too."
        )
    return source


def options_of(
    directory: SweepDirectory,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    cluster: str | None = None,
    time_limit: float | None = None,
    grace: float | None = None,
    fresh: bool = False,
    fail_fast: bool = False,
    force: bool = False,
    env: Sequence[str] = (),
) -> Options:
    """How a sweep is run that is continued: as before, if nothing else is said.

    Args:
        directory: The sweep
        workers: How many universes run at the same time
        scheduler: The address of a Dask scheduler
        cluster: The kind of a cluster
        time_limit: For the whole sweep [s]
        grace: How long universes have to end once they were told to [s]
        fresh: Whether each universe gets an interpreter of its own
        fail_fast: Whether the sweep ends with the first failure
        force: Whether to continue it although something speaks against it
        env: The names of environment variables for the workers of a cluster
    """
    before = directory.settings
    rules = make_rules(
        before.get("stop_conditions"),
        time_limit or before.get("time_limit"),
        fail_fast=fail_fast or bool(before.get("fail_fast")),
        grace=before.get("grace") if grace is None else grace,
    )
    fresh = fresh or bool(before.get("fresh"))
    env = names_of(env) or names_of(before.get("env") or ())
    cwd = _cwd_of(before.get("cwd"))
    options = Options(workers, fresh, scheduler, cluster, rules, force, env, cwd)
    check_options(options)
    return options


def names_of(env: Any) -> tuple[str, ...]:
    """The names of environment variables, as a user may have given them.

    Args:
        env: Several names, or texts such as ``ONE,ANOTHER``

    Raises:
        TypeError: If it is something else
    """
    texts = [env] if isinstance(env, str) else env
    is_list = isinstance(texts, (list, tuple))
    if not is_list or not all(isinstance(text, str) for text in texts):
        raise ParameterError(
            f"env has to be a list of names of environment variables, but is {env!r}. "
            'Write e.g.: ["DATA_DIR", "LICENSE_FILE"]'
        )
    names = (name.strip() for text in texts for name in text.split(","))
    return tuple(dict.fromkeys(filter(None, names)))


def _cwd_of(before: Any) -> str | None:
    """Where the rest of a sweep runs: relative paths mean the same for all of it."""
    if not isinstance(before, str) or before == _cwd():
        return None
    if os.path.isdir(before):
        return before
    _logger.warning(
        "The directory %s, in which the sweep was begun, is not there any more. The "
        "rest of its universes run in the current one.", before,
    )  # fmt: skip
    return None
