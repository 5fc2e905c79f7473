import time

import h5py
import numpy as np
import pytest

from utopya_backend import BaseModel, ModelBenchmarkMixin, StepwiseModel
from utopya_backend.benchmark import (
    DEFAULT_TIMERS_CUMULATIVE,
    DEFAULT_TIMERS_ONE_SHOT,
)
from utopya_backend.yaml import load


class Steps(ModelBenchmarkMixin, StepwiseModel):
    def setup(self, *, limit=None):
        pass

    def perform_step(self):
        pass

    def write_data(self):
        pass


class Free(ModelBenchmarkMixin, BaseModel):
    """Not stepwise, with a rule of its own for when to write."""

    def setup(self, *, limit=10, write_at=(1, 2, 7)):
        self.limit = limit
        self.write_at = write_at

    def should_iterate(self):
        return self.n_iterations < self.limit

    def iterate(self):
        pass

    def should_write(self):
        return self.n_iterations in self.write_at

    def write_data(self):
        pass


def labels_of(dset, dim):
    mode, args = dset.attrs[f"coords_mode__{dim}"], dset.attrs[f"coords__{dim}"]
    size = dset.shape[list(dset.attrs["dim_names"]).index(dim)]
    if mode == "start_and_step":
        return [args[0] + args[1] * number for number in range(size)]
    return list(dset.parent[args]) if mode == "linked" else list(args)


def test_timers(make):
    model = make(Steps)
    timers = model.timers
    assert tuple(timers) == DEFAULT_TIMERS_ONE_SHOT + DEFAULT_TIMERS_CUMULATIVE
    assert {name for name, timer in timers.items() if timer.one_shot} == set(
        DEFAULT_TIMERS_ONE_SHOT
    )
    assert {name for name, timer in timers.items() if timer.finished} == {
        "init", "setup",
    }  # fmt: skip
    model.run()
    assert {name for name, timer in timers.items() if not timer.finished} == {
        "teardown"
    }
    assert all(timers[name].elapsed > 0 for name in timers if name != "teardown")
    model.close()
    assert timers["teardown"].finished
    assert timers["teardown"].elapsed > 0


def test_the_parts_make_up_the_whole(make):
    model = make(Steps, num_steps=100)
    model.run()
    elapsed = model.elapsed
    assert elapsed["init"] + elapsed["run"] <= elapsed["simulation"]
    assert elapsed["setup"] <= elapsed["init"]
    parts = elapsed["model_iteration"] + elapsed["write_data"]
    assert parts <= elapsed["full_iteration"] + elapsed["setup"]
    assert model.elapsed_one_shot | model.elapsed_cumulative == elapsed
    assert set(model.elapsed_cumulative) == set(DEFAULT_TIMERS_CUMULATIVE)


def test_datasets(make):
    model = make(Steps, num_steps=10, write_start=4, write_every=3)
    model.run()
    group = model.h5group["benchmark"]
    total, cumulative = group["total"], group["cumulative"]
    assert list(total.attrs["dim_names"]) == ["label"]
    assert labels_of(total, "label") == list(model.timers)
    np.testing.assert_allclose(total, list(model.elapsed.values()), rtol=1e-6)
    assert total.dtype == cumulative.dtype == np.float32
    assert list(cumulative.attrs["dim_names"]) == ["n_iterations", "label"]
    assert labels_of(cumulative, "label") == list(DEFAULT_TIMERS_CUMULATIVE)
    assert labels_of(cumulative, "n_iterations") == [4, 7, 10]
    assert (np.diff(cumulative, axis=0) >= 0).all()
    assert total.compression_opts == cumulative.compression_opts == 3


@pytest.mark.parametrize("start", [0, 1, 2])
def test_rows_carry_the_label_of_their_step(make, start):
    model = make(Steps, num_steps=7, write_start=start, write_every=2)
    model.run()
    cumulative = model.h5group["benchmark/cumulative"]
    assert labels_of(cumulative, "n_iterations") == list(range(start, 8, 2))


