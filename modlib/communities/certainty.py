"""How sure is a partition? Several partitions of the same units, such as those of other random starts, put together.

Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modlib.checks import items, labels as whole_labels
from modlib.reprs import BriefRepr


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
    labels = (first, *others)[int(similarity.round(12).argmax())]
    return Consensus(labels, np.mean(known, axis=0), stability / (count * (count - 1) / 2), similarity)
