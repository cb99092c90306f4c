"""Chapter ``promoting-clusterability``: networks that start with clusters, or are pulled towards them.

Perceptrons that start like others are in the table of ``clusterability``; small ones for images of 7 x 7 pixels are
trained here with and without the regulariser.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from modlib.chapters.rows import ADDED, CELL_KEY, COLUMNS, ROW_KEY, TOLERANCE, Tests, describe, snapshot_rows
from modlib.graphs.eigenvalues import laplacian_eigenvalues
from modlib.graphs.neurons import neuron_graph
from modlib.graphs.spectral import cluster
from modlib.tables import Cell, Experiment, Row, number, optional, text
from modlib.training.initialisation import Clusterable
from modlib.training.regularisers import EigenvaluePenalty
from modlib.zoo.perceptrons import recipe_for, trained_mlp

if TYPE_CHECKING:
    from modlib.training.recipes import Snapshot

START, PENALTY = Clusterable(n_clusters=10, beta=0.6), EigenvaluePenalty(weight=0.1, which=(2, 3, 4))
METHODS = {
    "none": {},
    "normalisation": {"eigenvalues": replace(PENALTY, weight=0)},  # neurons as the penalty needs them, but no penalty
    "eigenvalues": {"eigenvalues": PENALTY},
    "initialisation": {"clusterable": START},
    "initialisation-outputs": {"clusterable": START, "tagged_outputs": True},  # as in the authors' code
}
# What every profile measures: groups of data sets with their methods, of which one is finished before the next.
SMALL, LARGE = ("none", "eigenvalues", "normalisation"), ("initialisation", "initialisation-outputs")
AS_TEXT, AS_CODE = LARGE  # the start with clusters as the text has it, and as the code that made the printed numbers
PLANS: dict[str, tuple[dict[str, tuple[str, ...]], ...]] = {
    "smoke": ({"digits 4x4": SMALL, "digits": LARGE[:1]},),
    "quick": ({"mnist 7x7": SMALL, "mnist": LARGE[:1]},),
    "paper": ({"mnist 7x7": SMALL, "mnist": LARGE}, {"fashion_mnist": LARGE}, {"cifar10": LARGE[:1]}),
}
NETWORKS = {"smoke": 1, "quick": 2, "paper": 10}
TESTS = {"smoke": Tests((12,), 10), "quick": Tests((12,), 50), "paper": Tests((12,), 50)}

KEY = (*CELL_KEY[:-1], "method", "seed")


def cells(profile: str) -> list[Cell]:
    """A network of every condition in turn, so that an unfinished table has all of them."""
    return [
        {"profile": profile, "dataset": dataset, "dropout": "no", "method": method, "seed": seed}
        for plan in PLANS[profile]
        for seed in range(NETWORKS[profile])
        for dataset, methods in plan.items()
        for method in methods
    ]


def measure(cell: Cell) -> list[Row]:
    """Rows of one network: n-cut and shuffle test at k = 12 and the eigenvalues' sum, before and after pruning."""
    dataset, seed, method = cell["dataset"], int(cell["seed"]), cell["method"]
    recipe = replace(recipe_for(dataset, dropout=False), **METHODS[method])  # type: ignore[arg-type]
    pair = trained_mlp(dataset, False, seed, recipe)
    tags = None
    if recipe.clusterable:
        from modlib.training.keras import initial_tags

        tags = initial_tags(recipe, seed)
    rows = []
    for snapshot in (pair.unpruned, pair.pruned):
        about = {
            "eigenvalues": round(float(laplacian_eigenvalues(snapshot.kernels, PENALTY.which).sum()), 6),
            "loss": round(snapshot.losses[-1], 6),
            "tags_kept": None if tags is None else round(tags_kept(snapshot, tags, seed), 6),
        }
        rows += [{**row, **about} for row in snapshot_rows(snapshot, (TESTS[cell["profile"]],), seed)]
    return rows


def tags_kept(snapshot: Snapshot, tags: list[np.ndarray], seed: int) -> float:
    """Whether the clusters found at k = 12 are those of the start: adjusted Rand index over live hidden neurons.

    1 if they are the same, 0 in the mean if they have nothing to do with each other.

    Args:
        snapshot: a network.
        tags: cluster that every neuron of each hidden layer started in.
        seed: of the network; decides the starts of k-means.
    """
    from sklearn.metrics import adjusted_rand_score

    graph = neuron_graph(snapshot.kernels)
    labels = cluster(graph, 12, np.random.default_rng([seed, 12])).labels
    hidden = np.concatenate(graph.labels_by_layer(labels)[1:-1])
    return float(adjusted_rand_score(np.concatenate(tags)[hidden >= 0], hidden[hidden >= 0]))


EXPERIMENT = Experiment(
    "promoting-clusterability",
    cells,
    measure,
    KEY,
    ROW_KEY,
    {**TOLERANCE, "eigenvalues": 0.002, "loss": 1e-4, "tags_kept": 0.02},
    columns={
        **{name: COLUMNS.get(name, text(*METHODS)) for name in KEY},
        **COLUMNS,
        "eigenvalues": number(0),
        "loss": number(0),
        "tags_kept": optional(number(-1, 1)),
    },
    network_key=KEY[1:],
    added=ADDED,
    describe=describe,
)
