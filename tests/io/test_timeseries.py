"""A time series behaves as a plain dataset, whatever is done to it."""

import math
import os
import shutil
import sys
import tempfile
import threading

import h5py
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from utopya_backend.io.chunks import CHUNK_BYTES, chunk_shape
from utopya_backend.io.output import OutputFile, create_series, make_series
from utopya_backend.io.timeseries import TimeSeries

MAX_ROWS = 60

KINDS = st.fixed_dictionaries(
    {
        "row_shape": st.sampled_from([(), (1,), (3,), (2, 3)]),
        "dtype": st.sampled_from(["f8", "f4", "i8", "i2", "u1", "?", "c16", ">f8"]),
        "compression": st.sampled_from([None, 0, 2, 9, "gzip", "lzf"]),
        "num_rows": st.sampled_from([None, MAX_ROWS]),
        "rows_in_chunk": st.integers(1, 7),
    }
)

VALUES = st.one_of(
    st.integers(-3, 300),
    st.floats(-1e3, 1e3),
    st.booleans(),
    st.sampled_from([-(2**53) - 1, 2**24 + 1, 2**53 + 1, 2**63 - 1]),
    # An array of that type
    st.sampled_from(["f8", "f4", "f2", "i8", "i4", "i2", "u1", "u8", "?", "c16"]),
)


def outcome_of(action):
    """What an action returns or raises, in a form that can be compared."""
    try:
        result = action()
    except Exception as error:
        return type(error).__name__
    if isinstance(result, (np.ndarray, np.generic)):
        return result.dtype, result.shape, result.tolist()
    return result


def is_held(value, dtype, *, cut=False):
    """Whether a type holds values, rounded at most; reckoned with Python's numbers.

    Or, for integers, whether it holds them without their fractions.
    """
    numbers = np.asarray(value).ravel().tolist()
    return all(is_number_held(number, dtype, cut=cut) for number in numbers)


def is_number_held(number, dtype, *, cut):
    if isinstance(number, complex):
        return dtype.kind == "c"
    if dtype.kind in "fc":
        with np.errstate(over="ignore"):
            return not math.isfinite(number) or bool(np.isfinite(dtype.type(number)))
    limits = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if not math.isfinite(number):
        return False
    is_whole = number == int(number) or (cut and dtype.kind != "b")
    return is_whole and limits[0] <= int(number) <= limits[1]


