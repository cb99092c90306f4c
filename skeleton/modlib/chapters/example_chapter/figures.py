"""Figures of the chapter ``example-chapter``.

Colours and markers are those of ``modlib.plots``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from modlib.plots import MARKERS, PALETTE


def ncut_and_z(rows: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """n-cut against Z, a point a network, a colour and a marker a kind of network.

    Args:
        rows: of ``example-chapter``.
        ax: where to draw.
    """
    ax = ax or plt.subplots(figsize=(4.5, 3.6))[1]
    for i, (kind, group) in enumerate(rows.groupby("network")):
        ax.scatter(group["ncut"], group["z"], color=PALETTE[i], marker=MARKERS[i], label=kind)
    ax.axhline(0, color="#999999", lw=0.8)
    ax.set(xlabel="n-cut", ylabel="Z against shuffles")
    ax.legend(fontsize="small")
    return ax
