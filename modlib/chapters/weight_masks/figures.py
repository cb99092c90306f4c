"""Figures of the chapter on weight masks, on the axes of the paper's own figures.

Colours and markers are those of ``modlib.plots``. Chapter: ``weight-masks``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modlib.chapters.weight_masks.experiment import LSTM, WIDE
from modlib.chapters.weight_masks.findings import (
    MEDIUM,
    SMALL,
    at_paper_beta,
    of_one_length,
    own_accuracy,
    share,
    whole_masks,
)
from modlib.evidence.sentences import changed, listed, ordered, span
from modlib.plots import MARKERS, PALETTE

HUGE = "fnn 4000-4000-4000-4000"
NETWORKS = {
    SMALL: "perceptron 400-400-200",
    MEDIUM: "perceptron 4 x 800",
    WIDE: "perceptron 4 x 2,000",
    HUGE: "perceptron 4 x 4,000",
    LSTM: "LSTM 256",
}
SIZES = {SMALL: "small", MEDIUM: "medium", WIDE: "big", HUGE: "huge"}  # as figure 9 calls them


def shares(rows: pd.DataFrame) -> Figure:
    """Shared part of the weights by layer, a panel a network, beside what chance would share (figures 1, 13 and 14).

    Bars are means over networks with their standard deviation. A line across a bar is the mean for independent masks
    of the same densities.

    Args:
        rows: of one task.
    """
    return _by_layer(_with_chance(at_paper_beta(rows)), "share", "part of its weights that a mask shares", "chance")


def shares_by_size(rows: pd.DataFrame) -> Figure:
    """What a mask shares of all its weights, by the size of the perceptron, beside what chance would share (figure 9).

    The paper's has the mask for addition only, by the authors' script. Bars are means over networks with their standard
    deviation. A line across a bar is the mean for independent masks of the same densities. Below a size stands how many
    steps its networks had, and how their masks were learned.

    Args:
        rows: of addition and multiplication.
    """
    rows, sizes = _of_sizes(rows)
    figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
    masks = list(dict.fromkeys(rows["mask"]))
    for i, mask in enumerate(masks):
        found = (
            100 * rows[rows["mask"] == mask].groupby("network")[["share", "chance"]].agg(["mean", "std"]).loc[[*sizes]]
        )
        places = _bars(ax, i, len(masks), found["share"]["mean"], found["share"]["std"], mask)
        _chance_lines(ax, places, found["chance"]["mean"], named=i > 0)
    ticks = [f"{SIZES[network]}\n{fill(how, 18)}" for network, how in sizes.items()]
    ax.set_xticks(range(len(ticks)), ticks, fontsize="x-small")
    ax.set_ylabel("Total shared [%]", fontsize="small")
    _legend(figure, ax, "mask")
    return figure


def sizes_in_words(rows: pd.DataFrame) -> str:
    """What the mask for addition shares in each size of ``shares_by_size``, and whether size is all that differs.

    Args:
        rows: of addition and multiplication.
    """
    rows, sizes = _of_sizes(rows)
    means = rows[rows["mask"] == "addition"].groupby("network")[["share", "chance"]].mean()
    each = [
        f"{means['share'][network]:.0%} in the {SIZES[network]} perceptron (by chance {means['chance'][network]:.0%})"
        for network in sizes
    ]
    if len({*sizes.values()}) == 1:
        return f"Of its weights the mask for addition shares {listed(each)}; all had {next(iter(sizes.values()))}."
    how = "; ".join(f"{SIZES[network]}: {of_network}" for network, of_network in sizes.items())
    return f"Of its weights the mask for addition shares {listed(each)}. Not only the size differs. {how.capitalize()}."


def weights(rows: pd.DataFrame) -> Figure:
    """Number of weights that each mask keeps, by layer, a panel a network (figure 11).

    Args:
        rows: of one task.
    """
    rows = at_paper_beta(rows)
    return _by_layer(rows[rows["layer"] > 0], "kept", "weights kept")


def accuracies(rows: pd.DataFrame, functions: Sequence[str]) -> Figure:
    """Accuracy of the whole network, of masked and of inversely masked ones, a panel a network (figures 2 and 10).

    Args:
        rows: of one task.
        functions: its two functions, which are also the names of the masks.
    """
    rows = whole_masks(rows)
    networks = _networks(rows)
    figure, axes = _panels(len(networks))
    for ax, network in zip(axes, networks, strict=True):
        part = rows[rows["network"] == network]
        conditions: dict[str, pd.DataFrame] = {
            "whole": part[["whole_first", "whole_second"]],
            **{
                f"mask: {mask}": part.loc[part["mask"] == mask, ["masked_first", "masked_second"]] for mask in functions
            },
            **{
                f"without: {mask}": part.loc[part["mask"] == mask, ["inverse_first", "inverse_second"]]
                for mask in functions
            },
        }
        for place, function in enumerate(functions):
            columns = [values.iloc[:, place] for values in conditions.values()]
            _bars(ax, place, 2, [c.mean() for c in columns], [c.std() for c in columns], function)
        ax.set_xticks(range(len(conditions)), list(conditions), rotation=35, ha="right", fontsize="x-small")
        ax.set_ylim(0, 1.05)
        ax.set_title(NETWORKS[network], fontsize="small")
    figure.supylabel("accuracy", fontsize="small")
    _legend(figure, axes[0], "function asked")
    return figure


def confusions(rows: pd.DataFrame) -> Figure:
    """How a masked network answers: a row a network, a panel a mask (figure 12).

    Args:
        rows: of addition and multiplication.
    """
    rows = whole_masks(rows)
    networks = _networks(rows)
    masks = ("addition", "multiplication")
    figure, axes = plt.subplots(
        len(networks), 2, figsize=(7, 1.5 * len(networks) + 0.6), squeeze=False, layout="constrained"
    )
    for line, network in zip(axes, networks, strict=True):
        for ax, mask in zip(line, masks, strict=True):
            texts = rows.loc[(rows["network"] == network) & (rows["mask"] == mask), "confusion"]
            cells = np.array([text.split() for text in texts], dtype=float).reshape(-1, 2, 3).mean(0)
            ax.imshow(cells, cmap="Blues", vmin=0, vmax=1, aspect="auto")
            for (i, j), value in np.ndenumerate(cells):
                ax.text(j, i, f"{value:.0%}", ha="center", va="center", color="white" if value > 0.5 else "black")
            ax.set_xticks(range(3), ["sum", "product", "neither"], fontsize="x-small")
            ax.set_yticks(range(2), ["asked +", "asked x"], fontsize="x-small")
            ax.set_title(f"{NETWORKS[network]}, mask: {mask}", fontsize="small")
    return figure


def histogram(rows: pd.DataFrame) -> Figure:
    """Probabilities that weights are kept, after learning, a panel a network (figure 7).

    Counts of all masks of a network are added up; the vertical axis is logarithmic.

    Args:
        rows: of one task.
    """
    rows = whole_masks(rows)
    networks = _networks(rows)
    figure, axes = _panels(len(networks), height=2.4)
    for ax, network in zip(axes, networks, strict=True):
        texts = rows.loc[rows["network"] == network, "histogram"]
        counts = np.array([text.split() for text in texts], dtype=float).sum(0)
        edges = np.linspace(0, 1, len(counts) + 1)
        ax.stairs(counts / counts.sum(), edges, fill=True, color=PALETTE[0])
        ax.set_yscale("log")
        ax.set_title(NETWORKS[network], fontsize="small")
    figure.supxlabel("probability that a weight is kept", fontsize="small")
    figure.supylabel("share of the weights", fontsize="small")
    return figure


def by_strength(rows: pd.DataFrame) -> Figure:
    """Accuracy of masked networks and what the masks share, against the regulariser's strength (figure 8).

    Args:
        rows: of one task and network, with several strengths.
    """
    rows = of_one_length(rows[rows["layer"] == 0])
    drawn: Mapping[str, pd.Series] = {"accuracy of the masked network": own_accuracy(rows), "shared part": share(rows)}
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for ax, (label, values) in zip(axes, drawn.items(), strict=True):
        for i, (mask, part) in enumerate(values.groupby(rows["mask"])):
            found = part.groupby(rows["beta"].astype(float)).agg(["mean", "std"])
            ax.errorbar(
                found.index,
                found["mean"],
                found["std"].fillna(0),
                color=PALETTE[i],
                marker=MARKERS[i],
                ms=4,
                label=mask,
            )
        ax.set(xscale="log", ylim=(0, 1.05))
        ax.set_xlabel("strength of the regulariser", fontsize="small")
        ax.set_ylabel(label, fontsize="small")
    _legend(figure, axes[0], "mask")
    return figure


def shares_in_words(rows: pd.DataFrame) -> str:
    """What masks share of all their weights, and what they would by chance, in the panels of ``shares``.

    Args:
        rows: of one task.
    """
    whole = _with_chance(whole_masks(rows))
    means = whole.groupby(whole["network"].map(NETWORKS))[["share", "chance"]].mean()
    return (
        f"Of all its weights a mask shares {ordered(means['share'], '.0%')}; "
        f"by chance it would share {ordered(means['chance'], '.0%')}."
    )


def accuracies_in_words(rows: pd.DataFrame, functions: Sequence[str]) -> str:
    """Accuracies of ``accuracies``: of a function with its own mask and the other's, and without; means over networks.

    Beside each mean stand the least and the largest of a kind of network and a function.

    Args:
        rows: of one task.
        functions: its two functions.
    """
    rows = whole_masks(rows)
    cases: dict[str, list[pd.Series]] = {}
    for own, mask in zip(("first", "second"), functions, strict=True):
        other = "second" if own == "first" else "first"
        part = rows[rows["mask"] == mask]
        for case, column in {
            "with its own mask": f"masked_{own}",
            "with the mask of the other": f"masked_{other}",
            "without the weights of its own mask": f"inverse_{own}",
            "without the weights of the other's mask": f"inverse_{other}",
        }.items():
            cases.setdefault(case, []).append(part[column].astype(float).groupby(part["network"]).mean())
    found = {case: pd.concat(means) for case, means in cases.items()}
    each = [
        f"{found[case].mean():.0%} ({span(found[case], '.0%')}) {case}"
        for case in sorted(found, key=lambda case: -found[case].mean())
    ]
    return f"The accuracy on a function is, in the mean and by network, {listed(each)}."


def confusions_in_words(rows: pd.DataFrame) -> str:
    """How networks answer that are asked for the operation whose mask they do not wear, over ``confusions``.

    Args:
        rows: of addition and multiplication.
    """
    rows = whole_masks(rows)
    told = []
    for mask, asked, own in (("addition", 1, 0), ("multiplication", 0, 1)):
        texts = rows.loc[rows["mask"] == mask, "confusion"]
        answers = np.array([text.split() for text in texts], dtype=float).reshape(-1, 2, 3)[:, asked].mean(0)
        told.append(
            f"under the mask for {mask}, asked for the other operation, {answers[own]:.0%} of answers are "
            f"still its own result and {answers[2]:.0%} neither"
        )
    return f"What masked networks answer: {'; '.join(told)}."


def histogram_in_words(rows: pd.DataFrame) -> str:
    """How many probabilities lie at the ends of the panels of ``histogram``, also of those with which a weight is kept.

    Args:
        rows: of one task.
    """
    rows = whole_masks(rows)
    counts = np.array([text.split() for text in rows["histogram"]], dtype=float)
    counts /= counts.sum(1, keepdims=True)
    kept = counts[:, counts.shape[1] // 2 :].sum(1)
    return (
        f"Of the probabilities, {counts[:, 0].mean():.0%} are in the lowest bin, "
        f"{counts[:, -1].mean():.0%} in the highest, {1 - counts[:, [0, -1]].sum(1).mean():.1%} between. Of those "
        f"above one half, with which a weight is kept, {(counts[:, -1] / kept).mean():.0%} are in the highest."
    )


def strength_in_words(rows: pd.DataFrame) -> str:
    """Where the lines of ``by_strength`` begin and end, mask by mask.

    Args:
        rows: of one task and network, with several strengths.
    """
    rows = of_one_length(rows[rows["layer"] == 0])
    beta = rows["beta"].astype(float)
    found = pd.DataFrame({"accuracy": own_accuracy(rows), "shared": share(rows)})
    means = found.groupby([rows["mask"], beta]).mean()
    accuracy, shared = (
        listed([f"{changed(line.iloc[0], line.iloc[-1], 2)} for {mask}" for mask, line in means[name].groupby("mask")])
        for name in found
    )
    return (
        f"From the weakest regulariser to the strongest the accuracy goes {accuracy}, and the part of its weights that "
        f"a mask shares {shared}."
    )


def _networks(rows: pd.DataFrame) -> list[str]:
    """Networks that have rows, in the order in which they are shown."""
    return [name for name in NETWORKS if name in set(rows["network"])]


def _with_chance(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of masks with the ``share`` of its weights that each shares, and what it would share by ``chance``."""
    return rows.assign(share=share(rows), chance=rows["by_chance"] / rows["kept"].where(rows["kept"] > 0))


