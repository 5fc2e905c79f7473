"""The loop of a sweep, with an engine that does what a script says."""

import os
import signal
import threading

import h5py
import pytest
from paramspace import ParamDim

from utopya_backend.space import Space, parameter_space
from utopya_backend.sweeps.directory import SweepDirectory
from utopya_backend.sweeps.messages import Ended, Reported
from utopya_backend.sweeps.stopping import parse_stop_conditions
from utopya_backend.sweeps.supervisor import Rules, Supervisor
from utopya_backend.sweeps.tally import Outcome, Tally

from .conftest import outcomes

STOP = signal.SIGUSR1


class Script:
    """An engine: at each look at it, one action of a script is done.

    When that is over, universes finish one by one.
    """

    def __init__(self, clock, *actions, num_workers=2):
        self.clock = clock
        self.actions = list(actions)
        self.num_workers = num_workers
        self.running = []
        self.jobs = []
        self.sent = []
        self.num_free_at_first = None

    @property
    def num_free(self):
        return self.num_workers - len(self.running)

    def start(self, job):
        assert self.num_free > 0
        self.jobs.append(job)
        self.running.append(job.number)

    def send_signal(self, number, signum):
        assert number in self.running
        self.sent.append((number, signum))

    def end(self, number, code=0):
        self.running.remove(number)
        return Ended(number, code, 1.0, 0.5, "here")

    def events(self, timeout):
        self.clock.now += 1
        if self.actions:
            yield from self.actions.pop(0)(self) or ()
        elif self.running:
            yield self.end(self.running[0])


def ends(number, code=0):
    return lambda engine: [engine.end(number, code)]


def reports(number, line):
    return lambda engine: [Reported(number, line)]


def nothing(engine):
    return []


def raises(error):
    def do(engine):
        raise error

    return do


def is_stopped(number):
    """A stop condition ends a universe, in order."""

    def do(engine):
        (job,) = (job for job in engine.jobs if job.number == number)
        os.makedirs(job.directory)
        with h5py.File(job.cfg["output_path"], "w") as file:
            file.attrs["status"] = "stopped: SIGUSR1"
        return [engine.end(number, 138)]

    return do


def gets(*signals):
    def do(engine):
        for signum in signals:
            os.kill(os.getpid(), signum)

    return do


@pytest.fixture
def directory(tmp_path):
    space = Space(parameter_space({"seed": ParamDim(default=0, range=[5])}))
    return SweepDirectory.make(tmp_path, "M", space, settings={})


@pytest.fixture
def supervise(directory, clock):
    """Runs a sweep with an engine; returns the supervisor."""

    def run(engine, **rules):
        seen, ending = [], []
        supervisor = Supervisor(
            engine, directory, directory.space, Rules(**rules), Tally(5),
            lambda tally: seen.append(tally.num_ended),
            lambda *args: ending.append(args), clock=clock,
        )  # fmt: skip
        supervisor.seen, supervisor.ending = seen, ending
        with directory.in_use():
            supervisor.run()
        return supervisor

    return run


def counts(supervisor):
    return {o.value: n for o, n in supervisor.tally.counts.items()}


def test_all_universes_are_run(supervise, directory, clock):
    engine = Script(clock)
    supervisor = supervise(engine)
    assert counts(supervisor) == {"finished": 5}
    assert (supervisor.ended_by, supervisor.signum, supervisor.ending) == ("", None, [])
    assert [job.number for job in engine.jobs] == [1, 2, 3, 4, 5]
    assert [job.cfg["seed"] for job in engine.jobs] == list(range(5))
    assert engine.jobs[0].directory == str(directory.universe(1))
    assert supervisor.seen == [1, 2, 3, 4, 5]
    assert engine.sent == []
    assert set(outcomes(directory.path).values()) == {"finished"}


def test_as_many_at_the_same_time_as_there_is_place_for(supervise, clock):
    most = []
    engine = Script(clock, num_workers=3)
    end = engine.end
    engine.end = lambda number: most.append(len(engine.running)) or end(number)
    supervise(engine)
    assert most == [3, 3, 3, 2, 1]


def test_no_place_for_a_while(supervise, clock):
    """Such as of a cluster of which all workers have ended, and new ones come."""

    def workers_come(engine):
        engine.num_workers = 1

    def workers_go(engine):
        engine.num_workers = 0
        return [engine.end(1)]

    engine = Script(
        clock, nothing, workers_come, workers_go, nothing, workers_come, num_workers=0
    )
    assert counts(supervise(engine)) == {"finished": 5}


def test_the_time_limit_while_there_is_no_place(supervise, clock):
    supervisor = supervise(Script(clock, num_workers=0), time_limit=5)
    assert supervisor.ended_by == "the time limit"
    assert supervisor.tally.num_ended == 0


def test_failures_do_not_end_it(supervise, directory, clock):
    supervisor = supervise(Script(clock, ends(2, 1), ends(1, 139), ends(3, 143)))
    assert counts(supervisor) == {"failed": 3, "finished": 2}
    assert supervisor.tally.failed == {1, 2, 3}
    assert outcomes(directory.path)["uni2"] == "failed"


