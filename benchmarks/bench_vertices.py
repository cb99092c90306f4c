"""Seconds for one clustering at k = 12 against the number of vertices, in chains of layers of 512, dense and pruned."""

import time

import numpy as np
import pandas as pd
from common import random_network, scikit_learn, store

from modlib.graphs import cluster

K, WIDTH = 12, 512
LAYERS = (2, 4, 10, 20, 40, 100)
SCIKIT_LEARN_UP_TO = 20  # layers; with more it takes minutes, and gigabytes for its factors

rows = []
for layers in LAYERS:
    for density, sparsity in (("dense", 0.0), ("pruned", 0.9)):
        graph = random_network((WIDTH,) * layers, sparsity, np.random.default_rng(layers))
        cluster(graph, K, np.random.default_rng(0))
        about = {"vertices": graph.n_vertices, "density": density}
        began = time.process_time()
        ours = cluster(graph, K, np.random.default_rng(1)).ncut
        rows.append({**about, "method": "modlib", "seconds": time.process_time() - began, "ncut": ours})
        if layers <= SCIKIT_LEARN_UP_TO:
            began = time.process_time()
            theirs = scikit_learn(graph, K, 1)
            rows.append({**about, "method": "scikit-learn", "seconds": time.process_time() - began, "ncut": theirs})
store("vertices", pd.DataFrame(rows))
