"""Small CNNs, a large one, and regressions, trained and then pruned: one recipe each, one cache of networks.

Chapters: ``structured-tasks``, ``convolutional-networks``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, mse_loss

from modlib.checks import choice
from modlib.data.images import Images, load_colour_images
from modlib.data.polynomials import INPUTS, polynomial_values
from modlib.errors import DataError
from modlib.files import cache_file, load_cached, save_cached
from modlib.networks.architectures import glorot_perceptron, small_cnn, vgg16
from modlib.networks.modules import device_of
from modlib.networks.network import Network, as_network
from modlib.processor import device
from modlib.reprs import BriefRepr
from modlib.training.epochs import Augment, PrunedRecipe, Stage, train_and_prune
from modlib.training.initialisation import Clusterable, clusterable_kernels, draw_tags
from modlib.zoo.cnns import cnn_images

PENALTIES = ("none", "l1", "l2")
START = "start"  # in place of a penalty: weights that have clusters from the start
CLUSTERS = Clusterable(n_clusters=10, beta=0.8)  # of networks with convolutions
STRENGTH = 5e-5  # of L1 and L2
STRENGTH_VGG_L2 = 5e-4
PART = 500  # examples of a forward pass
HIDDEN = (256, 256, 256, 256)  # units of a regression
CNN_RECIPE, REGRESSION_RECIPE = PrunedRecipe(), PrunedRecipe(epochs=20, pruning_epochs=20, batch_size=128)
VGG_RECIPE = PrunedRecipe(epochs=200, pruning_epochs=50, batch_size=128)
TURN, SHIFT = 15, 0.1  # largest rotation in degrees, largest shift as a share of the side


@dataclass(frozen=True, eq=False, repr=False)
class Scored(BriefRepr):
    """A network at one stage of its training, and how well it does.

    Attributes:
        stage: ``unpruned`` or ``pruned``.
        network: its weights, and a module in evaluation mode.
        scores: ``train_accuracy`` and ``test_accuracy`` in [0, 1] of a network that classifies. Of a regression
            ``train_loss``, the mean of the last epoch while the network changed, ``test_loss``, both with the penalty
            as Keras prints them, and ``added``, the penalty at this stage; so the mean squared error over the test
            examples is ``test_loss`` - ``added``.
    """

    stage: str
    network: Network
    scores: Mapping[str, float]


def pruned_small_cnn(
    dataset: str, dropout: bool, penalty: str, seed: int, recipe: PrunedRecipe = CNN_RECIPE
) -> list[Scored]:
    """The small CNN of a condition and seed right before pruning and at the end, from the cache if it is there.

    It is trained on a GPU if there is one.

    Args:
        dataset: see ``modlib.zoo.cnns.cnn_images``; that of a stack has two channels.
        dropout: whether it is trained with dropout.
        penalty: ``none``, ``l1`` or ``l2``, with strength 5e-5; or ``start``, no penalty but a start with clusters.
        seed: decides start, order of the images and dropout.
        recipe: how to train, without the penalty; the paper's 10 + 10 epochs by default.

    Raises:
        InputError: if the data set or penalty is not known.
        DataError: if the cached file or the data is damaged, or a file cannot be written.

    Source: clusterability 3, 3.2 and 4.2. Chapters: ``convolutional-networks``, ``promoting-clusterability``.
    """
    recipe = _with_penalty(recipe, penalty, STRENGTH)
    images = cnn_images(dataset)
    _, channels, side, _ = images.x_train.shape
    start = np.random.default_rng([seed, 0])
    module = small_cnn(start, channels, int(images.y_train.max()) + 1, side, dropout)
    key = {"data": images.checksum, "recipe": asdict(recipe), "dropout": dropout, "seed": seed}
    key |= _started(module, penalty, seed)
    name = f"pruned-cnn-{dataset}-{'dropout' if dropout else 'plain'}-{penalty}-{seed}"
    return _classifier(name, key, module, images, recipe, seed)


def pruned_regression(
    penalty: str, seed: int, n: int = 60_000, recipe: PrunedRecipe = REGRESSION_RECIPE
) -> list[Scored]:
    """The perceptron that says the values of all polynomials, before pruning and after, from the cache if it is there.

    Args:
        penalty: ``none``, ``l1`` or ``l2``, with strength 5e-5.
        seed: decides start and order of the examples. All networks see the same examples.
        n: training examples.
        recipe: how to train, without the penalty; 20 + 20 epochs and batches of 128 by default.

    Raises:
        InputError: if the penalty is not known.
        DataError: if the cached file is damaged, or cannot be written.

    Source: clusterability A.7. Chapter: ``structured-tasks``.
    """
    recipe = _with_penalty(recipe, penalty, STRENGTH, PENALTIES)
    data = polynomial_values(n, seed=0)
    module = glorot_perceptron((INPUTS, *HIDDEN, data.y_train.shape[1]), np.random.default_rng([seed, 0]))
    x_train, y_train, x_test, y_test = _tensors(data.x_train, data.y_train, data.x_test, data.y_test)

    def train() -> tuple[Stage, Stage]:
        return train_and_prune(module, x_train, y_train, recipe, np.random.default_rng([seed, 1]), mse_loss)

    def score(stage: Stage) -> dict[str, float]:
        kernels = [layer.kernel.astype(float) for layer in stage.network.layers]
        added = float(sum(recipe.l1 * np.abs(kernel).sum() + recipe.l2 * (kernel**2).sum() for kernel in kernels))
        with torch.no_grad():
            error = float(mse_loss(stage.network.module(x_test), y_test))
        train_loss = stage.losses[-1] if stage.losses else float("nan")
        return {"train_loss": train_loss, "test_loss": error + added, "added": added}

    key = {"data": data.checksum, "recipe": asdict(recipe), "hidden": HIDDEN, "seed": seed}
    return _once(f"pruned-polynomials-{penalty}-{seed}", key, module, train, score)


def pruned_vgg(dropout: bool, penalty: str, seed: int, recipe: PrunedRecipe = VGG_RECIPE) -> list[Scored]:
    """VGG-16 on CIFAR-10 before pruning and after, from the cache if it is there.

    It is trained on a GPU if there is one. Images are turned, shifted and mirrored at random, see ``turned``. L1 has
    strength 5e-5, L2 has 5e-4, as in the authors' code.

    Args:
        dropout: whether it is trained with dropout.
        penalty: ``none``, ``l1`` or ``l2``; or ``start``, no penalty but a start with clusters.
        seed: decides start, order of the images, how they are turned, and dropout.
        recipe: how to train, without the penalty; the paper's 200 + 50 epochs by default.

    Raises:
        InputError: if the penalty is not known.
        DataError: if the cached file or the data is damaged, or a file cannot be written.

    Source: clusterability 3 and 4.2; details: the authors' code. Chapters: ``convolutional-networks``,
    ``promoting-clusterability``.
    """
    recipe = _with_penalty(recipe, penalty, STRENGTH_VGG_L2 if penalty == "l2" else STRENGTH)
    images = load_colour_images("cifar10")
    module = vgg16(np.random.default_rng([seed, 0]), dropout=dropout)
    key = {"data": images.checksum, "recipe": asdict(recipe), "dropout": dropout, "seed": seed}
    key |= _started(module, penalty, seed)
    name = f"pruned-vgg-{'dropout' if dropout else 'plain'}-{penalty}-{seed}"
    return _classifier(name, key, module, images, recipe, seed, turned)


def turned(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Images as the large CNN is trained on them: turned, shifted and mirrored at random, each in its own way.

    Rotations are up to 15 degrees, shifts up to a tenth of the side both ways, half of the images are mirrored left to
    right. Pixels are interpolated; those from outside are the nearest ones inside.

    Args:
        images: (n, channels, side, side).
        rng: decides all.

    Source: clusterability 3. Chapter: ``convolutional-networks``.
    """
    n = len(images)
    angle = np.radians(rng.uniform(-TURN, TURN, n))
    mirror = rng.choice([-1.0, 1.0], n)
    # the side is 2 in the coordinates of affine_grid
    shift = 2 * rng.uniform(-SHIFT, SHIFT, (2, n))
    rows = np.stack(
        [mirror * np.cos(angle), -np.sin(angle), shift[0], mirror * np.sin(angle), np.cos(angle), shift[1]], axis=1
    )
    places = affine_grid(
        torch.as_tensor(rows.reshape(n, 2, 3), dtype=images.dtype, device=images.device),
        list(images.shape),
        align_corners=False,
    )
    return grid_sample(images, places, padding_mode="border", align_corners=False)


