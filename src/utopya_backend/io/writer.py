"""Who writes an output file, and whether that process lives.

A writer holds an exclusive lock on its journal for as long as it lives, and never
converts it: whoever can get that lock knows that the writer is gone. Times say nothing,
since clocks differ. There are file systems without locks, and some whose locks are
those of one machine only. There, what the writer has noted about itself in the journal
has to do: its host, the boot of that, its process, and when that was started.

The record has 512 bytes: ``UTBEWAL2``; the CRC-32 of all that follows, little-endian;
and lines of text, filled up with zeros: for whom the lock is valid, the name of the
host, the identifier of the boot, the namespace of the numbers of processes, the number
of the process, and when that was started, in ticks since the boot.
"""

import enum
import functools
import os
import platform
import zlib
from typing import NamedTuple, Self

from .disk import DiskFile, Lock

RECORD_SIZE = 512
"""How much of a journal says who its writer is [bytes]; as a sector of a disk, it is
written as a whole"""

_MAGIC = b"UTBEWAL2"

_LOCAL = (
    "apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "hfs", "jfs",
    "ntfs3", "overlay", "ramfs", "reiserfs", "tmpfs", "vfat", "xfs", "zfs",
)  # fmt: skip
"""File systems of one machine"""

_SHARED = ("ceph", "gfs2", "gpfs", "nfs", "nfs4", "ocfs2", "lustre")
"""File systems of many machines, whose locks reach all of them unless …"""

_WITHOUT_REACH = ("local_lock=all", "local_lock=flock", "localflock", "nolock")
"""… they are mounted with one of these options"""


class Life(enum.Enum):
    """Whether a writer lives."""

    LIVES = enum.auto()
    GONE = enum.auto()
    """Its lock is free."""
    SEEMS_GONE = enum.auto()
    """There are no locks, but the process that it was is not there any more."""
    UNKNOWN = enum.auto()
    """There are no locks, and the process cannot be looked for from here."""


class Reach(enum.Enum):
    """For whom a lock is valid."""

    NONE = "nobody"
    HOST = "this host"
    ALL = "all hosts"


class Writer(NamedTuple):
    """A process that writes a file.

    Attributes:
        reach: For whom its lock is valid: a value of :py:class:`Reach`
        host: The name of its host
        boot: The identifier of the boot of that, empty if the system has none
        namespace: In which namespace its number is valid
        pid: Its number; 0 when it has ended in order, but left its journal
        started: When it was started, as the system counts
    """

    reach: str
    host: str
    boot: str
    namespace: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @classmethod
    def current(cls, reach: Reach) -> Self:
        """This process.

        Args:
            reach: For whom its lock is valid
        """
        pid = os.getpid()
        return cls(reach.value, *_here(), pid, _own_start(pid))

    @classmethod
    def ended(cls) -> Self:
        """This process, when it has ended to write, but has to leave its journal."""
        return cls(Reach.NONE.value, *_here(), 0, "")

    @staticmethod
    def is_record(data: bytes) -> bool:
        """Whether a journal begins with the record of its writer.

        Args:
            data: The content of the journal
        """
        return data.startswith(_MAGIC)

    def encode(self) -> bytes:
        """Makes the record that stands in a journal."""
        text = "\n".join(map(str, self)).encode(errors="replace")
        text = text[: RECORD_SIZE - len(_MAGIC) - 4]
        text = text.ljust(RECORD_SIZE - len(_MAGIC) - 4, b"\0")
        return _MAGIC + zlib.crc32(text).to_bytes(4, "little") + text

    @classmethod
    def decode(cls, data: bytes) -> Self | None:
        """Reads the record in a journal.

        Args:
            data: The content of the journal

        Returns:
            The writer; None if there is no whole record
        """
        begin = len(_MAGIC) + 4
        checksum, text = data[len(_MAGIC) : begin], data[begin:RECORD_SIZE]
        if not cls.is_record(data) or int.from_bytes(checksum, "little") != zlib.crc32(
            text
        ):
            return None
        try:
            *others, pid, started = (
                text.rstrip(b"\0").decode(errors="replace").split("\n")
            )
            reach, host, boot, namespace = others
            return cls(reach, host, boot, namespace, int(pid), started)
        except ValueError:
            return None

    def life(self) -> Life:
        """Whether the process lives, as far as one can tell from here."""
        if self.pid <= 0:
            return Life.SEEMS_GONE
        host, boot, namespace = _here()
        if not self.boot or not boot:
            return Life.UNKNOWN
        if self.boot != boot:
            is_rebooted = self.host == host and not host.startswith("localhost")
            return Life.SEEMS_GONE if is_rebooted else Life.UNKNOWN
        if self.namespace != namespace:
            return Life.UNKNOWN
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return Life.SEEMS_GONE
        except PermissionError:
            pass  # it is another user's
        if not os.access(f"/proc/{self.pid}/stat", os.R_OK):
            return Life.LIVES  # there is a process, but hidden from us
        is_same = _start_of(self.pid) == self.started
        return Life.LIVES if is_same else Life.SEEMS_GONE


