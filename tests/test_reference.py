"""Everything that the reference page documents: names, signatures, constants."""

import inspect
import logging
import signal
import time
from inspect import Parameter

import pytest

import utopya_backend
from utopya_backend import ModelBenchmarkMixin, benchmark, tools
from utopya_backend import logging as our_logging
from utopya_backend import signal as our_signal
from utopya_backend.benchmark import Timer

P, K = Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY
ARGS, KWARGS = Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD
NO_DEFAULT = Parameter.empty


def signature(func):
    parameters = inspect.signature(func).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters if p.name != "self"]


NO_PARAMETERS = []
ONLY_A_NAME = [("name", P, NO_DEFAULT)]
SIGNATURES = {
    Timer: [
        ("name", P, NO_DEFAULT),
        ("time_func", K, None),
        ("one_shot", K, False),
        ("start", K, False),
    ],
    **dict.fromkeys(
        (
            Timer._get_time, Timer._assert_not_finished, Timer.start, Timer.pause,
            Timer.unpause, Timer._unpause, Timer.stop, Timer.reset,
            ModelBenchmarkMixin._add_default_timers,
            ModelBenchmarkMixin._write_dset_total,
            ModelBenchmarkMixin._write_dset_cumulative,
            ModelBenchmarkMixin._invoke_setup, ModelBenchmarkMixin._pre_run,
            ModelBenchmarkMixin._invoke_prolog, ModelBenchmarkMixin._pre_iterate,
            ModelBenchmarkMixin._invoke_iterate, ModelBenchmarkMixin._pre_monitor,
            ModelBenchmarkMixin._emit_monitor, ModelBenchmarkMixin._post_monitor,
            ModelBenchmarkMixin._invoke_write_data, ModelBenchmarkMixin._post_iterate,
        ),
        NO_PARAMETERS,
    ),
    **dict.fromkeys(
        (
            ModelBenchmarkMixin._get_timer, ModelBenchmarkMixin.start_timer,
            ModelBenchmarkMixin.pause_timer, ModelBenchmarkMixin.unpause_timer,
            ModelBenchmarkMixin.stop_timer,
        ),
        ONLY_A_NAME,
    ),
    ModelBenchmarkMixin: [("args", ARGS, NO_DEFAULT), ("kwargs", KWARGS, NO_DEFAULT)],
    ModelBenchmarkMixin._configure_benchmark: [
        ("enabled", K, True),
        ("show_on_exit", K, True),
        ("add_to_monitor", K, False),
        ("write", K, True),
        ("group_name", K, "benchmark"),
        ("compression", K, 3),
        ("dtype", K, "float32"),
        ("info_fstr", K, "  {name:>15s} : {time_str:s}"),
        ("info_kwargs", K, None),  # not on the page, but of a later version
    ],
    ModelBenchmarkMixin.add_one_shot_timers: [
        ("names", ARGS, NO_DEFAULT), ("kwargs", KWARGS, NO_DEFAULT),
    ],
    ModelBenchmarkMixin.add_cumulative_timers: [
        ("names", ARGS, NO_DEFAULT), ("kwargs", KWARGS, NO_DEFAULT),
    ],
    ModelBenchmarkMixin._add_timer: [
        ("name", P, NO_DEFAULT), ("one_shot", K, NO_DEFAULT),
        ("kwargs", KWARGS, NO_DEFAULT),
    ],
    ModelBenchmarkMixin._post_run: [("finished_run", K, NO_DEFAULT)],
    ModelBenchmarkMixin._invoke_epilog: [("kwargs", KWARGS, NO_DEFAULT)],
    our_logging.get_level: [("s", P, NO_DEFAULT)],
    our_signal._handle_signal: [("signum", P, NO_DEFAULT), ("frame", P, NO_DEFAULT)],
    our_signal.attach_signal_handlers: [
        ("for_stop_conds", K, True), ("for_interrupts", K, True),
    ],
    tools.load_cfg_file: [("fpath", P, NO_DEFAULT), ("loader", K, None)],
    tools.import_package_from_dir: [("mod_dir", P, NO_DEFAULT), ("mod_str", K, None)],
}  # fmt: skip


@pytest.mark.parametrize("func", SIGNATURES, ids=lambda func: func.__qualname__)
def test_signature(func):
    assert signature(func) == SIGNATURES[func]


def test_every_public_thing_is_documented():
    modules = [benchmark, our_logging, our_signal, tools]
    undocumented = [
        f"{module.__name__}.{name}"
        for module in modules
        for name, obj in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(obj) or inspect.isclass(obj))
        and obj.__module__.startswith("utopya_backend")
        and not inspect.getdoc(obj)
    ]
    assert undocumented == []


