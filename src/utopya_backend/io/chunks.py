"""Chunks of time series: their shape, and how they get into the file.

HDF5 stores a dataset in chunks and compresses each by itself. What costs time is
not only the compression, but every single call of HDF5. So whole chunks are made
here, by the fast deflate of ISA-L, and written as they are; any HDF5 library reads
them, since they are what its own `shuffle` and `deflate` filters would have made.
"""

import itertools
import math
import threading
import zlib
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from .deflate import Deflater

CHUNK_BYTES = 256 * 1024
"""Size of a chunk, uncompressed, at most (unless a single value is larger)"""

BLOCK_BYTES = 4 * 1024**2
"""Size of all chunks of the same rows, at most (unless a single row is larger)"""

_MIN_ROWS = 32
"""With fewer rows than that in a chunk, it does not hold whole rows"""


def chunk_shape(
    num_rows: int | None,
    row_shape: Sequence[int],
    item_size: int,
    *,
    block_bytes: int = BLOCK_BYTES,
) -> tuple[int, ...]:
    """The shape of the chunks of a time series.

    Wide rows are divided into several chunks, so that reading a few columns
    stays cheap.

    Args:
        num_rows: How many rows there will be, None if that is not known
        row_shape: The shape of a row
        item_size: The size of a value [bytes]
        block_bytes: Size of all chunks of the same rows, at most

    Example:
        >>> chunk_shape(10_000, (100,), 8)
        (327, 100)
        >>> chunk_shape(10_000, (10_000,), 8)
        (52, 625)
    """
    columns = [max(size, 1) for size in row_shape]
    row_bytes = item_size * math.prod(columns)
    is_narrow = row_bytes * _MIN_ROWS <= CHUNK_BYTES  # then a chunk holds whole rows
    rows = (CHUNK_BYTES if is_narrow else block_bytes) // row_bytes
    rows = max(1, rows if num_rows is None else min(rows, num_rows))
    while rows * math.prod(columns) * item_size > CHUNK_BYTES and max(columns) > 1:
        widest = columns.index(max(columns))
        columns[widest] = -(-columns[widest] // 2)
    return (rows, *columns)


class ChunkWriter:
    """Writes blocks of rows to a dataset, chunk by chunk."""

    def __init__(self, dset: h5py.Dataset) -> None:
        """Looks at how the dataset stores its chunks.

        Args:
            dset: A chunked dataset
        """
        plist = dset.id.get_create_plist()
        filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        shuffle, deflate = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE
        self.shape: tuple[int, ...] = dset.chunks
        self.is_direct = filters in ([], [deflate], [shuffle, deflate])
        self._shuffles = shuffle in filters
        self._deflates = deflate in filters
        self._compresses = self._deflates and dset.compression_opts > 0
        self._deflater = Deflater()

    def write(self, dset_id: Any, start: int, block: np.ndarray[Any, Any]) -> None:
        """Writes a block of rows, of as many as a chunk has.

        Args:
            dset_id: The h5py identifier of the dataset, large enough for them
            start: The number of the first row, a multiple of the chunk's rows
            block: The rows, array[row, ...]
        """
        steps = self.shape[1:]
        for offsets in itertools.product(
            *(
                range(0, size, step)
                for size, step in zip(block.shape[1:], steps, strict=True)
            )
        ):
            part = block[
                (
                    slice(None),
                    *(slice(o, o + s) for o, s in zip(offsets, steps, strict=True)),
                )
            ]
            dset_id.write_direct_chunk((start, *offsets), self._encode(part))

    def _encode(self, part: np.ndarray[Any, Any]) -> bytes:
        """Encodes a chunk, of which a part lies within the dataset."""
        chunk = part
        if part.shape != self.shape or not part.flags.c_contiguous:
            # HDF5 stores whole chunks, also at the edge.
            chunk = _workspace.array("chunk", self.shape, part.dtype)
            if part.shape != self.shape:
                chunk[...] = 0
            chunk[tuple(map(slice, part.shape))] = part
        planes = chunk.reshape(1, -1).view(np.uint8)
        if self._shuffles and chunk.itemsize > 1:
            shape = (chunk.itemsize, chunk.size)
            shuffled = _workspace.array("shuffled", shape, np.uint8)
            shuffled[...] = planes.reshape(-1, chunk.itemsize).T
            planes = shuffled
        if self._compresses:
            return self._deflater.compress(planes)
        octets = planes.tobytes()
        return zlib.compress(octets, 0) if self._deflates else octets


class _Workspace(threading.local):
    """Arrays to work with, of each thread: memory that is new costs page faults."""

    def __init__(self) -> None:
        self._memory: dict[str, np.ndarray[Any, Any]] = {}

    def array(
        self, name: str, shape: tuple[int, ...], dtype: Any
    ) -> np.ndarray[Any, Any]:
        """An array with arbitrary values, valid until the next one of that name."""
        num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        memory = self._memory.get(name)
        if memory is None or memory.size < num_bytes:
            memory = self._memory[name] = np.empty(num_bytes, np.uint8)
        array: np.ndarray[Any, Any] = memory[:num_bytes].view(dtype).reshape(shape)
        return array


_workspace = _Workspace()
