"""Trained networks by kind, as several chapters measure them.

Chapters: ``importance``, ``dependencies``, ``coherence``.
"""

from __future__ import annotations

from modlib.data.images import Images
from modlib.networks.network import Network, from_arrays
from modlib.zoo.cnns import EPOCHS, trained_small_cnn
from modlib.zoo.perceptrons import data_for, trained_mlp


def trained(network: str, dataset: str, dropout: bool, seed: int, epochs: int = EPOCHS) -> tuple[Network, Images]:
    """The trained network of a plan, and its images as it takes them; ``epochs`` are those of a CNN."""
    if network == "cnn":
        return trained_small_cnn(dataset, seed, epochs)
    pruned = trained_mlp(dataset, dropout, seed).pruned
    return from_arrays(pruned.kernels, pruned.biases), data_for(dataset)
