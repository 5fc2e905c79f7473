"""What is said about the progress of a sweep, by an injected clock."""

import io
import sys

import pytest

from utopya_backend.sweeps.messages import Ended
from utopya_backend.sweeps.progress import (
    NoDisplay,
    Rate,
    SweepBar,
    SweepLines,
    describe,
    display_of_sweep,
)
from utopya_backend.sweeps.tally import Outcome, Tally


def end(tally, *numbers, outcome=Outcome.FINISHED):
    for number in numbers:
        tally.add(Ended(number, 0, 1.0, 1.0, "here"), outcome)


@pytest.fixture
def tally():
    return Tally(100)


def test_rate_and_remaining_time(tally):
    rate = Rate()
    rate.update(tally, 0.0)
    assert rate.describe(tally) == ""
    end(tally, *range(10))
    rate.update(tally, 5.0)
    assert rate.describe(tally) == "2/s, 45s left"


def test_running_universes_count_for_the_remaining_time(tally):
    rate = Rate()
    rate.update(tally, 0.0)
    tally.running = {0: 0.5, 1: 0.5}
    rate.update(tally, 10.0)
    assert rate.describe(tally) == "16m 30s left"  # no rate: none has ended


def test_the_rate_is_that_of_the_last_half_minute(tally):
    rate = Rate()
    rate.update(tally, 0.0)
    end(tally, *range(60))  # all of them in the first second, then one a second
    for now in range(1, 41):
        rate.update(tally, float(now))
        end(tally, 59 + now)
    assert rate.describe(tally) == "1/s, 1s left"


def test_universes_from_before_do_not_count_for_the_rate():
    tally = Tally(100, before=90)
    rate = Rate()
    rate.update(tally, 0.0)
    end(tally, 91)
    rate.update(tally, 2.0)
    assert rate.describe(tally) == "0.5/s, 18s left"


def test_nothing_is_left_at_the_end():
    tally = Tally(2)
    rate = Rate()
    rate.update(tally, 0.0)
    end(tally, 0, 1)
    rate.update(tally, 1.0)
    assert rate.describe(tally) == "2/s"


def test_describe(tally):
    rate = Rate()
    rate.update(tally, 0.0)
    assert describe(tally, rate) == ""
    tally.running = {0: 0.25, 1: 0.75, 2: 0.5}
    end(tally, 3, 4)
    end(tally, 5, outcome=Outcome.FAILED)
    end(tally, 6, 7, outcome=Outcome.STOPPED)
    end(tally, 8, outcome=Outcome.INTERRUPTED)
    rate.update(tally, 4.0)
    assert describe(tally, rate) == (
        "1 failed, 2 stopped, 1 interrupted, 1.5/s, 49s left, 3 running (at 50%)"
    )


def test_lines_once_a_minute(tally, clock):
    lines = []
    display = SweepLines("M", lines.append, clock=clock)
    display.show(tally)
    clock.now += 30
    end(tally, *range(10))
    display.show(tally)
    assert lines == []
    clock.now += 30
    display.show(tally)
    display.show(tally)
    assert lines == ["M: 10 of 100 universes after 1m, 0.167/s, 9m left"]
    clock.now += 59
    display.show(tally)
    assert len(lines) == 1
    clock.now += 1
    display.show(tally)
    assert lines[1:] == ["M: 10 of 100 universes after 2m"]
    display.close()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def on_terminal(monkeypatch):
    """Has the standard error output be a terminal, from when it is called."""

    def set_it():
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return set_it


def test_bar(tally, clock, on_terminal):
    terminal = on_terminal()
    bar = SweepBar("M", clock=clock)
    assert terminal.getvalue() == ""
    bar.show(tally)
    end(tally, *range(50))
    bar.show(tally)  # too soon
    assert "50/100" not in terminal.getvalue()
    clock.now += 10
    tally.running = {60: 0.5}
    end(tally, 50, outcome=Outcome.FAILED)
    bar.show(tally)
    bar.close()
    last = terminal.getvalue().rstrip().rpartition("\r")[2].replace("#", "█")
    assert last.startswith("M 51/100 |██████████")
    assert "1 failed, 5.1/s, 9s left, 1 running (at 50%)" in last


def test_the_end_is_shown_at_once(clock, on_terminal):
    terminal = on_terminal()
    tally = Tally(2)
    bar = SweepBar("M", clock=clock)
    bar.show(tally)
    end(tally, 0, 1)
    bar.show(tally)
    bar.close()
    assert "M 2/2 |" in terminal.getvalue()


def test_a_bar_that_was_never_shown(on_terminal):
    terminal = on_terminal()
    SweepBar("M").close()
    assert terminal.getvalue() == ""


def test_which_display(monkeypatch, on_terminal):
    on_terminal()
    assert isinstance(display_of_sweep("M", print), SweepBar)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(display_of_sweep("M", print), SweepLines)
    monkeypatch.setattr(sys, "stderr", None)
    assert isinstance(display_of_sweep("M", print), SweepLines)


def test_no_display(tally):
    display = NoDisplay()
    display.show(tally)
    display.close()
