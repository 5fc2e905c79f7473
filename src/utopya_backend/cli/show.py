"""``utopya-backend show``: what is in an output file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np

from ..io.opening import find_outputs, open_for_reading
from ..io.storage import Recovery
from ..io.summary import format_size
from ..timer import format_elapsed

_PROVENANCE = (
    "status", "model", "source_commit", "seed", "started", "ended", "iterations",
    "host", "utopya_backend", "python", "numpy", "h5py", "hdf5",
)  # fmt: skip

_MAX_VALUES = 10_000_000  # the range of larger datasets is not looked for


@click.command()
@click.argument("path", type=click.Path())
def show(path: str) -> None:
    """Show what is in an output file, and where it comes from.

    PATH is a data.h5, the directory of a universe or of a run. A file that is still
    being written is shown as it is at its last commit; one whose writer was killed
    while it committed is recovered first.
    """
    for number, data_path in enumerate(find_outputs(path)):
        if number:
            click.echo()
        _show_file(data_path)


def _show_file(path: Path) -> None:
    file, recovery = open_for_reading(path)
    with file:
        click.echo(f"{path} ({format_size(path.stat().st_size)})")
        if recovery is not Recovery.NOTHING:
            click.echo(f"  Its writer was killed: {recovery.value}.")
        _show_provenance(file)
        _show_tree(file)
        file.visititems(_show_timers)


def _show_provenance(file: h5py.File) -> None:
    known = {key: file.attrs[key] for key in _PROVENANCE if key in file.attrs}
    if not known:
        click.echo("  It does not say where it comes from: another program wrote it.")
    for key, value in known.items():
        click.echo(f"  {key:<15s} {value}")


def _show_tree(file: h5py.File) -> None:
    rows = list(_rows(file, depth=0))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    click.echo()
    for row in rows:
        click.echo("  " + "  ".join(map(str.ljust, row, widths)).rstrip())


def _rows(group: h5py.Group, depth: int) -> Iterator[tuple[str, str, str, str, str]]:
    for name, item in group.items():
        label = "  " * depth + name
        if isinstance(item, h5py.Group):
            yield f"{label}/", "", "", "", ""
            yield from _rows(item, depth + 1)
        elif isinstance(item, h5py.Dataset):
            dims = item.attrs.get("dim_names", [])
            shape = [str(size) for size in item.shape or ()]
            sizes = " × ".join(
                f"{dim}: {size}" if dim else size
                for dim, size in zip([*dims, *[""] * len(shape)], shape, strict=False)
            )
            stored = format_size(item.id.get_storage_size())
            yield label, sizes or "scalar", str(item.dtype), stored, _range_of(item)


def _range_of(dset: h5py.Dataset) -> str:
    if dset.dtype.kind not in "biuf" or not 0 < (dset.size or 0) <= _MAX_VALUES:
        return ""
    values: Any = dset[()]
    if dset.dtype.kind == "b":
        values = np.asarray(values, dtype=int)
    if dset.dtype.kind == "f":
        values = values[np.isfinite(values)] if np.ndim(values) else values
    if np.size(values) == 0:
        return "no finite values"
    smallest, largest = np.min(values), np.max(values)
    return (
        f"{smallest:.6g}" if smallest == largest else f"{smallest:.6g} to {largest:.6g}"
    )


def _show_timers(name: str, item: h5py.Group | h5py.Dataset) -> None:
    """Shows the table of a model with benchmarking."""
    is_total = name.endswith("/total") and isinstance(item, h5py.Dataset)
    if not is_total or list(item.attrs.get("dim_names", [])) != ["label"]:
        return
    seconds = dict(zip(map(str, item.attrs["coords__label"]), item[()], strict=True))
    click.echo(f"\n  Elapsed times ({name}):")
    fstr = "  {name:>{w}s}  {time_str:>10s}  {percent_of_max:5.1f} %"
    click.echo(format_elapsed({key: float(t) for key, t in seconds.items()}, fstr))
