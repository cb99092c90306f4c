"""From a trained network to the rows of a result table: n-cuts and shuffle tests."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from modlib.evidence.digits import signed
from modlib.evidence.sentences import listed
from modlib.graphs.neurons import NeuronGraph, neuron_graph
from modlib.graphs.nulls import Null
from modlib.graphs.shuffles import ShuffleTest, shuffle_tests
from modlib.graphs.spectral import cluster_for_each_k, ncut
from modlib.graphs.subclusters import SubCluster, hidden_labels, sub_clusters
from modlib.networks.network import Network
from modlib.stats import monte_carlo_p
from modlib.tables import (
    PROFILE,
    SHARE,
    YES_NO,
    Cell,
    Experiment,
    Row,
    integer,
    number,
    numbers,
    optional,
    rows_in_words,
    text,
)
from modlib.tables.schema import INFINITE
from modlib.tables.words import DATASETS

if TYPE_CHECKING:
    import pandas as pd

    from modlib.training.recipes import Snapshot
    from modlib.zoo.pruned import Scored

CELL_KEY = ("profile", "dataset", "dropout", "seed")
ROW_KEY = ("stage", "null", "k")
TEXT, CODE = "text", "code"  # graphs of channels: as the text has them, as the authors' code has them
EPSILON = 1e-8  # what the authors' code adds to every volume
# On one kind of machine all is equal; elsewhere, training drifts from the last digits of the weights.
TOLERANCE = {
    "ncut": 0.002,
    "shuffled_mean": 0.002,
    "shuffled_sd": 0.002,
    "p": 0.01,
    "z": 0.1,
    "train_accuracy": 0.0005,
    "fit_accuracy": 0.0005,
    "test_accuracy": 0.0005,
    "sparsity": 0.0,
    "shuffled": 0.02,
}
COLUMNS = {
    "profile": PROFILE,
    "dataset": text(),
    "dropout": YES_NO,
    "seed": integer(),
    "stage": text("initial", "unpruned", "pruned"),
    "null": text("none", *get_args(Null)),
    "k": integer(2),
    "n_shuffles": integer(),
    "ncut": number(0),
    "shuffled_mean": optional(number(0)),
    "shuffled_sd": optional(number(0)),
    "p": optional(SHARE),
    "z": optional(number()),
    "sparsity": SHARE,
    "n_live": integer(),
    "train_accuracy": optional(SHARE),
    "fit_accuracy": optional(SHARE),
    "test_accuracy": optional(SHARE),
    "shuffled": optional(numbers(0)),
}
ADDED: Mapping[str, None] = {"fit_accuracy": None}  # empty in rows of earlier versions, until it is filled
WITNESSES = ("ncut", "sparsity", "n_live", "train_accuracy", "test_accuracy")  # quick to measure of a trained network
NETWORK_KEY = ("dataset", "dropout", "seed")


def ncut_experiment(
    name: str,
    cells: Callable[[str], Sequence[Cell]],
    measure: Callable[[Cell], list[Row]],
    remeasure: Callable[[Cell], list[Row]] | None = None,
) -> Experiment:
    """An experiment whose rows are those of ``snapshot_rows`` and ``initial_rows``."""
    return Experiment(
        name, cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, columns=COLUMNS, network_key=NETWORK_KEY, added=ADDED,
        describe=describe, remeasure=remeasure,
    )  # fmt: skip


def describe(rows: Mapping[str, str]) -> str:
    """Rows of n-cuts in words, such as ``MNIST, no dropout, pruned, k = 4``."""
    untold = ("dropout", "stage") if rows.get("dataset") == "initialisation" else ()
    return rows_in_words(rows, ("dataset", "dropout", "stage"), untold)


@dataclass(frozen=True)
class Tests:
    """Shuffle tests at several k on the same shuffles."""

    ks: tuple[int, ...]
    n_shuffles: int
    null: Null = "layer"


RowsOfSnapshot: TypeAlias = Callable[["Snapshot", Sequence[Tests], int], list[Row]]


def snapshot_rows(snapshot: Snapshot, plan: Sequence[Tests], seed: int) -> list[Row]:
    """Rows of a network at one stage: one for every null model and k of the plan.

    Args:
        snapshot: the network.
        plan: which tests; a test at several k shares its shuffles.
        seed: of the network. With stage, null model and k it decides the shuffles.
    """
    graph = neuron_graph(snapshot.kernels)
    return graph_rows(graph, snapshot.stage, snapshot.kernels, snapshot.accuracy, plan, seed)


def witness_rows(snapshot: Snapshot, plan: Sequence[Tests], seed: int) -> list[Row]:
    """Rows as ``snapshot_rows`` has them, without what takes long: the columns ``WITNESSES`` and those of ``ADDED``."""
    rows = snapshot_rows(snapshot, [replace(tests, n_shuffles=1) for tests in plan], seed)  # its clusters are the same
    return [{name: row[name] for name in (*ROW_KEY, *WITNESSES, *ADDED)} for row in rows]


def graph_rows(
    graph: NeuronGraph,
    stage: str,
    kernels: Sequence[np.ndarray],
    accuracy: Mapping[str, float],
    plan: Sequence[Tests],
    seed: int,
    epsilon: float = 0.0,
) -> list[Row]:
    """Rows of a graph at one stage, where the graph is not made of all weights; see ``snapshot_rows``.

    Args:
        graph: what is clustered.
        stage: of the network.
        kernels: all weights, of which the share of zeros is told.
        accuracy: ``train`` and ``test`` accuracy, as far as there are any.
        plan: which tests.
        seed: of the network.
        epsilon: see ``modlib.ncut``; of the network's n-cut. It matters for no shuffle, whose edges are everywhere.
    """
    return [
        _row(stage, graph, replace(test, ncut=ncut(graph, test.labels, epsilon)), _sparsity(kernels), accuracy)
        for tests in plan
        for test in shuffle_tests(graph, tests.ks, tests.n_shuffles, _seed(seed, stage, tests), tests.null)
    ]


def scored_rows(
    scored: Scored, plan: Sequence[Tests], seed: int, graph: NeuronGraph | None = None, epsilon: float = 0.0
) -> list[Row]:
    """Rows of a network at one stage, see ``graph_rows``: of its channels if it has convolutions.

    Args:
        scored: the network.
        plan: which tests.
        seed: of the network.
        graph: what is clustered; that of ``modlib.neuron_graph`` by default.
        epsilon: see ``graph_rows``.
    """
    kernels = [layer.kernel for layer in scored.network.layers]
    ending = "_accuracy"
    accuracy = {name.removesuffix(ending): value for name, value in scored.scores.items() if name.endswith(ending)}
    graph = neuron_graph(scored.network) if graph is None else graph
    return graph_rows(graph, scored.stage, kernels, accuracy, plan, seed, epsilon)


def rows_of_graph(scored: Scored, tests: Sequence[Tests], seed: int, graph: str) -> list[Row]:
    """Rows of a network at one stage, by one of its graphs; see ``scored_rows``.

    Args:
        scored: the network.
        tests: which tests.
        seed: of the network.
        graph: ``text``; or ``code``, that of ``coded_edges``, whose n-cut has a little added to every volume.
    """
    if graph == TEXT:
        return scored_rows(scored, tests, seed)
    return scored_rows(scored, tests, seed, neuron_graph(coded_edges(scored.network)), EPSILON)


def coded_edges(network: Network) -> list[np.ndarray]:
    """Edges as the authors' code has them: between channels, of a slice K the norm ``numpy.linalg.norm(K, 1)``.

    That is the largest sum of the sizes of a column's entries, where the text says the sum of all. Between the neurons
    of a network without convolutions it is the size of the weight, as in the text.

    Returns:
        A matrix (in, out) for every convolution but the first, or for every dense layer.

    Source: the authors' code, beside clusterability 1.1. Chapter: ``convolutional-networks``.
    """
    kernels = [np.abs(kernel) for kernel in network.graph_weights()]
    return [kernel if kernel.ndim == 2 else np.linalg.norm(kernel, 1, axis=(0, 1)) for kernel in kernels]


def initial_rows(kernels: list[np.ndarray], ks: Sequence[int], seed: int) -> list[Row]:
    """Rows of an untrained network: n-cuts without a shuffle test. The kernels are those that make the graph."""
    graph = neuron_graph(kernels)
    found = cluster_for_each_k(graph, ks, np.random.default_rng([seed, 2]))
    tests = [ShuffleTest(c.k, "layer", c.ncut, np.empty(0), c.labels) for c in found]
    return [_row("initial", graph, test, _sparsity(kernels), {}) for test in tests]


def with_distance(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a column ``distance``: the n-cut less the mean of the shuffles, below 0 if more clusterable."""
    return rows.assign(distance=rows["ncut"] - rows["shuffled_mean"])


