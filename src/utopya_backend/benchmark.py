"""Benchmarking tools for models: which part of a run takes how long."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from .errors import ConfigError, Mistakes
from .io.timers import create_cumulative, create_total, fit_labels
from .io.timeseries import TimeSeries
from .model.config import check_benchmark
from .model.parameters import check_parameters
from .model.step import StepwiseModel
from .timer import Timer as Timer
from .timer import format_elapsed

if TYPE_CHECKING:
    # What the mixin is mixed into; at run time, that is up to the model.
    from .model.base import BaseModel as _Base
else:
    _Base = object

DEFAULT_TIMERS_ONE_SHOT: tuple[str, ...] = (
    "init",
    "setup",
    "prolog",
    "run",
    "epilog",
    "teardown",
    "simulation",
)
"""Names of default one-shot timers in :py:class:`ModelBenchmarkMixin`"""

DEFAULT_TIMERS_CUMULATIVE: tuple[str, ...] = (
    "model_iteration",
    "monitor",
    "write_data",
    "full_iteration",
)
"""Names of default cumulative timers in :py:class:`ModelBenchmarkMixin`"""


class ModelBenchmarkMixin(_Base):
    """A mixin that measures how long the parts of a model's iteration take.

    It is inherited in front of the base class::

        class MyModel(ModelBenchmarkMixin, StepwiseModel):
            ...

    By default, the elapsed times are shown at the end of the run, and written
    to the group ``benchmark`` of the model's output. To change that, add a
    ``benchmark`` entry to the model's configuration; it takes the parameters
    of :py:meth:`_configure_benchmark`, and is not passed on to ``setup``.

    A model can measure parts of its own, with :py:meth:`add_one_shot_timers`
    and :py:meth:`add_cumulative_timers` in its ``setup``, then
    :py:meth:`unpause_timer` and :py:meth:`pause_timer` around the part.
    """

    _timers: dict[str, Timer]

    _TIMER_FALLBACK_RV: Any = -1
    """What :py:meth:`pause_timer` and :py:meth:`stop_timer` return when
    benchmarking is disabled"""

    _dgrp_bench: h5py.Group | None = None
    _dset_total: h5py.Dataset | None = None
    _dset_cumulative: TimeSeries | None = None
    _dset_cumulative_invocation_times: list[int]
    __dgrp_name: str
    __dset_dtype: str
    __dset_compression: int
    __num_timers: int
    __cumulative: list[str]
    __has_steps: bool
    _time: int  # of a StepwiseModel

    __enabled: bool = True
    __write: bool = None  # type: ignore[assignment]  # not known before setup
    _show_on_exit: bool = True
    _add_time_elapsed_to_monitor_info: bool = False
    _time_elapsed_info_fstr: str
    _time_elapsed_info_kwargs: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Starts the timers, then sets up the model.

        Args:
            *args: Passed on to the base class
            **kwargs: Passed on to the base class
        """
        self._timers = {}
        self._dset_cumulative_invocation_times = []
        self.__num_timers = 0
        self.__cumulative = []
        self.__has_steps = isinstance(self, StepwiseModel)
        self._add_default_timers()
        self.start_timer("simulation")
        self.start_timer("init")
        super().__init__(*args, **kwargs)
        self.stop_timer("init")

    def _add_default_timers(self) -> None:
        self.add_one_shot_timers(*DEFAULT_TIMERS_ONE_SHOT)
        self.add_cumulative_timers(*DEFAULT_TIMERS_CUMULATIVE)

    # .. Configuration ........................................................

    def _configure_benchmark(
        self,
        *,
        enabled: bool = True,
        show_on_exit: bool = True,
        add_to_monitor: bool = False,
        write: bool = True,
        group_name: str = "benchmark",
        compression: int = 3,
        dtype: str = "float32",
        info_fstr: str = "  {name:>15s} : {time_str:s}",
        info_kwargs: dict[str, Any] | None = None,
    ) -> None:
        """Applies the ``benchmark`` entry of the model's configuration.

        Args:
            enabled: Whether to measure anything. If not, timer invocations
                are ignored; their small cost remains, until the mixin is
                removed.
            show_on_exit: Whether to log the elapsed times, as info, at the
                end of the run.
            add_to_monitor: Whether to add the elapsed times to the monitoring
                information, as ``timers``.
            write: Whether to write the elapsed times: those of the cumulative
                timers at each invocation of ``write_data``, to ``cumulative``,
                and those of all timers at the end of the run, to ``total``.
            group_name: The name of the group for these two datasets
            compression: Their gzip level
            dtype: Their data type; single precision by default, as the clocks
                are no more precise.
            info_fstr: How :py:attr:`elapsed_info` formats a timer; for the
                available keys, see :py:meth:`format_elapsed_info`.
            info_kwargs: Further arguments for :py:meth:`format_elapsed_info`
        """
        self.__enabled = enabled
        self.__write = write
        self.__dgrp_name = group_name
        self.__dset_compression = compression
        self.__dset_dtype = dtype
        self._show_on_exit = show_on_exit
        self._add_time_elapsed_to_monitor_info = add_to_monitor
        self._time_elapsed_info_fstr = info_fstr
        self._time_elapsed_info_kwargs = info_kwargs or {}
        if not enabled:
            for timer in self.timers.values():  # some are running already
                timer.reset()

    def _benchmark_cfg(self) -> Mapping[str, Any]:
        cfg = self.cfg.get("benchmark")
        if cfg is not None and not isinstance(cfg, Mapping):
            raise ConfigError(
                f"The entry 'benchmark' of section '{self.name}' has to be a mapping, "
                f"but is {cfg!r}. Write e.g.: benchmark: {{enabled: false}}"
            )
        return cfg or {}

    def _check_before_setup(self, mistakes: Mistakes) -> None:
        with mistakes:
            cfg, section = self._benchmark_cfg(), f"{self.name}.benchmark"
            check_parameters(self._configure_benchmark, cfg, section=section)
            check_benchmark(cfg, section=section)
        super()._check_before_setup(mistakes)

    def _parameters_of_setup(self) -> dict[str, Any]:
        parameters = super()._parameters_of_setup()
        parameters.pop("benchmark", None)
        return parameters

    # .. Timers ...............................................................

    def add_one_shot_timers(self, *names: str, **kwargs: Any) -> None:
        """Adds timers that can be started only once.

        Args:
            *names: Their names
            **kwargs: Passed on to :py:class:`Timer`
        """
        for name in names:
            self._add_timer(name, one_shot=True, **kwargs)

    def add_cumulative_timers(self, *names: str, **kwargs: Any) -> None:
        """Adds timers that can be paused and continued.

        Args:
            *names: Their names
            **kwargs: Passed on to :py:class:`Timer`
        """
        for name in names:
            self._add_timer(name, one_shot=False, **kwargs)

    def _add_timer(self, name: str, *, one_shot: bool, **kwargs: Any) -> Timer:
        # Unlike time.time, this clock never jumps and has a high resolution.
        kwargs = {"time_func": time.perf_counter, **kwargs}
        self.timers[name] = Timer(name, one_shot=one_shot, **kwargs)
        self.__num_timers = 0  # those that are written are not all any more
        return self.timers[name]

    @property
    def timers(self) -> dict[str, Timer]:
        """All timers, by name."""
        return self._timers

    def _get_timer(self, name: str) -> Timer:
        try:
            return self._timers[name]
        except KeyError:
            raise ValueError(
                f"No benchmark timer named '{name}' was added! Available timers: "
                f"{', '.join(sorted(self.timers))}"
            ) from None

    def start_timer(self, name: str) -> None:
        """Starts a timer; see :py:meth:`.Timer.start`.

        Args:
            name: The name of the timer

        Raises:
            ValueError: If there is no such timer
        """
        if self.__enabled:
            self._get_timer(name).start()

    def pause_timer(self, name: str) -> float | Any:
        """Pauses a timer; see :py:meth:`.Timer.pause`.

        Args:
            name: The name of the timer

        Returns:
            The elapsed time [s], or -1 if benchmarking is disabled

        Raises:
            ValueError: If there is no such timer
        """
        if not self.__enabled:
            return self._TIMER_FALLBACK_RV
        return self._get_timer(name).pause()

    def unpause_timer(self, name: str) -> None:
        """Continues, or starts, a timer; see :py:meth:`.Timer.unpause`.

        Args:
            name: The name of the timer

        Raises:
            ValueError: If there is no such timer
        """
        if self.__enabled:
            try:
                timer = self._timers[name]
            except KeyError:
                timer = self._get_timer(name)
            timer.unpause()

    def stop_timer(self, name: str) -> float | Any:
        """Stops a timer for good; see :py:meth:`.Timer.stop`.

        Args:
            name: The name of the timer

        Returns:
            The elapsed time [s], or -1 if benchmarking is disabled

        Raises:
            ValueError: If there is no such timer
        """
        if not self.__enabled:
            return self._TIMER_FALLBACK_RV
        return self._get_timer(name).stop()

    # .. Elapsed times ........................................................

    @property
    def elapsed(self) -> dict[str, float]:
        """The elapsed times of all timers [s]."""
        return {name: timer.elapsed for name, timer in self._timers.items()}

    @property
    def elapsed_cumulative(self) -> dict[str, float]:
        """The elapsed times of the cumulative timers [s]."""
        return {
            n: timer.elapsed for n, timer in self._timers.items() if not timer.one_shot
        }

    @property
    def elapsed_one_shot(self) -> dict[str, float]:
        """The elapsed times of the one-shot timers [s]."""
        return {n: timer.elapsed for n, timer in self._timers.items() if timer.one_shot}

    @property
    def elapsed_info(self) -> str:
        """The elapsed times, formatted as configured."""
        return self.format_elapsed_info(**self._time_elapsed_info_kwargs)

    def format_elapsed_info(
        self,
        info_fstr: str | None = None,
        *,
        sort: bool = False,
        width: int | None = None,
        ms_precision: int = 2,
        **fstr_kwargs: Any,
    ) -> str:
        """Formats the elapsed times, one line for each timer.

        Args:
            info_fstr: The format of a line; by default, the configured one.
                Available keys: ``name``; ``seconds``; ``time_str``, the time
                in human units; ``w``, the width of the longest name;
                ``max_seconds``, the time of the slowest timer; and
                ``percent_of_max``.
            sort: Whether to begin with the slowest timer
            width: A fixed value for ``w``
            ms_precision: Decimal places of times below one minute
            **fstr_kwargs: Further keys for the format
        """
        return format_elapsed(
            self.elapsed,
            self._time_elapsed_info_fstr if info_fstr is None else info_fstr,
            sort=sort,
            width=width,
            ms_precision=ms_precision,
            **fstr_kwargs,
        )

    # .. Writing them .........................................................

    def _write_dset_total(self) -> None:
        if self._dgrp_bench is None:
            return
        elapsed = self.elapsed
        if self._dset_total is None:
            self._dset_total = create_total(
                self._dgrp_bench,
                len(elapsed),
                compression=self.__dset_compression,
                dtype=self.__dset_dtype,
            )
        fit_labels(self._dset_total, list(elapsed))
        self._dset_total[:] = list(elapsed.values())

    def _write_dset_cumulative(self) -> None:
        if self._dgrp_bench is None:
            return
        timers = self._timers
        if self._dset_cumulative is None or len(timers) != self.__num_timers:
            self.__prepare_dset_cumulative()
        dset, names = self._dset_cumulative, self.__cumulative
        assert dset is not None  # it has just been made
        elapsed = [timers[name].elapsed for name in names]
        row = np.fromiter(elapsed, dset.dtype, len(elapsed))
        time = self._time if self.__has_steps else self._n_iterations
        dset.append(row, time=time)
        self._dset_cumulative_invocation_times.append(time)

    def __prepare_dset_cumulative(self) -> None:
        """Makes the dataset, or room in it for timers that were added."""
        self.__num_timers = len(self._timers)
        self.__cumulative = list(self.elapsed_cumulative)
        if self._dset_cumulative is None:
            self._dset_cumulative = create_cumulative(
                self._dgrp_bench,
                len(self.__cumulative),
                start=self._time if self.__has_steps else self.n_iterations,
                step=self.write_every if isinstance(self, StepwiseModel) else 1,
                compression=self.__dset_compression,
                dtype=self.__dset_dtype,
            )
        fit_labels(self._dset_cumulative, self.__cumulative)

    # .. Inserted into the life cycle of the model ............................

    def _invoke_setup(self) -> None:
        self._configure_benchmark(**self._benchmark_cfg())
        if self.__enabled and self.__write:
            self._dgrp_bench = self.h5group.create_group(self.__dgrp_name)
        self.start_timer("setup")
        super()._invoke_setup()
        self.stop_timer("setup")

    def _pre_run(self) -> None:
        if self.__enabled and self._get_timer("run").finished:
            for name, timer in self._timers.items():  # this is not the first run
                if name not in ("init", "setup"):
                    timer._reopen()
            self.start_timer("simulation")
        self.start_timer("run")
        super()._pre_run()

    def _post_run(self, *, finished_run: bool) -> None:
        super()._post_run(finished_run=finished_run)
        if not self.__enabled:
            return
        for name, timer in self._timers.items():
            if not timer.finished and name != "teardown":
                timer.stop()
        self._write_dset_total()
        if self._show_on_exit:
            self.log.info(
                "Elapsed times for parts of this simulation:\n\n%s\n", self.elapsed_info
            )

    def _invoke_prolog(self) -> None:
        self.start_timer("prolog")
        super()._invoke_prolog()
        self.stop_timer("prolog")

    # In what is called in each iteration, the timers are taken directly.

    def _pre_iterate(self) -> None:
        if self.__enabled:
            self._timers["full_iteration"].unpause()
        super()._pre_iterate()

    def _invoke_iterate(self) -> None:
        if not self.__enabled:
            super()._invoke_iterate()
            return
        timer = self._timers["model_iteration"]
        timer.unpause()
        super()._invoke_iterate()
        timer.pause()

    def _pre_monitor(self) -> None:
        self.unpause_timer("monitor")
        super()._pre_monitor()

    def _emit_monitor(self) -> None:
        if self.__enabled and self._add_time_elapsed_to_monitor_info:
            self._monitor_info = {**self._monitor_info, "timers": self.elapsed}
        super()._emit_monitor()

    def _post_monitor(self) -> None:
        super()._post_monitor()
        self.pause_timer("monitor")

    def _invoke_write_data(self) -> None:
        if not self.__enabled:
            super()._invoke_write_data()
            return
        if self._timers["setup"].running:  # the initial write is a part of that
            super()._invoke_write_data()
            self._write_dset_cumulative()
            return
        timer = self._timers["write_data"]
        timer.unpause()
        super()._invoke_write_data()
        self._write_dset_cumulative()
        timer.pause()

    def _post_iterate(self) -> None:
        super()._post_iterate()
        if self.__enabled:
            self._timers["full_iteration"].pause()

    def _invoke_epilog(self, **kwargs: Any) -> None:
        self.start_timer("epilog")
        super()._invoke_epilog(**kwargs)
        self.stop_timer("epilog")

    def _close_output_file(self) -> None:
        if "teardown" in self._timers:
            self.start_timer("teardown")
        super()._close_output_file()
        if "teardown" in self._timers:
            self.stop_timer("teardown")
