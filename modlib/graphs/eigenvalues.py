"""Eigenvalues of a network's normalised Laplacian, as differentiable functions of its weights.

Let A hold the absolute weights, D the degrees, and L_sym = I - D^{-1/2} A D^{-1/2}. For an eigenvector u of norm 1
with eigenvalue lambda, d lambda / d L_sym = u u^T. Put y = D^{-1/2} u. An edge a between neurons i and j enters
L_sym at (i, j) and (j, i) and through the degrees of i and j, so

    d lambda / d a = (1 - lambda) (y_i^2 + y_j^2) - 2 y_i y_j .

Chapter: ``promoting-clusterability``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from modlib.checks import array, items, wholes
from modlib.errors import InputError
from modlib.graphs.neurons import neuron_graph
from modlib.graphs.spectral import spectral_embedding


def laplacian_eigenvalues(kernels: Sequence[np.ndarray], which: Sequence[int]) -> np.ndarray:
    """Chosen eigenvalues of the normalised Laplacian of a network's graph, ascending from the first, which is 0.

    Args:
        kernels: weight matrices, (fan-in, fan-out) each.
        which: numbers of the eigenvalues, from 1; isolated neurons have none.

    Returns:
        (len(which),) numbers between 0 and 2.

    Raises:
        GraphError, InputError: as ``eigenvalue_gradient``.

    Source: clusterability 4.1. Chapter: ``promoting-clusterability``.

    The weaker the edge that joins two parts, the nearer to 0 is the second eigenvalue:

    >>> [laplacian_eigenvalues([np.array([[1, 0], [weak, 1]])], (1, 2)).round(3).tolist() for weak in (1, 0.1)]
    [[0.0, 0.5], [0.0, 0.091]]
    """
    return eigenvalue_gradient(kernels, which)[0]


def eigenvalue_gradient(kernels: Sequence[np.ndarray], which: Sequence[int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Chosen eigenvalues, and the gradient of their sum by every weight.

    d lambda / d w_ij = sign(w_ij) [(1 - lambda) (y_i^2 + y_j^2) - 2 y_i y_j], y = D^{-1/2} u.

    A sum that takes in all or none of equal eigenvalues has this gradient, whatever eigenvectors the solver finds. A
    sum over a part of them has a kink there; then it depends on the eigenvectors, as in any automatic
    differentiation. A weight of 0 has the slope 0, the mean of the slopes on its two sides.

    The paper prints 1/4 where the terms of the degrees need 1/2, which halves the first bracket: it misses that an
    edge is in the degrees of both its ends.

    Args:
        kernels: weight matrices, (fan-in, fan-out) each.
        which: numbers of the eigenvalues, from 1.

    Returns:
        (len(which),) eigenvalues, and for every kernel the gradient of their sum, in its shape.

    Raises:
        GraphError: as ``modlib.graphs.neurons.neuron_graph``.
        InputError: if a number is below 1, given twice or larger than the number of neurons with an edge, or a kernel
            is no matrix of finite numbers.

    Source: clusterability 4.1, A.9. Chapter: ``promoting-clusterability``.

    A weight between two parts raises the second eigenvalue, those within them lower it:

    >>> values, gradient = eigenvalue_gradient([np.array([[1, 0], [0.1, 1]])], (2,))
    >>> gradient[0].round(2).tolist()
    [[-0.04, 0.0], [0.83, -0.04]]
    """
    which = wholes(which, "which")
    if len(set(which)) < len(which):
        raise InputError(f"which = {which} arrived; expected different numbers of eigenvalues, counted from 1")
    shape = ("fan-in", "fan-out")
    kernels = [array(kernel, f"kernels[{i}]", shape) for i, kernel in enumerate(items(kernels, "kernels"))]
    graph = neuron_graph(kernels)
    if max(which) > graph.n_vertices:
        raise InputError(
            f"which = {which} arrived; expected numbers of at most {graph.n_vertices}, of as many eigenvalues as there "
            "are neurons with an edge"
        )
    y = spectral_embedding(graph, max(which))[:, np.asarray(which) - 1]
    parts = [y[start:stop] for start, stop in pairwise(graph.offsets)]
    # y^T A y = 1 - lambda, because y^T D y = 1
    kept = np.sum([2 * (parts[i] * (block @ parts[j])).sum(axis=0) for (i, j), block in graph.edges.items()], axis=0)
    before, after = [], []  # of every layer, such that their product has both sums and the product of the formula
    for size, live, part in zip(graph.sizes, graph.live, parts, strict=True):
        whole = np.zeros((size, y.shape[1]))  # a neuron without an edge has weights of 0, whose slope is 0
        whole[live] = part
        squares, ones = whole**2 @ kept, np.ones(size)
        before.append(np.column_stack([squares, ones, -2 * whole]))
        after.append(np.column_stack([ones, squares, whole]))
    gradient = [left @ right.T for left, right in zip(before, after[1:], strict=False)]
    for slope, kernel in zip(gradient, kernels, strict=True):
        slope *= np.sign(kernel, dtype=np.float64)
    return 1 - kept, gradient
