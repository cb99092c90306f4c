"""Statistics that decide what two papers say in words of double lesions, from rows of ``dependencies``.

They were written before any of the rows. Chapter: ``dependencies``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, over_networks
from modlib.evidence.sentences import Sentences, share_of
from modlib.graphs.subclusters import layer_and_cluster
from modlib.lesions.kinds import Kind


def relevant_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Ordered pairs of sub-clusters that are important alone and lie in different layers.

    Args:
        rows: of ``dependencies``.

    Returns:
        The rows, with columns ``given`` (whether the second is important given the first) and ``same`` (whether both
        belong to one cluster).
    """
    pairs = zip(rows["first"].map(layer_and_cluster), rows["second"].map(layer_and_cluster), strict=True)
    same = [(first[0] == second[0], first[1] == second[1]) for first, second in pairs]
    same_layer, same_cluster = np.array(same, dtype=bool).reshape(-1, 2).T
    rows = rows.assign(given=rows["important"] == "yes", same=same_cluster)
    important = (rows[["first_kind", "second_kind"]] == Kind.IMPORTANT).all(axis=1)
    return rows[important & ~same_layer]


def dependent_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Unordered pairs of them, with ``dependent``: whether one is unimportant given the other.

    Source: pruned-modular 4.2; importance-coherence A.10. Chapter: ``dependencies``.
    """
    pairs = relevant_pairs(rows)
    ends = ["|".join(sorted(pair)) for pair in zip(pairs["first"], pairs["second"], strict=True)]
    pairs = pairs.assign(pair=ends).groupby(["seed", "pair"]).agg(same=("same", "first"), both=("given", "all"))
    return pairs.assign(dependent=~pairs["both"]).reset_index()


def _given(rows: pd.DataFrame) -> Sample | None:
    """Share of ordered pairs in which the second is important given the first, by network."""
    pairs = relevant_pairs(rows)
    return over_networks(pairs.groupby("seed")["given"].mean()) if len(pairs) else None


def _own_cluster(rows: pd.DataFrame) -> Sample | None:
    """Share of dependent pairs within clusters less that between clusters, by network with pairs of both kinds."""
    if rows.empty or (pairs := dependent_pairs(rows)).empty:
        return None
    shares = pairs.groupby(["seed", "same"])["dependent"].mean().unstack()
    differences = (shares[True] - shares[False]).dropna() if shares.shape[1] == 2 else shares.iloc[:0, 0]
    return over_networks(differences.astype(float)) if len(differences) else None


FINDINGS = {
    "given": Metric("share of ordered pairs in which the second is important given the first", _given),
    "own_cluster": Metric("share of dependent pairs within a cluster less that between clusters", _own_cluster),
}


def found(rows: pd.DataFrame) -> Sentences:
    """How many important sub-clusters need another one, whether they are of its cluster, and in which direction."""
    return _told_given(relevant_pairs(rows)), _told_cluster(dependent_pairs(rows)), _told_order(relevant_pairs(rows))


def _told_given(pairs: pd.DataFrame) -> str | None:
    if pairs.empty:
        return None
    needed = ~pairs["given"]
    answer = "Few need each other" if needed.mean() < 0.5 else "Most need each other"
    return (
        f"{answer}: take two important sub-clusters in different layers and silence one; in {share_of(needed)} cases, "
        f"{needed.mean():.0%}, the other is no longer important."
    )


def _told_cluster(pairs: pd.DataFrame) -> str | None:
    if pairs.empty:
        return None
    within, between = (pairs.loc[pairs["same"] == same, "dependent"] for same in (True, False))
    if within.empty or between.empty:
        return None
    words = "more often" if within.mean() > between.mean() else "no more often"
    return (
        f"Two sub-clusters of one cluster depend on each other {words} than two of different clusters: "
        f"{share_of(within)} pairs against {share_of(between)}."
    )


def _told_order(pairs: pd.DataFrame) -> str | None:
    first, second = (pairs[name].map(lambda name: layer_and_cluster(name)[0]) for name in ("first", "second"))
    after, before = ~pairs.loc[second > first, "given"], ~pairs.loc[second < first, "given"]
    if after.empty or before.empty:
        return None
    words = "nearer the output" if after.mean() > before.mean() else "nearer the input"
    return (
        f"It is more often the one {words} that depends on the other: the one nearer the output in {share_of(after)} "
        f"cases, the one nearer the input in {share_of(before)}."
    )
