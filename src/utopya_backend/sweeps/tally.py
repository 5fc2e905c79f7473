"""How far a sweep is: counts, and what has become of each universe."""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from ..io.record import COMPLETE
from .messages import Ended


class Outcome(enum.Enum):
    """What has become of a universe."""

    FINISHED = "finished"
    STOPPED = "stopped"
    """By a stop condition; nothing is missing."""
    FAILED = "failed"
    KILLED = "killed"
    """By the sweep, before there was any data, or as it did not end in time"""
    INTERRUPTED = "interrupted"
    """It would have gone on, had the sweep."""

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing more to be done."""
        return self.value in COMPLETE


@dataclass
class Tally:
    """Counts the universes of a sweep.

    Attributes:
        total: How many universes the sweep has
        before: How many were complete before it was continued
        counts: How many have had which outcome
        seconds: How long each of them took [s], in the order of their ends
        cpu_seconds: The CPU time of all of them [s]
        exit_codes: The numbers of those that have not just finished, by exit codes
        failed: The numbers of those that have failed
        killed: The numbers of those that the sweep has killed
        hosts: How many have been run where
        stopped_by: The numbers of those that a stop condition has ended, by its name
        running: The progress of those that are running, by their numbers
    """

    total: int
    before: int = 0
    counts: Counter[Outcome] = field(default_factory=Counter)
    seconds: dict[int, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    exit_codes: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    failed: set[int] = field(default_factory=set)
    killed: set[int] = field(default_factory=set)
    hosts: Counter[str] = field(default_factory=Counter)
    stopped_by: dict[str, list[int]] = field(default_factory=dict)
    running: dict[int, float] = field(default_factory=dict)

    def add(self, ended: Ended, outcome: Outcome) -> None:
        """Counts a universe that has ended.

        Args:
            ended: The universe
            outcome: What has become of it
        """
        self.running.pop(ended.number, None)
        self.counts[outcome] += 1
        self.seconds[ended.number] = ended.seconds
        self.cpu_seconds += ended.cpu_seconds
        self.hosts[ended.host] += 1
        if outcome is Outcome.FAILED:
            self.failed.add(ended.number)
        elif outcome is Outcome.KILLED:
            self.killed.add(ended.number)
        if ended.exit_code:
            self.exit_codes[ended.exit_code].append(ended.number)

    @property
    def num_ended(self) -> int:
        """How many have ended, those before included."""
        return self.before + self.counts.total()

    @property
    def num_complete(self) -> int:
        """How many need not be run any more."""
        complete = sum(self.counts[o] for o in Outcome if o.is_complete)
        return self.before + complete

    @property
    def progress(self) -> float:
        """The progress of the sweep, in [0, 1]."""
        return (self.num_ended + sum(self.running.values())) / self.total
