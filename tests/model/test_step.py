import os
import signal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utopya_backend import StepwiseModel


class Steps(StepwiseModel):
    """Notes when it writes."""

    def setup(self):
        self.written = []
        self.steps = 0

    def perform_step(self):
        self.steps += 1

    def write_data(self):
        self.written.append(self.time)


def test_run(make):
    model = make(Steps, num_steps=10, write_start=3, write_every=4)
    assert (model.time, model.num_steps) == (0, 10)
    assert (model.write_start, model.write_every) == (3, 4)
    assert model._write_start_stop_step == (3, 11, 4)
    assert model.run() == 0
    assert (model.time, model.steps, model.n_iterations) == (10, 10, 10)
    assert model.written == [3, 7]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 30), st.integers(0, 35), st.integers(1, 35))
def test_write_schedule(write_cfg, tmp_path, num_steps, start, every):
    cfg = {"num_steps": num_steps, "write_start": start, "write_every": every}
    with Steps(cfg_file_path=write_cfg(**cfg)) as model:
        model.run()
    os.remove(tmp_path / "data.h5")
    assert model.written == list(range(start, num_steps + 1, every))


def test_initial_state(make):
    model = make(Steps, num_steps=0)
    assert model.written == [0]
    assert model.steps == 0


def test_no_steps(make, capsys):
    model = make(Steps, num_steps=0)
    assert model.compute_progress() == 1
    assert model.run() == 0
    assert model.written == [0]
    assert capsys.readouterr().out.count("progress: 1.0") == 2


def test_progress(make):
    model = make(Steps, num_steps=4)
    assert model.compute_progress() == 0
    model.iterate()
    assert model.compute_progress() == 0.25


def test_num_steps_may_be_a_float(make):
    assert make(Steps, num_steps=2.0).num_steps == 2


@pytest.mark.parametrize(
    ("root", "error"),
    [
        ({"num_steps": ...}, KeyError),
        ({"num_steps": -1}, ValueError),
        ({"num_steps": 2.5}, ValueError),
        ({"num_steps": "abc"}, ValueError),
        ({"write_every": 0}, ValueError),
        ({"write_start": -1}, ValueError),
    ],
)
def test_mistakes(write_cfg, tmp_path, root, error):
    with pytest.raises(error, match=next(iter(root))):
        Steps(cfg_file_path=write_cfg(**root))
    assert not (tmp_path / "data.h5").exists()


def test_missing_methods(write_cfg):
    class Incomplete(StepwiseModel):
        pass

    with pytest.raises(TypeError, match=r"perform_step.*setup.*write_data"):
        Incomplete(cfg_file_path=write_cfg())


def test_own_parsing_of_the_root_level(make):
    class Own(Steps):
        def _parse_root_cfg(self, *, duration, dt, **root_cfg):
            super()._parse_root_cfg(num_steps=duration / dt, **root_cfg)

    model = make(Own, num_steps=..., duration=1.0, dt=0.25)
    assert model.num_steps == 4


def test_run_again(make):
    model = make(Steps, num_steps=3)
    model.run()
    assert model.run() == 0
    assert model.steps == 3
    model._time = 1
    assert model.run() == 0
    assert model.steps == 5
    assert model.written == [0, 1, 2, 3, 2, 3]


def test_last_step_of_a_stopped_run_is_logged(make, caplog):
    class Stopped(Steps):
        USE_SYS_EXIT = False

        def perform_step(self):
            os.kill(os.getpid(), signal.SIGTERM)

    assert make(Stopped).run() == 143
    assert "Last step was: 1 / 3." in caplog.text


def test_steps_are_shown_when_debugging(make, caplog):
    make(Steps, log_levels={"model": "debug"}).run()
    assert "Finished step 3 / 3." in caplog.messages


# .. create_ts_dset ...........................................................


def test_time_series(make, walk):
    model = make(walk, num_steps=5)
    model.run()
    dset = model.h5group["state"]
    assert dset.shape == (6, 3)
    assert dset.dtype == np.float64
    assert dset.compression == "gzip"
    assert dset.compression_opts == 2
    rng = np.random.default_rng(42)
    expected = [rng.random(3)]
    for _ in range(5):
        expected.append(expected[-1] + rng.normal(size=3))
    np.testing.assert_array_equal(dset, expected)


@pytest.mark.parametrize("extra_dims", [("x", "y"), ["x", "y"]])
def test_shape_and_labels(make, extra_dims):
    model = make(Steps, num_steps=42, write_start=10, write_every=3)
    dset = model.create_ts_dset(
        "d",
        extra_dims=extra_dims,
        sizes={"x": 2, "y": 3, "of another dataset": 7},
        coords={"x": ["a", "b"], "y": {"mode": "trivial"}},
        compression=5,
        dtype="int16",
    )
    assert dset.shape == (0, 2, 3)
    assert dset.maxshape == (11, 2, 3)
    assert (dset.dtype, dset.compression_opts) == (np.int16, 5)
    assert {key: np.asarray(value).tolist() for key, value in dset.attrs.items()} == {
        "dim_names": ["time", "x", "y"],
        "coords_mode__time": "start_and_step",
        "coords__time": [10, 3],
        "coords_mode__x": "values",
        "coords__x": ["a", "b"],
        "coords_mode__y": "trivial",
        "coords__y": [],  # as the backend beside writes it
    }


@pytest.mark.parametrize("sizes", [{}, {"x": None}])
def test_missing_size_is_not_limited(make, sizes):
    model = make(Steps)
    dset = model.create_ts_dset(
        "d", extra_dims=["x"], sizes=sizes, coords={"x": range(5)}
    )
    assert dset.shape == (0, 0)
    assert dset.maxshape[1] is None
    dset.resize((1, 5))
    dset[-1, :] = range(5)


