"""Statistics that decide what two papers say of lesions, from rows of ``importance``.

Chapters: ``importance``, ``dependencies``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from modlib.chapters.importance.experiment import DROP, RANGE, ZERO
from modlib.evidence.criteria import SIGNIFICANT, Sample
from modlib.evidence.metrics import Metric, combined_by_network, over_networks
from modlib.evidence.sentences import Sentences, listed, share_of, span
from modlib.lesions.kinds import MIN_PROPORTION, Kind
from modlib.stats import chi_squared_uniform, fisher_combined, median_p
from modlib.tables.words import dataset_in_words

K = 12  # clusters, of what is told of all networks

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
    """Share of the kinds of network whose median p-value is below 0.05; as many networks as the rarest kind has."""
    if rows.empty:
        return None
    below = combined(rows, measure, combine) < SIGNIFICANT
    return Sample(float(below.mean()), _fewest(rows))


def _same_side(rows: pd.DataFrame) -> Sample | None:
    """Share of p-values with 8 or 18 clusters that lie on the same side of 0.05 as those with 12.

    As many networks as the rarest kind has.
    """
    rows = rows[rows["k"].isin([8, 12, 18])]
    if rows["k"].nunique() < 3:
        return None
    same = []
    for measure in (DROP, RANGE):
        for combine in (fisher_combined, chi_squared_uniform):
            below = (combined(rows, measure, combine) < SIGNIFICANT).unstack("k").dropna()
            same += [(below[k] == below[12]).to_numpy() for k in (8, 18)]
    agree = np.concatenate(same)
    return Sample(float(agree.mean()), _fewest(rows)) if agree.size else None


def _fewest(rows: pd.DataFrame) -> int:
    return int(rows.groupby(list(KIND))["seed"].nunique().min())


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


def _share_important(rows: pd.DataFrame, column: str) -> Sample | None:
    """Of the sub-clusters that are not small, the share that is important, by network."""
    rows = _drops(rows)
    rows = rows[rows[column] != Kind.SMALL]
    return over_networks((rows[column] == Kind.IMPORTANT).groupby(rows["seed"]).mean()) if len(rows) else None


def _printed_share_important(table: pd.DataFrame) -> float:
    large = table.loc[table["value"] != Kind.SMALL, "value"]
    return float((large == Kind.IMPORTANT).mean())


def _drop_with_size(rows: pd.DataFrame) -> Sample | None:
    """Spearman's correlation of the size of sub-clusters with the accuracy lost without them, by network."""
    networks = [
        _rank_correlation(part["size"] / part["width"], part["value"]) for _, part in _drops(rows).groupby("seed")
    ]
    return over_networks(networks) if networks else None


def _printed_drop_with_size(table: pd.DataFrame) -> float:
    values = table.assign(value=table["value"].astype(float)).pivot(index="row", columns="metric", values="value")
    return _rank_correlation(values["proportion"], -values["acc_diff"])


def _random_drop(rows: pd.DataFrame) -> Sample | None:
    """Accuracy that random sets of the size of a sub-cluster cost, mean over sub-clusters, by network."""
    rows = _drops(rows)
    return over_networks(rows["random_mean"].groupby(rows["seed"]).mean()) if len(rows) else None


def _printed_random_drop(table: pd.DataFrame) -> float:
    return -float(table["value"].astype(float).mean())


def _share_worse_than_random(rows: pd.DataFrame) -> Sample | None:
    """Share of all sub-clusters that cost more than random sets do, p < 0.05, by network."""
    rows = _drops(rows)
    return over_networks((rows["p_ties_for"] < SIGNIFICANT).groupby(rows["seed"]).mean()) if len(rows) else None


def _printed_share_worse_than_random(table: pd.DataFrame) -> float:
    return float((table["value"].astype(float) < SIGNIFICANT).mean())


def _rank_correlation(a: pd.Series, b: pd.Series) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)


def _median_p(rows: pd.DataFrame, combine: Callable[[np.ndarray, int], float]) -> Sample | None:
    """Median over networks of a test that combines the p-values of their sub-clusters."""
    if rows.empty:
        return None
    found = combined_by_network(rows, ["seed"], combine).to_numpy()
    return Sample(median_p(found), len(found), values=tuple(found.tolist()))


