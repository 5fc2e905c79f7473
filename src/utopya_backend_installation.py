"""Which package ``utopya_backend`` is imported, and what is wrong with it.

This needs nothing but the standard library, as it is for the case that something else
is in the place of our package.
"""

import base64
import csv
import hashlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath

PACKAGE = "utopya_backend"
_DISTRIBUTION = "utopya-backend"

_REMEDY = """\
What to do, best first:
- Run the models with an environment of their own, in which only utopya-backend is
  installed. The frontend uses it if its configuration says
    executable_control: {prefix: [/path/to/that/environment/bin/python]}
- With a checkout of utopya-backend: set the environment variable
    PYTHONPATH=/path/to/the/checkout/src
- In one environment, install utopya-backend last, and whenever utopya has changed:
    pip install --no-deps --force-reinstall /path/to/the/checkout"""


@dataclass
class Installation:
    """Which package ``utopya_backend`` is imported, and what is wrong with it."""

    location: str
    """What is imported: a file, or what can be said in the place of one"""

    distribution: str
    """The distribution it belongs to, and its version"""

    problems: list[str] = field(default_factory=list)
    """Why it is not this package, or not as it should be; none if all is well"""

    notes: list[str] = field(default_factory=list)
    """What may become a problem"""

    def __str__(self) -> str:
        version = ".".join(map(str, sys.version_info[:3]))
        rows = {
            "utopya_backend": self.location,
            "distribution": self.distribution,
            "python": f"{version}, {sys.executable}",
        }
        lines = [f"{key:<15s} {value}" for key, value in rows.items()]
        lines += ["", *self.problems, *self.notes]
        if self.problems:
            lines += ["", _REMEDY]
        else:
            lines.append("All is well: models that this Python runs use this package.")
        return "\n".join(lines)


def find_installation(path: Sequence[str] | None = None) -> Installation:
    """Looks for the package, and for the distributions that have put files there.

    Args:
        path: Where modules are looked for; by default, ``sys.path`` without what
            depends on how this command was started: a model is started in another way.

    Returns:
        What was found
    """
    if path is None:
        path = sys.path if sys.flags.safe_path else sys.path[1:]
    spec = PathFinder.find_spec(PACKAGE, path)
    if spec is None:
        return Installation("cannot be imported", "none", ["It is not installed."])
    (first, *_) = spec.submodule_search_locations or [spec.origin or ""]
    directory = Path(first).resolve()
    location = spec.origin or f"{directory}, which has no __init__.py"

    installed = [dist for dist in distributions(path=list(path)) if _name(dist)]
    owners = [dist for dist in installed if _files_of(dist, directory)]
    ours = next((dist for dist in owners if _name(dist) == _DISTRIBUTION), None)
    others = [dist for dist in owners if _name(dist) != _DISTRIBUTION]
    if ours is not None:
        if not directory.is_dir():
            note = "It is in an archive: its files were not looked at."
            return Installation(location, _label(ours), notes=[note])
        return _compare_files(location, directory, ours, others)
    if others:
        shadowed = any(_name(dist) == _DISTRIBUTION for dist in installed)
        return Installation(
            location,
            _label(others[0]),
            [
                "This is not utopya-backend, but the package of the same name that "
                f"comes with {_label(others[0])}."
                + (" (utopya-backend is installed, too, but found later.)" * shadowed)
            ],
        )
    is_beside = directory == Path(__file__).resolve().with_name(PACKAGE)
    if is_beside and (directory.parents[1] / "pyproject.toml").exists():
        version = re.search('__version__ = "(.*)"', Path(location).read_text("utf-8"))
        label = f"{_DISTRIBUTION} {version[1] if version else '?'}"
        return Installation(location, f"{label}, the checkout {directory.parents[1]}")
    return Installation(
        location,
        "none",
        [
            "This belongs to no distribution, and not to this command, which is in "
            f"{Path(__file__).resolve().parent}."
        ],
    )


def _compare_files(
    location: str, directory: Path, ours: Distribution, others: list[Distribution]
) -> Installation:
    """Compares the files with those that were installed."""
    expected = _files_of(ours, directory)
    foreign = {path for dist in others for path in _files_of(dist, directory)}
    found = {
        path.relative_to(directory)
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    changed = {
        path
        for path in expected.keys() & found
        if not _has_hash(directory / path, expected[path])
    }
    added = found - expected.keys()
    names = ", ".join(map(_label, others)) or "another one"
    installation = Installation(
        location,
        _label(ours),
        problems=[
            *_list("These files are missing", expected.keys() - found),
            *_list(f"These files have been replaced, by those of {names}", changed),
            *_list(f"These files are of {names}", added & foreign),
        ],
        notes=[
            *_list(
                "These files belong to no distribution",
                {path for path in added - foreign if path.suffix in (".py", ".so")},
            )
        ],
    )
    if others:
        installation.notes.append(
            f"{names} has installed files here, too: whenever it is upgraded or "
            "removed, install utopya-backend again."
        )
    return installation


def _list(what: str, paths: Set[Path]) -> Iterator[str]:
    if paths:
        yield f"{what}: {', '.join(sorted(map(str, paths)))}."


def _files_of(dist: Distribution, directory: Path) -> Mapping[Path, str]:
    """The files that a distribution has installed in a directory, with their hashes.

    They are read as the specification says, since ``dist.files`` leaves out those that
    are missing now:
    https://packaging.python.org/en/latest/specifications/recording-installed-packages/
    """
    if Path(str(dist.locate_file(PACKAGE))).resolve() != directory:
        return {}
    record = csv.reader((dist.read_text("RECORD") or "").splitlines())
    rows = ((PurePosixPath(row[0]).parts, row[1]) for row in record if len(row) > 1)
    return {
        Path(*parts[1:]): digest
        for parts, digest in rows
        if parts[0] == PACKAGE and "__pycache__" not in parts
    }


def _has_hash(path: Path, expected: str) -> bool:
    """Whether a file is as a RECORD has it, e.g. ``sha256=47DEQp…``."""
    kind, _, value = expected.partition("=")
    if not value:
        return True
    digest = hashlib.new(kind, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == value


def _name(dist: Distribution) -> str:
    """The normalized name, empty for the remains of an interrupted installation."""
    try:
        name = dist.metadata["Name"] or ""
    except Exception:  # newer versions of Python raise one of their own
        return ""
    return re.sub(r"[-_.]+", "-", name).lower()


def _label(dist: Distribution) -> str:
    return f"{_name(dist)} {dist.version}"
