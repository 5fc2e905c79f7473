"""Runs the same models with the backend that comes with the frontend and with ours.

The models of `published_models.py`, which are written for the former, are run with many
configurations. The two files of each are compared: groups, datasets, shapes, types,
labels and other attributes, and all values; only of measured times, no values. All
differences are listed, by kind.

Usage: python campaigns/same_results.py PYTHON_WITH_THE_PUBLISHED_PACKAGE
"""

import itertools
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from utopya_backend import yaml
from utopya_backend.io.labels import read_coords, read_dims

MODELS = Path(__file__).with_name("published_models.py")

SEEDS = (0, 1, 42, 2**31)
WRITES = list(itertools.product((0, 3, 10, 11), (1, 4)))  # write_start, write_every
BENCHMARK = {
    "Walk": (None,),
    "TimedWalk": (None, {"enabled": False}, {"write": False}),
    "Events": (None,),
    "TimedEvents": (None, {"enabled": False}),
}
PARAMETERS = {"size": 7, "step": 0.5}

EXPLAINED = {
    "default: dtype float32, ours float64": "the default dtype; the same values",
    "late: coordinates of time": "made in mid-run, it has the times of its rows",
    "late: maxshape": "made in mid-run, it has room for coming writes",
    "benchmark/cumulative: shape": "the initial write counts",
    "benchmark/cumulative: coordinates of n_iterations": "the initial write counts",
}
"""The differences that are to be"""


def configurations() -> Iterator[tuple[str, dict[str, Any]]]:
    """All models, with all configurations."""
    for name, options in BENCHMARK.items():
        steps = name.endswith("Walk")
        parameters = PARAMETERS if steps else {"num_events": 11}
        for seed, (start, every), benchmark in itertools.product(
            SEEDS, WRITES if steps else [(0, 1)], options
        ):
            timing = {} if benchmark is None else {"benchmark": benchmark}
            yield (
                name,
                {
                    "root_model_name": name,
                    name: parameters | timing,
                    "num_steps": 10,
                    "write_start": start,
                    "write_every": every,
                    "seed": seed,
                    "log_levels": {"model": "info", "backend": "warning"},
                    "monitor_emit_interval": 2.0,
                },
            )


def run(python: str, directory: Path, name: str, cfg: dict[str, Any]) -> h5py.File:
    """Runs one model with one backend."""
    directory.mkdir(parents=True)
    cfg = cfg | {"output_path": str(directory / "data.h5")}
    with open(directory / "config.yml", "w", encoding="utf-8") as file:
        yaml.dump(cfg, file)
    args = [python, MODELS, name, directory / "config.yml"]
    process = subprocess.run(args, capture_output=True, text=True)
    if process.returncode != 0:
        raise RuntimeError(f"{name} failed with {python}: {cfg}\n{process.stderr}")
    return h5py.File(directory / "data.h5")


def compare(theirs: h5py.File, ours: h5py.File) -> Iterator[str]:
    """The differences, each as the kind of it."""
    members: tuple[dict[str, Any], ...] = ({}, {})
    for file, found in zip((theirs, ours), members, strict=True):
        file.visititems(found.__setitem__)
    for path in sorted(set(members[0]) ^ set(members[1])):
        yield f"{path}: only in {'one' if path in members[0] else 'ours'}"
    for path in sorted(set(members[0]) & set(members[1])):
        pair = members[0][path], members[1][path]
        name = path.partition("/")[2] or "the model's group"
        yield from (f"{name}: {text}" for text in compare_attributes(*pair))
        if type(pair[0]) is not type(pair[1]):
            yield f"{name}: a dataset in one, a group in the other"
        elif isinstance(pair[0], h5py.Dataset):
            yield from (f"{name}: {text}" for text in compare_datasets(*pair))


def compare_attributes(theirs: h5py.HLObject, ours: h5py.HLObject) -> Iterator[str]:
    """The differences in the names of dimensions and in other attributes."""
    keys = {*theirs.attrs, *ours.attrs}
    for key in sorted(key for key in keys if not key.startswith("coords_")):
        if key not in theirs.attrs or key not in ours.attrs:
            yield f"attribute {key} only in {'one' if key in theirs.attrs else 'ours'}"
        elif not np.array_equal(theirs.attrs[key], ours.attrs[key]):
            yield f"attribute {key}"


def compare_datasets(theirs: h5py.Dataset, ours: h5py.Dataset) -> Iterator[str]:
    """The differences in shapes, types, coordinates and values."""
    is_timing = "/benchmark/" in theirs.name
    if theirs.shape != ours.shape:
        yield "shape"
    if theirs.maxshape != ours.maxshape and not is_timing:
        yield "maxshape"
    if theirs.dtype != ours.dtype:
        yield f"dtype {theirs.dtype}, ours {ours.dtype}"
    for axis, dim in enumerate(read_dims(ours)):
        coords = [read_coords(dset, dim, dset.shape[axis]) for dset in (theirs, ours)]
        if not np.array_equal(*coords):
            yield f"coordinates of {dim}"
    if not is_timing:
        values = [dset[()] for dset in (theirs, ours)]
        if theirs.ndim and theirs.shape != ours.shape:  # then as many as there are
            number = min(len(theirs), len(ours))
            values = [rows[:number] for rows in values]
        if not np.array_equal(values[0], values[1].astype(theirs.dtype)):
            yield "values"


def main(published: str) -> int:
    """Runs and compares everything; returns how many differences nobody explains."""
    pythons = {"theirs": published, "ours": sys.executable}
    differences: Counter[str] = Counter()
    num_runs = num_datasets = num_same = 0
    with tempfile.TemporaryDirectory() as tmp, ThreadPoolExecutor(2) as pool:
        for number, (name, cfg) in enumerate(configurations()):
            futures = [
                pool.submit(run, python, Path(tmp, f"{number}/{which}"), name, cfg)
                for which, python in pythons.items()
            ]
            with futures[0].result() as theirs, futures[1].result() as ours:
                assert "utopya_backend" in ours.attrs
                assert "utopya_backend" not in theirs.attrs
                found = set(compare(theirs, ours))
                names: list[str] = []
                ours.visit(names.append)
                dsets = [name for name in names if isinstance(ours[name], h5py.Dataset)]
            num_runs += 1
            num_datasets += len(dsets)
            differences.update(found)
            differing = {text.partition(":")[0] for text in found}
            num_same += sum(key.partition("/")[2] not in differing for key in dsets)

    print(
        f"{num_runs} runs with each backend, {num_datasets} datasets; {num_same} same."
    )
    unexplained = 0
    for text, count in sorted(differences.items()):
        reason = EXPLAINED.get(text)
        unexplained += reason is None
        print(f"{count:5d} x  {text}\n         {reason or 'NOT EXPLAINED'}")
    return unexplained


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)
