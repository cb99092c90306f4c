"""Edge weights between two layers of neurons: absolute weights, and norms of the slices of a kernel.

Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import scipy.sparse as sp

from modlib.checks import real_numbers, real_sparse, whole
from modlib.errors import GraphError

Matrix: TypeAlias = np.ndarray | sp.sparray | sp.spmatrix
Layout: TypeAlias = Literal["keras", "torch"]
LARGEST_KERNEL = 11  # side of a kernel, in the networks of the papers
LAYOUTS: tuple[str, ...] = get_args(Layout)


def edge_weights(weight: Matrix, position: int = 0) -> Matrix:
    """Edge weights between two layers: |w|, or the L1 norm of every 2-D kernel slice.

    e_{ab} = sum_{y,x} |w_{yxab}| for a kernel (height, width, in, out); e = |w| for a matrix.

    Args:
        weight: (fan-in, fan-out), dense or sparse, or a kernel (height, width, in, out); of sequences (width, in, out),
            of volumes (depth, height, width, in, out).
        position: which layer it is, for the error message.

    Raises:
        GraphError: if the array is neither, is empty, or holds NaN or infinite values.
        InputError: if it holds no real numbers.

    Source: clusterability 1.1. Chapter: ``clusterability``.

    >>> edge_weights(np.array([[1.0, -2.0]])).tolist(), edge_weights(np.full((3, 3, 1, 2), -0.5)).tolist()
    ([[1.0, 2.0]], [[4.5, 4.5]])
    """
    return abs(matrix_of(weight, f"weight {whole(position, 'position', least=0)}"))


def matrix_of(weight: Matrix, name: str) -> Matrix:
    """A matrix of weights in double precision, as CSR if it is sparse; the L1 norms of a kernel's slices.

    Raises:
        GraphError, InputError: as ``edge_weights``, with the name.
    """
    sparse = sp.issparse(weight)
    # in double precision, as whole numbers would overflow: abs(-128) of eight bits is -128
    array = (real_sparse if sparse else real_numbers)(weight, name)
    if array.ndim in (3, 4, 5) and not sparse:
        with np.errstate(over="ignore"):
            array = np.abs(array).sum(axis=tuple(range(array.ndim - 2)))
    if array.ndim != 2 or 0 in array.shape:
        raise GraphError(
            f"{name} has shape {array.shape}; expected a non-empty matrix (fan-in, fan-out) "
            "or a kernel (height, width, in, out)" + "; leave the biases out" * (array.ndim == 1)
        )
    values = array.data if sparse else array
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise GraphError(
            f"{name} of shape {array.shape} holds {bad} NaN or infinite value(s); "
            "all weights, and the norms of a kernel, must be finite: check that training did not diverge"
        )
    return array


def is_likely_torch(shape: Sequence[int]) -> bool:
    """Whether a kernel that is said to be (height, width, in, out) has the shape of one (out, in, height, width).

    Kernels are mostly square and small, and channels are not.

    >>> is_likely_torch((16, 8, 3, 3)), is_likely_torch((3, 3, 8, 16)), is_likely_torch((1, 7, 64, 64))
    (True, False, False)
    """
    if len(shape) != 4:
        return False
    first, second, height, width = shape
    return height == width <= LARGEST_KERNEL and (first != second or first > LARGEST_KERNEL)


def as_keras(weight: Any, position: int) -> Matrix:
    """A weight as PyTorch keeps it, in the order of Keras; what is neither matrix nor kernel is refused later.

    Raises:
        InputError: if it holds no real numbers.
    """
    if not sp.issparse(weight):
        weight = real_numbers(weight, f"weight {position}")
    return weight.transpose(*range(2, weight.ndim), 1, 0) if weight.ndim > 2 else weight.T
