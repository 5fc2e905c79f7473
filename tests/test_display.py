import io
import os
import pty
import re
import subprocess
import sys
import termios
from types import SimpleNamespace

import pytest

from utopya_backend.display import (
    Bar,
    FrontendLines,
    LogLines,
    Nothing,
    Report,
    Speed,
    bar_or_lines,
    display_of,
    show_entries,
    showing_by,
)

PROGRAM = """
import logging
from utopya_backend.display import Report, display_of
display = display_of("M")
display.show(Report(0.25, 1, {"x": 1 / 3}))
logging.getLogger().warning("a line of the log")
display.show(Report(0.5, 2, {"x": 1 / 3}))
display.close()
"""


def test_on_a_terminal():
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(its_end, (25, 80))
    command = [sys.executable, "-c", PROGRAM]
    subprocess.run(command, stdout=its_end, stderr=its_end, check=True)
    shown = os.read(terminal, 100_000).decode()
    os.close(its_end)
    os.close(terminal)
    assert "M  50%|" in shown
    assert "x=0.3333" in shown
    assert "!!map" not in shown
    assert re.search(r"[\r\n]WARNING?.* a line of the log\r\n", shown)


def test_in_a_pipe():
    """Whoever reads it is a frontend."""
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert process.stdout == (
        "!!map {progress: 0.25, n_iter: 1, M: {x: 0.3333333333333333}}\n"
        "!!map {progress: 0.5, n_iter: 2, M: {x: 0.3333333333333333}}\n"
    )
    assert process.stderr == "WARNING a line of the log\n"


def test_in_a_log_file(tmp_path):
    with open(tmp_path / "log", "w") as file:
        subprocess.run([sys.executable, "-c", PROGRAM], stdout=file, check=True)
    assert (tmp_path / "log").read_text() == ""  # a minute has not passed


def test_terminal_without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert isinstance(bar_or_lines("M", print), LogLines)


def test_replaced_output(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert isinstance(display_of("M"), FrontendLines)
    monkeypatch.setattr(sys, "stdout", None)
    assert isinstance(display_of("M"), FrontendLines)


def test_in_a_notebook(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    shell = SimpleNamespace(kernel=None)
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert isinstance(display_of("M"), Bar)
    del shell.kernel  # IPython in a terminal
    assert isinstance(display_of("M"), FrontendLines)


def test_showing_by():
    display = Nothing()
    with showing_by(display):
        assert display_of("M") is display
    assert display_of("M") is not display


def test_log_lines(clock):
    lines = []
    display = LogLines("M", lines.append, clock=clock)
    for number in range(13):
        display.show(Report(number / 100, 10 * number, {"x": 0.5, "y": [1]}))
        clock.now += 10
    display.close()
    assert lines == [
        "M: 6% after 1m, 60 iterations, 1 it/s, 15m 40s left, x=0.5",
        "M: 12% after 2m, 120 iterations, 1 it/s, 14m 40s left, x=0.5",
    ]


@pytest.mark.parametrize(
    ("reports", "rate", "remaining", "text"),
    [
        ([], None, None, ""),
        ([(0, 0.0, 0)], None, None, ""),
        ([(0, 0.0, 0), (0, 0.5, 5)], None, None, ""),
        ([(0, 0.0, 0), (10, 0.5, 5000)], 500, 10, "500 it/s, 10s left"),
        ([(0, 0.0, 0), (1, 1.0, 123456)], 123456, 0, "123,456 it/s"),
        ([(0, 0.2, 0), (1, 0.2, 1)], 1, None, "1 it/s"),
        ([(0, 0.2, 4), (2, 0.1, 1)], 0, None, "0 it/s"),  # it has begun again
        # That it was slow in the beginning is forgotten.
        ([(t, 0.0, 0) for t in range(50)] + [(50, 0.1, 90)], 10, 81, None),
    ],
)
def test_speed(reports, rate, remaining, text):
    speed = Speed()
    for time, progress, n_iter in reports:
        speed.update(Report(progress, n_iter, {}), time)
    assert (speed.rate, speed.remaining) == (rate, pytest.approx(remaining))
    assert text in (None, str(speed))


def test_show_entries():
    import numpy as np

    entries = {
        "a": 1 / 3, "b": 7, "c": "x", "d": [1], "e": {"f": 1}, "g": np.float64(2 / 3),
        "h": np.zeros(3), "i": np.int64(4), "j": True, "k": None, "l": np.float32(0.1),
    }  # fmt: skip
    assert show_entries(Report(0, 0, entries)) == (
        "a=0.3333, b=7, c=x, g=0.6667, i=4, j=True, l=0.1"
    )
