"""A trained network whose modules are known: two readers of digits side by side, each with pixels of its own.

Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import block_diag
from torch import Tensor, nn

from modlib.checks import seed_number, whole
from modlib.data.images import load_images
from modlib.networks.architectures import perceptron
from modlib.networks.known import HIDDEN, KnownModules, in_order, mixed, places
from modlib.networks.network import from_arrays
from modlib.training.steps import Steps, train_steps

DATA = "digits"
CLASSES = 10  # of each reader
SETTINGS = Steps(steps=1500, learning_rate=3e-3)


class _SideBySide(nn.Module):
    """Two networks, each of which sees its half of the input; answers of both, one after the other."""

    def __init__(self, first: nn.Sequential, second: nn.Sequential) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, inputs: Tensor) -> Tensor:
        left, right = inputs.chunk(2, dim=1)
        return torch.cat([self.first(left), self.second(right)], dim=1)


def two_readers(seed: int, n: int) -> KnownModules:
    """Two perceptrons that are trained together and joined by the answer alone.

    An input shows a digit to one of them and nothing to the other; the network says which digit, and to whom: twenty
    classes. As there is no weight between the two, the function of every unit is known, as it is in
    ``modlib.networks.two_functions``; but here weights are what training makes of them.

    Args:
        seed: decides all.
        n: number of inputs.

    Raises:
        InputError: if a number is not in its range.

    Chapter: ``do-the-measures-agree``.

    >>> known = two_readers(seed=0, n=100)
    >>> known.network
    Network(layer_0=128 x 32 relu, layer_1=32 x 32 relu, layer_2=32 x 32 relu, layer_3=32 x 20 linear)
    """
    rng, n = np.random.default_rng(seed_number(seed)), whole(n, "n")
    images = load_images(DATA)
    sizes = (images.x_train.shape[1], *HIDDEN, CLASSES)
    module = _SideBySide(perceptron(sizes, rng), perceptron(sizes, rng))

    def draw(rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor]:
        inputs, labels = _shown(images.x_train, images.y_train, rng, n)
        return torch.as_tensor(inputs), torch.as_tensor(labels)

    train_steps(module, draw, SETTINGS, rng)
    inputs, _ = _shown(images.x_test, images.y_test, rng, n)
    order = mixed(rng, 2)
    linear = ([layer for layer in part if isinstance(layer, nn.Linear)] for part in (module.first, module.second))
    layers = list(zip(*linear, strict=True))
    kernels = [block_diag(*(layer.weight.detach().numpy().T for layer in pair)) for pair in layers]
    biases = [np.concatenate([layer.bias.detach().numpy() for layer in pair]) for pair in layers]
    hidden = [bias[place] for bias, place in zip(biases[:-1], places(order), strict=True)]
    network = from_arrays(in_order(kernels, order), [*hidden, biases[-1]])
    return KnownModules(network, inputs, network.answers(inputs), tuple(order))


def _shown(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits, shown to the two readers in turn, and their classes, of which the second reader has its own."""
    chosen, reader = rng.integers(len(x), size=n), np.arange(n) % 2
    inputs = np.zeros((n, 2, x.shape[1]), dtype=np.float32)
    inputs[np.arange(n), reader] = x[chosen]
    return inputs.reshape(n, -1), y[chosen].astype(np.int64) + CLASSES * reader
