"""What is in an output file, in a few lines for people."""

import os
from collections.abc import Iterator

import h5py

from .labels import read_dims
from .walking import leaves, printable


def summarize(path: str | os.PathLike[str], max_lines: int = 20) -> list[str]:
    """Lists the datasets of an HDF5 file.

    Args:
        path: The file
        max_lines: How many datasets to list at most

    Returns:
        For each dataset a line with its path, dimensions, shape and type
    """
    with h5py.File(path, "r") as file:
        rows = list(_rows(file))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows[:max_lines]
    ]
    if len(rows) > max_lines:
        lines.append(f"... and {len(rows) - max_lines} more")
    return lines


def read_iterations(path: str | os.PathLike[str]) -> int | None:
    """Reads how many iterations a run has done by its end.

    Args:
        path: The output file

    Returns:
        The number; None if it is not known
    """
    try:
        with h5py.File(path, "r") as file:
            return int(file.attrs["iterations"])
    except (OSError, KeyError, TypeError, ValueError):
        return None


def format_size(num_bytes: float) -> str:
    """Formats a size in bytes.

    Args:
        num_bytes: The size

    Example:
        >>> format_size(1234567)
        '1.23 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} TB"


def _rows(group: h5py.Group) -> Iterator[tuple[str, str, str, str]]:
    for item in leaves(group):
        if isinstance(item, h5py.Group):
            yield f"{printable(item.name)}/", "time", f"{len(item)} datasets", ""
            continue
        dims = [dim or "?" for dim in read_dims(item)]
        if set(dims) == {"?"}:
            dims = []
        yield (
            printable(item.name),
            " × ".join(map(str, dims)),
            " × ".join(map(str, item.shape or ())) or "scalar",
            str(item.dtype),
        )
