"""Single lesions of a pruned perceptron on 10,000 images: modlib against Keras, one ``predict`` a lesion.

The other side is the authors' way: for every lesion the edited weights are set in the Keras model, which then predicts
all images. It does one lesion of a hundred, and its time is multiplied up. Both run on one thread. The network is that
of the first paper: Fashion-MNIST, dropout, pruned, ten clusters. Each sub-cluster is lesioned, and 100 random sets.
"""

import time

import numpy as np
import pandas as pd
from common import store

from modlib.experiments.importance import clustered, trained
from modlib.lesions import damages
from modlib.training.keras import Recipe, build_mlp

RANDOM, EVERY = 100, 100

if __name__ == "__main__":
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    network, images = trained("mlp", "fashion_mnist", True, 0)
    x, y = images.x_test, images.y_test
    parts = clustered(network, 10, 0)
    rng = np.random.default_rng(0)
    sets: dict[int, list[np.ndarray]] = {}
    for part in parts:
        sets.setdefault(part.layer, []).extend(part.and_random(RANDOM, rng))
    damages(network, x[:100], y[:100], 1, sets[1][:2])  # compiles what has to be compiled

    began = time.process_time()
    ours = {layer: damages(network, x, y, layer, of_layer) for layer, of_layer in sets.items()}
    seconds = time.process_time() - began

    model = build_mlp(784, Recipe())
    weights = [array for of in network.layers for array in (of.kernel, of.bias)]
    model.set_weights(weights)
    whole = (model.predict(x, verbose=0).argmax(axis=1) == y).mean()
    began, differences = time.process_time(), []
    for layer, of_layer in sets.items():
        for place in range(0, len(of_layer), EVERY):
            lesioned = [array.copy() for array in weights]
            lesioned[2 * (layer - 1)][:, of_layer[place]] = 0
            model.set_weights(lesioned)
            right = (model.predict(x, verbose=0).argmax(axis=1) == y).mean()
            differences.append(abs(whole - right - ours[layer][place].drop))
    theirs = time.process_time() - began
    lesions = sum(map(len, sets.values()))
    theirs *= lesions / len(differences)
    assert max(differences) < 5e-4, "the two sides do not compute the same"
    line = {"sub-clusters": len(parts), "lesions": lesions, "images": len(x), "modlib, s": seconds, "Keras, s": theirs}
    store("lesions", pd.DataFrame([line | {"times faster": theirs / seconds, "largest difference": max(differences)}]))
