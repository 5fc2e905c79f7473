import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utopya_backend.io.lazy import (
    GridArray,
    InMemory,
    PlacedArray,
    StackedArray,
    StoredArray,
    take,
)


def part_of_axis(size):
    numbers = st.integers(0, size - 1) if size else st.nothing()
    slices = st.builds(slice, st.integers(0, size), st.integers(0, size + 2))
    steps = st.builds(slice, st.just(0), st.just(size), st.integers(1, 3))
    arrays = st.lists(numbers, max_size=4).map(lambda n: np.array(n, dtype=int))
    return st.one_of(slices, steps, arrays, *([numbers] if size else []))


def parts_of(shape):
    return st.tuples(*map(part_of_axis, shape))


def expected(values, index):
    for axis in reversed(range(values.ndim)):
        values = values[(slice(None),) * axis + (index[axis],)]
    return values


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("lazy") / "data.h5")
    values = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    with h5py.File(path, "w") as file:
        file["values"] = values
        file["texts"] = ["a", "ä", ""]
        file["number"] = 1.5
    with h5py.File(path) as file:
        arrays = {name: StoredArray(path, name, file[name].id) for name in file}
    return arrays, values


@given(parts_of((4, 5, 6)))
def test_stored(stored, index):
    arrays, values = stored
    read = arrays["values"].read(index)
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, expected(values, index))


def test_texts_and_scalars(stored):
    arrays, _ = stored
    assert arrays["texts"].read((np.array([2, 0, 1]),)).tolist() == ["", "a", "ä"]
    assert arrays["number"].read(()) == 1.5


@given(parts_of((2, 3, 4)), st.sampled_from("CF"))
def test_grid(index, order):
    cells = np.arange(24).reshape(2, 12)
    grids = np.stack([row.reshape(3, 4, order=order) for row in cells])
    read = GridArray(InMemory(cells), (3, 4), order).read(index)
    np.testing.assert_array_equal(read, expected(grids, index))


@given(parts_of((2, 3, 4, 5)))
def test_stack_of_parts_of_different_size(index):
    whole = np.full((2, 3, 4, 5), np.nan)
    parts = {}
    for position in [(0, 0), (0, 2), (1, 1)]:
        shape = (4, 5) if position == (0, 0) else (1 + position[1], 3)
        values = np.arange(np.prod(shape)).reshape(shape) + 100 * position[1]
        whole[(*position, *map(slice, shape))] = values
        parts[position] = InMemory(values)
    array = StackedArray(parts, (2, 3))
    assert array.shape == whole.shape
    assert array.dtype == float
    np.testing.assert_array_equal(array.read(index), expected(whole, index))


def test_stack_that_is_complete_keeps_its_type():
    parts = {(i,): InMemory(np.array([i, i])) for i in range(3)}
    array = StackedArray(parts, (3,))
    assert array.dtype == int
    assert array.read((slice(None), 0)).tolist() == [0, 1, 2]


@given(
    st.lists(st.integers(0, 6), unique=True, min_size=1).map(sorted),
    parts_of((2,)),
    st.lists(st.integers(0, 6)),
)
def test_placed(places, rows, wanted):
    whole = np.full((2, 7), np.nan)
    values = np.arange(2 * len(places)).reshape(2, -1)
    whole[:, places] = values
    array = PlacedArray(InMemory(values), [None, np.array(places)])
    wanted = [number for number in wanted if number < array.shape[1]]
    index = (np.ravel(np.arange(2)[rows]), np.array(wanted, dtype=int))
    np.testing.assert_array_equal(array.read(index), take(whole, index))


def test_nothing_stays_open(stored):
    arrays, values = stored
    arrays["values"].read((slice(None),) * 3)
    path = arrays["values"]._path
    with h5py.File(path, "r+") as file:  # fails while it is open elsewhere
        assert (file["values"][:] == values).all()


def test_texts_in_records(tmp_path):
    text, inner = (
        h5py.string_dtype(),
        [("n", h5py.string_dtype("utf-8", 4)), ("x", int)],
    )
    kind = np.dtype(
        [("name", text), ("at", inner), ("list", text, (2,)), ("raw", "S3"),
         ("row", h5py.vlen_dtype(int))]
    )  # fmt: skip
    record = (b"B\xc3\xa4r", ("ä".encode(), 1), (b"a", b"\xff"), b"raw", np.arange(2))
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["one"] = np.array(record, kind)
        file["many"] = np.array([record] * 3, kind)
        file.create_dataset("empty", (2,), kind)
        arrays = {name: StoredArray(path, name, file[name].id) for name in file}
    one = arrays["one"].read(())
    many = arrays["many"].read((slice(None),))
    for found in (one[()], *many):
        assert found["name"] == "Bär"
        assert found["at"].item() == ("ä", 1)
        assert found["list"].tolist() == ["a", "\\xff"]
        assert found["raw"] == b"raw"
        assert found["row"].tolist() == [0, 1]
    assert one.dtype == many.dtype == arrays["one"].dtype
    assert arrays["many"].read((1,))["name"] == "Bär"
    assert arrays["empty"].read((slice(None),))["list"].tolist() == [["", ""]] * 2


def test_records_without_texts_stay_as_they_are(tmp_path):
    kind = np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [0, 8]})
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.array([(1, 2.0)], kind)
        array = StoredArray(path, "x", file["x"].id)
    assert array.dtype == kind
    assert array.read((0,)).item() == (1, 2.0)
