import os
import shutil
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utopya_backend.errors import LatestRunWarning
from utopya_backend.io.opening import find_outputs
from utopya_backend.io.runs import beginning_of, has_output, latest_run
from utopya_backend.universe import make_run_dir

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "M"


def begin(out, now, note=None):
    return make_run_dir(out.parent, out.name, note=note, clock=lambda: now)


def write_data(run, started=None, universe="uni0"):
    (run / "data" / universe).mkdir(parents=True)
    with h5py.File(run / "data" / universe / "data.h5", "w") as file:
        if started is not None:
            file.attrs["started"] = started
    return run


def latest(out, counts=lambda run: True):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return latest_run(out, counts)


def test_none(out):
    assert latest(out) == out
    out.mkdir()
    (out / "notes.txt").touch()
    assert latest(str(out)) == out
    run = begin(out, NOW)
    assert latest(out) == run
    assert latest(run) == run


@pytest.fixture(params=["Europe/Berlin", "Asia/Kathmandu", "UTC"])
def _zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


STEPS = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=8)  # ms


@pytest.mark.usefixtures("_zone")
@given(STEPS)
def test_by_when_it_was_begun(tmp_path_factory, steps):
    out = tmp_path_factory.mktemp("out") / "M"
    now = NOW  # whatever local time shows then
    for step in steps:
        now += abs(step) / 1000
        run = begin(out, now)
        assert latest(out) == run


@given(STEPS)
def test_the_clock_is_set_back(tmp_path_factory, steps):
    out = tmp_path_factory.mktemp("out") / "M"
    now = NOW + 10**6
    for step in steps:
        now += step / 1000
        run = begin(out, now)
        assert latest(out) == run


@pytest.mark.parametrize("step", [0.01, 0.0])
def test_in_the_same_second(out, step):
    runs = [begin(out, NOW + n * step) for n in range(12)]
    assert runs[-1].name.endswith("_12")
    assert latest(out) == runs[-1]


