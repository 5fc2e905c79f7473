import os
import signal
import subprocess
import sys

import pytest

from utopya_backend.process import (
    error_in,
    parse_report,
    run_process,
    users_line,
    warnings_in,
)


@pytest.fixture(autouse=True)
def _buffered(monkeypatch):
    """What is printed is buffered, as for most users."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def run(tmp_path):
    """Runs a Python program; returns exit code, log and reports."""

    def run_code(code, on_report=lambda report: None):
        reports = []

        def note(report):
            reports.append(report)
            on_report(report)

        log_file = tmp_path / "out.log"
        exit_code = run_process([sys.executable, "-c", code], log_file, note)
        return exit_code, log_file.read_text(encoding="utf-8"), reports

    return run_code


def test_log_and_reports(run):
    exit_code, log, reports = run(
        "import sys\n"
        "print('!!map {progress: 0.5, n_iter: 1, M: {a: 2}}', flush=True)\n"
        "print('ä', file=sys.stderr, flush=True)\n"
        "print('!!map {not closed')\n"
        "print('!!map')\n"
        "print('!!map {a: 2020-13-45}')\n"
        "sys.stdout.buffer.write(b'\\xff\\n')\n"
    )
    assert exit_code == 0
    assert log == (
        "!!map {progress: 0.5, n_iter: 1, M: {a: 2}}\nä\n!!map {not closed\n!!map\n"
        "!!map {a: 2020-13-45}\n�\n"
    )
    assert reports == [(0.5, 1, {"a": 2})]


def test_parse_report():
    assert parse_report("!!map {progress: 0.5, n_iter: 1, M: {a: 2}}\n") == (
        0.5, 1, {"a": 2},
    )  # fmt: skip
    assert parse_report("!!map {progress: 1}\n") == (1, 0, {})
    for line in (
        " !!map {progress: 0.5}", "!!map [a]", "!!map {a: 1}", "!!map {progress: .nan}",
        "!!map {progress: 2}", "!!map {progress: x}", "progress: 0.5",
    ):  # fmt: skip
        assert parse_report(line) is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(3)", 3),
        ("1 / 0", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
    ],
)
def test_exit_code(run, code, expected):
    assert run(code)[0] == expected


WAITING = """
import os, signal, sys, time
def stop(signum, frame):
    os.write(1, b"got %d\\n" % signum)
    if sys.argv[1:] == [] or signum == signal.SIGTERM: sys.exit(128 + signum)
{setup}
signal.signal(signal.SIGINT, stop)
signal.signal(signal.SIGTERM, stop)
print("!!map {{progress: 0}}", flush=True)
while True: time.sleep(60)
"""


ORPHAN = """
import os, signal, subprocess, sys
print("!!map {progress: 0.5}")
text = "import time\\nwhile True: time.sleep(0.001)"
if sys.argv[1:] == ["that prints"]:
    text += "; print('x', flush=True)"
child = subprocess.Popen([sys.executable, "-c", text])
print("child", child.pid)
sys.stdout.write("y" * 50_000 + "\\nthe end")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("what", ["", "sys.argv.append('that prints')"])
def test_what_it_has_started_is_not_waited_for(run, what):
    """And nothing is lost of what it has printed."""
    exit_code, log, reports = run(f"import sys\n{what}\n{ORPHAN}")
    assert exit_code == 137
    lines = [line for line in log.splitlines() if line.strip("x")]
    assert lines[0] == "!!map {progress: 0.5}"
    assert lines[2].lstrip("x") == "y" * 50_000
    assert lines[3].startswith("the end")
    assert len(reports) == 1
    os.kill(int(lines[1].split()[1]), signal.SIGKILL)


def test_what_it_prints_is_there_if_it_is_killed(run):
    code = "import os\nprint('a')\nprint('b', end='')\nos.kill(os.getpid(), 9)"
    assert run(code)[:2] == (137, "a\nb")


def test_what_it_prints_in_pieces(run):
    code = (
        "import sys\n"
        "for piece in ('!!map {prog', 'ress: 0.25}\\r', '\\n', '\\xe4', 'z'):\n"
        "    sys.stdout.buffer.write(piece.encode()[:1]); sys.stdout.flush()\n"
        "    sys.stdout.buffer.write(piece.encode()[1:]); sys.stdout.flush()\n"
    )
    _, log, reports = run(code)
    assert log == "!!map {progress: 0.25}\näz"
    assert [report.progress for report in reports] == [0.25]


def test_ignored_signals_are_left_alone(run):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as by nohup
    run("", lambda report: None)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
