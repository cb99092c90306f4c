"""Seconds of one shuffle at k = 12, 100 starts, in graphs of VGG-16 and ResNet-50: modlib against scikit-learn.

Weights are random, as torchvision draws them; a vertex is a channel that a convolution computes. Both sides cluster the
same shuffles, on one thread, in CPU seconds; scikit-learn, which takes minutes, the first of them alone. Where it runs
out of memory, as it inverts the matrix, ARPACK on the matrix itself stands in, and scikit-learn's k-means behind it.
A process of its own measures the most memory that modlib needs, its network included.
"""

import time

import numpy as np
from common import Row, of_each, scikit_learn, store
from sklearn.cluster import KMeans

from modlib.graphs import NeuronGraph, cluster, ncut, shuffle_graph, spectral_embedding
from modlib.graphs.branching import traced_graph
from modlib.networks import trace
from modlib.zoo.imagenet import RANDOM, imagenet_network

K, N_INIT = 12, 100
NETWORKS = {"vgg-16": 5, "resnet-50": 1}  # how many shuffles scikit-learn clusters
SHUFFLES = 5


def network(name: str) -> NeuronGraph:
    found = imagenet_network(name, RANDOM)
    return traced_graph(trace(found.module, np.zeros((1, 3, found.side, found.side), dtype=np.float32)))


def shuffle_and_cluster(graph: NeuronGraph, seed: int) -> tuple[NeuronGraph, float]:
    shuffled = shuffle_graph(graph, "layer", np.random.default_rng(seed))
    return shuffled, cluster(shuffled, K, np.random.default_rng(seed), n_init=N_INIT).ncut


def not_inverted(graph: NeuronGraph, seed: int) -> float:
    points = spectral_embedding(graph, K, "arpack", np.random.default_rng(seed))
    return ncut(graph, KMeans(K, n_init=N_INIT, random_state=seed).fit(points).labels_)


def measured(name: str) -> Row:
    """A row of the table, but for the memory."""
    graph = network(name)
    shuffle_and_cluster(graph, 0)  # compile outside the measured time
    ours, theirs, shuffles = [], [], []
    began = time.process_time()
    for seed in range(SHUFFLES):
        shuffled, found = shuffle_and_cluster(graph, seed)
        shuffles.append(shuffled)
        ours.append(found)
    seconds = (time.process_time() - began) / SHUFFLES
    began = time.process_time()
    against = "scikit-learn"
    try:
        for seed, shuffled in enumerate(shuffles[: NETWORKS[name]]):
            theirs.append(scikit_learn(shuffled, K, seed, N_INIT))
    except MemoryError:
        began, against = time.process_time(), "ARPACK and scikit-learn's k-means"
        for seed, shuffled in enumerate(shuffles[: NETWORKS[name]]):
            theirs.append(not_inverted(shuffled, seed))
    usual = (time.process_time() - began) / NETWORKS[name]
    return {
        "network": name,
        "vertices": graph.n_vertices,
        "against": against,
        "modlib, s": seconds,
        "other, s": usual,
        "times faster": usual / seconds,
        "n-cut, modlib": np.mean(ours[: NETWORKS[name]]),
        "n-cut, other": np.mean(theirs),
    }


store("imagenet", of_each(NETWORKS, __file__, lambda name: shuffle_and_cluster(network(name), 0), measured))
