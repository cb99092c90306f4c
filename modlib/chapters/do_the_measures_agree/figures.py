"""Figures of the chapter ``do-the-measures-agree``: matrices of notions, and one network in the shades of each.

Shades go from dark to light, so that they are told apart without their colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.optimize import linear_sum_assignment

from modlib.chapters.do_the_measures_agree.agreement import BEYOND, INFORMATION, beyond_chance, on_images
from modlib.chapters.do_the_measures_agree.findings import FOUND
from modlib.communities.certainty import SweepPoint
from modlib.evidence.sentences import listed
from modlib.notions.names import NOTIONS
from modlib.plots import MARKERS, PALETTE

MEASURES = {BEYOND: "beyond chance", INFORMATION: "mutual information"}  # of agreement, as titles have them
ALIKE = {
    "weights": "strong weights to the same units",
    "weights within layers": "the same, without what tells layers apart",
    "input sensitivity": "the same changes of the input move them",
    "lesions": "the same classes lose without them",
    "masks": "masks of the same classes keep their weights",
}  # a notion of each paper, and what two units of a module have in common
LINES = 2  # strongest weights for each unit of a layer
SHADES = 7  # of the largest number of a module, at least
VIRIDIS = plt.get_cmap("viridis")
ROOT = 0.5  # small numbers are told apart as well
LIGHT = 0.6  # share of the scale above which a field is light


def notion_matrices(shown: Mapping[str, pd.DataFrame]) -> Figure:
    """Matrices of notions: how far pairs agree, on the diagonal each with itself when it is asked again.

    A line shows the same networks twice: similarity beyond permuted labels, whose most depends on how many modules the
    two make, and beside it mutual information.

    Args:
        shown: rows of ``do-the-measures-agree`` by title; a field is the mean over their networks and layers.
    """
    figure, axes = plt.subplots(
        len(shown),
        len(MEASURES),
        figsize=(7.6, 3.2 * len(shown) + 1.1),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for line, (title, rows) in zip(axes, shown.items(), strict=True):
        for ax, (value, words) in zip(line, MEASURES.items(), strict=True):
            _matrix(ax, _agreement(rows, value), ROOT)
            ax.tick_params(labelbottom=True)
            ax.set_title(f"{title}: {words}", fontsize="small")
    return figure


def what_is_found(table: pd.DataFrame) -> Figure:
    """Mutual information of every notion with what is known, a row a case, a column a notion.

    Args:
        table: one row a case, with its name as index, and a column a notion, in [0, 1]; below 0 is shown as 0.
    """
    figure, ax = plt.subplots(figsize=(1.9 + 0.62 * table.shape[1], 1.5 + 0.4 * len(table)), layout="constrained")
    _matrix(ax, table)
    return figure


def found_in_words(table: pd.DataFrame) -> str:
    """Which notions find what is known, on average over networks, in each row of ``what_is_found``.

    Args:
        table: one row a case and a column a notion.
    """
    each = [f"{case} by {_those(row > FOUND)}" for case, row in table.iterrows()]
    return f"Found, with mutual information above {FOUND:g} on average: {'; '.join(each)}."


def matrices_in_words(shown: Mapping[str, pd.DataFrame]) -> str:
    """How far two notions agree, and one with itself, in each line of ``notion_matrices``.

    Clusters of weights beside themselves and each other are left out: they see no images.

    Args:
        shown: rows of ``do-the-measures-agree`` by title.
    """
    told = []
    for title, rows in shown.items():
        seen = on_images(rows)
        own = (seen["first"] == seen["second"]).to_numpy()
        each = []
        for value, words in MEASURES.items():
            two, one = (_value(seen, value)[those].mean() for those in (~own, own))
            each.append(f"{two:.2f} ({one:.2f}) {words}")
        told.append(f"{title}: {listed(each)}")
    return (
        "Means of two notions, in brackets those of one with itself on other images, without weights beside weights, "
        f"which see none. {'; '.join(told)}."
    )


def colourings(divided: Mapping[str, Sequence[np.ndarray]], by: str) -> Figure:
    """One network in the shades of every notion: a panel a notion, a strip a hidden layer, units at the same places.

    Units are in the order of the modules of one notion, so that its own panel goes from dark to light. In every other
    panel a module has the shade of the module of that notion with which it shares most units, as far as each shade is
    given once: the more a panel looks like a staircase, the more its notion agrees.

    Args:
        divided: for every notion and hidden layer the labels of its units; -1 for a unit that is in no module.
        by: the notion whose order and shades it is.
    """
    orders = [np.lexsort((np.arange(len(labels)), labels)) for labels in divided[by]]
    notions = [by, *(notion for notion in divided if notion != by)]
    figure, axes = plt.subplots(len(notions), 1, figsize=(7, 0.3 + 0.52 * len(notions)), layout="constrained")
    images = {}
    for notion in notions:
        images[notion] = np.full((len(orders), max(map(len, orders))), np.nan)
        for layer, order in enumerate(orders):
            matched = _matched(divided[notion][layer], divided[by][layer])[order]
            images[notion][layer, : len(order)] = np.where(matched < 0, np.nan, matched)
    most = max(np.nanmax(image) for image in images.values())
    for ax, (notion, image) in zip(np.atleast_1d(axes), images.items(), strict=True):
        ax.imshow(image, aspect="auto", interpolation="nearest", cmap="viridis", vmin=0, vmax=most)
        ax.set_ylabel(notion, rotation=0, ha="right", va="center", fontsize="x-small")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(True)
    axes[-1].set_xlabel(f"units of each hidden layer, in the order of {by}; first layer on top", fontsize="x-small")
    return figure


def drawn(kernels: Sequence[np.ndarray], divided: Mapping[str, Sequence[np.ndarray]], by: str) -> Figure:
    """One network, drawn for each of ``ALIKE`` with its hidden units in the shades of that notion.

    Units lie in the order of the modules of one notion, in every drawing at the same places. A module has the shade of
    the module of that notion with which it shares most units, as far as each shade is given once. Lines are the
    strongest weights.

    Args:
        kernels: (units before, units) weights of every layer, inputs first.
        divided: for every notion and hidden layer the labels of its units; -1 for a unit that is in no module, which is
            drawn hollow.
        by: the notion whose order and shades it is.
    """
    widths = [len(kernels[0]), *(kernel.shape[1] for kernel in kernels)]
    places = [(np.arange(width) + 0.5) / width for width in widths]
    for place, labels in zip(places[1:-1], divided[by], strict=True):
        place[np.lexsort((np.arange(len(labels)), labels))] = place.copy()
    lines = [
        [(places[number][below], number), (places[number + 1][above], number + 1)]
        for number, kernel in enumerate(kernels)
        for below, above in zip(*_strongest(kernel), strict=True)
    ]
    figure, axes = plt.subplots(len(ALIKE), 1, figsize=(5, 1.5 * len(ALIKE)), layout="constrained")
    for ax, (notion, alike) in zip(axes, ALIKE.items(), strict=True):
        hidden = [_matched(*pair) for pair in zip(divided[notion], divided[by], strict=True)]
        shades = [np.full(widths[0], -1), *hidden, np.full(widths[-1], -1)]
        ax.add_collection(LineCollection(lines, colors="0.8", lw=0.5, zorder=1))
        for number, (place, shade) in enumerate(zip(places, shades, strict=True)):
            inside = 0 < number < len(kernels)
            colours = [VIRIDIS(value / max(SHADES, *shade)) if value >= 0 else "white" for value in shade.tolist()]
            ax.scatter(
                place, np.full(len(place), number), s=16 if inside else 4, c=colours if inside else "0.5",
                edgecolors="0.3", lw=0.3 if inside else 0, zorder=3,
            )  # fmt: skip
        ax.set_title(f"{notion}: {alike}", fontsize=9, loc="left")
        ax.set_yticks(
            range(len(widths)), ["inputs", *(f"layer {n}" for n in range(1, len(kernels))), "outputs"], fontsize=9
        )
        ax.set(xticks=[], xlim=(0, 1), ylim=(-0.4, len(kernels) + 0.4))
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return figure


def sweeps(found: Mapping[str, Sequence[SweepPoint]]) -> Figure:
    """How far divisions from other starts agree beyond chance, against how many modules they have; a line a search.

    Args:
        found: see ``modlib.communities.sweep``, by name of the search.
    """
    figure, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    for (name, points), colour, marker in zip(found.items(), PALETTE, MARKERS, strict=False):
        modules, beyond = ([getattr(point, of) for point in points] for of in ("modules", "beyond_chance"))
        ax.plot(modules, beyond, color=colour, marker=marker, ms=5, lw=1.2, label=name)
    ax.set(xlabel="modules", ylabel="similarity beyond chance", ylim=(-0.03, 1.03))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize="small")
    return figure


def sweeps_in_words(found: Mapping[str, Sequence[SweepPoint]]) -> str:
    """The number of modules that is found again most surely, in each line of ``sweeps``.

    Args:
        found: see ``sweeps``.
    """
    best = {name: max(points, key=lambda point: point.beyond_chance) for name, points in found.items()}
    each = [f"{one.modules:.0f} ({name}; {one.beyond_chance:.2f} beyond chance)" for name, one in best.items()]
    return f"Found again most surely are {listed(each)} modules."


def _value(rows: pd.DataFrame, value: str) -> pd.Series:
    return beyond_chance(rows) if value == BEYOND else rows[value]


def _agreement(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Mean agreement of every pair of notions, both halves of the matrix."""
    half = _value(rows, value).groupby([rows["first"], rows["second"]]).mean().unstack()
    named = [notion for notion in NOTIONS if notion in half.index]
    half = half.reindex(index=named, columns=named)
    return half.fillna(half.T)