def test_other_signals_end_it(run, signum):
    code = "import time; print('!!map {progress: 0}', flush=True); time.sleep(60)"
    assert run(code, lambda report: os.kill(os.getpid(), signum))[0] == 128 + signum


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_passed_on(run, signum):
    before = signal.getsignal(signum)
    exit_code, log, _ = run(
        WAITING.format(setup=""), lambda report: os.kill(os.getpid(), signum)
    )
    assert exit_code == 128 + signum
    assert f"got {signum:d}\n" in log
    assert signal.getsignal(signum) is before


def test_a_second_interrupt_kills(run):
    def interrupt_twice(report):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    code = WAITING.format(setup="sys.argv.append('stubborn')")
    exit_code, _, _ = run(code, interrupt_twice)
    assert exit_code == 128 + signal.SIGKILL


def test_cannot_be_started(tmp_path):
    script = tmp_path / "model"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(OSError, match=r"Cannot start the model .*: make sure that"):
        run_process([str(script)], tmp_path / "out.log", print)
    script.chmod(0o755)
    assert run_process([str(script)], tmp_path / "out.log", print) == 0


def test_error_in():
    log = "INFO a\n!!map {a: 1}\n" + "x\n" * 30
    assert error_in(log) == "\n".join("x" * 20)
    traceback = 'Traceback (most recent call last):\n  File "m.py"\nValueError: 1'
    assert error_in(log + traceback + "\n!!map {}\n") == traceback
    assert error_in(log + "Error: seed is wrong\nmore") == "Error: seed is wrong\nmore"
    cut = traceback.replace('  File "m.py"', "... 1 lines, see the log")
    assert error_in(log + traceback, max_lines=2) == cut
    # Behind something that the model has printed without an end of line
    assert error_in("step " + traceback) == traceback
    assert error_in("") == ""
    group = "  + Exception Group Traceback (most recent call last):\n  | ExceptionGroup"
    assert error_in(f"a\n{group}") == group


def test_warnings_in():
    log = (
        "INFO    x\nno WARNING\nWARNING y\n  goes on\n\n!!map {a: 1}\nERROR   z\n"
        "INFO    x\n" + "WARNING w\n" * 10
    )
    assert warnings_in(log, max_lines=4) == [
        "WARNING y", "  goes on", "ERROR   z", "WARNING w",
        "... and 9 more lines in the log",
    ]  # fmt: skip
    assert warnings_in("INFO    x") == []


def test_users_line(run, tmp_path):
    """Not the line in the library, and not that of the error before."""
    script = tmp_path / "model.py"
    script.write_text(
        "import json\n"
        "def perform_step():\n"
        "    try:\n"
        "        1 / 0\n"
        "    except ZeroDivisionError:\n"
        "        json.loads('{')\n"
        "perform_step()\n"
    )
    _, log, _ = run(f"import runpy; runpy.run_path({str(script)!r})")
    lines = users_line(error_in(log)).splitlines()
    assert lines[0].startswith("json.decoder.JSONDecodeError: Expecting property name")
    assert lines[1:] == [f"  {script}:6, in perform_step", "    json.loads('{')"]


def test_users_line_if_there_is_none():
    assert users_line("Error: no traceback") is None
    assert users_line("Traceback (most recent call last)\ncut off") is None
    chained = (
        'Traceback (most recent call last):\n  File "/m/impl.py", line 3, in f\n'
        "NameError: x\n\nThe above exception was the direct cause of the following "
        'exception:\n\nTraceback (most recent call last):\n  File "/m/run.py", line 1, '
        "in <module>\nImportError: y\n"
    )
    assert users_line(chained) == "NameError: x\n  /m/impl.py:3, in f"
    # What explains an error of ours is better than that.
    chained = chained.replace("/m/impl.py", "<frozen>").replace("/m/run.py", "<frozen>")
    assert users_line(chained) == "ImportError: y"
    library = (
        'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\n'
        "ValueError: x\n"
    )
    assert users_line(library) == "ValueError: x"


def test_log_that_cannot_be_written():
    """The model goes on, and does not wait for anybody to read what it prints."""
    program = (
        "import resource, sys, tempfile, pathlib\n"
        "from utopya_backend.process import run_process\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "path = pathlib.Path(tempfile.mkdtemp()) / 'log'\n"
        'code = \'print("x" * 999 + "!!!\\\\n", flush=True); \' * 200\n'
        "print(run_process([sys.executable, '-c', code], path, print))\n"
        "print(path.stat().st_size)\n"
    )
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout == "0\n1000\n"
