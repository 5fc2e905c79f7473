import h5py
import pytest

from utopya_backend.io import OutputFile, Recovery
from utopya_backend.io.opening import open_for_reading


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
