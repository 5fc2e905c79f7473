import datetime
import os
import re
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

import utopya_backend
from utopya_backend import StepwiseModel, yaml
from utopya_backend.io import recover


class M(StepwiseModel):
    def setup(self, *, what=None, size=3):
        self.what = what

    def perform_step(self):
        if self.what == "raise":
            raise ZeroDivisionError("of no use" * 1000)
        if isinstance(self.what, int):
            self._signal_info = {"got_signal": True, "signum": self.what}

    def write_data(self):
        pass


@pytest.fixture
def attributes(tmp_path):
    def read():
        with h5py.File(tmp_path / "data.h5") as file:
            return dict(file.attrs)

    return read


def test_before_the_run(make, attributes):
    before = datetime.datetime.now(datetime.UTC)
    model = make(M, seed=2**70, text="ä: \n'x'", large=["x" * 100] * 10_000)
    attrs = attributes()
    assert attrs["status"] == "running"
    assert attrs["seed"] == str(2**70)
    assert attrs["model"] == f"{M.__module__}.M"
    # With the default values of the parameters, too, which only the source has else
    expected = {**model.root_cfg, "M": {"what": None, "size": 3}}
    assert yaml.load(attrs["configuration"]) == expected
    assert len(attrs["configuration"]) > 10**6
    assert (attrs["numpy"], attrs["h5py"]) == (np.__version__, h5py.__version__)
    assert attrs["python"] == ".".join(map(str, sys.version_info[:3]))
    assert attrs["utopya_backend"] == utopya_backend.__version__
    assert re.fullmatch("[0-9a-f]{64}", attrs["source_hash"])
    assert attrs["host"] == os.uname().nodename
    started = datetime.datetime.fromisoformat(attrs["started"])
    assert abs(started - before) < datetime.timedelta(seconds=10)
    assert "ended" not in attrs


@pytest.mark.parametrize(
    ("what", "status"),
    [
        (None, "finished"),
        (int(signal.SIGUSR1), "stopped: SIGUSR1"),
        (int(signal.SIGINT), "stopped: SIGINT"),
        (100, "stopped: signal 100"),
    ],
)
def test_after_the_run(make, attributes, what, status):
    model = make(M, M={"what": what})
    model.USE_SYS_EXIT = False
    model.run()
    attrs = attributes()
    assert attrs["status"] == status
    assert attrs["iterations"] == model.n_iterations
    assert attrs["ended"] >= attrs["started"]


def test_after_an_error(make, attributes):
    with pytest.raises(ZeroDivisionError):
        make(M, M={"what": "raise"}).run()
    assert attributes()["status"].startswith("failed: ZeroDivisionError: of no use")
    assert len(attributes()["status"]) == 1000


def test_after_an_error_in_setup(make, attributes):
    class Failing(M):
        def setup(self):
            raise OSError("no such thing")

    with pytest.raises(OSError, match="no such thing"):
        make(Failing)
    assert attributes()["status"] == "failed: OSError: no such thing"


def test_after_a_kill(write_cfg, attributes, tmp_path):
    code = (
        "import os, sys\nsys.path.insert(0, sys.argv[2])\n"
        "from test_provenance import M\n"
        "model = M(cfg_file_path=sys.argv[1]); os.kill(os.getpid(), 9)"
    )
    directory = os.path.dirname(__file__)
    subprocess.run([sys.executable, "-c", code, write_cfg(), directory])
    recover(str(tmp_path / "data.h5"))
    assert attributes()["status"] == "running"
