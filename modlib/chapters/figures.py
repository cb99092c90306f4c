"""Figures that several chapters draw of the rows of shuffle tests, on the axes of the papers' own figures.

Colours and markers are those of ``modlib.plots``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modlib.plots import MARKERS, PALETTE, drawn_in
from modlib.tables.words import DATASETS

WIDEST = 9.6  # inches of a figure, beyond which the letters are too small on a page


def before_and_after(rows: pd.DataFrame, k: int) -> Figure:
    """n-cut of every network before and after pruning, and its shuffles' (pruned-modular figure 2).

    Args:
        rows: rows of one null model, with stage ``unpruned`` and ``pruned``; other k are left out.
        k: number of clusters.
    """
    rows = rows[(rows["k"] == k) & rows["stage"].isin(("unpruned", "pruned"))]  # untrained networks have no such stage
    datasets = [name for name in DATASETS if name in set(rows["dataset"])]
    figure, axes = _panels(len(datasets), sharey=True)
    for ax, dataset in zip(axes[0], datasets, strict=True):
        for dropout, group in rows[rows["dataset"] == dataset].groupby("dropout"):
            i, name = (1, "dropout") if dropout == "yes" else (0, "no dropout")
            shift = 0.12 * (2 * i - 1)
            for stage, x in (("unpruned", 0), ("pruned", 1)):
                part = group[group["stage"] == stage]
                at = x + shift + np.linspace(-0.07, 0.07, len(part))
                label = name if stage == "unpruned" else None
                ax.errorbar(
                    at, part["shuffled_mean"], part["shuffled_sd"], fmt="none", color="#999999", elinewidth=1, zorder=1,
                    label="shuffles, mean and sd" if stage == "unpruned" else None,
                )  # fmt: skip
                ax.scatter(at, part["ncut"], color=PALETTE[i], marker=MARKERS[i], s=22, label=label, zorder=2)
        ax.set(
            title=DATASETS[dataset], xticks=[0, 1], xticklabels=["before\npruning", "after\npruning"], xlim=(-0.4, 1.4)
        )
    axes[0, 0].set_ylabel(f"n-cut at k = {k}")
    _legend(axes[0])
    return figure


def absolute_and_relative(rows: pd.DataFrame, k: int, title: str = "") -> Figure:
    """n-cut against Z-score, a point a network (clusterability figures 2, 3, 6 to 9, 13 to 15 and A.6).

    Absolute clusterability grows to the left, relative clusterability downwards.

    Args:
        rows: rows of one null model, with a column ``condition`` that decides colour and marker; other k are left out.
        k: number of clusters.
        title: above all panels.
    """
    rows = rows[rows["k"] == k].dropna(subset=["z"])
    datasets = [name for name in DATASETS if name in set(rows["dataset"])]
    conditions = list(dict.fromkeys(rows["condition"]))  # of all panels, for one legend serves them all
    figure, axes = _panels(len(datasets))
    for ax, dataset in zip(axes[0], datasets, strict=True):
        for condition, group in rows[rows["dataset"] == dataset].groupby("condition", sort=False):
            i = conditions.index(condition)
            ax.scatter(group["ncut"], group["z"], color=PALETTE[i], marker=MARKERS[i], label=condition)
        ax.axhline(0, color="#999999", lw=0.8)
        ax.set(title=DATASETS[dataset], xlabel=f"n-cut at k = {k}")
    axes[0, 0].set_ylabel("Z-score against shuffles")
    if title:
        figure.suptitle(title)
    _legend(axes[0])
    return figure


def _legend(axes: np.ndarray) -> None:
    """What is drawn in any of the panels, beside the last of them, where it hides no points."""
    drawn = drawn_in(axes)
    axes[-1].legend(drawn.values(), drawn, fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))


def _panels(n: int, sharey: bool = False) -> tuple[Figure, np.ndarray]:
    """A panel a data set, and room for a legend beside the last."""
    size = min(3.3 * n + 1.7, WIDEST), 3.6
    return plt.subplots(1, n, figsize=size, sharey=sharey, squeeze=False, layout="constrained")
