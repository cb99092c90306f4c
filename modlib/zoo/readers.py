"""Trained networks whose modules are known: two readers of digits, each with pixels of its own.

They lie side by side, share a trunk, or are one network with all weights, in which training may part them.

Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from scipy.linalg import block_diag
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modlib.checks import UNPLACED, seed_number, whole
from modlib.data.images import Images, load_images
from modlib.networks.architectures import perceptron
from modlib.networks.known import HIDDEN, KnownModules, in_order, mixed, places
from modlib.networks.network import from_arrays
from modlib.training.steps import Steps, train_steps

DATA = "digits"
CLASSES = 10  # of each reader
MEASURED = 20_000  # images by which it is measured what a unit does
MOST = 0.75  # share of a unit's effect that a reader has which it serves
LEAST = 0.01  # share of the largest effect in a layer below which a unit does nothing
SETTINGS = Steps(steps=1500, learning_rate=3e-3)


class _SideBySide(nn.Module):
    """Two networks, each of which sees its half of the input; answers of both, one after the other."""

    def __init__(self, first: nn.Sequential, second: nn.Sequential) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, inputs: Tensor) -> Tensor:
        left, right = inputs.chunk(2, dim=1)
        return torch.cat([self.first(left), self.second(right)], dim=1)


class _Branched(nn.Module):
    """Two networks that see the same hidden layer; answers of both, one after the other."""

    def __init__(self, trunk: nn.Sequential, first: nn.Sequential, second: nn.Sequential) -> None:
        super().__init__()
        self.trunk, self.first, self.second = trunk, first, second

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.relu(self.trunk(inputs))
        return torch.cat([self.first(hidden), self.second(hidden)], dim=1)


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
    inputs = _trained(module, images, rng, n)
    order = mixed(rng, 2)
    layers = _layers_of(module.first, module.second)
    kernels = [block_diag(*(_kernel(layer) for layer in pair)) for pair in layers]
    return _known(kernels, [_biases(pair) for pair in layers], order, inputs)


def readers_with_a_trunk(seed: int, n: int) -> KnownModules:
    """Two readers that are trained together on a first hidden layer in common.

    The trunk sees both inputs, and each reader has weights from all of it, and later layers of its own: there the
    function of a unit is known. Inputs and classes are those of ``two_readers``.

    Args:
        seed: decides all.
        n: number of inputs.

    Raises:
        InputError: if a number is not in its range.

    Chapter: ``do-the-measures-agree``.

    >>> known = readers_with_a_trunk(seed=0, n=100)
    >>> [np.unique(of_layer).tolist() for of_layer in known.functions]
    [[-1], [0, 1], [0, 1]]
    """
    rng, n = np.random.default_rng(seed_number(seed)), whole(n, "n")
    images = load_images(DATA)
    trunk, *own = HIDDEN
    trunk *= 2  # as many units as both readers have in a layer
    parts = [perceptron((trunk, *own, CLASSES), rng) for _ in range(2)]
    module = _Branched(perceptron((2 * images.x_train.shape[1], trunk), rng), *parts)
    inputs = _trained(module, images, rng, n)
    order = [np.full(trunk, UNPLACED), *mixed(rng, 2)[1:]]
    (below,), (first, *later) = _layers_of(module.trunk), _layers_of(module.first, module.second)
    kernels = [_kernel(*below), np.hstack([_kernel(layer) for layer in first])]
    kernels += [block_diag(*(_kernel(layer) for layer in pair)) for pair in later]
    return _known(kernels, [_biases(layers) for layers in (below, first, *later)], order, inputs)


def dense_readers(seed: int, n: int) -> KnownModules:
    """One perceptron with all weights that learns to read for two: training alone may part it, or not.

    What a unit does is measured, on images that it was trained on: when its activity is that of another digit that was
    shown to the same reader, by how much does the loss of that reader's answers rise? A unit serves the reader that has
    ``MOST`` of both rises, or neither of them alone. Inputs and classes are those of ``two_readers``.

    Args:
        seed: decides all.
        n: number of inputs.

    Raises:
        InputError: if a number is not in its range.

    Chapter: ``do-the-measures-agree``.

    >>> known = dense_readers(seed=0, n=100)
    >>> known.network
    Network(layer_0=128 x 32 relu, layer_1=32 x 32 relu, layer_2=32 x 32 relu, layer_3=32 x 20 linear)
    >>> [np.unique(of_layer).tolist() for of_layer in known.functions]
    [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]
    """
    rng, n = np.random.default_rng(seed_number(seed)), whole(n, "n")
    images = load_images(DATA)
    module = perceptron((2 * images.x_train.shape[1], *(2 * width for width in HIDDEN), 2 * CLASSES), rng)
    inputs = _trained(module, images, rng, n)
    others = np.random.default_rng([seed_number(seed), 1])  # so that functions do not depend on n
    functions = _served(module, *_shown(images.x_train, images.y_train, others, MEASURED), others)
    layers = _layers_of(module)
    network = from_arrays([_kernel(*layer) for layer in layers], [_biases(layer) for layer in layers])
    return KnownModules(network, inputs, network.answers(inputs), tuple(functions))


def _trained(module: nn.Module, images: Images, rng: np.random.Generator, n: int) -> np.ndarray:
    """Train a network that reads for two, and give it some test images to read."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor]:
        inputs, labels = _shown(images.x_train, images.y_train, rng, n)
        return torch.as_tensor(inputs), torch.as_tensor(labels)

    train_steps(module, draw, SETTINGS, rng)
    inputs, _ = _shown(images.x_test, images.y_test, rng, n)
    return inputs


