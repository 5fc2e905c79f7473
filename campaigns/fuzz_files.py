"""Damaged output files: as bad disks, kills without commits and accidents make them."""

import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from fuzz_configs import invoke
from paramspace import ParamDim

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "io"))

from recording import Recording, crash_points, write_images

from utopya_backend import ModelBenchmarkMixin, StepwiseModel, simulate, sweep
from utopya_backend.io import OutputFile, open_output, storage
from utopya_backend.io.journal import Journal, journal_path, split
from utopya_backend.io.output import create_series, make_series

PAGE = 4096


class Rich(ModelBenchmarkMixin, StepwiseModel):
    """Writes data of many kinds."""

    def setup(self, *, size: int = 1) -> None:
        """Makes the datasets."""
        self.number = self.create_ts_dset("number")
        self.row = self.create_ts_dset(
            "row", extra_dims=["x"], sizes={"x": 20}, coords={"x": np.arange(20) / 7}
        )
        self.grid = self.create_grid_dset("grid", grid_shape=(8, 8), dtype="uint8")
        self.plain = self.create_ts_dset("plain", compression=None, dtype="int32")
        edges = [[i, (i + 1) % 10] for i in range(10)]
        self.create_graph("network", vertices=np.arange(10), edges=np.array(edges))
        self.h5group["words"] = ["a", "b", "ä"]
        self.h5group["records"] = np.array([(1, 2.5)], dtype=[("a", int), ("b", float)])
        self.h5group.create_group("nested/deeper").attrs["text"] = "x" * 300

    def perform_step(self) -> None:
        """Does nothing."""

    def write_data(self) -> None:
        """Writes a row to each."""
        self.number.append(self.rng.random())
        self.row.append(self.rng.random(20))
        self.grid.append(self.rng.integers(0, 3, (8, 8)))
        self.plain.append(self.time)


def make_originals(directory: Path) -> None:
    """Makes the files that are damaged later."""
    levels = {"model": "error", "backend": "error"}
    for name, num_steps in (("rich", 50), ("short", 3)):
        result = simulate(
            Rich, num_steps=num_steps, out=directory / "out", note=name, progress=False,
            log_levels=levels,
        )  # fmt: skip
        shutil.copytree(result.path.parent, directory / name)
    (directory / "plain").mkdir()
    with h5py.File(directory / "plain" / "data.h5", "w", libver="latest") as file:
        file["M/y"] = np.arange(300.0)
        file.create_dataset("M/z", data=np.arange(3000), chunks=(100,), compression=4)
        file["M/z"].attrs["dim_names"] = ["time"]
        file["M/text"] = ["a" * n for n in range(40)]
        file["soft"] = h5py.SoftLink("/M/y")
        file["away"] = h5py.ExternalLink("nowhere.h5", "/y")
    (directory / "odd").mkdir()
    with h5py.File(directory / "odd" / "data.h5", "w") as file:
        _add_odd_texts(file)
    _make_killed(directory / "killed")
    sizes = ParamDim(default=0, values=[1, 2])
    run = sweep(
        Rich, {"size": sizes}, seed=ParamDim(default=0, values=[1, 2]), num_steps=3,
        out=directory / "out", progress=False, log_levels=levels,
    )  # fmt: skip
    shutil.copytree(run.path, directory / "sweep")


def _add_odd_texts(file: h5py.File) -> None:
    """Names and texts that are not UTF-8, or that a terminal would obey."""
    group = file.create_group("M")
    for name in (b"\xff\xfe", b"\x1b[2J", "ä\u202e".encode(), b"a\nb", b" "):
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(group.id, name, h5py.h5t.NATIVE_DOUBLE, space)
    file["M/y"] = np.arange(3.0)
    file["M/y"].attrs["dim_names"] = np.array([b"\xff"], dtype="S1")
    file["M/z"] = np.arange(3.0)
    file["M/z"].attrs["dim_names"] = np.array([b"\xff"], dtype=h5py.string_dtype())
    file["M/z"].attrs["unit"] = np.array([b"\xff"], dtype=h5py.string_dtype("utf-8", 1))
    file["M/y"].attrs["coords__time"] = np.array([b"\xff", b"\x1b"], dtype="S1")
    for key in ("status", "model", "started", "ended", "configuration", "iterations"):
        file.attrs[key] = np.bytes_(b"\xff\x1b[31m" + key.encode())
    file.attrs["seed"] = np.array([[1, 2]])
    file["M/text"] = np.array([b"\xff", b"\x1b"], dtype="S1")


