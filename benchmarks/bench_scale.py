"""Seconds and memory of one shuffle at k = 4 in large networks: single precision and blocks against double and ARPACK.

Both sides cluster the same shuffle, on one thread, in CPU seconds. A process of its own measures the most memory that
the fast side needs, its network included.
"""

import itertools
import time

import numpy as np
from common import Row, of_each, store

from modlib.graphs import NeuronGraph, cluster, neuron_graph, shuffle_graph
from modlib.graphs.neurons import chain_graph
from modlib.graphs.nulls import shuffle_matrix

K = 4
BLOCKS = [(64, 256, 3), (128, 512, 4), (256, 1024, 6), (512, 2048, 3)]  # of ResNet-50: inner and outer channels, blocks


def resnet_channels() -> list[int]:
    """Channels along the convolutions of a ResNet-50, as one plain chain."""
    return [64, *itertools.chain.from_iterable([inner, inner, outer] * n for inner, outer, n in BLOCKS)]


NETWORKS = {
    "2048 x 6": [2048] * 6,
    "4096 x 6": [4096] * 6,
    "ResNet-50, a chain": resnet_channels(),
}


def network(name: str) -> NeuronGraph:
    rng = np.random.default_rng(0)
    pairs = itertools.pairwise(NETWORKS[name])
    return neuron_graph([rng.standard_normal(shape, dtype=np.float32) for shape in pairs])


def measured(name: str) -> Row:
    """A row of the table, but for the memory."""
    graph = network(name)
    shuffle_and_cluster(graph)  # compile outside the measured time
    began = time.process_time()
    shuffled, ours = shuffle_and_cluster(graph)
    row: Row = {"network": name, "modlib, s": time.process_time() - began, "n-cut, modlib": ours}
    began = time.process_time()
    chain_graph([shuffle_matrix(block, "layer", np.random.default_rng(1)) for block in graph.edges.values()])
    exact = cluster(shuffled, K, np.random.default_rng(1), "bipartite").ncut
    seconds = time.process_time() - began
    row |= {"double, s": seconds, "times faster": seconds / float(row["modlib, s"]), "n-cut, double": exact}
    return row


def shuffle_and_cluster(graph: NeuronGraph) -> tuple[NeuronGraph, float]:
    shuffled = shuffle_graph(graph, "layer", np.random.default_rng(1))
    return shuffled, cluster(shuffled, K, np.random.default_rng(1)).ncut


store("scale", of_each(NETWORKS, __file__, lambda name: shuffle_and_cluster(network(name)), measured))
