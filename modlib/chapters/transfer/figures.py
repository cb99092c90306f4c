"""Figures of the chapter on transfer, on the axes of the paper's own figures.

Colours and markers are those of ``modlib.plots``. Chapter: ``transfer``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from modlib.chapters.transfer.experiment import ALIKE, STARTS
from modlib.chapters.transfer.findings import filled, shared_part
from modlib.evidence.sentences import listed
from modlib.plots import MARKERS, PALETTE

LABELS = dict(
    zip(STARTS, ("all weights start alike", "used weights preferred", "used weights preferred more"), strict=True)
)


def sharing_by_task(rows: pd.DataFrame) -> Figure:
    """Shared part of a task's weights, by task, a panel a layer and a colour a start (figures 3 and 15).

    Points are means over networks with their standard deviation; a dashed line is what chance would share.

    Args:
        rows: of networks with the same first layer, frozen or not.
    """
    rows = rows[(rows["layer"] > 0) & (rows["task"] > 0)]
    rows = rows.assign(part=shared_part, chance=rows["by_chance"] / rows["kept"].where(rows["kept"] > 0))
    layers = sorted(rows["layer"].unique())
    figure, axes = _panels(len(layers))
    for ax, layer in zip(axes, layers, strict=True):
        for i, start in enumerate(name for name in STARTS if name in set(rows["start"])):
            found = rows[(rows["layer"] == layer) & (rows["start"] == start)].groupby("task")
            mean, sd = found["part"].mean(), found["part"].std().fillna(0)
            ax.errorbar(
                mean.index + 1, mean, sd, color=PALETTE[i], marker=MARKERS[i], ms=4, lw=1.2, label=LABELS[start]
            )
            chance = found["chance"].mean()
            ax.plot(chance.index + 1, chance, color=PALETTE[i], ls="--", lw=1)
        ax.set_title(f"layer {layer}", fontsize="small")
        ax.set_ylim(-0.03, 1.03)
    figure.supylabel("part of a task's weights that earlier tasks use", fontsize="small")
    handles, labels = axes[0].get_legend_handles_labels()
    dashes = Line2D([], [], color="#777777", ls="--", lw=1)
    figure.legend([*handles, dashes], [*labels, "by chance"], loc="outside lower center", ncols=2, fontsize="small")
    return figure


def sharing_in_words(rows: pd.DataFrame) -> str:
    """How much the second task and the last one share, and what chance would, in each panel of ``sharing_by_task``.

    Args:
        rows: as ``sharing_by_task`` takes them; of several starts, the one where all weights start alike is told.
    """
    rows = rows[(rows["layer"] > 0) & (rows["task"] > 0) & (rows["start"] == ALIKE)]
    part = shared_part(rows).groupby([rows["layer"], rows["task"]]).mean().unstack()
    chance = (rows["by_chance"] / rows["kept"]).groupby([rows["layer"], rows["task"]]).mean().unstack()
    tasks = sorted({int(task) for task in rows["task"]})
    ends = {
        layer: [f"{share[tasks[0]]:.0%} to {share[tasks[-1]]:.0%}" for share in (part.loc[layer], chance.loc[layer])]
        for layer in sorted(set(rows["layer"]))
    }
    each = [f"{shared} in layer {layer} (by chance {blind})" for layer, (shared, blind) in ends.items()]
    first, last = tasks[0], tasks[-1]
    return f"From task {first + 1} to task {last + 1}, where {LABELS[ALIKE]}, the part goes from {listed(each)}."


def filling(rows: pd.DataFrame) -> Figure:
    """Share of a layer's weights that are in use before a task, a panel a layer and a colour a start.

    Args:
        rows: of networks with the same first layer, frozen or not.
    """
    rows = rows[rows["layer"] > 0].assign(filled=filled)
    layers = sorted(rows["layer"].unique())
    figure, axes = _panels(len(layers))
    for ax, layer in zip(axes, layers, strict=True):
        for i, start in enumerate(name for name in STARTS if name in set(rows["start"])):
            mean = rows[(rows["layer"] == layer) & (rows["start"] == start)].groupby("task")["filled"].mean()
            ax.plot(mean.index + 1, mean, color=PALETTE[i], marker=MARKERS[i], ms=4, lw=1.2, label=LABELS[start])
        ax.set_title(f"layer {layer}", fontsize="small")
        ax.set_ylim(-0.03, 1.03)
    figure.supylabel("part of the layer in use", fontsize="small")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    return figure


def filling_in_words(rows: pd.DataFrame) -> str:
    """How full each layer is before the last task, by start, in the panels of ``filling``.

    Args:
        rows: as ``filling`` takes them.
    """
    rows = rows[(rows["layer"] > 0) & (rows["task"] == rows["task"].max())]
    full = filled(rows).groupby([rows["start"], rows["layer"]]).mean().unstack()
    each = [
        f"{listed([f'{value:.0%}' for value in full.loc[start]])} ({LABELS[start]})"
        for start in STARTS
        if start in full.index
    ]
    layers = listed([str(layer) for layer in full.columns])
    return f"Before the last task the layers {layers} are filled to {'; '.join(each)}."


def _panels(n: int) -> tuple[Figure, list[Axes]]:
    """A panel a layer, two in a line, so that they can be read on a phone."""
    lines = -(-n // 2)
    figure, axes = plt.subplots(
        lines, 2, figsize=(6.4, 2.3 * lines + 0.6), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    panels = list(axes.flat)
    for ax in panels[n:]:
        ax.remove()
    for i, ax in enumerate(panels[:n]):
        if i + 2 >= n:  # the lowest of its column
            ax.set_xlabel("task", fontsize="small")
            ax.tick_params(labelbottom=True)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, panels[:n]
