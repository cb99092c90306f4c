"""Figures of the chapters on lesions, on the axes of the papers' own figures.

Colours and markers are those of ``modlib.plots``. Chapters: ``importance``, ``dependencies``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from modlib.experiments.importance import DROP
from modlib.lesion_findings import dependent_pairs, relevant_pairs
from modlib.lesions import MIN_DROP, MIN_PROPORTION, Kind
from modlib.plots import MARKERS, PALETTE

SHOWN = (Kind.IMPORTANT, Kind.SIGNIFICANT_ONLY, Kind.DIFFERENT_ONLY, Kind.PRUNABLE, Kind.OTHER, Kind.SMALL)
STYLES = {str(name): (PALETTE[i], MARKERS[i]) for i, name in enumerate(SHOWN)}
STYLES[str(Kind.COMPLETE)] = ("#000000", "X")
STAR = 0.05  # p-values below this have a star in the matrix of double lesions


def kinds(rows: pd.DataFrame, column: str = "kind") -> Figure:
    """Accuracy lost by every sub-cluster against its share of the layer, a panel a layer (figure 2; figure 5).

    Grey lines reach from the least to the greatest loss of the random sets. Beyond one percentage point the vertical
    axis is logarithmic.

    Args:
        rows: of ``importance``, one network.
        column: which paper's kinds, ``kind`` or ``kind_in_first_paper``.
    """
    rows = rows[rows["measure"] == DROP]
    layers = sorted(rows["layer"].unique())
    figure, axes = plt.subplots(
        1, len(layers), figsize=(9, 3.2), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for ax, layer in zip(axes[0], layers, strict=True):
        part = rows[rows["layer"] == layer]
        share = part["size"] / part["width"]
        ax.vlines(share, part["random_min"], part["random_max"], color="#999999", lw=2, zorder=1)
        for name, group in part.groupby(column):
            colour, marker = STYLES[str(name)]
            ax.scatter(share[group.index], group["value"], color=colour, marker=marker, s=30, zorder=2)
        ax.axhline(MIN_DROP, color="black", lw=0.6, ls=":")
        ax.axvline(MIN_PROPORTION, color="black", lw=0.6, ls=":")
        ax.set_yscale("symlog", linthresh=MIN_DROP)
        ax.set_title(f"layer {layer}", fontsize="small")
    found = [name for name in STYLES if (rows[column] == name).any()]
    handles = [axes[0, 0].scatter([], [], color=STYLES[name][0], marker=STYLES[name][1]) for name in found]
    figure.legend(handles, found, loc="outside upper center", ncols=len(found), fontsize="x-small")
    figure.supxlabel("share of the layer", fontsize="small")
    axes[0, 0].set_ylabel("accuracy lost", fontsize="small")
    return figure


def class_profiles(rows: pd.DataFrame, names: tuple[str, ...]) -> Figure:
    """Accuracy lost by each class, a panel a sub-cluster, beside the mean and spread of random sets (figure 6).

    Args:
        rows: of ``importance``, one network.
        names: of the classes.
    """
    rows = rows[(rows["measure"] == DROP) & (rows["size"] >= MIN_PROPORTION * rows["width"])]
    columns = 4
    lines = -(-len(rows) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(9, 1.7 * lines + 0.5), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    place = np.arange(len(names))
    for ax, (_, row) in zip(axes.flat, rows.iterrows(), strict=False):
        true, mean, sd = (
            np.array(str(row[name]).split(), dtype=float)
            for name in ("class_drops", "random_class_mean", "random_class_sd")
        )
        ax.bar(place, 100 * true, color=PALETTE[0], label="sub-cluster")
        ax.errorbar(place, 100 * mean, 100 * sd, fmt=".", color=PALETTE[1], ms=4, lw=1, label="random sets")
        share = row["size"] / row["width"]
        ax.set_title(f"layer {row['layer']}, cluster {row['cluster']}: {share:.1%}", fontsize="x-small")
        ax.axhline(0, color="black", lw=0.6)
        ax.tick_params(labelsize="x-small")
        ax.set_xticks(place, names, rotation=90)
    for i, ax in enumerate(axes.flat):
        ax.set_visible(i < len(rows))
        ax.tick_params(labelbottom=i + columns >= len(rows))  # the last panel of a column has the names
    figure.supylabel("accuracy lost, percentage points", fontsize="small")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize="x-small")
    return figure


def pair_matrix(rows: pd.DataFrame) -> Figure:
    """What each sub-cluster costs (column) once another one is gone (row), in percentage points (figures A.6 and 9).

    A star stands where it costs more than nearly all random sets, a question mark where it costs less than all.

    Args:
        rows: of ``dependencies``, one network.
    """
    names = sorted(set(rows["first"]) | set(rows["second"]), key=lambda name: [int(part) for part in name.split("-")])
    table = rows.pivot(index="first", columns="second", values="delta").reindex(index=names, columns=names)
    p = rows.pivot(index="first", columns="second", values="p").reindex(index=names, columns=names).to_numpy(float)
    figure, ax = plt.subplots(figsize=(9, 8), layout="constrained")
    size = float(np.nanpercentile(np.abs(table.to_numpy()), 98))  # a few pairs bring a network down to guessing
    image = ax.imshow(100 * table, cmap="RdBu", vmin=-100 * size, vmax=100 * size)
    for marked, sign in ((p < STAR, "*"), (p == 1, "?")):
        for i, j in np.argwhere(marked):
            ax.text(j, i, sign, ha="center", va="center", fontsize=7)
    ax.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.set(xlabel="lesioned as well", ylabel="lesioned already")
    figure.colorbar(image, ax=ax, label="further accuracy lost, percentage points", shrink=0.7, extend="both")
    return figure


def dependency_graph(rows: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Important sub-clusters by layer; an edge joins two of which one is unimportant given the other (figures 6 and 8).

    Edges within a cluster are drawn thick.

    Args:
        rows: of ``dependencies``, one network.
        ax: where to draw.
    """
    ax = ax or plt.subplots(figsize=(5, 3.4), layout="constrained")[1]
    pairs = relevant_pairs(rows)
    names = sorted(set(pairs["first"]), key=lambda name: [int(part) for part in name.split("-")])
    place: dict[str, tuple[float, float]] = {}
    for layer in sorted({name.split("-")[0] for name in names}):
        of_layer = [name for name in names if name.split("-")[0] == layer]
        for i, name in enumerate(of_layer):
            place[name] = (float(layer), (i + 0.5) / len(of_layer))
    found = dependent_pairs(rows) if len(pairs) else pd.DataFrame(columns=["pair", "same", "dependent"])
    for pair, same in found.loc[found["dependent"].astype(bool), ["pair", "same"]].itertuples(index=False):
        start, end = (place[name] for name in pair.split("|"))
        colour, width = (PALETTE[5], 3) if same else ("#777777", 1)
        bend = 0.0 if abs(start[0] - end[0]) == 1 else 0.25
        ax.add_patch(
            FancyArrowPatch(start, end, arrowstyle="-", connectionstyle=f"arc3,rad={bend}", color=colour, lw=width)
        )
    for name, (x, y) in place.items():
        again, hue = divmod(int(name.split("-")[1]), len(PALETTE))
        dash = "--" if again else "-"
        ax.scatter([x], [y], s=420, color="white", edgecolor=PALETTE[hue], linestyle=dash, linewidth=2.5, zorder=3)
        ax.text(x, y, name, ha="center", va="center", fontsize="x-small", zorder=4)
    ax.set(xlabel="layer", yticks=[], xlim=(0.5, 4.5), ylim=(0, 1), xticks=range(1, 5))
    ax.spines["left"].set_visible(False)
    return ax
