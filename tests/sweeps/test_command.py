"""``utopya-backend sweep``, with real processes."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from paramspace import ParamDim

from utopya_backend import load_cfg_file
from utopya_backend.cli import main
from utopya_backend.errors import FileInUseError, MissingFileError
from utopya_backend.io import open_output
from utopya_backend.sweeps import api
from utopya_backend.sweeps.directory import SweepDirectory

from .conftest import outcomes, record, run_dir, wait_until

GRID = """
num_steps: 3
seed: !sweep {default: 0, range: [2]}
M:
  x: !sweep {default: 1.0, values: [1.0, 2.0, 3.0]}
"""


def sweep(*args):
    result = CliRunner().invoke(main, ["sweep", *args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_universes_are_those_of_the_frontend(model, write):
    result = sweep("M", write(GRID), "-W", "2", "--note", "grid")
    assert result.exit_code == 0, result.output
    assert "M: 6 universes, 6 finished, after" in result.output
    run = run_dir()
    assert run.name.endswith("_grid")
    names = ["uni04", "uni05", "uni07", "uni08", "uni10", "uni11"]
    assert sorted(path.name for path in (run / "data").iterdir()) == names
    assert outcomes(run) == dict.fromkeys(names, "finished")

    uni = run / "data/uni08"
    cfg = load_cfg_file(str(uni / "config.yml"))
    assert cfg["M"] == {"x": 2.0}
    assert (cfg["seed"], cfg["num_steps"]) == (1, 3)
    assert cfg["output_path"] == str(uni.absolute() / "data.h5")
    with h5py.File(uni / "data.h5") as file:
        steps = np.random.default_rng(1).normal(size=3)
        expected = 2.0 + np.concatenate([[0], np.cumsum(steps)])
        np.testing.assert_allclose(file["M/x"][:, 0], expected)
        assert file.attrs["status"] == "finished"
    log = (uni / "out.log").read_text()
    assert "set up with 2.0" in log
    assert "!!map {progress: 1.0, n_iter: 3, M: {x: " in log
    assert "Success       6" in (run / "_report.txt").read_text()
    assert "Volume:      6" in (run / "_sweep_info.txt").read_text()


def test_the_same_data_as_of_a_run(model, write):
    """To the last bit, in whatever way a universe is run."""
    cfg = write("{num_steps: 4, seed: !sweep {default: 0, values: [5]}}")
    sweep("M", cfg)
    sweep("M", cfg, "--fresh")
    CliRunner().invoke(main, ["run", "M", "--steps", "4", "--seed", "5"])
    files = [next(run_dir(n).glob("data/*/data.h5")) for n in range(3)]
    values = []
    for path in files:
        with h5py.File(path) as file:
            values.append(file["M/x"][:])
            assert dict(file["M/x"].attrs)["dim_names"].tolist() == ["time", "k"]
    assert values[0].tobytes() == values[1].tobytes() == values[2].tobytes()


@pytest.mark.parametrize("fresh", [False, True])
def test_a_failure_harms_no_other_universe(model, write, fresh):
    cfg = write(
        "num_steps: 2\nM: {what: !sweep {default: '', values: "
        "['', raise, segfault, kill, _exit, exit, refuse, 'last']}}"
    )
    result = sweep("M", cfg, *["--fresh"] * fresh)
    assert result.exit_code == 1
    assert "8 universes, 2 finished, 6 failed" in result.output
    rows = record(run_dir())
    codes = [int(rows[f"uni{number}"]["exit_code"]) for number in range(1, 9)]
    assert codes == [0, 1, 139, 137, 3, 1, 1, 0]
    assert "uni2 (what=raise) failed with exit code 1" in result.output
    assert "ZeroDivisionError: division by zero" in result.output
    assert "run_model.py:17, in perform_step" in result.output
    assert "ValueError: not with me" in result.output
    assert "sweep --continue" in result.output


def test_continue(model, write):
    cfg = write("num_steps: 2\nM: {what: !sweep {default: '', values: [a, raise, b]}}")
    assert sweep("M", cfg).exit_code == 1
    run = run_dir()
    first = (run / "data/uni1/data.h5").stat().st_mtime_ns
    (run / "data/uni3").rename(run / "uni3")  # missing
    script = model / "run_model.py"
    script.write_text(script.read_text().replace("1 / 0", "pass"))
    refused = sweep("--continue", str(run))
    assert refused.exit_code == 2
    assert "run_model.py has changed" in refused.output
    result = sweep("--continue", str(run), "--force")
    assert result.exit_code == 0, result.output
    assert "2 finished, 1 before" in result.output
    assert (run / "data/uni1/data.h5").stat().st_mtime_ns == first
    assert set(outcomes(run).values()) == {"finished"}
    # What had failed is not lost.
    assert "ZeroDivisionError" in (run / "earlier/uni2_1/out.log").read_text()
    assert "none to run, 3 before" in sweep("--continue", str(run)).output


@pytest.mark.parametrize("is_there", [True, False])
def test_continue_from_another_directory(
    model, write, tmp_path, monkeypatch, caplog, is_there
):
    """A relative path means the same for all universes of a sweep, if it can."""
    script = model / "run_model.py"
    text = script.read_text().replace("print(", "print(open('name.txt').read(), ")
    begun, other = tmp_path / "begun", tmp_path / "other"
    for directory in (begun, other):
        directory.mkdir()
        (directory / "name.txt").write_text(f"in {directory.name}")
    script.write_text(text)
    monkeypatch.chdir(begun)
    cfg = write("M: {what: !sweep {default: '', values: [a, raise]}}")
    assert sweep(str(model), cfg, "--out", str(tmp_path / "out")).exit_code == 1
    script.write_text(text.replace("1 / 0", "pass"))
    monkeypatch.chdir(other)
    if not is_there:
        begun.rename(tmp_path / "gone")
    run = str(tmp_path / "out/M")
    assert sweep("--continue", run, "--force").exit_code == 0
    (log,) = (tmp_path / "out/M").glob("*/data/uni2/out.log")
    text = log.read_text()
    assert text.count("in begun") == is_there
    assert text.count("in other") == (not is_there)
    assert ("is not there any more" in caplog.text) == (not is_there)


def test_names_of_environment_variables(model, write, monkeypatch):
    monkeypatch.setenv("A", "1")
    monkeypatch.setenv("B", "1")
    cfg = write("M: {what: !sweep {default: '', values: [a]}}")
    assert "There is no environment variable 'C' here" in fails("M", cfg, "--env", "C")
    assert "'A=1' here" in fails("M", cfg, "--env", "A=1")
    assert sweep("M", cfg, "--env", "A, B,", "--env", "A").exit_code == 0
    settings = load_cfg_file(str(run_dir() / "config/sweep_cfg.yml"))
    assert settings["env"] == ["A", "B"]
    assert settings["cwd"] == os.getcwd()


def start(*args):
    command = [sys.executable, "-m", "utopya_backend", "sweep", *args]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def began():
    return list(Path().glob("out/M/*/data/uni*/began"))


GO_ON = """
num_steps: 1000000
write_every: 1000
seed: !sweep {default: 0, range: [4]}
M: {what: go on}
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(model, write, signum):
    process = start("M", write(GO_ON), "-W", "2")
    wait_until(lambda: len(began()) == 2)
    process.send_signal(signum)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signum, output
    assert "waiting for 2 running universes to end" in output
    assert "2 interrupted, 2 not begun" in output
    for universe in run_dir().glob("data/uni*"):
        with h5py.File(universe / "data.h5") as file:
            name = signal.Signals(signum).name
            assert file.attrs["status"] == f"stopped: {name}"


