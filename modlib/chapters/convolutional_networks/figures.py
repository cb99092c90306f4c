"""Figures of the chapter ``convolutional-networks``; ``promoting-clusterability`` shows them of other networks.

Colours and markers are those of ``modlib.plots``.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from modlib.chapters.convolutional_networks.experiment import K
from modlib.chapters.convolutional_networks.findings import STAGES
from modlib.chapters.figures import absolute_and_relative


def of_stage(rows: pd.DataFrame, stage: str) -> Figure:
    """n-cut against Z at one stage, a panel a data set (clusterability figures 6 to 9, 14 and 15).

    Args:
        rows: of the stage and of one graph, with a column ``condition``.
        stage: ``unpruned`` or ``pruned``, which the title says.
    """
    figure = absolute_and_relative(rows, K)
    figure.suptitle(STAGES[stage])
    return figure
