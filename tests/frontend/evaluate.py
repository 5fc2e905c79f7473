"""Loads a run with the frontend; prints what it has found, as JSON.

Run by the Python of the frontend: python evaluate.py MODEL RUN_DIR LOADER
"""

import json
import sys

import numpy as np
import utopya


def main(model_name, run_dir, loader):
    mv = utopya.Model(name=model_name).create_frozen_mv(run_dir=run_dir)
    mv.dm.load(
        "data",
        loader=loader,
        glob_str="data/uni*/data.h5",
        path_regex=r"data/uni(\d+)/data.h5",
        target_path="multiverse/{match:}/data",
        enable_mapping=True,
        required=True,
    )
    found = {}
    for number, universe in mv.dm["multiverse"].items():
        describe(universe["data"][model_name], found.setdefault(number, {}), "")
    print(json.dumps(found))


def describe(group, found, above):
    for name, item in group.items():
        path = above + name
        kind = type(item).__name__
        if kind == "GraphGroup":
            found[path] = {"type": kind} | describe_graph(item)
        elif hasattr(item, "items"):
            describe(item, found, f"{path}/")
        else:
            data = item.sel() if hasattr(item, "sel") else item
            found[path] = {
                "type": kind,
                "dims": list(data.dims),
                "coords": {dim: plain(data.coords[dim]) for dim in data.coords},
                "values": plain(data),
            }


def describe_graph(group):
    time = {} if "vertex_idx" in group["_vertices"].dims else {"at_time_idx": -1}
    graph = group.create_graph(**time)
    if "age" in group:
        group.set_node_property(g=graph, name="age", **time)
        group.set_edge_property(g=graph, name="weight", **time)
    return {
        "class": type(graph).__name__,
        "nodes": {int(node): plain_all(data) for node, data in graph.nodes.items()},
        "edges": [[*map(int, e[:2]), plain_all(d)] for e, d in graph.edges.items()],
    }


def plain_all(properties):
    return {name: plain(value) for name, value in properties.items()}


def plain(values):
    return np.asarray(values).tolist()


main(*sys.argv[1:])
