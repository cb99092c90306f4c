"""Magnitude pruning of a weight matrix, without a framework. Chapter: ``clusterability``."""

from __future__ import annotations

import numpy as np


def magnitude_mask(weights: np.ndarray, sparsity: float) -> np.ndarray:
    """Mask that keeps the largest max(1, round(n (1 - sparsity))) weights by magnitude, ties included.

    The rule of tensorflow-model-optimization, which computes the number in single precision.

    Args:
        weights: any shape.
        sparsity: share of weights to remove, in [0, 1).

    Source: pruned-modular A.2.

    >>> magnitude_mask(np.array([0.1, -0.9, 0.5, 0.0]), sparsity=0.5).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    magnitudes = np.abs(weights).ravel()
    keep = max(1, int(np.round(np.float32(magnitudes.size) * np.float32(1 - np.float32(sparsity)))))
    threshold = np.partition(magnitudes, magnitudes.size - keep)[magnitudes.size - keep]
    return (np.abs(weights) >= threshold).astype(weights.dtype)
