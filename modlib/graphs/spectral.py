"""Normalised spectral clustering and the n-cut of a partition.

A graph that falls into parts is solved part by part: every part has one eigenvalue 0, whose vector is known.
Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from modlib.checks import array, choice, exponent, generator, instance, labels as whole_labels, real, whole, wholes
from modlib.errors import GraphError, InputError
from modlib.graphs import eigenvectors
from modlib.graphs.adjacency import Graph, adjacency_of, checked, degrees_of, is_large, restricted, smaller_side
from modlib.graphs.blocks import leading_of_blocks
from modlib.graphs.halves import leading_of_halves, leading_within_layers
from modlib.graphs.kmeans import kmeans_labels
from modlib.graphs.large import leading_of_large
from modlib.graphs.neurons import NeuronGraph
from modlib.graphs.weak import with_weak_entries
from modlib.reprs import BriefRepr

Route: TypeAlias = Literal["auto", "bipartite", "arpack", "amg", "within-layers"]

N_INIT = 25  # k-means starts, as in the authors' code
TIE = 9  # decimals to which eigenvalues of different parts are compared; those of equal parts must tie


@dataclass(frozen=True, eq=False, repr=False)
class Clustering(BriefRepr):
    """A partition of the live neurons of a graph.

    Attributes:
        labels: cluster of every vertex, (n_vertices,), in 0..k-1.
        ncut: n-cut of the partition, between 0 and k.
        k: number of clusters asked for.
    """

    labels: np.ndarray
    ncut: float
    k: int

    def _facts(self) -> dict[str, object]:
        return {"k": self.k, "ncut": self.ncut, "sizes": np.bincount(self.labels, minlength=self.k)}


def ncut(graph: NeuronGraph | sp.sparray | np.ndarray, labels: np.ndarray, epsilon: float = 0.0) -> float:
    """n-cut of a partition: sum over clusters of cut(X, complement of X) / vol(X).

    vol(X) is the sum of the degrees in X. There is no factor 1/2. n-cut / k is the chance that a
    random step from a random edge end of a random cluster leaves that cluster.

    Args:
        graph: a neuron graph, or a symmetric non-negative adjacency matrix.
        labels: one label a vertex.
        epsilon: what is added to every volume; nothing by definition, and 1e-8 in the authors' code, with which a
            cluster of vertices whose edges are all but 0 costs nothing.

    Returns:
        A number between 0 and the number of clusters.

    Raises:
        InputError: if there is not one label a vertex, the matrix is no such matrix, or epsilon is below 0.

    Source: pruned-modular 2.1 and A.1, clusterability 1.1. Chapter: ``clusterability``.

    >>> path = np.diag([3, 1, 2], 1) + np.diag([3, 1, 2], -1)  # four vertices in a row, the middle edge is the weakest
    >>> round(ncut(path, [0, 0, 1, 1]), 3), ncut(path, [0, 1, 0, 1])
    (0.343, 2.0)
    """
    known, epsilon = checked(graph)[0], real(epsilon, "epsilon", least=0)
    n = known.n_vertices if isinstance(known, NeuronGraph) else known.shape[0]
    labels = np.unique(whole_labels(labels, "labels", n), return_inverse=True)[1]
    k = int(np.max(labels)) + 1
    if isinstance(known, NeuronGraph):
        between = np.zeros((k, k))
        onehot = np.eye(k)[labels]
        for (i, j), block in known.edges.items():
            left, right = (onehot[known.offsets[layer] : known.offsets[layer + 1]] for layer in (i, j))
            between += left.T @ (block @ right.astype(block.dtype, copy=False))
        between = between + between.T
        volume = between.sum(axis=1)
        np.fill_diagonal(between, 0)
        cut = between.sum(axis=1)
    else:
        start, end = np.repeat(labels, np.diff(known.indptr)), labels[known.indices]
        volume = np.bincount(start, known.data, k)
        cut = np.bincount(start, known.data * (start != end), k)
    present = volume > 0
    return float((cut[present] / (volume[present] + epsilon)).sum())


def spectral_embedding(
    graph: NeuronGraph | sp.sparray | np.ndarray,
    k: int,
    route: Route = "auto",
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """The k eigenvectors of L_rw = I - D^{-1} A with the smallest eigenvalues, one row a vertex.

    Args:
        graph: a neuron graph, or a symmetric non-negative adjacency matrix without isolated vertices.
        k: number of eigenvectors, at most the number of vertices.
        route: ``bipartite`` (singular vectors of the half-size matrix), ``arpack``, ``amg`` (LOBPCG
            with an algebraic multigrid preconditioner, as in pruned-modular), or ``auto``:
            bipartite where it holds, in single precision where the graph is large (see
            ``modlib.graphs.large``); an iteration on all vectors at once for other layered graphs (see
            ``modlib.graphs.blocks``), ARPACK otherwise. These find the same. ``within-layers`` does not, and
            is not the papers' measure: behind the constant vector come the best ones whose mean over
            every layer, weighted by degree, is 0. Clusters then run along a deep network, of which
            the papers' measure sees the layers alone, see ``share_between_layers``.
        rng: start vectors of the iterations.

    Returns:
        (n_vertices, k), columns in the order of increasing eigenvalue, D-orthonormal, in the sign
        that makes the largest entry of every column positive. At vertices of next to no degree, such as neurons
        whose weights have decayed, entries follow from those of their neighbours, see ``modlib.graphs.weak``. Of equal
        eigenvalues of different connected parts, that of the part with more vertices comes first; those of one part
        have no order.

    Raises:
        GraphError: if the graph has fewer than k vertices or a vertex without an edge, ``bipartite`` is asked of
            another graph, or ``within-layers`` for more vectors than there is room for beside one a layer.
        InputError: if k or the route is not known, or the matrix is no such matrix.

    Source: pruned-modular 2.2 algorithm 1, clusterability 1.2. Chapter: ``clusterability``.

    The first eigenvector is constant, the sign of the second is a cut at the weakest edge:

    >>> path = np.diag([3, 1, 2], 1) + np.diag([3, 1, 2], -1)  # four vertices in a row
    >>> spectral_embedding(path, 2).round(2).tolist()
    [[0.29, -0.29], [0.29, -0.2], [0.29, 0.29], [0.29, 0.41]]
    """
    k, rng = whole(k, "k"), np.random.default_rng(0) if rng is None else generator(rng)
    choice(route, get_args(Route), "route")
    known, factor = checked(graph)
    degrees = degrees_of(known)
    if len(degrees) < k:
        raise GraphError(
            f"k = {k} clusters were asked of a graph with {len(degrees)} live neurons; "
            "ask for at most as many clusters as there are neurons with an edge"
        )
    halves = isinstance(known, NeuronGraph) and known.is_bipartite and smaller_side(known) >= k
    if route in ("bipartite", "within-layers") and not halves:
        raise GraphError(
            f"k = {k} arrived for the route {route}; expected a layered graph with at least {k} live neurons in its "
            f"even layers and {k} in its odd ones: ask for a smaller k, or use route='auto' for any other graph"
        )
    if route == "within-layers" and isinstance(known, NeuronGraph) and (most := smaller_side(known, less=1) + 1) < k:
        raise GraphError(
            f"k = {k} arrived for the route within-layers; expected at most {most}: beside one a layer, the even or "
            f"the odd layers have {most - 1} live neurons; ask for a smaller k, or use route='auto'"
        )
    if (
        route == "auto"
        and isinstance(known, NeuronGraph)
        and halves
        and is_large(known)
        and _is_plainly_connected(known)
    ):
        vectors = leading_of_large(known, k, rng)
    else:
        if route == "auto" and halves:
            route = "bipartite"
        vectors = _leading(known, k, route, rng)
    embedding = with_weak_entries(known, degrees, vectors, route == "within-layers") * np.sqrt(factor)
    signs = np.sign(embedding[np.abs(embedding).argmax(axis=0), np.arange(k)])
    return embedding * signs


def cluster(
    graph: NeuronGraph | sp.sparray | np.ndarray,
    k: int,
    rng: np.random.Generator,
    route: Route = "auto",
    n_init: int = N_INIT,
) -> Clustering:
    """Normalised spectral clustering of a graph into k clusters.

    k-means on the rows of the spectral embedding, the best of ``n_init`` k-means++ starts by inertia.

    Args:
        graph: a neuron graph, or a symmetric non-negative adjacency matrix without isolated vertices.
        k: number of clusters, at most the number of vertices.
        rng: source of the k-means starts.
        route: how eigenvectors are found, see ``spectral_embedding``.
        n_init: number of k-means starts.

    Raises:
        GraphError: if the graph has fewer than k vertices, see ``spectral_embedding``.

    Source: pruned-modular 2.2, clusterability 1.2. Chapter: ``clusterability``.

    >>> from modlib.graphs import neuron_graph
    >>> from modlib.networks import planted_weights
    >>> graph = neuron_graph(planted_weights((8, 6, 4), 2, seed=0)[0])
    >>> cluster(graph, 2, np.random.default_rng(0))
    Clustering(k=2, ncut=0.02897, sizes=[9, 9])
    """
    return cluster_for_each_k(graph, (whole(k, "k"),), rng, route, n_init)[0]


def cluster_for_each_k(
    graph: NeuronGraph | sp.sparray | np.ndarray,
    ks: Sequence[int],
    rng: np.random.Generator,
    route: Route = "auto",
    n_init: int = N_INIT,
) -> list[Clustering]:
    """``cluster`` for several k at the price of one eigenproblem, in the order of ``ks``.

    The n-cut of two planted modules is near 0, and a third cluster has to cut one of them:

    >>> from modlib.graphs import neuron_graph
    >>> from modlib.networks import planted_weights
    >>> graph = neuron_graph(planted_weights((8, 6, 4), 2, seed=0)[0])
    >>> [round(found.ncut, 2) for found in cluster_for_each_k(graph, (2, 3), np.random.default_rng(0))]
    [0.03, 0.93]
    """
    ks, rng = wholes(ks, "ks"), generator(rng)
    return clusters_of(graph, spectral_embedding(graph, max(ks), route, rng), ks, rng, n_init)


def clusters_of(
    graph: NeuronGraph | sp.sparray | np.ndarray,
    embedding: np.ndarray,
    ks: Sequence[int],
    rng: np.random.Generator,
    n_init: int = N_INIT,
) -> list[Clustering]:
    """Partitions of a graph by k-means of the rows of its embedding, for several k.

    Args:
        graph: whose n-cuts are wanted.
        embedding: (n_vertices, at least max(ks)), see ``spectral_embedding``.
        ks: numbers of clusters; k uses the first k columns.
        rng: source of the k-means starts.
        n_init: number of k-means starts.

    >>> path = np.diag([3, 1, 2], 1) + np.diag([3, 1, 2], -1)  # four vertices in a row, the middle edge is the weakest
    >>> round(clusters_of(path, spectral_embedding(path, 2), (2,), np.random.default_rng(0))[0].ncut, 3)
    0.343
    """
    ks, n_init, rng = wholes(ks, "ks"), whole(n_init, "n_init"), generator(rng)
    embedding = array(embedding, "embedding", ("n_vertices", "columns"))
    if max(ks) > embedding.shape[1]:
        raise InputError(f"{embedding.shape[1]} columns arrived for k = {max(ks)}; expected one for each cluster")
    out = []
    for k in ks:
        labels = kmeans_labels(embedding[:, :k], k, rng, n_init)
        out.append(Clustering(labels, ncut(graph, labels), k))
    return out


def share_between_layers(graph: NeuronGraph, embedding: np.ndarray) -> np.ndarray:
    """Share of the variance of every column of an embedding, but the first, that is between layers.

    sum_l vol(l) (m_l - m)^2 / sum_v d_v (x_v - m)^2, m_l the mean of layer l and m that of all, weighted by degree.

    Args:
        graph: a neuron graph.
        embedding: (n_vertices, k), see ``spectral_embedding``; its first column is constant.

    Returns:
        (k - 1,) numbers in [0, 1]: 1 for a vector that is constant on every layer, and tells them apart.

    Source: none of the papers. Chapter: ``clusterability``.

    In a chain of single neurons there is nothing but layers:

    >>> from modlib.graphs import chain_graph
    >>> chain = chain_graph([np.ones((1, 1))] * 3)
    >>> share_between_layers(chain, spectral_embedding(chain, 2)).round(6).tolist()
    [1.0]
    """
    graph = instance(graph, NeuronGraph, "graph", "make it by neuron_graph")
    embedding = array(embedding, "embedding", (graph.n_vertices, "k"))
    degrees = np.ldexp(graph.degrees, -exponent(graph.degrees))
    volume = np.bincount(graph.layer, weights=degrees, minlength=len(graph.live))
    volume[volume == 0] = 1  # of a layer without live neurons, whose mean is not asked for
    shares = []
    for vector in embedding[:, 1:].T.astype(np.float64):
        scaled = np.ldexp(vector, -exponent(vector))
        centred = scaled - degrees @ scaled / degrees.sum()
        means = np.bincount(graph.layer, weights=degrees * centred, minlength=len(volume)) / volume
        variance = float(degrees @ centred**2)
        shares.append(min(float(volume @ means**2) / variance, 1.0) if variance else 1.0)
    return np.array(shares)


def _leading(graph: Graph, k: int, route: Route, rng: np.random.Generator) -> np.ndarray:
    """Eigenvectors of D^{-1/2} A D^{-1/2} for its k largest eigenvalues, (n_vertices, k)."""
    if isinstance(graph, NeuronGraph) and route == "within-layers":
        root = np.sqrt(graph.degrees)
        within = [leading_within_layers(graph, k - 1, rng)[1]] if k > 1 else []
        return np.hstack([(root / np.linalg.norm(root))[:, None], *within])
    if isinstance(graph, NeuronGraph) and _is_plainly_connected(graph):
        return _leading_of_part(graph, k, route, rng)[1]
    n_parts, part = connected_components(adjacency_of(graph), directed=False)
    sizes = np.bincount(part)
    each = max(k - n_parts + 1, 1)  # every other part gives at least one
    values, vectors = [], []
    for number in np.argsort(-sizes, kind="stable")[:k]:
        members = part == number
        found, of_part = _leading_of_part(restricted(graph, members), min(each, sizes[number]), route, rng)
        values += [np.inf, *found[1:].round(TIE)]  # the first is known, and comes before all that nearly equal it
        vectors.append(np.zeros((len(part), len(found))))
        vectors[-1][members] = of_part
    return np.hstack(vectors)[:, np.argsort(-np.array(values), kind="stable")[:k]]


def _is_plainly_connected(graph: NeuronGraph) -> bool:
    """Whether a few sweeps forth and back through the layers reach all vertices from the first one."""
    reached = [np.zeros(len(indices)) for indices in graph.live]
    next(layer for layer in reached if len(layer))[0] = 1
    for _ in range(3):
        for (i, j), block in graph.edges.items():
            reached[j] = np.sign(reached[j] + reached[i].astype(block.dtype, copy=False) @ block)
        for (i, j), block in reversed(list(graph.edges.items())):
            reached[i] = np.sign(reached[i] + block @ reached[j].astype(block.dtype, copy=False))
        if all(layer.all() for layer in reached):
            return True
    return False


def _leading_of_part(graph: Graph, k: int, route: Route, rng: np.random.Generator) -> eigenvectors.Eigenpairs:
    """The k largest eigenvalues of D^{-1/2} A D^{-1/2} of a connected graph, and their eigenvectors."""
    root = np.sqrt(degrees_of(graph))
    if k == 1:
        return np.ones(1), (root / np.linalg.norm(root))[:, None]
    if isinstance(graph, NeuronGraph) and route == "bipartite" and smaller_side(graph) >= k:
        return leading_of_halves(graph, k, rng)
    if isinstance(graph, NeuronGraph) and route == "auto" and graph.n_vertices > eigenvectors.DENSE_SIDE:
        return leading_of_blocks(graph, k, rng)
    scale = sp.diags_array(1 / root)
    shifted = sp.csr_array(scale @ adjacency_of(graph) @ scale + sp.eye_array(len(root)))  # no eigenvalue is negative
    iteration = eigenvectors.multigrid if route == "amg" else eigenvectors.arpack
    values, vectors = eigenvectors.leading_eigenvectors(shifted, k, rng, iteration)
    return values - 1, vectors
