"""The papers' metrics, measured from our rows: what a table of theirs would print about networks of ours.

Rows are those of the chapters ``clusterability`` to ``topology-shuffles``, one for a network, stage, null model
and k. Chapter: ``scorecard``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import pandas as pd

from modlib.criteria import Sample
from modlib.stats import chi_squared_uniform, cohens_d, fisher_combined, median_p, pooled_mean_sd

NETWORK = ("dataset", "dropout", "seed")  # columns that identify a network
Measured: TypeAlias = Callable[[pd.DataFrame, str], Sample | None]


@dataclass(frozen=True)
class Metric:
    """A metric of the papers.

    Attributes:
        label: its name for readers.
        measure: its value over rows with one network each and null model, and whether standard deviations of shuffles
            are ``pooled`` or ``averaged``; None if the rows it needs are not there.
        digits: decimals to show.
        spread: whether its standard deviation is shown.
        powers: whether what would round to nothing is shown as a power of ten.
    """

    label: str
    measure: Measured
    digits: int = 3
    spread: bool = True
    powers: bool = False

    def text(self, sample: Sample | None) -> str:
        """A sample as a table shows it: mean ± standard deviation, of the shuffles where there are any."""
        if sample is None:
            return "–"
        if self.powers and 0 < sample.mean < 0.1**self.digits:
            return f"{sample.mean:.1e}"
        mean = f"{sample.mean:.{self.digits}f}"
        sd = sample.sd if math.isnan(sample.shuffle_sd) else sample.shuffle_sd
        return mean if math.isnan(sd) or not self.spread else f"{mean} ± {sd:.{self.digits}f}"


def below_all_shuffles(p: float, n_shuffles: int) -> bool:
    """Whether p is the least that n shuffles allow, 1/(n + 1), up to rounding.

    This is what the papers call significant: p < 1/320 with 320 shuffles, p < 0.02 with 50.
    """
    return p * (n_shuffles + 1) < 1.5


def share_below_all_shuffles(p: Iterable[float], n_shuffles: Iterable[int]) -> Sample:
    """Share of networks with a lower n-cut than each of their shuffles."""
    below = [below_all_shuffles(*pair) for pair in zip(p, n_shuffles, strict=True)]
    return Sample(sum(below) / len(below), len(below))


def over_networks(values: Sequence[float] | np.ndarray | pd.Series, shuffle_sd: float = math.nan) -> Sample:
    """One number a network, summarised."""
    numbers = np.asarray(values, dtype=float)
    sd = float(numbers.std(ddof=1)) if numbers.size > 1 else math.nan
    return Sample(float(numbers.mean()), numbers.size, sd, shuffle_sd, tuple(numbers.tolist()))


def statistic(label: str, function: Callable[[pd.DataFrame], Sample | None], digits: int = 3) -> Metric:
    """A metric of a claim in words: a function of its rows alone, whatever the shuffles."""
    return Metric(label, lambda rows, _shuffles: function(rows), digits)


def _column(rows: pd.DataFrame, shuffles: str, name: str, nonzero: bool = False) -> Sample | None:
    rows = _of_null(rows, nonzero)
    return None if rows.empty else over_networks(rows[name])


def _significant(rows: pd.DataFrame, shuffles: str, nonzero: bool = False) -> Sample | None:
    rows = _of_null(rows, nonzero)
    return None if rows.empty else share_below_all_shuffles(rows["p"], rows["n_shuffles"])


def _above_all_shuffles(rows: pd.DataFrame, shuffles: str) -> Sample | None:
    rows = _of_null(rows, nonzero=False)
    return None if rows.empty else Sample(float((rows["p"] >= 1).mean()), len(rows))


def _shuffled(rows: pd.DataFrame, shuffles: str, nonzero: bool = False) -> Sample | None:
    rows = _of_null(rows, nonzero)
    if rows.empty:
        return None
    means, sds = rows["shuffled_mean"].to_numpy(), rows["shuffled_sd"].to_numpy()
    if shuffles == "pooled":
        return over_networks(means, pooled_mean_sd(means, sds, int(rows["n_shuffles"].iloc[0]))[1])
    return over_networks(means, float(sds.mean()))


def _effect(rows: pd.DataFrame, shuffles: str) -> Sample | None:
    pairs = _of_null(rows, False).merge(_of_null(rows, True), on=list(NETWORK), suffixes=("", "_nonzero"))
    texts = zip(pairs["shuffled"], pairs["shuffled_nonzero"], strict=True)
    effects = [cohens_d(*(np.array(text.split(), dtype=float) for text in both)) for both in texts]
    return over_networks(effects) if effects else None


def _z_of_dropout(rows: pd.DataFrame, shuffles: str) -> Sample | None:
    """Welch's statistic: from the means and sds that table 1 prints, it gives the Z that footnote 11 prints."""
    from scipy.stats import ttest_ind

    rows = _of_null(rows, nonzero=False)
    without, with_dropout = (rows.loc[rows["dropout"] == value, "ncut"] for value in ("no", "yes"))
    n = min(len(without), len(with_dropout))
    return Sample(float(ttest_ind(without, with_dropout, equal_var=False).statistic), n) if n > 1 else None


