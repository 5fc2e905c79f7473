"""The file on disk always is a commit: after a kill, a power failure, a full disk."""

import contextlib
import errno
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `recording`, which is no test

from recording import (
    Recording,
    content_of,
    crash_points,
    power_failures,
    write_images,
)

sys.path.pop(0)

from utopya_backend.io import storage
from utopya_backend.io.disk import DiskFile
from utopya_backend.io.journal import journal_path
from utopya_backend.io.output import OutputFile, create_series, make_series
from utopya_backend.io.recovery import Recovery, recover


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.h5"


def work(file, rng, steps):
    """Does to a file what models do."""
    series = [
        file.create_dataset(
            f"rows of {width}", (0, width), maxshape=(None, width),
            chunks=(max(1, 400 // width), width), dtype=float, compression=2,
        )
        for width in (1, 100)
    ]  # fmt: skip
    fixed = file.create_dataset("fixed", (50, 50), dtype=int)
    for step in range(steps):
        for dset in series:
            dset.resize(step + 1, axis=0)
            dset[-1] = rng.random()
        if step % 5 == 0:
            fixed[rng.randrange(50)] = step
        if step % 7 == 0:
            group = file.create_group(f"group {step}")
            group.attrs["text"] = "x" * rng.randrange(300)
            group["value"] = np.arange(rng.randrange(400))
        if step % 20 == 19:
            del file[f"group {step // 20 * 7}"]
        yield step


@pytest.fixture
def recorded(path, monkeypatch):
    """A recorded run, and what was in the file at each commit."""
    recording = Recording()
    monkeypatch.setattr(storage, "DiskFile", recording.disk_file())
    commits = []  # how many events there were when it was done, and the content
    rng = random.Random(1)
    with OutputFile(path) as file:
        commits.append((len(recording.events), {}))
        for step in work(file, rng, 150):
            if step % 3 == 2:
                content = content_of(file)
                file.commit()
                commits.append((len(recording.events), content))
        content = content_of(file)
    commits.append((len(recording.events), content))
    monkeypatch.undo()
    return recording, commits


def check_all_points(points, commits, path):
    """Each point, after recovery, is the last commit, or the one being made."""
    outcomes = set()
    num_points = 0
    for number, images in points:
        write_images(path, images)
        done = [index for index, (end, _) in enumerate(commits) if end <= number + 1]
        if not done:
            continue  # before the first commit, there is no file to speak of
        outcomes.add(recover(str(path)))
        assert not os.path.exists(journal_path(str(path)))
        with h5py.File(path) as file:
            content = content_of(file)
        possible = [content for _, content in commits[done[-1] : done[-1] + 2]]
        assert content in possible, f"after event {number}"
        num_points += 1
    return outcomes, num_points


def test_every_crash_point(recorded, path, tmp_path):
    recording, commits = recorded
    target = tmp_path / "rebuilt" / path.name
    target.parent.mkdir()
    points = crash_points(recording, random.Random(2))
    outcomes, num_points = check_all_points(points, commits, target)
    assert outcomes == set(Recovery)
    assert num_points > 500


@pytest.mark.parametrize("seed", range(3))
def test_power_failures(recorded, path, tmp_path, seed):
    recording, commits = recorded
    target = tmp_path / "rebuilt" / path.name
    target.parent.mkdir()
    points = power_failures(recording, random.Random(seed))
    _, num_points = check_all_points(points, commits, target)
    assert num_points > 300


def test_between_commits_nothing_changes_for_readers(path):
    rng = random.Random(3)
    with OutputFile(path) as file:
        committed = {}
        for step in work(file, rng, 60):
            with h5py.File(path) as reader:
                assert content_of(reader) == committed
            if step % 10 == 9:
                committed = content_of(file)
                assert file.commit()
    assert os.listdir(path.parent) == [path.name]


def test_a_plain_file_is_written(path, tmp_path):
    """What is read back equals what plain h5py would have written."""
    with OutputFile(path) as ours, h5py.File(tmp_path / "plain.h5", "w") as plain:
        for step, _ in zip(
            work(ours, random.Random(4), 60),
            work(plain, random.Random(4), 60),
            strict=True,
        ):
            if step % 13 == 0:
                ours.commit()
            assert content_of(ours) == content_of(plain)
    with h5py.File(path) as ours, h5py.File(tmp_path / "plain.h5") as plain:
        assert content_of(ours) == content_of(plain)


# .. A disk that is full ......................................................


class FullDisk(DiskFile):
    """A disk on which there is no space left, from some time on."""

    full = False
    capacity = 0  # bytes that can still be written

    def write(self, offset, data):
        if FullDisk.full and len(data) > FullDisk.capacity:
            super().write(offset, data[: FullDisk.capacity])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        super().write(offset, data)


@pytest.fixture
def full_disk(monkeypatch):
    monkeypatch.setattr(storage, "DiskFile", FullDisk)
    monkeypatch.setattr(FullDisk, "full", False)
    return FullDisk


@pytest.mark.parametrize("capacity", [0, 100, 2000, 4096, 100_000])
def test_full_disk(path, tmp_path, full_disk, capacity):
    rng = random.Random(5)
    full_disk.capacity = capacity
    failures = []
    with OutputFile(path) as file:
        committed = {}
        for step in work(file, rng, 60):
            full_disk.full = 20 <= step < 40
            if step % 4 == 3:
                content = content_of(file)
                try:
                    file.commit()
                except OSError as error:
                    failures.append(str(error))
                else:
                    committed = content
                # A copy, so that a recovery is none behind the writer's back
                copy = tmp_path / f"copy {step}" / path.name
                copy.parent.mkdir()
                for name in (path, Path(journal_path(str(path)))):
                    (copy.parent / name.name).write_bytes(name.read_bytes())
                recover(str(copy))
                with h5py.File(copy) as reader:
                    assert content_of(reader) in (committed, content)
        final = content_of(file)
    if capacity < 4096:  # else it is enough for some commits, or for all
        assert len(failures) == 5
    for text in failures:
        assert "bytes are free there" in text
        assert "last commit" in text
        assert str(path) in text
    with h5py.File(path) as reader:
        assert content_of(reader) == final


@pytest.mark.parametrize("num_failures", [1, 2, 3])
@pytest.mark.parametrize("what", ["write", "truncate"])
def test_any_call_may_fail(tmp_path, monkeypatch, what, num_failures):
    """Whichever system call fails, and the next ones of its kind, nothing is lost."""
    counts = {"calls": 0, "fail_at": 10**9}

    class Failing(DiskFile):
        pass

    def failing(self, *args):
        counts["calls"] += 1
        if 0 <= counts["calls"] - counts["fail_at"] < num_failures:
            raise OSError(errno.EIO, os.strerror(errno.EIO), self.path)
        return getattr(DiskFile, what)(self, *args)

    setattr(Failing, what, failing)
    monkeypatch.setattr(storage, "DiskFile", Failing)
    fail_at, total = 10, 10**9
    while fail_at < total:
        counts.update(calls=0, fail_at=10**9)
        path = tmp_path / f"data {fail_at}.h5"
        file = OutputFile(path)
        counts["fail_at"] = fail_at
        for step in work(file, random.Random(6), 25):
            if step % 4 == 3:
                with contextlib.suppress(OSError):
                    file.commit()
        expected = content_of(file)
        with contextlib.suppress(OSError):
            file.commit()
        counts["fail_at"] = 10**9
        file.close()
        total = counts["calls"]
        with h5py.File(path) as reader:
            assert content_of(reader) == expected, f"call {fail_at}"
        path.unlink()
        fail_at += 7


class FailingSync(DiskFile):
    """A disk that refuses a sync, and forgets what was not on it."""

    count = 0
    fail_at = 0
    forgets = False
    on_disk: ClassVar[dict[str, bytes]] = {}

    def sync(self):
        if not self._may_be_unsynced:
            return
        FailingSync.count += 1
        if self.fail_at != FailingSync.count:
            super().sync()
            self.on_disk[self.path] = self.read(0, self.size())
            return
        if self.forgets:
            before, size = self.on_disk.get(self.path, b""), self.size()
            DiskFile.write(self, 0, before[:size].ljust(size, b"\0"))
        raise OSError(errno.EIO, os.strerror(errno.EIO), self.path)


@pytest.mark.parametrize("forgets", [False, True])
def test_a_sync_that_failed_is_the_last_one(tmp_path, monkeypatch, forgets):
    """Whichever fails, the file is a commit, and each further one is an error."""
    monkeypatch.setattr(storage, "DiskFile", FailingSync)
    monkeypatch.setattr(FailingSync, "forgets", forgets)
    for number in range(1, 100):
        monkeypatch.setattr(FailingSync, "count", 0)
        monkeypatch.setattr(FailingSync, "fail_at", number)
        path = tmp_path / f"{number}.h5"
        contents, failed = [{}], None
        try:
            with OutputFile(path) as file:
                for step in work(file, random.Random(7), 9):
                    contents.append(content_of(file))
                    if step % 3 == 2:
                        try:
                            file.commit()
                        except OSError as error:
                            assert "not trusted any more" in str(error)  # noqa: PT017
                            failed = failed or len(contents)
                        else:
                            assert failed is None
                contents.append(content_of(file))
        except OSError as error:
            assert "not trusted any more" in str(error)  # noqa: PT017
            failed = failed or len(contents)
        if failed is None:  # all of them were done before
            break
        if path.stat().st_size or failed > 1:
            recover(str(path))
            with h5py.File(path) as reader:
                assert content_of(reader) in contents[: failed + 1], number
    assert 12 < number < 99


@pytest.mark.parametrize(
    ("code", "is_error"), [(errno.EIO, True), (errno.EINVAL, False)]
)
def test_a_directory_that_cannot_be_synced(path, monkeypatch, code, is_error):
    def fsync(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.fsync", fsync)
    if not is_error:
        OutputFile(path).close()
        return
    with pytest.raises(OSError, match="Input/output error"):
        OutputFile(path)
    assert os.listdir(path.parent) == []


def test_a_full_disk_gets_back_what_is_not_committed(path, full_disk):
    full_disk.capacity = 0
    file = OutputFile(path)
    file["x"] = 1
    file.commit()
    size = path.stat().st_size
    file["y"] = np.arange(100_000)
    file.flush()
    assert path.stat().st_size > size + 800_000
    file.last_words = {"status": "failed"}
    full_disk.full = True

    class Freed(FullDisk):
        def truncate(self, size):
            FullDisk.full = False  # by what is given back
            super().truncate(size)

    file._storage._file.__class__ = Freed
    with pytest.raises(OSError, match="Could not write the output file"):
        file.close()
    assert path.stat().st_size < size + 5000
    assert os.listdir(path.parent) == [path.name]
    with h5py.File(path) as reader:
        assert content_of(reader) == {"x": 1}
        assert dict(reader.attrs) == {"status": "failed"}


def test_full_disk_when_closing(path, full_disk):
    full_disk.capacity = 10
    file = OutputFile(path)
    file["x"] = 1
    file.commit()
    full_disk.full = True
    file["y"] = 2
    with pytest.raises(OSError, match="Could not write the output file") as error:
        file.close()
    assert error.value.errno == errno.ENOSPC
    file.close()
    recover(str(path))
    with h5py.File(path) as reader:
        assert content_of(reader) == {"x": 1}


# .. Who else has the file open ...............................................


class Time:
    """A clock that goes on by what is slept."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, duration):
        self.now += duration


@pytest.fixture
def timed_file(path, monkeypatch):
    """A file with a clock of its own, for readers, too."""
    clock = Time()
    make = storage.Storage

    def make_timed(*args, **kwargs):
        return make(*args, clock=clock, sleep=clock.sleep, **kwargs)

    monkeypatch.setattr("utopya_backend.io.output.Storage", make_timed)
    with OutputFile(path, clock=clock) as file:
        yield file, clock


def test_readers_put_a_commit_off(path, timed_file):
    file, clock = timed_file
    file["x"] = 1
    with h5py.File(path) as reader:
        clock.now += 2
        assert file.commit_if_due() is False
        clock.now += 4.9
        assert file.commit_if_due() is False
        assert "x" not in reader
    assert file.commit_if_due() is True
    with h5py.File(path) as reader:
        assert "x" in reader


def test_readers_put_a_commit_off_for_five_seconds_only(path, timed_file):
    file, clock = timed_file
    file["x"] = 1
    with h5py.File(path):
        clock.now += 2
        for _ in range(5):
            assert file.commit_if_due() is False
            clock.now += 1
        assert file.commit_if_due() is True
        file["y"] = 1
        before = clock.now
        assert file.commit() is True  # it waits
        assert 5 <= clock.now - before < 5.1


def test_another_reader_has_its_own_time(path, timed_file):
    file, clock = timed_file
    file["x"] = 1
    clock.now += 2
    with h5py.File(path):
        assert file.commit_if_due() is False
    clock.now += 100
    with h5py.File(path):
        assert file.commit_if_due() is False


def test_commits_are_not_too_frequent(path, timed_file):
    file, clock = timed_file
    commits = []
    for step in range(30):
        clock.now += 0.3
        file.attrs["step"] = step
        if file.commit_if_due():
            commits.append(step)
    assert commits == [3, 7, 11, 15, 19, 23, 27]  # each after more than a second


def test_slow_commits_are_rarer(path, timed_file, monkeypatch):
    file, clock = timed_file
    monkeypatch.setattr(DiskFile, "sync", lambda self: clock.sleep(0.1))
    commits = []
    for step in range(60):
        clock.now += 1
        file.attrs["step"] = step
        before = clock.now
        if file.commit_if_due():
            commits.append((step, clock.now - before))
    pauses = np.diff([step for step, _ in commits])
    assert len(commits) > 3
    assert (pauses >= [20 * duration - 1 for _, duration in commits[:-1]]).all()


def test_much_in_memory_is_committed(path, timed_file, monkeypatch):
    file, _clock = timed_file
    file["x"] = np.zeros(100_000)
    file.commit()
    monkeypatch.setattr("utopya_backend.io.output.MAX_BYTES_IN_MEMORY", 500_000)
    file["x"][:50_000] = 1
    assert file.commit_if_due() is False
    file["x"][50_000:] = 1
    assert file.commit_if_due() is True


def test_other_writers_are_kept_out(path):
    with OutputFile(path) as file:
        with pytest.raises(BlockingIOError):
            h5py.File(path, "r+")
        with pytest.raises(BlockingIOError, match="is open in another process"):
            recover(str(path))
        file["x"] = 1
        file.commit()
        with pytest.raises(BlockingIOError):
            h5py.File(path, "a")
    h5py.File(path, "r+").close()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks(path, monkeypatch, code):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", flock)
    with OutputFile(path) as file:
        file["x"] = 1
        assert file.commit()
    with h5py.File(path) as reader:
        assert content_of(reader) == {"x": 1}


def test_other_errors_of_locks(path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    file = OutputFile(path)
    monkeypatch.setattr("fcntl.flock", flock)
    file["x"] = 1
    assert not file._storage._file.try_lock(exclusive=True)
    monkeypatch.undo()
    file.close()


# .. Creation, interrupts, children ...........................................


def test_a_file_that_nobody_closes(path):
    OutputFile(path)["x"] = [1, 2]
    with h5py.File(path) as file:
        assert file["x"][:].tolist() == [1, 2]
    assert not os.path.exists(journal_path(str(path)))


def test_a_file_that_nobody_closes_with_a_series(tmp_path):
    path = str(tmp_path / "data.h5")

    def make():
        file = OutputFile(path)
        dset = create_series(
            file, "x", num_rows=None, row_shape=(), dtype=float, compression=2
        )
        series = make_series(dset, file)
        series.append(1)
        return series

    series = make()
    with pytest.raises(RuntimeError, match="identifier"):
        series.append(2)  # rather than to lose it
    with h5py.File(path) as file:
        assert file["x"][:].tolist() == [1]


def test_limit_of_the_size_of_a_file(path):
    """The file is its last commit, wherever the limit is."""
    script = (
        "import resource, sys, numpy as np\n"
        "from utopya_backend.io import OutputFile\n"
        "file = OutputFile(sys.argv[1])\n"
        "file['x'] = np.zeros(1000)\n"
        "file.commit()\n"
        "limit = file._storage._file.size() + int(sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))\n"
        "file['y'] = np.arange(3)\n"
        "file['x'][:] = 1\n"
        "file.commit()\n"
    )
    for more in (0, 1, 100, 300):
        target = str(path.with_name(f"{more}.h5"))
        command = [sys.executable, "-c", script, target, str(more)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 1, result.stderr
        assert "It holds everything up to the last commit" in result.stderr
        with h5py.File(target) as file:
            assert list(file) == ["x"]
            assert not file["x"][:].any()


@pytest.mark.parametrize("mode", ["append", "change"])
def test_another_program_that_empties_the_file(path, mode):
    file = OutputFile(path)
    file["x"] = np.arange(1000)
    file.commit()
    with pytest.raises(OSError, match="unable to lock"):
        h5py.File(path, "w")  # HDF5 empties it all the same
    if mode == "append":
        file["y"] = np.arange(100_000)
    else:
        file["x"][0] = 1
    for _ in range(2):
        with pytest.raises(OSError, match="another program has cut it off"):
            file.commit()
    with pytest.raises(OSError, match="another program has cut it off"):
        file.close()


def test_a_file_that_is_deleted(path):
    file = OutputFile(path)
    file["x"] = 1
    file.commit()
    path.unlink()
    file["y"] = 1
    for action in (file.commit, file.commit, file.close):
        with pytest.raises(FileNotFoundError, match="deleted, or its directory was"):
            action()
    file.close()
    assert os.listdir(path.parent) == []


def test_a_file_that_is_deleted_after_its_last_change(path):
    file = OutputFile(path)
    file.commit()
    path.unlink()
    with pytest.raises(FileNotFoundError, match="there is no data"):
        file.close()


@pytest.mark.parametrize("moved", ["directory", "file"])
def test_a_file_that_is_moved(tmp_path, moved, caplog):
    (tmp_path / "before").mkdir()
    file = OutputFile(tmp_path / "before/data.h5")
    file["x"] = 1
    file.commit()
    if moved == "directory":
        os.rename(tmp_path / "before", tmp_path / "after")
    else:
        (tmp_path / "after").mkdir()
        os.rename(tmp_path / "before/data.h5", tmp_path / "after/data.h5")
    file["y"] = 2
    file.commit()
    file["z"] = 3
    file.close()
    (message,) = caplog.messages
    assert message.endswith(f"is complete, and is now {tmp_path}/after/data.h5.")
    with h5py.File(tmp_path / "after/data.h5") as reader:
        assert content_of(reader) == {"x": 1, "y": 2, "z": 3}
    assert not list(tmp_path.rglob("*.wal*"))


def test_a_journal_that_was_removed_is_made_anew(path):
    journal = journal_path(str(path))
    with OutputFile(path) as file:
        os.unlink(journal)
        file["x"] = 1
        file.commit()
        assert os.path.exists(journal)
        with pytest.raises(BlockingIOError):
            recover(str(path))
    assert os.listdir(path.parent) == [path.name]


def test_an_empty_journal_without_its_file_is_nobodys(path):
    journal = Path(journal_path(str(path)))
    first = OutputFile(path)
    path.unlink()
    second = OutputFile(path)
    second["x"] = 1
    second.commit()
    with pytest.raises(FileNotFoundError, match="there is no data"):
        first.close()
    assert journal.exists()  # it is that of the second one
    second.close()
    path.unlink()
    journal.touch()
    OutputFile(path).close()
    assert os.listdir(path.parent) == [path.name]


def test_nothing_is_overwritten(path):
    path.write_text("precious")
    with pytest.raises(FileExistsError, match=r"output file .* is never overwritten"):
        OutputFile(path)
    assert path.read_text() == "precious"
    assert os.listdir(path.parent) == [path.name]
    path.unlink()
    journal = Path(journal_path(str(path)))
    journal.write_text("precious")
    with pytest.raises(FileExistsError, match=r"output journal .* exists already"):
        OutputFile(path)
    assert journal.read_text() == "precious"
    assert not path.exists()


def test_interrupts_reach_the_caller_and_never_hdf5(path, monkeypatch):
    interrupts, armed = [], []

    class Interrupted(DiskFile):
        def write(self, offset, data):
            if armed and len(interrupts) < 3:
                interrupts.append(offset)
                raise KeyboardInterrupt
            super().write(offset, data)

    monkeypatch.setattr(storage, "DiskFile", Interrupted)
    file = OutputFile(path)
    armed.append(True)
    file["x"] = np.arange(10_000)
    with pytest.raises(KeyboardInterrupt):
        file.commit()
    assert len(interrupts) == 3
    assert file.commit()
    with h5py.File(path) as reader:
        assert reader["x"][-1] == 9999
    file.close()


def test_after_an_interrupted_write_nothing_is_committed(path):
    file = OutputFile(path)
    file["x"] = 1
    file.commit()
    file._storage._is_writing = True  # as an interrupt at its first line leaves it
    file["y"] = np.arange(10_000)
    with pytest.raises(OSError, match="was interrupted while it was writing"):
        file.commit()
    with pytest.raises(OSError, match="was interrupted while it was writing"):
        file.close()
    with h5py.File(path) as reader:
        assert content_of(reader) == {"x": 1}


def test_the_directory_may_change(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    file = OutputFile("data.h5")
    monkeypatch.chdir(tmp_path / "elsewhere")
    other = tmp_path / "elsewhere/data.h5.wal"
    other.write_text("precious")
    file.close()
    assert other.read_text() == "precious"
    assert set(os.listdir(tmp_path)) == {"elsewhere", "data.h5"}


def test_a_journal_that_somebody_has_removed(path):
    file = OutputFile(path)
    os.unlink(journal_path(str(path)))
    file.close()
    with h5py.File(path, "a") as other:  # which fails if somebody has it open
        assert content_of(other) == {}


def test_a_forked_child_does_not_touch_the_file(path):
    file = OutputFile(path)
    file["x"] = 1
    file.commit()
    before = path.read_bytes()
    pid = os.fork()
    if pid == 0:
        try:
            file["y"] = np.zeros(10_000)
            file.commit()
            file.close()
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert path.read_bytes() == before
    file["z"] = 2
    file.close()
    with h5py.File(path) as reader:
        assert content_of(reader) == {"x": 1, "z": 2}