def _of_sizes(rows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Whole masks of perceptrons with their shares, and how those of each size came about, from small to huge."""
    rows = _with_chance(whole_masks(rows))
    rows = rows[rows["network"].isin(list(SIZES))]
    how = rows.drop_duplicates("network").set_index("network")
    return rows, {
        network: "{network_steps:,} steps, masks {mask_steps:,} at a rate of {mask_rate:g}".format(**how.loc[network])
        for network in SIZES
        if network in how.index
    }


def _chance_lines(ax: Axes, places: np.ndarray, heights: pd.Series, named: bool) -> None:
    label = "by chance" if named else "_"  # matplotlib leaves out of the legend what begins so
    ax.hlines(heights, places - 0.18, places + 0.18, color="black", lw=2, label=label)


def _by_layer(rows: pd.DataFrame, column: str, axis: str, chance: str | None = None) -> Figure:
    networks = _networks(rows)
    figure, axes = _panels(len(networks), sharey=chance is not None)  # numbers of weights differ, shares do not
    for ax, network in zip(axes, networks, strict=True):
        part = rows[rows["network"] == network]
        layers = part.drop_duplicates("layer").sort_values("layer")
        masks = list(dict.fromkeys(part["mask"]))
        for i, mask in enumerate(masks):
            found = part[part["mask"] == mask].groupby("layer")
            places = _bars(ax, i, len(masks), found[column].mean(), found[column].std(), mask)
            if chance:
                _chance_lines(ax, places, found[chance].mean(), named=i > 0)
        names = ["all" if layer == 0 else str(layer) for layer in layers["layer"]]
        ax.set_xticks(range(len(names)), names, fontsize="x-small")
        ax.set_title(NETWORKS[network], fontsize="small")
    figure.supxlabel("layer of weights", fontsize="small")
    figure.supylabel(axis, fontsize="small")
    _legend(figure, axes[0], None)
    return figure


def _bars(
    ax: Axes, i: int, n: int, heights: Sequence[float] | pd.Series, sds: Sequence[float] | pd.Series, label: str
) -> np.ndarray:
    """The i-th of n bars at every place; returns where they stand."""
    places = np.arange(len(heights)) + 0.8 * ((i + 0.5) / n - 0.5)
    ax.bar(
        places, heights, 0.8 / n, yerr=np.nan_to_num(np.asarray(sds, dtype=float)), color=PALETTE[i], label=label,
        hatch=("", "//")[i % 2], edgecolor="white", error_kw={"lw": 1},
    )  # fmt: skip
    return places


def _panels(n: int, height: float = 3.0, sharey: bool = True) -> tuple[Figure, Sequence[Axes]]:
    columns = n if n < 4 else 2  # more would be too small to read
    lines = math.ceil(n / columns)
    figure, axes = plt.subplots(
        lines,
        columns,
        figsize=(3.1 * columns + 0.6, height * lines + 0.4),
        sharey=sharey,
        squeeze=False,
        layout="constrained",
    )
    for ax in axes.flat[n:]:
        ax.set_axis_off()
    return figure, list(axes.flat[:n])


def _legend(figure: Figure, ax: Axes, title: str | None) -> None:
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right center", title=title, fontsize="small")
