"""Parameter spaces: configurations in which values are swept, with the frontend's tags.

The package ``paramspace`` reads them. Each of its dimensions has its default value in
front of its values, and the number of a universe is its place in the grid of all these:
so numbers do not begin with 1, and are not contiguous, but stay the same if another
dimension is swept only in part.
"""

from __future__ import annotations

import copy
import itertools
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .constraints import format_path, is_sweep
from .errors import ConfigError, MissingPackageError
from .limits import check_range

if TYPE_CHECKING:
    from paramspace import ParamSpace

_NOT_SWEPT = ("root_model_name", "output_dir", "output_path")
_MAX_DEPTH = 100
_MAX_SAMPLES = 1000


def parameter_space(cfg: Mapping[str, Any]) -> ParamSpace:
    """The parameter space of a configuration.

    Args:
        cfg: The configuration, which may have sweeps in it. One that stands in several
            places, by an alias or a merge key, is one: the others are coupled to the
            first.

    Raises:
        ValueError: If they do not fit together, as a coupled sweep without a target
    """
    paramspace = import_paramspace()
    try:
        space: ParamSpace = paramspace.ParamSpace(_coupled(dict(cfg), (), {}))
    except (ValueError, TypeError, KeyError) as error:
        text = str(error.args[0] if error.args else error)
        if text.startswith("max() "):  # of no dimensions
            text = "nothing is swept that a coupled sweep could go along with"
        raise ConfigError(
            f"The sweeps do not fit together ({text}): the target_name of a "
            "!coupled-sweep has to be the name of a !sweep, with as many values."
        ) from None
    return space


