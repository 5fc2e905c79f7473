import gc
import io
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path

import h5py
import numpy as np
import pytest

from utopya_backend import (
    BaseModel,
    ModelBenchmarkMixin,
    StepwiseModel,
    backend_logger,
    load_cfg_file,
    simulate,
    simulation,
)


class Walk(StepwiseModel):
    """A random walk."""

    def setup(self, *, step_size: float = 1.0, start=0.0, stop_at=None):
        self.position, self.step_size, self.stop_at = start, step_size, stop_at
        self.dset = self.create_ts_dset("position")

    def perform_step(self):
        self.position += self.rng.normal(0, self.step_size)
        if self.time == self.stop_at:
            os.kill(os.getpid(), self.root_cfg.get("signum", signal.SIGUSR1))

    def write_data(self):
        self.dset.append(self.position)

    def monitor(self, monitor_info):
        return {"position": self.position}


class Timed(ModelBenchmarkMixin, Walk):
    pass


class Broken(Walk):
    def perform_step(self):
        raise ZeroDivisionError("in my own line")


class Endless(BaseModel):
    """No steps: three iterations."""

    def setup(self):
        pass

    def should_iterate(self):
        return self.n_iterations < 3

    def iterate(self):
        pass

    def should_write(self):
        return False

    def write_data(self):
        pass


