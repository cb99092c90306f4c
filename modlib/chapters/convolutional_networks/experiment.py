"""Chapter ``convolutional-networks``: the graph of channels of small CNNs, and of VGG-16, before and after pruning.

Every network has two graphs: that of the text, and that of the authors' code, which differs in three ways. Its norm of
a slice is NumPy's of a matrix; it leaves batch normalisation out; and to every volume it adds a little, so that a
cluster of channels that are all but cut off costs nothing. Untrained networks are there for reference. Networks of
VGG-16 are in the grid, but take days without a GPU; the graph of the text has rows with and without their batch
normalisation. One more of 15 epochs, in rows of their own, is to see that all runs; no claim picks it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from modlib.chapters.rows import (
    ADDED,
    CODE,
    COLUMNS as NCUT_COLUMNS,
    ROW_KEY,
    TEXT,
    TOLERANCE,
    Tests,
    coded_edges,
    initial_rows,
    rows_of_graph,
)
from modlib.errors import InputError
from modlib.networks.network import Network, as_network
from modlib.processor import device
from modlib.tables import PROFILE, YES_NO, Cell, Experiment, Row, in_turn, rows_in_words, text

if TYPE_CHECKING:
    pass

CONDITION = ("network", "dataset", "dropout", "penalty")
SMALL, VGG = "small", "vgg"
UNTRAINED = "initialisation"
FOLDED, LEFT_OUT, NO_NORM = "folded", "left out", "none"  # what a row's graph does with batch normalisation
K = 12
FULL, SHORT = "full", "short"  # schedules; of a short one no claim is decided
CELL_KEY = ("profile", *CONDITION, "seed", "graph", "schedule")
COLUMNS = {
    "profile": PROFILE,
    "network": text(SMALL, VGG),
    "dataset": text(),
    "dropout": YES_NO,
    "penalty": text("none", "l1", "l2", "start"),
    "seed": NCUT_COLUMNS["seed"],
    "graph": text(TEXT, CODE),
    "schedule": text(FULL, SHORT),
    **NCUT_COLUMNS,
    "batch_norm": text(FOLDED, LEFT_OUT, NO_NORM),
}


@dataclass(frozen=True)
class Plan:
    """Networks of one kind.

    Attributes:
        network: ``small`` or ``vgg``.
        dataset: what it is trained on; ``initialisation`` if it is not.
        dropout: ``yes`` or ``no``.
        penalty: ``none``, ``l1`` or ``l2``; or ``start``, no penalty but a start with clusters.
        seeds: number of networks.
        schedule: ``full``, or ``short``: a few epochs of VGG-16, with or without a GPU.
    """

    network: str
    dataset: str
    dropout: str = "no"
    penalty: str = "none"
    seeds: int = 5
    schedule: str = FULL


CONDITIONS = (("no", "none"), ("yes", "none"), ("no", "l1"), ("no", "l2"), ("no", "start"))  # dropout, penalty
VGG_CONDITIONS = (("no", "none"), ("yes", "none"), ("yes", "l2"), ("no", "l2"), ("no", "l1"), ("no", "start"))
PLANS: dict[str, tuple[Plan, ...]] = {
    "smoke": (
        Plan(SMALL, UNTRAINED, seeds=2),
        *(Plan(SMALL, "digits", *condition, seeds=1) for condition in CONDITIONS),
    ),
    "quick": (
        Plan(SMALL, UNTRAINED, seeds=10),
        *(Plan(SMALL, "mnist", *condition, seeds=1) for condition in CONDITIONS),
    ),
    "paper": (
        Plan(SMALL, UNTRAINED, seeds=100),
        *(Plan(SMALL, name, *condition) for name in ("mnist", "fashion_mnist") for condition in CONDITIONS),
        Plan(VGG, UNTRAINED, seeds=100),
        *(Plan(VGG, "cifar10", *condition) for condition in VGG_CONDITIONS),
        Plan(VGG, "cifar10", seeds=1, schedule=SHORT),
    ),
}
SHORT_EPOCHS = 12, 3  # of VGG-16, before pruning and with it
EPOCHS = {"smoke": 1, "quick": 2, "paper": 10}  # of a small CNN, before pruning, and as many with it
TESTS = {"smoke": Tests((K,), 10), "quick": Tests((K,), 50), "paper": Tests((K,), 50)}


def cells(profile: str) -> list[Cell]:
    """Untrained networks, then one small CNN of every condition before the second one of each, then those of VGG-16.

    These go condition by condition, in the order in which they are needed: a network takes long.
    """
    plans = PLANS[profile]
    groups = [
        [plan for plan in plans if (plan.network, plan.dataset == UNTRAINED) == group]
        for group in ((SMALL, True), (SMALL, False), (VGG, True))
    ]
    groups += [[plan] for plan in plans if plan.network == VGG and plan.dataset != UNTRAINED]
    return [
        {
            "profile": profile,
            **{name: getattr(plan, name) for name in CONDITION},
            "seed": seed,
            "graph": graph,
            "schedule": plan.schedule,
        }
        for group in groups
        for seed, plan in in_turn(group)
        for graph in (TEXT, CODE)
    ]


def measure(cell: Cell) -> list[Row]:
    """Rows of a graph of one network: n-cut and shuffle test at k = 12, before and after pruning.

    Raises:
        InputError: if VGG-16 is to be trained in full without a GPU.
    """
    profile, seed, graph = cell["profile"], int(cell["seed"]), cell["graph"]
    if cell["dataset"] == UNTRAINED:
        network = _untrained(cell["network"], seed)
        weights = network.graph_weights() if graph == TEXT else coded_edges(network)
        # batch normalisation does nothing yet, but for its epsilon, which all channels share
        return [{**row, "batch_norm": NO_NORM} for row in initial_rows(weights, (K,), seed)]
    settings = (cell["dropout"] == "yes", cell["penalty"], seed)
    tests = (TESTS[profile],)
    if cell["network"] == SMALL:
        from modlib.zoo.pruned import CNN_RECIPE, pruned_small_cnn

        recipe = replace(CNN_RECIPE, epochs=EPOCHS[profile], pruning_epochs=EPOCHS[profile])
        stages = pruned_small_cnn(cell["dataset"], *settings, recipe)
        return [
            {**row, "batch_norm": NO_NORM} for scored in stages for row in rows_of_graph(scored, tests, seed, graph)
        ]
    return _vgg_rows(settings, tests, seed, graph, cell["schedule"])


def without_batch_norm(network: Network) -> Network:
    """A network whose graph is that of its bare weights; what it computes is left as it is."""
    return replace(network, layers=tuple(replace(layer, batch_norm=None) for layer in network.layers))


def _vgg_rows(
    settings: tuple[bool, str, int], tests: tuple[Tests, ...], seed: int, graph: str, schedule: str
) -> list[Row]:
    from modlib.zoo.pruned import VGG_RECIPE, pruned_vgg

    recipe = VGG_RECIPE
    if schedule == SHORT:
        recipe = replace(recipe, epochs=SHORT_EPOCHS[0], pruning_epochs=SHORT_EPOCHS[1])
    elif device() == "cpu":
        raise InputError(
            "VGG-16 is to be trained for 250 epochs, which takes days without a GPU, and there is none; measure the "
            "small networks alone: modlib run convolutional-networks --grid paper -p network=small. To see that it "
            "runs at all, train one for 15 epochs: -p schedule=short"
        )
    rows = []
    for scored in pruned_vgg(*settings, recipe):
        bare = replace(scored, network=without_batch_norm(scored.network))
        for name, one in ((FOLDED, scored), (LEFT_OUT, bare)) if graph == TEXT else ((LEFT_OUT, bare),):
            rows += [{**row, "batch_norm": name} for row in rows_of_graph(one, tests, seed, graph)]
    return rows


def _untrained(network: str, seed: int) -> Network:
    from modlib.networks.architectures import small_cnn, vgg16

    return as_network((small_cnn if network == SMALL else vgg16)(np.random.default_rng([seed, 0])))


EXPERIMENT = Experiment(
    "convolutional-networks", cells, measure, CELL_KEY, ("batch_norm", *ROW_KEY), TOLERANCE, columns=COLUMNS,
    network_key=(*CONDITION, "seed", "schedule"), added={**ADDED, "schedule": FULL},
    describe=partial(rows_in_words, untold=("graph", "schedule")),
)  # fmt: skip
