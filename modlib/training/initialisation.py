"""Initial weights that have clusters. Chapter: ``promoting-clusterability``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modlib.checks import flag, floating, generator, instance, items, labels as whole_labels, real, store, whole, wholes
from modlib.errors import InputError

SHAPES = (("fan-in", "fan-out"), ("height", "width", "in", "out"))  # of kernels


@dataclass(frozen=True)
class Clusterable:
    """Clusters that a network's initial weights are given.

    Attributes:
        n_clusters: c, how many.
        beta: factor of weights between clusters; those within one grow by 1 + (1 - beta)(c - 1).

    Source: clusterability 4.2. Chapter: ``promoting-clusterability``.
    """

    n_clusters: int = 10
    beta: float = 0.6

    def __post_init__(self) -> None:
        store(self, whole, "n_clusters")
        real(self.beta, "beta", above=0, most=1)

    @property
    def within(self) -> float:
        """Factor of weights within a cluster, 1 + (1 - beta)(c - 1)."""
        return 1 + (1 - self.beta) * (self.n_clusters - 1)


def draw_tags(widths: Sequence[int], start: Clusterable, rng: np.random.Generator) -> list[np.ndarray]:
    """A cluster for every hidden neuron, uniform in 0..c-1 and independent.

    Args:
        widths: of the hidden layers.
        start: how many clusters.
        rng: decides the tags.

    Returns:
        (width,) integers for every hidden layer.

    Raises:
        InputError: if there is no layer, or a width is below 1.

    Source: clusterability 4.2. Chapter: ``promoting-clusterability``.

    >>> draw_tags((4, 3), Clusterable(n_clusters=2), np.random.default_rng(0))
    [array([1, 1, 1, 0]), array([0, 0, 0])]
    """
    start, rng = instance(start, Clusterable, "start", "pass Clusterable()"), generator(rng)
    widths = wholes(widths, "widths")
    return [rng.integers(start.n_clusters, size=(width,)) for width in widths]


def clusterable_kernels(
    kernels: Sequence[np.ndarray], tags: Sequence[np.ndarray], start: Clusterable, tagged_outputs: bool = False
) -> list[np.ndarray]:
    """Weights with clusters: those between hidden neurons of different tags shrink, others grow.

    A weight within a cluster is multiplied by 1 + (1 - beta)(c - 1), one between clusters by beta. A weight is within
    a cluster with probability 1/c, so its expected size stays: [1 + (1 - beta)(c - 1) + (c - 1) beta] / c = 1.
    Weights from inputs stay as they are, and so do those to outputs, unless these have tags.

    Args:
        kernels: (fan-in, fan-out) each, or kernels (height, width, in, out) whose channels are the neurons.
        tags: cluster of every neuron of each hidden layer, see ``draw_tags``.
        start: how strong the clusters are.
        tagged_outputs: whether output i has tag i, as in the authors' code for perceptrons, but not in their text.

    Raises:
        InputError: if there is not one tag for every hidden neuron.

    Source: clusterability 4.2. Chapter: ``promoting-clusterability``.

    Two hidden layers with a neuron of each of two clusters; only the weights between these layers change:

    >>> kernels = [np.ones((1, 2)), np.ones((2, 2)), np.ones((2, 1))]
    >>> tags = [np.array([0, 1]), np.array([0, 1])]
    >>> clusterable_kernels(kernels, tags, Clusterable(n_clusters=2, beta=0.5))[1].tolist()
    [[1.5, 0.5], [0.5, 1.5]]
    """
    start = instance(start, Clusterable, "start", "pass Clusterable()")
    kernels = [floating(kernel, f"kernels[{i}]", *SHAPES) for i, kernel in enumerate(items(kernels, "kernels"))]
    tags = [whole_labels(layer, f"tags[{i}]") for i, layer in enumerate(items(tags, "tags", least=0))]
    widths, tagged = [kernel.shape[-1] for kernel in kernels[:-1]], [len(layer) for layer in tags]
    if widths != tagged:
        raise InputError(f"tags of {tagged} neurons arrived for hidden layers of {widths}; pass one for every neuron")
    tagged_outputs = flag(tagged_outputs, "tagged_outputs")
    reads = [kernel.shape[-2] for kernel in kernels[1 : None if tagged_outputs else -1]]
    if reads != widths[: len(reads)]:
        raise InputError(f"kernels that read {reads} neurons arrived for hidden layers of {widths}; expected a chain")
    changed = [kernel.copy() for kernel in kernels]
    if tagged_outputs:
        tags = [*tags, np.arange(kernels[-1].shape[-1])]
    for kernel, before, after in zip(changed[1 : len(tags)], tags[:-1], tags[1:], strict=True):
        kernel *= np.where(before[:, None] == after, start.within, start.beta).astype(kernel.dtype)
    return changed
