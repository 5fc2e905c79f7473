"""Programs of models in processes that are warm: as if each was run by itself."""

import os
import signal
import subprocess
import sys

import pytest

from utopya_backend.errors import ExecutableError, ModelImportError
from utopya_backend.finding import ModelInfo, find_model
from utopya_backend.sweeps.program import Program, exit_code_of

from .conftest import HEAD, MAIN

WARM_AND_FRESH = pytest.mark.parametrize("fresh", [False, True], ids=["warm", "fresh"])


# .. Exit codes ...............................................................


@pytest.mark.parametrize(
    ("argument", "code"),
    [("", 1), ("None", 1), ("0", 1), ("3", 3), ("256 + 7", 7), ("-1", 255), ("'x'", 1)],
)
def test_exit_codes(runs, argument, code):
    """0 is 1, as the run was not finished."""
    model = runs.script(f"def step(model): sys.exit({argument})")
    assert runs(model)[1].exit_code == code
    if argument == "'x'":
        assert "\nx\n" in runs.log()
    if argument in ("", "None", "0"):
        assert "though with exit code 0: does it call sys.exit()" in runs.log()


@pytest.mark.parametrize(
    ("main", "code"),
    [
        ("", 0),
        ("    sys.exit(model.n_iterations - 2)", 0),
        ("    sys.exit(5)", 5),
        ("    sys.exit('at the end')", 1),
        ("    os._exit(4)", 4),
        ("    raise KeyboardInterrupt", 130),
        ("    os.kill(os.getpid(), 9)", 137),
        ("    os.kill(os.getpid(), 15)", 143),
        ("    os.kill(os.getpid(), 2)", 130),
        ("    os.abort()", 134),
    ],
)
def test_exit_codes_behind_the_run(runs, main, code):
    model = runs.script("", main=MAIN + main)
    assert runs(model)[1].exit_code == code
    assert runs.status() == "finished"


@WARM_AND_FRESH
@pytest.mark.parametrize(
    ("main", "code", "text"),
    [
        ("    os.remove(model.root_cfg['output_path'])", 1, "has written no data"),
        ("    os.rename(model.root_cfg['output_path'], 'data.nc')", 1, "no data"),
    ],
)
def test_a_program_that_removes_its_data(runs, fresh, main, code, text):
    model = runs.script("", main=MAIN + main)
    assert runs(model, fresh=fresh)[1].exit_code == code
    assert text in runs.log()


@WARM_AND_FRESH
@pytest.mark.parametrize("signum", [signal.SIGUSR1, signal.SIGTERM])
def test_an_exit_code_that_hides_a_signal(runs, fresh, signum):
    """It is 0, though the run has not come to its end."""
    text = f"M.USE_SYS_EXIT = False\ndef step(model): os.kill(os.getpid(), {signum})\n"
    assert runs(runs.script(text), fresh=fresh)[1].exit_code == 128 + signum


def test_a_loop_of_ones_own(runs):
    """The output is closed at the end of the program, and not only by the model."""
    main = """
if __name__ == "__main__":
    model = M(cfg_file_path=sys.argv[1])
    while model.should_iterate():
        model.step()
"""
    model = runs.script("", main=main)
    ended = [runs(model, runs.job(), fresh=fresh) for fresh in (False, True)]
    codes = [next(iter(found.values())).exit_code for found in ended]
    assert codes[0] == codes[1]
    assert runs.status(1) == runs.status(2)


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (lambda: None, 0),
        (lambda: sys.exit(), 0),
        (lambda: sys.exit(True), 1),
        (lambda: sys.exit([]), 1),
        (lambda: 1 / 0, 1),
    ],
)
def test_exit_code_of(run, code, capsys):
    assert exit_code_of(run) == code


# .. What is printed ..........................................................


def test_traceback(runs):
    """From the model's program on, as an interpreter shows it."""
    model = runs.script("def step(model): 1 / 0")
    runs(model)
    log = runs.log()
    path = runs.directory / "M/run_model.py"
    assert log.count("Traceback (most recent call last)") == 1
    traceback = log[log.index("Traceback") :]
    line = len((HEAD + "def step(model): 1 / 0" + MAIN).splitlines())
    first = f'Traceback (most recent call last):\n  File "{path}", line {line}, in '
    assert traceback.startswith(first)
    assert "    def step(model): 1 / 0" in traceback
    assert traceback.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "sweeps/" not in traceback


def test_mistakes_in_the_configuration_have_no_traceback(runs):
    model = runs.script("")
    assert runs(model, runs.job(num_steps="many"))[1].exit_code == 2
    assert "Error: num_steps has to be a whole number" in runs.log()
    assert "Traceback" not in runs.log()


