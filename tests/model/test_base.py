import functools
import gc
import json
import logging
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
import weakref
from unittest.mock import Mock

import h5py
import numpy as np
import pytest

from utopya_backend import BaseModel, StepwiseModel, load_cfg_file
from utopya_backend.io import OutputFile
from utopya_backend.signal import SIG_STOPCOND, SIGNAL_INFO, attach_signal_handlers
from utopya_backend.yaml import load


class Counter(BaseModel):
    """Counts to a number; logs which of its methods are called."""

    def setup(self, *, limit: int = 3):
        self.calls = []
        self.limit = limit
        self.count = 0

    def should_iterate(self):
        return self.count < self.limit

    def iterate(self):
        self.calls.append("iterate")
        self.count += 1

    def should_write(self):
        return True

    def write_data(self):
        self.calls.append("write_data")


class Recorder(Counter):
    """Overrides all hooks, in the way that the published backend knows."""

    def _pre_run(self):
        self.calls.append("_pre_run")

    def _invoke_prolog(self):
        self.calls.append("_invoke_prolog")
        super()._invoke_prolog()

    def prolog(self):
        self.calls.append("prolog")

    def _pre_iterate(self):
        self.calls.append("_pre_iterate")

    def _invoke_iterate(self):
        self.calls.append("_invoke_iterate")
        super()._invoke_iterate()

    def trigger_monitor(self, *, force=False):
        self.calls.append(f"trigger_monitor {self.n_iterations}")
        super().trigger_monitor(force=force)

    def should_write(self):
        self.calls.append("should_write")
        return True

    def _invoke_write_data(self):
        self.calls.append("_invoke_write_data")
        super()._invoke_write_data()

    def show_iteration_info(self):
        self.calls.append("show_iteration_info")

    def _check_signals(self):
        self.calls.append("_check_signals")
        return super()._check_signals()

    def _post_iterate(self):
        self.calls.append("_post_iterate")

    def _invoke_epilog(self, **kwargs):
        self.calls.append("_invoke_epilog")
        super()._invoke_epilog(**kwargs)

    def epilog(self, *, finished_run):
        self.calls.append(f"epilog {finished_run}")

    def _post_run(self, *, finished_run):
        self.calls.append(f"_post_run {finished_run}")


def iteration(number):
    return [
        "_pre_iterate", "_invoke_iterate", "iterate", f"trigger_monitor {number}",
        "should_write", "_invoke_write_data", "write_data", "show_iteration_info",
        "_check_signals",
    ]  # fmt: skip


def test_order_of_calls(make):
    model = make(Recorder, M={"limit": 2})
    assert model.calls == ["trigger_monitor 0"]
    model.calls.clear()
    assert model.run() == 0
    assert model.calls == [
        "_pre_run", "_invoke_prolog", "prolog",
        *iteration(1), "_post_iterate",
        *iteration(2), "_post_iterate",
        "_invoke_epilog", "epilog True", "trigger_monitor 2", "_post_run True",
    ]  # fmt: skip


def test_order_of_calls_when_stopped(make):
    model = make(Recorder, M={"limit": 2})
    model.calls.clear()
    model.USE_SYS_EXIT = False
    model._signal_info = SIGNAL_INFO | {"got_signal": True, "signum": SIG_STOPCOND}
    assert model.run() == 138
    assert model.calls == [
        "_pre_run", "_invoke_prolog", "prolog",
        *iteration(1),
        "_invoke_epilog", "epilog False", "_post_run False",
    ]  # fmt: skip


def test_instance_attributes_shadow_methods(make):
    model = make(Recorder, M={"limit": 2})
    model.calls.clear()
    model.should_write = lambda: False
    model._pre_iterate = lambda: model.calls.append("mine")
    model.run()
    assert "write_data" not in model.calls
    assert model.calls.count("mine") == 2
    del model._pre_iterate  # it refers to the model


def test_abstract():
    with pytest.raises(TypeError, match="abstract class BaseModel"):
        BaseModel(cfg_file_path="x")


