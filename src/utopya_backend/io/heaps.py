"""A look at a file that would keep HDF5 busy for ever, before that gets it.

Texts of any length, as in attributes, are in *global heaps* of HDF5: blocks of objects,
one behind the other, which it goes through by their sizes. If zeros got into one, as
after a power failure or on a bad disk, it finds an object of size zero there, and looks
at that again and again. Nothing in this process could end that.
"""

import functools
import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator

_SIGNATURE = re.compile(rb"GCOL\x01.{11}", re.DOTALL)
_HEADER = struct.Struct("<H6xQ")  # of a heap and of each object: its number, its size
_LOOKED_AT = 2**14  # bytes, at the start and at the end: this must not take long
_PATIENCE = 3.0  # s, for another process to read all texts
_READ_ALL_TEXTS = """
import faulthandler, sys
import h5py

def read(name, item):
    for key in item.attrs:
        item.attrs[key]
    if isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype):
        item[()]

faulthandler.dump_traceback_later(float(sys.argv[2]), exit=True)
try:
    with h5py.File(sys.argv[1], "r") as file:
        read("", file)
        file.visititems(read)
except Exception:
    pass  # which is an end, too
print("ended")
"""


def ends_never(path: str) -> bool:
    """Whether HDF5 would read some text of a file for ever, or crash.

    Args:
        path: The file
    """
    if not any(map(_has_zeros, _ends_of(path))):
        return False
    status = os.stat(path)
    return _fails(path, (status.st_ino, status.st_size, status.st_mtime_ns))


def _ends_of(path: str) -> Iterator[bytes]:
    """The start of a file, where most of its texts are, and its end."""
    with open(path, "rb", buffering=0) as file:
        yield (start := file.read(_LOOKED_AT))
        if len(start) == _LOOKED_AT:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _LOOKED_AT, _LOOKED_AT))
            yield file.read(_LOOKED_AT)


def _has_zeros(part: bytes) -> bool:
    """Whether a heap has an object of number 0, the space that is free, and size 0."""
    for found in _SIGNATURE.finditer(part):
        place = found.end()
        end = min(found.start() + _HEADER.unpack(found[0])[1], len(part))
        while place + _HEADER.size <= end:
            number, size = _HEADER.unpack_from(part, place)
            if number == 0:
                if size == 0:
                    return True
                break
            place += _HEADER.size + -(-size // 8) * 8
    return False


@functools.lru_cache
def _fails(path: str, state: tuple[int, int, int]) -> bool:
    """Has another process try it: heaps that are not used any more do not matter.

    Args:
        path: The file
        state: By which it is known whether it has changed
    """
    command = [sys.executable, "-c", _READ_ALL_TEXTS, path, str(_PATIENCE)]
    process = subprocess.run(command, capture_output=True, check=False)
    return b"ended" not in process.stdout
