"""Normalised spectral clustering and the n-cut of a partition.

The graph of a layered network is bipartite: every edge joins an even layer to an odd one. With
A = [[0, B], [B^T, 0]] and N = D_e^{-1/2} B D_o^{-1/2}, a singular triple (s, u, v) of N is an
eigenvector (u, v)/sqrt(2) of the normalised Laplacian with eigenvalue 1 - s. So its k smallest
eigenvectors come from the k largest singular vectors of a matrix of half the size. A graph that falls into
parts is solved part by part: every part has one eigenvalue 0, whose vector is known.
Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
import scipy.sparse.linalg as ssl
from scipy.sparse.csgraph import connected_components

from modlib.errors import GraphError, InputError
from modlib.graphs import eigenvectors
from modlib.graphs.kmeans import kmeans
from modlib.graphs.neurons import Matrix, NeuronGraph
from modlib.reprs import BriefRepr

Route: TypeAlias = Literal["auto", "bipartite", "arpack", "amg"]
Graph: TypeAlias = NeuronGraph | sp.csr_array

N_INIT = 25  # k-means starts, as in the authors' code
TIE = 9  # decimals to which eigenvalues of different parts are compared; those of equal parts must tie
SQUARED = 1e-6  # a singular value below this is lost in the rounding of its square
SMALLER = 2.0**-100  # makes sums of any finite weights finite; a power of two leaves their digits as they are
ASYMMETRY = 1e-6  # of an adjacency matrix that was computed in single precision


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
        InputError: if there is not one label a vertex, or the matrix is no such matrix.

    Source: pruned-modular 2.1 and A.1, clusterability 1.1. Chapter: ``clusterability``.

    >>> path = np.diag([3, 1, 2], 1) + np.diag([3, 1, 2], -1)  # four vertices in a row, the middle edge is the weakest
    >>> round(ncut(path, [0, 0, 1, 1]), 3), ncut(path, [0, 1, 0, 1])
    (0.343, 2.0)
    """
    checked, _ = _checked(graph)
    labels = np.unique(np.asarray(labels), return_inverse=True)[1]
    n = checked.n_vertices if isinstance(checked, NeuronGraph) else checked.shape[0]
    if labels.shape != (n,):
        raise InputError(f"{labels.shape} labels arrived for {n} vertices; pass one label for every vertex")
    k = int(labels.max()) + 1
    if isinstance(checked, NeuronGraph):
        between = np.zeros((k, k))
        onehot = np.eye(k)[labels]
        for (i, j), block in checked.edges.items():
            left, right = (onehot[checked.offsets[layer] : checked.offsets[layer + 1]] for layer in (i, j))
            between += left.T @ (block @ right)
        between = between + between.T
        volume = between.sum(axis=1)
        np.fill_diagonal(between, 0)
        cut = between.sum(axis=1)
    else:
        start, end = np.repeat(labels, np.diff(checked.indptr)), labels[checked.indices]
        volume = np.bincount(start, checked.data, k)
        cut = np.bincount(start, checked.data * (start != end), k)
    present = volume > 0
    return float((cut[present] / volume[present]).sum())


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
        that makes the largest entry of every column positive. Of equal eigenvalues of different connected
        parts, that of the part with more vertices comes first; those of one part have no order.

    Raises:
        GraphError: if the graph has fewer than k vertices or a vertex without an edge, or ``bipartite`` is asked
            of another graph.
        InputError: if k or the route is not known, or the matrix is no such matrix.

    Source: pruned-modular 2.2 algorithm 1, clusterability 1.2. Chapter: ``clusterability``.

    The first eigenvector is constant, the sign of the second is a cut at the weakest edge:

    >>> path = np.diag([3, 1, 2], 1) + np.diag([3, 1, 2], -1)  # four vertices in a row
    >>> spectral_embedding(path, 2).round(2).tolist()
    [[0.29, -0.29], [0.29, -0.2], [0.29, 0.29], [0.29, 0.41]]
    """
    k = _whole(k)
    checked, factor = _checked(graph)
    degrees = _degrees(checked)
    if len(degrees) < k:
        raise GraphError(
            f"k = {k} clusters were asked of a graph with {len(degrees)} live neurons; "
            "ask for at most as many clusters as there are neurons with an edge"
        )
    if route not in get_args(Route):
        raise InputError(f"route {route!r} arrived; expected auto, bipartite, arpack or amg")
    halves = isinstance(checked, NeuronGraph) and checked.is_bipartite and _smaller_side(checked) >= k
    if route == "bipartite" and not halves:
        raise GraphError(
            "the bipartite route needs a layered graph with k vertices in its even and in its odd "
            "layers; use route='arpack' for any other graph"
        )
    if route == "auto":
        route = "bipartite" if halves else "arpack"
    vectors = _leading(checked, k, route, np.random.default_rng(0) if rng is None else rng)
    embedding = vectors / np.sqrt(degrees)[:, None] * np.sqrt(factor)
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
    ks = [_whole(k) for k in ks]
    embedding = spectral_embedding(graph, max(ks), route, rng)
    out = []
    for k in ks:
        labels = kmeans(embedding[:, :k], k, rng, n_init)
        out.append(Clustering(labels, ncut(graph, labels), k))
    return out


def _whole(k: object) -> int:
    if isinstance(k, bool) or not isinstance(k, int | float | np.integer | np.floating) or k % 1 != 0 or k < 1:
        raise InputError(f"k = {k!r} arrived; expected a whole number of clusters of at least 1")
    return int(k)


def _checked(graph: NeuronGraph | sp.sparray | np.ndarray) -> tuple[Graph, float]:
    """The graph in double precision, times a factor that keeps the sums of its weights finite, and the factor."""
    if isinstance(graph, NeuronGraph):
        with np.errstate(over="ignore"):
            factor = 1.0 if np.isfinite(graph.degrees.sum()) else SMALLER
        if factor != 1 or any(block.dtype != np.float64 for block in graph.edges.values()):
            edges = {pair: block.astype(np.float64) * factor for pair, block in graph.edges.items()}
            graph = NeuronGraph(graph.sizes, edges, graph.live)
        if not np.isfinite(graph.degrees.sum()):
            raise GraphError("the graph has NaN or infinite edges; expected finite ones: make it by neuron_graph")
        return graph, factor
    array = isinstance(graph, np.ndarray) or sp.issparse(graph)
    if not (array and graph.ndim == 2 and graph.shape[0] == graph.shape[1] > 0 and graph.dtype.kind in "buif"):
        raise InputError(
            f"a {type(graph).__name__} of shape {getattr(graph, 'shape', None)} arrived; expected a neuron graph, or a "
            "square numpy or scipy.sparse matrix of numbers, one row a vertex: pass weights through neuron_graph"
        )
    matrix = sp.csr_array(graph, dtype=np.float64, copy=True)
    bad = np.count_nonzero(~np.isfinite(matrix.data) | (matrix.data < 0))
    if bad:
        raise InputError(
            f"an adjacency matrix with {bad} negative, NaN or infinite entries arrived; expected finite weights of at "
            "least 0: pass absolute values"
        )
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    with np.errstate(over="ignore"):
        factor = 1.0 if np.isfinite(matrix.sum()) else SMALLER
    matrix = matrix * factor
    if (abs(matrix - matrix.T) - ASYMMETRY * (matrix + matrix.T)).max() > 0:
        raise InputError(
            f"an adjacency matrix of shape {graph.shape} arrived that is not symmetric; expected the weight of an edge "
            "at both of its ends: pass A + A^T if that is what you mean"
        )
    return (matrix + matrix.T) / 2, factor


def _degrees(graph: Graph) -> np.ndarray:
    """Sum of the weights at every vertex, none of which may be 0."""
    degrees = graph.degrees if isinstance(graph, NeuronGraph) else np.asarray(graph.sum(axis=1)).ravel()
    isolated = np.flatnonzero(degrees <= 0)
    if len(isolated):
        raise GraphError(
            f"{len(isolated)} of {len(degrees)} vertices have no edge, the first is number {isolated[0]}; expected one "
            "at every vertex: leave these out, as neuron_graph does"
        )
    return degrees


def _adjacency(graph: Graph) -> sp.csr_array:
    return graph.adjacency if isinstance(graph, NeuronGraph) else graph


def _smaller_side(graph: NeuronGraph) -> int:
    sizes = [len(indices) for indices in graph.live]
    return min(sum(sizes[0::2]), sum(sizes[1::2]))


def _leading(graph: Graph, k: int, route: Route, rng: np.random.Generator) -> np.ndarray:
    """Eigenvectors of D^{-1/2} A D^{-1/2} for its k largest eigenvalues, (n_vertices, k)."""
    if isinstance(graph, NeuronGraph) and _is_plainly_connected(graph):
        return _leading_of_part(graph, k, route, rng)[1]
    n_parts, part = connected_components(_adjacency(graph), directed=False)
    sizes = np.bincount(part)
    each = max(k - n_parts + 1, 1)  # every other part gives at least one
    values, vectors = [], []
    for number in np.argsort(-sizes, kind="stable")[:k]:
        members = part == number
        found, of_part = _leading_of_part(_restricted(graph, members), min(each, sizes[number]), route, rng)
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
            reached[j] = np.sign(reached[j] + reached[i] @ block)
        for (i, j), block in reversed(list(graph.edges.items())):
            reached[i] = np.sign(reached[i] + block @ reached[j])
        if all(layer.all() for layer in reached):
            return True
    return False


def _restricted(graph: Graph, members: np.ndarray) -> Graph:
    """The graph on some of its vertices."""
    if not isinstance(graph, NeuronGraph):
        return graph[members][:, members]
    kept = np.split(members, graph.offsets[1:-1])
    edges = {(i, j): block[kept[i]][:, kept[j]] for (i, j), block in graph.edges.items()}
    return NeuronGraph(graph.sizes, edges, tuple(map(np.compress, kept, graph.live)))


def _leading_of_part(graph: Graph, k: int, route: Route, rng: np.random.Generator) -> eigenvectors.Eigenpairs:
    """The k largest eigenvalues of D^{-1/2} A D^{-1/2} of a connected graph, and their eigenvectors."""
    root = np.sqrt(_degrees(graph))
    if k == 1:
        return np.ones(1), (root / np.linalg.norm(root))[:, None]
    if isinstance(graph, NeuronGraph) and route == "bipartite" and _smaller_side(graph) >= k:
        return _leading_of_halves(graph, k, rng)
    scale = sp.diags_array(1 / root)
    shifted = sp.csr_array(scale @ _adjacency(graph) @ scale + sp.eye_array(len(root)))  # no eigenvalue is negative
    iteration = eigenvectors.multigrid if route == "amg" else eigenvectors.arpack
    values, vectors = eigenvectors.leading_eigenvectors(shifted, k, rng, iteration)
    return values - 1, vectors


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
            row, column = (slice(side[part.start], side[part.stop - 1] + 1) for part in (here, there))
            blocks.append((row, column, _scale(block, scale[here], scale[there])))
    return _HalfMatrix(rows, ~rows, blocks)


def _scale(block: Matrix, left: np.ndarray, right: np.ndarray) -> Matrix:
    if sp.issparse(block):
        return sp.csr_array(sp.diags_array(left) @ block @ sp.diags_array(right))
    scaled = block * left[:, None]
    scaled *= right
    return scaled


def _leading_of_halves(graph: NeuronGraph, k: int, rng: np.random.Generator) -> eigenvectors.Eigenpairs:
    """``_leading_of_part`` of a bipartite graph, from singular vectors of N."""
    half = _half_matrix(graph)
    n = half.shape[1]
    if n <= eigenvectors.DENSE_SIDE:
        gram: eigenvectors.Symmetric = half.gram()
    else:
        gram = ssl.LinearOperator(
            (n, n),
            matvec=lambda v: half.transposed_times(half.times(v.ravel())),
            matmat=lambda v: half.transposed_times(half.times(v)),
            dtype=float,
        )
    right = eigenvectors.leading_eigenvectors(gram, k, rng, eigenvectors.arpack)[1]
    left = half.times(right)
    values = np.linalg.norm(left, axis=0)
    if values.min() > SQUARED:
        left = left / values
    else:  # the product has lost their left vectors
        left, values, turn = sl.svd(left, full_matrices=False)
        right = right @ turn.T
    vectors = np.empty((graph.n_vertices, k))
    vectors[half.rows] = left
    vectors[half.columns] = right
    return values, vectors / np.sqrt(2)
