"""The directory of a sweep: its files, the lock, and what has to be run once more."""

import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager

import h5py
import pytest
from paramspace import ParamDim

from utopya_backend import load_cfg_file
from utopya_backend.errors import (
    ConfigError,
    FileInUseError,
    MissingFileError,
    OutputDirectoryError,
)
from utopya_backend.io.record import read_record
from utopya_backend.space import Space, parameter_space
from utopya_backend.sweeps.directory import SweepDirectory, set_aside
from utopya_backend.sweeps.messages import Ended
from utopya_backend.sweeps.tally import Outcome

from .conftest import outcomes


def make_space(num=4):
    return Space(
        parameter_space({"num_steps": 3, "seed": ParamDim(default=0, range=[num])})
    )


@pytest.fixture
def directory(tmp_path):
    return SweepDirectory.make(tmp_path, "M", make_space(), note="n", settings={"a": 1})


def make_universe(directory, number, status="finished", log=""):
    """Makes the directory of a universe; with an output file, if it has a status."""
    path = directory.universe(number)
    path.mkdir()
    if status is not None:
        with h5py.File(path / "data.h5", "w") as file:
            file.attrs["status"] = status
    (path / "out.log").write_text(log)
    return path


def note(directory, number, outcome, code=0):
    directory.note(Ended(number, code, 1.25, 0.5, "here"), outcome)


# .. What is written ..........................................................


def test_files(directory):
    names = {str(p.relative_to(directory.path)) for p in directory.path.rglob("*")}
    assert names == {
        "config", "data", "eval", "_sweep_info.txt", "config/parameter_space.yml",
        "config/meta_cfg.yml", "config/parameter_space_info.yml",
        "config/sweep_cfg.yml", "config/provenance.yml",
    }  # fmt: skip
    assert directory.path.name.endswith("_n")
    assert directory.path.parent.name == "M"
    again = SweepDirectory.open(directory.path)
    assert list(again.space) == list(directory.space) == [1, 2, 3, 4]
    assert again.settings == {"a": 1}
    assert again.universe(3) == directory.path / "data/uni3"
    info = load_cfg_file(str(directory.path / "config/parameter_space_info.yml"))
    assert (info["volume"], info["perform_sweep"]) == (4, True)
    meta_cfg = load_cfg_file(str(directory.path / "config/meta_cfg.yml"))
    assert meta_cfg["perform_sweep"] is True


def test_record(directory):
    with directory.in_use():
        note(directory, 2, Outcome.FAILED, 1)
    header, line = (directory.path / "_universes.tsv").read_text().splitlines()
    assert header.split("\t") == [
        "universe", "outcome", "exit_code", "seconds", "cpu_seconds", "host", "ended",
    ]  # fmt: skip
    assert line.split("\t")[:-1] == ["uni2", "failed", "1", "1.250", "0.500", "here"]


def test_a_host_with_several_lines(directory):
    """As an error of a cluster may be one."""
    with directory.in_use():
        directory.note(Ended(1, 1, 0.0, 0.0, "? (one\n\ttwo)"), Outcome.FAILED)
        note(directory, 2, Outcome.FINISHED)
    assert outcomes(directory.path) == {"uni1": "failed", "uni2": "finished"}


def test_what_cannot_be_written(tmp_path):
    class Thing:
        pass

    space = make_space()
    space.pspace._dict["thing"] = Thing()
    with pytest.raises(
        ConfigError, match=r"cannot be written as YAML .*: give numbers"
    ):
        SweepDirectory.make(tmp_path, "M", space, settings={})
    assert not (tmp_path / "M").exists()
    SweepDirectory.make(tmp_path, "M", make_space(), settings={})  # not for long


@pytest.mark.parametrize("what", ["nothing", "empty", "universe"])
def test_no_sweep(tmp_path, what):
    if what == "empty":
        (tmp_path / "run/config").mkdir(parents=True)
    with pytest.raises(MissingFileError, match=r"There is no sweep in .*/run, as"):
        SweepDirectory.open(tmp_path / "run")