def _extreme(rows: pd.DataFrame, shuffles: str, function: Callable[[pd.Series], float]) -> Sample | None:
    values = rows["ncut"]
    return None if rows.empty else Sample(float(function(values)), len(values), values=tuple(values))


def combined_by_network(
    rows: pd.DataFrame, columns: Sequence[str], combine: Callable[[np.ndarray, int], float], ties: str = "for"
) -> pd.Series:
    """A test that combines the p-values of a network's sub-clusters, for every network.

    Args:
        rows: of ``importance`` or ``coherence``, one a sub-cluster, with the p-values of this rule and ``n_random``.
        columns: what tells networks apart; the index of the result.
        combine: ``fisher_combined`` or ``chi_squared_uniform``.
        ties: rule for ties; ``for`` the sub-cluster in the authors' code. See ``modlib.stats.monte_carlo_p``.
    """
    networks = rows.groupby(list(columns))
    found = {key: combine(part[f"p_ties_{ties}"].to_numpy(), int(part["n_random"].iloc[0])) for key, part in networks}
    return pd.Series(found).rename_axis(list(columns))


def _median_p(rows: pd.DataFrame, shuffles: str, combine: Callable[[np.ndarray, int], float]) -> Sample | None:
    """Median over networks of a test that combines the p-values of their sub-clusters."""
    if rows.empty:
        return None
    found = combined_by_network(rows, ["seed"], combine).to_numpy()
    return Sample(median_p(found), len(found), values=tuple(found.tolist()))


def _of_null(rows: pd.DataFrame, nonzero: bool) -> pd.DataFrame:
    return rows[(rows["null"] == "layer-nonzero") == nonzero]


METRICS = {
    "ncut": Metric("n-cut", partial(_column, name="ncut")),
    "dist_ncut": Metric("shuffled n-cut", _shuffled),
    "dist_ncut_nonzero": Metric("shuffled n-cut, topology kept", partial(_shuffled, nonzero=True)),
    "prop_sig": Metric("share significant", _significant, 2),
    "p_value": Metric("share significant", _significant, 2),
    "p_value_nonzero": Metric("share significant, topology kept", partial(_significant, nonzero=True), 2),
    "prop_less_clusterable_than_all_shuffles": Metric("share above all shuffles", _above_all_shuffles, 2),
    "cohens_d": Metric("Cohen's d", _effect, 2),
    "z_nonzero": Metric("Z, topology kept", partial(_column, name="z", nonzero=True), 2),
    "z_dropout_vs_no_dropout": Metric("Z of dropout", _z_of_dropout, 1),
    "ncut_init_min": Metric("least n-cut", partial(_extreme, function=min)),
    "ncut_init_max": Metric("greatest n-cut", partial(_extreme, function=max)),
    "fisher_p": Metric("Fisher p", partial(_median_p, combine=fisher_combined), powers=True),
    "chi2_p": Metric("chi-squared p", partial(_median_p, combine=chi_squared_uniform), powers=True),
    "train_acc": Metric("training accuracy", partial(_column, name="train_accuracy"), spread=False),
    "test_acc": Metric("test accuracy", partial(_column, name="test_accuracy"), spread=False),
}
