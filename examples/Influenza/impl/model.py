"""A stochastic SIR model of an influenza outbreak in a boarding school."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from utopya_backend import ModelBenchmarkMixin, StepwiseModel

OBSERVATIONS = Path(__file__).parents[1] / "data/influenza_england_1978_school.csv"
"""The number of boys confined to bed, day by day; see there for the source"""


class Influenza(ModelBenchmarkMixin, StepwiseModel):
    """Susceptible boys catch influenza, are infectious for a while, recover.

    An ensemble of independent outbreaks is computed at once: ``S``, ``I`` and
    ``R`` are arrays with one number of boys for each member. One step is one
    day; within a day, the transitions are drawn ``substeps`` times from the
    binomial distribution, for which
    ``1 - exp(-rate * dt)`` is the probability that an event of constant rate
    happens within a time ``dt``.
    """

    def setup(
        self,
        *,
        population: int,
        initially_infected: int,
        transmission_rate: float,
        recovery_rate: float,
        substeps: int,
        num_members: int,
    ) -> None:
        """Sets up the ensemble.

        Args:
            population: The number of boys
            initially_infected: How many of them are infected on the first day
            transmission_rate: Infections by one infected boy among none but
                susceptible ones [1/day]
            recovery_rate: Inverse of the mean time of being infected [1/day]
            substeps: Into how many parts a day is divided
            num_members: The number of outbreaks in the ensemble
        """
        self.population = population
        self.transmission_rate = transmission_rate
        self.recovery_rate = recovery_rate
        self.substeps = substeps

        self.S = np.full(num_members, population - initially_infected)
        self.I = np.full(num_members, initially_infected)
        self.R = np.zeros(num_members, dtype=int)

        self.observed = load_observations()
        self.mean_infected = [self.I.mean()]

        self.dsets = {
            name: self.create_ts_dset(
                name,
                extra_dims=["member"],
                sizes={"member": num_members},
                coords={"member": range(num_members)},
                dtype=int,
            )
            for name in ("S", "I", "R")
        }

    def perform_step(self) -> None:
        """Simulates one day."""
        dt = 1 / self.substeps
        p_recover = -np.expm1(-self.recovery_rate * dt)
        for _ in range(self.substeps):
            force_of_infection = self.transmission_rate * self.I / self.population
            infected = self.rng.binomial(self.S, -np.expm1(-force_of_infection * dt))
            recovered = self.rng.binomial(self.I, p_recover)
            self.S -= infected
            self.I += infected - recovered
            self.R += recovered
        self.mean_infected.append(self.I.mean())

    def write_data(self) -> None:
        """Writes the state of all members."""
        for name, dset in self.dsets.items():
            dset.append(getattr(self, name))

    def monitor(self, monitor_info: dict[str, Any]) -> dict[str, Any]:
        """Reports the share of infected boys and the error so far."""
        monitor_info["mean_prevalence"] = self.mean_infected[-1] / self.population
        monitor_info["error"] = relative_error(self.mean_infected, self.observed)
        return monitor_info


def load_observations() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Loads the number of boys confined to bed.

    Returns:
        array[day]
    """
    with open(OBSERVATIONS, encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return np.array([int(row["in_bed"]) for row in rows])


def relative_error(
    mean_infected: list[float],
    observed: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> float:
    """How far the ensemble mean is from what was observed, up to now.

    Args:
        mean_infected: The mean number of infected boys, day by day
        observed: The number of boys confined to bed, array[day]

    Returns:
        The norm of the difference, relative to the norm of the observations
    """
    days = min(len(mean_infected), len(observed))
    difference = np.array(mean_infected[:days]) - observed[:days]
    return float(np.linalg.norm(difference) / np.linalg.norm(observed[:days]))
