"""The base class of all models: their life cycle and the run loop.

It makes no assumption about what a model is; see
:py:class:`~utopya_backend.model.step.StepwiseModel` for one that advances in
steps.
"""

from __future__ import annotations

import inspect
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import h5py

from ..closing import close_at_exit
from ..display import Display, Nothing, Report, display_of
from ..errors import UserError, hide_traceback_of_user_errors, reporting
from ..io.output import COMMIT_INTERVAL, OutputFile
from ..io.provenance import as_text, write_end, write_start
from ..io.status import describe_exit, describe_failure
from ..logging import backend_logger
from ..monitor import Progress
from ..signal import (
    begin_observing,
    end_observing,
    forget_stop_condition,
    num_attached,
    restore_signal_handlers,
    stop_without_reader,
)
from .config import check_root_cfg, likely_typos
from .hooks import (
    METHODS_BETWEEN_ITERATIONS,
    are_ours,
    has_effect,
    only_debugs,
)
from .parameters import defaults_of
from .parts import ModelParts


class BaseModel(ModelParts):
    """Base class for simulation models.

    A subclass implements ``setup``, ``should_iterate``, ``iterate``,
    ``should_write`` and ``write_data``, and may override the other methods of
    :py:class:`~utopya_backend.model.hooks.ModelHooks`. It gets its
    configuration, a logger, random numbers, an HDF5 group to write to,
    monitoring, and a graceful end upon signals.

    A model owns its output file and the signal handlers. :py:meth:`close`
    gives them back; so does leaving a ``with`` block, and deleting the model.
    """

    ATTACH_SIGNAL_HANDLERS: bool = True
    """Whether to attach the handlers for stop conditions and interrupts; see
    :py:func:`~utopya_backend.signal.attach_signal_handlers`. On another thread
    than the main one, none are attached."""

    USE_SYS_EXIT: bool = True
    """Whether a handled signal ends the program. If false, :py:meth:`run`
    returns the exit code instead."""

    # Until __init__ has begun, there is nothing to tear down. As this, all that a
    # subclass need not know is private to this class: its attributes are its own.
    __closed: bool = True
    __has_begun: bool = False
    __is_running: bool = False
    __has_ended: bool = False
    __defined: float

    _may_run_ahead: bool = False
    """Whether the next ``_invoke_iterate`` may do several iterations, if nothing is to
    be done in between"""

    _iteration_of_last_write: int | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__defined = time.time()  # a file that is newer is not what was imported

    def __init__(
        self,
        *,
        cfg_file_path: str | os.PathLike[str],
        _log: logging.Logger | None = None,
    ) -> None:
        """Sets up the model, its random numbers and its output file.

        Args:
            cfg_file_path: The path to the configuration file of the universe.
            _log: The logger of which the model's is made a child; by default,
                the backend logger.

        Raises:
            UserError: If the configuration is not what it has to be. This is
                noticed before an output file is made.
        """
        super().__init__(log=_log if _log is not None else backend_logger)
        self.__closed = False
        self.__has_begun = True
        self.__handlers_attached = False
        self.__pid = os.getpid()  # a forked child leaves the run to its parent
        self._monitor_info: dict[str, Any] = {}
        self._monitor_emit_interval = 0.0
        self._last_emit = -math.inf
        self.__progress = Progress(self._log)
        self.__display: Display = Nothing()
        self.__next_flush = -math.inf
        self._n_iterations = 0
        close_at_exit(self)

        try:
            try:
                self.__prepare(os.fspath(cfg_file_path))
            except UserError:
                hide_traceback_of_user_errors()
                raise
            self._cfg = self.root_cfg[self.name]  # a hook may have replaced it
            self._invoke_setup()
            self.trigger_monitor(force=True)
            self.__commit()
        except BaseException as error:
            self.__close_after(error)
            raise
        self.log.info("Model '%s' is set up.\n", self.name)

    def __prepare(self, cfg_file_path: str) -> None:
        """All that comes before the model's own set-up."""
        with reporting() as mistakes:
            self._root_cfg = check_root_cfg(
                self._get_root_cfg(cfg_file_path, _log=self._log), mistakes
            )
            self._name = self._root_cfg["root_model_name"]
            self._cfg = self._root_cfg[self._name]
            self._check_constraints(mistakes)
            self._check_before_setup(mistakes)
        self._monitor_emit_interval = self._root_cfg["monitor_emit_interval"]
        self._setup_loggers(self._log)
        self.__progress = Progress(self._log)
        self.__display = display_of(self.name)
        self.log.info("Setting up model '%s' ...", self.name)
        self.log.info("  Class:  %s", type(self).__qualname__)
        parameters = inspect.signature(self.setup).parameters.keys()
        typos = likely_typos(self.root_cfg, parameters - self.cfg.keys())
        for typo in typos.values():
            self.log.warning(typo)
        forget_stop_condition()
        if self.ATTACH_SIGNAL_HANDLERS:
            before = num_attached()
            self._attach_signal_handlers()
            self.__handlers_attached = num_attached() > before

        self._rng = self._setup_rng(
            seed=self.root_cfg["seed"],
            seed_numpy_rng=self.root_cfg.get("seed_numpy_rng", True),
            seed_system_rng=self.root_cfg.get("seed_system_rng", True),
        )
        section = defaults_of(self.setup) | self.cfg
        configuration = as_text({**self.root_cfg, self.name: section})
        self._h5file = self._setup_output_file()
        if isinstance(self._h5file, OutputFile):
            write_start(
                self._h5file,
                model=type(self),
                configuration=configuration,
                seed=self.root_cfg["seed"],
                cfg_file=cfg_file_path,
            )
        self._h5group = self._setup_output_group()
        self._parse_root_cfg(**self.root_cfg)

    # .. Tear-down ............................................................

    def close(self) -> None:
        """Closes the output file and gives back the signal handlers.

        Calling it again does nothing.
        """
        if self.__closed or os.getpid() != self.__pid:
            return
        self.__closed = True
        try:
            if not self.__has_ended:
                self.__end_run()
                self.__note_end("stopped: closed")
            self._close_output_file()
        finally:
            if self.__handlers_attached:
                restore_signal_handlers()

    def _close_output_file(self) -> None:
        if self._h5file is not None:
            self._h5file.close()

    def __note_end(self, status: str) -> None:
        """Has the output file say how a run has ended."""
        self.__has_ended = True
        if isinstance(self._h5file, OutputFile) and self._h5file:
            write_end(self._h5file, status=status, iterations=self.n_iterations)

    def __close_after(self, error: BaseException) -> None:
        """Closes the model, without hiding the error that is the reason."""
        if os.getpid() != self.__pid:
            return
        try:
            try:
                self.__end_run()
                self.__note_end(describe_failure(error))
            finally:
                self.close()
        except OSError as failure:  # maybe the error itself once more
            self._log.error("Could not close the output file: %s", failure)
        except Exception:
            self._log.exception("Could not close the output file:")

    def __enter__(self) -> Self:
        self.__check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None and not self.__closed and not self.__has_ended:
            self.__close_after(error)
        else:
            self.close()

    def __del__(self) -> None:
        # While the interpreter shuts down, the modules this needs may be gone;
        # by then, close_at_exit() has done the work.
        if self.__closed or sys.is_finalizing():
            return
        try:
            self.close()
        except Exception:
            self._log.exception("Could not tear down the model '%s':", self._name)

    @property
    def n_iterations(self) -> int:
        """How often ``iterate`` was called; need not be the model's time."""
        return self._n_iterations

    # .. The run ..............................................................

    def run(self) -> int:
        """Performs a simulation run.

        In pseudocode::

            prolog
            while should_iterate():
                iterate; count; report if due; write_data if should_write()
                commit if due
                a stop signal?  -> epilog(finished_run=False), exit 128 + signum
            epilog(finished_run=True); last report

        Several iterations may be done in one go, if nothing is to be done in between,
        and if no subclass, mixin or attribute defines a method that would be called
        there, which is looked at before the loop. Reports and commits may be up to 8
        iterations late by that, if these take much longer than those before.

        Whatever leaves it, the data written so far is in the file. It may be
        called again, and then goes on where it was. An exception closes the
        model; no epilog is run then.

        Returns:
            The exit code: 0, or 128 + signum after a handled signal

        Raises:
            SystemExit: After a handled signal, if :py:attr:`USE_SYS_EXIT`
            RuntimeError: If the model is closed
        """
        exit_code = self.__go_on()
        assert exit_code is not None  # it goes on until there is one
        if exit_code and self.USE_SYS_EXIT:
            self.log.info("Now exiting (code: %d) ...", exit_code)
            sys.exit(exit_code)
        return exit_code

    def step(self) -> None:
        """Performs one iteration, as :py:meth:`run` does, in a loop of one's own.

        The first one begins the run, with the prolog; the last one ends it, with the
        epilog::

            while model.should_iterate():
                model.step()
                ...  # look at the model, draw it, change it

        Raises:
            RuntimeError: If there is nothing left to iterate, or the model is closed
            KeyboardInterrupt: After a SIGINT, e.g. by Ctrl-C: the epilog was called
            SystemExit: After another handled signal, likewise
        """
        self.__check_open()
        if not self.should_iterate():
            raise RuntimeError(
                f"The model '{self.name}' has nothing left to iterate, after "
                f"{self.n_iterations} iterations: ask model.should_iterate() before."
            )
        exit_code = self.__go_on(single=True)
        if exit_code == 128 + signal.SIGINT:
            raise KeyboardInterrupt
        if exit_code:
            sys.exit(exit_code)

    def __go_on(self, *, single: bool = False) -> int | None:
        """Begins or continues a run.

        Args:
            single: Whether to do one iteration only

        Returns:
            The exit code, None if there is something left to do
        """
        self.__check_open()
        exit_code = None
        begin_observing()
        try:
            if not self.__is_running:
                self.__is_running, self.__has_ended = True, False
                self._pre_run()
                self._invoke_prolog()
                self.log.info("Commencing model run ...")
            exit_code = self.__iterate(single=single)
            if exit_code is not None:
                self.__end_run()
                self.__note_end(describe_exit(exit_code))
                self.__commit()
        except BaseException as error:
            self.__close_after(error)
            raise
        finally:
            self._may_run_ahead = False
            end_observing(is_over=not self.__is_running)
        return exit_code

    def __check_open(self) -> None:
        name = type(self).__name__
        if not self.__has_begun:
            raise RuntimeError(
                f"{name}.__init__ has not called super().__init__(**kwargs). Do so, or "
                "better write a method setup(), which gets the parameters."
            )
        if self.__closed:
            raise RuntimeError(
                f"The model '{self.name}' is closed and cannot run: make a new one."
            )

    def __end_run(self) -> None:
        self.__is_running = False
        self.__display.close()

    def __iterate(self, *, single: bool) -> int | None:
        """The loop of :py:meth:`run`.

        Args:
            single: Whether to do one iteration only

        Returns:
            The exit code, None if there is something left to do
        """
        # What cannot change during the run is looked up before the loop.
        should_iterate = self.should_iterate
        pre_iterate = self.__hook("_pre_iterate")
        iterate = self._invoke_iterate
        trigger_monitor = self.trigger_monitor
        should_write = self.should_write
        file = self._h5file
        commit_if_due = (
            file.commit_if_due if isinstance(file, OutputFile) else self.__flush_if_due
        )
        show_iteration_info = self.__hook("show_iteration_info")
        check_signals = self._check_signals
        post_iterate = self.__hook("_post_iterate")
        may_run_ahead = (
            not single
            and show_iteration_info is None
            and self._monitor_emit_interval > 0
            and are_ours(self, METHODS_BETWEEN_ITERATIONS)
        )

        while should_iterate():
            if pre_iterate:
                pre_iterate()
            self._may_run_ahead = may_run_ahead
            iterate()
            self._n_iterations += 1
            trigger_monitor()
            if should_write():
                self._invoke_write_data()
                self._iteration_of_last_write = self._n_iterations
            commit_if_due()
            if show_iteration_info:
                show_iteration_info()
            if (exit_code := check_signals()) is not None:
                self._invoke_epilog(finished_run=False)
                self._post_run(finished_run=False)
                return exit_code
            if post_iterate:
                post_iterate()
            if single and should_iterate():
                return None

        self._invoke_epilog(finished_run=True)
        self.trigger_monitor(force=True)
        self._post_run(finished_run=True)
        self.log.info("Simulation run finished.\n")
        return 0

    def __hook(self, name: str) -> Callable[..., Any] | None:
        """The hook of that name, or None if calling it has no effect."""
        hook: Callable[..., Any] = getattr(self, name)
        debugging = self.log.isEnabledFor(logging.DEBUG)
        return hook if has_effect(hook, debugging=debugging) else None

    @only_debugs
    def show_iteration_info(self) -> None:
        """Informs about the current iteration."""
        self.log.debug("Finished iteration %d.", self.n_iterations)

    # .. Monitoring ...........................................................

    def trigger_monitor(self, *, force: bool = False) -> None:
        """Tells the frontend about the run, if it is time to.

        May be called from within a model at any point.

        Args:
            force: Whether to do so in any case
        """
        t = self._monotonic_clock()
        if not (force or self._monitor_should_emit(t=t)):
            return
        self._pre_monitor()
        info: Any = self.monitor(self._monitor_info)
        if isinstance(info, Mapping):
            self._monitor_info = dict(info)
        elif info is not None:  # it updated its argument, and forgot to return it
            self.log.warning("monitor() has to return a dict, but returned %r.", info)
        self._emit_monitor()
        self._last_emit = t
        self._post_monitor()

    def _monitor_should_emit(self, *, t: float | None = None) -> bool:
        """Whether a monitor emit interval has passed since the last emission.

        Args:
            t: The time, on a monotonic clock [s]; by default, now.
        """
        if t is None:
            t = self._monotonic_clock()
        return t > self._last_emit + self._monitor_emit_interval

    def _emit_monitor(self) -> None:
        """Shows the monitoring information: to the frontend, or whoever looks."""
        if os.getpid() != self.__pid:
            return
        progress = self.__progress.update(self.compute_progress())
        report = Report(progress, self.n_iterations, self._monitor_info)
        try:
            self.__display.show(report)
        except BrokenPipeError:
            stop_without_reader(self._signal_info)

    # .. Commits ..............................................................

    def __flush_if_due(self) -> None:
        if self._monotonic_clock() >= self.__next_flush:
            self.__commit()

    def __commit(self) -> None:
        """Brings all that was written into the file on disk."""
        if isinstance(self._h5file, OutputFile):
            self._h5file.commit()
        elif isinstance(self._h5file, h5py.File) and self._h5file:
            self._h5file.flush()
            self.__next_flush = self._monotonic_clock() + COMMIT_INTERVAL
