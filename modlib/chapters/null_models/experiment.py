"""Chapter ``null-models``: shuffles that keep what every neuron has, on the networks of three chapters before."""

from __future__ import annotations

from modlib.chapters.clusterability.experiment import NETWORKS, PLANS as DATASETS
from modlib.chapters.rows import Tests, ncut_experiment, snapshot_rows
from modlib.graphs.nulls import Null
from modlib.tables import Cell, Row
from modlib.zoo.perceptrons import trained_mlp

OWN: tuple[Null, ...] = ("degree", "strength")  # shuffles by the papers' nulls are in the tables of those chapters
FEW, MANY = {"smoke": 10, "quick": 20, "paper": 50}, {"smoke": 10, "quick": 50, "paper": 320}


def tests(profile: str, stage: str) -> tuple[Tests, ...]:
    """Shuffle tests of a network at one stage: at four clusters and at twelve, as in the chapters before.

    Of unpruned networks few shuffles keep strengths: exchanges of all their weights take thirty times as long as those
    of the tenth that pruning leaves.
    """
    few, many = FEW[profile], MANY[profile]
    of_degrees = (Tests((4,), many, "degree"), Tests((12,), few, "degree"))
    if stage == "unpruned":
        return (*of_degrees, Tests((4, 12), few, "strength"))
    return (*of_degrees, Tests((4,), many, "strength"), Tests((12,), few, "strength"))


def cells(profile: str) -> list[Cell]:
    """All networks of the chapters ``clusterability`` and ``dropout``, one of each condition in turn."""
    return [
        {"profile": profile, "dataset": dataset, "dropout": dropout, "seed": seed}
        for seed in range(NETWORKS[profile])
        for dataset in DATASETS[profile]
        for dropout in ("yes", "no")
    ]


def measure(cell: Cell) -> list[Row]:
    """Rows of one network: tests by nulls that keep degrees and strengths, before and after pruning."""
    seed, profile = int(cell["seed"]), cell["profile"]
    pair = trained_mlp(cell["dataset"], cell["dropout"] == "yes", seed)
    return [
        row
        for snapshot in (pair.unpruned, pair.pruned)
        for row in snapshot_rows(snapshot, tests(profile, snapshot.stage), seed)
    ]


EXPERIMENT = ncut_experiment("null-models", cells, measure)
