"""Room for more rows than were foreseen.

HDF5 cannot change the maximum size of a dataset. So another one without limits takes
its place: the same values and attributes, under the same names.
"""

from typing import Any

import h5py
import numpy as np

from .chunks import BLOCK_BYTES, ChunkWriter, chunk_shape


def without_limit(
    dset: h5py.Dataset, *, block_bytes: int = BLOCK_BYTES
) -> h5py.Dataset:
    """Replaces a dataset by one whose number of rows is not limited.

    Args:
        dset: A chunked dataset. It has no name in the file any more afterwards.
        block_bytes: Size of all chunks of the same rows, at most, if that is more than
            it was

    Returns:
        The one in its place
    """
    plist = dset.id.get_create_plist()
    if dset.chunks[0] >= dset.maxshape[0]:  # there were no rows to make it larger
        sizes = [max(size, 1) for size in dset.shape[1:]]
        chunks = chunk_shape(
            None, sizes, dset.dtype.itemsize, block_bytes=max(1, block_bytes)
        )
        if chunks[0] > dset.chunks[0]:
            plist.set_chunk(chunks)
    unlimited = (h5py.h5s.UNLIMITED, *_limits(dset)[1:])
    space = h5py.h5s.create_simple(dset.shape, unlimited)
    new = h5py.Dataset(
        h5py.h5d.create(dset.file.id, None, dset.id.get_type(), space, plist)
    )
    _copy_rows(dset, new)
    for key in dset.attrs:
        dtype = dset.attrs.get_id(key).dtype
        new.attrs.create(key, dset.attrs[key], dtype=dtype)
    root, address = dset.file, h5py.h5o.get_info(dset.id).addr
    first = dset.name and dset.name.removeprefix("/").encode()  # it stays the name
    for name in sorted(_names(root, address), key=lambda name: name != first):
        del root[name]
        root[name] = new
    return new


def _limits(dset: h5py.Dataset) -> tuple[int, ...]:
    return tuple(h5py.h5s.UNLIMITED if size is None else size for size in dset.maxshape)


def _copy_rows(dset: h5py.Dataset, new: h5py.Dataset) -> None:
    writer = ChunkWriter(new)
    num_rows, step = new.shape[0], new.chunks[0]
    for start in range(0, num_rows, step):
        rows = dset[start : start + step]
        if writer.is_direct and dset.dtype.kind in "biufc" and rows.size:
            block = np.zeros((step, *rows.shape[1:]), dset.dtype)
            block[: len(rows)] = rows
            writer.write(new.id, start, block)
        else:
            new[start : start + step] = rows


def _names(root: h5py.File, address: int) -> list[bytes]:
    """All names of an object, by its address."""
    names = []

    def look(name: bytes, info: Any) -> None:
        if info.type == h5py.h5l.TYPE_HARD and info.u == address:
            names.append(name)

    root.id.links.visit(look, info=True)
    return names
