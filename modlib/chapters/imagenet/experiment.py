"""Chapter ``imagenet``: networks for ImageNet with trained and random weights against their shuffles.

Each is drawn in three ways: as the authors' code does, with a vertex for every channel that a convolution reads, and
the norms of each kernel scaled to a mean of 1; without that scale; and as ``modlib.neuron_graph`` does, with a vertex
for every channel that a convolution computes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from modlib.graphs.branching import traced_graph
from modlib.graphs.consumers import consumer_graph
from modlib.graphs.neurons import NeuronGraph
from modlib.graphs.shuffles import shuffle_tests
from modlib.tables import PROFILE, SHARE, Cell, Experiment, Row, integer, number, numbers, optional, rows_in_words, text
from modlib.zoo.imagenet import ARCHITECTURES, FILES, KERNELS, RANDOM, TORCHVISION, WEIGHTS, imagenet_network

if TYPE_CHECKING:
    from modlib.networks import Trace

READ, UNSCALED, COMPUTED = "read", "read, unscaled", "computed"  # channels that are vertices
GRAPHS: dict[str, Callable[[Trace], NeuronGraph]] = {
    READ: consumer_graph,
    UNSCALED: partial(consumer_graph, scaled=False),
    COMPUTED: traced_graph,
}
K = 12


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        networks: names.
        seeds: networks with random weights, of each.
        n_shuffles: of each graph.
        n_init: k-means starts.
        trained: whether those with trained weights are measured as well.
    """

    networks: tuple[str, ...]
    seeds: int
    n_shuffles: int
    n_init: int
    trained: bool


PLANS = {
    "smoke": Plan(("resnet-18",), 1, 5, 5, trained=False),
    "quick": Plan(("resnet-18", "resnet-34"), 1, 20, 25, trained=False),
    "paper": Plan(tuple(ARCHITECTURES), 3, 100, 100, trained=True),
}
NAMES = {
    "vgg-16": "VGG-16",
    "vgg-19": "VGG-19",
    "resnet-18": "ResNet-18",
    "resnet-34": "ResNet-34",
    "resnet-50": "ResNet-50",
    "inception-v3": "Inception-V3",
}
IN_WORDS = {TORCHVISION: "weights of torchvision", KERNELS: "trained kernels from a file", RANDOM: "random weights"}
ORDER = {TORCHVISION: 2, KERNELS: 0, RANDOM: 1}  # what needs no download comes first


def cells(profile: str) -> list[Cell]:
    """Trained kernels from files, one random network of each kind, those of torchvision, then the other random ones."""
    plan = PLANS[profile]
    found = [(name, RANDOM, seed) for seed in range(plan.seeds) for name in plan.networks]
    if plan.trained:
        found += [(name, KERNELS, 0) for name in FILES] + [(name, TORCHVISION, 0) for name in plan.networks]
    found.sort(key=lambda cell: (cell[2], ORDER[cell[1]]))
    return [{"profile": profile, "network": name, "weights": weights, "seed": seed} for name, weights, seed in found]


def measure(cell: Cell) -> list[Row]:
    """Rows of one network: the shuffle test at k = 12 of each of its graphs.

    Raises:
        DataError: if its trained weights are not there, see ``modlib.zoo.imagenet_network``.
    """
    from modlib.networks import trace  # of PyTorch networks, which a browser cannot have

    plan, seed = PLANS[cell["profile"]], int(cell["seed"])
    network = imagenet_network(cell["network"], cell["weights"], seed)
    traced = trace(network.module, np.zeros((1, 3, network.side, network.side), dtype=np.float32))
    rows = []
    for name, draw in GRAPHS.items():
        graph = draw(traced)
        of_graph = np.random.SeedSequence([seed, zlib.crc32(name.encode())])
        (test,) = shuffle_tests(graph, (K,), plan.n_shuffles, of_graph, n_init=plan.n_init)
        clusters = [np.unique(part[part >= 0]) for part in graph.labels_by_layer(test.labels)]
        rows.append(
            {
                "graph": name,
                "k": K,
                "null": test.null,
                "n_shuffles": plan.n_shuffles,
                "n_init": plan.n_init,
                "n_live": graph.n_vertices,
                "ncut": round(test.ncut, 6),
                "shuffled_mean": round(float(test.shuffled.mean()), 6),
                "shuffled_sd": round(float(test.shuffled.std(ddof=1)), 6),
                "p": round(test.p, 6),
                "z": round(test.z, 4),
                "layers": len(clusters),
                "divided_layers": sum(len(found) > 1 for found in clusters),
                "between_layers": " ".join(f"{share:.3f}" for share in test.between_layers),
                "accuracy": network.accuracy,
                "note": network.note,
                "shuffled": " ".join(f"{value:.4f}" for value in test.shuffled),
            }
        )
    return rows


def describe(rows: Mapping[str, str]) -> str:
    """Rows in words, such as ``ResNet-18, trained kernels from a file, k = 12``."""
    told = {name: value for name, value in rows.items() if name not in ("graph", "null")}
    if "network" in told:
        told["network"] = NAMES[told["network"]]
    if "weights" in told:
        told["weights"] = IN_WORDS[told["weights"]]
    return rows_in_words(told, ("network", "weights"))


EXPERIMENT = Experiment(
    "imagenet",
    cells,
    measure,
    cell_key=("profile", "network", "weights", "seed"),
    row_key=("graph", "k"),
    # k-means on a graph whose clusters are layers finds one of a few n-cuts, and which may hang on last digits
    tolerance={"ncut": 0.2, "shuffled_mean": 0.1, "shuffled_sd": 0.1, "p": 0.1, "z": 1.0},
    columns={
        "profile": PROFILE,
        "network": text(*ARCHITECTURES),
        "weights": text(*WEIGHTS),
        "seed": integer(),
        "graph": text(*GRAPHS),
        "k": integer(2),
        "null": text("layer"),
        "n_shuffles": integer(2),
        "n_init": integer(1),
        "n_live": integer(1),
        "ncut": number(0),
        "shuffled_mean": number(0),
        "shuffled_sd": number(0),
        "p": SHARE,
        "z": number(),
        "layers": integer(1),
        "divided_layers": integer(),
        "between_layers": numbers(0, 1),
        "accuracy": optional(SHARE),
        "note": text(),
        "shuffled": numbers(0),
    },
    network_key=("network", "weights", "seed"),
    describe=describe,
)
