"""Finding a model: its manifest, its program, its class.

A model is named by one of

- the directory with its manifest, ``<name>_info.yml``, or that file;
- a Python file with its class: ``model.py``, or ``model.py:MyModel``;
- a class that can be imported: ``package.module:MyModel``.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .errors import (
    ConfigError,
    MissingFileError,
    MissingKeyError,
    ModelImportError,
    suggest,
)
from .importing import import_file, searching
from .tools import load_cfg_file

if TYPE_CHECKING:
    from .model import BaseModel


@dataclass(frozen=True)
class ModelInfo:
    """What is known about a model before it is run.

    Attributes:
        name: The name of the model
        args: How to call its program, without the last argument, the path of a
            universe's configuration
        source: Where its class is: a Python file that is its program or contains the
            class, or ``package.module:MyModel``; None if it is no Python program
        default_cfg: The file with the default values of its parameters
        mv_cfg: A file with other defaults, below its key ``parameter_space``
        cls: Its class, if that is known
    """

    name: str
    args: tuple[str, ...] = ()
    source: str | None = None
    default_cfg: Path | None = None
    mv_cfg: Path | None = None
    cls: type[BaseModel] | None = None


def find_model(model: str | os.PathLike[str]) -> ModelInfo:
    """Finds a model.

    Args:
        model: See the top of this module

    Raises:
        FileNotFoundError: If there is none of that name, or a file of it is missing
        ValueError: If its manifest is not what it has to be, or there are several
            models
        KeyError: If the manifest lacks a mandatory entry
        ImportError: If its class cannot be imported
    """
    path = Path(model).expanduser()
    if path.suffix == ".py" and path.is_file():
        manifest = _manifest_with_executable(path)
        return _read_manifest(manifest) if manifest else _of_class(str(path.absolute()))
    if ":" in path.name and not path.exists():
        return _of_class(os.fspath(model))
    return _read_manifest(find_manifest(path))


def split_source(source: str) -> tuple[str, str]:
    """Splits what says where a class is.

    Args:
        source: ``model.py``, ``model.py:MyModel`` or ``package.module:MyModel``; the
            directories of a file may have colons in their names

    Returns:
        The file or module; and the name of the class, which may be empty
    """
    if source.endswith(".py") or ":" not in source:
        return source, ""
    where, _, name = source.rpartition(":")
    return where, name


def load_class(model: str | os.PathLike[str] | ModelInfo) -> type[BaseModel]:
    """Imports the class of a model.

    Args:
        model: See :py:func:`find_model`

    Returns:
        The class. It is that of the first time, even if its file has changed.

    Raises:
        ImportError: If it cannot be imported, for instance because of an error in the
            model's own code; the message has the traceback. Also if there is no class
            of a model in what was imported.
        UserError: As of :py:func:`find_model`
    """
    info = model if isinstance(model, ModelInfo) else find_model(model)
    if info.cls is not None:
        return info.cls
    if info.source is None:
        raise ModelImportError(
            f"The program of {info.name}, {info.args[0]}, is not written in Python, so "
            "that its class cannot be imported."
        )
    return _load_from_source(info.source, info.name)


# .. Classes ..................................................................


def _of_class(source: str) -> ModelInfo:
    cls = _load_from_source(source)
    where, name = split_source(source)
    if where.endswith(".py"):
        where = os.path.abspath(os.path.expanduser(where))
    source = f"{where}:{name or cls.__qualname__}"
    module = sys.modules[cls.__module__]
    directory = Path(getattr(module, "__file__", None) or ".").parent
    default_cfg = directory / f"{cls.__name__}_cfg.yml"
    return ModelInfo(
        cls.__name__,
        (sys.executable, "-m", "utopya_backend.launch", source),
        source=source,
        default_cfg=default_cfg if default_cfg.exists() else None,
        cls=cls,
    )


def _load_from_source(source: str, name: str = "") -> type[BaseModel]:
    """Imports the class from a file or a module.

    Args:
        source: ``model.py``, ``model.py:MyModel`` or ``package.module:MyModel``
        name: Which class to take if there are several and the source does not say it
    """
    where, class_name = split_source(source)
    if where.endswith(".py"):
        module = _import(where, import_file, _existing_file(where))
    elif re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", where):
        with searching(os.getcwd()):
            module = _import(where, importlib.import_module, where)
    else:
        raise MissingFileError(
            f"There is no model '{source}': give the directory of a model, a Python "
            "file such as model.py, or a class as package.module:MyModel."
        )
    if class_name:
        return _named_class(module, class_name, where)
    return _only_class(module, name, where)


def _existing_file(path: str) -> str:
    if not os.path.isfile(path := os.path.expanduser(path)):
        raise MissingFileError(
            f"There is no file {path}: check the path (the current directory is "
            f"{os.getcwd()})."
        )
    return os.path.abspath(path)


def _import(where: str, import_it: Any, name: str) -> ModuleType:
    arguments, sys.argv = sys.argv, [name]  # not those of this command
    try:
        module: ModuleType = import_it(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{where}.".startswith(f"{error.name}."):
            raise ModelImportError(
                f"There is no module '{error.name}' that could be imported: check the "
                "name, and the current directory; or give the path of a Python file, "
                "such as model.py."
            ) from None
        raise _import_error(where, error) from None
    except (Exception, SystemExit) as error:
        raise _import_error(where, error) from None
    finally:
        sys.argv = arguments
    return module


def _import_error(where: str, error: BaseException) -> ModelImportError:
    """Shows the traceback from the first line of the user's on."""
    ours = os.path.dirname(os.path.abspath(__file__)) + os.sep
    tb = error.__traceback__
    while tb is not None and (
        tb.tb_frame.f_code.co_filename.startswith((ours, "<frozen importlib"))
        or tb.tb_frame.f_globals.get("__name__", "").startswith("importlib")
    ):
        tb = tb.tb_next
    lines = "".join(traceback.format_exception(type(error), error, tb)).rstrip()
    hint = ""
    if isinstance(error, (IndexError, SystemExit)):
        hint = (
            "\nDoes it run the model while it is imported? Put that below the line "
            '`if __name__ == "__main__":`'
        )
    return ModelImportError(f"{where} cannot be imported:\n\n{lines}{hint}")


