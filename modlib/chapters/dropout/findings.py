"""What the rows of ``clusterability`` and ``dropout`` say about dropout, in sentences. Chapter: ``dropout``."""

from __future__ import annotations

import pandas as pd

from modlib.chapters.rows import by_dataset
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import are_below_all_shuffles, paired
from modlib.evidence.sentences import Sentences, by_verb, share_of, told, which_way

TABLES = ("clusterability", "dropout")  # networks without and with dropout
K = 4  # clusters


def found(rows: pd.DataFrame) -> Sentences:
    """What dropout does to pruned networks: to their n-cut, to its place among shuffles, and to test accuracy."""
    rows = rows[(rows["stage"] == "pruned") & (rows["null"] == "layer") & (rows["k"] == K)]
    return _ncut(rows), _below_all_shuffles(rows), _accuracy(rows)


def _does(rows: pd.DataFrame, column: str) -> str | None:
    """What dropout does to a column, by data set: with dropout less without.

    Networks with the same number are compared, which share nothing else.
    """
    effects: dict[str, Sample] = {}
    for words, part in by_dataset(rows).items():
        dropped, plain = (part[part["dropout"] == value] for value in ("yes", "no"))
        if effect := paired(dropped, plain, column, ["seed"]):
            effects[words] = effect
    return by_verb(
        (which_way(effect, "lowers it on", "raises it on", "does not clearly change it on"), f"{data}, {told(effect)}")
        for data, effect in effects.items()
    )


def _ncut(rows: pd.DataFrame) -> str | None:
    does = _does(rows, "ncut")
    return does and f"The n-cut at {K} clusters, after pruning: dropout {does}."


def _below_all_shuffles(rows: pd.DataFrame) -> str | None:
    below = are_below_all_shuffles(rows)
    with_dropout, without = (share_of(below[rows["dropout"] == value]) for value in ("yes", "no"))
    if not with_dropout or not without:
        return None
    return (
        f"With dropout {with_dropout} pruned networks have a lower n-cut at {K} clusters than each of their "
        f"shuffles, the same weights in other places; without dropout {without} have."
    )


def _accuracy(rows: pd.DataFrame) -> str | None:
    does = _does(rows.assign(percent=100 * rows["test_accuracy"]), "percent")
    return does and f"Test accuracy, in percent: dropout {does}."
