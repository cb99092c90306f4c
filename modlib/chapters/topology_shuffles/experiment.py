"""Chapter ``topology-shuffles``: shuffles that keep every zero where it is, on the same networks."""

from __future__ import annotations

from modlib.chapters.clusterability.experiment import NETWORKS, PLANS
from modlib.chapters.rows import Tests, ncut_experiment, snapshot_rows
from modlib.tables import Cell, Row
from modlib.zoo.perceptrons import trained_mlp

SHUFFLES = {"smoke": 10, "quick": 50, "paper": 320}


def cells(profile: str) -> list[Cell]:
    """All networks of the chapters ``clusterability`` and ``dropout``, in turn."""
    return [
        {"profile": profile, "dataset": dataset, "dropout": dropout, "seed": seed}
        for dataset in PLANS[profile]
        for seed in range(NETWORKS[profile])
        for dropout in ("no", "yes")
    ]


def measure(cell: Cell) -> list[Row]:
    """Rows of one network: the topology-preserving test at k = 4, before and after pruning."""
    seed = int(cell["seed"])
    pair = trained_mlp(cell["dataset"], cell["dropout"] == "yes", seed)
    plan = (Tests((4,), SHUFFLES[cell["profile"]], "layer-nonzero"),)
    return [row for snapshot in (pair.unpruned, pair.pruned) for row in snapshot_rows(snapshot, plan, seed)]


EXPERIMENT = ncut_experiment("topology-shuffles", cells, measure)