def test_properties(make, tmp_path):
    model = make(Counter, M={"limit": 5}, seed=3, my_key="mine")
    assert model.name == "M"
    assert model.cfg == {"limit": 5}
    assert model.root_cfg["M"] is model.cfg
    assert model.root_cfg["my_key"] == "mine"
    assert model.log is logging.getLogger("M")
    assert model.h5group.name == "/M"
    assert model.h5group.file.filename == str(tmp_path / "data.h5")
    assert isinstance(model.rng, np.random.Generator)
    assert model.n_iterations == 0
    model.run()
    assert model.n_iterations == 5


def test_logger_of_the_caller(write_cfg):
    with Counter(cfg_file_path=write_cfg(), _log=logging.getLogger("above")) as model:
        assert model.log is logging.getLogger("above.M")


def test_log_levels(make):
    model = make(Counter, log_levels={"model": "DEBUG", "backend": 33})
    assert model.log.level == logging.DEBUG
    assert logging.getLogger().level == 33


def test_iterations_are_shown_when_debugging(make, caplog):
    model = make(Counter, log_levels={"model": "debug"})
    model.run()
    assert "Finished iteration 3." in caplog.messages
    caplog.clear()
    make(Counter, output_path=model.root_cfg["output_path"] + "2").run()
    assert "Finished iteration 3." not in caplog.messages


# .. Random numbers ...........................................................


def test_random_numbers(make):
    model = make(Counter, seed=7)
    assert model.rng.random() == np.random.default_rng(7).random()
    assert np.random.random() == np.random.RandomState(8).random()
    assert random.random() == random.Random(9).random()


def test_seed_of_the_global_generators(make):
    make(Counter, seed_numpy_rng=1, seed_system_rng=2)
    assert np.random.random() == np.random.RandomState(1).random()
    assert random.random() == random.Random(2).random()


@pytest.mark.parametrize("value", [False, None])
def test_global_generators_are_left_alone(make, value):
    np.random.seed(1)
    random.seed(1)
    make(Counter, seed_numpy_rng=value, seed_system_rng=value)
    assert np.random.random() == np.random.RandomState(1).random()
    assert random.random() == random.Random(1).random()


@pytest.mark.parametrize("seed", [2**32 - 2, 2**32 - 1, 2**32, 2**70])
def test_large_seeds(make, seed):
    make(Counter, seed=seed)
    expected = np.random.RandomState((seed + 1) % 2**32).random()
    assert np.random.random() == expected


# .. Monitoring ...............................................................


class Monitored(Counter):
    def setup(self, *, clock=None, limit=3, duration=1.0):
        super().setup(limit=limit)
        self.duration = duration

    def iterate(self):
        super().iterate()
        self._monotonic_clock.now += self.duration

    def monitor(self, monitor_info):
        monitor_info["count"] = self.count
        return monitor_info

    def compute_progress(self):
        return self.count / self.limit


@pytest.fixture
def monitored(clock):
    return type("Monitored", (Monitored,), {"_monotonic_clock": clock})


def reports(capsys):
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("!!map") for line in lines)
    return [load(line) for line in lines]


def test_monitor_is_rate_limited(make, monitored, capsys):
    model = make(monitored, M={"limit": 10}, monitor_emit_interval=2.5)
    model.run()
    lines = reports(capsys)
    # once at the start, then every third iteration, and once at the end
    assert [line["n_iter"] for line in lines] == [0, 3, 6, 9, 10]
    assert [line["progress"] for line in lines] == [0, 0.3, 0.6, 0.9, 1]
    assert [line["M"]["count"] for line in lines] == [0, 3, 6, 9, 10]


def test_monitor_without_limit(make, monitored, capsys):
    make(monitored, monitor_emit_interval=0).run()
    assert [line["n_iter"] for line in reports(capsys)] == [0, 1, 2, 3, 3]


def test_monitor_should_emit(make, monitored):
    model = make(monitored, monitor_emit_interval=2)
    assert model._last_emit == model._monotonic_clock.now
    assert not model._monitor_should_emit()
    assert not model._monitor_should_emit(t=model._last_emit + 2)
    assert model._monitor_should_emit(t=model._last_emit + 2.1)
    model._monotonic_clock.now += 3
    assert model._monitor_should_emit()


def test_monitor_that_forgets_to_return(make, capsys):
    class Forgetful(Counter):
        def monitor(self, monitor_info):
            monitor_info["count"] = self.count

    make(Forgetful).run()
    assert [line["M"] for line in reports(capsys)] == [{"count": 0}, {"count": 3}]


