from types import SimpleNamespace
from typing import ClassVar

import dantro
import dantro.containers
import dantro.data_loaders
import dantro.groups
import h5py
import networkx
import numpy as np
import pytest

from utopya_backend import StepwiseModel
from utopya_backend.io import GraphSeries

# What the frontend uses; see its utopya.eval.groups and .datamanager.


class XarrayDC(dantro.mixins.Hdf5ProxySupportMixin, dantro.containers.XrDataContainer):
    _XRC_DIMS_ATTR = "dim_names"
    _XRC_COORDS_ATTR_PREFIX = "coords__"
    _XRC_COORDS_MODE_ATTR_PREFIX = "coords_mode__"
    _XRC_COORDS_MODE_DEFAULT = "values"


class TimeSeriesGroup(dantro.groups.TimeSeriesGroup):
    _NEW_CONTAINER_CLS = XarrayDC


class GraphGroup(dantro.groups.GraphGroup):
    _NEW_GROUP_CLS = TimeSeriesGroup
    _ALLOWED_CONT_TYPES = (TimeSeriesGroup, XarrayDC)
    _GG_node_container = "_vertices"
    _GG_edge_container = "_edges"
    _GG_attr_directed = "is_directed"
    _GG_attr_parallel = "allows_parallel"


class DataManager(dantro.data_loaders.Hdf5LoaderMixin, dantro.DataManager):
    _HDF5_DSET_DEFAULT_CLS = XarrayDC
    _HDF5_MAP_FROM_ATTR = "content"
    _HDF5_GROUP_MAP: ClassVar = {"graph": GraphGroup, "time_series": TimeSeriesGroup}


def load(model):
    model.close()
    path = model.root_cfg["output_path"]
    manager = DataManager(path.rsplit("/", 1)[0], out_dir=False)
    manager.load("data", loader="hdf5", glob_str="data.h5", enable_mapping=True)
    return manager["data/M/network"]


TRIANGLE = [(0, 1), (1, 2), (2, 0)]


class Fixed(StepwiseModel):
    def setup(self, **options):
        self.create_graph("network", vertices=range(3), edges=TRIANGLE, **options)
        self.opinion = self.create_ts_dset(
            "network/opinion", extra_dims=["vertex_idx"], sizes={"vertex_idx": 3}
        )

    def perform_step(self):
        pass

    def write_data(self):
        self.opinion.append(np.arange(3) * 10 + self.time)


class Growing(StepwiseModel):
    """A path that grows by a vertex in each step."""

    def setup(self, **options):
        self.network = self.create_graph_series("network", **options)

    def perform_step(self):
        pass

    def write_data(self):
        vertices = np.arange(self.time + 1)
        self.network.append(
            vertices,
            np.stack([vertices[:-1], vertices[1:]], axis=1),
            vertex_properties={"age": self.time - vertices},
            edge_properties={"weight": vertices[1:] / 10},
        )


def test_fixed_graph(make):
    model = make(Fixed, num_steps=4, write_every=2)
    model.run()
    graph = load(model).create_graph(at_time=2, node_props=["opinion"])
    assert sorted(graph.nodes) == [0, 1, 2]
    assert {frozenset(edge) for edge in graph.edges} == set(map(frozenset, TRIANGLE))
    assert dict(graph.nodes(data="opinion")) == {0: 2, 1: 12, 2: 22}


def test_growing_graph(make):
    model = make(Growing, num_steps=6, write_every=2)
    model.run()
    assert len(model.network) == 4
    group = load(model)
    for time in (0, 2, 4, 6):
        graph = group.create_graph(
            at_time=time, node_props=["age"], edge_props=["weight"]
        )
        assert sorted(graph.nodes) == list(range(time + 1))
        assert sorted(graph.edges) == [(n, n + 1) for n in range(time)]
        assert dict(graph.nodes(data="age")) == {n: time - n for n in range(time + 1)}
        weights = {(a, b): w for a, b, w in graph.edges(data="weight")}
        assert weights == {(n, n + 1): (n + 1) / 10 for n in range(time)}


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("cls", [Fixed, Growing])
def test_kind_of_graph(make, cls, directed, parallel):
    options = {"directed": directed, "parallel_edges": parallel}
    model = make(cls, M=options, num_steps=2)
    model.run()
    graph = load(model).create_graph(at_time=2)
    assert graph.is_directed() == directed
    assert graph.is_multigraph() == parallel


