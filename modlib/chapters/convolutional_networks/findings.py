"""What the graphs of channels look like, from rows of ``convolutional-networks``.

Chapter: ``convolutional-networks``.
"""

from __future__ import annotations

import pandas as pd

from modlib.chapters.convolutional_networks.experiment import FOLDED, SMALL, UNTRAINED
from modlib.chapters.rows import with_distance
from modlib.evidence.sentences import Sentences, listed, share_of

NAMES = {
    "none": "nothing",
    "dropout": "dropout",
    "l1": "L1",
    "l2": "L2",
    "dropout, l2": "dropout and L2",
    "start": "clusterable start",
}
STAGES = {"unpruned": "before pruning", "pruned": "after it"}


def with_condition(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a column ``condition``: what a network was trained with, one of ``NAMES``."""
    without, alone = rows["dropout"] == "no", rows["penalty"] == "none"
    both = ("dropout, " + rows["penalty"]).where(~alone, "dropout")
    return rows.assign(condition=both.where(~without, rows["penalty"]))


def found(rows: pd.DataFrame) -> Sentences:
    """Whether trained CNNs are more clusterable than chance, where untrained ones lie, and what pruning does."""
    untrained, trained = (rows[(rows["dataset"] == UNTRAINED) == is_untrained] for is_untrained in (True, False))
    trained = with_distance(trained[trained["batch_norm"] != FOLDED])
    return _trained(trained, untrained), _untrained(untrained), _spread(trained, untrained)


def _trained(trained: pd.DataFrame, untrained: pd.DataFrame) -> str | None:
    if trained.empty and untrained.empty:
        return None
    if trained.empty:
        return f"The n-cuts of trained CNNs are not measured yet, only those of {len(untrained)} that are not trained."
    parts = [
        f"{share_of(part['distance'] < 0)} {name}"
        for stage, name in STAGES.items()
        if len(part := trained[trained["stage"] == stage])
    ]
    return f"Trained CNNs are easier to cut than the mean of their shuffles in {listed(parts)}."


def _untrained(untrained: pd.DataFrame) -> str | None:
    parts = []
    for network, part in sorted(untrained.groupby("network")):
        name = "small CNNs" if network == SMALL else "networks of VGG-16"
        parts.append(f"{part['ncut'].min():.2f} to {part['ncut'].max():.2f} in {len(part)} {name}")
    return f"Before training, the n-cut at 12 clusters is {listed(parts)}." if parts else None


def _spread(trained: pd.DataFrame, untrained: pd.DataFrame) -> str | None:
    small = untrained[untrained["network"] == SMALL]["ncut"]
    if len(small) < 2:
        return None
    below = trained[trained["network"] == SMALL]
    told = f"; {share_of(below['ncut'] < small.min())} trained small CNNs lie below all of them" if len(below) else ""
    return (
        f"Untrained small CNNs differ by a standard deviation of {small.std():.3f} only, which is "
        f"{small.std() / small.mean():.1%} of their mean of {small.mean():.2f}{told}."
    )
