"""Statistics that decide what two papers say in words of double lesions, from rows of ``dependencies``.

Chapter: ``dependencies``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd

from modlib.evidence.criteria import SIGNIFICANT, Sample
from modlib.evidence.metrics import Metric, over_networks, sample_of
from modlib.evidence.sentences import Sentences, listed, share_of, told, which_way
from modlib.graphs.subclusters import layer_and_cluster
from modlib.lesions.kinds import Kind

EITHER = "not clearly more often the one than the other"


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
    """Unordered pairs of them, by network and ``k``, with ``dependent``: whether one is unimportant given the other.

    Source: pruned-modular 4.2; importance-coherence A.10. Chapter: ``dependencies``.
    """
    pairs = relevant_pairs(rows)
    ends = ["|".join(sorted(pair)) for pair in zip(pairs["first"], pairs["second"], strict=True)]
    by_pair = pairs.assign(pair=ends).groupby(["k", "seed", "pair"])
    pairs = by_pair.agg(same=("same", "first"), both=("given", "all"))
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


def _correlation_of_orders(pairs: pd.DataFrame) -> Sample | None:
    """Spearman's correlation of what X costs given Y with what Y costs given X, over all pairs, by network."""
    networks = []
    for _, part in pairs.groupby("seed"):
        cells = zip(part["first"].astype(str), part["second"].astype(str), part["delta"].astype(float), strict=True)
        networks.append(_both_orders({(first, second): delta for first, second, delta in cells}))
    return sample_of(networks) if networks else None


def _both_orders(deltas: Mapping[tuple[str, str], float]) -> float:
    from scipy.stats import spearmanr

    both = [(delta, deltas[b, a]) for (a, b), delta in deltas.items() if a != b and (b, a) in deltas]
    return float(spearmanr(*zip(*both, strict=True)).statistic) if len(both) > 2 else math.nan


def _share(rows: pd.DataFrame, are_such: Callable[[pd.DataFrame], pd.Series]) -> Sample | None:
    """Share of ordered pairs that are such, by network."""
    return over_networks(are_such(rows).groupby(rows["seed"]).mean()) if len(rows) else None


