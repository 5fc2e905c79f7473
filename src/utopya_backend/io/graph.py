"""Graphs, fixed or changing with time, as the frontend reads them.

A graph is a group with the attribute ``content: graph`` and two members,
``_vertices`` with the dimension ``vertex_idx``, and ``_edges`` with ``edge_idx`` and
``label``, which is ``source`` or ``target``. They are datasets if the graph is fixed;
if it changes, groups (``content: time_series``) with one dataset for each time, which
is its name. Properties are further members, in either form.
"""

from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np

from .labels import write_labels
from .row_labels import as_time, refuse_second_row, times_to_be_given
from .values import as_array, unit_of

_ENDS = ["source", "target"]
_MIN_BYTES_TO_COMPRESS = 4096

Array = np.ndarray[Any, Any]


def create_graph_group(
    parent: h5py.Group, name: str, *, directed: bool, parallel_edges: bool
) -> h5py.Group:
    """Creates the group of a graph, without vertices and edges.

    Args:
        parent: Where to create it
        name: Its name
        directed: Whether edges have a direction
        parallel_edges: Whether there may be several edges between two vertices
    """
    group = parent.create_group(name)
    group.attrs.update(
        {
            "content": "graph",
            "is_directed": directed,
            "allows_parallel": parallel_edges,
            "edge_container_is_transposed": False,
            # Of a graph with one edge, too, the edges have two dimensions.
            "keep_dim": ["vertex_idx", "edge_idx"],
        }
    )
    return group


def write_graph(group: h5py.Group, vertices: Any, edges: Any) -> None:
    """Writes the vertices and edges of a graph that does not change.

    Args:
        group: The group of the graph
        vertices: The numbers of the vertices: array[vertex_idx]
        edges: Two vertices for each edge: array[edge_idx, 2]

    Raises:
        ValueError: If it is no graph; see :py:meth:`GraphSeries.append`
        TypeError: Likewise
    """
    vertices, edges = check_graph(vertices, edges)
    _write(group, "_vertices", vertices, ["vertex_idx"])
    _write(group, "_edges", edges, ["edge_idx", "label"])


class GraphSeries:
    """A graph that changes with time.

    Attributes:
        group: The HDF5 group in which it is
    """

    def __init__(
        self, group: h5py.Group, clock: Callable[[], Any] = times_to_be_given
    ) -> None:
        """Prepares the group of a graph.

        Args:
            group: The group
            clock: Gives the object with the time, as its ``_time``: the model.
                Without one, whoever appends a graph has to give its time.
        """
        self.group = group
        self._clock = clock
        self._num_graphs = 0
        self._properties: dict[str, tuple[str, str]] | None = None

    def __len__(self) -> int:
        return self._num_graphs

    def append(
        self,
        vertices: Any,
        edges: Any,
        *,
        vertex_properties: Mapping[str, Any] | None = None,
        edge_properties: Mapping[str, Any] | None = None,
        time: int | None = None,
    ) -> None:
        """Appends the graph as it is now.

        Args:
            vertices: The numbers of the vertices: array[vertex_idx]
            edges: Two vertices for each edge: array[edge_idx, 2]
            vertex_properties: For each name an array[vertex_idx]
            edge_properties: For each name an array[edge_idx]
            time: The time of the graph, an integer; by default, the model's.

        Raises:
            ValueError: If shapes do not fit, edges lead to a vertex that is not
                there, the properties are others than before, or there is a graph
                for that time. Nothing is appended then.
            TypeError: If vertices, edges or the time are no integers. Nothing is
                appended then, either.

        Example:
            A graph of networkx whose nodes are integers, ``g``::

                series.append(list(g), list(g.edges))
        """
        vertices, edges = check_graph(vertices, edges)
        if both := set(vertex_properties or {}) & set(edge_properties or {}):
            raise ValueError(
                f"A vertex and an edge property have the same name, {min(both)}: "
                "give one of them another."
            )
        properties = {
            **_check_properties(vertex_properties or {}, "vertex_idx", len(vertices)),
            **_check_properties(edge_properties or {}, "edge_idx", len(edges)),
        }
        key = self._key_of(self._clock()._time if time is None else time)
        self._check_same_properties(
            {name: (dim, unit) for name, (dim, unit, _) in properties.items()}
        )
        self._append(key, "_vertices", vertices, ["vertex_idx"])
        self._append(key, "_edges", edges, ["edge_idx", "label"])
        for name, (dim, unit, values) in properties.items():
            self._append(key, name, values, [dim], unit)
        self._num_graphs += 1

    def _key_of(self, time: Any) -> str:
        """The name of the datasets of a graph, which is its time."""
        time = as_time(self.group, time)
        if not isinstance(time, int):
            raise TypeError(
                f"The times of the graph '{self.group.name}' have to be integers, but "
                f"this one is {time!r}: number the graphs by append(…, time=…)."
            )
        if f"_vertices/{time}" in self.group:
            refuse_second_row(self.group, "time", time)
        return str(time)

    def _check_same_properties(self, properties: dict[str, tuple[str, str]]) -> None:
        if self._properties is None:
            self._properties = properties
        before, now = map(_described, (self._properties, properties))
        if before != now:
            raise ValueError(
                f"The graph '{self.group.name}' began with the properties {before}, "
                f"but now has {now}: give the same ones with each write."
            )

    def _append(
        self, key: str, name: str, values: Array, dims: list[str], unit: str = ""
    ) -> None:
        group = self.group.require_group(name)
        group.attrs["content"] = "time_series"
        dset = _write(group, key, values, dims)
        if unit:
            dset.attrs["units"] = unit


