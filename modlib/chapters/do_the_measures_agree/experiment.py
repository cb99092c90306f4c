"""Chapter ``do-the-measures-agree``: the same hidden units divided by every notion, and how far the divisions agree.

A cell is a network at one stage. What is compared is found on different halves of the test images and from different
random starts, so that two notions do not agree because they saw the same noise; of one notion with itself this gives
how far it can be relied on. Of networks with known modules, notions are compared with these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from modlib.checks import UNPLACED
from modlib.networks.known import KnownModules, idle_weights, rotated_functions, shared_part, two_functions
from modlib.notions.names import NOTIONS
from modlib.tables import PROFILE, SHARE, YES_NO, Cell, Experiment, Row, integer, number, optional, rows_in_words, text

if TYPE_CHECKING:
    from modlib.masks.learning import MaskSettings
    from modlib.networks.network import Network
    from modlib.notions import Division

K = 12  # clusters, as in the chapters on sub-clusters
STAGES = ("pruned", "untrained", "unpruned")
KNOWN = "known modules"  # stage of a network that is constructed
N_KNOWN = 1000  # inputs of such a network
WEIGHTS = NOTIONS[0]  # the papers' own clusters
FUNCTIONS, IDLE = "functions", "idle weights"  # what is known of a unit


@dataclass(frozen=True)
class Case:
    """A network with known modules.

    Attributes:
        make: the network, of a seed and a number of inputs.
        k: how many modules there are.
        layers: hidden layers in which they are known.
    """

    make: Callable[[int, int], KnownModules]
    k: int = 2
    layers: tuple[int, ...] = (1, 2, 3)


def crossed(crossing: float) -> Case:
    """Two functions with weights between them."""
    return Case(lambda seed, n: two_functions(seed, n, crossing=crossing))


def readers(kind: str, layers: tuple[int, ...] = (1, 2, 3)) -> Case:
    """Two functions that were learned; imported where they are needed, for PyTorch trains them."""

    def make(seed: int, n: int) -> KnownModules:
        from modlib.zoo import readers as trained

        made: KnownModules = getattr(trained, kind)(seed, n)
        return made

    return Case(make, layers=layers)


CASES = {
    "two functions in turn": Case(two_functions),
    "two functions together": Case(lambda seed, n: two_functions(seed, n, together=True)),
    "weights across, a quarter": crossed(0.25),
    "weights across, a half": crossed(0.5),
    "no modules": crossed(1.0),
    "a shared part": Case(shared_part, 3),
    "rotated functions": Case(rotated_functions, layers=(2,)),
    "idle weights": Case(idle_weights),
    "trained functions": readers("two_readers"),
    "trained, a shared trunk": readers("readers_with_a_trunk", (2, 3)),
    "trained, all weights": readers("dense_readers"),
}

# The 64-64 perceptrons of upstream-downstream: after the name of the data set, with dropout or not, what regularises.
SMALL = {
    (" 64-64", "no"): {"l2": 1e-5},
    (" 64-64", "yes"): {"l2": 1e-5, "dropout": 0.5},
    (" 64-64 l1", "no"): {"l2": 1e-5, "l1": 1e-3},
}
CNN = " cnn"  # after the name of the data set: the small CNNs of convolutional-networks, without a penalty


@dataclass(frozen=True)
class Plan:
    """What is measured in a profile.

    Attributes:
        datasets: on which networks are trained; those of ``SMALL`` on the first.
        seeds: networks of each condition.
        cases: networks with known modules of each case.
        images: test images in each half, at most.
        mask_steps: batches of a mask.
        cnns: small CNNs of each condition.
        cnn_epochs: before they are pruned, and while they are; 10 in the paper.
    """

    datasets: tuple[str, ...]
    seeds: int
    cases: int
    images: int
    mask_steps: int
    cnns: int
    cnn_epochs: int = 10


PLANS = {
    "smoke": Plan(("digits",), 1, 1, 300, 20, 1, 1),
    "quick": Plan(("mnist",), 2, 3, 500, 100, 0),
    "paper": Plan(("mnist", "fashion_mnist"), 10, 10, 1000, 200, 2),  # a CNN takes a processor hours
}
CELL_KEY = ("profile", "dataset", "dropout", "seed", "stage")
ROW_KEY = ("layer", "first", "second")
COLUMNS = {
    "profile": PROFILE,
    "dataset": text(),
    "dropout": YES_NO,
    "seed": integer(),
    "stage": text(*STAGES, KNOWN),
    "layer": integer(1),
    "first": text(),
    "second": text(),
    "k": integer(1),
    "mask_steps": integer(1),
    "units": number(0),
    "similarity": SHARE,
    "by_chance": SHARE,
    "mutual_information": number(most=1),
    "q": optional(number(-1, 1)),
    "test_accuracy": optional(SHARE),
    "by_matched_chance": optional(SHARE),
    "mask_overlap": optional(SHARE),
}
# Of the same network a search may end elsewhere on another kind of machine, and some division be another one: that is a
# row's tolerance. The mean over rows, which is what is found, hardly changes.
TOLERANCE = {
    "k": 0.0,
    "mask_steps": 0.0,
    "units": 1.0,
    "similarity": 0.1,
    "by_chance": 0.05,
    "mutual_information": 0.15,
    "q": 0.05,
    "test_accuracy": 0.0005,
    "by_matched_chance": 0.05,
    "mask_overlap": 0.01,
}
OF_MEANS = {
    "similarity": 0.01,
    "by_chance": 0.005,
    "mutual_information": 0.02,
    "q": 0.005,
    "by_matched_chance": 0.005,
}


def cells(profile: str) -> list[Cell]:
    """All conditions and cases of a seed before the next one, so that an unfinished table has each of them; then CNNs.

    What starts from the same weights with dropout and without is measured once untrained.
    """
    plan = PLANS[profile]
    found: list[Cell] = []
    for seed in range(max(plan.seeds, plan.cases)):
        if seed < plan.cases:
            found += [_cell(profile, case, "no", seed, KNOWN) for case in CASES]
        if seed < plan.seeds:
            found += [
                _cell(profile, dataset, dropout, seed, stage)
                for dataset in plan.datasets
                for dropout in ("yes", "no")
                for stage in STAGES
            ]
            first = plan.datasets[0]
            found += [_cell(profile, first + kind, dropout, seed, "unpruned") for kind, dropout in SMALL]
            found.append(_cell(profile, first + next(iter(SMALL))[0], "no", seed, "untrained"))
    return found + [
        _cell(profile, dataset + CNN, dropout, seed, stage)
        for seed in range(plan.cnns)
        for dataset in plan.datasets
        for stage in STAGES
        for dropout in ("no", "yes")
        if (stage, dropout) != ("untrained", "yes")
    ]


def _cell(profile: str, dataset: str, dropout: str, seed: int, stage: str) -> Cell:
    return {"profile": profile, "dataset": dataset, "dropout": dropout, "seed": seed, "stage": stage}


def measure(cell: Cell) -> list[Row]:
    """The rows of one network: for every hidden layer and pair of notions, how far they agree."""
    from modlib.notions.dividing import MASKS

    plan, seed = PLANS[cell["profile"]], int(cell["seed"])
    masks = replace(MASKS, steps=plan.mask_steps)
    if cell["stage"] == KNOWN:
        rows, accuracy = case_rows(CASES[cell["dataset"]], seed, masks), None
    else:
        dataset, dropout = cell["dataset"], cell["dropout"] == "yes"
        if dataset.endswith(CNN):
            network, accuracy, x, y = _trained_cnn(
                dataset.removesuffix(CNN), dropout, seed, cell["stage"], plan.cnn_epochs
            )
        else:
            network, accuracy, x, y = _trained(dataset, dropout, seed, cell["stage"])
        halves = halves_divided(network, x, y, plan.images, K, seed, masks)
        rows = agreement_rows(halves, K, activity_groups(network, x))
    return [{**row, "mask_steps": plan.mask_steps, "test_accuracy": accuracy} for row in rows]


def activity_groups(network: Network, x: np.ndarray) -> list[np.ndarray]:
    """For every hidden layer, units in groups of like mean activity on some images."""
    from modlib.communities.comparison import matched_groups
    from modlib.responses.activations import hidden_activities

    return [matched_groups(activity.mean(axis=0)) for activity in hidden_activities(network, x)]


def agreement_rows(
    halves: Sequence[Mapping[str, Sequence[Division]]], k: int, groups: Sequence[np.ndarray]
) -> list[Row]:
    """For every hidden layer and pair of notions, how far they agree on different images.

    Args:
        halves: what ``halves_divided`` gives.
        k: number of clusters, which is stored.
        groups: see ``activity_groups``.
    """
    first, second = halves
    rows = []
    for layer in range(len(first[WEIGHTS])):
        for one, other in combinations_with_replacement(first, 2):
            pairs = [(first[one][layer], second[other][layer])]
            if one != other:
                pairs.append((first[other][layer], second[one][layer]))
            row = _compared([(a.labels, b.labels) for a, b in pairs], groups[layer])
            own = first[one][layer] if one == other else None
            rows.append({"layer": layer + 1, "first": one, "second": other, "k": k, **row, **_own(own)})
    return rows


def halves_divided(
    network: Network, x: np.ndarray, y: np.ndarray, images: int, k: int, seed: int, masks: MaskSettings
) -> list[dict[str, list[Division]]]:
    """The divisions of a network by every notion that two halves of the images give.

    Args:
        network: see ``divided_by_notion``.
        x: (n, ...) images, as it takes them.
        y: (n,) their classes.
        images: of each half, at most half of all.
        k: number of clusters.
        seed: decides the halves, and the starts of all searches.
        masks: how masks are learned.
    """
    from modlib.notions.dividing import divided_by_notion

    order = np.random.default_rng([seed, 1]).permutation(len(x))[: 2 * images]
    return [
        divided_by_notion(network, x[half], y[half], k, 2 * seed + number, masks=masks)
        for number, half in enumerate(np.array_split(order, 2))
    ]


def case_rows(case: Case, seed: int, masks: MaskSettings) -> list[Row]:
    """For every hidden layer of a network with known modules and every notion, how far it finds what is known."""
    from modlib.notions.dividing import divided_by_notion

    known = case.make(seed, N_KNOWN)
    found = divided_by_notion(known.network, known.inputs, known.labels, case.k, seed, masks=masks)
    truths = {FUNCTIONS: known.functions} | ({IDLE: known.idle} if known.idle else {})
    return [
        {
            "layer": layer,
            "first": notion,
            "second": name,
            "k": case.k,
            **_compared([(divisions[layer - 1].labels, truth[layer - 1])]),
            **_own(divisions[layer - 1]),
        }
        for layer in case.layers
        for notion, divisions in found.items()
        for name, truth in truths.items()
    ]


def _compared(pairs: Sequence[tuple[np.ndarray, np.ndarray]], groups: np.ndarray | None = None) -> Row:
    """Mean agreement of some pairs of partitions, beside permuted labels and, if there are groups, within these."""
    from modlib.communities.comparison import agreement

    found = [agreement(*pair) for pair in pairs]
    matched = None if groups is None else float(np.mean([_by_matched_chance(*pair, groups) for pair in pairs]))
    return {
        "units": float(np.mean([one.units for one in found])),
        "similarity": round(float(np.mean([one.similarity for one in found])), 5),
        "by_chance": round(float(np.mean([one.by_chance for one in found])), 5),
        "mutual_information": round(float(np.mean([one.mutual_information for one in found])), 5),
        "by_matched_chance": _rounded(matched),
    }


def _by_matched_chance(first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> float:
    """``agreement(first, second, groups).by_chance``, without what does not depend on the groups."""
    from modlib.communities.comparison import similarity_by_chance

    both = (first != UNPLACED) & (second != UNPLACED)
    return similarity_by_chance(first[both], second[both], groups[both]) if both.any() else 1.0


def _own(division: Division | None) -> Row:
    """What a row says of one notion, and not of a pair."""
    q, overlap = (division.q, division.overlap) if division else (None, None)
    return {"q": _rounded(q), "mask_overlap": _rounded(overlap)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _trained(
    dataset: str, dropout: bool, seed: int, stage: str
) -> tuple[Network, float | None, np.ndarray, np.ndarray]:
    """A network at one stage, its accuracy, and test images with their classes."""
    from modlib.networks.network import from_arrays
    from modlib.zoo.perceptrons import data_for, recipe_for, trained_mlp

    for (kind, with_dropout), regularisation in SMALL.items():
        if dataset.endswith(kind) and dropout == (with_dropout == "yes"):
            return _trained_small(dataset.removesuffix(kind), regularisation, seed, stage)
    data = data_for(dataset)
    if stage == "untrained":
        from modlib.training.keras import initial_kernels

        kernels = initial_kernels(data.x_test.shape[1], recipe_for(dataset, dropout), seed)
        return from_arrays(kernels), None, data.x_test, data.y_test
    pair = trained_mlp(dataset, dropout, seed)
    snapshot = pair.pruned if stage == "pruned" else pair.unpruned
    return from_arrays(snapshot.kernels, snapshot.biases), snapshot.accuracy["test"], data.x_test, data.y_test


def _trained_small(
    dataset: str, regularisation: Mapping[str, float], seed: int, stage: str
) -> tuple[Network, float | None, np.ndarray, np.ndarray]:
    """The same of a small perceptron, which is not pruned."""
    from modlib.networks.network import from_arrays
    from modlib.training.perceptrons import Regularisation, Settings, train_mlps
    from modlib.zoo.perceptrons import data_for

    data = data_for(dataset)
    settings = Settings(max_epochs=0) if stage == "untrained" else Settings()
    (found,) = train_mlps(data, settings, [Regularisation(**regularisation)], seed)
    accuracy = None if stage == "untrained" else found.accuracy["test"]
    return from_arrays(found.kernels, found.biases), accuracy, data.x_test, data.y_test


def _trained_cnn(
    dataset: str, dropout: bool, seed: int, stage: str, epochs: int
) -> tuple[Network, float | None, np.ndarray, np.ndarray]:
    """The same of a small CNN."""
    from modlib.networks.network import as_network
    from modlib.zoo.cnns import cnn_images, untrained_small_cnn
    from modlib.zoo.pruned import CNN_RECIPE, pruned_small_cnn

    images = cnn_images(dataset)
    if stage == "untrained":
        return as_network(untrained_small_cnn(images, seed)), None, images.x_test, images.y_test
    recipe = replace(CNN_RECIPE, epochs=epochs, pruning_epochs=epochs)
    scored = next(one for one in pruned_small_cnn(dataset, dropout, "none", seed, recipe) if one.stage == stage)
    return scored.network, scored.scores["test_accuracy"], images.x_test, images.y_test


def describe(rows: Mapping[str, str]) -> str:
    """Rows in words, such as ``MNIST, dropout, pruned``."""
    return rows_in_words(rows, ("dataset", "dropout", "stage"), ("dropout",) if rows.get("stage") == KNOWN else ())


EXPERIMENT = Experiment(
    "do-the-measures-agree", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, {"mask_steps": 200}, columns=COLUMNS,
    network_key=("dataset", "dropout", "seed"), describe=describe, of_means=OF_MEANS,
    added={"by_matched_chance": None, "mask_overlap": None},
)  # fmt: skip