class SideBySide(RuleBasedStateMachine):
    """Does the same to a time series and to a plain dataset.

    What the type does not hold is refused by the one, and clipped by the other.
    """

    def __init__(self):
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.paths = [os.path.join(self.directory, name) for name in ("o", "p")]
        self.files = []
        self.number = 0

    def teardown(self):
        try:
            if self.number:
                self.compare_when_closed()
        finally:
            for file in self.files:
                file.close()
            shutil.rmtree(self.directory)

    def compare_when_closed(self):
        self.both(lambda dset, file: file.close())
        self.compare(lambda dset, file: bool(dset))
        for action in (
            lambda dset, file: dset.shape,
            lambda dset, file: dset[-1],
            lambda dset, file: dset.resize(1, axis=0),
        ):  # which error it is depends on what h5py has cached
            assert set(self.both(action)) <= {"ValueError", "RuntimeError"}
        with h5py.File(self.paths[0]) as ours, h5py.File(self.paths[1]) as plain:
            np.testing.assert_array_equal(ours["g/ts"][()], plain["g/ts"][()])
            assert ours["g/ts"].dtype == plain["g/ts"].dtype
            assert dict(ours["g/ts"].attrs) == dict(plain["g/ts"].attrs)

    @initialize(kind=KINDS)
    def make(self, kind):
        self.number = 1
        self.row_shape = kind["row_shape"]
        chunks = (kind.pop("rows_in_chunk"), *[max(n - 1, 1) for n in self.row_shape])
        self.files = (OutputFile(self.paths[0]), h5py.File(self.paths[1], "w"))
        self.dsets = []
        for file in self.files:
            group = file.create_group("g")
            dset = create_series(group, "ts", chunks=chunks, **kind)
            if file is self.files[0]:
                dset = make_series(dset, group)
                assert isinstance(dset, TimeSeries)
            self.dsets.append(dset)

    def both(self, action):
        return [
            outcome_of(lambda d=dset, f=file: action(d, f))
            for dset, file in zip(self.dsets, self.files, strict=True)
        ]

    def compare(self, action):
        ours, plain = self.both(action)
        assert repr(ours) == repr(plain)

    def value(self, value):
        self.number += 1
        if not isinstance(value, str):
            return value
        shape = self.row_shape if self.number % 5 else (*self.row_shape, 2)
        rng = np.random.default_rng(self.number)
        return (rng.random(shape) * 100).astype(value)

    @rule(value=VALUES, how=st.sampled_from(["all", "index", "ellipsis", "last"]))
    def write_a_row(self, value, how):
        value = self.value(value)

        def write(dset, value):
            if how == "all":
                dset[(-1, *[slice(None)] * len(self.row_shape))] = value
            elif how == "ellipsis":
                dset[-1, ...] = value
            else:
                dset[-1 if how == "index" else dset.shape[0] - 1] = value

        self.compare(lambda dset, file: dset.resize(dset.shape[0] + 1, axis=0))
        self.compare_writing(value, write)

    def compare_writing(self, value, write):
        """Writes a value to both, if the type holds it."""
        ours, plain = self.dsets
        if not is_held(value, plain.dtype, cut=True):
            with pytest.raises((TypeError, ValueError), match=r"^'/g/ts' holds"):
                write(ours, value)
            return
        expected = value
        if plain.dtype.kind in "bc":  # to which HDF5 converts nothing
            expected = np.asarray(value).astype(plain.dtype)
        self.compare(
            lambda dset, file: write(dset, value if dset is ours else expected)
        )

    @rule(number=st.integers(1, 40))
    def write_many_rows(self, number):
        rows = np.random.default_rng(number).random((number, *self.row_shape)) * 100

        def write(dset, file):
            for row in rows.astype(dset.dtype):
                dset.resize(dset.shape[0] + 1, axis=0)
                dset[-1] = row

        self.compare(write)

    @rule(value=VALUES)
    def append(self, value):
        self.number += 1 if self.number % 5 == 4 else 0  # not of a wrong shape
        values = self.value(value)
        values = np.broadcast_to(values, self.row_shape) if self.row_shape else values
        num_rows = self.dsets[1].shape[0]
        if not is_held(values, self.dsets[1].dtype):
            with pytest.raises((TypeError, ValueError), match=r"^'/g/ts' holds"):
                self.dsets[0].append(values)
        elif self.dsets[1].maxshape[0] != num_rows:
            self.dsets[0].append(values)
            self.dsets[1].resize(num_rows + 1, axis=0)
            self.dsets[1][-1, ...] = np.asarray(values).astype(self.dsets[1].dtype)
        self.compare(lambda dset, file: dset.shape)

    @rule()
    def grow_only(self):
        self.compare(lambda dset, file: dset.resize(dset.shape[0] + 1, axis=0))

    @rule(size=st.integers(0, MAX_ROWS + 2))
    def resize(self, size):
        self.compare(lambda dset, file: dset.resize(size, axis=0))

    @rule(size=st.integers(0, MAX_ROWS))
    def resize_by_shape(self, size):
        self.compare(lambda dset, file: dset.resize((size, *self.row_shape)))

    @rule(index=st.integers(-8, 8), value=VALUES)
    def write_any_row(self, index, value):
        value = self.value(value)
        self.compare_writing(value, lambda dset, value: dset.__setitem__(index, value))

    @rule(start=st.integers(-5, 9), size=st.integers(0, 5), value=st.integers(0, 9))
    def write_slice(self, start, size, value):
        where = (slice(start, start + size), ...)
        self.compare_writing(value, lambda dset, value: dset.__setitem__(where, value))

    @rule(index=st.integers(-8, 8))
    def read_a_row(self, index):
        self.compare(lambda dset, file: dset[index])

    @rule(start=st.integers(-5, 9), step=st.integers(1, 3))
    def read_slice(self, start, step):
        self.compare(lambda dset, file: dset[start::step])

    @rule(how=st.sampled_from([(), ..., (..., 0), (-1, ...), slice(None)]))
    def read_all(self, how):
        self.compare(lambda dset, file: dset[how])

    @rule()
    def look(self):
        for action in (
            lambda dset, file: dset.shape,
            lambda dset, file: dset.maxshape,
            lambda dset, file: len(dset),
            lambda dset, file: dset.size,
            lambda dset, file: dset.nbytes,
            lambda dset, file: dset.ndim,
            lambda dset, file: dset.dtype,
            lambda dset, file: dset.name,
            lambda dset, file: [np.asarray(row).tolist() for row in dset],
            lambda dset, file: np.asarray(dset),
            lambda dset, file: dset.chunks,
            lambda dset, file: (dset.compression, dset.compression_opts, dset.shuffle),
        ):
            self.compare(action)

    @rule(value=st.integers())
    def write_attribute(self, value):
        self.compare(lambda dset, file: dset.attrs.__setitem__("a", value % 1000))
        self.compare(lambda dset, file: dict(dset.attrs))

    @rule(
        way=st.sampled_from(
            [
                lambda dset, file: file["g/ts"],
                lambda dset, file: file["g"]["ts"],
                lambda dset, file: file["g"].file["g/ts"],
                lambda dset, file: file["/g"].get("ts"),
                lambda dset, file: dset.parent["ts"],
                lambda dset, file: dset.file["g/ts"],
                lambda dset, file: dict(file["g"].items())["ts"],
                lambda dset, file: next(iter(file["g"].values())),
                lambda dset, file: file["g"].parent["g/ts"],
                lambda dset, file: file[file["g/ts"].ref],
                lambda dset, file: file["g"].require_group("/g")["ts"],
            ]
        )
    )
    def read_through_another_handle(self, way):
        self.compare(lambda dset, file: way(dset, file)[()])
        self.compare(lambda dset, file: way(dset, file).shape)

    @rule(value=st.integers(0, 9))
    def write_through_another_handle(self, value):
        self.compare(lambda dset, file: file["g/ts"].resize(dset.shape[0] + 1, axis=0))
        ours = self.dsets[0]
        self.compare_writing(
            value,
            lambda dset, value: self.files[dset is not ours]["g/ts"].__setitem__(
                -1, value
            ),
        )

    @rule()
    def visit(self):
        def visited(dset, file):
            found = []
            file.visititems(
                lambda name, item: found.append((name, np.array(item).tolist()))
            )
            return [item for item in found if item[0] == "g/ts"]

        self.compare(visited)

    @rule()
    def copy(self):
        def copied(dset, file):
            file.copy("g/ts", "copy")
            content = file["copy"][()]
            del file["copy"]
            return content

        self.compare(copied)

    @rule()
    def write_low_level(self):
        def write(dset, file):
            if dset.shape[0] and 0 not in dset.shape:
                rows = np.zeros(dset.shape, dset.dtype)
                dset.id.write(h5py.h5s.ALL, h5py.h5s.ALL, rows)

        self.compare(write)

    @precondition(lambda self: self.number)
    @rule()
    def commit(self):
        ours, plain = self.files
        assert ours.commit()
        plain.flush()
        with h5py.File(ours.filename) as reader:
            np.testing.assert_array_equal(reader["g/ts"][()], plain["g/ts"][()])


