"""How many universes a sweep runs per second, beside the frontend, and what they cost.

The model makes ten steps and writes a row each. The same sweep over seeds is run by
`utopya-backend sweep`, with different numbers of workers and on a Dask cluster of this
machine, and by `utopya run` with 2 workers and either backend, in turn; the data of all
universes is checked. A command is timed as a whole, its CPU time with all that it
starts. At the end, there is a sweep of 10,000 universes, with the memory of the process
that supervises it.

Usage: python campaigns/sweep_speed.py PYTHON_OF_THE_FRONTEND [ROUNDS [UNIVERSES]]
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from utopya_backend import load_cfg_file

MODEL = """
import sys
from utopya_backend import StepwiseModel

class Ten(StepwiseModel):
    def setup(self, *, drift: float = 0.0):
        self.position, self.drift = 0.0, drift
        self.dset = self.create_ts_dset("position", dtype=float)

    def perform_step(self):
        self.position += self.rng.normal(self.drift)

    def write_data(self):
        self.dset.resize(self.dset.shape[0] + 1, axis=0)  # with either backend
        self.dset[-1] = self.position

if __name__ == "__main__":
    model = Ten(cfg_file_path=sys.argv[1])
    model.run()
    del model
"""
NUM_STEPS = 10
OF_OURS = 1000
OF_THE_FRONTEND = 60  # it takes its time
WORKERS = (1, 2, 4)
FRONTEND = "frontend, its backend"


def write_model(directory: Path) -> Path:
    """Writes the model, as it is registered with the frontend."""
    model = directory / "Ten"
    model.mkdir()
    (model / "run_model.py").write_text(MODEL, encoding="utf-8")
    (model / "run_model.py").chmod(0o755)
    (model / "Ten_info.yml").write_text(
        "model_name: Ten\npaths: {executable: run_model.py}\n", encoding="utf-8"
    )
    (model / "Ten_cfg.yml").write_text("drift: 0.0\n", encoding="utf-8")
    return model


def check(out: Path, number: int) -> None:
    """Checks the data of all universes of the only run in a directory."""
    paths = list(out.glob("Ten/*/data/uni*/data.h5"))
    assert len(paths) == number, (len(paths), number)
    for path in paths:
        seed = load_cfg_file(str(path.with_name("config.yml")))["seed"]
        with h5py.File(path) as file:
            assert file.attrs.get("status", "finished") == "finished"
            steps = np.random.default_rng(seed).normal(size=NUM_STEPS)
            expected = np.concatenate([[0.0], np.cumsum(steps)])
            np.testing.assert_allclose(file["Ten/position"][:], expected)
            assert (path.parent / "out.log").stat().st_size > 0


def measure(command: list[str], out: Path, number: int) -> tuple[float, float]:
    """Runs a sweep; returns the wall and the CPU time per universe [s]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    check(out, number)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall / number, cpu / number


def ours(model: Path, out: Path, number: int, *args: str) -> list[str]:
    """The command of a sweep by this package."""
    return [
        sys.executable, "-m", "utopya_backend", "sweep", str(model), "--quiet",
        "--steps", str(NUM_STEPS), "--seed", "0", "--num-seeds", str(number),
        "--out", str(out), *args,
    ]  # fmt: skip


def theirs(utopya: str, out: Path, number: int, python: str) -> list[str]:
    """The command of the same sweep by the frontend, with the backend of a Python."""
    return [
        utopya, "run", "Ten", "--no-eval", "-W", "2", "-N", str(NUM_STEPS),
        "--num-seeds", str(number), "-p", f"paths.out_dir={out}",
        "-p", f"executable_control.prefix=!!yaml [{python}]",
    ]  # fmt: skip


