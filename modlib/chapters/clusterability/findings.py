"""What the papers' tables print about n-cuts, from rows of the chapters ``clusterability`` to ``topology-shuffles``.

Those rows are one for a network, stage, null model and k. Chapter: ``scorecard``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from modlib.chapters.rows import NETWORK_KEY, by_dataset
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import (
    Metric,
    are_below_all_shuffles,
    over_networks,
    paired,
    sample_of,
    share_below_all_shuffles,
)
from modlib.evidence.sentences import Sentences, by_verb, listed, share_of, span, told, which_way
from modlib.stats import cohens_d, pooled_mean_sd
from modlib.tables import number_lists

K = 4  # clusters, of what is told of all networks


def _column(rows: pd.DataFrame, name: str, nonzero: bool = False) -> Sample | None:
    rows = _of_null(rows, nonzero)
    return None if rows.empty else over_networks(rows[name])


def _training_accuracy(rows: pd.DataFrame) -> Sample | None:
    """As ``fit`` of Keras reports it, which is what the authors' code stores: see ``modlib.training.keras.Snapshot``.

    Rows of earlier versions lack it. Without dropout the accuracy at the end stands in: there, fit drops no unit. With
    dropout it is another number, and such networks do not count.
    """
    rows = _of_null(rows, nonzero=False)
    return sample_of(rows["fit_accuracy"].fillna(rows["train_accuracy"].where(rows["dropout"] == "no")))


def _significant(rows: pd.DataFrame, nonzero: bool = False) -> Sample | None:
    rows = _of_null(rows, nonzero)
    return None if rows.empty else share_below_all_shuffles(rows["p"], rows["n_shuffles"])


def _above_all_shuffles(rows: pd.DataFrame) -> Sample | None:
    rows = _of_null(rows, nonzero=False)
    return None if rows.empty else Sample(float((rows["p"] >= 1).mean()), len(rows))


def _shuffles_beaten(rows: pd.DataFrame) -> Sample | None:
    """Share of shuffles with a higher n-cut than the network, mean over networks; from p = (r + 1) / (n + 1)."""
    rows = _of_null(rows, nonzero=False)
    above = 1 - (rows["p"] * (rows["n_shuffles"] + 1) - 1) / rows["n_shuffles"]
    return None if rows.empty else over_networks(above.clip(0, 1))


def _shuffled(rows: pd.DataFrame, nonzero: bool = False) -> Sample | None:
    """Mean n-cut of shuffles, with the mean over networks of their standard deviations."""
    rows = _of_null(rows, nonzero)
    return None if rows.empty else over_networks(rows["shuffled_mean"], float(rows["shuffled_sd"].to_numpy().mean()))


def _pooled(rows: pd.DataFrame) -> Sample | None:
    """Mean n-cut of shuffles, with the standard deviation of those of all networks together."""
    rows = _of_null(rows, nonzero=False)
    if rows.empty:
        return None
    means, sds = rows["shuffled_mean"].to_numpy(), rows["shuffled_sd"].to_numpy()
    return over_networks(means, pooled_mean_sd(means, sds, int(rows["n_shuffles"].iloc[0]))[1])


def _effect(rows: pd.DataFrame) -> Sample | None:
    pairs = _of_null(rows, False).merge(_of_null(rows, True), on=list(NETWORK_KEY), suffixes=("", "_nonzero"))
    texts = zip(pairs["shuffled"], pairs["shuffled_nonzero"], strict=True)
    effects = [cohens_d(*(number_lists([text])[0] for text in both)) for both in texts]
    return over_networks(effects) if effects else None


def _z_of_dropout(rows: pd.DataFrame) -> Sample | None:
    """Welch's statistic: from the means and sds that table 1 prints, it gives the Z that footnote 11 prints."""
    from scipy.stats import ttest_ind

    rows = _of_null(rows, nonzero=False)
    without, with_dropout = (rows.loc[rows["dropout"] == value, "ncut"] for value in ("no", "yes"))
    n = min(len(without), len(with_dropout))
    return Sample(float(ttest_ind(without, with_dropout, equal_var=False).statistic), n) if n > 1 else None