def test_fail_fast(supervise, clock):
    engine = Script(clock, ends(2, 1), ends(1, 143), num_workers=3)
    supervisor = supervise(engine, fail_fast=True)
    assert supervisor.ended_by == "a failure"
    assert supervisor.ending == [("a failure", 2)]
    assert engine.sent == [(1, signal.SIGTERM), (3, signal.SIGTERM)]
    assert counts(supervisor) == {"failed": 1, "interrupted": 1, "finished": 1}
    assert supervisor.signum is None
    assert len(engine.jobs) == 3


def test_fail_fast_says_so_once(supervise, clock):
    engine = Script(
        clock,
        lambda e: (e.end(number, 1) for number in (1, 2)),
        ends(3, 1),
        num_workers=3,
    )
    supervisor = supervise(engine, fail_fast=True)
    assert len(supervisor.ending) == 1
    assert counts(supervisor) == {"failed": 3}


def test_time_limit(supervise, clock):
    engine = Script(clock, nothing, nothing, ends(1, 130), ends(2, 0))
    supervisor = supervise(engine, time_limit=2)
    assert supervisor.ending == [("the time limit", 2)]
    assert engine.sent == [(1, signal.SIGINT), (2, signal.SIGINT)]
    assert counts(supervisor) == {"interrupted": 1, "finished": 1}


# .. Signals ..................................................................


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal(supervise, clock, signum):
    engine = Script(clock, gets(signum), nothing, ends(1, 128 + signum))
    supervisor = supervise(engine)
    assert supervisor.signum == signum
    assert supervisor.ended_by == signal.Signals(signum).name
    assert supervisor.ending == [(signal.Signals(signum).name, 2)]
    assert engine.sent == [(1, signum), (2, signum)]
    assert counts(supervisor) == {"interrupted": 1, "finished": 1}


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_interrupt_kills(supervise, clock, first):
    engine = Script(
        clock, gets(first), ends(1, 128 + first), gets(signal.SIGINT), ends(2, 137)
    )
    supervisor = supervise(engine)
    assert supervisor.signum == first
    assert engine.sent == [(1, first), (2, first), (2, signal.SIGKILL)]
    assert counts(supervisor) == {"interrupted": 2}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_second_one_of_another_kind_does_not(supervise, clock, signum):
    """`timeout` sends two at once; and the terminal and its shell one each."""
    engine = Script(clock, gets(signum), gets(signum), gets(signal.SIGTERM))
    supervise(engine)
    assert engine.sent == [(1, signum), (2, signum)]


def test_an_interrupt_after_the_time_limit(supervise, clock):
    """It is the first one, which the user sees an effect of."""
    engine = Script(clock, nothing, gets(signal.SIGINT), gets(signal.SIGINT))
    supervisor = supervise(engine, time_limit=1)
    assert supervisor.signum == signal.SIGINT
    assert [reason for reason, _ in supervisor.ending] == ["the time limit", "SIGINT"]
    signals = [signum for number, signum in engine.sent if number == 1]
    assert signals == [signal.SIGINT, signal.SIGINT, signal.SIGKILL]


