"""modlib.graphs.weak: entries at neurons whose weights have decayed follow from the others, whatever finds these."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from modlib.errors import ModlibWarning
from modlib.graphs import adjacency
from modlib.graphs.adjacency import restricted, times
from modlib.graphs.branching import traced_graph
from modlib.graphs.neurons import NeuronGraph, neuron_graph
from modlib.graphs.shuffles import shuffle_test
from modlib.graphs.spectral import Route, cluster, spectral_embedding
from modlib.graphs.weak import WEAK, decayed_clusters
from modlib.networks import trace
from modlib.networks.planted import planted_weights, random_weights

SIZES = pytest.mark.parametrize("size", [1e-4, 1e-9, 1e-15, 1e-24, 1e-38, 1e-300, 1e-312])
WIDTHS = (90, 130, 80, 100, 60)
DECAYED = 6  # neurons of every layer but the ends


def decayed(weights: list[np.ndarray], size: float) -> list[np.ndarray]:
    """The weights, of which those of the first neurons of every hidden layer are next to nothing."""
    for before, after in itertools.pairwise(weights):
        before[:, :DECAYED] *= size
        after[:DECAYED] *= size
    return weights


def is_decayed(graph: NeuronGraph) -> np.ndarray:
    hidden = (graph.layer > 0) & (graph.layer < len(graph.live) - 1)
    return hidden & (graph.index < DECAYED)


def off_the_walk(graph: NeuronGraph | sp.csr_array, embedding: np.ndarray) -> float:
    """How far from P x = sigma x any entry is, beside the largest entry of its vector."""
    matrix = adjacency.adjacency_of(graph)
    degrees = np.asarray(matrix.sum(axis=1)).ravel()
    walked = (matrix @ embedding) / degrees[:, None]
    values = (degrees[:, None] * embedding * walked).sum(axis=0) / (degrees[:, None] * embedding**2).sum(axis=0)
    return float((np.abs(walked - values * embedding).max(axis=0) / np.abs(embedding).max(axis=0)).max())


@SIZES
@pytest.mark.parametrize("route", ["bipartite", "arpack", "amg"])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_every_entry_is_that_of_an_eigenvector_of_the_walk(size: float, route: Route, form: type) -> None:
    graph = neuron_graph([form(matrix) for matrix in decayed(random_weights(WIDTHS, 0), size)])
    assert off_the_walk(graph, spectral_embedding(graph, 6, route)) < 1e-5


@SIZES
def test_so_it_is_in_a_plain_matrix(size: float) -> None:
    matrix = neuron_graph(decayed(random_weights(WIDTHS, 0), size)).adjacency
    assert off_the_walk(matrix, spectral_embedding(matrix, 6)) < 1e-5


@SIZES
def test_so_it_is_in_single_precision(size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adjacency, "LARGE", 20)
    graph = neuron_graph(decayed(random_weights(WIDTHS, 0), size))
    assert off_the_walk(graph, spectral_embedding(graph, 6)) < 1e-2


@SIZES
def test_so_it_is_in_a_network_that_branches(size: float) -> None:
    import torch
    from torch import nn

    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.third = nn.Linear(400, 400), nn.Linear(400, 400), nn.Linear(400, 300)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = self.first(x).relu()
            return self.third(hidden + self.second(hidden).relu())

    torch.manual_seed(0)
    module = Branching().double()
    with torch.no_grad():
        for part in (module.first, module.second):
            part.weight[:DECAYED] *= size
        for part in (module.second, module.third):
            part.weight[:, :DECAYED] *= size
    graph = traced_graph(trace(module))
    assert not graph.is_bipartite
    assert off_the_walk(graph, spectral_embedding(graph, 6)) < 1e-5


@pytest.mark.parametrize("size", [1e-15, 1e-38])
def test_within_layers_no_entry_is_far_out(size: float) -> None:
    """There the walk is followed by taking out the mean of every layer."""
    graph = neuron_graph(decayed(random_weights(WIDTHS, 0), size))
    found = spectral_embedding(graph, 6, "within-layers")[:, 1:]
    layers = np.equal.outer(np.arange(len(WIDTHS)), graph.layer) * graph.degrees
    walked = times(graph, found) / graph.degrees[:, None]
    walked -= ((layers @ walked) / layers.sum(axis=1, keepdims=True))[graph.layer]
    values = (graph.degrees[:, None] * found * walked).sum(axis=0) / (graph.degrees[:, None] * found**2).sum(axis=0)
    assert np.abs(walked - values * found).max() < 1e-5 * np.abs(found).max()


@pytest.mark.parametrize(
    "scales", [(1e-20, 1e-15, 1e-10, 1), (1e-5, 1e-10, 1e-15, 1e-20), (1e-10, 1e-10, 1, 1), (1e-15, 1, 1e-15, 1)]
)
def test_within_layers_no_layer_has_a_mean_however_weak_it_is(scales: tuple[float, ...]) -> None:
    graph = neuron_graph([scale * matrix for scale, matrix in zip(scales, random_weights(WIDTHS, 0), strict=True)])
    found = spectral_embedding(graph, 6, "within-layers")[:, 1:]
    layers = np.equal.outer(np.arange(len(WIDTHS)), graph.layer) * graph.degrees
    means = (layers @ found) / layers.sum(axis=1, keepdims=True)
    assert np.abs(means).max() < 1e-6 * np.abs(found).max()


def test_single_precision_holds_weights_that_are_next_to_its_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adjacency, "LARGE", 20)
    graph = neuron_graph(decayed(random_weights(WIDTHS, 0), 1e-20))
    graph = replace(graph, edges={pair: block.astype(np.float32) for pair, block in graph.edges.items()})
    assert 0 < min(block[block > 0].min() for block in graph.edges.values()) < 1e-40
    assert off_the_walk(graph, spectral_embedding(graph, 6)) < 1e-2


def test_neurons_that_decayed_together_may_be_clusters_and_a_test_warns_of_them() -> None:
    """Many of them, joined by weights as faint as those to others, have eigenvectors of their own."""
    weights = random_weights((128, 128, 128, 128, 64), 0)
    for before, after in itertools.pairwise(weights):
        before[:, :40] *= 1e-38
        after[:40, 40:] *= 1e-38
    graph = neuron_graph(weights)
    with pytest.warns(ModlibWarning, match="of 12 clusters are neurons whose weights have all decayed"):
        test = shuffle_test(graph, 12, 2, seed=0)
    assert decayed_clusters(graph, test.labels) > 6
    dead = neuron_graph([np.where(np.abs(matrix) < 1e-30, 0, matrix) for matrix in weights])
    assert decayed_clusters(dead, cluster(dead, 12, np.random.default_rng(0)).labels) == 0


def test_entries_that_are_not_found_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = neuron_graph(decayed(random_weights(WIDTHS, 0), 1e-9))
    with monkeypatch.context() as patch:
        patch.setattr("modlib.graphs.weak.WEAK", 0.0)
        as_is = spectral_embedding(graph, 6)
    monkeypatch.setattr("modlib.graphs.weak.ssl.gmres", lambda _, right, **__: (np.full(len(right), 7.0), 1))
    np.testing.assert_array_equal(spectral_embedding(graph, 6), as_is)


@SIZES
@pytest.mark.parametrize("route", ["auto", "within-layers"])
def test_planted_modules_are_found_beside_decayed_neurons(size: float, route: Route) -> None:
    weights, truth = planted_weights((40, 32, 32, 24), 2, seed=0)
    graph = neuron_graph(decayed(weights, size))
    found = cluster(graph, 2, np.random.default_rng(0), route)
    alive = ~is_decayed(graph)
    assert adjusted_rand_score(np.concatenate(truth)[alive], found.labels[alive]) == 1
    assert found.ncut == pytest.approx(cluster(restricted(graph, alive), 2, np.random.default_rng(0)).ncut, rel=1e-3)


def test_a_part_that_is_weak_as_a_whole_keeps_its_own_vectors() -> None:
    """Two networks side by side, one of which has weights of 1e-12."""
    both = [
        np.block([[strong, np.zeros((len(strong), weak.shape[1]))], [np.zeros((len(weak), strong.shape[1])), weak]])
        for strong, weak in zip(
            planted_weights((16, 12, 8), 2, seed=0)[0],
            [1e-12 * matrix for matrix in planted_weights((16, 12, 8), 2, seed=1)[0]],
            strict=True,
        )
    ]
    graph = neuron_graph(both)
    assert off_the_walk(graph, spectral_embedding(graph, 4)) < 1e-5


def test_without_weak_vertices_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = neuron_graph(random_weights(WIDTHS, 0))
    assert (graph.degrees > WEAK * graph.degrees.max()).all()
    as_is = spectral_embedding(graph, 6)
    monkeypatch.setattr("modlib.graphs.weak.WEAK", 0.0)
    np.testing.assert_array_equal(spectral_embedding(graph, 6), as_is)