def _extreme(rows: pd.DataFrame, function: Callable[[pd.Series], float]) -> Sample | None:
    values = rows["ncut"]
    return None if rows.empty else Sample(float(function(values)), len(values), values=tuple(values))


def _of_null(rows: pd.DataFrame, nonzero: bool) -> pd.DataFrame:
    return rows[(rows["null"] == "layer-nonzero") == nonzero]


def _distance(rows: pd.DataFrame, nonzero: bool = False) -> Sample | None:
    """n-cut less the mean of the network's own shuffles, one a network."""
    rows = _of_null(rows, nonzero)
    return None if rows.empty else over_networks(rows["ncut"] - rows["shuffled_mean"])


def _dropout_separates(rows: pd.DataFrame) -> Sample | None:
    """Share of networks with dropout that have a lower n-cut than every network without."""
    rows = _of_null(rows, nonzero=False)
    without, with_dropout = (rows.loc[rows["dropout"] == value, "ncut"] for value in ("no", "yes"))
    if without.empty or with_dropout.empty:
        return None
    return Sample(float((with_dropout < without.min()).mean()), min(len(without), len(with_dropout)))


def _pruning_lowers(rows: pd.DataFrame) -> Sample | None:
    """n-cut after pruning less that before, network by network."""
    rows = _of_null(rows, nonzero=False)
    pruned, unpruned = (rows[rows["stage"] == stage] for stage in ("pruned", "unpruned"))
    return paired(pruned, unpruned, "ncut", [*NETWORK_KEY, "k"])


def _topology_lowers(rows: pd.DataFrame) -> Sample | None:
    """n-cut of shuffles that keep the topology less that of others, network by network."""
    return paired(_of_null(rows, True), _of_null(rows, False), "shuffled_mean", [*NETWORK_KEY, "stage", "k"])


def _topology_lowers_more(rows: pd.DataFrame) -> Sample | None:
    """The same with dropout less without, of networks with the same number, which share nothing else."""
    key = ["dataset", "seed", "stage", "k"]
    both = _of_null(rows, True).merge(_of_null(rows, False), on=[*key, "dropout"], suffixes=("", "_layer"))
    both = both.assign(lower=both["shuffled_mean"] - both["shuffled_mean_layer"])
    without, with_dropout = (both.loc[both["dropout"] == value, [*key, "lower"]] for value in ("no", "yes"))
    return paired(with_dropout, without, "lower", key)


def _below_untrained(rows: pd.DataFrame, stage: str) -> Sample | None:
    """Share of trained networks that have a lower n-cut than every untrained one."""
    rows = rows[rows["null"] != "layer-nonzero"]
    trained, untrained = (rows.loc[rows["stage"] == name, "ncut"] for name in (stage, "initial"))
    if trained.empty or untrained.empty:
        return None
    return Sample(float((trained < untrained.min()).mean()), len(trained))


