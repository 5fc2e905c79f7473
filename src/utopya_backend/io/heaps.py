"""A look at a file that would keep HDF5 busy for ever, before that gets it.

Texts of any length, as in attributes, are in *global heaps* of HDF5: blocks of objects,
one behind the other, which it goes through by their sizes. If zeros got into one, as
after a power failure or on a bad disk, it finds an object of size zero there, and looks
at that again and again. Nothing in this process could end that.
"""

import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator

import h5py

_SIGNATURE = re.compile(rb"GCOL\x01.{11}", re.DOTALL)
_HEADER = struct.Struct("<H6xQ")  # of a heap and of each object: its number, its size
_LOOKED_AT = 2**14  # bytes, at the start and at the end: this must not take long
_PATIENCE = 10.0  # s, for another process to read all texts
_READ_ALL_TEXTS = """
import sys, h5py

def read(name, item):
    for key in item.attrs:
        item.attrs[key]
    if isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype):
        item[()]

with h5py.File(sys.argv[1], "r") as file:
    read("", file)
    file.visititems(read)
"""


def ends_never(file_id: h5py.h5f.FileID, path: str) -> bool:
    """Whether HDF5 would read some text of a file for ever, or crash.

    Args:
        file_id: The file, which HDF5 has opened
        path: Its path
    """
    return any(map(_has_zeros, _ends_of(file_id))) and _fails(path)


def _ends_of(file_id: h5py.h5f.FileID) -> Iterator[bytes]:
    """The start of a file, where most of its texts are, and its end."""
    descriptor: int = file_id.get_vfd_handle()
    yield (start := os.pread(descriptor, _LOOKED_AT, 0))
    if len(start) == _LOOKED_AT:
        behind = file_id.get_filesize() - _LOOKED_AT
        yield os.pread(descriptor, _LOOKED_AT, max(behind, _LOOKED_AT))


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


def _fails(path: str) -> bool:
    """Has another process try it: heaps that are not used any more do not matter."""
    command = [sys.executable, "-c", _READ_ALL_TEXTS, path]
    try:
        process = subprocess.run(
            command, capture_output=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return process.returncode < 0