def test_no_write_to_come(make, caplog):
    dset = make(Steps, num_steps=3, write_start=5).create_ts_dset("d")
    assert "No data will be written: write_start is 5, the last step 3." in caplog.text
    assert dset.shape == (0,)
    assert dset.maxshape == (0,)
    dset.append(1.0)  # there is room all the same
    assert (dset.shape, dset.maxshape) == ((1,), (None,))


@pytest.mark.parametrize(
    ("kwargs", "error", "text"),
    [
        ({"extra_dims": "age"}, TypeError, "a list or tuple of names, but are 'age'"),
        ({"extra_dims": [1]}, TypeError, "a list or tuple of names"),
        ({"extra_dims": ["time"]}, ValueError, "a name of its own.*time, time"),
        ({"extra_dims": ["x", "x"]}, ValueError, "a name of its own.*x, x"),
        (
            {"extra_dims": ["member"], "sizes": {"membr": 5}},
            ValueError,
            "sizes has a 'membr', .* Did you mean 'member'",
        ),
        (
            {"extra_dims": ["x"], "sizes": {"x": 1}, "coords": {"x": [None]}},
            ValueError,
            "have to be numbers or strings",
        ),
    ],
)
def test_wrong_arguments(make, kwargs, error, text):
    model = make(Steps)
    with pytest.raises(error, match=text):
        model.create_ts_dset("d", **kwargs)
    assert "d" not in model.h5group


def test_wrong_coordinates(make):
    model = make(Steps)
    with pytest.raises(ValueError, match="was not part of the list of"):
        model.create_ts_dset("d", extra_dims=["x"], sizes={"x": 2}, coords={"y": [1]})
    with pytest.raises(
        ValueError, match=r"coordinates of dimension 'x', 3, does not ma"
    ):
        model.create_ts_dset(
            "d", extra_dims=["x"], sizes={"x": 2}, coords={"x": [1, 2, 3]}
        )
    assert "d" not in model.h5group


def times_of(dset):
    start, step = dset.attrs["coords__time"]
    return [start + step * number for number in range(dset.shape[0])]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["perform_step", "write_data", "prolog"]),
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(1, 5),
)
def test_times_of_a_dataset_made_in_mid_run(
    write_cfg, tmp_path, where, when, start, every
):
    class Late(Steps):
        dset = None

        def setup(self):
            super().setup()
            self.written_to_dset = []

        def make_dset(self, place):
            if place == where and self.time >= when and self.dset is None:
                self.dset = self.create_ts_dset("d")

        def prolog(self):
            self.make_dset("prolog")

        def perform_step(self):
            self.make_dset("perform_step")

        def write_data(self):
            self.make_dset("write_data")
            if self.dset is not None:
                self.dset.resize(self.dset.shape[0] + 1, axis=0)
                self.written_to_dset.append(self.time)

    root = {"num_steps": 10, "write_start": start, "write_every": every}
    with Late(cfg_file_path=write_cfg(**root)) as model:
        model.run()
        if model.dset is not None:
            assert times_of(model.dset) == model.written_to_dset
            some = range(*model._write_start_stop_step)
            room = len(model.written_to_dset) or (None if some else 0)
            assert model.dset.maxshape[0] == room
    os.remove(tmp_path / "data.h5")


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"name": None}, TypeError, "has to be a string, but is None"),
        ({"name": "../x"}, ValueError, "is not the name of anything"),
        ({"name": ""}, ValueError, "is not the name of anything"),
        ({"name": "/x"}, ValueError, "out of the group of the model: give 'x'"),
        ({"name": "old"}, ValueError, "There is a 'old' in /M already"),
        ({"sizes": {"x": "3"}}, TypeError, "has to be an integer, or None"),
        ({"sizes": {"x": 0}}, ValueError, "has to be at least 1, but is 0"),
        ({"coords": {"x": None}}, ValueError, "have to be a list or an array"),
        ({"coords": {"x": {"mode": "linspce"}}}, ValueError, "Did you mean 'linspace'"),
        (
            {"coords": {"x": {"mode": "linspace", "coords": [0, 1, 3]}}},
            ValueError,
            "coordinates of dimension 'x', 3, does not match",
        ),
        (
            {"coords": {"x": {"mode": "range", "coords": ["a"]}}},
            ValueError,
            "are none for the mode 'range'",
        ),
    ],
)
def test_mistakes_of_datasets(make, options, error, text):
    model = make(Steps)
    model.h5group["old"] = 1
    before = set(model.h5group)
    with pytest.raises(error, match=text):
        model.create_ts_dset(
            **{"name": "new", "extra_dims": ["x"], "sizes": {"x": 2}, **options}
        )
    assert set(model.h5group) == before


def test_texts(make):
    class Texts(Steps):
        def setup(self):
            self.dset = self.create_ts_dset("text", dtype=str)

        def perform_step(self):
            pass

        def write_data(self):
            self.dset.resize(self.dset.shape[0] + 1, axis=0)
            self.dset[-1] = f"time {self.time}"

    model = make(Texts, num_steps=2)
    model.run()
    assert model.dset.asstr()[:].tolist() == ["time 0", "time 1", "time 2"]


def test_more_rows_than_writes(make):
    class Double(Steps):
        def setup(self):
            self.dset = self.create_ts_dset("x")

        def perform_step(self):
            pass

        def write_data(self):
            self.dset.append(1)
            self.dset.append(2)

    with pytest.raises(ValueError, match=r"has a row for time 0 already.*append\("):
        make(Double, num_steps=3)