def test_bad_progress(make, capsys, caplog):
    class Lost(Counter):
        def compute_progress(self):
            return {0: 0.5, 1: math.nan, 2: None, 3: 7}[self.count]

    make(Lost, monitor_emit_interval=0).run()
    assert [line["progress"] for line in reports(capsys)] == [0.5, 0.5, 0.5, 1, 1]
    assert caplog.text.count("has to be a number between 0 and 1") == 1


def test_hooks_around_an_emission(make, capsys):
    class Hooked(Counter):
        def _pre_monitor(self):
            print("pre")

        def _post_monitor(self):
            print("post")

    make(Hooked)
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[2]) == ("pre", "post")


# .. Signals ..................................................................


class Signalled(Counter):
    """Gets a signal in its first iteration."""

    def setup(self, *, signum, limit=3):
        super().setup(limit=limit)
        self.signum = signum

    def iterate(self):
        super().iterate()
        if self.count == 1:
            os.kill(os.getpid(), self.signum)


@pytest.mark.parametrize(
    ("signum", "code"),
    [(SIG_STOPCOND, 138), (signal.SIGINT, 130), (signal.SIGTERM, 143)],
)
def test_exit_code(make, signum, code):
    model = make(Signalled, M={"signum": int(signum)})
    with pytest.raises(SystemExit) as error:
        model.run()
    assert error.value.code == code
    assert model.count == 1
    assert SIGNAL_INFO["frame"] is None


def test_a_stopped_model_can_be_run_again(make):
    model = make(Signalled, M={"signum": int(SIG_STOPCOND)})
    with pytest.raises(SystemExit):
        model.run()
    assert model.run() == 0
    assert model.count == 3


def test_a_signal_during_setup_counts(make):
    class Impatient(Counter):
        USE_SYS_EXIT = False

        def setup(self):
            super().setup(limit=3)
            os.kill(os.getpid(), signal.SIGTERM)

    model = make(Impatient)
    assert model.run() == 143
    assert model.count == 1


def test_a_signal_for_one_model_does_not_stop_the_next(make, tmp_path):
    first = make(Signalled, M={"signum": int(SIG_STOPCOND)})
    first.USE_SYS_EXIT = False
    assert first.run() == 138
    second = make(Counter, output_path=str(tmp_path / "second.h5"))
    assert second.run() == 0
    assert second.count == 3


def test_unexpected_signal(make, caplog):
    model = make(Counter)
    model._signal_info = SIGNAL_INFO | {"got_signal": True, "signum": 14}
    assert model._check_signals() == 142
    assert "unexpected signal: 14" in caplog.text


