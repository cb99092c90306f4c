"""Magnitude pruning without a framework: how many weights go, and which. Chapter: ``clusterability``."""

from __future__ import annotations

import numpy as np

from modlib.checks import array, real, whole


def magnitude_mask(weights: np.ndarray, sparsity: float) -> np.ndarray:
    """Mask that keeps the largest max(1, round(n (1 - sparsity))) weights by magnitude, ties included.

    The rule of tensorflow-model-optimization, which computes the number in single precision.

    Args:
        weights: any shape.
        sparsity: share of weights to remove, in [0, 1).

    Raises:
        InputError: if a weight is not finite, or the sparsity is no such share.

    Source: pruned-modular A.2. Chapter: ``clusterability``.

    >>> magnitude_mask(np.array([0.1, -0.9, 0.5, 0.0]), sparsity=0.5).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    weights, sparsity = array(weights, "weights"), real(sparsity, "sparsity", least=0, below=1)
    of_all = np.abs(weights)
    if weights.dtype.kind == "i":
        of_all = of_all.view(f"u{weights.dtype.itemsize}")  # an int8 has no 128, which is the size of its -128
    magnitudes = of_all.ravel()
    keep = number_kept(magnitudes.size, sparsity)
    threshold = np.partition(magnitudes, magnitudes.size - keep)[magnitudes.size - keep]
    return (of_all >= threshold).astype(weights.dtype)


def number_kept(n: int, sparsity: float) -> int:
    """How many of n weights are kept: max(1, round(n (1 - sparsity))), in single precision."""
    return max(1, int(np.round(np.float32(n) * np.float32(1 - np.float32(sparsity)))))


def cubic_sparsity(step: int, steps: int, initial: float, final: float) -> float:
    """Share of the weights that are zero at a step: s_t = s_f + (s_i - s_f) (1 - t/T)^3.

    Args:
        step: t, at least 0; from T on the share stays.
        steps: T, at least 1.
        initial: s_i, in [0, 1).
        final: s_f, in [0, 1).

    Raises:
        InputError: if a number is out of its range.

    Source: pruned-modular A.2. Chapter: ``convolutional-networks``.

    >>> [cubic_sparsity(step, 100, initial=0.5, final=0.9) for step in (0, 50, 100)]
    [0.5, 0.85, 0.9]
    """
    step, steps = whole(step, "step", least=0), whole(steps, "steps")
    initial, final = real(initial, "initial", least=0, below=1), real(final, "final", least=0, below=1)
    return final + (initial - final) * (1 - min(step / steps, 1)) ** 3
