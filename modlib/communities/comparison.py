"""Do two partitions of the same units agree, more than they would if labels were dealt at random?

Every measure of agreement has a level that chance alone reaches, which grows as clusters get fewer or less equal. Here
the level is known exactly: that of all permutations of the labels. Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modlib.checks import labels as whole_labels
from modlib.communities.partitions import UNUSED, element_similarity


@dataclass(frozen=True)
class Agreement:
    """How far two partitions agree, over the units that are in a cluster of both.

    Attributes:
        units: how many units these are.
        similarity: element-centric similarity, in [0, 1]; 1 if the partitions are equal.
        by_chance: its mean over all permutations of the labels of one partition, in [0, 1].
        mutual_information: adjusted mutual information, at most 1; 0 is what chance gives.
    """

    units: int
    similarity: float
    by_chance: float
    mutual_information: float

    @property
    def beyond_chance(self) -> float:
        """Similarity less what permuted labels have, in [-1, 1]."""
        return self.similarity - self.by_chance


def similarity_by_chance(first: np.ndarray, second: np.ndarray) -> float:
    """Mean element-centric similarity of two partitions over all permutations of the labels of one of them.

    Of clusters with a and b of n units, let m be the number of units in both. The similarity of two partitions is
    sum_{a, b} m^2 / max(a, b) / n, and with permuted labels m is hypergeometric:

    E[m^2] = (a b / n)^2 + a b (n - a) (n - b) / (n^2 (n - 1)).

    Args:
        first: one label a unit, (n,); -1 is a cluster as any other.
        second: the same.

    Raises:
        InputError: if the partitions differ in length, or labels are no whole numbers.

    Source: none of the papers; permutation model of Gates and Ahn (2017). Chapter: ``do-the-measures-agree``.

    Two halves of four units are equal with probability 1/3, and half alike otherwise; those of many are half alike:

    >>> [round(similarity_by_chance(*[np.arange(n) % 2] * 2), 3) for n in (4, 10_000)]
    [0.667, 0.5]
    """
    first = whole_labels(first, "first")
    second = whole_labels(second, "second", len(first))
    n = len(first)
    a, b = (np.unique(labels, return_counts=True)[1].astype(float) for labels in (first, second))
    a, b = a[:, None], b[None, :]
    mean = a * b / n
    variance = mean * (n - a) * (n - b) / (n * max(n - 1, 1))
    return float(((mean**2 + variance) / np.maximum(a, b)).sum() / n)


def agreement(first: np.ndarray, second: np.ndarray) -> Agreement:
    """How far two partitions agree, over the units that are in a cluster of both.

    A unit that is in no cluster is left out, or partitions would agree on which units are dead. Where both have one
    cluster, nothing can be told: the similarity is 1, by chance as well, and the mutual information 0.

    Args:
        first: one label a unit, (n,), from -1, which is no cluster.
        second: the same.

    Raises:
        InputError: if the partitions differ in length, or labels are no whole numbers of at least -1.

    Source: upstream-downstream 4.4 for the similarity; Vinh et al. (2010) for the mutual information. Chapter:
    ``do-the-measures-agree``.

    The last unit is in no cluster of the first partition; on the others both agree:

    >>> found = agreement([0, 0, 1, 1, -1], [1, 1, 0, 0, 0])
    >>> found.units, found.similarity, round(found.by_chance, 3), found.mutual_information
    (4, 1.0, 0.667, 1.0)
    """
    from sklearn.metrics import adjusted_mutual_info_score

    first = whole_labels(first, "first", least=UNUSED)
    second = whole_labels(second, "second", len(first), least=UNUSED)
    both = (first != UNUSED) & (second != UNUSED)
    first, second = first[both], second[both]
    if not len(first):
        return Agreement(0, 1.0, 1.0, 0.0)
    alone = len(np.unique(first)) == len(np.unique(second)) == 1
    information = 0.0 if alone else float(adjusted_mutual_info_score(first, second))
    return Agreement(
        len(first), element_similarity(first, second), similarity_by_chance(first, second), min(information, 1.0)
    )
