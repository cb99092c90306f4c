"""Chapter ``regularisation``: the networks of ``clusterability``, trained with L1 or L2.

The paper trains a network again if its n-cut is near 0, because a few neurons have come loose from the rest. A row
says how many networks were thrown away for it, and their n-cuts.

A penalty pulls weights that nothing needs to 0. With L1 Adam, whose steps have one size, leaves them about a step away.
Such faint weights hardly change what a network computes, but are edges of its graph. So every network is measured with
them and without. With L2 the slope falls with the weight; once it is below Adam's epsilon, a weight shrinks by a
constant factor a step, and never is 0. To cut off neurons whose weights have all decayed like that is free in the
authors' code, see ``ncut_in_code``.

The paper's networks with a penalty part from ours while they are pruned. Two seeds of each are there with the penalty
on until pruning begins, and off from then on.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.csgraph import connected_components

from modlib.chapters.rows import (
    ADDED,
    CELL_KEY,
    COLUMNS,
    EPSILON,
    ROW_KEY,
    TOLERANCE,
    Tests,
    describe,
    graph_rows,
)
from modlib.data.images import Images
from modlib.graphs.neurons import neuron_graph
from modlib.networks.network import from_arrays
from modlib.tables import SHARE, Cell, Experiment, Row, integer, number, numbers, optional, text
from modlib.training.regularisers import WeightPenalty
from modlib.zoo.cnns import accuracy
from modlib.zoo.perceptrons import TrainedPair, data_for, recipe_for, trained_mlp

if TYPE_CHECKING:
    from modlib.training.recipes import Snapshot

# l2 is what the paper says, l1-l2 what its code does: L1 in the first layer, whatever is asked for.
PENALTIES = {
    "l1": WeightPenalty("l1", first="l1"),
    "l2": WeightPenalty("l2", first="l2"),
    "l1-l2": WeightPenalty("l2", first="l1"),
}
# as their namesakes, but that the penalty ends where pruning begins
UNTIL_PRUNING = {f"{name} until pruning": PENALTIES[name] for name in ("l1", "l1-l2")}
CONDITIONS = {**PENALTIES, **UNTIL_PRUNING}
DATASETS = {"smoke": ("digits",), "quick": ("mnist",), "paper": ("mnist", "fashion_mnist", "cifar10")}
NETWORKS = {"smoke": 1, "quick": 2, "paper": 10}
ENDING = {"smoke": (), "quick": (), "paper": ("mnist", "fashion_mnist")}  # data sets of those of UNTIL_PRUNING
ENDING_NETWORKS = 2  # of each
TESTS = {"smoke": Tests((12,), 10), "quick": Tests((12,), 50), "paper": Tests((12,), 50)}
NEAR_ZERO = 0.5  # an n-cut below this at twelve clusters; the paper says "significantly above zero"
ATTEMPTS = 5  # networks trained at most, the last of which is kept whatever its n-cut
FURTHER_SEED = 1000  # from one attempt to the next
FAINT = 1e-3  # the size of one step of Adam
KEPT, REMOVED = "kept", "removed"  # what is done with faint weights, of which a row of either is stored

KEY = (*CELL_KEY[:-1], "penalty", "seed")


def cells(profile: str) -> list[Cell]:
    """A network of every penalty in turn, so that an unfinished table has all of them; last those of UNTIL_PRUNING."""
    grid = [
        *itertools.product(DATASETS[profile], range(NETWORKS[profile]), PENALTIES),
        *itertools.product(ENDING[profile], range(ENDING_NETWORKS), UNTIL_PRUNING),
    ]
    return [
        {"profile": profile, "dataset": dataset, "dropout": "no", "penalty": penalty, "seed": seed}
        for dataset, seed, penalty in grid
    ]


def measure(cell: Cell) -> list[Row]:
    """Rows of one network, before and after pruning: shuffle tests at k = 12 with faint weights and without.

    A network whose n-cut by the text is below ``NEAR_ZERO`` is trained again, as the authors did.
    """
    dataset, tests = cell["dataset"], TESTS[cell["profile"]]
    recipe = replace(recipe_for(dataset, dropout=False), penalty=CONDITIONS[cell["penalty"]])
    if cell["penalty"] in UNTIL_PRUNING:
        recipe = replace(recipe, penalty_while_pruning=False)
    rejected: list[float] = []
    for attempt in range(ATTEMPTS):
        seed = int(cell["seed"]) + FURTHER_SEED * attempt
        rows = _rows(trained_mlp(dataset, False, seed, recipe), data_for(dataset), tests, seed)
        lowest = min(row["ncut"] for row in rows if row["faint"] == KEPT)
        if lowest >= NEAR_ZERO or attempt == ATTEMPTS - 1:
            break
        rejected.append(lowest)
    return [{**row, "rejected": " ".join(f"{ncut:.4f}" for ncut in rejected)} for row in rows]


def without_weights_below(least: float, snapshot: Snapshot, data: Images) -> Snapshot:
    """The network with all weights below a size set to 0, and its accuracy on test data."""
    kernels = [np.where(np.abs(kernel) < least, 0, kernel) for kernel in snapshot.kernels]
    return replace(snapshot, kernels=kernels, accuracy={"test": accuracy(from_arrays(kernels, snapshot.biases), data)})


def _rows(pair: TrainedPair, data: Images, tests: Tests, seed: int) -> list[Row]:
    """A row a stage and state; ``ncut_in_code`` is the n-cut of the authors' code, with ``EPSILON`` in every volume."""
    rows = []
    for snapshot in (pair.unpruned, pair.pruned):
        weights = np.concatenate([np.abs(kernel[kernel != 0]) for kernel in snapshot.kernels])
        for faint, measured in ((KEPT, snapshot), (REMOVED, without_weights_below(FAINT, snapshot, data))):
            graph = neuron_graph(measured.kernels)
            (in_code,) = graph_rows(  # the same clusters, which do not depend on the number of shuffles
                graph, measured.stage, measured.kernels, {}, (replace(tests, n_shuffles=1),), seed, EPSILON
            )
            about = {
                "faint": faint,
                "faint_share": round(float((weights < FAINT).mean()), 6),
                "n_components": int(connected_components(graph.adjacency)[0]),
                "ncut_in_code": in_code["ncut"],
                "loss": round(snapshot.losses[-1], 6),
            }
            rows_of_state = graph_rows(graph, measured.stage, measured.kernels, measured.accuracy, (tests,), seed)
            rows += [{**row, **about} for row in rows_of_state]
    return rows


EXPERIMENT = Experiment(
    "regularisation",
    cells,
    measure,
    KEY,
    (*ROW_KEY, "faint"),
    {**TOLERANCE, "faint_share": 1e-3, "n_components": 0, "ncut_in_code": 0.002, "loss": 1e-4, "rejected": 0.002},
    columns={
        **{name: COLUMNS.get(name, text(*CONDITIONS)) for name in KEY},
        **COLUMNS,
        "faint": text(KEPT, REMOVED),
        "faint_share": SHARE,
        "n_components": integer(1),
        "ncut_in_code": number(0),
        "loss": number(0),
        "rejected": optional(numbers(0)),
    },
    network_key=KEY[1:],
    added=ADDED,
    describe=describe,
)
