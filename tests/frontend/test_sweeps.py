"""Sweeps by this package, as the frontend sees them."""

import sys

import pytest
from click.testing import CliRunner

from utopya_backend import load_cfg_file
from utopya_backend.cli import main
from utopya_backend.io import open_output

from .conftest import ROOT, Universe

ODD = """
perform_sweep: true
parameter_space:
  num_steps: 4
  seed: !sweep {default: 1, range: [2], order: 3}
  Influenza:
    num_members: 3
    transmission_rate: !sweep {default: 1.8, linspace: [1.5, 2.1, 3], name: beta}
    recovery_rate: !coupled-sweep {target_name: beta, default: 0.5, values: [1, 2, 3]}
    population: !sweep {default: 763, logspace: [2, 3, 2], as_type: int, order: -1}
"""
PLAIN = """
num_steps: 4
seed: !sweep {default: 1, range: [2]}
Influenza: {num_members: 3, transmission_rate: !sweep {default: 1, values: [1, 2]}}
"""


@pytest.fixture
def sweep(frontend, run_cfg):
    """Sweeps an example to where the frontend's runs go; returns the directory."""

    def run(text):
        before = set(frontend.out.glob("Influenza/*"))
        args = [str(ROOT / "examples/Influenza"), run_cfg(text)]
        result = command(*args, "--out", str(frontend.out))
        assert result.exit_code == 0, result.output
        (run_dir,) = set(frontend.out.glob("Influenza/*")) - before
        return run_dir

    return run


def command(*args):
    return CliRunner().invoke(main, ["sweep", *args])


def test_universes_and_data_are_those_of_the_frontend(frontend, run_cfg, sweep):
    frontend("run", "Influenza", run_cfg(ODD), "--no-eval")
    theirs = frontend.run_dir("Influenza")
    ours = sweep(ODD)
    names = sorted(path.name for path in (theirs / "data").iterdir())
    assert sorted(path.name for path in (ours / "data").iterdir()) == names
    assert len(names) == 12
    for name in names:
        cfgs = [Universe(run / "data" / name).cfg for run in (ours, theirs)]
        for cfg in cfgs:
            for key in ("output_dir", "output_path"):
                del cfg[key]
        assert cfgs[0] == cfgs[1]
    infected = [open_output(run)["Influenza/I"] for run in (ours, theirs)]
    assert infected[0].identical(infected[1])
    for file in ("parameter_space.yml", "parameter_space_info.yml"):
        contents = [load_cfg_file(str(run / "config" / file)) for run in (ours, theirs)]
        assert contents[0] == contents[1], file


def test_it_is_evaluated_by_the_frontend(frontend, sweep):
    run = sweep(PLAIN)
    output = frontend("eval", "Influenza", str(run), "--debug")
    assert "Performed plots from 2 plot configurations" in output
    assert len(list(run.glob("eval/*/infected/*.png"))) == 4


def test_its_universes_are_run_by_the_frontend(frontend, sweep):
    run = sweep(PLAIN)
    missing, other = sorted((run / "data").iterdir())[:2]
    kept = (other / "data.h5").stat().st_mtime_ns
    for file in missing.iterdir():
        file.unlink()
    missing.rmdir()

    frontend("run-existing", "Influenza", str(run), "--skip-existing")
    assert Universe(missing).status() == "finished"
    assert (other / "data.h5").stat().st_mtime_ns == kept
    name = missing.name
    frontend("run-existing", "Influenza", str(run), "-u", name, "--clear-existing")
    assert Universe(missing).status() == "finished"
    assert "none to run, 4 before" in command("--continue", str(run)).output
    assert sys.executable in (run / "config/meta_cfg.yml").read_text()


def test_a_sweep_of_the_frontend_is_continued(frontend, run_cfg):
    frontend("run", "Influenza", run_cfg(ODD), "--no-eval")
    run = frontend.run_dir("Influenza")
    example = str(ROOT / "examples/Influenza")
    assert "none to run, 12 before" in command(example, "--continue", str(run)).output
    universe = sorted((run / "data").iterdir())[3]
    universe.rename(run / universe.name)
    result = command(example, "--continue", str(run))
    assert "1 finished, 11 before" in result.output
    before, after = (Universe(run / where / universe.name) for where in ("", "data"))
    assert before.cfg == after.cfg
