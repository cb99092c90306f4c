"""Chapter ``example-chapter``: networks with planted modules and without, against shuffles."""

from __future__ import annotations

import numpy as np

from modlib.graphs.neurons import neuron_graph
from modlib.graphs.shuffles import shuffle_test
from modlib.networks.planted import planted_weights, random_weights
from modlib.tables import PROFILE, SHARE, Cell, Experiment, Row, integer, number, text

K = 4
KINDS = ("planted", "random")
WIDTHS = (40, 40, 40)
NETWORKS = {"smoke": 2, "quick": 4, "paper": 10}
SHUFFLES = {"smoke": 20, "quick": 50, "paper": 50}


def weights_of(kind: str, seed: int) -> list[np.ndarray]:
    """Weights of a network: of one with ``K`` planted modules, or of one without any."""
    return planted_weights(WIDTHS, K, seed)[0] if kind == "planted" else random_weights(WIDTHS, seed)


def cells(profile: str) -> list[Cell]:
    """Networks of both kinds in turn, so that an unfinished table has both."""
    return [{"profile": profile, "network": kind, "seed": seed} for seed in range(NETWORKS[profile]) for kind in KINDS]


def measure(cell: Cell) -> list[Row]:
    """The row of one network: its n-cut, and where it lies among those of its shuffles."""
    seed, n_shuffles = int(cell["seed"]), SHUFFLES[cell["profile"]]
    test = shuffle_test(neuron_graph(weights_of(cell["network"], seed)), K, n_shuffles, seed)
    return [
        {
            "k": K,
            "n_shuffles": n_shuffles,
            "ncut": round(test.ncut, 6),
            "p": round(test.p, 6),
            "z": round(test.z, 4),
        }
    ]


EXPERIMENT = Experiment(
    "example-chapter",
    cells,
    measure,
    cell_key=("profile", "network", "seed"),
    row_key=("k",),
    tolerance={"ncut": 0.002, "p": 0.01, "z": 0.1},
    columns={
        "profile": PROFILE,
        "network": text(*KINDS),
        "seed": integer(),
        "k": integer(2),
        "n_shuffles": integer(1),
        "ncut": number(0),
        "p": SHARE,
        "z": number(),
    },
    network_key=("network", "seed"),
)
