"""Figures of the chapter on systematic generalisation, on the axes of the paper's own figures.

Colours are those of ``modlib.plots``. Chapter: ``systematic-generalisation``.
"""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from modlib.chapters.systematic_generalisation.findings import (
    OUTPUT,
    accuracies,
    differences,
    on_hard,
    removed_by_token,
)
from modlib.chapters.systematic_generalisation.material import CONTROL, EASY, HALF, MATHEMATICS
from modlib.data.scan import ACTIONS
from modlib.evidence.sentences import listed
from modlib.plots import PALETTE, drawn_in
from modlib.tables.words import in_words

NETWORKS = {"lstm": "LSTM", "transformer": "Transformer"}
SPLITS = {"turn_left": "turn left", "jump": "jump", "length": "length"}
BESIDE = {**SPLITS, HALF: "a random half"}
TOKENS = (*ACTIONS, "end")
HATCHES = ("", "\\\\", "//", "..")
MASKED = {"whole": "no mask", CONTROL: "mask for all", HALF: "for a half", EASY: "for the easy"}
LEARNED = ("mask learned on all", "on a random half", "on the split", "no mask, trained on the split")


def layer_in_words(parameter: str) -> str:
    """A layer of weights as readers say it; one that is no LSTM's as it is.

    >>> layer_in_words("decoder.weight_hh_l1"), layer_in_words("output.weight")
    ('decoder 2, recurrent', 'output')
    """
    if lstm := re.fullmatch(r"(\w+)\.weight_(ih|hh)_l(\d)", parameter):
        return f"{lstm[1]} {int(lstm[3]) + 1}, {'input' if lstm[2] == 'ih' else 'recurrent'}"
    return parameter.removesuffix(".weight") if parameter == OUTPUT else parameter


def accuracy_by_split(rows: pd.DataFrame) -> Figure:
    """Accuracy on the test part of every split, by how it was learned, a panel a network (figures 4a and 16).

    Bars are means over networks with their standard deviation.

    Args:
        rows: of the table.
    """
    networks = [name for name in NETWORKS if name in set(rows["network"])]
    figure, axes = plt.subplots(
        1, len(networks), figsize=(4.2 * len(networks) + 1, 3), sharey=True, squeeze=False, layout="constrained"
    )
    for ax, network in zip(axes[0], networks, strict=True):
        part = rows[rows["network"] == network]
        for place, split in enumerate(SPLITS):
            found = accuracies(part, split)[[CONTROL, HALF, split, "direct"]]
            for i, (label, mean, sd) in enumerate(zip(LEARNED, found.mean(), found.std().fillna(0), strict=True)):
                if np.isnan(mean):  # not measured
                    continue
                bar = ax.bar(
                    place + 0.21 * (i - 1.5), mean, 0.21, yerr=sd, color=PALETTE[i], hatch=HATCHES[i],
                    edgecolor="white", label=label, error_kw={"lw": 1},
                )  # fmt: skip
                _tell_none(ax, bar)
        ax.set_xticks(range(len(SPLITS)), list(SPLITS.values()), fontsize="small")
        ax.set_title(NETWORKS[network], fontsize="small")
    axes[0, 0].set_ylim(0, 1.02)
    axes[0, 0].set_ylabel("test accuracy", fontsize="small")
    bars = drawn_in(axes.flat)
    bars = {label: bars[label] for label in LEARNED if label in bars}
    figure.legend(bars.values(), bars, loc="outside lower center", ncols=2, fontsize="small")
    return figure


def _tell_none(ax: Axes, bars: BarContainer) -> None:
    """Write 0 where a bar is too low to be seen, or it would look like one that is not measured."""
    ax.bar_label(bars, ["0" if bar.get_height() < 0.005 else "" for bar in bars], fontsize="x-small", padding=1)


def gaps_in_words(rows: pd.DataFrame) -> str:
    """How much a mask of each split loses of what the control answers, over all networks of ``accuracy_by_split``.

    Args:
        rows: as ``accuracy_by_split`` takes them.
    """
    told = []
    for split, label in SPLITS.items():
        found = accuracies(rows, split)
        control, of_split, half = (found[name].mean() for name in (CONTROL, split, HALF))
        if np.isnan(of_split):
            told.append(f"{label} {control:.0%} (its own mask is not measured yet)")
        else:
            told.append(f"{label} {control:.0%} and {of_split:.0%} (a random half {half:.0%})")
    return f"With a mask for all commands, and with one for the split, the accuracy is: {'; '.join(told)}."


def difference_by_layer(rows: pd.DataFrame, network: str = "lstm") -> Figure:
    """Share of weights on which a mask and the control disagree, by layer and what the mask is for (section 4).

    Bars are means over networks with their standard deviation; a random half is no part of the paper's figure.

    Args:
        rows: of the table.
        network: which.
    """
    found = differences(rows[rows["network"] == network]).groupby(["layer", "parameter"])
    means, sds = found.mean(), found.std().fillna(0)
    figure, ax = plt.subplots(figsize=(8, 3), layout="constrained")
    _bars_beside(ax, means, sds)
    layers = [layer_in_words(name) for name in means.index.get_level_values("parameter")]
    ax.set_xticks(range(len(layers)), layers, rotation=30, ha="right", fontsize="x-small")
    ax.set_ylabel("part kept by one only", fontsize="small")
    return figure


