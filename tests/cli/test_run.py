import os
import pty
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner

from utopya_backend import load_cfg_file
from utopya_backend.cli import main

MODEL = """
import os, shutil, signal, sys
from utopya_backend import StepwiseModel

class M(StepwiseModel):
    def setup(self, *, what=None, size=3):
        self.what = what
        self.dset = self.create_ts_dset("x", extra_dims=["k"], sizes={"k": size})

    def perform_step(self):
        if self.what == "raise":
            1 / 0
        if self.what == "stop":
            os.kill(os.getpid(), signal.SIGUSR1)
        if self.what in ("SIGKILL", "SIGSEGV"):
            os.kill(os.getpid(), getattr(signal, self.what))
        if self.what in ("move", "delete", "delete the data"):
            if self.what == "move":
                os.rename("out", "elsewhere")
            elif self.what == "delete":
                shutil.rmtree("out", ignore_errors=True)
            else:
                os.unlink(self.root_cfg["output_path"])
            self.what = None
        if isinstance(self.what, int):
            os._exit(self.what)
        if self.what == "garbage":
            self.h5group.file.close()
            open(self.root_cfg["output_path"], "w").write("garbage")
            os._exit(0)

    def write_data(self):
        self.dset.resize(self.dset.shape[0] + 1, axis=0)
        self.dset[-1, :] = self.rng.random(self.dset.shape[1])

    def monitor(self, monitor_info):
        return {"value": 0.25, "list": [1]}

if __name__ == "__main__":
    M(cfg_file_path=sys.argv[1]).run()
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("M").mkdir()
    Path("M/run_model.py").write_text(MODEL)
    Path("M/M_info.yml").write_text(
        "model_name: M\npaths: {executable: run_model.py}\n"
    )
    Path("M/M_cfg.yml").write_text("size: 2\n")


def run(*args, code=0):
    result = CliRunner().invoke(main, ["run", *args])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output or code == 1
    return result


def data_path(result):
    return re.search(r"Data:  (\S+)", result.output).group(1)


def test_a_directory_that_is_moved(model):
    result = run("M", "--set", "M.what=move")
    (path,) = Path("elsewhere/M").glob("*/data/uni0/data.h5")
    assert data_path(result) == str(path)
    assert f"its directory was moved to {path.parent}." in result.stderr
    assert "M finished after" in result.stdout
    with h5py.File(path) as file:
        assert len(file["M/x"]) == 4
    assert sorted(os.listdir(path.parent)) == ["config.yml", "data.h5", "out.log"]


def test_a_directory_that_is_deleted(model):
    result = run("M", "--set", "M.what=delete", code=1)
    assert "somebody has deleted that meanwhile, with all output" in result.stderr
    assert not Path("out").exists()


def test_data_that_is_deleted(model):
    result = run("M", "--set", "M.what=delete the data", code=1)
    assert "M failed with exit code 1" in result.stderr
    assert "The output file was deleted, or its directory was" in result.stderr


def test_run(model):
    result = run("M")
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"M finished after \d\.\d\ds, 3 iterations\.", lines[0])
    path = data_path(result)
    assert re.fullmatch(r"out/M/\d{6}-\d{6}/data/uni0/data\.h5", path)
    assert lines[1].endswith(" kB)")
    assert lines[2].split() == ["/M/x", "time", "×", "k", "4", "×", "2", "float64"]
    log = Path(path).with_name("out.log")
    assert lines[3] == f"Log:   {log}"
    assert "!!map {progress: 1.0, n_iter: 3" in log.read_text()
    assert result.stderr == ""  # no bar where nobody sees it
    with h5py.File(path) as file:
        assert file["M/x"].shape == (4, 2)


def test_options(model):
    Path("cfg.yml").write_text("num_steps: 100\nM: {size: 5}")
    args = ("M/M_info.yml", "cfg.yml", "--steps", "7", "--seed", "3", "--out", "here")
    path = data_path(run(*args))
    assert path.startswith("here/M/")
    with h5py.File(path) as file:
        first = file["M/x"][:]
    assert first.shape == (8, 5)
    with h5py.File(data_path(run(*args))) as file:
        assert (file["M/x"][:] == first).all()
    with h5py.File(data_path(run(*args, "--seed", "4"))) as file:
        assert (file["M/x"][:] != first).all()


def test_output_elsewhere(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("elsewhere")
    assert data_path(run("M", "--out", str(out))).startswith(str(out))


def test_error_in_the_model(model):
    Path("cfg.yml").write_text("M: {what: raise}")
    result = run("M", "cfg.yml", code=1)
    assert re.search(r"M failed with exit code 1 after \d", result.stderr)
    assert result.stderr.count("Traceback") == 1
    assert 'run_model.py", line' in result.stderr
    assert "ZeroDivisionError" in result.stderr
    assert "/M/x" in result.stdout  # the data up to then


@pytest.mark.parametrize("code", [2, 7, 255])
def test_exit_code_of_the_model(model, code):
    Path("cfg.yml").write_text(f"M: {{what: {code}}}")
    stderr = run("M", "cfg.yml", code=1).stderr
    assert re.search(rf"M failed with exit code {code} after \d\.\d\ds:", stderr)


def test_without_standard_error(model):
    command = f"exec {sys.executable} -m utopya_backend run M 2>&-"
    process = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert process.returncode == 0
    assert "M finished" in process.stdout


def test_own_configuration_can_be_run_again(model):
    path = data_path(run("M", "--steps", "7", "--seed", "3"))
    again = data_path(run("M", str(Path(path).with_name("config.yml"))))
    with h5py.File(path) as first, h5py.File(again) as second:
        assert (first["M/x"][:] == second["M/x"][:]).all()


def test_stopped_model(model):
    Path("cfg.yml").write_text("M: {what: stop}")
    result = run("M", "cfg.yml", code=138)
    assert "M was stopped by SIGUSR1 after" in result.stderr
    assert "2 × 2" in result.stdout


@pytest.mark.parametrize(
    ("name", "said"), [("SIGKILL", "was killed by"), ("SIGSEGV", "crashed by")]
)
def test_killed_model(model, name, said):
    code = 128 + signal.Signals[name]
    assert (
        f"M {said} {name} after"
        in run("M", "--set", f"M.what={name}", code=code).stderr
    )


def test_unreadable_data(model):
    Path("cfg.yml").write_text("M: {what: garbage}")
    assert "cannot be read:" in run("M", "cfg.yml").stderr


def test_model_without_data(model):
    Path("M/run_model.py").write_text("print('nothing')")
    result = run("M", code=1)
    assert (
        "M has written no data: there is no data.h5 in its directory" in result.stderr
    )
    assert "Data:" not in result.stdout
    assert "Log:" in result.stdout


def test_model_with_files_of_its_own(model):
    Path("M/run_model.py").write_text(
        "import pathlib, sys\n"
        "pathlib.Path(sys.argv[1]).with_name('own.csv').write_text('1,2')\n"
    )
    assert "M finished" in run("M").stdout


def test_a_stop_condition_before_there_is_data(model):
    Path("M/run_model.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGUSR1)\n"
    )
    result = run("M", code=1)
    assert "M was stopped by SIGUSR1 before it had written any data." in result.stderr


def test_an_exit_code_that_hides_a_signal(model):
    """It is 0, though the run has not come to its end."""
    text = MODEL.replace("signal.SIGUSR1", "signal.SIGTERM").replace(
        "class M(StepwiseModel):", "class M(StepwiseModel):\n    USE_SYS_EXIT = False"
    )
    Path("M/run_model.py").write_text(text)
    Path("cfg.yml").write_text("M: {what: stop}")
    assert "M was stopped by SIGTERM after" in run("M", "cfg.yml", code=143).stderr


@pytest.mark.parametrize(
    ("args", "cfg", "text"),
    [
        (["no"], "", "There is no model at no: give the directory of a model"),
        (["M", "no.yml"], "", "There is no configuration file no.yml"),
        (["."], "", "There are models in: M"),
        (["M", "cfg.yml"], "a: [", "Could not read cfg.yml as YAML:"),
        (["M", "cfg.yml"], "num_steps: 2.5", "num_steps has to be a whole number of"),
        (["M", "cfg.yml"], "write_every: 0", "write_every has to be a whole number of"),
        (["M", "cfg.yml"], "log_levels: {model: loud}", "There is no log level 'loud'"),
        (["M", "cfg.yml"], "num_step: 3", "Did you mean 'num_steps'"),
        (["M", "cfg.yml"], "size: 3", "cfg.yml: 'size' is a parameter of M"),
        (["M", "cfg.yml"], "M: {sise: 3}", "'sise' is not one of them. Did you mean"),
        (["M", "--steps", "-1"], "", "Invalid value for '--steps'"),
        (["M", "--seed", "x"], "", "Invalid value for '--seed'"),
        (["M", "--out", "M/M_info.yml"], "", "Invalid value for '--out'"),
        (["M", "--out", "M/M_info.yml/x"], "", "Cannot make a directory"),
        ([], "", "Missing argument 'MODEL'"),
    ],
)
def test_mistakes(model, args, cfg, text):
    Path("cfg.yml").write_text(cfg)
    result = run(*args, code=2)
    assert text in result.stderr
    assert not list(Path().glob("out/**/data.h5"))


@pytest.mark.parametrize(
    ("args", "cfg", "text"),
    [
        ([], ("cfg.toml", "M = {what = 07:32:00}"), "e.g. '07:32:00'"),
        (["--set", "M.what=!expr '(-8)**0.5'"], None, "its imaginary part"),
        ([], ("cfg.yml", "M: {what: &a [*a]}"), "contains itself"),
        ([], ("cfg.yml", "M: {what: {a: [!pow [-1, 0.5]]}}"), "M.what.a[0] cannot"),
    ],
)
@pytest.mark.parametrize("command", ["run", "sweep"])
def test_values_that_cannot_be_written(model, command, args, cfg, text):
    if cfg is not None:
        Path(cfg[0]).write_text(cfg[1])
        args = [cfg[0], *args]
    if command == "sweep":
        args = [*args, "--num-seeds", "2"]
    result = CliRunner().invoke(main, [command, "M", *args])
    assert result.exit_code == 2
    assert text in result.stderr
    assert not Path("out").exists()


def test_model_that_cannot_be_started(model):
    Path("M/run_model").touch()
    Path("M/M_info.yml").write_text("model_name: M\npaths: {executable: run_model}\n")
    assert "Cannot start the model by" in run("M", code=2).stderr


def test_executable_that_is_no_python_file(model):
    script = Path("M/run_model")
    script.write_text(f"#!{sys.executable}\n{MODEL}")
    script.chmod(0o755)
    Path("M/M_info.yml").write_text("model_name: M\npaths: {executable: run_model}\n")
    assert "finished" in run("M").stdout


def test_help_and_version():
    for args, text in (
        (["--help"], "Run a model once."),
        (["--help"], "Complete the last commit of an output file."),
        (["run", "-h"], "\n    num_steps: 100\n    SIR:\n      infection_rate: 0.3\n"),
        (["--version"], "utopya-backend, version 0."),
    ):
        result = CliRunner().invoke(main, args)
        assert result.exit_code == 0
        assert text in result.output


def test_as_a_module(model):
    args = [sys.executable, "-m", "utopya_backend", "run", "M"]
    process = subprocess.run(args, capture_output=True, text=True, check=True)
    assert "M finished after" in process.stdout


def test_progress_bar_on_a_terminal(model):
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(its_end, (25, 80))
    args = [sys.executable, "-m", "utopya_backend", "run", "M"]
    process = subprocess.run(args, stdout=subprocess.PIPE, stderr=its_end, check=True)
    shown = os.read(terminal, 100_000).decode()
    os.close(its_end)
    os.close(terminal)
    assert "M 100%|" in shown
    assert "value=0.25" in shown
    assert "list" not in shown
    assert "M finished after" in process.stdout.decode()


def test_ctrl_c(model):
    """It reaches the command and, by it, the model; as on a terminal, twice."""
    Path("M/run_model.py").write_text(
        MODEL.replace(
            "def perform_step(self):",
            "def perform_step(self):\n"
            "        if self.time == 5: os.kill(os.getppid(), signal.SIGINT)\n"
            "        if self.time == 5: os.kill(os.getpid(), signal.SIGINT)\n"
            "        import time; time.sleep(0.001)\n",
        )
    )
    args = [sys.executable, "-m", "utopya_backend", "run", "M", "--steps", "1000000"]
    process = subprocess.run(args, capture_output=True, text=True)
    assert process.returncode == 128 + signal.SIGINT
    assert "M was stopped by SIGINT after" in process.stderr
    assert "/M/x" in process.stdout


# .. Options ..................................................................


def config_of(result):
    return load_cfg_file(str(Path(data_path(result)).with_name("config.yml")))


def test_several_configurations(model):
    Path("a.yml").write_text("num_steps: 5\nseed: 1\nM: {size: 5, what: a}")
    Path("b.yml").write_text("seed: 2\nM: {what: b}")
    options = ("--set", "seed=3", "--set", "M.what=[c, 1]", "--set", "own.key=x")
    cfg = config_of(run("M", "a.yml", "b.yml", *options, "--steps", "4"))
    assert cfg["num_steps"] == 4
    assert cfg["seed"] == 3
    assert cfg["M"] == {"size": 5, "what": ["c", 1]}
    assert cfg["own"] == {"key": "x"}
    assert config_of(run("M", "a.yml", "b.yml"))["M"] == {"size": 5, "what": "b"}


def test_when_to_write(model):
    result = run("M", "--steps", "10", "--write-start", "4", "--write-every", "3")
    assert "3 × 2" in result.stdout


def test_random_seed(model):
    seeds = {config_of(run("M", "--seed", "random"))["seed"] for _ in range(2)}
    assert len(seeds) == 2
    assert all(isinstance(seed, int) for seed in seeds)


def test_note(model):
    assert re.search(
        r"out/M/\d{6}-\d{6}_dense/data", data_path(run("M", "--note", "dense"))
    )
    for note in ("a/b", "", "a\nb"):
        assert "A note becomes part" in run("M", "--note", note, code=2).stderr


def test_log_level(model):
    def log(*args):
        return Path(data_path(run("M", *args))).with_name("out.log").read_text()

    assert "Commencing model run" not in log("--log-level", "error")
    assert "Commencing model run" in log()


@pytest.mark.parametrize("option", ["--quiet", "-q"])
def test_quiet(model, option):
    assert run("M", option).output == ""
    Path("cfg.yml").write_text("M: {what: raise}")
    assert "ZeroDivisionError" in run("M", "cfg.yml", option, code=1).stderr


def test_no_progress_on_a_terminal(model):
    terminal, its_end = pty.openpty()
    args = [sys.executable, "-m", "utopya_backend", "run", "M", "--no-progress"]
    process = subprocess.run(args, stdout=subprocess.PIPE, stderr=its_end, check=True)
    os.close(its_end)
    with pytest.raises(OSError, match="Input/output"):  # there is nothing to read
        os.read(terminal, 100)
    os.close(terminal)
    assert b"M finished" in process.stdout


def test_dry_run(model):
    Path("cfg.yml").write_text("num_steps: 5\nM: {size: 5}")
    result = run("M", "cfg.yml", "--set", "M.what=x", "--seed", "7", "--dry-run")
    Path("again.yml").write_text(result.stdout)
    assert load_cfg_file("again.yml") == {
        "root_model_name": "M", "seed": 7, "num_steps": 5, "write_start": 0,
        "write_every": 1, "monitor_emit_interval": 2.0,
        "log_levels": {"backend": "warning", "model": "info"},
        "M": {"size": 5, "what": "x"},
    }  # fmt: skip
    assert not Path("out").exists()


def test_dry_run_checks_the_parameters(model):
    stderr = run("M", "--set", "M.sise=3", "--dry-run", code=2).stderr
    assert stderr.count("Did you mean 'size'?") == 1


def test_all_mistakes_at_once(model):
    """Those that the command notices, and those that the model would."""
    stderr = run("M", "--set", "M.sise=3", "--set", "seed=x", code=2).stderr
    assert stderr.startswith(
        "Error: The configuration has 2 mistakes:\n  - seed has to"
    )
    assert "Did you mean 'size'?" in stderr
    assert not Path("out").exists()


def test_warnings_are_shown(model):
    result = run("M", "--write-start", "10")
    assert result.stderr.startswith("WARNING No data will be written: write_start is")


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--set", "x"], "'x' is not of the form KEY=VALUE"),
        (["--set", "=1"], "'=1' is not of the form"),
        (["--set", "M..x=1"], "is not of the form"),
        (["--set", "M.x=[1"], "'[1' is no value in YAML"),
        (["--set", f"{'M.' * 150}x=1"], "More than 100 levels of lists and mappings"),
        (["--set", "M.x=&a [*a]"], "The value &a contains itself"),
        (["--steps", "1" + "0" * 400], "num_steps has to be at most 1,000,000,000,"),
        (["--seed", "9" * 5000], "' has more than 4,300 digits."),
        (["--set", "M=1", "--set", "M.x=1"], "M was set to 1 before, so that M.x"),
        (["--set", "size=1"], "the settings: 'size' is a parameter of M"),
        (["--set", "num_setps=1"], "There is no key 'num_setps' in a configuration"),
        (["--seed", "x"], "'x' is no integer of at least 0, nor `random`"),
        (["--seed", "-1"], "'-1' is no integer of at least 0"),
        (["M.size=3"], "write: --set M.size=3"),
        (["--write-every", "0"], "0 is not in the range x>=1"),
        (["--log-level", "loud"], "'loud' is not one of"),
        (["no.yml"], "There is no configuration file no.yml"),
        (["M"], "M is a directory, but has to be a configuration file"),
    ],
)
def test_mistakes_in_options(model, args, expected):
    assert expected in run("M", *args, code=2).stderr
    assert not Path("out").exists()


def test_class(model):
    """As in a file of one's own, without a manifest."""
    Path("own.py").write_text(MODEL)
    Path("M_cfg.yml").write_text("size: 4")
    for name in ("own.py", "own.py:M", "own:M"):
        result = run(name, "--steps", "5")
        assert "6 × 4" in result.stdout
    with h5py.File(data_path(result)) as file:
        assert file.attrs["model"].endswith("M")


