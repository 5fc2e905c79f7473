"""Each row has the time at which it came, whoever wrote it, at every commit."""

import shutil
import tempfile

import h5py
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import utopya_backend.io.row_labels
from utopya_backend import StepwiseModel, yaml
from utopya_backend.io import OutputFile, write_coords
from utopya_backend.io.labels import MAX_ATTRIBUTE_BYTES, read_coords
from utopya_backend.io.output import create_series, make_series
from utopya_backend.io.row_labels import RowLabels

# .. Models that write when they like .........................................

WAYS = {
    "append": lambda dset, row: dset.append(row),
    "resize": lambda dset, row: dset.resize(dset.shape[0] + 1, axis=0),
    "shape": lambda dset, row: dset.resize((dset.shape[0] + 1, *dset.shape[1:])),
    "fast": lambda dset, row: dset.resize(len(dset) + 1, axis=0),
}
KINDS = {
    "number": {"chunks": (1,)},
    "narrow": {"dtype": "f4"},
    "wide": {"extra_dims": ["x"], "sizes": {"x": 2}},
    "open": {"extra_dims": ["x"]},
    "text": {"dtype": str},
}


class Whimsical(StepwiseModel):
    """Appends, cuts, commits and looks as it is drawn; each row is its own time."""

    draw = None

    def setup(self):
        self.dsets = {}
        self.expected = {}
        for name in self.draw(st.sets(st.sampled_from(sorted(KINDS)), min_size=1)):
            self.make(name)
        self.act()

    def make(self, name):
        self.dsets[name] = self.create_ts_dset(name, **KINDS[name])
        self.expected[name] = []

    def row(self, name):
        time = float(self.time)
        return (
            str(time)
            if name == "text"
            else np.full(2, time)
            if self.is_wide(name)
            else time
        )

    def is_wide(self, name):
        return name in ("wide", "open")

    def act(self):
        for _ in range(self.draw(st.integers(0, 2))):
            name = self.draw(st.sampled_from(sorted(KINDS)))
            if name not in self.dsets:
                self.make(name)
            action = self.draw(st.sampled_from([*WAYS, "append", "cut", "several"]))
            getattr(self, action, self.write)(name, action)
        if self.draw(st.integers(0, 3)) == 0:
            flush = getattr(self._h5file, "commit", self._h5file.flush)
            flush()
            self.check()
        elif isinstance(self._h5file, OutputFile):
            self.check(complete=False)

    def write(self, name, way):
        dset, times = self.dsets[name], self.expected[name]
        if self.time in times:
            with pytest.raises(ValueError, match="has a row for time"):
                WAYS[way](dset, self.row(name))
        else:
            WAYS[way](dset, self.row(name))
            if way != "append":
                if name == "open" and 0 in dset.shape:
                    dset.resize(2, axis=1)
                dset[-1, ...] = self.row(name)
            times.append(self.time)
        assert dset.shape[0] == len(times)

    def several(self, name, _):
        dset, rows = self.dsets[name], len(self.expected[name])
        with pytest.raises(ValueError, match="has a row for time"):
            dset.resize(rows + 2, axis=0)
        assert dset.shape[0] == rows

    def cut(self, name, _):
        rows = self.draw(st.integers(0, len(self.expected[name])))
        self.dsets[name].resize(rows, axis=0)
        del self.expected[name][rows:]

    def check(self, *, complete=True):
        """Looks at what a kill would leave now."""
        with tempfile.TemporaryDirectory() as directory:
            copy = shutil.copy(self.root_cfg["output_path"], directory)
            with h5py.File(copy) as file:
                for name in self.dsets:
                    if not complete and f"M/{name}" not in file:
                        continue
                    dset = file["M"][name]
                    values = dset.asstr()[()] if name == "text" else dset[()]
                    times = (
                        [float(row[0]) for row in values.reshape(len(dset), -1)]
                        if values.size
                        else []
                    )
                    assert read_coords(dset, "time", len(dset)).tolist() == [
                        *map(float, times)
                    ]
                    if complete:
                        assert times == self.expected[name]
                linked = [key for key in file.get("M", ()) if "__coords__" in key]
                assert linked == [
                    f"{name}__coords__time" for name in sorted(self.dsets)
                    if f"M/{name}" in file
                    and file["M"][name].attrs["coords_mode__time"] == "linked"
                ]  # fmt: skip

    def should_iterate(self):
        return self.n_iterations < 12

    def should_write(self):
        return self.draw(st.booleans())

    def prolog(self):
        self.act()

    def perform_step(self):
        if self.draw(st.integers(0, 5)) == 0:
            self._time = self.draw(st.sampled_from([0, 7, 0.5, 3.0, np.int64(20), -4]))
        self.act()

    def write_data(self):
        self.act()

    def epilog(self, *, finished_run):
        self.act()


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],  # to shrink what fails would take long
)
@given(
    st.data(),
    st.sampled_from([MAX_ATTRIBUTE_BYTES, 40]),
    st.sampled_from(["transactional", "native"]),
    st.integers(2, 15),
    st.integers(1, 3),
)
def test_labels_are_records(data, size, driver, num_steps, write_every):
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as mp:
        mp.setattr(utopya_backend.io.row_labels, "MAX_ATTRIBUTE_BYTES", size)
        mp.setattr(Whimsical, "draw", staticmethod(data.draw))
        cfg = {
            "root_model_name": "M", "M": {}, "output": {"driver": driver},
            "num_steps": num_steps, "write_every": write_every,
            "output_path": f"{directory}/data.h5", "log_levels": {"model": "error"},
        }  # fmt: skip
        with open(f"{directory}/cfg.yml", "w", encoding="utf-8") as file:
            yaml.dump(cfg, file)
        with Whimsical(cfg_file_path=f"{directory}/cfg.yml") as model:
            model.run()
        model.check()


