"""The 50-shuffle test at k = 12 on a 784-256x4-10 network: modlib against scikit-learn, on the same shuffles.

Both sides draw the same shuffles; both run on one thread, and CPU seconds are counted, so that other processes matter
little. scikit-learn runs as the papers' authors ran it (ARPACK, 25 k-means starts).
"""

import time

import numpy as np
import pandas as pd
from common import random_network, scikit_learn, store

from modlib.graphs import cluster, shuffle_graph

K, SHUFFLES, WIDTHS = 12, 50, (784, 256, 256, 256, 256, 10)

rows = []
for name, sparsity in (("pruned to 90%", 0.9), ("dense", 0.0)):
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
store("shuffle_test", pd.DataFrame(rows))
