import os
import signal
import sys
import threading
from contextlib import contextmanager

import pytest

from utopya_backend.io import OutputFile, storage
from utopya_backend.signal import (
    SIG_STOPCOND,
    SIGNAL_INFO,
    _handle_signal,
    attach_signal_handlers,
    begin_observing,
    describe_signal,
    end_observing,
    restore_signal_handlers,
)


@contextmanager
def observing_signals(*, is_over=True):
    begin_observing()
    try:
        yield
    finally:
        end_observing(is_over=is_over)


@pytest.fixture
def handlers():
    """Attaches the handlers, and gives them back."""
    assert attach_signal_handlers()
    yield
    restore_signal_handlers()


def send(signum):
    os.kill(os.getpid(), signum)


@pytest.mark.parametrize(
    "signum", [SIG_STOPCOND, signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
)
def test_a_signal_is_noted(handlers, signum):
    send(signum)
    assert SIGNAL_INFO["got_signal"] is True
    assert SIGNAL_INFO["signum"] == signum
    assert SIGNAL_INFO["frame"] is not None
    assert SIGNAL_INFO["at_time"] > 0


def test_some_signals_only():
    before = signal.getsignal(signal.SIGINT)
    attach_signal_handlers(for_interrupts=False)
    assert signal.getsignal(SIG_STOPCOND) is _handle_signal
    assert signal.getsignal(signal.SIGINT) is before
    restore_signal_handlers()
    attach_signal_handlers(for_stop_conds=False)
    assert signal.getsignal(SIG_STOPCOND) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is _handle_signal
    restore_signal_handlers()


def test_hangup_that_is_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    attach_signal_handlers()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    restore_signal_handlers()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.signal(signal.SIGHUP, before)


def test_handlers_are_shared():
    before = signal.getsignal(signal.SIGTERM)
    attach_signal_handlers()
    attach_signal_handlers()
    restore_signal_handlers()
    assert signal.getsignal(signal.SIGTERM) is _handle_signal
    restore_signal_handlers()
    assert signal.getsignal(signal.SIGTERM) is before
    restore_signal_handlers()  # once too often
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_of_somebody_else_is_left_alone():
    before = signal.getsignal(signal.SIGTERM)

    def other(*_):
        pass

    attach_signal_handlers()
    signal.signal(signal.SIGTERM, other)
    restore_signal_handlers()
    assert signal.getsignal(signal.SIGTERM) is other
    signal.signal(signal.SIGTERM, before)


def in_thread(func):
    result = []
    thread = threading.Thread(target=lambda: result.append(func()))
    thread.start()
    thread.join()
    return result[0]


def test_other_threads():
    assert in_thread(attach_signal_handlers) is False
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    attach_signal_handlers()
    in_thread(restore_signal_handlers)  # Python does not let it
    assert signal.getsignal(signal.SIGTERM) is _handle_signal
    restore_signal_handlers()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_repeated_signals_count_as_one(handlers):
    send(signal.SIGINT)
    send(signal.SIGINT)
    assert SIGNAL_INFO["signum"] == signal.SIGINT


class Terminal:
    def isatty(self):
        return True


def test_a_second_ctrl_c_on_a_terminal_interrupts(handlers, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    send(signal.SIGTERM)
    send(signal.SIGTERM)
    send(signal.SIGINT)  # the first one
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_an_interrupt_waits_for_hdf5(handlers, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdout", Terminal())
    with OutputFile(tmp_path / "data.h5") as file:
        write = storage.Storage._write

        def interrupted_write(self, start, data):
            send(signal.SIGINT)
            send(signal.SIGINT)
            write(self, start, data)

        monkeypatch.setattr(storage.Storage, "_write", interrupted_write)
        file["x"] = 1
        file.commit()
        assert file["x"][()] == 1
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_info_is_reset_at_the_end_of_the_outermost_run(handlers):
    send(signal.SIGTERM)
    with observing_signals():
        with observing_signals():
            pass
        assert SIGNAL_INFO["signum"] == signal.SIGTERM
    assert SIGNAL_INFO == {
        "got_signal": False, "signum": None, "frame": None, "at_time": None,
    }  # fmt: skip


def test_info_is_kept_for_a_run_that_goes_on(handlers):
    with observing_signals(is_over=False):
        send(signal.SIGTERM)
    assert SIGNAL_INFO["signum"] == signal.SIGTERM
    with observing_signals():
        pass
    assert SIGNAL_INFO["got_signal"] is False


def fail_while_observing():
    with observing_signals():
        _handle_signal(signal.SIGINT, sys._getframe())
        raise ZeroDivisionError


def test_info_is_reset_after_an_error():
    with pytest.raises(ZeroDivisionError):
        fail_while_observing()
    assert SIGNAL_INFO["frame"] is None
    assert SIGNAL_INFO["got_signal"] is False


@pytest.mark.parametrize(
    ("signum", "text"),
    [
        (SIG_STOPCOND, "stop condition"),
        (signal.SIGINT, "told"),
        (14, "unexpected"),
        (13, "Nobody reads"),
    ],
)
def test_describe_signal(signum, text):
    assert text in describe_signal(signum)
