import enum

import h5py
import numpy as np

from utopya_backend.io.attributes import read_attributes


class Color(enum.IntEnum):
    RED = 1


ATTRIBUTES = {
    "text": "ä",
    "no text": "",
    "texts": ["a", "ö"],
    "table of texts": np.array([["a", "b"], ["c", "d"]], dtype=object),
    "bytes": np.bytes_(b"abc"),
    "integer": 3,
    "big endian": np.array([1, 2], ">i2"),
    "unsigned": np.uint8(255),
    "float": 0.5,
    "half": np.float16(0.5),
    "floats": np.linspace(0, 1, 7).reshape(1, 7),
    "nothing": np.zeros(0),
    "truth": True,
    "truths": [True, False],
    "complex": 1j,
    "color": Color.RED,
    "record": np.array([(1, 2.5)], dtype=[("a", int), ("b", float)]),
}


def test_same_as_h5py_gives(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update(ATTRIBUTES)
        file.attrs["empty"] = h5py.Empty(float)
        file.attrs.create("latin", b"\xff", dtype=h5py.string_dtype())
        file.attrs.create("arrays", np.ones((2, 3)), dtype=np.dtype(("f8", (3,))))
        expected = dict(file.attrs)
        problems = []
        attrs = read_attributes(file, lambda *problem: problems.append(problem))
    assert not problems
    assert attrs.keys() == expected.keys()
    for key, value in attrs.items():
        assert type(value) is type(expected[key]), key
        assert getattr(value, "dtype", None) == getattr(expected[key], "dtype", None)
        if key != "empty":
            np.testing.assert_array_equal(value, expected[key])


def test_none():
    with h5py.File("none", "w", driver="core", backing_store=False) as file:
        assert read_attributes(file, print) == {}