def with_clusters(module: nn.Module, clusters: Clusterable, rng: np.random.Generator) -> list[np.ndarray]:
    """Give the weights of a chain of layers clusters, in place; the neurons of a convolution are its channels.

    Args:
        module: layers in the order in which they are used, a convolution or dense layer each, and others without
            weights or of batch normalisation.
        clusters: how many, and how strong.
        rng: decides the tags.

    Returns:
        The cluster of every neuron of each hidden layer, see ``modlib.training.draw_tags``.

    Source: clusterability 4.2. Chapter: ``promoting-clusterability``.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    read = [layers[0].weight.shape[1], *(len(layer.weight) for layer in layers[:-1])]
    # (1, places, in, out): a dense layer behind a convolution reads a channel at all its places
    kernels = [
        layer.weight.detach().numpy().reshape(1, len(layer.weight), n, -1).transpose(0, 3, 2, 1)
        for layer, n in zip(layers, read, strict=True)
    ]
    tags = draw_tags([len(layer.weight) for layer in layers[:-1]], clusters, rng)
    for layer, kernel in zip(layers, clusterable_kernels(kernels, tags, clusters), strict=True):
        weight = torch.as_tensor(kernel.transpose(0, 3, 2, 1).reshape(layer.weight.shape))
        with torch.no_grad():
            layer.weight.copy_(weight)
    return tags


def _started(module: nn.Module, penalty: str, seed: int) -> dict[str, Any]:
    """What a network's file says of its start, which gets clusters here if it is to have some."""
    if penalty != START:
        return {}
    with_clusters(module, CLUSTERS, np.random.default_rng([seed, 2]))
    return {"clusters": asdict(CLUSTERS)}


