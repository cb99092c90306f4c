"""Entries of eigenvectors at vertices of next to no degree, such as neurons whose weights a penalty has let decay.

What finds an eigenvector v of D^{-1/2} A D^{-1/2} makes errors that are small beside its norm. The embedding divides v
by the square roots of the degrees: at a vertex of degree 1e-36 beside others of 1, nothing but the error is left, times
1e18, and k-means would see such vertices alone. But x = D^{-1/2} v is an eigenvector of the random walk P = D^{-1} A,
and sigma x_i = sum_j P_ij x_j gives the entries of these vertices from those of their neighbours.

By definition they may be far out even so: many that decayed together have eigenvectors of their own, and one that hangs
on a single neuron has the entry of that one over sigma. Such clusters are counted by ``decayed_clusters``.
Chapter: ``regularisation``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as ssl

from modlib.checks import exponent
from modlib.graphs.adjacency import Graph, adjacency_of, restricted, times
from modlib.graphs.neurons import NeuronGraph

WEAK = 1e-8  # of the largest degree; an error of 1e-9 in v is at most about 1e-5 of an entry elsewhere
LOCAL = 1e-4  # of the squared norm: a vector with more of it at weak vertices is large there, and right
SMALL = 1e-3  # an eigenvalue of the walk below this says nothing of entries
TOLERANCE = 1e-8  # of the residual, beside the right side
HEADROOM = 100  # of single precision's 127 powers of two: sums so large have no subnormal terms that matter


def with_weak_entries(graph: Graph, degrees: np.ndarray, vectors: np.ndarray, within_layers: bool) -> np.ndarray:
    """D^{-1/2} times eigenvectors of D^{-1/2} A D^{-1/2}, right also at vertices of next to no degree.

    With w the weak vertices and s the others, (sigma I - P_ww) x_w = P_ws x_s.

    Args:
        graph: see ``modlib.graphs.adjacency.checked``.
        degrees: of its vertices, (n_vertices,).
        vectors: (n_vertices, k), orthonormal columns.
        within_layers: whether the first one is constant and all others have the mean 0 in every layer, see
            ``modlib.graphs.halves.leading_within_layers``; the walk is then followed by taking these means out.

    Returns:
        (n_vertices, k). A vector with most of its norm at weak vertices, and one that is not found, stay as they are.
    """
    root = np.sqrt(degrees)[:, None]
    found = vectors / root
    weak = _is_weak(degrees)
    if not weak.any():
        return found
    strong = np.where(weak[:, None], 0, found)
    power = HEADROOM - exponent(degrees) - exponent(strong)
    sums = np.ldexp(times(graph, np.ldexp(strong, power)), -power)
    values = (strong * sums).sum(axis=0) / np.square(vectors[~weak]).sum(axis=0).clip(min=LOCAL)
    inner = sp.csr_array(adjacency_of(restricted(graph, weak)))
    means = _means_of_layers(graph, degrees) if within_layers and isinstance(graph, NeuronGraph) else None

    def walk(sums: np.ndarray, column: int) -> np.ndarray:
        """A step of the walk at weak vertices, from the sums over neighbours at all vertices."""
        there = sums[weak] / degrees[weak]
        return there if means is None or column == 0 else there - means(sums)[weak]

    def left(entries: np.ndarray, column: int) -> np.ndarray:
        """(sigma I - P_ww) times entries of weak vertices."""
        of_weak = np.zeros(len(degrees))
        of_weak[weak] = inner @ entries
        return values[column] * entries - walk(of_weak, column)

    of_others = np.square(vectors[weak]).sum(axis=0) < LOCAL
    for column in np.flatnonzero(of_others & (np.abs(values) > SMALL)).tolist():
        matrix = ssl.LinearOperator(inner.shape, matvec=partial(left, column=column), dtype=float)
        right = walk(sums[:, column], column)
        entries, failed = ssl.gmres(matrix, right, rtol=TOLERANCE, restart=50, maxiter=4)
        if not failed:
            found[weak, column] = entries
    return found


def _is_weak(degrees: np.ndarray) -> np.ndarray:
    return np.asarray(degrees < WEAK * degrees.max())


def _means_of_layers(graph: NeuronGraph, degrees: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """What gives, of sums over neighbours at all vertices, the mean step of the walk over the layer of each."""
    volume = np.bincount(graph.layer, degrees, len(graph.live))
    volume[volume == 0] = 1  # of a layer without live neurons
    return lambda sums: (np.bincount(graph.layer, sums, len(volume)) / volume)[graph.layer]


def decayed_clusters(graph: NeuronGraph, labels: np.ndarray) -> int:
    """How many clusters have weak vertices alone, whose weights have decayed beside those of others."""
    return len(np.setdiff1d(labels, labels[~_is_weak(graph.degrees)]))
