"""Experiment ``cifar-dropout``: one thing is changed at a time, and it reaches the training."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.cifar_dropout import experiment
from modlib.networks.planted import random_weights
from modlib.training import keras
from modlib.zoo.perceptrons import recipe_for


def test_every_change_is_tried_on_three_networks() -> None:
    grid = pd.DataFrame(experiment.cells("paper"))
    assert grid.groupby("change").size().to_dict() == dict.fromkeys(experiment.CHANGES, 3)
    assert set(grid["dataset"]) == {"cifar10"}


@pytest.mark.parametrize("change", list(experiment.CHANGES))
def test_a_change_reaches_the_training_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    asked = []
    snapshot = SimpleNamespace(
        stage="unpruned", kernels=random_weights((20, 16, 10), 0, 1.0), accuracy={"train": 1.0, "test": 0.5}
    )
    monkeypatch.setattr(keras, "train_mlp", lambda *arguments: (asked.append(arguments), (snapshot, snapshot))[1])
    cell = next(cell for cell in experiment.cells("smoke") if cell["change"] == change)
    rows = experiment.measure(cell)
    data, recipe, seed = asked[0]
    assert (seed, recipe.pruning_epochs) == (0, 0)
    differs = {k for k, v in vars(recipe).items() if v != getattr(recipe_for("digits", dropout=True), k)}
    changed = {k for k, v in experiment.CHANGES[change].items() if v != getattr(recipe_for("digits", True), k)}
    assert differs == changed | {"pruning_epochs"}
    if change == "standardised pixels":
        np.testing.assert_allclose([data.x_train.mean(), data.x_train.std()], [0, 1], atol=1e-5)
    assert [(row["stage"], row["k"]) for row in rows] == [("unpruned", 4)]