def _make_killed(directory: Path) -> None:
    """Files with journals, as they are when their writer is killed as it commits."""
    directory.mkdir()
    recording = Recording()
    disk_file, storage.DiskFile = storage.DiskFile, recording.disk_file()  # type: ignore[misc]
    path = directory / "data.h5"
    with OutputFile(path) as file:
        dset = make_series(
            create_series(
                file, "M/y", num_rows=None, row_shape=(30,), dtype=float, compression=2
            ),
            file,
        )
        for step in range(30):
            dset.append(np.full(30, step / 3))
            file.create_group(f"M/group {step}")
            if step % 5 == 0:
                file.commit()
    storage.DiskFile = disk_file  # type: ignore[misc]
    path.unlink()
    states = [
        {name: bytes(image) for name, image in images.items()}
        for _, images in crash_points(recording, random.Random(1))
    ]
    with_journal = [
        images
        for images in states
        if "data.h5" in images and len(images.get("data.h5.wal", b"")) > 300
    ]
    for number, images in enumerate(with_journal[:: max(1, len(with_journal) // 20)]):
        (directory / str(number)).mkdir()
        write_images(directory / str(number) / "data.h5", images)


# .. Damages ..................................................................


def _place(rng: random.Random, content: bytearray) -> int:
    """Somewhere in it, but more often at its start or end, where the metadata is."""
    near = min(len(content), rng.choice([100, 2000, 8000, len(content)]))
    offset = rng.randrange(max(1, near))
    return offset if rng.random() < 0.7 else len(content) - 1 - offset


def flip_bits(rng: random.Random, content: bytearray) -> None:
    """Flips some bits."""
    for _ in range(rng.choice([1, 1, 2, 5, 50])):
        content[_place(rng, content)] ^= 1 << rng.randrange(8)


def set_bytes(rng: random.Random, content: bytearray) -> None:
    """Sets some bytes to the largest or smallest values: sizes, offsets, versions."""
    for _ in range(rng.choice([1, 2, 5])):
        place, length = _place(rng, content), rng.choice([1, 2, 4, 8])
        content[place : place + length] = rng.choice([b"\xff", b"\0", b"\x7f"]) * length


def truncate(rng: random.Random, content: bytearray) -> None:
    """Cuts off the end."""
    del content[rng.randrange(len(content)) :]


def zero_block(rng: random.Random, content: bytearray) -> None:
    """Fills a block with zeros, as after a power failure."""
    size = rng.choice([512, PAGE, 4 * PAGE])
    start = rng.randrange(0, len(content), 512)
    content[start : start + size] = bytes(len(content[start : start + size]))


def swap_pages(rng: random.Random, content: bytearray) -> None:
    """Swaps two pages."""
    one, other = (rng.randrange(0, len(content), PAGE) for _ in range(2))
    first, second = content[one : one + PAGE], content[other : other + PAGE]
    length = min(len(first), len(second))
    content[one : one + length] = second[:length]
    content[other : other + length] = first[:length]


def overwrite(rng: random.Random, content: bytearray) -> None:
    """Writes garbage over a part."""
    start, size = _place(rng, content), rng.choice([4, 16, 512, PAGE])
    content[start : start + size] = rng.randbytes(len(content[start : start + size]))


def insert(rng: random.Random, content: bytearray) -> None:
    """Puts garbage in, or behind the end."""
    place = rng.choice([_place(rng, content), len(content)])
    content[place:place] = rng.randbytes(rng.choice([1, 512, PAGE]))


def replace_all(rng: random.Random, content: bytearray) -> None:
    """Makes it something else altogether."""
    start = rng.choice([b"", b"\x89HDF\r\n\x1a\n", b"name: value\n"])
    content[:] = start + rng.randbytes(rng.choice([0, 5, 3000, 100_000]))


DAMAGES = [
    flip_bits, flip_bits, set_bytes, set_bytes, truncate, zero_block, swap_pages,
    overwrite, insert, replace_all,
]  # fmt: skip


def damage_chunks(rng: random.Random, path: Path) -> None:
    """Damages chunks of datasets only: all is well until their values are read."""
    places = []

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.chunks is not None:
            chunks = map(item.id.get_chunk_info, range(item.id.get_num_chunks()))
            places.extend((chunk.byte_offset, chunk.size) for chunk in chunks)

    with h5py.File(path, "r") as file:
        file.visititems(note)
    content = bytearray(path.read_bytes())
    for offset, size in rng.sample(places, k=min(len(places), rng.randrange(1, 4))):
        length = rng.randrange(1, size + 1)
        garbage = rng.choice([bytes(length), rng.randbytes(length), b"\xff" * length])
        content[offset : offset + length] = garbage
    path.write_bytes(content)


def make(rng: random.Random, directory: Path, originals: Path) -> tuple[str, Path]:
    """Makes a damaged file; returns the kind of damage and its path."""
    path = directory / "data.h5"
    kind = rng.random()
    if kind < 0.2:
        return _make_journal(rng, path, originals)
    if kind < 0.3:
        return _make_sweep(rng, directory, originals)
    source = originals / rng.choice(["rich", "rich", "short", "plain", "odd"])
    shutil.copytree(source, directory, dirs_exist_ok=True)
    if rng.random() < 0.02:
        return "nothing", path
    if rng.random() < 0.15:
        damage_chunks(rng, path)
        return "damaged chunks", path
    content = bytearray(path.read_bytes())
    damage = rng.choice(DAMAGES)
    damage(rng, content)
    path.write_bytes(content)
    return damage.__name__.replace("_", " "), path


def _make_sweep(
    rng: random.Random, directory: Path, originals: Path
) -> tuple[str, Path]:
    """Damages some of the files of a sweep."""
    shutil.copytree(originals / "sweep", directory, dirs_exist_ok=True)
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    for path in rng.sample(files, k=rng.randrange(1, 4)):
        if rng.random() < 0.2:
            path.unlink()
            continue
        content = bytearray(path.read_bytes()) or bytearray(1)
        rng.choice(DAMAGES)(rng, content)
        path.write_bytes(content)
    return "files of a sweep", directory


def _make_journal(rng: random.Random, path: Path, originals: Path) -> tuple[str, Path]:
    states = sorted((originals / "killed").iterdir())
    shutil.copytree(rng.choice(states), path.parent, dirs_exist_ok=True)
    journal = Path(journal_path(str(path)))
    kind = rng.choice(["damaged journal", "another journal", "both damaged"])
    if kind == "another journal":
        shutil.copy(journal_path(str(rng.choice(states) / "data.h5")), journal)
        return kind, path
    for file in (journal, path)[: 1 + (kind == "both damaged")]:
        content = bytearray(file.read_bytes()) or bytearray(1)
        rng.choice(DAMAGES)(rng, content)
        file.write_bytes(content)
    return kind, path


# .. What is done with them ...................................................


def steps(path: Path) -> dict[str, Callable[[], str]]:
    """What is done with a file, by names; each says what has come of it."""

    def load() -> str:
        open_output(path).load()
        return "read"

    is_plain = path.is_file() and b"number" not in path.read_bytes()
    variable = "M/y" if is_plain else "number"
    picture = path.parent.parent / "pictures" / "picture.png"
    picture.parent.mkdir(exist_ok=True)

    def plot() -> str:
        picture.unlink(missing_ok=True)
        return invoke("plot", str(path), variable, "-o", str(picture))

    return {
        "show": lambda: invoke("show", str(path)),
        "open_output().load()": load,
        "plot --terminal": lambda: invoke("plot", str(path), "--terminal"),
        "plot": plot,
        "watch": lambda: invoke("watch", str(path), "--once"),
        "recover": lambda: invoke("recover", str(path)),
    }


def recovered(files: dict[str, bytes], directory: Path) -> dict[str, bytes]:
    """What becomes of files by a recovery: that, and nothing else, may change them.

    A commit is completed if its journal is whole, and belongs to the file; one that has
    not got that far is forgotten.
    """
    path = str(directory / "data.h5")
    if journal_path(path) not in files:
        return files
    _, content = split(files[journal_path(path)])
    journal = Journal.decode(content)
    result = {key: one for key, one in files.items() if key != journal_path(path)}
    if journal is not None:
        image = bytearray(files[path])
        for offset, page in journal.pages.items():
            image.extend(bytes(max(0, offset - len(image))))
            image[offset : offset + len(page.new)] = page.new
        image.extend(bytes(max(0, journal.new_size - len(image))))
        result[path] = bytes(image[: journal.new_size])
    return result


def content_of(directory: Path) -> dict[str, bytes]:
    """All files in a directory."""
    files = (
        Path(root) / name for root, _, names in os.walk(directory) for name in names
    )
    return {str(file): file.read_bytes() for file in files}