@pytest.mark.parametrize("signum", [None, signal.SIGTERM])
def test_nobody_reads_the_output(write_cfg, tmp_path, signum):
    """As after a kill of the frontend: the model ends, with all its data."""
    program = """
import os, signal, sys
from utopya_backend import StepwiseModel

class M(StepwiseModel):
    def setup(self):
        self.dset = self.create_ts_dset("x")

    def perform_step(self):
        if self.time == 5:
            sys.stdin.readline()  # until the reader of the output is gone
            SIGNAL and os.kill(os.getpid(), SIGNAL)
            self.trigger_monitor(force=True)

    def write_data(self):
        self.dset.append(self.time)

M(cfg_file_path=sys.argv[1]).run()
"""
    program = program.replace("SIGNAL", str(int(signum or 0)))
    cfg = write_cfg(num_steps=1000, monitor_emit_interval=1000.0)
    process = subprocess.Popen(
        [sys.executable, "-c", program, cfg],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout.readline().startswith(b"!!map")
    process.stdout.close()
    process.stdin.close()
    assert process.wait() == 128 + (signum or signal.SIGPIPE)
    with h5py.File(tmp_path / "data.h5") as file:
        name = signal.Signals(signum or signal.SIGPIPE).name
        assert file.attrs["status"] == f"stopped: {name}"
        assert file["M/x"][:].tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_keys_that_look_like_a_typo(make, caplog):
    make(Counter, num_stepss=5, own_key=1)
    assert "There is no key 'num_stepss'" in caplog.text
    assert "Did you mean 'num_steps'?" in caplog.text
    assert "own_key" not in caplog.text


def test_without_signal_handlers(make):
    class Deaf(Counter):
        ATTACH_SIGNAL_HANDLERS = False

    model = make(Deaf)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert model.run() == 0


def test_own_signal_handling(make):
    class Own(Counter):
        def _attach_signal_handlers(self):
            self.attached = True

    model = make(Own)
    assert model.attached
    model.close()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_model_in_another_thread(write_cfg):
    codes = []

    def run():
        with Counter(cfg_file_path=write_cfg()) as model:
            codes.append(model.run())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert codes == [0]


# .. Tear-down ................................................................


def test_close(write_cfg, tmp_path):
    model = Counter(cfg_file_path=write_cfg())
    h5file = model._h5file
    assert h5file
    model.close()
    assert not h5file
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    model.close()
    with pytest.raises(RuntimeError, match="'M' is closed and cannot run: make a new"):
        model.run()


def test_context_manager(write_cfg):
    with Counter(cfg_file_path=write_cfg()) as model:
        model.run()
    assert not model._h5file


def test_deletion_closes_at_once(write_cfg):
    gc.disable()  # there has to be no cycle that only the collector finds
    try:
        model = Counter(cfg_file_path=write_cfg())
        model.run()
        h5file, reference = model._h5file, weakref.ref(model)
        assert h5file
        del model
        assert reference() is None
        assert not h5file
    finally:
        gc.enable()


def test_a_signal_does_not_keep_the_model_alive(write_cfg):
    model = Signalled(cfg_file_path=write_cfg(M={"signum": int(SIG_STOPCOND)}))
    model.USE_SYS_EXIT = False
    model.run()
    reference = weakref.ref(model)
    del model
    assert reference() is None


def test_no_output_file(write_cfg, caplog):
    model = Counter(cfg_file_path=write_cfg())
    model._h5file.close()
    model._h5file = None
    assert model.run() == 0
    caplog.clear()
    del model
    assert caplog.text == ""


def test_other_output_file(make, tmp_path):
    class TextFile(Counter):
        def _setup_output_file(self):
            return open(tmp_path / "data.txt", "w")

        def _setup_output_group(self, h5file=None):
            return None

    model = make(TextFile, output_path=...)
    model.run()
    model.close()
    assert model._h5file.closed


def test_group_in_another_file(make, tmp_path):
    model = make(Counter)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        assert model._setup_output_group(file).name == "/M"
        assert "M" in file


def test_failed_init_closes_everything(write_cfg, tmp_path, caplog):
    class Failing(Counter):
        def setup(self):
            self.h5group["x"] = 1
            raise ZeroDivisionError("in setup")

    with pytest.raises(ZeroDivisionError, match="in setup"):
        Failing(cfg_file_path=write_cfg())
    with h5py.File(tmp_path / "data.h5", "r+") as file:  # nobody else has it open
        assert file["M/x"][()] == 1
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_init_that_fails_before_the_base_class(capsys):
    class Failing(Counter):
        def __init__(self, **kwargs):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Failing(cfg_file_path="x")
    gc.collect()
    assert capsys.readouterr().err == ""


def test_exception_in_a_run(make, tmp_path):
    class Failing(Recorder):
        def iterate(self):
            self.h5group["x"] = 1
            raise ZeroDivisionError

    model = make(Failing)
    with pytest.raises(ZeroDivisionError):
        model.run()
    assert not [call for call in model.calls if "epilog" in call]
    with h5py.File(tmp_path / "data.h5") as file:
        assert file["M/x"][()] == 1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


class BadFile:
    def close(self):
        raise OSError("disk full")


@pytest.mark.parametrize("message", ["nul \0 byte", "half \udc80"])
def test_odd_error_messages(make, tmp_path, message):
    class Failing(Counter):
        def iterate(self):
            raise ValueError(message)

    model = make(Failing)
    with pytest.raises(ValueError, match=r"nul|half"):
        model.run()
    assert not model._h5file
    with h5py.File(tmp_path / "data.h5") as file:
        assert file.attrs["status"].startswith("failed: ValueError: ")


def test_failure_while_closing_does_not_hide_the_error(make, caplog):
    class Failing(Counter):
        def iterate(self):
            self._h5file.close()
            self._h5file = BadFile()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make(Failing).run()
    assert "Could not close the output file" in caplog.text


def test_failure_while_closing(write_cfg, caplog):
    model = Counter(cfg_file_path=write_cfg())
    model._h5file.close()
    model._h5file = BadFile()
    with pytest.raises(OSError, match="disk full"):
        model.close()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    os.remove(model.root_cfg["output_path"])
    model = Counter(cfg_file_path=write_cfg())
    model._h5file.close()
    model._h5file = BadFile()
    del model  # cannot raise
    assert "Could not tear down the model 'M'" in caplog.text


PROGRAM = """
import sys
from utopya_backend import StepwiseModel

class M(StepwiseModel):
    def setup(self): pass
    def perform_step(self):
        if self.cfg_of_test == "raise": 1 / 0
    def write_data(self): self.h5group[f"x{self.time}"] = self.time
    cfg_of_test = sys.argv[2]

model = M(cfg_file_path=sys.argv[1])
model.run()
if sys.argv[2] == "badfile":
    class BadFile:
        def close(self): raise OSError("disk full")
    model._h5file.close()
    model._h5file = BadFile()
"""


def run_program(*args):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *args], capture_output=True, text=True
    )


