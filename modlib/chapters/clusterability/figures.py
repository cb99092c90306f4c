"""Figures of the chapter ``clusterability``, on the axes of the papers' own figures.

Colours and markers are those of ``modlib.plots``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from modlib.plots import PALETTE, density


def initial_ncuts(values: np.ndarray, paper_range: tuple[float, float], k: int, ax: Axes | None = None) -> Axes:
    """n-cuts of untrained networks (pruned-modular figure 3, clusterability figure A.1).

    Args:
        values: (n,) n-cuts.
        paper_range: the support that the paper prints, shaded.
        k: number of clusters.
        ax: where to draw.
    """
    ax = ax or plt.subplots(figsize=(6, 3))[1]
    ax.axvspan(*paper_range, color="#DDDDDD", label="support in the paper", zorder=0)
    density(values, ax, f"{len(values)} untrained networks", PALETTE[0])
    ax.set(xlabel=f"n-cut at k = {k}", ylabel="density")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=2, fontsize="small")  # the shade leaves no free corner
    return ax
