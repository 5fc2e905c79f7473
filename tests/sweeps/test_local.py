"""Universes as processes of this machine: signals, kills, and that nothing is left."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from utopya_backend.errors import ExecutableError
from utopya_backend.sweeps import local
from utopya_backend.sweeps.local import LocalEngine, _environment, num_cores
from utopya_backend.sweeps.messages import Reported
from utopya_backend.sweeps.program import Program

from .conftest import collect, is_alive, wait_until

GO_ON = """
def begin(model):
    with open(f"pid{model.root_cfg['seed']}", "w") as file:
        print(os.getpid(), file=file)

def step(model):
    time.sleep(0.01)
"""
WITH_CHILD = (
    GO_ON
    + """
def begin(model):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    for name, pid in ("child", child.pid), ("pid", os.getpid()):
        with open(name, "w") as file:
            print(pid, file=file)
"""
)
LONG = {"num_steps": 1_000_000, "write_every": 1_000_000}


@pytest.fixture
def engine_of(runs):
    """Starts engines, which are closed at the end."""
    engines = []

    def make(text, num_workers=2, **options):
        program = Program.of(runs.script(text), fresh=options.pop("fresh", False))
        engines.append(LocalEngine(program, num_workers, **options))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def test_how_many_are_free(runs, engine_of):
    engine = engine_of("", num_workers=3)
    assert engine.num_free == 3
    for _ in range(2):
        engine.start(runs.job())
    assert engine.num_free == 1
    ended = collect(engine, 2)
    assert engine.num_free == 3
    assert str(engine) == "this machine, 3 at the same time"
    for event in ended.values():
        assert event.exit_code == 0
        assert 0 < event.seconds < 60
        assert event.cpu_seconds > 0
        assert event.host == os.uname().nodename


def test_no_events(engine_of):
    assert list(engine_of("").events(0.0)) == []


def test_reports(runs, engine_of):
    engine = engine_of("M.monitor = lambda self, info: {'y': 3}")
    engine.start(runs.job(7))
    events = []
    while engine.num_free < 2:
        events += engine.events(1.0)
    lines = [event.line for event in events if isinstance(event, Reported)]
    assert {event.number for event in events} == {7}
    assert lines[-1] == "!!map {progress: 1.0, n_iter: 2, M: {y: 3}}"
    assert lines[-1] in runs.log(7)


def test_very_long_reports(runs, engine_of):
    """One that is too long is lost, and nothing else."""
    text = "M.monitor = lambda self, info: {'y': 'x' * 5_000_000}"
    assert runs.run_with(engine_of(text), runs.job())[1].exit_code == 0


def test_a_directory_that_exists(runs, engine_of, capfd):
    job = runs.job()
    os.mkdir(job.directory)
    engine = engine_of("")
    assert runs.run_with(engine, job)[1].exit_code == 1
    assert "Error: [Errno 17] File exists" in capfd.readouterr().err
    assert os.listdir(job.directory) == []


# .. Signals ..................................................................


@pytest.mark.parametrize("fresh", [False, True], ids=["warm", "fresh"])
@pytest.mark.parametrize(
    "signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]
)
def test_signals_end_a_universe_in_order(runs, engine_of, signum, fresh):
    engine = engine_of(GO_ON, fresh=fresh)
    engine.start(runs.job(1, seed=1, **LONG))
    runs.pid("pid1")
    engine.send_signal(1, signum)
    assert collect(engine, 1)[1].exit_code == 128 + signum
    assert runs.status() == f"stopped: {signal.Signals(signum).name}"


@pytest.mark.parametrize(
    "signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]
)
def test_a_signal_just_after_the_start(runs, engine_of, signum):
    """None is lost; a stop condition waits for the model, and its run for that."""
    engine = engine_of(GO_ON)
    engine.start(runs.job(1, seed=1, **LONG))
    engine.send_signal(1, signum)
    assert collect(engine, 1)[1].exit_code == 128 + signum
    if signum == signal.SIGUSR1:
        assert runs.status() == "stopped: SIGUSR1"


def test_a_stop_condition_at_the_very_end(runs, engine_of):
    """It changes nothing any more, and does not kill what the program still does."""
    main = """
if __name__ == "__main__":
    with M(cfg_file_path=sys.argv[1]) as model:
        model.run()
    os.kill(os.getpid(), 10)
    print("the end")
