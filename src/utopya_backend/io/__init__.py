"""Input and output of data: writing it with labels, and reading it."""

import importlib
from typing import TYPE_CHECKING, Any

from .graph import GraphSeries as GraphSeries
from .grid import GridSeries as GridSeries
from .labels import write_coords as write_coords
from .labels import write_labels as write_labels
from .output import OutputFile as OutputFile
from .timeseries import TimeSeries as TimeSeries

if TYPE_CHECKING:
    from .last import last_values as last_values
    from .reading import open_output as open_output
    from .recovery import Recovery as Recovery
    from .recovery import recover as recover

__all__ = [
    "GraphSeries",
    "GridSeries",
    "OutputFile",
    "Recovery",
    "TimeSeries",
    "last_values",
    "open_output",
    "recover",
    "write_coords",
    "write_labels",
]


_FOR_READING = {
    "Recovery": "recovery",
    "last_values": "last",
    "open_output": "reading",
    "recover": "recovery",
}
"""What a model does not need, and the modules that have it"""


def __getattr__(name: str) -> Any:
    if name in _FOR_READING:
        module = importlib.import_module(f".{_FOR_READING[name]}", __name__)
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
