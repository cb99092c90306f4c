"""Figures of the chapter ``promoting-clusterability``.

Colours and markers are those of ``modlib.plots``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from modlib.plots import MARKERS, PALETTE
from modlib.tables.words import dataset_in_words

METHODS = {"none": "neither", "normalisation": "normalisation\nalone", "eigenvalues": "normalisation\nand penalty"}
STAGES = {"unpruned": "before pruning", "pruned": "after pruning"}


def what_the_penalty_adds(rows: pd.DataFrame) -> Figure:
    """n-cut, and n-cut less the mean of the shuffles, of networks of one seed with more and more of the method.

    A thin line joins the networks of a seed; the thick marks are means.

    Args:
        rows: one a network and stage, of the methods ``METHODS``.
    """
    rows = rows.assign(above=rows["ncut"] - rows["shuffled_mean"])
    figure, axes = plt.subplots(2, 2, figsize=(8, 5.6), sharex=True, sharey="row")
    for column, (stage, title) in enumerate(STAGES.items()):
        for ax, value in zip(axes[:, column], ("ncut", "above"), strict=True):
            by_seed = rows[rows["stage"] == stage].pivot(index="seed", columns="method", values=value)
            by_seed = by_seed.reindex(columns=list(METHODS))
            ax.plot(range(len(METHODS)), by_seed.to_numpy().T, color="#BBBBBB", lw=1, zorder=1)
            for place, mean in enumerate(by_seed.mean()):
                ax.scatter(place, mean, color=PALETTE[place], marker=MARKERS[place], s=70, zorder=2)
            ax.set_xticks(range(len(METHODS)), list(METHODS.values()))
        axes[0, column].set_title(title)
        axes[1, column].axhline(0, color="black", lw=0.8)
    axes[0, 0].set_ylabel("n-cut at k = 12")
    axes[1, 0].set_ylabel("n-cut minus mean\nof shuffles")
    figure.tight_layout()
    return figure


def tags_kept(rows: pd.DataFrame) -> Figure:
    """Agreement of the clusters found with those of the start, before and after pruning, a line a network.

    Args:
        rows: one a network and stage, that started with clusters, of one method a data set.
    """
    figure, ax = plt.subplots(figsize=(4.5, 3.4))
    for i, (_, group) in enumerate(rows.groupby("dataset", sort=False)):
        by_seed = group.pivot(index="seed", columns="stage", values="tags_kept").reindex(columns=list(STAGES))
        lines = ax.plot(range(2), by_seed.to_numpy().T, color=PALETTE[i], marker=MARKERS[i], lw=1)
        lines[0].set_label(dataset_in_words(group["dataset"].iloc[0]))
    ax.axhline(0, color="black", lw=0.8)
    ax.set(xlim=(-0.3, 1.3), ylim=(-0.1, 1.05), ylabel="adjusted Rand index with the start")
    ax.set_xticks(range(2), list(STAGES.values()))
    ax.legend(fontsize="small")
    figure.tight_layout()
    return figure
