"""Figures of the chapter ``dropout``.

Colours and markers are those of ``modlib.plots``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from modlib.plots import PALETTE


def uniform_check(p: np.ndarray, n_shuffles: int, ax: Axes | None = None) -> Axes:
    """Share of p-values up to every level, beside what a valid test gives when there is nothing to find.

    The band holds the whole line in 95% of cases (Dvoretzky, Kiefer and Wolfowitz).

    Args:
        p: (n,) p-values of tests in which the null model is true.
        n_shuffles: shuffles a test.
        ax: where to draw.
    """
    ax = ax or plt.subplots(figsize=(4.5, 3.6))[1]
    levels = np.arange(1, n_shuffles + 2) / (n_shuffles + 1)
    half = np.sqrt(np.log(2 / 0.05) / (2 * p.size))
    ax.fill_between(levels, levels - half, levels + half, color="#DDDDDD", label="95% band", zorder=0)
    ax.plot(levels, levels, color="black", ls="--", label="uniform")
    ax.step(np.sort(p), np.arange(1, p.size + 1) / p.size, where="post", color=PALETTE[0], label=f"{p.size} tests")
    ax.set(xlabel="p", ylabel="share of tests with at most this p", xlim=(0, 1), ylim=(0, 1))
    ax.legend(fontsize="small")
    return ax
