import contextlib
import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from utopya_backend import ModelBenchmarkMixin, StepwiseModel, watching
from utopya_backend.cli import main
from utopya_backend.cli.watch import Screen, follow
from utopya_backend.display import Report
from utopya_backend.io import OutputFile, glance
from utopya_backend.io.journal import create_journal
from utopya_backend.io.writer import Life
from utopya_backend.watching import State, look

START = 1_800_000_000.0

MODEL = """
import os, sys, time
from pathlib import Path
from utopya_backend import ModelBenchmarkMixin, StepwiseModel

class Waiter(ModelBenchmarkMixin, StepwiseModel):
    '''After half of its steps, it waits until it is told to go on.'''

    def setup(self):
        self.value = self.create_ts_dset("value")
        self.state = self.create_ts_dset("state", extra_dims=["x"], sizes={"x": 4})

    def perform_step(self):
        if self.time == 10:
            time.sleep(0.02)  # to be seen in the elapsed times
        if self.time == 50:
            self.trigger_monitor(force=True)
            self.h5group.file.commit()
            Path("halfway").touch()
            while not Path("go").exists():
                time.sleep(0.01)

    def monitor(self, monitor_info):
        return {"density": self.time / 10, "ages": [1]}

    def write_data(self):
        self.value.append(self.time / 4)
        self.state.append([self.time, 0, 1, -1])

if __name__ == "__main__":
    with Waiter(cfg_file_path=sys.argv[1]) as model:
        model.run()
"""


