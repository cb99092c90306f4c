"""Layered graphs that branch, block by block: the same as any other way, and no equal eigenvalue is missed."""

import numpy as np
import pytest
import scipy.sparse as sp

from modlib.graphs import blocks, cluster_for_each_k, shuffle_graph, spectral_embedding
from modlib.graphs.blocks import leading_of_blocks
from modlib.graphs.branching import joined
from modlib.graphs.neurons import NeuronGraph, Part

PAIRS = ((0, 1), (1, 2), (0, 2), (2, 3), (1, 3))  # layers 0, 1 and 2 make a triangle, so it has no two sides


def graph(width: int, copies: int = 1, between: float = 0.0, seed: int = 0) -> NeuronGraph:
    """Equal copies of a branching graph, and weights between them."""
    rng = np.random.default_rng(seed)
    edges = {pair: np.kron(np.eye(copies), rng.random((width, width))) for pair in PAIRS}
    same = sp.csr_array(sp.eye_array(copies * width))
    return joined([copies * width] * 4, [Part(j, block + between, {i: same}) for (i, j), block in edges.items()])


@pytest.mark.parametrize("k", [2, 10])
def test_eigenpairs_are_those_of_the_whole_matrix(k: int) -> None:
    found = graph(60)
    values, vectors = leading_of_blocks(found, k, np.random.default_rng(0))
    scale = sp.diags_array(1 / np.sqrt(found.degrees))
    every, all_vectors = np.linalg.eigh((scale @ found.adjacency @ scale).toarray())
    np.testing.assert_allclose(values, every[: -k - 1 : -1], atol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(vectors * all_vectors[:, : -k - 1 : -1], axis=0)), 1, atol=1e-9)


def test_nearly_equal_eigenvalues_of_copies_are_all_found() -> None:
    found = graph(30, copies=8, between=1e-7)
    values, _ = leading_of_blocks(found, 8, np.random.default_rng(0))
    np.testing.assert_allclose(values, 1, atol=1e-4)


@pytest.mark.parametrize("k", [30, 100, 240])
def test_as_many_eigenvectors_as_a_block_iteration_has_no_room_for(k: int) -> None:
    found = graph(60)
    values, vectors = leading_of_blocks(found, k, np.random.default_rng(0))
    scale = sp.diags_array(1 / np.sqrt(found.degrees))
    np.testing.assert_allclose(
        values, np.linalg.eigvalsh((scale @ found.adjacency @ scale).toarray())[: -k - 1 : -1], atol=1e-9
    )
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(k), atol=1e-9)


def test_in_single_precision_the_eigenpairs_are_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found = graph(60)
    exact, vectors = leading_of_blocks(found, 4, np.random.default_rng(0))
    monkeypatch.setattr(blocks, "SINGLE", 100)
    values, in_single = leading_of_blocks(found, 4, np.random.default_rng(0))
    assert not np.array_equal(values, exact)
    np.testing.assert_allclose(values, exact, atol=1e-5)
    np.testing.assert_allclose(np.abs(np.sum(in_single * vectors, axis=0)), 1, atol=1e-5)


@pytest.mark.parametrize(("scale", "dead"), [(1.0, 1e-12), (1e-50, 1.0), (1e40, 1.0)])
def test_single_precision_stands_dead_neurons_and_any_scale(
    monkeypatch: pytest.MonkeyPatch, scale: float, dead: float
) -> None:
    rng = np.random.default_rng(0)
    blocks_of = {pair: rng.random((60, 60)) * scale for pair in PAIRS}
    for block in blocks_of.values():
        block[:5] *= dead
        block[:, :5] *= dead
    same = sp.csr_array(sp.eye_array(60))
    found = joined([60] * 4, [Part(j, block, {i: same}) for (i, j), block in blocks_of.items()])
    double = spectral_embedding(found, 3, "arpack")
    monkeypatch.setattr(blocks, "SINGLE", 100)
    vectors = leading_of_blocks(found, 3, np.random.default_rng(0))[1]
    embedding = vectors / np.sqrt(found.degrees)[:, None]
    embedding = embedding * np.sign((embedding * double).sum(axis=0))
    np.testing.assert_allclose(embedding, double, atol=1e-3 * np.abs(double).max())


def test_sparse_blocks_are_taken_as_they_are() -> None:
    dense = graph(40)
    thin = NeuronGraph(dense.sizes, {pair: sp.csr_array(block) for pair, block in dense.edges.items()}, dense.live)
    ours, theirs = (leading_of_blocks(one, 4, np.random.default_rng(0))[0] for one in (dense, thin))
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_shuffles_of_a_network_that_branches_are_cut_as_by_arpack() -> None:
    own = graph(300)
    for seed in range(3):
        shuffled = shuffle_graph(own, "layer", np.random.default_rng(seed))
        fast, slow = (
            [found.ncut for found in cluster_for_each_k(shuffled, (2, 4), np.random.default_rng(1), route, n_init=5)]
            for route in ("auto", "arpack")
        )
        np.testing.assert_allclose(fast, slow, atol=0.005 * 4)
        np.testing.assert_allclose(
            spectral_embedding(shuffled, 3, "auto"), spectral_embedding(shuffled, 3, "arpack"), atol=1e-7
        )
