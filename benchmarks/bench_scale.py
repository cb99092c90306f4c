"""Seconds and memory of one shuffle at k = 4 in large networks: single precision and blocks against double and ARPACK.

Both sides cluster the same shuffle, on one thread, in CPU seconds. A process of its own measures the most memory that
the fast side needs, its network included.
"""

import itertools
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from common import store

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


def measured(name: str) -> dict[str, float | str]:
    """A row of the table, but for the memory."""
    graph = network(name)
    shuffle_and_cluster(graph)  # compile outside the measured time
    began = time.process_time()
    shuffled, ours = shuffle_and_cluster(graph)
    row: dict[str, float | str] = {"network": name, "modlib, s": time.process_time() - began, "n-cut, modlib": ours}
    began = time.process_time()
    chain_graph([shuffle_matrix(block, "layer", np.random.default_rng(1)) for block in graph.edges.values()])
    exact = cluster(shuffled, K, np.random.default_rng(1), "bipartite").ncut
    seconds = time.process_time() - began
    row |= {"double, s": seconds, "times faster": seconds / float(row["modlib, s"]), "n-cut, double": exact}
    return row


def shuffle_and_cluster(graph: NeuronGraph) -> tuple[NeuronGraph, float]:
    shuffled = shuffle_graph(graph, "layer", np.random.default_rng(1))
    return shuffled, cluster(shuffled, K, np.random.default_rng(1)).ncut


if len(sys.argv) > 1:
    shuffle_and_cluster(network(sys.argv[1]))
    (most,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(most.split()[1]) / 1024)
else:
    rows = []
    for name in NETWORKS:
        alone = subprocess.run([sys.executable, __file__, name], capture_output=True, check=True, text=True)
        rows.append({**measured(name), "MB": float(alone.stdout.split()[-1])})
    store("scale", pd.DataFrame(rows))
