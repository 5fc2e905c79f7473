"""The fit of the example: known rates are found again, also in an incomplete sweep."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from paramspace import ParamDim

from utopya_backend import import_package_from_dir, load_cfg_file, simulate, sweep
from utopya_backend.io import open_output
from utopya_backend.io.ensemble import MissingUniversesWarning

DIRECTORY = Path(__file__).parents[2] / "examples/Influenza"
TRANSMISSION, RECOVERY = [1.5, 1.8, 2.1], [0.35, 0.45, 0.55]
CENTRE = {"transmission_rate": 1.8, "recovery_rate": 0.45}


@pytest.fixture(scope="module")
def fit():
    spec = importlib.util.spec_from_file_location("fit", DIRECTORY / "fit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    rates = {
        "transmission_rate": ParamDim(default=1.8, values=TRANSMISSION),
        "recovery_rate": ParamDim(default=0.45, values=RECOVERY),
    }
    result = sweep(
        DIRECTORY, {"num_members": 50, **rates}, num_steps=13, progress=False,
        seed=ParamDim(default=1, values=[1, 2]), out=tmp_path_factory.mktemp("out"),
    )  # fmt: skip
    assert result.counts["finished"] == 18
    return result.path


@pytest.fixture
def run(complete, tmp_path):
    return shutil.copytree(complete, tmp_path / complete.name)


def directories(run, **parameters):
    """Those of the universes with these parameters."""
    numbers = open_output(run)["universe"].sel(parameters).values
    return [run / f"data/uni{number:02}" for number in np.ravel(numbers)]


def stop(run, **parameters):
    for directory in directories(run, **parameters):
        with h5py.File(directory / "data.h5", "r+") as file:
            file.attrs["status"] = "stopped: SIGINT"


@pytest.fixture(scope="module")
def synthetic():
    """What is observed if the rates are those of the centre."""
    result = simulate(
        DIRECTORY, {"num_members": 500, **CENTRE}, num_steps=13, seed=3, progress=False
    )
    return result.data["Influenza/I"].mean("member")


def test_known_rates_are_found(fit, complete, synthetic):
    mean = fit.load_infected(complete).mean(["seed", "member"])
    best = fit.least(fit.relative_error(mean, synthetic))
    assert {name: best[name] for name in CENTRE} == CENTRE
    assert best["R0"] == pytest.approx(4)
    assert best["growth_rate"] == pytest.approx(1.35)
    assert best["error"] < 0.1


def test_error_is_that_of_the_monitor(fit, complete):
    impl = import_package_from_dir(str(DIRECTORY / "impl"))
    infected = fit.load_infected(complete).isel(
        transmission_rate=0, recovery_rate=1, seed=1
    )
    error = fit.relative_error(infected.mean("member"), fit.load_observations())
    means = infected.mean("member").values.tolist()
    expected = impl.model.relative_error(means, impl.model.load_observations())
    assert float(error) == pytest.approx(expected)


def test_each_seed_is_fitted(fit, complete, synthetic):
    infected = fit.load_infected(complete)
    seeds = fit.least(fit.relative_error(infected.mean("member"), synthetic))
    assert seeds["error"].dims == ("seed",)
    assert (seeds["recovery_rate"] == 0.45).all()


def test_each_outbreak_is_fitted(fit, complete):
    infected = fit.load_infected(complete)
    mean = infected.mean(["seed", "member"])
    outbreaks = fit.least(fit.relative_error(mean, infected.sel(CENTRE, drop=True)))
    assert outbreaks["R0"].sizes == {"seed": 2, "member": 50}
    assert outbreaks["recovery_rate"].median() == 0.45
    assert outbreaks["transmission_rate"].median() == 1.8


def test_nearly_as_good(fit):
    error = xr.DataArray(
        [[3.0, 1.2, 2.0], [1.0, np.nan, 1.26]],
        {"recovery_rate": [0.4, 0.5], "transmission_rate": [1.0, 1.5, 2.0]},
    )
    near = fit.near_least(error)
    assert sorted(near["error"].values) == [1, 1.2]
    assert sorted(near["R0"].values) == [2, 3.75]


def test_missing_universes(fit, run, synthetic):
    missing = directories(run, **CENTRE, seed=1)
    for directory in missing + directories(run, transmission_rate=1.5):
        shutil.rmtree(directory)
    with pytest.warns(MissingUniversesWarning):
        infected = fit.load_infected(run)
    error = fit.relative_error(infected.mean(["seed", "member"]), synthetic)
    assert error.sel(transmission_rate=1.5).isnull().all()
    assert error.notnull().sum() == 6
    best = fit.least(error)
    assert {name: best[name] for name in CENTRE} == CENTRE  # by the other seed


def test_unfinished_universes_do_not_count(fit, run):
    stop(run, **CENTRE, seed=1)
    infected = fit.load_infected(run).sel(CENTRE)
    assert infected.sel(seed=1).isnull().all()
    assert infected.sel(seed=2).notnull().all()


def test_program(run):
    program = [sys.executable, DIRECTORY / "fit.py", run]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "Least error, 0." in done.stdout
    assert "Each of the seeds, 2" in done.stdout
    picture = run / "eval/fit.png"
    assert done.stdout.endswith(f"Heat map: {picture}\n")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_no_finished_universe(fit, run):
    stop(run)
    with pytest.raises(SystemExit, match="has finished"):
        fit.main(str(run))


def test_without_sweep_of_the_seed(fit, tmp_path):
    rates = {"transmission_rate": ParamDim(default=1.8, values=[1.8, 2.1])}
    result = sweep(DIRECTORY, {"num_members": 5, **rates}, out=tmp_path, progress=False)
    assert fit.load_infected(result.path).sizes["seed"] == 1


def test_sweep_surrounds_the_defaults():
    swept = load_cfg_file(DIRECTORY / "fit.yml")["Influenza"]
    defaults = load_cfg_file(DIRECTORY / "Influenza_cfg.yml")
    for name, rates in swept.items():
        assert rates.num_values == 40
        assert rates.default == defaults[name]
        assert min(rates.values) < defaults[name] / 1.5
        assert max(rates.values) > defaults[name] * 1.5
