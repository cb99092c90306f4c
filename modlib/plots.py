"""Figures and tables of the chapters, each figure on the axes of the paper's own figure where there is one.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; markers repeat what colours say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler
from pandas.io.formats.style_render import CSSDict

from modlib.graphs import NeuronGraph

PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"]
NULL_COLOURS = {"layer": PALETTE[0], "layer-nonzero": PALETTE[5]}
TITLES = {
    "digits": "digits",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10 (JPEG copy)",
    "unlearnable": "unlearnable",
    "kilo-epoch": "kilo-epoch",
    "memorisation": "memorisation",
}


def use_style() -> None:
    """Set fonts, palette and resolution for all figures of a chapter."""
    sns.set_theme(style="ticks", context="notebook", palette=PALETTE)
    plt.rcParams.update(
        {"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
    )


def sorted_adjacency(graph: NeuronGraph, labels: np.ndarray, ax: Axes | None = None) -> Axes:
    """Adjacency matrix with the vertices of a cluster beside each other; lines part the clusters.

    Args:
        graph: neuron graph.
        labels: (n_vertices,) clusters.
        ax: where to draw.
    """
    ax = ax or plt.subplots(figsize=(4.5, 4.5))[1]
    order = np.lexsort((graph.layer, labels))
    dense = graph.adjacency.toarray()[np.ix_(order, order)]
    positive = dense[dense > 0]
    ax.imshow(dense, cmap="Greys", vmax=np.quantile(positive, 0.95), interpolation="nearest")
    for edge in np.cumsum(np.bincount(labels))[:-1]:
        ax.axhline(edge - 0.5, color=PALETTE[5], lw=0.8)
        ax.axvline(edge - 0.5, color=PALETTE[5], lw=0.8)
    ax.set(xlabel="neuron, sorted by cluster", ylabel="neuron, sorted by cluster", xticks=[], yticks=[])
    return ax


def network(graph: NeuronGraph, labels: np.ndarray, ax: Axes | None = None, edges: int = 1500) -> Axes:
    """The network as columns of neurons coloured by cluster, with its strongest edges (pruned-modular figure 1).

    An edge within a cluster has the colour of the cluster, one between clusters is grey.

    Args:
        graph: neuron graph.
        labels: (n_vertices,) clusters.
        ax: where to draw.
        edges: how many edges to draw, the strongest of all layers.
    """
    ax = ax or plt.subplots(figsize=(7, 4))[1]
    height = np.empty(graph.n_vertices)
    for layer in range(len(graph.live)):
        members = np.flatnonzero(graph.layer == layer)
        members = members[np.argsort(labels[members], kind="stable")]
        height[members] = (np.arange(len(members)) + 0.5) / len(members)
    triangle = graph.adjacency.tocoo()
    upper = triangle.row < triangle.col
    row, column, weight = triangle.row[upper], triangle.col[upper], triangle.data[upper]
    strongest = np.argsort(weight)[-edges:]
    row, column = row[strongest], column[strongest]
    lines = [[(graph.layer[a], height[a]), (graph.layer[b], height[b])] for a, b in zip(row, column, strict=True)]
    colours = [
        PALETTE[labels[a] % 8] if labels[a] == labels[b] else "#BBBBBB" for a, b in zip(row, column, strict=True)
    ]
    ax.add_collection(LineCollection(lines, colors=colours, linewidths=0.3, alpha=0.5))
    ax.scatter(graph.layer, height, c=[PALETTE[label % 8] for label in labels], s=5, zorder=2)
    names = ["input", *(f"hidden {i}" for i in range(1, len(graph.live) - 1)), "output"]
    ax.set(yticks=[], xticks=range(len(names)), xticklabels=names)
    ax.spines["left"].set_visible(False)
    return ax


def density(values: np.ndarray, ax: Axes, label: str, colour: str, fill: bool = True) -> None:
    """Kernel density of a sample with a tick for every value; a line where all values are equal."""
    values = np.asarray(values, dtype=float)
    if np.ptp(values) < 1e-9:
        ax.axvline(values.mean(), color=colour, lw=3, alpha=0.4, label=label)
        return
    sns.kdeplot(x=values, ax=ax, color=colour, fill=fill, alpha=0.25, label=label, warn_singular=False)
    sns.rugplot(x=values, ax=ax, color=colour, height=0.03, alpha=0.4)


def shuffle_test(ncut: float, nulls: Mapping[str, np.ndarray], ax: Axes | None = None) -> Axes:
    """n-cut of a network among those of its shuffles (pruned-modular figure 4).

    Args:
        ncut: n-cut of the network, drawn as a line.
        nulls: for the name of a null model, the shuffled n-cuts.
        ax: where to draw.
    """
    ax = ax or plt.subplots(figsize=(6, 3))[1]
    for i, (name, values) in enumerate(nulls.items()):
        density(values, ax, f"{name} shuffles", NULL_COLOURS.get(name, PALETTE[i]))
    ax.axvline(ncut, color="black", ls="--", label="network")
    ax.set(xlabel="n-cut", ylabel="density")
    ax.legend()
    return ax


def initial_ncuts(values: np.ndarray, paper_range: tuple[float, float], k: int, ax: Axes | None = None) -> Axes:
    """n-cuts of untrained networks (pruned-modular figure 3, clusterability figure A.1).

    Args:
        values: (n,) n-cuts.
        paper_range: the support that the paper prints, shaded.
        k: number of clusters.
        ax: where to draw.
    """
    ax = ax or plt.subplots(figsize=(6, 3))[1]
    ax.axvspan(*paper_range, color="#DDDDDD", label="support in the paper", zorder=0)
    density(values, ax, f"{len(values)} untrained networks", PALETTE[0])
    ax.set(xlabel=f"n-cut at k = {k}", ylabel="density")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=2, fontsize="small")  # the shade leaves no free corner
    return ax


def before_and_after(rows: pd.DataFrame, k: int) -> Figure:
    """n-cut of every network before and after pruning, and its shuffles' (pruned-modular figure 2).

    Args:
        rows: rows of one null model, with stage ``unpruned`` and ``pruned``; other k are left out.
        k: number of clusters.
    """
    rows = rows[rows["k"] == k]
    datasets = [name for name in TITLES if name in set(rows["dataset"])]
    figure, axes = plt.subplots(1, len(datasets), figsize=(4.2 * len(datasets), 3.6), sharey=True, squeeze=False)
    for ax, dataset in zip(axes[0], datasets, strict=True):
        for i, (dropout, group) in enumerate(rows[rows["dataset"] == dataset].groupby("dropout")):
            name = "dropout" if dropout == "yes" else "no dropout"
            shift = 0.12 * (2 * i - 1)
            for stage, x in (("unpruned", 0), ("pruned", 1)):
                part = group[group["stage"] == stage]
                at = x + shift + np.linspace(-0.07, 0.07, len(part))
                label = name if stage == "unpruned" else None
                ax.errorbar(
                    at, part["shuffled_mean"], part["shuffled_sd"], fmt="none", color="#999999", elinewidth=1, zorder=1,
                    label="shuffles, mean and sd" if i == 0 and stage == "unpruned" else None,
                )  # fmt: skip
                ax.scatter(at, part["ncut"], color=PALETTE[i], marker=MARKERS[i], s=22, label=label, zorder=2)
        ax.set(title=TITLES[dataset], xticks=[0, 1], xticklabels=["before pruning", "after pruning"], xlim=(-0.4, 1.4))
    axes[0, 0].set_ylabel(f"n-cut at k = {k}")
    axes[0, -1].legend(fontsize="small")
    figure.tight_layout()
    return figure


def uniform_check(p: np.ndarray, n_shuffles: int, ax: Axes | None = None) -> Axes:
    """Share of p-values up to every level, beside what a valid test gives when there is nothing to find.

    The band holds the whole line in 95% of cases (Dvoretzky, Kiefer and Wolfowitz).

    Args:
        p: (n,) p-values of tests in which the null model is true.
        n_shuffles: shuffles a test.
        ax: where to draw.
    """
    ax = ax or plt.subplots(figsize=(4.5, 3.6))[1]
    levels = np.arange(1, n_shuffles + 2) / (n_shuffles + 1)
    half = np.sqrt(np.log(2 / 0.05) / (2 * p.size))
    ax.fill_between(levels, levels - half, levels + half, color="#DDDDDD", label="95% band", zorder=0)
    ax.plot(levels, levels, color="black", ls="--", label="uniform")
    ax.step(np.sort(p), np.arange(1, p.size + 1) / p.size, where="post", color=PALETTE[0], label=f"{p.size} tests")
    ax.set(xlabel="p", ylabel="share of tests with at most this p", xlim=(0, 1), ylim=(0, 1))
    ax.legend(fontsize="small")
    return ax


def absolute_and_relative(rows: pd.DataFrame, k: int) -> Figure:
    """n-cut against Z-score, a point a network (clusterability figures 2, 3 and A.6).

    Absolute clusterability grows to the left, relative clusterability downwards.

    Args:
        rows: rows of one null model, with a column ``condition`` that decides colour and marker; other k are left out.
        k: number of clusters.
    """
    rows = rows[rows["k"] == k].dropna(subset=["z"])
    datasets = [name for name in TITLES if name in set(rows["dataset"])]
    figure, axes = plt.subplots(1, len(datasets), figsize=(4.2 * len(datasets), 3.6), squeeze=False)
    for ax, dataset in zip(axes[0], datasets, strict=True):
        for i, (condition, group) in enumerate(rows[rows["dataset"] == dataset].groupby("condition", sort=False)):
            ax.scatter(group["ncut"], group["z"], color=PALETTE[i], marker=MARKERS[i], label=condition)
        ax.axhline(0, color="#999999", lw=0.8)
        ax.set(title=TITLES[dataset], xlabel=f"n-cut at k = {k}")
    axes[0, 0].set_ylabel("Z-score against shuffles")
    axes[0, -1].legend(fontsize="small")
    figure.tight_layout()
    return figure


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


def training_curves(losses: Mapping[str, Sequence[float]], pruning_starts: int, ax: Axes | None = None) -> Axes:
    """Mean training loss of every epoch, with a line where pruning starts."""
    ax = ax or plt.subplots(figsize=(6, 3))[1]
    for i, (name, values) in enumerate(losses.items()):
        ax.plot(range(1, len(values) + 1), values, color=PALETTE[i], marker=MARKERS[i], ms=3, label=name)
    ax.axvline(pruning_starts + 0.5, color="black", ls=":", label="pruning starts")
    ax.set(xlabel="epoch", ylabel="training loss", yscale="log")
    ax.legend()
    return ax


def table(rows: pd.DataFrame, name: str, digits: int = 3) -> Styler:
    """A table as chapters show it: no index, few decimals, a dash where there is nothing.

    Args:
        rows: what to show.
        name: unique in the chapter, so that the page is the same every time it is built.
        digits: decimals.
    """
    styler = rows.style.hide(axis="index").format(precision=digits, na_rep="–").set_uuid(name)
    numbers = rows.columns.get_indexer(rows.select_dtypes("number").columns)
    right: list[CSSDict] = [{"selector": f".col{i}", "props": "text-align: right"} for i in numbers]
    return styler.set_table_styles(
        [{"selector": "th, td", "props": "padding: 0.2em 0.7em; text-align: left"}, *right],
    )
