from collections import Counter

import h5py
import numpy as np
import pytest

from utopya_backend import yaml
from utopya_backend.io import OutputFile, open_output, write_labels
from utopya_backend.io.ensemble import MissingUniversesWarning, as_coords
from utopya_backend.io.stacking import Pool
from utopya_backend.plotting.select import data_variables, swept_dims


def number_of(point):
    return point["seed"] * 10 + ("abc".index(point["kind"]))


SPACE = """!pspace
seed: !sweep {default: 0, values: [1, 2, 3]}
kind: !sweep {default: a, values: [a, b]}
other: 7
"""


@pytest.fixture
def make_run(tmp_path):
    """Writes a run as the frontend does, with a file for each universe."""

    def make_run(write, space=SPACE, leave_out=()):
        (tmp_path / "config").mkdir()
        (tmp_path / "config/parameter_space.yml").write_text(space)
        pspace = yaml.load(space)
        info = ("state_no", "state_no_str")
        for point, number, digits in pspace.iterator(with_info=info):
            if number in leave_out:
                continue
            directory = tmp_path / "data" / f"uni{digits}"
            directory.mkdir(parents=True)
            with OutputFile(directory / "data.h5") as file:
                file["number"] = number
                write(file, point)
        return tmp_path

    return make_run


def write_series(file, point, times=range(0, 30, 10)):
    file.attrs.update(status="finished", seed=str(point["seed"]), host="here")
    dset = file.create_dataset("M/x", data=np.array(times) + number_of(point))
    write_labels(dset, ["time"], {"time": times})


def test_parameters_are_dimensions(make_run):
    tree = open_output(make_run(write_series))
    x = tree["M/x"]
    assert x.dims == ("kind", "seed", "time")
    assert x.shape == (2, 3, 3)
    assert x.dtype == int
    for seed in (1, 2, 3):
        for kind in "ab":
            start = number_of({"seed": seed, "kind": kind})
            values = x.sel(seed=seed, kind=kind).values
            assert values.tolist() == [start, start + 10, start + 20]
    assert x.sel(time=10).isel(seed=[2, 0], kind=1).values.tolist() == [41, 21]
    assert (tree["status"] == "finished").all()
    assert tree.attrs["host"] == "here"
    assert "seed" not in tree.attrs
    assert tree.attrs["missing_universes"] == []


@pytest.mark.parametrize(
    "space",
    [
        "!pspace {a: !sweep {default: 0, range: [5]}}",
        "!pspace {a: !sweep {default: 0, values: [3, 1]}, b: !sweep {default: 0, "
        "linspace: [0, 1, 3], order: -1}}",
        "!pspace {a: !sweep {default: 0, values: [1, 2]}, "
        "b: !coupled-sweep {default: 0, target_name: a, values: [3, 4]}}",
        "!pspace {a: !sweep {default: 0, values: [1, 2, 3], "
        "mask: [true, false, true]}, b: {c: !sweep {default: 0, values: [4, 5]}}}",
        "!pspace {a: !sweep {default: 0, values: [1, 2, 3], mask: true}, "
        "b: !sweep {default: 0, values: [4, 5]}}",
        "!pspace {a: !sweep {default: 0, values: [1, 2], name: p}, "
        "b: !sweep {default: 0, values: [true, false]}}",
    ],
)
def test_universes_stand_where_paramspace_says(make_run, space):
    pspace = yaml.load(space)

    tree = open_output(make_run(lambda file, point: None, space))
    info = ("state_no", "current_coords")
    for number, coords in pspace.iterator(with_info=info, omit_pt=True):
        selected = tree["number"].sel(dict(coords))
        assert selected == number == tree["universe"].sel(dict(coords))
    assert tree["number"].size == pspace.volume


def test_values_that_are_no_numbers(make_run):
    space = "!pspace {kind: !sweep {default: [a], values: [[a], [a, b], 1]}}"
    tree = open_output(make_run(lambda file, point: file.update(n=1), space))
    assert tree["kind"].values.tolist() == ["['a']", "['a', 'b']", "1"]


