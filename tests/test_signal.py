import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from utopya_backend.io import OutputFile, storage
from utopya_backend.signal import (
    SIG_STOPCOND,
    SIGNAL_INFO,
    Handlers,
    _handle_signal,
    are_heeded,
    attach_signal_handlers,
    begin_observing,
    describe_signal,
    end_observing,
    num_attached,
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


def test_a_handler_that_is_not_from_python_is_left_alone(monkeypatch):
    """As of a program that Python is embedded in."""
    real = signal.getsignal
    monkeypatch.setattr(
        signal, "getsignal", lambda s: None if s == signal.SIGHUP else real(s)
    )
    attach_signal_handlers()
    assert real(signal.SIGHUP) is signal.SIG_DFL
    assert real(signal.SIGTERM) is _handle_signal
    restore_signal_handlers()
    with Handlers(_handle_signal, are_heeded([signal.SIGHUP, signal.SIGQUIT])):
        assert real(signal.SIGHUP) is signal.SIG_DFL
        assert real(signal.SIGQUIT) is _handle_signal
    assert real(signal.SIGQUIT) is signal.SIG_DFL


def in_thread(func):
    result = []
    thread = threading.Thread(target=lambda: result.append(func()))
    thread.start()
    thread.join()
    return result[0]


# .. Forked children ..........................................................


def failure_in_child(check):
    """Calls a function in a forked child; returns how that has ended."""
    pid = os.fork()
    if pid == 0:
        try:
            check()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("func", [lambda f: f(), in_thread], ids=["main", "other"])
def test_a_forked_child_has_the_handlers_that_were_there_before(func):
    def other(*_):
        pass

    signums = (SIG_STOPCOND, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = list(map(signal.getsignal, signums))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])

    def check():
        assert list(map(signal.getsignal, signums)) == before
        assert signal.getsignal(signal.SIGQUIT) is other
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
        assert SIGNAL_INFO["got_signal"] is False
        assert num_attached() == 0
        attach_signal_handlers()  # for a model of its own
        send(signal.SIGTERM)
        assert SIGNAL_INFO["signum"] == signal.SIGTERM
        restore_signal_handlers()
        assert list(map(signal.getsignal, signums)) == before

    attach_signal_handlers()
    send(signal.SIGTERM)
    signal.signal(signal.SIGQUIT, other)  # which is not ours
    try:
        assert func(lambda: failure_in_child(check)) == 0
        assert SIGNAL_INFO["signum"] == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is _handle_signal
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
    finally:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        restore_signal_handlers()


def test_a_forked_child_within_several_handlers():
    def note(*_):
        pass

    def check():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGQUIT) is signal.SIG_DFL

    with Handlers(note, [signal.SIGTERM, signal.SIGQUIT]):
        attach_signal_handlers()
        assert failure_in_child(check) == 0
        restore_signal_handlers()
        assert signal.getsignal(signal.SIGTERM) is note


def test_a_signal_for_a_child_that_is_just_being_forked():
    """It does not get lost between the fork and the moment of its own handlers."""
    program = """
import os, signal
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
from utopya_backend.signal import attach_signal_handlers
attach_signal_handlers()
pid = os.fork()
if pid == 0:
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    output = subprocess.check_output([sys.executable, "-c", program])
    assert int(output) == -signal.SIGTERM


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
