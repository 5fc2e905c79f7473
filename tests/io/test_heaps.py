"""Files at which HDF5 would never end are refused, and no others."""

import h5py
import numpy as np
import pytest

from utopya_backend.errors import NotAnOutputFileError
from utopya_backend.io import heaps, open_output
from utopya_backend.io.opening import open_hdf5

HEAP = b"GCOL\1\0\0\0" + (4096).to_bytes(8, "little")


def write(path, *, padding=0):
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
        for number in range(20):
            file["x"].attrs[f"text {number}"] = "some text " * number
        file["padding"] = np.ones(padding)
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("where", [16, 512])
def test_zeros_in_a_heap(tmp_path, monkeypatch, where):
    monkeypatch.setattr(heaps, "_PATIENCE", 0.5)
    path = tmp_path / "data.h5"
    content = write(path)
    start = content.index(HEAP[:8]) + where
    content[start : start + 512] = bytes(512)
    path.write_bytes(content)
    with pytest.raises(
        NotAnOutputFileError, match="overwritten by zeros, so that HDF5"
    ):
        open_hdf5(str(path))
    assert path.read_bytes() == content


@pytest.mark.parametrize("padding", [0, 100_000])
def test_data_that_looks_like_such_a_heap(tmp_path, padding):
    path = tmp_path / "data.h5"
    write(path, padding=padding)
    with h5py.File(path, "a") as file:
        file["y"] = np.frombuffer(HEAP + bytes(4080), "uint8")
    assert len(open_output(path)["y"]) == 4096


@pytest.mark.parametrize("end", range(0, 40, 3))
def test_a_heap_at_the_very_end(tmp_path, end):
    path = tmp_path / "data.h5"
    write(path)
    with path.open("ab") as file:
        file.write((HEAP + bytes(24))[:end])
    assert open_output(path)["x"].values.tolist() == [0, 1, 2]