def _matrix(ax: Axes, table: pd.DataFrame, power: float = 1.0) -> None:
    """A matrix of numbers from 0 to 1, each written into its field; colours follow a power of them."""
    values = table.to_numpy(dtype=float)
    ax.imshow(np.clip(values, 0, 1), cmap="cividis", norm=PowerNorm(power, 0, 1), aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if max(value, 0) ** power < LIGHT else "black"
            ax.text(column, row, _short(value), ha="center", va="center", color=colour, fontsize=8)
    ax.set_xticks(range(table.shape[1]), table.columns, rotation=60, ha="right", fontsize="x-small")
    ax.set_yticks(range(len(table)), table.index, fontsize="x-small")
    ax.tick_params(length=0)


def _short(value: float) -> str:
    """Two decimals, without the zero before them, so that they fit a field."""
    text = f"{value:.2f}".replace("-0.00", "0.00").replace("-", "\N{MINUS SIGN}")
    return text if abs(value) >= 0.995 else text.replace("0.", ".", 1)


def _those(found: pd.Series) -> str:
    """The notions of which something is true, or but for which it is, whichever are fewer."""
    yes, no = found.index[found].tolist(), found.index[~found].tolist()
    if not yes or not no:
        return "all" if yes else "none"
    return listed(yes) if len(yes) <= len(no) else f"all but {listed(no)}"


def _strongest(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the largest weights of a layer, ``LINES`` for each unit of its wider side."""
    size = np.abs(kernel)
    sources, targets = np.nonzero(size >= np.sort(size, axis=None)[-LINES * max(kernel.shape) :][0])
    return sources, targets


def _matched(labels: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Labels renamed after the labels of a reference with which they share most units; the others come after these."""
    own, theirs = np.unique(labels[labels >= 0]), np.unique(reference[reference >= 0])
    shared = np.array([[np.sum((labels == a) & (reference == b)) for b in theirs] for a in own]).reshape(len(own), -1)
    names = dict(zip(*(index.tolist() for index in linear_sum_assignment(-shared)), strict=True))
    unnamed = iter(range(len(theirs), len(theirs) + len(own)))
    renamed = np.full(len(labels), -1)
    for place, label in enumerate(own):
        renamed[labels == label] = names[place] if place in names else next(unnamed)
    return renamed
