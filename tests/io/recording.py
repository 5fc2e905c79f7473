"""Records what an output file does to the disk, and rebuilds it at any point."""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from utopya_backend.io.disk import DiskFile
from utopya_backend.io.journal import journal_path


@dataclass
class Recording:
    """What happened to two files, in order: (name, what, offset or size, data)."""

    events: list[tuple[str, str, int, bytes]] = field(default_factory=list)

    def disk_file(self) -> type[DiskFile]:
        """A class that does what DiskFile does, and notes it."""
        events = self.events

        class RecordedFile(DiskFile):
            @property
            def name(self):
                return os.path.basename(self.path).removesuffix(".new")

            def write(self, offset, data):
                events.append((self.name, "write", offset, bytes(data)))
                super().write(offset, data)

            def truncate(self, size):
                events.append((self.name, "truncate", size, b""))
                super().truncate(size)

            def sync(self):
                events.append((self.name, "sync", 0, b""))
                super().sync()

        return RecordedFile


def apply_event(image: bytearray, event: tuple[str, str, int, bytes]) -> None:
    _, what, offset, data = event
    if what == "write":
        image.extend(bytes(max(0, offset + len(data) - len(image))))
        image[offset : offset + len(data)] = data
    elif what == "truncate":
        image.extend(bytes(max(0, offset - len(image))))
        del image[offset:]


def crash_points(
    recording: Recording, rng: random.Random
) -> Iterator[tuple[int, dict[str, bytearray]]]:
    """The files as they are if the process is killed, after each single event.

    Every other time, the event is a write that is torn at some byte.
    """
    images: dict[str, bytearray] = {}
    for number, event in enumerate(recording.events):
        name, what, offset, data = event
        image = images.setdefault(name, bytearray())
        if what == "write" and rng.random() < 0.5:
            torn = {key: bytearray(value) for key, value in images.items()}
            apply_event(
                torn[name], (name, what, offset, data[: rng.randrange(len(data))])
            )
            yield number, torn
        apply_event(image, event)
        yield number, images


def power_failures(
    recording: Recording, rng: random.Random
) -> Iterator[tuple[int, dict[str, bytearray]]]:
    """The files after a power failure: any part of what was not synced is lost."""
    synced: dict[str, bytearray] = {}
    pending: dict[str, list[tuple[str, str, int, bytes]]] = {}
    for number, event in enumerate(recording.events):
        name = event[0]
        image = synced.setdefault(name, bytearray())
        waiting = pending.setdefault(name, [])
        if event[1] == "sync":
            for other in waiting:
                apply_event(image, other)
            waiting.clear()
        else:
            waiting.append(event)
        images = {key: bytearray(value) for key, value in synced.items()}
        share = rng.choice([0, 0.2, 0.5, 0.8, 1])
        for key, events in pending.items():
            for other in events:
                for part in sectors(other):
                    if rng.random() < share:
                        apply_event(images[key], part)
        yield number, images


def sectors(
    event: tuple[str, str, int, bytes],
) -> Iterator[tuple[str, str, int, bytes]]:
    """The parts of a write of which each gets to disk as a whole, or not at all."""
    name, what, offset, data = event
    if what != "write":
        yield event
        return
    start = 0
    while start < len(data):
        end = min(len(data), start + 512 - (offset + start) % 512)
        yield name, what, offset + start, data[start:end]
        start = end


def write_images(path: Path, images: dict[str, bytearray]) -> None:
    for name in (path.name, os.path.basename(journal_path(str(path)))):
        target = path.with_name(name)
        if name in images:
            target.write_bytes(images[name])
        elif target.exists():
            target.unlink()


def content_of(file: h5py.File) -> dict[str, object]:
    """All that is in a file: datasets, and attributes, by their path."""
    content: dict[str, object] = {}

    def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
        content[name] = item[()].tolist() if isinstance(item, h5py.Dataset) else None
        for key, value in item.attrs.items():
            content[f"{name}@{key}"] = np.asarray(value).tolist()

    file.visititems(note)
    return content
