"""Chapter ``random-datasets``: what training does where there is nothing to learn, or only to memorise."""

from __future__ import annotations

from modlib.chapters.rows import RowsOfSnapshot, Tests, ncut_experiment, snapshot_rows, witness_rows
from modlib.tables import Cell, Row
from modlib.zoo.perceptrons import trained_mlp

PLANS = {
    "smoke": (Tests((4,), 10), Tests((12,), 10)),
    "quick": (Tests((4,), 50), Tests((12,), 50)),
    "paper": (Tests((4,), 320), Tests((12,), 50)),
}
# Networks a condition. A kilo-epoch network takes the time of 25 others, hence its smaller number.
NETWORKS = {
    "smoke": {"memorisation": 1},
    "quick": {"memorisation": 3, "unlearnable": 2},
    "paper": {"memorisation": 10, "unlearnable": 10, "kilo-epoch": 2},
}


def cells(profile: str) -> list[Cell]:
    """Networks without and with dropout in turn, so that an unfinished table has both."""
    return [
        {"profile": profile, "dataset": dataset, "dropout": dropout, "seed": seed}
        for dataset, networks in NETWORKS[profile].items()
        for seed in range(networks)
        for dropout in ("no", "yes")
    ]


def measure(cell: Cell, of_snapshot: RowsOfSnapshot = snapshot_rows) -> list[Row]:
    """Rows of one network: n-cut and shuffle test at k = 4 and 12, before and after pruning."""
    seed = int(cell["seed"])
    pair = trained_mlp(cell["dataset"], cell["dropout"] == "yes", seed)
    plan = PLANS[cell["profile"]]
    return [row for snapshot in (pair.unpruned, pair.pruned) for row in of_snapshot(snapshot, plan, seed)]


def remeasure(cell: Cell) -> list[Row]:
    """The same without shuffles, to see whether a network that is trained again is the one that is stored."""
    return measure(cell, witness_rows)


EXPERIMENT = ncut_experiment("random-datasets", cells, measure, remeasure)
