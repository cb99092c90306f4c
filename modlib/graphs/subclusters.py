"""Sub-clusters: the part of a cluster that lies in one hidden layer, and random sets of units to compare it with.

A cluster of a layered network mixes units of all depths. What its units do is asked layer by layer, and always
against random sets of as many units of the same layer. Chapters: ``importance``, ``dependencies``, ``coherence``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modlib.checks import UNPLACED, arrived, generator, instance, items, labels as whole_labels, real, store, whole
from modlib.errors import InputError
from modlib.graphs.neurons import neuron_graph
from modlib.graphs.spectral import Route, cluster
from modlib.networks.network import Network
from modlib.reprs import BriefRepr


@dataclass(frozen=True, eq=False, repr=False)
class SubCluster(BriefRepr):
    """Units of one cluster in one hidden layer.

    Attributes:
        layer: hidden layer, from 1: the units are outputs of ``network.layers[layer - 1]``.
        cluster: label of the cluster.
        units: (size,) indices within the layer, ascending.
        pool: (live,) indices of all units of the layer that are in a cluster, ascending.
        width: number of units of the layer, isolated ones included.

    Raises:
        InputError: if a unit is not in the pool, the pool not in the layer, or either not in ascending order.
    """

    layer: int
    cluster: int
    units: np.ndarray
    pool: np.ndarray
    width: int

    def __post_init__(self) -> None:
        store(self, whole, "layer", "width")
        store(self, whole, "cluster", least=0)
        for name in ("units", "pool"):
            found = whole_labels(getattr(self, name), name, name, 0, self.width - 1)
            if (np.diff(found) < 1).any():
                raise InputError(f"{name} = {arrived(found)} arrived; expected each unit once, in ascending order")
            object.__setattr__(self, name, found)
        if not np.isin(self.units, self.pool).all():
            raise InputError(
                f"units = {arrived(self.units)} arrived; expected units of the pool, which is {arrived(self.pool)}"
            )

    def _facts(self) -> dict[str, object]:
        return {"layer": self.layer, "cluster": self.cluster, "units": f"{len(self.units)} of {self.width}"}

    @property
    def name(self) -> str:
        """Layer and cluster, as the papers' tables name it, such as ``2-7``."""
        return f"{self.layer}-{self.cluster}"

    @property
    def proportion(self) -> float:
        """Share of the layer's units, in (0, 1]."""
        return len(self.units) / self.width

    def random(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Random sets of as many units of the same layer, each drawn without replacement, (n, size).

        Isolated units are not drawn, as in the authors' code: they do nothing.

        Raises:
            InputError: if n is below 1.
        """
        n, rng = whole(n, "n"), generator(rng)
        return np.sort(rng.permuted(np.tile(self.pool, (n, 1)), axis=1)[:, : len(self.units)], axis=1)

    def and_random(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Its units, then n random sets like it, see ``random``: (n + 1, size)."""
        return np.vstack([self.units, self.random(n, rng)])


def layer_and_cluster(name: str) -> tuple[int, int]:
    """Layer and cluster of a sub-cluster, from its name.

    Raises:
        InputError: if it is no such name.

    >>> layer_and_cluster("2-7")
    (2, 7)
    """
    layer, dash, cluster = name.partition("-") if isinstance(name, str) else ("", "", "")
    if not (layer.isdecimal() and dash and cluster.isdecimal()):
        raise InputError(f"name = {name!r} arrived; expected a layer and a cluster, such as '2-7'")
    return int(layer), int(cluster)


def sub_clusters(labels: Sequence[np.ndarray], at_least: int = 1, at_most: float = 1.0) -> list[SubCluster]:
    """All sub-clusters of a network, layer by layer.

    Args:
        labels: for every hidden layer the cluster of each unit, (units,), ``UNPLACED`` for none; ``hidden_labels``
            makes them, and any other partition will do.
        at_least: smallest number of units to return.
        at_most: largest share of a layer's units to return.

    Raises:
        InputError: if no labels arrived, a label is not a whole number of at least -1, or nothing is returned.

    Source: importance-coherence 3; pruned-modular 4.1. Chapter: ``importance``.

    >>> for part in sub_clusters([np.array([0, 1, 0, UNPLACED]), np.array([1, 1])]):
    ...     print(part)
    SubCluster(layer=1, cluster=0, units=2 of 4)
    SubCluster(layer=1, cluster=1, units=1 of 4)
    SubCluster(layer=2, cluster=1, units=2 of 2)
    """
    at_least, at_most = whole(at_least, "at_least", least=0), real(at_most, "at_most", least=0)
    found = []
    for layer, of_layer in enumerate(items(labels, "labels"), start=1):
        of_layer = whole_labels(of_layer, f"labels of layer {layer}", "units", least=UNPLACED)
        pool = np.flatnonzero(of_layer != UNPLACED)
        for label in np.unique(of_layer[pool]).tolist():
            units = np.flatnonzero(of_layer == label)
            # by the share itself: 0.29 times 100 is less than 29
            if at_least <= len(units) and len(units) / len(of_layer) <= at_most:
                found.append(SubCluster(layer, label, units, pool, len(of_layer)))
    if not found:
        raise InputError(
            f"{len(labels)} layers of labels hold no sub-cluster of at least {at_least} units and at most "
            f"{at_most:.0%} of a layer; expected one or more: pass other limits, or another k"
        )
    return found


def hidden_labels(network: Network, k: int, rng: np.random.Generator, route: Route = "auto") -> list[np.ndarray]:
    """Spectral clusters of a network, for its hidden layers.

    Args:
        network: a perceptron, whose hidden layers these are, or a network with convolutions, whose channels are
            clustered and whose dense layers are not.
        k: number of clusters.
        rng: decides the k-means starts.
        route: how eigenvectors are found, see ``modlib.graphs.spectral.spectral_embedding``.

    Returns:
        For every hidden layer the cluster of each unit, (units,), ``UNPLACED`` for none.

    Raises:
        GraphError: if the network has fewer than k live neurons, or the route needs more of them.

    Source: importance-coherence 2. Chapter: ``importance``.

    >>> from modlib.networks import from_arrays, planted_weights
    >>> weights, modules = planted_weights((8, 6, 6, 4), 2, seed=0)
    >>> labels = hidden_labels(from_arrays(weights), 2, np.random.default_rng(0))
    >>> [len(set(zip(*both))) for both in zip(labels, modules[1:-1])]  # pairs of a cluster and a module that occur
    [2, 2]
    """
    network = instance(network, Network, "network", "pass modlib.networks.as_network(model)")
    graph = neuron_graph(network)
    labels = graph.labels_by_layer(cluster(graph, k, rng, route).labels)
    return labels if network.layers[0].kind == "conv" else labels[1:-1]
