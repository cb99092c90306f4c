"""What clusterability section 4 says about making networks clusterable, from rows of ``promoting-clusterability``.

Chapter: ``promoting-clusterability``.
"""

from __future__ import annotations

import pandas as pd

from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, over_networks, sample_of

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
    return sample_of(rows["tags_kept"])


FINDINGS = {
    "penalty_ncut": Metric("n-cut, with the penalty less without", lambda rows: effect_of_penalty(rows, "ncut")),
    "penalty_above_shuffles": Metric(
        "n-cut above shuffles, with the penalty less without", lambda rows: effect_of_penalty(rows, "above")
    ),
    "penalty_accuracy": Metric(
        "test accuracy, with the penalty less without", lambda rows: effect_of_penalty(rows, "test_accuracy"), 4
    ),
    "tags_kept": Metric("agreement with the start", tags_kept),
}
