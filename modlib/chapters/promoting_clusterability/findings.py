"""What clusterability section 4 says about making networks clusterable, from rows of ``promoting-clusterability``.

Chapter: ``promoting-clusterability``.
"""

from __future__ import annotations

import pandas as pd

from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, over_networks, sample_of
from modlib.evidence.sentences import told, which_way

PAIR = ["dataset", "dropout", "seed", "stage", "k"]  # networks of one seed with different methods
EASE = ("easier to cut", "harder to cut", "not clearly easier to cut")


def effect(rows: pd.DataFrame, column: str, method: str = "eigenvalues", base: str = "none") -> Sample | None:
    """A column with one method less the same with another, for networks of one seed; None if there is no pair.

    Args:
        rows: one a network, stage and k.
        column: of the table, or ``above``: the n-cut less the mean of the shuffles.
        method: a column ``method``.
        base: the method that is taken away.
    """
    rows = rows.assign(above=rows["ncut"] - rows["shuffled_mean"])
    without, with_method = (rows[rows["method"] == name] for name in (base, method))
    pairs = with_method.merge(without, on=PAIR, suffixes=("", "_base"))
    return over_networks(pairs[column] - pairs[f"{column}_base"]) if len(pairs) else None


def found(rows: pd.DataFrame, usual: pd.DataFrame) -> tuple[str, str, str]:
    """What the rows say, in three sentences: of the penalty, of relative clusterability, of the start.

    Args:
        rows: of this chapter.
        usual: of perceptrons without dropout that start as usual, from the table of ``clusterability``, with k = 12 and
            one null model.
    """
    small, started = (rows[rows["method"].ne("initialisation") == is_small] for is_small in (True, False))
    before, after = (small[small["stage"] == stage] for stage in ("unpruned", "pruned"))
    start = pd.concat([usual.assign(method="none"), started])
    start, kept = start[start["stage"] == "pruned"], started[started["stage"] == "pruned"]["tags_kept"]
    penalty, above = effect(after, "ncut"), effect(after, "above")
    beyond = effect(after, "ncut", base="normalisation")
    from_start = effect(start, "ncut", "initialisation")
    clusterable = which_way(above, "more clusterable", "less clusterable", "not clearly more clusterable")
    return (
        f"Pruned networks with the eigenvalue penalty are {which_way(penalty, *EASE)} than networks without: the "
        f"n-cut changes by {told(penalty)} after pruning and by {told(effect(before, 'ncut'))} before; beyond what "
        f"normalised neurons do alone, the penalty makes pruned networks {which_way(beyond, *EASE)}, by {told(beyond)}, "
        f"and those before pruning by {told(effect(before, 'ncut', base='normalisation'))}.",
        f"Measured against their shuffles, pruned networks with the penalty are {clusterable}: the n-cut less the mean "
        f"of the shuffles changes by {told(above)}, and by {told(effect(before, 'above'))} before pruning; test "
        f"accuracy after pruning changes by {told(effect(after, 'test_accuracy'), 4)}.",
        f"Pruned networks that started with clusters are {which_way(from_start, *EASE)} than others: the n-cut changes "
        f"by {told(from_start)}, test accuracy by {told(effect(start, 'test_accuracy', 'initialisation'), 4)}, and the "
        f"clusters found agree with those of the start to {told(sample_of(kept) if len(kept) else None)}, where 1 is "
        "the same and 0 is chance.",
    )


FINDINGS = {
    "penalty_ncut": Metric("n-cut, with the penalty less without", lambda rows: effect(rows, "ncut")),
    "penalty_above_shuffles": Metric(
        "n-cut above shuffles, with the penalty less without", lambda rows: effect(rows, "above")
    ),
}
