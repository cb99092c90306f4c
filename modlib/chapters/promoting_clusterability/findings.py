"""What clusterability section 4 says about making networks clusterable, from rows of ``promoting-clusterability``.

Chapter: ``promoting-clusterability``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import over_networks, statistic

PAIR = ["dataset", "dropout", "seed", "stage", "k"]  # networks of one seed with different methods


def effect_of_penalty(rows: pd.DataFrame, column: str) -> Sample | None:
    """A column with the eigenvalue penalty less the same without it, for networks of one seed.

    Where the column is ``above``, it is the n-cut less the mean of the shuffles.
    """
    rows = rows.assign(above=rows["ncut"] - rows["shuffled_mean"])
    without, with_penalty = (rows[rows["method"] == method] for method in ("none", "eigenvalues"))
    pairs = with_penalty.merge(without, on=PAIR, suffixes=("", "_none"))
    return over_networks(pairs[column] - pairs[f"{column}_none"]) if len(pairs) else None


def tags_kept(rows: pd.DataFrame) -> Sample | None:
    """Adjusted Rand index between the clusters found and those of the start."""
    values = rows["tags_kept"].dropna().to_numpy(dtype=np.float64)
    return over_networks(values) if len(values) else None


FINDINGS = {
    "penalty_ncut": statistic("n-cut, with the penalty less without", lambda rows: effect_of_penalty(rows, "ncut")),
    "penalty_above_shuffles": statistic(
        "n-cut above shuffles, with the penalty less without", lambda rows: effect_of_penalty(rows, "above")
    ),
    "penalty_accuracy": statistic(
        "test accuracy, with the penalty less without", lambda rows: effect_of_penalty(rows, "test_accuracy"), 4
    ),
    "tags_kept": statistic("agreement with the start", tags_kept),
}
