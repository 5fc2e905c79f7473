"""A stochastic model of predators and prey, in continuous time."""

import math
from bisect import bisect_left
from typing import Any

import numpy as np

from utopya_backend import BaseModel
from utopya_backend.io import write_labels


class PredatorPrey(BaseModel):
    """The Lotka-Volterra model of single animals, by Gillespie's direct method.

    Three things happen, each at a rate that depends on the numbers of animals:
    a prey is born, a predator eats a prey and has a young, a predator dies. One
    iteration is one such event, however long it takes until then. In between,
    nothing changes: the state holds from :py:attr:`time` until just before
    :py:attr:`next_event`, and is written for all times of writing in between,
    which may be none, or several.

    The run ends at the end time, or when the predators are extinct, as nothing
    then stops the prey. If the prey is extinct first, it goes on: so are the
    predators soon, and the state without any animals holds for ever.

    Source: D. T. Gillespie, Journal of Physical Chemistry 81, 2340 (1977), with
    this model as one of its examples (the Lotka reactions).
    """

    def setup(
        self,
        *,
        num_prey: int,
        num_predators: int,
        birth_rate: float,
        predation_rate: float,
        death_rate: float,
        area: float,
        end_time: float,
        num_writes: int,
    ) -> None:
        """Sets up the animals, and draws the time of the first event.

        Args:
            num_prey: The number of prey in the beginning
            num_predators: The number of predators in the beginning
            birth_rate: Births per prey [1/year]
            predation_rate: The area that a predator searches for prey [km²/year]
            death_rate: Deaths per predator [1/year]
            area: The size of the habitat [km²]
            end_time: When the run ends [years]
            num_writes: At how many times the numbers of animals are written:
                evenly spaced, from 0 to the end
        """
        self.birth_rate = birth_rate
        self.encounter_rate = predation_rate / area
        self.death_rate = death_rate
        self.end_time = end_time

        self.prey = num_prey
        self.predators = num_predators
        self.time = 0.0
        self.next_event = self.draw_waiting_time()

        self.write_times = np.linspace(0, end_time, num_writes).tolist()
        self.num_written = 0
        # The rows are labelled in advance, all of them. What a run does not get to
        # stays NaN, which plots leave out and means can skip; hence no integers.
        self.population = self.h5group.create_dataset(
            "population", (num_writes, 2), dtype=float, fillvalue=np.nan
        )
        write_labels(
            self.population,
            ["time", "species"],
            {"time": self.write_times, "species": ["prey", "predators"]},
        )

    def rates(self) -> tuple[float, float, float]:
        """How often a prey is born, is eaten, and a predator dies [1/year]."""
        return (
            self.birth_rate * self.prey,
            self.encounter_rate * self.prey * self.predators,
            self.death_rate * self.predators,
        )

    def draw_waiting_time(self) -> float:
        """How long the current state lasts: for ever, if nothing can happen [years]."""
        total = sum(self.rates())
        return self.rng.exponential() / total if total else math.inf

    # .. When to go on, and when to write .....................................

    def should_iterate(self) -> bool:
        """Whether there is another event before the end, and predators are left."""
        return self.next_event <= self.end_time and self.predators > 0

    def should_write(self) -> bool:
        """Whether there is a time of writing before the next event."""
        return self.num_written < self.num_writes_until(self.next_event)

    def num_writes_until(self, time: float) -> int:
        """The number of times of writing that lie before a time.

        Args:
            time: The time [years]
        """
        return bisect_left(self.write_times, time)

    def prolog(self) -> None:
        """Writes the initial state, which holds until the first event."""
        if self.should_write():
            self.write_data()

    # .. What happens .........................................................

    def iterate(self) -> None:
        """Has the next event happen, and draws the time of the one after it."""
        self.time = self.next_event
        birth, predation, death = self.rates()
        chance = self.rng.random() * (birth + predation + death)
        if chance < birth:
            self.prey += 1
        elif chance < birth + predation:
            self.prey -= 1
            self.predators += 1
        else:
            self.predators -= 1
        self.next_event = self.time + self.draw_waiting_time()

    def write_data(self) -> None:
        """Writes the state for all times at which it holds."""
        stop = self.num_writes_until(self.next_event)
        self.population[self.num_written : stop] = self.prey, self.predators
        self.num_written = stop

    # .. What others get to know ..............................................

    def compute_progress(self) -> float:
        """The share of the time that is over; 1 if the run ends earlier."""
        return self.time / self.end_time if self.should_iterate() else 1.0

    def monitor(self, monitor_info: dict[str, Any]) -> dict[str, Any]:
        """Reports the time and the numbers of animals."""
        return {"time": self.time, "prey": self.prey, "predators": self.predators}

    def epilog(self, *, finished_run: bool) -> None:
        """Notes when the predators were extinct, if they are.

        Args:
            finished_run: Whether the run was not stopped
        """
        if self.predators == 0:
            self.log.info("The predators were extinct at %.4g years.", self.time)
            self.population.attrs["predators_extinct_at"] = self.time
