"""Statistics that decide what the mask paper says about tasks learned in turn, from rows of ``transfer``.

They were written before any of the rows. Chapter: ``transfer``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from modlib.chapters.transfer.experiment import ALIKE, FROZEN, OLD, OLDER
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, sample_of

NETWORK = ["start", "first_layer", "seed"]
HALF_FULL = 0.5  # share of a layer's weights in use up to which there is free capacity


def shared_part(rows: pd.DataFrame) -> pd.Series:
    """s(t, r) of every row: weights shared with all earlier tasks over weights kept; NaN for the first task."""
    return (rows["shared"] / rows["kept"].where(rows["kept"] > 0)).where(rows["task"] > 0)


def filled(rows: pd.DataFrame) -> pd.Series:
    """Share of a layer's weights that earlier tasks use, in [0, 1]."""
    return rows["used_before"] / rows["size"]


def of_start(rows: pd.DataFrame, *starts: str) -> pd.DataFrame:
    """Rows after the first task, of networks whose first layer is frozen too, with one of some starts."""
    return rows[rows["start"].isin(starts) & (rows["first_layer"] == FROZEN) & (rows["task"] > 0)]


def _while_free(rows: pd.DataFrame) -> Sample | None:
    """Mean share over layers and tasks while at most half of the layer is in use, by network."""
    rows = of_start(rows, ALIKE)
    rows = rows[(rows["layer"] > 0) & (filled(rows) <= HALF_FULL)]
    return sample_of(shared_part(rows).groupby(rows["seed"]).mean())


def _grows(rows: pd.DataFrame) -> Sample | None:
    """Share of layers and networks in which the rank correlation of sharing and capacity in use is positive."""
    from scipy.stats import spearmanr

    rows = of_start(rows, ALIKE)
    rows = rows[rows["layer"] > 0].assign(part=shared_part, filled=filled).dropna(subset=["part"])
    ranks = [
        spearmanr(layer["filled"], layer["part"]).statistic > 0
        for _, layer in rows.groupby(["seed", "layer"])
        if layer["filled"].nunique() > 2 and layer["part"].nunique() > 1
    ]
    return Sample(float(np.mean(ranks)), len(ranks)) if ranks else None


def _last_layer_shares_most(rows: pd.DataFrame) -> Sample | None:
    """Share of the networks whose last layer shares most, on average over tasks."""
    rows = of_start(rows, ALIKE)
    rows = rows[rows["layer"] > 0]
    means = shared_part(rows).groupby([rows["seed"], rows["layer"]]).mean().unstack("layer").dropna()
    return sample_of((means.idxmax(axis=1) == means.columns.max()).astype(float)) if len(means) else None


def _mean_share(rows: pd.DataFrame, layer: int) -> pd.DataFrame:
    """Mean share over tasks, one line a seed and one column a start; layer 0 is all of them."""
    rows = of_start(rows, ALIKE, OLD, OLDER)
    rows = rows[rows["layer"] == layer]
    return shared_part(rows).groupby([rows["seed"], rows["start"]]).mean().unstack("start")


def _old_shares_more(rows: pd.DataFrame, layer: int) -> Sample | None:
    """Share where used weights are preferred, a mean over both strengths, less that where all start alike; by seed."""
    means = _mean_share(rows, layer)
    if not {ALIKE, OLD, OLDER} <= set(means):
        return None
    return sample_of(means[[OLD, OLDER]].mean(axis=1, skipna=False) - means[ALIKE])


def _unique(rows: pd.DataFrame) -> Sample | None:
    """Share of a mask's weights that no earlier task uses, where used ones are preferred; one a network."""
    means = 1 - _mean_share(rows, 0).drop(columns=ALIKE, errors="ignore")
    return sample_of(means.to_numpy().ravel())


FINDINGS = {
    "shared_while_free": Metric("sharing while at most half of a layer is in use", _while_free),
    "sharing_grows": Metric("share of layers in which sharing grows as they fill", _grows, 2),
    "last_layer_shares_most": Metric("share of networks whose last layer shares most", _last_layer_shares_most, 2),
    "old_shares_more": Metric("sharing, used weights preferred less all alike", lambda rows: _old_shares_more(rows, 0)),
    "old_shares_more_first": Metric("the same in the first layer", lambda rows: _old_shares_more(rows, 1)),
    "unique_weight_fraction_lower_bound": Metric("weights that no earlier task uses", _unique),
}
