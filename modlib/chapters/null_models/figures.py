"""Figures of the chapter ``null-models``.

Colours and markers are those of ``modlib.plots``.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modlib.evidence.digits import signed
from modlib.plots import MARKERS, NULL_COLOURS

WORDS = {
    "layer": "weights of a layer",
    "layer-nonzero": "and where the zeros are",
    "degree": "and each neuron's number of weights",
    "strength": "and their sum as well",
}  # what shuffles by a null model keep


def matrices(shown: Mapping[str, np.ndarray]) -> Figure:
    """Weight matrices, three in a line, zeros left blank, with the number of weights of rows and columns at the sides.

    Args:
        shown: matrices of one shape, by title.
    """
    lines = -(-len(shown) // 3)
    figure, axes = plt.subplots(lines, 3, figsize=(9, 2.8 * lines), squeeze=False, layout="constrained")
    most = max(np.abs(matrix).max() for matrix in shown.values())
    for ax in axes.flat[len(shown) :]:
        ax.set_visible(False)
    for ax, (title, matrix) in zip(axes.flat, shown.items(), strict=False):
        held = matrix != 0
        image = ax.imshow(np.where(held, np.abs(matrix), np.nan), cmap="viridis", vmin=0, vmax=most)
        ax.set_title(title, fontsize="small")
        ax.set_xticks(range(matrix.shape[1]), held.sum(axis=0), fontsize=8)
        ax.set_yticks(range(matrix.shape[0]), held.sum(axis=1), fontsize=8)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(True)
    figure.colorbar(image, ax=axes, label="size of a weight", shrink=0.8)
    return figure


def ncuts_and_nulls(rows: pd.DataFrame) -> Figure:
    """n-cut of networks beside the mean of their shuffles by each null model, a line a network, a panel a condition.

    More than three panels stand in two columns.

    Args:
        rows: one a network and null model, with condition, null, ncut and shuffled_mean, and what tells networks apart
            in ``network``.
    """
    conditions = list(dict.fromkeys(rows["condition"]))
    columns = 1 if len(conditions) <= 3 else 2
    lines = -(-len(conditions) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(6 + columns, 1.1 + 1.9 * lines), sharex=True, squeeze=False, layout="constrained"
    )
    for ax in axes.flat[len(conditions) :]:
        ax.set_visible(False)
    for ax, condition in zip(axes.flat, conditions, strict=False):
        part = rows[rows["condition"] == condition]
        places = {name: place for place, name in enumerate(dict.fromkeys(part["network"]))}
        for null, of_null in part.groupby("null", sort=False):
            number = list(NULL_COLOURS).index(null)
            ax.scatter(
                of_null["shuffled_mean"], of_null["network"].map(places), s=26, marker=MARKERS[number],
                color=NULL_COLOURS[null], label=f"shuffles, {null}",
            )  # fmt: skip
        networks = part.drop_duplicates("network")
        ax.scatter(networks["ncut"], networks["network"].map(places), marker="|", s=90, color="black", label="network")
        ax.set(yticks=[], ylabel="network", ylim=(-0.7, len(places) - 0.3))
        ax.set_title(condition, fontsize="medium", loc="left")
        ax.grid(axis="x", color="#E5E5E5")
        handles, labels = ax.get_legend_handles_labels()
    for ax in axes[-1]:
        ax.set_xlabel("n-cut, and mean n-cut of shuffles")
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")
    return figure


def gaps_in_words(rows: pd.DataFrame) -> str:
    """Which null model's shuffles lie nearest to the networks and which farthest, in each panel of ``ncuts_and_nulls``.

    Args:
        rows: as ``ncuts_and_nulls`` takes them.
    """
    gaps = (rows["shuffled_mean"] - rows["ncut"]).groupby([rows["condition"], rows["null"]], sort=False).mean()
    told = []
    for condition, means in gaps.unstack(sort=False).iterrows():
        ends = means.dropna().sort_values()
        each = [f"{signed(ends[null], '.2f')} for {null}" for null in dict.fromkeys((ends.index[0], ends.index[-1]))]
        told.append(f"{condition}, {' to '.join(each)}")
    return f"How far the n-cut of shuffles lies above the network's, on average: {'; '.join(told)}."
