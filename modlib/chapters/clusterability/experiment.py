"""Chapter ``clusterability``: perceptrons trained without dropout, and untrained ones for reference."""

from __future__ import annotations

from modlib.chapters.rows import RowsOfSnapshot, Tests, initial_rows, ncut_experiment, snapshot_rows, witness_rows
from modlib.tables import Cell, Row
from modlib.zoo.perceptrons import recipe_for, trained_mlp

# What every profile measures: data sets with their tests, networks a condition, untrained networks.
IMAGE_TESTS = (Tests((2, 4, 7, 10), 320), Tests((12,), 50))
PLANS: dict[str, dict[str, tuple[Tests, ...]]] = {
    "smoke": {"digits": (Tests((2, 4), 10), Tests((12,), 10))},
    "quick": {"mnist": (Tests((2, 4, 7, 10), 50), Tests((12,), 50))},
    "paper": {"mnist": IMAGE_TESTS, "fashion_mnist": IMAGE_TESTS, "cifar10": IMAGE_TESTS},
}
NETWORKS = {"smoke": 2, "quick": 3, "paper": 10}
UNTRAINED = {"smoke": 4, "quick": 20, "paper": 200}
UNTRAINED_K12 = {"smoke": 2, "quick": 10, "paper": 100}


def trained_cells(profile: str, dropout: str) -> list[Cell]:
    """One cell for every data set and seed of a profile."""
    return [
        {"profile": profile, "dataset": dataset, "dropout": dropout, "seed": seed}
        for dataset in PLANS[profile]
        for seed in range(NETWORKS[profile])
    ]


def cells(profile: str) -> list[Cell]:
    """Trained networks without dropout, then untrained ones."""
    untrained = [
        {"profile": profile, "dataset": "initialisation", "dropout": "no", "seed": seed}
        for seed in range(UNTRAINED[profile])
    ]
    return [*trained_cells(profile, "no"), *untrained]


def measure(cell: Cell, of_snapshot: RowsOfSnapshot = snapshot_rows) -> list[Row]:
    """Rows of one network: n-cut and shuffle test at every k, before and after pruning."""
    profile, dataset, seed = cell["profile"], cell["dataset"], int(cell["seed"])
    if dataset == "initialisation":
        from modlib.training.keras import initial_kernels

        ks = (4, 12) if seed < UNTRAINED_K12[profile] else (4,)
        return initial_rows(initial_kernels(784, recipe_for("mnist", dropout=False), seed), ks, seed)
    pair = trained_mlp(dataset, cell["dropout"] == "yes", seed)
    plan = PLANS[profile][dataset]
    return [row for snapshot in (pair.unpruned, pair.pruned) for row in of_snapshot(snapshot, plan, seed)]


def remeasure(cell: Cell) -> list[Row]:
    """The same without shuffles, to see whether a network that is trained again is the one that is stored."""
    return measure(cell, witness_rows)


EXPERIMENT = ncut_experiment("clusterability", cells, measure, remeasure)
