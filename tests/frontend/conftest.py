"""The real `utopya` frontend, with a home of its own, and what its runs leave."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import utopya_backend

# Programs, for other processes
collect_ignore = ["models", "evaluate.py"]

ROOT = Path(__file__).parents[2]
TIMEOUT = 120  # seconds that no command needs, however slow the machine


@pytest.fixture(scope="session")
def frontend_env() -> Path:
    """The environment with the frontend, made by the first run of the tests."""
    env = Path(".venv-frontend")
    subprocess.run(["make", "--quiet", f"{env}/.installed"], cwd=ROOT, check=True)
    return ROOT / env


@pytest.fixture(scope="session")
def home(frontend_env: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory in which all models are registered."""
    home = tmp_path_factory.mktemp("home")
    frontend = Frontend(frontend_env, home, home / "not used")
    info = [sys.executable, "-m", "utopya_backend_command", "info"]
    found = subprocess.run(info, check=True, capture_output=True, text=True, cwd="/")
    assert utopya_backend.__file__ in found.stdout
    for project in (ROOT / "examples", Path(__file__).parent / "models"):
        frontend("projects", "register", str(project), "--with-models")
    return home


@dataclass
class Universe:
    """What the frontend and a model have left of one universe."""

    path: Path

    @property
    def log(self) -> str:
        return (self.path / "out.log").read_text(encoding="utf-8")

    @property
    def exit_code(self) -> int:
        """Of a run that was stopped by a signal, as the model says."""
        (code,) = re.findall(r"Now exiting \(code: (\d+)\)", self.log)
        return int(code)

    @property
    def cfg(self) -> Any:
        return utopya_backend.load_cfg_file(str(self.path / "config.yml"))

    def open(self) -> h5py.File:
        """Opens the data as any program would: nothing recovers it first."""
        return h5py.File(self.path / "data.h5")

    def status(self) -> str:
        """How the run has ended, as the file says."""
        with self.open() as file:
            return str(file.attrs["status"])

    def number_of_rows(self) -> int:
        """How many rows a `Probe` has written; all of them are right."""
        with self.open() as file:
            rows = file["Probe/state"][:]
        assert (rows == np.arange(len(rows))[:, None]).all()
        return len(rows)

    def wait_until_reached(self) -> int:
        """Waits for the incident in a `Probe`; returns the process id."""
        reached = self.path / "reached"
        wait_until(lambda: reached.exists() and reached.read_text() != "")
        return int(reached.read_text())

    def wait_until_closed(self) -> None:
        """Waits until the model has ended in an orderly way."""

        def is_closed() -> bool:
            try:
                return self.status() != "running"
            except (BlockingIOError, FileNotFoundError):  # a commit; not there yet
                return False

        wait_until(is_closed)

    def package(self) -> str:
        """Where the model's process has imported its `utopya_backend` from."""
        log = self.path / "out.log"
        if log.exists() and (match := re.search(r"utopya_backend is (.*)", self.log)):
            return match[1]
        # A model that does not tell. Nothing but our package writes this attribute,
        # and no other one of ours is in the environment, see the fixture `home`.
        with self.open() as file:
            assert file.attrs["utopya_backend"] == utopya_backend.__version__
        return utopya_backend.__file__


def wait_until(is_so: Callable[[], bool]) -> None:
    """Waits for something that another process does."""
    end = time.monotonic() + TIMEOUT
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@dataclass
class Frontend:
    """Commands of the frontend, for models that are run by a certain Python."""

    env: Path
    home: Path
    out: Path
    python: str = sys.executable
    environ: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Starts a command, in a process group of its own."""
        if args[0] == "run":
            settings = (f"paths.out_dir={self.out}", f"{PREFIX}=!!yaml [{self.python}]")
            args += tuple(arg for setting in settings for arg in ("-p", setting))
        environ = dict(os.environ)
        environ.pop("PYTHONPATH", None)  # models would inherit it
        environ |= {"HOME": str(self.home), "COLUMNS": "200", "MPLBACKEND": "agg"}
        process = subprocess.Popen(
            [self.env / "bin/utopya", *args],
            env=environ | self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def __call__(self, *args: str, code: int = 0) -> str:
        """Runs a command; returns what it prints."""
        return finish(self.start(*args), code)

    def end(self) -> None:
        """Ends what is still running, models included."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def packages(self) -> set[str]:
        """From where the models of all runs have imported `utopya_backend`."""
        return {Universe(path).package() for path in self.out.glob("*/*/data/uni*")}

    def universe(self, number: int = 0, model: str = "Probe") -> Universe:
        """A universe of the only run; waits until its directory is there."""
        pattern = f"{model}/*/data/uni{number}"
        wait_until(lambda: any(self.out.glob(pattern)))
        (path,) = self.out.glob(pattern)
        return Universe(path)

    def run_dir(self, model: str = "Probe") -> Path:
        (run_dir,) = (self.out / model).iterdir()
        return run_dir


PREFIX = "executable_control.prefix"


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """Waits for a command to end with an exit code; returns what it has printed."""
    try:
        output, _ = process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
    assert process.returncode == code, output[-5000:]
    return output


@pytest.fixture
def frontend(frontend_env: Path, home: Path, tmp_path: Path) -> Iterator[Frontend]:
    """The frontend; at the end, all models have to have run with our package."""
    frontend = Frontend(frontend_env, home, tmp_path / "out")
    yield frontend
    frontend.end()
    assert frontend.packages() == {utopya_backend.__file__}


@pytest.fixture
def published(frontend_env: Path, home: Path, tmp_path: Path) -> Iterator[Frontend]:
    """The same, with the backend that comes with the frontend."""
    python = str(frontend_env / "bin/python")
    frontend = Frontend(frontend_env, home, tmp_path / "published", python)
    yield frontend
    frontend.end()
    (package,) = frontend.packages()
    assert package.startswith(str(frontend_env))


@pytest.fixture
def run_cfg(tmp_path: Path) -> Callable[[str], str]:
    """Writes the configuration of a run; returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "run.yml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write
