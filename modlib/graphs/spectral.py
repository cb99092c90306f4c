"""Normalised spectral clustering and the n-cut of a partition.

The graph of a layered network is bipartite: every edge joins an even layer to an odd one. With
A = [[0, B], [B^T, 0]] and N = D_e^{-1/2} B D_o^{-1/2}, a singular triple (s, u, v) of N is an
eigenvector (u, v)/sqrt(2) of the normalised Laplacian with eigenvalue 1 - s. So its k smallest
eigenvectors come from the k largest singular vectors of a matrix of half the size.
Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
import scipy.sparse.linalg as ssl

from modlib.errors import GraphError, InputError
from modlib.graphs.kmeans import kmeans
from modlib.graphs.neurons import Matrix, NeuronGraph
from modlib.reprs import BriefRepr

Route: TypeAlias = Literal["auto", "bipartite", "arpack", "amg"]

# Up to this many vertices on the smaller side, a dense eigenproblem beats an iteration.
DENSE_SIDE = 1024
# Parts joined by less than this, relative to their degrees, have eigenvalues too near for an iteration to tell apart.
THREAD = 1e-9
ROUNDING = 1e-12  # a share of edge ends that leave a cluster below this is a rounded 0
N_INIT = 25  # k-means starts, as in the authors' code


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


def ncut(graph: NeuronGraph | sp.sparray | np.ndarray, labels: np.ndarray) -> float:
    """n-cut of a partition: sum over clusters of cut(X, complement of X) / vol(X).

    vol(X) is the sum of the degrees in X. There is no factor 1/2. n-cut / k is the chance that a
    random step from a random edge end of a random cluster leaves that cluster.

    Args:
        graph: a neuron graph, or a symmetric non-negative adjacency matrix.
        labels: one label a vertex.

    Returns:
        A number between 0 and the number of clusters.

    Raises:
        InputError: if there is not one label a vertex.

    Source: pruned-modular 2.1 and A.1, clusterability 1.1. Chapter: ``clusterability``.

    >>> path = np.diag([3, 1, 2], 1) + np.diag([3, 1, 2], -1)  # four vertices in a row, the middle edge is the weakest
    >>> round(ncut(path, [0, 0, 1, 1]), 3), ncut(path, [0, 1, 0, 1])
    (0.343, 2.0)
    """
    labels = np.unique(np.asarray(labels), return_inverse=True)[1]
    n = graph.n_vertices if isinstance(graph, NeuronGraph) else graph.shape[0]
    if labels.shape != (n,):
        raise InputError(f"{labels.shape} labels arrived for {n} vertices; pass one label for every vertex")
    k = int(labels.max()) + 1
    inside, volume = np.zeros(k), np.zeros(k)
    if isinstance(graph, NeuronGraph):
        onehot = np.eye(k)[labels]
        for (i, j), block in graph.edges.items():
            left = onehot[graph.offsets[i] : graph.offsets[i + 1]]
            right = onehot[graph.offsets[j] : graph.offsets[j + 1]]
            inside += 2 * ((block @ right) * left).sum(axis=0)
        np.add.at(volume, labels, graph.degrees)
    else:
        matrix = sp.csr_array(graph)
        rows = np.repeat(np.arange(n), np.diff(matrix.indptr))
        same = labels[rows] == labels[matrix.indices]
        np.add.at(inside, labels[rows[same]], matrix.data[same])
        np.add.at(volume, labels, np.asarray(matrix.sum(axis=1)).ravel())
    present = volume > 0
    leaving = 1 - inside[present] / volume[present]
    return float(leaving[leaving > ROUNDING].sum())


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
            with an algebraic multigrid preconditioner, as in the first paper), or ``auto``:
            bipartite where it holds, ARPACK otherwise.
        rng: start vectors of the iterations.

    Returns:
        (n_vertices, k), columns in the order of increasing eigenvalue, D-orthonormal, in the sign
        that makes the largest entry of every column positive.

    Raises:
        GraphError: if the graph has fewer than k vertices, or ``bipartite`` is asked of another graph.
        InputError: if k or the route is not known.

    Source: pruned-modular 2.2 algorithm 1, clusterability 1.2. Chapter: ``clusterability``.

    The first eigenvector is constant, the sign of the second is a cut at the weakest edge:

    >>> path = np.diag([3, 1, 2], 1) + np.diag([3, 1, 2], -1)  # four vertices in a row
    >>> spectral_embedding(path, 2).round(2).tolist()
    [[0.29, -0.29], [0.29, -0.2], [0.29, 0.29], [0.29, 0.41]]
    """
    n = graph.n_vertices if isinstance(graph, NeuronGraph) else graph.shape[0]
    if isinstance(k, bool) or int(k) != k or k < 1:
        raise InputError(f"k = {k!r} arrived; expected a whole number of clusters of at least 1")
    if n < k:
        raise GraphError(
            f"k = {k} clusters were asked of a graph with {n} live neurons; "
            "ask for at most as many clusters as there are neurons with an edge"
        )
    bipartite = isinstance(graph, NeuronGraph) and graph.is_bipartite
    if route == "auto":
        smaller = _smaller_side(graph) if bipartite and isinstance(graph, NeuronGraph) else 0
        route = "bipartite" if smaller >= k else "arpack"
    rng = np.random.default_rng(0) if rng is None else rng
    if route == "bipartite":
        if not (isinstance(graph, NeuronGraph) and bipartite and _smaller_side(graph) >= k):
            raise GraphError(
                "the bipartite route needs a layered graph with k vertices in its even and in its odd "
                "layers; use route='arpack' for any other graph"
            )
        vectors, degrees = _bipartite_vectors(graph, k, rng), graph.degrees
    elif route in ("arpack", "amg"):
        adjacency = graph.adjacency if isinstance(graph, NeuronGraph) else sp.csr_array(graph)
        degrees = np.asarray(adjacency.sum(axis=1)).ravel()
        scale = sp.diags_array(1 / np.sqrt(degrees))
        normalised = sp.csr_array(scale @ adjacency @ scale)
        solve = _arpack_vectors if route == "arpack" else _amg_vectors
        vectors = solve(normalised, k, rng)
    else:
        raise InputError(f"route {route!r} arrived; expected auto, bipartite, arpack or amg")
    embedding = vectors / np.sqrt(degrees)[:, None]
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
        GraphError: if the graph has fewer than k vertices.

    Source: pruned-modular 2.2, clusterability 1.2. Chapter: ``clusterability``.

    >>> from modlib.graphs import neuron_graph
    >>> from modlib.networks import planted_weights
    >>> graph = neuron_graph(planted_weights((8, 6, 4), 2, seed=0)[0])
    >>> cluster(graph, 2, np.random.default_rng(0))
    Clustering(k=2, ncut=0.02897, sizes=[9, 9])
    """
    return cluster_for_each_k(graph, (k,), rng, route, n_init)[0]


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
    if not len(ks):
        raise InputError("no k arrived; pass at least one number of clusters")
    embedding = spectral_embedding(graph, max(ks), route, rng)
    out = []
    for k in ks:
        labels = kmeans(embedding[:, :k], k, rng, n_init)
        out.append(Clustering(labels, ncut(graph, labels), k))
    return out


def _smaller_side(graph: NeuronGraph) -> int:
    sizes = [len(indices) for indices in graph.live]
    return min(sum(sizes[0::2]), sum(sizes[1::2]))


@dataclass(frozen=True, eq=False)
class _HalfMatrix:
    """N = D_e^{-1/2} B D_o^{-1/2} of a bipartite graph, block by block; its columns are the smaller side.

    Attributes:
        rows, columns: which vertices of the graph are on either side, (n_vertices,) booleans.
        blocks: for a pair of layers, the rows and columns it fills, and the scaled edge weights.
    """

    rows: np.ndarray
    columns: np.ndarray
    blocks: list[tuple[slice, slice, Matrix]]

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.rows.sum()), int(self.columns.sum())

    def times(self, vectors: np.ndarray) -> np.ndarray:
        out = np.zeros((self.shape[0], *vectors.shape[1:]))
        for row, column, block in self.blocks:
            out[row] += block @ vectors[column]
        return out

    def transposed_times(self, vectors: np.ndarray) -> np.ndarray:
        out = np.zeros((self.shape[1], *vectors.shape[1:]))
        for row, column, block in self.blocks:
            out[column] += block.T @ vectors[row]
        return out

    def gram(self) -> np.ndarray:
        """N^T N, dense; most pairs of layers share no row, so most of its blocks are 0."""
        product = np.zeros((self.shape[1], self.shape[1]))
        for row, left, first in self.blocks:
            for other_row, right, second in self.blocks:
                if row == other_row and left.start >= right.start:
                    part = first.T @ second
                    product[left, right] += part if isinstance(part, np.ndarray) else part.toarray()
                    if left != right:
                        product[right, left] = product[left, right].T
        return product


def _half_matrix(graph: NeuronGraph) -> _HalfMatrix:
    even = graph.layer % 2 == 0
    rows, row_parity = (even, 0) if 2 * even.sum() >= len(even) else (~even, 1)
    side = np.where(rows, np.cumsum(rows), np.cumsum(~rows)) - 1  # index of a vertex on its own side
    scale = 1 / np.sqrt(graph.degrees)
    blocks = []
    for (i, j), block in graph.edges.items():
        if i % 2 != row_parity:
            i, j, block = j, i, block.T
        here, there = (slice(graph.offsets[layer], graph.offsets[layer + 1]) for layer in (i, j))
        if len(graph.live[i]) and len(graph.live[j]):
            scaled = _scale(block, scale[here], scale[there])
            row, column = (slice(side[part.start], side[part.stop - 1] + 1) for part in (here, there))
            blocks.append((row, column, scaled))
    return _HalfMatrix(rows, ~rows, blocks)


def _bipartite_vectors(graph: NeuronGraph, k: int, rng: np.random.Generator) -> np.ndarray:
    """Eigenvectors of D^{-1/2} A D^{-1/2} for its k largest eigenvalues, from singular vectors of N."""
    half = _half_matrix(graph)
    n = half.shape[1]
    if n <= DENSE_SIDE:
        right = _leading_vectors(half.gram(), k, rng)
    else:
        operator = ssl.LinearOperator(
            (n, n), matvec=lambda v: half.transposed_times(half.times(v.ravel())), dtype=float
        )
        values, found = ssl.eigsh(operator, k=k, which="LA", v0=rng.uniform(-1, 1, n), tol=1e-10)
        right = found[:, np.argsort(values)[::-1]]
    left = half.times(right)
    norms = np.linalg.norm(left, axis=0)
    vectors = np.empty((graph.n_vertices, k))
    # A singular value of 0 has a left vector that the product cannot give; it carries no cut either.
    vectors[half.rows] = left / np.where(norms > 1e-12, norms, 1)
    vectors[half.columns] = right
    return vectors / np.sqrt(2)


def _leading_vectors(gram: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Eigenvectors of a dense positive semidefinite matrix for its k largest eigenvalues."""
    n = len(gram)
    if 4 * k < n and _is_connected(gram):
        try:
            values, vectors = ssl.eigsh(gram, k=k, which="LA", v0=rng.uniform(-1, 1, n), tol=1e-9)
            return vectors[:, np.argsort(values)[::-1]]
        except ssl.ArpackNoConvergence:
            pass
    # Every component has an eigenvalue 1 of its own; an iteration may miss some of several equal ones.
    return sl.eigh(gram, subset_by_index=(n - k, n - 1), check_finite=False, overwrite_a=True)[1][:, ::-1]