# .. One thing at a time ......................................................


class Idle(StepwiseModel):
    def setup(self):
        self.dset = self.create_ts_dset("x", dtype=int)

    def perform_step(self):
        pass

    def write_data(self):
        pass


def times_of(dset):
    return read_coords(dset, "time", len(dset)).tolist()


def test_forms(make):
    dset = make(Idle).dset
    forms = []
    for time in (5, 8, 11, 0.5):
        dset.append(0, time=time)
        attrs = dict(dset.attrs)
        forms.append((attrs["coords_mode__time"], attrs["coords__time"].tolist()))
    assert forms == [
        ("start_and_step", [5, 1]),
        ("start_and_step", [5, 3]),
        ("start_and_step", [5, 3]),
        ("values", [5, 8, 11, 0.5]),
    ]
    dset.resize(3, axis=0)
    assert dset.attrs["coords__time"].tolist() == [5, 3]


@pytest.mark.parametrize(
    ("time", "error", "text"),
    [
        ("1 s", TypeError, r"finite number, but is '1 s': give it by append\("),
        (float("nan"), TypeError, "finite number, but is nan"),
        (2**64, TypeError, "finite number"),
        (3, ValueError, "has a row for time 3 already"),
        (np.float32(3), ValueError, "has a row for time 3 already"),
    ],
)
@pytest.mark.parametrize("times", [[3], [0, 3, 7], [0, 3, 7, 2.5]])
def test_times_that_no_row_can_have(make, times, time, error, text):
    dset = make(Idle).dset
    for number in times:
        dset.append(1, time=number)
    for action in (
        lambda: dset.append(1, time=time),
        lambda: dset.resize(len(times) + 1, axis=0, time=time),
        lambda: dset.resize((len(times) + 1,), time=time),
    ):
        with pytest.raises(error, match=text):
            action()
        assert dset.shape == (len(times),)
    dset.append(9, time=9)
    assert times_of(dset) == [*times, 9]


def test_many_uneven_times_are_written_once(make, monkeypatch):
    model = make(Idle)
    dset, written = model.dset, []
    write = h5py.Dataset.__setitem__

    def count(self, args, value):
        if "__coords__" in self.name:
            written.append(len(value))
        write(self, args, value)

    monkeypatch.setattr(h5py.Dataset, "__setitem__", count)
    for number in range(20_000):
        dset.append(number, time=number**2)
        if number % 500 == 0:
            model._h5file.commit()
    model._h5file.commit()
    assert dset.attrs["coords_mode__time"] == "linked"
    assert sum(written) == 20_000
    assert times_of(dset) == [number**2 for number in range(20_000)]


def test_name_of_a_linked_dataset_is_taken(make, monkeypatch):
    monkeypatch.setattr(utopya_backend.io.row_labels, "MAX_ATTRIBUTE_BYTES", 16)
    model = make(Idle)
    model.h5group["x__coords__time"] = "mine"
    for time in (0, 1, 5):
        model.dset.append(0, time=time)
    assert model.h5group["x__coords__time"].asstr()[()] == "mine"
    assert times_of(model.dset) == [0, 1, 5]


