import datetime
import importlib
import random
import sys

import pytest

from utopya_backend import import_package_from_dir, load_cfg_file
from utopya_backend.tools import format_time

# .. load_cfg_file ............................................................


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_file


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cfg.yml", "a: {b: [1, ä]}"),
        ("cfg.YAML", "a: {b: [1, ä]}"),
        ("cfg.yml", "\ufeffa: {b: [1, ä]}"),
        ("cfg.json", '{"a": {"b": [1, "ä"]}}'),
        ("cfg.toml", 'a = {b = [1, "ä"]}'),
    ],
)
def test_load_cfg_file(write, name, content):
    assert load_cfg_file(write(name, content)) == {"a": {"b": [1, "ä"]}}


def test_loader_is_not_case_sensitive(write):
    assert load_cfg_file(write("cfg.txt", "a: 1"), loader="YaML") == {"a": 1}


def test_home_is_expanded(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write("cfg.yml", "a: 1")
    assert load_cfg_file("~/cfg.yml") == {"a": 1}


@pytest.mark.parametrize("kwargs", [{}, {"loader": "txt"}])
def test_unsupported_loader(write, kwargs):
    with pytest.raises(ValueError, match=r"Unsupported loader 'txt'.*choose one of"):
        load_cfg_file(write("cfg.txt", "a: 1"), **kwargs)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no .*cfg.yml: check the"):
        load_cfg_file(str(tmp_path / "cfg.yml"))


def test_directory(tmp_path):
    for loader in ("yml", None):
        with pytest.raises(OSError, match="is a directory, but has to be a conf"):
            load_cfg_file(str(tmp_path), loader=loader)


@pytest.mark.parametrize(
    ("name", "content", "language"),
    [
        ("cfg.yml", "a: [1", "YAML"),
        ("cfg.yml", "a: 1\na: 2", "YAML"),
        ("cfg.yml", "line: 2021-02-31", "YAML"),
        ("cfg.yml", "line: !expr 1/0", "YAML"),
        ("cfg.yml", "line: !sweep {defalt: 1}", "YAML"),
        ("cfg.json", "{", "JSON"),
        ("cfg.toml", "a = ]", "TOML"),
    ],
)
def test_unreadable_file(write, name, content, language):
    path = write(name, content)
    with pytest.raises(ValueError, match=rf"Could not read .*cfg.* as {language}") as e:
        load_cfg_file(path)
    assert "line" in str(e.value) or "Error: " in str(e.value)
    assert "unicode string" not in str(e.value)
    assert "suppress" not in str(e.value)


def test_other_encoding(write):
    with pytest.raises(ValueError, match="not in UTF-8"):
        load_cfg_file(write("cfg.yml", "a: ä".encode("latin-1")))


# .. import_package_from_dir ..................................................


@pytest.fixture
def make_package(tmp_path):
    """Makes a package with a module in it; forgets all of them afterwards."""
    before = set(sys.modules)

    def make(directory, value, imports="from .model import VALUE"):
        path = tmp_path / directory
        path.mkdir(parents=True)
        (path / "__init__.py").write_text(imports)
        (path / "model.py").write_text(
            f"VALUE = {value}\n"
            "def late():\n    from .late import LATE\n    return LATE\n"
        )
        (path / "late.py").write_text(f"LATE = {value}")
        return str(path)

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_import(make_package):
    sys_path = list(sys.path)
    path = make_package("one/my_impl", 1)
    module = import_package_from_dir(path)
    assert module.VALUE == 1
    assert module.__name__ == "my_impl"
    assert sys.path == sys_path
    assert import_package_from_dir(path + "/") is module


@pytest.mark.parametrize(
    "imports",
    [
        "from .model import VALUE, late",
        "from my_impl.model import VALUE, late",
        "import my_impl.model\nVALUE = my_impl.model.VALUE\nlate = my_impl.model.late",
    ],
)
def test_packages_of_the_same_name(make_package, imports):
    one = import_package_from_dir(make_package("one/my_impl", 1, imports))
    path = make_package("two/my_impl", 2, imports)
    two = import_package_from_dir(path)
    assert (one.VALUE, two.VALUE) == (1, 2)
    assert import_package_from_dir(path) is two
    assert sys.modules["my_impl"] is one
    assert importlib.import_module("my_impl.model").VALUE == 1


def test_no_module_is_there_twice(make_package):
    both = "from my_impl.model import late as a\nfrom .model import late as b"
    import_package_from_dir(make_package("one/my_impl", 1, both))
    two = import_package_from_dir(make_package("two/my_impl", 2, both))
    assert two.a is two.b
    assert two.model.__name__ == two.__name__ + ".model"
    assert two.model.__spec__.name == two.__name__ + ".model"


@pytest.mark.parametrize("with_init", [False, True])
def test_dotted_names_of_the_same_top(make_package, tmp_path, with_init):
    values = []
    for value, directory in ((1, "one"), (2, "two")):
        path = make_package(f"{directory}/top/my_impl", value, "from ..x import VALUE")
        (tmp_path / directory / "top/x.py").write_text(f"VALUE = {value}")
        if with_init:
            (tmp_path / directory / "top/__init__.py").touch()
        module = import_package_from_dir(path, mod_str="top.my_impl")
        assert import_package_from_dir(path, mod_str="top.my_impl") is module
        values.append(module.VALUE)
    assert values == [1, 2]


def test_a_package_may_change_the_path(make_package):
    code = "import sys\nsys.path.append('/somewhere')"
    sys_path = list(sys.path)
    import_package_from_dir(make_package("one/my_impl", 1, code))
    assert sys.path == [*sys_path, "/somewhere"]
    sys.path[:] = sys_path


def test_relative_imports_that_come_late(make_package):
    one = import_package_from_dir(make_package("one/my_impl", 1))
    two = import_package_from_dir(make_package("two/my_impl", 2))
    for package, value in ((two, 2), (one, 1)):
        model = importlib.import_module(package.__name__ + ".model")
        assert model.late() == value


def test_a_name_that_is_taken_by_the_standard_library(make_package):
    assert import_package_from_dir(make_package("json", 1)).VALUE == 1
    assert not hasattr(importlib.import_module("json"), "VALUE")


def test_dotted_name(make_package):
    path = make_package("above/my_impl", 1)
    module = import_package_from_dir(path, mod_str="above.my_impl")
    assert module.__name__ == "above.my_impl"
    assert module.VALUE == 1


def test_home_in_the_path(make_package, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make_package("my_impl", 1)
    assert import_package_from_dir("~/my_impl").VALUE == 1


def test_relative_path():
    with pytest.raises(ValueError, match="Need an absolute path"):
        import_package_from_dir("impl")


def test_no_such_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match="existing directory"):
        import_package_from_dir(str(tmp_path / "impl"))


@pytest.mark.parametrize("imports", ["1 / 0", "def", "import no_such_module"])
def test_failing_import(make_package, imports):
    sys_path = list(sys.path)
    with pytest.raises(ImportError, match="Failed importing module 'my_impl'") as error:
        import_package_from_dir(make_package("one/my_impl", 1, imports))
    assert error.value.__cause__ is not None
    assert sys.path == sys_path


def test_failing_import_of_a_second_package(make_package):
    one = import_package_from_dir(make_package("one/my_impl", 1))
    path = make_package("two/my_impl", 2, "1 / 0")
    modules = set(sys.modules)
    with pytest.raises(ImportError, match="Failed importing module 'my_impl'"):
        import_package_from_dir(path)
    assert set(sys.modules) == modules
    assert sys.modules["my_impl"] is one


def test_wrong_name(make_package):
    with pytest.raises(ImportError, match="Failed importing module 'email'"):
        import_package_from_dir(make_package("one/my_impl", 1), mod_str="email")


def test_directory_without_init(tmp_path):
    (tmp_path / "bare_impl").mkdir()
    with pytest.raises(ImportError, match=r"__init__\.py"):
        import_package_from_dir(str(tmp_path / "bare_impl"))


# .. format_time ..............................................................


@pytest.mark.parametrize(
    ("duration", "kwargs", "expected"),
    [
        (0, {}, "0s"),
        (0.5, {}, "< 1s"),
        (-0.5, {}, "> -1s"),
        (0.5, {"ms_precision": 2}, "0.50s"),
        (59.999, {"ms_precision": 2}, "60.00s"),
        (60, {"ms_precision": 2}, "1m"),
        (93784, {}, "1d 2h 3m 4s"),
        (93784, {"max_num_parts": 2}, "1d 2h"),
        (-93784, {"max_num_parts": 2}, "- 1d 2h"),
        (datetime.timedelta(minutes=2), {}, "2m"),
    ],
)
def test_format_time(duration, kwargs, expected):
    assert format_time(duration, **kwargs) == expected


def test_format_time_equals_the_one_of_dantro():
    theirs = pytest.importorskip("dantro.tools").format_time
    rng = random.Random(1)
    for _ in range(1000):
        duration = rng.choice([-1, 1, 1]) * 10 ** rng.uniform(-4, 6)
        if rng.random() < 0.3:
            duration = round(duration)
        kwargs = {
            "ms_precision": rng.choice([0, 1, 2, 3]),
            "max_num_parts": rng.choice([None, 1, 2, 3]),
        }
        assert format_time(duration, **kwargs) == theirs(duration, **kwargs), duration
