"""Input and output of data: how it is labelled, and what is in a file."""

from .graph import GraphSeries as GraphSeries
from .grid import GridSeries as GridSeries
from .labels import write_coords as write_coords
from .labels import write_labels as write_labels
from .output import OutputFile as OutputFile
from .storage import Recovery as Recovery
from .storage import recover as recover
from .timeseries import TimeSeries as TimeSeries

__all__ = [
    "GraphSeries",
    "GridSeries",
    "OutputFile",
    "Recovery",
    "TimeSeries",
    "recover",
    "write_coords",
    "write_labels",
]
