"""Where data comes from: what an output file says about the run that made it.

It stands in the attributes of the file's root group:

====================  ================================================================
``status``            ``running``; after that ``finished``, ``stopped: SIGUSR1`` (or
                      another signal; ``stopped: closed`` if the model was closed in
                      the middle of a run), or ``failed: <the error>``. It stays
                      ``running`` if the process was killed.
``model``             the class of the model, with its module
``source_commit``     the git commit of the source of the model, if it has one; with
                      a ``+`` behind it if there were changes since
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
import signal
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from ..handover import handed_over
from .output import OutputFile

OF_ONE_RUN = frozenset(
    {
        "model", "source_commit", "started", "ended", "host", "python", "numpy",
        "h5py", "hdf5", "utopya_backend", "configuration",
    }
)  # fmt: skip
"""Attributes that are not the same whenever and wherever the same data is made"""

_MAX_LENGTH = 1000  # of an error message


def describe_exit(exit_code: int) -> str:
    """The status of a run that ended with an exit code of its own.

    Args:
        exit_code: 0, or 128 + signum
    """
    if exit_code == 0:
        return "finished"
    try:
        return f"stopped: {signal.Signals(exit_code - 128).name}"
    except ValueError:
        return f"stopped: signal {exit_code - 128}"


def describe_failure(error: BaseException) -> str:
    """The status of a run that was ended by an exception.

    Args:
        error: The exception
    """
    if isinstance(error, KeyboardInterrupt):
        return "stopped: SIGINT"
    message = f"failed: {type(error).__name__}: {error}"[:_MAX_LENGTH]
    # HDF5 stores no NUL, and UTF-8 no half of a surrogate pair.
    return message.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def write_start(file: h5py.File, *, model: type, cfg: Mapping[str, Any]) -> None:
    """Notes where the data of a file will come from.

    Args:
        file: The file, new
        model: The class of the model
        cfg: The resolved configuration of the universe
    """
    from .. import __version__  # which imports this package

    file.attrs.update(
        {
            # Of a string, an attribute has a reference only: it may be of any size.
            "configuration": _as_text(cfg),
            "status": "running",
            "model": f"{model.__module__}.{model.__qualname__}",
            "seed": str(cfg["seed"]),
            "started": _now(),
            "host": platform.node(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "h5py": h5py.__version__,
            "hdf5": h5py.version.hdf5_version,
            "utopya_backend": __version__,
        }
    )
    _tell(file, "running", 0)
    if commit := source_commit(model):
        file.attrs["source_commit"] = commit


def _as_text(cfg: Mapping[str, Any]) -> str:
    from .. import yaml  # on first use

    handover = handed_over()
    if handover is not None and handover.cfg == cfg:
        return handover.text
    text = io.StringIO()
    yaml.dump(cfg, text)
    return text.getvalue()


def write_end(file: OutputFile, *, status: str, iterations: int) -> None:
    """Notes how a run has ended.

    Args:
        file: The file
        status: How
        iterations: How many iterations were done
    """
    words = {"status": status, "ended": _now(), "iterations": iterations}
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


def source_commit(model: type) -> str | None:
    """The git commit of the source of a model.

    Args:
        model: The class of the model

    Returns:
        The commit, with a ``+`` if there are changes that are not committed;
        None if the source is not in a git repository, or git is not there.
    """
    directory = source_directory(model)
    if directory is None:
        return None
    if (handover := handed_over()) and directory in handover.source_commits:
        return handover.source_commits[directory]
    commit = _git("rev-parse", "HEAD", directory=directory)
    if commit is None:
        return None
    return commit + (
        "+" if _git("status", "--porcelain", ".", directory=directory) else ""
    )


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

    try:
        process = subprocess.run(
            ["git", "-C", directory, *args],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
