"""What the frontend makes of the data."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def evaluate(frontend):
    """Evaluates the only run by the code of the frontend."""

    def run(model, loader, universe=0):
        args = [Path(__file__).with_name("evaluate.py"), model]
        args += [frontend.run_dir(model), loader]
        process = subprocess.run(
            [frontend.env / "bin/python", *args],
            env={"HOME": str(frontend.home)},
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stderr
        return json.loads(process.stdout.splitlines()[-1])[str(universe)]

    return run


EXPECTED = {
    "numbers": [0.5, 1.5, 4.5],
    "strings": ["a", "ä", "→"],
    "range": [1, 3, 5],
    "arange": pytest.approx([0, 0.2, 0.4]),
    "linspace": [-1, 0, 1],
    "logspace": pytest.approx([1, 10, 100]),
    "start_and_step": [10, 15, 20],
    "trivial": [0, 1, 2],
    "scalar": [7],
    "linked": [2, 3, 5],
    "many": pytest.approx(np.linspace(0, 1, 10_000)),
}


def test_coordinates_grids_graphs_and_timers(frontend, evaluate):
    frontend("run", "Labels", "--no-eval", "--num-steps", "2")
    found = evaluate("Labels", "hdf5_proxy")

    for name, coords in EXPECTED.items():
        dset = found[name]
        assert dset["dims"] == ["time", "x"]
        assert dset["coords"] == {"time": [0, 1, 2], "x": coords}, name
        size = len(dset["coords"]["x"])
        assert dset["values"] == [[t + x for x in range(size)] for t in range(3)]

    uneven, often = found["uneven"], found["often"]
    assert (uneven["dims"], uneven["coords"]) == (["time"], {"time": [0, 1, 2.5]})
    assert often["coords"] == {"time": [number**2 for number in range(8000)]}

    for name in ("grid", "honeycomb"):
        grid = found[name]
        assert grid["type"] == "GridDC"
        assert grid["dims"] == ["time", "x", "y"]
        assert grid["coords"] == {"time": [0, 1, 2], "x": [0, 1], "y": [0, 1, 2]}
        assert grid["values"][2] == [[20, 21, 22], [23, 24, 25]]

    assert found["fixed"] == {
        "type": "GraphGroup",
        "class": "Graph",
        "nodes": {"0": {}, "1": {}, "2": {}},
        "edges": [[0, 1, {}], [1, 2, {}]],
    }
    assert found["changing"] == {  # at the last time
        "type": "GraphGroup",
        "class": "DiGraph",
        "nodes": {"0": {"age": 2}, "1": {"age": 3}, "5": {"age": 4}},
        "edges": [[0, 1, {"weight": 0.5}], [0, 5, {"weight": 2.0}]],
    }

    timers = found["benchmark/cumulative"]
    assert timers["dims"] == ["n_iterations", "label"]
    assert timers["coords"]["n_iterations"] == [0, 1, 2]
    assert "write_data" in timers["coords"]["label"]
    assert (np.diff(timers["values"], axis=0) >= 0).all()
    assert found["benchmark/total"]["dims"] == ["label"]
    assert "simulation" in found["benchmark/total"]["coords"]["label"]


def test_loader_that_reads_all_at_once(frontend, evaluate):
    frontend("run", "Labels", "--no-eval", "--mp", "links=false")
    at_once, later = (evaluate("Labels", name) for name in ("hdf5", "hdf5_proxy"))
    assert at_once == later


def test_loader_that_reads_all_at_once_follows_no_links(frontend, evaluate):
    """Its limitation, as the manual says."""
    frontend("run", "Labels", "--no-eval")
    with pytest.raises(AssertionError, match="'linked' is not embedded into a data"):
        evaluate("Labels", "hdf5")


def test_plots(frontend):
    frontend("run", "Labels", "--num-steps", "2", "--debug")
    plots = {path.stem for path in frontend.run_dir("Labels").glob("eval/*/*.png")}
    assert plots == {"grid", "graph", "benchmark"}


@pytest.mark.parametrize(
    ("model", "plots"),
    [
        ("Influenza", {"infected", "benchmark"}),
        ("ForestFire", {"forest", "tree_density"}),
        ("Opinions", {"opinions", "network_initial", "network_final"}),
        ("PredatorPrey", {"population", "phase_portrait"}),
    ],
)
def test_examples(frontend, model, plots):
    frontend("run", model, "--debug")
    run_dir = frontend.run_dir(model)
    assert {path.stem for path in run_dir.glob("eval/*/*.png")} == plots