def test_exit_of_the_interpreter_closes(write_cfg, tmp_path):
    process = run_program(write_cfg(), "")
    assert process.returncode == 0
    with h5py.File(tmp_path / "data.h5") as file:
        assert set(file["M"]) == {"x0", "x1", "x2", "x3"}


def test_exit_of_the_interpreter_after_an_error(write_cfg, tmp_path):
    process = run_program(write_cfg(), "raise")
    assert process.returncode == 1
    assert process.stderr.rstrip().endswith("ZeroDivisionError: division by zero")
    assert process.stderr.count("Traceback") == 1
    with h5py.File(tmp_path / "data.h5") as file:
        assert set(file["M"]) == {"x0"}


def test_exit_of_the_interpreter_with_a_bad_file(write_cfg):
    process = run_program(write_cfg(), "badfile")
    assert "at exit: OSError('disk full')" in process.stderr


@pytest.mark.parametrize(
    ("root", "text"),
    [
        ({"num_steps": 2.5}, "num_steps has to be a whole number"),
        ({"M": {"x": 1}}, "'x' is not one of them"),
        ({"seed": -1}, "seed has to be an integer"),
    ],
)
def test_mistake_in_the_configuration_of_a_program(write_cfg, tmp_path, root, text):
    process = run_program(write_cfg(**root), "")
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    assert text in process.stderr
    assert not (tmp_path / "data.h5").exists()


def test_mistakes_are_noticed_before_an_output_file_is_made(write_cfg, tmp_path):
    for root, error in (
        ({"root_model_name": ...}, KeyError),
        ({"M": ...}, KeyError),
        ({"output_path": ...}, KeyError),
        ({"M": {"limt": 3}}, TypeError),
        ({"seed": "x"}, ValueError),
        ({"log_levels": {"model": "loud"}}, ValueError),
        ({"output_path": str(tmp_path)}, FileExistsError),
        ({"output_path": str(tmp_path / "no/data.h5")}, FileNotFoundError),
    ):
        with pytest.raises(error):
            Counter(cfg_file_path=write_cfg(**root))
        assert os.listdir(tmp_path) == ["config.yml"]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_checks_are_left_to_what_a_model_replaces(make):
    class Lenient(Counter):
        def _invoke_setup(self):
            self.setup(limit=self.cfg["something_else"])

    assert make(Lenient, M={"something_else": 4}).limit == 4


def test_existing_output_file_is_never_changed(write_cfg, tmp_path):
    (tmp_path / "data.h5").write_text("precious")
    with pytest.raises(FileExistsError, match="is never overwritten"):
        Counter(cfg_file_path=write_cfg())
    assert (tmp_path / "data.h5").read_text() == "precious"


def test_path_like_configuration(write_cfg, tmp_path):
    write_cfg()
    with Counter(cfg_file_path=tmp_path / "config.yml") as model:
        assert model.name == "M"


def test_json_configuration(tmp_path):
    path = tmp_path / "config.json"
    cfg = {"root_model_name": "M", "M": {}, "output_path": str(tmp_path / "data.h5")}
    path.write_text(json.dumps(cfg))
    with Counter(cfg_file_path=path) as model:
        assert model.run() == 0


