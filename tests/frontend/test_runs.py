"""Runs that go well."""

import re

import pytest

from .conftest import ROOT


def test_single_universe(frontend):
    frontend("run", "Probe", "--num-steps", "5", "--debug")
    universe = frontend.universe()
    assert universe.number_of_rows() == 6
    with universe.open() as file:
        assert file.attrs["status"] == "finished"
    last_report = [line for line in universe.log.splitlines() if "!!map" in line][-1]
    assert last_report == "!!map {progress: 1.0, n_iter: 5, Probe: {state_mean: 5.0}}"
    assert list(frontend.run_dir().glob("eval/*/state.png"))


def test_sweep_on_two_workers(frontend):
    frontend("run", "Probe", "--num-seeds", "4", "-W", "2")
    for number in range(1, 5):
        assert frontend.universe(number).number_of_rows() == 4
    assert len(list(frontend.run_dir().glob("eval/*/state/*.png"))) == 4


def test_write_schedule(frontend):
    frontend(
        *("run", "Probe", "--num-steps", "10", "--no-eval"),
        *("--write-start", "4", "--write-every", "3"),
    )
    with frontend.universe().open() as file:
        assert file["Probe/state"][:, 0].tolist() == [4, 7, 10]


@pytest.mark.parametrize("sweep", [False, True])
def test_nasty_monitor_values(frontend, run_cfg, sweep):
    cfg = run_cfg(
        f"""
        perform_sweep: {sweep}
        parameter_space:
          seed: !sweep {{default: 1, range: [3]}}
          num_steps: 200
          monitor_emit_interval: 0.02
          Probe: {{step_seconds: 0.003, nasty: true}}
        run_kwargs:
          stop_conditions:  # none of which is fulfilled
            - func: check_monitor_entry
              entry_name: Probe.small
              operator: "!="
              value: 6
            - func: check_monitor_entry
              entry_name: Probe.nan
              operator: ">"
              value: 0
            - func: check_monitor_entry
              entry_name: Probe.inf
              operator: ">"
              value: 0
        """
    )
    output = frontend("run", "Probe", cfg, "--no-eval", "--debug", "-W", "2")
    assert "while trying to parse line" not in output
    assert "missing entry" not in output
    for number in (1, 2) if sweep else (0,):
        universe = frontend.universe(number)
        assert universe.number_of_rows() == 201
        assert universe.log.count("\n!!map {progress:") > 5


def test_debug_shows_the_debug_messages_of_the_model(frontend):
    frontend("run", "Probe", "--debug", "--no-eval")
    assert "DEBUG   The state is" in frontend.universe().log


MANUAL = (ROOT / "docs/frontend.md").read_text(encoding="utf-8")


def test_run_configuration_of_the_manual(frontend, run_cfg):
    (cfg,) = re.findall("```yaml\n(# my_run.yml.*?)```", MANUAL, re.DOTALL)
    output = frontend("run", "Influenza", run_cfg(cfg), "-W", "2", "--no-eval")
    assert re.search(r"… stopped: +4\n", output)
    for number in frontend.run_dir("Influenza").glob("data/*"):
        universe = frontend.universe(int(number.name[3:]), model="Influenza")
        assert universe.status() == "stopped: SIGUSR1"


def test_commands_of_the_manual(frontend):
    commands = re.findall(r"^\$ utopya (.*?)  ", MANUAL, re.MULTILINE)
    assert len(commands) == 5
    for number, command in enumerate(commands):
        if "my_run.yml" in command:  # see above
            continue
        args = command.split()
        if args[0] == "run":
            frontend.out = frontend.out.with_name(f"out{number}")
        else:
            args.append(str(frontend.run_dir("Influenza")))
        frontend(*args)
        assert list(frontend.run_dir("Influenza").glob("eval/*/infected*"))
