import hashlib
import importlib
import os
import subprocess
import sys
import textwrap
import time
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import h5py
import pytest

from utopya_backend import BaseModel, StepwiseModel, simulate
from utopya_backend.finding import load_class
from utopya_backend.io.provenance import read_source, source_commit
from utopya_backend.io.source import find_source

MODEL = """
from utopya_backend import StepwiseModel
{}

class M(StepwiseModel):
    def setup(self): pass
    def perform_step(self): pass
    def write_data(self): pass
"""
PROGRAM = """
import os, sys
from utopya_backend import import_package_from_dir
impl = import_package_from_dir(os.path.join(os.path.dirname(__file__), "impl"))
if __name__ == "__main__":
    impl.M(cfg_file_path=sys.argv[1]).run()
"""


@pytest.fixture(autouse=True)
def _modules():
    before, path = dict(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    """Writes files; an argument ``a__b`` is that of ``a/b.py``."""

    def write(directory=tmp_path, **texts):
        for name, text in texts.items():
            path = directory / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            os.utime(path, (time.time() - 10,) * 2)  # as if written before
        return directory

    return write


@pytest.fixture
def package(write, tmp_path):
    """A model in the usual layout."""
    (tmp_path / "M_info.yml").write_text(
        "model_name: M\npaths: {executable: run_model.py}"
    )
    write(run_model=PROGRAM, impl__model=MODEL.format("from . import rules"))
    write(impl__rules="", impl__unused="")
    (tmp_path / "impl/__init__.py").write_text("from .model import M")
    os.utime(tmp_path / "impl/__init__.py", (0, 0))
    return tmp_path


def names_of(model):
    source = find_source(load_class(model))
    assert source.problem == ""
    return set(source.files)


def test_of_a_file(write):
    path = write(model=MODEL.format("")) / "model.py"
    source = find_source(load_class(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert source.files == {"model.py": digest}
    expected = hashlib.sha256(f"{digest}  model.py\n".encode()).hexdigest()
    assert source.hash == expected


def test_of_a_package(package):
    files = {"__init__", "model", "rules", "unused"}
    expected = {f"impl/{name}.py" for name in files} | {"run_model.py"}
    assert names_of(package) == expected
    by_program = find_source(load_class(package), str(package / "run_model.py"))
    assert by_program.hash == find_source(load_class(package)).hash


def test_what_does_not_count(package, write):
    before = find_source(load_class(package)).hash
    write(
        test_M="", impl__test_model="", impl__tests__test_x="", plots="", docs__conf=""
    )
    (package / "impl/tests/__init__.py").touch()
    (package / "impl/__pycache__").mkdir(exist_ok=True)
    (package / "impl/__pycache__/model.py").touch()
    for name in ("M_cfg.yml", "out/M/x/data/uni0/data.h5", "impl/table.csv"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).touch()
    os.utime(package / "impl/model.py", (1, 1))
    assert find_source(load_class(package)).hash == before


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import helper", "helper.py"),
        ("import sys, helper as h, os", "helper.py"),
        ("x = 1; import helper", "helper.py"),
        ("try: from helper import f\nexcept ImportError: pass", "helper.py"),
        (
            "def f():\n    # lazily, (\n    from helper import (  # not f)\n  f)",
            "helper.py",
        ),
        ("from\\\n  helper import f", "helper.py"),
        ("from sub import deep", "sub/deep.py"),
        ("from sub.deep import f as g, h", "sub/deep.py"),
        ("from sub import (\n    other,  # one\n    deep,\n)", "sub/deep.py"),
        ("import sub.deep", "sub/deep.py"),
        ("from sub.lazy import *", "sub/deep.py"),
        ("from chain import f", "helper.py"),
        ("import fast", f"fast{EXTENSION_SUFFIXES[0]}"),
        ("import random", "random.py"),  # which hides Python's own
        ("h = importlib.import_module('sub.deep')", "sub/deep.py"),
        ('h = __import__("helper")', "helper.py"),
        ("exec(open('helper.py').read())", "helper.py"),
        ('runpy.run_path("./sub/deep.py")', "sub/deep.py"),
        ("from sub import named", "sub/deep.py"),
    ],
)
def test_what_is_imported(write, tmp_path, statement, expected):
    write(helper="f = 1", chain="if 1: import helper", other="", random="")
    write(sub__deep="f = h = 1", sub__other="", sub__lazy="from .deep import f")
    write(sub__named="import_module('.deep', __package__)")
    (tmp_path / f"fast{EXTENSION_SUFFIXES[0]}").write_bytes(b"\x7fELF")
    write(model=MODEL.format("") + "if 0:\n" + textwrap.indent(statement, "    "))
    names = names_of(tmp_path / "model.py")
    assert expected in names
    assert "other.py" not in names


def test_elsewhere(write, tmp_path):
    """What is neither beside the model nor installed, as in development."""
    write(tmp_path / "src", lab__rules="import lab.more", lab__more="", lab__not="")
    (tmp_path / "src/lab/__init__.py").touch()
    write(tmp_path / "lib/site-packages", other="")
    write(tmp_path / "target", target="")
    (tmp_path / "target/target-1.0.dist-info").mkdir()
    sys.path[:0] = [str(tmp_path / n) for n in ("src", "lib/site-packages", "target")]
    write(
        tmp_path / "models",
        model=MODEL.format("import lab.rules, other, target, numpy, h5py, xml.dom"),
    )
    expected = {"model.py", "lab/__init__.py", "lab/rules.py", "lab/more.py"}
    assert names_of(tmp_path / "models/model.py") == expected


def test_an_installed_model(write, tmp_path):
    site = tmp_path / "site-packages"
    write(site, lab_models__m=MODEL.format("import foreign"), foreign="")
    (site / "lab_models/__init__.py").touch()
    os.utime(site / "lab_models/__init__.py", (0, 0))
    sys.path.insert(0, str(site))
    expected = {"lab_models/__init__.py", "lab_models/m.py"}
    assert names_of("lab_models.m:M") == expected


def test_base_classes_count(write, tmp_path):
    write(base=MODEL.format(""))
    write(tmp_path / "other", model="class C(B): pass")
    sys.path.insert(0, str(tmp_path))
    base = importlib.import_module("base").M
    text = "from base import M as B\nclass C(B): pass"
    path = write(tmp_path / "models", model=text) / "model.py"
    assert names_of(f"{path}:C") == {"base.py", "model.py"}
    assert base.__mro__[0] in load_class(f"{path}:C").__mro__


def test_it_was_changed_since(write, tmp_path):
    write(helper="", model=MODEL.format("import helper"))
    cls = load_class(tmp_path / "model.py")
    known = find_source(cls)
    os.utime(tmp_path / "helper.py", (time.time() + 1,) * 2)
    source = find_source(cls)
    assert source.hash.startswith("unknown: ")
    assert source.problem == f"{tmp_path}/helper.py was changed after it was imported"
    assert known.problem == ""


def test_in_no_file():
    namespace = {"StepwiseModel": StepwiseModel, "__name__": "nowhere"}
    exec(MODEL.format("").replace("from", "# from"), namespace)
    source = find_source(namespace["M"])
    assert source.hash == "unknown: M.setup is not defined in a file"
    attrs = simulate(namespace["M"], num_steps=1).data.attrs
    assert attrs["source_hash"] == source.hash
    assert "source_commit" not in attrs
    namespace["__name__"] = __name__
    exec(MODEL.format("").replace("from", "# from"), namespace)
    assert find_source(namespace["M"]).problem
    empty = type("E", (BaseModel,), {"__module__": "nowhere"})
    assert find_source(empty).problem == "E is not defined in a file"


def test_replaced_methods(write, tmp_path):
    cls = load_class(write(model=MODEL.format("")) / "model.py")
    scope = {}
    exec("def perform_step(self): pass", scope)
    cls.perform_step = scope["perform_step"]
    assert find_source(cls).problem == "M.perform_step is not defined in a file"
    cls.perform_step = test_replaced_methods
    assert Path(__file__).name in find_source(cls).files


def test_too_many_files(package, monkeypatch):
    monkeypatch.setattr("utopya_backend.io.source._MAX_FILES", 3)
    assert find_source(load_class(package)).problem == "it has more than 3 files"


def test_cannot_be_read(write, tmp_path):
    cls = load_class(write(helper="", model=MODEL.format("import helper")) / "model.py")
    (tmp_path / "helper.py").unlink()
    (tmp_path / "helper.py").symlink_to("/proc/self/mem")
    assert "helper.py cannot be read" in find_source(cls).problem


# .. Commits ..................................................................


def git(directory, *args):
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *args],
        cwd=directory, check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture
def commit(package):
    """Commits all that is in the directory of the model."""
    git(package, "init")

    def commit():
        git(package, "add", ".")
        git(package, "commit", "-m", "x")
        return commit_of(package)

    return commit


def commit_of(package):
    return read_source(load_class(package)).commit


def test_commit(package, commit):
    assert commit_of(package) is None  # there is none
    first = commit()
    assert len(first) == 40
    assert commit_of(package) == first
    (package / "impl/rules.py").write_text("x = 1")
    assert commit_of(package) == f"{first}+"
    second = commit()
    assert second != first
    (package / "impl/new.py").touch()  # untracked
    assert commit_of(package) == f"{second}+"
    (package / ".git/info/exclude").write_text("new.py")
    assert commit_of(package) == f"{second}+"


def test_links_in_a_repository_are_not_the_source(package, commit, tmp_path):
    commit()
    (tmp_path / "link.py").symlink_to(__file__)
    assert source_commit(load_class(package), [str(tmp_path / "link.py")]) is None


def test_own_output_is_no_change(package, commit):
    (package / "table.csv").touch()
    clean = commit()
    (package / "out/M/x").mkdir(parents=True)
    (package / "out/M/x/data.h5").touch()
    (package / "table.csv").write_text("1")
    assert commit_of(package) == clean