# .. Flushing .................................................................


@pytest.mark.parametrize("output", [None, {"commit_interval": 3}, {"driver": "native"}])
def test_data_is_committed_when_due(make, clock, tmp_path, monkeypatch, output):
    commits = []

    class Noting(Counter):
        _monotonic_clock = clock

        def iterate(self):
            super().iterate()
            clock.now += 0.5

        def write_data(self):
            self.h5group.attrs["written"] = self.n_iterations

    def note(method):
        def noted(file):
            if (done := method(file)) is not False:
                commits.append(file["M"].attrs.get("written") if "M" in file else None)
            return done

        return noted

    for cls, name in (
        (OutputFile, "commit"), (OutputFile, "commit_if_due"), (h5py.File, "flush"),
    ):  # fmt: skip
        if (cls is OutputFile) == (output is None or "driver" not in output):
            monkeypatch.setattr(cls, name, note(getattr(cls, name)))
    model = make(Noting, M={"limit": 10}, output=output)
    model.run()
    if output and "driver" in output:
        assert not isinstance(model._h5file, OutputFile)
        assert commits == [None, 2, 4, 6, 8, 10, 10]
    elif output:
        assert commits == [None, None, 6, 10]
    else:
        assert commits == [None, None, 2, 4, 6, 8, 10, 10]


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (3, "output has to be a mapping"),
        ({"interval": 3}, "no key 'interval' in the section 'output'.*Did you mean"),
        ({"driver": "x"}, "output.driver has to be transactional or native"),
        ({"fsync": "no"}, "output.fsync has to be true or false"),
        ({"commit_interval": -1}, "output.commit_interval has to be a number of sec"),
    ],
)
def test_mistakes_in_the_output_entry(make, tmp_path, output, text):
    with pytest.raises(ValueError, match=text):
        make(Counter, output=output)
    assert not (tmp_path / "data.h5").exists()


def test_leftover_journal(make, tmp_path):
    (tmp_path / "data.h5.wal").write_text("precious")
    with pytest.raises(FileExistsError, match=r"data\.h5\.wal exists already"):
        make(Counter)
    assert not (tmp_path / "data.h5").exists()


def test_two_models_at_once(make, tmp_path):
    one = make(Counter)
    two = make(Counter, output_path=str(tmp_path / "two.h5"))
    one.close()
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert two.run() == 0
    two.close()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_stepwise_model_is_a_base_model():
    assert issubclass(StepwiseModel, BaseModel)


# .. What a model may do, as it could with the published package ..............


def test_clock_is_monotonic():
    assert BaseModel._monotonic_clock is time.monotonic


@pytest.mark.parametrize(
    "name", ["_pre_iterate", "_post_iterate", "show_iteration_info"]
)
def test_hooks_of_any_kind_are_called(make, name):
    model = make(Counter)
    setattr(model, name, Mock())
    model.run()
    assert getattr(model, name).call_count == 3

    calls = []

    class Wrapped(Counter):
        @functools.wraps(getattr(BaseModel, name))
        def hook(self):
            calls.append(name)

    setattr(Wrapped, name, Wrapped.hook)
    make(Wrapped, output_path=model.root_cfg["output_path"] + "2").run()
    assert calls == [name] * 3


def test_attributes_are_the_models_own(make):
    class Own(Counter):
        def setup(self):
            super().setup(limit=3)
            for name in ("progress", "closed", "run", "flush", "clock", "hook"):
                setattr(self, f"_{name}", "mine")

    model = make(Own)
    assert model.run() == 0
    model.close()


def test_parameters_may_be_changed_before_setup(make, tmp_path):
    class Popping(Counter):
        def _parse_root_cfg(self, **_):
            self.number = self.root_cfg["M"].pop("number")

    class Replacing(Counter):
        def _parse_root_cfg(self, **_):
            self.root_cfg["M"] = {"limit": 7}

    class Injecting(Counter):
        def _setup_loggers(self, _log):
            super()._setup_loggers(_log)
            self.root_cfg["M"]["limit"] = 8

    def path(name):
        return str(tmp_path / name)

    assert make(Popping, M={"number": 1}, output_path=path("a")).number == 1
    assert make(Replacing, M={"x": 1}, output_path=path("b")).limit == 7
    assert make(Injecting, output_path=path("c")).limit == 8
    with pytest.raises(TypeError, match="'limt' is not one of them"):
        make(Popping, M={"number": 1, "limt": 2}, output_path=path("d"))