DISTANCE, DISTANCE_NONZERO = ("ncut", "dist_ncut"), ("ncut", "dist_ncut_nonzero")
FINDINGS = {
    "distance": Metric("n-cut minus that of shuffles", _distance, effect_of=DISTANCE),
    "distance_nonzero": Metric(
        "n-cut minus that of shuffles, topology kept", partial(_distance, nonzero=True), effect_of=DISTANCE_NONZERO
    ),
    "ncut": Metric("n-cut", partial(_column, name="ncut"), effect_of=DISTANCE),
    "dist_ncut": Metric("shuffled n-cut", _shuffled, pooled=_pooled, of_shuffles=True),
    "dist_ncut_nonzero": Metric("shuffled n-cut, topology kept", partial(_shuffled, nonzero=True), of_shuffles=True),
    "prop_sig": Metric("share significant", _significant, 2),
    "p_value": Metric("share significant", _significant, 2, is_p=True),
    "p_value_nonzero": Metric("share significant, topology kept", partial(_significant, nonzero=True), 2, is_p=True),
    "prop_less_clusterable_than_all_shuffles": Metric("share above all shuffles", _above_all_shuffles, 2),
    "cohens_d": Metric("Cohen's d", _effect, 2),
    "z_nonzero": Metric("Z, topology kept", partial(_column, name="z", nonzero=True), 2),
    "z_dropout_vs_no_dropout": Metric("Z of dropout", _z_of_dropout, 1),
    "ncut_init_min": Metric("least n-cut", partial(_extreme, function=min)),
    "ncut_init_max": Metric("greatest n-cut", partial(_extreme, function=max)),
    "train_acc": Metric("training accuracy", _training_accuracy, spread=False),
    "share_of_shuffles_beaten": Metric("share of shuffles with a higher n-cut", _shuffles_beaten, no_effect=0.5),
    "test_acc": Metric("test accuracy", partial(_column, name="test_accuracy"), spread=False),
    "test_acc_min": Metric("test accuracy (lower end)", partial(_column, name="test_accuracy"), spread=False),
    "test_acc_max": Metric("test accuracy (upper end)", partial(_column, name="test_accuracy"), spread=False),
    "dropout_separates": Metric("share of networks with dropout below all without", _dropout_separates, 2),
    "pruning_lowers": Metric("n-cut, after pruning minus before", _pruning_lowers, compares=("stage",)),
    "topology_lowers": Metric("n-cut of shuffles, topology kept minus not kept", _topology_lowers),
    "topology_lowers_more": Metric(
        "n-cut of shuffles, topology kept minus not kept, with dropout minus without", _topology_lowers_more
    ),
    "pruned_below_untrained": Metric(
        "share of pruned networks below all untrained ones",
        partial(_below_untrained, stage="pruned"),
        2,
        compares=("stage",),
    ),
    "unpruned_below_untrained": Metric(
        "share of trained networks below all untrained ones, before pruning",
        partial(_below_untrained, stage="unpruned"),
        2,
        compares=("stage",),
    ),
}


def found(rows: pd.DataFrame) -> Sentences:
    """Networks without dropout: how many are below all their shuffles, how far on the whole, and untrained ones."""
    four = rows[rows["k"] == K]
    unpruned, pruned = (four[(four["stage"] == stage) & (four["null"] == "layer")] for stage in ("unpruned", "pruned"))
    return _told_below(pruned, unpruned), _told_mean(pruned), _told_untrained(four, pruned)


def _told_below(pruned: pd.DataFrame, unpruned: pd.DataFrame) -> str | None:
    if pruned.empty or unpruned.empty:
        return None
    each = [f"{share_of(are_below_all_shuffles(part))} on {words}" for words, part in by_dataset(pruned).items()]
    return (
        f"Of pruned networks without dropout, {listed(each)} are more clusterable than chance: their n-cut at {K} "
        "clusters is lower than that of each of their shuffles, the same weights in other places; before pruning "
        f"{share_of(are_below_all_shuffles(unpruned))} are."
    )


def _told_mean(pruned: pd.DataFrame) -> str | None:
    distances = {words: sample_of(part["ncut"] - part["shuffled_mean"]) for words, part in by_dataset(pruned).items()}
    told_of = by_verb(
        (which_way(distance, "is below 0 on", "is above 0 on", "is not clear on"), f"{words}, {told(distance, 3)}")
        for words, distance in distances.items()
    )
    return told_of and f"The n-cut of a pruned network minus the mean of its shuffles {told_of}."


def _told_untrained(rows: pd.DataFrame, pruned: pd.DataFrame) -> str | None:
    untrained = rows.loc[rows["stage"] == "initial", "ncut"]
    if untrained.empty or pruned.empty:
        return None
    return (
        f"The n-cuts of {len(untrained)} untrained networks are {span(untrained, '.3f')}; "
        f"{share_of(pruned['ncut'] < untrained.min())} pruned networks have a lower one than all of these."
    )
