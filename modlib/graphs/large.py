"""Layered graphs of tens of millions of edges: shuffled and solved in single precision, without a second copy.

Reading the weights is what takes time there. ARPACK reads them for one vector at a time; a block iteration reads them
for all at once, and is begun from what is known: the leading eigenvectors of a wide network tell layers apart, so their
start is a constant on each layer. Random vectors beside them find what else there is. n-cuts agree with those of
double precision to within 0.005 k, on the mean over networks. Chapter: ``clusterability``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
import scipy.sparse.linalg as ssl

from modlib.graphs.eigenvectors import SPARE, block_iteration
from modlib.graphs.neurons import NeuronGraph

if TYPE_CHECKING:
    from modlib.graphs.shuffles import Null

RESOLUTION = 2e-5  # of the residuals of an eigenvector, whose eigenvalue is between 0 and 1
BUCKET = 1 << 12  # values that are shuffled at a time; they fit in the first cache


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


def shuffle_in_single(matrix: np.ndarray, null: Null, rng: np.random.Generator) -> np.ndarray:
    """``shuffle_matrix`` in single precision, in a time that memory allows.

    Every value goes to a random one of many buckets, and each bucket is shuffled for itself (Rao 1961, Sandelius 1962):
    every permutation is as likely as any other, and a bucket fits in a cache.

    >>> shuffled = shuffle_in_single(np.arange(6.0).reshape(2, 3), "layer", np.random.default_rng(0))
    >>> shuffled.shape, shuffled.dtype, sorted(shuffled.ravel().tolist())
    ((2, 3), dtype('float32'), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    """
    flat = np.asarray(matrix, dtype=np.float32).ravel()
    if null == "layer":
        return _shuffled(flat, rng).reshape(matrix.shape)
    held, out = np.flatnonzero(flat), np.zeros_like(flat)
    out[held] = _shuffled(flat[held], rng)
    return out.reshape(matrix.shape)


def _shuffled(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    out = np.empty_like(values)
    buckets = 1 << (-(-len(values) // BUCKET) - 1).bit_length()
    first, second = rng.integers(2**64, size=2, dtype=np.uint64)
    _in_buckets(values, first, second, buckets, out)
    return out


@numba.njit(cache=True, nogil=True, inline="always")
def _random(key, number):  # type: ignore[no-untyped-def]
    """Random 32 bits of a counter, by SplitMix64 (Steele et al. 2014)."""
    x = key + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) >> np.uint64(32)


@numba.njit(cache=True, nogil=True)
def _in_buckets(values, first, second, buckets, out):  # type: ignore[no-untyped-def]
    begin, mask = np.zeros(buckets + 1, dtype=np.int64), np.uint64(buckets - 1)
    for i in range(len(values)):
        begin[np.int64(_random(first, i) & mask) + 1] += 1
    for b in range(buckets):
        begin[b + 1] += begin[b]
    place = begin[:-1].copy()
    for i in range(len(values)):
        own = np.int64(_random(first, i) & mask)
        out[place[own]] = values[i]
        place[own] += 1
    for b in range(buckets):
        start, stop = begin[b], begin[b + 1]
        for i in range(stop - 1, start, -1):
            j = start + np.int64(_random(second, i) * np.uint64(i - start + 1) >> np.uint64(32))
            out[i], out[j] = out[j], out[i]