TestSideBySide = SideBySide.TestCase
TestSideBySide.settings = settings(
    max_examples=int(os.environ.get("SERIES_EXAMPLES", "60")),
    stateful_step_count=50,
    deadline=None,
)


# .. Chunks ...................................................................


@pytest.mark.parametrize("num_rows", [None, 1, 14, 10**6])
@pytest.mark.parametrize("row_shape", [(), (1,), (100,), (1000,), (10**6,), (512, 512)])
def test_chunk_shape(num_rows, row_shape):
    shape = chunk_shape(num_rows, row_shape, 8)
    assert len(shape) == 1 + len(row_shape)
    assert 8 * np.prod(shape) <= CHUNK_BYTES
    assert all(1 <= c <= n for c, n in zip(shape[1:], row_shape, strict=True))
    if num_rows is not None:
        assert 1 <= shape[0] <= num_rows


def test_a_value_larger_than_a_chunk():
    assert chunk_shape(3, (2,), 10**7) == (1, 1)


# .. In a file ................................................................


@pytest.fixture
def file(tmp_path):
    with OutputFile(tmp_path / "data.h5") as file:
        yield file


def make(file, name="x", **kwargs):
    kwargs = {
        "num_rows": None,
        "row_shape": (3,),
        "dtype": "f8",
        "compression": 2,
    } | kwargs
    group = file.require_group("g")
    return make_series(create_series(group, name, **kwargs), group)


def test_wrong_rows_are_refused(file):
    dset = make(file)
    dset.append([1, 2, 3])
    for row, error, text in (
        ([1, 2], ValueError, r"has the shape \(3,\), but this one has \(2,\)"),
        (5, ValueError, r"but this one has \(\)"),
        (["a", "b", "c"], TypeError, "and not values of type <U1"),
        ([1j, 2, 3], TypeError, "and not values of type complex128"),
    ):
        with pytest.raises(error, match=text):
            dset.append(row)
    assert dset[()].tolist() == [[1, 2, 3]]


