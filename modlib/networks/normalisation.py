"""Batch normalisation, and the weights that it scales.

Chapter: ``convolutional-networks``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from modlib.checks import array, real
from modlib.errors import InputError
from modlib.reprs import BriefRepr


@dataclass(frozen=True, eq=False, repr=False)
class BatchNorm(BriefRepr):
    """Batch normalisation at inference: gamma (x - mean) / sqrt(variance + epsilon) + beta.

    Attributes:
        gamma, beta, mean, variance: one value a channel, (channels,).
        epsilon: what keeps the root away from 0.

    Raises:
        InputError: if there is not one finite number a channel, a variance or epsilon is negative.
    """

    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    epsilon: float

    def __post_init__(self) -> None:
        (channels,) = array(self.gamma, "gamma", ("channels",)).shape
        for name in ("gamma", "beta", "mean", "variance"):
            least = 0 if name == "variance" else -math.inf
            object.__setattr__(self, name, array(getattr(self, name), name, (channels,), least=least))
        object.__setattr__(self, "epsilon", real(self.epsilon, "epsilon", least=0))


def fold_batch_norm(kernel: np.ndarray, gamma: np.ndarray, variance: np.ndarray, epsilon: float) -> np.ndarray:
    """Kernel scaled by the batch normalisation that follows it: w_{..c} gamma_c / sqrt(var_c + eps).

    Args:
        kernel: (..., out).
        gamma: scale of every output channel, (out,).
        variance: moving variance of every output channel, (out,), non-negative.
        epsilon: the layer's epsilon.

    Raises:
        InputError: if there is not one finite number a channel, or one is divided by 0.

    Source: clusterability 1.1. Chapter: ``convolutional-networks``.

    >>> fold_batch_norm(np.ones((1, 2)), gamma=np.array([1, 3]), variance=np.array([1, 4]), epsilon=0.0).tolist()
    [[1.0, 1.5]]
    """
    kernel = array(kernel, "kernel")
    channels = kernel.shape[-1:]
    gamma, variance = array(gamma, "gamma", channels), array(variance, "variance", channels, least=0)
    with np.errstate(over="ignore"):  # what is divided by infinity becomes 0
        root = np.sqrt(variance + real(epsilon, "epsilon", least=0))
    if not root.all():
        raise InputError("a variance of 0 and epsilon = 0 arrived; expected a positive sum: pass the layer's epsilon")
    with np.errstate(over="ignore", invalid="ignore"):
        folded = kernel * (gamma / root)
    return array(folded, "a kernel times gamma over the root of its variance")
