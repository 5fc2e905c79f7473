#!/usr/bin/env python3
"""A model that writes all kinds of labelled data."""

import sys

import numpy as np

import utopya_backend
from utopya_backend import ModelBenchmarkMixin, StepwiseModel

COORDS = {
    "numbers": [0.5, 1.5, 4.5],
    "strings": ["a", "ä", "→"],
    "range": {"mode": "range", "coords": [1, 7, 2]},
    "arange": {"mode": "arange", "coords": [0, 0.6, 0.2]},
    "linspace": {"mode": "linspace", "coords": [-1, 1, 3]},
    "logspace": {"mode": "logspace", "coords": [0, 2, 3]},
    "start_and_step": {"mode": "start_and_step", "coords": [10, 5]},
    "trivial": {"mode": "trivial"},
    "linked": {"mode": "linked", "coords": "positions"},
}


class Labels(ModelBenchmarkMixin, StepwiseModel):
    def setup(self, *, links):
        self.h5group["positions"] = [2.0, 3.0, 5.0]
        self.series = {
            name: self.create_ts_dset(
                name, extra_dims=["x"], sizes={"x": 3}, coords={"x": coords}
            )
            for name, coords in COORDS.items()
            if links or name != "linked"
        }
        self.series["scalar"] = self.create_ts_dset(
            "scalar",
            extra_dims=["x"],
            sizes={"x": 1},
            coords={"x": {"mode": "scalar", "coords": 7}},
        )
        if links:
            self.series["many"] = self.create_ts_dset(  # too many for an attribute
                "many",
                extra_dims=["x"],
                sizes={"x": 10_000},
                coords={"x": np.linspace(0, 1, 10_000)},
            )
            self.often = self.create_ts_dset("often")
            for number in range(8000):  # too many for an attribute, too
                self.often.append(number, time=number**2)
        self.uneven = self.create_ts_dset("uneven")
        self.grid = self.create_grid_dset("grid", grid_shape=(2, 3))
        self.honeycomb = self.create_grid_dset(
            "honeycomb", grid_shape=(2, 3), grid_structure="hexagonal"
        )
        self.create_graph("fixed", vertices=[0, 1, 2], edges=[(0, 1), (1, 2)])
        self.changing = self.create_graph_series("changing", directed=True)

    def perform_step(self):
        pass

    def write_data(self):
        for dset in self.series.values():
            dset.append(self.time + np.arange(dset.shape[1]))
        self.uneven.append(self.time, time=self.time + 0.5 * (self.time == 2))
        grid = 10 * self.time + np.arange(6).reshape(2, 3)
        self.grid.append(grid)
        self.honeycomb.append(grid)
        self.changing.append(
            [0, 1, 5],
            [(0, 1), (self.time % 2, 5)],
            vertex_properties={"age": self.time + np.arange(3)},
            edge_properties={"weight": [0.5, self.time]},
        )


if __name__ == "__main__":
    print("utopya_backend is", utopya_backend.__file__, flush=True)
    with Labels(cfg_file_path=sys.argv[1]) as model:
        model.run()
