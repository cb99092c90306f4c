"""What clusterability section 2 says about L1 and L2, from rows of ``regularisation``.

Chapter: ``regularisation``.
"""

from __future__ import annotations

import pandas as pd

from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, over_networks

PAIR = ["dataset", "dropout", "penalty", "seed", "stage", "k"]  # a network at one stage


def above_shuffles(rows: pd.DataFrame) -> Sample | None:
    """n-cut less the mean of its shuffles, a number a network: below 0 where it is more clusterable than chance."""
    return over_networks(rows["ncut"] - rows["shuffled_mean"]) if len(rows) else None


def faint_effect(rows: pd.DataFrame) -> pd.DataFrame:
    """What faint weights do to a network: columns of ``PAIR``, and n-cut above shuffles, with them less without.

    Also what removing them costs in test accuracy, ``cost``.
    """
    rows = rows.assign(above=rows["ncut"] - rows["shuffled_mean"])
    kept, removed = (rows[rows["faint"] == state] for state in ("kept", "removed"))
    pairs = kept.merge(removed, on=PAIR, suffixes=("", "_removed"))
    return pairs[PAIR].assign(
        effect=pairs["above"] - pairs["above_removed"], cost=pairs["test_accuracy"] - pairs["test_accuracy_removed"]
    )


def _of_faint(rows: pd.DataFrame, column: str) -> Sample | None:
    found = faint_effect(rows)
    return over_networks(found[column]) if len(found) else None


FINDINGS = {
    "above_shuffles": Metric("n-cut above shuffles", above_shuffles),
    "faint_effect": Metric("n-cut above shuffles, due to faint weights", lambda rows: _of_faint(rows, "effect")),
    "faint_cost": Metric("accuracy lost with faint weights", lambda rows: _of_faint(rows, "cost"), 4),
}