def default_of(cfg: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Replaces each sweep in a configuration by its default value.

    Args:
        cfg: The configuration

    Returns:
        The configuration without sweeps; and what was swept, with these values
    """
    if not any(_sweeps_in(cfg, ())):
        return cfg, ""
    space = parameter_space(cfg)
    defaults = {name: _value(dim, 0) for name, dim in space.dims.items()}
    return space.default, ", ".join(f"{k}={v}" for k, v in defaults.items())


class Space:
    """The universes of a sweep: their numbers, names, and configurations.

    Attributes:
        pspace: What ``paramspace`` makes of it
        coords: For each dimension the values that are swept
        coupled: For each parameter that changes along with a dimension the name of
            that, and the values
        num_universes: How many universes there are
    """

    def __init__(self, pspace: ParamSpace) -> None:
        """Looks at the dimensions.

        Args:
            pspace: The parameter space

        Raises:
            ValueError: If nothing is swept
        """
        self.pspace = pspace
        # The states of each dimension, of which 0 is the default value
        self._states = {name: _active_states(dim) for name, dim in pspace.dims.items()}
        self.coords = {
            name: [_value(dim, state) for state in self._states[name]]
            for name, dim in pspace.dims.items()
        }
        names = {id(dim): name for name, dim in pspace.dims.items()}
        self.coupled: dict[str, tuple[str, list[Any]]] = {}
        for name, dim in pspace.coupled_dims.items():
            target = names[id(dim.target_pdim)]
            values = [_value(dim, state) for state in self._states[target]]
            self.coupled[name] = target, values
        self.num_universes = math.prod(map(len, self._states.values()))
        if not self._states:
            raise ConfigError("Nothing is swept: this is the space of a single run.")

    def __iter__(self) -> Iterator[int]:
        """The numbers of the universes, in ascending order."""
        shape = self.pspace.states_shape
        factors = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        for states in itertools.product(*self._states.values()):
            yield sum(map(int.__mul__, states, factors))

    def name(self, number: int) -> str:
        """The name of a universe, which is that of its directory.

        Args:
            number: Its number
        """
        return f"uni{number:0{len(str(self.pspace.max_state_no))}d}"

    def cfg(self, number: int) -> dict[str, Any]:
        """The configuration of a universe, without the paths of its output.

        Args:
            number: Its number
        """
        states = map(int, np.unravel_index(number, self.pspace.states_shape))
        self.pspace.state_vector = tuple(states)
        # Its own `current_point` copies all values of all dimensions.
        cfg: dict[str, Any] = _current(self.pspace._dict)
        return cfg

    def position(self, number: int) -> dict[str, Any]:
        """The values of the swept parameters in a universe, by their names.

        Args:
            number: Its number
        """
        states = map(int, np.unravel_index(number, self.pspace.states_shape))
        dims = self.pspace.dims.items()
        return {
            name: _value(dim, state)
            for (name, dim), state in zip(dims, states, strict=True)
        }

    def samples(self) -> Iterator[int]:
        """The numbers of universes in which each value of each dimension occurs once.

        What is wrong with a single value shows up in these. Of a dimension with very
        many values, it is some of them.
        """
        shape = self.pspace.states_shape
        first = [states[0] for states in self._states.values()]
        yield int(np.ravel_multi_index(first, shape))
        for axis, states in enumerate(self._states.values()):
            for state in _spread(states)[1:]:
                place = [*first[:axis], state, *first[axis + 1 :]]
                yield int(np.ravel_multi_index(place, shape))

    def info(self) -> dict[str, Any]:
        """What stands in ``parameter_space_info.yml``, which the frontend reads."""
        dims = self.pspace.dims_by_loc
        coupled = self.pspace.coupled_dims_by_loc
        names = [*self.pspace.dims, *self.pspace.coupled_dims]
        described = [
            {
                "name": name,
                "full_path": list(path),
                "values": [getattr(value, "value", value) for value in dim.values],
            }
            for name, (path, dim) in zip(
                names, [*dims.items(), *coupled.items()], strict=True
            )
        ]
        for entry, dim in zip(described[len(dims) :], coupled.values(), strict=True):
            target = dim.target_name
            entry["target_name"] = target if isinstance(target, str) else list(target)
        return {
            "shape": list(map(len, self._states.values())),
            "volume": self.num_universes,
            "num_dims": len(dims),
            "num_coupled_dims": len(coupled),
            "dims": described[: len(dims)],
            "coupled_dims": described[len(dims) :],
            "perform_sweep": True,
        }

    def describe_size(self) -> str:
        """Says how many universes there are, and why."""
        sizes = " × ".join(f"{name} ({len(v):,})" for name, v in self.coords.items())
        return f"{self.num_universes:,} universes: {sizes}"

    def describe(self) -> Iterator[str]:
        """Describes the dimensions, a line each."""
        for name, values in self.coords.items():
            shown = ", ".join(map(str, values[:5]))
            more = f", … {values[-1]}" if len(values) > 5 else ""
            yield f"{name} ({len(values)}): {shown}{more}"

    def check_places(self) -> None:
        """Refuses sweeps that would get into the configuration of a universe.

        Raises:
            ValueError: If there is one within the values of another, for instance
        """
        for name, place in zip(self.pspace.dims, self.pspace.dims_by_loc, strict=True):
            if "/" in name:
                raise ConfigError(
                    f"A dimension cannot be called '{name}', with a slash: give it "
                    "another name."
                )
            if place[0] in _NOT_SWEPT:
                raise ConfigError(f"'{place[0]}' cannot be swept: a sweep sets it.")
        for number in self.samples():
            for path in _sweeps_in(self.cfg(number), ()):
                raise ConfigError(
                    f"There is a sweep within {format_path(path)}, where nothing can "
                    "be swept: put !sweep in the place of a whole value, or of an "
                    "element of a list."
                )


def load_space(path: Path) -> Space:
    """Loads the parameter space of a run.

    Args:
        path: The file, ``config/parameter_space.yml``
    """
    from .tools import load_cfg_file

    pspace = load_cfg_file(str(path))
    if not hasattr(pspace, "state_vector"):
        raise ConfigError(f"{path} is not the parameter space of a sweep.")
    return Space(pspace)


def import_paramspace() -> Any:
    """The package ``paramspace``.

    Raises:
        ImportError: If it is not installed
    """
    try:
        import paramspace.yaml  # with which it can be written
    except ImportError as error:
        raise MissingPackageError(
            f"Sweeps need the package paramspace ({error}): install it by "
            "pip install paramspace"
        ) from None
    return paramspace


def _coupled(
    value: Any, path: tuple[str | int, ...], first: dict[int, tuple[str | int, ...]]
) -> Any:
    """A configuration in which each sweep stands in its first place only.

    ``paramspace`` takes it for several, which change each other.

    Args:
        value: What stands at a place in the configuration
        path: That place
        first: The first places of sweeps, by their identities
    """
    if is_sweep(value):
        dims: Any = sys.modules["paramspace.paramdim"]
        target = first.setdefault(id(value), path)
        if target == path or isinstance(value, dims.CoupledParamDim):
            return value
        return dims.CoupledParamDim(target_name=value.name or ("", *target))
    check_range(value, f"{format_path(path)}, beside what is swept, has")
    if isinstance(value, Mapping):
        return {k: _coupled(one, (*path, k), first) for k, one in value.items()}
    if isinstance(value, (list, tuple)):
        elements = [_coupled(one, (*path, i), first) for i, one in enumerate(value)]
        return elements if isinstance(value, list) else tuple(elements)
    return value


def _active_states(dim: Any) -> list[int]:
    """The states of a dimension that are swept: all but the masked ones."""
    if dim.mask is True:
        return [0]
    masked: Any = sys.modules["paramspace.paramdim"].Masked
    return [
        state for state, value in enumerate(dim.values, 1)
        if not isinstance(value, masked)
    ]  # fmt: skip


def _spread(states: list[int]) -> list[int]:
    """All states, or some from the first to the last one."""
    if len(states) <= _MAX_SAMPLES:
        return states
    places = np.linspace(0, len(states) - 1, _MAX_SAMPLES).astype(int)
    return [states[place] for place in places]


def _value(dim: Any, state: int) -> Any:
    value = dim.default if state == 0 else dim.values[state - 1]
    return getattr(value, "value", value)  # of one that is masked


def _current(value: Any) -> Any:
    """A copy with what is swept replaced by its current value."""
    if is_sweep(value):
        return copy.deepcopy(value.current_value)
    if isinstance(value, Mapping):
        return {key: _current(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [_current(element) for element in value]
    return copy.copy(value)


def _sweeps_in(
    value: Any, path: tuple[str | int, ...]
) -> Iterator[tuple[str | int, ...]]:
    if is_sweep(value):
        yield path
    elif isinstance(value, Mapping) and len(path) < _MAX_DEPTH:
        for key, element in value.items():
            yield from _sweeps_in(element, (*path, key))
    elif isinstance(value, (list, tuple, set)) and len(path) < _MAX_DEPTH:
        for index, element in enumerate(value):
            yield from _sweeps_in(element, (*path, index))