def test_initial_write_is_not_timed(make):
    """As there, where the initial state is written around the timers."""
    model = make(Steps, num_steps=3)
    assert model.timers["write_data"].elapsed == 0
    cumulative = model.h5group["benchmark/cumulative"]
    assert labels_of(cumulative, "n_iterations") == [0]
    column = labels_of(cumulative, "label").index("write_data")
    assert cumulative[0, column] == 0
    model.run()
    assert (np.diff(cumulative[:, column]) > 0).all()


def test_labels_of_a_killed_run(make):
    model = make(Steps, num_steps=7, write_every=2)
    cumulative = model.h5group["benchmark/cumulative"]
    assert labels_of(cumulative, "n_iterations") == [0]
    assert list(cumulative.attrs["coords__n_iterations"]) == [0, 2]
    model = make(Free, output_path=model.root_cfg["output_path"] + "2")
    model._invoke_write_data()
    cumulative = model.h5group["benchmark/cumulative"]
    assert labels_of(cumulative, "n_iterations") == [0]


def test_labels_of_a_free_model(make):
    model = make(Free)
    model.run()
    cumulative = model.h5group["benchmark/cumulative"]
    assert labels_of(cumulative, "n_iterations") == [1, 2, 7]


def test_many_irregular_labels(make):
    write_at = {*range(1, 9001), 9500}
    model = make(Free, M={"limit": 10000})
    model.write_at = write_at
    model.run()
    cumulative = model.h5group["benchmark/cumulative"]
    assert cumulative.attrs["coords_mode__n_iterations"] == "linked"
    assert labels_of(cumulative, "n_iterations") == sorted(write_at)


def test_configuration(make, caplog):
    cfg = {
        "limit": 3,
        "benchmark": {
            "show_on_exit": False, "group_name": "times", "compression": 1,
            "dtype": "float64", "add_to_monitor": True,
        },
    }  # fmt: skip
    model = make(Steps, M=cfg)
    assert model.cfg == cfg
    model.run()
    assert "Elapsed times" not in caplog.text
    assert set(model.h5group) == {"times"}
    assert model.h5group["times/total"].dtype == np.float64
    assert model.h5group["times/cumulative"].compression_opts == 1


def test_elapsed_times_in_the_monitor(make, capsys):
    make(Steps, M={"benchmark": {"add_to_monitor": True}}).run()
    for line in capsys.readouterr().out.splitlines():
        timers = load(line)["M"]["timers"]
        assert list(timers) == [*DEFAULT_TIMERS_ONE_SHOT, *DEFAULT_TIMERS_CUMULATIVE]
        assert timers["simulation"] > 0


def test_shown_on_exit(make, caplog):
    model = make(Steps)
    model.run()
    text = next(m for m in caplog.messages if m.startswith("Elapsed times"))
    assert len(text.strip().splitlines()) == 2 + len(model.timers)
    assert f"  {'run':>15s} : " in text


def test_format(make):
    cfg = {"info_fstr": "{name:>{w}s}: {seconds:.0f}", "info_kwargs": {"width": 20}}
    model = make(Steps, M={"benchmark": cfg})
    model.run()
    assert model.elapsed_info.splitlines()[0] == f"{'init':>20s}: 0"
    assert model.format_elapsed_info("{name}").splitlines() == list(model.timers)
    slowest = model.format_elapsed_info("{name} {percent_of_max:.0f}", sort=True)
    assert slowest.splitlines()[0] == "simulation 100"


def test_not_written(make):
    model = make(Steps, M={"benchmark": {"write": False}})
    model.run()
    assert list(model.h5group) == []
    assert model._dgrp_bench is None


def test_disabled(make, caplog, capsys):
    cfg = {"enabled": False, "add_to_monitor": True}
    model = make(Steps, M={"benchmark": cfg})
    model.add_cumulative_timers("mine")
    model.start_timer("mine")
    assert model.pause_timer("mine") == -1
    model.unpause_timer("no such timer")
    assert model.stop_timer("mine") == -1
    model.run()
    model.close()
    assert set(model.elapsed.values()) == {0}
    assert "Elapsed times" not in caplog.text
    assert "timers" not in capsys.readouterr().out
    with h5py.File(model.root_cfg["output_path"]) as file:
        assert list(file["M"]) == []


