"""Layered graphs of tens of millions of edges: solved in single precision, without a second copy.

Reading the weights is what takes time there. ARPACK reads them for one vector at a time; a block iteration reads them
for all at once, and is begun from what is known: the leading eigenvectors of a wide network tell layers apart, so it
starts from the best vectors that are constant on layers. Random vectors beside them find what else there is. n-cuts
agree with those of double precision to within 0.005 k, on the mean over networks. Chapter: ``clusterability``.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse.linalg as ssl

from modlib.checks import exponent
from modlib.graphs.eigenvectors import SPARE, block_iteration
from modlib.graphs.neurons import NeuronGraph

RESOLUTION = 2e-5  # of the residuals of an eigenvector, whose eigenvalue is between 0 and 1
WIDE = 40  # powers of two by which degrees may differ from 1 in single precision
FAINTEST = 1e-30  # of the largest degree; the root of less has no inverse there, and modlib.graphs.weak sees to it
SMALL = 1e-3  # a singular value below this is lost in the rounding of a product
BETWEEN = 2  # start vectors that are constant on layers, for every eigenvector asked for


def leading_of_large(graph: NeuronGraph, k: int, rng: np.random.Generator) -> np.ndarray:
    """Eigenvectors of D^{-1/2} A D^{-1/2} of a connected layered graph for its k largest eigenvalues.

    Args:
        graph: a chain of layers, or any graph whose edges join even layers to odd ones.
        k: number of eigenvectors, at most the number of vertices in its even and in its odd layers.
        rng: start vectors.

    Returns:
        (n_vertices, k), orthonormal columns.
    """
    even = graph.layer % 2 == 0
    power = exponent(graph.degrees)
    unit = 2.0**-power if abs(power) > WIDE else 1.0
    ends = [slice(graph.offsets[layer], graph.offsets[layer + 1]) for layer in range(len(graph.live))]
    edges: dict[int, list[tuple[int, np.ndarray]]] = {}  # of an even layer, with what odd layers
    for (i, j), block in graph.edges.items():
        upwards = i % 2 == 0
        here, there, rows = (i, j, block) if upwards else (j, i, block.T)
        edges.setdefault(here, []).append((there, (rows if unit == 1 else rows * unit).astype(np.float32, copy=False)))
    degrees = graph.degrees * unit
    scale = (1 / np.sqrt(np.maximum(degrees, FAINTEST * degrees.max())))[:, None]

    def across(layer: int, scaled: np.ndarray) -> np.ndarray:
        """D^{-1/2} A D^{-1/2} times vectors of the odd layers, which are scaled, on an even layer."""
        return scale[ends[layer]] * sum(block @ scaled[ends[other]] for other, block in edges[layer])

    odd = np.flatnonzero(~even)

    def in_whole(vectors: np.ndarray) -> np.ndarray:
        """Vectors of the odd layers, scaled, on all vertices."""
        whole = np.zeros((graph.n_vertices, vectors.shape[1]), dtype=np.float32)
        whole[odd] = scale[odd] * vectors
        return whole

    def squared(vectors: np.ndarray) -> np.ndarray:
        scaled, out = in_whole(vectors), np.zeros((graph.n_vertices, vectors.shape[1]), dtype=np.float32)
        for layer in edges:  # forth and back at once, while its blocks are in the cache
            add_back(layer, across(layer, scaled), out)
        return scale[odd] * out[odd]

    def add_back(layer: int, vectors: np.ndarray, out: np.ndarray) -> None:
        """Vectors of an even layer, times what joins it to odd ones, which is not scaled there."""
        scaled = (scale[ends[layer]] * vectors).astype(np.float32)
        for other, block in edges[layer]:
            out[ends[other]] += block.T @ scaled

    def back(whole: np.ndarray) -> np.ndarray:
        """D^{-1/2} A D^{-1/2} times vectors of all even layers, on the odd ones.

        The iteration ends when a vector is right but for a small share of its norm. That may be many times an entry at
        a vertex of next to no degree; behind a product all entries are right.
        """
        out = np.zeros(whole.shape, dtype=np.float32)
        for layer in edges:
            add_back(layer, whole[ends[layer]], out)
        return scale[odd] * out[odd]

    n = len(odd)
    operator = ssl.LinearOperator((n, n), matvec=lambda v: squared(v.reshape(n, 1))[:, 0], matmat=squared, dtype=float)
    between = _between_layers(graph, k)[graph.layer[odd] // 2] / scale[odd]
    start = np.hstack([between, rng.normal(size=(n, max(k - between.shape[1], 0) + SPARE))])
    _, right = block_iteration(operator, k, start, RESOLUTION)
    scaled, whole = in_whole(right), np.zeros((graph.n_vertices, k))
    for layer in edges:
        whole[ends[layer]] = across(layer, scaled)
    left, triangle = np.linalg.qr(whole[even])  # of small singular values the rest is rounding
    values = np.diagonal(triangle)
    whole[even] = left * np.where(values < 0, -1, 1)
    whole[odd] = np.where(np.abs(values) > SMALL, back(whole) / np.maximum(np.abs(values), SMALL), right)
    return whole / np.sqrt(2)


def _between_layers(graph: NeuronGraph, k: int) -> np.ndarray:
    """The best right singular vectors among those that are constant on layers, (n_odd_layers, at most ``BETWEEN`` k).

    Among these, a layer is one vertex.
    """
    volumes = np.bincount(graph.layer, graph.degrees, len(graph.live))
    scale = np.divide(1, np.sqrt(volumes), out=np.zeros(len(volumes)), where=volumes > 0)
    merged = np.zeros((len(volumes), len(volumes)))
    for (i, j), block in graph.edges.items():
        merged[i, j] = merged[j, i] = scale[i] * block.sum(dtype=np.float64) * scale[j]
    right = np.linalg.svd(merged[::2, 1::2])[2][: min(BETWEEN * k, np.count_nonzero(volumes[1::2]))]
    return scale[1::2, None] * right.T
