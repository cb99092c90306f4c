"""The shuffle test of clusterability.

Is a network more clusterable than chance? Chance is a network with the same weights in every layer, put
in random places, by one of ``modlib.graphs.nulls``. Chapters: ``dropout``, ``topology-shuffles``, ``null-models``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from modlib.checks import choice, function, instance, items, seed_number, whole, wholes
from modlib.errors import InputError, warn
from modlib.graphs.adjacency import is_large
from modlib.graphs.neurons import NeuronGraph, chained
from modlib.graphs.nulls import NULLS, Null, shuffle_in_single, shuffle_matrix, shuffle_stored
from modlib.graphs.spectral import (
    N_INIT,
    Route,
    cluster_for_each_k,
    clusters_of,
    share_between_layers,
    spectral_embedding,
)
from modlib.graphs.weak import decayed_clusters
from modlib.reprs import BriefRepr, mean_of
from modlib.stats import monte_carlo_p, z_score

BETWEEN = 0.5  # share between layers of an eigenvector that tells them apart; most are near 0 or near 1
TRIED = 20  # shuffles that must all leave a network as it is, before it is said that none moves it
BLIND = (
    "all eigenvectors tell layers apart and nothing else, so modules that run along the network are not seen; ask for "
    "a larger k, take some of the layers, or use route='within-layers'"
)


@dataclass(frozen=True, eq=False, repr=False)
class ShuffleTest(BriefRepr):
    """Outcome of a shuffle test at one k.

    Attributes:
        k: number of clusters.
        null: null model.
        ncut: n-cut of the network.
        shuffled: (n_shuffles,) n-cuts of its shuffles.
        labels: (n_vertices,) clusters of the network's live neurons.
        between_layers: (k - 1,) share of each eigenvector of the network, but the constant one, that is between
            layers, see ``share_between_layers``.
        moved: whether shuffles differ from the network at all; if not, p and z say nothing.
    """

    k: int
    null: Null
    ncut: float
    shuffled: np.ndarray
    labels: np.ndarray
    between_layers: np.ndarray = field(default_factory=lambda: np.empty(0))
    moved: bool = True

    def _facts(self) -> dict[str, object]:
        facts: dict[str, object] = {"k": self.k, "null": self.null, "ncut": self.ncut}
        facts |= {"shuffled": mean_of(self.shuffled), "p": self.p}
        facts |= {"z": self.z} if len(self.shuffled) > 1 else {}
        facts |= {} if self.moved else {"moved": False}
        return facts | {"blind": BLIND} if self.blind else facts

    @property
    def blind(self) -> bool:
        """Whether all eigenvectors tell layers apart, and so all clusters are runs of layers, which no shuffle changes.

        Then p says nothing about modules that run along the network.
        """
        return bool((self.between_layers > BETWEEN).all()) and len(self.between_layers) > 0

    @property
    def p(self) -> float:
        """One-sided Monte Carlo p-value (North et al.): small if the network is more clusterable."""
        return monte_carlo_p(self.ncut, self.shuffled)

    @property
    def z(self) -> float:
        """(n-cut - mean of the shuffled) / sd of the shuffled; negative if more clusterable.

        Raises:
            InputError: if there is one shuffle, which has no standard deviation.
        """
        return z_score(self.ncut, self.shuffled)


def shuffle_graph(graph: NeuronGraph, null: Null, rng: np.random.Generator) -> NeuronGraph:
    """A layered graph whose weight matrices are shuffled one by one, isolated neurons of the result dropped.

    In a network that branches, one matrix may make the edges of several pairs of layers; a convolution in groups keeps
    its groups.

    Raises:
        InputError: if the graph is not that of a network.

    >>> from modlib.graphs import neuron_graph
    >>> from modlib.networks import planted_weights
    >>> weights, _ = planted_weights((8, 6, 4), 2, seed=0, outside=0)
    >>> shuffle_graph(neuron_graph(weights), "layer-nonzero", np.random.default_rng(0))
    NeuronGraph(sizes=[8, 6, 4], live=18 of 18, edges=36)
    """
    graph = instance(graph, NeuronGraph, "graph", "make it by neuron_graph")
    if graph.parts:
        from modlib.graphs.branching import joined

        sizes = [len(indices) for indices in graph.live]
        return joined(sizes, [replace(part, matrix=shuffle_stored(part.matrix, null, rng)) for part in graph.parts])
    pairs = [(i, i + 1) for i in range(len(graph.live) - 1)]
    if sorted(graph.edges) != pairs:
        raise InputError(
            f"the graph joins the layers {sorted(graph.edges)}; a shuffle needs a chain {pairs}, "
            "as neuron_graph makes of a list of weights, or a model"
        )
    choice(null, NULLS, "null")
    shuffled = []
    for pair in pairs:
        block = graph.edges[pair]
        if 0 in block.shape:  # of a layer without live neurons
            shuffled.append(block)
            continue
        single = is_large(graph) and isinstance(block, np.ndarray)
        shuffled.append(shuffle_in_single(block, null, rng) if single else shuffle_matrix(block, null, rng))
    return chained(shuffled)


def shuffled_ncuts(
    graph: NeuronGraph,
    ks: Sequence[int],
    null: Null,
    seeds: Sequence[np.random.SeedSequence],
    route: Route = "auto",
    n_init: int = N_INIT,
) -> np.ndarray:
    """n-cuts of one shuffle a seed, shape (len(seeds), len(ks)). A seed decides its own row alone.

    >>> from modlib.graphs import neuron_graph
    >>> from modlib.networks import random_weights
    >>> graph = neuron_graph(random_weights((8, 6, 4), seed=0))
    >>> shuffled_ncuts(graph, (2, 3), "layer", np.random.SeedSequence(0).spawn(5)).shape
    (5, 2)
    """
    seeds, ks = items(seeds, "seeds"), wholes(ks, "ks")
    out = np.empty((len(seeds), len(ks)))
    for row, seed in enumerate(seeds):
        seed = instance(seed, np.random.SeedSequence, "a seed", "pass numpy.random.SeedSequence(0).spawn(n)")
        rng = np.random.default_rng(seed)
        found = cluster_for_each_k(shuffle_graph(graph, null, rng), ks, rng, route, n_init)
        out[row] = [clustering.ncut for clustering in found]
    return out


def shuffle_tests(
    graph: NeuronGraph,
    ks: Sequence[int],
    n_shuffles: int,
    seed: int | np.random.SeedSequence,
    null: Null = "layer",
    route: Route = "auto",
    n_init: int = N_INIT,
    jobs: int = 1,
    on_shuffle: Callable[[int], object] | None = None,
) -> list[ShuffleTest]:
    """Shuffle tests at several k on the same shuffles, in the order of ``ks``.

    Isolated neurons are dropped before the shuffles are drawn. Shuffle number i uses child i of the
    seed, whatever the number of workers. Of a large graph, a bar shows the time left, unless ``on_shuffle`` does.

    Args:
        graph: neuron graph of the network.
        ks: numbers of clusters.
        n_shuffles: number of shuffles, at least 1.
        seed: decides the clustering of the network and all shuffles.
        null: what shuffles keep, see ``shuffle_matrix``.
        route: see ``spectral_embedding``.
        n_init: k-means starts of every clustering.
        jobs: worker processes, -1 for one a processor.
        on_shuffle: called with the number of shuffles that are done, now and then.

    Raises:
        InputError: if an argument is not of its kind: a count below 1, another null model, no seed.
        GraphError: if the graph, or what a shuffle leaves of it, has fewer than k live neurons.

    Where shuffles leave the network as it is, p and z say nothing, and ``moved`` is false.

    Source: pruned-modular 3, clusterability 1.2. Chapter: ``dropout``.

    >>> from modlib.graphs import neuron_graph
    >>> from modlib.networks import planted_weights
    >>> weights, _ = planted_weights((16, 16, 16), 2, seed=0)
    >>> for test in shuffle_tests(neuron_graph(weights), (2, 4), n_shuffles=19, seed=0):
    ...     print(test.k, test.p)
    2 0.05
    4 0.05
    """
    graph = instance(graph, NeuronGraph, "graph", "make it by neuron_graph")
    ks, n_shuffles, jobs = wholes(ks, "ks"), whole(n_shuffles, "n_shuffles"), whole(jobs, "jobs", least=-1)
    if jobs == 0:
        raise InputError("jobs = 0 arrived; expected a number of processes, or -1 for one a processor")
    choice(null, NULLS, "null")
    if on_shuffle is not None:
        function(on_shuffle, "on_shuffle", "of the number of shuffles that are done")
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed_number(seed))
    own, *children = np.random.SeedSequence(sequence.entropy, spawn_key=sequence.spawn_key).spawn(n_shuffles + 1)
    rng = np.random.default_rng(own)
    embedding = spectral_embedding(graph, max(ks), route, rng)
    found = clusters_of(graph, embedding, ks, rng, n_init)
    shares = share_between_layers(graph, embedding)
    if jobs == 1:
        found_in_parts = (shuffled_ncuts(graph, ks, null, [child], route, n_init) for child in children)
    else:
        from joblib import Parallel, delayed, effective_n_jobs

        each = -(-n_shuffles // (8 * effective_n_jobs(jobs)))
        parts = (children[i : i + each] for i in range(0, n_shuffles, each))
        calls = (delayed(shuffled_ncuts)(graph, ks, null, part, route, n_init) for part in parts)
        found_in_parts = Parallel(n_jobs=jobs, return_as="generator")(calls)
    shown = is_large(graph) and on_shuffle is None
    shuffled = np.concatenate(list(_with_bar(found_in_parts, n_shuffles, shown, on_shuffle)))
    moved = _moves(graph, null, own.spawn(TRIED))
    return [
        ShuffleTest(k, null, clustering.ncut, shuffled[:, column], clustering.labels, shares[: k - 1], moved)
        for column, (k, clustering) in enumerate(zip(ks, found, strict=True))
    ]


def _moves(graph: NeuronGraph, null: Null, seeds: Sequence[np.random.SeedSequence]) -> bool:
    """Whether one of a few shuffles has other edges than the network."""
    for seed in seeds:
        edges = shuffle_graph(graph, null, np.random.default_rng(seed)).edges
        for pair, block in graph.edges.items():
            if pair not in edges or edges[pair].shape != block.shape:
                return True
            other = edges[pair]
            same = block.astype(other.dtype) if isinstance(other, np.ndarray) else sp.csr_array(block)
            if 0 not in block.shape and abs(same - other).max() > 0:
                return True
    return False


def shuffle_test(
    graph: NeuronGraph,
    k: int,
    n_shuffles: int,
    seed: int | np.random.SeedSequence,
    null: Null = "layer",
    route: Route = "auto",
    n_init: int = N_INIT,
    jobs: int = 1,
) -> ShuffleTest:
    """Shuffle test at one k: is the n-cut lower than that of shuffled networks? See ``shuffle_tests``.

    Warns:
        ModlibWarning: if the test is ``blind``, as it is for most deep networks, if no shuffle ``moved`` anything, if k
            is 1 or all neurons, or if clusters consist of neurons whose weights have decayed to next to nothing.

    Two planted modules are rarer than all 19 shuffles, a random network is not:

    >>> from modlib.graphs import neuron_graph
    >>> from modlib.networks import planted_weights, random_weights
    >>> for weights in (planted_weights((16, 16, 16), 2, seed=0)[0], random_weights((16, 16, 16), seed=0)):
    ...     shuffle_test(neuron_graph(weights), k=2, n_shuffles=19, seed=0).p <= 0.05
    True
    False
    """
    test = shuffle_tests(graph, (whole(k, "k"),), n_shuffles, seed, null, route, n_init, jobs)[0]
    if k in (1, graph.n_vertices):
        warn(
            f"k = {k} of {graph.n_vertices} live neurons has one partition, whose n-cut is the same in every network, "
            "so p and z say nothing; ask for more clusters than one and fewer than neurons"
        )
    if decayed := decayed_clusters(graph, test.labels):
        warn(
            f"{decayed} of {k} clusters are neurons whose weights have all decayed to next to nothing, as with an L2 "
            "penalty; each costs about 1, so the n-cut says little of the others: set such weights to 0, which leaves "
            "these neurons out"
        )
    if test.blind:
        warn(f"a shuffle test at k = {k} of {len(graph.live)} layers is blind: {BLIND}")
    if not test.moved:
        less = "" if null == "layer" else "ask for a null that keeps less, null='layer', or "
        warn(
            f"the null model {null!r} leaves this network as it is: there is nothing to exchange that keeps what it "
            f"keeps, so p and z say nothing; {less}give weights that are not all alike"
        )
    return test


def _with_bar(
    parts: Iterable[np.ndarray], n_shuffles: int, shown: bool, on_shuffle: Callable[[int], object] | None
) -> Iterator[np.ndarray]:
    """What comes of the shuffles, with a bar that shows how many are done, and the time left."""
    from tqdm import tqdm

    done = 0
    with tqdm(total=n_shuffles, desc="shuffles", unit="shuffle", disable=not shown) as bar:
        for part in parts:
            yield part
            bar.update(len(part))
            done += len(part)
            if on_shuffle:
                on_shuffle(done)
