"""Figures of the chapter ``topology-shuffles``, on the axes of the papers' own figures.

Colours and markers are those of ``modlib.plots``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from modlib.evidence.sentences import listed, share_of
from modlib.plots import NULL_COLOURS, NULL_LINES, PALETTE, density
from modlib.tables.words import DATASETS

WIDEST = 9.4  # inches of a grid of panels, whose small letters are read at that width
SOURCES = {"paper": ("#999999", "s"), "here": (PALETTE[0], "o")}


def shuffle_densities(tests: pd.DataFrame) -> Figure:
    """Densities of layer and layer-nonzero shuffles, a panel a network (pruned-modular figures 4 and A.2 to A.5).

    Args:
        tests: a row a network and null model, with panel row, panel column, null, ncut and values (n-cuts of shuffles).
            Panels of a row share their axis.
    """
    names = list(dict.fromkeys(tests["panel row"]))
    columns = list(dict.fromkeys(tests["panel column"]))
    shape, size = (len(names), len(columns)), (min(max(1.4 * len(columns), 6), WIDEST), 1.4 * len(names) + 1)
    figure, axes = plt.subplots(*shape, figsize=size, sharex="row", squeeze=False, layout="constrained")
    for (name, column), part in tests.groupby(["panel row", "panel column"]):
        ax = axes[names.index(name), columns.index(column)]
        for null, values in zip(part["null"], part["values"], strict=True):
            density(values, ax, f"{null} shuffles", NULL_COLOURS[null], line=NULL_LINES[null])
        ax.axvline(part["ncut"].iloc[0], color="black", ls="--", label="network")
        handles, labels = ax.get_legend_handles_labels()
    for (row, column), ax in np.ndenumerate(axes):
        ax.set(xlabel="", ylabel="", yticks=[])
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="x", labelsize="x-small")
        ax.locator_params(axis="x", nbins=3)
        if row == 0:
            ax.set_title(columns[column], fontsize="small")
        if column == 0:
            ax.set_ylabel(names[row], fontsize="small")
    title = "density over the n-cut"
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small", title=title)
    return figure


def effect_sizes(table: pd.DataFrame) -> Figure:
    """Cohen's d between the two nulls, a point a network, ours beside the paper's (pruned-modular figure A.1).

    Args:
        table: columns d, source (``paper`` or ``here``), dataset, dropout, stage.
    """
    table = table.assign(
        condition=table["dataset"].map(DATASETS).str.replace(" (", "\n(")
        + "\n"
        + table["dropout"].map({"yes": "dropout", "no": "no dropout"})
    )
    stages = [stage for stage in ("unpruned", "pruned") if stage in set(table["stage"])]
    figure, axes = plt.subplots(len(stages), figsize=(8, 3.6 * len(stages)), squeeze=False)
    for ax, stage in zip(axes[:, 0], stages, strict=True):
        for source, (colour, marker) in SOURCES.items():
            part = table[(table["stage"] == stage) & (table["source"] == source)]
            sns.stripplot(
                part, x="condition", y="d", order=list(dict.fromkeys(table["condition"])), hue="source",
                hue_order=list(SOURCES), palette=[c for c, _ in SOURCES.values()], dodge=True, marker=marker, ax=ax,
                legend=False,
            )  # fmt: skip
            ax.scatter([], [], color=colour, marker=marker, label=source)
        ax.axhline(0, color="#999999", lw=0.8)
        ax.set(title="before pruning" if stage == "unpruned" else "after pruning", xlabel="", ylabel="Cohen's d")
        ax.tick_params(axis="x", labelsize="x-small")
    axes[0, 0].legend(fontsize="small")
    figure.tight_layout()
    return figure


def densities_in_words(tests: pd.DataFrame) -> str:
    """In how many panels of ``shuffle_densities`` the network lies below all shuffles of each kind.

    Args:
        tests: as ``shuffle_densities`` takes them.
    """
    below = pd.Series([np.min(v) > cut for v, cut in zip(tests["values"], tests["ncut"], strict=True)], tests.index)
    each = [f"all {null} shuffles in {share_of(found)} panels" for null, found in below.groupby(tests["null"])]
    return f"The network lies below {listed(each)}."
