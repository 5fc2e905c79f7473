"""``_report.txt``, by an injected clock."""

import re

import pytest
from paramspace import ParamDim

from utopya_backend.space import Space, parameter_space
from utopya_backend.sweeps import report as module
from utopya_backend.sweeps.directory import SweepDirectory
from utopya_backend.sweeps.messages import Ended
from utopya_backend.sweeps.report import ReportFile
from utopya_backend.sweeps.tally import Outcome, Tally


@pytest.fixture
def directory(tmp_path):
    space = Space(parameter_space({"seed": ParamDim(default=0, range=[20])}))
    return SweepDirectory.make(tmp_path, "M", space, settings={})


@pytest.fixture
def read(directory):
    def squeezed():
        text = (directory.path / "_report.txt").read_text()
        return re.sub(" +", " ", text)

    return squeezed


def test_when_it_is_written(directory, clock, read):
    report = ReportFile(directory, "2 workers", clock=clock)
    tally = Tally(20)
    report.update(tally)
    assert "Finished 0 / 20 (0.0%)" in read()
    tally.add(Ended(1, 0, 1.0, 1.0, "here"), Outcome.FINISHED)
    clock.now += 9.9
    report.update(tally)
    assert "Finished 0 / 20" in read()
    clock.now += 0.2
    report.update(tally)
    assert "Finished 1 / 20 (5.0%)" in read()
    tally.add(Ended(2, 0, 1.0, 1.0, "here"), Outcome.FINISHED)
    report.write(tally)
    assert "Finished 2 / 20 (10.0%)" in read()
    names = {path.name for path in directory.path.iterdir()}
    assert not any("new" in name for name in names)


def test_what_it_says(directory, clock, read):
    report = ReportFile(directory, "2 workers", clock=clock)
    tally = Tally(20, before=3, running={9: 0.5})
    for number, code, outcome in (
        (4, 0, Outcome.FINISHED),
        (5, 1, Outcome.FAILED),
        (6, 1, Outcome.FAILED),
        (7, 138, Outcome.STOPPED),
        (8, 143, Outcome.INTERRUPTED),
    ):
        tally.add(Ended(number, code, float(number), 1.0, f"host{number % 2}"), outcome)
    tally.stopped_by = {"far enough": [7]}
    clock.now += 60
    report.write(tally)
    text = read()
    for line in (
        f"Run: {directory.path}",
        " Run by 2 workers",
        " Run on host0 (3), host1 (2)",
        " Finished 8 / 20 (40.0%)",
        " Success 1 (5.0%)",
        " Stopped 1 (5.0%)",
        " Failed 2 (10.0%)",
        " Interrupted 1 (5.0%)",
        " Running 1 (5.0%)",
        " Earlier 3 (15.0%)",
        " total (wall) 1m",
        " total (CPU) 5.00s",
        " median 6.00s",
        " success 1",
        " code 1 2 failed\n uni05, uni06",
        " code 138 1 stopped\n uni07",
        " far enough: 1\n uni07",
        " uni05 5.00s (exit code 1)",
        " uni04 4.00s",
    ):
        assert f"\n{line}" in text, line
    assert "(1m)" in re.search(r"^Now: .*$", text, re.MULTILINE)[0]
    report.write(tally, is_over=True)
    assert "\nEnd: " in read()


def test_interrupted_is_not_failed(directory, clock, read):
    tally = Tally(20)
    tally.add(Ended(8, 143, 1.0, 1.0, "here"), Outcome.INTERRUPTED)
    ReportFile(directory, "", clock=clock).write(tally)
    assert " code 143 1 interrupted\n" in read()


def test_large_sweeps(directory, clock, read, monkeypatch):
    monkeypatch.setattr(module, "MAX_LISTED", 3)
    tally = Tally(20)
    for number in range(1, 6):
        tally.add(Ended(number, 1, 1.0, 1.0, "here"), Outcome.FAILED)
    ReportFile(directory, "", clock=clock).write(tally)
    assert "uni01, uni02, uni03, … and 2 more" in read()
    assert "Universe runtimes" not in read()


def test_a_disk_without_space(directory, clock):
    """What matters is somewhere else."""
    (directory.path / "._report.txt.new").mkdir()
    ReportFile(directory, "", clock=clock).write(Tally(20))
    assert not (directory.path / "_report.txt").exists()
