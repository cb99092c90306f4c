"""Seconds for one clustering at k = 12 against the width of four hidden layers, dense and pruned to 90%."""

import time

import numpy as np
import pandas as pd
from common import random_network, scikit_learn, store

from modlib.graphs import cluster

K = 12
SCIKIT_LEARN_UP_TO = 1024  # dense networks of 2,048 take it minutes

rows = []
for width in (128, 256, 512, 1024, 2048):
    for density, sparsity in (("dense", 0.0), ("pruned", 0.9)):
        graph = random_network((784, width, width, width, width, 10), sparsity, np.random.default_rng(width))
        cluster(graph, K, np.random.default_rng(0))
        began = time.process_time()
        ours = cluster(graph, K, np.random.default_rng(1)).ncut
        seconds = time.process_time() - began
        rows.append({"width": width, "density": density, "method": "modlib", "seconds": seconds, "ncut": ours})
        if width <= SCIKIT_LEARN_UP_TO:
            began = time.process_time()
            theirs = scikit_learn(graph, K, 1)
            seconds = time.process_time() - began
            rows.append(
                {"width": width, "density": density, "method": "scikit-learn", "seconds": seconds, "ncut": theirs}
            )
store("width", pd.DataFrame(rows))
