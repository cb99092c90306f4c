"""Chapter ``random-datasets``: its grid, and rows of a network at both stages."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.random_datasets import experiment
from modlib.chapters.rows import ROW_KEY, TOLERANCE
from modlib.networks.planted import random_weights


def snapshot(stage: str, density: float) -> SimpleNamespace:
    return SimpleNamespace(
        stage=stage, kernels=random_weights((20, 16, 10), 0, density), accuracy={"train": 1.0, "test": 0.1}
    )


def test_the_grid_has_every_condition_with_and_without_dropout() -> None:
    """Ten networks, but two of kilo-epoch, each of which takes as long as 25 others (pruned-modular 3.2)."""
    counts = Counter((cell["dataset"], cell["dropout"]) for cell in experiment.cells("paper"))
    assert counts == {
        (dataset, dropout): 2 if dataset == "kilo-epoch" else 10
        for dataset in ("memorisation", "unlearnable", "kilo-epoch")
        for dropout in ("no", "yes")
    }


def test_a_network_has_rows_before_and_after_pruning_at_both_k(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    pair = SimpleNamespace(unpruned=snapshot("unpruned", 1.0), pruned=snapshot("pruned", 0.5))
    monkeypatch.setattr(experiment, "trained_mlp", lambda *arguments: (asked.append(arguments), pair)[1])
    rows = pd.DataFrame(
        experiment.measure({"profile": "smoke", "dataset": "memorisation", "dropout": "yes", "seed": 3})
    )
    assert asked == [("memorisation", True, 3)]
    assert {*ROW_KEY, *TOLERANCE} <= set(rows.columns)
    assert sorted(rows[["stage", "k"]].itertuples(index=False, name=None)) == [
        ("pruned", 4), ("pruned", 12), ("unpruned", 4), ("unpruned", 12),
    ]  # fmt: skip
    assert np.allclose(
        rows.groupby("stage")["sparsity"].first(),
        [(np.concatenate([w.ravel() for w in pair.pruned.kernels]) == 0).mean(), 0],
        atol=1e-6,
    )
