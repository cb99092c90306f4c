"""The small CNNs that two chapters share: one recipe, one cache of networks.

Chapters: ``importance``, ``coherence``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from modlib.data.images import Images
from modlib.files import cache_file
from modlib.networks.network import Network, as_network
from modlib.zoo.perceptrons import data_for

if TYPE_CHECKING:
    from torch import nn

EPOCHS, BATCH_SIZE = 10, 64  # of the paper


def cnn_images(dataset: str) -> Images:
    """Images as a CNN takes them, (n, channels, side, side): one channel, or the two of a stack.

    Args:
        dataset: ``digits``, ``mnist``, ``fashion_mnist``, or a composite such as ``mnist stack-diff``.

    Raises:
        InputError: if the data set is not known.
        DataError: as ``modlib.data.images.load_images``.
    """
    images = data_for(dataset)
    return replace(images, x_train=_planes(images.x_train), x_test=_planes(images.x_test))


def untrained_small_cnn(images: Images, seed: int) -> nn.Sequential:
    """The network from which ``trained_small_cnn`` starts.

    Args:
        images: decide channels, size and classes; see ``cnn_images``.
        seed: decides the weights.
    """
    import torch

    from modlib.networks.architectures import small_cnn

    _, channels, side, _ = images.x_train.shape
    module = small_cnn(np.random.default_rng([seed, 0]), channels, int(images.y_train.max()) + 1, side)
    # a quarter faster on processors
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def trained_small_cnn(dataset: str, seed: int, epochs: int = EPOCHS) -> tuple[Network, Images]:
    """The small CNN of a data set and seed, from the cache if it is there, and the images it was trained on.

    PyTorch's Adam, with a step of 0.001 as Keras's has; batches of 64 drawn with replacement, as many as ``epochs``
    times through the data.

    Args:
        dataset: see ``cnn_images``.
        seed: decides the start and the batches.
        epochs: 10 in the paper.

    Returns:
        The network, whose module takes images (n, channels, side, side) and returns logits (n, 10), and such images:
        side is 28, and 8 for ``digits``.

    Raises:
        InputError: if the data set is not known.
        DataError: if the cached file or the data is damaged.

    Source: importance-coherence 3 and A.2, and the authors' code. Chapter: ``coherence``.
    """
    import torch

    from modlib.training.steps import Steps, draw_from, train_steps, trained_once

    images = cnn_images(dataset)
    steps = epochs * math.ceil(len(images.x_train) / BATCH_SIZE)
    settings = Steps(steps, BATCH_SIZE, clip=math.inf)
    key = {"data": images.checksum, "settings": asdict(settings), "seed": seed}
    path = cache_file(f"small-cnn-{dataset}-{seed}", key)
    draw = draw_from(torch.as_tensor(images.x_train), torch.as_tensor(images.y_train, dtype=torch.long))
    module = trained_once(
        untrained_small_cnn(images, seed),
        lambda module: train_steps(module, draw, settings, np.random.default_rng([seed, 1])),
        path,
        key,
    )
    return as_network(module), images


def accuracy(network: Network, images: Images) -> float:
    """Share of the test images that a network gets right.

    Args:
        network: takes the images as they are.
        images: see ``cnn_images``.
    """
    return float((network.answers(images.x_test) == images.y_test).mean())


def _planes(x: np.ndarray) -> np.ndarray:
    side = math.isqrt(x.shape[1])
    return x.reshape(-1, 1, side, side) if x.ndim == 2 else x
