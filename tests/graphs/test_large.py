"""modlib.graphs.large: single precision finds what double precision finds."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from modlib.errors import InputError
from modlib.graphs import adjacency
from modlib.graphs.large import leading_of_large
from modlib.graphs.neurons import NeuronGraph, neuron_graph
from modlib.graphs.nulls import NULLS, Null
from modlib.graphs.shuffles import shuffle_graph, shuffle_test
from modlib.graphs.spectral import cluster, cluster_for_each_k, spectral_embedding
from modlib.networks.planted import planted_weights, random_weights

EACH_NULL = pytest.mark.parametrize("null", NULLS)


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adjacency, "LARGE", 20)


def wide(density: float = 1.0, seed: int = 0) -> NeuronGraph:
    return neuron_graph(random_weights((90, 130, 80, 100, 60), seed, density))


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("density", [1.0, 0.2])
def test_the_eigenvectors_are_those_of_lapack_to_single_precision(form: type, density: float) -> None:
    graph = neuron_graph([form(matrix) for matrix in random_weights((90, 130, 80, 100, 60), 0, density)])
    root = np.sqrt(graph.degrees)
    matrix = graph.adjacency.toarray() / np.outer(root, root)
    vectors = leading_of_large(graph, 6, np.random.default_rng(0))
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-5)
    values = np.linalg.eigvalsh(matrix)[::-1][:6]
    np.testing.assert_allclose(np.einsum("ij,ij->j", vectors, matrix @ vectors), values, atol=1e-4)


@pytest.mark.parametrize("k", [40, 100, 230, 240])
def test_as_many_eigenvectors_as_a_block_iteration_has_no_room_for(k: int) -> None:
    graph = wide()  # of 230 vertices a side: of more eigenvectors, not all are pairs of singular vectors
    embedding = spectral_embedding(graph, k)
    np.testing.assert_allclose(embedding.T @ (graph.degrees[:, None] * embedding), np.eye(k), atol=1e-3)


def test_of_more_layers_than_vectors_the_best_are_found() -> None:
    """A deep chain, whose leading vectors are constant on layers, with four modules that no such vector shows."""
    graph = neuron_graph(planted_weights((40,) * 24, 4, seed=0, outside=0.05)[0])
    root = np.sqrt(graph.degrees)
    matrix = graph.adjacency.toarray() / np.outer(root, root)
    vectors = leading_of_large(graph, 6, np.random.default_rng(0))
    values = np.linalg.eigvalsh(matrix)[::-1][:6]
    np.testing.assert_allclose(np.einsum("ij,ij->j", vectors, matrix @ vectors), values, atol=1e-4)


@pytest.mark.parametrize("k", [2, 4, 12])
@pytest.mark.parametrize("density", [1.0, 0.2])
def test_the_ncut_is_that_of_double_precision(k: int, density: float) -> None:
    """The mean over ten networks, whose differences are those of k-means between nearly equal partitions."""
    found = [
        [cluster(wide(density, seed), k, np.random.default_rng(1), route).ncut for route in ("auto", "bipartite")]
        for seed in range(10)
    ]
    assert abs(np.diff(found).mean()) < 0.005 * k


@pytest.mark.parametrize("size", [1e-8, 1e-30])
def test_dead_neurons_are_no_outliers(size: float) -> None:
    """Of neurons with next to no weights in every layer, double precision makes nothing."""
    weights = random_weights((90, 130, 80, 100, 60), 0)
    for before, after in itertools.pairwise(weights):
        before[:, :6] *= size
        after[:6] *= size
    graph = neuron_graph(weights)
    single, double = (cluster(graph, 6, np.random.default_rng(1), route).ncut for route in ("auto", "bipartite"))
    assert single == pytest.approx(double, abs=0.05)


@pytest.mark.parametrize("scale", [1e-100, 1e-50, 1e40])
def test_weights_that_single_precision_cannot_hold_give_the_same(scale: float) -> None:
    weights = random_weights((90, 130, 80), 0)
    own, scaled = (neuron_graph([matrix * factor for matrix in weights]) for factor in (1.0, scale))
    ours, theirs = (cluster(graph, 4, np.random.default_rng(0)).ncut for graph in (own, scaled))
    assert ours == pytest.approx(theirs, abs=0.01)


def test_planted_modules_are_found_as_in_double_precision() -> None:
    weights, truth = planted_weights((90, 80, 90), 4, seed=0, outside=0.2)
    graph = neuron_graph(weights)
    single, double = (cluster(graph, 4, np.random.default_rng(0), route) for route in ("auto", "bipartite"))
    assert single.ncut == pytest.approx(double.ncut, abs=1e-6)
    assert adjusted_rand_score(np.concatenate(truth), single.labels) == 1


def test_parts_that_are_not_joined_are_solved_as_in_any_graph() -> None:
    graph = neuron_graph(planted_weights((90, 80, 90), 4, seed=0, outside=0)[0])
    assert cluster(graph, 4, np.random.default_rng(0)).ncut == 0


def test_large_graphs_take_this_way_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "modlib.graphs.spectral.leading_of_large", lambda *a: (asked.append(a[1]), leading_of_large(*a))[1]
    )
    spectral_embedding(wide(), 3)
    assert asked == [3]
    monkeypatch.setattr(adjacency, "LARGE", 4096)
    spectral_embedding(wide(), 3)
    assert asked == [3]


def test_edges_in_single_precision_give_the_same_ncut() -> None:
    graph = wide()
    single = NeuronGraph(graph.sizes, {p: b.astype(np.float32) for p, b in graph.edges.items()}, graph.live)
    both = (cluster_for_each_k(edges, (2, 4), np.random.default_rng(0)) for edges in (graph, single))
    for first, second in zip(*both, strict=True):
        assert first.ncut == pytest.approx(second.ncut, rel=1e-4)


# --- shuffles


@EACH_NULL
def test_a_shuffled_graph_is_in_single_precision_dense_or_sparse(null: Null) -> None:
    graph = wide(0.3)
    shuffled = shuffle_graph(graph, null, np.random.default_rng(0))
    assert {block.dtype for block in shuffled.edges.values()} == {np.dtype(np.float32)}
    for pair, block in graph.edges.items():
        own, moved = np.asarray(block, dtype=np.float32), np.asarray(shuffled.edges[pair])
        np.testing.assert_array_equal(np.sort(moved, axis=None), np.sort(own, axis=None))
        assert (moved != own)[own > 0].mean() > 0.5
    sparse = neuron_graph([sp.csr_array(matrix) for matrix in random_weights((90, 130, 80), 0, 0.3)])
    of_sparse = shuffle_graph(sparse, null, np.random.default_rng(0))
    for pair, block in sparse.edges.items():
        own, moved = sp.csr_array(block), of_sparse.edges[pair]
        assert sp.issparse(moved)
        np.testing.assert_array_equal(np.sort(moved.data), np.sort(own.data))
        assert (moved != own).nnz > own.nnz / 2
    with pytest.raises(InputError, match="null = 'rows' arrived"):
        shuffle_graph(graph, "rows", np.random.default_rng(0))  # type: ignore[arg-type]


def test_a_test_finds_modules_and_shows_how_long_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    weights, _ = planted_weights((90, 80, 90), 4, seed=0, outside=0.5)
    test = shuffle_test(neuron_graph(weights), 4, 19, 0)
    assert test.p == 0.05
    assert "19/19" in capsys.readouterr().err
