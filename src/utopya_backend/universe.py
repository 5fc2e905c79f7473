"""A model as the frontend knows it, and a single run of it: one universe.

A model is described by a manifest, ``<name>_info.yml``. A run of it gets a
directory in the frontend's layout, so that the frontend can evaluate it::

    <out>/<name>/<yymmdd-HHMMSS>/
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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .constraints import Constraints, check_constraints
from .errors import (
    ConfigError,
    MissingFileError,
    MissingKeyError,
    Mistakes,
    OutputDirectoryError,
    reporting,
)
from .model.config import (
    DEFAULTS,
    check_root_cfg,
    likely_typos,
    parse_steps,
)
from .tools import load_cfg_file, load_with_constraints

BASE_CFG: dict[str, Any] = {
    **DEFAULTS,
    "num_steps": 3,
    "write_start": 0,
    "write_every": 1,
}
"""The root level of a universe's configuration, with the frontend's defaults"""

TIME_FORMAT = "%y%m%d-%H%M%S"
"""How the start of a run is written in the name of its directory"""


@dataclass(frozen=True)
class ModelInfo:
    """What a manifest says about a model.

    Attributes:
        name: The name of the model
        executable: What is called with the path of a universe's configuration
        default_cfg: The file with the default values of its parameters
        mv_cfg: A file with other defaults, below its key ``parameter_space``
    """

    name: str
    executable: Path
    default_cfg: Path | None = None
    mv_cfg: Path | None = None

    @property
    def args(self) -> list[str]:
        """How to call the executable: Python files, with this interpreter."""
        prefix = [sys.executable] if self.executable.suffix == ".py" else []
        return [*prefix, str(self.executable)]


def find_model(path: str | os.PathLike[str]) -> ModelInfo:
    """Finds a model.

    Args:
        path: Its manifest, ``<name>_info.yml``, or the directory with it

    Raises:
        FileNotFoundError: If there is no manifest, or no executable
        ValueError: If the manifest is not what it has to be
        KeyError: If it lacks a mandatory entry
    """
    manifest = _find_manifest(Path(path).expanduser())
    info = load_cfg_file(str(manifest), loader="yaml")
    paths = info.get("paths") if isinstance(info, Mapping) else None
    if not isinstance(paths, Mapping):
        raise ConfigError(
            f"{manifest} is no manifest of a model: it has no mapping 'paths'. Write "
            "in it e.g. model_name: SIR, and paths: {executable: run_model.py}"
        )
    paths = {key: path for key, path in paths.items() if path is not None}
    for key, section in (("model_name", info), ("executable", paths)):
        if key not in section:
            raise MissingKeyError(f"The manifest {manifest} lacks the entry '{key}'.")
    for key, entry in {**paths, "model_name": info["model_name"]}.items():
        if not isinstance(entry, str):
            raise ConfigError(
                f"'{key}' in the manifest {manifest} has to be a string, but is "
                f"{entry!r}."
            )
    name = info["model_name"]
    here = manifest.absolute().parent
    source_dir = here / paths.get("source_dir", ".")
    default_cfg = source_dir / paths.get("default_cfg", f"{name}_cfg.yml")
    mv_cfg = here / paths["mv_model_cfg"] if "mv_model_cfg" in paths else None
    executable = here / paths["executable"]
    for file in (executable, mv_cfg, default_cfg if "default_cfg" in paths else None):
        if file is not None and not file.exists():
            raise MissingFileError(
                f"{file}, which the manifest {manifest} names, does not exist: create "
                "it, or correct the entry."
            )
    return ModelInfo(
        name, executable, default_cfg if default_cfg.exists() else None, mv_cfg
    )


def resolve_cfg(
    model: ModelInfo,
    cfg_file: str | os.PathLike[str] | None = None,
    **updates: Any,
) -> dict[str, Any]:
    """Puts together the configuration of a universe.

    It is checked as far as the framework can without knowing the model.

    Args:
        model: The model
        cfg_file: A file that overrides the defaults: either a run
            configuration of the frontend, of which the ``parameter_space`` is
            taken, or what would stand there.
        **updates: Entries of the root level that override both

    Returns:
        The configuration, without the paths of the output

    Raises:
        UserError: If it is not what it has to be
    """
    cfg = copy.deepcopy(BASE_CFG)
    with reporting() as mistakes:
        if model.mv_cfg is not None:
            _update(cfg, _load_parameter_space(model.mv_cfg, model, mistakes))
        if model.default_cfg is not None:
            _update(cfg, {model.name: _load_mapping(model.default_cfg)})
        if cfg_file is not None:
            _update(cfg, _load_parameter_space(Path(cfg_file), model, mistakes))
        _update(cfg, {**updates, "root_model_name": model.name})
        cfg.setdefault(model.name, {})
        check_constraints(cfg, constraints_of(model, cfg_file), mistakes)
        cfg = _defaults_of_sweeps(cfg)
        cfg = check_root_cfg(cfg, mistakes)
        for key, value in zip(
            ("num_steps", "write_start", "write_every"),
            parse_steps(cfg, mistakes),
            strict=True,
        ):
            cfg[key] = value
    return cfg


def constraints_of(
    model: ModelInfo, cfg_file: str | os.PathLike[str] | None = None
) -> Constraints:
    """What configuration files demand of the values of a universe's configuration.

    Args:
        model: The model, the defaults of which count
        cfg_file: A file that overrides them. If it is a run configuration of the
            frontend, it can turn the validation off, by ``perform_validation``.
    """
    constraints: Constraints = {}
    for path in filter(None, (model.mv_cfg, cfg_file)):
        cfg, found = load_with_constraints(str(path))
        if isinstance(cfg, Mapping) and not cfg.get("perform_validation", True):
            return {}
        constraints |= {
            place[1:] if place[:1] == ("parameter_space",) else place: constraint
            for place, constraint in found.items()
        }
    if model.default_cfg is not None:
        _, found = load_with_constraints(str(model.default_cfg))
        constraints |= {(model.name, *place): one for place, one in found.items()}
    return constraints


def make_run_dir(out: str | os.PathLike[str], name: str) -> Path:
    """Makes a new directory for a run, in the frontend's layout.

    Args:
        out: Where all output goes
        name: The name of the model

    Returns:
        Its absolute path, ``<out>/<name>/<yymmdd-HHMMSS>``; where that exists,
        as another run began in the same second, with a number behind it.

    Raises:
        OSError: If it cannot be made
    """
    parent = Path(out).expanduser().absolute() / name
    try:
        parent.mkdir(parents=True, exist_ok=True)
        run_dir = _make_first_free(parent, time.strftime(TIME_FORMAT))
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


# .. Manifests ................................................................


def _find_manifest(path: Path) -> Path:
    if path.is_file():
        if path.suffix not in (".yml", ".yaml"):
            raise ConfigError(
                f"{path} is no manifest of a model: give the path of its "
                "<name>_info.yml, or of the directory with it."
            )
        return path
    if not path.is_dir():
        raise MissingFileError(
            f"There is no model at {path}: give the directory of a model, or its "
            f"manifest, <name>_info.yml (the current directory is {Path.cwd()})."
        )
    manifests = sorted(path.glob("*_info.yml"))
    if len(manifests) > 1:
        raise ConfigError(
            f"{path} has several manifests: give the path of one of them, "
            f"{', '.join(manifest.name for manifest in manifests)}."
        )
    if not manifests:
        models = sorted({info.parent.name for info in path.glob("*/*_info.yml")})
        hint = f" There are models in: {', '.join(models)}." if models else ""
        raise MissingFileError(
            f"{path} has no manifest of a model, <name>_info.yml.{hint}"
        )
    return manifests[0]


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


def _load_parameter_space(
    path: Path, model: ModelInfo, mistakes: Mistakes
) -> dict[str, Any]:
    """Loads a run configuration, or what would be its parameter space."""
    content = _load_mapping(path)
    if "parameter_space" in content:
        content = content["parameter_space"] or {}
        content = getattr(content, "_dict", content)  # of a !pspace
        if not isinstance(content, Mapping):
            raise ConfigError(f"parameter_space in {path} has to be a mapping.")
        content = dict(content)
    _check_root_keys(content, path, model, mistakes)
    return content


def _check_root_keys(
    cfg: Mapping[str, Any], path: Path, model: ModelInfo, mistakes: Mistakes
) -> None:
    """Refuses what probably is a mistake: other root keys are a model's own."""
    parameters = _load_mapping(model.default_cfg) if model.default_cfg else {}
    if cfg.get("root_model_name", model.name) != model.name:
        raise ConfigError(
            f"{path} is the configuration of another model, "
            f"{cfg['root_model_name']}, than {model.name}."
        )
    for typo in likely_typos({**cfg, "root_model_name": model.name}, parameters.keys()):
        with mistakes:
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