def test_missing_universes(make_run):
    run = make_run(write_series, leave_out=[5, 10])
    (run / "data/uni07/data.h5").write_bytes(b"")
    with pytest.warns(MissingUniversesWarning, match="3 of 6 universes") as warning:
        tree = open_output(run)
    assert "uni07/data.h5 is empty" in str(warning[0].message)
    assert tree.attrs["missing_universes"] == [5, 7, 10]
    x = tree["M/x"]
    assert x.dtype == float
    assert np.isnan(x.values).sum() == 9
    assert (tree["status"] == "missing").sum() == 2
    assert (tree["status"] == "unreadable").sum() == 1
    assert x.sel(seed=1, kind="a").isnull().all()


def test_what_the_record_knows_better(make_run):
    """A program may fail after its run, or be killed; a line may be incomplete."""
    run = make_run(write_series)
    rows = [
        ("uni05", "failed", "1"), ("uni05", "finished", "0"),
        ("uni06", "failed", "137"),
        ("uni07", "killed", "138"), ("uni09", "interrupted", "130"),
        ("uni10", "failed", "1"), ("uni10", "finished", "0"), ("uni11", "fail", ""),
    ]  # fmt: skip
    with h5py.File(run / "data/uni09/data.h5", "r+") as file:
        file.attrs["status"] = "stopped: SIGINT"
    lines = ["universe\toutcome\texit_code", *map("\t".join, rows)]
    (run / "_universes.tsv").write_text("\n".join(lines))
    tree = open_output(run)
    numbers, states = tree["universe"].values.ravel(), tree["status"].values.ravel()
    assert dict(zip(numbers, states, strict=True)) == {
        5: "finished", 6: "failed: exit code 137", 7: "killed: exit code 138",
        9: "stopped: SIGINT", 10: "finished", 11: "finished",
    }  # fmt: skip


def test_universe_that_is_not_in_the_parameter_space(make_run):
    run = make_run(write_series)
    (run / "data/uni09").rename(run / "data/uni99")
    with pytest.warns(MissingUniversesWarning, match="Not in the parameter space: 99"):
        assert open_output(run).attrs["missing_universes"] == [9]


def test_broken_parameter_space(make_run):
    run = make_run(write_series)
    (run / "config/parameter_space.yml").write_text("a: [")
    with pytest.raises(ValueError, match=r"parameter_space\.yml"):
        open_output(run)


def test_no_universe_can_be_read(make_run):
    run = make_run(write_series, leave_out=[5, 6, 7, 9, 10])
    (run / "data/uni11/data.h5").write_bytes(b"")
    with (
        pytest.warns(MissingUniversesWarning),
        pytest.raises(ValueError, match=r"No universe in .* can be read"),
    ):
        open_output(run)


def test_universes_that_ended_early(make_run):
    def write(file, point):
        write_series(file, point, times=range(0, 10 * point["seed"], 10))

    x = open_output(make_run(write))["M/x"]
    assert x.time.values.tolist() == [0, 10, 20]
    assert x.notnull().sum("time").isel(kind=0).values.tolist() == [1, 2, 3]
    assert x.sel(seed=2, kind="b", time=10) == 31


def test_coordinates_that_differ(make_run):
    def write(file, point):
        write_series(file, point, times=range(0, 7, point["seed"]))

    x = open_output(make_run(write))["M/x"]
    assert x.time.values.tolist() == [0, 1, 2, 3, 4, 5, 6]
    three = x.sel(seed=3, kind="a").dropna("time")
    assert three.time.values.tolist() == [0, 3, 6]
    assert three.values.tolist() == [30, 33, 36]
    assert x.sel(time=[6, 1], kind="a").values.tolist()[0] == [16, 11]


