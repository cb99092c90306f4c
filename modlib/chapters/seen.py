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
    >>> below_shuffles(pd.DataFrame([row | {"p": 0.02}, row | {"p": 0.5}, row | {"p": 0.5, "stage": "unpruned"}]), 4)
    'Networks below all of their shuffles after pruning: without dropout, 1 of 2 on MNIST. Before pruning, 0 of 1 are.'
    """
    rows = rows[rows["k"] == k]
    before, after = (rows[rows["stage"] == stage] for stage in ("unpruned", "pruned"))  # untrained ones have neither
    told = []
    for dropout, words in DROPOUT.items():
        parts = {DATASETS[name]: share_of(are_below_all_shuffles(part)) for name, part in _panels(after, dropout)}
        if len(parts) > 1 and len(set(parts.values())) == 1:
            told.append(f"{words}, {next(iter(parts.values()))} on each")
        elif parts:
            told.append(f"{words}, {listed([f'{share} on {name}' for name, share in parts.items()])}")
    sentences = [f"Networks below all of their shuffles after pruning: {'; '.join(told)}."] if told else []
    if len(before):
        sentences.append(f"Before pruning, {share_of(are_below_all_shuffles(before))} are.")
    return " ".join(sentences)


def z_scores(rows: pd.DataFrame, k: int) -> str:
    """Which conditions lie lowest and highest in ``modlib.chapters.figures.absolute_and_relative``, panel by panel.

    Args:
        rows: of one null model, with z, ncut and condition.
        k: number of clusters.

    >>> row = {"k": 4, "dataset": "mnist", "condition": "dropout", "z": -3.0, "ncut": 1.8}
    >>> z_scores(pd.DataFrame([row, row | {"condition": "no dropout", "z": 0.5, "ncut": 2.0}]), 4)
    'Lowest and highest mean Z: −3.0 (dropout) and 0.5 (no dropout) on MNIST.'
    """
    each = []
    for dataset, part in _panels(rows[rows["k"] == k].dropna(subset=["z"])):
        means = part.groupby("condition")["z"].mean().sort_values()
        ends = [f"{signed(z, '.1f')} ({condition})" for condition, z in means.items()]
        each.append(f"{listed([ends[0], *ends[1:][-1:]])} on {DATASETS[dataset]}")
    return f"Lowest and highest mean Z: {'; '.join(each)}."


def _panels(rows: pd.DataFrame, dropout: str | None = None) -> list[tuple[str, pd.DataFrame]]:
    """Rows by data set, in the order in which figures have their panels."""
    rows = rows if dropout is None else rows[rows["dropout"] == dropout]
    return [(name, part) for name in DATASETS if len(part := rows[rows["dataset"] == name])]