def watch(*args, code=0):
    result = CliRunner().invoke(main, ["watch", *map(str, args)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def age(path, seconds):
    """Makes a file older."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


@pytest.fixture
def waiter(tmp_path, monkeypatch):
    """The directory of a run whose model waits, half-way; it is let go afterwards."""
    monkeypatch.chdir(tmp_path)
    Path("Waiter").mkdir()
    Path("Waiter/run_model.py").write_text(MODEL)
    Path("Waiter/Waiter_info.yml").write_text(
        "model_name: Waiter\npaths: {executable: run_model.py}\n"
    )
    args = ["run", "Waiter", "--steps", "100", "--quiet"]
    process = subprocess.Popen([sys.executable, "-m", "utopya_backend", *args])
    while not Path("halfway").exists():
        assert process.poll() is None
        time.sleep(0.01)
    yield next(Path("out/Waiter").iterdir())
    (tmp_path / "go").touch()
    process.wait()


# .. A model that runs ........................................................


def test_in_the_middle_of_a_run(waiter):
    output = watch(waiter, "--once")
    lines = output.splitlines()
    assert lines[0].startswith("Waiter is running, for ")
    assert lines[1].startswith(" 50% [############------------] 50 iterations, ")
    assert lines[1].endswith(" left")
    assert lines[2] == "  density=5"
    rows = [line.split() for line in lines]
    assert ["/Waiter/value", "51", "rows", "12.5"] in rows
    assert "min -1, mean 12.5, max 50" in output
    assert "Elapsed times:" in output
    assert "data/uni0/data.h5 (" in output
    assert "last commit" in output
    assert "out.log (last line" in output


def test_each_form_of_the_path_and_the_end(waiter):
    for path in (waiter, waiter / "data/uni0", waiter / "data/uni0/data.h5"):
        assert "Waiter is running" in watch(path)
    Path("go").touch()
    while "is running" in watch(waiter):
        time.sleep(0.01)
    output = watch(waiter)
    assert output.startswith("Waiter finished after ")
    assert "100% [########################] 100 iterations" in output
    assert "left" not in output
    assert "simulation" in output  # of all timers


def test_refresh_in_place(waiter):
    terminal, its_end = pty.openpty()
    args = [sys.executable, "-m", "utopya_backend", "watch", waiter]
    environ = os.environ | {"LINES": "7", "COLUMNS": "60"}
    process = subprocess.Popen(
        [*args, "--interval", "0.1"], stdout=its_end, env=environ
    )
    os.close(its_end)
    shown = ""
    while "A\r\x1b[J" not in shown:
        shown += os.read(terminal, 100_000).decode()
    Path("go").touch()
    while "Waiter finished" not in shown or not shown.endswith("\n"):
        shown += os.read(terminal, 100_000).decode()
    assert process.wait() == 0
    os.close(terminal)
    # Each screen goes up by as many lines as the one before it had.
    screens = re.split(r"\x1b\[\d+A\r\x1b\[J", shown)
    ups = re.findall(r"\x1b\[(\d+)A\r\x1b\[J", shown)
    heights = [len(screen.splitlines()) for screen in screens]
    assert screens[0].startswith("Waiter is running")
    assert [int(up) for up in ups] == heights[:-1]
    assert max(heights) <= 6
    assert all(len(line) <= 60 for s in screens for line in s.splitlines())
    assert "more" in screens[0].splitlines()[-1]


def test_ctrl_c(waiter):
    terminal, its_end = pty.openpty()
    args = [sys.executable, "-m", "utopya_backend", "watch", waiter]
    process = subprocess.Popen(args, stdout=its_end, stderr=subprocess.PIPE)
    os.close(its_end)
    os.read(terminal, 100_000)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    os.close(terminal)
    assert process.returncode == 130
    assert stderr == b""


def test_the_run_goes_on_while_it_is_looked_at(waiter):
    """As often as possible; nothing is missing from its file."""
    file = waiter / "data/uni0/data.h5"
    watch(waiter)
    Path("go").touch()
    while "is running" in watch(waiter):
        pass
    with h5py.File(file) as data:
        assert data.attrs["status"] == "finished"
        assert data["Waiter/value"].shape == (101,)


# .. How it ends ..............................................................


class M(ModelBenchmarkMixin, StepwiseModel):
    def setup(self, *, what=None):
        self.what = what
        self.truth = self.create_ts_dset("truth", dtype=bool, extra_dims=["x"])
        self.nan = self.create_ts_dset("nan", extra_dims=["x"])
        self.text = self.create_ts_dset("text", dtype=str)
        self.empty = self.create_ts_dset("empty")
        self.h5group["other"] = 1.0

    def perform_step(self):
        if self.what == "raise":
            raise ZeroDivisionError("division by zero")
        if self.what == "stop":
            os.kill(os.getpid(), signal.SIGUSR1)

    def write_data(self):
        self.truth.append([True, False])
        self.nan.append([np.nan, np.inf])
        self.text.append("text")


def test_stopped(make, tmp_path):
    with pytest.raises(SystemExit):
        make(M, M={"what": "stop"}).run()
    output = watch(tmp_path)
    assert output.startswith("M was stopped after ")
    assert ": SIGUSR1\n" in output
    assert "mean 0.5, max 1" in output
    assert "no finite values" in output
    assert "text" not in output
    assert "empty" not in output


def test_failed(make, tmp_path):
    with pytest.raises(ZeroDivisionError):
        make(M, M={"what": "raise"}).run()
    assert ": ZeroDivisionError: division by zero\n" in watch(tmp_path)


def test_killed(make, tmp_path):
    """The writer is gone, and its journal is there; or not, after a recovery."""
    model = make(M)
    content = (tmp_path / "data.h5").read_bytes()
    model.close()
    journal = tmp_path / "data.h5.wal"
    (tmp_path / "data.h5").write_bytes(content)
    journal.touch()
    assert "M was killed: its file is its last commit" in watch(tmp_path)
    journal.write_bytes(b"x")
    assert "M was killed: while it committed; `utopya-backend rec" in watch(tmp_path)
    journal.unlink()
    assert "M was killed: its file is" in watch(tmp_path)
    assert not journal.exists()


def test_long_step(make, tmp_path):
    """It has not committed for long, but has its file open."""
    make(M)
    age(tmp_path / "data.h5.wal", 1000)
    (seen,) = look(tmp_path)
    assert seen.state is State.RUNNING
    assert "last commit 16m 40s ago" in watch(tmp_path)


def test_ends_between_two_looks_at_its_file(make, tmp_path, monkeypatch):
    model = make(M)

    def find_writer(path):
        model.run()
        model.close()
        return Life.GONE, None

    monkeypatch.setattr(watching, "find_writer", find_writer)
    (seen,) = look(tmp_path)
    assert seen.state is State.FINISHED


# .. Other files ..............................................................


def test_file_of_another_program(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = [1, 2]
        for name, values in (("total", [1.0]), ("a/total", []), ("b/total", [np.nan])):
            file[name] = values
            file[name].attrs["dim_names"] = ["label"]
        file["a/total"].attrs["coords__label"] = 1
        file["b/total"].attrs["coords__label"] = ["a"]
    assert watch(tmp_path).startswith("The model has ended; its file does not say how")


def test_writer_without_commits(tmp_path, monkeypatch):
    """It has its file locked all the time, as HDF5 does."""
    monkeypatch.setattr(glance, "_PATIENCE", 0)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = [1, 2]
    (tmp_path / "out.log").write_text("!!map {progress: 0.5, n_iter: 7}")
    with open(tmp_path / "data.h5", "rb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        output = watch(tmp_path)
    assert output.startswith("The model is running: its file is locked")
    assert "7 iterations" in output


def test_before_there_is_a_file(tmp_path):
    (tmp_path / "data/uni0").mkdir(parents=True)
    assert "The model is starting" in watch(tmp_path)
    (tmp_path / "data/uni0/config.yml").touch()
    assert watch(tmp_path / "data/uni0") == "The model is starting\n"
    assert watch(tmp_path / "data/uni0/data.h5") == "The model is starting\n"
    (tmp_path / "data/uni0").joinpath("data.h5").touch()  # before it has its journal
    assert "The model is starting" in watch(tmp_path)
    with contextlib.closing(create_journal(str(tmp_path / "data/uni0/data.h5"))):
        assert "The model is starting" in watch(tmp_path)  # before its first commit
    assert "was killed before the first commit" in watch(tmp_path, code=2)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("INFO Hello\nError: There is no key\n", "The model failed: There is no key\n"),
        (
            "Traceback (most recent call last):\n  File\nValueError: x\n",
            "The model failed: ValueError: x\n",
        ),
    ],
)
def test_failed_before_there_is_a_file(tmp_path, log, expected):
    (tmp_path / "out.log").write_text(log)
    assert watch(tmp_path).startswith(expected)


@pytest.mark.parametrize(
    ("log", "n_iter"),
    [
        ("!!map {progress: 0.1, n_iter: 1}\n!!map {progress: 0.2, n_", 1),
        ("!!map {progress: 0.1, n_iter: 1}\nnot !!map {progress: 0, n_iter: 2}", 1),
        ("!!map {progress: 0.1, n_iter: 1}\n" + 100 * "much more\n", 1),
        ("!!map {progress: 0.1, n_iter: 1}\n" + 100_000 * "much more\n", None),
        ("", None),
    ],
)
def test_last_report(tmp_path, log, n_iter):
    (tmp_path / "out.log").write_text(log)
    (seen,) = look(tmp_path)
    assert (seen.report and seen.report.n_iter) == n_iter


def test_a_commit_in_progress_is_waited_for(make, tmp_path, monkeypatch):
    make(M).close()
    path = str(tmp_path / "data.h5")
    real, attempts = h5py.File, []

    def open_file(*args):
        attempts.append(args)
        if len(attempts) < 3:
            raise BlockingIOError
        return real(*args)

    monkeypatch.setattr(h5py, "File", open_file)
    attrs = glance.glance_at(path, sleep=lambda _: None).attrs
    assert attrs["status"] == "stopped: closed"
    assert len(attempts) == 3


def test_slow_file(make, tmp_path, clock):
    """What takes too long is left out."""
    model = make(M)
    model.run()
    model.close()

    def late():
        clock.now += 0.06
        return clock.now

    assert len(glance.glance_at(tmp_path / "data.h5", clock=late).rows) < 2
    assert len(glance.glance_at(tmp_path / "data.h5").rows) == 2


def test_what_would_move_the_cursor(tmp_path):
    (tmp_path / "out.log").write_text("Error: a\x1b[2Jb\n")
    assert watch(tmp_path).startswith("The model failed: a?[2Jb\n")


# .. Many universes ...........................................................


@pytest.fixture
def sweep(tmp_path, make):
    """A run of five: finished, failed, running, starting, and not begun."""
    (tmp_path / "config").mkdir()
    info = tmp_path / "config/parameter_space_info.yml"
    info.write_text("volume: 5\nperform_sweep: true\n")
    paths = [tmp_path / f"data/uni{number}/data.h5" for number in (1, 2, 3, 4)]
    for path in paths:
        path.parent.mkdir(parents=True)
    model = make(M, output_path=str(paths[0]))
    model.run()
    model.close()
    with pytest.raises(ZeroDivisionError):
        make(M, output_path=str(paths[1]), M={"what": "raise"}).run()
    make(M, output_path=str(paths[2]))
    log = "!!map {progress: 0.5, n_iter: 7, M: {density: 3}}\n"
    (paths[2].parent / "out.log").write_text(log)
    return tmp_path


def test_sweep(sweep):
    lines = watch(sweep).splitlines()
    assert lines[0].endswith(
        ": 5 universes, 1 starting, 1 running, 1 finished, 1 failed, 1 to come"
    )
    assert lines[1].startswith("  uni3   50%")
    assert lines[1].endswith("density=3")
    assert lines[2].split() == ["uni4", "starting"]
    assert lines[3].split()[:3] == ["uni2", "failed", "ZeroDivisionError:"]
    assert len(lines) == 4


def test_universe_that_cannot_be_read(sweep):
    (sweep / "data/uni4/data.h5").write_text("garbage")
    assert "uni4  unreadable" in watch(sweep)


@pytest.mark.parametrize(
    ("outcome", "code", "state", "detail"),
    [
        ("failed", 137, State.FAILED, "exit code 137"),
        ("killed", 138, State.KILLED, "exit code 138"),
        ("interrupted", 130, State.STOPPED, "exit code 130"),
    ],
)
def test_what_the_record_of_a_sweep_knows_better(sweep, outcome, code, state, detail):
    """A program has failed after its run, or before there was a file."""
    before = look(sweep)
    rows = [f"uni{number}\t{outcome}\t{code}\n" for number in (1, 2, 3, 4)]
    (sweep / "_universes.tsv").write_text("universe\toutcome\n" + "".join(rows))
    for seen in look(sweep), look(sweep, before):
        assert [(s.state, s.detail) for s in (seen[0], seen[3])] == [
            (state, detail)
        ] * 2
        assert [s.state for s in seen[1:3]] == [State.FAILED, State.RUNNING]
    with open(sweep / "_universes.tsv", "a") as record:
        record.write("uni1\tbegun\t\t\nuni4\tfinished\t0\n")
    assert [s.state for s in look(sweep)] == [s.state for s in before]


def test_what_has_ended_is_not_looked_at_again(sweep):
    before = look(sweep)
    after = look(sweep, before)
    same = [old is new for old, new in zip(before, after, strict=True)]
    assert same == [True, True, False, False]


# .. Again and again ..........................................................


class Shown:
    def __init__(self):
        self.screens = []

    def show(self, lines):
        self.screens.append(lines)


def test_follow(tmp_path, clock):
    """Until all have ended; the rate is that of the last reports."""
    clock.now = START
    shown, path = Shown(), tmp_path / "data/uni0/data.h5"
    events = []

    def sleep(seconds):
        assert seconds == 2.5
        clock.now += 10
        events.append(clock.now)
        log = path.with_name("out.log")
        if len(events) == 1:
            path.parent.mkdir(parents=True)
        if len(events) == 5:
            log.write_text("Error: all is lost")
        elif len(events) > 1:
            progress = (len(events) - 1) / 10
            log.write_text(f"!!map {{progress: {progress}, n_iter: {len(events)}000}}")
        if log.exists():
            os.utime(log, (clock.now, clock.now))

    (tmp_path / "data").mkdir()
    follow(str(tmp_path), shown, 2.5, clock=clock, sleep=sleep)
    first, second, *_, fifth, last = shown.screens
    assert first == [f"{tmp_path}: starting, there is no universe yet"]
    assert second == ["The model is starting"]
    assert fifth[1].endswith("] 4000 iterations, 100 it/s, 1m 10s left")
    assert last[0] == "The model failed: all is lost"
    assert len(shown.screens) == 6


def test_follow_waits_for_universes_that_have_not_begun(sweep, clock):
    """Though at times, all those that are there have ended."""
    shown = Shown()
    (sweep / "data/uni3/data.h5").rename(sweep / "elsewhere.h5")
    for number in (3, 4):
        (sweep / f"data/uni{number}/out.log").unlink(missing_ok=True)
        (sweep / f"data/uni{number}/out.log").write_text("Error: x")

    def sleep(_):
        (sweep / "data/uni5").mkdir()
        (sweep / "data/uni5/out.log").write_text("Error: y")

    follow(str(sweep), shown, 1.0, sleep=sleep)
    assert len(shown.screens) == 2
    assert "1 to come" in shown.screens[0][0]
    assert "4 failed" in shown.screens[1][0]


def test_wide_characters_take_two_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "5")
    monkeypatch.setenv("LINES", "3")
    Screen(is_terminal=True).show(["漢字漢字", "abcdefgh"])
    assert capsys.readouterr().out == "漢字\nabcde\n"


# .. Mistakes .................................................................


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("no", "There is no run no: check the path."),
        ("no/data.h5", "There is no run no/data.h5: check the path."),
        ("data.h5", "There is no run data.h5: check the path."),
        ("empty", "There is no run in empty, as there is no directory data/ in it"),
        ("garbage.h5", "garbage.h5 is no HDF5 file: it begins with b'garbage'."),
        ("empty.h5", "empty.h5 is empty."),
        ("torn.h5", "torn.h5 cannot be read as HDF5: it is truncated, or torn"),
    ],
)
def test_mistakes(tmp_path, monkeypatch, path, expected):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("garbage.h5").write_text("garbage")
    Path("empty.h5").touch()
    with OutputFile("whole.h5") as file:
        file["x"] = np.zeros(1000)
    Path("torn.h5").write_bytes(Path("whole.h5").read_bytes()[:3000])
    assert expected in watch(path, code=2)


def test_no_permission(make, tmp_path, monkeypatch):
    make(M).close()

    def refuse(path):
        raise PermissionError

    monkeypatch.setattr(glance, "check_signature", refuse)
    assert "There is no permission to read" in watch(tmp_path, code=2)


@pytest.mark.parametrize("interval", ["0", "x"])
def test_interval(tmp_path, interval):
    assert "Invalid value for '--interval'" in watch(
        tmp_path, "--interval", interval, code=2
    )


def test_report_without_a_file(tmp_path):
    (tmp_path / "out.log").write_text("!!map {progress: 0.5, n_iter: 1, M: {a: 1}}\n")
    (seen,) = look(tmp_path)
    assert seen.report == Report(0.5, 1, {"a": 1})
    assert seen.model == ""
