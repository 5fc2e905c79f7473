"""The example in continuous time: the laws of its events, and when it writes."""

import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest

from utopya_backend.io import open_output
from utopya_backend.testing import check_same_seed_same_data, check_survives_stop_signal

DIRECTORY = Path(__file__).parents[2] / "examples/PredatorPrey"
FEW = {"num_prey": 20, "num_predators": 20, "area": 0.2, "num_writes": 501}
BIRTH, PREDATION, DEATH = (1, 0), (-1, 1), (0, -1)


@pytest.fixture
def make_animals(make_model):
    def make(*, seed=42, **parameters):
        return make_model(DIRECTORY, parameters, seed=seed)

    return make


@pytest.fixture
def run(make_animals):
    """Runs a model; returns it and all its states, with the time each begins."""

    def make_and_run(**parameters):
        model = make_animals(**parameters)
        states = [(0.0, model.prey, model.predators)]
        iterate = model.iterate

        def record():
            iterate()
            states.append((model.time, model.prey, model.predators))

        model.iterate = record
        model.run()
        return model, np.array(states)

    return make_and_run


def state_at(time, states):
    """The last state that has begun by then."""
    return next(state[1:] for state in reversed(states) if state[0] <= time)


def test_program(tmp_path):
    args = [sys.executable, "-m", "utopya_backend", "run", DIRECTORY, "--out", tmp_path]
    subprocess.run(args, check=True, capture_output=True)
    (run_dir,) = tmp_path.glob("PredatorPrey/*")
    population = open_output(run_dir)["PredatorPrey/population"]
    assert population.dims == ("time", "species")
    assert population.species.values.tolist() == ["prey", "predators"]
    assert (population.time == np.linspace(0, 100, 1001)).all()
    assert (population[0] == 1000).all()
    assert (population > 0).all()
    with h5py.File(run_dir / "data/uni0/data.h5") as file:
        assert file.attrs["iterations"] > 250_000  # one for each event


@pytest.mark.parametrize("seed", range(8))
def test_each_row_is_the_state_at_its_time(run, seed):
    model, states = run(seed=seed, end_time=5, **FEW)
    rows = model.population[:]
    assert len(states) > 3
    assert np.diff(states[:, 0]).max() > 2 * 5 / 500  # one event, several rows
    until = model.next_event  # when the prey would go on, if the predators are extinct
    for time, row in zip(model.write_times, rows, strict=True):
        if time < until:
            assert (row == state_at(time, states)).all()
        else:
            assert np.isnan(row).all()
            assert model.predators == 0


def test_many_events_between_two_rows(run):
    model, states = run(end_time=2, num_writes=3)
    assert model.write_times == [0, 1, 2]
    assert model.population[:].tolist() == [
        state_at(time, states).tolist() for time in (0, 1, 2)
    ]


def test_event_at_the_time_of_a_row(make_animals):
    model = make_animals(end_time=2, num_writes=3)
    model.next_event = 1.0
    model.prolog()
    assert model.num_written == 1
    model.iterate()
    model.next_event = math.inf
    model.write_data()
    assert model.population[0].tolist() == [1000, 1000]
    after = [model.prey, model.predators]
    assert model.population[1:].tolist() == [after, after]
    assert after != [1000, 1000]


def test_events(run):
    _, states = run(end_time=20, **FEW)
    events = {tuple(event) for event in np.diff(states[:, 1:], axis=0)}
    assert events == {BIRTH, PREDATION, DEATH}


def test_rates(make_animals):
    model = make_animals(birth_rate=1, predation_rate=0.1, area=5, death_rate=2)
    number, counts, waiting_times = 20_000, Counter(), []
    for _ in range(number):
        model.prey, model.predators = 30, 40
        waiting_times.append(model.draw_waiting_time())
        model.iterate()
        counts[model.prey - 30, model.predators - 40] += 1
    rates = {BIRTH: 30, PREDATION: 0.1 / 5 * 30 * 40, DEATH: 2 * 40}
    total = sum(rates.values())
    for event, rate in rates.items():
        share = rate / total
        deviation = math.sqrt(share * (1 - share) / number)
        assert counts[event] / number == pytest.approx(share, abs=4 * deviation)
    # The standard deviation of an exponential distribution is its mean.
    deviation = 1 / total / math.sqrt(number)
    assert np.mean(waiting_times) == pytest.approx(1 / total, abs=4 * deviation)
    # … and its tail says that it is one
    late = np.mean(np.array(waiting_times) > 2 / total)
    assert late == pytest.approx(math.exp(-2), abs=4 * math.sqrt(0.12 / number))


@pytest.mark.parametrize("seed", range(5))
def test_prey_alone_is_a_birth_process(run, seed):
    model, _ = run(
        seed=seed, num_prey=200, birth_rate=0.5, predation_rate=0, death_rate=0,
        end_time=4, num_writes=5,
    )  # fmt: skip
    prey, predators = model.population[:].T
    growth = np.exp(0.5 * np.arange(5))
    deviation = np.sqrt(200 * growth * (growth - 1))  # of Yule's process
    assert (np.abs(prey - 200 * growth) <= 4 * deviation).all()
    assert (predators == 1000).all()


@pytest.mark.parametrize("seed", range(5))
def test_predators_alone_are_a_death_process(run, seed):
    model, _ = run(seed=seed, num_prey=0, death_rate=0.5, end_time=8, num_writes=5)
    prey, predators = model.population[:].T
    survival = np.exp(-0.5 * np.arange(0, 9, 2))
    deviation = np.sqrt(1000 * survival * (1 - survival))  # binomial
    assert (np.abs(predators - 1000 * survival) <= 4 * deviation).all()
    assert (prey == 0).all()


def test_predators_extinct_before_the_prey(run):
    model, states = run(num_predators=1, predation_rate=0, end_time=100)
    assert model.prey > 0
    assert states[-1, 2] == 0
    assert model.population.attrs["predators_extinct_at"] == states[-1, 0]
    assert model.compute_progress() == 1
    is_missing = np.isnan(model.population[:])
    assert is_missing[-1].all()
    assert not is_missing[0].any()
    assert model.h5group.file.attrs["status"] == "finished"


def test_all_extinct(run):
    model, states = run(num_prey=0, num_predators=10)
    assert len(states) == 1 + 10
    assert model.population[-1].tolist() == [0, 0]
    assert not np.isnan(model.population[:]).any()
    assert model.next_event == math.inf
    assert model.compute_progress() == 1


def test_no_animals(run):
    model, states = run(num_prey=0, num_predators=0)
    assert len(states) == 1
    assert (model.population[:] == 0).all()


def test_run_again(run):
    model, _ = run(end_time=1, **FEW)
    rows = model.population[:]
    model.run()
    assert (model.population[:] == rows).all()


def test_deterministic(run):
    parameters = {"end_time": 5, **FEW}
    check_same_seed_same_data(DIRECTORY, parameters)
    first, other = (run(seed=seed, **parameters)[0] for seed in (1, 2))
    assert first.population[:].tobytes() != other.population[:].tobytes()


def test_stop_signal():
    check_survives_stop_signal(DIRECTORY, {"end_time": 5, **FEW})


def test_monitor_and_progress(make_animals):
    model = make_animals(end_time=1)
    assert model.monitor({}) == {"time": 0, "prey": 1000, "predators": 1000}
    progress = []
    while model.should_iterate():
        progress.append(model.compute_progress())
        model.iterate()
    assert progress[0] == 0
    assert progress == sorted(progress)
    assert 0.99 < progress[-1] < 1
    assert model.monitor({})["time"] == model.time
    assert model.compute_progress() == 1