def test_summer_time_ends(out, monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        runs = [begin(out, NOW), begin(out, NOW + 1800)]
        assert [run.name for run in runs] == ["261025-023000", "261025-020000"]
        assert latest(out) == runs[1]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_clock_was_wrong(out):
    begin(out, NOW + 10**9)
    for n in range(3):
        run = begin(out, NOW + n)
        assert latest(out) == run
        assert beginning_of(run)[-1] == datetime.fromtimestamp(NOW + n, UTC)


@pytest.mark.parametrize("name", ["baseline", "00", "990101-000000", "_"])
def test_names_do_not_matter(out, name):
    first = begin(out, NOW)
    first.rename(out / name)
    second = begin(out, NOW + 100, note="a note")
    assert latest(out) == second
    second.rename(out / "0")
    assert latest(out) == out / "0"


def test_neither_do_times_of_files(out, tmp_path):
    first, second = begin(out, NOW), begin(out, NOW + 1)
    shutil.copytree(first, tmp_path / "first")
    shutil.rmtree(first)
    (tmp_path / "first").rename(out / "zzz")
    for file in (out / "zzz", out / "zzz/config", out / "zzz/config/provenance.yml"):
        os.utime(file)
    assert latest(out) == second


def test_a_copy_of_the_latest(out):
    run = begin(out, NOW)
    shutil.copytree(run, out / "copy")
    with pytest.warns(LatestRunWarning, match=f"{run.name} may have been begun at the"):
        assert latest_run(out) == out / "copy"


def test_links(out, tmp_path):
    first, second = begin(out, NOW), begin(out, NOW + 1)
    (out / "latest").symlink_to(second.name)
    (out / "favourite").symlink_to(first)
    assert latest(out) == second
    elsewhere = begin(tmp_path / "other", NOW + 2)
    (out / "elsewhere").symlink_to(elsewhere)
    assert latest(out) == out / "elsewhere"
    (tmp_path / "link").symlink_to(out)
    assert latest(tmp_path / "link") == tmp_path / "link" / "elsewhere"
    (out / "elsewhere").unlink()
    (out / "nowhere").symlink_to(tmp_path / "nothing")
    assert latest(out) == second


def test_those_without_data(out):
    first, second = write_data(begin(out, NOW)), begin(out, NOW + 1)
    (second / "data/uni0").mkdir()
    (second / "data/notes").mkdir()
    (second / "data/notes/data.h5").touch()
    assert latest(out) == second
    with pytest.warns(LatestRunWarning, match=f"without data: {second.name}.$"):
        assert latest_run(out, has_output) == first
    with pytest.warns(LatestRunWarning):
        assert find_outputs(out) == [first / "data/uni0/data.h5"]


def test_runs_of_a_frontend(out):
    # The names say something else.
    write_data(out / "261025-120000", "2026-10-25T09:00:00.500+00:00", "uni01")
    write_data(out / "261025-110000", "2026-10-25T12:00:00.500+02:00", "uni01")
    assert latest(out).name == "261025-110000"
    later = begin(out, datetime(2026, 10, 25, 10, 0, 1, tzinfo=UTC).timestamp())
    assert latest(out) == later


def test_a_universe_was_run_once_more(out):
    run = out / "261025-100000"
    for number in range(1, 6):
        write_data(run, f"2026-10-25T0{number}:00:00+00:00", f"uni{number}")
    shutil.rmtree(run / "data/uni1")
    write_data(run, "2026-10-25T20:00:00+00:00", "uni1")
    other = write_data(out / "261025-110000", "2026-10-25T10:00:00+00:00", "uni1")
    assert latest(out) == other


def test_the_first_universes_have_no_data(out):
    run = write_data(out / "renamed", "2026-10-25T10:00:00+00:00", "uni4")
    for number in (1, 2, 3, 5, 6, 7):
        (run / f"data/uni{number}").mkdir()
    (begun,) = beginning_of(run)
    assert begun == datetime(2026, 10, 25, 10, tzinfo=UTC)
    for number in (8, 9):
        write_data(run, "2026-10-25T09:00:00+00:00", f"uni{number}")
    assert beginning_of(run) < (begun,)


def test_runs_of_the_published_backend(out):
    for name in ("261025-100000", "261025-110000_a-note", "261025-093000"):
        write_data(out / name)
    assert latest(out).name == "261025-110000_a-note"
    # It says that it was begun at another time.
    end = datetime(2026, 10, 25, 11, 0, 0).astimezone() + timedelta(seconds=1)
    write_data(out / "old", end.isoformat())
    assert latest(out).name == "old"


def test_nothing_is_known(out):
    for name in ("run9", "run10"):
        write_data(out / name)
    with pytest.warns(LatestRunWarning, match=r"run9 .* Give the directory of the run"):
        assert latest_run(out).name == "run10"
    run = begin(out, NOW)
    with pytest.warns(LatestRunWarning, match="run10, run9 may have been begun"):
        assert latest_run(out) == run


@pytest.mark.parametrize(
    "text", ["", "started: yesterday", "started: '2026-10-25T10:00:00'", "\0\xff: '"]
)
def test_damaged_record(out, text):
    run = begin(out, NOW)
    (run / "config/provenance.yml").write_text(text)
    assert beginning_of(run) is not None  # by its name
    write_data(run, "2026-10-25T10:00:00+00:00")  # or by this
    begun = datetime(2026, 10, 25, 10, tzinfo=UTC)
    assert beginning_of(run) == (begun,)
    (run / "data/uni0/data.h5").write_text("no HDF5")
    run.rename(out / "renamed")
    assert beginning_of(out / "renamed") is None


def test_of_many_runs_little_is_read(out, monkeypatch):
    runs = [begin(out, NOW + n) for n in range(3)]
    for run in runs:
        for number in range(4):
            write_data(run, universe=f"uni{number}")

    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(h5py.h5f, "open", refuse)
    monkeypatch.setattr(Path, "glob", refuse)
    assert latest(out, has_output) == runs[-1]
