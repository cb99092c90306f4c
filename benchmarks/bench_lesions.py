"""Single lesions on a test set: modlib against one forward pass a lesion, as the authors do.

The pruned perceptron is that of the first paper: Fashion-MNIST, dropout, ten clusters; each sub-cluster is lesioned,
and 100 random sets like it. The other side sets the edited weights in the Keras model, which then predicts all images.

The small CNN is that of the second paper, untrained, its channels split into clusters of five; the other side edits the
weights of the torch module. The other side does one lesion of many, and its time is multiplied up. One thread.
"""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from common import store

from modlib.chapters.rows import clustered
from modlib.data import Images
from modlib.graphs import SubCluster, sub_clusters
from modlib.lesions import damages
from modlib.networks import Network, as_network
from modlib.training.keras import Recipe, build_mlp
from modlib.zoo import cnn_images, trained, untrained_small_cnn

RANDOM = {"pruned perceptron": 100, "small CNN": 20}
IMAGES = {"pruned perceptron": 10_000, "small CNN": 500}
EVERY = 100


def measure(
    name: str, network: Network, data: Images, parts: list[SubCluster], other: str, right: Callable[..., float]
) -> dict[str, object]:
    """A line of the table; ``right`` is the accuracy of the other side, for edited weights and biases."""
    x, y, rng = data.x_test[: IMAGES[name]], data.y_test[: IMAGES[name]], np.random.default_rng(0)
    sets: dict[int, list[np.ndarray]] = {}
    for part in parts:
        sets.setdefault(part.layer, []).extend(part.and_random(RANDOM[name], rng))
    damages(network, x[:100], y[:100], 1, sets[1][:2])  # compiles what has to be compiled

    began = time.process_time()
    ours = {layer: damages(network, x, y, layer, of_layer) for layer, of_layer in sets.items()}
    seconds = time.process_time() - began

    weights = [array for layer in network.layers for array in (layer.kernel, layer.bias)]
    whole = right(weights, x, y)
    began, differences = time.process_time(), []
    for layer, of_layer in sets.items():
        for place in range(0, len(of_layer), EVERY):
            lesioned = [array.copy() for array in weights]
            lesioned[2 * (layer - 1)][..., of_layer[place]] = 0
            differences.append(abs(whole - right(lesioned, x, y) - ours[layer][place].drop))
    theirs, lesions = time.process_time() - began, sum(map(len, sets.values()))
    theirs *= lesions / len(differences)
    assert max(differences) < 5e-4, "the two sides do not compute the same"
    return {
        "network": name,
        "sub-clusters": len(parts),
        "lesions": lesions,
        "images": len(x),
        "modlib, s": seconds,
        "other": other,
        "other, s": theirs,
        "times faster": theirs / seconds,
        "largest difference": max(differences),
    }


def of_perceptron() -> dict[str, object]:
    """Against Keras."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = build_mlp(784, Recipe())

    def right(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
        model.set_weights(weights)
        return float((model.predict(x, verbose=0).argmax(axis=1) == y).mean())

    network, data = trained("mlp", "fashion_mnist", True, 0)
    return measure("pruned perceptron", network, data, clustered(network, 10, 0), "Keras", right)


def of_cnn() -> dict[str, object]:
    """Against the torch module itself."""
    data = cnn_images("mnist")
    network = as_network(untrained_small_cnn(data, 0))
    copy = as_network(network.module).module

    def right(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
        with torch.no_grad():
            for parameter, array in zip(copy.parameters(), weights, strict=True):
                axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[array.ndim]
                parameter.copy_(torch.as_tensor(array.transpose(axes)))
            said = torch.cat([copy(part).argmax(1) for part in torch.as_tensor(x).split(50)])
        return float((said.numpy() == y).mean())

    parts = sub_clusters([np.arange(64) // 5] * 3)
    return measure("small CNN", network, data, parts, "torch", right)


if __name__ == "__main__":
    torch.set_num_threads(1)
    store("lesions", pd.DataFrame([of_perceptron(), of_cnn()]))