@WARM_AND_FRESH
def test_all_output_in_order(runs, fresh):
    text = """
def begin(model):
    print("1 by print")
    print("2 by the error output", file=sys.stderr)
    model.log.info("3 by the log")
    print("4 without a line break", end="")
    print()
    os.write(1, b"5 by the descriptor\\n")
    os.system("echo 6 by a subprocess")
    logging.getLogger("other").error("7 by another logger")
    print("8 ä")

def step(model):
    print("9", model.n_iterations)
    if model.n_iterations == 1:
        os.kill(os.getpid(), 9)
"""
    runs(runs.script(text), fresh=fresh)
    lines = [line.split() for line in runs.log().splitlines()]
    numbers = [
        next(w for w in words if w not in ("INFO", "ERROR")) for words in lines if words
    ]
    numbers = [number for number in numbers if number.isdigit()]
    assert numbers == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "9"]
    assert "8 ä" in runs.log()


@WARM_AND_FRESH
def test_the_end_of_a_program(runs, fresh):
    """Threads are waited for, and what was registered is called."""
    text = """
def begin(model):
    atexit.register(print, "called at exit")
    atexit.register(lambda: 1 / 0)
    atexit.register(print, "last registered")
    def wait():
        threading.main_thread().join(0.05)
        print("end of the thread")
    threading.Thread(target=wait).start()
"""
    assert runs(runs.script(text), fresh=fresh)[1].exit_code == 0
    log = runs.log()
    places = [
        log.index(text)
        for text in (
            "Simulation run finished", "end of the thread", "last registered",
            "ZeroDivisionError", "called at exit",
        )
    ]  # fmt: skip
    assert places == sorted(places)


@WARM_AND_FRESH
def test_what_a_program_sees(runs, fresh):
    main = """
import beside
if __name__ == "__main__":
    with M(cfg_file_path=sys.argv[1]) as model:
        model.run()
    main = sys.modules["__main__"]
    print("seen", sys.argv, __file__, main.M is M, beside.__file__, M.__module__)
    print("stdin", repr(sys.stdin.read()), os.getcwd())
"""
    model = runs.script("", main=main)
    (runs.directory / "M/beside.py").touch()
    assert runs(model, fresh=fresh)[1].exit_code == 0, runs.log()
    here = runs.directory
    assert (
        f"seen ['{here}/M/run_model.py', '{here}/uni1/config.yml'] "
        f"{here}/M/run_model.py True {here}/M/beside.py __main__"
    ) in runs.log()
    assert f"stdin '' {here}" in runs.log()


def test_modules_are_imported_once_only(runs):
    model = runs.script("import beside\n")
    counter = runs.directory / "count"
    (runs.directory / "M/beside.py").write_text(
        f"open({str(counter)!r}, 'a').write('x')"
    )
    runs(model, runs.job(), runs.job(), runs.job(), num_workers=3)
    assert counter.read_text() == "x"


def test_lazy_imports(runs):
    """A universe finds modules beside its program also later on."""
    model = runs.script("def step(model):\n    import later\n    print(later.x)")
    (runs.directory / "M/later.py").write_text("x = 'it is here'")
    assert runs(model)[1].exit_code == 0
    assert "it is here" in runs.log()


def test_files_here_do_not_stand_in_for_other_modules(runs):
    """The current directory is no place for modules, as of the command."""
    for name in ("random", "queue", "tempfile", "h5py", "isal"):
        (runs.directory / f"{name}.py").write_text("1 / 0")
    assert runs(runs.script(""))[1].exit_code == 0


# .. Random numbers ...........................................................


def test_global_random_numbers_differ(runs):
    text = "def step(model): print('drawn', np.random.random())"
    jobs = [runs.job(seed_numpy_rng=False) for _ in range(3)]
    runs(runs.script(text), *jobs)
    lines = [
        line for n in (1, 2, 3) for line in runs.log(n).splitlines()
        if line.startswith("drawn")
    ]  # fmt: skip
    drawn = [word for line in lines for word in line.split()[1:]]
    assert len(drawn) == len(set(drawn)) == 6


def test_seeded_random_numbers_are_the_same(runs):
    text = "def begin(model): print('drawn', np.random.random(), model.rng.random())"
    jobs = [runs.job(seed_numpy_rng=True) for _ in range(2)]
    runs(runs.script(text), *jobs)
    drawn = {
        line for n in (1, 2) for line in runs.log(n).splitlines()
        if line.startswith("drawn")
    }  # fmt: skip
    assert len(drawn) == 1


# .. Classes ..................................................................