def _with_penalty(
    recipe: PrunedRecipe, penalty: str, strength: float, known: Sequence[str] = (*PENALTIES, START)
) -> PrunedRecipe:
    choice(penalty, known, "penalty")
    match penalty:
        case "l1":
            return replace(recipe, l1=strength)
        case "l2":
            return replace(recipe, l2=strength)
    return recipe


def _classifier(
    name: str,
    key: Mapping[str, Any],
    module: nn.Module,
    images: Images,
    recipe: PrunedRecipe,
    seed: int,
    augment: Augment | None = None,
) -> list[Scored]:
    """Both stages of a network with convolutions that says which class an image has."""
    (x_train, x_test), (y_train, y_test) = _tensors(images.x_train, images.x_test), _labels(images)
    module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def train() -> tuple[Stage, Stage]:
        place, rng = device(), np.random.default_rng([seed, 1])
        return train_and_prune(module.to(place), x_train.to(place), y_train.to(place), recipe, rng, augment=augment)

    def score(stage: Stage) -> dict[str, float]:
        return _accuracies(stage.network.module, {"train": (x_train, y_train), "test": (x_test, y_test)})

    return _once(name, key, module, train, score)


def _once(
    name: str,
    settings: Mapping[str, Any],
    module: nn.Module,
    train: Callable[[], tuple[Stage, Stage]],
    score: Callable[[Stage], dict[str, float]],
) -> list[Scored]:
    """Both stages from a file if it is there; else they are trained, scored and written."""
    path = cache_file(name, settings)
    stored = load_cached(path, settings)
    if stored is None:
        began = time.perf_counter()
        arrays: dict[str, np.ndarray] = {}
        found = []
        for stage in train():
            scores = score(stage)
            stage.network.module.cpu()  # where it was trained matters no more
            found.append(Scored(stage.stage, stage.network, scores))
            arrays |= {
                f"{stage.stage}/{name}": tensor.numpy() for name, tensor in stage.network.module.state_dict().items()
            }
            arrays[f"{stage.stage} scores"] = np.array(json.dumps(scores))
            arrays[f"{stage.stage} losses"] = np.array(stage.losses)
        save_cached(path, arrays | {"seconds": np.array(time.perf_counter() - began)}, settings)
        return found
    try:
        return [
            Scored(stage, _filled(module, stage, stored), json.loads(str(stored[f"{stage} scores"])))
            for stage in ("unpruned", "pruned")
        ]
    except (ValueError, KeyError, RuntimeError) as error:
        raise DataError(f"the cached network {path} is damaged ({error}); delete it and run again") from error


def _filled(module: nn.Module, stage: str, stored: Mapping[str, np.ndarray]) -> Network:
    names = module.state_dict()
    module.load_state_dict({name: torch.as_tensor(stored[f"{stage}/{name}"]) for name in names})
    return as_network(module.eval())


def _accuracies(module: nn.Module, splits: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, float]:
    found = {}
    with torch.no_grad():
        for split, (x, y) in splits.items():
            said = torch.cat([module(part.to(device_of(module))).argmax(1) for part in x.split(PART)]).cpu()
            found[f"{split}_accuracy"] = float((said == y).double().mean())
    return found


def _tensors(*arrays: np.ndarray) -> list[Tensor]:
    return [torch.as_tensor(array) for array in arrays]


def _labels(images: Images) -> tuple[Tensor, Tensor]:
    train, test = (torch.as_tensor(labels, dtype=torch.long) for labels in (images.y_train, images.y_test))
    return train, test
