"""Figures of the chapter on coherence: what sub-clusters respond to, above what random sets of units respond to.

Chapter: ``coherence``.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modlib.chapters.coherence.experiment import ENTROPY, SCORE, VARIANCE, stored_images
from modlib.chapters.coherence.findings import random_mean
from modlib.evidence.sentences import extremes, share_of
from modlib.plots import MARKERS, PALETTE
from modlib.tables.words import dataset_in_words, in_words

NAMES = {
    SCORE: "score", ENTROPY: "softmax entropy", VARIANCE: "variance of activities",
}  # fmt: skip
MOST = 12  # columns of a figure of images
LARGEST, WIDEST = 0.85, 8.8  # inches of an image, and of all of them side by side


def squares(image: np.ndarray, channels: int = 1) -> np.ndarray:
    """A flattened image as a picture; the channels of a stack side by side, with a blank column between them.

    Args:
        image: (channels * side * side,).
        channels: of the image.
    """
    side = int(np.sqrt(image.size // channels))
    parts = list(image.reshape(channels, side, side))
    gap = np.full((side, 1), np.nan)
    return np.hstack([part for one in parts for part in (one, gap)][:-1])


def pictures(columns: Sequence[Sequence[np.ndarray]], names: Sequence[str], signed: bool = True) -> Figure:
    """Images of sub-clusters, a column each, above those of random sets like them (figures 1, 4 and 5).

    Args:
        columns: for every sub-cluster its image, then those of random sets; pictures (height, width).
        names: of the sub-clusters.
        signed: correlations, drawn in blue and red on one scale for all; else pixels in [0, 1], grey.
    """
    height, width = columns[0][0].shape
    columns, names = columns[:MOST], names[:MOST]
    aspect = max(1.0, width / height)
    inches = min(LARGEST, WIDEST / (len(columns) * aspect))
    size = (inches * len(columns) * aspect + 1.1, inches * len(columns[0]) + 0.4)
    figure, axes = plt.subplots(len(columns[0]), len(columns), figsize=size, squeeze=False, layout="constrained")
    largest = max(float(np.nanmax(np.abs(image))) for column in columns for image in column)
    kind = {"cmap": "RdBu", "vmin": -largest, "vmax": largest} if signed else {"cmap": "gray", "vmin": 0, "vmax": 1}
    for (line, place), ax in np.ndenumerate(axes):
        ax.imshow(columns[place][line], **kind)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=line == 0, linewidth=2, color=PALETTE[1])
        if line == 0:
            ax.set_title(names[place], fontsize="x-small")
    for line, ax in enumerate(axes[:, 0]):
        ax.set_ylabel("random" if line else "sub-cluster", fontsize="x-small", rotation=0, ha="right", va="center")
    return figure


def stored_pictures(rows: pd.DataFrame, channels: int = 1) -> Figure:
    """The images that are stored with the rows of one network: ``pictures`` of some sub-clusters of every layer.

    Args:
        rows: of one network, with ``images`` in some of them.
        channels: of an image.
    """
    shown = rows.dropna(subset=["images"])
    names = [f"{row.layer}-{row.cluster} ({row.size})" for row in shown.itertuples()]
    return pictures(stored_columns(rows, channels), names, signed=SCORE not in set(shown["measure"]))


def stored_columns(rows: pd.DataFrame, channels: int = 1) -> list[list[np.ndarray]]:
    """The images that are stored with the rows of one network, as ``pictures`` takes them.

    Args:
        rows: of one network, with ``images`` in some of them.
        channels: of an image.
    """
    stored = rows.dropna(subset=["images"]).iterrows()
    return [[squares(image, channels) for image in stored_images(row)] for _, row in stored]


def contrast_in_words(columns: Sequence[Sequence[np.ndarray]]) -> str:
    """In how many columns of ``pictures`` the correlation image of the sub-cluster stands out.

    Args:
        columns: as ``pictures`` draws them.
    """
    spread = [[float(np.nanstd(image)) for image in column] for column in columns[:MOST]]
    more = share_of([own > float(np.mean(random)) for own, *random in spread])
    return f"In {more} columns the sub-cluster's image has more contrast than those of its random sets on average."


def scores_in_words(own: Sequence[float], random: Sequence[float]) -> str:
    """In how many columns of ``pictures`` an optimised image excites the sub-cluster more than random sets.

    Args:
        own: of every sub-cluster, the score: mean activity of its units on its image.
        random: of every sub-cluster, the mean score of its random sets, each on its own image.
    """
    ours, theirs = np.array(own)[:MOST], np.array(random)[:MOST]
    return (
        f"In {share_of(list(ours > theirs))} columns the image excites the units of the sub-cluster more than one can "
        f"excite its random sets on average: scores are {ours.mean():.2f} and {theirs.mean():.2f} in the mean."
    )


def stored_in_words(rows: pd.DataFrame, channels: int = 1) -> str:
    """What is to be seen in ``stored_pictures``: scores of optimised images, contrast of correlations.

    Args:
        rows: of one network, with ``images`` in some of them.
        channels: of an image.
    """
    shown = rows.dropna(subset=["images"])
    if SCORE in set(shown["measure"]):
        return scores_in_words(shown["value"].tolist(), random_mean(shown).tolist())
    return contrast_in_words(stored_columns(rows, channels))


def halves_in_words(columns: Sequence[Sequence[np.ndarray]]) -> str:
    """How much of the images of ``pictures`` lies in the half that has more, for sub-clusters and for random sets.

    Args:
        columns: as ``pictures`` draws them.
    """

    def share(image: np.ndarray) -> float:
        left, right = (float(np.nansum(half**2)) for half in np.array_split(image, 2, axis=1))
        return max(left, right) / (left + right)

    own = np.mean([share(column[0]) for column in columns])
    random = np.mean([share(image) for column in columns for image in column[1:]])
    return f"the half that has more holds {own:.0%} of a sub-cluster's image, {random:.0%} of that of random units"


def examples(rows: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    """Composite images with their labels, a row a kind (figure 3).

    Args:
        rows: name of the kind, pictures (n, height, width), labels (n,).
    """
    n = max(len(row[1]) for row in rows)
    figure, axes = plt.subplots(len(rows), n, figsize=(0.9 * n, 1.15 * len(rows)), squeeze=False, layout="constrained")
    for line, (name, found, labels) in zip(axes, rows, strict=True):
        for ax, picture, label in zip(line, found, labels, strict=True):
            ax.imshow(picture, cmap="gray")
            ax.set_title(str(label), fontsize="x-small")
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, fontsize="x-small")
    return figure


def p_values(rows: pd.DataFrame) -> Figure:
    """Share of the sub-clusters at every level of p, a row a measure, a panel a kind of network; a line at uniform.

    Args:
        rows: of the study ``features``, with one k.
    """
    kinds = list(dict.fromkeys(zip(rows["network"], rows["dataset"], strict=True)))
    measures = [name for name in NAMES if name in set(rows["measure"])]
    size = (1.5 * len(kinds) + 0.6, 1.5 * len(measures) + 0.5)
    figure, axes = plt.subplots(
        len(measures), len(kinds), figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for (i, j), ax in np.ndenumerate(axes):
        network, dataset = kinds[j]
        of_kind = (rows["network"] == network) & (rows["dataset"] == dataset)
        part = rows[of_kind & (rows["measure"] == measures[i])]
        n = int(part["n_random"].iloc[0]) + 1
        levels = np.round(part["p_ties_against"] * n).astype(int)
        ax.bar(np.arange(1, n + 1) / n, np.bincount(levels, minlength=n + 1)[1:] / len(part), 0.8 / n, color=PALETTE[0])
        ax.axhline(1 / n, color="black", ls="--", lw=1)
        if i == 0:
            ax.set_title(f"{in_words(network)}\n{dataset_in_words(dataset)}", fontsize="x-small")
        if j == 0:
            ax.set_ylabel(NAMES[measures[i]], fontsize="x-small")
        ax.tick_params(labelsize="x-small")
    figure.supxlabel("p, ties against", fontsize="small")
    figure.supylabel("share of sub-clusters", fontsize="small")
    return figure


def against_random(rows: pd.DataFrame, label: str) -> Figure:
    """A measure of every sub-cluster against its mean over random sets, a panel a kind of network, colours by layer.

    Args:
        rows: of one measure.
        label: of the measure.
    """
    rows = rows.assign(mean=random_mean(rows))
    kinds = list(dict.fromkeys(zip(rows["network"], rows["dataset"], rows["dropout"], strict=True)))
    shape = (-(-len(kinds) // 4), min(len(kinds), 4))
    figure, axes = plt.subplots(
        *shape, figsize=(2.2 * shape[1] + 0.6, 2.3 * shape[0] + 0.6), sharex=True, sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for ax in axes.ravel()[len(kinds) :]:
        ax.set_visible(False)
    for (network, dataset, dropout), ax in zip(kinds, axes.ravel(), strict=False):
        part = rows[(rows["network"] == network) & (rows["dataset"] == dataset) & (rows["dropout"] == dropout)]
        for layer, found in part.groupby("layer"):
            i = int(layer) - 1
            ax.scatter(found["mean"], found["value"], s=12, color=PALETTE[i], marker=MARKERS[i], label=f"layer {layer}")
        ax.axline((0, 0), slope=1, color="black", ls="--", lw=1)
        ending = ", dropout" if dropout == "yes" else ""
        ax.set_title(f"{in_words(network)}{ending}\n{dataset_in_words(dataset)}", fontsize="x-small")
        ax.tick_params(labelsize="x-small")
    figure.supxlabel(f"{label}, mean of random sets", fontsize="small")
    figure.supylabel(f"{label}, sub-cluster", fontsize="small")
    handles = {
        name: handle for ax in axes.ravel() for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles), fontsize="x-small")
    return figure


def above_random_in_words(rows: pd.DataFrame, measure: str) -> str:
    """How many sub-clusters lie above the diagonal of ``against_random``.

    Args:
        rows: of the study ``correlations``.
        measure: which of its measures.
    """
    rows = rows[rows["measure"] == measure]
    above = rows["value"] > random_mean(rows)
    kinds = [
        rows["network"].map(in_words),
        rows["dataset"].map(dataset_in_words),
        rows["dropout"].map({"yes": "dropout", "no": "no dropout"}),
    ]
    return (
        f"{share_of(above)} sub-clusters lie above the diagonal, higher than random sets of their size; "
        f"their share is {extremes(above.groupby(kinds).mean(), '.0%')}."
    )
