"""What the rows of ``clusterability`` and ``dropout`` say about dropout, in sentences. Chapter: ``dropout``."""

from __future__ import annotations

import pandas as pd

from modlib.evidence.metrics import are_below_all_shuffles
from modlib.evidence.sentences import Sentences, by_verb, changed, share_of
from modlib.tables.words import DATASETS

TABLES = ("clusterability", "dropout")  # networks without and with dropout
K = 4  # clusters


def found(rows: pd.DataFrame) -> Sentences:
    """What dropout does to pruned networks: to their n-cut, to its place among shuffles, and to test accuracy."""
    rows = rows[(rows["stage"] == "pruned") & (rows["null"] == "layer") & (rows["k"] == K)]
    return _ncut(rows), _below_all_shuffles(rows), _accuracy(rows)


def _means(rows: pd.DataFrame, column: str) -> list[tuple[str, float, float]]:
    """Data sets that have networks of both kinds, with the mean without dropout and with it."""
    means = rows.groupby(["dataset", "dropout"])[column].mean().unstack().reindex(columns=["no", "yes"]).dropna()
    return [(words, *means.loc[name, ["no", "yes"]]) for name, words in DATASETS.items() if name in means.index]


def _ncut(rows: pd.DataFrame) -> str | None:
    told = by_verb(
        ("lowers the mean n-cut of" if yes < no else "raises the mean n-cut of", f"{data} networks {changed(no, yes)}")
        for data, no, yes in _means(rows, "ncut")
    )
    return told and f"Dropout {told}, at {K} clusters and after pruning."


def _below_all_shuffles(rows: pd.DataFrame) -> str | None:
    below = are_below_all_shuffles(rows)
    with_dropout, without = (share_of(below[rows["dropout"] == value]) for value in ("yes", "no"))
    if not with_dropout or not without:
        return None
    return (
        f"With dropout {with_dropout} pruned networks have a lower n-cut than each of their shuffles, the same weights "
        f"in other places; without dropout {without} have."
    )


def _accuracy(rows: pd.DataFrame) -> str | None:
    told = by_verb(
        ("costs" if yes < no else "adds", f"{100 * abs(no - yes):.1f} points on {data}")
        for data, no, yes in _means(rows, "test_accuracy")
    )
    return told and f"In test accuracy, in percent, dropout {told}."
