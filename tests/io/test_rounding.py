import warnings

import numpy as np
import pytest

from utopya_backend.io.rounding import warn_of_rounding


@pytest.mark.parametrize(
    "labels",
    [
        [[0.3], [0.1 + 0.2]],
        [[0.3, 0.1 + 0.2]],
        [np.arange(1000) * 0.1, np.cumsum([0.1] * 1000) - 0.1],
        [np.linspace(0, 1, 11), np.arange(11) / 10 + 1e-16],
        [[1.7e9 + 0.1], [np.nextafter(1.7e9 + 0.1, np.inf)]],
    ],
)
def test_labels_that_were_meant_to_be_the_same(labels):
    with pytest.warns(UserWarning, match="labels of k differ by rounding only"):
        warn_of_rounding("k", map(np.array, labels))


@pytest.mark.parametrize(
    "labels",
    [
        [[0.1, 0.2], [0.15, 0.25]],
        [1.7e9 + np.arange(5) * 1e-3, 1.7e9 + 1e6 + np.arange(5) * 1e-3],
        [np.logspace(-12, 0, 13), 2 * np.logspace(-12, 0, 13)],
        [[1e-300, 2e-300], [1.5e-300]],
        [[1, 2], [2, 3]],
        [["a"], ["b"]],
        [[0.5], [0.5]],
        [[np.nan, 1.0], [np.nan]],
        [[], [1.5]],
    ],
)
def test_labels_that_differ(labels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_rounding("k", map(np.array, labels))
