"""Each check lets models pass that are right, and tells what is wrong with others."""

import signal
import threading

import numpy as np
import pytest

from utopya_backend import BaseModel, ModelBenchmarkMixin, StepwiseModel
from utopya_backend.signal import SIG_STOPCOND
from utopya_backend.testing import (
    check_same_seed_same_data,
    check_survives_stop_signal,
    check_write_schedule,
)


class Walk(ModelBenchmarkMixin, StepwiseModel):
    """All is right with this one."""

    def setup(self, *, size=3):
        self.state = np.zeros(size)
        self.dset = self.create_ts_dset("state", extra_dims=["x"], sizes={"x": size})
        self.zeros = self.create_ts_dset("zeros", dtype=int)
        self.network = self.create_graph_series("network")
        self.h5group["size"] = size

    def perform_step(self):
        self.state += self.rng.normal(size=self.state.size)

    def write_data(self):
        self.dset.append(self.state)
        self.zeros.append(0)
        self.network.append([0, 1], edges=[(0, 1)])


class Events(BaseModel):
    """A model without steps, which is right, too."""

    def setup(self, *, number=10):
        self.number, self.events = number, 0
        self.dset = self.h5group.create_dataset(
            "energy", (number,), fillvalue=np.nan, dtype=float
        )
        self.dset.attrs["dim_names"] = ["time"]
        self.h5group["nothing"] = np.zeros(0)

    def should_iterate(self):
        return self.events < self.number

    def iterate(self):
        self.dset[self.events] = self.rng.random()
        self.events += 1

    def should_write(self):
        return False

    def write_data(self):
        pass


def fails_with(check, *args, **kwargs):
    with pytest.raises(AssertionError) as info:
        check(*args, **kwargs)
    return str(info.value)


# .. The same seed ............................................................


@pytest.mark.parametrize("model", [Walk, Events])
def test_same_data(model):
    check_same_seed_same_data(model, num_steps=5)


def test_random_numbers_from_elsewhere():
    class Elsewhere(Walk):
        def perform_step(self):
            self.state += np.random.default_rng().random()

    message = fails_with(check_same_seed_same_data, Elsewhere, num_steps=2, seed=7)
    assert "Two runs of Elsewhere with the seed 7 differ" in message
    assert "Elsewhere/state: values differ, first at [1, 0]: 0." in message
    assert "zeros" not in message
    assert "benchmark" not in message


def test_kept_between_runs():
    class Keeps(Walk):
        count = 0

        def setup(self):
            super().setup(size=2)
            Keeps.count += 1
            self.h5group.attrs["count"] = self.count

    message = fails_with(check_same_seed_same_data, Keeps, num_steps=2)
    assert "keep something from one run to the next" in message
    assert message.endswith("Keeps: attribute count: 1 and 2")


FILE = """
import sys
from utopya_backend import StepwiseModel

class M(StepwiseModel):
    def setup(self):
        {setup}

    def perform_step(self):
        pass

    def write_data(self):
        pass
"""


def test_order_of_a_set(tmp_path):
    path = tmp_path / "ordered.py"
    path.write_text(
        FILE.format(setup='self.h5group["x"] = list(set("abcdefghijklmnopqrst"))')
    )
    message = fails_with(check_same_seed_same_data, path, num_steps=2)
    assert "in a process of its own differs" in message
    assert "M/x: values differ, first at [" in message


def test_a_program_that_fails(tmp_path):
    path = tmp_path / "failing.py"
    path.write_text(FILE.format(setup='assert "pytest" in sys.modules, "Where?"'))
    message = fails_with(check_same_seed_same_data, path, num_steps=2)
    assert "M fails with exit code 1 in a process of its own" in message
    assert message.endswith("AssertionError: Where?")


def test_long_messages_are_cut():
    class Long(Walk):
        count = 0

        def setup(self):
            Long.count += 1
            for number in range(30):
                self.h5group.attrs[f"a{number}"] = self.count

        write_data = perform_step = lambda self: None

    message = fails_with(check_same_seed_same_data, Long, num_steps=1)
    assert message.endswith("… and 10 more")


# .. When it writes ...........................................................


def test_schedule():
    check_write_schedule(Walk, {"size": 1})


def test_row_too_many():
    class TooMany(Walk):
        def setup(self):
            super().setup()
            self.own = self.h5group.create_dataset("own", (0,), "f8", maxshape=(None,))
            self.own.attrs.update({
                "dim_names": ["time"],
                "coords_mode__time": "start_and_step",
                "coords__time": self._write_start_stop_step[::2],
            })  # fmt: skip

        def epilog(self, *, finished_run):
            self.own.resize(self.own.shape[0] + 1, axis=0)

        def write_data(self):
            super().write_data()
            self.own.resize(self.own.shape[0] + 1, axis=0)

    schedules = [(7, 3, 2), (7, 0, 1)]
    message = fails_with(check_write_schedule, TooMany, schedules=schedules)
    assert message == (
        "With num_steps=7, write_start=3, write_every=2, TooMany has to write at the "
        "times [3, 5, 7], but there are:\n  own: [3, 5, 7, 9]"
    )
    check_write_schedule(TooMany, skip=["own"])