def test_a_run_that_is_no_sweep(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/parameter_space.yml").write_text("--- !pspace\nseed: 1\n")
    with pytest.raises(ConfigError, match="Nothing is swept"):
        SweepDirectory.open(tmp_path)


# .. What has to be run once more .............................................


def test_by_the_record(tmp_path):
    directory = SweepDirectory.make(tmp_path, "M", make_space(5), settings={"a": 1})
    with directory.in_use():
        for number, outcome in enumerate(Outcome, 1):
            make_universe(directory, number, "finished")
            note(directory, number, outcome)
        assert directory.completed() == {1, 2}
        note(directory, 1, Outcome.FAILED)  # the last line counts
        note(directory, 3, Outcome.FINISHED)
        assert directory.completed() == {2, 3}


LAST_WORD = "end of log. exit code: 0\n"
HEAD_OF_FRONTEND = "Log of 'out' stream of WorkerTask 'uni2'\n---\n\n"


@pytest.mark.parametrize(
    ("status", "is_complete"),
    [
        ("finished", True),
        ("stopped: SIGUSR1", True),
        ("stopped: SIGTERM", False),
        ("stopped: SIGINT", False),
        ("running", False),
        ("failed: ValueError", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("log", [LAST_WORD, HEAD_OF_FRONTEND])
def test_without_a_record(directory, status, is_complete, log):
    """As of a run by the frontend, or of which the supervisor was killed."""
    make_universe(directory, 2, status, log)
    assert directory.completed() == ({2} if is_complete else set())


def test_nobody_has_seen_its_program_end(directory):
    """Its run has finished; then it was killed together with its supervisor."""
    make_universe(directory, 2, "finished", "some output\n")
    make_universe(directory, 3, "stopped: SIGUSR1")
    assert directory.completed() == set()


def test_a_sweep_of_the_frontend_without_logs(tmp_path):
    directory = SweepDirectory.make(tmp_path, "M", make_space(), settings={})
    make_universe(directory, 2, "finished")
    assert directory.completed() == {2}


@pytest.mark.parametrize(
    ("code", "is_complete"),
    [("0", True), ("138", False), ("-9", False), ("1", False), ("None", True)],
)
def test_the_last_word_of_the_frontend(directory, code, is_complete):
    text = f"{HEAD_OF_FRONTEND}done\n\n---\nend of log. exit code: {code}\n\n"
    make_universe(directory, 2, "finished", text)
    assert directory.completed() == ({2} if is_complete else set())


def test_a_long_log(directory):
    make_universe(directory, 1, "finished", "x\n" * 100_000 + LAST_WORD)
    make_universe(directory, 2, "finished", HEAD_OF_FRONTEND + "x\n" * 100_000)
    make_universe(directory, 3, "finished", "x\n" * 100_000)
    assert directory.completed() == {1, 2}


@pytest.mark.parametrize(
    "status", ["running", "failed: E", "stopped: SIGTERM", "stopped: SIGINT"]
)
def test_a_file_that_contradicts_the_record(directory, status):
    """The frontend has run the universe once more, or somebody else has."""
    with directory.in_use():
        note(directory, 1, Outcome.FINISHED)
        note(directory, 2, Outcome.STOPPED, 138)
        note(directory, 3, Outcome.FINISHED)
    make_universe(directory, 1, status)
    make_universe(directory, 2, status)
    make_universe(directory, 3, "finished")
    assert directory.completed() == {3}


def test_data_that_is_gone(directory):
    with directory.in_use():
        for number in (1, 2, 3, 4):
            note(directory, number, Outcome.FINISHED)
    make_universe(directory, 1, None)
    (make_universe(directory, 2, None) / "data.h5").write_text("no HDF5")
    (make_universe(directory, 3, None) / "own.csv").write_text("of a model like that")
    make_universe(directory, 4)
    os.truncate(directory.universe(4) / "data.h5", 700)
    assert directory.completed() == {3}


def test_a_file_that_is_none(directory):
    (make_universe(directory, 2, None) / "data.h5").write_text("no HDF5")
    make_universe(directory, 3, None).joinpath("data.h5").mkdir()
    assert directory.completed() == set()


def test_a_directory_that_was_deleted(directory):
    with directory.in_use():
        note(directory, 1, Outcome.FINISHED)
    assert directory.completed() == set()


def test_a_file_in_place_of_a_directory(directory):
    directory.universe(1).touch()
    assert directory.completed() == set()


def test_a_second_attempt_that_was_killed(directory):
    """What the record says of the first one is no longer so."""
    with directory.in_use():
        note(directory, 1, Outcome.FINISHED)
        note(directory, 2, Outcome.FAILED)
    with directory.in_use():
        directory.begin([1, 2, 3])
    make_universe(directory, 1, "running")
    make_universe(directory, 2, "finished", LAST_WORD)
    assert directory.completed() == {2}
    assert outcomes(directory.path) == {"uni1": "begun", "uni2": "begun"}
    assert read_record(directory.path) == {}


@pytest.mark.parametrize(
    "left", ["uni2", "uni2\t", "uni2\tfini", "uni2\tfailed\t1\t0."]
)
def test_a_line_of_the_record_that_was_not_completed(directory, left):
    with directory.in_use():
        note(directory, 1, Outcome.FINISHED)
    with open(directory.path / "_universes.tsv", "a") as record:
        record.write(left)
    for number in (1, 2, 3):
        make_universe(directory, number, log=LAST_WORD if number < 3 else "")
    expected = {1} if "failed" in left else {1, 2}
    assert directory.completed() == expected
    with directory.in_use():
        note(directory, 3, Outcome.STOPPED)
    assert directory.completed() == expected | {3}
    assert outcomes(directory.path)["uni3"] == "stopped"


def test_a_record_that_is_no_text(directory):
    make_universe(directory, 1, log=LAST_WORD)
    (directory.path / "_universes.tsv").write_bytes(b"universe\n\xff\xfe\tfinished\n")
    assert directory.completed() == {1}


@contextmanager
def full_disk():
    """No file can grow beyond a hundred bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_without_space(directory):
    """The sweep goes on; what the record lacks is in the logs."""
    make_universe(directory, 1, log=LAST_WORD)
    make_universe(directory, 2, log=LAST_WORD)
    with full_disk(), directory.in_use():
        for number in (1, 2):
            note(directory, number, Outcome.FINISHED)
    with directory.in_use():
        note(directory, 3, Outcome.FAILED, 1)
    assert directory.completed() == {1, 2}
    assert outcomes(directory.path)["uni3"] == "failed"


# .. The lock .................................................................


def test_nobody_else_runs_universes_here(directory):
    other = SweepDirectory.open(directory.path)
    with (
        directory.in_use(),
        pytest.raises(FileInUseError, match="by another process: wait until"),
        other.in_use(),
    ):
        pass
    with other.in_use():
        pass


def test_a_process_inherits_the_lock(directory):
    with directory.in_use() as lock:
        process = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock]
        )
    with pytest.raises(FileInUseError), directory.in_use():
        pass
    process.communicate(b"\n")
    with directory.in_use():
        pass


# .. What is set aside ........................................................


def test_nothing_is_lost(directory):
    uni = directory.universe(1)
    for count in range(3):
        uni.mkdir()
        (uni / "out.log").write_text(str(count))
        set_aside(uni)
        assert not uni.exists()
    found = {
        path.name: (path / "out.log").read_text()
        for path in (directory.path / "earlier").iterdir()
    }
    assert found == {"uni1_1": "0", "uni1_2": "1", "uni1_3": "2"}


def test_nothing_to_be_set_aside(directory):
    set_aside(directory.universe(1))
    assert not (directory.path / "earlier").exists()


def test_a_broken_link_in_place_of_a_directory(directory):
    """It would be in the way."""
    os.symlink("nowhere", directory.universe(1))
    set_aside(directory.universe(1))
    assert os.readlink(directory.path / "earlier/uni1_1") == "nowhere"
    os.symlink("nowhere", directory.universe(1))
    set_aside(directory.universe(1))
    assert (directory.path / "earlier/uni1_2").is_symlink()


def test_a_file_in_place_of_a_directory_is_set_aside(directory):
    directory.universe(1).write_text("in the way")
    set_aside(directory.universe(1))
    assert (directory.path / "earlier/uni1_1").read_text() == "in the way"


def test_what_cannot_be_set_aside(directory):
    make_universe(directory, 1)
    (directory.path / "earlier").touch()
    with pytest.raises(
        OutputDirectoryError, match=r"Cannot move .*/uni1 to .*/earlier"
    ):
        set_aside(directory.universe(1))
    assert (directory.universe(1) / "data.h5").exists()


def test_a_record_that_cannot_be_written(directory):
    (directory.path / "_universes.tsv").mkdir()
    with (
        pytest.raises(OutputDirectoryError, match=r"Cannot write to .*_universes\.tsv"),
        directory.in_use(),
    ):
        pass


def test_rows_that_there_was_no_space_for(directory):
    """They are written as soon as there is some, and as a whole."""
    with directory.in_use():
        with full_disk():
            for number in (1, 2):
                note(directory, number, Outcome.FINISHED)
        note(directory, 3, Outcome.FAILED, 1)
    found = {name: str(entry) for name, entry in read_record(directory.path).items()}
    assert found == {
        "uni1": "finished: exit code 0", "uni2": "finished: exit code 0",
        "uni3": "failed: exit code 1",
    }  # fmt: skip


def test_settings_are_kept(tmp_path):
    settings = {
        "model": "/some/where", "time_limit": None, "fresh": False,
        "stop_conditions": [{"func": "timeout_wall", "seconds": 1.5}],
    }  # fmt: skip
    directory = SweepDirectory.make(tmp_path, "M", make_space(), settings=settings)
    again = SweepDirectory.open(directory.path).settings
    assert json.dumps(again) == json.dumps(settings)