def test_nothing_is_left_after_a_kill(model, write):
    process = start("M", write(GO_ON), "-W", "2")
    wait_until(lambda: len(began()) == 2)
    process.kill()
    process.communicate()

    def status(path):
        try:
            with h5py.File(path) as file:
                return file.attrs["status"]
        except OSError:
            return None

    files = list(run_dir().glob("data/uni*/data.h5"))
    wait_until(lambda: [status(path) for path in files] == ["stopped: SIGTERM"] * 2)
    # Whoever continues it has to wait until the last process has ended.
    again = ("--continue", str(run_dir()), "--dry-run")
    wait_until(lambda: "4 universes are to" in sweep(*again).output)


def test_stop_conditions(model, write):
    cfg = write(
        """
parameter_space:
  num_steps: 1000000
  write_every: 1000000
  monitor_emit_interval: 0.01
  M:
    what: !sweep {default: '', values: [go on]}
    x: !sweep {default: 0.0, values: [1.0, 2.0]}
run_kwargs:
  stop_conditions:
    - !stop-condition
      name: far enough
      to_check:
        - {func: timeout_wall, seconds: 0.05}
        - {func: check_monitor_entry, entry_name: n_iter, operator: ">", value: 5}
"""
    )
    result = sweep("M", cfg)
    assert result.exit_code == 0, result.output
    assert outcomes(run_dir()) == {"uni4": "stopped", "uni5": "stopped"}
    assert "far enough: 2\n      uni4, uni5" in (run_dir() / "_report.txt").read_text()