def test_first_row_sets_sizes_that_are_not_limited(file):
    dset = make(file, row_shape=(None, 2))
    assert dset.shape == (0, 0, 2)
    with pytest.raises(ValueError, match="has the shape"):
        dset.append(np.zeros((4, 3)))
    dset.append(np.ones((4, 2)))
    dset.append(np.full((4, 2), 2))
    assert dset.shape == (2, 4, 2)
    with pytest.raises(ValueError, match=r"has the shape \(4, 2\)"):
        dset.append(np.ones((5, 2)))
    assert dset[:, 0, 0].tolist() == [1, 2]


def test_rows_of_datasets_in_the_root_group_are_collected(file):
    dset = create_series(
        file, "x", num_rows=None, row_shape=(), dtype=float, compression=2
    )
    series = make_series(dset, file)
    series.append(1.0)
    assert series.num_bytes_in_memory > 0
    assert file["x"] is series


@pytest.mark.parametrize("look", [lambda dset: dset[-1:], lambda dset: dset.name])
def test_another_thread_looks_at_it(file, look):
    dset = make(file, row_shape=(), dtype="i8", compression=None)
    stop = threading.Event()

    def look_all_the_time():
        while not stop.is_set():
            look(dset)

    thread = threading.Thread(target=look_all_the_time)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        for number in range(3000):
            dset.resize(dset.shape[0] + 1, axis=0)
            dset[-1, ...] = np.int64(number)
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert dset[:].tolist() == list(range(3000))


def test_rows_of_a_dataset_whose_name_is_gone_for_a_while(file):
    dset = make(file, row_shape=())
    for number in range(5):
        dset.append(number)
    del file["g/x"]
    file.commit()
    assert dset[:].tolist() == [0, 1, 2, 3, 4]
    file["again"] = dset
    file.commit()
    assert file["again"][:].tolist() == [0, 1, 2, 3, 4]