@contextmanager
def dask_cluster(directory: Path, workers: int) -> Iterator[str]:
    """A scheduler and its workers as processes; gives the address."""
    file = directory / "scheduler.json"
    args = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = [*args, "scheduler", "--host", "127.0.0.1", "--port", "0",
                 "--no-dashboard", "--scheduler-file", str(file)]  # fmt: skip
    worker = [*args, "worker", "--scheduler-file", str(file), "--nthreads", "1",
              "--no-dashboard"]  # fmt: skip
    processes = [subprocess.Popen(scheduler, **quiet)]  # type: ignore[call-overload]
    try:
        while not file.exists():
            time.sleep(0.1)
        processes += [subprocess.Popen(worker, **quiet) for _ in range(workers)]  # type: ignore[call-overload]
        from distributed import Client

        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(workers)
            address = str(client.scheduler.address)
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def peak_memory(command: list[str]) -> tuple[float, float]:
    """Runs a command; returns the wall time [s] and its own peak memory [MB]."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    status = Path(f"/proc/{process.pid}/status")
    peak = 0
    while process.poll() is None:
        lines = status.read_text().splitlines()
        peak = max([peak, *(int(li.split()[1]) for li in lines if "VmHWM" in li)])
        time.sleep(0.05)
    assert process.returncode == 0
    return time.perf_counter() - start, peak * 1024 / 1e6


def main(frontend: str, rounds: int, many: int) -> None:
    """Measures in turn, prints the medians."""
    utopya = str(Path(frontend).absolute().with_name("utopya"))
    with tempfile.TemporaryDirectory() as tmp:
        home = Path(tmp)
        os.environ["HOME"] = tmp
        os.environ.pop("PYTHONPATH", None)
        model = write_model(home)
        info = str(model / "Ten_info.yml")
        register = [utopya, "models", "register", "from-manifest", info]
        subprocess.run(register, check=True, capture_output=True)
        with dask_cluster(home, 2) as address:
            cases: dict[str, Callable[[Path], tuple[list[str], int]]] = {}
            for w in WORKERS:
                cases[f"ours, {w} workers"] = lambda out, w=w: (
                    ours(model, out, OF_OURS, "-W", str(w)), OF_OURS)  # fmt: skip
            cases["ours, 2 workers of Dask"] = lambda out: (
                ours(model, out, OF_OURS, "--scheduler", address), OF_OURS)  # fmt: skip
            cases["ours, 2 workers, --fresh"] = lambda out: (
                ours(model, out, OF_THE_FRONTEND, "-W", "2", "--fresh"),
                OF_THE_FRONTEND)  # fmt: skip
            for what, python in {
                FRONTEND: str(Path(frontend).absolute()),
                "frontend, our backend": sys.executable,
            }.items():
                cases[what] = lambda out, python=python: (
                    theirs(utopya, out, OF_THE_FRONTEND, python),
                    OF_THE_FRONTEND)  # fmt: skip
            times = run_in_turn(cases, home, rounds)
        show(times)
        out = home / "many"
        wall, memory = peak_memory(ours(model, out, many))
        check(out, many)
        print(
            f"{many} universes: {many / wall:.0f} per second, "
            f"peak memory of the supervisor {memory:.0f} MB"
        )


def run_in_turn(
    cases: dict[str, Callable[[Path], tuple[list[str], int]]], home: Path, rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Measures each case once in each round."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for round_number in range(rounds):
        for number, (name, make) in enumerate(cases.items()):
            out = home / f"out{round_number}-{number}"
            command, universes = make(out)
            times[name].append(measure(command, out, universes))
    return times


def show(times: dict[str, list[tuple[float, float]]]) -> None:
    """Prints the medians, and the ratio to the frontend."""
    walls = {name: statistics.median(w for w, _ in t) for name, t in times.items()}
    cpus = {name: statistics.median(c for _, c in t) for name, t in times.items()}
    for name, wall in walls.items():
        rates = [1 / w for w, _ in times[name]]
        print(
            f"{name:<26s} {1 / wall:7.1f} universes/s "
            f"({min(rates):.1f} to {max(rates):.1f})"
            f"   CPU {1e3 * cpus[name]:6.1f} ms per universe"
            f"   {walls[FRONTEND] / wall:6.1f} x the frontend"
        )


if __name__ == "__main__":
    numbers = [int(arg) for arg in sys.argv[2:]]
    main(sys.argv[1], *(numbers + [5, 10_000][len(numbers) :]))
