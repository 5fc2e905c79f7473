import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from utopya_backend.cli import main
from utopya_backend.cli import new as new_module
from utopya_backend.finding import load_class

SCAFFOLD = Path(new_module.__file__).parents[1] / "scaffold/NAME"
FILES = {
    ".gitignore", "README.md", "Walk_base_plots.yml", "Walk_cfg.yml", "Walk_info.yml",
    "Walk_mv_cfg.yml", "Walk_plots.yml", "impl", "run_model.py", "test_Walk.py",
}  # fmt: skip


def new(name, code=0):
    result = CliRunner().invoke(main, ["new", name])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def run(*args, **environ):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        args,
        env=os.environ | {"PATH": path} | environ,
        capture_output=True,
        text=True,
    )


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_commands_that_it_tells_succeed(tmp_path):
    output = new("Walk")
    assert {path.name for path in Path("Walk").iterdir()} == FILES
    commands = [line for line in output.splitlines() if line.startswith("  utopya")]
    commands += [line for line in output.splitlines() if line.startswith("  pytest")]
    assert len(commands) == 3
    for command in commands:
        process = run("sh", "-c", command, UTOPYA="")
        assert process.returncode == 0, process.stdout + process.stderr
    assert "4 passed" in process.stdout  # and one is skipped, without a frontend
    assert list(tmp_path.glob("out/Walk/*/eval/Walk-mean_square_displacement.png"))


def test_whatever_the_name_is(tmp_path):
    output = new("some models/deep/w")
    assert "(Classes mostly begin with a capital: Walk.)" in output
    assert "utopya-backend run 'some models/deep/w'" in output
    assert os.listdir("some models/deep") == ["w"]
    assert load_class(tmp_path / "some models/deep/w").__name__ == "w"


def test_style():
    """With ruff's own settings; the types are checked where all others are."""
    new("Walk")
    Path("ruff.toml").write_text("")
    for args in (("ruff", "check", "."), ("ruff", "format", "--check", ".")):
        process = run(sys.executable, "-m", *args)
        assert process.returncode == 0, process.stdout + process.stderr


def test_files_of_its_own(monkeypatch):
    previous = os.umask(0o027)
    try:
        new("Walk")
    finally:
        os.umask(previous)
    modes = {path.name: path.stat().st_mode & 0o777 for path in Path("Walk").iterdir()}
    assert modes["Walk_cfg.yml"] == 0o640
    assert modes["impl"] == 0o750
    assert modes["run_model.py"] & 0o700 == 0o700
    texts = [path.read_text() for path in Path("Walk").rglob("*.*")]
    assert not any("NAME" in text for text in texts)


@pytest.mark.parametrize(
    ("name", "problem", "remedy"),
    [
        ("my-model", "has to consist of letters", "MyModel"),
        ("2d", "to begin with a letter", "Walk"),
        ("a.b", "has to consist of letters", "AB"),
        ("Räuber", "letters from A to Z", "Walk"),
        ("_walk", "to begin with a letter", "Walk"),
        ("..", "letters from A to Z", "Walk"),
        ("", "letters from A to Z", "Walk"),
        ("class", "means something else in Python", "ClassModel"),
        ("float", "means something else in Python", "FloatModel"),
        ("seed", "is a key of the configuration", "SeedModel"),
        ("np", "is the name of something else in its files", "NpModel"),
    ],
)
def test_impossible_names(name, problem, remedy):
    output = new(name, code=2)
    assert f"Error: A model cannot be called '{name}'" in output
    assert problem in output
    assert output.endswith(f"Try e.g. {remedy}.\n")
    assert os.listdir() == []


def test_names_in_the_scaffold():
    """A model cannot have a name that its files use for something else."""
    taken = set()
    for path in ("run_model.py", "impl/__init__.py", "impl/model.py"):
        for node in ast.parse((SCAFFOLD / path).read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                taken |= {alias.asname or alias.name for alias in node.names}
                taken |= {node.module} if getattr(node, "level", 0) else set()
            elif isinstance(node, ast.Assign):
                taken |= {target.id for target in node.targets}
    taken -= {"NAME", "__all__", "import_package_from_dir"}
    for name in taken:
        assert f"A model cannot be called '{name}'" in new(name, code=2)


@pytest.mark.parametrize("kind", ["directory", "file", "link to nowhere"])
def test_nothing_is_overwritten(kind, tmp_path):
    path = tmp_path / "Walk"
    if kind == "directory":
        path.mkdir()
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to("nowhere")
    assert "Error: Walk exists already, and nothing is over" in new("Walk", code=2)
    assert os.listdir() == ["Walk"]
    if kind == "directory":
        assert os.listdir(path) == []
    if kind == "file":
        assert path.read_text() == "mine"


def test_no_directory():
    Path("file").touch()
    assert "Error: Cannot make file/Walk (File exists)" in new("file/Walk", code=2)
    assert "(File name too long): give a directory that" in new("X" * 300, code=2)
    assert os.listdir() == ["file"]


def test_nothing_half_written(monkeypatch):
    written = []

    def fail_at_the_fifth_file(path, *args, **kwargs):
        written.append(path)
        if len(written) == 5:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", fail_at_the_fifth_file)
    assert "Error: Cannot make Walk (Permission denied): " in new("Walk", code=2)
    assert os.listdir() == []