def test_a_class_in_a_file(runs):
    path = runs.directory / "models.py"
    path.write_text(
        HEAD + "class Other(M):\n    def perform_step(self): print(sys.argv)\n"
    )
    model = find_model(f"{path}:Other")
    job = runs.job(root_model_name="Other", Other={})
    assert runs(model, job)[1].exit_code == 0, runs.log()
    assert f"['Other', '{runs.directory}/uni1/config.yml']" in runs.log()


@WARM_AND_FRESH
@pytest.mark.parametrize("text", [HEAD, HEAD + MAIN], ids=["class", "program"])
def test_below_a_directory_with_a_colon(runs, fresh, text):
    directory = runs.directory / "12:00"
    directory.mkdir()
    (directory / "run_model.py").write_text(text)
    if text != HEAD:
        info = "model_name: M\npaths: {executable: run_model.py}\n"
        (directory / "M_info.yml").write_text(info)
    model = find_model(directory / "run_model.py")
    assert runs(model, fresh=fresh)[1].exit_code == 0, runs.log()


def test_a_class_in_a_module(runs, monkeypatch):
    package = runs.directory / "lib" / "my_package_of_models"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "models.py").write_text(HEAD)
    monkeypatch.syspath_prepend(runs.directory / "lib")
    model = find_model("my_package_of_models.models:M")
    assert runs(model)[1].exit_code == 0, runs.log()


def test_a_class_in_a_script_that_is_run(runs):
    """It cannot be imported by its name, nor is it in a file that may be run again."""
    script = runs.directory / "script.py"
    sweep = """
if __name__ == "__main__":
    from paramspace import ParamDim
    from utopya_backend import sweep
    FACTOR = 3
    class N(M):
        def setup(self, *, x):
            self.dset = self.create_ts_dset("x")
            print("set up in", __name__, FACTOR * x)
    x = ParamDim(default=0, values=[1, 2])
    result = sweep(N, {"x": x}, num_steps=1, out="out", progress=False)
    assert result.counts["finished"] == 2, result
"""
    script.write_text(HEAD + sweep)
    subprocess.run([sys.executable, script], check=True)
    logs = sorted(runs.directory.glob("out/N/*/data/*/out.log"))
    assert ["set up in __main__ 3" in logs[0].read_text()] == [True]
    assert ["set up in __main__ 6" in logs[1].read_text()] == [True]


def test_a_class_that_cannot_be_unpickled(runs):
    """As on a worker that lacks what it refers to."""
    (runs.directory / "my_gone_module.py").write_text(HEAD)
    sys.path.insert(0, str(runs.directory))
    try:
        import my_gone_module

        model = ModelInfo("M", cls=my_gone_module.M)
        program = Program.of(model)
    finally:
        del sys.path[0]
        sys.modules.pop("my_gone_module", None)
    os.remove(runs.directory / "my_gone_module.py")
    program = Program.of(model) if program is None else program
    from utopya_backend.sweeps.local import LocalEngine

    with pytest.raises(ModelImportError, match="No module named 'my_gone_module'"):
        LocalEngine(program, 1)


# .. Models that cannot be imported ...........................................


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", r"run_model\.py cannot be imported:\n\nTraceback[^$]*ZeroDivision"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("def (", "SyntaxError"),
        ("sys.exit(3)", "SystemExit: 3\nDoes it run the model while it is imported"),
        ("sys.argv[1]", "IndexError[^$]*Does it run the model while it is imported"),
    ],
)
def test_import_errors(runs, text, message):
    with pytest.raises(ModelImportError, match=message):
        runs(runs.script(text))


@pytest.mark.parametrize(
    ("text", "code"),
    [("os._exit(0)", 0), ("os._exit(3)", 3), ("os.kill(os.getpid(), 9)", -9)],
)
def test_an_import_that_ends_the_program(runs, text, code):
    message = f"imports M has ended with exit code {code}: does the import end the"
    with pytest.raises(ExecutableError, match=message):
        runs(runs.script(text))


def test_import_errors_of_a_fresh_one(runs):
    """They are told by each universe."""
    assert runs(runs.script("1 / 0"), fresh=True)[1].exit_code == 1
    assert "ZeroDivisionError" in runs.log()


def test_a_program_that_is_not_in_python(runs):
    path = runs.directory / "M"
    path.mkdir()
    (path / "M_info.yml").write_text("model_name: M\npaths: {executable: run}\n")
    (path / "run").write_text('#!/bin/sh\necho "config: $1"; exit 3\n')
    (path / "run").chmod(0o755)
    model = find_model(path)
    assert Program.of(model).fresh
    assert runs(model)[1].exit_code == 3
    assert runs.log() == f"config: {runs.directory}/uni1/config.yml\n"
