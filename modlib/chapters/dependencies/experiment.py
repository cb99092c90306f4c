"""Chapter ``dependencies``: what a sub-cluster is worth once another one is gone, for all pairs.

The networks of both papers' double lesions: perceptrons on Fashion-MNIST, with dropout, pruned; ten clusters in
pruned-modular, eight in importance-coherence. Biases of lesioned units are set to zero, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from modlib.chapters.rows import beside_random, clustered
from modlib.graphs.subclusters import SubCluster
from modlib.lesions.damage import DoubleLesion, double_lesions, lesion_tests
from modlib.lesions.kinds import Kind, kind
from modlib.networks.network import Network
from modlib.tables import PROFILE, SHARE, YES_NO, Cell, Experiment, Row, integer, number, rows_in_words, text
from modlib.zoo.kinds import trained

CELL_KEY = ("profile", "dataset", "dropout", "k", "seed")
ROW_KEY = ("first", "second")
TOLERANCE = {
    "first_size": 0.0,
    "second_size": 0.0,
    "first_kind": 0.0,
    "second_kind": 0.0,
    "first_drop": 1e-3,
    "delta": 1e-3,
    "random_mean": 1e-3,
    "random_sd": 1e-3,
    "random_max": 1e-3,
    "n_random": 0.0,
    "p": 0.1,
    "important": 0.0,
}
COLUMNS = {
    "profile": PROFILE,
    "dataset": text(),
    "dropout": YES_NO,
    "k": integer(2),
    "seed": integer(),
    "first": text(),
    "second": text(),
    "first_size": integer(1),
    "second_size": integer(1),
    "first_kind": text(*Kind),
    "second_kind": text(*Kind),
    "first_drop": number(-1, 1),
    "delta": number(-1, 1),
    "random_mean": number(-1, 1),
    "random_sd": number(0),
    "random_max": number(-1, 1),
    "n_random": integer(1),
    "p": SHARE,
    "important": YES_NO,
}


@dataclass(frozen=True)
class Plan:
    """What is measured in a profile.

    Attributes:
        dataset: what the networks are trained on.
        ks: numbers of clusters.
        seeds: number of networks.
        n_random: random sets a pair.
    """

    dataset: str
    ks: tuple[int, ...]
    seeds: int
    n_random: int


PLANS = {
    "smoke": Plan("digits", (3,), 1, 4),
    "quick": Plan("fashion_mnist", (10,), 1, 20),
    "paper": Plan("fashion_mnist", (10, 8), 3, 50),
}


def cells(profile: str) -> list[Cell]:
    """One network for every number of clusters, then the next."""
    plan = PLANS[profile]
    return [
        {"profile": profile, "dataset": plan.dataset, "dropout": "yes", "k": k, "seed": seed}
        for seed in range(plan.seeds)
        for k in plan.ks
    ]


def measure(cell: Cell) -> list[Row]:
    """A row for every ordered pair of sub-clusters."""
    seed, k = int(cell["seed"]), int(cell["k"])
    network, images = trained("mlp", cell["dataset"], True, seed)
    parts, n_random = clustered(network, k, seed), PLANS[cell["profile"]].n_random
    return pair_rows(network, images.x_test, images.y_test, parts, n_random, [seed, k])


def pair_rows(
    network: Network,
    images: np.ndarray,
    labels: np.ndarray,
    parts: Sequence[SubCluster],
    n_random: int,
    seed: Sequence[int],
) -> list[Row]:
    """Single lesions, then double ones: a row for every ordered pair.

    Args:
        network: the network.
        images: test images.
        labels: (n,) their classes.
        parts: sub-clusters, layer by layer.
        n_random: random sets a sub-cluster, and a pair.
        seed: decides them.
    """
    test = images, labels
    singles = lesion_tests(network, *test, parts, n_random, np.random.default_rng([*seed, 1]), zero_biases=True)
    kinds = {one.part.name: str(kind(one.part, one.damage.drop, one.random_drops)) for one in singles}
    drops = {one.part.name: one.damage.drop for one in singles}
    return [
        _row(pair, kinds, drops)
        for pair in double_lesions(network, *test, parts, n_random, np.random.default_rng([*seed, 2]), zero_biases=True)
    ]


def _row(pair: DoubleLesion, kinds: Mapping[str, str], drops: Mapping[str, float]) -> Row:
    first, second, found = pair.first.name, pair.second.name, beside_random(pair.delta, pair.random)
    return {
        "first": first,
        "second": second,
        "first_size": len(pair.first.units),
        "second_size": len(pair.second.units),
        "first_kind": kinds[first],
        "second_kind": kinds[second],
        "first_drop": round(drops[first], 5),
        "delta": round(pair.delta, 5),
        **{name: round(found[name], 5) for name in ("random_mean", "random_sd", "random_max", "n_random")},
        "p": round(pair.p, 6),
        "important": "yes" if pair.is_important else "no",
    }


EXPERIMENT = Experiment(
    "dependencies", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, columns=COLUMNS,
    network_key=("dataset", "dropout", "seed"), parts=("first", "second"),
    describe=partial(rows_in_words, untold=("dropout",)),
)  # fmt: skip
