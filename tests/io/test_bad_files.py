"""Files that are not what they should be: whoever opens one says so, and leaves it."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from utopya_backend.cli import main
from utopya_backend.io import OutputFile, open_output
from utopya_backend.io.disk import DiskFile
from utopya_backend.io.journal import PAGE_SIZE, journal_path
from utopya_backend.io.reading import RecoveryWarning

KILLED_WITHOUT_COMMITS = """
import os, signal, sys, h5py
file = h5py.File(sys.argv[1], "w")
if sys.argv[2] == "flushed":
    file["x"] = range(100)
    file.flush()
for number in range(5000):
    file.create_group(f"group {number}")["x"] = range(100)
os.kill(os.getpid(), signal.SIGKILL)
"""


def text(path):
    path.write_text("name: value\n")


def empty(path):
    path.touch()


def only_the_signature(path):
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(5000))


def truncated(path):
    with OutputFile(path) as file:
        file["x"] = range(10_000)
    os.truncate(path, 20_000)


def killed_without_commits(path, *, flushed="not flushed"):
    command = [sys.executable, "-c", KILLED_WITHOUT_COMMITS, str(path), flushed]
    assert subprocess.run(command, check=False).returncode == -9


def killed_after_a_flush(path):
    killed_without_commits(path, flushed="flushed")


def with_the_journal_of_another(path):
    interrupt_a_commit(path.with_name("other.h5"))
    with OutputFile(path) as file:
        file["x"] = np.arange(100_000)
    os.rename(path.with_name("other.h5.wal"), journal_path(str(path)))


BAD = {
    text: "is no HDF5 file: it begins with b'name: va'",
    empty: "is empty",
    only_the_signature: "cannot be read as HDF5: it is truncated",
    truncated: "cannot be read as HDF5: it is truncated",
    killed_without_commits: "cannot be read as HDF5: it is truncated, or torn",
    killed_after_a_flush: "is damaged, as a file that was not written in commits may",
    with_the_journal_of_another: "does not belong to the file beside it",
}


@pytest.mark.parametrize("make_file", BAD, ids=lambda function: function.__name__)
@pytest.mark.parametrize("how", ["open_output", "show", "recover"])
def test_bad_file(tmp_path, make_file, how):
    path = tmp_path / "data.h5"
    make_file(path)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    if how == "open_output":
        with pytest.raises(ValueError, match=BAD[make_file].replace("(", r"\(")):
            open_output(path)
    else:
        result = CliRunner().invoke(main, [how, str(path)])
        assert BAD[make_file] in result.output
        assert result.exit_code == 2
        assert "Traceback" not in result.output
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


INTERRUPTED = """
import os, sys
from utopya_backend.io import OutputFile, storage
file = OutputFile(sys.argv[1])
for number in range(40):
    file[f"{number}"] = range(1000)
file.commit()
for number in range(40):
    file[f"{number}"][:] = 7
storage.apply = lambda *args: os._exit(9)
file.commit()
"""


def interrupt_a_commit(path):
    """Has a process die when it has written the journal."""
    command = [sys.executable, "-c", INTERRUPTED, str(path)]
    assert subprocess.run(command, check=False).returncode == 9


@pytest.mark.parametrize("num_writes", [0, 1, 5])
def test_half_recovered(tmp_path, monkeypatch, num_writes):
    path = tmp_path / "data.h5"
    interrupt_a_commit(path)
    writes = []

    def write(self, offset, data, original=DiskFile.write):
        if len(writes) == num_writes:  # killed in the middle of a page
            original(self, offset, data[: PAGE_SIZE // 3])
            raise SystemExit
        writes.append(offset)
        original(self, offset, data)

    monkeypatch.setattr(DiskFile, "write", write)
    with pytest.raises(SystemExit):
        open_output(path)
    monkeypatch.undo()
    with pytest.warns(RecoveryWarning):
        tree = open_output(path)
    assert all((tree[f"{number}"] == 7).all() for number in range(40))


def test_file_of_another_program(tmp_path):
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]
    before = path.read_bytes()
    assert open_output(path)["x"].values.tolist() == [1, 2]
    for command, message in {
        "show": "It does not say where it comes from: another program wrote it.",
        "recover": "is clean, nothing had to be done",
    }.items():
        result = CliRunner().invoke(main, [command, str(path)])
        assert (result.exit_code, message in result.output) == (0, True)
    assert path.read_bytes() == before


def test_labels_without_an_origin(tmp_path):
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["M/x"] = [1, 2]
        file["M/x"].attrs["dim_names"] = ["time"]
    output = CliRunner().invoke(main, ["show", str(path)]).output
    assert "perhaps the backend that comes with the frontend, wrote it" in output


def test_read_only(tmp_path):
    path = tmp_path / "data.h5"
    with OutputFile(path) as file:
        file["x"] = 1
    (tmp_path / "data.h5.wal").touch()  # as after a kill between two commits
    os.chmod(path, 0o400)
    os.chmod(tmp_path, 0o500)
    assert open_output(path)["x"] == 1
    os.chmod(tmp_path, 0o700)


ODD = [b"\xff", b"\x1b[2J", np.array([b"\xff", b"x"], dtype=h5py.string_dtype()), 1.5]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("command", ["show", "watch", "plot"])
def test_odd_names_and_texts(tmp_path, monkeypatch, name, command):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["M/y"] = np.arange(3.0)
        file["M/y"].attrs["dim_names"] = name
        file["M/y"].attrs["dim_name__0"] = name
        file["M/y"].attrs["unit"] = name
        file.attrs["status"] = name
        for odd in (b"\xff", b"\x1b[2J", b"a\nb"):
            space = h5py.h5s.create_simple((3,))
            h5py.h5d.create(file["M"].id, odd, h5py.h5t.NATIVE_DOUBLE, space)
    result = CliRunner().invoke(main, [command, str(path)])
    assert isinstance(result.exception, SystemExit | None)
    assert "\x1b" not in result.output
