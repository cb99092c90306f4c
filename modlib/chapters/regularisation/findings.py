"""What L1 and L2 do to clusterability, and what faint weights have to do with it, from rows of ``regularisation``.

Chapter: ``regularisation``.
"""

from __future__ import annotations

import pandas as pd

from modlib.chapters.rows import with_distance
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import over_networks, paired
from modlib.evidence.sentences import Sentences, listed, told, which_way
from modlib.tables.words import DATASETS

TABLES = ("regularisation", "clusterability")  # what is told rests on; networks without a penalty
PAIR = ["dataset", "dropout", "seed", "stage", "k"]  # networks of one seed with different penalties
NAMES = {"l1": "L1", "l2": "L2", "l1-l2": "L1 in the first layer and L2 in the others"}


def effect(rows: pd.DataFrame, usual: pd.DataFrame, column: str) -> Sample | None:
    """A column with a penalty less the same without, for networks of one seed, all weights kept.

    Args:
        rows: of one penalty.
        usual: of networks without a penalty, with one null model.
        column: of the tables, or ``distance``.
    """
    return paired(with_distance(rows[rows["faint"] == "kept"]), with_distance(usual), column, PAIR)


def of_faint(rows: pd.DataFrame, column: str) -> Sample | None:
    """A column with faint weights less the same without them, for the same networks.

    Args:
        rows: of one penalty.
        column: of the table, or ``distance``.
    """
    kept, removed = (with_distance(rows[rows["faint"] == state]) for state in ("kept", "removed"))
    return paired(kept, removed, column, PAIR)


def found(rows: pd.DataFrame) -> Sentences:
    """What the penalties do to the n-cut of pruned networks, to its place among shuffles, and what faint weights do.

    Args:
        rows: of ``TABLES``.
    """
    pruned = rows[(rows["stage"] == "pruned") & (rows["k"] == 12)]
    own, usual = (pruned[pruned["table"] == table] for table in TABLES)
    usual = usual[usual["null"] == "layer"]
    by_penalty = {name: part for penalty, name in NAMES.items() if len(part := own[own["penalty"] == penalty])}
    return _ncut(by_penalty, usual), _distance(by_penalty), _faint(by_penalty.get("L1"))


def _ncut(by_penalty: dict[str, pd.DataFrame], usual: pd.DataFrame) -> str | None:
    changes = {name: effect(rows, usual, "ncut") for name, rows in by_penalty.items()}
    parts = [
        f"{name} {which_way(sample, 'lowers', 'raises', 'changes')} it by {told(sample)}"
        for name, sample in changes.items()
        if sample
    ]
    measured = {name for rows in by_penalty.values() for name in rows["dataset"]}
    datasets = [title for name, title in DATASETS.items() if name in measured]
    return f"The n-cut of pruned networks on {listed(datasets)}: {'; '.join(parts)}." if parts else None


def _distance(by_penalty: dict[str, pd.DataFrame]) -> str | None:
    parts = []
    for name, rows in by_penalty.items():
        kept = with_distance(rows[rows["faint"] == "kept"])
        if len(kept):
            parts.append(f"{told(over_networks(kept['distance']))} with {name}")
    return f"The n-cut of pruned networks minus that of their shuffles is {listed(parts)}." if parts else None


def _faint(rows: pd.DataFrame | None) -> str | None:
    if rows is None or not (change := of_faint(rows, "distance")):
        return None
    without = over_networks(with_distance(rows[rows["faint"] == "removed"])["distance"])
    share = rows["faint_share"].mean()
    return (
        f"Of the weights that L1 and pruning leave, {share:.0%} are fainter than one step of the optimiser; without "
        f"them the n-cut minus that of the shuffles is {told(without)}, lower by {told(change)}, and test "
        f"accuracy changes by {told(_negative(of_faint(rows, 'test_accuracy')), 4)}."
    )


def _negative(sample: Sample | None) -> Sample | None:
    return over_networks([-value for value in sample.values]) if sample else None
