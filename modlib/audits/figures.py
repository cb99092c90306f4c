"""Figures of an audit: each on axes of its own, which no global state of matplotlib holds.

Chapter: ``your-network``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modlib import plots
from modlib.audits.findings import Findings
from modlib.audits.subject import Subject

EDGES = 1000  # of a drawing, the strongest
IN_A_ROW = 6  # images


def about(subject: Subject, found: Findings) -> dict[str, Axes]:
    """Units of every layer, with an edge and without."""
    table = found.tables["layers of the graph"]
    ax = _axes(height=1 + 0.3 * len(table))
    places = np.arange(len(table))
    ax.barh(places, table["with an edge"], color=plots.PALETTE[0], label="with an edge")
    isolated = table["units"] - table["with an edge"]
    ax.barh(places, isolated, left=table["with an edge"], color="#BBBBBB", label="without")
    ax.set(xlabel="units", yticks=places, yticklabels=map(_plain, table["layer"]))
    ax.invert_yaxis()
    _legend(ax)
    return {"Units of every layer: how many have an edge, and how many have none.": ax}


def clusterable(subject: Subject, found: Findings) -> dict[str, Axes]:
    """The n-cut of the network beside those of its shuffles, at every number of modules, as shares of their mean."""
    table, ax = found.tables["shuffle tests"], _axes(height=3)
    scale = table[table["null"] == "layer"].set_index("k")["shuffled"]
    for null, rows in table.groupby("null", sort=False):
        shuffled = [found.arrays[f"shuffled {null} {k}"] / scale[k] for k in rows["k"]]
        low, middle, high = np.array([np.quantile(values, (0.025, 0.5, 0.975)) for values in shuffled]).T
        shift = 0.12 if null == "layer" else -0.12
        error = [middle - low, high - middle]
        colour = plots.NULL_COLOURS[str(null)]
        ax.errorbar(rows["k"] + shift, middle, error, fmt="_", color=colour, capsize=3, label=f"{null} shuffles")
    ks = scale.index
    own = table[table["null"] == "layer"].set_index("k")["n-cut"] / scale
    ax.plot(ks, own, "o", color="black", label="network")
    ax.set(xlabel="number of modules k", ylabel="n-cut / mean of shuffles", xticks=ks)
    _legend(ax)
    return {
        "n-cut of the network, and of its shuffles (median and 95% of them), divided by the mean of the layer "
        "shuffles; lower is more clusterable.": ax
    }


def modules(subject: Subject, found: Findings) -> dict[str, Axes]:
    """The network coloured by module, and the modules' shares of every layer."""
    names = list(map(_plain, subject.graph.names))
    drawing = _axes(width=7, height=4)
    plots.network(subject.graph, found.arrays["labels"], drawing, edges=EDGES)
    drawing.set_xticks(range(len(names)), names, rotation=90 if len(names) > 6 else 0)
    for collection in drawing.collections:
        collection.set_rasterized(True)  # thousands of lines and dots
    table, shares = found.tables["units by layer"], _axes(height=max(2.5, 1 + 0.3 * len(names)))
    counts = table.drop(columns="layer").to_numpy(dtype=float)
    counts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left = np.zeros(len(table))
    for module, share in enumerate(counts.T):
        shares.barh(np.arange(len(table)), share, left=left, color=_colour(module), label=str(module))
        left += share
    shares.set(xlabel="share of the layer's units", yticks=range(len(names)), yticklabels=names, xlim=(0, 1))
    shares.invert_yaxis()
    _legend(shares, title="module", ncols=-(-counts.shape[1] // 8))
    return {
        f"The network coloured by module, with its {EDGES:,} strongest edges; grey edges join two modules.": drawing,
        "Share of every layer's units that each module holds.": shares,
    }


def lesions(subject: Subject, found: Findings) -> dict[str, Axes]:
    """Accuracy lost without every sub-cluster, and without random units."""
    table, random = found.tables["lesions"], found.arrays["random"]
    ax = _axes(height=1 + 0.25 * len(table))
    places = np.arange(len(table))
    low, high = np.quantile(random, (0.025, 0.975), axis=1)
    ax.hlines(places, low, high, color="#BBBBBB", lw=5, label="random units")
    colours = [_colour(module) for module in table["module"]]
    ax.scatter(table["lost"], places, c=colours, zorder=2, label="sub-cluster")
    ax.set(xlabel="accuracy lost", yticks=places, yticklabels=_parts(table))
    ax.invert_yaxis()
    _legend(ax)
    return {"Accuracy lost without each sub-cluster (dots) and without as many random units (95% of them, bars).": ax}


def responses(subject: Subject, found: Findings) -> dict[str, Axes]:
    """Correlation images of the sub-clusters, where inputs are images; axes of the first of them."""
    if "images" not in found.arrays:
        return {}
    images, table = found.arrays["images"], found.tables["responses"]
    rows = -(-len(images) // IN_A_ROW)
    figure = Figure(figsize=(7, 1.5 * rows), layout="constrained")
    grid = figure.subplots(rows, IN_A_ROW, squeeze=False).ravel()
    limit = np.abs(images).max() or 1
    for ax in grid:
        ax.set_axis_off()
    for ax, image, name in zip(grid, images, _parts(table), strict=False):
        ax.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
        ax.set_title(name, fontsize="x-small")
    caption = f"Rank correlation of each sub-cluster's units with every pixel, from {-limit:.2f} to {limit:.2f}."
    return {caption: grid[0]}


def similar(subject: Subject, found: Findings) -> dict[str, Axes]:
    """Modularity Q of every layer, beside that with shuffled weights."""
    table = found.tables["communities"]
    ax = _axes(height=1 + 0.25 * len(table))
    places = np.arange(len(table))
    ax.scatter(table["Q of shuffled weights"], places, color="#888888", marker="|", s=120, label="shuffled weights")
    ax.scatter(table["Q"], places, color=plots.PALETTE[0], label="network")
    names = [f"{_plain(layer)}, {measure}" for layer, measure in zip(table["layer"], table["measure"], strict=True)]
    ax.set(xlabel="modularity Q", yticks=places, yticklabels=names)
    ax.invert_yaxis()
    _legend(ax)
    return {"Modularity Q of the units' similarities, beside the mean of the same network with shuffled weights.": ax}


def none(subject: Subject, found: Findings) -> dict[str, Axes]:
    """No figure: a part whose tables say it all."""
    return {}


def _axes(width: float = 6, height: float = 3) -> Axes:
    return Figure(figsize=(width, height), layout="constrained").subplots()


def _legend(ax: Axes, **options: Any) -> None:
    """A legend beside the axes, where it hides nothing."""
    ax.legend(bbox_to_anchor=(1, 1), loc="upper left", fontsize="small", **options)


def _colour(module: int) -> str:
    return plots.PALETTE[module % len(plots.PALETTE)]


def _parts(table: pd.DataFrame) -> Sequence[str]:
    return [f"{_plain(layer)}, module {module}" for layer, module in zip(table["layer"], table["module"], strict=True)]


def _plain(name: str) -> str:
    """A name in which matplotlib sees no formula."""
    return str(name).replace("$", r"\$")
