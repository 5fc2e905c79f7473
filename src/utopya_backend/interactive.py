"""Running models in notebooks, scripts and tests: in the process that asks for it."""

from __future__ import annotations

import inspect
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .benchmark import ModelBenchmarkMixin
from .display import (
    Display,
    FrontendLines,
    LogLines,
    Several,
    bar_or_lines,
    in_notebook,
    showing_by,
)
from .errors import MissingKeyError, ParameterError, suggest
from .finding import ModelInfo, check_concrete, find_model, load_class
from .io.status import describe_exit
from .io.summary import summarize
from .logging import DEFAULT_LOG_FORMAT
from .model import BaseModel, StepwiseModel
from .plain import plain
from .process import LogFile
from .signal import INTERRUPTS
from .tools import format_time
from .universe import make_run_dir, make_universe, resolve_cfg

if TYPE_CHECKING:
    import xarray

Model = type[BaseModel] | str | os.PathLike[str]
"""A model: its class, or what :py:func:`.find_model` finds"""


def simulate(
    model: Model,
    params: Mapping[str, Any] | None = None,
    *,
    num_steps: int | None = None,
    seed: int | str | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **root: Any,
) -> Result:
    """Runs a model once, in this process.

    Args:
        model: The class of the model; or, as for ``utopya-backend run``, its directory,
            its manifest, a Python file, or ``package.module:MyModel``. The default
            values of its parameters are then those of its configuration file.
        params: Its parameters, as far as they differ from their default values
        num_steps: The number of steps; not needed for models without steps, or if the
            model's own configuration says it
        seed: The seed of the random numbers, 42 by default; ``"random"`` takes one from
            the system.
        out: Where the output goes, to ``<out>/<name>/<time>/``; by default, to a
            temporary directory that is removed together with the result.
        progress: Whether to show the progress: by a bar on a terminal or in a notebook,
            by a line once a minute elsewhere
        **root: Further entries of the configuration's root level, e.g. ``write_every``
            or ``log_levels``, and ``note`` for the name of the run's directory

    Returns:
        The result: the data, how the run has ended, and where everything is

    Raises:
        UserError: If the configuration is not what it has to be
        KeyboardInterrupt: After a SIGINT, e.g. by Ctrl-C. The run has then ended in an
            orderly way, and the attribute ``result`` of the exception has its data.
        SystemExit: After a SIGTERM or SIGHUP, likewise

    Example:
        A random walk::

            from utopya_backend import StepwiseModel, simulate

            class Walk(StepwiseModel):
                def setup(self, *, step_size=1.0):
                    self.position, self.step_size = 0.0, step_size
                    self.dset = self.create_ts_dset("position")

                def perform_step(self):
                    self.position += self.rng.normal(0, self.step_size)

                def write_data(self):
                    self.dset.append(self.position)

            result = simulate(Walk, {"step_size": 0.5}, num_steps=1000)
            result.data["Walk/position"].plot()
    """
    start = time.monotonic()
    where = tempfile.mkdtemp(prefix="simulation-") if out is None else out
    try:
        with _made(model, params, num_steps, seed, where, progress, root) as running:
            exit_code = running.run() or 0  # a run() of its own may give nothing
            result = Result(
                name=running.name,
                path=Path(running.root_cfg["output_path"]),
                exit_code=exit_code,
                num_iterations=running.n_iterations,
                seconds=time.monotonic() - start,
                timers=_timers_of(running),
                is_temporary=out is None,
            )
    except BaseException:
        if out is None:
            shutil.rmtree(where, ignore_errors=True)
        raise
    if out is None:
        weakref.finalize(result, remove_directory, str(where), os.getpid())
    if exit_code - 128 in INTERRUPTS:
        raise _interruption(exit_code, result)
    return result


