"""What the parts of a sweep tell each other: plain data, which can be pickled."""

from __future__ import annotations

from typing import Any, NamedTuple


class Job(NamedTuple):
    """A universe that is to be run."""

    number: int
    """Its number"""

    directory: str
    """Its directory, an absolute path"""

    cfg: dict[str, Any]
    """Its configuration, without the paths of the output"""


class Reported(NamedTuple):
    """A universe has told about its run."""

    number: int
    """Its number"""

    line: str
    """The line of its monitor; see :py:mod:`.monitor`"""


class Ended(NamedTuple):
    """A universe has ended."""

    number: int
    """Its number"""

    exit_code: int
    """Its exit code; 128 + signum if a signal ended it"""

    seconds: float
    """How long it took [s]"""

    cpu_seconds: float
    """The CPU time of its process and of what that has started [s]"""

    host: str
    """Where it was run"""


Event = Reported | Ended
"""What an engine tells of its universes"""
