"""Lesions: what does a network lose without some of its units?

A lesion sets the incoming weights of units to zero, so that they no longer see the input. The damage of a sub-cluster
is compared with that of random sets of as many units of the same layer, alone or with another sub-cluster lesioned
first. What comes before the lesioned layer is computed once for all of them. Chapters: ``importance``,
``dependencies``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol

import numpy as np

from modlib.checks import array, flag, generator, instance, items, labels as whole_numbers, mapping, whole
from modlib.graphs.subclusters import SubCluster
from modlib.lesions import sparse
from modlib.lesions.kinds import ROUNDING, counts
from modlib.networks.traces import AnyNetwork, Trace, n_scores, network_or_trace
from modlib.reprs import BriefRepr, mean_of
from modlib.stats import monte_carlo_p


@dataclass(frozen=True, eq=False, repr=False)
class Damage(BriefRepr):
    """What a lesion does to accuracy on a test set.

    Attributes:
        drop: accuracy of the network minus that with the lesion, in [-1, 1].
        class_drops: (classes,) the same for the images of each class that is present, in ascending order.
    """

    drop: float
    class_drops: np.ndarray

    @property
    def class_range(self) -> float:
        """Largest minus smallest class-wise drop, over the absolute mean of them; 0 if no class changes.

        A lesion that hurts all classes alike has 0; one of ten classes alone has 10.

        Source: importance-coherence 3.2. Chapter: ``importance``.
        """
        spread, mean = np.ptp(self.class_drops), abs(self.class_drops.mean())
        if mean < ROUNDING:  # drops of a class are whole parts of its images: what is less has cancelled
            return 0.0 if spread == 0 else float("inf")
        return float(spread / mean)


@dataclass(frozen=True, eq=False, repr=False)
class LesionTest(BriefRepr):
    """A sub-cluster against random sets of as many units of its layer.

    Attributes:
        part: the sub-cluster.
        damage: of its lesion.
        random: of the lesions of the random sets.
    """

    part: SubCluster
    damage: Damage
    random: tuple[Damage, ...]

    def _facts(self) -> dict[str, object]:
        return {"part": self.part.name, "drop": self.damage.drop, "random_drops": mean_of(self.random_drops)}

    @property
    def random_drops(self) -> np.ndarray:
        """(n,) drops in accuracy of the random sets."""
        return np.array([damage.drop for damage in self.random])

    @property
    def random_ranges(self) -> np.ndarray:
        """(n,) class-wise ranges of the random sets."""
        return np.array([damage.class_range for damage in self.random])


@dataclass(frozen=True, eq=False, repr=False)
class DoubleLesion(BriefRepr):
    """A sub-cluster lesioned on top of another one, against random sets in its place.

    Attributes:
        first: the sub-cluster that is lesioned already, X.
        second: the sub-cluster that is lesioned as well, Y.
        delta: l(X and Y) - l(X): what Y costs once X is gone; l is the drop in accuracy.
        random: (n,) l(X and Y') - l(X) for random sets Y' of as many units of Y's layer.
    """

    first: SubCluster
    second: SubCluster
    delta: float
    random: np.ndarray

    def _facts(self) -> dict[str, object]:
        names = {"first": self.first.name, "second": self.second.name}
        return {**names, "delta": self.delta, "random": mean_of(self.random), "p": self.p}

    @property
    def p(self) -> float:
        """How often does a random set cost at least as much? See ``monte_carlo_p``."""
        return monte_carlo_p(self.delta, self.random, side="large")

    @property
    def is_important(self) -> bool:
        """Whether Y is important given X: it costs more than every random set, and more than ``MIN_DROP``.

        Source: importance-coherence A.10, pruned-modular 4.2. Chapter: ``dependencies``.
        """
        return bool(self.delta > self.random.max() and counts(self.delta))


class Answers(Protocol):
    """A way to compute what a network says with each of many lesions of one layer.

    They are tested against each other: ``sparse.answers`` for pruned perceptrons, ``passes.answers`` for other chains,
    ``traced.answers`` for networks of any shape.
    """

    def __call__(
        self,
        network: Any,
        images: np.ndarray,
        layer: int,
        masks: np.ndarray,
        common: Mapping[int, np.ndarray],
        zero_biases: bool,
    ) -> Iterator[np.ndarray]:
        """Numbers of the largest outputs, (sets, images), for a block of images after the other.

        Args:
            network: the network.
            images: (n, ...), as it takes them.
            layer: hidden layer that is lesioned, from 1.
            masks: (sets, units) bool, which of its units are.
            common: (units,) masks of other layers that all lesions have in common.
            zero_biases: whether the biases of lesioned units are zero as well.
        """


def damages(
    network: AnyNetwork,
    images: np.ndarray,
    labels: np.ndarray,
    layer: int,
    sets: Sequence[np.ndarray],
    lesioned: Mapping[int, np.ndarray] | None = None,
    *,
    zero_biases: bool = False,
) -> list[Damage]:
    """Damage of many lesions of one layer, each against the whole network.

    A unit with incoming weights of zero has its bias as pre-activation, for every image. The layers before are
    computed once, those behind for a batch of lesions at a time.

    Args:
        network: a chain of layers, see ``as_network``, or a network of any shape, see ``trace``; it is not changed.
        images: (n, pixels) or (n, channels, height, width), as the network takes them; of a traced network whatever
            it takes.
        labels: (n,) classes, from 0.
        layer: hidden layer, from 1; of a traced network its number in ``layers``. Units of a recurrent layer lose the
            weights into all their gates, heads of attention those of their values.
        sets: indices of units to lesion, one array a lesion.
        lesioned: units of any layers that all lesions have in common, by layer.
        zero_biases: whether the biases of lesioned units are set to zero as well, as in the authors' code. A bias that
            a step of its own adds stays.

    Returns:
        One ``Damage`` a lesion.

    Raises:
        InputError: if the network has no such hidden layer or unit, a set is empty, or images and labels do not fit.

    Source: importance-coherence 3.2; pruned-modular 4.1. Chapter: ``importance``.

    The first module tells the first two classes apart; without it one of them is lost, without two of its units none:

    >>> from modlib.networks import side_by_side
    >>> network, images, classes, modules = side_by_side(copies=3, n=100, seed=0)
    >>> damages(network, images, classes, 1, [np.flatnonzero(modules[0] == 0), [0, 1]])
    [Damage(drop=0.25, class_drops=[0, 1, 0, 0]), Damage(drop=0, class_drops=[0, 0, 0, 0])]
    """
    network = network_or_trace(network)
    images, labels = _checked(images, labels, network)
    layer, zero_biases = network.hidden_layer(layer), flag(zero_biases, "zero_biases")
    given = mapping({} if lesioned is None else lesioned, "lesioned", "pass {layer: units}")
    common = {network.hidden_layer(at): _mask(network, at, units) for at, units in given.items()}
    masks = np.array([_mask(network, layer, units) for units in items(sets, "sets")])
    masks |= common.pop(layer, False)
    classes, of_class = np.unique(labels, return_counts=True)
    answers: Answers
    if isinstance(network, Trace):
        from modlib.lesions.traced import answers
    elif sparse.is_pruned_perceptron(network) and images.ndim == 2:
        answers = sparse.answers
    else:
        from modlib.lesions.passes import answers

    def right(masks: np.ndarray, common: Mapping[int, np.ndarray]) -> np.ndarray:
        """Right answers (sets, classes)."""
        counts, seen = np.zeros((len(masks), len(classes)), dtype=int), 0
        for said in answers(network, images, layer, masks, common, zero_biases):
            wanted = labels[seen : seen + said.shape[1]]
            counts += (said == wanted) @ (wanted[:, None] == classes).astype(int)
            seen += len(wanted)
        return counts

    lost = right(np.zeros_like(masks[:1]), {}) - right(masks, common)
    return [Damage(float(one.sum() / len(labels)), one / of_class) for one in lost]


def lesion_tests(
    network: AnyNetwork,
    images: np.ndarray,
    labels: np.ndarray,
    parts: Sequence[SubCluster],
    n_random: int,
    rng: np.random.Generator,
    *,
    zero_biases: bool = False,
) -> list[LesionTest]:
    """Lesion every sub-cluster, and random sets of as many units of its layer.

    Args:
        network: the network.
        images: test images, see ``damages``.
        labels: (n,) their classes.
        parts: sub-clusters, layer by layer.
        n_random: random sets a sub-cluster.
        rng: decides them.
        zero_biases: see ``damages``.

    Raises:
        InputError: as ``damages``, or if n_random is below 1.

    Source: importance-coherence 3.2; pruned-modular 4.1. Chapter: ``importance``.

    A module is missed, as many random units are not:

    >>> from modlib.graphs import sub_clusters
    >>> from modlib.networks import side_by_side
    >>> network, images, classes, modules = side_by_side(copies=3, n=100, seed=0)
    >>> tests = lesion_tests(network, images, classes, sub_clusters(modules), 9, np.random.default_rng(0))
    >>> [(test.part.name, bool(test.damage.drop > test.random_drops.mean())) for test in tests]
    [('1-0', True), ('1-1', True), ('2-0', True), ('2-1', True)]
    """
    parts, n_random, rng = _parts(parts), whole(n_random, "n_random"), generator(rng)
    tests = []
    for layer, group in groupby(parts, key=attrgetter("layer")):
        of_layer = list(group)
        sets = [units for part in of_layer for units in part.and_random(n_random, rng)]
        found = damages(network, images, labels, layer, sets, zero_biases=zero_biases)
        step = 1 + n_random
        for i, part in enumerate(of_layer):
            true, *random = found[i * step : (i + 1) * step]
            tests.append(LesionTest(part, true, tuple(random)))
    return tests


def double_lesions(
    network: AnyNetwork,
    images: np.ndarray,
    labels: np.ndarray,
    parts: Sequence[SubCluster],
    n_random: int,
    rng: np.random.Generator,
    *,
    zero_biases: bool = False,
) -> list[DoubleLesion]:
    """Lesion every ordered pair of sub-clusters, and the first of each with random sets in place of the second.

    Pairs within a layer are included, where a random set may share units with the first sub-cluster.

    Args:
        network: the network.
        images: test images, see ``damages``.
        labels: (n,) their classes.
        parts: sub-clusters, layer by layer.
        n_random: random sets a pair.
        rng: decides them.
        zero_biases: see ``damages``.

    Raises:
        InputError: as ``damages``, or if n_random is below 1.

    Source: importance-coherence A.10; pruned-modular 4.2. Chapter: ``dependencies``.

    Once a module is gone in the first layer, its units in the second are of no use any more; the other module is:

    >>> from modlib.graphs import sub_clusters
    >>> from modlib.networks import side_by_side
    >>> network, images, classes, modules = side_by_side(copies=3, n=100, seed=0)
    >>> pairs = double_lesions(network, images, classes, sub_clusters(modules), 9, np.random.default_rng(0))
    >>> [(pair.second.name, round(pair.delta, 2)) for pair in pairs if pair.first.name == "1-0"]
    [('1-1', 0.5), ('2-0', 0.0), ('2-1', 0.5)]
    """
    parts, n_random, rng = _parts(parts), whole(n_random, "n_random"), generator(rng)
    pairs = []
    for first in parts:
        gone = {first.layer: first.units}
        alone = damages(network, images, labels, first.layer, [first.units], zero_biases=zero_biases)[0].drop
        for layer, group in groupby(parts, key=attrgetter("layer")):
            others = [part for part in group if part is not first]
            sets = [units for part in others for units in part.and_random(n_random, rng)]
            if not sets:
                continue
            drops = np.array(
                [found.drop for found in damages(network, images, labels, layer, sets, gone, zero_biases=zero_biases)]
            )
            for part, (delta, *random) in zip(others, (drops - alone).reshape(len(others), -1), strict=True):
                pairs.append(DoubleLesion(first, part, float(delta), np.array(random)))
    return pairs


def _mask(network: AnyNetwork, layer: int, units: np.ndarray) -> np.ndarray:
    width = network.width(layer)
    mask = np.zeros(width, dtype=bool)
    mask[whole_numbers(units, f"units of layer {layer}", "units", least=0, most=width - 1)] = True
    return mask


def _checked(images: np.ndarray, labels: np.ndarray, network: AnyNetwork) -> tuple[np.ndarray, np.ndarray]:
    # The pass of a traced network checks their shape itself.
    images = array(images, "images") if isinstance(network, Trace) else network.inputs(images, "images")
    return images, whole_numbers(labels, "labels", len(images), least=0, most=n_scores(network) - 1)


def _parts(parts: Sequence[SubCluster]) -> list[SubCluster]:
    return [instance(part, SubCluster, "a part", "make them by sub_clusters") for part in items(parts, "parts")]
