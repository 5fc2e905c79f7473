"""What is in an output file, in a few lines for people."""

import os
from collections.abc import Iterator

import h5py
import numpy as np

from .labels import read_dims
from .opening import open_hdf5, reporting_damage
from .walking import leaves, printable

_PATIENCE = 0.5  # s; only a reader that recovers it has it locked


def summarize(path: str | os.PathLike[str], max_lines: int = 20) -> list[str]:
    """Lists the datasets of an HDF5 file.

    Args:
        path: The file
        max_lines: How many datasets to list at most

    Returns:
        For each dataset a line with its path, dimensions, shape and type
    """
    with open_hdf5(os.fspath(path)) as file, reporting_damage(path):
        rows = list(_rows(file))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows[:max_lines]
    ]
    if len(rows) > max_lines:
        lines.append(f"... and {len(rows) - max_lines} more")
    return lines


def read_end(path: str | os.PathLike[str]) -> tuple[str | None, int | None]:
    """Reads how a run has ended, and after how many iterations.

    Args:
        path: The output file

    Returns:
        Its status and the number, or None for what is not known
    """
    try:
        with open_hdf5(os.fspath(path), patience=_PATIENCE) as file:
            return end_in(file)
    except (OSError, ValueError, RuntimeError, KeyError):  # it is damaged, or locked
        return None, None


def end_in(file: h5py.File) -> tuple[str | None, int | None]:
    """How a run has ended, and after how many iterations, by its open output file.

    Args:
        file: The file
    """
    status, number = file.attrs.get("status"), file.attrs.get("iterations")
    return (
        status if isinstance(status, str) else None,
        int(number) if isinstance(number, np.integer) else None,
    )


def has_output(directory: str | os.PathLike[str]) -> bool:
    """Whether a universe has any output, be it in files that only its model knows.

    Args:
        directory: The directory of the universe
    """
    if os.path.exists(os.path.join(directory, "data.h5")):
        return True
    try:
        return not _NOT_OF_MODELS.issuperset(os.listdir(directory))
    except OSError:
        return False


_NOT_OF_MODELS = {"config.yml", "out.log", "data.h5.wal"}


def complaint_about_output(directory: str | os.PathLike[str]) -> str:
    """What is to be said of a run that has ended without any output.

    Args:
        directory: The directory of its universe

    Returns:
        The end of a sentence, if there is none; else the empty string
    """
    if has_output(directory):
        return ""
    return (
        "has written no data: there is no data.h5 in its directory, nor any other file "
        "of its own. Does it make the model, with the configuration that it is given?"
    )


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