def _is_connected(gram: np.ndarray) -> bool:
    joined = gram > THREAD
    reached = joined[0]
    while True:
        further = joined[reached].any(axis=0) | reached
        if (further == reached).all():
            return bool(reached.all())
        reached = further


def _scale(block: Matrix, left: np.ndarray, right: np.ndarray) -> Matrix:
    if sp.issparse(block):
        return sp.csr_array(sp.diags_array(left) @ block @ sp.diags_array(right))
    return block * left[:, None] * right


def _arpack_vectors(normalised: sp.csr_array, k: int, rng: np.random.Generator) -> np.ndarray:
    n = normalised.shape[0]
    if k >= n - 1:  # ARPACK cannot give all eigenvectors
        return sl.eigh(normalised.toarray(), subset_by_index=(n - k, n - 1))[1][:, ::-1]
    # Shifted by 1, the largest eigenvalues of I + D^{-1/2} A D^{-1/2} are largest in magnitude too.
    shifted = sp.csr_array(normalised + sp.eye_array(n))
    values, vectors = ssl.eigsh(shifted, k=k, which="LM", v0=rng.uniform(-1, 1, n))
    return vectors[:, np.argsort(values)[::-1]]


def _amg_vectors(normalised: sp.csr_array, k: int, rng: np.random.Generator) -> np.ndarray:
    import pyamg

    n = normalised.shape[0]
    if n < 5 * k + 1:  # LOBPCG needs room for its search directions
        return _arpack_vectors(normalised, k, rng)
    # The Laplacian is singular; a small shift keeps the preconditioner definite.
    laplacian = sp.csr_array(sp.eye_array(n) - normalised)
    shifted = sp.csr_matrix(laplacian + 1e-5 * sp.eye_array(n))
    shifted.indices, shifted.indptr = shifted.indices.astype(np.int32), shifted.indptr.astype(np.int32)
    preconditioner = pyamg.smoothed_aggregation_solver(shifted).aspreconditioner()
    start = rng.normal(size=(n, k + 1))
    values, vectors = ssl.lobpcg(shifted, start, M=preconditioner, tol=1e-6, largest=False, maxiter=200)
    return vectors[:, np.argsort(values)[:k]]
