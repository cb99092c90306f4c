"""Style, tables, figures with words for who cannot see them, and figures of one network.

Figures are on the axes of the papers' own, where there is one.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; markers repeat what colours say.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from pandas.io.formats.style import Styler
from pandas.io.formats.style_render import CSSDict

from modlib.checks import labels as whole_labels, whole
from modlib.errors import InputError
from modlib.evidence.digits import MINUS, signed
from modlib.graphs.neurons import NeuronGraph
from modlib.reprs import AS_IT_IS, IN_SIGHT
from modlib.tables.words import in_words

PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"]
NULL_COLOURS = {"layer": PALETTE[0], "layer-nonzero": PALETTE[5], "degree": PALETTE[2], "strength": PALETTE[3]}
NULL_LINES = {"layer": "-", "layer-nonzero": ":", "degree": "-.", "strength": "--"}
LINES = ["-", "--", ":", "-."]
ARTICLE = 768  # pixels that a figure of the book is wide at most, where a window is 1,400
SCROLLS = '<div class="long" role="region" aria-label="{said}" tabindex="0" style="max-height: 28em; overflow: auto">'


NO_BREAK = "\N{NO-BREAK SPACE}"
ONE = r"[-−+]?\d[\d.,]*%?"
# A number as tables have it: alone, or with a spread, an interval, a count; two of them; or none.
NUMBER = re.compile(rf"–|{ONE}( ± {ONE}†?)?( \(({ONE} to {ONE})?(, )?(n = \d+)?\))?|{ONE} (to|of) {ONE}")


def use_style() -> None:
    """Set fonts, palette and resolution for all figures of a chapter."""
    sns.set_theme(style="ticks", context="notebook", palette=PALETTE)
    plt.rcParams.update(
        {"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
    )


def show(seen: str, figure: Figure | None = None) -> None:
    """Show a figure with what is to be seen in it, as who cannot see it is told, and as its caption in the book says.

    The words are the alternative text of the picture, in its metadata, where Jupyter and nbconvert look for it. Beside
    them stands how high the smallest letters are on the book's page, which refuses those that nobody can read.

    Args:
        seen: what the figure shows, a sentence with its numbers, computed from what is drawn.
        figure: which; the current one by default.

    Raises:
        InputError: if there are no words.
    """
    from IPython.display import display

    if not seen.strip():
        raise InputError("no words arrived for a figure; expected a sentence that says what is to be seen in it")
    figure, words = figure or plt.gcf(), " ".join(seen.split())
    metadata = {"image/png": {"alt": words[:1].upper() + words[1:], "smallest_text": round(smallest_text(figure), 1)}}
    display(figure, metadata=metadata)
    plt.close(figure)


def smallest_text(figure: Figure) -> float:
    """Pixels that the smallest letters of a figure measure on a page of the book, in a window 1,400 pixels wide.

    Args:
        figure: drawn as wide as the page, if it is wider.
    """
    figure.canvas.draw()
    shown = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible()]
    sizes = [float(text.get_fontsize()) for text in shown if text.get_text().strip()]
    width = figure.get_tightbbox().width * figure.dpi
    return min(sizes, default=np.inf) * figure.dpi / 72 * min(1, ARTICLE / width)


def sorted_adjacency(graph: NeuronGraph, labels: np.ndarray, ax: Axes | None = None) -> Axes:
    """Adjacency matrix with the vertices of a cluster beside each other; lines part the clusters.

    Args:
        graph: neuron graph.
        labels: (n_vertices,) clusters.
        ax: where to draw.

    Raises:
        InputError: if labels are no whole numbers from 0, one a vertex.
    """
    labels = whole_labels(labels, "labels", graph.n_vertices, least=0)
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

    An edge within a cluster has the colour of the cluster, one between clusters is grey; both are as wide as heavy.

    Args:
        graph: neuron graph.
        labels: (n_vertices,) clusters.
        ax: where to draw.
        edges: how many edges to draw, the strongest of all layers.

    Raises:
        InputError: if labels are no whole numbers from 0, one a vertex, or no edge is asked for.
    """
    labels, edges = whole_labels(labels, "labels", graph.n_vertices, least=0), whole(edges, "edges")
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
    row, column, weight = row[strongest], column[strongest], weight[strongest]
    lines = [[(graph.layer[a], height[a]), (graph.layer[b], height[b])] for a, b in zip(row, column, strict=True)]
    colours = [
        PALETTE[labels[a] % 8] if labels[a] == labels[b] else "#BBBBBB" for a, b in zip(row, column, strict=True)
    ]
    widths = 0.6 * np.minimum(weight / np.quantile(weight, 0.95), 1)  # a few very heavy ones would hide the others
    ax.add_collection(LineCollection(lines, colors=colours, linewidths=widths, alpha=0.5))
    for label in np.unique(labels):
        of_cluster, colour = labels == label, PALETTE[label % 8]
        ax.scatter(graph.layer[of_cluster], height[of_cluster], color=colour, marker=MARKERS[label % 8], s=9, zorder=2)
    names = ["input", *(f"hidden {i}" for i in range(1, len(graph.live) - 1)), "output"]
    if graph.names[0] not in ("input", "layer 0"):  # of convolutions alone, none of which is either
        names = list(graph.names)
    ax.set(yticks=[], xticks=range(len(names)), xticklabels=names)
    ax.spines["left"].set_visible(False)
    return ax


