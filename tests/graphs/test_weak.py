"""modlib.graphs.weak: neurons whose weights have decayed are where their neighbours are, whatever finds the vectors."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from modlib.graphs import adjacency
from modlib.graphs.adjacency import restricted, times
from modlib.graphs.branching import traced_graph
from modlib.graphs.neurons import NeuronGraph, neuron_graph
from modlib.graphs.spectral import Route, cluster, spectral_embedding
from modlib.graphs.weak import WEAK
from modlib.networks import trace
from modlib.networks.planted import planted_weights, random_weights

SIZES = pytest.mark.parametrize("size", [1e-4, 1e-9, 1e-15, 1e-24, 1e-38, 1e-300])
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
