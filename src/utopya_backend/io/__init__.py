"""Input and output of data: writing it with labels, and reading it."""

from typing import TYPE_CHECKING, Any

from .graph import GraphSeries as GraphSeries
from .grid import GridSeries as GridSeries
from .labels import write_coords as write_coords
from .labels import write_labels as write_labels
from .output import OutputFile as OutputFile
from .recovery import Recovery as Recovery
from .recovery import recover as recover
from .timeseries import TimeSeries as TimeSeries

if TYPE_CHECKING:
    from .last import last_values as last_values
    from .reading import open_output as open_output

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


def __getattr__(name: str) -> Any:
    # A model does not read.
    if name == "open_output":
        from .reading import open_output

        return open_output
    if name == "last_values":
        from .last import last_values

        return last_values
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
