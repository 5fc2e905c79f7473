"""What has become of a universe, by its exit code and by what it has left."""

import signal

import h5py
import pytest

from utopya_backend.sweeps.tally import Outcome
from utopya_backend.sweeps.verdict import outcome_of


@pytest.mark.parametrize(
    ("exit_code", "meanwhile", "at_the_end"),
    [
        (0, Outcome.FINISHED, Outcome.FINISHED),
        (1, Outcome.FAILED, Outcome.FAILED),
        (2, Outcome.FAILED, Outcome.FAILED),
        (255, Outcome.FAILED, Outcome.FAILED),
        (128 + signal.SIGSEGV, Outcome.FAILED, Outcome.FAILED),
        # By somebody else, while the sweep goes on; or because it is ended
        (128 + signal.SIGINT, Outcome.FAILED, Outcome.INTERRUPTED),
        (128 + signal.SIGTERM, Outcome.FAILED, Outcome.INTERRUPTED),
        (128 + signal.SIGHUP, Outcome.FAILED, Outcome.INTERRUPTED),
        (128 + signal.SIGKILL, Outcome.FAILED, Outcome.INTERRUPTED),
    ],
)
def test_by_the_exit_code(tmp_path, exit_code, meanwhile, at_the_end):
    assert outcome_of(exit_code, tmp_path, is_ending=False) is meanwhile
    assert outcome_of(exit_code, tmp_path, is_ending=True) is at_the_end


def test_one_that_the_sweep_has_killed(tmp_path):
    for is_ending in (False, True):
        how = {"is_ending": is_ending, "was_killed": True}
        assert outcome_of(137, tmp_path, **how) is Outcome.KILLED
        assert outcome_of(1, tmp_path, **how) is Outcome.FAILED
        assert outcome_of(0, tmp_path, **how) is Outcome.FINISHED


@pytest.mark.parametrize(
    ("status", "rows", "outcome"),
    [
        ("stopped: SIGUSR1", 0, Outcome.STOPPED),
        ("stopped: SIGUSR1", 3, Outcome.STOPPED),
        ("running", 3, Outcome.KILLED),  # by the signal itself
        ("finished", 3, Outcome.KILLED),  # what came after the run has not ended
        ("failed: E", 3, Outcome.KILLED),
        # Of another backend
        (None, 3, Outcome.STOPPED),
        (None, 0, Outcome.KILLED),
    ],
)
@pytest.mark.parametrize("is_ending", [False, True])
def test_by_a_stop_condition(tmp_path, status, rows, outcome, is_ending):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["M/x"] = [1.0] * rows
        if status is not None:
            file.attrs["status"] = status
    assert outcome_of(138, tmp_path, is_ending=is_ending) is outcome


@pytest.mark.parametrize("text", [None, "", "no HDF5"])
def test_by_a_stop_condition_before_there_was_data(tmp_path, text):
    if text is not None:
        (tmp_path / "data.h5").write_text(text)
    assert outcome_of(138, tmp_path, is_ending=False) is Outcome.KILLED
