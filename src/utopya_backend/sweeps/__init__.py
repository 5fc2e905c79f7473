"""Sweeps: a model is run for many parameters, or many seeds, each in its own process.

The way of a sweep: :py:mod:`utopya_backend.space` says which universes there are,
:py:mod:`.directory` makes their directory; :py:mod:`.supervisor` is the loop that has
an engine start them, and counts by :py:mod:`.tally` what becomes of them.
:py:mod:`.local` is the engine for this machine: it talks to the process of
:py:mod:`.server`, which has the model in memory and forks a :py:mod:`.child` for each
universe. :py:mod:`.cluster` is the one for Dask, with such a process on each worker.
"""

from .api import SweepResult as SweepResult
from .api import continue_sweep as continue_sweep
from .api import sweep as sweep

__all__ = ["SweepResult", "continue_sweep", "sweep"]