def test_no_times():
    class Unlabelled(Walk):
        def setup(self):
            self.dset = self.h5group.create_dataset("x", (0,), "f8", maxshape=(None,))
            self.dset.attrs["dim_names"] = ["time"]

        write_data = perform_step = lambda self: None

    assert fails_with(check_write_schedule, Unlabelled).endswith("x: no times")


def test_nothing_to_check():
    class Silent(Walk):
        def setup(self):
            pass

        write_data = perform_step = lambda self: None

    assert "no dataset with a dimension 'time'" in fails_with(
        check_write_schedule, Silent
    )
    assert "Events has no steps" in fails_with(check_write_schedule, Events)


# .. Stop signals .............................................................


@pytest.mark.parametrize("schedule", [{}, {"write_every": 4}, {"write_start": 9}])
def test_survives(schedule):
    check_survives_stop_signal(Walk, num_steps=10, **schedule)


def test_survives_without_steps():
    check_survives_stop_signal(Events)


def test_a_row_that_comes_late():
    class Late(Walk):
        def write_data(self):
            self.dset.append(self.state)
            self.network.append([0, 1], edges=[(0, 1)])

        def epilog(self, *, finished_run):
            for time in range(self.time + 1 if finished_run else self.time):
                self.zeros.append(0, time=time)

    signals = [SIG_STOPCOND]
    message = fails_with(check_survives_stop_signal, Late, num_steps=4, signals=signals)
    assert message == (
        "Late does not survive a SIGUSR1 in iteration 2 of 4:\n"
        "  zeros: has the times [0, 1], not [0, 1, 2]"
    )
    check_survives_stop_signal(Late, num_steps=4, skip=["zeros"])


def test_a_last_row_of_its_own():
    """The state at the end, which a whole run does not have at that time."""

    class Last(Walk):
        def epilog(self, *, finished_run):
            if not self.should_write():
                self.write_data()

    check_survives_stop_signal(Last, num_steps=9, write_every=4)


def test_other_values():
    class Changes(Walk):
        def epilog(self, *, finished_run):
            if not finished_run:
                self.dset[1] = 0

    message = fails_with(check_survives_stop_signal, Changes, num_steps=4)
    assert "state: row 1 is not that of a whole run (at [0]: " in message


def test_other_values_without_steps():
    class Changes(Events):
        def epilog(self, *, finished_run):
            self.dset[2 if finished_run else 7] = 1.0

    message = fails_with(check_survives_stop_signal, Changes)
    assert "energy: row 2 is not that of a whole run (1.0 and 0." in message


def test_another_type():
    class Changes(Walk):
        def setup(self):
            super().setup()
            self.dset = self.h5group.create_group("x")
            self.dset.attrs["content"] = "time_series"

        def write_data(self):
            self.dset[str(self.time)] = self.time

        def epilog(self, *, finished_run):
            if not finished_run:
                del self.dset["1"]
                self.dset["1"] = 1.0

    message = fails_with(check_survives_stop_signal, Changes, num_steps=4)
    assert "x: row 1 is not that of a whole run (another shape or type)" in message


def test_rows_that_only_a_stopped_run_has():
    class Adds(Events):
        def epilog(self, *, finished_run):
            number = 2 if finished_run else 7
            dset = self.h5group.create_dataset("more", data=np.ones(number))
            dset.attrs["dim_names"] = ["time"]

    message = fails_with(check_survives_stop_signal, Adds)
    assert "more: has 7 rows, more than that of a whole run" in message


def test_only_in_one_of_the_runs():
    class Adds(Walk):
        def epilog(self, *, finished_run):
            self.create_ts_dset("last" if finished_run else "stopped")

    message = fails_with(check_survives_stop_signal, Adds, num_steps=4)
    assert message.endswith("stopped: is not there in a whole run")


def test_begins_after_the_stop():
    class Late(Walk):
        def perform_step(self):
            super().perform_step()
            if self.time == 7:
                self.late = self.create_ts_dset("late")

        def write_data(self):
            super().write_data()
            if self.time > 7:
                self.late.append(1)

    check_survives_stop_signal(Late, num_steps=10)
    message = fails_with(check_write_schedule, Late, schedules=[(9, 0, 3)])
    assert message.endswith("late: [9]")


def test_a_signal_that_is_ignored():
    class Ignores(Walk):
        def _check_signals(self):
            return None

    message = fails_with(check_survives_stop_signal, Ignores, num_steps=4)
    assert "the exit code is 0, not 138" in message
    assert "its status is 'finished', not 'stopped: SIGUSR1'" in message


def test_no_handlers():
    class Without(Walk):
        ATTACH_SIGNAL_HANDLERS = False

    for signum in (signal.SIGUSR1, signal.SIGINT):
        message = fails_with(
            check_survives_stop_signal, Without, num_steps=4, signals=[signum]
        )
        assert message.startswith(f"Nothing handles {signal.Signals(signum).name}")


def test_not_on_the_main_thread():
    messages = []
    thread = threading.Thread(
        target=lambda: messages.append(
            fails_with(check_survives_stop_signal, Walk, num_steps=4)
        )
    )
    thread.start()
    thread.join()
    assert messages[0].startswith("Nothing handles SIGUSR1")


def test_too_few_iterations():
    message = fails_with(check_survives_stop_signal, Walk, num_steps=1)
    assert "Walk makes 1 iterations, too few" in message
