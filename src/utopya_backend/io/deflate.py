"""Compression of shuffled values, as HDF5's `deflate` filter decompresses it.

Of a floating-point number, the last bytes mostly are noise, which cannot be
compressed; looking for repetitions there takes most of the time. So the bytes of
all values that come first in memory are *stored*, as long as they are noise, and
only the rest is compressed, by the deflate of ISA-L.

The streams are what RFC 1950 (https://www.rfc-editor.org/rfc/rfc1950) and RFC 1951
describe: a header of two bytes, stored blocks, compressed blocks, a checksum.
"""

import functools
import logging
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

_LEVEL = 1  # level 2 is no smaller on shuffled floats, level 3 slower by half

_ZLIB_HEADER = b"\x78\x01"
_STORED_BLOCK = struct.Struct("<BHH")  # not the last one; its size; the complement
_MAX_STORED_BLOCK = 0xFFFF
_CHECKSUM = struct.Struct(">I")

_NOISE = 0.98
"""What cannot be compressed to less than that part of its size is noise"""

_TRY_AGAIN_AFTER = 16
"""After how many chunks it is looked for noise where there was none"""

_SAMPLE_SIZE = 1024
"""How much of what was noise is compressed to see whether it still is"""


class Deflater:
    """Compresses one chunk after the other of the same dataset."""

    def __init__(self) -> None:
        """Knows nothing yet of what the values look like."""
        self._num_noisy = 0
        self._num_chunks = 0

    def compress(self, planes: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
        """Compresses a chunk.

        Args:
            planes: The first byte of each value, then the second ones, and so on:
                array[byte, value], contiguous.

        Returns:
            A zlib stream
        """
        _, checksum = _compression()
        if self._num_chunks % _TRY_AGAIN_AFTER == 0 or not self._is_still_noisy(planes):
            self._num_noisy = _count_noisy(planes)
        self._num_chunks += 1
        octets = planes.reshape(-1)
        num_stored = self._num_noisy * planes.shape[1]
        parts: list[Any] = [_ZLIB_HEADER]
        for start in range(0, num_stored, _MAX_STORED_BLOCK):
            block = octets[start : min(start + _MAX_STORED_BLOCK, num_stored)]
            parts += [_STORED_BLOCK.pack(0, block.size, ~block.size & 0xFFFF), block]
        parts.append(_deflate(octets[num_stored:]))
        parts.append(_CHECKSUM.pack(checksum(octets)))
        return b"".join(parts)

    def _is_still_noisy(self, planes: np.ndarray[Any, Any]) -> bool:
        # At the end are the rows that are still missing, as zeros.
        return self._num_noisy == 0 or _is_noise(
            planes[self._num_noisy - 1, -_SAMPLE_SIZE:]
        )


def _count_noisy(planes: np.ndarray[Any, Any]) -> int:
    """How many planes cannot be compressed, before the first one that can."""
    for number, plane in enumerate(planes):
        if not _is_noise(plane):
            return number
    return len(planes)


def _is_noise(octets: np.ndarray[Any, Any]) -> bool:
    return len(_deflate(octets)) >= _NOISE * octets.size


def _deflate(octets: np.ndarray[Any, Any]) -> bytes:
    deflate, _ = _compression()
    return deflate(octets)


@functools.cache
def _compression() -> tuple[Callable[[Any], bytes], Callable[[Any], int]]:
    """The functions that compress and that make the checksum.

    They are chosen on first use: a model may write nothing. Without ISA-L, as in an
    environment that was made for the frontend, there is zlib.
    """
    try:
        from isal import igzip_lib, isal_zlib
    except ImportError:
        logging.getLogger().warning(
            "The package isal is not installed. zlib compresses the output instead, "
            "which takes 4 to 16 times as long. To change that: pip install isal"
        )
        return _deflate_by_zlib, zlib.adler32
    deflate = functools.partial(
        igzip_lib.compress,
        level=_LEVEL,
        flag=igzip_lib.COMP_DEFLATE,
        # As fast as with more memory, and smaller: the codes adapt more often.
        mem_level=igzip_lib.MEM_LEVEL_MEDIUM,
    )
    return deflate, isal_zlib.adler32


def _deflate_by_zlib(octets: np.ndarray[Any, Any]) -> bytes:
    deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(octets.data) + deflater.flush()
