import errno
import os

import pytest
from click.testing import CliRunner

from utopya_backend.cli import main
from utopya_backend.io import OutputFile, storage
from utopya_backend.io.disk import DiskFile
from utopya_backend.io.journal import Journal, Page


def run(path, code=0):
    result = CliRunner().invoke(main, ["recover", str(path)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.h5"


def test_clean_file(path):
    OutputFile(path).close()
    assert "is clean, nothing had to be done" in run(path)


def test_interrupted_commit(path, monkeypatch):
    file = OutputFile(path)
    file["x"] = 1
    monkeypatch.setattr(storage, "apply", lambda journal, file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        file.commit()
    monkeypatch.undo()
    assert "is open in another process" in run(path, code=2)
    journal = path.with_name("data.h5.wal")
    content = journal.read_bytes()
    file.close()
    journal.write_bytes(content)
    assert "was recovered: its last commit is complete" in run(path)
    journal.write_bytes(content[:-1])
    assert "was removed" in run(path)
    assert not journal.exists()


def test_a_disk_that_fails(path, monkeypatch):
    OutputFile(path).close()
    journal = DiskFile.create(str(path) + ".wal")
    old, new = path.read_bytes()[:4096].ljust(4096, b"\0"), b"x" * 4096
    size = path.stat().st_size
    journal.write(0, Journal(size, size, {0: Page.changing(old, new)}).encode())

    def sync(self):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(DiskFile, "sync", sync)
    assert "could not be completed (Input/output error): its jou" in run(path, code=2)
    assert os.path.exists(journal.path)


def test_foreign_journal(path):
    OutputFile(path).close()
    DiskFile.create(str(path) + ".wal").write(
        0,
        Journal(0, 10, {0: Page.changing(bytes(4096), b"x" * 4096)}).encode(),
    )
    assert "does not belong to the file beside it" in run(path, code=2)


def test_run_directory(tmp_path):
    for number in range(2):
        (tmp_path / f"data/uni{number}").mkdir(parents=True)
        OutputFile(tmp_path / f"data/uni{number}/data.h5").close()
    assert run(tmp_path).count("is clean") == 2


def test_missing_file(path):
    assert "There is no file" in run(path, code=2)