def test_coordinates_of_ones_own(make):
    model = make(Idle, num_steps=10)
    dset = model.dset
    write_coords(dset, "time", mode="values", args=np.arange(11) / 10)
    dset.resize(4, axis=0)
    dset.append(1)
    assert times_of(dset) == [0, 0.1, 0.2, 0.3, 0.4]
    model.run()
    model.close()
    with h5py.File(model.root_cfg["output_path"]) as file:
        assert times_of(file["M/x"]) == [0, 0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize("how", ["stopped", "failed", "killed"])
def test_however_a_run_ends(make, how):
    class Ends(Idle):
        def perform_step(self):
            if self.time in (2, 3, 7):
                self.dset.append(self.time)
            if self.time == 7:
                if how == "failed":
                    raise RuntimeError
                self._h5file.commit()
                if how == "stopped":
                    self._signal_info["got_signal"] = True
                    self._signal_info["signum"] = 15

    model = make(Ends, num_steps=10)
    path = model.root_cfg["output_path"]
    try:
        model.USE_SYS_EXIT = False
        model.run()
    except RuntimeError:
        assert how == "failed"
    with h5py.File(path) as file:
        assert file["M/x"][()].tolist() == times_of(file["M/x"]) == [2, 3, 7]


def test_a_model_that_runs_again(make):
    class Again(Idle):
        def write_data(self):
            self.dset.append(self.time)

    model = make(Again, num_steps=3)
    model.run()
    model._num_steps = 6
    model.run()
    assert model.dset[()].tolist() == times_of(model.dset) == list(range(7))
    model._time = 2
    with pytest.raises(ValueError, match="has a row for time 3 already"):
        model.run()


def test_series_without_times(tmp_path):
    with OutputFile(tmp_path / "data.h5") as file:
        options = {"row_shape": (), "dtype": float, "compression": 2}
        plain, timed = (
            make_series(create_series(file, name, num_rows=None, **options), file)
            for name in ("plain", "timed")
        )
        plain.resize(5, axis=0)
        with pytest.raises(ValueError, match="have no times: append them without one"):
            plain.append(1.0, time=1)
        timed.label_rows(RowLabels("time", start=0, step=1))
        with pytest.raises(TypeError, match="has to be a finite number, but is None"):
            timed.append(1.0)
        timed.append(1.0, time=4)
        assert times_of(timed) == [4]


@pytest.mark.parametrize("driver", ["transactional", "native"])
def test_whoever_gets_at_the_dataset(make, driver):
    """Its rows have their times, in whichever way a model gets at it."""

    class Seeker(Idle):
        def setup(self):
            self.create_ts_dset("x")
            self.h5group.create_group("a")["link"] = self.h5group["x"]

        def should_write(self):
            return self.time % 5 in (1, 2)

        def write_data(self):
            group, file, path = self.h5group, self.h5group.file, self.h5group.name
            found = [
                group["x"], group.get("x"), group["a/link"], group["a"]["link"],
                dict(group.items())["x"], group["a"].parent["x"], file[path]["x"],
                file[f"{path}/x"], group[group["x"].ref],
                group.require_group("a")["link"], group["x"].parent["x"],
            ][self.time % 11]  # fmt: skip
            found.resize(len(found) + 1, axis=0)
            found[-1] = self.time

    model = make(Seeker, num_steps=60, output={"driver": driver})
    model.run()
    dset = model.h5group["x"]
    assert len(dset) == 25
    assert times_of(dset) == dset[()].tolist()


# .. More rows than were foreseen .............................................


@pytest.mark.parametrize("driver", ["transactional", "native"])
@pytest.mark.parametrize("kind", [*sorted(KINDS), "deep", "lzf", "filled"])
def test_more_rows_than_there_is_room_for(make, kind, driver):
    options = {
        **KINDS, "deep": {"extra_dims": ["x", "y"], "sizes": {"x": 2, "y": 3}},
        "lzf": {"compression": "lzf"}, "filled": {"fillvalue": -1.0},
    }[kind]  # fmt: skip

    class Longer(Idle):
        def setup(self):
            self.dset = self.create_ts_dset("x", **options)
            self.dset.attrs["note"] = ["ä", "b"]
            self.h5group["a/same"] = self.dset

        def should_iterate(self):
            return self.time < 50

        def write_data(self):
            shape = tuple(
                {"x": 2, "y": 3}[dim] for dim in options.get("extra_dims", ())
            )
            time = (
                str(self.time) if kind == "text" else np.full(shape, float(self.time))
            )
            self.dset.append(time)

    model = make(Longer, num_steps=4, output={"driver": driver})
    dset = model.dset
    assert dset.maxshape[0] == 5
    model.run()
    assert dset.maxshape[0] is None
    assert dset.name == "/M/x"
    if driver == "transactional":
        assert model.h5group["x"] is model.h5group["a/same"] is dset
    if kind not in ("number", "text"):
        assert dset.chunks[0] > 50
    model.close()
    with h5py.File(model.root_cfg["output_path"]) as file:
        for name in ("x", "a/same"):
            found = file["M"][name]
            values = found.asstr()[()] if kind == "text" else found[()]
            assert sorted({float(value) for value in values.ravel()}) == list(range(51))
            assert found.attrs["note"].tolist() == ["ä", "b"]
            assert times_of(found) == list(range(51))
            assert found.compression == ("lzf" if kind == "lzf" else "gzip")


def test_rows_in_memory_go_on_after_that(make):
    class Longer(Idle):
        def setup(self):
            self.dset = self.create_ts_dset("x")

        def should_iterate(self):
            return self.time < 100

        def write_data(self):
            self.dset.append(float(self.time))

    model = make(Longer)
    model.run()
    assert model.dset._attached
    assert model.dset[()].tolist() == list(range(101))


def test_a_limit_of_ones_own(make):
    class Limited(Idle):
        def setup(self):
            self.dset = self.create_ts_dset("x", maxshape=(4,))

        def should_iterate(self):
            return True

        def write_data(self):
            self.dset.append(self.time)

    model = make(Limited)
    with pytest.raises(ValueError, match="has 4 rows, as many as its maxshape allows"):
        model.run()
