"""What is to be seen in the figures that several chapters draw, in words: see ``modlib.plots.show``.

Chapter: all that draw n-cuts beside those of shuffles.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from modlib.evidence.metrics import are_below_all_shuffles
from modlib.evidence.sentences import extremes, listed, share_of
from modlib.graphs.shuffles import ShuffleTest
from modlib.plots import TITLES

STAGES = {"unpruned": "before pruning", "pruned": "after pruning"}
DROPOUT = {"no": "without dropout", "yes": "with dropout"}


def beside_shuffles(tests: Mapping[str, ShuffleTest]) -> str:
    """Where n-cuts of networks lie among those of their shuffles.

    Args:
        tests: of each network, by what it is called.

    >>> import numpy as np
    >>> beside_shuffles({"pruned": ShuffleTest(2, "layer", 1.5, np.array([1.4, 1.6, 1.7]), np.zeros(3))})
    'pruned: the n-cut 1.500 is lower than that of 2 of 3 shuffles, whose mean is 1.567.'
    """
    each = [
        f"{name}: the n-cut {test.ncut:.3f} is lower than that of {share_of(list(test.shuffled > test.ncut))} "
        f"shuffles, whose mean is {test.shuffled.mean():.3f}"
        for name, test in tests.items()
    ]
    return "; ".join(each) + "."


def below_shuffles(rows: pd.DataFrame, k: int) -> str:
    """How many networks lie below all their shuffles, of what ``modlib.chapters.figures.before_and_after`` draws.

    Args:
        rows: of one null model, one a network, stage and k.
        k: number of clusters.

    >>> row = {"k": 4, "stage": "pruned", "dataset": "mnist", "dropout": "no", "p": 0.02, "n_shuffles": 49}
    >>> below_shuffles(pd.DataFrame([row | {"ncut": 1.8}, row | {"p": 0.5, "ncut": 1.9}]), 4)[:70]
    'Networks lower than all of their shuffles: after pruning 1 of 2 on MNI'
    """
    told = []
    for stage, when in STAGES.items():
        part = rows[(rows["k"] == k) & (rows["stage"] == stage)]
        each = [
            f"{share_of(are_below_all_shuffles(of_kind))} on {TITLES[str(dataset)]} {DROPOUT[str(dropout)]} (mean "
            f"n-cut {of_kind['ncut'].mean():.3f})"
            for (dataset, dropout), of_kind in part.groupby(["dataset", "dropout"], sort=False)
        ]
        told += [f"{when} {listed(each)}"] if each else []
    return f"Networks lower than all of their shuffles: {'; '.join(told)}."


def z_scores(rows: pd.DataFrame, k: int) -> str:
    """Which conditions lie highest and lowest in ``modlib.chapters.figures.absolute_and_relative``.

    Args:
        rows: of one null model, with z, ncut and condition.
        k: number of clusters.

    >>> row = {"k": 4, "dataset": "mnist", "condition": "dropout", "z": -3.0, "ncut": 1.8}
    >>> z_scores(pd.DataFrame([row, row | {"condition": "none", "z": 0.5, "ncut": 2.0}]), 4)
    'On MNIST the mean Z-score is largest for none, 0.5, and least for dropout, −3.0.'
    """
    rows = rows[rows["k"] == k].dropna(subset=["z"])
    each = [
        f"on {TITLES[str(dataset)]} the mean Z-score is {extremes(part.groupby('condition')['z'].mean(), '.1f')}"
        for dataset, part in rows.groupby("dataset", sort=False)
    ]
    told = "; ".join(each)
    return f"{told[:1].upper()}{told[1:]}."
