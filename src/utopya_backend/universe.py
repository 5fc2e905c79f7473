"""A single run of a model, one universe: its configuration and its directory.

The directory has the frontend's layout, so that the frontend can evaluate it::

    <out>/<name>/<yymmdd-HHMMSS>[_<note>]/
        config/                 the resolved configuration, for the frontend
        data/uni0/config.yml    what the model reads
        data/uni0/data.h5       what it writes
        data/uni0/out.log       what it prints
        eval/                   for plots
"""

import copy
import itertools
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import ConfigError, OutputDirectoryError
from .finding import ModelInfo
from .model.config import (
    DEFAULTS,
    ROOT_KEYS,
    check_root_cfg,
    likely_typos,
    parse_steps,
)
from .tools import load_cfg_file

BASE_CFG: dict[str, Any] = {
    **DEFAULTS,
    "num_steps": 3,
    "write_start": 0,
    "write_every": 1,
}
"""The root level of a universe's configuration, with the frontend's defaults"""

TIME_FORMAT = "%y%m%d-%H%M%S"
"""How the start of a run is written in the name of its directory"""


def resolve_cfg(
    model: ModelInfo,
    cfg_files: Iterable[str | os.PathLike[str]] = (),
    *,
    settings: Mapping[str, Any] | None = None,
    **updates: Any,
) -> dict[str, Any]:
    """Puts together the configuration of a universe.

    It is checked as far as the framework can without knowing the model.

    Args:
        model: The model
        cfg_files: Files that override the defaults, and each the ones before it:
            either a run configuration of the frontend, of which the
            ``parameter_space`` is taken, or what would stand there.
        settings: Overrides them, too: what would stand in such a file
        **updates: Entries of the root level that override all of that

    Returns:
        The configuration, without the paths of the output

    Raises:
        UserError: If it is not what it has to be
    """
    cfg = copy.deepcopy(BASE_CFG)
    if model.mv_cfg is not None:
        _update(cfg, _load_parameter_space(model.mv_cfg, model))
    if model.default_cfg is not None:
        _update(cfg, {model.name: _load_mapping(model.default_cfg)})
    for cfg_file in cfg_files:
        _update(cfg, _load_parameter_space(Path(cfg_file), model))
    _check_root_keys(settings or {}, "what is set", model)
    _update(cfg, settings or {})
    _update(cfg, {**updates, "root_model_name": model.name})
    cfg.setdefault(model.name, {})
    cfg = _defaults_of_sweeps(cfg)
    cfg = check_root_cfg(cfg)
    for key, value in zip(
        ("num_steps", "write_start", "write_every"), parse_steps(cfg), strict=True
    ):
        cfg[key] = value
    return cfg


def make_run_dir(
    out: str | os.PathLike[str], name: str, *, note: str | None = None
) -> Path:
    """Makes a new directory for a run, in the frontend's layout.

    Args:
        out: Where all output goes
        name: The name of the model
        note: What is added to the name of the directory

    Returns:
        Its absolute path, ``<out>/<name>/<yymmdd-HHMMSS>[_<note>]``; where that
        exists, as another run began in the same second, with a number behind it.

    Raises:
        ValueError: If the note cannot be part of a name
        OSError: If it cannot be made
    """
    if note is not None and (not note or "/" in note or not note.isprintable()):
        raise ConfigError(
            f"A note becomes part of the name of a directory, which {note!r} cannot: "
            "give a word without slashes, e.g. low-density."
        )
    parent = Path(out).expanduser().absolute() / name
    try:
        parent.mkdir(parents=True, exist_ok=True)
        name_of_run = time.strftime(TIME_FORMAT) + (f"_{note}" if note else "")
        run_dir = _make_first_free(parent, name_of_run)
        for directory in ("config", "data", "eval"):
            (run_dir / directory).mkdir()
    except OSError as error:
        raise OutputDirectoryError(
            f"Cannot make a directory for the run in {parent} ({error}): give another "
            "one for the output."
        ) from None
    return run_dir