@pytest.mark.parametrize("value", [None, {}])
def test_empty_entry(make, value):
    assert make(Steps, M={"benchmark": value}).run() == 0


@pytest.mark.parametrize(
    ("entry", "error", "text"),
    [
        ({"enable": True}, TypeError, "Did you mean 'enabled'"),
        (False, ValueError, "'benchmark' .* has to be a mapping, but is False"),
        ({"enabled": "no"}, ValueError, "enabled has to be true or false"),
        ({"info_fstr": "{nope}"}, ValueError, "info_fstr.* cannot format a time"),
    ],
)
def test_mistakes(write_cfg, tmp_path, entry, error, text):
    with pytest.raises(error, match=text):
        Steps(cfg_file_path=write_cfg(M={"benchmark": entry}))
    assert not (tmp_path / "data.h5").exists()


def test_own_timers(make):
    class Own(Steps):
        def setup(self):
            self.add_one_shot_timers("preparation")
            self.start_timer("preparation")
            self.stop_timer("preparation")

        def perform_step(self):
            if self.time == 1:  # after two rows were written
                self.add_cumulative_timers("part")
            if self.time >= 1:
                self.unpause_timer("part")
                assert self.pause_timer("part") > 0

    model = make(Own, num_steps=3)
    model.run()
    cumulative = model.h5group["benchmark/cumulative"]
    assert labels_of(cumulative, "label") == [*DEFAULT_TIMERS_CUMULATIVE, "part"]
    assert (cumulative[:2, -1] == 0).all()
    assert (cumulative[2:, -1] > 0).all()
    assert "preparation" in labels_of(model.h5group["benchmark/total"], "label")


def test_clock_is_monotonic(make):
    timers = make(Steps).timers.values()
    assert all(timer._time_func is time.perf_counter for timer in timers)


def test_own_clock(make, clock):
    model = make(Steps)
    model.add_cumulative_timers("mine", time_func=clock)
    model.start_timer("mine")
    clock.now += 3
    assert model.stop_timer("mine") == 3


def test_unknown_timer(make):
    model = make(Steps)
    for method in (model.start_timer, model.pause_timer, model.stop_timer):
        with pytest.raises(ValueError, match=r"No benchmark timer named 'x'.*: epilog"):
            method("x")


def test_run_again(make):
    model = make(Steps, num_steps=3)
    model.add_one_shot_timers("mine")
    model.run()
    first = model.elapsed
    model._time = 0
    model.add_cumulative_timers("new")
    model.run()
    second = model.elapsed
    for name in ("run", "prolog", "epilog", "model_iteration", "simulation"):
        assert second[name] > first[name], name
    assert second["init"] == first["init"]
    group = model.h5group["benchmark"]
    assert labels_of(group["cumulative"], "n_iterations") == [0, 1, 2, 3, 1, 2, 3]
    assert labels_of(group["total"], "label") == list(model.timers)
    np.testing.assert_allclose(group["total"], list(second.values()), rtol=1e-6)


def test_without_a_teardown_timer(make):
    class Own(Steps):
        def _add_default_timers(self):
            super()._add_default_timers()
            del self.timers["teardown"]

    model = make(Own)
    model.run()
    model.close()
    assert not model._h5file


def test_a_timer_is_replaced_by_another_one(make):
    class Changing(ModelBenchmarkMixin, StepwiseModel):
        def setup(self):
            self.add_cumulative_timers("a")

        def perform_step(self):
            if self.time == 1:
                del self.timers["a"]
                self.add_cumulative_timers("b")

        def write_data(self):
            pass

    model = make(Changing, num_steps=3)
    model.run()
    dset = model.h5group["benchmark/cumulative"]
    assert dset.shape == (4, 5)
    assert dset.attrs["coords__label"][-1] == "b"
