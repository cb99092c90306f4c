"""Figures of the chapters on lesions, on the axes of the papers' own figures.

Colours and markers are those of ``modlib.plots``. Chapters: ``importance``, ``dependencies``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modlib.chapters.importance.experiment import DROP
from modlib.evidence.sentences import listed, share_of, span
from modlib.lesions.kinds import MIN_DROP, MIN_PROPORTION, Kind
from modlib.plots import MARKERS, PALETTE
from modlib.tables import number_lists

SHOWN = (Kind.IMPORTANT, Kind.SIGNIFICANT_ONLY, Kind.DIFFERENT_ONLY, Kind.PRUNABLE, Kind.OTHER, Kind.SMALL)
STYLES = {str(name): (PALETTE[i], MARKERS[i]) for i, name in enumerate(SHOWN)}
STYLES[str(Kind.COMPLETE)] = ("#000000", "X")
PANELS = 6  # of class profiles: more cannot be read


def kinds(rows: pd.DataFrame, column: str = "kind") -> Figure:
    """Accuracy lost by every sub-cluster against its share of the layer, a panel a layer (figure 2; figure 5).

    Grey lines reach from the least to the greatest loss of the random sets. Beyond one percentage point the vertical
    axis is logarithmic.

    Args:
        rows: of ``importance``, one network.
        column: which paper's kinds, ``kind`` or ``kind_in_first_paper``.
    """
    rows = rows[rows["measure"] == DROP]
    layers = sorted(rows["layer"].unique())
    figure, axes = plt.subplots(
        1, len(layers), figsize=(9, 3.2), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for ax, layer in zip(axes[0], layers, strict=True):
        part = rows[rows["layer"] == layer]
        share = part["size"] / part["width"]
        ax.vlines(share, part["random_min"], part["random_max"], color="#999999", lw=2, zorder=1)
        for name, group in part.groupby(column):
            colour, marker = STYLES[str(name)]
            ax.scatter(share[group.index], group["value"], color=colour, marker=marker, s=30, zorder=2)
        ax.axhline(MIN_DROP, color="black", lw=0.6, ls=":")
        ax.axvline(MIN_PROPORTION, color="black", lw=0.6, ls=":")
        ax.set_yscale("symlog", linthresh=MIN_DROP)
        ax.set_title(f"layer {layer}", fontsize="small")
    found = [name for name in STYLES if (rows[column] == name).any()]
    handles = [axes[0, 0].scatter([], [], color=STYLES[name][0], marker=STYLES[name][1]) for name in found]
    figure.legend(handles, found, loc="outside upper center", ncols=len(found), fontsize="x-small")
    figure.supxlabel("share of the layer", fontsize="small")
    axes[0, 0].set_ylabel("accuracy lost", fontsize="small")
    return figure


def class_profiles(rows: pd.DataFrame, names: tuple[str, ...]) -> Figure:
    """Accuracy lost by each class, beside the mean and spread of random sets (figure 6).

    A panel is a sub-cluster: the ``PANELS`` that cost a single class most, in the order of their layers.

    Args:
        rows: of ``importance``, one network.
        names: of the classes.
    """
    rows = _large(rows)
    rows = rows.loc[_worst(rows).nlargest(PANELS).index].sort_values(["layer", "cluster"])
    columns = 3
    lines = -(-len(rows) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(9, 2.2 * lines + 1), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    place = np.arange(len(names))
    for ax, (_, row) in zip(axes.flat, rows.iterrows(), strict=False):
        true, mean, sd = number_lists(row[["class_drops", "random_class_mean", "random_class_sd"]])
        ax.bar(place, 100 * true, color=PALETTE[0], label="sub-cluster")
        ax.errorbar(place, 100 * mean, 100 * sd, fmt=".", color=PALETTE[1], ms=4, lw=1, label="random sets")
        share = row["size"] / row["width"]
        ax.set_title(f"layer {row['layer']}, cluster {row['cluster']}: {share:.1%}", fontsize="small")
        ax.axhline(0, color="black", lw=0.6)
        ax.tick_params(labelsize="small")
        ax.set_xticks(place, names, rotation=90)
    for i, ax in enumerate(axes.flat):
        ax.set_visible(i < len(rows))
        ax.tick_params(labelbottom=i + columns >= len(rows))  # the last panel of a column has the names
    figure.supylabel("accuracy lost, percentage points", fontsize="small")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize="small")
    return figure


def kinds_in_words(rows: pd.DataFrame, column: str = "kind") -> str:
    """How many sub-clusters of ``kinds`` are of each kind, and how many lose more than all random sets.

    Args:
        rows: of ``importance``, one network.
        column: which paper's kinds, ``kind`` or ``kind_in_first_paper``.
    """
    rows = rows[rows["measure"] == DROP]
    counts = [f"{count} {name}" for name, count in rows[column].value_counts().items()]
    above = rows.loc[rows["value"] > rows["random_max"], "value"]
    points = f", {span(100 * above, '.1f')} percentage points" if len(above) else ""
    return (
        f"{share_of(rows['value'] > rows['random_max'])} sub-clusters cost more accuracy than each of their random "
        f"sets{points}; by kind they are {listed(counts)}. Dotted lines are the bounds of the kinds: "
        f"{MIN_PROPORTION:.0%} of the layer and {100 * MIN_DROP:.0f} percentage point."
    )


def profiles_in_words(rows: pd.DataFrame, names: tuple[str, ...]) -> str:
    """Which class loses most in the panels of ``class_profiles``, and what random sets cost it.

    Args:
        rows: of ``importance``, one network.
        names: of the classes.
    """
    rows = _large(rows)
    row = rows.iloc[int(_worst(rows).argmax())]
    drops, random = number_lists(row[["class_drops", "random_class_mean"]])
    most = int(drops.argmax())
    return (
        f"Of {len(rows)} sub-clusters, the {min(PANELS, len(rows))} that cost a single class most. The most is "
        f"{100 * drops[most]:.0f} percentage points of {names[most]}, by cluster {row['cluster']} of layer "
        f"{row['layer']}, where random sets of its size cost that class {100 * random[most]:.0f} on average."
    )


def _large(rows: pd.DataFrame) -> pd.DataFrame:
    """Losses of the sub-clusters that are not small."""
    return rows[(rows["measure"] == DROP) & (rows["size"] >= MIN_PROPORTION * rows["width"])]


def _worst(rows: pd.DataFrame) -> pd.Series:
    """What each sub-cluster costs the class that it costs most."""
    return pd.Series([number_lists([text]).max() for text in rows["class_drops"]], rows.index, dtype=float)
