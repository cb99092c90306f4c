"""The 50-shuffle test at k = 12 on a 784-256x4-10 network: modlib against scikit-learn, and every null model.

Both sides draw the same shuffles; both run on one thread, and CPU seconds are counted, so that other processes matter
little. scikit-learn runs as the papers' authors ran it (ARPACK, 25 k-means starts). A shuffle that keeps degrees, and
the clustering of it, are to take at most twice the time of a shuffle by ``layer`` and its clustering.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
import pandas as pd
from common import random_network, scikit_learn, store

from modlib.graphs import NULLS, cluster, shuffle_graph

T = TypeVar("T")
K, SHUFFLES, WIDTHS = 12, 50, (784, 256, 256, 256, 256, 10)
NETWORKS = (("pruned to 90%", 0.9), ("dense", 0.0))


def timed(run: Callable[[], T]) -> tuple[T, float]:
    """What a function returns, and the CPU seconds that it took."""
    began = time.process_time()
    return run(), time.process_time() - began


def against_scikit_learn() -> pd.DataFrame:
    """A line a network: seconds and n-cuts of both sides."""
    rows = []
    for name, sparsity in NETWORKS:
        graph = random_network(WIDTHS, sparsity, np.random.default_rng(0))
        cluster(graph, K, np.random.default_rng(0))  # compile outside the measured time
        ours, theirs, seconds = [], [], np.zeros(2)
        for seed in range(SHUFFLES):
            began = time.process_time()
            rng = np.random.default_rng(seed)
            ours.append(cluster(shuffle_graph(graph, "layer", rng), K, rng).ncut)
            seconds[0] += time.process_time() - began
            began = time.process_time()
            theirs.append(scikit_learn(shuffle_graph(graph, "layer", np.random.default_rng(seed)), K, seed))
            seconds[1] += time.process_time() - began
        rows.append(
            {
                "network": name,
                "modlib, s": seconds[0],
                "scikit-learn, s": seconds[1],
                "times faster": seconds[1] / seconds[0],
                "n-cut, modlib": np.mean(ours),
                "n-cut, scikit-learn": np.mean(theirs),
                "se of the difference": np.std(np.subtract(ours, theirs), ddof=1) / SHUFFLES**0.5,
            }
        )
    return pd.DataFrame(rows)


def of_each_null() -> pd.DataFrame:
    """A line a network and null: milliseconds of a shuffle and of its clustering, and both in those of ``layer``."""
    rows = []
    for name, sparsity in NETWORKS:
        graph = random_network(WIDTHS, sparsity, np.random.default_rng(0))
        for null in NULLS:
            cluster(shuffle_graph(graph, null, np.random.default_rng(0)), K, np.random.default_rng(0))  # compiles
        seconds = np.zeros((len(NULLS), 2))
        for seed in range(SHUFFLES):  # in turn, so that what else the machine does slows all of them alike
            for i, null in enumerate(NULLS):
                rng = np.random.default_rng(seed)
                shuffled, shuffling = timed(partial(shuffle_graph, graph, null, rng))
                _, clustering = timed(partial(cluster, shuffled, K, rng))
                seconds[i] += shuffling, clustering
        rows += [
            {
                "network": name,
                "null": null,
                "shuffle, ms": 1000 * shuffling / SHUFFLES,
                "clustering, ms": 1000 * clustering / SHUFFLES,
                "times layer": (shuffling + clustering) / seconds[0].sum(),
            }
            for null, (shuffling, clustering) in zip(NULLS, seconds, strict=True)
        ]
    return pd.DataFrame(rows)


if __name__ == "__main__":
    store("shuffle_test", against_scikit_learn())
    store("shuffle_nulls", of_each_null())
