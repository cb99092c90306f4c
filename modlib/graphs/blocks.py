"""Layered graphs that branch, solved layer by layer: products of dense blocks in place of one sparse matrix.

ARPACK reads all weights for one vector at a time, and again for its proof; a block iteration reads them for all vectors
at once, which takes an eighth of the time on a graph of ResNet-18. Of the largest graphs, such as that of ResNet-50, it
reads them in single precision. Chapter: ``clusterability``.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse.linalg as ssl

from modlib.graphs.adjacency import add_times
from modlib.graphs.edges import Matrix
from modlib.graphs.eigenvectors import SPARE, TOLERANCE, Eigenpairs, block_iteration
from modlib.graphs.halves import scaled
from modlib.graphs.large import RESOLUTION, SMALL
from modlib.graphs.neurons import NeuronGraph

SINGLE = 10_000  # vertices, with more of which single precision has to do


def leading_of_blocks(graph: NeuronGraph, k: int, rng: np.random.Generator) -> Eigenpairs:
    """The k largest eigenvalues of D^{-1/2} A D^{-1/2} of a connected layered graph, and their eigenvectors.

    Args:
        graph: any layered graph.
        k: number of eigenvectors, at most the number of vertices.
        rng: start vectors, more of them than eigenvectors asked for, so that none of a repeated eigenvalue is missed.

    Returns:
        (k,) eigenvalues, largest first, and (n_vertices, k) orthonormal columns, of residuals below ``TOLERANCE``, or
        ``RESOLUTION`` in single precision.
    """
    n, scale = graph.n_vertices, 1 / np.sqrt(graph.degrees)
    precision, resolution = (np.float32, RESOLUTION) if n > SINGLE else (np.float64, TOLERANCE)
    ends = [slice(start, end) for start, end in zip(graph.offsets[:-1], graph.offsets[1:], strict=True)]
    edges: dict[tuple[int, int], Matrix] = {
        (i, j): scaled(block, scale[ends[i]], scale[ends[j]]).astype(precision, copy=False)
        for (i, j), block in graph.edges.items()
    }

    def add_across(vectors: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Add D^{-1/2} A D^{-1/2} times vectors."""
        return add_times(edges, ends, vectors, out)

    def shifted(vectors: np.ndarray) -> np.ndarray:
        """(I + D^{-1/2} A D^{-1/2}) times vectors; none of its eigenvalues is negative."""
        return add_across(vectors, vectors.copy())

    operator = ssl.LinearOperator((n, n), matvec=lambda v: shifted(v.reshape(n, 1))[:, 0], matmat=shifted, dtype=float)
    values, vectors = block_iteration(operator, k, rng.normal(size=(n, k + SPARE)), resolution)
    values = values - 1
    if precision == np.float32:  # an entry at a vertex of next to no degree is right only behind a product
        product = add_across(vectors, np.zeros_like(vectors))
        vectors = np.where(values > SMALL, product / np.maximum(values, SMALL), vectors)
    return values, vectors
