"""The trained perceptrons that several chapters share: one grid of conditions, one cache of networks.

Chapters: ``clusterability``, ``dropout``, ``random-datasets``, ``topology-shuffles``, ``importance``, ``coherence``,
``structured-tasks``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modlib.data.composites import load_composite
from modlib.data.images import Images, load_images, smaller
from modlib.data.lines import line_images
from modlib.data.mixtures import MIXTURES, mix
from modlib.data.random import random_images
from modlib.errors import InputError
from modlib.files import cache_file, load_cached, save_cached

if TYPE_CHECKING:
    from modlib.training.recipes import Recipe, Snapshot

RANDOM_DATASETS = ("unlearnable", "kilo-epoch", "memorisation")
IMAGE_DATASETS = ("mnist", "fashion_mnist", "cifar10")
HALVES = tuple(f"{name} halves-{task}" for name in ("digits", "mnist", "fashion_mnist") for task in ("same", "diff"))
SOURCES = ("lines+digits", "lines+mnist", "lines+cifar10", "mnist+cifar10")
MIXED = tuple(f"{sources} {kind}" for sources in SOURCES for kind in MIXTURES)
SMALLER = {
    "digits 4x4": ("digits", 2),
    "mnist 7x7": ("mnist", 4),
}  # a data set, and how many times shorter its sides are
DATASETS = ("digits", *IMAGE_DATASETS, *RANDOM_DATASETS, *HALVES, "lines", *MIXED, *SMALLER)


@dataclass(frozen=True, eq=False)
class TrainedPair:
    """A network right before pruning and at the end, and how many seconds its training took."""

    unpruned: Snapshot
    pruned: Snapshot
    seconds: float


def recipe_for(dataset: str, dropout: bool) -> Recipe:
    """The papers' recipe for a data set; see the settings in ``book/papers``.

    Dropout is 0.5 after every hidden layer, 0.2 for CIFAR-10, which does not learn at 0.5. CIFAR-10 is
    pruned for 40 epochs. The kilo-epoch experiment trains for 1,000 epochs; memorisation for 100 + 100
    without shuffling. Mixtures with CIFAR-10 train for 30 + 40 epochs, with its dropout, as in the authors' code. On
    images of 7 x 7 pixels, three layers of 64 are trained for 10 + 10.

    Raises:
        InputError: if the data set is not known.

    Source: pruned-modular 3, 3.1, 3.2; importance-coherence A.2; clusterability A.2.
    """
    from modlib.training.recipes import Recipe

    if dataset in (*HALVES, *MIXED):
        dataset = dataset.partition(" ")[0]
    rate = (0.2 if "cifar10" in dataset else 0.5) if dropout else 0.0
    match dataset:
        case "digits" | "mnist" | "fashion_mnist" | "unlearnable" | "lines" | "lines+digits" | "lines+mnist":
            return Recipe(dropout=rate)
        case "cifar10":
            return Recipe(dropout=rate, pruning_epochs=40)
        case "lines+cifar10" | "mnist+cifar10":
            return Recipe(dropout=rate, epochs=30, pruning_epochs=40)
        case "kilo-epoch":
            return Recipe(dropout=rate, epochs=1000)
        case "memorisation":
            return Recipe(dropout=rate, epochs=100, pruning_epochs=100, shuffle=False)
        case "digits 4x4" | "mnist 7x7":
            return Recipe((64, 64, 64), dropout=rate, epochs=10, pruning_epochs=10)
    raise InputError(f"data set {dataset!r} arrived; expected one of {', '.join(DATASETS)}")


def data_for(dataset: str) -> Images:
    """Data of a condition. All networks of a random condition, or of lines, see the same images.

    Raises:
        InputError: if the data set is not known.
    """
    if dataset in ("unlearnable", "kilo-epoch"):
        return random_images(60_000, seed=0)
    if dataset == "memorisation":
        return random_images(3_000, seed=0)
    if dataset in SMALLER:
        name, factor = SMALLER[dataset]
        return smaller(load_images(name), factor)
    name, _, kind = dataset.partition(" ")
    if kind in MIXTURES:
        first, _, second = name.partition("+")
        other = load_images(second)
        return mix(_like(other) if first == "lines" else load_images(first), other, kind)
    if dataset == "lines":
        return line_images(60_000, seed=0)
    return load_composite(dataset) if kind else load_images(dataset)


def _like(images: Images) -> Images:
    """Lines as large as other images; as many as in the authors' code, but for the few digits of scikit-learn."""
    if images.name == "digits":
        return line_images(len(images.x_train), seed=0, side=8, most=8, n_test=len(images.x_test))
    return line_images(60_000, seed=0)


