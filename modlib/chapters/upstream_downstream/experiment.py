"""Chapter ``upstream-downstream``: communities of units by eight similarities, under three regularisers.

A cell is an architecture, a regulariser and a seed; its networks, one a strength, are trained together.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from modlib.checks import UNPLACED
from modlib.data.images import load_images
from modlib.tables import PROFILE, SHARE, Cell, Experiment, Row, integer, number, numbers, rows_in_words, text

if TYPE_CHECKING:
    from modlib.training.perceptrons import Regularisation, TrainedMLP

LEAST_L2 = 1e-5  # in every network but those of the L2 sweep, which starts there, and untrained ones
STEPS_FROM_ONE = 1000  # of the search without a spectral start, as in figure S5
SPARSE = 1e-3  # a weight in [-1e-3, 1e-3] counts as zero
CELL_KEY = ("profile", "dataset", "hidden", "sweep", "seed")
ROW_KEY = ("strength", "layer", "measure")
# On one kind of machine all is equal. Elsewhere training drifts from the last digits, and a search may end elsewhere.
TOLERANCE = {
    "train_accuracy": 0.005,
    "test_accuracy": 0.005,
    "epoch": 5.0,
    "l1_norm": 30.0,
    "l2_norm": 3.0,
    "sparsity": 0.02,
    "q_start": 0.03,
    "q": 0.03,
    "q_from_one": 0.03,
    "q_leiden": 0.03,
    "n_communities": 4.0,
    "effective_number": 3.0,
    "n_unused": 5.0,
    "stability": 1.0,
    "leiden_agreement": 1.0,
    "element_similarity": 1.0,
    "transferability": 0.05,
    "labels": math.inf,  # another search, another partition
}
COLUMNS = {
    "profile": PROFILE,
    "dataset": text(),
    "hidden": text(),
    "sweep": text("dropout", "l1", "l2", "untrained"),
    "seed": integer(),
    "strength": number(0),
    "layer": integer(1),
    "measure": text(),
    "epoch": integer(),
    "train_accuracy": SHARE,
    "test_accuracy": SHARE,
    "l1_norm": number(0),
    "l2_norm": number(0),
    "sparsity": SHARE,
    "q_start": number(-1, 1),
    "q": number(-1, 1),
    "q_from_one": number(-1, 1),
    "q_leiden": number(-1, 1),
    "n_communities": integer(),
    "effective_number": number(0),
    "n_unused": integer(),
    "stability": SHARE,
    "leiden_agreement": SHARE,
    "element_similarity": numbers(),
    "transferability": numbers(),
    "labels": numbers(),
}


def describe(rows: Mapping[str, str]) -> str:
    """Rows in words, such as ``MNIST, (64, 64)``."""
    hidden = f"({rows['hidden'].replace('-', ', ')})" if "hidden" in rows else "all architectures"
    return rows_in_words({**rows, "hidden": hidden})


@dataclass(frozen=True)
class Plan:
    """What is trained of one architecture.

    Attributes:
        strengths: for every regulariser, its strengths.
        seeds: seeds of each.
        untrained: number of untrained networks.
    """

    strengths: dict[str, tuple[float, ...]]
    seeds: int
    untrained: int


def sweeps(l2: int, l1: int, dropout: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Strengths as table S1 of the paper spaces them: so many of L2 and L1, and the dropout rates."""
    return {
        "l2": tuple(float(f"{value:.3g}") for value in np.logspace(-5, -1, l2)),
        "l1": tuple(float(f"{value:.3g}") for value in np.logspace(-5, -2, l1)),
        "dropout": tuple(round(float(value), 3) for value in dropout),
    }


_WIDE_OR_DEEP = sweeps(5, 4, np.linspace(0.1, 0.6, 6))


@dataclass(frozen=True)
class Grid:
    """What is trained in a profile.

    Attributes:
        dataset: what all networks are trained on.
        architectures: for the widths of hidden layers, such as ``64-64``, what is trained.
    """

    dataset: str
    architectures: dict[str, Plan]


PLANS = {
    "smoke": Grid("digits", {"16-16": Plan({"l2": (1e-5, 1e-3), "dropout": (0.2,)}, 1, 1)}),
    "quick": Grid("mnist", {"64-64": Plan(sweeps(3, 2, np.array([0.1, 0.4])), 2, 10)}),
    "paper": Grid(
        "mnist",
        {
            "64-64": Plan(sweeps(9, 7, np.linspace(0.05, 0.7, 14)), 9, 100),
            "256-256": Plan(_WIDE_OR_DEEP, 3, 100),
            "64-64-64-64-64": Plan(_WIDE_OR_DEEP, 3, 100),
        },
    ),
}


def cells(profile: str) -> list[Cell]:
    """All regularisers of a seed before the next seed, so that an unfinished table has every condition."""
    grid = PLANS[profile]
    found: list[Cell] = []
    for hidden, plan in grid.architectures.items():
        common = {"profile": profile, "dataset": grid.dataset, "hidden": hidden}
        found += [{**common, "sweep": sweep, "seed": seed} for seed in range(plan.seeds) for sweep in plan.strengths]
        found += [{**common, "sweep": "untrained", "seed": seed} for seed in range(plan.untrained)]
    return found


