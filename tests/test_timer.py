import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utopya_backend.timer import Timer, format_elapsed


@pytest.fixture
def timer(clock):
    return Timer("t", time_func=clock)


def test_measures_only_while_running(timer, clock):
    assert (timer.elapsed, timer.running) == (0, False)
    timer.start()
    clock.now += 2
    assert (timer.elapsed, timer.running) == (2, True)
    assert timer.pause() == 2
    clock.now += 5
    assert (timer.elapsed, timer.running) == (2, False)
    timer.unpause()
    clock.now += 1
    assert timer.stop() == 3
    assert timer.finished


def test_starting_a_running_timer_loses_no_time(timer, clock):
    timer.start()
    clock.now += 2
    timer.start()
    timer.unpause()
    clock.now += 1
    assert timer.elapsed == 3


def test_can_be_started_right_away(clock):
    assert Timer("t", time_func=clock, start=True).running


def test_one_shot(clock):
    timer = Timer("t", time_func=clock, one_shot=True, start=True)
    with pytest.raises(RuntimeError, match="is a one-shot timer"):
        timer.unpause()
    clock.now += 1
    assert timer.pause() == 1
    assert timer.finished
    with pytest.raises(RuntimeError, match="was already marked as finished"):
        timer.start()


def test_finished(timer):
    timer.stop()  # without having been started
    for method in (timer.start, timer.pause, timer.unpause, timer.stop):
        with pytest.raises(RuntimeError, match="was already marked as finished"):
            method()
    timer.reset()
    timer.start()


def test_cannot_be_paused_twice(timer):
    timer.start()
    timer.pause()
    with pytest.raises(RuntimeError, match="Cannot pause already paused timer"):
        timer.pause()


def test_str(timer, clock):
    assert str(timer) == "<Timer 't', 0s elapsed>"
    timer.start()
    clock.now += 0.5
    assert str(timer) == "<Timer 't', 0.5s elapsed, running>"
    timer.stop()
    assert str(timer) == "<Timer 't', 0.5s elapsed, finished>"


ACTIONS = ("start", "pause", "unpause")


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 100))))
def test_elapsed_is_the_time_between_start_and_pause(actions):
    now, expected, running = [0], 0, False
    timer = Timer("t", time_func=lambda: now[0])
    for action, duration in actions:
        if action == "pause" and not running:
            continue
        getattr(timer, action)()
        running = action != "pause"
        now[0] += duration
        expected += duration * running
    assert timer.elapsed == expected
    assert math.isnan(timer._latest) == (not running)


def test_format_elapsed():
    elapsed = {"a": 1.5, "bbb": 6.0}
    fstr = "{name:>{w}s} {seconds:.1f} {time_str} {percent_of_max:.0f}% {x}"
    assert format_elapsed(elapsed, fstr, x="!") == (
        "  a 1.5 1.50s 25% !\nbbb 6.0 6.00s 100% !"
    )
    assert format_elapsed(elapsed, "{name}", sort=True) == "bbb\na"
    assert format_elapsed(elapsed, "{name:>{w}}|{max_seconds}", width=4) == (
        "   a|6.0\n bbb|6.0"
    )
    assert format_elapsed(elapsed, "{time_str}", ms_precision=0) == "1s\n6s"
    assert format_elapsed({"a": 0.0}, "{percent_of_max}") == "0.0"
    assert format_elapsed({}, "{name}") == ""
