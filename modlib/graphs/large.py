"""Layered graphs of tens of millions of edges: solved in single precision, without a second copy.

Reading the weights is what takes time there. ARPACK reads them for one vector at a time; a block iteration reads them
for all at once, and is begun from what is known: the leading eigenvectors of a wide network tell layers apart, so their
start is a constant on each layer. Random vectors beside them find what else there is. n-cuts agree with those of
double precision to within 0.005 k, on the mean over networks. Chapter: ``clusterability``.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse.linalg as ssl

from modlib.graphs.eigenvectors import SPARE, block_iteration
from modlib.graphs.neurons import NeuronGraph

RESOLUTION = 2e-5  # of the residuals of an eigenvector, whose eigenvalue is between 0 and 1


def leading_of_large(graph: NeuronGraph, k: int, rng: np.random.Generator) -> np.ndarray:
    """Eigenvectors of D^{-1/2} A D^{-1/2} of a connected layered graph for its k largest eigenvalues.

    Args:
        graph: a chain of layers, or any graph whose edges join even layers to odd ones.
        k: number of eigenvectors.
        rng: start vectors.

    Returns:
        (n_vertices, k), orthonormal columns.
    """
    even = graph.layer % 2 == 0
    ends = [slice(graph.offsets[layer], graph.offsets[layer + 1]) for layer in range(len(graph.live))]
    edges = {}  # from an even layer to an odd one
    for (i, j), block in graph.edges.items():
        upwards = i % 2 == 0
        edges[(i, j) if upwards else (j, i)] = (block if upwards else block.T).astype(np.float32, copy=False)
    scale = (1 / np.sqrt(graph.degrees))[:, None]

    def across(vectors: np.ndarray, to_even: bool) -> np.ndarray:
        """D^{-1/2} A D^{-1/2} times vectors on one side, which are 0 on the other."""
        scaled, out = (scale * vectors).astype(np.float32), np.zeros(vectors.shape, dtype=np.float32)
        for (i, j), block in edges.items():
            if to_even:
                out[ends[i]] += block @ scaled[ends[j]]
            else:
                out[ends[j]] += block.T @ scaled[ends[i]]
        return scale * out

    odd = np.flatnonzero(~even)

    def squared(vectors: np.ndarray) -> np.ndarray:
        whole = np.zeros((graph.n_vertices, vectors.shape[1]))
        whole[odd] = vectors
        return across(across(whole, to_even=True), to_even=False)[odd]

    n = len(odd)
    operator = ssl.LinearOperator((n, n), matvec=lambda v: squared(v.reshape(n, 1))[:, 0], matmat=squared, dtype=float)
    layers = np.unique(graph.layer[odd])
    start = np.equal.outer(graph.layer[odd], layers) / scale[odd]
    start = np.hstack([start, rng.normal(size=(n, max(k - len(layers), 0) + SPARE))])
    _, right = block_iteration(operator, k, start, RESOLUTION)
    whole = np.zeros((graph.n_vertices, k))
    whole[odd] = right
    left, triangle = np.linalg.qr(across(whole, to_even=True)[even])  # of small singular values the rest is rounding
    whole[even] = left * np.where(np.diagonal(triangle) < 0, -1, 1)
    return whole / np.sqrt(2)
