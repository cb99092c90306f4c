"""Figures of the chapter on transfer; those of the paper on the axes of the authors' script for them.

Colours and markers are those of ``modlib.plots``. Chapter: ``transfer``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from modlib.chapters.transfer.experiment import STARTS
from modlib.chapters.transfer.findings import HALF_FULL, filled, shared_part
from modlib.evidence.sentences import changed, listed
from modlib.plots import MARKERS, PALETTE, drawn_in

LABELS = dict(
    zip(
        STARTS,
        ("all weights start alike", "used weights are preferred", "used weights are preferred more"),
        strict=True,
    )
)


def sharing(rows: pd.DataFrame) -> Figure:
    """Shared part of a task's weights by layer, a bar every second task and a panel a start (figures 3 and 15).

    Bars are means over networks with their standard deviation. A line across a bar is what chance would share.

    Args:
        rows: of networks with the same first layer, frozen or not.
    """
    rows = _every_second(rows)
    layers, tasks = sorted(rows["layer"].unique()), sorted(rows["task"].unique())
    starts, width = _starts(rows), 0.8 / len(tasks)
    figure, axes = plt.subplots(
        len(starts), 1, figsize=(6.4, 2.4 * len(starts) + 0.6), sharex=True, squeeze=False, layout="constrained"
    )
    for ax, start in zip(axes.flat, starts, strict=True):
        for i, task in enumerate(tasks):
            found = 100 * rows[(rows["start"] == start) & (rows["task"] == task)].set_index("layer")[["part", "chance"]]
            found = found.groupby("layer").agg(["mean", "std"]).reindex(layers)
            places = np.arange(len(layers)) + width * (i - (len(tasks) - 1) / 2)
            ax.bar(
                places, found["part", "mean"], width, yerr=found["part", "std"].fillna(0), color=PALETTE[i],
                hatch=("", "//")[i % 2], edgecolor="white", label=f"T{task + 1}", error_kw={"lw": 1},
            )  # fmt: skip
            ends = places - 0.45 * width, places + 0.45 * width
            ax.hlines(found["chance", "mean"], *ends, color="black", lw=2, label="by chance")
        ax.set_xticks(range(len(layers)), [f"Layer {layer}" for layer in layers], fontsize="small")
        ax.set_title(LABELS[start], fontsize="small")
        ax.set_ylim(0, 100)
    figure.supylabel("Weights shared [%]", fontsize="small")
    bars = drawn_in(axes.flat)
    figure.legend(bars.values(), bars, loc="outside lower center", ncols=len(bars), fontsize="small")
    return figure


def sharing_in_words(rows: pd.DataFrame) -> str:
    """What the first and the last task of ``sharing`` share, and what chance would, by start and layer.

    Args:
        rows: as ``sharing`` takes them.
    """
    rows = _every_second(rows)
    first, last = rows["task"].min(), rows["task"].max()
    means = 100 * rows.groupby(["start", "layer", "task"])[["part", "chance"]].mean()
    told = []
    for start in _starts(rows):
        ends = means.loc[start].unstack("task")
        each = [
            f"{changed(line['part', first], line['part', last], 0)} in layer {layer} "
            f"(by chance {changed(line['chance', first], line['chance', last], 0)})"
            for layer, line in ends.iterrows()
        ]
        told.append(f"where {LABELS[start]}, {listed(each)}")
    return f"From T{first + 1} to T{last + 1} the percentage shared goes, {'; '.join(told)}."


def sharing_as_layers_fill(rows: pd.DataFrame) -> Figure:
    """Shared part of a task's weights against the part of a layer in use before it, a line a layer, along its tasks.

    Points are means over networks. The diagonal is what chance would share; left of the upright line is room.

    Args:
        rows: of one start.
    """
    rows = _later(rows)
    figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for i, (layer, part) in enumerate(rows.groupby("layer")):
        mean = part.groupby("task")[["filled", "part"]].mean()
        ax.plot(mean["filled"], mean["part"], color=PALETTE[i], marker=MARKERS[i], ms=5, lw=1, label=f"layer {layer}")
    ax.plot([0, 1], [0, 1], color="#777777", ls="--", lw=1, label="by chance")
    ax.axvline(HALF_FULL, color="#777777", ls=":", lw=1)
    ax.set_xlabel("part of the layer in use", fontsize="small")
    ax.set_ylabel("part that earlier tasks use", fontsize="small")
    ax.legend(loc="lower right", fontsize="small")
    return figure


def filling_and_sharing_in_words(rows: pd.DataFrame) -> str:
    """Where the lines of ``sharing_as_layers_fill`` begin and end.

    Args:
        rows: as ``sharing_as_layers_fill`` takes them.
    """
    rows = _later(rows)
    first, last = rows["task"].min(), rows["task"].max()
    means = 100 * rows.groupby(["layer", "task"])[["filled", "part"]].mean().unstack("task")
    each = [
        f"layer {layer} fills {changed(line['filled', first], line['filled', last], 0)} percent, and what a task takes "
        f"of it goes {changed(line['part', first], line['part', last], 0)} percent"
        for layer, line in means.iterrows()
    ]
    return f"From task {first + 1} to task {last + 1}, {'; '.join(each)}."


def filling(rows: pd.DataFrame) -> Figure:
    """Share of a layer's weights that are in use before a task, a panel a layer and a colour a start.

    Args:
        rows: of networks with the same first layer, frozen or not.
    """
    rows = rows[rows["layer"] > 0].assign(filled=filled)
    layers = sorted(rows["layer"].unique())
    figure, axes = _panels(len(layers))
    for ax, layer in zip(axes, layers, strict=True):
        for i, start in enumerate(_starts(rows)):
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


def _starts(rows: pd.DataFrame) -> list[str]:
    """Starts that have rows, in the order in which they are shown."""
    return [start for start in STARTS if start in set(rows["start"])]


def _later(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of layers after the first task, with the parts that are in use, shared, and shared by chance."""
    rows = rows[(rows["layer"] > 0) & (rows["task"] > 0)]
    chance = rows["by_chance"] / rows["kept"].where(rows["kept"] > 0)
    return rows.assign(filled=filled, part=shared_part, chance=chance)


def _every_second(rows: pd.DataFrame) -> pd.DataFrame:
    """The same of tasks 2, 4 and so on, as in the paper."""
    rows = _later(rows)
    return rows[rows["task"] % 2 == 1]


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
