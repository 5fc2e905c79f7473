import h5py
import numpy as np
import pytest

from utopya_backend import ModelBenchmarkMixin, simulate
from utopya_backend.errors import MissingFileError
from utopya_backend.io.comparing import compare


@pytest.fixture
def differences(tmp_path):
    """Compares two files, each made by a function."""

    def compare_files(*functions):
        paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
        for path, function in zip(paths, functions, strict=True):
            with h5py.File(path, "w") as file:
                function(file)
        return compare(*paths)

    return compare_files


def holding(value, **attrs):
    def make(file):
        dset = file.create_dataset("g/x", data=value)
        dset.attrs.update(attrs)

    return make


NOTHING = h5py.Empty("f")
VALUES = [
    1.5, "text", [1, 2], np.nan, [np.nan, -0.0], np.zeros((0, 2)), ["a", "b"],
    NOTHING, np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_same(differences, value):
    make = holding(value, unit="m", other=value)
    assert differences(make, make) == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0.0, 1.0], [0.0, 2.0], "values differ, first at [1]: 1.0 and 2.0"),
        ([[0.0]], [[-0.0]], "values differ, first at [0, 0]: 0.0 and -0.0"),
        (1, 2, "values differ, first 1 and 2"),
        (["a"], ["b"], "values differ, first at [0]: b'a' and b'b'"),
        ([1, 2], [1], "shape (2,) and (1,)"),
        ([1], [1.0], "dtype int64 and float64"),
    ],
)
def test_other_data(differences, first, second, expected):
    assert differences(holding(first), holding(second)) == [f"g/x: {expected}"]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"a": 1}, {"a": 2}, "attribute a: 1 and 2"),
        ({"a": 1}, {"a": 1.0}, "attribute a: 1 and 1.0"),
        ({"a": [1, 2]}, {"a": [1]}, "attribute a: [1 2] and [1]"),
        ({"a": "x"}, {"a": "y"}, "attribute a: x and y"),
        ({"a": 1}, {}, "attribute a only in the first"),
        ({}, {"a": 1}, "attribute a only in the second"),
        (
            {"a": h5py.Empty("f")},
            {"a": 0.0},
            "attribute a: Empty(dtype=dtype('<f4')) and 0.0",
        ),
    ],
)
def test_other_attributes(differences, first, second, expected):
    lines = differences(holding(0, **first), holding(0, **second))
    assert lines == [f"g/x: {expected}"]


def test_other_members(differences):
    lines = differences(
        lambda file: file.create_group("a/b"),
        lambda file: (file.create_dataset("a", data=1), file.create_group("c")),
    )
    assert lines == [
        "a: a dataset in one, a group in the other",
        "a/b: only in the first",
        "c: only in the second",
    ]


def test_what_tells_one_run_from_another_does_not_count(walk, monkeypatch):
    class TimedWalk(ModelBenchmarkMixin, walk):
        pass

    first = simulate(TimedWalk, num_steps=3, progress=False)
    monkeypatch.setattr("platform.node", lambda: "another")
    second = simulate(TimedWalk, num_steps=3, progress=False)
    other = simulate(TimedWalk, num_steps=3, seed=1, write_every=3, progress=False)
    assert compare(first.path, second.path) == []
    assert [line.split(" ")[0] for line in compare(first.path, other.path)] == [
        "/:", "TimedWalk/benchmark/cumulative:", "TimedWalk/benchmark/cumulative:",
        "TimedWalk/state:", "TimedWalk/state:",
    ]  # fmt: skip


def test_no_such_file(tmp_path):
    with pytest.raises(MissingFileError):
        compare(tmp_path / "a.h5", tmp_path / "b.h5")