def test_time_limit(model, write):
    result = sweep("M", write(GO_ON), "-W", "2", "--time-limit", "0.3")
    assert result.exit_code == 1
    assert "Stopped by the time limit" in result.output
    assert "2 interrupted, 2 not begun" in result.output


def test_fail_fast(model, write):
    cfg = write(
        "num_steps: 1000000\nM: {what: !sweep {default: '', values: [raise, go on, b]}}"
    )
    result = sweep("M", cfg, "-W", "2", "--fail-fast")
    assert result.exit_code == 1
    assert "1 failed, 1 interrupted, 1 not begun" in result.output


# .. What the command says ....................................................


def fails(*args):
    """The message of a sweep that is refused; nothing is made."""
    result = CliRunner().invoke(main, ["sweep", *args])
    assert result.exit_code == 2, result.output
    assert not list(Path().glob("out/M/*"))
    return result.output


def test_dry_run(model, write):
    result = sweep("M", write(GRID), "--dry-run")
    assert (
        result.output
        == "M: 6 universes, of 3 steps each\n  x (3): 1.0, 2.0, 3.0\n  seed (2): 0, 1\n"
    )
    assert not Path("out").exists()


def test_very_many_universes(model, write, monkeypatch):
    monkeypatch.setattr("utopya_backend.cli.sweep.MAX_UNIVERSES", 5)
    cfg = write(GRID)
    output = fails("M", cfg)
    assert "This sweep has 6 universes: x (3) × seed (2)." in output
    assert "If that is meant, say --yes." in output
    assert sweep("M", cfg, "--yes").exit_code == 0


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("num_steps: 3", ["Nothing is swept: put e.g. !sweep {default", "--num-seeds"]),
        ("M: {y: !sweep {default: 0, values: [1]}}", ["'y' is not one of them"]),
        ("M: {sise: 3, x: !sweep {default: 0, values: [1.0]}}", ["mean 'size'?"]),
        ("num_stepz: 3\nM: {x: !sweep {default: 0, values: [1.0]}}", ["num_steps"]),
        ("M: {x: !sweep {default: 0.0, values: [1.0, far, 2.0]}}", ["M.x", "'far'"]),
        ("M: {size: !sweep {default: 1, values: [1, 2.5]}}", ["M.size", "2.5"]),
        ("num_steps: !sweep {default: 1, values: [1, -1]}", ["num_steps", "-1"]),
    ],
)
def test_mistakes(model, write, text, texts):
    output = fails("M", write(text))
    for text in texts:
        assert text in output
    assert output.count("Error") == 1
    assert "mistakes:" not in output


def test_no_model():
    assert "Missing argument 'MODEL'" in fails()


def test_seeds(model, write):
    result = sweep("M", "--num-seeds", "3", "--seed", "7", "--steps", "1")
    assert result.exit_code == 0, result.output
    cfgs = [load_cfg_file(str(p)) for p in sorted(run_dir().glob("data/*/config.yml"))]
    assert [(cfg["seed"], cfg["num_steps"]) for cfg in cfgs] == [(7, 1), (8, 1), (9, 1)]
    assert "seed (2): 42, 43" in sweep("M", "--num-seeds", "2", "--dry-run").output
    setting = "M.x=!sweep {default: 0.0, values: [0.5]}"
    assert sweep("M", "--set", setting, "--seed", "3").exit_code == 0
    (cfg,) = run_dir(1).glob("data/*/config.yml")
    assert load_cfg_file(str(cfg))["seed"] == 3


