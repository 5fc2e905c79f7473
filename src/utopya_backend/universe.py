"""A single run of a model, one universe: its configuration and its directory.

The directory has the frontend's layout, so that the frontend can evaluate it::

    <out>/<name>/<yymmdd-HHMMSS>[_<note>]/
        config/                 the resolved configuration, for the frontend; when it
                                was begun
        data/uni0/config.yml    what the model reads
        data/uni0/data.h5       what it writes
        data/uni0/out.log       what it prints
        eval/                   for plots
"""

import copy
import inspect
import itertools
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MethodType
from typing import Any

from .constraints import Constraints, check_constraints
from .errors import (
    ConfigError,
    Mistakes,
    OutputDirectoryError,
    UserError,
    reporting,
)
from .finding import ModelInfo, load_class
from .io.runs import PARAMETER_SPACE, TIME_FORMAT, note_beginning
from .limits import check_value
from .model.config import (
    DEFAULTS,
    ROOT_KEYS,
    check_root_cfg,
    likely_typos,
    parse_steps,
)
from .model.hooks import METHODS_BEFORE_SETUP, is_ours
from .model.parameters import check_parameters
from .plain import plain
from .space import Space, default_of, parameter_space
from .tools import load_cfg_file, load_with_constraints

BASE_CFG: dict[str, Any] = {
    **DEFAULTS,
    "num_steps": 3,
    "write_start": 0,
    "write_every": 1,
}
"""The root level of a universe's configuration, with the frontend's defaults"""

_logger = logging.getLogger(__name__)


def resolve_cfg(
    model: ModelInfo,
    cfg_files: Iterable[str | os.PathLike[str]] = (),
    *,
    settings: Mapping[str, Any] | None = None,
    thorough: bool = False,
    **updates: Any,
) -> dict[str, Any]:
    """Puts together the configuration of a universe.

    It is checked as far as the framework can without importing the model, which
    checks its parameters itself.

    Args:
        model: The model
        cfg_files: Files that override the defaults, and each the ones before it:
            either a run configuration of the frontend, of which the
            ``parameter_space`` is taken, or what would stand there.
        settings: Overrides them, too: what would stand in such a file
        thorough: Whether to import the model and check its parameters, too. That is
            done in any case if its class is known, or if there are mistakes, so that
            all are told at once.
        **updates: Entries of the root level that override all of that

    Returns:
        The configuration, without the paths of the output

    Raises:
        UserError: If it is not what it has to be
    """
    with reporting() as mistakes:
        cfg = assemble_cfg(model, cfg_files, mistakes, settings=settings, **updates)
        default, swept = default_of(cfg)
        if swept:
            _logger.warning(
                "The default values of what is swept are taken: %s. All combinations "
                "are run by: utopya-backend sweep", swept,
            )  # fmt: skip
        return check_cfg(model, default, mistakes, thorough=thorough)


def resolve_space(
    model: ModelInfo,
    cfg_files: Iterable[str | os.PathLike[str]] = (),
    *,
    settings: Mapping[str, Any] | None = None,
    **updates: Any,
) -> Space:
    """Puts together the configurations of the universes of a sweep.

    The model is imported, and each value that is swept is checked.

    Args:
        model: The model
        cfg_files: See :py:func:`resolve_cfg`, as for the others
        settings: See there
        **updates: See there

    Raises:
        UserError: If a configuration is not what it has to be, or nothing is swept
    """
    with reporting() as mistakes:
        cfg = assemble_cfg(model, cfg_files, mistakes, settings=settings, **updates)
    default, swept = default_of(cfg)
    with reporting() as mistakes:
        check_cfg(model, default, mistakes, thorough=True)
        if not swept and not mistakes:
            raise ConfigError(
                "Nothing is swept: put e.g. !sweep {default: 1, values: [1, 2, 5]} in "
                "the place of a value, or sweep the seed, by --num-seeds 10."
            )
    space = Space(parameter_space(cfg))
    space.check_places()
    with reporting() as mistakes:
        for number in space.samples():
            check_cfg(model, space.cfg(number), mistakes, thorough=True)
    return space


def assemble_cfg(
    model: ModelInfo,
    cfg_files: Iterable[str | os.PathLike[str]],
    mistakes: Mistakes,
    *,
    settings: Mapping[str, Any] | None = None,
    **updates: Any,
) -> dict[str, Any]:
    """Puts the parts of a configuration together, which may have sweeps in it.

    Args:
        model: The model
        cfg_files: See :py:func:`resolve_cfg`
        mistakes: Where to note what is wrong
        settings: See there
        **updates: See there
    """
    cfg = copy.deepcopy(BASE_CFG)
    if model.mv_cfg is not None:
        _update(cfg, _load_parameter_space(model.mv_cfg, model, mistakes))
    if model.default_cfg is not None:
        _update(cfg, {model.name: load_mapping(model.default_cfg)})
    for cfg_file in cfg_files:
        _update(cfg, _load_parameter_space(Path(cfg_file), model, mistakes))
    _check_root_keys(settings or {}, "the settings", model, mistakes)
    _update(cfg, settings or {})
    _update(cfg, {**updates, "root_model_name": model.name})
    cfg.setdefault(model.name, {})
    check_value(cfg)  # as it is read again
    check_constraints(cfg, constraints_of(model, cfg_files), mistakes)
    return cfg


