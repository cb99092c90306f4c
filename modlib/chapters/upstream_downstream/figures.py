"""Figures of the chapter on communities of units, on the axes of the paper's own figures.

Colours and markers are those of ``modlib.plots``. Chapter: ``upstream-downstream``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modlib.chapters.upstream_downstream.findings import accepted, agreement, largest_good
from modlib.communities.similarity import DOWNSTREAM, MEASURES, PLAIN, UPSTREAM
from modlib.evidence.sentences import listed, ordered
from modlib.plots import MARKERS, PALETTE
from modlib.tables import number_lists

SWEEPS = {"l2": "L2", "l1": "L1", "dropout": "dropout"}
ARCHITECTURES = {"64-64": "64, 64", "256-256": "256, 256", "64-64-64-64-64": "five layers of 64"}
FAMILIES = (*UPSTREAM, *DOWNSTREAM)  # the order in which agreement is shown
SHORT = ("cov", "i-sens", "n. cov", "n. i-sens", "o-sens", "Hess", "n. o-sens", "n. Hess")  # their names


def percent(sweep: str, strength: float) -> float:
    """Strength on the paper's common axis: 0 to 100 for L2 from 1e-5 to 0.1, L1 from 1e-5 to 0.01, dropout from 0 to 1.

    Source: upstream-downstream, figure 3.
    """
    if sweep == "dropout":
        return 100 * strength
    return 100 * (np.log10(strength) + 5) / {"l2": 4, "l1": 3}[sweep]


def sorted_similarities(matrices: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> Figure:
    """Similarity matrices with the units of a community beside each other; lines part the communities.

    Args:
        matrices: (n, n) each, by title.
        labels: (n,) communities of each.
    """
    columns = min(4, len(matrices))
    rows = -(-len(matrices) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.6 * columns, 2.8 * rows), squeeze=False, layout="constrained")
    for ax, (title, matrix) in zip(axes.flat, matrices.items(), strict=False):
        order = np.argsort(labels[title], kind="stable")
        shown = matrix[np.ix_(order, order)].copy()
        np.fill_diagonal(shown, np.nan)
        ax.imshow(shown, cmap="viridis", vmin=0, vmax=np.nanquantile(shown, 0.98) or 1, interpolation="nearest")
        for edge in np.cumsum(np.unique(labels[title], return_counts=True)[1])[:-1]:
            ax.axhline(edge - 0.5, color="white", lw=1)
            ax.axvline(edge - 0.5, color="white", lw=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize="small")
    for ax in axes.flat[len(matrices) :]:
        ax.axis("off")
    return figure


def by_strength(
    rows: pd.DataFrame, column: str, label: str, measures: Sequence[str] = MEASURES, layers: Sequence[int] | None = None
) -> Figure:
    """A column against regularisation, a panel a similarity (figures 3, 4, S6 and S7 of the paper).

    Points are means over seeds and layers with their standard error; the grey band holds untrained networks up
    to three standard deviations.

    Args:
        rows: of one architecture.
        column: what to draw.
        label: of the vertical axis.
        measures: a panel each.
        layers: which; all by default.
    """
    rows = accepted(rows)
    if layers is not None:
        rows = rows[rows["layer"].isin(list(layers))]
    columns = min(4, len(measures))
    shape = (-(-len(measures) // columns), columns)
    figure, axes = plt.subplots(
        *shape,
        figsize=(2.6 * columns + 0.6, 2.4 * shape[0] + 0.5),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for ax, measure in zip(axes.flat, measures, strict=True):
        part = rows[rows["measure"] == measure]
        untrained = part.loc[part["sweep"] == "untrained", column]
        if len(untrained) > 1:
            mean, sd = untrained.mean(), untrained.std()
            ax.axhspan(mean - 3 * sd, mean + 3 * sd, color="#DDDDDD", label="untrained, 3 sd", zorder=0)
        _lines(ax, part, column)
        ax.set_title(measure, fontsize="small")
    figure.supxlabel("regularisation in percent of its range", fontsize="small")
    figure.supylabel(label, fontsize="small")
    _legend(figure, axes.flat[0])
    return figure


def networks_by_strength(rows: pd.DataFrame, columns: Mapping[str, str]) -> Figure:
    """Properties of networks against regularisation, such as accuracy and sparsity (figures S2 and S3).

    Args:
        rows: of one architecture; networks of low accuracy are shown too.
        columns: for every column the label of its axis.
    """
    networks = rows.drop_duplicates(["sweep", "strength", "seed"])
    figure, axes = plt.subplots(1, len(columns), figsize=(3.6 * len(columns), 3), squeeze=False, layout="constrained")
    for ax, (column, label) in zip(axes[0], columns.items(), strict=True):
        _lines(ax, networks, column)
        ax.set(xlabel="regularisation in percent", ylabel=label)
    axes[0, 0].legend(fontsize="small")
    return figure


def by_depth(rows: pd.DataFrame, column: str, label: str) -> Figure:
    """A column against the layer, at the largest good strength of every regulariser (figures S9 and S10).

    Args:
        rows: of one architecture.
        column: what to draw.
        label: of the vertical axis.
    """
    chosen = {name: (sweep, largest_good(rows, sweep)) for sweep, name in SWEEPS.items()} | {
        "untrained": ("untrained", 0.0)
    }
    rows = accepted(rows)
    figure, axes = plt.subplots(2, 4, figsize=(11, 5.3), sharex=True, sharey=True, layout="constrained")
    for ax, measure in zip(axes.flat, MEASURES, strict=True):
        for i, (name, (sweep, strength)) in enumerate(chosen.items()):
            part = rows[
                (rows["measure"] == measure) & (rows["sweep"] == sweep) & np.isclose(rows["strength"], strength)
            ]
            grouped = part.groupby("layer")[column]
            colour = "#888888" if sweep == "untrained" else PALETTE[i]
            ax.errorbar(
                grouped.mean().index, grouped.mean(), grouped.sem(), color=colour, marker=MARKERS[i], ms=4, label=name
            )
        ax.set_title(measure, fontsize="small")
        ax.set_xticks(sorted(rows["layer"].unique()))
    figure.supxlabel("hidden layer", fontsize="small")
    figure.supylabel(label, fontsize="small")
    _legend(figure, axes.flat[0])
    return figure


def agreement_matrix(rows: pd.DataFrame, column: str = "element_similarity") -> np.ndarray:
    """Mean agreement of all pairs of similarities over layers, (8, 8), ordered as ``FAMILIES``; NaN without rows."""
    out = np.full((len(MEASURES), len(MEASURES)), np.nan)
    for i, measure in enumerate(MEASURES):
        texts = rows.loc[rows["measure"] == measure, column]
        if len(texts):
            out[i] = number_lists(texts).mean(axis=0)
    order = [MEASURES.index(name) for name in FAMILIES]
    return ((out + out.T) / 2)[np.ix_(order, order)]


def agreement_matrices(rows: pd.DataFrame, column: str = "element_similarity") -> Figure:
    """Agreement between similarities: trained networks, and what training changes (figures 5 and S12).

    Args:
        rows: of some architectures, a column of panels each.
        column: ``element_similarity`` or ``transferability``.
    """
    rows = accepted(rows)
    names = [name for name in ARCHITECTURES if name in set(rows["hidden"])] or sorted(set(rows["hidden"]))
    figure, axes = plt.subplots(2, len(names), figsize=(3.1 * len(names), 6.2), squeeze=False, layout="constrained")
    for place, hidden in enumerate(names):
        part = rows[rows["hidden"] == hidden]
        fresh = part["sweep"] == "untrained"
        trained, untrained = agreement_matrix(part[~fresh], column), agreement_matrix(part[fresh], column)
        for ax, matrix, title, style in (
            (
                axes[0, place],
                trained,
                ARCHITECTURES.get(hidden, hidden),
                {"cmap": "viridis", "vmin": 0, "vmax": 1 if column == "element_similarity" else None},
            ),
            (axes[1, place], trained - untrained, "minus untrained", {"cmap": "PuOr_r", "vmin": -0.5, "vmax": 0.5}),
        ):
            np.fill_diagonal(matrix, np.nan)
            image = ax.imshow(matrix, **style)
            ax.axhline(3.5, color="white", lw=3)
            ax.axvline(3.5, color="white", lw=3)
            ax.set_title(title, fontsize="small")
            ax.set_xticks(range(8), SHORT, rotation=90, fontsize="x-small")
            ax.set_yticks(range(8), SHORT, fontsize="x-small")
            figure.colorbar(image, ax=ax, shrink=0.7)
    return figure


def agreement_by_strength(rows: pd.DataFrame, kinds: Mapping[str, str]) -> Figure:
    """Agreement of some kinds of pairs against regularisation, a panel a kind (figure S11).

    Args:
        rows: of one architecture.
        kinds: for every kind of ``modlib.chapters.upstream_downstream.findings.kinds_of_pairs`` the title of its panel.
    """
    rows = accepted(rows)
    figure, axes = plt.subplots(
        1, len(kinds), figsize=(2.9 * len(kinds), 3), sharey=True, squeeze=False, layout="constrained"
    )
    for ax, (kind, title) in zip(axes[0], kinds.items(), strict=True):
        values = agreement(rows, kind).rename("value").reset_index()
        untrained = values.loc[values["sweep"] == "untrained", "value"] if len(values) else values
        if len(untrained) > 1:
            ax.axhspan(*untrained.quantile([0.025, 0.975]), color="#DDDDDD", label="untrained, 95%", zorder=0)
        if len(values):
            _lines(ax, values, "value")
        ax.set_title(title, fontsize="small")
    figure.supxlabel("regularisation in percent of its range", fontsize="small")
    axes[0, 0].set_ylabel("element-centric similarity")
    _legend(figure, axes[0, 0])
    return figure


def searches(rows: pd.DataFrame) -> Figure:
    """Q of the Monte Carlo search against Q of the other searches, a point a partition (figure S5).

    Args:
        rows: of some architectures; panels are the spectral start, the search without it, and Leiden.
    """
    titles = {
        "q_start": "spectral splitting alone",
        "q_from_one": "search from a single community",
        "q_leiden": "Leiden",
    }
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), sharex=True, sharey=True, layout="constrained")
    for ax, (column, title) in zip(axes, titles.items(), strict=True):
        for i, measure in enumerate(PLAIN):
            part = rows[rows["measure"].str.endswith(measure)]
            style = {"s": 7, "alpha": 0.3, "color": PALETTE[i], "marker": MARKERS[i]}
            ax.scatter(part["q"], part[column], label=measure, rasterized=True, **style)
        ends = [rows["q"].min(), rows["q"].max()]
        ax.plot(ends, ends, color="black", lw=0.8)
        ax.set(title=title, xlabel="Q, search from the spectral splitting")
    axes[0].set_ylabel("Q")
    axes[0].legend(fontsize="small", markerscale=3)
    return figure


def at_largest_good(rows: pd.DataFrame, column: str) -> pd.Series:
    """Mean of a column at the largest good strength of every regulariser, and in untrained networks.

    Args:
        rows: of one architecture.
        column: which.
    """
    means = {}
    for sweep, name in SWEEPS.items():
        of_sweep = accepted(rows)
        of_sweep = of_sweep[(of_sweep["sweep"] == sweep) & np.isclose(of_sweep["strength"], largest_good(rows, sweep))]
        means[name] = of_sweep[column].mean()
    return pd.Series(means | {"untrained networks": rows.loc[rows["sweep"] == "untrained", column].mean()})


def strength_in_words(rows: pd.DataFrame, column: str, label: str) -> str:
    """Where the lines of ``by_strength`` end, over all its panels.

    Args:
        rows: of one architecture.
        column: what is drawn.
        label: what to call it.
    """
    ends = at_largest_good(rows, column)
    return f"At the largest strength that keeps accuracy, the mean {label} is {ordered(ends, '.2f')}."


def depth_in_words(rows: pd.DataFrame, column: str, label: str) -> str:
    """Where the lines of ``by_depth`` begin and end, over all its panels.

    Args:
        rows: of one architecture.
        column: what is drawn.
        label: what to call it.
    """
    layers = sorted(rows["layer"].unique())
    first, last = (at_largest_good(rows[rows["layer"] == layer], column) for layer in (layers[0], layers[-1]))
    each = [f"from {first[name]:.2f} to {last[name]:.2f} with {name}" for name in first.index]
    return f"From the first hidden layer to the last, the mean {label} goes {listed(each)}."


def blocks_in_words(rows: pd.DataFrame, column: str = "element_similarity") -> str:
    """Means of the blocks of ``agreement_matrices``, of trained networks.

    Args:
        rows: of some architectures.
        column: ``element_similarity`` or ``transferability``.
    """
    matrix = agreement_matrix(accepted(rows).query("sweep != 'untrained'"), column)
    np.fill_diagonal(matrix, np.nan)
    upstream, downstream, across = (np.nanmean(block) for block in (matrix[:4, :4], matrix[4:, 4:], matrix[:4, 4:]))
    return (
        f"Two upstream similarities reach {upstream:.2f} on average, two downstream ones {downstream:.2f}, and one of "
        f"each {across:.2f}, over all trained networks."
    )


def _lines(ax: Axes, rows: pd.DataFrame, column: str) -> None:
    """Mean and standard error of a column against percent, a line a regulariser."""
    for i, (sweep, name) in enumerate(SWEEPS.items()):
        part = rows[rows["sweep"] == sweep]
        if len(part):
            grouped = part.groupby("strength")[column]
            at = [percent(sweep, strength) for strength in grouped.mean().index]
            ax.errorbar(at, grouped.mean(), grouped.sem(), color=PALETTE[i], marker=MARKERS[i], ms=4, label=name)


def _legend(figure: Figure, ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize="small")
