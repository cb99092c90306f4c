"""What is to be seen in the figures that several chapters draw, in words: see ``modlib.plots.show``.

Chapter: all that draw n-cuts beside those of shuffles.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from modlib.evidence.digits import signed
from modlib.evidence.metrics import are_below_all_shuffles
from modlib.evidence.sentences import listed, share_of
from modlib.graphs.shuffles import ShuffleTest
from modlib.tables.words import DATASETS

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

    >>> row = {"k": 4, "stage": "pruned", "dataset": "mnist", "dropout": "no", "n_shuffles": 49}
    >>> below_shuffles(pd.DataFrame([row | {"p": 0.02}, row | {"p": 0.5}]), 4)
    'Networks below all of their shuffles: MNIST without dropout, 1 of 2 after pruning.'
    """
    told, rows = [], rows[(rows["k"] == k) & rows["stage"].isin(STAGES)]  # untrained networks have no such stage
    for (dropout, dataset), of_kind in rows.groupby(["dropout", "dataset"], sort=False):
        each = [
            f"{share_of(are_below_all_shuffles(part))} {when}"
            for stage, when in STAGES.items()
            if len(part := of_kind[of_kind["stage"] == stage])
        ]
        told.append(f"{DATASETS[str(dataset)]} {DROPOUT[str(dropout)]}, {listed(each)}")
    return f"Networks below all of their shuffles: {'; '.join(told)}."


def z_scores(rows: pd.DataFrame, k: int) -> str:
    """Which conditions lie lowest and highest in ``modlib.chapters.figures.absolute_and_relative``.

    Args:
        rows: of one null model, with z, ncut and condition.
        k: number of clusters.

    >>> row = {"k": 4, "dataset": "mnist", "condition": "dropout", "z": -3.0, "ncut": 1.8}
    >>> z_scores(pd.DataFrame([row, row | {"condition": "none", "z": 0.5, "ncut": 2.0}]), 4)[-63:]
    'on MNIST dropout (mean Z −3.0), and least so none (mean Z 0.5).'
    """
    rows = rows[rows["k"] == k].dropna(subset=["z"])
    each = []
    for dataset, part in rows.groupby("dataset", sort=False):
        means = part.groupby("condition")["z"].mean().sort_values()
        conditions = [f"{name} (mean Z {signed(z, '.1f')})" for name, z in means.items()]
        each.append(f"on {DATASETS[str(dataset)]} {conditions[0]}, and least so {conditions[-1]}")
    return f"Most clusterable among their shuffles, so lowest, are {'; '.join(each)}."