def _named_class(module: ModuleType, name: str, where: str) -> type[BaseModel]:
    cls: Any = module
    for part in name.split("."):
        cls = getattr(cls, part, None)
    models = [model.__name__ for model in _classes_in(module)]
    if cls is None:
        raise ModelImportError(
            f"There is no class '{name}' in {where}, but the models: "
            f"{', '.join(models) or 'none'}.{suggest(name, models)}"
        )
    if not _is_model(cls):
        raise ModelImportError(f"{name} in {where} is no model. {_what_a_model_is()}")
    check_concrete(cls, where)
    return cls  # type: ignore[no-any-return]  # it is a class, see above


def _only_class(module: ModuleType, name: str, where: str) -> type[BaseModel]:
    models = list(_classes_in(module))
    named = [model for model in models if model.__name__ == name]
    own = [model for model in models if model.__module__ == module.__name__]
    candidates = named or own or models
    concrete = [m for m in candidates if not m.__abstractmethods__]
    if not candidates:
        raise ModelImportError(f"There is no model in {where}. {_what_a_model_is()}")
    if not concrete:
        check_concrete(candidates[0], where)
    if len(concrete) > 1:
        raise ModelImportError(
            f"There are several models in {where}: choose one of "
            f"{', '.join(f'{where}:{model.__name__}' for model in concrete)}."
        )
    check_concrete(concrete[0], where)
    return concrete[0]


