"""Runs that are stopped, interrupted or killed, and those that fail."""

import os
import re
import signal

import pytest

from .conftest import finish

LONG_RUN = """
parameter_space:
  num_steps: 100000
  monitor_emit_interval: 0.1
  Probe:
    step_seconds: 0.01
    incident: {number: 30, event: none}
"""

LONG_STEP = """
parameter_space:
  num_steps: 100
  output: {commit_interval: 0.05, fsync: false}
  Probe:
    step_seconds: 0.01
    incident: {number: 50, event: hang}
worker_manager:
  interrupt_params: {grace_period: 0.5}
"""

KILL = {"the frontend": os.kill, "the process group": os.killpg}

ERROR = "RuntimeError: This was to be expected"

SWEEP = """
perform_sweep: true
parameter_space:
  seed: !sweep {{default: 1, range: [4]}}
  num_steps: 100
  output: {{commit_interval: 0.05, fsync: false}}
  Probe:
    step_seconds: 0.01
    incident: {{number: 50, event: {event}, in_universe: 2}}
worker_manager:
  nonzero_exit_handling: {handling}
"""


def test_stop_condition_on_a_monitor_entry(frontend, run_cfg):
    cfg = run_cfg(
        LONG_RUN
        + """
run_kwargs:
  stop_conditions:
    - func: check_monitor_entry
      entry_name: Probe.state_mean
      operator: ">"
      value: 50
"""
    )
    output = frontend("run", "Probe", cfg, "--debug")
    assert re.search(r"… stopped: +1\n", output)
    assert re.search(r"… failed/cancelled: +0\n", output)
    universe = frontend.universe()
    assert universe.exit_code == 138
    assert universe.number_of_rows() > 51
    assert universe.status() == "stopped: SIGUSR1"
    assert list(frontend.run_dir().glob("eval/*/state.png"))


def test_timeout_of_a_universe(frontend, run_cfg):
    cfg = run_cfg(
        LONG_RUN
        + """
run_kwargs:
  stop_conditions:
    - {func: timeout_wall, seconds: 4}
"""
    )
    output = frontend("run", "Probe", cfg, "--no-eval")
    assert "Successfully finished simulation run" in output
    universe = frontend.universe()
    assert universe.number_of_rows() > 1
    assert universe.status() == "stopped: SIGUSR1"


def test_timeout_of_a_run(frontend, run_cfg):
    cfg = run_cfg(LONG_RUN + "\nrun_kwargs: {timeout: 4}\n")
    frontend("run", "Probe", cfg, "--no-eval")
    universe = frontend.universe()
    assert universe.number_of_rows() > 1
    assert universe.status() == "stopped: SIGINT"


@pytest.mark.parametrize("to", KILL)
def test_ctrl_c(frontend, run_cfg, to):
    process = frontend.start("run", "Probe", run_cfg(LONG_RUN), "--no-eval")
    universe = frontend.universe()
    universe.wait_until_reached()
    KILL[to](process.pid, signal.SIGINT)
    finish(process)
    assert universe.exit_code == 130
    assert universe.status() == "stopped: SIGINT"
    assert 30 <= universe.number_of_rows() < 10_000


@pytest.mark.parametrize("to", KILL)
def test_ctrl_c_in_a_long_step(frontend, run_cfg, to):
    """The frontend loses patience and kills the model; the data stays readable."""
    process = frontend.start("run", "Probe", run_cfg(LONG_STEP), "--no-eval")
    universe = frontend.universe()
    universe.wait_until_reached()
    KILL[to](process.pid, signal.SIGINT)
    assert "Now sending SIGKILL to 1 task(s)" in finish(process)
    assert universe.status() == "running"
    assert 1 < universe.number_of_rows() <= 50


@pytest.mark.parametrize("to", ["model", "process group"])
def test_sigterm(frontend, run_cfg, to):
    process = frontend.start("run", "Probe", run_cfg(LONG_RUN), "--no-eval")
    universe = frontend.universe()
    pid = universe.wait_until_reached()
    if to == "model":
        os.kill(pid, signal.SIGTERM)
        assert "non-zero exit status: 143" in finish(process, 143)
    else:
        os.killpg(process.pid, signal.SIGTERM)
        finish(process, -signal.SIGTERM)
        universe.wait_until_closed()
    assert 30 <= universe.number_of_rows() < 10_000
    assert universe.status() == "stopped: SIGTERM"


@pytest.mark.parametrize("step", [0, 2], ids=["in setup", "in a step"])
def test_failure(frontend, run_cfg, step):
    incident = f"{{number: {step}, event: raise}}"
    cfg = run_cfg(f"parameter_space: {{Probe: {{incident: {incident}}}}}")
    output = frontend("run", "Probe", cfg, code=1)
    log_tail = output[output.index("Last ≤32 lines of combined stdout and stderr") :]
    assert ERROR in log_tail
    universe = frontend.universe()
    assert universe.status() == f"failed: {ERROR}"
    with universe.open() as file:
        assert len(file["Probe/state"]) == step


def test_mistake_in_the_configuration(frontend):
    """The frontend shows the text of the error, without a traceback of the model."""
    output = frontend("run", "Probe", "--mp", "step_second=1", code=2)
    log_tail = output[output.index("Last ≤32 lines of combined stdout and stderr") :]
    assert "Did you mean 'step_seconds'?" in log_tail
    assert "Traceback" not in log_tail


def test_failure_ends_a_sweep(frontend, run_cfg):
    cfg = run_cfg(SWEEP.format(event="raise", handling="raise"))
    assert ERROR in frontend("run", "Probe", cfg, "-W", "2", code=1)
    assert frontend.universe(2).status() == f"failed: {ERROR}"
    other = frontend.universe(1)
    other.wait_until_closed()
    assert other.status() in ("stopped: SIGTERM", "finished")


def test_sweep_goes_on_after_a_kill(frontend, run_cfg):
    cfg = run_cfg(SWEEP.format(event="kill", handling="warn"))
    frontend("run", "Probe", cfg, "--no-eval", "-W", "2")
    killed = frontend.universe(2)
    assert killed.status() == "running"
    assert 1 < killed.number_of_rows() <= 50
    for number in (1, 3, 4):
        assert frontend.universe(number).number_of_rows() == 101
    frontend("eval", "Probe", str(frontend.run_dir()), "--debug")
    assert len(list(frontend.run_dir().glob("eval/*/state/*.png"))) == 4


def test_published_backend_aborts_after_a_kill(published, run_cfg):
    """What is asserted about our package is not so by itself."""
    cfg = run_cfg(SWEEP.format(event="kill", handling="warn"))
    published("run", "Probe", cfg, "--no-eval", "-W", "2")
    output = published("eval", "Probe", str(published.run_dir()), code=1)
    assert "OSError: Unable to synchronously open file" in output


def test_run_existing(frontend, run_cfg):
    """After a failure has ended a sweep, the frontend runs what is missing."""
    cfg = run_cfg(SWEEP.format(event="kill", handling="raise"))
    frontend("run", "Probe", cfg, "-W", "1", code=256 - signal.SIGKILL)
    frontend.environ["NO_INCIDENT"] = "1"
    run_dir = str(frontend.run_dir())
    again = ("run-existing", "Probe", run_dir)

    frontend(*again, "--skip-existing")
    rows = [frontend.universe(number).number_of_rows() for number in range(1, 5)]
    assert rows == [101, rows[1], 101, 101]
    assert 1 < rows[1] <= 50

    frontend(*again, "-u", "2", "--clear-existing")
    assert frontend.universe(2).number_of_rows() == 101
    frontend("eval", "Probe", run_dir, "--debug")
