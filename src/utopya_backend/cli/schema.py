"""``utopya-backend schema``: the JSON schema of a model's parameters."""

import importlib.util
import json
import os
import sys
from types import ModuleType
from typing import Any

import click

from ..errors import MissingFileError
from ..model import BaseModel, StepwiseModel
from ..schema import constraints_below, run_schema_of, schema_of
from ..tools import load_cfg_file
from ..universe import constraints_of, find_model


@click.command()
@click.argument("model", type=click.Path())
@click.option(
    "--run", is_flag=True, help="Of a run configuration, rather than the parameters."
)
def schema(model: str, run: bool) -> None:
    """Print the JSON schema of a model's parameters.

    MODEL is the directory of a model, or its manifest, <name>_info.yml. An editor
    checks and completes a configuration by it that begins with

    \b
      # yaml-language-server: $schema=<path of the schema>
    """  # noqa: D301  # the \b is for click: it keeps the line breaks below it
    info = find_model(model)
    model_class = load_model_class(model)
    defaults: Any = {}
    if info.default_cfg is not None:
        defaults = load_cfg_file(str(info.default_cfg)) or {}
    options = {
        "defaults": defaults,
        "constraints": constraints_below(constraints_of(info), info.name),
    }
    described = (
        run_schema_of(model_class, name=info.name, **options)
        if run
        else schema_of(model_class, **options)
    )
    click.echo(json.dumps(described, indent=2, ensure_ascii=False))


def load_model_class(path: str | os.PathLike[str]) -> type[BaseModel]:
    """The class of a model.

    Args:
        path: The manifest of the model, or the directory with it

    Raises:
        FileNotFoundError: If its executable is no Python file with such a class
    """
    info = find_model(path)
    found: dict[str, type[BaseModel]] = {}
    if info.executable.suffix == ".py":
        module = _import_file(str(info.executable))
        for space in (module, *_modules_in(module)):
            for value in vars(space).values():
                if _is_model(value):
                    found.setdefault(value.__name__, value)
    if not found:
        raise MissingFileError(
            f"There is no class of a model in {info.executable}: it has to be a Python "
            "file that defines or imports a subclass of StepwiseModel or BaseModel."
        )
    return found.get(info.name) or next(reversed(found.values()))


def _is_model(value: Any) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, BaseModel)
        and value not in (BaseModel, StepwiseModel)
        and not value.__abstractmethods__
    )


def _import_file(path: str) -> ModuleType:
    """Imports a script, without running what stands below ``__main__``."""
    spec = importlib.util.spec_from_file_location("_model_of_schema", path)
    assert spec is not None  # the path ends with .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for their module
    sys.path.insert(0, os.path.dirname(path))  # as for a script that is run
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(os.path.dirname(path))
    return module


def _modules_in(module: ModuleType) -> list[ModuleType]:
    return [value for value in vars(module).values() if isinstance(value, ModuleType)]
