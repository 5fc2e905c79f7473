import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utopya_backend.plotting.axes import lay_out, limits_as_texts, texts_of


@pytest.mark.parametrize(
    ("coords", "edges"),
    [
        ([3.0], [2.5, 3.5]),
        ([0, 1, 3], [-0.5, 0.5, 2, 4]),
        ([0.5, 0.75, 1], [0.375, 0.625, 0.875, 1.125]),
        ([1, 10], [-3.5, 5.5, 14.5]),
        ([2000, 2001, 2002], [1999.5, 2000.5, 2001.5, 2002.5]),
        ([0, 1, 10], [-0.5, 0.5, 5.5, 14.5]),
        ([1, 10, 101], [-3.5, 5.5, 55.5, 146.5]),
    ],
)
def test_linear(coords, edges):
    axis = lay_out(np.array(coords), {})
    assert not axis.is_log
    assert axis.edges == pytest.approx(edges)


@pytest.mark.parametrize(
    "coords", [[1e-5, 1e-4, 1e-3], [1, 2, 4, 8], 3 * 1.1 ** np.arange(20)]
)
def test_logarithmic(coords):
    coords = np.array(coords)
    axis = lay_out(coords, {})
    assert axis.is_log
    middles = np.sqrt(coords[1:] * coords[:-1])
    root = np.sqrt(coords[1] / coords[0])
    assert axis.edges == pytest.approx([coords[0] / root, *middles, coords[-1] * root])


@pytest.mark.parametrize(
    ("coords", "labels"),
    [
        ([0.0, 0.3, 1.0], ["0", "0.3", "1"]),
        ([1234567, 1234568], ["1234567", "1234568"]),
        ([0.1, 1.0, 10.0, 1000.0], ["0.1", "", "", "1000"]),
        ([7.0], ["7"]),
        (np.arange(13), []),
    ],
)
def test_ticks(coords, labels):
    axis = lay_out(np.array(coords), {})
    assert list(axis.ticks.values()) == labels
    assert list(axis.ticks) == list(coords)[: len(labels)]


def test_names_of_texts():
    axis = lay_out(np.array([1, 2, 4]), {1: "a", 4: "c"})
    assert axis.ticks == {1: "a", 4: "c"}
    assert not axis.is_log


def test_integers():
    assert lay_out(np.array([1.0, 3.0]), {}).is_integer
    assert not lay_out(np.array([1.0, 2.5]), {}).is_integer
    assert lay_out(np.array([200, 250], np.uint8), {}).edges.tolist() == [175, 225, 275]
    assert lay_out(np.array([3, 9, 27, 81], np.uint8), {}).is_log


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.1, 0.5], ["0.1", "0.5"]),
        ([1 / 3, 1.0], ["0.333333", "1"]),
        ([0.1 + 0.2, 0.3], ["0.30000000000000004", "0.29999999999999999"]),
        ([300.00001, 300.00002], ["300.00001", "300.00002"]),
        ([1.7e9, 1.7e9 + 1], ["1700000000", "1700000001"]),
        ([1e-50, 2e-50], ["1e-50", "2e-50"]),
        ([0.5, 0.5, np.nan, np.nan], ["0.5", "0.5", "nan", "nan"]),
        ([0.0, -0.0], ["0", "-0"]),
        ([], []),
    ],
)
def test_texts_of(values, texts):
    assert texts_of(values) == texts


@given(st.lists(st.floats(allow_nan=False), unique=True))
def test_texts_tell_numbers_apart(values):
    assert len(set(texts_of(values))) >= len(np.unique(values))


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_limits_as_texts(one, other):
    low, high = sorted([one, other])
    texts = limits_as_texts(low, high)
    assert (texts[0] != texts[1]) == (low != high) or {low, high} == {0.0}
    for text, value in zip(texts, (low, high), strict=True):
        assert math.isclose(float(text), value, rel_tol=1e-3)
