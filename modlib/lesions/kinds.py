"""Words for a sub-cluster, from what its lesion and those of random sets do.

Chapter: ``importance``.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from modlib.checks import array, instance, real
from modlib.graphs.subclusters import SubCluster

MIN_DROP = 0.01  # an accuracy that drops by more than one percentage point counts
MIN_PROPORTION = 0.05  # a sub-cluster with less of its layer is small
ROUNDING = 1e-12  # what the sum of some accuracies may leave where they cancel


class Kind(StrEnum):
    """What a lesion says about a sub-cluster; see ``kind`` and ``kind_in_first_paper``."""

    IMPORTANT = "important"
    SIGNIFICANT_ONLY = "sig-but-not-diff"
    DIFFERENT_ONLY = "diff-but-not-sig"
    PRUNABLE = "prunable"
    COMPLETE = "complete"
    SMALL = "small"
    OTHER = "other"


def kind(part: SubCluster, drop: float, random_drops: np.ndarray) -> Kind:
    """The words of importance-coherence for a sub-cluster.

    complete: it is all of the layer that is in a cluster, so that no random set differs. small: less than 5% of the
    layer, as one of 256 with at most 12 is in the authors' code. important: worse than every random set, and by more
    than a percentage point of accuracy; sig-but-not-diff and diff-but-not-sig: only one of both. prunable: less than a
    percentage point, and better than every random set. other: none of these.

    Args:
        part: the sub-cluster.
        drop: accuracy lost by its lesion.
        random_drops: (n,) accuracy lost by those of random sets.

    Raises:
        InputError: if a drop is not between -1 and 1, or there are none of random sets.

    Source: importance-coherence 3.2, figure 2 and A.9. Chapter: ``importance``.

    >>> part = SubCluster(layer=1, cluster=0, units=np.arange(4), pool=np.arange(20), width=20)
    >>> [str(kind(part, drop, np.array([0.002, 0.004]))) for drop in (0.2, 0.005, 0.003, 0.001)]
    ['important', 'sig-but-not-diff', 'other', 'prunable']
    """
    part, drop, random_drops = _checked(part, drop, random_drops)
    if len(part.units) == len(part.pool):
        return Kind.COMPLETE
    if part.proportion < MIN_PROPORTION:
        return Kind.SMALL
    found = _against_random(drop, random_drops)
    if found is Kind.OTHER and counts(drop):
        return Kind.DIFFERENT_ONLY
    return Kind.PRUNABLE if found is Kind.OTHER and drop < np.min(random_drops) else found


def kind_in_first_paper(part: SubCluster, drop: float, random_drops: np.ndarray) -> Kind:
    """The words of pruned-modular for a sub-cluster: small, important, sig-but-not-diff or other, see ``kind``.

    Small is less than 5% of the units that are in a cluster: the proportions that are printed are shares of these.

    Raises:
        InputError: as ``kind``.

    Source: pruned-modular 4.1, figure 5 and table A.18. Chapter: ``importance``.

    >>> part = SubCluster(layer=1, cluster=0, units=np.arange(4), pool=np.arange(20), width=20)
    >>> [str(kind_in_first_paper(part, drop, np.array([0.002, 0.004]))) for drop in (0.2, 0.005, 0.003, 0.001)]
    ['important', 'sig-but-not-diff', 'other', 'other']
    """
    part, drop, random_drops = _checked(part, drop, random_drops)
    small = len(part.units) < MIN_PROPORTION * len(part.pool)
    return Kind.SMALL if small else _against_random(drop, random_drops)


def _against_random(drop: float, random_drops: np.ndarray) -> Kind:
    if drop <= np.max(random_drops):
        return Kind.OTHER
    return Kind.IMPORTANT if counts(drop) else Kind.SIGNIFICANT_ONLY


def counts(drop: float) -> bool:
    """Whether accuracy drops by more than ``MIN_DROP``; 0.07 - 0.06, which is more by rounding alone, does not."""
    return drop > MIN_DROP + ROUNDING


def _checked(part: SubCluster, drop: float, random_drops: np.ndarray) -> tuple[SubCluster, float, np.ndarray]:
    part = instance(part, SubCluster, "part", "make it by sub_clusters")
    return part, real(drop, "drop", least=-1, most=1), array(random_drops, "random_drops", ("n",), least=-1, most=1)
