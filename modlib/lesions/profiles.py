"""Lesion profiles: what each class loses without a unit, for every unit of a layer.

Accuracy hardly changes without a single unit of many, but the loss does. Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from modlib.checks import instance, labels as whole_numbers
from modlib.lesions.passes import outputs
from modlib.networks.network import Network


def lesion_profiles(network: Network, inputs: np.ndarray, labels: np.ndarray, layer: int) -> np.ndarray:
    """Rise of the mean cross-entropy of each class when one unit is lesioned, for every unit of a hidden layer.

    Of unit u and class c: mean over the inputs of class c of loss(without u) - loss(whole), where the incoming weights
    of u are zero, as in ``damages``.

    Args:
        network: a chain of layers, see ``as_network``; it is not changed.
        inputs: (n, features) or (n, channels, height, width), as the network takes them.
        labels: (n,) classes, from 0.
        layer: hidden layer, from 1.

    Returns:
        (units, classes that are present, in ascending order), in nats; negative where a class gains.

    Raises:
        InputError: if the network has no such hidden layer, or inputs and labels do not fit it.

    Source: importance-coherence 3.2, with the loss in place of accuracy. Chapter: ``do-the-measures-agree``.

    Units of the first module cost the first two classes, units of the second the last two:

    >>> from modlib.networks import side_by_side
    >>> network, inputs, classes, modules = side_by_side(copies=2, n=200, seed=0)
    >>> profiles = lesion_profiles(network, inputs, classes, 1)
    >>> (profiles > 0).astype(int)[[0, 2, 4, 6]].tolist()
    [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    """
    network = instance(network, Network, "network", "pass modlib.networks.as_network(model)")
    layer = network.hidden_layer(layer)
    inputs = network.inputs(inputs)
    labels = whole_numbers(labels, "labels", len(inputs), least=0, most=network.n_classes - 1)
    width = network.width(layer)
    sets = np.vstack([np.zeros(width, dtype=bool), np.eye(width, dtype=bool)])  # the whole network first
    classes, of_class = np.unique(labels, return_counts=True)
    totals, seen = np.zeros((len(sets), len(classes))), 0
    for found in outputs(network, inputs, layer, sets, {}, zero_biases=False):
        wanted = labels[seen : seen + found.shape[1]]
        targets = torch.as_tensor(wanted).long().expand(len(sets), -1)
        logits = network.logits(found.flatten(0, 1))
        losses = cross_entropy(logits, targets.flatten(), reduction="none").reshape(len(sets), -1)
        totals += losses.double().numpy() @ (wanted[:, None] == classes)
        seen += len(wanted)
    means = totals / of_class
    return means[1:] - means[0]
