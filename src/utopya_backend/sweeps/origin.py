"""From which source, parameters and versions the universes of a sweep come.

That stands in ``config/provenance.yml``, below ``origins``: an entry when the sweep is
begun, and another one when it is continued with something else.
"""

from __future__ import annotations

import hashlib
import io
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import yaml
from ..errors import ConfigError, UnknownSourceWarning, UserError
from ..finding import ModelInfo, load_class, split_source
from ..io.provenance import read_source, utc_now, versions
from ..io.runs import PARAMETER_SPACE, PROVENANCE
from ..io.source import UNKNOWN, Source, is_known
from ..tools import load_cfg_file
from .program import is_sent

Origin = Mapping[str, Any]
"""What universes come from: the hash and the files of the source, the hash of the
parameter space, versions"""

_KEY = "origins"
_MAX_LISTED = 5


def origin_of(model: ModelInfo, run: Path) -> Origin:
    """What universes come from that are run now.

    Args:
        model: The model
        run: The directory of the sweep
    """
    source = _source_of(model)
    return {
        "source_hash": source.hash,
        "files": source.files,
        "parameters": hashlib.sha256((run / PARAMETER_SPACE).read_bytes()).hexdigest(),
        **versions(),
    }


def read_origins(run: Path) -> list[Origin]:
    """What the universes of a sweep come from that are there.

    Args:
        run: Its directory

    Returns:
        None at all, if it was begun by the frontend or an older version

    Raises:
        ValueError: If the file is damaged
    """
    try:
        content = load_cfg_file(str(run / PROVENANCE))
    except FileNotFoundError:
        return []
    found = content.get(_KEY) if isinstance(content, Mapping) else None
    return [one for one in found or () if isinstance(one, Mapping)]


def note_origin(run: Path, origin: Origin) -> None:
    """Notes what universes come from that are about to be run.

    Args:
        run: The directory of the sweep
        origin: What they come from

    Raises:
        ValueError: If the file is damaged
    """
    before = read_origins(run)
    if any(_are_same(origin, other) for other in before):
        return
    text = io.StringIO()
    yaml.dump([{"since": utc_now(), **origin}], text)
    with open(run / PROVENANCE, "a", encoding="utf-8") as file:
        file.write(text.getvalue() if before else f"{_KEY}:\n{text.getvalue()}")


def check_origin(run: Path, origin: Origin, *, force: bool) -> None:
    """Checks that universes come from the same as those that are there.

    Where that cannot be known, an :py:class:`.UnknownSourceWarning` says so: to refuse
    it would have people force all sweeps that were begun by something else.

    Args:
        run: The directory of the sweep
        origin: What they come from
        force: Whether to go on if not

    Raises:
        ValueError: If not
    """
    before = read_origins(run)
    if not before:
        _warn(run, "it was begun by the frontend, or an older version of this package")
        return
    if any(_are_same(origin, other) for other in before):
        return
    last = before[-1]
    if differences := list(_differences(last, origin)):
        if force:
            return
        raise ConfigError(
            f"There is something else now than when universes of {run} were run:\n  "
            + "\n  ".join(differences)
            + "\nTo run them all anew, begin another sweep. To run the missing ones by "
            "what there is now, say --force (in Python, force=True): the data says "
            "which is from which."
        )
    for one in (last, origin):
        if not _has_known_source(one):
            _warn(run, one["source_hash"].removeprefix(UNKNOWN))
            return


def parameters_have_changed(run: Path, origin: Origin) -> bool:
    """Whether the parameter space is another one than that of some universes.

    Args:
        run: The directory of the sweep
        origin: What is there now
    """
    return any(o.get("parameters") != origin["parameters"] for o in read_origins(run))


def _warn(run: Path, reason: str) -> None:
    warnings.warn(
        f"The universes of {run} that are there may come from another source of the "
        f"model than those that are run now. That cannot be known: {reason}.",
        UnknownSourceWarning,
        stacklevel=4,
    )


def _are_same(one: Origin, other: Origin) -> bool:
    return _has_known_source(one) and not any(True for _ in _differences(one, other))


def _has_known_source(origin: Origin) -> bool:
    return is_known(str(origin.get("source_hash")))


def _differences(before: Origin, now: Origin) -> Iterator[str]:
    """What has changed, as far as it is known, a line each."""
    if _has_known_source(before) and _has_known_source(now):
        yield from _differences_of_files(before.get("files") or {}, now["files"])
    if before.get("parameters") != now["parameters"]:
        yield f"{PARAMETER_SPACE} has changed"
    for name in versions():
        if before.get(name) != now[name]:
            yield f"{name} is {now[name]}, and was {before.get(name)}"


def _differences_of_files(
    before: Mapping[str, str], now: Mapping[str, str]
) -> Iterator[str]:
    if sorted(before.values()) == sorted(now.values()):
        return  # they have been moved, or are imported by other names
    lines = [
        f"{name} has changed" if name in before and name in now
        else f"{name} is new" if name in now
        else f"{name} is not part of the model any more"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]  # fmt: skip
    yield from lines[:_MAX_LISTED]
    if len(lines) > _MAX_LISTED:
        yield f"… and {len(lines) - _MAX_LISTED} more files"


def _source_of(model: ModelInfo) -> Source:
    if model.source is None and model.cls is None:  # another language
        path = Path(model.args[-1])
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Source({path.name: digest}, paths=(str(path),))
    try:
        cls = load_class(model)
    except UserError as error:  # it is told when the universes are run
        return Source({}, f"{model.name} cannot be imported ({error})".split("\n")[0])
    where, name = split_source(model.source or "")
    # Universes import the model anew, unless it is known here only.
    imported = None if is_sent(cls) and not where else time.time()
    return read_source(cls, None if name or not where else where, imported)
