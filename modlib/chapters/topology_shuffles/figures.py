"""Figures of the chapter ``topology-shuffles``, on the axes of the papers' own figures.

Colours and markers are those of ``modlib.plots``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from modlib.plots import NULL_COLOURS, PALETTE, TITLES, density


def shuffle_densities(tests: pd.DataFrame) -> Figure:
    """Densities of layer and layer-nonzero shuffles, a panel a network (pruned-modular figures 4 and A.2 to A.5).

    Args:
        tests: a row a network and null model, with panel row, panel column, null, ncut and values (n-cuts of shuffles).
            Panels of a row share their axis.
    """
    names = list(dict.fromkeys(tests["panel row"]))
    columns = list(dict.fromkeys(tests["panel column"]))
    shape, size = (len(names), len(columns)), (max(1.4 * len(columns), 6), 1.4 * len(names) + 1)
    figure, axes = plt.subplots(*shape, figsize=size, sharex="row", squeeze=False, layout="constrained")
    for (name, column), part in tests.groupby(["panel row", "panel column"]):
        ax = axes[names.index(name), columns.index(column)]
        for null, values in zip(part["null"], part["values"], strict=True):
            density(values, ax, f"{null} shuffles", NULL_COLOURS[null])
        ax.axvline(part["ncut"].iloc[0], color="black", ls="--", label="network")
        handles, labels = ax.get_legend_handles_labels()
    for (row, column), ax in np.ndenumerate(axes):
        ax.set(xlabel="", ylabel="", yticks=[])
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="x", labelsize="x-small")
        if row == 0:
            ax.set_title(columns[column], fontsize="small")
        if column == 0:
            ax.set_ylabel(names[row], fontsize="small")
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small", title="density of n-cuts")
    return figure


def effect_sizes(table: pd.DataFrame) -> Figure:
    """Cohen's d between the two nulls, a point a network, ours beside the paper's (pruned-modular figure A.1).

    Args:
        table: columns d, source (``paper`` or ``here``), dataset, dropout, stage.
    """
    table = table.assign(
        condition=table["dataset"].map(TITLES).str.replace(" (", "\n(")
        + "\n"
        + table["dropout"].map({"yes": "dropout", "no": "no dropout"})
    )
    stages = [stage for stage in ("unpruned", "pruned") if stage in set(table["stage"])]
    figure, axes = plt.subplots(1, len(stages), figsize=(6.5 * len(stages), 4), squeeze=False)
    for ax, stage in zip(axes[0], stages, strict=True):
        sns.stripplot(
            table[table["stage"] == stage], x="condition", y="d", hue="source", dodge=True, ax=ax,
            palette=dict(zip(("paper", "here"), ("#999999", PALETTE[0]), strict=True)),
        )  # fmt: skip
        ax.axhline(0, color="#999999", lw=0.8)
        ax.set(title="before pruning" if stage == "unpruned" else "after pruning", xlabel="", ylabel="Cohen's d")
        ax.tick_params(axis="x", labelsize="x-small")
    figure.tight_layout()
    return figure
