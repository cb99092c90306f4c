"""How sure is a partition? Several partitions of the same units, such as those of other random starts, put together.

And which number of modules, or which resolution, gives partitions that one can be sure of? Chapter:
``do-the-measures-agree``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from modlib.checks import UNPLACED, function, generator, items, labels as whole_labels, whole
from modlib.communities.comparison import agreement
from modlib.reprs import BriefRepr

S = TypeVar("S", int, float)


@dataclass(frozen=True, eq=False, repr=False)
class Consensus(BriefRepr):
    """What several partitions of the same units have in common.

    Attributes:
        labels: (n,) the one of the partitions that is most like the others on average; the first of equal ones.
        together: (n, n) share of the partitions in which two units are in one cluster, in [0, 1].
        stability: (n,) how alike the partitions are around each unit, in (0, 1]; 1 if its cluster is always the same.
        similarity: (partitions,) mean element-centric similarity of each partition to the others, in (0, 1].
    """

    labels: np.ndarray
    together: np.ndarray
    stability: np.ndarray
    similarity: np.ndarray

    def _facts(self) -> dict[str, object]:
        sizes = np.unique(self.labels, return_counts=True)[1]
        return {"sizes": sizes, "stability": self.stability.mean(), "partitions": len(self.similarity)}


def consensus(partitions: Sequence[np.ndarray]) -> Consensus:
    """What several partitions of the same units have in common, and how stable each unit is.

    The stability of a unit is the mean over pairs of partitions of its element-centric similarity: of its clusters C
    and D, |C n D| / max(|C|, |D|). The mean of all units is the mean similarity of pairs of partitions.

    Args:
        partitions: at least two, one label a unit each, (n,), from other seeds or starts, or other halves of the data.
            -1 is a cluster as any other: units that no search places belong together.

    Raises:
        InputError: if there are fewer than two, or they differ in length.

    Source: none of the papers; co-occurrence after Monti et al. (2003), stability of elements after Gates et al.
    (2019). Chapter: ``do-the-measures-agree``.

    The last unit is now here, now there, so it is the least stable:

    >>> found = consensus([[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0]])
    >>> found, found.labels.tolist()
    (Consensus(sizes=[3, 3], stability=0.7593, partitions=3), [0, 0, 0, 1, 1, 1])
    >>> found.stability.round(2).tolist()
    [0.83, 0.83, 0.83, 0.78, 0.78, 0.5]
    """
    first, *others = items(partitions, "partitions", least=2)
    first = whole_labels(first, "partitions[0]")
    others = [whole_labels(other, f"partitions[{i}]", len(first)) for i, other in enumerate(others, start=1)]
    known = [(labels[:, None] == labels).astype(np.float64) for labels in (first, *others)]
    count = len(known)
    sizes = [same.sum(axis=1) for same in known]
    stability, similarity = np.zeros(len(first)), np.zeros(count)
    for i in range(count):
        for j in range(i):
            alike = (known[i] * known[j]).sum(axis=1) / np.maximum(sizes[i], sizes[j])
            stability += alike
            similarity[[i, j]] += alike.mean()
    similarity /= count - 1
    labels = (first, *others)[int(similarity.round(12).argmax())].copy()
    return Consensus(labels, np.mean(known, axis=0), stability / (count * (count - 1) / 2), similarity)


@dataclass(frozen=True)
class SweepPoint:
    """How sure partitions are with one setting of a search.

    Attributes:
        setting: such as the number of clusters, or a resolution.
        modules: how many modules the partitions have, their mean.
        similarity: mean element-centric similarity of two of them, in (0, 1].
        by_chance: what permuted labels would have, in (0, 1].
    """

    setting: float
    modules: float
    similarity: float
    by_chance: float

    @property
    def beyond_chance(self) -> float:
        """Similarity less what permuted labels have, in [-1, 1]."""
        return self.similarity - self.by_chance


def sweep(
    divide: Callable[[S, np.random.Generator], np.ndarray],
    settings: Sequence[S],
    rng: np.random.Generator,
    starts: int = 6,
) -> list[SweepPoint]:
    """How far partitions from other random starts agree, with every setting of a search.

    A number of modules that is there is found again from any start; one too many splits now this one, now that one.
    A single module is always found again, so what counts is the similarity beyond chance.

    Args:
        divide: makes labels, (n,), -1 for no module, of a setting and a generator; such as
            ``lambda k, rng: cluster(graph, k, rng).labels`` or ``lambda r, rng: leiden(similarity, rng, r).labels``.
        settings: numbers of clusters, or resolutions.
        rng: source of all starts.
        starts: partitions with each setting, at least 2.

    Raises:
        InputError: if there is no setting, or partitions differ in length.

    Source: none of the papers; stability as a choice of k after Lange et al. (2004). Chapter:
    ``do-the-measures-agree``.

    >>> def halves(k, rng):
    ...     return np.arange(6) // 3 if k == 2 else rng.integers(k, size=6)
    >>> [point.similarity == 1 for point in sweep(halves, [2, 3], np.random.default_rng(0))]
    [True, False]
    """
    function(divide, "divide", "pass one that makes labels of a setting and a generator")
    settings, rng, starts = items(settings, "settings"), generator(rng), whole(starts, "starts", 2)
    points = []
    for setting in settings:
        found = [whole_labels(divide(setting, rng), "what divide gives", least=UNPLACED) for _ in range(starts)]
        pairs = [agreement(first, second) for first, second in combinations(found, 2)]
        modules = np.mean([len(np.unique(labels[labels != UNPLACED])) for labels in found])
        similarity, by_chance = (
            np.mean([getattr(pair, name) for pair in pairs]) for name in ("similarity", "by_chance")
        )
        points.append(SweepPoint(setting, float(modules), float(similarity), float(by_chance)))
    return points
