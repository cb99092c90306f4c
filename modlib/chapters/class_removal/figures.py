"""Figures of the chapter on class removal, on the axes of the paper's own figures.

Chapter: ``class-removal``.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modlib.chapters.class_removal.experiment import CLASSES, RESIDUAL
from modlib.chapters.class_removal.findings import WITH, WITHOUT, differences, drops, gained, target_and_others
from modlib.evidence.digits import signed
from modlib.evidence.sentences import listed
from modlib.plots import PALETTE

TITLES = {WITH: "with dropout", WITHOUT: "without dropout", RESIDUAL: "ResNet-20"}


def confusion_change(change: np.ndarray, names: Sequence[str], removed: int | None = None) -> Figure:
    """How the confusion matrix of a network changes if a class is removed (figures 6 and 18 to 20).

    Args:
        change: (10, 10) shares of the true class, with the mask less with the control mask.
        names: of the classes.
        removed: which class, to mark it; none by default.
    """
    figure, ax = plt.subplots(figsize=(5, 4.2), layout="constrained")
    image = ax.imshow(100 * change, cmap="RdBu", vmin=-60, vmax=60)
    for (i, j), value in np.ndenumerate(100 * change):
        if abs(value) >= 1:
            ax.text(
                j,
                i,
                signed(value, ".0f"),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if abs(value) > 35 else "black",
            )
    ax.set_xticks(range(len(names)), list(names), rotation=45, ha="right", fontsize="x-small")
    ax.set_yticks(range(len(names)), list(names), fontsize="x-small")
    if removed is not None:
        ax.get_yticklabels()[removed].set_fontweight("bold")
    ax.set_xlabel("said", fontsize="small")
    ax.set_ylabel("true class", fontsize="small")
    figure.colorbar(image, label="percentage points")
    return figure


def all_changes(rows: pd.DataFrame, kind: str, names: Sequence[str]) -> Figure:
    """The row of the removed class in every change, one above the other: where do its images go?

    Args:
        rows: of class removal.
        kind: of network, one of ``TITLES``.
        names: of the classes.
    """
    found = {target: change for (of_kind, _, target), change in differences(rows).items() if of_kind == kind}
    lines = np.stack([found[target][target] if target in found else np.full(len(names), np.nan) for target in CLASSES])
    return confusion_change(lines, names)


def where_images_go(rows: pd.DataFrame, kind: str, names: Sequence[str]) -> str:
    """The class to which most images of each removed class go, as ``all_changes`` draws it, in words.

    Args:
        rows: of class removal.
        kind: of network, one of ``TITLES``.
        names: of the classes.
    """
    told, none = [], []
    for (of_kind, _, target), change in differences(rows).items():
        if of_kind == kind:
            gains = gained(change, target)
            if change[target, target] < 0:
                told.append(f"{gains.max():.0%} of {names[target]} to {names[int(gains.argmax())]}")
            else:
                none.append(names[target])
    parts = [f"Where most of the images go that a removed class loses: {listed(told)}"] if told else []
    parts += [f"{listed(none)} {'lose' if len(none) > 1 else 'loses'} none"] if none else []
    return f"{'; '.join(parts)}."


def drops_by_class(rows: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Accuracy that a class loses if it is removed, and the largest loss of any other (figure 6b).

    Args:
        rows: of class removal.
        names: of the classes.
    """
    found = target_and_others(rows)
    kinds = [kind for kind in TITLES if kind in set(found["kind"])]
    figure, axes = plt.subplots(
        len(kinds),
        1,
        figsize=(6.8, 1.8 * len(kinds) + 0.9),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for ax, kind in zip(axes[:, 0], kinds, strict=True):
        means = found[found["kind"] == kind].groupby("removed")[["target", "other"]].mean().reindex(CLASSES) * 100
        for i, (column, label) in enumerate({"target": "the class itself", "other": "the worst other one"}.items()):
            ax.bar(
                np.arange(len(names)) + 0.4 * i - 0.2,
                means[column],
                0.4,
                color=PALETTE[i],
                hatch=("", "//")[i],
                edgecolor="white",
                label=label,
            )
        ax.axhline(0, color="black", lw=0.8)
        ax.set_xticks(range(len(names)), list(names), rotation=45, ha="right", fontsize="x-small")
        ax.set_title(TITLES[kind], fontsize="small")
    figure.supylabel("accuracy lost, percentage points", fontsize="small")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize="small")
    return figure


def accuracy_lost(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over removed classes, for a table: kind, networks, lost by the class itself and by the worst other."""
    found = target_and_others(rows)
    means = found.groupby("kind").agg(networks=("seed", "nunique"), itself=("target", "mean"), worst=("other", "mean"))
    overall = drops(rows).groupby("kind")[list(CLASSES)].mean().mean(axis=1).rename("all classes")
    means = means.join(overall).rename(columns={"itself": "the class itself", "worst": "worst other class"})
    return means.rename(index=TITLES).reset_index().rename(columns={"kind": "network"})