def test_a_signal_that_is_ignored(supervise, clock):
    """As by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        supervisor = supervise(Script(clock, gets(signal.SIGHUP)))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert counts(supervisor) == {"finished": 5}


def test_on_another_thread(supervise, clock):
    """There are no signals there; handlers are left alone."""
    found = []
    thread = threading.Thread(
        target=lambda: found.append(counts(supervise(Script(clock))))
    )
    thread.start()
    thread.join()
    assert found == [{"finished": 5}]


def test_an_engine_that_raises(supervise, directory, clock):
    before = signal.getsignal(signal.SIGINT)
    engine = Script(clock, ends(1), raises(RuntimeError("no more")))
    with pytest.raises(RuntimeError, match="no more"):
        supervise(engine)
    assert signal.getsignal(signal.SIGINT) is before
    assert outcomes(directory.path) == {"uni1": "finished"}


# .. What universes report ....................................................


def test_progress(directory, clock):
    tally = Tally(5)
    found = {}
    engine = Script(
        clock,
        reports(1, "!!map {progress: 0.25, n_iter: 3, M: {}}"),
        reports(2, "!!map {progress: 7, n_iter: 3, M: {}}"),
        lambda _: found.update(tally.running),
    )
    with directory.in_use():
        Supervisor(
            engine, directory, directory.space, Rules(), tally, lambda tally: None,
            clock=clock,
        ).run()  # fmt: skip
    assert found == {1: 0.25, 2: 1.0}


@pytest.mark.parametrize(
    "line", ["", "x", "!!map {progress: .nan}", "!!map {", "!!map"]
)
def test_lines_that_say_nothing(supervise, clock, line):
    conditions = parse_stop_conditions([AT_FIVE])
    supervisor = supervise(
        Script(clock, reports(1, line), reports(99, line)), stop_conditions=conditions
    )
    assert counts(supervisor) == {"finished": 5}
    assert 0 <= supervisor.tally.progress <= 1


def test_a_report_that_comes_after_the_end(supervise, clock):
    engine = Script(clock, ends(1), reports(1, "!!map {progress: 0.5, n_iter: 1}"))
    assert counts(supervise(engine)) == {"finished": 5}


AT_FIVE = {
    "name": "at five", "func": "check_monitor_entry", "entry_name": "M.x",
    "operator": ">=", "value": 5,
}  # fmt: skip


def test_stop_conditions(supervise, clock):
    conditions = parse_stop_conditions(
        [AT_FIVE, {"func": "timeout_wall", "seconds": 2.5}]
    )
    engine = Script(
        clock,
        reports(1, "!!map {progress: 0.5, n_iter: 3, M: {x: 4}}"),
        reports(1, "!!map {progress: 0.5, n_iter: 3, M: {x: 5}}"),
        reports(1, "!!map {progress: 0.5, n_iter: 3, M: {x: 6}}"),  # is told once
        is_stopped(1),
        is_stopped(2),
    )
    supervisor = supervise(engine, stop_conditions=conditions)
    assert engine.sent[:2] == [(1, STOP), (2, STOP)]
    assert supervisor.tally.stopped_by["at five"] == [1]
    assert supervisor.tally.stopped_by["timeout_wall"][0] == 2
    assert supervisor.tally.counts[Outcome.STOPPED] == 2
    assert supervisor.ended_by == ""


def test_a_stop_condition_that_holds_before_there_is_data(supervise, directory, clock):
    """The universe is not stopped, but to be run."""
    conditions = parse_stop_conditions([{"func": "timeout_wall", "seconds": 0}])
    supervisor = supervise(Script(clock, ends(1, 138)), stop_conditions=conditions)
    assert supervisor.tally.stopped_by == {}
    assert supervisor.tally.killed == {1}
    assert supervisor.tally.num_complete == 4
    assert outcomes(directory.path)["uni1"] == "killed"


# .. Universes that do not end ................................................


def does_nothing(times):
    return [nothing] * times


def test_a_stop_condition_that_is_not_heeded(supervise, clock):
    """Such as in a step that never ends: others go on, and the sweep ends."""
    conditions = parse_stop_conditions([{"func": "timeout_wall", "seconds": 2}])
    engine = Script(clock, *does_nothing(14), ends(1, 137), num_workers=1)
    supervisor = supervise(engine, stop_conditions=conditions, grace=10)
    assert engine.sent == [(1, STOP), (1, signal.SIGKILL)]
    assert supervisor.tally.killed == {1}
    assert counts(supervisor) == {"killed": 1, "finished": 4}
    assert supervisor.tally.num_complete == 4


@pytest.mark.parametrize(
    ("first", "rules", "sent"),
    [
        (nothing, {"time_limit": 1}, signal.SIGINT),
        (gets(signal.SIGINT), {}, signal.SIGINT),
        (gets(signal.SIGTERM), {}, signal.SIGTERM),
    ],
)
def test_an_end_of_the_sweep_that_is_not_heeded(supervise, clock, first, rules, sent):
    engine = Script(clock, first, *does_nothing(10), ends(1, 137), ends(2, 128 + sent))
    supervisor = supervise(engine, grace=10, **rules)
    assert engine.sent == [
        (1, sent), (2, sent), (1, signal.SIGKILL), (2, signal.SIGKILL),
    ]  # fmt: skip
    assert counts(supervisor) == {"killed": 1, "interrupted": 1}


def test_one_that_fails_while_it_is_waited_for(supervise, clock):
    engine = Script(clock, nothing, *does_nothing(10), ends(1, 1), ends(2, 0))
    supervisor = supervise(engine, time_limit=1, grace=5)
    assert counts(supervisor) == {"failed": 1, "finished": 1}


def test_a_kill_is_repeated(supervise, clock):
    """Of a universe that a worker was about to begin, say."""
    conditions = parse_stop_conditions([{"func": "timeout_wall", "seconds": 1}])
    engine = Script(clock, *does_nothing(15), ends(1, 137), num_workers=1)
    supervise(engine, stop_conditions=conditions, grace=2)
    assert engine.sent == [(1, STOP)] + [(1, signal.SIGKILL)] * 3


def test_one_that_cannot_be_killed(supervise, directory, clock):
    """As on a worker that is gone: an end of the sweep is not held up for ever."""
    start = clock.now
    engine = Script(clock, gets(signal.SIGINT), *does_nothing(1000))
    supervisor = supervise(engine, grace=10)
    assert counts(supervisor) == {"killed": 2}
    assert clock.now - start < 30
    assert engine.running == [1, 2]
    assert outcomes(directory.path) == {"uni1": "killed", "uni2": "killed"}


def test_no_grace(supervise, clock):
    engine = Script(clock, gets(signal.SIGINT), ends(1, 137), ends(2, 137))
    assert counts(supervise(engine, grace=0)) == {"killed": 2}
