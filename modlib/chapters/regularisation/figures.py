"""Figures of the chapter ``regularisation``.

Colours and markers are those of ``modlib.plots``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modlib.plots import MARKERS, PALETTE

STAGES = {"unpruned": "before pruning", "pruned": "after pruning"}


def sizes_of_weights(networks: dict[str, list[np.ndarray]], faint: float, ax: Axes | None = None) -> Axes:
    """Histogram of the sizes of the weights of networks, on a logarithmic axis; a line where weights count as faint.

    Args:
        networks: for a name, the weight matrices.
        faint: the size below which a weight counts as faint.
        ax: where to draw.
    """
    ax = ax or plt.subplots(figsize=(6, 3))[1]
    bins = np.logspace(-6, 0.5, 66).tolist()
    for i, (name, kernels) in enumerate(networks.items()):
        sizes = np.concatenate([np.abs(kernel[kernel != 0]) for kernel in kernels])
        ax.hist(sizes, bins, histtype="step", lw=1.8, color=PALETTE[i], ls=("-", "--", ":", "-.")[i], label=name)
    ax.axvline(faint, color="black", lw=0.8)
    ax.set(xscale="log", xlabel="size of a weight", ylabel="weights")
    ax.legend(fontsize="small", loc="upper left")
    return ax


def with_faint_and_without(rows: pd.DataFrame, titles: dict[str, str]) -> Figure:
    """n-cut less the mean of the shuffles, with faint weights and without them, a line a network.

    Args:
        rows: with a column ``distance``; ``faint`` is ``kept`` or ``removed``.
        titles: a title for every penalty.
    """
    shown = [penalty for penalty in titles if penalty in set(rows["penalty"])]
    figure, axes = plt.subplots(1, len(shown), figsize=(3.4 * len(shown) + 1, 3.6), sharey=True, squeeze=False)
    for ax, penalty in zip(axes[0], shown, strict=True):
        for i, (stage, label) in enumerate(STAGES.items()):
            part = rows[(rows["penalty"] == penalty) & (rows["stage"] == stage)]
            by_network = part.pivot(index=["dataset", "seed"], columns="faint", values="distance")
            by_network = by_network.reindex(columns=["kept", "removed"])
            lines = ax.plot(range(2), by_network.to_numpy().T, color=PALETTE[i], marker=MARKERS[i], lw=1.2)
            if lines:
                lines[0].set_label(label)
        ax.axhline(0, color="black", lw=0.8)
        ax.set(title=titles[penalty], xlim=(-0.4, 1.4))
        ax.set_xticks(range(2), ["all weights", "without\nfaint weights"])
    axes[0, 0].set_ylabel("n-cut minus mean of shuffles")
    axes[0, -1].legend(fontsize="small")
    figure.tight_layout()
    return figure
