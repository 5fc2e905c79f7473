"""Models as they are written for the backend that comes with the frontend.

They run unchanged with that one and with ours: `campaigns/same_results.py` does that.

Usage: python published_models.py CLASS CONFIG
"""

import random
import sys

import numpy as np

from utopya_backend import BaseModel, ModelBenchmarkMixin, StepwiseModel


class Walk(StepwiseModel):
    """Walkers whose steps are drawn by all three random number generators."""

    def setup(self, *, size: int, step: float):
        """Makes datasets with all that can be said about their labels."""
        self.step_size = step
        self.state = self.rng.random(size)
        self.default = self.create_ts_dset(
            "default", extra_dims=("x",), sizes={"x": size}
        )
        self.precise = self.create_ts_dset(
            "precise",
            extra_dims=("x",),
            sizes={"x": size},
            coords={"x": [10 * i for i in range(size)]},
            dtype=float,
            compression=5,
        )
        self.labelled = self.create_ts_dset(
            "labelled",
            extra_dims=("kind", "x"),
            sizes={"kind": 2, "x": size},
            coords={
                "kind": {"mode": "values", "coords": ["mean", "spread"]},
                "x": {"mode": "linspace", "coords": [0, 1, size]},
            },
            dtype="float64",
        )
        self.scalar = self.create_ts_dset("scalar", dtype=int)
        self.late = None
        self.fixed = self.h5group.create_group("fixed")
        self.fixed.create_dataset("start", data=self.state)
        self.fixed.attrs["step"] = step

    def prolog(self):
        """Writes something before the first step."""
        self.h5group.attrs["begun_at"] = self.time

    def perform_step(self):
        """Moves all walkers."""
        self.state += self.rng.normal(0, self.step_size, self.state.size)
        self.state += self.step_size * np.random.random() * random.random()
        if self.time == 5:
            self.late = self.create_ts_dset("late", dtype=float)

    def monitor(self, monitor_info: dict):
        """Reports the mean of the positions."""
        monitor_info["mean"] = self.state.mean()
        return monitor_info

    def write_data(self):
        """Writes a row of everything."""
        for dset in (self.default, self.precise, self.labelled, self.scalar):
            dset.resize(dset.shape[0] + 1, axis=0)
        self.default[-1, :] = self.state
        self.precise[-1, :] = self.state
        self.labelled[-1, 0, :] = self.state.mean()
        self.labelled[-1, 1, :] = self.state - self.state.mean()
        self.scalar[-1] = 1000 * self.state.sum()
        if self.late is not None:
            self.late.resize(self.late.shape[0] + 1, axis=0)
            self.late[-1] = self.state[0]

    def epilog(self, *, finished_run: bool):
        """Writes something after the last step."""
        self.h5group.attrs["finished"] = finished_run
        self.fixed.create_dataset("end", data=self.state)


class TimedWalk(ModelBenchmarkMixin, Walk):
    """The same, with measured times."""

    def setup(self, **parameters):
        """Adds a timer."""
        self.add_cumulative_timers("drawing")
        super().setup(**parameters)

    def perform_step(self):
        """Measures the step."""
        self.unpause_timer("drawing")
        super().perform_step()
        self.pause_timer("drawing")


class Events(BaseModel):
    """A model without steps, which decides by itself when to write."""

    def setup(self, *, num_events: int):
        """Makes datasets of its own."""
        self.time, self.num_events = 0.0, num_events
        self.times = self.h5group.create_dataset(
            "times", shape=(0,), maxshape=(None,), chunks=True
        )
        self.times.attrs["dim_names"] = ["event"]

    def should_iterate(self):
        """Whether there are events to come."""
        return self.n_iterations < self.num_events

    def iterate(self):
        """Waits for the next event."""
        self.time += self.rng.exponential()

    def compute_progress(self):
        """How many of the events were."""
        return self.n_iterations / self.num_events

    def should_write(self):
        """Every other event is written."""
        return self.n_iterations % 2 == 0

    def write_data(self):
        """Writes the time of the event."""
        self.times.resize(self.times.shape[0] + 1, axis=0)
        self.times[-1] = self.time


class TimedEvents(ModelBenchmarkMixin, Events):
    """The same, with measured times."""


if __name__ == "__main__":
    model = globals()[sys.argv[1]](cfg_file_path=sys.argv[2])
    model.run()
    del model