def test_monitor_that_returns_something_else(make, capsys, caplog):
    class Odd(Counter):
        def monitor(self, monitor_info):
            return [1, 2]

    make(Odd)
    assert reports(capsys)[0]["M"] == {}
    assert "monitor() has to return a dict, but returned [1, 2]" in caplog.text


def test_handlers_attached_by_the_model_are_given_back(write_cfg):
    class Own(Counter):
        def _attach_signal_handlers(self):
            attach_signal_handlers(for_interrupts=False)

    with Own(cfg_file_path=write_cfg()):
        assert signal.getsignal(SIG_STOPCOND) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(SIG_STOPCOND) is signal.SIG_DFL


def test_a_late_stop_condition_is_not_for_the_next_model(make, tmp_path):
    first = make(Counter)
    first.run()
    os.kill(os.getpid(), SIG_STOPCOND)  # when it was over
    second = make(Counter, output_path=str(tmp_path / "second.h5"))
    assert second.run() == 0
    assert second.count == 3


def test_an_interrupt_between_two_runs_is_for_the_program(make, tmp_path):
    make(Counter).run()
    os.kill(os.getpid(), signal.SIGINT)
    second = make(Counter, output_path=str(tmp_path / "second.h5"))
    second.USE_SYS_EXIT = False
    assert second.run() == 130


def test_closing_another_model_does_not_lose_a_signal(make, tmp_path):
    other = make(Counter, output_path=str(tmp_path / "other.h5"))

    class Nested(Signalled):
        ATTACH_SIGNAL_HANDLERS = False
        USE_SYS_EXIT = False

        def iterate(self):
            super().iterate()
            other.close()

    model = make(Nested, M={"signum": int(signal.SIGTERM)})
    assert model.run() == 143


def test_an_error_of_a_models_own_keeps_its_traceback(make, tmp_path):
    class Loading(Counter):
        def setup(self):
            load_cfg_file(str(tmp_path / "no.yml"))

    hook = sys.excepthook
    with pytest.raises(FileNotFoundError):
        make(Loading)
    assert sys.excepthook is hook


# .. All mistakes at once .....................................................


class Typed(StepwiseModel):
    def setup(self, *, speed: float, size: tuple[int, int] = (1, 1), n: int = 1):
        self.given = (speed, size, n)

    def perform_step(self):
        pass

    def write_data(self):
        pass


def test_all_mistakes_at_once(write_cfg, tmp_path):
    path = write_cfg(seed=-1, num_steps=2.5, M={"speed": "fast", "sise": 1}, output=3)
    with pytest.raises(ValueError, match="has 5 mistakes") as error:
        Typed(cfg_file_path=path)
    for start in (
        "seed has to be an integer", "output has to be a mapping",
        "num_steps has to be a whole number", "M.speed has to be a number",
        "M.sise: Typed.setup() takes: speed, size, n. 'sise' is not one of them.",
    ):  # fmt: skip
        assert f"\n  - {start}" in str(error.value)
    assert not (tmp_path / "data.h5").exists()


def test_setup_gets_what_it_is_annotated_with(make):
    model = make(Typed, M={"speed": 1, "size": [2, 3], "n": 1e3})
    assert model.given == (1, (2, 3), 1000)
    assert [*map(type, model.given)] == [int, tuple, int]
    assert model.cfg == {"speed": 1, "size": [2, 3], "n": 1e3}


def test_parameter_and_section_in_the_wrong_place(make, caplog):
    make(Typed, M={"speed": 1}, m={"n": 3}, n=3)
    assert "There is no key 'm' in a configuration. Did you mean 'M'?" in caplog.text
    assert "'n' is a parameter of M and has to stand below its name." in caplog.text


def test_constraints_in_a_configuration(write_cfg):
    path = write_cfg(M={"speed": 1})
    with open(path, "a", encoding="utf-8") as file:
        file.write("own: !param {default: 3, limits: [0, 1]}\n")
    with pytest.raises(ValueError, match=r"^own has to be a number in \[0, 1\], but"):
        Typed(cfg_file_path=path)
