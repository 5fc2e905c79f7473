"""What the status of a run says, as it stands in its output file.

===========================  =========================================================
``running``                  it has not ended, or its process was killed
``finished``                 it has come to its end
``stopped: SIGUSR1``         it was stopped by that signal, or another one, in order
``stopped: closed``          the model was closed in the middle of it
``failed: <the error>``      it was ended by an exception
===========================  =========================================================
"""

import signal

from ..signal import SIG_STOPCOND

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


def signal_in(status: str | None) -> int | None:
    """The signal that has stopped a run, by its status.

    Args:
        status: The status, e.g. ``stopped: SIGTERM``

    Returns:
        Its number; None if no signal did
    """
    name = (status or "").removeprefix("stopped: ")
    return int(signal.Signals[name]) if name in signal.Signals.__members__ else None


def has_come_to_end(status: str | None) -> bool:
    """Whether a run has come to its end, or was ended by a stop condition.

    Args:
        status: Its status
    """
    return status == "finished" or signal_in(status) == SIG_STOPCOND


def complaint_about_end(status: str | None, number: int | None) -> str:
    """What is to be said of a run whose program has ended with exit code 0.

    Args:
        status: Its status
        number: The number of its iterations

    Returns:
        The end of a sentence, if the run was not even stopped in order; else the empty
        string
    """
    is_unfinished = status is not None and (
        status.startswith(("running", "failed"))
        or (status == "stopped: closed" and number == 0)
    )
    if not is_unfinished:
        return ""
    return (
        f"ended before its run was finished ('{status}'), though with exit code 0: "
        "does it call sys.exit(), or not call model.run()?"
    )
