"""What the papers' tables print about n-cuts, from rows of the chapters ``clusterability`` to ``topology-shuffles``.

Those rows are one for a network, stage, null model and k. Chapter: ``scorecard``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from modlib.chapters.rows import NETWORK_KEY
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, over_networks, share_below_all_shuffles
from modlib.stats import cohens_d, pooled_mean_sd


def _column(rows: pd.DataFrame, name: str, nonzero: bool = False) -> Sample | None:
    rows = _of_null(rows, nonzero)
    return None if rows.empty else over_networks(rows[name])


def _significant(rows: pd.DataFrame, nonzero: bool = False) -> Sample | None:
    rows = _of_null(rows, nonzero)
    return None if rows.empty else share_below_all_shuffles(rows["p"], rows["n_shuffles"])


def _above_all_shuffles(rows: pd.DataFrame) -> Sample | None:
    rows = _of_null(rows, nonzero=False)
    return None if rows.empty else Sample(float((rows["p"] >= 1).mean()), len(rows))


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
    effects = [cohens_d(*(np.array(text.split(), dtype=float) for text in both)) for both in texts]
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


DISTANCE, DISTANCE_NONZERO = ("ncut", "dist_ncut"), ("ncut", "dist_ncut_nonzero")
FINDINGS = {
    "distance": Metric("n-cut less that of shuffles", _distance, effect_of=DISTANCE),
    "distance_nonzero": Metric(
        "n-cut less that of shuffles, topology kept", partial(_distance, nonzero=True), effect_of=DISTANCE_NONZERO
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
    "train_acc": Metric("training accuracy", partial(_column, name="train_accuracy"), spread=False),
    "test_acc": Metric("test accuracy", partial(_column, name="test_accuracy"), spread=False),
}