@pytest.mark.parametrize(
    "coords", [{1: [0, 0, 1], 2: [5, 6, 7]}, {1: None, 2: [5, 6, 7], 3: [6, 7, 8]}]
)
def test_coordinates_that_cannot_be_joined(make_run, coords):
    def write(file, point):
        dset = file.create_dataset("x", data=[1, 2, 3])
        values = coords.get(point["seed"], [5, 6, 7])
        write_labels(dset, ["k"], {} if values is None else {"k": values})

    with pytest.warns(UserWarning, match="coordinates of 'k' of 'x' differ"):
        tree = open_output(make_run(write))
    assert "k" not in tree.coords
    assert (tree["x"] == [1, 2, 3]).all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.array([1, 2, 3]), np.array(["1", "2", "3"])),
        (np.array([1, 2, 2**60 + 1]), np.array([0.5, 1.0, 2.0])),
        (np.array([1, 2, -1]), np.array([1, 2, 2**63 + 1], np.uint64)),
    ],
)
def test_labels_are_not_converted_to_join_them(make_run, one, other):
    def write(file, point):
        dset = file.create_dataset("x", data=[1, 2, 3])
        write_labels(dset, ["k"], {"k": one if point["seed"] == 1 else other})

    with pytest.warns(UserWarning, match="or of another type: they are left out"):
        assert "k" not in open_output(make_run(write)).coords


def test_labels_that_differ_by_rounding(make_run):
    def write(file, point):
        steps = np.arange(5) * 0.1 if point["seed"] == 1 else np.cumsum([0.1] * 5) - 0.1
        dset = file.create_dataset("x", data=np.arange(5))
        write_labels(dset, ["k"], {"k": steps})

    text = r"labels of 'k' of 'x' differ by rounding only: 0\.\d* and 0\.\d*"
    with pytest.warns(UserWarning, match=text):
        x = open_output(make_run(write))["x"]
    assert x.notnull().sum("k").min() == 5  # each is where its own label says


def test_parameters_that_differ_by_rounding(make_run):
    space = "!pspace {a: !sweep {default: 0, values: [0.3, 0.1, 0.30000000000000004]}}"
    run = make_run(lambda file, point: file.update(n=1), space)
    match = (
        "labels of the parameter a differ by rounding only: 0.3 and 0.30000000000000004"
    )
    with pytest.warns(UserWarning, match=match):
        assert open_output(run).sizes["a"] == 3


@pytest.mark.parametrize(
    ("values", "coords"),
    [
        ([1, "1"], ["1", "'1'"]),
        ([1, 2.5], [1, 2.5]),
        ([True, False], [True, False]),
        ([True, 2], ["True", "2"]),
        ([2**60 + 1, 0.5], [str(2**60 + 1), "0.5"]),
        ([2**63 + 1, -1], [str(2**63 + 1), "-1"]),
        ([2**70, 1], [str(2**70), "1"]),
        ([None, "None"], ["None", "'None'"]),
        (["a", "b"], ["a", "b"]),
        ([float("nan"), 1.0], [float("nan"), 1.0]),
        ([[1], [1, 2]], ["[1]", "[1, 2]"]),
    ],
)
def test_coordinates_of_parameters(values, coords):
    made = as_coords(values)
    assert made.dtype.kind in "biufU"
    np.testing.assert_array_equal(made, coords)


@pytest.mark.parametrize("name", ["status", "universe"])
@pytest.mark.parametrize("also", ["", "seed: !sweep {default: 0, range: [2]}"])
def test_parameters_that_are_called_as_what_a_run_says(make_run, name, also):
    space = f"!pspace\n{name}: !sweep {{default: 0, values: [7, 8]}}\n{also}\n"
    tree = open_output(make_run(lambda file, point: file.update(n=1), space))
    assert tree[name].values.tolist() == [7, 8]
    assert tree[f"{name}_"].sizes == tree["n"].sizes
    assert tree["n"].sizes[name] == 2
    other = "universe" if name == "status" else "status"
    assert tree[other].sizes == tree["n"].sizes
    assert swept_dims(tree) == tree["n"].dims
    assert list(data_variables(tree)) == ["n", "number"]


def test_coupled_parameter_that_is_called_status(make_run):
    space = """!pspace
a: !sweep {default: 0, values: [1, 2]}
status: !coupled-sweep {default: 7, target_name: a, values: [3, 4]}
"""
    tree = open_output(make_run(lambda file, point: file.update({"M/n": 1}), space))
    assert tree["status"].values.tolist() == ["unknown", "unknown"]
    assert tree["M/n"]["status"].values.tolist() == [3, 4]


def test_types_that_differ(make_run):
    def write(file, point):
        file["x"] = np.zeros(2, [("a" if point["seed"] == 1 else "b", float)])

    with pytest.warns(UserWarning, match="other dimensions or types"):
        assert "x" not in open_output(make_run(write))