def make_universe(run_dir: Path, cfg: Mapping[str, Any]) -> Path:
    """Makes the directory of a single universe, with its configuration.

    Args:
        run_dir: The directory of the run
        cfg: The configuration, to which the paths of the output are added

    Returns:
        The path of ``config.yml``
    """
    uni_dir = run_dir / "data" / "uni0"
    uni_dir.mkdir()
    paths = {"output_dir": str(uni_dir), "output_path": str(uni_dir / "data.h5")}
    meta_cfg = {"perform_sweep": False, "parameter_space": cfg}
    _write_yaml(run_dir / "config" / "meta_cfg.yml", meta_cfg)
    _write_yaml(run_dir / "config" / "parameter_space.yml", cfg, tag="!pspace")
    _write_yaml(uni_dir / "config.yml", {**cfg, **paths})
    return uni_dir / "config.yml"


def _make_first_free(parent: Path, name: str) -> Path:
    numbers = itertools.count(2)
    path = parent / name
    while True:
        try:
            path.mkdir()
            return path
        except FileExistsError:
            path = parent / f"{name}_{next(numbers)}"


def _write_yaml(path: Path, content: Mapping[str, Any], *, tag: str = "") -> None:
    from . import yaml  # on first use: not every process needs it

    with open(path, "x", encoding="utf-8") as file:
        file.write(f"--- {tag}".rstrip() + "\n")
        yaml.dump(content, file)


# .. Configurations ...........................................................


def _load_mapping(path: Path) -> dict[str, Any]:
    content = load_cfg_file(str(path))
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise ConfigError(
            f"{path} has to be a mapping of keys to values, but is "
            f"{type(content).__name__}."
        )
    return dict(content)


def _load_parameter_space(path: Path, model: ModelInfo) -> dict[str, Any]:
    """Loads a run configuration, or what would be its parameter space."""
    content = _load_mapping(path)
    if "parameter_space" in content:
        content = content["parameter_space"] or {}
        content = getattr(content, "_dict", content)  # of a !pspace
        if not isinstance(content, Mapping):
            raise ConfigError(f"parameter_space in {path} has to be a mapping.")
        content = dict(content)
    _check_root_keys(content, str(path), model)
    return content


def _check_root_keys(cfg: Mapping[str, Any], path: str, model: ModelInfo) -> None:
    """Refuses what probably is a mistake: other root keys are a model's own."""
    known = [*ROOT_KEYS, model.name]
    parameters = _load_mapping(model.default_cfg) if model.default_cfg else {}
    if cfg.get("root_model_name", model.name) != model.name:
        raise ConfigError(
            f"{path} is the configuration of another model, "
            f"{cfg['root_model_name']}, than {model.name}."
        )
    for key in cfg:
        if key in known:
            continue
        if key in parameters:
            raise ConfigError(
                f"'{key}' in {path} is a parameter of {model.name} and has to stand "
                f"below its name. Write:\n{model.name}:\n  {key}: {cfg[key]}"
            )
    for typo in likely_typos({"root_model_name": model.name, **cfg}):
        raise ConfigError(f"{path}: {typo}")


def _update(cfg: dict[str, Any], updates: Mapping[str, Any]) -> None:
    """Updates nested dicts, in place."""
    for key, value in updates.items():
        if isinstance(cfg.get(key), Mapping) and isinstance(value, Mapping | None):
            cfg[key] = dict(cfg[key])
            _update(cfg[key], value or {})  # an empty section changes nothing
        else:
            cfg[key] = value


def _defaults_of_sweeps(cfg: dict[str, Any]) -> dict[str, Any]:
    """Replaces each sweep over a parameter by its default value."""
    paramspace = sys.modules.get("paramspace")
    if paramspace is None:  # no file has one of its tags
        return cfg
    defaults: dict[str, Any] = paramspace.ParamSpace(cfg).default
    return defaults
