"""Input and output of data: how it is labelled, and what is in a file."""

from .labels import write_coords as write_coords
from .labels import write_labels as write_labels

__all__ = ["write_coords", "write_labels"]