def test_datasets_that_only_some_have(make_run):
    def write(file, point):
        file["both"] = 1
        if point["seed"] == 2:
            file["group/only"] = 5
            file["odd"] = [1, 2]
        else:
            file["odd"] = [[1, 2]]

    with pytest.warns(UserWarning, match="'odd' has other dimensions"):
        tree = open_output(make_run(write))
    assert tree["group/only"].sel(seed=2).values.tolist() == [5, 5]
    assert tree["group/only"].isnull().sum() == 4


def test_parameter_with_the_name_of_a_dimension(make_run):
    def write(file, point):
        dset = file.create_dataset("x", data=[1, 2])
        write_labels(dset, ["seed"], {"seed": [5, 6]})

    x = open_output(make_run(write))["x"]
    assert x.sizes == {"kind": 2, "seed": 3, "x_seed": 2}


def test_run_without_a_parameter_space(make_run):
    run = make_run(write_series)
    (run / "config/parameter_space.yml").unlink()
    tree = open_output(run)
    assert tree["M/x"].dims == ("universe", "time")
    assert tree["universe"].values.tolist() == [5, 6, 7, 9, 10, 11]


def test_values_of_coupled_parameters(make_run):
    space = """!pspace
a: !sweep {default: 0, values: [1, 2, 3], mask: [false, true, false]}
kind: !sweep {default: x, values: [x, y]}
nested: {b: !coupled-sweep {default: 7, target_name: a, values: [0.1, 0.2, 0.3]}}
copy: !coupled-sweep {target_name: kind}
"""

    def write(file, point):
        file["M/c"] = point["nested"]["b"]
        file["M/copy"] = 5

    tree = open_output(make_run(write, space))
    assert tree["M"].sizes == {"a": 2, "kind": 2}
    assert tree["M/c"]["b"].dims == ("a",)
    assert (tree["M/c"] == tree["M/c"]["b"]).all()
    assert tree["M/c"].sel(a=3)["b"] == 0.3
    assert tree["status"]["copy"].values.tolist() == ["x", "y"]
    assert (tree["M/copy"] == 5).all()  # data keeps its name


def test_work_for_each_universe_is_bounded(make_run, monkeypatch):
    """Each file is opened once, and each attribute read once; that takes the time."""
    counts = Counter()
    for module in (h5py.h5f, h5py.h5a):

        def counting(*args, _name=module.__name__, _open=module.open, **kwargs):
            counts[_name] += 1
            return _open(*args, **kwargs)

        monkeypatch.setattr(module, "open", counting)
    run = make_run(write_series)
    with h5py.File(run / "data/uni05/data.h5") as file:
        attrs = len(file.attrs) + len(file["M/x"].attrs)
    counts.clear()
    tree = open_output(run)
    assert counts == {"h5py.h5f": 6, "h5py.h5a": 6 * attrs}
    counts.clear()
    tree["M/x"].isel(time=-1).load()
    assert counts == {"h5py.h5f": 6}
    counts.clear()
    tree["status"].load()
    assert not counts


def test_long_coordinates_are_kept_once():
    pool = Pool()
    first, second = (pool.keep(np.arange(1000)) for _ in range(2))
    assert first is second
    assert pool.keep(np.arange(1000.0)) is not first


def test_many_problems_are_told_shortly(make_run):
    space = "!pspace {seed: !sweep {default: 0, range: [30]}}"
    run = make_run(lambda file, point: None, space)
    for file in list(run.glob("data/uni*/data.h5"))[1:]:
        file.write_bytes(b"")
    with pytest.warns(MissingUniversesWarning, match="29 of 30") as warning:
        open_output(run)
    lines = str(warning[0].message).splitlines()
    assert len(lines) < 15
    assert lines[-1] == "… and 20 more."


def test_only_universes_that_are_not_in_the_parameter_space(make_run):
    run = make_run(lambda file, point: None)
    for number, directory in enumerate(sorted(run.glob("data/uni*"))):
        directory.rename(run / f"data/uni{90 + number}")
    with (
        pytest.warns(MissingUniversesWarning),
        pytest.raises(ValueError, match=r"No universe in .* can be read"),
    ):
        open_output(run)
