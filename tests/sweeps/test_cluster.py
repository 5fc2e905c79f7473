"""Universes on the workers of a Dask scheduler, in real processes on this machine."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
from paramspace import ParamDim

from utopya_backend.errors import ClusterError, ParameterError, UserError
from utopya_backend.finding import find_model
from utopya_backend.sweeps import cluster, continue_sweep, sweep, worker
from utopya_backend.sweeps.messages import Job
from utopya_backend.sweeps.program import Program

from .conftest import HEAD, MAIN, is_alive, outcomes, wait_until

QUIET = {"DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "warning"}
SETUP = "def setup(self, *, x=0.0, sleep=0.0):\n        self.x, self.sleep = x, sleep"
MODEL = HEAD.replace("def setup(self):", SETUP).replace("append(1.0)", "append(self.x)")
MODEL += """
def begin(model):
    with open(os.path.join(model.root_cfg["output_dir"], "pid"), "w") as file:
        print(os.getpid(), os.getppid(), file=file)

def step(model):
    time.sleep(model.sleep)
"""  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_leaks():
    """Dask keeps threads of its own, for the next client."""
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    path = list(sys.path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert sys.path == path


class Cluster:
    """A scheduler and its workers."""

    def __init__(self, directory):
        self.directory = directory
        self.processes = []
        file = directory / "scheduler.json"
        self.start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--scheduler-file", file,
        )  # fmt: skip
        wait_until(lambda: file.exists() and file.read_text().endswith("}"))
        self.address = json.loads(file.read_text())["address"]

    def start(self, what, *args, **environ):
        name = f"log{len(self.processes)}"
        with open(self.directory / name, "w") as log:
            process = subprocess.Popen(
                [Path(sys.executable).with_name("dask"), what, *map(str, args)],
                stdout=log, stderr=log, cwd=self.directory,
                env={**os.environ, **QUIET, **environ},
            )  # fmt: skip
        self.processes.append(process)
        return process

    def start_worker(self, name, *, nanny="--nanny", **environ):
        return self.start(
            "worker", self.address, "--nthreads", 1, "--no-dashboard", nanny,
            "--name", name, "--local-directory", self.directory, **environ,
        )  # fmt: skip

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("dask"))
    try:
        for name in ("one", "two"):
            made.start_worker(name)
        yield made
    finally:
        made.close()


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "M"
    path.mkdir()
    (path / "run_model.py").write_text(MODEL + MAIN)
    (path / "M_info.yml").write_text(
        "model_name: M\npaths: {executable: run_model.py}\n"
    )
    return path


def run(model, dask, num=4, **options):
    params = {"x": ParamDim(default=0.0, values=[float(n) for n in range(1, num + 1)])}
    params["sleep"] = options.pop("sleep", 0.0)
    options = {"num_steps": 2, "out": "out", "progress": False, **options}
    return sweep(model, params, scheduler=dask.address, **options)


def test_all_universes_complete(model, dask):
    result = run(model, dask, num=6)
    assert result.counts["finished"] == 6, result
    for number in range(1, 7):
        with h5py.File(result.path / f"data/uni{number}/data.h5") as file:
            np.testing.assert_array_equal(file["M/x"][:], [number] * 3)
            assert file.attrs["status"] == "finished"
    report = (result.path / "_report.txt").read_text()
    assert f"Dask, {dask.address}" in report
    names = {path.name for path in result.path.iterdir()}
    assert not any(name.startswith(".sweep") for name in names)
    assert (result.path / "data/uni1/out.log").read_text().count("n_iter: 2") == 1


def test_a_class(dask, tmp_path, walk):
    """It is sent to the workers."""
    size = ParamDim(default=1, values=[2, 3])
    result = sweep(
        walk, {"size": size}, num_steps=1, scheduler=dask.address, progress=False
    )
    assert result.counts["finished"] == 2, result


def test_failures(model, dask):
    script = model / "run_model.py"
    script.write_text(script.read_text().replace(
        "time.sleep(model.sleep)", "1 / (model.x - 2)"))  # fmt: skip
    result = run(model, dask)
    assert (result.counts["finished"], result.counts["failed"]) == (3, 1)
    assert "ZeroDivisionError" in result.failures[0].reason
    script.write_text(script.read_text().replace("1 / (model.x - 2)", "pass"))
    again = continue_sweep(result.path, force=True, progress=False)
    assert again.counts["finished"] == 4


def test_stop_conditions(model, dask):
    script = model / "run_model.py"
    script.write_text(script.read_text().replace(
        "def begin", "M.monitor = lambda self, info: {'x': self.x}\ndef begin"
    ))  # fmt: skip
    condition = {
        "name": "far", "func": "check_monitor_entry", "entry_name": "M.x",
        "operator": ">", "value": 0,
    }  # fmt: skip
    result = run(
        model, dask, num=2, sleep=0.01, num_steps=10**6, write_every=10**6,
        stop_conditions=[condition], monitor_emit_interval=0.05,
    )  # fmt: skip
    assert result.counts["stopped"] == 2, result
    assert "far: 2\n" in (result.path / "_report.txt").read_text()


def start_command(dask, *args):
    Path("cfg.yml").write_text(
        "num_steps: 1000000\nwrite_every: 1000000\n"
        "M: {sleep: 0.01, x: !sweep {default: 0.0, values: [1.0, 2.0, 3.0]}}\n"
    )
    return subprocess.Popen(
        [sys.executable, "-m", "utopya_backend", "sweep", "M", "cfg.yml",
         "--scheduler", dask.address, *args],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def pids():
    found = {}
    for path in Path().glob("out/M/*/data/uni*/pid"):
        if numbers := path.read_text().split():
            found[path.parent.name] = tuple(map(int, numbers))
    return found


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_universes_in_order(model, dask, signum):
    process = start_command(dask)
    wait_until(lambda: len(pids()) == 2)
    process.send_signal(signum)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signum, output
    assert "2 interrupted, 1 not begun" in output
    for path in Path().glob("out/M/*/data/uni*/data.h5"):
        with h5py.File(path) as file:
            assert file.attrs["status"] == f"stopped: {signal.Signals(signum).name}"
    # The warm processes on the workers are gone, too.
    wait_until(lambda: not any(is_alive(server) for _, server in pids().values()))


def test_a_second_interrupt_kills(model, dask):
    script = model / "run_model.py"
    script.write_text(script.read_text().replace(
        "def step(model):", "def step(model):\n    while True: time.sleep(1)"
    ))  # fmt: skip
    process = start_command(dask)
    wait_until(lambda: len(pids()) == 2)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "waiting" in process.stdout.readline())
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "2 interrupted, 1 not begun" in output


def test_a_worker_that_is_killed(model, dask):
    """Its universe is run by another one; each is complete, and nothing is lost."""
    Path("cfg.yml").write_text(
        "num_steps: 100\nM: {sleep: 0.01, x: !sweep {default: 0, range: [1, 6]}}\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "utopya_backend", "sweep", "M", "cfg.yml",
         "--scheduler", dask.address],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wait_until(lambda: len(pids()) >= 2)
    name, (pid, server) = sorted(pids().items())[0]
    os.kill(psutil.Process(server).ppid(), signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    (path,) = Path("out/M").iterdir()
    assert set(outcomes(path).values()) == {"finished"}
    assert len(outcomes(path)) == 5
    for uni in (path / "data").iterdir():
        with h5py.File(uni / "data.h5") as file:
            assert file.attrs["status"] == "finished"
            assert len(file["M/x"]) == 101
    assert [p.name for p in (path / "earlier").iterdir()] == [f"{name}_1"]


def test_a_supervisor_that_is_killed(model, dask):
    """Nobody goes on with its universes: the workers are free for the next one."""
    process = start_command(dask)
    wait_until(lambda: len(pids()) == 2)
    process.kill()
    process.communicate()
    left = [pid for both in pids().values() for pid in both]
    wait_until(lambda: not any(map(is_alive, left)), 20)
    assert run(model, dask, num=2, out="again").counts["finished"] == 2


STUBBORN = "def step(model):\n    while True: time.sleep(1)"


def test_a_supervisor_that_is_killed_and_steps_that_never_end(model, dask):
    script = model / "run_model.py"
    script.write_text(script.read_text().replace("def step(model):", STUBBORN))
    process = start_command(dask)
    wait_until(lambda: len(pids()) == 2)
    process.kill()
    process.communicate()
    left = [pid for both in pids().values() for pid in both]
    wait_until(lambda: not any(map(is_alive, left)), 30)


def test_steps_that_never_end(model, dask):
    script = model / "run_model.py"
    script.write_text(script.read_text().replace("def step(model):", STUBBORN))
    result = run(
        model, dask, num=3, stop_conditions=[{"func": "timeout_wall", "seconds": 0.1}],
        grace=0.5,
    )  # fmt: skip
    assert result.counts["killed"] == 3
    assert "It did not end in time" in result.failures[0].reason
    assert set(outcomes(result.path).values()) == {"killed"}


# .. Where they run ...........................................................

READ = """
def begin(model):
    model.x = float(open("rate.txt").read()) + float(os.environ.get("RATE", "nan"))
    if model.root_cfg["M"]["x"] == 2.0:
        1 / 0
