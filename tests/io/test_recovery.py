from pathlib import Path

import h5py
import pytest

from utopya_backend.io import OutputFile, storage
from utopya_backend.io.journal import journal_path
from utopya_backend.io.recovery import Recovery, recover


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.h5"


def test_recovery_of_a_clean_file(path):
    with OutputFile(path) as file:
        file["x"] = 1
    before = path.read_bytes()
    assert recover(str(path)) is Recovery.NOTHING
    assert path.read_bytes() == before


def test_recovery_of_a_missing_file(path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        recover(str(path))


@pytest.fixture
def complete_journal(path, monkeypatch):
    """A file whose writer was killed while it changed the file."""
    file = OutputFile(path)
    file["x"] = 1
    file.commit()
    file["x"][()] = 2
    monkeypatch.setattr(storage, "apply", lambda journal, file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        file.commit()
    monkeypatch.undo()
    file._storage._file.close()  # as the end of the process does
    file._storage._journal.close()
    file._storage._is_open = False
    file._storage._pid = -1
    return Path(journal_path(str(path)))


def test_recovery_of_an_interrupted_commit(path, complete_journal):
    with h5py.File(path) as reader:
        assert reader["x"][()] == 1
    assert recover(str(path)) is Recovery.REPLAYED
    assert not complete_journal.exists()
    with h5py.File(path) as reader:
        assert reader["x"][()] == 2


@pytest.mark.parametrize("other", [b"", b"\0" * 10_000, b"another program's" * 1000])
def test_journal_of_another_file(path, complete_journal, other):
    path.write_bytes(other)
    journal = complete_journal.read_bytes()
    with pytest.raises(ValueError, match="does not belong to the file beside it"):
        recover(str(path))
    assert path.read_bytes() == other
    assert complete_journal.read_bytes() == journal


@pytest.mark.parametrize("damage", ["truncated", "changed", "zeros", "empty"])
def test_incomplete_journal(path, complete_journal, damage):
    journal = complete_journal.read_bytes()
    complete_journal.write_bytes(
        {
            "truncated": journal[:-1],
            "changed": journal[:-100] + b"x" + journal[-99:],
            "zeros": bytes(1000),
            "empty": b"",
        }[damage]
    )
    expected = Recovery.NOTHING if damage == "empty" else Recovery.DROPPED
    assert recover(str(path)) is expected
    with h5py.File(path) as reader:
        assert reader["x"][()] == 1


@pytest.mark.parametrize("content", [b"not a journal", b"x", b"SQLite format 3\0"])
def test_something_else_in_the_place_of_the_journal(path, content):
    with OutputFile(path) as file:
        file["x"] = 1
    journal = Path(journal_path(str(path)))
    journal.write_bytes(content)
    with pytest.raises(ValueError, match="is no journal"):
        recover(str(path))
    assert journal.read_bytes() == content
