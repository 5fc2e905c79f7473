import numpy as np
import pytest
import xarray

from utopya_backend.errors import NotDrawableError, UnknownDimensionError
from utopya_backend.plotting import over as over_module
from utopya_backend.plotting.choose import choose
from utopya_backend.plotting.over import choose_over, choose_part
from utopya_backend.plotting.pictures import Lines, Map

RNG = np.random.default_rng(1)


def array(dims, coords=None, values=None, name="x"):
    """An array of random values, of dimensions with their sizes."""
    shape = tuple(dims.values())
    values = RNG.random(shape) if values is None else values
    coords = {dim: np.arange(size) for dim, size in dims.items()} | (coords or {})
    return xarray.DataArray(values, dims=list(dims), coords=coords, name=name)


def test_over_a_parameter():
    variable = array({"rate": 4, "seed": 30, "time": 5}, {"rate": [0.1, 0.2, 0.5, 2]})
    picture = choose_over(variable, ["rate"])
    assert isinstance(picture, Lines)
    assert picture.x.tolist() == [0.1, 0.2, 0.5, 2]
    assert (picture.x_label, picture.y_label) == ("rate", "x")
    (curve,) = picture.curves
    last = variable.values[:, :, -1]
    assert curve.values == pytest.approx(last.mean(axis=1))
    assert len(curve.bands) == 2
    assert picture.notes == ("time = 4", "mean, 50 % and 90 % of seed (30)")


def test_a_few_seeds_are_one_line():
    variable = array({"rate": 4, "seed": 3})
    (curve,) = choose_over(variable, ["rate"]).curves
    assert curve.values == pytest.approx(variable.values.mean(axis=1))


def test_another_short_parameter_has_lines():
    variable = array({"kind": 2, "rate": 4, "seed": 5}, {"kind": ["a", "b"]})
    picture = choose_over(variable, ["rate"])
    assert [curve.label for curve in picture.curves] == ["a", "b"]
    expected = variable.values.mean(axis=-1)
    assert picture.curves[1].values == pytest.approx(expected[1])


def test_over_the_time():
    variable = array({"rate": 4, "seed": 30, "time": 5})
    picture = choose_over(variable, ["time"], {"rate": 1.2})
    assert picture.x.tolist() == [0, 1, 2, 3, 4]
    assert picture.notes[0] == "rate = 1"
    expected = variable.values[1].mean(axis=0)
    assert picture.curves[0].values == pytest.approx(expected)


def test_map():
    coords = {"rate": [5.0, 0.1, 1.0], "kind": ["c", "a"]}
    variable = array({"kind": 2, "rate": 3, "seed": 4, "time": 2}, coords)
    variable[1, 0] = np.nan
    variable[0, 0, :2] = np.nan
    picture = choose_over(variable, ["rate", "kind"], {"time": "0.2"})
    assert isinstance(picture, Map)
    assert picture.x.tolist() == [0.1, 1, 5]
    assert picture.y.tolist() == [0, 1]
    assert picture.ticks == ({}, {0: "c", 1: "a"})
    assert picture.labels == ("rate", "kind")
    means = variable.isel(time=0).mean("seed").values.T[[1, 2, 0]]
    assert picture.values == pytest.approx(means, nan_ok=True)
    assert np.isnan(picture.values).sum() == 1
    assert picture.notes == (
        "time = 0",
        "mean of seed (4)",
        "1 of 6 fields are blank: no data",
        "6 of 24 values are missing",
    )


def test_universes_that_ended_early_are_left_out():
    variable = array({"rate": 2, "seed": 3, "time": 2})
    variable[0, 1, 1] = np.nan
    picture = choose_over(variable, ["rate"])
    last = variable.values[..., 1]
    assert picture.curves[0].values[0] == pytest.approx(last[0, [0, 2]].mean())
    assert picture.notes[-1] == "1 of 6 values are missing"


