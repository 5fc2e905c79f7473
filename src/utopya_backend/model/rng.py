"""Random numbers of a model, reproducible from one seed."""

from __future__ import annotations  # numpy.random is imported on first use

import random
from typing import Any

import numpy as np


def make_rng(
    seed: int,
    *,
    seed_numpy_rng: bool | int | None = None,
    seed_system_rng: bool | int | None = None,
    **rng_kwargs: Any,
) -> np.random.Generator:
    """Makes a random number generator, and seeds the global ones.

    The global generators of numpy and Python get different seeds than the
    model's, so that their sequences differ even if the algorithm is the same.

    Args:
        seed: Seed of the generator: any integer of at least 0
        seed_numpy_rng: What to seed :py:mod:`numpy.random` with; if True, with
            ``seed + 1``; if False or None, not at all.
        seed_system_rng: The same for :py:mod:`random`, and ``seed + 2``.
        **rng_kwargs: Passed on to :py:func:`numpy.random.default_rng`

    Returns:
        The generator, ``numpy.random.default_rng(seed)``
    """
    if seed_numpy_rng is True:
        seed_numpy_rng = (seed + 1) % 2**32  # it takes no more than 32 bits
    if seed_numpy_rng is not None and seed_numpy_rng is not False:
        np.random.seed(seed_numpy_rng)
    if seed_system_rng is True:
        seed_system_rng = seed + 2
    if seed_system_rng is not None and seed_system_rng is not False:
        random.seed(seed_system_rng)
    return np.random.default_rng(seed, **rng_kwargs)