def test_users_line_comes_first(model):
    Path("cfg.yml").write_text("M: {what: raise}")
    lines = run("M", "cfg.yml", code=1).stderr.splitlines()
    assert lines[2] == "ZeroDivisionError: division by zero"
    assert re.search(r"M/run_model\.py:\d+, in perform_step", lines[3])
    assert lines[4].strip() == "1 / 0"


def test_nothing_is_left_of_a_mistake(model):
    """Which only the model notices."""
    stderr = run("M", "--set", "M.sise=3", code=2).stderr
    assert "Did you mean 'size'?" in stderr
    assert list(Path("out/M").iterdir()) == []


def test_what_a_model_has_made_is_left(model):
    Path("M/run_model.py").write_text(
        MODEL.replace(
            'if __name__ == "__main__":',
            'if __name__ == "__main__":\n'
            "    from pathlib import Path\n"
            '    Path(sys.argv[1]).with_name("own").touch()',
        )
    )
    run("M", "--set", "M.sise=3", code=2)
    assert len(list(Path("out/M").glob("*/data/uni0/own"))) == 1


def test_parameter_without_its_section(model):
    """Of a class, too, whose parameters no file tells."""
    Path("own.py").write_text(MODEL)
    assert "'size' is a parameter" in run("own.py", "--set", "size=3", code=2).stderr


