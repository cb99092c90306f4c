"""Entries of eigenvectors at vertices of next to no degree, such as neurons whose weights a penalty has let decay.

What finds an eigenvector v of D^{-1/2} A D^{-1/2} makes errors that are small beside its norm. The embedding divides v
by the square roots of the degrees: at a vertex of degree 1e-36 beside others of 1, nothing but the error is left, times
1e18, and k-means would see such vertices alone. But x = D^{-1/2} v is an eigenvector of the random walk P = D^{-1} A,
and sigma x_i = sum_j P_ij x_j gives the entries of these vertices from those of their neighbours.
Chapter: ``regularisation``.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as ssl

from modlib.graphs.adjacency import Graph, adjacency_of, restricted, times
from modlib.graphs.neurons import NeuronGraph

WEAK = 1e-8  # of the largest degree; an error of 1e-9 in v is at most about 1e-5 of an entry elsewhere
LOCAL = 1e-4  # of the squared norm: a vector with more of it at weak vertices is large there, and right
SMALL = 1e-3  # an eigenvalue of the walk below this says nothing of entries
TOLERANCE = 1e-8  # of the entries, beside the largest of them


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
        (n_vertices, k).
    """
    root = np.sqrt(degrees)[:, None]
    found = vectors / root
    weak = degrees < WEAK * degrees.max()
    if not weak.any():
        return found
    strong = np.where(weak[:, None], 0, found)
    sums = times(graph, strong)
    values = (strong * sums).sum(axis=0) / np.square(vectors[~weak]).sum(axis=0).clip(min=LOCAL)
    walked = sums / degrees[:, None]
    if within_layers and isinstance(graph, NeuronGraph):
        volume = np.bincount(graph.layer, degrees, len(graph.live))
        layers = sp.csr_array(np.equal.outer(np.arange(len(volume)), graph.layer), dtype=float)
        means = (layers @ sums[:, 1:]) / np.where(volume > 0, volume, 1)[:, None]
        walked[:, 1:] -= means[graph.layer]
    between = sp.csr_array(sp.diags_array(1 / degrees[weak]) @ adjacency_of(restricted(graph, weak)))
    of_others = np.square(vectors[weak]).sum(axis=0) < LOCAL
    for column in np.flatnonzero(of_others & (np.abs(values) > SMALL)):
        matrix = values[column] * sp.eye_array(between.shape[0]) - between
        found[weak, column] = ssl.gmres(matrix, walked[weak, column], rtol=TOLERANCE, restart=50, maxiter=20)[0]
    return found
