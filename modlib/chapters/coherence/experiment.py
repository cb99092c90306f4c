"""Chapter ``coherence``: do the units of a sub-cluster respond to the same thing, more than random units do?

A cell clusters a network and compares each sub-cluster with random sets of as many units of its layer: by images that
excite them (``features``), or by what they correlate with over a test set (``correlations``). The images of a few
sub-clusters of the first network of each kind are stored with the rows.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from modlib.chapters.rows import beside_random
from modlib.checks import UNPLACED
from modlib.data.composites import KINDS
from modlib.errors import InputError
from modlib.graphs.subclusters import SubCluster, hidden_labels, sub_clusters
from modlib.networks.network import Network, as_network, from_arrays
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
    number_lists,
    numbers,
    optional,
    plan_of,
    text,
)
from modlib.zoo.cnns import EPOCHS, accuracy, cnn_images, untrained_small_cnn
from modlib.zoo.kinds import trained
from modlib.zoo.perceptrons import recipe_for

if TYPE_CHECKING:
    import pandas as pd

    from modlib.responses.features import ImageSettings

FEATURES, CORRELATIONS = "features", "correlations"
# as the paper's tables name what they measure
SCORE, ENTROPY, VARIANCE, VARIATION = (
    "visualization-score",
    "softmax-entropy",
    "activational-variance",
    "activational-cov",
)
CONTRAST, LIKENESS, ONE_SIDED = "contrast", "likeness", "one-sidedness"  # ours, for what the paper judges by eye
SIDES: dict[str, Literal["small", "large"]] = {
    SCORE: "large", ENTROPY: "small", VARIANCE: "small", VARIATION: "small",
    CONTRAST: "large", LIKENESS: "large", ONE_SIDED: "large",
}  # fmt: skip
AT_LEAST, AT_MOST = 3, 0.8  # units, and share of the layer, of a sub-cluster that is looked at
PICTURED, BESIDE = 2, 4  # sub-clusters a layer whose images are stored, and random sets beside each
PICTURED_K = 12
HUNDREDTHS = 100  # in which pixels are stored
CONDITION = ("study", "network", "dataset", "dropout", "k")  # what a cell and its plan have in common
CELL_KEY = ("profile", *CONDITION, "seed")
ROW_KEY = ("layer", "cluster", "measure")
FULL = {"epochs": EPOCHS}
TOLERANCE = {
    "epochs": 0.0,
    "test_accuracy": 1e-3,
    "size": 0.0,
    "width": 0.0,
    "value": 1e-3,
    "n_random": 0.0,
    "random": 1e-3,
    "p_ties_against": 0.0,
    "p_ties_for": 0.0,
    "images": 5.0,
}
COLUMNS = {
    "profile": PROFILE,
    "study": text(FEATURES, CORRELATIONS),
    "network": text(),
    "dataset": text(),
    "dropout": YES_NO,
    "k": integer(2),
    "seed": integer(),
    "layer": integer(1),
    "cluster": integer(),
    "measure": text(*SIDES),
    "size": integer(AT_LEAST),
    "width": integer(1),
    "value": number(),
    "n_random": integer(1),
    "random": numbers(),
    "p_ties_against": SHARE,
    "p_ties_for": SHARE,
    "images": optional(numbers(-HUNDREDTHS, HUNDREDTHS)),
    "epochs": optional(number(0)),
    "test_accuracy": optional(SHARE),
}


@dataclass(frozen=True)
class Plan:
    """Networks of one kind that are looked at.

    Attributes:
        study: ``features`` or ``correlations``.
        network: ``mlp`` (pruned) or ``cnn`` (not pruned), or either followed by ``untrained`` (not pruned).
        dataset: what it is trained on and shown.
        dropout: ``yes`` or ``no``.
        k: number of clusters.
        seeds: number of networks.
        n_random: random sets a sub-cluster.
        steps: of an optimised image.
        epochs: of a CNN.
    """

    study: str
    network: str
    dataset: str
    dropout: str = "no"
    k: int = 12
    seeds: int = 1
    n_random: int = 9
    steps: int = 256
    epochs: int = EPOCHS


def _correlations(network: str, dataset: str, dropout: str, seeds: int) -> Plan:
    return Plan(CORRELATIONS, network, dataset, dropout, seeds=seeds, n_random=20)


IMAGES = ("mnist", "fashion_mnist")
PLANS: dict[str, tuple[Plan, ...]] = {
    "smoke": (
        Plan(FEATURES, "mlp untrained", "digits", k=4, n_random=4, steps=8),
        Plan(FEATURES, "cnn", "digits", k=4, n_random=4, steps=8, epochs=1),
        Plan(CORRELATIONS, "mlp untrained", "digits halves-same", k=4, n_random=4),
        Plan(CORRELATIONS, "cnn", "digits stack-diff", k=4, n_random=4, epochs=1),
        Plan(CORRELATIONS, "mlp", "digits", "yes", k=4, n_random=4),
    ),
    "quick": (
        Plan(FEATURES, "mlp", "mnist", seeds=2),
        Plan(CORRELATIONS, "mlp", "mnist", "yes", seeds=2),
        Plan(FEATURES, "cnn", "mnist", epochs=1),
        Plan(CORRELATIONS, "cnn", "mnist", epochs=1),
    ),
    "paper": (
        *(Plan(FEATURES, "mlp", dataset, seeds=5) for dataset in IMAGES),
        Plan(FEATURES, "mlp", "mnist", "yes", seeds=4),  # not in the paper: what dropout does to variation
        Plan(FEATURES, "mlp untrained", "mnist", seeds=5),
        *(_correlations("mlp", dataset, "yes", 4) for dataset in (*IMAGES, "mnist halves-same")),
        _correlations("mlp", "mnist halves-diff", "no", 4),
        _correlations("mlp", "mnist halves-diff", "yes", 3),
        *(_correlations("mlp untrained", f"mnist{kind}", "no", 5) for kind in ("", " halves-same", " halves-diff")),
        *(Plan(FEATURES, "cnn", dataset, seeds=2) for dataset in IMAGES),
        *(_correlations("cnn", dataset, "no", 2) for dataset in IMAGES),
        *(_correlations("cnn", f"mnist stack-{task}", "no", 1) for task in ("same", "diff")),
        Plan(FEATURES, "cnn untrained", "mnist"),
        *(Plan(FEATURES, "mlp", dataset, k=k, seeds=5) for k in (8, 18) for dataset in IMAGES),
    ),
}


def cells(profile: str) -> list[Cell]:
    """One network of every plan before the second one of each, so that an unfinished table has every condition."""
    return [
        {"profile": profile, **{name: getattr(plan, name) for name in CONDITION}, "seed": seed}
        for seed, plan in in_turn(PLANS[profile])
    ]


def measure(cell: Cell) -> list[Row]:
    """Rows of a network: for every sub-cluster one a measure."""
    from modlib.responses.features import ImageSettings

    plan = plan_of(cell, PLANS[cell["profile"]], CONDITION)
    seed = int(cell["seed"])
    network, test_images, about = _network(plan, seed)
    name = " ".join(str(cell[column]) for column in CONDITION)
    rng = np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(name.encode())]))
    labels = hidden_labels(network, plan.k, rng)
    pictured = PICTURED if seed == 0 and plan.k == PICTURED_K else 0
    if plan.study == FEATURES:
        settings = ImageSettings(steps=plan.steps)
        rows = feature_rows(network, labels, test_images.shape[1:], plan.n_random, settings, rng, pictured)
    else:
        composite = plan.dataset.partition(" ")[2] in KINDS
        rows = correlation_rows(network, labels, test_images, plan.n_random, composite, rng, pictured)
    return [{**row, **about} for row in rows]


def feature_rows(
    network: Network,
    labels: Sequence[np.ndarray],
    shape: tuple[int, ...],
    n_random: int,
    settings: ImageSettings,
    rng: np.random.Generator,
    pictured: int = 0,
) -> list[Row]:
    """Rows of optimised images: those of a layer's sub-clusters, and of random sets like them, are made in one batch.

    Args:
        network: what is looked at.
        labels: clusters of its hidden units, see ``hidden_labels``.
        shape: channels, height and width of an image.
        n_random: random sets a sub-cluster.
        settings: how images are optimised.
        rng: decides random sets and images.
        pictured: number of sub-clusters a layer whose images, and those of ``BESIDE`` random sets, go into the rows.

    Raises:
        InputError: if labels do not fit the network, there is no sub-cluster of a size that is looked at, or as
            ``visualise``.
    """
    from modlib.responses.features import visualise

    channels, height, width = shape
    _check_labels(network, labels)
    parts, rows = sub_clusters(labels, AT_LEAST, AT_MOST), []
    for layer in sorted({part.layer for part in parts}):
        of_layer = [part for part in parts if part.layer == layer]
        sets = [units for part in of_layer for units in part.and_random(n_random, rng)]
        found = visualise(network, layer, sets, (channels, height, width), int(rng.integers(2**32)), settings)
        columns = {SCORE: found.score, ENTROPY: found.entropy, VARIANCE: found.variance, VARIATION: found.variation}
        for i, part in enumerate(of_layer):
            place = slice(i * (n_random + 1), (i + 1) * (n_random + 1))
            shown = list(found.images[place]) if i < pictured else []
            rows += [
                _row(part, name, values[place], shown if name == SCORE else []) for name, values in columns.items()
            ]
    return rows


def correlation_rows(
    network: Network,
    labels: Sequence[np.ndarray],
    images: np.ndarray,
    n_random: int,
    composite: bool,
    rng: np.random.Generator,
    pictured: int = 0,
) -> list[Row]:
    """Rows of mean correlation images. Units that are silent for all images are left out, as in the authors' code.

    Args:
        network: what is looked at.
        labels: clusters of its hidden units, see ``hidden_labels``.
        images: (n, channels, height, width), over which units and pixels are correlated.
        n_random: random sets a sub-cluster.
        composite: whether images are made of two, so that there are halves to compare.
        rng: decides random sets and the order in which signs are aligned.
        pictured: see ``feature_rows``.

    Raises:
        InputError: if labels do not fit the network, or there is no sub-cluster of a size that is looked at.
    """
    from modlib.responses.correlations import contrast, halves, likeness, mean_image, one_sidedness

    _check_labels(network, labels)
    stacked = images.shape[1] > 1
    by_layer = unit_images(network, images)[: len(labels)]
    responsive = [
        np.where(pictures.any(axis=1), of_layer, UNPLACED) for of_layer, pictures in zip(labels, by_layer, strict=True)
    ]
    rows, seen = [], Counter[int]()
    for part in sub_clusters(responsive, AT_LEAST, AT_MOST):
        pictures = by_layer[part.layer - 1]
        means = [mean_image(pictures[units], rng) for units in part.and_random(n_random, rng)]
        shown = means if seen[part.layer] < pictured else []
        seen[part.layer] += 1
        rows.append(_row(part, CONTRAST, np.array([contrast(mean) for mean in means]), shown))
        if composite:
            pairs = [halves(mean, stacked) for mean in means]
            rows.append(_row(part, LIKENESS, np.array([likeness(*pair) for pair in pairs])))
            rows.append(_row(part, ONE_SIDED, np.array([one_sidedness(*pair) for pair in pairs])))
    return rows


def unit_images(network: Network, images: np.ndarray) -> list[np.ndarray]:
    """For every hidden layer the correlation of its units with the pixels, (units, pixels).

    Args:
        network: a perceptron gets images flattened.
        images: (n, channels, height, width).
    """
    from modlib.responses.activations import hidden_activities
    from modlib.responses.correlations import spearman

    flat = images.reshape(len(images), -1)
    activities = hidden_activities(network, flat if network.layers[0].kind == "dense" else images)
    found = spearman(np.hstack(activities), flat)
    return np.split(found, np.cumsum([part.shape[1] for part in activities])[:-1])


def _check_labels(network: Network, labels: Sequence[np.ndarray]) -> None:
    widths = [layer.kernel.shape[-1] for layer in network.layers[:-1]]
    found = [len(of_layer) for of_layer in labels]
    if found != widths[: len(found)]:
        raise InputError(
            f"labels of {len(found)} layers with {', '.join(map(str, found))} units arrived; expected one label a unit "
            f"of hidden layers with {', '.join(map(str, widths))}: make them with hidden_labels"
        )


def _network(plan: Plan, seed: int) -> tuple[Network, np.ndarray, Row]:
    """A network, the test images with their channels, and what its rows say of it."""
    images = cnn_images(plan.dataset)
    about: Row = {"epochs": None, "test_accuracy": None}
    match plan.network:
        case "mlp untrained":
            from modlib.training.keras import initial_kernels

            kernels = initial_kernels(images.x_test[0].size, recipe_for(plan.dataset, dropout=False), seed)
            network = from_arrays(kernels, [np.zeros(kernel.shape[1]) for kernel in kernels])
        case "cnn untrained":
            network = as_network(untrained_small_cnn(images, seed))
        case kind:
            network, seen = trained(kind, plan.dataset, plan.dropout == "yes", seed, plan.epochs)
            about["test_accuracy"] = round(accuracy(network, seen), 4)
            about["epochs"] = plan.epochs if kind == "cnn" else None
    return network, images.x_test, about


def stored_images(row: pd.Series) -> np.ndarray:
    """Images of a row that has some, (1 + ``BESIDE``, pixels): that of the sub-cluster, then those of random sets."""
    return number_lists([row["images"]]).reshape(1 + BESIDE, -1) / HUNDREDTHS


def _row(part: SubCluster, name: str, values: np.ndarray, images: Sequence[np.ndarray] = ()) -> Row:
    """A row of a measure: the first value, and image, is the sub-cluster's, all others those of random sets."""
    value, null = float(values[0]), values[1:]
    finite = np.isfinite(values).all()  # a set whose units are all silent has no coefficient of variation
    found = beside_random(value, null, SIDES[name]) if finite else {}
    return {
        "layer": part.layer,
        "cluster": part.cluster,
        "measure": name,
        "size": len(part.units),
        "width": part.width,
        "value": float(f"{value:.6g}"),
        "n_random": len(null),
        "random": " ".join(f"{one:.5g}" for one in null),
        "p_ties_against": found.get("p_ties_against"),
        "p_ties_for": found.get("p_ties_for"),
        "images": " ".join(f"{HUNDREDTHS * pixel:.0f}" for image in images[: 1 + BESIDE] for pixel in np.ravel(image)),
    }


EXPERIMENT = Experiment(
    "coherence", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, FULL, columns=COLUMNS,
    network_key=("network", "dataset", "dropout", "seed"), parts=("cluster",),
)  # fmt: skip
