"""A cellular automaton of a forest that grows, and burns."""

from typing import Any

import numpy as np

from utopya_backend import StepwiseModel

EMPTY, TREE, FIRE = 0, 1, 2


class ForestFire(StepwiseModel):
    """The forest-fire model of Drossel and Schwabl.

    A cell is empty, a tree, or on fire. In each step, all at once: a burning
    cell becomes empty; a tree catches fire if one of its four neighbours burns,
    or else with the probability of lightning; on an empty cell, a tree grows
    with the probability of growth. Opposite edges of the grid are neighbours.

    Source: B. Drossel and F. Schwabl, Physical Review Letters 69, 1629 (1992).
    """

    def setup(
        self,
        *,
        grid_shape: list[int],
        initial_density: float,
        p_growth: float,
        p_lightning: float,
    ) -> None:
        """Sets up the forest.

        Args:
            grid_shape: The number of cells along x and y
            initial_density: The share of cells with a tree in the beginning
            p_growth: The probability of a tree to grow on an empty cell [1/step]
            p_lightning: The probability of a tree to be struck [1/step]
        """
        self.p_growth = p_growth
        self.p_lightning = p_lightning
        trees = self.rng.random(grid_shape) < initial_density
        self.state = np.where(trees, TREE, EMPTY).astype(np.uint8)

        self.grid = self.create_grid_dset(
            "state", grid_shape=self.state.shape, dtype=np.uint8
        )
        self.density = self.create_ts_dset("tree_density")

    def perform_step(self) -> None:
        """Lets the forest grow and burn."""
        trees, burning = self.state == TREE, self.state == FIRE
        beside_fire = np.zeros_like(burning)
        for axis in (0, 1):
            for shift in (-1, 1):
                beside_fire |= np.roll(burning, shift, axis)
        chance = self.rng.random(self.state.shape, dtype=np.float32)
        catches_fire = trees & (beside_fire | (chance < self.p_lightning))
        grows = (self.state == EMPTY) & (chance < self.p_growth)
        self.state[burning] = EMPTY
        self.state[catches_fire] = FIRE
        self.state[grows] = TREE

    def write_data(self) -> None:
        """Writes the state of all cells, and the share of trees."""
        self.grid.append(self.state)
        self.density.append(self.tree_density())

    def monitor(self, monitor_info: dict[str, Any]) -> dict[str, Any]:
        """Reports the share of trees, and how many cells burn."""
        monitor_info["tree_density"] = self.tree_density()
        monitor_info["num_burning"] = np.count_nonzero(self.state == FIRE)
        return monitor_info

    def tree_density(self) -> float:
        """The share of the cells that are trees."""
        return np.count_nonzero(self.state == TREE) / self.state.size
