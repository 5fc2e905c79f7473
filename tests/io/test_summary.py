import h5py
import numpy as np
import pytest

from utopya_backend.io.summary import format_size, summarize


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        dset = file.create_dataset("M/a", (3, 40), dtype="f4")
        dset.attrs["dim_names"] = ["time", "x"]
        file["M/group/scalar"] = 1
        file["M/type"] = np.dtype("f8")  # neither a group nor a dataset
        file["empty"] = h5py.Empty("f8")
    return tmp_path / "data.h5"


def test_summarize(path):
    assert summarize(path) == [
        "/M/a             time × x  3 × 40  float32",
        "/M/group/scalar            scalar  int64",
        "/empty                     scalar  float64",
    ]


def test_too_many_datasets(path):
    assert summarize(path, max_lines=1) == [
        "/M/a             time × x  3 × 40  float32",
        "... and 2 more",
    ]


def test_time_series_have_one_line(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        for time in range(100):
            file[f"graph/_vertices/{time}"] = range(5)
        file["graph/_vertices"].attrs["content"] = "time_series"
        file["z"] = 1
    assert summarize(tmp_path / "data.h5") == [
        "/graph/_vertices/  time  100 datasets",
        "/z                       scalar        int64",
    ]


def test_empty_file(tmp_path):
    h5py.File(tmp_path / "data.h5", "w").close()
    assert summarize(tmp_path / "data.h5") == []


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1234567, "1.23 MB"), (5e15, "5e+03 TB")],
)
def test_format_size(num_bytes, text):
    assert format_size(num_bytes) == text
