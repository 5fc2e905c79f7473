"""What goes wrong in the package published under the same name goes right here.

The numbers are those of a list of its known defects; for most of them, the tests
of the module in question go into more detail.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest
from ruamel.yaml import YAML

from utopya_backend import (
    BaseModel,
    ModelBenchmarkMixin,
    import_package_from_dir,
    load_cfg_file,
)
from utopya_backend.io import recover
from utopya_backend.signal import SIG_STOPCOND, SIGNAL_INFO

KILLED = """
import os, signal, sys, h5py
from utopya_backend import StepwiseModel

class M(StepwiseModel):
    def setup(self):
        self.dset = self.create_ts_dset("x")

    def perform_step(self):
        if self.time % 100 == 0:
            with h5py.File(self.root_cfg["output_path"]) as file:
                if file["M/x"].shape[0] > 1000:
                    os.kill(os.getpid(), signal.SIGKILL)

    def write_data(self):
        self.dset.resize(self.dset.shape[0] + 1, axis=0)
        self.dset[-1] = self.time

M(cfg_file_path=sys.argv[1]).run()
"""


def test_1_a_killed_run_leaves_its_data(write_cfg, tmp_path):
    cfg_file = write_cfg(num_steps=10_000_000, output={"commit_interval": 0})
    process = subprocess.run([sys.executable, "-c", KILLED, cfg_file])
    assert process.returncode == -signal.SIGKILL
    recover(str(tmp_path / "data.h5"))
    with h5py.File(tmp_path / "data.h5") as file:
        rows = file["M/x"][:]
    assert len(rows) > 1000
    assert rows.tolist() == list(range(len(rows)))


def test_2_no_signal_handlers_and_other_threads(write_cfg, tmp_path, walk):
    class Deaf(walk):
        ATTACH_SIGNAL_HANDLERS = False

    with Deaf(cfg_file_path=write_cfg()) as model:
        assert model.run() == 0
    codes = []

    def run():
        cfg_file = write_cfg(output_path=str(tmp_path / "other.h5"))
        with walk(cfg_file_path=cfg_file) as model:
            codes.append(model.run())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert codes == [0]


def test_3_a_signal_counts_for_one_run(make, tmp_path, walk):
    class Stopped(walk):
        USE_SYS_EXIT = False

        def perform_step(self):
            os.kill(os.getpid(), SIG_STOPCOND)

    assert make(Stopped, num_steps=5).run() == 138
    assert SIGNAL_INFO["frame"] is None
    second = make(walk, num_steps=5, output_path=str(tmp_path / "second.h5"))
    assert second.run() == 0
    assert second.time == 5


def test_4_teardown(write_cfg, tmp_path, walk, capsys):
    class Failing(walk):
        def perform_step(self):
            raise ZeroDivisionError

    with pytest.raises(TypeError, match="no_such_parameter"):
        walk(cfg_file_path=write_cfg(M={"no_such_parameter": 1}))
    gc.collect()
    assert capsys.readouterr().err == ""  # no misleading errors
    with Failing(cfg_file_path=write_cfg()) as model, pytest.raises(ZeroDivisionError):
        model.run()
    assert not model._h5file
    h5py.File(tmp_path / "data.h5", "r+").close()  # it is not open any more


def test_5_extreme_values(make, walk, tmp_path):
    model = make(walk, num_steps=0, seed=2**32 - 1)
    assert model.compute_progress() == 1
    assert model.run() == 0
    with pytest.raises(ValueError, match="write_every has to be"):
        make(walk, write_every=0, output_path=str(tmp_path / "second.h5"))


def test_6_monitor(make, walk, clock, capsys):
    class Odd(walk):
        _clock = clock  # a monotonic one by default, not the wall clock

        def monitor(self, monitor_info):
            return {
                "precise": 0.123456789,
                "numpy": np.float32(6.0),
                "array": np.arange(2),
                "none": None,
                "nan": np.nan,
                "text": 'it\'s\n"text"',
            }

    make(Odd, monitor_emit_interval=1000)
    line = capsys.readouterr().out
    entries = YAML(typ="safe").load(line)["M"]
    assert np.isnan(entries.pop("nan"))
    assert entries == {
        "precise": 0.123456789, "numpy": 6.0, "array": [0, 1], "text": "it's\n\"text\"",
    }  # fmt: skip


class Free(ModelBenchmarkMixin, BaseModel):
    def setup(self, *, limit):
        self.limit = limit

    def should_iterate(self):
        return self.n_iterations < self.limit

    def iterate(self):
        pass

    def should_write(self):
        return True

    def write_data(self):
        pass


def test_7_benchmark(make, walk, caplog, tmp_path):
    class Steps(ModelBenchmarkMixin, walk):
        pass

    model = make(
        Steps, num_steps=4, write_every=2, M={"benchmark": {"show_on_exit": False}}
    )
    model.run()
    assert "Elapsed" not in caplog.text
    cumulative = model.h5group["benchmark/cumulative"]
    assert cumulative.shape[0] == 3  # the initial write included
    assert list(cumulative.attrs["coords__n_iterations"]) == [0, 2]
    assert model.run() == 0  # once more

    model = make(Free, output_path=str(tmp_path / "free.h5"), M={"limit": 9000})
    assert model.run() == 0
    assert model.h5group["benchmark/cumulative"].shape[0] == 9000

    timer = model._add_timer("mine", one_shot=False)
    timer.start()
    elapsed = timer.elapsed
    timer.start()
    assert timer.elapsed >= elapsed


def test_8_time_series(make, walk):
    class Late(walk):
        def perform_step(self):
            if self.time == 3:
                self.late = self.create_ts_dset("late")

    model = make(Late, num_steps=10, write_every=2)
    dset = model.create_ts_dset("a", extra_dims=["x"])
    assert dset.maxshape[1] is None
    assert dset.dtype == np.float64
    many = {"x": np.linspace(0, 1, 10_000)}
    model.create_ts_dset("b", extra_dims=["x"], sizes={"x": 10_000}, coords=many)
    assert model.h5group["b__coords__x"].shape == (10_000,)
    model.run()
    assert list(model.late.attrs["coords__time"]) == [4, 2]
    assert model.late.maxshape == (4,)


def test_9_packages_of_the_same_name(tmp_path):
    sys_path = list(sys.path)
    packages = []
    for name in ("a", "b"):
        (tmp_path / name / "some_impl").mkdir(parents=True)
        (tmp_path / name / "some_impl/__init__.py").write_text(f"NAME = {name!r}")
        packages.append(import_package_from_dir(str(tmp_path / name / "some_impl")))
    assert [package.NAME for package in packages] == ["a", "b"]
    assert sys.path == sys_path
    for package in packages:
        del sys.modules[package.__name__]


def test_10_configuration(make, walk, tmp_path):
    model = make(walk, log_levels={"model": 10})  # no seed, no monitor_emit_interval
    assert model.log.level == 10
    (tmp_path / "cfg.yml").write_bytes("name: ä".encode())
    code = (
        "import sys; from utopya_backend import load_cfg_file; "
        "print(ascii(load_cfg_file(sys.argv[1])))"
    )
    process = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", code, str(tmp_path / "cfg.yml")],
        env=os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert process.stdout == "{'name': '\\xe4'}\n"
    assert load_cfg_file(str(tmp_path / "cfg.yml")) == {"name": "ä"}


def test_11_imports():
    """A model imports numpy and h5py, and nothing else of weight."""
    code = (
        "import json, sys; import numpy, h5py; before = set(sys.modules)\n"
        "import utopya_backend; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    imported = [name for name in json.loads(process.stdout) if "utopya" not in name]
    # What `random` needs, and what numpy or h5py may or may not have imported
    light = {"random", "_random", "bisect", "_bisect", "_sha512", "_sha2", "hashlib"}
    light |= {"_hashlib", "_blake2", "__future__", "importlib.util", "importlib._abc"}
    light |= {"fcntl", "signal", "zlib"}
    assert set(imported) <= light
