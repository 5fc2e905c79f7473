"""Agents on a network who take over opinions, and leave whom they disagree with."""

from typing import Any

import numpy as np

from utopya_backend import StepwiseModel
from utopya_backend.errors import MissingPackageError


class Opinions(StepwiseModel):
    """The bounded-confidence model of Deffuant et al. on an adaptive network.

    The opinion of an agent is a number between 0 and 1. In an encounter, an agent
    meets one of its neighbours. If their opinions differ by no more than the bound
    of confidence, they approach each other, both by the same amount; if not, the
    agent may leave the neighbour for somebody else, whoever that is. An encounter
    serves either the one or the other: chance decides. One step is as many encounters
    as there are agents.

    The network is a small world in the beginning, and falls apart into communities
    of one opinion each.

    Sources: G. Deffuant et al., Advances in Complex Systems 3, 87 (2000), for the
    opinions; B. Kozma and A. Barrat, Physical Review E 77, 016102 (2008), for the
    network that adapts to them.
    """

    def setup(
        self,
        *,
        num_agents: int,
        num_neighbours: int,
        p_shortcut: float,
        confidence_bound: float,
        convergence: float,
        p_rewire: float,
    ) -> None:
        """Sets up the agents and their network.

        Args:
            num_agents: The number of agents
            num_neighbours: The mean number of neighbours of an agent
            p_shortcut: The share of the edges of the initial ring that lead
                anywhere instead
            confidence_bound: The largest difference between two opinions that
                approach each other
            convergence: The share of that difference by which each of them moves
            p_rewire: The probability that an encounter serves to leave the neighbour
        """
        self.confidence_bound = confidence_bound
        self.convergence = convergence
        self.p_rewire = p_rewire
        self.graph = small_world(num_agents, num_neighbours, p_shortcut, self.rng)
        self.opinion = self.rng.random(num_agents)

        # The edges change, the agents do not: their opinions are one array.
        self.network = self.create_graph_series("network")
        self.opinions = self.create_ts_dset(
            "network/opinion",
            extra_dims=["vertex_idx"],
            sizes={"vertex_idx": num_agents},
        )

    def perform_step(self) -> None:
        """Lets as many pairs of neighbours meet as there are agents."""
        num_agents = len(self.opinion)
        agents = self.rng.integers(num_agents, size=num_agents).tolist()
        may_rewire = self.rng.random(num_agents) < self.p_rewire
        for agent, may_leave in zip(agents, may_rewire, strict=True):
            neighbours = list(self.graph[agent])
            if not neighbours:
                continue
            other = neighbours[self.rng.integers(len(neighbours))]
            difference = self.opinion[other] - self.opinion[agent]
            agree = abs(difference) <= self.confidence_bound
            if may_leave and not agree:
                self.rewire(agent, other)
            elif agree and not may_leave:
                self.opinion[agent] += self.convergence * difference
                self.opinion[other] -= self.convergence * difference

    def rewire(self, agent: int, neighbour: int) -> None:
        """Replaces a neighbour by a random agent, unless that is one already.

        Args:
            agent: Who leaves
            neighbour: Who is left
        """
        new = int(self.rng.integers(len(self.opinion)))
        if new != agent and not self.graph.has_edge(agent, new):
            self.graph.remove_edge(agent, neighbour)
            self.graph.add_edge(agent, new)

    def write_data(self) -> None:
        """Writes the network and the opinions."""
        self.network.append(range(len(self.opinion)), self.graph.edges)
        self.opinions.append(self.opinion)

    def monitor(self, monitor_info: dict[str, Any]) -> dict[str, Any]:
        """Reports the spread of opinions, and how many neighbours disagree."""
        monitor_info["std_opinion"] = self.opinion.std()
        monitor_info["discord"] = self.discord()
        return monitor_info

    def discord(self) -> float:
        """The share of the edges between agents whose opinions are too far apart."""
        ends = self.opinion[np.array(self.graph.edges)]
        return float(np.mean(abs(ends[:, 0] - ends[:, 1]) > self.confidence_bound))


def small_world(
    num_agents: int, num_neighbours: int, p_shortcut: float, rng: np.random.Generator
) -> Any:
    """Makes a connected network of Watts and Strogatz.

    Args:
        num_agents: The number of its nodes, which are ``range(num_agents)``
        num_neighbours: Their mean number of neighbours
        p_shortcut: The share of the edges of a ring that lead anywhere instead
        rng: The source of all randomness in it

    Returns:
        A ``networkx.Graph``
    """
    # Not above, where this error would be hidden in the one of importing `impl`.
    try:
        import networkx as nx
    except ImportError as error:
        raise MissingPackageError(
            f"The model `Opinions` needs networkx ({error}): install it by "
            "pip install networkx"
        ) from None
    return nx.connected_watts_strogatz_graph(
        num_agents, num_neighbours, p_shortcut, seed=rng
    )