def _layers_of(*parts: nn.Sequential) -> list[tuple[nn.Linear, ...]]:
    """Layers of weights of some networks with as many, those of the same depth together."""
    linear = ([layer for layer in part if isinstance(layer, nn.Linear)] for part in parts)
    return list(zip(*linear, strict=True))


def _kernel(layer: nn.Linear) -> np.ndarray:
    return layer.weight.detach().numpy().T


def _biases(layers: Iterable[nn.Linear]) -> np.ndarray:
    return np.concatenate([layer.bias.detach().numpy() for layer in layers])


def _known(
    kernels: list[np.ndarray], biases: list[np.ndarray], order: list[np.ndarray], inputs: np.ndarray
) -> KnownModules:
    """The network with its hidden units, which come part by part, at the places of their labels."""
    hidden = [bias[place] for bias, place in zip(biases[:-1], places(order), strict=True)]
    network = from_arrays(in_order(kernels, order), [*hidden, biases[-1]])
    return KnownModules(network, inputs, network.answers(inputs), tuple(order))


def _served(module: nn.Sequential, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Which reader every hidden unit serves; -1 for one that serves neither, or both."""
    readers = [np.flatnonzero(y // CLASSES == reader) for reader in (0, 1)]
    other, parts, functions = np.arange(len(y)), list(module), []
    for shown in readers:
        other[shown] = rng.permutation(shown)
    activity, targets = torch.as_tensor(x), torch.as_tensor(y)
    with torch.no_grad():
        for place, part in enumerate(parts):
            activity = part(activity)
            if not isinstance(part, nn.ReLU):
                continue
            rest = nn.Sequential(*parts[place + 1 :])
            losses = [cross_entropy(rest(activity), targets, reduction="none")]
            for unit in range(activity.shape[1]):
                changed = activity.clone()
                changed[:, unit] = activity[other, unit]
                losses.append(cross_entropy(rest(changed), targets, reduction="none"))
            rises = torch.stack(losses[1:]) - losses[0]
            means = np.stack([rises[:, shown].mean(dim=1).numpy() for shown in readers], axis=1).clip(min=0)
            least = LEAST * means.sum(axis=1).max()
            serves = means >= np.maximum(MOST * means.sum(axis=1, keepdims=True), least)
            functions.append(np.where(serves.any(axis=1), serves.argmax(axis=1), UNPLACED))
    return functions


def _shown(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits, shown to the two readers in turn, and their classes, of which the second reader has its own."""
    chosen, reader = rng.integers(len(x), size=n), np.arange(n) % 2
    inputs = np.zeros((n, 2, x.shape[1]), dtype=np.float32)
    inputs[np.arange(n), reader] = x[chosen]
    return inputs.reshape(n, -1), y[chosen].astype(np.int64) + CLASSES * reader
