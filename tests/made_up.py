"""Tables of made-up rows, to see what is concluded from them."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from modlib.chapters import find_experiment
from modlib.chapters.rows import NETWORK_KEY
from modlib.networks.planted import random_weights
from modlib.tables import Cell, Column, append_rows

STAGES = ("unpruned", "pruned")

RUN = {"id": "made-up", "profile": "paper", "date": "2026-01-02", "commit": "abc1234def", "seconds": 1.0}


def write_table(name: str, rows: pd.DataFrame, folder: Path) -> None:
    """The table of a chapter; columns that the rows lack are filled with something that they may hold."""
    experiment = find_experiment(name)
    (folder / f"{name}.csv").unlink(missing_ok=True)
    filled = rows.assign(**{c: _something(column) for c, column in experiment.columns.items() if c not in rows})
    append_rows(experiment, filled.to_dict("records"), RUN, folder)


def networks_of(cells: Sequence[Cell]) -> set[tuple[Any, ...]]:
    """The networks that some cells measure, without how they do."""
    return {tuple(cell[name] for name in NETWORK_KEY) for cell in cells}


def random_pair() -> SimpleNamespace:
    """What ``trained_mlp`` gives, of a small random network: whole, and with half of its weights."""
    return SimpleNamespace(
        **{
            stage: SimpleNamespace(stage=stage, kernels=random_weights((20, 16, 10), 0, density), accuracy={})
            for stage, density in zip(STAGES, (1.0, 0.5), strict=True)
        }
    )


def _something(column: Column) -> object:
    if column.empty:
        return ""
    if column.kind == "text":
        return column.values[0] if column.values else "something"
    return max(column.least, 1) if column.most >= 1 else column.most


def ncut_rows(dataset: str, dropout: str, ncut: float, below: bool = True, n: int = 3, **others: Any) -> pd.DataFrame:
    """Rows of n networks of a kind, one each; whether their n-cut is below that of all of their 50 shuffles."""
    row = {"dataset": dataset, "dropout": dropout, "stage": "pruned", "null": "layer", "k": 4, "n_shuffles": 50}
    row |= {"profile": "paper", "ncut": ncut, "p": 1 / 51 if below else 0.5, "shuffled": "2.0 2.1"}
    return pd.DataFrame([{**row, "seed": seed, **others} for seed in range(n)])