def test_plain_file(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        dset = make(file)
        dset.append([1, 2, 3])
        assert dset.num_bytes_in_memory == 0
    with h5py.File(tmp_path / "data.h5") as file:
        assert file["g/x"][()].tolist() == [[1, 2, 3]]


def test_memory_is_limited(file):
    sets = [make(file, f"x{n}", row_shape=(100_000,)) for n in range(40)]
    for dset in sets:
        dset.append(np.arange(100_000))
    assert sum(dset.num_bytes_in_memory for dset in sets) <= 64 * 1024**2
    file.commit()
    with h5py.File(file.filename) as reader:
        for n in range(40):
            assert (reader[f"g/x{n}"][0] == np.arange(100_000)).all()


def test_what_is_read_by_others_is_plain_hdf5(file):
    rows = np.random.default_rng(1).normal(size=(1000, 3)).cumsum(axis=0)
    dset = make(file)
    for row in rows:
        dset.append(row)
    file.commit()
    with h5py.File(file.filename) as reader:
        plain = reader["g/x"]
        assert (plain[()] == rows).all()
        assert (plain.compression, plain.compression_opts, plain.shuffle) == (
            "gzip",
            2,
            True,
        )


def test_values_that_do_not_fit(file):
    dset = make(file, row_shape=(), dtype="u1")
    dset.append(5)
    for value in (300, -1):
        with pytest.raises(ValueError, match="holds uint8, from 0 to 255, but"):
            dset.append(value)
    assert dset[()].tolist() == [5]


def test_fill_value(file):
    dset = make(file, fillvalue=-1.0)
    dset.resize(2, axis=0)
    dset[1, 0] = 5
    assert dset[()].tolist() == [[-1, -1, -1], [5, -1, -1]]


def test_fancy_indices(file):
    dset = make(file)
    dset.append([1, 2, 3])
    dset[-1, [0, 2]] = 7
    dset[-1, np.array([False, True, False])] = 8
    assert dset[()].tolist() == [[7, 8, 7]]


def test_deleted_series_take_no_memory(file):
    for number in range(5):
        dset = make(file)
        dset.append([number] * 3)
        file.commit()
        del file["g/x"]
    file.commit()
    assert file._series == {}
    make(file).append([1, 2, 3])
    assert file["g/x"][()].tolist() == [[1, 2, 3]]


def test_required_dataset(file):
    dset = make(file)
    dset.append([1, 2, 3])
    assert file["g"].require_dataset("x", (1, 3), "f8") is dset
    assert file["g"].require_dataset("y", (2,), "f8").shape == (2,)


@pytest.mark.parametrize("compression", [None, 0, 2])
def test_long_doubles(file, compression):
    dset = make(file, dtype=np.longdouble, compression=compression)
    dset.append([1, 2, 3])
    file.commit()
    with h5py.File(file.filename) as reader:
        assert reader["g/x"][()].tolist() == [[1, 2, 3]]


def test_all_of_a_file_is_closed_even_if_a_part_fails(file, monkeypatch):
    good, bad = make(file, "good"), make(file, "bad")
    good.append([1, 2, 3])
    bad.append([1, 2, 3])

    def failing(*_):
        raise MemoryError

    monkeypatch.setattr(bad._writer, "write", failing)
    with pytest.raises(MemoryError):
        file.close()
    with h5py.File(file.filename) as reader:
        assert reader["g/good"][()].tolist() == [[1, 2, 3]]


def test_rows_that_come_from_another_thread_during_a_commit(file):
    dset = make(file, row_shape=(), chunks=(4,))
    for number in range(3):
        dset.append(number)
    write, threads = dset._writer.write, []

    def append_more():
        for number in range(3, 12):  # more than the block in memory holds
            dset.append(number)

    def write_meanwhile(*args):
        if not threads:
            threads.append(threading.Thread(target=append_more))
            threads[0].start()
            threads[0].join(timeout=0.1)  # it has to wait for the commit
        write(*args)

    dset._writer.write = write_meanwhile
    file.commit()
    threads[0].join()
    file.commit()
    with h5py.File(file.filename) as reader:
        assert reader["g/x"][()].tolist() == list(range(12))


NUMBERS = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


def extreme_values(dtype):
    """The values of a type that are the hardest to convert."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        info = np.finfo(dtype)
        some = [0.0, -0.0, 1.5, info.max, info.min, info.tiny, info.smallest_subnormal]
        return np.array([*some, np.nan, np.inf, -np.inf], dtype)
    info = np.iinfo(dtype)
    near = [2**53 + 1, 2**24 + 1, info.max - 1, info.max, info.min, 0, 100]
    return np.array([n for n in near if info.min <= n <= info.max], dtype)


def bits(dset):
    """What is in a dataset, bit by bit, but for which of the many NaNs it is."""
    values = dset[:]
    if values.dtype.kind == "f":
        values[np.isnan(values)] = np.nan
    return values.tobytes()


@pytest.mark.parametrize("dtype", [*NUMBERS, ">f8", ">i4"])
@pytest.mark.parametrize("value_type", NUMBERS)
def test_values_of_another_type(file, tmp_path, dtype, value_type):
    """They are converted just as numpy does it, or refused if the type has no place.

    Some versions of HDF5 make the least integer of negative numbers of half precision.
    """
    scalars = extreme_values(value_type)
    is_fine = [is_held(value, np.dtype(dtype), cut=True) for value in scalars]
    row = scalars[is_fine]
    scalars = [*scalars, *scalars.tolist()]
    with h5py.File(tmp_path / "plain.h5", "w") as plain:
        options = {"dtype": dtype, "compression": 2}
        pairs = [
            (
                make_series(
                    create_series(file, name, num_rows=9, row_shape=shape, **options),
                    file,
                ),
                plain.create_dataset(
                    name, (0, *shape), maxshape=(9, *shape), **options
                ),
            )
            for name, shape in (("rows", row.shape), ("scalars", ()))
        ]
        for dset, values in zip(pairs[0], (row, row.astype(dtype)), strict=True):
            dset.resize(1, axis=0)
            dset[-1, :] = values
        assert bits(pairs[0][0]) == bits(pairs[0][1])
        ours, theirs = pairs[1]
        for scalar, fine in zip(scalars, is_fine * 2, strict=True):
            ours.resize(1, axis=0)
            theirs.resize(1, axis=0)
            if not fine:
                with pytest.raises((TypeError, ValueError), match=r"scalars' holds"):
                    ours[-1] = scalar
                continue
            ours[-1] = scalar
            theirs[-1] = np.asarray(scalar).astype(dtype)
            assert bits(ours) == bits(theirs), scalar


@pytest.mark.parametrize(
    "value", [3, np.int64(3), np.float32(3), np.full((), 3, "u1"), True]
)
def test_numbers_of_another_type_stay_in_memory(file, value):
    """What takes 1 us there takes 100 us in HDF5."""
    dset = make(file, row_shape=(), dtype=float)
    dset.resize(1, axis=0)
    dset[-1] = value
    assert dset._attached
    assert dset[0] == value


@pytest.mark.parametrize("value", [0.5, 5, np.float64(1), np.array(1.0)])
def test_a_number_is_no_row(file, value):
    dset = make(file, row_shape=(3,), dtype=float)
    with pytest.raises(
        ValueError, match=r"has the shape \(3,\), but this one has \(\)"
    ):
        dset.append(value)
    assert dset.shape == (0, 3)