def test_quiet(model, write):
    assert sweep("M", write(GRID), "-q", "-W", "99").output == ""
    cfg = write("M: {what: !sweep {default: '', values: [raise]}}")
    output = sweep("M", cfg, "-q").output
    assert output.startswith("\nuni1 (what=raise) failed with exit code 1:\n")


def test_more_workers_than_cores(model, write):
    output = sweep("M", write(GRID), "-W", "99").output
    assert output.startswith("99 universes run at the same time, on ")


@pytest.mark.parametrize(
    "args",
    [
        ["--steps", "3"], ["--seed", "3"], ["--num-seeds", "3"], ["--note", "x"],
        ["--set", "num_steps=3"], ["M", "cfg.yml"],
    ],
)  # fmt: skip
def test_continue_with_options_that_do_not_fit(model, args):
    Path("cfg.yml").touch()
    assert "with the parameters that it has: leave out" in fails(
        *args, "--continue", "M"
    )


def test_continue_what_is_no_run(model):
    assert "There is no sweep in" in fails("--continue", "M")
    assert "does not exist" in fails("--continue", "nowhere")


def test_a_second_interrupt_kills(model, write):
    script = model / "run_model.py"
    script.write_text(script.read_text().replace(
        "if self.n_iterations == 1:",
        "if self.n_iterations > 1:\n                while True: time.sleep(1)\n"
        "            if self.n_iterations == 1:"))  # fmt: skip
    process = start("M", write(GO_ON), "-W", "2")
    wait_until(lambda: len(began()) == 2)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "waiting for 2" in process.stdout.readline())
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "2 interrupted, 2 not begun" in output
    assert {row["exit_code"] for row in record(run_dir()).values()} == {"137"}


@pytest.fixture
def endless(model, write):
    """A sweep of two universes, of which the first one has a step that never ends."""
    script = model / "run_model.py"
    script.write_text(script.read_text().replace(
        'if self.what == "raise":',
        'if self.what == "never ends":\n            time.sleep(3600)\n'
        '        if self.what == "raise":'))  # fmt: skip
    return write("""
        run_kwargs: {stop_conditions: [{func: timeout_wall, seconds: 0.1}]}
        parameter_space:
          M: {what: !sweep {default: "", values: [never ends, b]}}
    """)


def test_a_step_that_never_ends(model, endless):
    result = sweep("M", endless, "--grace", "0.2", "-W", "1")
    assert result.exit_code == 1
    assert "2 universes, 1 finished, 1 killed, after" in result.output
    assert "uni1 (what=never ends) ended with exit code 137:" in result.output
    assert "It did not end in time once it was told to, and was killed" in result.output
    assert outcomes(run_dir()) == {"uni1": "killed", "uni2": "finished"}
    assert "137      1 killed" in (run_dir() / "_report.txt").read_text()
    # Its rows are there, and it is the only one that is run once more, as it was.
    assert open_output(run_dir())["M/x"].sel(what="never ends").notnull().sum() == 1
    result = sweep("--continue", "out/M", "--dry-run")
    assert result.output == "1 universes are to be run.\n"
    result = sweep("--continue", "out/M")
    assert "1 killed, 1 before" in result.output


def test_the_time_limit_in_a_step_that_never_ends(model, endless):
    Path(endless).write_text("M: {what: !sweep {default: '', values: [never ends]}}")
    result = sweep("M", endless, "--grace", "0.2", "--time-limit", "0.2")
    assert "1 universes, 1 killed, after" in result.output
    assert result.exit_code == 1


def test_killed_after_the_run_together_with_its_supervisor(model, write):
    """What its run has written says that it has finished; but its program has not."""
    script = model / "run_model.py"
    script.write_text(
        script.read_text()
        + """
    open(os.path.join(model.root_cfg["output_dir"], "behind.pid"), "x").close()
    time.sleep(3600 * (model.root_cfg["M"]["what"] == "b"))
"""
    )
    process = start("M", write("M: {what: !sweep {default: '', values: [a, b]}}"))
    wait_until(lambda: len(list(Path().glob("out/M/*/data/*/behind.pid"))) == 2)
    wait_until(lambda: "uni1" in record(run_dir()))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(is_free)
    script.write_text(script.read_text().replace("3600", "0"))
    args = ("--continue", "out/M", "--force")
    assert sweep(*args, "--dry-run").output.startswith("1 universes")
    assert "1 finished, 1 before" in sweep(*args).output
    assert outcomes(run_dir()) == {"uni1": "finished", "uni2": "finished"}


