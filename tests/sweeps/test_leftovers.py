"""Nothing is left of universes, with all that they have started, whoever is killed."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from utopya_backend.sweeps.leftovers import make_mark, marked, universe_of
from utopya_backend.sweeps.local import LocalEngine
from utopya_backend.sweeps.program import Program

from .conftest import collect, is_alive, wait_until
from .test_local import ENGINE, LONG

FAMILY = """
import multiprocessing, signal

def forever():
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    while True:
        time.sleep(600)

def forked_twice():
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            forever()
        os._exit(0)

def begin(model):
    number = model.root_cfg["seed"]
    names = [f"{number}{letter}" for letter in "abcdef"]
    sleep = [f"exec -a sleep{name} sleep 600" for name in names]
    alone = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    for code in (
        f"{sleep[0]}",
        f"({sleep[1]}) & ({sleep[2]}) & wait",
        f"setsid bash -c '({sleep[3]}) & {sleep[4]}' < /dev/null > /dev/null 2>&1 &",
    ):
        subprocess.Popen(["bash", "-c", code])
    subprocess.Popen(["bash", "-c", sleep[5]], start_new_session=True, **alone)
    multiprocessing.get_context("fork").Process(target=forever).start()
    forked_twice()
    with open(f"began{number}", "w"):
        pass

def step(model):
    time.sleep(0.01)
"""


def processes():
    """The processes that have the current directory, except this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == os.getcwd() and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if is_alive(process.pid)]


def command(process):
    """The command line of a process, empty if it has ended just now."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def is_server(process):
    """Whether it is a server, or a process that was forked from one."""
    return "sweeps.server" in command(process)


def programs(number):
    """Those that a universe has started, by the letters of their names."""
    names = [command(process).partition(" ")[0] for process in processes()]
    start = f"sleep{number}"
    return "".join(sorted(n.removeprefix(start) for n in names if n.startswith(start)))


@pytest.fixture(params=[False, True], ids=["warm", "fresh"])
def engine(request, runs):
    """An engine of a model that starts all kinds of processes."""
    program = Program.of(runs.script(FAMILY), fresh=request.param)
    with LocalEngine(program, 2, grace=0.2) as made:
        yield made
    assert processes() == []


def start_two(engine, runs):
    for number in (1, 2):
        engine.start(runs.job(number, seed=number, **LONG))


def wait_for(*names):
    wait_until(lambda: all(Path(name).exists() for name in names))


def test_what_is_left_of_a_universe_ends_with_it(runs, engine):
    """And nothing that others have started."""
    start_two(engine, runs)
    wait_for("began1", "began2")
    wait_until(lambda: programs(1) == programs(2) == "abcdef")
    engine.send_signal(1, signal.SIGKILL)
    assert collect(engine, 1)[1].exit_code == 137
    wait_until(lambda: programs(1) == "")
    assert programs(2) == "abcdef"
    engine.send_signal(2, signal.SIGKILL)
    collect(engine, 1)
    server_and_watchdog = 2
    wait_until(lambda: len(processes()) == server_and_watchdog)


@pytest.mark.parametrize("names", [(), ("uni1/data.h5",), ("began1", "began2")])
def test_if_the_server_is_killed(runs, engine, names):
    start_two(engine, runs)
    wait_for(*names)
    engine._process.kill()
    engine.close()
    assert processes() == []


def test_if_it_is_killed_while_universes_end(runs, engine):
    start_two(engine, runs)
    wait_for("began1", "began2")
    engine.send_signal(1, signal.SIGKILL)
    engine.send_signal(2, signal.SIGTERM)
    engine._process.kill()
    engine.close()
    assert processes() == []


def test_if_all_of_the_server_is_killed(runs, engine):
    """Also that which watches over it."""
    start_two(engine, runs)
    wait_for("began1", "began2")
    for process in processes():
        if is_server(process):
            process.kill()
    engine.close()
    assert processes() == []


def servers(supervisor):
    children = psutil.Process(supervisor.pid).children()
    return [child for child in children if is_server(child)]


@pytest.fixture(params=["", "fresh"], ids=["warm", "fresh"])
def sweep(request, runs):
    """A sweep of one universe in a process of its own, and its server."""
    runs.script(FAMILY)
    code = textwrap.dedent(ENGINE)
    args = [sys.executable, "-c", code, str(runs.directory), request.param]
    with subprocess.Popen(args) as supervisor:
        try:
            wait_until(lambda: servers(supervisor))
            yield supervisor, servers(supervisor)[0]
        finally:
            supervisor.kill()
    wait_until(lambda: processes() == [])


@pytest.mark.parametrize("names", [(), ("uni1/data.h5",), ("began1",)])
def test_if_the_supervisor_is_killed(sweep, names):
    wait_for(*names)
    sweep[0].kill()


@pytest.mark.parametrize("names", [(), ("began1",)])
@pytest.mark.parametrize("first", [0, 1], ids=["supervisor", "server"])
def test_if_both_are_killed(sweep, names, first):
    wait_for(*names)
    for process in (sweep[first], sweep[1 - first]):
        process.kill()


def test_marks():
    """Those of a sweep within a universe do not hide the ones of that."""
    outer, inner = make_mark(), make_mark()
    environ = marked(marked(marked({}, outer), f"{outer}:12"), inner)
    with subprocess.Popen(["cat"], env={**os.environ, **environ}, stdin=-1) as process:
        wait_until(lambda: psutil.Process(process.pid).name() == "cat")
        assert universe_of(process.pid, outer) == 12
        assert universe_of(process.pid, inner) is None
        process.stdin.close()
