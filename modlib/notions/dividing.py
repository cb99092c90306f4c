"""Nine ways to divide the hidden units of a network into modules, each a notion of what a module is.

Two divide by what the papers maximise or minimise, the n-cut of the weights and Q of similarities. The others say how
alike two units are and cut that graph as the papers cut the graph of the weights. Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from modlib.checks import (
    UNPLACED,
    array,
    choice,
    generator,
    instance,
    items,
    labels as whole_numbers,
    seed_number,
    whole,
)
from modlib.communities.partitions import adjacency, find_communities, modularity
from modlib.communities.similarity import PLAIN, normalise, similarities
from modlib.graphs.spectral import Route, cluster
from modlib.graphs.subclusters import hidden_labels
from modlib.lesions.profiles import lesion_profiles
from modlib.masks.learning import MaskSettings
from modlib.masks.mask import Mask
from modlib.masks.membership import learn_class_masks, mask_membership
from modlib.networks.layers import Layer
from modlib.networks.network import Network
from modlib.notions.names import BY_Q, NOTIONS
from modlib.reprs import BriefRepr
from modlib.responses.activations import hidden_activities
from modlib.responses.channels import channel_measures, n_convolutions
from modlib.responses.correlations import of_length_one, spearman

ROUTES: dict[str, Route] = {"weights": "auto", "weights within layers": "within-layers"}
MASKS = MaskSettings(steps=200, learning_rate=0.05)  # few steps, with a rate that is as much larger
LEAST = 1e-5  # share of the largest spread of a profile below which it has no shape
ROUNDING = 1e-12  # share of its level that rounding may leave of the spread of a constant profile


@dataclass(frozen=True, eq=False, repr=False)
class Division(BriefRepr):
    """The units of a hidden layer, divided into modules by one notion.

    Attributes:
        labels: (units,) module of each; -1 for a unit that the notion does not place, as it is dead.
        q: modularity Q of the partition in the graph of how alike units are, in [-1/2, 1); None where units are divided
            by weights, whose graph is that of the whole network.
        overlap: of a division by masks, how much of the layer's incoming weights the masks of two classes share: those
            that both keep over those that either keeps, mean over pairs of classes, in [0, 1]; None for other notions,
            or if no mask keeps a weight.
    """

    labels: np.ndarray
    q: float | None
    overlap: float | None = None

    def _facts(self) -> dict[str, object]:
        placed = self.labels[self.labels != UNPLACED]
        return {
            "q": self.q,
            "sizes": np.unique(placed, return_counts=True)[1],
            "unplaced": len(self.labels) - len(placed),
        }


def profile_similarity(profiles: np.ndarray) -> np.ndarray:
    """How alike the profiles of units are: their correlation over the features, 0 where it is negative.

    The level of a profile does not matter, nor its size: a unit that all classes need alike is like no other.

    Args:
        profiles: (units, features), such as ``lesion_profiles`` or ``mask_membership`` give.

    Returns:
        (units, units), symmetric, in [0, 1]; rows of 0 for units whose profile is constant.

    Raises:
        InputError: if it is no such array of finite numbers.

    Chapter: ``do-the-measures-agree``.

    >>> profiles = np.array([[1.0, 0.0, 0.0], [5.0, 1.0, 1.0], [0.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
    >>> profile_similarity(profiles).round(2).tolist()
    [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    profiles = array(profiles, "profiles", ("units", "features"), dtype=np.float64)
    scale = np.abs(profiles).max()
    shapes = profiles / scale if scale else profiles
    level = np.abs(shapes).max(axis=1, keepdims=True)
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    length = np.linalg.norm(shapes, axis=1, keepdims=True)
    least = np.maximum(LEAST * length.max(), ROUNDING * level)
    shapes = np.divide(shapes, length, out=np.zeros_like(shapes), where=length > least)
    return np.clip(shapes @ shapes.T, 0, 1)


def similarity_clusters(similarity: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Clusters of units by normalised spectral clustering of a similarity graph.

    Args:
        similarity: (n, n), symmetric, not negative; its diagonal does not count.
        k: number of clusters, at most as many as there are units that are similar to another.
        rng: decides the k-means starts.

    Returns:
        (n,) labels; -1 for a unit that is similar to none. Fewer than k units that are similar to another are a cluster
        each.

    Raises:
        InputError: if the similarity is none, or k is below 1.

    Source: pruned-modular 2.2 for the clustering. Chapter: ``do-the-measures-agree``.

    >>> similarity = np.kron(np.eye(3), np.ones((2, 2)))[:5, :5]
    >>> similarity_clusters(similarity, 2, np.random.default_rng(0))[-1]
    np.int64(-1)
    """
    k, rng = whole(k, "k"), generator(rng)
    weights = adjacency(similarity)
    live = weights.sum(axis=1) > 0
    labels = np.full(len(weights), UNPLACED)
    count = int(live.sum())
    if count:
        part = weights[np.ix_(live, live)]
        labels[live] = np.arange(count) if count <= k else cluster(part, k, rng).labels
    return labels


def divided_by_notion(
    network: Network,
    inputs: np.ndarray,
    labels: np.ndarray,
    k: int,
    seed: int,
    notions: Sequence[str] = NOTIONS,
    masks: MaskSettings = MASKS,
) -> dict[str, list[Division]]:
    """The hidden units of a network, divided into modules by every notion.

    Of a network with convolutions they are the channels of these, of which ``channel_measures`` says how alike they
    are; its dense layers are left out, as they are of the neuron graph.

    - ``weights``: clusters of the neuron graph.
    - ``weights within layers``: the same by vectors that do not tell layers apart, see ``spectral_embedding``.
    - ``covariance``: units whose activity is correlated, in either direction.
    - ``images``: units whose activity has the same rank correlations with the inputs, in either direction.
    - ``input sensitivity``: communities of units that the same changes of the inputs move.
    - ``loss Hessian``: communities of units that bend the loss together.
    - ``output sensitivity``: units that move the outputs alike.
    - ``lesions``: units without which the same classes lose (``lesion_profiles``).
    - ``masks``: units of which masks of the same classes keep the weights (``mask_membership``).

    Communities are as many as Q makes them, all others k a layer, but those of weights, which are k in the network.

    Args:
        network: a perceptron, or a chain that begins with convolutions, with ReLU after all layers but the last.
        inputs: (n, features) or (n, channels, height, width), n at least 2.
        labels: (n,) classes, from 0.
        k: number of clusters.
        seed: decides the starts of all searches, and the masks.
        notions: some of ``NOTIONS``.
        masks: how masks are learned.

    Returns:
        For every notion, one ``Division`` a hidden layer, or a convolution.

    Raises:
        InputError: if the network is none of these, inputs or labels do not fit it, or a notion is not known.
        GraphError: if fewer than k neurons have a weight, in the even or in the odd layers together where clusters are
            to lie within layers; or a network has one convolution only, so that channels are not joined: leave out the
            notions of weights.

    Source: all five papers. Chapter: ``do-the-measures-agree``.

    >>> from modlib.networks import two_functions
    >>> known = two_functions(seed=0, n=200)
    >>> notions = ("weights", "output sensitivity")
    >>> found = divided_by_notion(known.network, known.inputs, known.labels, 2, seed=0, notions=notions)
    >>> [len(set(zip(of_layers[0].labels, known.functions[0]))) for of_layers in found.values()]  # pairs that occur
    [2, 2]
    >>> found["weights"][0]
    Division(q=None, sizes=[16, 16], unplaced=0)
    """
    network = instance(network, Network, "network", "pass modlib.networks.as_network(model)")
    inputs = network.inputs(inputs, at_least=2)
    convolved = network.layers[0].kind == "conv"
    hidden = range(1, 1 + (n_convolutions(network) if convolved else len(network.layers) - 1))
    labels = whole_numbers(labels, "labels", len(inputs), least=0, most=network.n_classes - 1)
    k, seed = whole(k, "k"), seed_number(seed)
    notions = list(dict.fromkeys(choice(notion, NOTIONS, "a notion") for notion in items(notions, "notions")))
    rngs = dict(zip(NOTIONS, np.random.default_rng(seed).spawn(len(NOTIONS)), strict=True))
    of_layers = _gradients_and_covariance(network, inputs, labels) if set(PLAIN) & set(notions) else {}
    found = {}
    for notion in notions:
        rng = rngs[notion]
        if notion in ROUTES:
            found[notion] = [Division(labels, None) for labels in hidden_labels(network, k, rng, ROUTES[notion])]
            continue
        overlaps: list[float | None] = [None] * len(hidden)
        match notion:
            case "images":
                alike = _by_images(network, inputs, len(hidden))
            case "lesions":
                alike = [profile_similarity(lesion_profiles(network, inputs, labels, layer)) for layer in hidden]
            case "masks":
                learned = learn_class_masks(network, inputs, labels, masks, rng)
                alike = [profile_similarity(shares) for shares in mask_membership(network, learned)[: len(hidden)]]
                overlaps = [_overlap(layer, [one.mask for one in learned]) for layer in network.layers[: len(hidden)]]
            case _:
                alike = of_layers[notion]
        divisions = (_division(similarity, k, rng, notion in BY_Q) for similarity in alike)
        found[notion] = [replace(one, overlap=overlap) for one, overlap in zip(divisions, overlaps, strict=True)]
    return found


def _overlap(layer: Layer, masks: Sequence[Mask]) -> float | None:
    """Mean intersection over union of two masks, of the weights of a layer that are not zero."""
    held = np.moveaxis(layer.kernel, (-1, -2), (0, 1)) != 0  # as PyTorch keeps it
    kept = np.stack([(mask.keep[f"{layer.name}.weight"].reshape(held.shape) & held).ravel() for mask in masks])
    both = kept.astype(np.float64) @ kept.T
    first, second = np.triu_indices(len(masks), 1)
    either = (both.diagonal()[:, None] + both.diagonal() - both)[first, second]
    shares = both[first, second][either > 0] / either[either > 0]
    return float(shares.mean()) if len(shares) else None


def _division(similarity: np.ndarray, k: int, rng: np.random.Generator, by_q: bool) -> Division:
    """Communities of a similarity graph, or its clusters."""
    if by_q:
        communities = find_communities(similarity, rng)
        return Division(communities.labels, communities.q)
    labels = similarity_clusters(similarity, k, rng)
    return Division(labels, modularity(similarity, labels))


def _gradients_and_covariance(network: Network, inputs: np.ndarray, labels: np.ndarray) -> dict[str, list[np.ndarray]]:
    """The four similarities of upstream-downstream for every hidden layer, normalised, by name."""
    if network.layers[0].kind == "conv":
        layers = channel_measures(network, inputs)
    else:
        layers = list(similarities(network, inputs, labels).values())
    return {name: [normalise(matrices[name]) for matrices in layers] for name in PLAIN}


def _by_images(network: Network, inputs: np.ndarray, n_layers: int) -> list[np.ndarray]:
    """Size of the cosine of the units' rank correlations with all inputs, for the first hidden layers."""
    found = []
    for activities in hidden_activities(network, inputs)[:n_layers]:
        images = spearman(activities, inputs.reshape(len(inputs), -1))
        directions = of_length_one(images, axis=1)
        found.append(np.abs(directions @ directions.T))
    return found
