"""Figures of the chapter ``dependencies``, on the axes of the papers' own figures.

Colours and markers are those of ``modlib.plots``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from modlib.chapters.dependencies.findings import dependent_pairs, relevant_pairs
from modlib.evidence.sentences import share_of
from modlib.graphs.subclusters import layer_and_cluster
from modlib.plots import PALETTE

STAR = 0.05  # p-values below this have a star in the matrix of double lesions
DARK = 0.6  # share of the scale beyond which a field is dark


def pair_matrix(rows: pd.DataFrame) -> Figure:
    """What each sub-cluster costs (column) once another one is gone (row), in percentage points (figures A.6 and 9).

    A star stands where it costs more than nearly all random sets, a question mark where it costs less than all.

    Args:
        rows: of ``dependencies``, one network.
    """
    names = sorted(set(rows["first"]) | set(rows["second"]), key=layer_and_cluster)
    table = rows.pivot(index="first", columns="second", values="delta").reindex(index=names, columns=names)
    p = rows.pivot(index="first", columns="second", values="p").reindex(index=names, columns=names).to_numpy(float)
    figure, ax = plt.subplots(figsize=(8.4, 7.6), layout="constrained")
    deltas = table.to_numpy(float)
    size = float(np.nanpercentile(np.abs(deltas), 98))  # a few pairs bring a network down to guessing
    image = ax.imshow(100 * deltas, cmap="RdBu", vmin=-100 * size, vmax=100 * size)
    for marked, sign in ((p < STAR, "*"), (p == 1, "?")):
        for i, j in np.argwhere(marked):
            dark = abs(deltas[i, j]) > DARK * size
            ax.text(j, i, sign, ha="center", va="center", fontsize=9, color="white" if dark else "black")
    ax.set_xticks(range(len(names)), names, rotation=90, fontsize=9)
    ax.set_yticks(range(len(names)), names, fontsize=9)
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
    names = sorted(set(pairs["first"]), key=layer_and_cluster)
    place: dict[str, tuple[float, float]] = {}
    for layer in sorted({layer_and_cluster(name)[0] for name in names}):
        of_layer = [name for name in names if layer_and_cluster(name)[0] == layer]
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
        again, hue = divmod(layer_and_cluster(name)[1], len(PALETTE))
        dash = "--" if again else "-"
        ax.scatter([x], [y], s=420, color="white", edgecolor=PALETTE[hue], linestyle=dash, linewidth=2.5, zorder=3)
        ax.text(x, y, name, ha="center", va="center", fontsize="x-small", zorder=4)
    ax.set(xlabel="layer", yticks=[], xlim=(0.5, 4.5), ylim=(0, 1), xticks=range(1, 5))
    ax.spines["left"].set_visible(False)
    return ax


def pairs_in_words(rows: pd.DataFrame) -> str:
    """How many pairs of ``pair_matrix`` have a star, how many a question mark, and which costs most.

    Args:
        rows: of ``dependencies``, one network.
    """
    worst = rows.sort_values("delta").iloc[-1]
    return (
        f"{share_of(rows['p'] < STAR)} pairs have a star and {(rows['p'] == 1).sum()} a question mark; the largest "
        f"loss, {100 * worst['delta']:.1f} percentage points, is that of {worst['second']} without {worst['first']}."
    )


def dependent_in_words(rows: pd.DataFrame) -> str:
    """How many important sub-clusters ``dependency_graph`` joins.

    Args:
        rows: of ``dependencies``, one network.
    """
    pairs = relevant_pairs(rows)
    found = dependent_pairs(rows) if len(pairs) else pd.DataFrame({"same": [], "dependent": []})
    joined = found["dependent"].astype(bool)
    return (
        f"{share_of(joined) or 'none'} pairs of {pairs['first'].nunique()} important sub-clusters are joined, "
        f"{(joined & found['same'].astype(bool)).sum()} of them within a cluster"
    )
