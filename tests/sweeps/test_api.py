"""``sweep()`` and ``continue_sweep()``, as of a script or a notebook."""

import gc
import logging
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from paramspace import CoupledParamDim, ParamDim

from utopya_backend import StepwiseModel, load_cfg_file
from utopya_backend.errors import (
    ConfigError,
    FileInUseError,
    MissingFileError,
    ModelImportError,
    ParameterError,
    UserError,
)
from utopya_backend.sweeps import continue_sweep, sweep
from utopya_backend.sweeps.directory import SweepDirectory


class Line(StepwiseModel):
    def setup(self, *, slope: float = 1.0, fail_at: float = -1.0, sleep: float = 0.0):
        self.slope, self.fail_at, self.sleep = slope, fail_at, sleep
        self.dset = self.create_ts_dset("y")

    def perform_step(self):
        if self.slope == self.fail_at:
            raise ValueError(f"not with a slope of {self.slope}")
        time.sleep(self.sleep)

    def write_data(self):
        self.dset.append(self.slope * self.n_iterations + self.root_cfg["seed"])


def slopes():
    return ParamDim(default=0.0, values=[1.0, 2.0, 3.0])


@pytest.fixture(autouse=True)
def _temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def run(params=None, **options):
    options = {"num_steps": 2, "progress": False, **options}
    return sweep(Line, {"slope": slopes()} if params is None else params, **options)


# .. Results ..................................................................


def test_temporary_output(tmp_path):
    result = run(seed=ParamDim(default=0, range=[2]))
    assert result.is_temporary
    assert result.path.is_relative_to(tmp_path)
    assert (result.name, result.num_universes) == ("Line", 6)
    assert result.counts == {
        "finished": 6, "stopped": 0, "failed": 0, "killed": 0, "interrupted": 0,
    }  # fmt: skip
    assert result.failures == []
    assert repr(result) == "Line: 6 universes, 6 finished\n  in a temporary directory"
    y = result.data["Line/y"]
    path = result.path
    del result
    gc.collect()
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []
    assert dict(y.sizes) == {"seed": 2, "slope": 3, "time": 3}
    expected = y.slope * y.time + y.seed
    np.testing.assert_array_equal(y.transpose(*expected.dims), expected)


def test_output_that_stays(tmp_path):
    result = run(out=tmp_path / "out", note="mine", write_every=2)
    assert not result.is_temporary
    assert result.path.parent == tmp_path / "out/Line"
    assert result.path.name.endswith("_mine")
    assert repr(result).endswith(f"  in {result.path}")
    path = result.path
    assert list(result.data["Line/y"].time) == [0, 2]
    del result
    gc.collect()
    assert path.exists()
    assert load_cfg_file(str(path / "data/uni1/config.yml"))["seed"] == 42


def test_root_entries_are_swept(tmp_path):
    result = run(
        {}, num_steps=ParamDim(default=0, values=[1, 3]),
        seed=CoupledParamDim(target_name="num_steps"),
    )  # fmt: skip
    cfgs = [
        load_cfg_file(str(path))
        for path in sorted(result.path.glob("data/uni*/config.yml"))
    ]
    assert [(cfg["num_steps"], cfg["seed"]) for cfg in cfgs] == [(1, 1), (3, 3)]
    assert result.counts["finished"] == 2


def test_failures():
    result = run({"slope": slopes(), "fail_at": 2.0})
    assert result.counts["failed"] == 1
    (failure,) = result.failures
    assert (failure.number, failure.exit_code) == (2, 1)
    assert failure.parameters == {"slope": 2.0}
    assert failure.directory == result.path / "data/uni2"
    assert failure.reason.startswith("ValueError: not with a slope of 2.0\n")
    assert "test_api.py" in failure.reason
    lines = repr(result).splitlines()
    assert lines[0] == "Line: 3 universes, 2 finished, 1 failed"
    assert lines[1] == "  uni2 (slope=2.0): ValueError: not with a slope of 2.0"
    y = result.data["Line/y"]
    assert y.sel(slope=3.0, time=2) == 48


def test_stop_conditions():
    result = run(
        {"slope": slopes(), "sleep": 0.01}, num_steps=10**6, write_every=10**6,
        stop_conditions=[{"func": "timeout_wall", "seconds": 0.1}],
    )  # fmt: skip
    assert result.counts["stopped"] == 3
    assert result.failures == []


def test_limits():
    params = {"slope": slopes(), "sleep": 0.01}
    result = run(params, num_steps=10**6, write_every=10**6, time_limit=0.2, workers=2)
    assert result.counts["interrupted"] == 2
    result = run({"slope": slopes(), "fail_at": 1.0}, workers=1, fail_fast=True)
    assert (result.counts["finished"], result.counts["failed"]) == (0, 1)


def test_progress_in_a_log(caplog):
    with caplog.at_level(logging.INFO):
        run({"slope": ParamDim(default=0, values=[1])}, progress=True)
    assert not caplog.records  # none before a minute is over


# .. Continued ................................................................


def test_continue(tmp_path):
    first = run({"slope": slopes(), "fail_at": 2.0}, out=tmp_path)
    with pytest.raises(ConfigError, match="does not say where its model is: give it"):
        continue_sweep(first.path)
    second = continue_sweep(str(first.path), Line, workers=1, progress=False)
    assert second.path == first.path
    assert second.counts["finished"] == 2
    assert second.counts["failed"] == 1
    assert (first.path / "earlier/uni2_1/out.log").exists()


