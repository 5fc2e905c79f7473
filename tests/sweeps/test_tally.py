"""How universes are counted."""

import pytest

from utopya_backend.sweeps.messages import Ended
from utopya_backend.sweeps.tally import Outcome, Tally


def test_what_is_complete():
    complete = {outcome.value for outcome in Outcome if outcome.is_complete}
    assert complete == {"finished", "stopped"}


def test_counts():
    tally = Tally(10, before=2)
    assert (tally.num_ended, tally.num_complete, tally.progress) == (2, 2, 0.2)
    tally.running = {5: 0.5, 6: 0.0, 7: 0.25}
    assert tally.progress == pytest.approx(0.275)

    tally.add(Ended(5, 0, 1.5, 1.0, "a"), Outcome.FINISHED)
    tally.add(Ended(6, 1, 0.5, 0.25, "b"), Outcome.FAILED)
    tally.add(Ended(7, 138, 2.0, 1.0, "a"), Outcome.STOPPED)
    tally.add(Ended(8, 130, 2.0, 1.0, "a"), Outcome.INTERRUPTED)
    assert tally.running == {}
    assert tally.num_ended == 6
    assert tally.num_complete == 4
    assert tally.progress == 0.6
    assert (tally.failed, tally.killed) == ({6}, set())
    assert dict(tally.exit_codes) == {1: [6], 138: [7], 130: [8]}
    assert tally.cpu_seconds == 3.25
    assert dict(tally.hosts) == {"a": 3, "b": 1}
    assert list(tally.seconds.values()) == [1.5, 0.5, 2.0, 2.0]
