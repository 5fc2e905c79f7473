"""Logging: the levels' names, the format, and the logger of the backend."""

import logging as _logging

from .errors import ConfigError as _ConfigError
from .errors import suggest as _suggest

LOG_LEVELS: dict[str, int] = {
    "trace": 5,
    "debug": _logging.DEBUG,
    "info": _logging.INFO,
    "warn": _logging.WARNING,
    "warning": _logging.WARNING,
    "error": _logging.ERROR,
    "critical": _logging.CRITICAL,
    "fatal": _logging.FATAL,
    "not_set": _logging.NOTSET,
    "notset": _logging.NOTSET,
    "none": _logging.NOTSET,
}
"""A map of log level names to actual level values"""

DEFAULT_LOG_FORMAT = "%(levelname)-7s %(message)s"
"""The default logging format; can also include ``%(name)-14s`` to show the
logger's name."""

# Without effect where the importing program has set up logging already.
_logging.basicConfig(format=DEFAULT_LOG_FORMAT, level=LOG_LEVELS["info"])

backend_logger = _logging.getLogger()
"""A backend-wide logger, which is the same as the root logger.

Note:
    A :py:class:`~utopya_backend.model.base.BaseModel` sets its level to the
    ``log_levels.backend`` entry of the configuration.
"""


def get_level(s: str | int) -> int:
    """Returns the integer log level that belongs to a name.

    Args:
        s: Name of the log level, one of :py:data:`LOG_LEVELS`, not
            case-sensitive. An integer is a level already and returned as it
            is.

    Returns:
        The log level

    Raises:
        ValueError: If there is no such level

    Example:
        >>> get_level("Warning")
        30
    """
    if isinstance(s, int) and not isinstance(s, bool):
        return s
    level = LOG_LEVELS.get(s.lower()) if isinstance(s, str) else None
    if level is None:
        raise _ConfigError(
            f"There is no log level {s!r}: choose one of {', '.join(LOG_LEVELS)}, "
            f"or an integer.{_suggest(s, LOG_LEVELS)}"
        )
    return level