@contextmanager
def simulation(
    model: Model,
    params: Mapping[str, Any] | None = None,
    *,
    num_steps: int | None = None,
    seed: int | str | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
    **root: Any,
) -> Iterator[Any]:
    """Makes a model for a loop of one's own.

    Args:
        model: See :py:func:`simulate`, as for all arguments
        params: See there
        num_steps: See there
        seed: See there
        out: See there; a temporary directory is removed at the end of the block.
        progress: See there
        **root: See there

    Yields:
        The model, set up

    Raises:
        UserError: If the configuration is not what it has to be

    Example:
        Look at a model while it runs, and change it::

            with simulation(Walk, num_steps=1000) as walk:
                while walk.should_iterate():
                    walk.step()
                    if abs(walk.position) > 10:
                        walk.position = 0.0
    """
    if out is not None:
        with _made(model, params, num_steps, seed, out, progress, root) as running:
            yield running
        return
    with (
        tempfile.TemporaryDirectory(prefix="simulation-") as where,
        _made(model, params, num_steps, seed, where, progress, root) as running,
    ):
        yield running


@dataclass(eq=False)
class Result:
    """What a run has led to.

    Attributes:
        name: The name of the model
        path: The output file
        exit_code: 0, or 128 + signum if a signal has stopped the run: 138 for a stop
            condition
        num_iterations: The number of iterations done
        seconds: How long it took, from the set-up on [s]
        timers: The elapsed times of a model with benchmarking [s], by their names
        is_temporary: Whether the output is removed together with this object
    """

    name: str
    path: Path
    exit_code: int
    num_iterations: int
    seconds: float
    timers: dict[str, float] = field(default_factory=dict)
    is_temporary: bool = False

    @cached_property
    def data(self) -> xarray.DataTree:
        """The output, with its labels; see :py:func:`.open_output`.

        Values are read when they are looked at; from a temporary file, all at once, so
        that they outlive it.
        """
        from .io.reading import open_output

        tree = open_output(self.path)
        return tree.load() if self.is_temporary else tree

    def __getstate__(self) -> dict[str, Any]:
        # For another process: there, the data has to be without its file.
        return {**vars(self), "data": self.data} if self.is_temporary else vars(self)

    def __repr__(self) -> str:
        how = describe_exit(self.exit_code)
        duration = format_time(self.seconds, ms_precision=2)
        lines = [
            f"{self.name}: {how} after {self.num_iterations} iterations, {duration}"
        ]
        if self.path.exists():
            lines += [f"  {line}" for line in summarize(self.path)]
            where = "a temporary directory" if self.is_temporary else str(self.path)
            lines.append(f"  in {where}")
        return "\n".join(lines)


def remove_directory(directory: str, pid: int) -> None:
    """Removes a temporary directory, but not in a forked child.

    Args:
        directory: The directory
        pid: The process that has made it
    """
    if os.getpid() == pid:
        shutil.rmtree(directory, ignore_errors=True)


# .. What both need ...........................................................


@contextmanager
def _made(
    model: Model,
    params: Mapping[str, Any] | None,
    num_steps: int | None,
    seed: int | str | None,
    out: str | os.PathLike[str],
    progress: bool,
    root: dict[str, Any],
) -> Iterator[BaseModel]:
    """Makes a model, in a new directory of its own."""
    info, cls = find(model)
    note = root.pop("note", None)
    given = {"num_steps": num_steps, "seed": seed}
    if seed == "random":
        given["seed"] = secrets.randbits(32)
    root |= {key: value for key, value in given.items() if value is not None}
    settings = settings_of(info, cls, params, root)
    cfg = resolve_cfg(info, settings=settings)
    cfg_file = make_universe(make_run_dir(out, info.name, note=note), cfg)

    with ExitStack() as stack:
        log_file: Any = stack.enter_context(
            closing(LogFile(cfg_file.with_name("out.log")))
        )
        log = stack.enter_context(_logger_of_a_run(log_file))
        lines = FrontendLines(info.name, file=log_file)
        display = Several([lines, _display(info.name)] if progress else [lines])
        with showing_by(display):
            instance = cls(cfg_file_path=str(cfg_file), _log=log)
        instance.USE_SYS_EXIT = False
        yield stack.enter_context(instance)


