import signal

import pytest

from utopya_backend.io.status import describe_exit, has_come_to_end, signal_in
from utopya_backend.signal import SIG_STOPCOND


@pytest.mark.parametrize("signum", signal.Signals)
def test_a_signal_is_found_in_the_status_that_it_gives(signum):
    status = describe_exit(128 + signum)

    assert signal_in(status) == signum
    assert has_come_to_end(status) == (signum == SIG_STOPCOND)


@pytest.mark.parametrize(
    "status", [None, "", "running", "finished", "stopped: closed", "failed: SIGTERM"]
)
def test_there_is_no_signal_in_others(status):
    assert signal_in(status) is None
    assert has_come_to_end(status) == (status == "finished")


def test_signals_without_names():
    assert signal_in(describe_exit(128 + 40)) is None
    assert not has_come_to_end(describe_exit(128 + 40))