def _printed_cells(table: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Of figure 9: damage of the first sub-cluster given the second, in percent; without what the source has lost."""
    cells = _of_pairs(table[(table["metric"] == "delta_percent") & (table["value"] != "")])
    ends = (row.split("_") for row in cells["row"])
    return {(a, b): float(value) for (a, b), value in zip(ends, cells["value"], strict=True)}


def _of_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Lines of figure 9 without its diagonal, which holds single lesions."""
    return table[[len({*row.split("_")}) > 1 for row in table["row"]]]


def _printed_pairs(table: pd.DataFrame, between: str) -> dict[tuple[str, str], float]:
    """Of a table with a line for two sub-clusters: its two deltas, in both orders."""
    deltas = table[table["metric"].str.startswith("delta")].sort_values(["row", "metric"])
    found: dict[tuple[str, str], float] = {}
    for name, part in deltas.groupby("row"):
        a, b = str(name).split(between)
        found |= dict(zip(((a, b), (b, a)), part["value"].astype(float), strict=True))
    return found


def _printed_share(table: pd.DataFrame, mark: str) -> float:
    cells = _of_pairs(table)
    marks = cells.loc[(cells["metric"] == "mark") & (cells["value"] != "unclear"), "value"]
    return float((marks == mark).mean())


def _printed_given(table: pd.DataFrame) -> float:
    return float((table["value"] == "yes").mean())


def _pairs_metric(needs: tuple[str, ...], between: str) -> Metric:
    """Of sub-clusters that are important alone and lie in different layers."""
    return Metric(
        "rank correlation of what X costs given Y and Y given X, of important pairs",
        lambda rows: _correlation_of_orders(relevant_pairs(rows)),
        2,
        of_table=lambda table: _both_orders(_printed_pairs(table, between)),
        needs=needs,
    )


FINDINGS = {
    "given": Metric("share of ordered pairs in which the second is important given the first", _given),
    "own_cluster": Metric("share of dependent pairs within a cluster minus that between clusters", _own_cluster),
    "cells_significant": Metric(
        "share of ordered pairs in which one is significant given the other",
        partial(_share, are_such=lambda rows: rows["p"] < SIGNIFICANT),
        2,
        no_effect=SIGNIFICANT,
        of_table=partial(_printed_share, mark="star"),
        needs=("mark",),
    ),
    "cells_harmless": Metric(
        "share of ordered pairs in which one costs less than all random sets",
        partial(_share, are_such=lambda rows: rows["p"] == 1),
        2,
        of_table=partial(_printed_share, mark="question"),
        needs=("mark",),
    ),
    "cells_positive": Metric(
        "share of ordered pairs in which one costs accuracy given the other, rounded to whole percent",
        partial(_share, are_such=lambda rows: (100 * rows["delta"]).round() > 0),
        2,
        of_table=lambda table: float(np.mean([round(delta) > 0 for delta in _printed_cells(table).values()])),
        needs=("delta_percent",),
    ),
    "cells_both_orders": Metric(
        "rank correlation of what X costs given Y and Y given X",
        _correlation_of_orders,
        2,
        of_table=lambda table: _both_orders(_printed_cells(table)),
        needs=("delta_percent",),
    ),
    "pairs_both_orders": _pairs_metric(("delta_x_given_y", "delta_y_given_x"), "|"),
    "pairs_both_orders_8": _pairs_metric(("delta_x_y", "delta_y_x"), "_"),
    "given_printed": Metric(
        "share of ordered pairs in which the second is important given the first",
        _given,
        2,
        of_table=_printed_given,
        needs=("x_important_given_y", "y_important_given_x"),
    ),
}


def found(rows: pd.DataFrame) -> Sentences:
    """How many important sub-clusters need another one, whether they are of its cluster, and in which direction."""
    pairs, either = relevant_pairs(rows), dependent_pairs(rows)
    return _told_given(pairs, either), _told_cluster(either, _own_cluster(rows)), _told_order(pairs)


def _told_given(pairs: pd.DataFrame, either: pd.DataFrame) -> str | None:
    if pairs.empty:
        return None
    needed, dependent = ~pairs["given"], either["dependent"]
    answer = f"{'Most' if dependent.mean() >= 0.5 else 'Some' if dependent.any() else 'None'} need each other"
    by_k = [f"{share:.0%} at k = {k}" for k, share in dependent.groupby(either["k"]).mean().items()]
    return (
        f"{answer}: take two important sub-clusters in different layers and silence one; in {share_of(needed)} cases "
        f"the other is no longer important. In one direction at least, that is so of {share_of(dependent)} pairs, "
        f"{dependent.mean():.0%}{f' ({listed(by_k)})' if len(by_k) > 1 else ''}."
    )


def _told_cluster(pairs: pd.DataFrame, more: Sample | None) -> str | None:
    if pairs.empty or more is None:
        return None
    within, between = (pairs.loc[pairs["same"] == same, "dependent"] for same in (True, False))
    words = which_way(more, "less often", "more often", "not clearly more or less often")
    return (
        f"Two sub-clusters of one cluster depend on each other {words} than two of different clusters: "
        f"{share_of(within)} pairs against {share_of(between)}; the difference of shares is {told(more)}."
    )


def _told_order(pairs: pd.DataFrame) -> str | None:
    first, second = (pairs[name].map(lambda name: layer_and_cluster(name)[0]) for name in ("first", "second"))
    pairs = pairs.assign(needed=~pairs["given"], after=second > first)
    after, before = (pairs.loc[pairs["after"] == order, "needed"] for order in (True, False))
    if after.empty or before.empty:
        return None
    shares = pairs.groupby(["seed", "after"])["needed"].mean().unstack()
    more = sample_of(shares[True] - shares[False])
    words = which_way(more, "more often the one nearer the input", "more often the one nearer the output", EITHER)
    return (
        f"What depends on the other is {words}: the one nearer the output in {share_of(after)} "
        f"cases, the one nearer the input in {share_of(before)}; the difference of shares is {told(more)}."
    )
