import errno
import resource

import h5py
import pytest

from utopya_backend.errors import NotAnOutputFileError
from utopya_backend.io import OutputFile, Recovery, open_output, opening
from utopya_backend.io.opening import open_for_reading, open_hdf5


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.h5"


class Time:
    def __init__(self, action=lambda: None):
        self.now = 0.0
        self.action = action

    def __call__(self):
        return self.now

    def sleep(self, duration):
        self.now += duration
        if self.now > 1:
            self.action()


def test_clean_file(path):
    with OutputFile(path) as file:
        file["x"] = 1
    file, recovery = open_for_reading(path)
    with file:
        assert file["x"][()] == 1
    assert recovery is Recovery.NOTHING


def test_while_it_is_being_written(path):
    with OutputFile(path) as writer:
        writer["x"] = 1
        writer.commit()
        writer["y"] = 2
        file, _ = open_for_reading(path)
        with file:
            assert set(file) == {"x"}


def test_while_a_commit_is_being_made(path):
    with OutputFile(path) as writer:
        disk_file = writer._storage._file
        assert disk_file.try_lock(exclusive=True)
        time = Time(lambda: disk_file.try_lock(exclusive=False))
        file, _ = open_for_reading(path, clock=time, sleep=time.sleep)
        file.close()
        assert 1 < time.now < 1.1
        disk_file.try_lock(exclusive=True)
        time = Time()
        with pytest.raises(BlockingIOError, match="is locked by another process"):
            open_for_reading(path, clock=time, sleep=time.sleep)


@pytest.mark.parametrize(
    "settings",
    [{}, {"mode": "r+"}, {"locking": False}, {"locking": True}, {"libver": "latest"}],
)
def test_a_file_that_is_open_in_the_same_process(path, settings):
    with OutputFile(path) as file:
        file["x"] = [1, 2]
    with h5py.File(path, **settings) as other:
        dset = other["x"]
        file, _ = open_for_reading(path)
        with file:
            assert file["x"][:].tolist() == [1, 2]
        assert dset[:].tolist() == [1, 2]  # it is still open
    file, _ = open_for_reading(path)
    with file, h5py.File(path) as other:
        assert other["x"][:].tolist() == [1, 2]


def test_settings_that_are_not_known(path, monkeypatch):
    with OutputFile(path) as file:
        file["x"] = 1
    first, *_ = opening._accesses()
    monkeypatch.setattr(opening, "_accesses", lambda: [first])
    with (
        h5py.File(path, locking=False),
        pytest.raises(BlockingIOError, match="with settings of its own"),
    ):
        open_for_reading(path)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_hdf5_on_a_file_system_without_locks(path, monkeypatch, code):
    """HDF5 refuses to open a file there, unless it is told not to lock it."""
    with OutputFile(path) as file:
        file["x"] = 1
    original = h5py.h5f.open

    def refusing(name, flags, access):
        if access.get_file_locking()[0]:
            raise OSError(code, "unable to lock file")
        return original(name, flags, access)

    monkeypatch.setattr(h5py.h5f, "open", refusing)
    file, _ = open_for_reading(path)
    with file:
        assert file["x"][()] == 1


def test_what_is_not_damage(path, monkeypatch):
    with OutputFile(path) as file:
        file["x"] = 1
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(path, "rb") as file:
        resource.setrlimit(resource.RLIMIT_NOFILE, (file.fileno() + 1, limit[1]))
        try:
            with pytest.raises(OSError, match="cannot be read: Too many open files"):
                open_hdf5(str(path))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def test_damaged_chunks(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=range(10_000), chunks=(10_000,), compression=3)
        place = file["x"].id.get_chunk_info(0).byte_offset
    with open(path, "r+b") as damaged:
        damaged.seek(place)
        damaged.write(b"damage")
    tree = open_output(path)
    with pytest.raises(NotAnOutputFileError, match="is damaged"):
        tree.load()


def test_bad_files(path, tmp_path):
    def check(text, error=ValueError):
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(error, match=text):
            open_for_reading(path)
        assert (path.read_bytes() if path.exists() else None) == before

    check("There is no file", FileNotFoundError)
    path.write_bytes(b"")
    check("is empty")
    (tmp_path / "data.h5.wal").touch()
    check("its writer was killed before the first commit")
    (tmp_path / "data.h5.wal").unlink()
    path.write_bytes(b"some text")
    check("is no HDF5 file: it begins with b'some tex'")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = range(10_000)
    path.write_bytes((tmp_path / "other.h5").read_bytes()[:5000])
    check("is truncated, or torn")
