"""Trained networks by kind, as several chapters measure them.

Chapters: ``importance``, ``dependencies``, ``coherence``.
"""

from __future__ import annotations

from modlib.data.images import Images
from modlib.errors import InputError
from modlib.networks.network import Network, from_arrays
from modlib.zoo.cnns import EPOCHS, trained_small_cnn
from modlib.zoo.perceptrons import data_for, trained_mlp


def trained(network: str, dataset: str, dropout: bool, seed: int, epochs: int = EPOCHS) -> tuple[Network, Images]:
    """A trained network of some kind, and its images as it takes them.

    Args:
        network: ``mlp``, the pruned perceptron, or ``cnn``, the small CNN.
        dataset: what it is trained on.
        dropout: whether it is trained with dropout; perceptrons only.
        seed: decides the network.
        epochs: of a CNN.

    Raises:
        InputError: if there is no such kind, or no CNN with dropout.
    """
    match network:
        case "mlp":
            pruned = trained_mlp(dataset, dropout, seed).pruned
            return from_arrays(pruned.kernels, pruned.biases), data_for(dataset)
        case "cnn" if not dropout:
            return trained_small_cnn(dataset, seed, epochs)
    raise InputError(f"network = {network!r}, dropout = {dropout} arrived; expected mlp, or cnn without dropout")
