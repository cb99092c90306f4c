"""What is left of a low n-cut when shuffles keep what every neuron has. Chapter: ``null-models``."""

from __future__ import annotations

import pandas as pd

from modlib.chapters.rows import means_by_dataset, with_distance
from modlib.evidence.criteria import SIGNIFICANT, Sample
from modlib.evidence.metrics import Metric, are_below_all_shuffles, sample_of
from modlib.evidence.sentences import Sentences, share_of, told, which_way

TABLES = ("clusterability", "dropout", "topology-shuffles", "null-models")  # of all four null models
K = 4  # clusters
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


def found(rows: pd.DataFrame) -> Sentences:
    """Whether networks lie below shuffles that keep what neurons have, how much that explains, and without dropout."""
    rows = rows[(rows["stage"] == "pruned") & (rows["k"] == K)]
    own = rows[rows["table"] == TABLES[-1]]
    dropped, plain = (own[own["dropout"] == value] for value in ("yes", "no"))
    networks = own[NETWORK].drop_duplicates()
    same = rows.merge(networks[networks["dropout"] == "yes"], on=NETWORK)
    return _below(dropped), _explained(same), _without_dropout(plain)


def _below(rows: pd.DataFrame) -> str | None:
    if not set(KEPT) <= set(rows["null"]):
        return None
    below = are_below_all_shuffles(rows)
    counts = {null: share_of(below[rows["null"] == null]) for null in KEPT}
    distance = _distance("strength").measure(rows)
    answer = which_way(distance, "clusters remain", "there are no clusters", "clusters are not sure")
    return (
        f"Beside shuffles that keep what each neuron has, {answer}: with dropout, {counts['degree']} pruned networks "
        "lie below each shuffle that keeps every neuron's number of weights, "
        f"{counts['strength']} below each that keeps their sum too; n-cut minus mean of the latter is "
        f"{_from_strength(rows)}."
    )


def _from_strength(rows: pd.DataFrame) -> str:
    """Mean distance from shuffles that keep number and sum of weights, on each data set."""
    return means_by_dataset(with_distance(rows[rows["null"] == "strength"]), "distance")


def _explained(rows: pd.DataFrame) -> str | None:
    shares = {null: sample_of(explained(rows, null)) for null in ("layer-nonzero", "degree", "strength")}
    if shares["degree"] is None:
        return None
    places, degree, strength = (told(shares[null]) for null in shares)
    harder = which_way(shares["degree"], "harder to cut than", "easier to cut than", "about as hard to cut as")
    return (
        f"Shuffles that keep those numbers are {harder} layer shuffles: of the gap down to the networks they explain a "
        f"share of {degree}, those that keep sums as well {strength}, and those that keep every zero {places}."
    )


def _without_dropout(rows: pd.DataFrame) -> str | None:
    if not set(KEPT) <= set(rows["null"]):
        return None
    below, rare = are_below_all_shuffles(rows), rows["p"] <= SIGNIFICANT
    number, total = (
        f"{share_of(rare[rows['null'] == null])} ({below[rows['null'] == null].sum()} below all)" for null in KEPT
    )
    return (
        f"Without dropout, p is at most {SIGNIFICANT} for {number} beside shuffles that keep each neuron's number of "
        f"weights, for {total} beside those that keep their sum too; n-cut minus mean of the latter is "
        f"{_from_strength(rows)}."
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
