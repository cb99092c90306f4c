"""Statistics that decide what two papers say in words of lesions, from rows of ``importance`` and ``dependencies``.

They were written before any of the rows. Chapters: ``importance``, ``dependencies``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from modlib.criteria import SIGNIFICANT, Sample
from modlib.experiments.importance import DROP, RANGE
from modlib.lesions import Kind
from modlib.metrics import combined_by_network, over_networks, statistic
from modlib.stats import chi_squared_uniform, fisher_combined, median_p

KIND = ("network", "dataset", "dropout", "k")  # columns that the replicates of one kind of network share


def combined(
    rows: pd.DataFrame, measure: str, combine: Callable[[np.ndarray, int], float], ties: str = "for"
) -> pd.Series:
    """Median over replicates of a test that combines the p-values of their sub-clusters, by kind of network.

    Args:
        rows: of ``importance``.
        measure: ``DROP`` or ``RANGE``.
        combine: ``fisher_combined`` or ``chi_squared_uniform``.
        ties: see ``combined_by_network``.
    """
    rows = rows[rows["measure"] == measure]
    of_each = combined_by_network(rows, [*KIND, "seed"], combine, ties)
    return of_each.groupby(list(KIND)).agg(lambda p: median_p(p.to_numpy()))


def _share_significant(rows: pd.DataFrame, measure: str, combine: Callable[[np.ndarray, int], float]) -> Sample | None:
    """Share of the kinds of network whose median p-value is below 0.05."""
    if rows.empty:
        return None
    below = combined(rows, measure, combine) < SIGNIFICANT
    return Sample(float(below.mean()), len(below))


def _same_side(rows: pd.DataFrame) -> Sample | None:
    """Share of p-values with 8 or 18 clusters that lie on the same side of 0.05 as those with 12."""
    rows = rows[rows["k"].isin([8, 12, 18])]
    if rows["k"].nunique() < 3:
        return None
    same = []
    for measure in (DROP, RANGE):
        for combine in (fisher_combined, chi_squared_uniform):
            below = (combined(rows, measure, combine) < SIGNIFICANT).unstack("k").dropna()
            same += [(below[k] == below[12]).to_numpy() for k in (8, 18)]
    agree = np.concatenate(same)
    return Sample(float(agree.mean()), agree.size) if agree.size else None


def _drops(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a sub-cluster."""
    return rows[rows["measure"] == DROP]


def _some_important(rows: pd.DataFrame) -> Sample | None:
    """Share of networks in which sub-clusters are important, but fewer than half of them."""
    important = (_drops(rows)["kind"] == Kind.IMPORTANT).groupby(rows["seed"]).mean()
    return Sample(float(important.between(0, 0.5, inclusive="neither").mean()), len(important)) if len(rows) else None


def _large_and_significant(rows: pd.DataFrame) -> Sample | None:
    """Of the sub-clusters with at least 5% of their layer, the share that is worse than all random sets, by network."""
    large = _drops(rows)
    large = large[large["kind_in_first_paper"] != Kind.SMALL]
    significant = large["kind_in_first_paper"].isin([Kind.IMPORTANT, Kind.SIGNIFICANT_ONLY])
    return over_networks(significant.groupby(large["seed"]).mean()) if len(large) else None


def relevant_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Ordered pairs of sub-clusters that are important alone and lie in different layers.

    Args:
        rows: of ``dependencies``.

    Returns:
        The rows, with columns ``given`` (whether the second is important given the first) and ``same`` (whether both
        belong to one cluster).
    """
    layer, cluster = ({side: rows[side].str.split("-").str[i] for side in ("first", "second")} for i in (0, 1))
    rows = rows.assign(given=rows["important"] == "yes", same=cluster["first"] == cluster["second"])
    important = (rows[["first_kind", "second_kind"]] == Kind.IMPORTANT).all(axis=1)
    return rows[important & (layer["first"] != layer["second"])]


def dependent_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Unordered pairs of them, with ``dependent``: whether one is unimportant given the other.

    Source: pruned-modular 4.2; importance-coherence A.10. Chapter: ``dependencies``.
    """
    pairs = relevant_pairs(rows)
    ends = ["|".join(sorted(pair)) for pair in zip(pairs["first"], pairs["second"], strict=True)]
    pairs = pairs.assign(pair=ends).groupby(["seed", "pair"]).agg(same=("same", "first"), both=("given", "all"))
    return pairs.assign(dependent=~pairs["both"]).reset_index()


def _given(rows: pd.DataFrame) -> Sample | None:
    """Share of ordered pairs in which the second is important given the first, all networks together."""
    pairs = relevant_pairs(rows)
    return Sample(float(pairs["given"].mean()), len(pairs)) if len(pairs) else None


def _own_cluster(rows: pd.DataFrame) -> Sample | None:
    """Share of dependent pairs within clusters less that between clusters, by network with pairs of both kinds."""
    if rows.empty or (pairs := dependent_pairs(rows)).empty:
        return None
    shares = pairs.groupby(["seed", "same"])["dependent"].mean().unstack()
    differences = (shares[True] - shares[False]).dropna() if shares.shape[1] == 2 else shares.iloc[:0, 0]
    return over_networks(differences.astype(float)) if len(differences) else None


LESION_FINDINGS = {
    "importance_fisher": statistic(
        "share of kinds of network with a Fisher p below 0.05, importance",
        partial(_share_significant, measure=DROP, combine=fisher_combined),
    ),
    "importance_chi2": statistic(
        "share of kinds of network with a chi-squared p below 0.05, importance",
        partial(_share_significant, measure=DROP, combine=chi_squared_uniform),
    ),
    "range_fisher": statistic(
        "share of kinds of network with a Fisher p below 0.05, class-wise range",
        partial(_share_significant, measure=RANGE, combine=fisher_combined),
    ),
    "same_side": statistic("share of p-values on the side of 0.05 where that with 12 clusters is", _same_side),
    "some_important": statistic("share of networks with some important sub-clusters, fewer than half", _some_important),
    "large_significant": statistic(
        "share of sub-clusters with at least 5% of their layer that are worse than all random sets",
        _large_and_significant,
    ),
    "given": statistic("share of ordered pairs in which the second is important given the first", _given),
    "own_cluster": statistic("share of dependent pairs within a cluster less that between clusters", _own_cluster),
}
