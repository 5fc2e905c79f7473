"""Generic tools: load a configuration, import a package, format a duration."""

from __future__ import annotations  # constraints are imported on first use

import datetime
import os
import re
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .errors import ConfigError, MissingFileError, UnreadableFileError
from .limits import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_TEXT,
    REMEDY,
    TOO_DEEP,
    check_value,
    to_float,
)

if TYPE_CHECKING:
    from .constraints import Constraint, Path

Loader = Callable[[str, str], Any]
"""Loads a text, that of the file at a path"""

# .. Configuration files ......................................................


def load_cfg_file(fpath: str, *, loader: str | None = None) -> Any:
    """Loads a configuration from a file: YAML 1.2, JSON or TOML, in UTF-8.

    YAML may have all the tags of the packages ``yayaml`` and ``paramspace``
    (which ``pip install paramspace`` installs); they are
    imported only if a file uses one.

    Args:
        fpath: Path to the configuration file, ``~`` expanded.
        loader: ``yaml``, ``yml``, ``json`` or ``toml``, not case-sensitive.
            If not given, the extension of ``fpath`` says it.

    Returns:
        What the file describes, typically a dict.

    Raises:
        ValueError: On an invalid ``loader`` or a file extension that belongs
            to none of them; and if the file cannot be read as such.
        FileNotFoundError: If there is no such file.
        OSError: If it cannot be read.
    """
    text, path, load = _read(fpath, loader)
    return load(text, path)


def load_with_constraints(fpath: str) -> tuple[Any, dict[Path, Constraint]]:
    """Loads a configuration and what it demands of its own values.

    Args:
        fpath: Path to the configuration file; see :py:func:`load_cfg_file`

    Returns:
        What :py:func:`load_cfg_file` gives; and the constraints by ``!param`` and
        ``!is-*``, which only YAML has, by their places in it
    """
    text, path, load = _read(fpath, None)
    if load is _load_yaml:
        cfg, constraints = _load_yaml(text, path, with_constraints=True)
        return cfg, constraints
    return load(text, path), {}


def _read(fpath: str, loader: str | None) -> tuple[str, str, Loader]:
    """The text of a file, its path, and what to load it with."""
    path = os.path.expanduser(fpath)
    if os.path.isdir(path):
        raise UnreadableFileError(
            f"{path} is a directory, but has to be a configuration file: give the path "
            "of a file in it."
        )
    if loader is None:
        loader = os.path.splitext(path)[1].removeprefix(".")
    load = _LOADERS.get(loader.lower())
    if load is None:
        raise ConfigError(
            f"Unsupported loader '{loader}' for the configuration file {path}: "
            f"choose one of {', '.join(_LOADERS)}, by the file's extension or the "
            "`loader` argument."
        )
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(MAX_TEXT + 1)
    except FileNotFoundError:
        raise MissingFileError(
            f"There is no configuration file {path}: check the path "
            f"(the current directory is {os.getcwd()})."
        ) from None
    except OSError as error:
        raise UnreadableFileError(
            f"The configuration file {path} cannot be read ({error.strerror}): check "
            "the path and its permissions."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"The configuration file {path} is not in UTF-8 ({error}): "
            "save it with that encoding."
        ) from None
    except ValueError as error:  # e.g. a null character
        raise ConfigError(f"There cannot be a file {path!r} ({error}).") from None
    if len(text) > MAX_TEXT:
        raise ConfigError(
            f"The configuration file {path} has more than {MAX_TEXT:,} characters: "
            f"{REMEDY}"
        )
    return text, path, load


def _load_yaml(text: str, path: str, *, with_constraints: bool = False) -> Any:
    from . import yaml  # on first use: not every process needs it

    try:
        return yaml.load_with_constraints(text) if with_constraints else yaml.load(text)
    except yaml.YAMLError as error:
        text = str(error).replace('"<unicode string>"', path)
        text = text.partition("\n\nTo suppress this check see:")[0]
        raise _unreadable(path, "YAML", text) from error


def _load_json(text: str, path: str) -> Any:
    import json

    return _load_within_limits(json.loads, text, path, "JSON")


