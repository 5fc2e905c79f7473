"""``utopya-backend show``: what is in an output file."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np

from ..errors import NotAnOutputFileError, UserError
from ..io.labels import read_coords, read_dims
from ..io.opening import find_outputs, open_for_reading, reporting_damage
from ..io.provenance import ORIGIN
from ..io.record import Entry, record_around, status_by
from ..io.recovery import Recovery, describe_unknown, find_writer
from ..io.summary import format_size
from ..io.walking import (
    all_datasets,
    is_time_series,
    members,
    printable,
    text_of,
    visible,
)
from ..io.writer import Life
from ..timer import format_elapsed

_PROVENANCE = (
    "status", "model", "source_hash", "source_commit", "seed", "started", "ended",
    "iterations", "host", "utopya_backend", "python", "numpy", "h5py", "hdf5",
)  # fmt: skip

_MAX_NAMES = 10  # of universes
_MAX_VALUES = 10_000_000  # the range of larger datasets is not looked for


@click.command()
@click.argument("path", type=click.Path())
def show(path: str) -> None:
    """Show what is in an output file, and where it comes from.

    PATH is a data.h5, the directory of a universe or of a run, or one with several
    runs, such as out/SIR, for the latest one. A file that is still being written is
    shown as it is at its last commit; one whose writer was killed while it committed
    is recovered first.
    """
    problems = []
    origins: dict[str, dict[str, list[str]]] = {key: {} for key in ORIGIN}
    outputs = find_outputs(path)
    record = record_around(outputs[0])
    for number, data_path in enumerate(outputs):
        if number:
            click.echo()
        try:
            origin = _show_file(data_path, record)
        except UserError as error:
            problems.append(error)
            continue
        for key, value in origin.items():
            origins[key].setdefault(value, []).append(data_path.parent.name)
    for line in _describe_mixture(origins):
        click.echo(visible(line))
    if problems:
        raise NotAnOutputFileError("\n".join(map(str, problems)))


def _show_file(path: Path, record: Mapping[str, Entry]) -> dict[str, str]:
    """Shows a file; returns what says by what it was made."""
    file, recovery = open_for_reading(path)
    with file, reporting_damage(path):
        lines = list(_describe(file, _state(path, file, recovery)))
        origin = {key: str(file.attrs.get(key, "unknown")) for key in ORIGIN}
        status = str(file.attrs.get("status"))
    name = path.absolute().parent.name
    if (ending := status_by(record, name, status)) != status:
        lines.insert(1, f"{'program':<15s} {ending}, as the record of the sweep says")
    click.echo(f"{visible(str(path))} ({format_size(path.stat().st_size)})")
    for line in lines:
        click.echo(f"  {visible(line)}".rstrip())
    return origin


def _describe_mixture(
    origins: Mapping[str, Mapping[str, Sequence[str]]],
) -> Iterator[str]:
    """In what the universes differ that has to be the same for all of them."""
    for key, universes in origins.items():
        if len(universes) > 1:
            yield f"\nThe universes differ in {key}:"
        for value, names in universes.items() if len(universes) > 1 else ():
            shown = ", ".join(names[:_MAX_NAMES])
            more = len(names) - _MAX_NAMES
            yield f"  {value}  {shown}{f' and {more} more' if more > 0 else ''}"


def _state(path: Path, file: h5py.File, recovery: Recovery) -> str:
    """Whether it is clean, and what was done to make it so."""
    if recovery is not Recovery.NOTHING:
        return f"its writer was killed: {recovery.value}"
    life, writer = find_writer(str(path))
    if life is Life.LIVES:
        return "this is the last commit of a writer that has it open"
    if life is Life.UNKNOWN:
        return f"this is its last commit. {describe_unknown(str(path), writer)}"
    if text_of(file.attrs.get("status")) == "running":
        return "clean; its writer was killed, this is the last commit"
    return "clean"


def _describe(file: h5py.File, state: str) -> Iterator[str]:
    yield f"{'file':<15s} {state}"
    yield from _describe_origin(file)
    yield ""
    yield from _describe_tree(file)
    yield from _describe_timers(file)


def _describe_origin(file: h5py.File) -> Iterator[str]:
    known = {key: file.attrs[key] for key in _PROVENANCE if key in file.attrs}
    if "status" not in known:
        writer = "another program"
        if _has_labels(file):
            writer += ", perhaps the backend that comes with the frontend,"
        yield f"It does not say where it comes from: {writer} wrote it."
    for key, value in known.items():
        yield f"{key:<15s} {value}"


def _has_labels(file: h5py.File) -> bool:
    """Whether any dataset has the names of its dimensions, as the frontend wants."""
    return any("dim_names" in item.attrs for item in all_datasets(file))


def _describe_tree(file: h5py.File) -> Iterator[str]:
    rows = list(_rows(file, frozenset()))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths))


def _rows(
    group: h5py.Group, above: frozenset[int]
) -> Iterator[tuple[str, str, str, str, str]]:
    for name, item, path in members(group, above):
        label = "  " * len(above) + name
        if is_time_series(item):
            yield f"{label}/", f"time: {len(item)}, each a dataset", "", "", ""
        elif isinstance(item, h5py.Group):
            yield f"{label}/", "", "", "", ""
            yield from _rows(item, path)
        else:
            sizes = " × ".join(
                f"{dim}: {size}" if dim else str(size)
                for dim, size in zip(_dims(item), item.shape or (), strict=True)
            )
            stored = format_size(item.id.get_storage_size())
            yield label, sizes or "scalar", str(item.dtype), stored, _range_of(item)


def _dims(dset: h5py.Dataset) -> list[str | None]:
    try:
        return read_dims(dset)
    except UnicodeDecodeError:
        return [None] * len(dset.shape or ())


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


def _describe_timers(file: h5py.File) -> Iterator[str]:
    """The tables of models with benchmarking."""
    for item in all_datasets(file):
        if not printable(item.name).endswith("/total") or _dims(item) != ["label"]:
            continue
        try:
            labels = read_coords(item, "label", len(item))
        except ValueError:
            continue
        if labels is None or item.dtype.kind != "f" or not np.isfinite(item[:]).all():
            continue
        seconds = dict(zip(map(str, labels), map(float, item[:]), strict=True))
        yield ""
        yield f"Elapsed times ({item.name[1:]}):"
        fstr = "{name:>{w}s}  {time_str:>10s}  {percent_of_max:5.1f} %"
        yield from format_elapsed(seconds, fstr).splitlines()