@pytest.fixture(params=[[], ["--fresh"]], ids=["warm", "fresh"])
def waiting(model, write, request):
    """A sweep of three universes that wait for a file `go` to be there."""
    script = model / "run_model.py"
    script.write_text(script.read_text().replace(
        'if self.what == "raise":',
        'while not os.path.exists("go"): time.sleep(0.01)\n'
        '        if self.what == "raise":'))  # fmt: skip
    cfg = write("M: {what: !sweep {default: '', values: [a, raise, b]}}")
    process = start("M", cfg, "-W", "1", "--note", "first", *request.param)
    wait_until(lambda: list(Path().glob("out/M/*/data/uni1/data.h5")))
    yield process
    process.kill()
    process.communicate()


def test_a_directory_that_is_moved(waiting):
    """The sweep goes on where it is now, and nothing is lost."""
    Path("out").rename("kept")
    Path("go").touch()
    output, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert "3 universes, 2 finished, 1 failed" in output
    assert "uni2 (what=raise) failed with exit code 1:" in output
    assert "1 / 0" in output
    (run,) = Path("kept/M").iterdir()
    assert f"was moved to {run}." in output
    assert f"sweep --continue {run}\n" in output
    assert not Path("out").exists()
    assert outcomes(run) == {"uni1": "finished", "uni2": "failed", "uni3": "finished"}
    tree = open_output(run)
    assert tree["M/x"].sel(what=["a", "b"]).notnull().all()
    assert "Finished      3 / 3" in (run / "_report.txt").read_text()


@pytest.mark.parametrize("what", ["out", "out/M/*/data"])
def test_a_directory_that_is_deleted(waiting, what):
    (path,) = Path().glob(what)
    shutil.rmtree(path)
    wait_until(lambda: "the loss of its directory" in waiting.stdout.readline())
    Path("go").touch()
    output, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert "2 not begun, after" in output
    assert "Somebody has deleted " in output
    assert "Traceback" not in output


def test_a_model_that_deletes_the_whole_run(model, write):
    script = model / "run_model.py"
    script.write_text(script.read_text().replace(
        "1 / 0", "__import__('shutil').rmtree('out')"))  # fmt: skip
    params = {"what": ParamDim(default="", values=["raise", "a", "b"])}
    with pytest.raises(MissingFileError, match=r"Somebody has deleted .*/out/M/"):
        api.sweep(model, params, num_steps=2, out="out", workers=1, progress=False)


def is_free():
    try:
        with SweepDirectory.open(run_dir()).in_use():
            return True
    except FileInUseError:
        return False


def test_a_signal_to_all_processes_of_a_job(model, write):
    """As a batch system sends it: also to the one that universes are forked from."""
    process = start("M", write(GO_ON), "-W", "2")
    wait_until(lambda: len(began()) == 2)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    for pid in (*map(int, children.split()), process.pid):
        os.kill(pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, output
    assert set(outcomes(run_dir()).values()) == {"interrupted"}
    for universe in run_dir().glob("data/uni*"):
        with h5py.File(universe / "data.h5") as file:
            assert file.attrs["status"] == "stopped: SIGTERM"


def test_universes_that_report_all_the_time(model, write):
    cfg = write(
        """
parameter_space:
  num_steps: 100000000
  write_every: 100000000
  monitor_emit_interval: 0
  seed: !sweep {default: 0, range: [2]}
run_kwargs:
  stop_conditions:
    - {func: check_monitor_entry, entry_name: M.x, operator: ">", value: 1.0e+9}
    - {func: timeout_wall, seconds: 0.5}
"""
    )
    result = sweep("M", cfg, "-W", "2")
    assert result.exit_code == 0, result.output
    assert set(outcomes(run_dir()).values()) == {"stopped"}
