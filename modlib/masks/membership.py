"""Which units the masks of functions use: a mask for every class, and the share of a unit's weights that each keeps.

Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from modlib.checks import array, generator, instance, items, labels as whole_numbers
from modlib.errors import InputError
from modlib.masks.learning import LearnedMask, MaskSettings, learn_mask
from modlib.networks.network import Network
from modlib.training.steps import Draw


def learn_class_masks(
    network: Network, inputs: np.ndarray, labels: np.ndarray, settings: MaskSettings, rng: np.random.Generator
) -> list[LearnedMask]:
    """A mask for every class: of the weights that tell it from all others.

    Half of the examples of a batch are of the class. With outputs y, the loss is the binary cross-entropy of
    y_c - log sum_{d != c} exp(y_d), the network's log-odds of class c.

    Args:
        network: a chain of layers, see ``as_network``; it is not changed.
        inputs: (n, ...), as the network takes them.
        labels: (n,) classes, from 0; at least two are present.
        settings: how masks are learned.
        rng: decides batches and masks.

    Returns:
        One mask a class that is present, in ascending order.

    Raises:
        InputError: if there are fewer than two classes, or as ``learn_mask`` does.

    Source: weight-masks 5, with one class in place of all but one. Chapter: ``do-the-measures-agree``.

    >>> from modlib.networks import side_by_side
    >>> network, inputs, classes, _ = side_by_side(copies=2, n=100, seed=0)
    >>> settings = MaskSettings(steps=2, batch_size=8)
    >>> len(learn_class_masks(network, inputs, classes, settings, np.random.default_rng(0)))
    4
    """
    network = instance(network, Network, "network", "pass modlib.networks.as_network(model)")
    inputs = array(inputs, "inputs", dtype=np.float32)
    if inputs.ndim == 0:
        raise InputError("inputs is one number; expected an array (n, ...) of n inputs")
    labels = whole_numbers(labels, "labels", len(inputs), least=0, most=network.n_classes - 1)
    classes = np.unique(labels).tolist()
    if len(classes) < 2:
        raise InputError(f"labels of the classes {classes} arrived; expected two classes or more")

    def against_others(wanted: int) -> LearnedMask:
        others = [number for number in range(network.n_classes) if number != wanted]

        def loss(outputs: Tensor, targets: Tensor) -> Tensor:
            scores = network.logits(outputs)
            odds = scores[:, wanted] - scores[:, others].logsumexp(1)
            return binary_cross_entropy_with_logits(odds, targets)

        return learn_mask(network, _balanced(inputs, labels == wanted), settings, generator(rng), loss)

    return [against_others(wanted) for wanted in classes]


def mask_membership(network: Network, masks: Sequence[LearnedMask]) -> list[np.ndarray]:
    """Share of every hidden unit's incoming weights that each mask keeps.

    Of unit u and mask m: mean over the weights w_iu that are not zero of the probability with which m keeps them.

    Args:
        network: whose masks they are.
        masks: one a function, see ``learn_class_masks``.

    Returns:
        For every hidden layer (units, masks), in [0, 1]; 0 for a unit without incoming weights.

    Raises:
        InputError: if there is no mask, or one is not of all layers of this network.

    Source: none of the papers; weight-masks 2 for the masks. Chapter: ``do-the-measures-agree``.

    A mask that has not been learned yet keeps every weight with the same probability:

    >>> from modlib.networks import side_by_side
    >>> network, inputs, classes, _ = side_by_side(copies=1, n=50, seed=0)
    >>> masks = learn_class_masks(network, inputs, classes, MaskSettings(steps=0), np.random.default_rng(0))
    >>> [shares.round(2).tolist() for shares in mask_membership(network, masks)][0][:2]
    [[0.9, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.9]]
    """
    network = instance(network, Network, "network", "pass modlib.networks.as_network(model)")
    masks = [instance(mask, LearnedMask, "a mask", "learn it by learn_mask") for mask in items(masks, "masks")]
    for mask in masks:
        mask.mask.check(network)
    found = []
    for layer in network.layers[:-1]:
        kernel = np.moveaxis(layer.kernel, (-1, -2), (0, 1))  # as PyTorch keeps it
        held = (kernel != 0).reshape(len(kernel), -1)
        kept = [_of_parameter(mask.probabilities, f"{layer.name}.weight").reshape(held.shape) for mask in masks]
        shares = np.stack([(held * one).sum(axis=1) for one in kept], axis=1)
        found.append(shares / np.maximum(held.sum(axis=1), 1)[:, None])
    return found


def _balanced(inputs: np.ndarray, is_of_class: np.ndarray) -> Draw:
    """Examples of which every other one is of the class; targets 1 and 0."""
    tensor, pools = torch.as_tensor(inputs), [np.flatnonzero(is_of_class == side) for side in (True, False)]

    def draw(rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor]:
        chosen = np.empty(n, dtype=np.int64)
        for start, pool in enumerate(pools):
            chosen[start::2] = rng.choice(pool, len(chosen[start::2]))
        return tensor[torch.as_tensor(chosen)], torch.as_tensor(is_of_class[chosen]).float()

    return draw


def _of_parameter(probabilities: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in probabilities:
        raise InputError(f"a mask of {', '.join(probabilities)} arrived; expected one of {name} as well")
    return probabilities[name]
