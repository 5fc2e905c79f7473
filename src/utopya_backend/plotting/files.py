"""Where pictures are written: never over something that is there."""

import contextlib
import itertools
import re
from pathlib import Path

from ..errors import (
    MissingFileError,
    OutputDirectoryError,
    OutputExistsError,
    OutputPermissionError,
)
from ..io.opening import find_outputs

_MAX_BYTES = 200
FORMATS = ("png", "pdf", "svg")
"""The formats of pictures, which are the extensions of their files"""


def default_directory(path: Path) -> Path:
    """Where the pictures of some output belong.

    Args:
        path: A ``data.h5``, or the directory of a universe or of a run

    Returns:
        ``eval`` in the directory of the run, in the frontend's layout, or else the
        current directory
    """
    run = _run_of(path)
    return Path() if run is None else run / "eval"


def default_name(path: Path, variable: str) -> str:
    """The name of the picture of a variable, without an extension.

    Args:
        path: As above
        variable: The path of the variable
    """
    name = re.sub(r"[^\w.+-]+", "-", variable).strip("-.") or "data"
    # With a number and an extension, 255 bytes are what a file system takes.
    name = name.encode()[:_MAX_BYTES].decode(errors="ignore")
    files = find_outputs(path)
    universe = files[0].absolute().parent.name
    # One of many universes; 0 is the only one.
    is_one = _run_of(path) is not None and len(files) == 1 and universe != "uni0"
    return f"{universe}-{name}" if is_one else name


def make_directory(path: Path) -> None:
    """Makes a directory in one that exists, unless it is there.

    Args:
        path: The directory

    Raises:
        OSError: If it cannot be made
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputDirectoryError(
            f"The directory {path} cannot be made ({error.strerror}): choose another "
            "place by --output."
        ) from None


def write_new(path: Path, content: bytes) -> Path:
    """Writes a file whose name gets a number behind it, if there is one already.

    Args:
        path: The file
        content: What to write

    Returns:
        The file that was written
    """
    names = (f"{path.stem}-{number}{path.suffix}" for number in itertools.count(2))
    for name in itertools.chain([path.name], names):
        try:
            return write_exclusively(path.with_name(name), content)
        except OutputExistsError:
            continue
    raise AssertionError  # there always is another name


def write_exclusively(path: Path, content: bytes) -> Path:
    """Writes a file.

    Args:
        path: The file, in a directory that exists
        content: What to write

    Returns:
        The same path

    Raises:
        FileExistsError: If it exists. Nothing is changed then.
        FileNotFoundError: If its directory does not
        PermissionError: If there is no permission to write there
    """
    try:
        with open(path, "xb") as file:
            file.write(content)
    except FileExistsError:
        raise OutputExistsError(
            f"There is a file {path} already, and it is not overwritten: choose "
            "another name, or remove it."
        ) from None
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(
            f"There is no directory {path.parent} for {path.name}: make it first."
        ) from None
    except PermissionError:
        raise OutputPermissionError(
            f"There is no permission to write {path}: choose another place by --output."
        ) from None
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()  # what there was space for
        raise OutputDirectoryError(
            f"Cannot write {path} ({error.strerror}): choose another place by --output."
        ) from None
    return path


def _run_of(path: Path) -> Path | None:
    universe = find_outputs(path)[0].absolute().parent
    is_universe = re.fullmatch(r"uni\d+", universe.name)
    is_in_run = is_universe and universe.parent.name == "data"
    return universe.parent.parent if is_in_run else None
