"""Experiment ``cifar-dropout``: one thing is changed at a time, and it reaches the training."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.cifar_dropout import experiment, findings
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


def rows_of(**ncuts: float) -> pd.DataFrame:
    """Two networks of each change, with these n-cuts; those under 2.3 are below all their shuffles."""
    lines = [
        {"change": change.replace("_", " "), "null": "layer", "seed": seed, "ncut": ncut, "shuffled_mean": 2.3,
         "p": 1 / 321 if ncut < 2.3 else 1.0, "n_shuffles": 320, "train_accuracy": 0.4, "test_accuracy": 0.4}
        for change, ncut in ncuts.items() for seed in range(2)
    ]  # fmt: skip
    return pd.DataFrame(lines)


def test_the_paper_stands_first_and_the_text_follows_what_the_rows_show() -> None:
    rows = rows_of(as_in_the_text=2.34, twice_the_epochs=2.2, thrice_the_epochs=2.1)
    found = findings.by_change(rows)
    assert list(found.index) == ["the paper", "as in the text", "twice the epochs", "thrice the epochs"]
    assert found.loc["the paper", "n-cut"] == pytest.approx(2.149, abs=0.01)
    assert found.loc["the paper", "below all"] == found.loc["the paper", "networks"] == 10
    assert found["below all"].tolist()[1:] == [0, 2, 2]
    told = findings.told(rows)
    assert "0 of 2 networks are below all their shuffles, where the paper has 10 of 10" in told
    assert "All of them are below after one of these changes: twice the epochs, thrice the epochs." in told
    assert "depends on how long they train" in told
    assert "2.100 (thrice the epochs), is below the paper's" in told


def test_a_change_that_costs_the_accuracy_explains_nothing() -> None:
    rows = rows_of(as_in_the_text=2.34, images_not_shuffled=2.1, twice_the_epochs=2.35)
    rows.loc[rows["change"] == "images not shuffled", "test_accuracy"] = 0.1
    told = findings.told(rows)
    assert "All of them are below" not in told
    assert "they are no explanation: images not shuffled." in told
    assert "depends on how long" not in told
    assert findings.told(rows[rows["change"] != "as in the text"]) == ""
