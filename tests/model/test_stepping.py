"""Models that are run iteration by iteration, in a loop of one's own."""

import os
import signal

import h5py
import numpy as np
import pytest

from utopya_backend import ModelBenchmarkMixin, StepwiseModel


class M(StepwiseModel):
    def setup(self):
        self.calls = []
        self.dset = self.create_ts_dset("x")

    def prolog(self):
        self.calls.append("prolog")

    def perform_step(self):
        self.calls.append(self.time)

    def write_data(self):
        self.dset.append(self.rng.random())

    def epilog(self, *, finished_run):
        self.calls.append(f"epilog {finished_run}")


class Timed(ModelBenchmarkMixin, M):
    pass


@pytest.fixture
def status(tmp_path):
    def read():
        with h5py.File(tmp_path / "data.h5") as file:
            return file.attrs["status"], file.attrs.get("iterations")

    return read


@pytest.mark.parametrize("cls", [M, Timed])
def test_same_as_run(make, tmp_path, status, cls):
    """The same calls, in the same order, and the same data."""
    with make(cls, num_steps=5, write_every=2) as model:
        model.run()
    with h5py.File(tmp_path / "data.h5") as file:
        expected = file["M/x"][:]
    (tmp_path / "data.h5").unlink()

    times = []
    with make(cls, num_steps=5, write_every=2) as stepped:
        while stepped.should_iterate():
            stepped.step()
            times.append(stepped.time)
        assert status() == ("finished", 5)
    assert times == [1, 2, 3, 4, 5]
    assert stepped.calls == model.calls == ["prolog", 0, 1, 2, 3, 4, "epilog True"]
    with h5py.File(tmp_path / "data.h5") as file:
        assert (file["M/x"][:] == expected).all()


def test_run_goes_on_where_the_steps_were(make, status):
    model = make(M, num_steps=5)
    model.step()
    model.step()
    assert model.run() == 0
    assert model.calls == ["prolog", 0, 1, 2, 3, 4, "epilog True"]
    assert status() == ("finished", 5)


def test_too_many_steps(make):
    model = make(M, num_steps=1)
    model.step()
    with pytest.raises(RuntimeError, match="'M' has nothing left to iterate, after 1"):
        model.step()


def test_closed(make):
    model = make(M)
    model.close()
    with pytest.raises(RuntimeError, match="is closed and cannot run"):
        model.step()


def test_data_can_be_looked_at_and_changed_in_between(make):
    with make(M, num_steps=3) as model:
        model.step()
        assert len(model.h5group["x"]) == 2
        model.should_write = lambda: False
        model.step()
        assert np.isfinite(model.h5group["x"][:]).all()
        assert len(model.h5group["x"]) == 2


def test_left_in_the_middle(make, status):
    with make(M, num_steps=5) as model:
        model.step()
    assert status() == ("stopped: closed", 1)
    assert model.calls == ["prolog", 0]


def test_error_in_the_loop(make, status):
    with pytest.raises(ZeroDivisionError), make(M, num_steps=5) as model:  # noqa: PT012
        model.step()
        raise ZeroDivisionError("x")
    assert status() == ("failed: ZeroDivisionError: x", 1)


def test_error_before_the_loop(make, status):
    with pytest.raises(ZeroDivisionError), make(M, num_steps=5):
        raise ZeroDivisionError("x")
    assert status() == ("failed: ZeroDivisionError: x", 0)


def test_closed_without_a_run(make, status):
    make(M, num_steps=0).close()
    assert status() == ("stopped: closed", 0)


def test_error_in_a_step(make, status):
    model = make(M, num_steps=5)
    model.perform_step = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        model.step()
    assert status()[0] == "failed: ZeroDivisionError: division by zero"
    with pytest.raises(RuntimeError, match="is closed"):
        model.step()


@pytest.mark.parametrize(
    ("signum", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)],
)
def test_signals(make, status, signum, error):
    """Also one that arrives between two steps."""
    model = make(M, num_steps=5)
    model.step()
    os.kill(os.getpid(), signum)
    with pytest.raises(error) as info:
        model.step()
    if error is SystemExit:
        assert info.value.code == 128 + signum
    assert model.calls == ["prolog", 0, 1, "epilog False"]
    assert status() == (f"stopped: {signum.name}", 2)