"""


def rates_of(path):
    files = sorted(path.glob("data/*/data.h5"))
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(h5py.File(file)) for file in files]
        return [float(file["M/x"][0]) for file in found if len(file["M/x"])]


@pytest.fixture
def reader(model, dask, monkeypatch):
    """A model that reads a file of the current directory, and the environment.

    In the directory of the workers, there is another file of that name.
    """
    (dask.directory / "rate.txt").write_text("7")
    Path("rate.txt").write_text("0.5")
    monkeypatch.setenv("RATE", "0.25")
    (model / "run_model.py").write_text(MODEL + READ + MAIN)
    yield model
    (dask.directory / "rate.txt").unlink()


@pytest.mark.parametrize("fresh", [False, True], ids=["warm", "fresh"])
def test_directory_and_environment_are_those_of_the_command(reader, dask, fresh):
    result = run(reader, dask, env=["RATE"], fresh=fresh)
    assert result.counts["finished"] == 3, result
    assert rates_of(result.path) == [0.75] * 3
    without = run(reader, dask, num=1, out="without", fresh=fresh)
    assert np.isnan(rates_of(without.path)).all()


def test_a_sweep_is_continued_in_its_directory(reader, dask, monkeypatch, tmp_path):
    result = run(reader, dask, env=["RATE"])
    path, script = result.path.absolute(), reader / "run_model.py"
    script.write_text(script.read_text().replace("1 / 0", "pass"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    Path("rate.txt").write_text("9")
    monkeypatch.setenv("RATE", "0.125")
    again = continue_sweep(path, scheduler=dask.address, force=True, progress=False)
    assert again.counts["finished"] == 4, again
    assert sorted(rates_of(path)) == [0.625, 0.75, 0.75, 0.75]


def test_environment_that_is_not_there(reader, dask, monkeypatch):
    with pytest.raises(ParameterError, match="no environment variable 'NO_RATE' here"):
        run(reader, dask, env="RATE,NO_RATE")
    with pytest.raises(ParameterError, match="env has to be a list of names"):
        run(reader, dask, env={"RATE": "1"})
    result = run(reader, dask, env=["RATE"])
    monkeypatch.delenv("RATE")
    with pytest.raises(ParameterError, match="no environment variable 'RATE' here"):
        continue_sweep(result.path, scheduler=dask.address)


def test_a_directory_that_the_workers_do_not_have(tmp_path, model, dask):
    """Each has a process of its own here, and sees what this one does."""
    info = find_model(model)
    program = Program.of(info, cwd=str(tmp_path / "only/here"))
    with pytest.raises(ClusterError) as caught:
        cluster.DaskEngine(program, tmp_path, scheduler=dask.address)
    message = str(caught.value)
    assert message.startswith("2 of 2 workers cannot run the universes:")
    assert f"there is no directory {tmp_path}/only/here, which the univ" in message


def test_a_directory_that_is_gone(walk, dask, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    size = ParamDim(default=1, values=[2, 3])
    with pytest.raises(ClusterError, match="The current directory is gone"):
        sweep(
            walk, {"size": size}, num_steps=1, scheduler=dask.address,
            out=tmp_path / "out",
        )  # fmt: skip


def test_a_worker_that_comes_later_and_has_no_such_directory(model, tmp_path):
    job = Job.of(1, str(tmp_path / "uni1"), {"root_model_name": "M"})
    ended = worker._fail(job, OSError("there is no directory /x"))
    assert ended.exit_code == 1
    log = (tmp_path / "uni1/out.log").read_text()
    assert log == f"Error: {ended.host}: there is no directory /x\n"


def test_a_server_that_is_killed(model, dask):
    process = start_command(dask, "--fail-fast")
    wait_until(lambda: len(pids()) == 2)
    os.kill(sorted(pids().values())[0][1], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert "1 failed, 1 interrupted, 1 not begun" in output


# .. Before anything starts ...................................................


def test_a_scheduler_that_does_not_answer(model, tmp_path):
    class Nobody:
        address = "tcp://127.0.0.1:9"

    with pytest.raises(ClusterError, match=r"answers at tcp://127\.0\.0\.1:9 .*check"):
        run(model, Nobody)
    assert list((tmp_path / "out/M").iterdir()) == []


@pytest.mark.parametrize("address", ["here", "tcp://here", "tcp://:8786", "a:b", ""])
def test_what_is_no_address(model, address):
    class Wrong:
        pass

    Wrong.address = address
    with pytest.raises(ClusterError, match="it has to be of the form tcp://HOST:PORT"):
        run(model, Wrong)


def test_a_scheduler_without_workers(model, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 1.0)
    alone = Cluster(tmp_path)
    try:
        with pytest.raises(ClusterError, match="has no workers: start some"):
            run(model, alone)
    finally:
        alone.close()


def test_a_worker_that_lacks_the_model(model, dask):
    """It is imported there, where it does not work."""
    script = model / "run_model.py"
    check = f"if os.getppid() != {os.getppid()}: import no_such_package\n"
    script.write_text(f"import os\n{check}{script.read_text()}")
    with pytest.raises(ClusterError) as caught:
        run(model, dask)
    message = str(caught.value)
    assert message.startswith("2 of 2 workers cannot run the universes:")
    assert "No module named 'no_such_package'" in message
    assert "They need the same environment" in message
    assert list(Path("out/M").iterdir()) == []


def test_another_file_system(tmp_path):
    program = Program("M", (), "m.py", None, None, (), fresh=False)
    found = worker.probe(program, "topic", str(tmp_path / "run/.token"))
    assert cluster._problem_of(found) == f"there is no directory {tmp_path}/run"


def test_other_versions():
    found = {**worker.VERSIONS, "numpy": "1.0"}
    here = worker.VERSIONS["numpy"]
    assert cluster._problem_of(found) == f"numpy is 1.0 there, and {here} here"
    assert cluster._problem_of(worker.VERSIONS) == ""
    found = {**worker.VERSIONS, "source_hash": "abc"}
    assert cluster._problem_of(found, "abc") == ""
    assert cluster._problem_of(found, "unknown: M is defined in no file") == ""
    expected = "the source of the model is another one there"
    assert cluster._problem_of(found, "def") == expected
    assert cluster._problem_of(OSError("x")) == "OSError: x"


def test_kinds_of_clusters(model):
    with pytest.raises(ParameterError, match="no kind of cluster 'sloom', but: slurm"):
        cluster._start_cluster("sloom", 1)
    with pytest.raises(UserError, match="cannot start the cluster"):
        cluster._start_cluster("slurm", 1)
