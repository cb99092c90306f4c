"""What clusterability section 4 says about making networks clusterable, from rows of ``promoting-clusterability``.

Chapter: ``promoting-clusterability``.
"""

from __future__ import annotations

import pandas as pd

from modlib.chapters.promoting_clusterability.experiment import LARGE
from modlib.chapters.rows import means_by_dataset
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, paired
from modlib.evidence.sentences import Sentences, listed, told, which_way

PAIR = ["dataset", "dropout", "seed", "stage", "k"]  # networks of one seed with different methods
TABLES = ("promoting-clusterability", "clusterability")  # what is told rests on; networks that start as usual


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
    return paired(with_method, without, column, PAIR)


def found(rows: pd.DataFrame) -> Sentences:
    """What makes networks easier to cut, whether relative to their shuffles too, and what it costs.

    Args:
        rows: of ``TABLES``.
    """
    own, usual = rows[rows["table"] == TABLES[0]], rows[rows["table"] == TABLES[1]]
    usual = usual[(usual["k"] == 12) & (usual["null"] == "layer")].assign(method="none")
    started = own[own["method"] == "initialisation"]
    small = own[~own["method"].isin(LARGE)]
    before, after = (small[small["stage"] == stage] for stage in ("unpruned", "pruned"))
    start = pd.concat([usual, started])
    return _easier(after, start[start["stage"] == "pruned"]), _relative(before, after), _cost(after, started, start)


def _easier(after: pd.DataFrame, start: pd.DataFrame) -> str | None:
    penalty, beyond = effect(after, "ncut"), effect(after, "ncut", base="normalisation")
    started = effect(start, "ncut", "initialisation")
    if not penalty:
        return None
    ease = which_way(penalty, "easier", "harder", "not clearly easier")
    parts = [f"With the eigenvalue penalty pruned networks are {ease} to cut, their n-cut changes by {told(penalty)}"]
    if beyond:
        parts.append(f"by {told(beyond)} beyond what normalised neurons do alone")
    if started:
        parts.append(f"with a start in clusters it changes by {told(started)}")
    return "; ".join(parts) + "."


def _relative(before: pd.DataFrame, after: pd.DataFrame) -> str | None:
    above = {stage: effect(rows, "above") for stage, rows in (("after", after), ("before", before))}
    told_of = [f"by {told(sample)} {stage} pruning" for stage, sample in above.items() if sample]
    if not told_of:
        return None
    side = which_way(above["after"], "more", "less", "not clearly more")
    return (
        f"Relative to their shuffles, pruned networks with the penalty are {side} clusterable than without: the n-cut "
        f"minus the mean of the shuffles changes {listed(told_of)}."
    )


def _cost(after: pd.DataFrame, started: pd.DataFrame, start: pd.DataFrame) -> str | None:
    kept = started[started["stage"] == "pruned"]
    costs = {
        "with the penalty": effect(after, "test_accuracy"),
        "with a start in clusters": effect(start[start["stage"] == "pruned"], "test_accuracy", "initialisation"),
    }
    told_of = [f"by {told(sample, 4)} {name}" for name, sample in costs.items() if sample]
    if not told_of:
        return None
    agreed = means_by_dataset(kept, "tags_kept")
    tags = f"; clusters of pruned networks agree with those of the start by {agreed}, where 0 is chance"
    return f"Test accuracy after pruning changes {listed(told_of)}{tags if agreed else ''}."


FINDINGS = {
    "penalty_ncut": Metric("n-cut, with the penalty minus without", lambda rows: effect(rows, "ncut")),
    "penalty_above_shuffles": Metric(
        "n-cut above shuffles, with the penalty minus without", lambda rows: effect(rows, "above")
    ),
}
