import h5py
import numpy as np
import pytest

from utopya_backend import StepwiseModel


class Grids(StepwiseModel):
    def setup(self, **kwargs):
        self.shape = tuple(kwargs["grid_shape"])
        self.dset = self.create_grid_dset("grid", dtype=int, **kwargs)

    def perform_step(self):
        pass

    def grid(self, time):
        return np.arange(np.prod(self.shape)).reshape(self.shape) * 1000 + time

    def write_data(self):
        self.dset.append(self.grid(self.time))


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (1, 1)])
def test_grid(make, shape):
    model = make(Grids, M={"grid_shape": list(shape)}, num_steps=4, write_every=2)
    model.run()
    dset = model.dset
    assert dset.shape == (3, np.prod(shape))
    assert (dset[1].reshape(shape) == model.grid(2)).all()
    assert dset.attrs["content"] == "grid"
    assert tuple(dset.attrs["grid_shape"]) == shape
    assert list(dset.attrs["dim_names"]) == ["time", "cell_ids"]
    assert "space_extent" not in dset.attrs


def test_other_attributes(make):
    cfg = {
        "grid_shape": [3, 4], "space_extent": [1.5, 2.0], "grid_structure": "hexagonal",
    }  # fmt: skip
    dset = make(Grids, M=cfg).dset
    assert list(dset.attrs["space_extent"]) == [1.5, 2.0]
    assert dset.attrs["grid_structure"] == "hexagonal"


@pytest.mark.parametrize(
    ("cfg", "text"),
    [
        ({"grid_shape": [3]}, "two or three dimensions"),
        ({"grid_shape": [2.5, 5]}, "two or three dimensions"),
        ({"grid_shape": [3, 3], "space_extent": "ab"}, "a list of 2 numbers"),
        ({"grid_shape": [3, 0]}, "of at least one cell each"),
        ({"grid_shape": [3, 3, 3, 3]}, "two or three dimensions"),
        ({"grid_shape": [3, 3], "space_extent": [1]}, "a list of 2 numbers"),
        ({"grid_shape": [3, 3], "grid_structure": "x"}, "no grid structure 'x'"),
    ],
)
def test_mistakes(make, cfg, text):
    with pytest.raises(ValueError, match=text):
        make(Grids, M=cfg)


def test_wrong_grid(make):
    model = make(Grids, M={"grid_shape": [3, 4]})
    for grid in (np.zeros((4, 3)), np.zeros(12)):
        with pytest.raises(
            ValueError, match=r"has the shape \(3, 4\), but this one has"
        ):
            model.dset.append(grid)
    assert model.dset.shape == (1, 12)


def test_plain_file(make):
    model = make(Grids, M={"grid_shape": [3, 4]}, output={"driver": "native"})
    model.run()
    assert isinstance(model.h5group["grid"], h5py.Dataset)
    assert model.h5group["grid"].shape == (4, 12)
