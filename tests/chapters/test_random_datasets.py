"""Chapter ``random-datasets``: its grid, and rows of a network at both stages."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up import ncut_rows

from modlib.chapters.random_datasets import experiment
from modlib.chapters.random_datasets.findings import found
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


def told(by_heart: bool, nothing: bool) -> list[str]:
    """What is found where networks that memorise, and those that can learn nothing, are below their shuffles or not."""
    rows = [
        ncut_rows(dataset, dropout, 1.9, below, shuffled_mean=2.0, train_accuracy=known, test_accuracy=0.1)
        for dataset, below, known in (("memorisation", by_heart, 0.9), ("unlearnable", nothing, 0.1))
        for dropout in ("no", "yes")
    ]
    return [str(sentence) for sentence in found(pd.concat(rows))]


def test_what_is_said_of_learning_turns_round_with_the_rows() -> None:
    needs, known, dropped = told(by_heart=True, nothing=False)
    assert needs.startswith("Yes, but learning by heart will do: ")
    assert "3 of 3 have a lower n-cut" in needs
    assert needs.endswith("that saw many and learned none 0 of 3.")
    assert "know 90.0% of their training labels" in known
    assert dropped.endswith("know 90.0% of their labels, and 3 of 3 are below all their shuffles.")
    assert told(by_heart=True, nothing=True)[0].startswith("No, training and pruning are enough: ")
    needs, _, dropped = told(by_heart=False, nothing=False)
    assert needs.startswith("Yes, and learning by heart will not do: ")
    assert dropped.endswith("0 of 3 are below all their shuffles.")
