import json
import sys

import pytest

from utopya_backend.finding import ModelInfo, find_model, load_class, split_source

INFO = "model_name: M\npaths: {executable: run_model.py}\n"


# .. Manifests ................................................................


def test_find_model(model, tmp_path):
    assert model == ModelInfo(
        name="M",
        args=(sys.executable, str(tmp_path / "M/run_model.py")),
        source=str(tmp_path / "M/run_model.py"),
        default_cfg=tmp_path / "M/M_cfg.yml",
        mv_cfg=tmp_path / "M/mv.yml",
    )
    assert find_model(tmp_path / "M/M_info.yml") == model


def test_relative_path_and_home(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_model("M") == model
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_model("~/M") == model


def test_source_dir(files):
    directory = files(
        M__M_info_yml=(
            "model_name: M\npaths: {executable: bin/model, source_dir: ..}\n"
        ),
        M_cfg_yml="a: 1",
        M__bin__model="",
    )
    model = find_model(directory / "M")
    assert model.default_cfg is not None
    assert model.default_cfg.resolve() == directory / "M_cfg.yml"
    assert model.args == (str(directory / "M/bin/model"),)
    with pytest.raises(ImportError, match="is not written in Python"):
        load_class(model)


def test_without_default_parameters(files):
    directory = files(M_info_yml=INFO.replace("}", ", source_dir: ~}"))
    (directory / "run_model.py").touch()
    assert find_model(directory).default_cfg is None


@pytest.mark.parametrize(
    ("contents", "error", "text"),
    [
        ({}, FileNotFoundError, "has no manifest of a model"),
        ({"sub__M_info_yml": INFO}, FileNotFoundError, "There are models in: sub"),
        ({"A_info_yml": INFO, "B_info_yml": INFO}, ValueError, "A_info.yml, B_info.y"),
        ({"M_info_yml": INFO}, FileNotFoundError, "run_model.py, which the manifest"),
        ({"M_info_yml": "a: 1"}, ValueError, "has no mapping 'paths'"),
        ({"M_info_yml": "- 1"}, ValueError, "has no mapping 'paths'"),
        ({"M_info_yml": "paths: {}"}, KeyError, "lacks the entry 'model_name'"),
        (
            {"M_info_yml": "model_name: M\npaths: {}"},
            KeyError,
            "lacks the entry 'executable'",
        ),
        (
            {
                "M_info_yml": INFO.replace("}", ", default_cfg: no.yml}"),
                "run_model.py": "",
            },
            FileNotFoundError,
            "no.yml, which the manifest",
        ),
        ({"M_info_yml": "a: ["}, ValueError, "Could not read"),
    ],
)
def test_no_model(files, contents, error, text):
    with pytest.raises(error) as raised:
        find_model(files(**contents))
    assert text in str(raised.value)


@pytest.mark.parametrize("key", ["default_cfg", "mv_model_cfg", "executable"])
def test_wrong_types(files, key):
    info = json.dumps({"model_name": "M", "paths": {"executable": "x", key: 3}})
    with pytest.raises(ValueError, match=f"'{key}' in the manifest .* but is 3"):
        find_model(files(M_info_yml=info))


def test_a_file_that_is_no_manifest(model, tmp_path):
    (tmp_path / "M/notes.txt").touch()
    with pytest.raises(ValueError, match=r"notes\.txt is no manifest of a model"):
        find_model(tmp_path / "M/notes.txt")


def test_executable_of_a_manifest(model, tmp_path):
    (tmp_path / "M/other_info.yml").write_text("nothing: 1")
    assert find_model(tmp_path / "M/run_model.py") == model


def test_no_such_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no model at .*no"):
        find_model(tmp_path / "no")


# .. Classes ..................................................................

WALK = """
from utopya_backend import StepwiseModel

class Walk(StepwiseModel):
    def setup(self): pass
    def perform_step(self): pass
    def write_data(self): pass
"""


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Writes a Python file; returns its path. The module can be imported, too."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)

    def write(text, name="walk.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return str(path)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize("model", ["walk.py", "walk.py:Walk", "./walk.py", "walk:Walk"])
def test_class(source, model, tmp_path):
    source(WALK)
    info = find_model(model)
    where = "walk" if model == "walk:Walk" else tmp_path / "walk.py"
    assert info.name == "Walk"
    assert info.default_cfg is None
    assert info.args[-2:] == ("utopya_backend.launch", f"{where}:Walk")
    assert load_class(info).__name__ == "Walk"
    assert info.cls is load_class(info)
    (tmp_path / "Walk_cfg.yml").touch()
    assert find_model(model).default_cfg == tmp_path / "Walk_cfg.yml"


@pytest.mark.parametrize(
    "parent", ["2026-01-31T12:00:00", "a::b", "v1.py", "k=1, [x]*?", "100% #1 {b}"]
)
@pytest.mark.parametrize("model", ["walk.py", "walk.py:Walk"])
def test_class_below_any_directory(source, monkeypatch, tmp_path, parent, model):
    source(WALK, f"{parent}/walk.py")
    place = f"{tmp_path / parent / 'walk.py'}:Walk"
    for where in (f"{parent}/{model}", str(tmp_path / parent / model)):
        assert find_model(where).args[-1] == place
    monkeypatch.chdir(tmp_path / parent)
    info = find_model(model)
    assert info.args[-1] == info.source == place
    assert split_source(info.source) == (str(tmp_path / parent / "walk.py"), "Walk")
    assert load_class(info) is load_class(model)


def test_program_below_a_directory_with_a_colon(source):
    source(WALK, "12:00/M/run_model.py")
    source(INFO, "12:00/M/M_info.yml")
    info = find_model("12:00/M")
    assert split_source(info.source) == (info.source, "")
    assert load_class(info).__name__ == "Walk"
    with pytest.raises(FileNotFoundError, match="Did you mean 'M'"):
        find_model("12:00/MM")


def test_class_in_a_package(source):
    source("", "pkg/__init__.py")
    source(WALK, "pkg/models.py")
    assert find_model("pkg.models:Walk").name == "Walk"
    with pytest.raises(ImportError, match=r"no module 'pkg\.model' that could be"):
        find_model("pkg.model:Walk")


def test_class_beside_the_program(source, monkeypatch):
    """As of a `run_model.py` with a package `impl`; other models are not meant."""
    for name in [name for name in sys.modules if f"{name}.".startswith("impl.")]:
        monkeypatch.delitem(sys.modules, name)  # another model's, of another test
    source(WALK, "impl/__init__.py")
    source(INFO.replace("M", "Walk"), "Walk_info.yml")
    source("from impl import Walk\nimport impl\n", "run_model.py")
    assert load_class(".").__name__ == "Walk"
    assert load_class("run_model.py") is load_class(".")


def test_class_by_way_of_a_link(source, tmp_path):
    source(WALK, "Walk/implementation/__init__.py")
    source(INFO.replace("M", "Walk"), "Walk/Walk_info.yml")
    source(
        "import os\n"
        "from utopya_backend import import_package_from_dir\n"
        "here = os.path.dirname(os.path.abspath(__file__))\n"
        "package = import_package_from_dir(os.path.join(here, 'implementation'))\n",
        "Walk/run_model.py",
    )
    (tmp_path / "link").symlink_to(tmp_path / "Walk")
    assert load_class("link").__name__ == "Walk"


def test_packages_of_the_same_name_at_run_time(source, tmp_path):
    """Each model finds its own modules, also if it imports them later on."""
    for name in ("A", "B"):
        source(
            "from utopya_backend import StepwiseModel\n"
            "class Walk(StepwiseModel):\n"
            "    def setup(self): pass\n"
            "    def perform_step(self): pass\n"
            "    def write_data(self): pass\n"
            "    def who(self):\n"
            "        from .helper import WHO\n"
            "        return WHO\n",
            f"{name}/impl/__init__.py",
        )
        source(f"WHO = {name!r}", f"{name}/impl/helper.py")
        source("from impl import Walk\nimport impl", f"{name}/run_model.py")
        source("size: 3", f"{name}/impl/Walk_cfg.yml")
    one, two = load_class("A/run_model.py"), load_class("B/run_model.py")
    assert (one.who(None), two.who(None)) == ("A", "B")
    assert find_model("B/run_model.py").default_cfg == tmp_path / "B/impl/Walk_cfg.yml"


def test_names_of_modules_in_use(source):
    """What is beside a model and no module hides nothing."""
    source("import numpy, h5py\n" + WALK, "walk.py")
    source("", "numpy/data.txt")
    source("", "h5py.log")
    source("", "utopya_backend/notes.md")
    assert load_class("walk.py").__name__ == "Walk"


def test_suggestions(source):
    source(WALK)
    for name in ("Walk", "walk", "wakl.py"):
        with pytest.raises(FileNotFoundError, match=r"Did you mean 'walk\.py'\?"):
            find_model(name)


def test_modules_of_the_same_name(source):
    one = source(WALK, "one/walk.py")
    two = source(WALK.replace("Walk", "Hike"), "two/walk.py")
    assert load_class(one).__name__ == "Walk"
    assert load_class(two).__name__ == "Hike"
    assert load_class(one) is load_class(one)


TWO = WALK + WALK.replace("Walk", "Hike")
PART = "from utopya_backend import BaseModel\nclass Part(BaseModel):\n  a = 1"


@pytest.mark.parametrize(
    ("text", "model", "expected"),
    [
        ("", "walk.py", "There is no model in .*walk.py. A model is a subclass of"),
        (TWO, "walk.py", r"choose one of .*walk\.py:Walk, .*walk\.py:Hike"),
        (WALK, "walk.py:Wakl", "the models: Walk. Did you mean 'Walk'"),
        (WALK, "walk:sys.path", "no class 'sys.path' in walk"),
        (WALK, "walk:StepwiseModel", "StepwiseModel in walk is no model"),
        (PART, "walk.py", "it lacks the methods iterate, setup, should_iterate,"),
        (PART, "walk.py:Part", "The model Part in walk.py is not complete"),
        (WALK, "wakl:Walk", "There is no module 'wakl'"),
        ("1 / 0", "walk.py", r"(?s)walk.py cannot.*File .*1 / 0.*ZeroDivisionError"),
        (
            "import sys; sys.argv[777]",
            "walk.py",
            "Does it run the model while it is imp",
        ),
        ("import sys; sys.exit(3)", "walk.py", "Does it run the model while it is imp"),
        ("import no_such_thing", "walk.py", "No module named 'no_such_thing'"),
        ("def", "walk.py", "SyntaxError"),
    ],
)
def test_mistakes_in_a_class(source, text, model, expected):
    source(text)
    with pytest.raises(ImportError, match=expected) as info:
        find_model(model)
    assert "finding.py" not in str(info.value)  # nor any other file of ours


@pytest.mark.parametrize("model", ["no.py:Walk", "a b:Walk", "x/y:Walk", "no.py"])
def test_no_such_file(model):
    with pytest.raises(FileNotFoundError, match="There is no"):
        find_model(model)
