from pathlib import Path

import pytest
from utopya_backend.testing import (
    check_same_seed_same_data,
    check_same_under_frontend,
    check_survives_stop_signal,
    check_write_schedule,
)

pytest_plugins = ["utopya_backend.testing"]  # for the fixture run_model

MODEL = Path(__file__).parent
FEW = {"num_walkers": 10}


def test_same_seed_same_data():
    check_same_seed_same_data(MODEL, FEW, num_steps=20)


def test_write_schedule():
    check_write_schedule(MODEL, FEW)


def test_survives_stop_signal():
    check_survives_stop_signal(MODEL, FEW, num_steps=20)


def test_same_under_frontend():
    check_same_under_frontend(MODEL, FEW, num_steps=20)


def test_mean_square_displacement_grows_with_time(run_model):
    result = run_model(
        MODEL, {"num_walkers": 10_000, "step_length": 0.5}, num_steps=100, seed=1
    )
    displacement = result.data["NAME/mean_square_displacement"]
    expected = 0.5**2 * displacement.time
    # Its relative standard deviation is 1 / √num_walkers, which is 0.01.
    assert displacement.values == pytest.approx(expected.values, rel=0.04)
