"""Which package is imported; the real installations are in tests/frontend."""

import base64
import hashlib
import shutil
import sys
from pathlib import Path

import pytest

import utopya_backend
from utopya_backend_installation import find_installation

SRC = Path(utopya_backend.__file__).parents[1]


@pytest.fixture
def install(tmp_path):
    """Installs files of a distribution into the directory `site`."""

    def install_files(name, **files):
        rows = []
        for stem, text in files.items():
            path = tmp_path / f"site/utopya_backend/{stem}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            digest = hashlib.sha256(text.encode()).digest()
            hashed = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            rows.append(f"utopya_backend/{stem}.py,sha256={hashed},{len(text)}\n")
        info = tmp_path / f"site/{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text("".join(rows))

    return install_files


@pytest.fixture
def found(tmp_path):
    """What is found in the directory `site`."""
    return lambda *more: find_installation([str(tmp_path / "site"), *map(str, more)])


def test_ours(install, found):
    install("utopya-backend", __init__="ours", model="ours")
    installation = found()
    assert installation.location.endswith("site/utopya_backend/__init__.py")
    assert installation.distribution == "utopya-backend 1.0"
    assert not installation.problems
    assert not installation.notes
    assert "All is well" in str(installation)
    assert "What to do" not in str(installation)


def test_the_other_one(install, found):
    install("utopya", __init__="theirs")
    installation = found()
    assert installation.distribution == "utopya 1.0"
    (problem,) = installation.problems
    assert "comes with utopya 1.0." in problem
    assert "found later" not in problem
    assert "What to do, best first" in str(installation)
    assert "All is well" not in str(installation)


def test_the_other_one_before_ours(install, found, tmp_path):
    install("utopya-backend", __init__="ours")
    (tmp_path / "site").rename(tmp_path / "ours")
    install("utopya", __init__="theirs")
    (problem,) = found(tmp_path / "ours").problems
    assert "utopya-backend is installed, too, but found later" in problem


def test_ours_replaced_by_the_other_one(install, found):
    install("utopya-backend", __init__="ours", model="ours")
    install("utopya", __init__="theirs", extra="theirs")
    replaced, added = found().problems
    assert replaced.endswith("replaced, by those of utopya 1.0: __init__.py.")
    assert added == "These files are of utopya 1.0: extra.py."


def test_the_other_one_replaced_by_ours(install, found):
    install("utopya", __init__="theirs")
    install("utopya-backend", __init__="ours", model="ours")
    installation = found()
    assert not installation.problems
    (note,) = installation.notes
    assert "whenever it is upgraded or removed, install utopya-backend again" in note


def test_missing_files(install, found, tmp_path):
    install("utopya-backend", __init__="ours", model="ours")
    (tmp_path / "site/utopya_backend/__init__.py").unlink()
    installation = found()
    assert installation.location.endswith("which has no __init__.py")
    assert installation.problems == ["These files are missing: __init__.py."]


def test_files_of_nobody(install, found, tmp_path):
    install("utopya-backend", __init__="ours")
    cache = tmp_path / "site/utopya_backend/__pycache__"
    cache.mkdir()
    for path in (cache / "x.pyc", cache.parent / "notes.txt", cache.parent / "old.py"):
        path.write_text("mine")
    assert not found().problems
    assert found().notes == ["These files belong to no distribution: old.py."]


def test_changed_by_hand(install, found, tmp_path):
    install("utopya-backend", __init__="ours")
    (tmp_path / "site/utopya_backend/__init__.py").write_text("mine")
    (problem,) = found().problems
    assert problem.endswith("replaced, by those of another one: __init__.py.")


def test_checkout():
    installation = find_installation([str(SRC)])
    version = utopya_backend.__version__
    label = f"utopya-backend {version}, the checkout {SRC.parent}"
    assert installation.distribution == label
    assert not installation.problems


def test_package_of_no_distribution(install, found, tmp_path):
    install("utopya", __init__="theirs")
    for path in (tmp_path / "site").glob("*.dist-info/*"):
        path.unlink()
    (problem,) = found().problems
    assert problem.startswith("This belongs to no distribution, and not to this")


def test_module_of_the_name(tmp_path):
    (tmp_path / "utopya_backend.py").write_text("")
    installation = find_installation([str(tmp_path)])
    assert installation.location.endswith("utopya_backend.py")
    assert installation.problems


@pytest.mark.parametrize("name", ["utopya_backend", "Utopya.Backend"])
def test_other_spelling_of_our_name(install, found, name):
    install(name, __init__="ours")
    assert found().distribution == "utopya-backend 1.0"
    assert not found().problems


def test_archive(install, found, tmp_path):
    install("utopya-backend", __init__="ours")
    archive = shutil.make_archive(str(tmp_path / "ours"), "zip", tmp_path / "site")
    shutil.rmtree(tmp_path / "site")
    installation = found(archive)
    assert not installation.problems
    assert installation.notes == ["It is in an archive: its files were not looked at."]


def test_remains_of_an_interrupted_installation(install, found, tmp_path):
    install("utopya-backend", __init__="ours")
    (tmp_path / "site/~topya-1.0.dist-info").mkdir()
    assert not found().problems
    assert not found().notes


def test_where_the_command_was_started_does_not_count(monkeypatch):
    """``python -m`` looks into the working directory first; a model is not run so."""
    monkeypatch.setattr(sys, "path", [str(SRC)])
    assert find_installation().problems == ["It is not installed."]
    monkeypatch.setattr(sys, "path", ["", str(SRC)])
    assert not find_installation().problems


def test_nothing(tmp_path):
    assert find_installation([str(tmp_path)]).problems == ["It is not installed."]
