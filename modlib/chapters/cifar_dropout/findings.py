"""What one change at a time did to networks for CIFAR-10 with dropout, beside table A.13 of *Pruned neural networks*.

Chapter: ``topology-shuffles``.
"""

from __future__ import annotations

import pandas as pd

from modlib.chapters.cifar_dropout.experiment import CHANGES
from modlib.evidence.metrics import are_below_all_shuffles, below_all_shuffles
from modlib.evidence.papers import paper_values

AS_IN_TEXT = next(iter(CHANGES))
LONGER = ("twice the epochs", "thrice the epochs")
COLUMNS = ["networks", "n-cut", "shuffled", "below all", "training accuracy", "test accuracy"]


def by_change(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the networks of each kind, the paper's first; how many have a lower n-cut than all their shuffles.

    Args:
        rows: of the table ``cifar-dropout``.
    """
    rows = rows[rows["null"] == "layer"].assign(below=lambda part: are_below_all_shuffles(part).astype(int))
    groups = rows.groupby("change")
    found = pd.DataFrame(
        {
            "networks": groups.size(),
            "n-cut": groups["ncut"].mean(),
            "shuffled": groups["shuffled_mean"].mean(),
            "below all": groups["below"].sum(),
            "training accuracy": groups["train_accuracy"].mean(),
            "test accuracy": groups["test_accuracy"].mean(),
        }
    ).reindex([change for change in CHANGES if change in groups.groups])
    return pd.concat([printed(), found])[COLUMNS]


def printed() -> pd.DataFrame:
    """What the paper prints of its own ten, in table A.13; their accuracies are printed after pruning only."""
    values = paper_values("pruned-modular")
    runs = values[values["item"] == "table-A.13"]

    def of(metric: str) -> pd.Series:
        return runs.loc[runs["metric"] == metric, "value"].astype(float)

    line = {
        "networks": len(of("ncut")),
        "n-cut": of("ncut").mean(),
        "shuffled": of("dist_ncut").mean(),
        "below all": sum(below_all_shuffles(p, 320) for p in of("p_value")),
    }
    return pd.DataFrame([line], index=["the paper"], columns=COLUMNS)


def told(rows: pd.DataFrame) -> str:
    """Which changes make networks significant that are not so as the paper's text has them; empty without rows.

    Args:
        rows: of the table ``cifar-dropout``.
    """
    found = by_change(rows)
    if AS_IN_TEXT not in found.index:
        return ""
    plain, paper = found.loc[AS_IN_TEXT], found.loc["the paper"]
    changed = found.drop([AS_IN_TEXT, "the paper"])
    learned = changed["test accuracy"] > 0.5 * plain["test accuracy"]
    all_below = changed["below all"] == changed["networks"]
    some = [str(name) for name in changed.index[all_below & learned]]
    none = [str(name) for name in changed.index[~learned]]
    text = (
        f"As the text has them, {plain['below all']:.0f} of {plain['networks']:.0f} networks are below all their "
        f"shuffles, where the paper has {paper['below all']:.0f} of {paper['networks']:.0f}. "
    )
    if some:
        text += f"All of them are below after one of these changes: {', '.join(some)}. "
    if none:
        text += f"Half of the accuracy or more is lost, and so they are no explanation: {', '.join(none)}. "
    if set(LONGER) <= set(some):
        text += "Which side of their shuffles these networks are on depends on how long they train. "
    if learned.any():
        lowest = changed[learned].sort_values("n-cut").iloc[0]
        text += (
            f"The lowest n-cut of those that keep their accuracy, {lowest['n-cut']:.3f} ({lowest.name}), is "
            f"{'above' if lowest['n-cut'] > paper['n-cut'] else 'below'} the paper's {paper['n-cut']:.3f}."
        )
    return text.strip()
