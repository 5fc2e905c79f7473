"""Errors that a user can mend: a mistake in a configuration, a path, a call.

Each says which value was wrong, what was expected and what to do, and derives
from the builtin exception that fits, so that ``except ValueError`` and the
like work as usual. All of them are a :py:class:`UserError`: the command line
shows such an error as its text alone and exits with code 2.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

EXIT_CODE = 2
"""Exit code of a process that ends by an uncaught :py:class:`UserError`"""

_MAX_MISTAKES = 30
"""How many mistakes are shown at once"""


class UserError(Exception):
    """Base class: something that the user, not the program, has to change."""


class ConfigError(UserError, ValueError):
    """A configuration file or a value in it is not what it has to be."""


class MissingKeyError(UserError, KeyError):
    """A configuration lacks a mandatory key."""

    def __str__(self) -> str:
        # A KeyError shows the repr of its argument, which garbles a sentence.
        return str(self.args[0]) if self.args else ""


class ParameterError(UserError, TypeError):
    """The parameters do not fit the signature of the function that takes them."""


class ManyMistakesError(ConfigError):
    """A configuration has several mistakes.

    Attributes:
        mistakes: An error for each of them
    """

    def __init__(self, mistakes: Sequence[UserError]) -> None:
        super().__init__(mistakes)  # so that it can be pickled
        self.mistakes = tuple(mistakes)

    def __str__(self) -> str:
        lines = [f"The configuration has {len(self.mistakes)} mistakes:"]
        lines += [
            "  - " + str(mistake).replace("\n", "\n    ")
            for mistake in self.mistakes[:_MAX_MISTAKES]
        ]
        if (more := len(self.mistakes) - _MAX_MISTAKES) > 0:
            lines.append(f"  … and {more} more.")
        return "\n".join(lines)


class MissingFileError(UserError, FileNotFoundError):
    """A file or directory that was named does not exist."""


class UnreadableFileError(UserError, OSError):
    """A file that was named cannot be read."""


class JournalError(UserError, ValueError):
    """The journal of an output file does not belong to it."""


class NotAnOutputFileError(UserError, ValueError):
    """A file is not what it has to be to be read."""


class FileInUseError(UserError, BlockingIOError):
    """An output file is open in another process."""


class OutputExistsError(UserError, FileExistsError):
    """What should be made exists already: nothing is ever overwritten."""


class OutputPermissionError(UserError, PermissionError):
    """The output directory cannot be written to."""


class OutputDirectoryError(UserError, OSError):
    """A directory for the output cannot be made."""


class ExecutableError(UserError, OSError):
    """The executable of a model cannot be started."""


class ClusterError(UserError, RuntimeError):
    """A cluster cannot run what it should."""


class MissingPackageError(UserError, ImportError):
    """A package is not installed that this needs."""


class ModelImportError(UserError, ImportError):
    """The class of a model cannot be imported."""


class ModelNameError(UserError, ValueError):
    """A model cannot have this name."""


class InexactError(UserError, ValueError):
    """Values cannot be read as they are, but rounded only."""


class NoLastValueError(UserError, ValueError):
    """Data does not say which values are the last ones, or does not have them."""


class UnknownVariableError(UserError, LookupError):
    """Output does not have the variable that was named."""


class UnknownDimensionError(UserError, LookupError):
    """Data does not have the dimension, or the coordinate, that was named."""


class NotDrawableError(UserError, ValueError):
    """There is no picture of this."""


class OutputNotADirectoryError(UserError, NotADirectoryError):
    """What should be the output directory is something else."""


def _subject(error: UserError) -> str:
    """Which value of which entry is said to be wrong, if the error is of that kind."""
    entry, verb, rest = str(error).partition(" has to be ")
    return entry + rest.partition(", but ")[2].partition(")")[0] if verb else ""


class Mistakes:
    """The errors of several checks, so that all of them are reported at once.

    Example:
        >>> mistakes = Mistakes()
        >>> with mistakes:
        ...     raise ConfigError("seed has to be an integer.")
        >>> with mistakes:
        ...     raise MissingKeyError("num_steps is missing.")
        >>> mistakes.raise_any()
        Traceback (most recent call last):
        utopya_backend.errors.ManyMistakesError: The configuration has 2 mistakes:
          - seed has to be an integer.
          - num_steps is missing.
    """

    def __init__(self) -> None:
        self._found: list[UserError] = []

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if isinstance(error, ManyMistakesError):
            found = list(error.mistakes)
        else:
            found = [error] if isinstance(error, UserError) else []
        # The same value may be wrong in two respects: one is enough.
        subjects = {_subject(one) for one in self._found} - {""}
        texts = set(map(str, self._found))
        self._found += [
            one
            for one in found
            if _subject(one) not in subjects and str(one) not in texts
        ]
        return isinstance(error, UserError)

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_any(self) -> None:
        """Raises the only error, or one that lists all.

        Raises:
            UserError: If there are any
        """
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise ManyMistakesError(self._found)


@contextmanager
def reporting(mistakes: Mistakes | None = None) -> Iterator[Mistakes]:
    """Has a check report its mistakes at its end, unless its caller collects them.

    Args:
        mistakes: Where the caller collects them

    Yields:
        Where to note them

    Raises:
        UserError: If there are any, and nobody collects them
    """
    if mistakes is not None:
        yield mistakes
        return
    own = Mistakes()
    with own:
        yield own
    own.raise_any()


def show(value: Any) -> str:
    """How an error message shows a value: with its type, and not at any length.

    Args:
        value: The value

    Example:
        >>> show(2.5)
        '2.5 (float)'
    """
    text = " ".join(repr(value).split())  # in one line
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__name__})"


class LatestRunWarning(UserWarning):
    """It is not certain which of several runs was begun last, or that has no data."""


class UnknownSourceWarning(UserWarning):
    """Data may come from different sources of a model."""


def suggest(
    name: object,
    possibilities: Iterable[str],
    *,
    cutoff: float = 0.6,
    sentence: str = " Did you mean '{}'?",
) -> str:
    """Says which of the possibilities was probably meant by a name.

    Args:
        name: What was given.
        possibilities: What could have been meant.
        cutoff: How similar the names have to be, from 0 to 1.
        sentence: How to say it

    Returns:
        The sentence, or the empty string where nothing is close.

    Example:
        >>> suggest("betta", ["alpha", "beta"])
        " Did you mean 'beta'?"
    """
    import difflib  # only needed once something is wrong

    names = list(possibilities)
    matches = [other for other in names if other.lower() == str(name).lower()]
    matches += difflib.get_close_matches(str(name), names, 1, cutoff)
    return sentence.format(matches[0]) if matches else ""


def hide_traceback_of_user_errors() -> None:
    """Makes an uncaught :py:class:`UserError` end the program as a text.

    The traceback of a mistake in a configuration file points into this package
    and helps nobody. The hook stays out of the way wherever another one, of a
    debugger or an application, is in place, and of all other exceptions.
    """
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _show_error


def _show_error(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if not isinstance(error, UserError):
        sys.__excepthook__(kind, error, traceback)
        return
    print(f"Error: {error}", file=sys.stderr)
    # An excepthook that raises SystemExit sets the exit code of the process.
    raise SystemExit(EXIT_CODE)
