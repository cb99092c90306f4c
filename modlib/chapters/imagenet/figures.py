"""Figures of the chapter on ImageNet. Chapter: ``imagenet``."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modlib.chapters.imagenet.experiment import IN_WORDS, NAMES
from modlib.graphs.neurons import NeuronGraph
from modlib.plots import MARKERS, PALETTE, drawn_in


def ncut_and_z(rows: pd.DataFrame, printed: pd.DataFrame) -> Figure:
    """Z against n-cut, a panel an architecture of which there are rows, a marker a kind of weights (figure 10).

    Args:
        rows: of ``imagenet``, of one graph.
        printed: the paper's networks by name, with columns ``ncut`` and ``z``.
    """
    names = [name for name in NAMES if name in set(rows["network"])]
    lines = -(-len(names) // 2)
    figure, axes = plt.subplots(lines, 2, figsize=(6.4, 2.3 * lines + 0.6), squeeze=False, layout="constrained")
    for ax, name in zip(axes.flat, names, strict=False):
        _panel(ax, rows[rows["network"] == name], printed[printed.index == name])
        ax.set_title(NAMES[name], fontsize="small")
    for ax in axes.flat[: len(names)][-2:]:  # the lowest of each column
        ax.set_xlabel("n-cut", fontsize="small")
    for ax in axes.flat[len(names) :]:
        ax.remove()
    labels = drawn_in(figure.axes)
    figure.legend(labels.values(), labels, loc="outside lower center", ncols=2, fontsize="small")
    return figure


def _panel(ax: Axes, rows: pd.DataFrame, printed: pd.DataFrame) -> None:
    for i, (weights, words) in enumerate(IN_WORDS.items()):
        part = rows[rows["weights"] == weights]
        if len(part):
            ax.scatter(part["ncut"], part["z"], color=PALETTE[i], marker=MARKERS[i], label=words)
    ax.scatter(printed["ncut"], printed["z"], color="#333333", marker="x", label="the paper's network")
    ax.axhline(0, color="#999999", lw=0.8)
    ax.set_ylabel("Z", fontsize="small")


def clusters_of_layers(graph: NeuronGraph, labels: np.ndarray) -> Figure:
    """Share of each layer's channels in each cluster, a column a layer; clusters by their first layer.

    Args:
        graph: whose vertices are divided.
        labels: one cluster a vertex.
    """
    shares = pd.crosstab(labels, graph.layer, normalize="columns")
    order = shares.to_numpy().argmax(axis=1).argsort(kind="stable")
    figure, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    image = ax.imshow(shares.to_numpy()[order], cmap="Greys", vmin=0, vmax=1, aspect="auto")
    figure.colorbar(image, label="share of the layer")
    ax.set(xlabel="layer", ylabel="cluster")
    return figure
