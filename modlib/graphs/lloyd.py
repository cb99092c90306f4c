"""k-means with NumPy alone, for where nothing compiles the loops of ``modlib.graphs.kmeans``: in a browser.

The same starts, from the same random numbers, and the same iterations; the order of sums may differ in the last digit.
Chapter: ``clusterability``.
"""

from __future__ import annotations

import numpy as np

MAX_ITERATIONS = 300


def best_run(
    points: np.ndarray, columns: np.ndarray, n: int, k: int, uniforms: np.ndarray, tolerance: float
) -> np.ndarray:
    """Run every start to the tolerance, and the best of them to the end.

    Args:
        points: (n or more, d), of which the first n count.
        columns: their transpose, which compiled loops need.
        n: how many there are.
        k: number of clusters.
        uniforms: (starts, k, trials) in [0, 1), which decide the starts.
        tolerance: of the squared distance by which centres move.

    Returns:
        (n,) labels.

    >>> best_run(np.array([[0.0], [0.1], [5.0]]), np.empty(0), 3, 2, np.full((1, 2, 1), 0.5), 0.0).tolist()
    [0, 0, 1]
    """
    kept = points[:n]
    runs = [_lloyd(kept, _start(kept, k, of_run), tolerance) for of_run in uniforms]
    centres = min(runs, key=lambda run: run[2])[1]
    return _lloyd(kept, centres, 0.0)[0]


def _start(points: np.ndarray, k: int, uniforms: np.ndarray) -> np.ndarray:
    """Greedy k-means++: of a few candidates drawn by squared distance, keep the one that helps most."""
    last = len(points) - 1
    centres = [points[min(int(uniforms[0, 0] * len(points)), last)]]
    closest = ((points - centres[0]) ** 2).sum(axis=1)
    for of_centre in uniforms[1:k]:
        cumulative = np.cumsum(closest, dtype=np.float64)
        picks = np.minimum(np.searchsorted(cumulative, of_centre * cumulative[-1], side="right"), last)
        candidates = np.minimum(((points - points[picks, None]) ** 2).sum(axis=2), closest)
        best = candidates.sum(axis=1).argmin()
        centres.append(points[picks[best]])
        closest = candidates[best]
    return np.array(centres)


def _lloyd(points: np.ndarray, centres: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Lloyd's iterations until the centres hardly move: labels, centres, and inertia less a constant."""
    k = len(centres)
    for _ in range(MAX_ITERATIONS):
        distance = (centres**2).sum(axis=1) - 2 * points @ centres.T
        labels = distance.argmin(axis=1)
        counts = np.bincount(labels, minlength=k)
        sums = np.stack([np.bincount(labels, column, k) for column in points.T], axis=1)
        # an empty cluster keeps its centre
        means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres).astype(points.dtype)
        moved = ((means - centres) ** 2).sum()
        centres = means
        if moved <= tolerance:
            break
    return labels, centres, float(distance.min(axis=1).sum())
