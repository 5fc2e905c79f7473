"""What the configuration of a universe has to be: pure checks, no effects.

They run before the output file is made, so that a mistake leaves nothing behind.
"""

import functools
import math
import numbers
import os
import sys
from collections.abc import Callable, Mapping, Set
from typing import Any

import numpy as np

from ..errors import (
    ConfigError,
    MissingFileError,
    MissingKeyError,
    Mistakes,
    OutputExistsError,
    OutputNotADirectoryError,
    OutputPermissionError,
    reporting,
    show,
    suggest,
)
from ..io.journal import is_free, journal_path
from ..logging import get_level
from ..timer import format_elapsed

DEFAULTS: dict[str, Any] = {
    "seed": 42,
    "monitor_emit_interval": 2.0,
    "log_levels": {"backend": "warning", "model": "info"},
}
"""Root-level entries that a configuration may lack, with the frontend's values"""

ROOT_KEYS = frozenset(
    {
        *DEFAULTS,
        "root_model_name",
        "output",
        "output_dir",
        "output_path",
        "num_steps",
        "write_start",
        "write_every",
        "seed_numpy_rng",
        "seed_system_rng",
    }
)
"""All root-level keys that this package or the frontend know"""


MAX_STEPS = 10**18
"""The largest number of steps: times have to be integers of 64 bits"""


def check_root_cfg(root_cfg: Any, mistakes: Mistakes | None = None) -> dict[str, Any]:
    """Checks the entries that every model needs, and fills in the defaults.

    Args:
        root_cfg: The configuration of a universe, as loaded from its file
        mistakes: Where to note invalid entries; by default, they are raised

    Returns:
        A copy with all of :py:data:`DEFAULTS`. The model's own section, where
        it is empty, is an empty dict.

    Raises:
        ValueError: If an entry has an invalid value
        KeyError: If a mandatory key is missing
    """
    if not isinstance(root_cfg, Mapping):
        raise ConfigError(
            f"A configuration has to be a mapping of keys to values, but is "
            f"{show(root_cfg)}. Begin it with: root_model_name: <name>"
        )
    if odd := [key for key in root_cfg if not isinstance(key, str)]:
        raise ConfigError(
            f"The keys of a configuration have to be strings, but {show(odd[0])} is "
            f"not. Write it in quotes: '{odd[0]}'"
        )
    cfg = {**DEFAULTS, **root_cfg}
    with reporting(mistakes) as found:
        for key, check in _CHECKS.items():
            with found:
                check(cfg.get(key))
        with found:
            cfg["log_levels"] = _check_log_levels(cfg["log_levels"])
        name = _require(root_cfg, "root_model_name", "the name of the model, e.g. SIR")
        _check_name(name)
        cfg[name] = _check_section(root_cfg, name)
    return cfg


def likely_typos(
    root_cfg: Mapping[str, Any], parameters: Set[str] = frozenset()
) -> dict[str, str]:
    """Hints at keys that are probably mistakes; other ones may be a model's own.

    Args:
        root_cfg: The configuration of a universe
        parameters: What has to stand below the model's name

    Returns:
        A sentence for each such key
    """
    typos = {}
    name = root_cfg["root_model_name"]
    known = ROOT_KEYS | {name}
    for key, value in root_cfg.items():
        if key in known:
            continue
        if key in parameters:
            typos[key] = (
                f"'{key}' is a parameter of {name} and has to stand below its name. "
                f"Write:\n{name}:\n  {key}: {value if _is_plain(value) else '…'}"
            )
            continue
        hint = suggest(key, known, cutoff=0.85)
        if not hint and isinstance(value, Mapping):
            hint = suggest(key, [name])
        if hint:
            typos[key] = f"There is no key '{key}' in a configuration.{hint}"
    return typos


