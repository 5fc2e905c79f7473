"""What a universe runs: the program of a model, in a process that is warm already."""

from __future__ import annotations

import atexit
import os
import pickle
import sys
import threading
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..errors import MissingPackageError, ModelImportError, ParameterError
from ..finding import ModelInfo, load_class, split_source
from ..importing import import_file
from ..io.provenance import read_source
from ..io.source import Source

Run = Callable[[str], Any]
"""Runs a model with the configuration at a path"""


@dataclass(frozen=True)
class Program:
    """The program of a model, as it is sent to the process that will run it.

    Attributes:
        name: The name of the model
        args: How to call it in an interpreter of its own, without the configuration
        source: Where its class is; see :py:class:`.ModelInfo`
        cls: Its class, pickled, if it has no source
        origin: The source of that class, as this process knows it
        search_path: Where modules are looked for
        fresh: Whether each universe gets an interpreter of its own
        cwd: The working directory of the universes; by default, that of what starts
            them
        env: Environment variables that they get, whatever theirs are there
    """

    name: str
    args: tuple[str, ...]
    source: str | None
    cls: bytes | None
    origin: Source | None
    search_path: tuple[str, ...]
    fresh: bool
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        model: ModelInfo,
        *,
        fresh: bool = False,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Program:
        """The program of a model.

        Args:
            model: The model
            fresh: Whether each universe is to get an interpreter of its own. One that
                is not written in Python gets one in any case.
            cwd: See the attributes
            env: See there
        """
        pickled = origin = None
        if model.source is None and model.cls is not None:
            pickled, origin = _pickle(model.cls), read_source(model.cls)
        if fresh and not model.args:
            raise ParameterError(
                f"The class {model.name} cannot be run by a new interpreter: give the "
                "path of its file instead, or leave out fresh."
            )
        fresh = fresh or (model.source is None and pickled is None)
        # "" is the current directory, wherever the universes run.
        path = tuple(p if os.path.isabs(p) else os.path.abspath(p) for p in sys.path)
        return cls(
            model.name, model.args, model.source, pickled, origin, path, fresh, cwd,
            env or {},
        )  # fmt: skip

    @property
    def script(self) -> str | None:
        """The path of its program, if that is a script rather than a class."""
        if self.source is None or split_source(self.source)[1]:
            return None
        return self.source

    def load(self) -> tuple[Run, type]:
        """Imports the model, so that each universe finds it in memory.

        Returns:
            What runs it, and its class

        Raises:
            ImportError: If it cannot be imported
        """
        sys.path[:] = self.search_path
        if self.cls is not None:
            model = _unpickle(self.cls)
            return _runner_of_class(model), model
        assert self.source is not None  # or it would be a fresh one
        where, _ = split_source(self.source)
        # As if it was run by itself, also for what it imports later on
        sys.path.insert(0, os.path.dirname(where) if where.endswith(".py") else "")
        model = load_class(ModelInfo(self.name, source=self.source))
        script = self.script
        run = _runner_of_script(script) if script else _runner_of_class(model)
        return run, model


def is_sent(model: type) -> bool:
    """Whether the code of a class is sent to others, as they could not import it.

    Args:
        model: The class
    """
    module = model.__module__
    is_local = "<locals>" in model.__qualname__
    return module == "__main__" or module not in sys.modules or is_local


def _pickle(model: type) -> bytes:
    """Pickles a class, also one that was defined in a notebook or a script."""
    try:
        import cloudpickle
    except ImportError as error:
        raise MissingPackageError(
            f"A sweep over a class needs the package cloudpickle ({error}): install it "
            "by pip install cloudpickle; or give the file of the model."
        ) from None
    pickled: bytes = cloudpickle.dumps(model)
    return pickled


def _unpickle(pickled: bytes) -> type:
    try:
        model: type = pickle.loads(pickled)
    except Exception as error:  # of a module that it needs, whatever that raises
        raise ModelImportError(
            f"The class of the model cannot be imported by another process "
            f"({type(error).__name__}: {error}): put it into a file or a package that "
            "is there for all of them."
        ) from None
    return model


def _runner_of_class(model: type[Any]) -> Run:
    def run(cfg_file: str) -> None:
        sys.argv = [model.__name__, cfg_file]
        with model(cfg_file_path=cfg_file) as instance:
            instance.run()

    return run


def _runner_of_script(path: str) -> Run:
    """Runs a script as a program, once what it imports is in memory."""
    import_file(path)
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")

    def run(cfg_file: str) -> None:
        sys.argv = [path, cfg_file]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        main.__file__ = path
        exec(code, vars(main))

    return run


def exit_code_of(run: Callable[[], Any]) -> int:
    """Runs a program, as an interpreter would.

    Args:
        run: The program

    Returns:
        Its exit code. What went wrong is on the standard error output.
    """
    code: Any = 0
    try:
        try:
            run()
        except SystemExit:
            raise
        except BaseException as error:
            code = 130 if isinstance(error, KeyboardInterrupt) else 1
            error.__traceback__ = _without_ours(error.__traceback__)
            sys.excepthook(type(error), error, error.__traceback__)
    except SystemExit as error:  # which an excepthook may raise, too
        code = error.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    return (code or 0) & 0xFF


def leave() -> None:
    """Does what an interpreter does at its end, but does not take itself apart.

    That would cost more than to run a small model.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _without_ours(tb: types.TracebackType | None) -> types.TracebackType | None:
    """The traceback from the model's program on."""
    here = os.path.dirname(__file__) + os.sep
    start = tb
    while start is not None and start.tb_frame.f_code.co_filename.startswith(here):
        start = start.tb_next
    return start or tb