"""
    program = Program.of(runs.script("", main=main))
    with LocalEngine(program, 1) as engine:
        assert runs.run_with(engine, runs.job())[1].exit_code == 0
    assert runs.log().endswith("the end\nend of log. exit code: 0\n")


@pytest.mark.parametrize("fresh", [False, True], ids=["warm", "fresh"])
def test_the_last_word(runs, engine_of, fresh):
    """Who has not seen a program end can read whether it has."""
    engine = engine_of(GO_ON, fresh=fresh)
    runs.run_with(engine, runs.job(1, seed=1))
    assert runs.log(1).endswith("\nend of log. exit code: 0\n")
    for number, signum in (2, signal.SIGUSR1), (3, signal.SIGTERM), (4, signal.SIGKILL):
        engine.start(runs.job(number, seed=number, **LONG))
        runs.pid(f"pid{number}")
        engine.send_signal(number, signum)
        collect(engine, 1)
    assert runs.log(2).endswith("\nend of log. exit code: 138\n")
    assert not any("end of log" in runs.log(number) for number in (3, 4))


def test_signals_for_one_that_has_ended(runs, engine_of):
    engine = engine_of("")
    runs.run_with(engine, runs.job())
    engine.send_signal(1, signal.SIGTERM)
    engine.send_signal(99, signal.SIGKILL)
    assert runs.run_with(engine, runs.job())[2].exit_code == 0


@pytest.mark.parametrize("fresh", [False, True], ids=["warm", "fresh"])
def test_a_kill_also_kills_what_a_universe_has_started(runs, engine_of, fresh):
    engine = engine_of(WITH_CHILD, fresh=fresh)
    engine.start(runs.job(1, **LONG))
    pids = [runs.pid("child"), runs.pid("pid")]
    engine.send_signal(1, signal.SIGKILL)
    assert collect(engine, 1)[1].exit_code == 137
    wait_until(lambda: not any(map(is_alive, pids)))


def test_universes_are_process_groups(runs, engine_of):
    """A Ctrl-C on the terminal is for the supervisor, which passes it on."""
    engine = engine_of(GO_ON)
    engine.start(runs.job(1, seed=1, **LONG))
    pid = runs.pid("pid1")
    assert os.getpgid(pid) == pid
    assert os.getsid(pid) != os.getsid(0)
    engine.send_signal(1, signal.SIGKILL)
    collect(engine, 1)


# .. The end ..................................................................


@pytest.mark.parametrize("fresh", [False, True], ids=["warm", "fresh"])
def test_closing_ends_universes_in_order(runs, engine_of, fresh):
    engine = engine_of(GO_ON, fresh=fresh)
    engine.start(runs.job(1, seed=1, **LONG))
    pid = runs.pid("pid1")
    engine.close()
    assert not is_alive(pid)
    assert runs.status() == "stopped: SIGTERM"


STUBBORN = GO_ON.replace("def step(model):", "def step(model):\n  while True:")


def test_closing_kills_those_that_do_not_end(runs, engine_of):
    engine = engine_of(STUBBORN, grace=0.1)
    engine.start(runs.job(1, seed=1, **LONG))
    pid = runs.pid("pid1")
    engine.close()
    assert not is_alive(pid)


def test_no_grace(runs, engine_of):
    in_first_step = "    if model.time == 0: note(model)\n"
    text = GO_ON.replace("def begin(", "def note(") + in_first_step
    engine = engine_of(text, grace=0.0)
    engine.start(runs.job(1, seed=1, **LONG))
    pid = runs.pid("pid1")
    engine.close()
    wait_until(lambda: not is_alive(pid))
    assert runs.status() == "running"


ENGINE = """
    import sys, time
    from utopya_backend.finding import find_model
    from utopya_backend.sweeps.local import LocalEngine
    from utopya_backend.sweeps.messages import Job
    from utopya_backend.sweeps.program import Program

    directory, fresh = sys.argv[1:]
    program = Program.of(find_model(f"{directory}/M"), fresh=bool(fresh))
    engine = LocalEngine(program, 2, grace=0.2)
    cfg = {
        "root_model_name": "M", "M": {}, "seed": 1, "num_steps": 1000000,
        "write_start": 0, "write_every": 1000000,
    }
    engine.start(Job.of(1, f"{directory}/uni1", cfg))
    while True:
        for event in engine.events(1.0):
            pass