def test_number_of_iterations_of_a_stopped_run(model):
    Path("cfg.yml").write_text("M: {what: stop}\nmonitor_emit_interval: 1000")
    result = run("M", "cfg.yml", "--steps", "9", code=138)
    assert re.search(r"stopped by SIGUSR1 after .*, 1 iterations\.", result.stderr)


@pytest.mark.parametrize("how", ["sys.exit()", "os._exit(0)"])
def test_end_in_the_middle(model, how):
    """That it says that all is well does not make it so."""
    Path("M/run_model.py").write_text(MODEL.replace("1 / 0", how))
    result = run("M", "--set", "M.what=raise", code=1)
    assert "M ended before its run was finished" in result.stderr
    assert "finished after" not in result.stdout


def test_program_that_does_not_run_its_model(model):
    Path("M/run_model.py").write_text(MODEL.replace(").run()", ")"))
    assert "or not call model.run()?" in run("M", code=1).stderr


def test_misspelled_section(model):
    Path("own.py").write_text(
        MODEL.replace("class M(", "class Ising(").replace("M(c", "Ising(c")
    )
    stderr = run("own.py", "--set", "Isnig.size=3", code=2).stderr
    assert stderr.endswith("no key 'Isnig' in a configuration. Did you mean 'Ising'?\n")
    assert "WARNING" not in stderr


def test_unknown_keys_are_warned_of(model, caplog):
    run("M", "--set", "Potts.size=3", "--set", "foo=1")
    assert "There is no key 'Potts' in a configuration (the settings)" in caplog.text
    assert "There is no key 'foo'" in caplog.text


def test_pool_of_processes(model):
    """Which import the model's own file again, by its name."""
    Path("pool.py").write_text(
        "import multiprocessing\n"
        "from utopya_backend import StepwiseModel\n"
        "def square(x): return x * x\n"
        "class M(StepwiseModel):\n"
        "    def setup(self):\n"
        "        with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "            assert pool.map(square, [1, 2]) == [1, 4]\n"
        "    def perform_step(self): pass\n"
        "    def write_data(self): pass\n"
    )
    command = [sys.executable, "-m", "utopya_backend", "run", "pool.py"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
