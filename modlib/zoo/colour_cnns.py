"""Small CNNs on CIFAR-10 in colour: images split and standardised, and a network that is trained once.

Chapter: ``class-removal``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from modlib.data.images import load_colour_images
from modlib.networks.architectures import simple_cnn
from modlib.processor import device
from modlib.reprs import BriefRepr
from modlib.training.steps import Draw, Steps, draw_from, train_steps, trained_once

CLASSES = 10
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")  # of CIFAR-10
HELD_OUT = 0.2  # share of the training images on which accuracy is measured


@dataclass(frozen=True, eq=False, repr=False)
class Split(BriefRepr):
    """Standardised images for training, and those that are held out.

    Attributes:
        x_train, x_test: (n, 3, 32, 32) float32, mean 0 and standard deviation 1 a channel over the training images.
        y_train, y_test: (n,) labels.
        checksum: of the data set, and not of how it is split.
        seed: that decided how it is split; None if nothing random did.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    checksum: str
    seed: int | None = None


def split_images(dataset: str, seed: int) -> Split:
    """A random fifth of the training images is held out, as in the authors' code; the test set is not used.

    Args:
        dataset: see ``modlib.data.images.load_colour_images``.
        seed: decides which images.

    Source: weight-masks 5 and C.7.1. Chapter: ``class-removal``.
    """
    images = load_colour_images(dataset)
    order = np.random.default_rng([seed, 8]).permutation(len(images.x_train))
    held, train = np.split(order, [int(len(order) * HELD_OUT)])
    mean, sd = (getattr(images.x_train[train], name)((0, 2, 3), keepdims=True) for name in ("mean", "std"))
    x_train, x_test = ((images.x_train[part] - mean) / sd for part in (train, held))
    return Split(x_train, images.y_train[train], x_test, images.y_train[held], images.checksum, seed)


def trained_cnn(data: Split, dropout: bool, settings: Steps, seed: int, path: Path) -> nn.Module:
    """A trained CNN, from a file if it is there; else it is trained and written. On a GPU if there is one.

    Args:
        data: images, as a rule split by the same seed.
        dropout: whether it is trained with dropout.
        settings: how.
        seed: decides the start, batches and dropout.
        path: the file, ``.npz``.

    Raises:
        DataError: if the file is damaged, holds another network, or cannot be written.

    Source: weight-masks C.7.1. Chapter: ``class-removal``.
    """
    rng = np.random.default_rng([seed, 1, int(dropout)])
    about = {"data": data.checksum, "dropout": dropout, "settings": asdict(settings), "seed": seed}
    if data.seed != seed:  # only then, so that networks of earlier versions are still found
        about["split"] = data.seed
    return trained_once(
        simple_cnn(np.random.default_rng([seed, 0]), dropout).to(device()),
        lambda module: train_steps(module, draw_classes(data, range(CLASSES)), settings, rng),
        path,
        about,
    )


def draw_classes(data: Split, classes: Sequence[int]) -> Draw:
    """Training images of some classes."""
    shown = np.isin(data.y_train, list(classes))
    return draw_from(torch.as_tensor(data.x_train[shown]), torch.as_tensor(data.y_train[shown], dtype=torch.long))
