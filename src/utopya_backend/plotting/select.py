"""Finding of variables in the output, by their names."""

import xarray

from ..errors import UnknownVariableError, suggest
from ..io.provenance import ORIGIN

# What a run with many universes says about each
_UNIVERSES = ("universe", "status", *ORIGIN)


def all_variables(tree: xarray.DataTree) -> dict[str, xarray.DataArray]:
    """All variables, by their paths.

    Args:
        tree: What :py:func:`~utopya_backend.io.open_output` returns
    """
    return {
        f"{node.path}/{name}".strip("/"): variable
        for node in tree.subtree
        for name, variable in node.to_dataset().data_vars.items()
    }


def data_variables(tree: xarray.DataTree) -> dict[str, xarray.DataArray]:
    """The variables with data of the model, by their paths.

    Those that say how a graph is built, or describe the universes of a run, are not
    among them.

    Args:
        tree: What :py:func:`~utopya_backend.io.open_output` returns
    """
    return {
        path: variable
        for path, variable in all_variables(tree).items()
        if path.rstrip("_") not in _UNIVERSES
        and not path.rsplit("/", 1)[-1].startswith("_")
    }


def swept_dims(tree: xarray.DataTree) -> tuple[str, ...]:
    """The dimensions in which universes differ; none if there is but one.

    Args:
        tree: What :py:func:`~utopya_backend.io.open_output` returns
    """
    if "missing_universes" in tree.attrs:
        # With an underscore, if a parameter has that name
        for name, variable in tree.dataset.data_vars.items():
            if str(name).rstrip("_") in _UNIVERSES:
                return tuple(map(str, variable.dims))
    return ()


def find_variables(tree: xarray.DataTree, name: str) -> dict[str, xarray.DataArray]:
    """Finds what a user has named.

    Args:
        tree: What :py:func:`~utopya_backend.io.open_output` returns
        name: The path of a variable, the end of one, or the path of a group

    Returns:
        The variable, or those of the group, by their paths

    Raises:
        LookupError: If there is none, or several with that end
    """
    variables = all_variables(tree)
    wanted = name.strip("/")
    if wanted in variables:
        return {wanted: variables[wanted]}
    found = [path for path in variables if f"/{path}".endswith(f"/{wanted}")]
    if len(found) > 1:
        raise UnknownVariableError(
            f"There are several variables {wanted}: give one of {', '.join(found)}."
        )
    if found:
        return {found[0]: variables[found[0]]}
    below = {
        path: variable
        for path, variable in data_variables(tree).items()
        if f"/{wanted}/" in f"/{path}"
    }
    if not below:
        raise UnknownVariableError(_unknown(name, list(variables)))
    return below


def _unknown(name: str, paths: list[str]) -> str:
    if not paths:
        return f"There is no variable {name}, nor any other one: the output is empty."
    ends = {path.rsplit("/", 1)[-1]: path for path in paths}
    hint = suggest(name, paths) or suggest(name, ends)
    shown = ", ".join(paths[:20]) + (", …" if len(paths) > 20 else "")
    return f"There is no variable {name}, but {shown}.{hint}"