def by_dataset(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of each data set that a word is known for, by that word, in the order of the papers."""
    return {words: rows[rows["dataset"] == name] for name, words in DATASETS.items() if name in set(rows["dataset"])}


def means_by_dataset(rows: pd.DataFrame, column: str) -> str:
    """The mean of a column on each data set, such as ``−0.24 on MNIST and −0.12 on CIFAR-10``."""
    means = {words: part[column].mean() for words, part in by_dataset(rows).items()}
    return listed([f"{signed(mean, '.2f')} on {words}" for words, mean in means.items()])


def _row(stage: str, graph: NeuronGraph, test: ShuffleTest, sparsity: float, accuracy: Mapping[str, float]) -> Row:
    n = len(test.shuffled)
    return {
        "stage": stage,
        "null": test.null if n else "none",
        "k": test.k,
        "n_shuffles": n,
        "ncut": round(test.ncut, 6),
        "shuffled_mean": round(float(test.shuffled.mean()), 6) if n else None,
        "shuffled_sd": round(float(test.shuffled.std(ddof=1)), 6) if n > 1 else None,
        "p": round(test.p, 6) if n else None,
        "z": round(test.z, 4) if n > 1 else None,
        "sparsity": round(sparsity, 6),
        "n_live": graph.n_vertices,
        "train_accuracy": accuracy.get("train"),
        "fit_accuracy": accuracy.get("fit"),
        "test_accuracy": accuracy.get("test"),
        "shuffled": " ".join(f"{value:.4f}" for value in test.shuffled),
    }


def _sparsity(kernels: Sequence[np.ndarray]) -> float:
    return sum(int((kernel == 0).sum()) for kernel in kernels) / sum(kernel.size for kernel in kernels)


def _seed(seed: int, stage: str, tests: Tests) -> np.random.SeedSequence:
    text = f"{stage} {tests.null} {' '.join(map(str, tests.ks))}"
    return np.random.SeedSequence([seed, zlib.crc32(text.encode())])


def clustered(network: Network, k: int, seed: int) -> list[SubCluster]:
    """All sub-clusters of a network, the same for every chapter."""
    return sub_clusters(hidden_labels(network, k, np.random.default_rng([seed, k])))


def beside_random(value: float, random: np.ndarray, side: Literal["small", "large"] = "large") -> Row:
    """A value of a sub-cluster beside those of random sets like it: their mean, spread and ends, and both p-values.

    Args:
        value: of the sub-cluster; infinite if it is a ratio over zero, which stays larger than all others.
        random: (n,) values of random sets; infinite ones do not count for mean and spread.
        side: which values are more extreme.
    """
    finite = random[np.isfinite(random)]
    mean, sd = (finite.mean(), finite.std(ddof=1)) if finite.size > 1 else (math.nan, math.nan)
    first, *others = np.minimum([value, *random], INFINITE)
    return {
        "random_mean": float(mean),
        "random_sd": float(sd),
        "random_min": float(random.min()),
        "random_max": float(random.max()),
        "n_random": len(random),
        **{f"p_ties_{ties}": monte_carlo_p(first, np.array(others), side, ties) for ties in ("for", "against")},
    }