def check_concrete(cls: type[BaseModel], where: str) -> None:
    """Checks that a model can be made of a class.

    Args:
        cls: The class
        where: Where it is, for the error

    Raises:
        ImportError: If not
    """
    if not _takes_configuration(cls):
        raise ModelImportError(
            f"{cls.__name__}.__init__ in {where} does not take the arguments of a "
            "model. Write a method setup() instead, which gets the parameters; or "
            "def __init__(self, **kwargs), with super().__init__(**kwargs) in it."
        )
    if missing := sorted(cls.__abstractmethods__):
        raise ModelImportError(
            f"The model {cls.__name__} in {where} is not complete: it lacks the "
            f"method{'s' * (len(missing) > 1)} {', '.join(missing)}."
        )


def _takes_configuration(cls: type[BaseModel]) -> bool:
    try:
        inspect.signature(cls).bind(cfg_file_path="")
    except TypeError:
        return False
    return True


def _what_a_model_is() -> str:
    return (
        "A model is a subclass of utopya_backend.StepwiseModel with the methods setup, "
        "perform_step and write_data, or of utopya_backend.BaseModel."
    )


def _is_model(cls: Any) -> bool:
    from .model import BaseModel

    return (
        isinstance(cls, type)
        and issubclass(cls, BaseModel)
        and not cls.__module__.startswith("utopya_backend.")
    )


def _classes_in(module: ModuleType) -> Iterator[type[BaseModel]]:
    """The models in a module, and in the packages beside it that it has imported."""
    directory = os.path.realpath(os.path.dirname(str(getattr(module, "__file__", ""))))
    namespaces = [
        module,
        *(
            value
            for value in vars(module).values()
            if isinstance(value, ModuleType)
            and os.path.realpath(str(getattr(value, "__file__", ""))).startswith(
                directory + os.sep
            )
        ),
    ]
    classes = (value for space in namespaces for value in vars(space).values())
    yield from dict.fromkeys(cls for cls in classes if _is_model(cls))


# .. Manifests ................................................................


def _read_manifest(manifest: Path) -> ModelInfo:
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
    is_python = executable.suffix == ".py"
    return ModelInfo(
        name,
        # Python files are run by this interpreter.
        (sys.executable, str(executable)) if is_python else (str(executable),),
        source=str(executable) if is_python else None,
        default_cfg=default_cfg if default_cfg.exists() else None,
        mv_cfg=mv_cfg,
    )


def _suggest_model(path: Path) -> str:
    """Says which file or directory beside it was probably meant."""
    if not path.absolute().parent.is_dir():
        return ""
    names = [
        entry.name
        for entry in path.absolute().parent.iterdir()
        if entry.suffix == ".py" or any(entry.glob("*_info.yml"))
    ]
    lower = {name.lower(): name for name in names}
    near = lower.get(path.name.lower()) or lower.get(f"{path.name}.py".lower())
    return f" Did you mean '{near}'?" if near else suggest(path.name, names)


def _manifest_with_executable(path: Path) -> Path | None:
    """The manifest beside a Python file that names it as the model's program."""
    for manifest in path.absolute().parent.glob("*_info.yml"):
        info = load_cfg_file(str(manifest))
        paths = info.get("paths") if isinstance(info, Mapping) else None
        if isinstance(paths, Mapping) and paths.get("executable") == path.name:
            return manifest
    return None


def find_manifest(path: str | os.PathLike[str]) -> Path:
    """Finds the manifest of a model.

    Args:
        path: The manifest itself, or the directory with it

    Raises:
        FileNotFoundError: If there is none
        ValueError: If there are several, or it is another kind of file
    """
    path = Path(path).expanduser()
    if path.is_file():
        if path.suffix not in (".yml", ".yaml"):
            raise ConfigError(
                f"{path} is no manifest of a model: give the path of its "
                "<name>_info.yml, or of the directory with it."
            )
        return path
    if not path.is_dir():
        raise MissingFileError(
            f"There is no model at {path}: give the directory of a model, its "
            "manifest <name>_info.yml, a Python file, or a class as "
            f"package.module:MyModel (the current directory is {Path.cwd()})."
            f"{_suggest_model(path)}"
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
