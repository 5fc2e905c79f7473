import subprocess
import sys
from pathlib import Path

import networkx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utopya_backend.io import open_output
from utopya_backend.testing import (
    check_same_seed_same_data,
    check_survives_stop_signal,
    check_write_schedule,
)

DIRECTORY = Path(__file__).parents[2] / "examples/Opinions"
SMALL = {"num_agents": 100}


@pytest.fixture
def make_opinions(make_model):
    def make(*, seed=42, num_steps=100, **parameters):
        settings = {"seed": seed, "num_steps": num_steps, "write_every": 20}
        return make_model(DIRECTORY, SMALL | parameters, **settings)

    return make


def run_program(tmp_path, **kwargs):
    args = [sys.executable, "-m", "utopya_backend", "run", DIRECTORY, "--out", tmp_path]
    return subprocess.run(args, capture_output=True, text=True, **kwargs)


def num_clusters(model):
    """How many opinions there are, each of more than a few agents."""
    opinions = np.sort(model.opinion)
    gaps = np.flatnonzero(np.diff(opinions) > 0.02)
    sizes = np.diff([0, *(gaps + 1), opinions.size])
    return np.count_nonzero(sizes > 0.05 * opinions.size)


def test_program(tmp_path):
    run_program(tmp_path, check=True)
    (run_dir,) = tmp_path.glob("Opinions/*")
    network = open_output(run_dir)["Opinions/network"]
    assert network["opinion"].dims == ("time", "vertex_idx")
    assert dict(network.sizes) == {
        "time": 101, "vertex_idx": 300, "edge_idx": 1200, "label": 2,
    }  # fmt: skip

    opinion = network["opinion"].sel(time=100).values
    graph = networkx.Graph(network["_edges"].sel(time=100).values.tolist())
    assert graph.number_of_edges() == 1200  # none is there twice
    discord = [abs(opinion[a] - opinion[b]) > 0.15 for a, b in graph.edges]
    assert np.mean(discord) < 0.1
    initially = network["_edges"].sel(time=0)
    steps_apart = abs(initially.sel(label="source") - initially.sel(label="target"))
    assert ((steps_apart <= 4) | (steps_apart >= 296)).mean() == pytest.approx(
        0.9, 0.05
    )


def test_networkx_is_missing(tmp_path, monkeypatch):
    missing = "raise ModuleNotFoundError(\"No module named 'networkx'\")"
    (tmp_path / "networkx.py").write_text(missing)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    run = run_program(tmp_path)
    assert run.returncode != 0
    assert run.stderr.rstrip().endswith("install it by pip install networkx")


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    bound=st.floats(0, 1),
    convergence=st.floats(0, 0.5),
    p_rewire=st.floats(0, 1),
)
def test_laws(make_opinions, seed, bound, convergence, p_rewire):
    model = make_opinions(
        seed=seed,
        num_steps=20,
        confidence_bound=bound,
        convergence=convergence,
        p_rewire=p_rewire,
    )
    before, mean = model.opinion.copy(), model.opinion.mean()
    edges = set(model.graph.edges)
    model.run()
    assert model.opinion.mean() == pytest.approx(mean, abs=1e-12)
    assert model.opinion.min() >= before.min() - 1e-12
    assert model.opinion.max() <= before.max() + 1e-12
    assert model.opinion.std() <= before.std() + 1e-12
    assert model.graph.number_of_edges() == len(edges) == 400
    assert networkx.number_of_selfloops(model.graph) == 0
    if p_rewire == 0 or bound == 1:
        assert set(model.graph.edges) == edges


def test_all_agree_if_they_trust_everybody(make_opinions):
    model = make_opinions(confidence_bound=1, p_rewire=0, num_steps=200)
    mean = model.opinion.mean()
    model.run()
    assert model.opinion == pytest.approx(np.full(100, mean), abs=1e-6)
    assert model.monitor({}) == {
        "std_opinion": pytest.approx(0, abs=1e-6), "discord": 0,
    }  # fmt: skip


def test_without_rewiring_the_network_stays(make_opinions):
    model = make_opinions(p_rewire=0)
    model.run()
    edges = [model.network.group["_edges"][str(time)][:] for time in (0, 100)]
    assert (edges[0] == edges[1]).all()


def test_agents_that_only_leave_keep_their_opinions(make_opinions):
    model = make_opinions(p_rewire=1)
    before, discord = model.opinion.copy(), model.discord()
    model.run()
    assert (model.opinion == before).all()
    assert model.discord() < 0.2 * discord


@pytest.mark.parametrize("bound", [0.5, 0.25, 0.1])
def test_number_of_opinions(make_opinions, bound):
    """As a rule of thumb, it is 1 / (2 * bound)."""
    numbers = []
    for seed in range(5):
        model = make_opinions(seed=seed, num_agents=200, confidence_bound=bound)
        model.run()
        numbers.append(num_clusters(model))
    assert np.mean(numbers) == pytest.approx(1 / (2 * bound), rel=0.3)


def test_same_seed_same_numbers(make_opinions):
    check_same_seed_same_data(DIRECTORY, SMALL, num_steps=100, write_every=20)
    first, other = (make_opinions(seed=seed) for seed in (1, 2))
    for model in (first, other):
        model.run()
    assert (first.opinions[:] != other.opinions[:]).any()
    assert list(first.graph.edges) != list(other.graph.edges)


def test_write_schedule():
    check_write_schedule(DIRECTORY, SMALL)


def test_stop_signal():
    check_survives_stop_signal(DIRECTORY, SMALL, num_steps=20)