@pytest.fixture(autouse=True)
def _temporary_files(tmp_path, monkeypatch):
    """Where temporary directories are made; at the end, none is left."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield
    gc.collect()
    assert list(directory.iterdir()) == []


def test_result():
    result = simulate(Walk, {"step_size": 0.5}, num_steps=10)
    position = result.data["Walk/position"]
    assert position.dims == ("time",)
    assert list(position["time"]) == list(range(11))
    steps = np.random.default_rng(42).normal(0, 0.5, 10)
    assert position.to_numpy()[1:] == pytest.approx(np.cumsum(steps))
    assert result.exit_code == 0
    assert result.num_iterations == 10
    assert result.timers == {}
    with h5py.File(result.path) as file:
        assert file.attrs["status"] == "finished"
    lines = repr(result).splitlines()
    assert lines[0].startswith("Walk: finished after 10 iterations, 0.")
    assert lines[1].split() == ["/Walk/position", "time", "11", "float64"]
    assert lines[2] == "  in a temporary directory"


def test_a_run_of_its_own_that_gives_nothing():
    class Own(Walk):
        def run(self):
            super().run()

    result = simulate(Own, num_steps=3)
    assert result.exit_code == 0
    assert result.data["Own/position"].sizes == {"time": 4}


def test_data_outlives_a_temporary_file():
    data = simulate(Walk, num_steps=10).data
    gc.collect()
    assert len(data["Walk/position"].to_numpy()) == 11


def test_out(tmp_path):
    result = simulate(Walk, num_steps=3, out=tmp_path / "out", note="first")
    assert result.path.match("out/Walk/*_first/data/uni0/data.h5")
    assert str(result.path) in repr(result)
    path, log = result.path, result.path.with_name("out.log").read_text()
    del result
    gc.collect()
    assert path.exists()
    assert "!!map {progress: 0.0, n_iter: 0, Walk: {position: 0.0}}\n" in log
    assert "INFO    Commencing model run ...\n" in log


def test_seeds():
    def end(**kwargs):
        return simulate(Walk, num_steps=3, **kwargs).data["Walk/position"].item(-1)

    assert end() == end(seed=42) == end()
    assert end(seed=1) != end()
    assert end(seed="random") != end(seed="random")


def test_random_seed_is_recorded(tmp_path):
    result = simulate(Walk, num_steps=3, seed="random", out=tmp_path / "out")
    seed = load_cfg_file(str(result.path.with_name("config.yml")))["seed"]
    again = simulate(Walk, num_steps=3, seed=seed)
    assert again.data["Walk"].identical(result.data["Walk"])


def test_root_entries():
    result = simulate(Walk, num_steps=10, write_start=4, write_every=3)
    assert list(result.data["Walk/position"]["time"]) == [4, 7, 10]


def test_timers():
    timers = simulate(Timed, num_steps=10).timers
    assert timers["run"] >= timers["model_iteration"] > 0


def test_model_without_steps():
    assert simulate(Endless).num_iterations == 3


def test_model_from_its_directory(files):
    """With the defaults of its configuration."""
    directory = files(
        M__M_info_yml="model_name: M\npaths: {executable: m.py, mv_model_cfg: mv.yml}",
        M__M_cfg_yml="size: 4",
        M__mv_yml="parameter_space: {num_steps: 5}",
    )
    (directory / "M/m.py").write_text(
        "from utopya_backend import StepwiseModel\n"
        "class M(StepwiseModel):\n"
        "    def setup(self, size, other=0): self.d = self.create_ts_dset('x')\n"
        "    def perform_step(self): pass\n"
        "    def write_data(self): self.d.append(self.cfg['size'])\n"
    )
    for model in (directory / "M", str(directory / "M/M_info.yml")):
        assert simulate(model).data["M/x"].to_numpy().tolist() == [4.0] * 6
    result = simulate(directory / "M", {"other": 1}, num_steps=0)
    assert result.data["M/x"].to_numpy().tolist() == [4.0]


def in_another_process(seed):
    return simulate(Walk, num_steps=3, seed=seed)


def test_results_of_other_processes():
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        results = pool.map(in_another_process, [1, 2])
        pool.close()
        pool.join()  # rather than to be killed, at the end of this block
    for seed, result in enumerate(results, 1):
        expected = in_another_process(seed).data["Walk"]
        assert result.data["Walk"].identical(expected)


def test_forked_child_leaves_the_output_alone():
    result = simulate(Walk, num_steps=3)
    if (pid := os.fork()) == 0:
        del result
        os._exit(0)
    os.waitpid(pid, 0)
    assert result.path.exists()


# .. Signals ..................................................................


def test_stop_condition():
    result = simulate(Walk, {"stop_at": 3}, num_steps=10)
    assert result.exit_code == 138
    assert result.data["Walk/position"].size == 5
    assert "Walk: stopped: SIGUSR1 after 4 iterations" in repr(result)


@pytest.mark.parametrize(
    ("signum", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)],
)
def test_signal_for_the_program(signum, error):
    """It is not swallowed, and the data is there all the same."""
    with pytest.raises(error) as info:
        simulate(Walk, {"stop_at": 3}, num_steps=10, signum=int(signum))
    result = info.value.result
    assert result.exit_code == 128 + signum
    assert result.data["Walk/position"].size == 5
    del info, result


def test_signal_of_another_run_does_not_stop_later_ones():
    """Though a model that is run step by step is open all the time."""
    with simulation(Walk, num_steps=5) as other:
        other.step()
        with pytest.raises(KeyboardInterrupt):
            simulate(Walk, {"stop_at": 3}, num_steps=10, signum=int(signal.SIGINT))
        assert simulate(Walk, num_steps=10).num_iterations == 10
        while other.should_iterate():
            other.step()


def test_in_a_thread():
    results = []
    thread = threading.Thread(
        target=lambda: results.append(simulate(Walk, num_steps=3, progress=True))
    )
    thread.start()
    thread.join()
    assert results.pop().num_iterations == 3


# .. Errors ...................................................................


def test_error_in_the_model(tmp_path):
    with pytest.raises(ZeroDivisionError, match="in my own line") as info:
        simulate(Broken, num_steps=3, out=tmp_path)
    assert info.traceback[-1].name == "perform_step"
    (path,) = tmp_path.glob("Broken/*/data/uni0/data.h5")
    with h5py.File(path) as file:
        assert file.attrs["status"] == "failed: ZeroDivisionError: in my own line"


def test_log_that_cannot_be_written():
    """It does not end a run: if the disk is full, an error about the data does."""
    program = (
        "import resource\n"
        "from utopya_backend import StepwiseModel, simulate\n"
        "class M(StepwiseModel):\n"
        "    def setup(self): self.d = self.create_ts_dset('x')\n"
        "    def perform_step(self): pass\n"
        "    def write_data(self): self.d.append(1)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "result = simulate(M, num_steps=3000, write_every=3000, "
        "monitor_emit_interval=0)\n"
        "print(result.path.with_name('out.log').stat().st_size, result)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert process.stdout.startswith("50000 M: finished after 3000 iterations")
    assert process.stderr == ""


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "expected"),
    [
        ((Walk,), {}, KeyError, "How many steps is Walk to make"),
        ((Walk,), {"step_size": 1, "num_steps": 1}, TypeError, "give it as such, e.g."),
        (
            (Walk, 0.5),
            {"num_steps": 1},
            TypeError,
            "are given as a dict, but these are",
        ),
        ((Walk, {"stp_size": 1}), {"num_steps": 1}, TypeError, "you mean 'step_size'"),
        ((Walk,), {"num_steps": -1}, ValueError, "num_steps has to be a whole number"),
        ((Walk,), {"num_steps": 1, "seed": "x"}, ValueError, "seed has to be an int"),
        ((Walk,), {"num_steps": 1, "write_evry": 2}, ValueError, "mean 'write_every'"),
        ((3,), {}, TypeError, "is given by its class or its path, but this is 3"),
        ((dict,), {}, TypeError, "dict is no model: make it a subclass"),
        ((StepwiseModel,), {}, TypeError, "perform_step"),
        (("no/such",), {}, FileNotFoundError, "There is no model at no/such"),
        ((Walk, {"start": object()}), {"num_steps": 1}, ValueError, "in YAML"),
    ],
)
def test_mistakes(args, kwargs, error, expected):
    with pytest.raises(error, match=expected):
        simulate(*args, **kwargs)


def test_init_without_that_of_the_base_class():
    class NoArguments(Walk):
        def __init__(self):
            self.x = 1

    class NotCalled(Walk):
        def __init__(self, **kwargs):
            self.x = 1

    with pytest.raises(ImportError, match=r"Write a method setup\(\) instead"):
        simulate(NoArguments, num_steps=3)
    with pytest.raises(RuntimeError, match=r"has not called super\(\)\.__init__"):
        simulate(NotCalled, num_steps=3)


# .. Nothing is left ..........................................................


def test_nothing_leaks(capfd):
    def state():
        gc.collect()
        return (
            len(os.listdir("/proc/self/fd")),
            list(backend_logger.handlers),
            backend_logger.level,
            set(logging.Logger.manager.loggerDict),
            threading.active_count(),
            [type(obj) for obj in gc.get_objects() if isinstance(obj, BaseModel)],
        )

    before = state()
    levels = {"backend": "debug", "model": "debug"}
    for _ in range(3):
        simulate(Walk, num_steps=3, log_levels=levels)
        with pytest.raises(ZeroDivisionError):
            simulate(Broken, num_steps=3)
        with simulation(Walk, num_steps=3) as walk:
            walk.step()
        del walk
    assert state() == before
    assert capfd.readouterr() == ("", "")


def test_models_are_gone_after_a_run():
    models = []

    class Watched(Walk):
        def setup(self, **kwargs):
            super().setup(**kwargs)
            models.append(weakref.ref(self))

    simulate(Watched, num_steps=3)
    gc.collect()
    assert models[0]() is None


def test_warnings_are_shown(caplog):
    simulate(Walk, num_steps=3, write_start=10)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No data will be written" in caplog.text


def test_progress_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for progress in (True, False):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        simulate(Walk, num_steps=3, progress=progress)
        assert ("Walk 100%" in terminal.getvalue()) == progress


# .. A loop of one's own ......................................................


def test_simulation(tmp_path):
    with simulation(Walk, {"step_size": 0.0}, num_steps=5, out=tmp_path) as walk:
        while walk.should_iterate():
            walk.step()
            walk.position += 1
    (path,) = tmp_path.glob("Walk/*/data/uni0/data.h5")
    with h5py.File(path) as file:
        assert list(file["Walk/position"]) == [0, 0, 1, 2, 3, 4]
        assert file.attrs["status"] == "finished"


def test_two_simulations_at_once(tmp_path):
    with (
        simulation(Walk, num_steps=5, out=tmp_path, seed=1) as one,
        simulation(Walk, num_steps=5, out=tmp_path, seed=2) as two,
    ):
        while one.should_iterate():
            one.step()
            two.step()
    logs = [
        path.read_text() for path in Path(tmp_path).glob("Walk/*/data/uni0/out.log")
    ]
    assert len(logs) == 2
    assert all(log.count("Setting up model") == 1 for log in logs)


def test_error_in_a_loop_of_ones_own(tmp_path):
    def loop():
        with simulation(Walk, num_steps=5, out=tmp_path) as walk:
            walk.step()
            raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError):
        loop()
    (path,) = tmp_path.glob("Walk/*/data/uni0/data.h5")
    with h5py.File(path) as file:
        assert file.attrs["status"] == "failed: ZeroDivisionError: oh"