def check_output_path(cfg: Mapping[str, Any]) -> str:
    """Checks that the output file can be made.

    Args:
        cfg: The configuration of a universe

    Returns:
        The path of the output file

    Raises:
        KeyError: If there is no ``output_path`` in the configuration
        ValueError: If that is no path
        FileExistsError: If the file exists
        FileNotFoundError: If its directory does not exist
        NotADirectoryError: If that is not a directory
        PermissionError: If that cannot be written to
    """
    path = _require(cfg, "output_path", "the path of the HDF5 file to write")
    if not isinstance(path, (str, os.PathLike)) or not _can_be_path(path):
        raise ConfigError(
            f"output_path has to be the path of the HDF5 file to write, but is "
            f"{show(path)}. Write e.g.: output_path: /data/uni0/data.h5"
        )
    path = os.path.expanduser(os.fspath(path))
    directory = os.path.dirname(path) or "."
    _check_absent(path, os.path.lexists(path))
    if not os.path.lexists(directory):
        raise MissingFileError(
            f"The output directory {directory} does not exist: create it, or give "
            "another output_path."
        )
    if not os.path.isdir(directory):
        raise OutputNotADirectoryError(
            f"{directory} is not a directory, so that {path} cannot be written: "
            "give another output_path."
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        raise OutputPermissionError(
            f"The output directory {directory} is not writable: change its "
            "permissions, or give another output_path."
        )
    _check_absent(journal_path(path), not is_free(path))
    return path


def _can_be_path(path: str | os.PathLike[str]) -> bool:
    try:
        return os.fsencode(path) != b"" and "\0" not in os.fspath(path)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _check_absent(path: str, is_there: bool) -> None:
    if is_there:
        raise OutputExistsError(
            f"The output file {path} exists already and is never overwritten: move it "
            "away, or give another output_path."
        )


def parse_step_number(key: str, value: Any, *, minimum: int) -> int:
    """Reads an entry that counts steps.

    Args:
        key: The name of the entry, for the error
        value: Its value: an integer, or a float that is a whole number
        minimum: The smallest valid value

    Returns:
        The value, as int

    Raises:
        ValueError: If it is something else
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or value != value // 1 or not minimum <= value < math.inf:
        raise ConfigError(
            f"{key} has to be a whole number of at least {minimum}, but is "
            f"{show(value)}. Write e.g.: {key}: {1 if 'write' in key else 100}"
        )
    if value > MAX_STEPS:
        raise ConfigError(
            f"{key} has to be at most {MAX_STEPS:,}, but is {show(value)}: so many "
            f"steps take for ever. Write e.g.: {key}: 1000000"
        )
    return int(value)


def parse_steps(
    cfg: Mapping[str, Any], mistakes: Mistakes | None = None
) -> tuple[int, int, int]:
    """Reads the entries that say when a stepwise model runs and writes.

    Args:
        cfg: The configuration of a universe; ``num_steps`` is mandatory
        mistakes: Where to note invalid entries; by default, they are raised

    Returns:
        ``num_steps``, ``write_start`` (default: 0), ``write_every``
        (default: 1)

    Raises:
        KeyError: If ``num_steps`` is missing
        ValueError: If an entry is no whole number or too small
    """
    steps = {"num_steps": 0, "write_start": 0, "write_every": 1}
    with reporting(mistakes) as found:
        for key, minimum in steps.items():
            with found:
                if key == "num_steps":
                    _require(cfg, key, "the number of steps, e.g. 100")
                value = cfg.get(key, minimum)
                steps[key] = parse_step_number(key, value, minimum=minimum)
    return steps["num_steps"], steps["write_start"], steps["write_every"]


def check_benchmark(cfg: Mapping[str, Any], *, section: str) -> None:
    """Checks the values of a ``benchmark`` entry.

    Args:
        cfg: The entry; its keys are known to be valid.
        section: Where in the configuration it stands

    Raises:
        ValueError: If a value is not what it has to be
    """
    for key in ("enabled", "show_on_exit", "add_to_monitor", "write"):
        if not isinstance(cfg.get(key, True), bool):
            raise ConfigError(
                f"{section}.{key} has to be true or false (in YAML 1.2, yes and no are "
                f"strings), but is {show(cfg[key])}."
            )
    name = cfg.get("group_name", "benchmark")
    if not _is_name(name):
        raise ConfigError(
            f"{section}.group_name has to be the name of a group, but is "
            f"{show(name)}. Write e.g.: group_name: benchmark"
        )
    if cfg.get("compression", 3) not in range(10):
        raise ConfigError(
            f"{section}.compression has to be a gzip level from 0 to 9, but is "
            f"{show(cfg['compression'])}."
        )
    try:
        np.dtype(cfg.get("dtype", "float32"))
    except TypeError:
        raise ConfigError(
            f"{section}.dtype has to be a data type of numpy, but is "
            f"{show(cfg['dtype'])}. Write e.g.: dtype: float32"
        ) from None
    try:
        format_elapsed(
            {"x": 1.0}, cfg.get("info_fstr", ""), **cfg.get("info_kwargs") or {}
        )
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ConfigError(
            f"{section}.info_fstr, with its info_kwargs, cannot format a time "
            f"({error!r}). Write e.g.: info_fstr: '{{name}}: {{time_str}}'"
        ) from None


# .. Single entries ...........................................................


def _check_seed(seed: Any) -> None:
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(
            f"seed has to be an integer of at least 0, but is {show(seed)}. "
            "Write e.g.: seed: 42"
        )


def _check_other_seed(key: str, seed: Any) -> None:
    if seed is None or isinstance(seed, bool):
        return
    if not isinstance(seed, numbers.Integral) or not 0 <= int(seed) < 2**32:
        raise ConfigError(
            f"{key} has to be true, false or an integer from 0 to 2**32 - 1, but is "
            f"{show(seed)}. (In YAML 1.2, yes and no are strings.)"
        )


def _check_output(output: Any) -> None:
    """Checks the entry that says how the output file is written."""
    if output is None:
        return
    if not isinstance(output, Mapping):
        raise ConfigError(
            f"output has to be a mapping, but is {show(output)}. Write e.g.: "
            "output: {commit_interval: 1.0}"
        )
    with reporting() as mistakes:
        for key, value in output.items():
            with mistakes:
                if key not in _OUTPUT_CHECKS:
                    raise ConfigError(
                        f"There is no key '{key}' in the section 'output', which "
                        f"takes: {', '.join(_OUTPUT_CHECKS)}."
                        f"{suggest(key, _OUTPUT_CHECKS)}"
                    )
                _OUTPUT_CHECKS[key](value)


def _check_driver(driver: Any) -> None:
    if driver not in ("transactional", "native"):
        raise ConfigError(
            f"output.driver has to be transactional or native, but is {show(driver)}."
        )


def _check_commit_interval(interval: Any) -> None:
    if not _is_duration(interval) or interval == math.inf:
        raise ConfigError(
            "output.commit_interval has to be a number of seconds from 0 to 1e308, but "
            f"is {show(interval)}."
        )


def _check_fsync(fsync: Any) -> None:
    if not isinstance(fsync, bool):
        raise ConfigError(
            f"output.fsync has to be true or false, but is {show(fsync)}."
        )


_OUTPUT_CHECKS: dict[str, Callable[[Any], None]] = {
    "driver": _check_driver,
    "commit_interval": _check_commit_interval,
    "fsync": _check_fsync,
}


def _check_name(name: Any) -> None:
    if not _is_name(name) or "/" in name:
        raise ConfigError(
            f"root_model_name has to be a string without slashes, but is "
            f"{show(name)}. Write e.g.: root_model_name: SIR"
        )
    if name in ROOT_KEYS:
        raise ConfigError(
            f"A model cannot be called '{name}', since that key of the configuration "
            "means something else: give it another root_model_name."
        )


def _is_name(name: Any) -> bool:
    """Whether something in an HDF5 file can be called so."""
    if not isinstance(name, str) or name in ("", ".", "..", "/") or "\0" in name:
        return False
    try:
        return bool(name.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _is_plain(value: Any) -> bool:
    """Whether it looks the same in a message as in a file."""
    return isinstance(value, (str, int, float, list, dict)) or value is None


def _is_duration(value: Any) -> bool:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and (0 <= value <= sys.float_info.max or value == math.inf)


def _check_monitor_emit_interval(interval: Any) -> None:
    if not _is_duration(interval):
        raise ConfigError(
            "monitor_emit_interval has to be a number of seconds from 0 to 1e308, but "
            f"is {show(interval)}. Write e.g.: monitor_emit_interval: 2.0"
        )


def _check_section(root_cfg: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = _require(root_cfg, name, "the section with the model's parameters")
    if not isinstance(section, Mapping | None):
        raise ConfigError(
            f"The section '{name}' has to be a mapping of parameters to values, "
            f"but is {show(section)}."
        )
    return {} if section is None else section


_CHECKS: dict[str, Callable[[Any], None]] = {
    "seed": _check_seed,
    "monitor_emit_interval": _check_monitor_emit_interval,
    "seed_numpy_rng": functools.partial(_check_other_seed, "seed_numpy_rng"),
    "seed_system_rng": functools.partial(_check_other_seed, "seed_system_rng"),
    "output": _check_output,
}


def _check_log_levels(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"log_levels has to be a mapping, but is {show(value)}. Write e.g.: "
            "log_levels: {backend: warning, model: info}"
        )
    levels: dict[str, Any] = {**DEFAULTS["log_levels"], **value}
    for key in DEFAULTS["log_levels"]:
        if levels[key] is None:
            levels[key] = DEFAULTS["log_levels"][key]
        try:
            get_level(levels[key])
        except ConfigError as error:
            raise ConfigError(f"log_levels.{key}: {error}") from None
    return levels


def _require(cfg: Mapping[str, Any], key: str, meaning: str) -> Any:
    if key in cfg:
        return cfg[key]
    names = [str(name) for name in cfg if name not in DEFAULTS]
    similar = suggest(key, names, sentence=" Is '{}' meant to be that?")
    raise MissingKeyError(
        f"The configuration lacks the key '{key}': {meaning}. It has: "
        f"{', '.join(names) or 'nothing'}.{similar}"
    )