def test_continue_without_anything_to_do(tmp_path):
    first = run(out=tmp_path)
    again = continue_sweep(first.path, Line, progress=False)
    assert again.counts == first.counts
    assert again.failures == []


def test_no_sweep_to_continue(tmp_path):
    with pytest.raises(MissingFileError, match="There is no sweep in"):
        continue_sweep(tmp_path, Line)


def empty_sweep(tmp_path):
    """The directory of a sweep that has just begun."""
    run({"slope": ParamDim(default=0, values=[1])}, out=tmp_path)
    (path,) = (tmp_path / "Line").iterdir()
    (path / "data/uni1").rename(path / "eval/uni1")
    (path / "_universes.tsv").unlink()
    return path


def test_one_that_others_run_is_left_alone(tmp_path):
    path = empty_sweep(tmp_path)
    with SweepDirectory.open(path).in_use(), pytest.raises(FileInUseError):
        continue_sweep(path, Line)
    assert (path / "eval/uni1").exists()


def test_a_model_that_cannot_be_imported_any_more(tmp_path):
    """What has been made of the data is not lost."""
    path = empty_sweep(tmp_path)
    model = tmp_path / "model.py"
    model.write_text(
        "import os\n1 / int(os.getppid() == "
        f"{os.getppid()})\n"
        "from utopya_backend import StepwiseModel\n"
        "class Line(StepwiseModel):\n"
        "    def setup(self): pass\n"
        "    def perform_step(self): pass\n"
        "    def write_data(self): pass\n"
    )
    with pytest.raises(ModelImportError, match="ZeroDivisionError"):
        continue_sweep(path, str(model))
    assert (path / "eval/uni1").exists()


# .. Interrupted ..............................................................


@pytest.mark.parametrize(
    ("signum", "kind"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)],
)
def test_interrupt(tmp_path, signum, kind):
    def interrupt():
        end = time.monotonic() + 60
        while not list(tmp_path.glob("sweep-*/Line/*/data/uni*/data.h5")):
            assert time.monotonic() < end
            time.sleep(0.02)
        os.kill(os.getpid(), signum)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(kind) as caught:
        run({"slope": slopes(), "sleep": 0.01}, num_steps=10**6, workers=1)
    thread.join()
    result = caught.value.result
    assert result.counts["interrupted"] == 1
    assert result.is_temporary
    with pytest.warns(UserWarning, match="2 of 3 universes have no data"):
        assert result.data["Line/y"].sel(time=0, slope=1.0) == 42
    path = result.path
    assert path.exists()
    del result, caught
    gc.collect()
    assert list(tmp_path.glob("sweep-*")) == []


# .. Errors ...................................................................


@pytest.mark.parametrize(
    ("params", "options", "error", "message"),
    [
        ({}, {}, ConfigError, "Nothing is swept"),
        ({"slop": slopes()}, {}, ParameterError, "slop"),
        ({"slope": ParamDim(default=0, values=[1, "x"])}, {}, UserError, "'x'"),
        (None, {"num_steps": -1}, ConfigError, "num_steps"),
        (None, {"max_universes": 2}, ConfigError, r"3 universes: slope \(3\)\. If"),
        (None, {"workers": 0}, ParameterError, "workers has to be an integer of at"),
        (None, {"workers": 1.5}, ParameterError, "but is 1.5"),
        (None, {"time_limit": 0}, ParameterError, "time limit has to be a positive"),
        (None, {"time_limit": "1"}, ParameterError, "but is '1'"),
        (None, {"stop_conditions": "x"}, ConfigError, "has to be a list"),
        (None, {"scheduler": "a", "cluster": "b"}, ParameterError, "leave out"),
        (None, {"note": "a/b"}, ConfigError, "A note becomes part"),
        (None, {"cluster": "sloom"}, ParameterError, "no kind of cluster 'sloom'"),
        (None, {"scheduler": "nowhere"}, UserError, "No Dask scheduler answers"),
    ],
)
def test_bad_arguments(tmp_path, params, options, error, message):
    with pytest.raises(error, match=message):
        run(params, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", [3, None, int, StepwiseModel])
def test_no_model(model):
    with pytest.raises(TypeError):
        sweep(model, {}, progress=False)


def test_a_model_that_cannot_be_written(tmp_path):
    values = ParamDim(default=0.0, values=[1.0, object()])
    with pytest.raises(UserError):
        run({"slope": values})
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_a_model(tmp_path, monkeypatch):
    """It is found again when the sweep is continued, from wherever."""
    Path(tmp_path / "model.py").write_text(
        "import time\nfrom utopya_backend import StepwiseModel\n"
        "class Line(StepwiseModel):\n"
        "    def setup(self, *, x): self.dset = self.create_ts_dset('y')\n"
        "    def perform_step(self): pass\n"
        "    def write_data(self): self.dset.append(1)\n"
    )
    monkeypatch.chdir(tmp_path)
    params = {"x": ParamDim(default=0, values=[1, 2])}
    result = sweep("model.py:Line", params, num_steps=1, out="out", progress=False)
    assert result.counts["finished"] == 2
    (result.path / "data/uni1").rename("uni1")
    monkeypatch.chdir("/")
    assert continue_sweep(result.path, progress=False).counts["finished"] == 2
