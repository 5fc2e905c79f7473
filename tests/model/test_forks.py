"""Processes that a model forks end as in plain Python; the run is not theirs."""

import subprocess
import sys

import h5py
import pytest

HEAD = """
import concurrent.futures, multiprocessing, os, signal, sys, time
from utopya_backend import StepwiseModel

fork = multiprocessing.get_context("fork")

def work(x=0):
    time.sleep(600)

class M(StepwiseModel):
    def setup(self):
        self.dset = self.create_ts_dset("x")

    def perform_step(self):
        if self.time == 1:
            start(self)

    def write_data(self):
        self.dset.append(self.time)

    def monitor(self, monitor_info):
        return {"pid": os.getpid()}

"""
MAIN = """
with M(cfg_file_path=sys.argv[1]) as model:
    model.run()
print("children", len(multiprocessing.active_children()))
"""


@pytest.fixture
def run(write_cfg, tmp_path):
    """Runs a model that starts something; returns what it has printed."""

    def run_with(start):
        cfg = write_cfg(monitor_emit_interval=0)
        args = [sys.executable, "-c", HEAD + start + MAIN, cfg]
        process = subprocess.run(args, capture_output=True, text=True, timeout=60)
        assert process.returncode == 0, process.stderr
        assert "Traceback" not in process.stderr
        with h5py.File(tmp_path / "data.h5") as file:
            assert file.attrs["status"] == "finished"
            assert file["M/x"][:].tolist() == [0, 1, 2, 3]
        assert not (tmp_path / "data.h5.wal").exists()
        return process.stdout

    return run_with


@pytest.mark.parametrize(
    "start",
    [
        # A time-out of one's own
        "with fork.Pool(2) as pool:\n"
        "        pool.map_async(work, [1, 2])\n",
        # Which Python terminates at exit
        "fork.Process(target=work, daemon=True).start()\n",
        "p = fork.Process(target=work); p.start(); p.terminate(); p.join()\n"
        "    assert p.exitcode == -signal.SIGTERM\n",
        "with concurrent.futures.ProcessPoolExecutor(1, mp_context=fork) as pool:\n"
        "        assert pool.submit(abs, -1).result() == 1\n",
    ],
    ids=["Pool", "daemon", "terminate", "executor"],
)  # fmt: skip
def test_they_end_as_in_plain_python(run, start):
    run(f"def start(model):\n    {start}")


@pytest.mark.parametrize("end", ["sys.exit(3)", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_the_run_is_not_theirs(run, end):
    """Whatever they do, and however they leave the loop that they are in."""
    start = f"""
def start(model):
    pid = os.fork()
    if pid == 0:
        model.trigger_monitor(force=True)
        model.dset.append(99.0, time=99)
        model.close()
        {end}
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print("ended with", code)
"""
    printed = run(start).splitlines()
    code = 3 if "exit" in end else -15
    assert f"ended with {code}" in printed
    reports = [line for line in printed if line.startswith("!!map")]
    assert len(reports) == 5
    assert len({line.partition("pid:")[2] for line in reports}) == 1


def test_a_model_of_their_own(run, tmp_path):
    start = """
def start(model):
    import pathlib
    cfg = pathlib.Path(sys.argv[1])
    other = cfg.with_name("other.yml")
    other.write_text(cfg.read_text().replace("data.h5", "other.h5"))
    pid = os.fork()
    if pid == 0:
        M.perform_step = lambda self: signal.raise_signal(signal.SIGTERM)
        with M(cfg_file_path=str(other)) as model:
            model.run()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == 143, code
"""
    run(start)
    with h5py.File(tmp_path / "other.h5") as file:
        assert file.attrs["status"] == "stopped: SIGTERM"
        assert file["M/x"][:].tolist() == [0, 1]