def lock_for_life(journal: DiskFile) -> Reach:
    """Locks the journal of this process.

    Args:
        journal: The journal, of which nobody knows yet

    Returns:
        For whom the lock is valid
    """
    if journal.try_lock(exclusive=True) is not Lock.HELD:
        return Reach.NONE
    return Reach.ALL if locks_reach_other_hosts(journal.path) else Reach.HOST


def life_of_writer(
    journal: DiskFile, writer: Writer | None, *, exclusive: bool
) -> Life:
    """Whether the writer of a file lives. If it is gone, its journal is locked now.

    Args:
        journal: The journal
        writer: Who that says to be its writer
        exclusive: Whether the lock has to be exclusive. For that, NFS demands a file
            that is opened for writing.
    """
    lock = journal.try_lock(exclusive=exclusive)
    if lock is Lock.REFUSED:
        return Life.LIVES  # or somebody else is asking the same
    if lock is Lock.HELD and _is_believed(journal, writer):
        return Life.GONE
    return Life.UNKNOWN if writer is None else writer.life()


def _is_believed(journal: DiskFile, writer: Writer | None) -> bool:
    """Whether the lock of that writer would have kept this process from having one."""
    _, boot, _ = _here()
    if writer is None or not boot or not writer.boot:  # then nothing else is known
        return True
    if writer.boot == boot:
        return writer.reach != Reach.NONE.value
    return writer.reach == Reach.ALL.value and locks_reach_other_hosts(journal.path)


def locks_reach_other_hosts(path: str) -> bool:
    """Whether locks on a file are valid on all machines that can see the file.

    Args:
        path: The file
    """
    return _do_locks_reach_others(os.stat(path).st_dev)


@functools.cache
def _do_locks_reach_others(device: int) -> bool:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        mount, _, rest = line.partition(" - ")
        kind, _, options = (*rest.split(" "), "", "", "")[:3]
        if mount.split(" ")[2:3] == [number]:
            given = [*mount.split(" ")[5].split(","), *options.split(",")]
            if kind == "lustre" and "flock" not in given:
                return False
            is_shared = kind in _SHARED and not set(_WITHOUT_REACH) & set(given)
            return kind in _LOCAL or is_shared
    return False


@functools.cache
def _here() -> tuple[str, str, str]:
    """The host, the boot of it, and the namespace of the numbers of processes."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return platform.node(), boot, os.readlink("/proc/self/ns/pid")
    except OSError:
        return platform.node(), "", ""


@functools.cache
def _own_start(pid: int) -> str:
    """When this process was started; a forked child has another number."""
    return _start_of(pid) or ""


def _start_of(pid: int) -> str | None:
    """When a process was started; None if it is not there, or has ended."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # The name, in parentheses, may have any characters in it.
        fields = os.read(descriptor, 4096).rpartition(b")")[2].split()
    except OSError:  # it has just ended
        return None
    finally:
        os.close(descriptor)
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()