def _bars_beside(ax: Axes, means: pd.DataFrame, sds: pd.DataFrame) -> None:
    """Bars in groups, one a line of both tables, one in a group for what a mask was learned on, and their legend."""
    drawn = [name for name in BESIDE if name in means and means[name].notna().any()]
    width = 0.84 / max(len(drawn), 1)
    for place, name in enumerate(drawn):
        i = [*BESIDE].index(name)  # its colour in every figure
        ax.bar(
            np.arange(len(means)) + width * (place - (len(drawn) - 1) / 2), means[name], width, yerr=sds[name],
            color=PALETTE[i], hatch=HATCHES[i], edgecolor="white", label=BESIDE[name], error_kw={"lw": 1},
        )  # fmt: skip
    ax.legend(title="mask learned on", fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))


def accuracy_on_hard(rows: pd.DataFrame) -> Figure:
    """Accuracy on hard questions without a mask and with masks, a group a task (the paper's figure 5).

    Bars are means over networks with their standard deviation.

    Args:
        rows: of one kind of network.
    """
    found = on_hard(rows).rename(columns=MASKED)
    by_task = found.dropna(axis=1, how="all").groupby("dataset")
    means, sds = by_task.mean(), by_task.std().fillna(0)
    figure, ax = plt.subplots(figsize=(2.2 + 1.4 * len(means), 3), layout="constrained")
    width = 0.8 / means.shape[1]
    for i, label in enumerate(means):
        bars = ax.bar(
            np.arange(len(means)) + width * (i - (means.shape[1] - 1) / 2), means[label], width, yerr=sds[label],
            color=PALETTE[i], hatch=HATCHES[i], edgecolor="white", label=label, error_kw={"lw": 1},
        )  # fmt: skip
        _tell_none(ax, bars)
    ax.set_xticks(
        range(len(means)), [in_words(name.removeprefix(MATHEMATICS)) for name in means.index], fontsize="small"
    )
    ax.set_ylim(0, 1.02)
    ax.set_ylabel("accuracy, hard questions", fontsize="small")
    figure.legend(loc="outside right upper", fontsize="small")
    return figure


def hard_in_words(rows: pd.DataFrame) -> str:
    """What ``accuracy_on_hard`` shows, by task.

    Args:
        rows: as ``accuracy_on_hard`` takes them.
    """
    means = on_hard(rows).rename(columns=MASKED).groupby("dataset").mean()
    told = []
    for task, line in means.iterrows():
        shares = [f"{share:.0%} ({label})" for label, share in line.dropna().items()]
        told.append(f"{in_words(str(task).removeprefix(MATHEMATICS))}, {listed(shares)}")
    return f"Right of the hard questions: {'; '.join(told)}."


def removed_tokens(rows: pd.DataFrame, split: str = "jump") -> Figure:
    """Share of the control's output weights of every action that a mask removes (figure 4b), beside a random half's.

    Bars are means over networks with their standard deviation.

    Args:
        rows: of one kind of network.
        split: what the mask was learned on.
    """
    found = removed_by_token(rows)
    by_mask = found[found["trained_on"].isin([split, HALF])].groupby("trained_on")[list(TOKENS)]
    figure, ax = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
    _bars_beside(ax, by_mask.mean().T, by_mask.std().fillna(0).T)
    ax.set_xticks(range(len(TOKENS)), TOKENS, rotation=30, ha="right", fontsize="x-small")
    ax.set_ylabel("part removed", fontsize="small")
    return figure


def output_weights(control: np.ndarray, mask: np.ndarray) -> Figure:
    """Every weight of an output layer: kept by a mask, removed by it alone, or by the control already (figure 17).

    Args:
        control: (actions and the end, units) True where the mask for all keeps a weight.
        mask: of the same shape, for another one.
    """
    states = np.where(control, np.where(mask, 1, 2), 0)
    colours = {"removed by the mask for all": "white", "kept": PALETTE[1], "removed by the other mask": PALETTE[0]}
    figure, ax = plt.subplots(figsize=(7, 2.2), layout="constrained")
    ax.imshow(states, ListedColormap(list(colours.values())), vmin=0, vmax=2, interpolation="nearest", aspect="auto")
    ax.set_yticks(range(len(TOKENS)), TOKENS, fontsize="x-small")
    ax.set_xlabel("unit of the decoder", fontsize="small")
    patches = [Patch(facecolor=colour, edgecolor="grey", label=label) for label, colour in colours.items()]
    figure.legend(handles=patches, loc="outside upper center", ncols=3, fontsize="small")
    return figure
