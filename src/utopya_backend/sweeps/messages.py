"""What the parts of a sweep tell each other: plain data, which can be pickled."""

from __future__ import annotations

import io
import os
import signal
from typing import Any, NamedTuple

from .. import yaml
from ..signal import SIG_STOPCOND

EXIT_CODE_STOPPED = 128 + SIG_STOPCOND
"""The exit code of a universe that a stop condition has ended"""

EXIT_CODE_KILLED = 128 + signal.SIGKILL
"""The exit code of a universe that was killed, or was lost with what has run it"""


class Job(NamedTuple):
    """A universe that is to be run."""

    number: int
    """Its number"""

    directory: str
    """Its directory, an absolute path"""

    cfg: dict[str, Any]
    """Its configuration, with the paths of the output"""

    text: str
    """The same in YAML: a fork pays several times as much to make it"""

    @classmethod
    def of(cls, number: int, directory: str, cfg: dict[str, Any]) -> Job:
        """Makes the job of running a universe.

        Args:
            number: Its number
            directory: Its directory, an absolute path
            cfg: Its configuration, without the paths of the output
        """
        output_path = os.path.join(directory, "data.h5")
        cfg = {**cfg, "output_dir": directory, "output_path": output_path}
        text = io.StringIO()
        yaml.dump(cfg, text)
        return cls(number, directory, cfg, text.getvalue())


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