@pytest.fixture
def series(tmp_path):

    clock = SimpleNamespace(_time=0)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        yield GraphSeries(file.create_group("network"), lambda: clock)


MISTAKES = [
    (([[1]], []), {}, ValueError, "have the shapes"),
    (([1, 2], [1, 2]), {}, ValueError, "have the shapes"),
    (([1, 2], [(1, 2, 3)]), {}, ValueError, "have the shapes"),
    (([1, 1], []), {}, ValueError, "there twice"),
    (([1, 2], [(1, 3)]), {}, ValueError, r"not in the graph: \[3\]"),
    ((["a", "b"], []), {}, TypeError, "have to be integers"),
    (([1.5], []), {}, TypeError, "have to be integers"),
    (
        ([1], []),
        {"vertex_properties": {"x": [1, 2]}},
        ValueError,
        "for each vertex_idx",
    ),
    (([1], []), {"edge_properties": {"x": [1]}}, ValueError, "for each edge_idx"),
    (([1], []), {"vertex_properties": {"x": ["a"]}}, ValueError, "needs numbers"),
    (([1], []), {"vertex_properties": {"_edges": [1]}}, ValueError, "name '_edges'"),
    (([1], []), {"vertex_properties": {"a/b": [1]}}, ValueError, "name 'a/b'"),
    (
        ([1], [(1, 1)]),
        {"vertex_properties": {"a": [1]}, "edge_properties": {"a": [1]}},
        ValueError,
        "have the same name, a",
    ),
]


@pytest.mark.parametrize(("graph", "properties", "error", "text"), MISTAKES)
def test_mistakes(series, graph, properties, error, text):
    with pytest.raises(error, match=text):
        series.append(*graph, **properties)
    assert len(series) == 0
    assert not list(series.group)


def test_properties_that_change(series):
    series.append([1], [], vertex_properties={"x": [1]})
    with pytest.raises(ValueError, match="began with the properties"):
        series.append([1], [], time=1)
    assert len(series) == 1


def test_graph_of_networkx(series):
    graph = networkx.barabasi_albert_graph(3000, 2, seed=1)
    series.append(list(graph), list(graph.edges))
    edges = series.group["_edges/0"]
    assert edges.compression == "gzip"
    assert sorted(map(sorted, edges[:])) == sorted(map(sorted, graph.edges))


@pytest.mark.parametrize("place", ["perform_step", "write_data"])
def test_times_of_graphs(make, place):
    """They are those at which graphs were appended, whatever the schedule says."""

    class Sometimes(Growing):
        def note(self, where):
            if where == place and self.time in (3, 4, 9):
                self.network.append([self.time], [])

        def perform_step(self):
            self.note("perform_step")

        def write_data(self):
            self.note("write_data")

    model = make(Sometimes, num_steps=10)
    model.run()
    vertices = model.h5group["network/_vertices"]
    assert {key: dset[()].tolist() for key, dset in vertices.items()} == {
        "3": [3], "4": [4], "9": [9],
    }  # fmt: skip
    assert load(model).create_graph(at_time=9).nodes


def test_times_that_no_graph_can_have(series):
    series.append([1], [], time=5)
    series.append([2], [], time=3)
    for time, error, text in (
        (5, ValueError, "has a row for time 5 already"),
        (2.5, TypeError, r"have to be integers, but this one is 2\.5"),
        ("now", TypeError, "has to be a finite number, but is 'now'"),
    ):
        with pytest.raises(error, match=text):
            series.append([1], [], time=time)
    assert len(series) == 2
    assert set(series.group["_vertices"]) == {"3", "5"}


def test_empty_graph(make):
    class Empty(Growing):
        def write_data(self):
            self.network.append([], [])

    model = make(Empty, num_steps=2)
    model.run()
    assert not load(model).create_graph(at_time=2).nodes


def test_nothing_is_made_of_a_wrong_graph(make):
    class Wrong(Growing):
        def setup(self):
            with pytest.raises(ValueError, match="there twice"):
                self.create_graph("network", vertices=[1, 1], edges=[])

        def write_data(self):
            pass

    assert "network" not in make(Wrong).h5group
