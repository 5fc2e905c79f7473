"""How long one universe takes under the frontend, from spawn to exit.

The frontend runs sweeps of one and the same model with either backend, one universe at
a time and the backends in turn; a program between the frontend and the model measures
each process. Beside that, without the frontend: a Python that only imports the
backend, or numpy and h5py, or nothing. Each backend has an environment of its own, with
bytecode.

Usage: python campaigns/universe_time.py PYTHON_OF_THE_FRONTEND [ROUNDS]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py

MODELS = Path(__file__).parents[1] / "tests/frontend/models"
NUM_STEPS = 100
UNIVERSES_PER_ROUND = 5
PROGRAMS = ("import utopya_backend", "import numpy, h5py", "pass")


def measure(result_file: Path, what: str, args: list[str]) -> int:
    """Runs a command; adds its wall and CPU seconds to a file."""
    start = time.perf_counter()
    pid = os.posix_spawn(args[0], args, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    result = {"what": what, "wall": wall, "cpu": usage.ru_utime + usage.ru_stime}
    with open(result_file, "a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    return os.waitstatus_to_exitcode(status)


def run_sweep(utopya: str, python: str, what: str, home: Path, number: int) -> None:
    """Has the frontend run some universes; checks their data."""
    out_dir = home / f"out/{what}{number}"
    prefix = [sys.executable, __file__, "--measure", str(home / "times"), what, python]
    settings: dict[str, Any] = {
        "executable_control.prefix": f"!!yaml {json.dumps(prefix)}",
        "paths.out_dir": out_dir,
    }
    command = [utopya, "run", "Probe", "--no-eval", "-W", "1", "-N", str(NUM_STEPS)]
    command += ["--num-seeds", str(UNIVERSES_PER_ROUND)]
    for key, value in settings.items():
        command += ["-p", f"{key}={value}"]
    subprocess.run(command, check=True, capture_output=True)
    paths = list(out_dir.glob("Probe/*/data/uni*/data.h5"))
    assert len(paths) == UNIVERSES_PER_ROUND
    for path in paths:
        with h5py.File(path) as file:
            assert file["Probe/state"].shape == (NUM_STEPS + 1, 4)
            assert ("utopya_backend" in file.attrs) == (what == "ours")


def main(frontend: str, rounds: int) -> None:
    """Measures in turn, prints the medians."""
    utopya = str(Path(frontend).absolute().with_name("utopya"))
    pythons = {"ours": sys.executable, "theirs": str(Path(frontend).absolute())}
    with tempfile.TemporaryDirectory() as tmp:
        home = Path(tmp)
        os.environ["HOME"] = tmp
        os.environ.pop("PYTHONPATH", None)
        register = [utopya, "projects", "register", str(MODELS), "--with-models"]
        subprocess.run(register, check=True, capture_output=True)
        for number in range(rounds):
            for what, python in pythons.items():
                run_sweep(utopya, python, what, home, number)
                for _ in range(UNIVERSES_PER_ROUND):
                    for program in PROGRAMS:
                        args = [python, "-c", program]
                        assert measure(home / "times", f"{what}: {program}", args) == 0
        lines = (home / "times").read_text(encoding="utf-8").splitlines()
    times: dict[str, list[dict[str, float]]] = {}
    for result in map(json.loads, lines):
        times.setdefault(result["what"], []).append(result)
    for what in sorted(times):
        for kind in ("wall", "cpu"):
            values = sorted(1e3 * result[kind] for result in times[what])
            print(
                f"{what:<32s} {kind:<5s} {statistics.median(values):6.0f} ms"
                f"   ({values[0]:.0f} to {values[-1]:.0f}, {len(values)} processes)"
            )


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        sys.exit(measure(Path(sys.argv[2]), sys.argv[3], sys.argv[4:]))
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 6)