def test_names_and_settings_that_git_takes_for_something_else(package, commit, write):
    git(package, "init")
    git(package, "config", "status.showUntrackedFiles", "no")
    git(package, "config", "status.branch", "true")
    odd = write(package / "a[b]*", odd="x = 1")
    sys.path.insert(0, str(odd))
    write(impl__rules="import odd")
    clean = commit()
    assert commit_of(package) == clean
    write(odd, odd="x = 10")  # git compares times in seconds, but sizes, too
    assert commit_of(package) == f"{clean}+"
    commit()
    (package / "impl/untracked.py").touch()
    assert commit_of(package).endswith("+")


def test_files_elsewhere_are_not_in_the_commit(
    package, commit, write, tmp_path_factory
):
    other = write(tmp_path_factory.mktemp("other"), elsewhere="")
    sys.path.insert(0, str(other))
    write(impl__rules="import elsewhere")
    assert len(commit()) == 40
    assert "elsewhere.py" in find_source(load_class(package)).files


def test_repository_is_not_touched(package, commit, monkeypatch):
    clean = commit()
    for path in package.rglob("*.py"):
        os.utime(path)
    index = package / ".git/index"
    before = (index.stat().st_mtime_ns, index.stat().st_ino, index.read_bytes())
    # As within a hook of another repository
    monkeypatch.setenv("GIT_DIR", str(package / "nothing"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(package / "index"))
    assert commit_of(package) == clean
    after = (index.stat().st_mtime_ns, index.stat().st_ino, index.read_bytes())
    assert after == before
    assert not (package / "index").exists()


def test_commit_without_a_source(monkeypatch):
    assert source_commit(int, [__file__]) is None
    monkeypatch.setenv("PATH", "")
    assert source_commit(BaseModel, [__file__]) is None


# .. In the output ............................................................


def test_it_is_that_of_the_program(package):
    expected = find_source(load_class(package)).hash
    command = [sys.executable, "-m", "utopya_backend", "run", package, "--quiet"]
    subprocess.run(command, check=True, cwd=package)
    (path,) = package.glob("out/M/*/data/uni0/data.h5")
    with h5py.File(path) as file:
        assert file.attrs["source_hash"] == expected
    assert simulate(package, num_steps=1).data.attrs["source_hash"] == expected
