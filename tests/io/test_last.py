"""The last value of each universe is that of its last row, whatever it is."""

import numpy as np
import pytest

from utopya_backend.errors import NoLastValueError
from utopya_backend.io import OutputFile, last_values, open_output, write_labels
from utopya_backend.plotting.over import choose_over

SPACE = """!pspace
a: !sweep {default: 0, values: [0.1, 0.2]}
seed: !sweep {default: 0, range: [3]}
"""


def write(file, name, times, values=None, dtype=float, **extra):
    values = np.asarray(times if values is None else values, dtype)
    dset = file.create_dataset(name, data=values)
    write_labels(dset, ["time", *extra], {"time": np.asarray(times, int), **extra})


@pytest.fixture
def make_run(tmp_path):
    """Writes six universes; the one of number 10 has no data."""

    def make_run(fill):
        (tmp_path / "config").mkdir()
        (tmp_path / "config/parameter_space.yml").write_text(SPACE)
        for index, number in enumerate([5, 6, 7, 9, 10, 11]):
            if number != 10:
                directory = tmp_path / f"data/uni{number:02}"
                directory.mkdir(parents=True)
                with OutputFile(directory / "data.h5") as file:
                    fill(file, index)
        with pytest.warns(UserWarning, match="1 of 6 universes have no data"):
            return open_output(tmp_path)["M"]

    return make_run


def test_each_has_its_own_last_time(make_run):
    def fill(file, index):
        write(file, "M/x", range(index + 1))
        write(file, "M/n", range(index + 1), dtype=int)

    group = make_run(fill)
    last = last_values(group["x"])
    expected = np.array([[0, 1, 2], [3, np.nan, 5]])
    np.testing.assert_array_equal(last.values, expected)
    assert last.dims == last.time.dims
    np.testing.assert_array_equal(last.time.values, last.values)
    assert last.name == "x"
    assert last_values(group["x"].sel(a=0.2)).sel(seed=2).item() == 5
    np.testing.assert_array_equal(last_values(group["n"]), last)
    there = group["x"].stack(u=["a", "seed"]).dropna("u", how="all")
    by_label = there.sel(time=there.last_time.astype(int))
    assert sorted(by_label.values) == [0, 1, 2, 3, 5]


def test_a_nan_that_was_written_is_a_value(make_run):
    def fill(file, index):
        values = np.ones(index + 2)
        values[-1] = np.nan if index == 1 else 7
        values[0] = np.nan
        write(file, "M/x", range(index + 2), values)

    last = last_values(make_run(fill)["x"])
    assert np.isnan(last.sel(a=0.1, seed=1))
    assert last.sel(a=0.1, seed=1).time == 2
    assert (last == 7).sum() == 4


def test_other_times_in_each(make_run):
    def fill(file, index):
        write(file, "M/x", range(index, 20, index + 1))

    last = last_values(make_run(fill)["x"])
    np.testing.assert_array_equal(last, [[19, 19, 17], [19, np.nan, 17]])


def test_datasets_that_end_at_other_times(make_run):
    def fill(file, index):
        write(file, "M/x", range(index + 2))
        write(file, "M/late", range(7))
        write(file, "M/both", range(7), np.ones((7, 2)), k=["p", "q"])
        write(file, "M/last_time", [0], [5])

    group = make_run(fill)
    assert "last_time" in group.data_vars
    assert last_values(group["x"]).values[0].tolist() == [1, 2, 3]
    assert (last_values(group["late"]).stack(u=["a", "seed"]).dropna("u") == 6).all()
    assert last_values(group["both"]).dims[-1] == "k"
    assert last_values(group["both"]).sel(k="q").sum() == 5
    with pytest.raises(NoLastValueError):
        last_values((group["x"] + group["late"]).rename("sum"))


def test_what_is_no_number(make_run):
    record = np.dtype([("name", "S1"), ("count", "i4")])

    def fill(file, index):
        size = index + 1
        values = np.zeros(size, record)
        values["count"] = range(size)
        write(file, "M/record", range(size), values, record)
        write(file, "M/text", range(size), [f"t{n}" for n in range(size)], object)

    group = make_run(fill)
    assert last_values(group["text"]).sel(a=0.1).values.tolist() == ["t0", "t1", "t2"]
    assert last_values(group["text"]).sel(a=0.2).isnull().values.tolist() == [0, 1, 0]
    counts = last_values(group["record"]).values["count"]
    np.testing.assert_array_equal(counts, [[0, 1, 2], [3, np.nan, 5]])


def test_parts_of_which_the_last_values_are_not_known(make_run):
    x = make_run(lambda file, index: write(file, "M/x", range(index + 1)))["x"]
    with pytest.raises(NoLastValueError, match="no coordinate last_time"):
        last_values(x.mean("seed"))
    with pytest.raises(NoLastValueError, match="are in this part"):
        last_values(x.sel(time=slice(0, 2)))
    with pytest.raises(NoLastValueError, match="no dimension of the time"):
        last_values(x.isel(time=0))
    assert last_values(x.sel(time=slice(1, None), a=0.2)).max() == 5


def test_times_that_are_there_twice_are_not_told_apart(make_run):
    x = make_run(lambda file, index: write(file, "M/x", [0, 1, 1, 1][: index + 1]))["x"]
    with pytest.raises(NoLastValueError):
        last_values(x)
    assert choose_over(x, ["a"]).notes[0] == "time = 1"


def test_pictures_take_it(make_run):
    x = make_run(lambda file, index: write(file, "M/x", range(index + 1)))["x"]
    picture = choose_over(x, ["a"])
    means = last_values(x).mean("seed").values
    assert picture.curves[0].values == pytest.approx(means)
    assert picture.notes[0] == "each at its last time, 0 to 5"
    field = choose_over(x, ["a", "seed"])
    np.testing.assert_array_equal(field.values, last_values(x).transpose("a", "seed"))
    assert choose_over(x, ["a"], {"time": 2}).notes[0] == "time = 2"
    assert choose_over(x.sel(time=slice(0, 2)), ["a"]).notes[0] == "time = 2"