def _described(properties: dict[str, tuple[str, str]]) -> list[str]:
    return [
        f"{name} [{unit}]" if unit else name
        for name, (_, unit) in sorted(properties.items())
    ]


def check_graph(vertices: Any, edges: Any) -> tuple[Array, Array]:
    """Checks the vertices and edges of a graph.

    Args:
        vertices: The numbers of the vertices: array[vertex_idx]
        edges: Two vertices for each edge: array[edge_idx, 2]

    Returns:
        Both, as arrays

    Raises:
        ValueError: If shapes do not fit, a vertex is there twice, or an edge
            leads to one that is not there.
        TypeError: If they are no integers
    """
    vertices, edges = _integers("vertices", vertices), _integers("edges", edges)
    if edges.size == 0:
        edges = edges.reshape(0, 2)
    if vertices.ndim != 1 or edges.ndim != 2 or edges.shape[1] != 2:
        raise ValueError(
            "A graph has an array[vertex_idx] of vertices and an array[edge_idx, 2] of "
            f"edges, but these have the shapes {vertices.shape} and {edges.shape}."
            f"{_hint(edges)}"
        )
    if len(np.unique(vertices)) < len(vertices):
        raise ValueError("A vertex of the graph is there twice: give each one once.")
    if strangers := np.setdiff1d(edges, vertices).tolist():
        raise ValueError(
            f"Edges lead to vertices that are not in the graph: {strangers[:5]}."
        )
    return vertices, edges


def _hint(edges: Array) -> str:
    if edges.ndim != 2:
        return ""
    if len(edges) == 2:
        return " Give the transposed array, edges.T."
    return " Give the two ends only, without a key." if edges.shape[1] == 3 else ""


def _integers(what: str, values: Any) -> Array:
    is_array = isinstance(values, (list, tuple)) or hasattr(type(values), "__array__")
    if values is not None and not is_array:
        values = list(values)  # of a set, a range, a view of networkx
    array = as_array(values, f"An array of {what}")
    if array.size == 0:
        array = array.astype(int)
    if array.dtype.kind not in "iu":
        kind = "texts" if array.dtype.kind == "O" else array.dtype
        raise TypeError(
            f"The {what} of a graph have to be integers, but are {kind}: number "
            "the vertices, and give their names as coordinates or a property."
        )
    return array


def _check_properties(
    properties: Mapping[str, Any], dim: str, size: int
) -> dict[str, tuple[str, str, Array]]:
    checked = {}
    for name, values in properties.items():
        array = as_array(values, f"The property '{name}'")
        if array.shape != (size,):
            raise ValueError(
                f"The property '{name}' needs a value for each {dim}, the shape "
                f"{(size,)}, but has {array.shape}."
            )
        if array.dtype.kind not in "biufc":
            raise ValueError(
                f"The property '{name}' needs numbers, but has texts: number them."
            )
        if name in ("_vertices", "_edges") or "/" in name:
            raise ValueError(f"A property must not have the name '{name}'.")
        checked[name] = (dim, unit_of(values), array)
    return checked


def _write(
    group: h5py.Group, name: str, values: Array, dims: list[str]
) -> h5py.Dataset:
    is_large = values.nbytes >= _MIN_BYTES_TO_COMPRESS
    options = {"compression": 2, "shuffle": True} if is_large else {}
    dset = group.create_dataset(name, data=values, **options)
    coords: dict[str, Any] = {dim: {"mode": "trivial"} for dim in dims}
    if "label" in dims:
        coords["label"] = _ENDS
    write_labels(dset, dims, coords)
    return dset