def _load_toml(text: str, path: str) -> Any:
    import tomllib

    # A dotted key, where there can be one: the parser would take long for it.
    part = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*"""
    long_key = rf"(?:^|[\[{{,])[ \t]*(?:{part}\.[ \t]*){{{MAX_DEPTH}}}"
    if re.search(long_key, text, re.MULTILINE):
        raise _unreadable(path, "TOML", TOO_DEEP.format(" (by a dotted key)"))
    return _load_within_limits(tomllib.loads, text, path, "TOML")


def _load_within_limits(
    loads: Callable[..., Any], text: str, path: str, language: str
) -> Any:
    try:
        value = loads(text, parse_float=to_float)
        check_value(value)
    except RecursionError:
        raise _unreadable(path, language, TOO_DEEP.format("")) from None
    except ValueError as error:
        problem = str(error)
        if "set_int_max_str_digits" in problem:
            problem = f"An integer has more than {MAX_DIGITS:,} digits."
        raise _unreadable(path, language, problem) from None
    return value


def _unreadable(path: str, language: str, problem: str) -> ConfigError:
    return ConfigError(f"Could not read {path} as {language}:\n{problem}")


_LOADERS: dict[str, Loader] = {
    "yaml": _load_yaml,
    "yml": _load_yaml,
    "json": _load_json,
    "toml": _load_toml,
}


# .. Importing ................................................................


def import_package_from_dir(mod_dir: str, *, mod_str: str | None = None) -> ModuleType:
    """Imports a package from its directory, which need not be installed.

    The directory has to contain an ``__init__.py`` file. This gives a
    ``run_model.py`` access to the package with the model's implementation::

        - run_model.py         # Current __file__
        - impl/                # Implementation package
          |-- __init__.py      # Exposes impl.model.Model
          |-- model.py         # Implements Model class
          |-- ...

    .. code-block:: python

        import os
        from utopya_backend import import_package_from_dir

        impl = import_package_from_dir(
            os.path.join(os.path.dirname(__file__), "impl")
        )
        Model = impl.Model

    Two directories of the same name are two packages: where the name is taken
    already, the module gets one that no other has. (Within functions, such a
    package has to import its own modules relatively: by then, the name means
    the first one again.) :py:data:`sys.path` is as before afterwards.

    Args:
        mod_dir: Path to the package's *directory*, ``~`` expanded. For
            robustness, relative paths are not allowed.
        mod_str: Name under which the package can be imported with the
            *parent* of ``mod_dir`` in :py:data:`sys.path`; dots go up one
            directory each. If not given, the last segment of ``mod_dir``.

    Returns:
        The imported module

    Raises:
        ValueError: If ``mod_dir`` is a relative path
        FileNotFoundError: If it is not an existing directory
        ImportError: If the import failed, for whatever reason
    """
    from .importing import import_from  # on first use

    mod_dir = os.path.expanduser(mod_dir)
    if not os.path.isabs(mod_dir):
        raise ValueError(
            f"Need an absolute path for argument `mod_dir` but got: {mod_dir}. Make "
            "it one with: os.path.join(os.path.dirname(__file__), ...)"
        )
    if not os.path.isdir(mod_dir):
        raise FileNotFoundError(
            "The argument `mod_dir` has to be the path to an existing directory, "
            f"but got: {mod_dir}"
        )
    mod_dir = os.path.realpath(mod_dir)  # has no trailing slash
    name = os.path.basename(mod_dir) if mod_str is None else mod_str
    try:
        return import_from(mod_dir, name)
    except Exception as error:
        raise ImportError(
            f"Failed importing module '{name}' from {mod_dir}: {error!r}. Make sure "
            "that this directory has an __init__.py that can be imported without "
            "errors, and that `mod_str`, if given, ends with the directory's name."
        ) from error


# .. Formatting ...............................................................

_SECONDS_OF_UNIT = {"d": 24 * 60 * 60, "h": 60 * 60, "m": 60, "s": 1}


def format_time(
    duration: float | datetime.timedelta,
    *,
    ms_precision: int = 0,
    max_num_parts: int | None = None,
) -> str:
    """Formats a duration in days, hours, minutes and seconds.

    The result is that of ``dantro.tools.format_time``.

    Args:
        duration: The duration [seconds], or as a timedelta
        ms_precision: Decimal places of the seconds of a duration below one
            minute.
        max_num_parts: How many of the units to show, beginning with the
            largest one that is not zero; None for all of them.

    Example:
        >>> format_time(93784)
        '1d 2h 3m 4s'
        >>> format_time(1.234, ms_precision=2)
        '1.23s'
    """
    if isinstance(duration, datetime.timedelta):
        duration = duration.total_seconds()
    if duration == 0:
        return "0s"
    length = abs(float(duration))
    sign = ["-"] if duration < 0 else []
    if length < 1 and ms_precision == 0:
        return "> -1s" if sign else "< 1s"
    if length < 60 and (ms_precision > 0 or length < 1):
        parts = [f"{length:.{int(ms_precision)}f}s"]
    else:
        parts = []
        for unit, seconds in _SECONDS_OF_UNIT.items():
            count = int(length / seconds)
            length -= count * seconds
            if count > 0:
                parts.append(f"{count}{unit}")
    return " ".join(sign + parts[: max_num_parts or None])
