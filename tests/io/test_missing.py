"""What is missing does not look like data, for each kind of type that a file has."""

import h5py
import numpy as np
import pytest

from utopya_backend import yaml
from utopya_backend.errors import InexactError
from utopya_backend.io import OutputFile, open_output, write_labels
from utopya_backend.io.missing import all_missing, common_type, put, with_missing

RECORD = np.dtype(
    [
        ("mass", "f4"),
        ("count", "i4"),
        ("name", "S3"),
        ("place", "f8", (2,)),
        ("inner", [("is_wet", "?"), ("phase", "c8")]),
    ]
)
VALUES = {
    **{kind: np.array([1, 2], kind) for kind in ("i1", "u2", "i4", "i8", "u8")},
    **{kind: np.array([1.5, 2], kind) for kind in ("f2", "f4", "f8", "g", "c8", "c16")},
    "?": np.array([True, False]),
    "enum": np.array([1, 0], h5py.enum_dtype({"DRY": 0, "WET": 1}, basetype="i1")),
    "date": np.array(["2024-01-01", "2025-01-01"], h5py.opaque_dtype("M8[s]")),
    "span": np.array([5, 6], h5py.opaque_dtype("m8[ms]")),
    "bytes": np.array([b"abc", b""], "S3"),
    "text": np.array(["ä", ""], h5py.string_dtype()),
    "opaque": np.array([b"ab\0", b"abc"], "V3"),
    "record": np.array(
        [(1, 2, b"a", (3, 4), (True, 1j)), (5, 6, b"b", (7, 8), (False, 2))], RECORD
    ),
}
SPACE = "!pspace {k: !sweep {default: 1, values: [1, 2, 3]}}"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A run of three universes, of which the first has but one row of each."""
    run = tmp_path_factory.mktemp("run")
    (run / "config").mkdir()
    (run / "config/parameter_space.yml").write_text(SPACE)
    assert yaml.load(SPACE).volume == 3
    for number, times in {1: [0], 2: [0, 1], 3: [0, 2]}.items():
        directory = run / "data" / f"uni{number}"
        directory.mkdir(parents=True)
        with OutputFile(directory / "data.h5") as file:
            for name, values in VALUES.items():
                rows = file.create_dataset(f"rows/{name}", (len(times),), values.dtype)
                rows[:] = values[: len(times)]
                write_labels(rows, ["time"], {"time": times})
                for group in ("all", "some")[: 2 if number > 1 else 1]:
                    one = file.create_dataset(f"{group}/{name}", (), values.dtype)
                    one[()] = values[number % 2]
    return open_output(run)


def parts(value):
    """The plain values of which a value consists; texts in the form of bytes."""
    if isinstance(value, np.void) and value.dtype.names:
        return [part for name in value.dtype.names for part in parts(value[name])]
    if np.ndim(value):
        return [part for inner in value for part in parts(inner)]
    if np.iscomplexobj(value):
        return [value.real, value.imag]
    if isinstance(value, np.void):
        return [value.tobytes()]
    return [value.encode() if isinstance(value, str) else value]


def is_missing(value):
    """Whether it is NaN, NaT or None, or each of its parts is."""
    return all(part is None or part != part for part in parts(value))


@pytest.mark.parametrize("kind", VALUES)
def test_rows(tree, kind):
    rows = tree[f"rows/{kind}"].values
    assert rows.shape == (3, 3)
    for row, places in zip(rows, [[0], [0, 1], [0, 2]], strict=True):
        assert [n for n, value in enumerate(row) if not is_missing(value)] == places
        for n, value in zip(places, VALUES[kind], strict=False):
            assert parts(row[n]) == parts(value)


@pytest.mark.parametrize("kind", VALUES)
def test_single_values(tree, kind):
    values, some = tree[f"all/{kind}"], tree[f"some/{kind}"]
    assert values.sizes == some.sizes == {"k": 3}
    if kind not in ("bytes", "text"):
        assert values.dtype == VALUES[kind].dtype
    for number in (1, 2, 3):
        expected = parts(VALUES[kind][number % 2])
        assert parts(values.values[number - 1]) == expected
        assert parts(values.sel(k=number).values[()]) == expected
        value = some.values[number - 1]
        assert is_missing(value) if number == 1 else parts(value) == expected


def test_single_texts_are_texts(tree):
    assert set(tree["all/text"].values) == {"ä", ""}
    assert tree["all/text"].str.upper().values.tolist() == ["", "Ä", ""]


@pytest.mark.parametrize("kind", ["i8", "u8"])
@pytest.mark.parametrize("number", [2**53 + 1, 2**62, -(2**53) - 1])
def test_integers_are_not_rounded(kind, number):
    if kind == "u8":
        number = abs(number)
    values = all_missing([2], with_missing(np.dtype(kind)))
    with pytest.raises(InexactError, match=str(number)):
        put(values, np.array([0]), np.array([number], kind))
    put(values, np.array([0]), np.array([2**53], kind))
    assert values[0] == 2**53


def test_integers_of_records_are_not_rounded():
    dtype = np.dtype([("id", "i8")])
    values = all_missing([2], with_missing(dtype))
    with pytest.raises(InexactError):
        put(values, 0, np.array((2**53 + 1,), dtype))


@pytest.mark.parametrize(
    ("types", "common"),
    [
        (["i4", "f8"], "f8"),
        (["M8[s]", "M8[ms]"], "M8[ms]"),
        (["O", "i8"], "O"),
        (["V3", "V5"], "O"),
        (["V3", "O"], "O"),
        ([[("a", "i4")], [("a", "f8")]], [("a", "f8")]),
        ([[("a", "S3")], [("a", "i4")]], [("a", "O")]),
    ],
)
def test_common_type(types, common):
    assert common_type(map(np.dtype, types)) == np.dtype(common)


@pytest.mark.parametrize(
    "types", [["M8[s]", "i8"], ["m8[s]", "i8"], [[("a", "i4")], [("b", "i4")]]]
)
def test_no_common_type(types):
    """A number is no date, and no duration either."""
    with pytest.raises(TypeError, match="no common type"):
        common_type(map(np.dtype, types))
