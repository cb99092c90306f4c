"""The bipartite graph of a layered network, solved on half of its vertices.

Every edge joins an even layer to an odd one. With A = [[0, B], [B^T, 0]] and N = D_e^{-1/2} B D_o^{-1/2}, a singular
triple (s, u, v) of N is an eigenvector (u, v)/sqrt(2) of the normalised Laplacian with eigenvalue 1 - s. So its k
smallest eigenvectors come from the k largest singular vectors of a matrix of half the size.
Chapter: ``clusterability``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
import scipy.sparse.linalg as ssl

from modlib.graphs import eigenvectors
from modlib.graphs.edges import Matrix
from modlib.graphs.neurons import NeuronGraph

SQUARED = 1e-6  # a singular value below this is lost in the rounding of its square


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
            blocks.append((row, column, scaled(block, scale[here], scale[there])))
    return _HalfMatrix(rows, ~rows, blocks)


def scaled(block: Matrix, left: np.ndarray, right: np.ndarray) -> Matrix:
    """Edge weights between two layers, each times a factor of either of its ends."""
    if sp.issparse(block):
        return sp.csr_array(sp.diags_array(left) @ block @ sp.diags_array(right))
    scaled = block * left[:, None]
    scaled *= right
    return scaled


def leading_of_halves(graph: NeuronGraph, k: int, rng: np.random.Generator) -> eigenvectors.Eigenpairs:
    """The k largest eigenvalues of D^{-1/2} A D^{-1/2} of a connected bipartite graph, and their eigenvectors."""
    return _leading(graph, _half_matrix(graph), k, rng)


def leading_within_layers(graph: NeuronGraph, k: int, rng: np.random.Generator) -> eigenvectors.Eigenpairs:
    """The same among the vectors whose mean over every layer is 0, connected or not, see ``spectral_embedding``.

    With q_i the vector of the square roots of the degrees of layer i, made a unit vector, the block between layers i
    and j becomes (I - q_i q_i^T) N_ij (I - q_j q_j^T): every direction that only tells layers apart has the value 0.
    Where others have it too, all that are asked for are orthogonal to these.
    """
    half, root = _half_matrix(graph), np.sqrt(graph.degrees)
    units = [np.empty(0), np.empty(0)]
    for side, members in enumerate((half.rows, half.columns)):
        norms = np.sqrt(np.bincount(graph.layer, weights=graph.degrees * members, minlength=len(graph.live)))
        units[side] = (root / np.where(norms > 0, norms, 1)[graph.layer])[members]
    blocks: list[tuple[slice, slice, Matrix]] = []
    for row, column, block in half.blocks:
        left, right = units[0][row], units[1][column]
        dense = np.array(block) if isinstance(block, np.ndarray) else block.toarray()
        dense -= np.outer(left, left @ dense)
        dense -= np.outer(dense @ right, right)
        blocks.append((row, column, dense))
    values, vectors = _leading(graph, replace(half, blocks=blocks), k, rng)
    known = values > SQUARED
    if not known.all():
        for members, unit in ((half.rows, units[0]), (half.columns, units[1])):
            layers = np.equal.outer(graph.layer[members], np.unique(graph.layer[members])) * unit[:, None]
            taken = np.hstack([layers, vectors[np.ix_(members, known)]])
            free = np.linalg.qr(taken, mode="complete")[0][:, taken.shape[1] :]
            vectors[np.ix_(members, ~known)] = free[:, : k - known.sum()] / np.sqrt(2)
    return values, vectors


def _leading(graph: NeuronGraph, half: _HalfMatrix, k: int, rng: np.random.Generator) -> eigenvectors.Eigenpairs:
    n = half.shape[1]
    iteration = eigenvectors.arpack
    if n <= eigenvectors.DENSE_SIDE:
        gram: eigenvectors.Symmetric = half.gram()
        iteration = eigenvectors.lapack if n <= eigenvectors.SMALL_SIDE else iteration
    else:
        gram = ssl.LinearOperator(
            (n, n),
            matvec=lambda v: half.transposed_times(half.times(v.ravel())),
            matmat=lambda v: half.transposed_times(half.times(v)),
            dtype=float,
        )
    right = eigenvectors.leading_eigenvectors(gram, k, rng, iteration)[1]
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