"""


@pytest.mark.parametrize("fresh", ["", "fresh"])
@pytest.mark.parametrize("text", [GO_ON, STUBBORN], ids=["in order", "stubborn"])
def test_nothing_is_left_if_the_engine_is_killed(runs, text, fresh):
    runs.script(text)
    code = textwrap.dedent(ENGINE)
    if text is GO_ON:
        code = code.replace("grace=0.2", "grace=60")  # it ends by itself
    process = subprocess.Popen([sys.executable, "-c", code, runs.directory, fresh])
    pid = runs.pid("pid1")
    process.kill()
    process.wait()
    wait_until(lambda: not is_alive(pid))
    if text is GO_ON:
        assert runs.status() == "stopped: SIGTERM"


def test_an_engine_that_is_killed_while_it_imports(runs):
    runs.script(
        "print(os.getpid(), file=open('pid', 'w'), flush=True)\ntime.sleep(0.3)"
    )
    code = textwrap.dedent(ENGINE)
    process = subprocess.Popen(
        [sys.executable, "-c", code, runs.directory, ""], stderr=subprocess.PIPE
    )
    pid = runs.pid("pid")
    process.kill()
    _, errors = process.communicate()  # until the server has closed it, too
    wait_until(lambda: not is_alive(pid))
    assert errors == b""


def test_an_interrupt_while_it_imports(runs):
    """However long that takes, and whatever keeps the exception."""
    runs.script(
        "print(os.getpid(), file=open('pid', 'w'), flush=True)\ntime.sleep(600)"
    )
    code = textwrap.dedent(ENGINE).replace(
        "engine = LocalEngine(program, 2, grace=0.2)",
        """
try:
    LocalEngine(program, 2)
except KeyboardInterrupt as error:
    kept = error
    print("interrupted", flush=True)
    sys.stdin.read()
    sys.exit(0)""",
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, runs.directory, ""],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    pid = runs.pid("pid")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == b"interrupted\n"
    wait_until(lambda: not is_alive(pid), 10)
    process.communicate()


# .. A server that is killed ..................................................


@pytest.mark.parametrize("fresh", [False, True], ids=["warm", "fresh"])
def test_a_server_that_is_killed(runs, engine_of, fresh):
    engine = engine_of(GO_ON, fresh=fresh)
    for number in (1, 2):
        engine.start(runs.job(number, seed=number, **LONG))
    pids = [runs.pid("pid1"), runs.pid("pid2")]
    engine._process.kill()
    ended = collect(engine, 2)
    assert [ended[number].exit_code for number in (1, 2)] == [137, 137]
    wait_until(lambda: not any(map(is_alive, pids)))
    assert engine.num_free == 2
    assert runs.run_with(engine, runs.job(3, seed=3))[3].exit_code == 0


def test_a_server_that_is_killed_again_and_again(runs, engine_of):
    engine = engine_of("")
    for number in range(3):
        engine._process.kill()
        engine._process.wait()
        engine.start(runs.job(number))  # which it does not get any more
        assert collect(engine, 1)[number].exit_code == 137
    engine._process.kill()
    engine._process.wait()
    engine.start(runs.job(9))
    events = engine.events(1.0)
    assert next(events).number == 9
    message = r"was killed 4 times, the last time with exit code -9: is there enough"
    with pytest.raises(ExecutableError, match=message):
        next(events)


# .. The environment ..........................................................


def test_threads_of_libraries():
    names = set(local._THREADS)
    alone = _environment({"A": "b"}, 1)
    at_once = {"PYTHONUNBUFFERED": "1"}
    assert alone == {"A": "b", **at_once}
    several = _environment({"A": "b"}, 2)
    assert several == {"A": "b", **at_once, **dict.fromkeys(names, "1")}
    chosen = {"OMP_NUM_THREADS": "4", "PYTHONUNBUFFERED": ""}
    assert _environment(chosen, 2) == chosen  # somebody has thought about it


@pytest.mark.parametrize(("num_workers", "expected"), [(2, "1"), (1, "None")])
def test_threads_of_a_universe(runs, engine_of, monkeypatch, num_workers, expected):
    for name in local._THREADS:
        monkeypatch.delenv(name, raising=False)
    text = "def begin(model): print('threads', os.environ.get('OMP_NUM_THREADS'))"
    runs.run_with(engine_of(text, num_workers), runs.job())
    assert f"threads {expected}\n" in runs.log()


def test_num_cores():
    assert num_cores() == len(os.sched_getaffinity(0))
