"""Images of a sub-cluster and nine random sets: modlib in one batch against one after another, as the authors do.

Both go through torch-lucent with the same transforms, so their images are the same. Times are of the processor; the two
ways take turns, so that a slow moment of the machine meets both. All run on one thread.
"""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from common import store

from modlib.networks import Network, as_network, perceptron, small_cnn
from modlib.responses import ImageSettings, visualise

SETS, SIZE, ROUNDS = 10, 20, 3
SHAPE = (1, 28, 28)


def seconds(run: Callable[[], list[np.ndarray]]) -> tuple[float, np.ndarray]:
    """Processor time of a run, and its images."""
    began = time.process_time()
    images = np.concatenate(run())
    return time.process_time() - began, images


def measure(name: str, network: Network, layer: int, settings: ImageSettings) -> dict[str, object]:
    """A line of the table: medians over rounds."""
    width = network.layers[layer - 1].kernel.shape[-1]
    sets = list(np.random.default_rng(0).permuted(np.tile(np.arange(width), (SETS, 1)), axis=1)[:, :SIZE])
    visualise(network, layer, sets[:1], SHAPE, 0, ImageSettings(steps=2))
    times = []
    for _ in range(ROUNDS):
        together, ours = seconds(lambda: [visualise(network, layer, sets, SHAPE, 0, settings).images])
        in_turn, theirs = seconds(lambda: [visualise(network, layer, [one], SHAPE, 0, settings).images for one in sets])
        np.testing.assert_allclose(ours, theirs, atol=0.01)
        times.append((together, in_turn, in_turn / together))
    together, in_turn, ratio = np.median(times, axis=0)
    return {
        "network": name,
        "layer": layer,
        "steps": settings.steps,
        "one batch, s": together,
        "in turn, s": in_turn,
        "times faster": ratio,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    mlp, cnn = as_network(perceptron((784, 256, 256, 256, 256, 10), rng)), as_network(small_cnn(rng))
    store(
        "features",
        pd.DataFrame(
            [
                measure("perceptron, 4 x 256", mlp, 1, ImageSettings()),
                measure("perceptron, 4 x 256", mlp, 4, ImageSettings()),
                measure("small CNN", cnn, 3, ImageSettings(steps=16)),
            ]
        ),
    )
