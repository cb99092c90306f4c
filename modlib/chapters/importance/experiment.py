"""Chapter ``importance``: what every sub-cluster of a network is worth, against random units of its layer.

A cell clusters a trained network, lesions each sub-cluster and random sets like it, and keeps two measures: how much
accuracy is lost, and how unevenly over the classes. Biases of lesioned units are set to zero, as in the authors' code,
or kept, as in their text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from modlib.chapters.rows import beside_random, clustered
from modlib.lesions.damage import LesionTest, lesion_tests
from modlib.lesions.kinds import Kind, kind, kind_in_first_paper
from modlib.tables import (
    PROFILE,
    SHARE,
    YES_NO,
    Cell,
    Experiment,
    Row,
    in_turn,
    integer,
    number,
    numbers,
    optional,
    plan_of,
    rows_in_words,
    text,
)
from modlib.zoo.cnns import accuracy
from modlib.zoo.kinds import trained

DROP, RANGE = "accuracy-change", "classwise-range"  # as the paper names what it measures
ZERO, KEPT = "zero", "kept"  # biases of lesioned units
CONDITION = ("network", "dataset", "dropout", "k")  # what a cell and its plan have in common
CELL_KEY = ("profile", "network", "dataset", "dropout", "biases", "k", "seed")
ROW_KEY = ("layer", "cluster", "measure")
TOLERANCE = {
    "size": 0.0,
    "width": 0.0,
    "test_accuracy": 1e-3,
    "kind": 0.0,
    "kind_in_first_paper": 0.0,
    "value": 1e-3,
    "random_mean": 1e-3,
    "random_sd": 1e-3,
    "random_min": 1e-3,
    "random_max": 1e-3,
    "n_random": 0.0,
    "p_ties_for": 0.1,  # one image more or less moves a drop by two ranks at most
    "p_ties_against": 0.1,
    "class_drops": 1e-3,
    "random_class_mean": 1e-3,
    "random_class_sd": 1e-3,
}
COLUMNS = {
    "profile": PROFILE,
    "network": text("mlp", "cnn"),
    "dataset": text(),
    "dropout": YES_NO,
    "biases": text(ZERO, KEPT),
    "k": integer(2),
    "seed": integer(),
    "layer": integer(1),
    "cluster": integer(),
    "measure": text(DROP, RANGE),
    "size": integer(1),
    "width": integer(1),
    "test_accuracy": SHARE,
    "kind": text(*Kind),
    "kind_in_first_paper": text(*Kind),
    "value": number(),
    "random_mean": number(),
    "random_sd": number(0),
    "random_min": number(),
    "random_max": number(),
    "n_random": integer(1),
    "p_ties_for": SHARE,
    "p_ties_against": SHARE,
    "class_drops": optional(numbers(-1, 1)),
    "random_class_mean": optional(numbers(-1, 1)),
    "random_class_sd": optional(numbers(0, 1)),
}


@dataclass(frozen=True)
class Plan:
    """Networks of one kind that are lesioned.

    Attributes:
        network: ``mlp`` (pruned) or ``cnn`` (not pruned).
        dataset: what it was trained on.
        dropout: ``yes`` or ``no``.
        k: number of clusters.
        seeds: number of networks.
        n_random: random sets a sub-cluster.
        biases: of lesioned units, ``ZERO``, ``KEPT`` or one after the other.
    """

    network: str
    dataset: str
    dropout: str
    k: int
    seeds: int
    n_random: int
    biases: tuple[str, ...] = (ZERO, KEPT)


IMAGES = ("mnist", "fashion_mnist")
PLANS: dict[str, tuple[Plan, ...]] = {
    "smoke": (Plan("mlp", "digits", "no", 4, 1, 9),),
    "quick": tuple(Plan("mlp", dataset, "no", 12, 2, 20) for dataset in IMAGES),
    "paper": (
        *(Plan("mlp", dataset, "no", k, 5, 20) for k in (12, 8, 18) for dataset in IMAGES),
        Plan("mlp", "fashion_mnist", "yes", 10, 5, 100),  # pruned-modular's table A.18
        Plan("mlp", "fashion_mnist", "yes", 8, 5, 20),  # importance-coherence's table 7
        Plan("mlp", "fashion_mnist", "yes", 4, 1, 20),  # and its figure 6
        *(Plan("cnn", dataset, "no", k, 2, 20, (ZERO,)) for k in (12, 8, 18) for dataset in IMAGES),
    ),
}


def cells(profile: str) -> list[Cell]:
    """One network of every plan, then the next one of each."""
    return [
        {"profile": profile, **{name: getattr(plan, name) for name in CONDITION}, "biases": biases, "seed": seed}
        for seed, plan in in_turn(PLANS[profile])
        for biases in plan.biases
    ]


def measure(cell: Cell) -> list[Row]:
    """Two rows for every sub-cluster: accuracy lost, and its range over the classes."""
    plan = plan_of(cell, PLANS[cell["profile"]], CONDITION)
    seed = int(cell["seed"])
    network, images = trained(plan.network, plan.dataset, plan.dropout == "yes", seed)
    parts = clustered(network, plan.k, seed)
    rng = np.random.default_rng([seed, plan.k, 1])
    zero = cell["biases"] == ZERO
    tests = lesion_tests(network, images.x_test, images.y_test, parts, plan.n_random, rng, zero_biases=zero)
    right = round(accuracy(network, images), 4)
    return [row for test in tests for row in lesion_rows(test, right)]


def lesion_rows(test: LesionTest, test_accuracy: float) -> list[Row]:
    """Rows of a sub-cluster."""
    part, drop = test.part, test.damage.drop
    about = {
        "size": len(part.units),
        "width": part.width,
        "test_accuracy": test_accuracy,
        "kind": str(kind(part, drop, test.random_drops)),
        "kind_in_first_paper": str(kind_in_first_paper(part, drop, test.random_drops)),
    }
    by_class = np.array([damage.class_drops for damage in test.random])
    classes = {
        "class_drops": _text(test.damage.class_drops),
        "random_class_mean": _text(by_class.mean(axis=0)),
        "random_class_sd": _text(by_class.std(axis=0, ddof=1)),
    }
    return [
        {
            "layer": part.layer,
            "cluster": part.cluster,
            "measure": name,
            **about,
            **compared(value, random),
            **(classes if name == DROP else dict.fromkeys(classes, "")),
        }
        for name, value, random in (
            (DROP, drop, test.random_drops),
            (RANGE, test.damage.class_range, test.random_ranges),
        )
    ]


def compared(value: float, random: np.ndarray) -> Row:
    """A measure of a sub-cluster beside that of random sets; larger is more extreme."""
    digits = {"p_ties_for": 6, "p_ties_against": 6}
    found = {"value": float(value), **beside_random(value, random)}
    return {name: round(number, digits.get(name, 5)) for name, number in found.items()}


def _text(numbers: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{number:.4f}" for number in numbers)


EXPERIMENT = Experiment(
    "importance", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, columns=COLUMNS,
    network_key=("network", "dataset", "dropout", "seed"), parts=("cluster",),
    describe=partial(rows_in_words, untold=("biases",)),
)  # fmt: skip
