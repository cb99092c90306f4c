"""What is left of a low n-cut when shuffles keep what every neuron has. Chapter: ``null-models``."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from modlib.chapters.rows import by_dataset, means_by_dataset
from modlib.evidence.criteria import SIGNIFICANT, Sample
from modlib.evidence.metrics import Metric, are_below_all_shuffles, sample_of
from modlib.evidence.sentences import Sentences, listed, share_of

TABLES = ("clusterability", "dropout", "topology-shuffles", "null-models")  # of all four null models
K = 4  # clusters of pruned-modular, and of the statements
KS = (K, 12)  # and those of clusterability
NETWORK = ["dataset", "dropout", "seed"]
KEPT = {"degree": "number of weights", "strength": "number and sum of weights"}


def _distance(null: str) -> Metric:
    """n-cut less the mean of the shuffles by a null model, a network at a time."""

    def measure(rows: pd.DataFrame) -> Sample | None:
        rows = rows[rows["null"] == null]
        return sample_of(rows["ncut"] - rows["shuffled_mean"]) if len(rows) else None

    return Metric(f"n-cut minus that of shuffles that keep each neuron's {KEPT[null]}", measure)


def explained(rows: pd.DataFrame, null: str) -> pd.Series:
    """What a null model has of the gap between a network and layer shuffles, one value a network.

    (layer shuffles - shuffles by the null) / (layer shuffles - network): 0 if what the null keeps makes a network no
    easier to cut than any other place of its weights, 1 if it explains everything.

    Args:
        rows: of ``TABLES``, of one k and stage, where the network lies below its layer shuffles.
        null: one of ``modlib.graphs.NULLS``.
    """
    means = rows.pivot_table(index=NETWORK, columns="null", values="shuffled_mean")
    if not {"layer", null} <= set(means):
        return pd.Series(dtype=float)
    gap = means["layer"] - rows[rows["null"] == null].groupby(NETWORK)["ncut"].mean()
    return ((means["layer"] - means[null]) / gap)[gap > 0].dropna()


def _explained_less_half(rows: pd.DataFrame) -> Sample | None:
    shares = explained(rows, "degree")
    return sample_of(shares - 0.5) if len(shares) else None


def is_rare(rows: pd.DataFrame) -> pd.Series:
    """Whether shuffles hardly ever reach the n-cut of a network, for every row: p is 0.05 at most."""
    return rows["p"] <= SIGNIFICANT


COUNTED: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    f"p of {SIGNIFICANT} at most": is_rare,
    "n-cut below each shuffle": are_below_all_shuffles,
}


def counts(rows: pd.DataFrame) -> pd.DataFrame:
    """How many networks lie below their shuffles, in words, by stage, number of clusters and dropout.

    Args:
        rows: of ``TABLES``; the null models of which there are all of ``KS`` are told.

    Returns:
        A line for either statistic of ``COUNTED``, named in ``networks with``, and a column a null model: how many
        networks, and in brackets how many on each data set.
    """
    nulls = ("layer", *KEPT)
    rows = rows[rows["null"].isin(nulls) & rows["k"].isin(KS)]
    lines = []
    for statistic, holds in COUNTED.items():
        for (stage, k, dropout), part in rows.groupby(["stage", "k", "dropout"]):
            line = {"networks with": statistic, "stage": stage, "clusters": k, "dropout": dropout}
            for null in nulls:
                of_null = part[part["null"] == null]
                each = [str(int(holds(on).sum())) for on in by_dataset(of_null).values()]
                line[null] = f"{share_of(holds(of_null)) or '–'} ({', '.join(each)})"
            lines.append(line)
    return pd.DataFrame(lines)


def found(rows: pd.DataFrame) -> Sentences:
    """Whether networks lie below shuffles that keep what neurons have, how much that explains, and without dropout."""
    rows = rows[(rows["stage"] == "pruned") & rows["k"].isin(KS)]
    own = rows[rows["table"] == TABLES[-1]]
    dropped, plain = (own[own["dropout"] == value] for value in ("yes", "no"))
    networks = own[NETWORK].drop_duplicates()
    same = rows[rows["k"] == K].merge(networks[networks["dropout"] == "yes"], on=NETWORK)
    return _with_dropout(dropped), _explained(same), _without_dropout(plain)


def _with_dropout(rows: pd.DataFrame) -> str | None:
    rare = _rare(rows)
    if not rare:
        return None
    remain = is_rare(rows).groupby([rows["null"], rows["k"]]).mean() > 0.5
    answer = "Clusters remain" if remain.all() else "Clusters remain in part" if remain.any() else "No clusters remain"
    return f"{answer} beside shuffles that keep what neurons have. With dropout {rare}."


def _without_dropout(rows: pd.DataFrame) -> str | None:
    rare = _rare(rows, each=True)
    return rare and f"Without dropout {rare}."


def _rare(rows: pd.DataFrame, each: bool = False) -> str | None:
    """For how many networks p is small, beside either null model; None if one is missing.

    Args:
        rows: of pruned networks.
        each: whether the first null model, at most clusters, is told by data set.
    """
    told: list[str] = []
    for null in KEPT:
        of_null = rows[rows["null"] == null]
        by_k = [f"{share_of(is_rare(part))} at {k}" for k, part in of_null.groupby("k")]
        if not by_k:
            return None
        most = by_dataset(of_null[of_null["k"] == of_null["k"].max()]) if each and not told else {}
        on = ", ".join(f"{words} {share_of(is_rare(part))}" for words, part in most.items())
        told.append(f"{listed(by_k)} clusters{f' ({on})' if on else ''}")
    number, total = told
    return (
        f"p is at most {SIGNIFICANT} for {number} if each neuron keeps its number of weights, "
        f"for {total} if also their sum"
    )


def _explained(rows: pd.DataFrame) -> str | None:
    degree, strength = (explained(rows, null).rename("share").reset_index() for null in KEPT)
    if degree.empty or strength.empty:
        return None
    means = degree.groupby("dataset")["share"].mean()
    part = "Less than half" if means.max() < 0.5 else "Half or more" if means.min() >= 0.5 else "Not always half"
    return (
        f"{part} of the gap up to layer shuffles, with dropout and {K} "
        f"clusters, is due to each neuron's number of weights: {means_by_dataset(degree, 'share')}, with their sum "
        f"{means_by_dataset(strength, 'share')}; below 0 these shuffles are harder to cut."
    )


def _p_of_degree(rows: pd.DataFrame) -> Sample | None:
    rows = rows[rows["null"] == "degree"]
    return sample_of(rows["p"]) if len(rows) else None


FINDINGS = {
    "distance_from_degree": _distance("degree"),
    "distance_from_strength": _distance("strength"),
    "explained_by_degree": Metric("share of the gap that degrees explain, minus a half", _explained_less_half),
    "p_of_degree": Metric("p against shuffles that keep each neuron's number of weights", _p_of_degree),
}