def test_infinite_values():
    variable = array({"a": 2, "b": 2}, values=[[1, np.inf], [2, 3]])
    picture = choose_over(variable, ["a", "b"])
    assert np.isnan(picture.values[0, 1])
    assert "without infinite values" in picture.notes


def test_parameters_that_are_true_or_false():
    variable = array({"on": 2, "b": 2}, {"on": [False, True]})
    assert choose_over(variable, ["on", "b"]).ticks[0] == {0: "False", 1: "True"}
    assert choose_over(variable, ["on"]).ticks == {0: "False", 1: "True"}
    picture = choose_over(variable, ["b"], {"on": True})
    assert picture.curves[0].values == pytest.approx(variable.values[1])


def test_coupled_parameters():
    variable = array({"a": 3, "seed": 2})
    variable = variable.assign_coords(b=("a", [0.1, 0.3, 0.2]))
    picture = choose_over(variable, ["b"])
    assert picture.x.tolist() == [0.1, 0.2, 0.3]
    expected = variable.values.mean(axis=1)[[0, 2, 1]]
    assert picture.curves[0].values == pytest.approx(expected)
    assert choose_over(variable, ["a"], {"seed": 1}).x.tolist() == [0, 1, 2]
    with pytest.raises(NotDrawableError, match="no axis of its own"):
        choose_over(variable, ["a", "b"])


def test_dimension_that_was_renamed():
    variable = array({"rate": 3, "x_time": 4})
    assert choose_over(variable, ["rate"]).notes == ("time = 3",)
    assert choose_over(variable, ["time"], {"rate": 0}).x.tolist() == [0, 1, 2, 3]


def test_very_many_values(monkeypatch):
    monkeypatch.setattr(over_module, "MAX_VALUES", 100)
    picture = choose_over(array({"a": 5, "b": 4, "cell": 50}), ["a", "b"])
    assert picture.notes == ("mean of cell (5)", "one cell in 10")


def test_single_values():
    picture = choose_over(array({"a": 1, "b": 1}), ["a", "b"])
    assert picture.values.shape == (1, 1)


def test_a_part_without_axes():
    variable = array({"seed": 3, "time": 4})
    picture = choose_part(variable, at={"seed": 2})
    assert picture.notes == ("seed = 2",)
    assert (picture.curves[0].values == choose(variable[2]).curves[0].values).all()


@pytest.mark.parametrize(
    ("over", "at", "error", "text"),
    [
        (["rat"], {}, UnknownDimensionError, r"the swept parameters rate, kind and"),
        (["rat"], {}, UnknownDimensionError, r"time\. Did you mean 'rate'\?"),
        (["M.rate"], {}, UnknownDimensionError, r"Did you mean 'rate'\?"),
        (["a", "b", "c"], {}, NotDrawableError, "but these are 3: a, b, c"),
        (["rate", "rate"], {}, NotDrawableError, "both over rate"),
        (["rate"], {"tim": 1}, UnknownDimensionError, "Did you mean 'time'"),
        (["rate"], {"time": "x"}, UnknownDimensionError, "to be a number, but is 'x'"),
        (["rate"], {"time": "nan"}, UnknownDimensionError, "from 0 to 4"),
        (["rate"], {"kind": "c"}, UnknownDimensionError, "no kind = c, but a, b"),
        (["rate"], {"rate": 1}, NotDrawableError, "of its values was selected"),
    ],
)
def test_mistakes(over, at, error, text):
    variable = array({"rate": 4, "kind": 2, "time": 5}, {"kind": ["a", "b"]})
    with pytest.raises(error, match=text):
        choose_over(variable, over, at, swept=("rate", "kind"))


@pytest.mark.parametrize("over", [["a"], ["a", "b"]])
def test_nothing_to_draw(over):
    variable = array({"a": 2, "b": 2}, values=np.full((2, 2), np.nan))
    with pytest.raises(NotDrawableError, match="no finite values"):
        choose_over(variable, over)
    text = array({"a": 2, "b": 2}, values=np.full((2, 2), "x"))
    with pytest.raises(NotDrawableError, match="only real numbers"):
        choose_over(text, over)