def test_exports():
    assert set(utopya_backend.__all__) == {
        "DEFAULT_LOG_FORMAT", "LOG_LEVELS", "BaseModel", "ModelBenchmarkMixin",
        "StepwiseModel", "backend_logger", "get_level", "import_package_from_dir",
        "load_cfg_file",
        # Beyond the reference page
        "continue_sweep", "simulate", "simulation", "sweep",
    }  # fmt: skip
    assert all(hasattr(utopya_backend, name) for name in utopya_backend.__all__)


# .. benchmark ................................................................


def test_names_of_the_default_timers():
    assert benchmark.DEFAULT_TIMERS_ONE_SHOT == (
        "init", "setup", "prolog", "run", "epilog", "teardown", "simulation",
    )  # fmt: skip
    assert benchmark.DEFAULT_TIMERS_CUMULATIVE == (
        "model_iteration", "monitor", "write_data", "full_iteration",
    )  # fmt: skip


def test_timer():
    assert Timer.__bases__ == (object,)
    assert Timer.__annotations__.items() >= {
        "_name": str, "_one_shot": bool, "_running": bool, "_latest": float,
        "_elapsed": float, "_finished": bool,
    }.items()  # fmt: skip
    assert Timer._time_func is time.time
    timer = Timer("t")
    for name in Timer.__annotations__:
        assert hasattr(timer, name)
    for name in ("name", "running", "finished", "elapsed", "one_shot"):
        assert isinstance(inspect.getattr_static(Timer, name), property)


def test_mixin():
    mixin = ModelBenchmarkMixin
    assert mixin.__bases__ == (object,)
    assert mixin._TIMER_FALLBACK_RV == -1
    assert mixin._dset_total is None
    assert mixin._dset_cumulative is None
    assert mixin._dgrp_bench is None
    assert mixin._show_on_exit is True
    assert mixin._add_time_elapsed_to_monitor_info is False
    assert mixin._ModelBenchmarkMixin__enabled is True
    assert mixin._ModelBenchmarkMixin__write is None
    for name in (
        "timers", "elapsed", "elapsed_cumulative", "elapsed_one_shot", "elapsed_info",
    ):  # fmt: skip
        assert isinstance(inspect.getattr_static(mixin, name), property)


def test_annotations_of_the_mixin():
    annotations = ModelBenchmarkMixin.__annotations__
    assert {name: annotations[name] for name in (
        "_ModelBenchmarkMixin__dgrp_name", "_ModelBenchmarkMixin__dset_dtype",
        "_ModelBenchmarkMixin__dset_compression", "_ModelBenchmarkMixin__enabled",
        "_ModelBenchmarkMixin__write", "_dset_cumulative_invocation_times",
        "_show_on_exit", "_add_time_elapsed_to_monitor_info",
        "_time_elapsed_info_fstr", "_timers",
    )} == {
        "_ModelBenchmarkMixin__dgrp_name": str,
        "_ModelBenchmarkMixin__dset_dtype": str,
        "_ModelBenchmarkMixin__dset_compression": int,
        "_ModelBenchmarkMixin__enabled": bool,
        "_ModelBenchmarkMixin__write": bool,
        "_dset_cumulative_invocation_times": list[int],
        "_show_on_exit": bool,
        "_add_time_elapsed_to_monitor_info": bool,
        "_time_elapsed_info_fstr": str,
        "_timers": dict[str, Timer],
    }  # fmt: skip
    assert {"_dset_total", "_dset_cumulative", "_dgrp_bench"} <= set(annotations)
    assert annotations["_TIMER_FALLBACK_RV"] is not None


# .. logging and signal .......................................................


def test_logging():
    assert our_logging.LOG_LEVELS == {
        "critical": 50, "debug": 10, "error": 40, "fatal": 50, "info": 20, "none": 0,
        "not_set": 0, "notset": 0, "trace": 5, "warn": 30, "warning": 30,
    }  # fmt: skip
    assert our_logging.DEFAULT_LOG_FORMAT == "%(levelname)-7s %(message)s"
    assert our_logging.backend_logger is logging.getLogger()


def test_signal():
    assert our_signal.SIG_STOPCOND is signal.SIGUSR1
    assert our_signal.SIGNAL_INFO == {
        "at_time": None, "frame": None, "got_signal": False, "signum": None,
    }  # fmt: skip