def trained_mlp(dataset: str, dropout: bool, seed: int, recipe: Recipe | None = None) -> TrainedPair:
    """The trained network of a condition and seed, from the cache if it is there.

    Args:
        dataset: one of ``DATASETS``.
        dropout: whether hidden layers have dropout.
        seed: decides the network.
        recipe: how to train; the papers' recipe for the data set by default.

    Raises:
        DataError: if the cached file is damaged, holds another network, or cannot be written.
    """
    recipe = recipe or recipe_for(dataset, dropout)
    data = data_for(dataset)
    path, settings = _place(dataset, data, dropout, seed, recipe)
    if stored := load_cached(path, settings):
        return _read_pair(stored)
    from modlib.training.keras import train_mlp

    began = time.perf_counter()
    unpruned, pruned = train_mlp(data, recipe, seed)
    pair = TrainedPair(unpruned, pruned, time.perf_counter() - began)
    save_cached(path, _arrays(pair), settings)
    return pair


def trained_mlp_file(dataset: str, dropout: bool, seed: int) -> Path:
    """The file of a network of the papers' recipe, which is trained if it is not there.

    Args:
        dataset: one of ``DATASETS``.
        dropout: whether hidden layers have dropout.
        seed: decides the network.
    """
    trained_mlp(dataset, dropout, seed)
    return _place(dataset, data_for(dataset), dropout, seed, recipe_for(dataset, dropout))[0]


def _place(dataset: str, data: Images, dropout: bool, seed: int, recipe: Recipe) -> tuple[Path, dict[str, Any]]:
    settings = {"data": data.checksum, "recipe": recipe.settings(), "seed": seed}
    return cache_file(f"{dataset}-{'dropout' if dropout else 'plain'}-{seed}", settings), settings


def _arrays(pair: TrainedPair) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {"seconds": np.array(pair.seconds)}
    for snapshot in (pair.unpruned, pair.pruned):
        stage = snapshot.stage
        for kind, tensors in (("kernel", snapshot.kernels), ("bias", snapshot.biases)):
            arrays |= {f"{stage}/{kind}/{i}": tensor for i, tensor in enumerate(tensors)}
        arrays |= {f"{stage}/accuracy/{split}": np.array(value) for split, value in snapshot.accuracy.items()}
        arrays[f"{stage}/losses"] = np.array(snapshot.losses)
    return arrays


def _read_pair(stored: Mapping[str, np.ndarray]) -> TrainedPair:
    from modlib.training.recipes import Snapshot

    snapshots = {}
    for stage in ("unpruned", "pruned"):
        n = sum(key.startswith(f"{stage}/kernel/") for key in stored)
        snapshots[stage] = Snapshot(
            stage,
            [stored[f"{stage}/kernel/{i}"] for i in range(n)],
            [stored[f"{stage}/bias/{i}"] for i in range(n)],
            {key.rpartition("/")[2]: float(stored[key]) for key in stored if key.startswith(f"{stage}/accuracy/")},
            stored[f"{stage}/losses"].tolist(),
        )
    return TrainedPair(snapshots["unpruned"], snapshots["pruned"], float(stored["seconds"]))