def find(model: Model) -> tuple[ModelInfo, type[BaseModel]]:
    """Finds a model that is given by its class or otherwise.

    Args:
        model: The model

    Raises:
        UserError: If there is none
    """
    if not isinstance(model, type):
        if not isinstance(model, (str, os.PathLike)):
            raise ParameterError(
                f"A model is given by its class or its path, but this is {model!r}: "
                "write e.g. simulate(MyModel, num_steps=100)."
            )
        info = find_model(model)
        return info, load_class(info)
    if not issubclass(model, BaseModel):
        raise ParameterError(
            f"{model.__name__} is no model: make it a subclass of StepwiseModel or "
            "BaseModel."
        )
    if inspect.isabstract(model):
        model(cfg_file_path="")  # Python says which methods are missing
    check_concrete(model, model.__module__)
    return ModelInfo(model.__name__, cls=model), model


def settings_of(
    info: ModelInfo,
    cls: type[BaseModel],
    params: Mapping[str, Any] | None,
    root: Mapping[str, Any],
) -> dict[str, Any]:
    """The settings of a configuration, for arguments of a function.

    Args:
        info: The model
        cls: Its class
        params: Its parameters
        root: Entries of the root level

    Raises:
        TypeError: If a parameter is among these
        KeyError: If there has to be a number of steps
        ValueError: If one has no form in a configuration
    """
    params = {} if params is None else params
    taken = inspect.signature(cls.setup).parameters
    for key, value in root.items():
        if key in taken and key != "self" and key not in ("num_steps", "seed"):
            raise ParameterError(
                f"'{key}' is a parameter of {info.name}: give it as such, e.g. "
                f"simulate({info.name}, {{{key!r}: {value!r}}}, …)"
            )
    if not isinstance(params, Mapping):
        raise ParameterError(
            f"Parameters are given as a dict, but these are {params!r}: write e.g. "
            f"simulate({info.name}, {{'size': 100}}, num_steps=100)."
        )
    if (
        issubclass(cls, StepwiseModel)
        and "num_steps" not in root
        and info.mv_cfg is None
    ):
        raise MissingKeyError(
            f"How many steps is {info.name} to make? Give e.g. num_steps=100."
            + suggest("num_steps", root, sentence=" Is '{}' meant to be that?")
        )
    settings: dict[str, Any] = plain({**root, info.name: params})
    return settings


def _timers_of(model: BaseModel) -> dict[str, float]:
    return dict(model.elapsed) if isinstance(model, ModelBenchmarkMixin) else {}


def _display(name: str) -> Display:
    write = logging.getLogger().info
    if in_notebook() or (sys.stderr is not None and sys.stderr.isatty()):
        return bar_or_lines(name, write)
    return LogLines(name, write)


def _interruption(exit_code: int, result: Result) -> BaseException:
    """The exception for a signal that is meant for the whole program."""
    is_interrupt = exit_code == 128 + signal.SIGINT
    error = KeyboardInterrupt() if is_interrupt else SystemExit(exit_code)
    error.result = result  # type: ignore[union-attr]  # exceptions take any attribute
    return error


# .. Logging ..................................................................


@contextmanager
def _logger_of_a_run(file: Any) -> Iterator[logging.Logger]:
    """A logger that writes to a file; what is a warning is shown, too."""
    root = logging.getLogger()
    level = root.level  # which the configuration of a model sets
    to_file = logging.StreamHandler(file)
    to_file.setFormatter(logging.Formatter(DEFAULT_LOG_FORMAT))
    logger = _Logger("utopya_backend")
    logger.addHandler(to_file)
    logger.addHandler(_Warnings())
    try:
        yield logger
    finally:
        root.setLevel(level)


class _Logger(logging.Logger):
    """A logger that nobody else knows: it is gone together with its children."""

    def getChild(self, suffix: str) -> _Logger:  # noqa: N802  # logging's name
        child = _Logger(f"{self.name}.{suffix}")
        child.parent = self
        return child


class _Warnings(logging.Handler):
    """Passes on what is a warning, or worse, to the handlers of the program."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger().handle(record)
