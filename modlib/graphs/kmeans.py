"""k-means for the rows of a spectral embedding: many starts, compiled.

k-means with 25 starts is nine tenths of the time that spectral clustering of a small graph takes with
the usual library, so all starts run in one compiled call, in single precision, on blocks of points that
fit the vector registers. Chapter: ``clusterability``.
"""

from __future__ import annotations

import numpy as np

from modlib.checks import array, generator, whole
from modlib.graphs.lloyd import MAX_ITERATIONS, best_run
from modlib.processor import ANY_ORDER, compiled

TOLERANCE = 1e-4  # of the mean variance of a coordinate, as scikit-learn stops its runs
BLOCK = 64
FAR = 16  # times their spread that points may lie from the origin, before single precision would lose digits of it
_loop = compiled(cache=True, nogil=True, fastmath=ANY_ORDER)


def kmeans_labels(points: np.ndarray, k: int, rng: np.random.Generator, n_init: int = 25) -> np.ndarray:
    """Labels of the best of ``n_init`` k-means runs, by inertia.

    Minimises sum_i ||x_i - c_{label(i)}||^2 by Lloyd's iterations from greedy k-means++ starts.

    Args:
        points: (n, d), finite.
        k: number of clusters, 1 <= k <= n.
        rng: source of the starts.
        n_init: number of starts, at least 1.

    Returns:
        (n,) labels in 0..k-1.

    Raises:
        InputError: if k or n_init is out of range or a coordinate is not finite.
    """
    points = array(points, "points", ("n", "d"), dtype=np.float64)
    k, n_init, rng = whole(k, "k", most=len(points)), whole(n_init, "n_init"), generator(rng)
    n, middle = len(points), points.mean(axis=0)
    if np.abs(points - middle).max() < np.abs(points).max() / FAR:
        points = points - middle
    largest = np.abs(points).max()
    padded = np.zeros((-(-n // BLOCK) * BLOCK, points.shape[1]), dtype=np.float32)
    padded[:n] = points / (largest if largest > 0 else 1)  # single precision needs a scale near 1
    trials = 2 + int(np.log(k))
    columns = np.ascontiguousarray(padded.T)
    tolerance = TOLERANCE * float(padded[:n].var(axis=0).mean())
    return _best_run(padded, columns, n, k, rng.random((n_init, k, trials)), tolerance)


@_loop
def _distances(columns, centre, out):  # type: ignore[no-untyped-def]
    """Squared distance of every point to one centre."""
    out[:] = 0
    for a in range(columns.shape[0]):
        x, c = columns[a], centre[a]
        for i in range(out.shape[0]):
            gap = x[i] - c
            out[i] += gap * gap


@_loop
def _nearest(columns, centres, scores, labels, distance):  # type: ignore[no-untyped-def]
    """Nearest centre of every point, and ||x - c||^2 - ||x||^2 = ||c||^2 - 2 x c, a block of points at a time."""
    k, d = centres.shape
    np.dot(np.float32(-2) * centres, columns, scores)
    for begin in range(0, columns.shape[1], BLOCK):
        # slices: with begin + i as the index, which may be negative, the loops are not vectorised
        best, label = distance[begin : begin + BLOCK], labels[begin : begin + BLOCK]
        for i in range(BLOCK):
            best[i] = np.inf
        for c in range(k):
            norm = np.float32(0)
            for a in range(d):
                norm += centres[c, a] * centres[c, a]
            score = scores[c, begin : begin + BLOCK]
            for i in range(BLOCK):
                value = score[i] + norm
                closer = value < best[i]
                label[i] = np.int32(c) if closer else label[i]
                best[i] = value if closer else best[i]


@compiled(cache=True, nogil=True)
def _start(points, columns, n, k, uniforms):  # type: ignore[no-untyped-def]
    """Greedy k-means++: of a few candidates drawn by squared distance, keep the one that helps most."""
    padded, d = points.shape
    centres = np.empty((k, d), dtype=np.float32)
    closest, trials = np.empty(padded, dtype=np.float32), uniforms.shape[1]
    candidates, picks = np.empty((trials, padded), dtype=np.float32), np.empty(trials, dtype=np.int64)
    totals, cumulative = np.empty(trials, dtype=np.float32), np.empty(n)
    centres[0] = points[min(int(uniforms[0, 0] * n), n - 1)]
    _distances(columns, centres[0], closest)
    for c in range(1, k):
        running = 0.0
        for i in range(n):
            running += closest[i]
            cumulative[i] = running
        for t in range(trials):
            picks[t] = min(np.searchsorted(cumulative, uniforms[c, t] * running, side="right"), n - 1)
            _distances(columns, points[picks[t]], candidates[t])
            candidate = candidates[t]
            for i in range(padded):
                candidate[i] = min(candidate[i], closest[i])
        for t in range(0, trials, 2):  # two sums at a time, as an addition waits for the last one of its own sum only
            u = min(t + 1, trials - 1)
            one, other = candidates[t], candidates[u]
            total, other_total = np.float32(0), np.float32(0)
            for i in range(n):
                total += one[i]
                other_total += other[i]
            totals[t], totals[u] = total, other_total
        best = np.argmin(totals)
        centres[c] = points[picks[best]]
        closest[:] = candidates[best]
    return centres


@compiled(cache=True, nogil=True)
def _lloyd(points, columns, n, centres, tolerance):  # type: ignore[no-untyped-def]
    """Lloyd's iterations in place, until the centres move by less than the tolerance.

    Returns the labels and the inertia less the sum of ||x||^2, which is the same for every run.
    """
    padded, d = points.shape
    k = centres.shape[0]
    labels, previous = np.zeros(padded, dtype=np.int32), np.full(padded, -1, dtype=np.int32)
    distance, scores = np.empty(padded, dtype=np.float32), np.empty((k, padded), dtype=np.float32)
    counts, sums = np.zeros(k), np.zeros((k, d))
    for _ in range(MAX_ITERATIONS):
        _nearest(columns, centres, scores, labels, distance)
        for i in range(n):  # only the points that changed cluster change a mean
            new, old = labels[i], previous[i]
            if new != old:
                previous[i] = new
                counts[new] += 1
                for a in range(d):
                    sums[new, a] += points[i, a]
                if old >= 0:
                    counts[old] -= 1
                    for a in range(d):
                        sums[old, a] -= points[i, a]
        moved = 0.0
        for c in range(k):  # an empty cluster keeps its centre
            if counts[c] > 0:
                for a in range(d):
                    mean = np.float32(sums[c, a] / counts[c])
                    moved += (mean - centres[c, a]) ** 2
                    centres[c, a] = mean
        if moved <= tolerance:
            break
    inertia = 0.0
    for i in range(n):
        inertia += distance[i]
    return labels[:n], inertia


@compiled(best_run, cache=True, nogil=True)
def _best_run(points, columns, n, k, uniforms, tolerance):  # type: ignore[no-untyped-def]
    """Run every start to the tolerance, and the best of them to the end."""
    best_inertia = np.inf
    best_centres = np.empty((k, points.shape[1]), dtype=np.float32)
    for run in range(uniforms.shape[0]):
        centres = _start(points, columns, n, k, uniforms[run])
        _, inertia = _lloyd(points, columns, n, centres, tolerance)
        if inertia < best_inertia:
            best_inertia = inertia
            best_centres[:] = centres
    labels, _ = _lloyd(points, columns, n, best_centres, 0.0)
    return labels.astype(np.int64)
