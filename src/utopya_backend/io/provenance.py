"""Where data comes from: what an output file says about the run that made it.

It stands in the attributes of the file's root group:

====================  ================================================================
``status``            how the run has ended; see :py:mod:`.status`
``model``             the class of the model, with its module
``source_hash``       the SHA-256 of the source of the model, see :py:mod:`.source`;
                      or ``unknown:`` and the reason
``source_commit``     the git commit of that source, if it has one; with a ``+``
                      behind it if there were changes since
``seed``              the seed of the random numbers, as text: it may be of any size
``started``           when the model was made (ISO 8601, UTC)
``ended``             when its last run ended, likewise
``iterations``        how many iterations were done by then
``host``              the name of the machine
``python``, …         the versions of Python, numpy, h5py, HDF5 and utopya_backend
``configuration``     the resolved configuration of the universe, as YAML
====================  ================================================================
"""

import datetime
import inspect
import io
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from ..errors import ConfigError
from ..handover import handed_over
from .output import OutputFile
from .source import Source, find_source, name_of

OF_ONE_RUN = frozenset(
    {
        "model", "source_hash", "source_commit", "started", "ended", "host", "python",
        "numpy", "h5py", "hdf5", "utopya_backend", "configuration",
    }
)  # fmt: skip
"""Attributes that are not the same whenever and wherever the same data is made"""

ORIGIN = ("source_hash", "python", "numpy", "h5py", "hdf5", "utopya_backend")
"""Attributes that say by what data was made, rather than from what"""


def versions() -> dict[str, str]:
    """The versions of what data depends on, by the names of the attributes."""
    from .. import __version__  # which imports this package

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "h5py": h5py.__version__,
        "hdf5": h5py.version.hdf5_version,
        "utopya_backend": __version__,
    }


def write_start(
    file: h5py.File, *, model: type, configuration: str, seed: Any, cfg_file: str
) -> None:
    """Notes where the data of a file will come from.

    Args:
        file: The file, new
        model: The class of the model
        configuration: The resolved configuration of the universe
        seed: The seed in it
        cfg_file: The path of the file in which it is
    """
    source = source_of(model, cfg_file)
    file.attrs.update(
        {
            # Of a string, an attribute has a reference only: it may be of any size.
            "configuration": configuration,
            "status": "running",
            "model": f"{model.__module__}.{model.__qualname__}",
            "seed": str(seed),
            "started": utc_now(),
            "host": platform.node(),
            "source_hash": source.hash,
            **versions(),
        }
    )
    _tell(file, "running", 0)
    if source.commit is not None:
        file.attrs["source_commit"] = source.commit


def as_text(cfg: Mapping[str, Any]) -> str:
    """The text of a configuration.

    Args:
        cfg: The configuration

    Raises:
        ValueError: If something in it cannot be written
    """
    from .. import yaml  # on first use

    handover = handed_over()
    if handover is not None and handover.cfg == cfg:
        return handover.text
    text = io.StringIO()
    try:
        yaml.dump(cfg, text)
    except yaml.YAMLError as error:
        raise ConfigError(str(error)) from None
    return text.getvalue()


def write_end(file: OutputFile, *, status: str, iterations: int) -> None:
    """Notes how a run has ended.

    Args:
        file: The file
        status: How
        iterations: How many iterations were done
    """
    words = {"status": status, "ended": utc_now(), "iterations": iterations}
    lost = f"failed: the output file could not be written ({status})"
    is_failure = status.startswith("failed")
    file.last_words = words if is_failure else {**words, "status": lost}
    file.attrs.update(words)
    _tell(file, status, iterations)


def _tell(file: h5py.File, status: str, iterations: int) -> None:
    """Tells whoever has made the universe, so that they need not open the file."""
    handover = handed_over()
    if handover is not None and file.filename == handover.cfg.get("output_path"):
        handover.end = (status, iterations)


def source_of(model: type, cfg_file: str) -> Source:
    """The source of a model that is just being made.

    Args:
        model: The class of the model
        cfg_file: Its configuration: a program that was called with that is the model's.

    Returns:
        The source; that which was handed over, if there is one.
    """
    handover = handed_over()
    found = handover.sources.get(name_of(model)) if handover else None
    if found is not None and found.is_what_runs():
        return found
    program = None
    if sys.argv[1:] == [cfg_file]:
        program = getattr(sys.modules["__main__"], "__file__", None)
    return read_source(model, program, None if found is None else found.time)


def read_source(
    model: type, program: str | None = None, imported: float | None = None
) -> Source:
    """Finds the source of a model, and its git commit.

    Args:
        model: The class of the model
        program: Its program, if there is one
        imported: When it was imported, if not when the class was defined
            [s since 1970]
    """
    source = find_source(model, program, imported)
    if source.paths:
        source.commit = source_commit(model, source.paths)
    return source


def source_commit(model: type, paths: Sequence[str]) -> str | None:
    """The git commit of the source of a model.

    Args:
        model: The class of the model
        paths: The files of its source. Others do not count, such as the output of runs.

    Returns:
        The commit, with a ``+`` if there are changes that are not committed;
        None if the source is not in a git repository, or git is not there.
    """
    directory = source_directory(model)
    if directory is None:
        return None
    found = _git("rev-parse", "--show-toplevel", "HEAD", directory=directory)
    if found is None:
        return None
    top, _, commit = found.rpartition("\n")
    inside = [p for p in map(os.path.realpath, paths) if p.startswith(top + os.sep)]
    if not inside:  # there are links only, to files elsewhere
        return None
    # A file that git ignores is not in the commit, either.
    changes = _git("status", "--porcelain", "--ignored", "--", *inside, directory=top)
    return commit if changes == "" else f"{commit}+"


def source_directory(model: type) -> str | None:
    """The directory with the source of a model.

    Args:
        model: The class of the model

    Returns:
        Its absolute path; None if there is none, as in an interactive session
    """
    try:
        return os.path.dirname(os.path.abspath(inspect.getfile(model)))
    except (TypeError, OSError):
        return None


def _git(*args: str, directory: str) -> str | None:
    import subprocess

    # A hook of git runs its commands with these, which say where its repository is.
    where = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
    environ = {key: value for key, value in os.environ.items() if key not in where}
    # Nothing is written, and no other process is started.
    quietly = ("--no-optional-locks", "-c", "core.fsmonitor=false")
    plainly = ("--literal-pathspecs", "-c", "status.showUntrackedFiles=normal")
    try:
        process = subprocess.run(
            ["git", *quietly, *plainly, "-C", directory, *args],
            capture_output=True, text=True, timeout=5, check=True, env=environ,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return process.stdout.rstrip("\n")


def utc_now() -> str:
    """The time, as it stands in what runs note."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
