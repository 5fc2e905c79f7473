"""Random walkers in the plane."""

from typing import Any

import numpy as np
from utopya_backend import StepwiseModel


class NAME(StepwiseModel):
    """Walkers that go, in each step, the same distance in a random direction."""

    def setup(self, *, num_walkers: int, step_length: float) -> None:
        """Sets up the walkers, all of them at the origin.

        The arguments are the parameters of the model; their default values stand in
        NAME_cfg.yml.

        Args:
            num_walkers: The number of walkers
            step_length: How far each of them goes in a step [m]
        """
        self.step_length = step_length
        self.position = np.zeros((num_walkers, 2))  # array[walker, axis], [m]

        # What is to be written. The first dimension always is the time; further ones
        # have a name and a size and, if you like, coordinates.
        self.positions = self.create_ts_dset(
            "position",
            extra_dims=["walker", "axis"],
            sizes={"walker": num_walkers, "axis": 2},
            coords={"walker": range(num_walkers), "axis": ["x", "y"]},
        )
        self.displacements = self.create_ts_dset("mean_square_displacement")

    def perform_step(self) -> None:
        """Lets each walker go one step."""
        # Random numbers are those of self.rng: with the same seed, they are the same.
        angle = self.rng.uniform(0, 2 * np.pi, size=len(self.position))
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        self.position += self.step_length * direction

    def write_data(self) -> None:
        """Writes the state, initially and after steps, as the configuration says."""
        self.positions.append(self.position)
        self.displacements.append(self.mean_square_displacement())

    def monitor(self, monitor_info: dict[str, Any]) -> dict[str, Any]:
        """Reports what is shown while the model runs, and can stop a run."""
        monitor_info["mean_square_displacement"] = self.mean_square_displacement()
        return monitor_info

    def mean_square_displacement(self) -> float:
        """The mean of the squared distance from the origin [m²]."""
        return float((self.position**2).sum(axis=1).mean())
