"""Chapter ``promoting-clusterability``: its grid, and whether a network keeps the clusters of its start."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.promoting_clusterability import experiment
from modlib.chapters.promoting_clusterability.findings import FINDINGS
from modlib.networks.planted import planted_weights, random_weights
from modlib.training.keras import Recipe, Snapshot, initial_tags
from modlib.zoo.perceptrons import recipe_for

WIDTHS = (30, 24, 24, 10)


def snapshot(stage: str, kernels: list[np.ndarray]) -> Snapshot:
    return Snapshot(stage, kernels, [], {"train": 1.0, "test": 0.5}, [0.25])


def test_an_unfinished_table_has_every_method() -> None:
    first = experiment.cells("paper")[:4]
    assert [(cell["dataset"], cell["method"], cell["seed"]) for cell in first] == [
        ("mnist 7x7", "none", 0), ("mnist 7x7", "eigenvalues", 0), ("mnist 7x7", "normalisation", 0),
        ("mnist", "initialisation", 0),
    ]  # fmt: skip
    counts = pd.DataFrame(experiment.cells("paper")).groupby(["dataset", "method"]).size()
    assert len(counts) == 6
    assert set(counts) == {10}


def test_settings_are_those_of_the_paper() -> None:
    assert (experiment.START.n_clusters, experiment.START.beta) == (10, 0.6)
    assert (experiment.PENALTY.weight, experiment.PENALTY.which) == (0.1, (2, 3, 4))
    small = recipe_for("mnist 7x7", dropout=False)
    assert (small.hidden, small.epochs, small.pruning_epochs, small.batch_size) == ((64, 64, 64), 10, 10, 128)


@pytest.mark.parametrize("method", ["none", "eigenvalues", "initialisation"])
def test_a_network_has_rows_before_and_after_pruning(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Recipe] = []
    kernels = random_weights(WIDTHS, 0)
    pair = SimpleNamespace(unpruned=snapshot("unpruned", kernels), pruned=snapshot("pruned", kernels))
    monkeypatch.setattr(experiment, "trained_mlp", lambda *arguments: (asked.append(arguments[3]), pair)[1])
    monkeypatch.setattr(experiment, "tags_kept", lambda *arguments: 0.5)
    cell = {"profile": "smoke", "dataset": "digits", "dropout": "no", "method": method, "seed": 3}
    rows = pd.DataFrame(experiment.measure(cell))
    assert list(rows["stage"]) == ["unpruned", "pruned"]
    assert {*experiment.EXPERIMENT.row_key, *experiment.EXPERIMENT.tolerance} <= set(rows.columns)
    assert (asked[0].eigenvalues, asked[0].clusterable) == (
        experiment.PENALTY if method == "eigenvalues" else None,
        experiment.START if method == "initialisation" else None,
    )
    assert set(rows["tags_kept"]) == ({0.5} if method == "initialisation" else {None})


def test_planted_clusters_are_recognised_as_those_of_the_start_and_others_are_not() -> None:
    kernels, modules = planted_weights((48, 48, 48, 48, 12), 12, 0)
    tags = modules[1:-1]
    assert experiment.tags_kept(snapshot("pruned", kernels), tags, 0) > 0.95
    rng = np.random.default_rng(0)
    assert abs(experiment.tags_kept(snapshot("pruned", kernels), [rng.permutation(t) for t in tags], 0)) < 0.1


def test_tags_are_those_that_the_network_started_with_and_need_a_start_with_clusters() -> None:
    recipe = Recipe(hidden=(16, 12), clusterable=experiment.START)
    assert [len(layer) for layer in initial_tags(recipe, 4)] == [16, 12]
    np.testing.assert_array_equal(initial_tags(recipe, 4)[0], initial_tags(recipe, 4)[0])
    with pytest.raises(ValueError, match="expected one whose field clusterable is set"):
        initial_tags(Recipe(), 4)


def test_the_effect_of_the_penalty_is_taken_between_networks_of_one_seed() -> None:
    shared = {"dataset": "mnist 7x7", "dropout": "no", "stage": "unpruned", "k": 12, "tags_kept": None}
    rows = pd.DataFrame(
        {**shared, "seed": seed, "method": method, "ncut": ncut, "shuffled_mean": mean, "test_accuracy": accuracy}
        for seed in range(3)
        for method, ncut, mean, accuracy in (("none", 10.0 + seed, 10.0, 0.96), ("eigenvalues", 9.0, 8.0, 0.95))
    )
    found = {name: FINDINGS[name].measure(rows) for name in FINDINGS}
    assert found["penalty_ncut"].values == (-1, -2, -3)  # type: ignore[union-attr]
    assert found["penalty_above_shuffles"].values == (1, 0, -1)  # type: ignore[union-attr]
    assert found["penalty_accuracy"].mean == pytest.approx(-0.01)  # type: ignore[union-attr]
    assert found["tags_kept"] is None
    assert FINDINGS["tags_kept"].measure(rows.assign(tags_kept=[0.1] * 6)).mean == pytest.approx(0.1)  # type: ignore[union-attr]
    assert FINDINGS["penalty_ncut"].measure(rows[rows["method"] == "none"]) is None
