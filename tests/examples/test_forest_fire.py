import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from utopya_backend.testing import (
    check_same_seed_same_data,
    check_survives_stop_signal,
    check_write_schedule,
)

DIRECTORY = Path(__file__).parents[2] / "examples/ForestFire"
SMALL = {"grid_shape": [30, 40]}
EMPTY, TREE, FIRE = 0, 1, 2


@pytest.fixture
def make_forest(make_model):
    def make(*, seed=42, num_steps=30, **parameters):
        settings = {"seed": seed, "num_steps": num_steps, "write_every": 1}
        return make_model(DIRECTORY, SMALL | parameters, **settings)

    return make


def test_program(tmp_path):
    args = [sys.executable, "-m", "utopya_backend", "run", DIRECTORY, "--out", tmp_path]
    subprocess.run(args, check=True, capture_output=True)
    (path,) = tmp_path.glob("ForestFire/*/data/uni0/data.h5")
    with h5py.File(path) as file:
        grid, density = file["ForestFire/state"], file["ForestFire/tree_density"][:]
        assert grid.shape == (31, 512 * 512)
        assert ((grid[:] == TREE).mean(axis=1) == density).all()
        assert (grid[-1] == FIRE).any()
        assert list(grid.attrs["coords__time"]) == [0, 10]


def neighbours(state, x, y):
    width, height = state.shape
    return [
        state[(x + dx) % width, (y + dy) % height]
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]


def test_rules_cell_by_cell(make_forest):
    model = make_forest(p_lightning=0.01, p_growth=0.1)
    counts = dict.fromkeys(["burnt", "caught", "struck", "grown"], 0)
    for _ in range(30):
        before = model.state.copy()
        model.perform_step()
        for (x, y), now in np.ndenumerate(model.state):
            was, burns_beside = before[x, y], FIRE in neighbours(before, x, y)
            if was == FIRE:
                assert now == EMPTY
                counts["burnt"] += 1
            elif was == EMPTY:
                assert now in (EMPTY, TREE)
                counts["grown"] += now == TREE
            elif burns_beside:
                assert now == FIRE
                counts["caught"] += 1
            else:
                assert now in (TREE, FIRE)
                counts["struck"] += now == FIRE
    assert min(counts.values()) > 10


def test_deterministic(make_forest):
    check_same_seed_same_data(DIRECTORY, SMALL, num_steps=30, write_every=1)
    first, other = (make_forest(seed=seed) for seed in (1, 2))
    for model in (first, other):
        model.run()
    assert (first.grid[:] != other.grid[:]).any()


def test_write_schedule():
    check_write_schedule(DIRECTORY, SMALL)


def test_stop_signal():
    check_survives_stop_signal(DIRECTORY, SMALL, num_steps=30)


def test_a_fire_spreads_by_a_cell_a_step(make_forest):
    model = make_forest(num_steps=5, p_lightning=0, p_growth=0, initial_density=1)
    model.state[15, 20] = FIRE
    model.run()
    assert (model.state == FIRE).sum() == 4 * 5  # the edge of a diamond
    assert (model.state == EMPTY).sum() == 1 + 4 * (1 + 2 + 3 + 4)
    assert model.monitor({}) == {
        "tree_density": model.tree_density(), "num_burning": 20,
    }  # fmt: skip