def measure(cell: Cell) -> list[Row]:
    """Rows of the networks of a cell: one a strength, hidden layer and similarity."""
    from modlib.training.perceptrons import Regularisation, Settings, train_mlps

    images = load_images(cell["dataset"])
    hidden = tuple(int(width) for width in cell["hidden"].split("-"))
    if cell["sweep"] == "untrained":
        strengths: tuple[float, ...] = (0.0,)
        settings, regularisations = Settings(hidden, max_epochs=0), [Regularisation()]
    else:
        strengths = PLANS[cell["profile"]].architectures[cell["hidden"]].strengths[cell["sweep"]]
        settings, regularisations = Settings(hidden), [_regularisation(cell["sweep"], value) for value in strengths]
    networks = train_mlps(images, settings, regularisations, int(cell["seed"]))
    rows = []
    for strength, network in zip(strengths, networks, strict=True):
        name = f"{cell['hidden']} {cell['sweep']} {strength:g}"
        about = _describe(network)
        for row in similarity_rows(network, images.x_test, int(cell["seed"]), name):
            rows.append(
                {"strength": strength, "layer": row.pop("layer"), "measure": row.pop("measure"), **about, **row}
            )
    return rows


def similarity_rows(network: TrainedMLP, inputs: np.ndarray, seed: int, name: str) -> list[Row]:
    """What is found in one network: a row for every hidden layer and similarity.

    Args:
        network: the network.
        inputs: images over which units are compared.
        seed: of the network. With its name, layer and similarity it decides the searches.
        name: of the condition.
    """
    from modlib.communities.partitions import (
        effective_number,
        element_similarity,
        find_communities,
        leiden,
        transferability,
    )
    from modlib.communities.similarity import similarities
    from modlib.networks.network import from_arrays

    rows = []
    of_layers = similarities(from_arrays(network.kernels, network.biases), inputs)
    for layer, matrices in enumerate(of_layers.values(), start=1):
        found, again, by_leiden, from_one = {}, {}, {}, {}
        for measure, matrix in matrices.items():
            source = np.random.SeedSequence([seed, zlib.crc32(f"{name} {layer} {measure}".encode())])
            first, second, third, fourth = (np.random.default_rng(child) for child in source.spawn(4))
            found[measure] = find_communities(matrix, first)
            from_one[measure] = find_communities(matrix, fourth, STEPS_FROM_ONE, spectral_start=False)
            again[measure] = find_communities(matrix, second)
            by_leiden[measure] = leiden(matrix, third)
        pairs = [(matrix, found[measure].labels) for measure, matrix in matrices.items()]
        likeness, transfer = np.empty((2, len(pairs), len(pairs)))
        for i, j in combinations_with_replacement(range(len(pairs)), 2):  # both are symmetric
            likeness[[i, j], [j, i]] = element_similarity(pairs[i][1], pairs[j][1])
            transfer[[i, j], [j, i]] = transferability(*pairs[i], *pairs[j])
        for place, (measure, mine) in enumerate(found.items()):
            rows.append(
                {
                    "layer": layer,
                    "measure": measure,
                    "q_start": round(mine.q_start, 5),
                    "q": round(mine.q, 5),
                    "q_from_one": round(from_one[measure].q, 5),
                    "q_leiden": round(by_leiden[measure].q, 5),
                    "n_communities": len(set(mine.labels[mine.labels != UNPLACED].tolist())),
                    "effective_number": round(effective_number(mine.labels), 4),
                    "n_unused": int((mine.labels == UNPLACED).sum()),
                    "stability": round(element_similarity(mine.labels, again[measure].labels), 4),
                    "leiden_agreement": round(element_similarity(mine.labels, by_leiden[measure].labels), 4),
                    "element_similarity": " ".join(f"{value:.4f}" for value in likeness[place]),
                    "transferability": " ".join(f"{value:.4f}" for value in transfer[place]),
                    "labels": " ".join(map(str, mine.labels)),
                }
            )
    return rows


def _regularisation(sweep: str, strength: float) -> Regularisation:
    from modlib.training.perceptrons import Regularisation

    return Regularisation(**{"l2": LEAST_L2, sweep: strength})


def _describe(network: TrainedMLP) -> Row:
    weights = np.concatenate([kernel.ravel() for kernel in network.kernels]).astype(float)
    return {
        "epoch": network.epoch,
        "train_accuracy": round(network.accuracy["train"], 5),
        "test_accuracy": round(network.accuracy["test"], 5),
        "l1_norm": round(float(np.abs(weights).sum()), 3),
        "l2_norm": round(float((weights**2).sum()), 3),
        "sparsity": round(float((np.abs(weights) <= SPARSE).mean()), 5),
    }


EXPERIMENT = Experiment(
    "upstream-downstream", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, columns=COLUMNS,
    network_key=("dataset", "hidden", "sweep", "strength", "seed"), describe=describe,
)  # fmt: skip