FINDINGS = {
    "fisher_p": Metric("Fisher p", partial(_median_p, combine=fisher_combined), powers=True, no_effect=0.5),
    "chi2_p": Metric("chi-squared p", partial(_median_p, combine=chi_squared_uniform), powers=True, no_effect=0.5),
    "importance_fisher": Metric(
        "share of kinds of network with a Fisher p below 0.05, importance",
        partial(_share_significant, measure=DROP, combine=fisher_combined),
    ),
    "importance_chi2": Metric(
        "share of kinds of network with a chi-squared p below 0.05, importance",
        partial(_share_significant, measure=DROP, combine=chi_squared_uniform),
    ),
    "range_fisher": Metric(
        "share of kinds of network with a Fisher p below 0.05, class-wise range",
        partial(_share_significant, measure=RANGE, combine=fisher_combined),
    ),
    "same_side": Metric("share of p-values on the side of 0.05 where that with 12 clusters is", _same_side),
    "some_important": Metric("share of networks with some important sub-clusters, fewer than half", _some_important),
    "large_significant": Metric(
        "share of sub-clusters with at least 5% of their layer that are worse than all random sets",
        _large_and_significant,
    ),
    "share_important": Metric(
        "share of sub-clusters with at least 5% of their layer that are important",
        partial(_share_important, column="kind"),
        2,
        of_table=_printed_share_important,
        needs=("type",),
    ),
    "share_important_in_first_paper": Metric(
        "share of sub-clusters with at least 5% of their layer that are important",
        partial(_share_important, column="kind_in_first_paper"),
        2,
        of_table=_printed_share_important,
        needs=("type",),
    ),
    "drop_with_size": Metric(
        "rank correlation of size and lost accuracy",
        _drop_with_size,
        2,
        of_table=_printed_drop_with_size,
        needs=("proportion", "acc_diff"),
    ),
    "random_drop": Metric(
        "accuracy that random sets of the same sizes cost",
        _random_drop,
        4,
        of_table=_printed_random_drop,
        needs=("acc_diff_random",),
    ),
    "random_drop_in_first_paper": Metric(
        "accuracy that random sets of the same sizes cost",
        _random_drop,
        4,
        of_table=_printed_random_drop,
        needs=("acc_diff_dist",),
    ),
    "worse_than_random": Metric(
        "share of sub-clusters that cost more than random sets, p < 0.05",
        _share_worse_than_random,
        2,
        of_table=_printed_share_worse_than_random,
        needs=("p_value",),
    ),
}


def found(rows: pd.DataFrame) -> Sentences:
    """Networks without dropout, neurons silenced: how many sub-clusters matter, how much, and to which classes."""
    rows = rows[(rows["dropout"] == "no") & (rows["biases"] == ZERO) & (rows["k"] == K)]
    rows = rows[rows["size"] >= MIN_PROPORTION * rows["width"]]
    drops, ranges = (rows[rows["measure"] == measure] for measure in (DROP, RANGE))
    return _told_worse(drops[drops["network"] == "mlp"]), _told_lost(drops), _told_ranges(ranges)


def _told_worse(rows: pd.DataFrame) -> str | None:
    if rows.empty:
        return None
    worse, chance = rows["value"] > rows["random_max"], float((1 / (rows["n_random"] + 1)).mean())
    answer = "Many do" if worse.mean() > 2 * chance else "Hardly more than chance has it"
    return (
        f"{answer}: silencing a sub-cluster with at least {MIN_PROPORTION:.0%} of a layer costs perceptrons more "
        f"accuracy than each of {span(rows['n_random'], '.0f')} random sets of as many neurons in {share_of(worse)} "
        f"cases, {worse.mean():.0%}; clusters without a meaning would cost more than each in at most {chance:.0%}."
    )


def _told_lost(rows: pd.DataFrame) -> str | None:
    told = []
    for kind, words in (("mlp", "perceptrons"), ("cnn", "small convolutional networks")):
        means = 100 * rows[rows["network"] == kind].groupby("dataset")[["value", "random_mean"]].mean()
        if len(means):
            own = [f"{lost:.2g} on {dataset_in_words(str(name))}" for name, lost in means["value"].items()]
            random = [f"{lost:.2g}" for lost in means["random_mean"]]
            told.append(f"{words} lose {listed(own)} (without random neurons {listed(random)})")
    return f"Without a sub-cluster, in percentage points of accuracy, {listed(told)}." if told else None


def _told_ranges(rows: pd.DataFrame) -> str | None:
    if rows.empty:
        return None
    # by rank, since the ratio is huge where the drops of all classes nearly cancel; ties count half
    uneven = (rows["p_ties_for"] + rows["p_ties_against"]) / 2 < 0.5
    words = "more" if uneven.mean() > 0.5 else "no more"
    return (
        f"Most costs are {words} unevenly spread over the classes than those of random sets: {share_of(uneven)} "
        "have a larger range over classes, relative to their mean, than the middle one of the random sets."
    )
