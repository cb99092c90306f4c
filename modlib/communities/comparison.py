"""Do two partitions of the same units agree, more than they would if labels were dealt at random?

Every measure of agreement has a level that chance alone reaches, which grows as clusters get fewer or less equal. Here
the level is known exactly: that of all permutations of the labels, or of those that exchange labels among like units
only, such as units of the same activity. Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modlib.checks import UNPLACED, array, generator, labels as whole_labels, whole
from modlib.communities.partitions import element_similarity


@dataclass(frozen=True)
class Agreement:
    """How far two partitions agree, over the units that are in a cluster of both.

    Attributes:
        units: how many units these are.
        similarity: element-centric similarity, in [0, 1]; 1 if the partitions are equal.
        by_chance: its mean over all permutations of the labels of one partition, in [0, 1]; within groups, if any.
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


def matched_groups(levels: np.ndarray, size: int = 16) -> np.ndarray:
    """Units in groups of like level: in the order of their levels, cut into groups of equal size.

    Args:
        levels: (units,) a number a unit, such as its mean activity; among equal ones the earlier unit comes first.
        size: units of a group, at least; the last units join the last group.

    Returns:
        (units,) numbers of groups, from the lowest.

    Raises:
        InputError: if levels are no finite numbers, or size is below 1.

    Source: none of the papers. Chapter: ``do-the-measures-agree``.

    >>> matched_groups([0.1, 5.0, 0.2, 7.0, 0.0], size=2).tolist()
    [0, 1, 1, 1, 0]
    """
    levels = array(levels, "levels", ("units",), dtype=np.float64)
    size = whole(size, "size")
    ranks = np.empty(len(levels), dtype=np.int64)
    ranks[np.argsort(levels, kind="stable")] = np.arange(len(levels))
    return np.minimum(ranks // size, max(len(levels) // size - 1, 0))


def similarity_by_chance(first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None) -> float:
    """Mean element-centric similarity of two partitions over all permutations of the labels of one of them.

    Of clusters with a and b units, let m be the number of units in both. The similarity of two partitions is
    sum_{a, b} m^2 / max(a, b) / n, and with permuted labels m is a sum of hypergeometric numbers, one for every group g
    of units among which labels are exchanged:

    E[m] = sum_g a_g b_g / n_g, Var[m] = sum_g a_g b_g (n_g - a_g) (n_g - b_g) / (n_g^2 (n_g - 1)).

    Args:
        first: one label a unit, (n,); -1 is a cluster as any other.
        second: the same.
        groups: one label a unit, (n,): labels are exchanged within groups only; all units are one by default.

    Raises:
        InputError: if they differ in length, or labels are no whole numbers.

    Source: none of the papers; permutation model of Gates and Ahn (2017). Chapter: ``do-the-measures-agree``.

    Two halves of four units are equal with probability 1/3, and half alike otherwise; those of many are half alike:

    >>> [round(similarity_by_chance(*[np.arange(n) % 2] * 2), 3) for n in (4, 10_000)]
    [0.667, 0.5]

    If labels go with the group, exchanges within groups change little:

    >>> level = np.arange(8) // 4
    >>> similarity_by_chance(level, level, groups=level), round(similarity_by_chance(level, level), 3)
    (1.0, 0.571)
    """
    first = whole_labels(first, "first")
    second = whole_labels(second, "second", len(first))
    groups = np.zeros(len(first), dtype=int) if groups is None else whole_labels(groups, "groups", len(first))
    one, other, group = (np.unique(labels, return_inverse=True)[1] for labels in (first, second, groups))
    mean, variance = np.zeros((2, one.max() + 1, other.max() + 1))
    for number in range(group.max() + 1):
        units = group == number
        n = int(units.sum())
        a, b = np.bincount(one[units], minlength=len(mean)), np.bincount(other[units], minlength=mean.shape[1])
        a, b = a[:, None].astype(float), b[None, :].astype(float)
        mean += a * b / n
        variance += a * b * (n - a) * (n - b) / (n * n * max(n - 1, 1))
    larger = np.maximum(np.bincount(one)[:, None], np.bincount(other)[None, :])
    return float(((mean**2 + variance) / larger).sum() / len(first))


def permuted_labels(labels: np.ndarray, rng: np.random.Generator, groups: np.ndarray | None = None) -> np.ndarray:
    """Labels of a partition dealt to other units, at random: a draw of what ``similarity_by_chance`` is the mean of.

    It is there for measures whose level of chance no formula gives. With the number of its layer as the group of a
    unit, labels stay in their layers; with ``matched_groups`` of its activity, among units of like activity.

    Args:
        labels: one label a unit, (n,); -1 is a label as any other. Units that are to keep theirs, such as those in no
            cluster, are groups of their own.
        rng: deals them.
        groups: one label a unit, (n,): labels are exchanged within groups only; all units are one by default.

    Returns:
        (n,) labels; every group has those that it had, and all of their orders are equally likely.

    Raises:
        InputError: if they differ in length, labels are no whole numbers, or no generator arrives.

    Source: none of the papers. Chapter: ``do-the-measures-agree``.

    Three units of the first layer exchange labels among themselves, and three of the second:

    >>> permuted_labels([0, 1, 2, 7, 8, 9], np.random.default_rng(1), groups=[1, 1, 1, 2, 2, 2]).tolist()
    [2, 0, 1, 8, 9, 7]
    """
    labels = whole_labels(labels, "labels")
    groups = np.zeros(len(labels), dtype=int) if groups is None else whole_labels(groups, "groups", len(labels))
    dealt = np.empty_like(labels)
    dealt[np.argsort(groups, kind="stable")] = labels[np.lexsort((generator(rng).random(len(labels)), groups))]
    return dealt


def agreement(first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None) -> Agreement:
    """How far two partitions agree, over the units that are in a cluster of both.

    A unit that is in no cluster is left out, or partitions would agree on which units are dead. Where both have one
    cluster, or one for every unit, nothing can be told: the similarity is 1, by chance as well, and the mutual
    information 0.

    Args:
        first: one label a unit, (n,), from -1, which is no cluster.
        second: the same.
        groups: see ``similarity_by_chance``; adjusted mutual information has no groups.

    Raises:
        InputError: if they differ in length, or labels are no whole numbers of at least -1.

    Source: upstream-downstream 4.4 for the similarity; Vinh et al. (2010) for the mutual information. Chapter:
    ``do-the-measures-agree``.

    The last unit is in no cluster of the first partition; on the others both agree:

    >>> found = agreement([0, 0, 1, 1, -1], [1, 1, 0, 0, 0])
    >>> found.units, found.similarity, round(found.by_chance, 3), found.mutual_information
    (4, 1.0, 0.667, 1.0)
    """
    from sklearn.metrics import adjusted_mutual_info_score

    first = whole_labels(first, "first", least=UNPLACED)
    second = whole_labels(second, "second", len(first), least=UNPLACED)
    both = (first != UNPLACED) & (second != UNPLACED)
    if groups is not None:
        groups = whole_labels(groups, "groups", len(first))[both]
    first, second = first[both], second[both]
    if not len(first):
        return Agreement(0, 1.0, 1.0, 0.0)
    clusters = len(np.unique(first)), len(np.unique(second))
    nothing_told = clusters in ((1, 1), (len(first), len(first)))
    information = 0.0 if nothing_told else float(adjusted_mutual_info_score(first, second))
    by_chance = similarity_by_chance(first, second, groups)
    return Agreement(len(first), element_similarity(first, second), by_chance, min(information, 1.0))
