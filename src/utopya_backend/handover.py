"""What a process that has made a universe hands over to the model in it, and gets back.

A model that is started by a frontend gets the path of its configuration and looks up
the rest by itself. A process that has made the universe just before knows it already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .io.source import Source


class Handover:
    """What is known of a universe, so that its model need not look it up.

    Attributes:
        cfg_file: The path of the configuration
        cfg: What stands in that file
        text: The same in YAML
        sources: The sources of models, by the names of their classes
        end: What the model says of its run: the status of the output file, and the
            number of iterations. None until there is one.
    """

    # No dataclass: these take a model longer to import than all of this.
    def __init__(
        self,
        cfg_file: str,
        cfg: Mapping[str, Any],
        text: str,
        sources: Mapping[str, Source],
    ) -> None:
        """Takes what is known.

        Args:
            cfg_file: See the attributes, as for all of them
            cfg: See there
            text: See there
            sources: See there
        """
        self.cfg_file = cfg_file
        self.cfg = cfg
        self.text = text
        self.sources = sources
        self.end: tuple[str, int] | None = None


_in_use: ContextVar[Handover | None] = ContextVar("_in_use", default=None)


@contextmanager
def handing_over(handover: Handover) -> Iterator[None]:
    """Hands something over to the model that is made meanwhile.

    Args:
        handover: What is known of its universe
    """
    token = _in_use.set(handover)
    try:
        yield
    finally:
        _in_use.reset(token)


def handed_over(cfg_file: str | os.PathLike[str] | None = None) -> Handover | None:
    """What was handed over to a model, if anything was.

    Args:
        cfg_file: The configuration of the model; by default, that of whichever model
            is being made
    """
    handover = _in_use.get()
    if handover is None or cfg_file in (None, handover.cfg_file):
        return handover
    return None
