"""Chapter ``structured-tasks``: networks whose task has parts, by design: halves, stacks, polynomials, mixtures.

All are measured as the networks of ``clusterability``. CNNs on a stack, whose graph joins the channels of convolutions,
and perceptrons that say numbers, whose weights a penalty may let decay, have rows of the text and of the authors'
code, which differ there, see ``convolutional-networks``. Other perceptrons have those of the text. A cell is a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from modlib.chapters.rows import (
    ADDED,
    CODE,
    COLUMNS as NCUT_COLUMNS,
    ROW_KEY,
    TEXT,
    TOLERANCE,
    Tests,
    rows_of_graph,
    snapshot_rows,
)
from modlib.tables import (
    PROFILE,
    YES_NO,
    Cell,
    Experiment,
    Row,
    in_turn,
    number,
    optional,
    plan_of,
    rows_in_words,
    text,
)
from modlib.zoo.perceptrons import trained_mlp

if TYPE_CHECKING:
    from modlib.zoo.pruned import Scored

CONDITION = ("network", "dataset", "dropout", "penalty")
LOSSES = ("train_loss", "test_loss", "added")
MLP, CNN, REGRESSION = "mlp", "cnn", "regression"
POLYNOMIALS = "polynomials"
CELL_KEY = ("profile", *CONDITION, "seed")
COLUMNS = {
    "profile": PROFILE,
    "network": text(MLP, CNN, REGRESSION),
    "dataset": text(),
    "dropout": YES_NO,
    "penalty": text("none", "l1", "l2"),
    **NCUT_COLUMNS,
    **dict.fromkeys(LOSSES, optional(number(0))),
    "graph": text(TEXT, CODE),
}


@dataclass(frozen=True)
class Plan:
    """Networks of one kind.

    Attributes:
        network: ``mlp`` and ``cnn`` classify, ``regression`` is a perceptron that says numbers.
        dataset: what it is trained on.
        dropout: ``yes`` or ``no``.
        penalty: ``none``, ``l1`` or ``l2``.
        seeds: number of networks.
        examples: training examples of a regression.
        epochs: of a CNN or regression, before pruning, and as many with it; the papers' number by default.
    """

    network: str
    dataset: str
    dropout: str = "no"
    penalty: str = "none"
    seeds: int = 5
    examples: int = 60_000
    epochs: int | None = None


def _mixtures(seeds: int, *sources: str) -> tuple[Plan, ...]:
    return tuple(
        Plan(MLP, f"{pair} {kind}", dropout, seeds=seeds)
        for pair in sources
        for kind in ("overlapping", "separate")
        for dropout in ("no", "yes")
    )


IMAGES = ("mnist", "fashion_mnist")
PLANS: dict[str, tuple[Plan, ...]] = {
    "smoke": (
        Plan(MLP, "digits halves-same", seeds=1),
        Plan(MLP, "digits halves-diff", seeds=1),
        Plan(REGRESSION, POLYNOMIALS, seeds=1, examples=500),
        Plan(REGRESSION, POLYNOMIALS, penalty="l2", seeds=1, examples=500),
        Plan(MLP, "lines+digits separate", "yes", seeds=1),
        Plan(CNN, "digits stack-diff", seeds=1, epochs=1),
    ),
    "quick": (
        *(Plan(MLP, f"mnist halves-{task}", seeds=2) for task in ("same", "diff")),
        *(Plan(REGRESSION, POLYNOMIALS, penalty=penalty, seeds=2, epochs=4) for penalty in ("none", "l1", "l2")),
        *(Plan(MLP, "lines", dropout, seeds=2) for dropout in ("no", "yes")),
    ),
    "paper": (
        *(Plan(MLP, f"{name} halves-{task}") for name in IMAGES for task in ("same", "diff")),
        *(Plan(REGRESSION, POLYNOMIALS, penalty=penalty) for penalty in ("none", "l1", "l2")),
        *(Plan(MLP, "lines", dropout) for dropout in ("no", "yes")),
        *_mixtures(5, "lines+mnist"),
        *_mixtures(3, "lines+cifar10", "mnist+cifar10"),
        *(Plan(CNN, f"{name} stack-{task}", seeds=2) for name in IMAGES for task in ("same", "diff")),
    ),
}
TESTS = {"smoke": Tests((4, 12), 10), "quick": Tests((4, 12), 50), "paper": Tests((4, 12), 50)}


def cells(profile: str) -> list[Cell]:
    """One network of every plan before the second one of each. CNNs, which take twenty times as long, are last."""
    return [
        {"profile": profile, **{name: getattr(plan, name) for name in CONDITION}, "seed": seed}
        for kinds in ((MLP, REGRESSION), (CNN,))
        for seed, plan in in_turn([plan for plan in PLANS[profile] if plan.network in kinds])
    ]


def measure(cell: Cell) -> list[Row]:
    """Rows of one network: n-cut and shuffle test at k = 4 and 12, before and after pruning; losses of a regression."""
    plan = plan_of(cell, PLANS[cell["profile"]], CONDITION)
    seed, tests = int(cell["seed"]), (TESTS[cell["profile"]],)
    found: list[tuple[list[Row], Mapping[str, float], str]]
    if plan.network == MLP:
        pair = trained_mlp(plan.dataset, plan.dropout == "yes", seed)
        found = [(snapshot_rows(snapshot, tests, seed), {}, TEXT) for snapshot in (pair.unpruned, pair.pruned)]
    else:
        found = [
            (rows_of_graph(scored, tests, seed, graph), scored.scores, graph)
            for scored in _trained(plan, seed)
            for graph in (TEXT, CODE)
        ]
    return [
        {**row, **{name: round(scores[name], 6) if name in scores else None for name in LOSSES}, "graph": graph}
        for rows, scores, graph in found
        for row in rows
    ]


def _trained(plan: Plan, seed: int) -> list[Scored]:
    from modlib.zoo.pruned import CNN_RECIPE, REGRESSION_RECIPE, pruned_regression, pruned_small_cnn

    recipe = CNN_RECIPE if plan.network == CNN else REGRESSION_RECIPE
    if plan.epochs is not None:
        recipe = replace(recipe, epochs=plan.epochs, pruning_epochs=plan.epochs)
    if plan.network == CNN:
        return pruned_small_cnn(plan.dataset, plan.dropout == "yes", plan.penalty, seed, recipe)
    return pruned_regression(plan.penalty, seed, plan.examples, recipe)


EXPERIMENT = Experiment(
    "structured-tasks", cells, measure, CELL_KEY, (*ROW_KEY, "graph"), {**TOLERANCE, **dict.fromkeys(LOSSES, 0.01)},
    columns=COLUMNS, network_key=(*CONDITION, "seed"), added={**ADDED, "graph": TEXT},
    describe=partial(rows_in_words, untold=("graph",)),
)  # fmt: skip