def density(values: np.ndarray, ax: Axes, label: str, colour: str, line: str = "-") -> None:
    """Kernel density of a sample with a tick for every value; a line where all values are equal.

    Args:
        values: (n,) the sample.
        ax: where to draw.
        label: in the legend.
        colour: of all of it.
        line: style of the outline, which tells samples apart without their colours.
    """
    values = np.asarray(values, dtype=float)
    if np.ptp(values) < 1e-9:
        ax.axvline(values.mean(), color=colour, lw=3, alpha=0.4, label=label)
        return
    sns.kdeplot(x=values, ax=ax, color=colour, fill=True, alpha=0.25, lw=0, warn_singular=False)
    sns.kdeplot(x=values, ax=ax, color=colour, ls=line, label=label, warn_singular=False)
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
        colour, line = PALETTE[i % len(PALETTE)], LINES[i % len(LINES)]  # of a null model that is not ours
        density(values, ax, f"{name} shuffles", NULL_COLOURS.get(name, colour), line=NULL_LINES.get(name, line))
    ax.axvline(ncut, ymax=0.7, color="black", ls="--", label="network")
    ax.set(xlabel="n-cut", ylabel="density")
    ax.set_ylim(top=1.45 * ax.get_ylim()[1])  # room for the legend
    ax.legend(loc="upper center", ncols=2, fontsize="small")
    return ax


def scrolling(page: str, rows: int) -> str:
    """A table that scrolls in a box which says so, if it has more than ``IN_SIGHT`` rows; else as it is.

    Args:
        page: HTML of the table.
        rows: how many it has.

    >>> scrolling("<table></table>", 3)
    '<table></table>'
    """
    if rows <= IN_SIGHT:
        return page
    said = f"{rows} rows: scroll to see them all"
    return f"<p><small>{said}</small></p>{SCROLLS.format(said=said)}{page}</div>"


def drawn_in(axes: Iterable[Axes]) -> dict[str, Artist]:
    """What legends of some panels name, once, whichever of them it is drawn in.

    Args:
        axes: the panels.
    """
    return {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}


def _unbroken(text: str) -> str:
    """A number in words, such as ``0.2 ± 0.1 (n = 3)``, with minus signs, and in as few pieces as may be lines."""
    if not NUMBER.fullmatch(text):
        return text
    return text.replace("-", MINUS).replace(" ", NO_BREAK).replace(f"{NO_BREAK}(", " (")


class Table(Styler):
    """A table with at most ``IN_SIGHT`` rows in sight."""

    def _repr_html_(self) -> str:
        return scrolling(self.to_html(), len(self.index))


def table(rows: pd.DataFrame, name: str, digits: int = 3) -> Table:
    """A table as chapters show it: no index, few decimals, a dash where there is nothing, and texts in readers' words.

    A long one scrolls in its box, in Jupyter as well as in the book.

    Args:
        rows: what to show.
        name: unique in the chapter, so that the page is the same every time it is built.
        digits: decimals.
    """
    styler = Table(rows)

    def said(value: object) -> str:
        if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
            return in_words(value)
        return signed(float(value), ".0f" if isinstance(value, numbers.Integral) else f".{digits}f")

    styler.hide(axis="index").format(lambda value: _unbroken(said(value)), na_rep="–", escape="html").set_uuid(name)
    styler.format_index(in_words, escape="html", axis="columns").set_table_attributes(f'class="{AS_IT_IS}"')
    texts = [map(said, rows.iloc[:, i].dropna()) for i in range(rows.shape[1])]
    places = [i for i, column in enumerate(texts) if all(map(NUMBER.fullmatch, column))]
    right: list[CSSDict] = [{"selector": f".col{i}", "props": "text-align: right"} for i in places]
    styler.set_table_styles([{"selector": "th, td", "props": "padding: 0.2em 0.7em; text-align: left"}, *right])
    return styler
