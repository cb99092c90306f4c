"""The runner with one worker and with two, on the same cells: how much faster are two?"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from common import random_network, store

from modlib.graphs import shuffle_test
from modlib.tables import PROFILE, YES_NO, Cell, Experiment, Row, integer, number, run, text


def cells(profile: str) -> list[Cell]:
    """Sixteen networks."""
    return [{"profile": profile, "dataset": "random", "dropout": "no", "seed": seed} for seed in range(16)]


def measure(cell: Cell) -> list[Row]:
    """A 50-shuffle test at k = 12 of a pruned network."""
    graph = random_network((784, 256, 256, 256, 256, 10), 0.9, np.random.default_rng(cell["seed"]))
    return [{"k": 12, "ncut": shuffle_test(graph, 12, 50, cell["seed"]).ncut}]


COLUMNS = {
    "profile": PROFILE, "dataset": text(), "dropout": YES_NO, "seed": integer(), "k": integer(2), "ncut": number(0),
}  # fmt: skip
EXPERIMENT = Experiment(
    "jobs", cells, measure, ("profile", "dataset", "dropout", "seed"), ("k",), {"ncut": 1e-9}, columns=COLUMNS
)

if __name__ == "__main__":
    rows, tables = [], []
    for jobs in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            run(EXPERIMENT, "smoke", jobs, folder=Path(folder), only={"seed": "0"})  # start workers, compile
            began = time.perf_counter()
            run(EXPERIMENT, "smoke", jobs, folder=Path(folder))
            rows.append({"jobs": jobs, "seconds": time.perf_counter() - began})
            tables.append((Path(folder) / "jobs.csv").read_bytes())
    assert tables[0] == tables[1], "the table must not depend on the number of workers"
    store("jobs", pd.DataFrame(rows).assign(speedup=lambda t: t["seconds"].iloc[0] / t["seconds"]))
