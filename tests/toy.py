"""A grid whose cells take milliseconds, for the tests of the runner; ``python toy.py FOLDER`` fills its table."""

import sys
import time
from pathlib import Path

import numpy as np

from modlib.tables.runner import Cell, Experiment, Row, run


def cells(profile: str) -> list[Cell]:
    return [
        {"profile": profile, "dataset": dataset, "dropout": dropout, "seed": seed}
        for dataset in ("b", "a")
        for seed in range(12 if profile == "paper" else 3)
        for dropout in ("no", "yes")
    ]


def measure(cell: Cell) -> list[Row]:
    rng = np.random.default_rng([int(cell["seed"]), cell["dataset"] == "a", cell["dropout"] == "yes"])
    time.sleep(0.01)
    absent = {"missing": None, "undefined": float("nan"), "name": "none"}
    return [{"k": k, "value": rng.normal(), **absent, "list": " ".join(map(str, rng.random(3)))} for k in (12, 4)]


TOY = Experiment(
    "toy", cells, measure, ("profile", "dataset", "dropout", "seed"), ("k",), {"value": 1e-9, "list": 1e-9}
)

if __name__ == "__main__":
    run(TOY, "paper", folder=Path(sys.argv[1]))
