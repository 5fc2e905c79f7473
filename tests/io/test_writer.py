"""Who lives is said by a lock; where there are none, by what the writer has noted."""

import errno
import fcntl
import os
import subprocess
import sys
import threading

import h5py
import pytest
from click.testing import CliRunner

from utopya_backend.cli import main
from utopya_backend.errors import FileInUseError, NotAnOutputFileError
from utopya_backend.io import (
    OutputFile,
    Recovery,
    opening,
    recover,
    storage,
    writer,
)
from utopya_backend.io.disk import DiskFile, Lock
from utopya_backend.io.glance import has_writer
from utopya_backend.io.journal import commit_in_journal, journal_path, split
from utopya_backend.io.opening import open_for_reading
from utopya_backend.io.recovery import find_writer
from utopya_backend.io.writer import (
    RECORD_SIZE,
    Life,
    Reach,
    Writer,
    locks_reach_other_hosts,
)
from utopya_backend.sweeps.directory import set_aside
from utopya_backend.watching import State, look

ORPHAN = """
import os, sys
from utopya_backend.io import OutputFile
OutputFile(sys.argv[1]).commit()
if os.fork() == 0:
    os.read(0, 1)
os._exit(9)
"""


def kill_one(path, *, when):
    """Has a writer die between two commits, or in the middle of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pid = os.fork()
    if pid == 0:
        try:
            file = OutputFile(path)
            file["x"] = 1
            file.commit()
            file["x"][()] = 2
            if when == "in a commit":
                storage.apply = lambda *_: os._exit(9)
                file.commit()
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run/data/uni1/data.h5"


@pytest.fixture(params=[errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def no_locks(request, monkeypatch):
    def flock(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr("fcntl.flock", flock)
    return request.param


def as_if_from(path, **changes):
    """Changes what a journal says about its writer."""
    journal = journal_path(str(path))
    with open(journal, "r+b") as file:
        noted, _ = split(file.read())
        file.seek(0)
        file.write(noted._replace(**changes).encode())


def value_in(path):
    file, _ = open_for_reading(path)
    with file:
        return int(file["x"][()])


# .. With locks ...............................................................


def test_a_writer_has_its_lock_for_life(path):
    path.parent.mkdir(parents=True)
    with OutputFile(path) as file:
        for number in range(3):
            assert has_writer(path)
            with (
                open(journal_path(str(path)), "r+b") as journal,
                pytest.raises(BlockingIOError),
            ):
                fcntl.flock(journal, fcntl.LOCK_SH | fcntl.LOCK_NB)
            with pytest.raises(FileInUseError, match="is open in another process"):
                recover(str(path), force=True)
            file.attrs["number"] = number
            file.commit()
    assert not has_writer(path)
    assert os.listdir(path.parent) == [path.name]


def test_what_is_seen_of_a_commit_that_was_interrupted(path):
    """There may be anything in the file, so that nothing of that is shown."""
    kill_one(path, when="in a commit")
    before = path.read_bytes()
    (seen,) = look(path)
    assert seen.state is State.KILLED
    assert seen.detail.startswith("while it committed")
    assert not seen.glance.attrs
    assert path.read_bytes() == before


@pytest.mark.parametrize("seconds", [-10_000, 0, 10_000])
@pytest.mark.parametrize("when", ["between commits", "in a commit"])
def test_times_say_nothing(path, when, seconds):
    kill_one(path, when=when)
    now = os.stat(path).st_mtime + seconds
    os.utime(journal_path(str(path)), (now, now))
    assert not has_writer(path)
    assert value_in(path) == (2 if when == "in a commit" else 1)
    assert os.listdir(path.parent) == [path.name]


def test_a_writer_closes_between_the_look_and_the_lock(path, monkeypatch):
    path.parent.mkdir(parents=True)
    file = OutputFile(path)
    file["x"] = 1
    try_lock = DiskFile.try_lock

    def closing(self, *, exclusive):
        monkeypatch.setattr(DiskFile, "try_lock", try_lock)
        file.close()
        return try_lock(self, exclusive=exclusive)

    monkeypatch.setattr(DiskFile, "try_lock", closing)
    assert value_in(path) == 1


def test_a_journal_that_is_replaced_between_the_look_and_the_lock(path, monkeypatch):
    """What is locked then is not the journal any more, and who lives has another."""
    kill_one(path, when="between commits")
    try_lock = DiskFile.try_lock
    living = []

    def replacing(self, *, exclusive):
        monkeypatch.setattr(DiskFile, "try_lock", try_lock)
        set_aside(path.parent)
        path.parent.mkdir()
        living.append(OutputFile(path))
        return try_lock(self, exclusive=exclusive)

    monkeypatch.setattr(DiskFile, "try_lock", replacing)
    with pytest.raises(FileInUseError):
        recover(str(path))
    assert has_writer(path)
    living[0].close()


def test_a_writer_is_killed_between_the_look_and_the_opening(path, monkeypatch):
    """In the middle of a commit: what is opened then is no commit."""
    kill_one(path, when="in a commit")
    original = opening._recover

    def before_the_kill(*args):
        monkeypatch.setattr(opening, "_recover", original)
        return Recovery.NOTHING

    monkeypatch.setattr(opening, "_recover", before_the_kill)
    assert value_in(path) == 2


def test_two_who_recover_at_once(path):
    kill_one(path, when="in a commit")
    barrier = threading.Barrier(4)
    values = []

    def read():
        barrier.wait()
        values.append(value_in(path))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == [2, 2, 2, 2]


def test_somebody_who_only_looks_does_not_make_it_live(path):
    kill_one(path, when="between commits")
    with open(journal_path(str(path)), "r+b") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        assert not has_writer(path)


def test_who_recovers_waits_for_somebody_who_looks(path, monkeypatch):
    kill_one(path, when="in a commit")
    journal = open(journal_path(str(path)), "r+b")  # noqa: SIM115  # see sleep()
    fcntl.flock(journal, fcntl.LOCK_SH)
    monkeypatch.setattr("time.sleep", lambda _: journal.close())
    assert recover(str(path)) is Recovery.REPLAYED


def test_a_commit_that_a_reader_keeps_from_being_completed(path):
    kill_one(path, when="in a commit")
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with h5py.File(path), pytest.raises(FileInUseError, match="has to be completed"):
        open_for_reading(path, clock=lambda: now[0], sleep=sleep)
    assert value_in(path) == 2


def test_old_journals(path):
    """They have no record of their writer."""
    kill_one(path, when="in a commit")
    journal = journal_path(str(path))
    with open(journal, "rb") as file:
        content = file.read()[RECORD_SIZE:]
    with open(journal, "wb") as file:
        file.write(content)
    assert find_writer(str(path)) == (Life.GONE, None)
    assert recover(str(path)) is Recovery.REPLAYED


@pytest.mark.parametrize("size", [0, 100, RECORD_SIZE])
def test_a_record_that_did_not_get_to_the_disk(path, size):
    kill_one(path, when="in a commit")
    with open(journal_path(str(path)), "r+b") as file:
        file.write(bytes(RECORD_SIZE) if size == 0 else b"")
        if size:
            file.truncate(size)
    assert recover(str(path)) is not Recovery.DROPPED


# .. Forked children ..........................................................


def test_a_child_has_no_part_in_the_lock(path):
    path.parent.mkdir(parents=True)
    file = OutputFile(path)
    file["x"] = 1
    file.commit()
    end, go_on = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go_on)
        code = 1
        try:
            code = 0 if file["x"][()] == 1 else 2  # it can be read
            os.read(end, 1)
        finally:
            os._exit(code)
    os.close(end)
    assert has_writer(path)
    file.close()
    with h5py.File(path, "r+"):  # the child has not locked it either
        assert not has_writer(path)
    os.close(go_on)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_an_orphan_does_not_keep_a_file_from_recovery(path):
    path.parent.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(path)], stdin=subprocess.PIPE
    ) as process:
        process.wait()
        assert recover(str(path)) is Recovery.NOTHING
        assert os.listdir(path.parent) == [path.name]


# .. Without locks ............................................................


def test_without_locks_a_look_changes_nothing(path, no_locks):
    path.parent.mkdir(parents=True)
    with OutputFile(path) as file:
        file["x"] = 1
        file.commit()
        assert find_writer(str(path)) == (Life.LIVES, Writer.current(Reach.NONE))
        assert value_in(path) == 1
        with pytest.raises(FileInUseError, match="is open in another process"):
            recover(str(path), force=True)
        assert os.path.exists(journal_path(str(path)))
    assert os.listdir(path.parent) == [path.name]


def test_without_locks_a_killed_writer_is_known_by_its_process(path, no_locks):
    kill_one(path, when="between commits")
    assert find_writer(str(path))[0] is Life.SEEMS_GONE
    assert not has_writer(path)
    assert value_in(path) == 1
    assert os.path.exists(journal_path(str(path)))
    result = CliRunner().invoke(main, ["show", str(path)])
    assert "file            clean" in result.output
    set_aside(path.parent)
    assert not path.exists()


def test_without_locks_only_a_person_completes_a_commit(path, no_locks):
    kill_one(path, when="in a commit")
    before = path.read_bytes(), commit_in_journal(str(path))
    with pytest.raises(NotAnOutputFileError, match="complete it by `utopya-backend re"):
        open_for_reading(path)
    assert (path.read_bytes(), commit_in_journal(str(path))) == before
    result = CliRunner().invoke(main, ["recover", str(path)])
    first, second = result.output.splitlines()
    assert first.startswith("There are no locks here; but the writer, process ")
    assert second.endswith("was recovered: its last commit is complete now.")
    assert value_in(path) == 2


OTHER_HOST = {"host": "elsewhere", "boot": "another"}


@pytest.mark.parametrize(
    "changes",
    [
        OTHER_HOST,
        {"host": "localhost", "boot": "another"},
        {"namespace": "pid:[1]"},
        {"boot": ""},
    ],
)
def test_without_locks_another_host_is_up_to_a_person(path, no_locks, changes):
    kill_one(path, when="in a commit")
    as_if_from(path, **changes)
    assert has_writer(path)
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with pytest.raises(FileInUseError, match="cannot be known from here"):
        open_for_reading(path, clock=lambda: now[0], sleep=sleep)
    result = CliRunner().invoke(main, ["recover", str(path)])
    assert (result.exit_code, "recover --force" in result.output) == (2, True)
    with pytest.raises(FileInUseError, match="sweep --continue … --force"):
        set_aside(path.parent)
    assert recover(str(path), force=True) is Recovery.REPLAYED
    assert value_in(path) == 2


def test_without_locks_and_without_a_record(path, no_locks):
    kill_one(path, when="between commits")
    with open(journal_path(str(path)), "wb"):
        pass
    assert has_writer(path)
    assert value_in(path) == 1
    set_aside(path.parent, force=True)


def test_without_locks_a_writer_that_could_not_close(path, no_locks, monkeypatch):
    """Its process goes on, but not with the file."""
    path.parent.mkdir(parents=True)
    file = OutputFile(path)
    file["x"] = 1
    monkeypatch.setattr(storage, "apply", lambda *_: os.ftruncate(-1, 0))
    with pytest.raises(OSError, match="in its journal"):
        file.commit()
    assert has_writer(path)
    with pytest.raises(OSError, match="in its journal"):
        file.close()
    assert not has_writer(path)
    assert recover(str(path)) is Recovery.REPLAYED
    assert value_in(path) == 1


def test_locks_of_one_machine_say_nothing_about_another(path, monkeypatch):
    kill_one(path, when="in a commit")
    as_if_from(path, **OTHER_HOST)
    monkeypatch.setattr(writer, "locks_reach_other_hosts", lambda path: False)
    assert find_writer(str(path))[0] is Life.UNKNOWN
    monkeypatch.setattr(writer, "locks_reach_other_hosts", lambda path: True)
    assert find_writer(str(path))[0] is Life.GONE
    as_if_from(path, reach=Reach.HOST.value)
    assert find_writer(str(path))[0] is Life.UNKNOWN


def test_a_writer_that_could_not_get_its_lock(path, monkeypatch):
    """Others can, as where the same file system is mounted with other options."""
    path.parent.mkdir(parents=True)
    with monkeypatch.context() as patched:
        patched.setattr(DiskFile, "try_lock", lambda self, exclusive: Lock.UNKNOWN)
        file = OutputFile(path)
    assert find_writer(str(path))[0] is Life.LIVES
    file["x"] = 1
    file.commit()
    assert value_in(path) == 1
    with pytest.raises(FileInUseError):
        recover(str(path), force=True)
    assert os.path.exists(journal_path(str(path)))
    file.close()


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ("rw - ext4 /dev/sda1 rw", True),
        ("rw - tmpfs tmpfs rw,size=10k", True),
        ("rw - nfs4 server:/x rw,vers=4.2,local_lock=none", True),
        ("rw - nfs server:/x rw,vers=3,local_lock=all", False),
        ("rw - nfs server:/x rw,vers=3,local_lock=flock", False),
        ("rw - lustre 1@tcp:/x rw,flock", True),
        ("rw - lustre 1@tcp:/x rw,localflock", False),
        ("rw - lustre 1@tcp:/x rw", False),
        ("rw,relatime shared:1 - fuse.sshfs x rw", False),
        ("rw - 9p x rw", False),
    ],
)
def test_how_far_locks_reach(tmp_path, monkeypatch, request, mount, expected):
    device = os.stat(tmp_path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 0:99 / / rw - ext4 x rw\n2 1 {number} / /x {mount}\n")

    def open_table(name, *args, **kwargs):
        return open(table, *args, **kwargs)

    monkeypatch.setattr(writer, "open", open_table, raising=False)
    writer._do_locks_reach_others.cache_clear()
    request.addfinalizer(writer._do_locks_reach_others.cache_clear)
    assert locks_reach_other_hosts(str(tmp_path)) is expected


# .. The record ...............................................................


def test_record():
    here = Writer.current(Reach.ALL)
    assert len(here.encode()) == RECORD_SIZE
    assert Writer.decode(here.encode() + b"a commit") == here
    assert here.life() is Life.LIVES
    assert here._replace(started="1").life() is Life.SEEMS_GONE
    assert Writer.ended().life() is Life.SEEMS_GONE
    assert here._replace(boot="before").life() is Life.SEEMS_GONE
    assert str(here) == f"process {os.getpid()} on {here.host}"
    for damaged in (b"", here.encode()[:-1], b"x" + here.encode()):
        assert Writer.decode(damaged) is None


def test_a_process_that_nobody_has_waited_for_is_dead():
    with subprocess.Popen(["true"]) as process:
        started = writer._start_of(process.pid)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert Writer.current(Reach.HOST)._replace(
            pid=process.pid, started=started or ""
        ).life() is Life.SEEMS_GONE  # fmt: skip


def test_locks_are_true_if_one_may_go_on():
    assert [bool(lock) for lock in Lock] == [True, False, True]