def check_cfg(
    model: ModelInfo, cfg: Mapping[str, Any], mistakes: Mistakes, *, thorough: bool
) -> dict[str, Any]:
    """Checks the configuration of a universe, as far as that is known.

    Args:
        model: The model
        cfg: The configuration, without any sweeps
        mistakes: Where to note what is wrong
        thorough: See :py:func:`resolve_cfg`

    Returns:
        The configuration, with all defaults and with integers where there have to be
        some
    """
    checked = check_root_cfg(cfg, mistakes)
    for key, value in zip(
        ("num_steps", "write_start", "write_every"),
        parse_steps(checked, mistakes),
        strict=True,
    ):
        checked[key] = value
    with mistakes:
        checked = plain(checked)
    if thorough or mistakes or model.cls is not None:
        _check_parameters(model, checked, mistakes)
    return checked


def _check_parameters(
    model: ModelInfo, cfg: Mapping[str, Any], mistakes: Mistakes
) -> None:
    """Checks the parameters of a model as that does itself, if it can be imported."""
    from .benchmark import ModelBenchmarkMixin

    try:
        cls = load_class(model)
    except UserError:  # it is told when the model is run
        return
    if not all(is_ours(getattr(cls, name)) for name in METHODS_BEFORE_SETUP):
        return  # they may change them
    parameters = dict(cfg[model.name])
    if issubclass(cls, ModelBenchmarkMixin):
        parameters.pop("benchmark", None)  # which is not for setup
    setup = MethodType(cls.setup, object())  # without an argument for `self`
    with mistakes:
        check_parameters(setup, parameters, section=model.name, elsewhere=cfg)


def constraints_of(
    model: ModelInfo, cfg_files: Iterable[str | os.PathLike[str]] = ()
) -> Constraints:
    """What configuration files demand of the values of a universe's configuration.

    Args:
        model: The model, the defaults of which count
        cfg_files: Files that override them. If one is a run configuration of the
            frontend, it can turn the validation off, by ``perform_validation``.
    """
    constraints: Constraints = {}
    for path in filter(None, (model.mv_cfg, *cfg_files)):
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


def make_run_dir(
    out: str | os.PathLike[str],
    name: str,
    *,
    note: str | None = None,
    clock: Callable[[], float] = time.time,
) -> Path:
    """Makes a new directory for a run, in the frontend's layout.

    Args:
        out: Where all output goes
        name: The name of the model
        note: What is added to the name of the directory
        clock: Tells the time [s since 1970]

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
        now = clock()
        name_of_run = time.strftime(TIME_FORMAT, time.localtime(now))
        if note:
            name_of_run += f"_{note}"
        run_dir = _make_first_free(parent, name_of_run)
        for directory in ("config", "data", "eval"):
            (run_dir / directory).mkdir()
        note_beginning(run_dir, now)
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
    _write_yaml(run_dir / PARAMETER_SPACE, cfg, tag="!pspace")
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

    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(f"--- {tag}".rstrip() + "\n")
            yaml.dump(content, file)
    except OSError as error:
        raise OutputDirectoryError(
            f"Cannot write {path} ({error.strerror}): make space, or give another "
            "directory for the output."
        ) from None


# .. Configurations ...........................................................


def load_mapping(path: Path) -> dict[str, Any]:
    """Loads a configuration file that has to have keys.

    Args:
        path: The file

    Raises:
        ValueError: If it is something else
    """
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
    content = load_mapping(path)
    if "parameter_space" in content:
        for key in content.keys() & {*ROOT_KEYS, model.name}:
            with mistakes:
                raise ConfigError(
                    f"'{key}' in {path} has to stand below parameter_space, as there "
                    "is one."
                )
        content = content["parameter_space"] or {}
        content = getattr(content, "_dict", content)  # of a !pspace
        if not isinstance(content, Mapping):
            raise ConfigError(f"parameter_space in {path} has to be a mapping.")
        content = dict(content)
    _check_root_keys(content, str(path), model, mistakes)
    return content


def _check_root_keys(
    cfg: Mapping[str, Any], path: str, model: ModelInfo, mistakes: Mistakes
) -> None:
    """Refuses what probably is a mistake: other root keys are a model's own."""
    parameters = set(load_mapping(model.default_cfg) if model.default_cfg else {})
    if model.cls is not None:
        parameters |= inspect.signature(model.cls.setup).parameters.keys()
    if cfg.get("root_model_name", model.name) != model.name:
        raise ConfigError(
            f"{path} is the configuration of another model, "
            f"{cfg['root_model_name']}, than {model.name}."
        )
    typos = likely_typos({**cfg, "root_model_name": model.name}, parameters)
    for typo in typos.values():
        with mistakes:
            raise ConfigError(f"{path}: {typo}")
    for key in cfg.keys() - typos - ROOT_KEYS - {model.name, "parallel_execution"}:
        _logger.warning(
            "There is no key '%s' in a configuration (%s): only the model itself could "
            "use it. Parameters stand below '%s'.", key, path, model.name,
        )  # fmt: skip


def _update(cfg: dict[str, Any], updates: Mapping[str, Any]) -> None:
    """Updates nested dicts, in place."""
    for key, value in updates.items():
        if isinstance(cfg.get(key), Mapping) and isinstance(value, Mapping | None):
            cfg[key] = dict(cfg[key])
            _update(cfg[key], value or {})  # an empty section changes nothing
        else:
            cfg[key] = value
