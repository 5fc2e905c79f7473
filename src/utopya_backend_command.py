"""The command ``utopya-backend``, and whether the right package is behind it.

The ``utopya`` frontend ships a package ``utopya_backend`` of its own. Where that one
is imported instead of ours, or where files of the two are mixed, the command has to
be able to say so; that is why it stands beside the package, not in it, and needs
nothing but the standard library.
"""

import base64
import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, distributions
from pathlib import Path

_PACKAGE = "utopya_backend"
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


def main() -> None:
    """Runs the command; says so if another package is in the place of ours."""
    try:
        from utopya_backend.cli import main as command
    except Exception:  # whatever comes of a package that is not ours, or not whole
        installation = inspect(sys.path)
        if not installation.problems:
            raise
        print(installation, file=sys.stderr)
        sys.exit(1)
    command()


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


def inspect(path: Sequence[str]) -> Installation:
    """Looks for the package, and for the distributions that have put files there.

    Args:
        path: Where modules are looked for, as ``sys.path``

    Returns:
        What was found
    """
    spec = PathFinder.find_spec(_PACKAGE, path)
    if spec is None:
        return Installation("cannot be imported", "none", ["It is not installed."])
    (first, *_) = spec.submodule_search_locations or [spec.origin or ""]
    directory = Path(first).resolve()
    location = spec.origin or f"{directory}, which has no __init__.py"

    installed = list(distributions(path=list(path)))
    owners = [dist for dist in installed if _files_of(dist, directory)]
    ours = next((dist for dist in owners if dist.name == _DISTRIBUTION), None)
    others = [dist for dist in owners if dist.name != _DISTRIBUTION]
    if ours is not None:
        return _inspect_files(location, directory, ours, others)
    if others:
        shadowed = any(dist.name == _DISTRIBUTION for dist in installed)
        return Installation(
            location,
            _label(others[0]),
            [
                "This is not utopya-backend, but the package of the same name that "
                f"comes with {_label(others[0])}."
                + (" (utopya-backend is installed, too, but found later.)" * shadowed)
            ],
        )
    if directory == Path(__file__).resolve().with_name(_PACKAGE):
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


def _inspect_files(
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
    changed = {path for path in expected & found if not _is_as_installed(ours, path)}
    names = ", ".join(map(_label, others)) or "another one"
    problems = [
        *_list("These files are missing", expected - found),
        *_list(f"These files have been replaced, by those of {names}", changed),
        *_list(f"These files are of {names}", (found - expected) & foreign),
    ]
    installation = Installation(location, _label(ours), problems)
    if others:
        installation.notes.append(
            f"{names} has installed files here, too: whenever it is upgraded or "
            "removed, install utopya-backend again."
        )
    return installation


def _list(what: str, paths: set[Path]) -> Iterator[str]:
    if paths:
        yield f"{what}: {', '.join(sorted(map(str, paths)))}."


def _files_of(dist: Distribution, directory: Path) -> set[Path]:
    """The files that a distribution has installed in a directory, relative to it."""
    if Path(str(dist.locate_file(_PACKAGE))).resolve() != directory:
        return set()
    return {
        Path(*file.parts[1:])
        for file in dist.files or ()
        if file.parts[0] == _PACKAGE and "__pycache__" not in file.parts
    }


def _is_as_installed(dist: Distribution, path: Path) -> bool:
    """Whether a file is the one that the distribution has installed.

    The hash is written as the specification of RECORD files says,
    https://packaging.python.org/en/latest/specifications/recording-installed-packages/
    """
    for file in dist.files or ():
        if file.parts == (_PACKAGE, *path.parts) and file.hash is not None:
            digest = hashlib.new(
                file.hash.mode, Path(file.locate()).read_bytes()
            ).digest()
            encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            return encoded == file.hash.value
    return True


def _label(dist: Distribution) -> str:
    return f"{dist.name} {dist.version}"
