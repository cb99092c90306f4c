"""One thing changed at a time: epochs before pruning, rate of dropout, pixels, order of the images.

``modlib run cifar-dropout --grid paper`` trains three networks of every kind, without pruning; what the paper's text
says is among them. Chapter: ``topology-shuffles``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from modlib.chapters.rows import ADDED, CELL_KEY, COLUMNS, ROW_KEY, TOLERANCE, Tests, snapshot_rows
from modlib.data.images import Images
from modlib.tables import Cell, Experiment, Row, rows_in_words, text
from modlib.zoo.perceptrons import data_for, recipe_for

# By name, what is changed in the recipe of the paper's text; "standardised pixels" changes the images.
CHANGES: dict[str, dict[str, Any]] = {
    "as in the text": {},
    "twice the epochs": {"epochs": 40},
    "thrice the epochs": {"epochs": 60},
    "dropout 0.5": {"dropout": 0.5},
    "images not shuffled": {"shuffle": False},
    "standardised pixels": {},
}
TESTS = {"smoke": (Tests((4,), 10),), "quick": (Tests((4,), 50),), "paper": (Tests((4,), 320),)}
SEEDS = {"smoke": 1, "quick": 1, "paper": 3}
KEY = (*CELL_KEY, "change")


def cells(profile: str) -> list[Cell]:
    """One network of every kind, then the next one of each."""
    dataset = "digits" if profile == "smoke" else "cifar10"
    common = {"profile": profile, "dataset": dataset, "dropout": "yes"}
    return [{**common, "seed": seed, "change": change} for seed in range(SEEDS[profile]) for change in CHANGES]


def images(dataset: str, change: str) -> Images:
    """The images that networks of this kind see."""
    data = data_for(dataset)
    if change != "standardised pixels":
        return data
    mean, sd = data.x_train.mean(), data.x_train.std()
    return replace(data, x_train=(data.x_train - mean) / sd, x_test=(data.x_test - mean) / sd)


def measure(cell: Cell) -> list[Row]:
    """Rows of one network, unpruned."""
    from modlib.training.keras import train_mlp

    seed, change = int(cell["seed"]), cell["change"]
    recipe = replace(recipe_for(cell["dataset"], dropout=True), pruning_epochs=0, **CHANGES[change])
    unpruned, _ = train_mlp(images(cell["dataset"], change), recipe, seed)
    return snapshot_rows(unpruned, TESTS[cell["profile"]], seed)


EXPERIMENT = Experiment(
    "cifar-dropout",
    cells,
    measure,
    KEY,
    ROW_KEY,
    TOLERANCE,
    columns={**{name: COLUMNS.get(name, text(*CHANGES)) for name in KEY}, **COLUMNS},
    network_key=KEY[1:],
    added=ADDED,
    describe=rows_in_words,
)
