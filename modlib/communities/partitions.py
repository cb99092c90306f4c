"""Communities of a similarity matrix: modularity Q, and the partitions that maximise it.

The units of a layer are the vertices of a weighted graph, whose edges are similarities. Q compares the
weight within communities with what their total weights would give by chance. Newman's spectral
splitting finds a start, a Monte Carlo search refines it; Leiden is the usual library's way.
Chapter: ``upstream-downstream``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from modlib.checks import SCALED_DOWN, UNPLACED, array, arrived, flag, generator, labels as whole_labels, real, whole
from modlib.errors import InputError
from modlib.processor import compiled
from modlib.reprs import BriefRepr

STEPS = 5000  # moves of the Monte Carlo search, as in the authors' code
ENTROPY = 0.15  # of the choice between clusters in one move, in nats
DEAD = 1e-15  # share of all similarity below which a unit counts as similar to none
COLDEST, HOTTEST = 1e-12, 1e6  # temperatures


@dataclass(frozen=True, eq=False, repr=False)
class Communities(BriefRepr):
    """A partition of the units of a layer.

    Attributes:
        labels: community of every unit, (n,), in 0..c-1; -1 for a unit that is similar to none.
        q: modularity of the partition.
        q_start: modularity of the partition that the search started from.
    """

    labels: np.ndarray
    q: float
    q_start: float

    def _facts(self) -> dict[str, object]:
        used = self.labels[self.labels != UNPLACED]
        sizes = np.bincount(used)
        return {"q": self.q, "q_start": self.q_start, "sizes": sizes, "unplaced": len(self.labels) - len(used)}


def adjacency(similarity: np.ndarray) -> np.ndarray:
    """Edge weights between units: similarities without the diagonal, divided by their sum.

    Args:
        similarity: (n, n), symmetric, not negative, finite.

    Returns:
        (n, n), with zero diagonal; its sum is 1, or 0 if no unit is similar to another.

    Raises:
        InputError: if it is no such matrix.

    Source: upstream-downstream 3.2. Chapter: ``upstream-downstream``.

    >>> adjacency(np.array([[9.0, 1.0, 0.0], [1.0, 9.0, 1.0], [0.0, 1.0, 9.0]])).tolist()
    [[0.0, 0.25, 0.0], [0.25, 0.0, 0.25], [0.0, 0.25, 0.0]]
    """
    matrix = array(similarity, "similarity", ("n", "n"), least=0, dtype=np.float64).copy()
    np.fill_diagonal(matrix, 0)
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-9 * matrix.max()):
        raise InputError(f"similarity = {arrived(matrix)} arrived; expected a symmetric one: pass (S + S^T) / 2")
    with np.errstate(over="ignore"):
        if not np.isfinite(matrix.sum() * 2):
            matrix *= SCALED_DOWN
    matrix = (matrix + matrix.T) / 2
    total = matrix.sum()
    return matrix / total if total > 0 else matrix


def modularity(similarity: np.ndarray, labels: np.ndarray) -> float:
    """Modularity Q = Tr(P^T A P) - Tr(P^T A 1 1^T A P) of a partition P, with A = ``adjacency(similarity)``.

    Args:
        similarity: (n, n), see ``adjacency``.
        labels: one label a unit, (n,); -1 is a community as any other.

    Returns:
        A number in [-1/2, 1); 0 for a single community, and where no unit is similar to another.

    Raises:
        InputError: if the similarity is none, or there is not one label a unit.

    Source: upstream-downstream 3.2, equation 6. Chapter: ``upstream-downstream``.

    >>> similarity = np.kron(np.eye(2), np.ones((3, 3)))  # units 0 to 2 are alike, and units 3 to 5
    >>> [round(modularity(similarity, labels), 2) for labels in ([0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 0, 1])]
    [0.5, -0.17]
    """
    weights = adjacency(similarity)
    labels = whole_labels(labels, "labels", len(weights))
    return _modularity(weights, np.unique(labels, return_inverse=True)[1])


def find_communities(
    similarity: np.ndarray, rng: np.random.Generator, steps: int = STEPS, spectral_start: bool = True
) -> Communities:
    """The paper's clustering: Newman's spectral splitting, refined by a Monte Carlo search.

    Units that are similar to none are set apart first and get the label -1.

    Args:
        similarity: (n, n), see ``adjacency``.
        rng: source of the search.
        steps: moves of the search; 0 leaves the start as it is.
        spectral_start: start from the spectral splitting; otherwise from a single community.

    Raises:
        InputError: if the similarity is none, or steps is negative.

    Source: upstream-downstream 3.2 and A.1, algorithms 2 and 3. Chapter: ``upstream-downstream``.

    The last unit is similar to none:

    >>> similarity = np.kron(np.diag([1, 1, 0]), np.ones((3, 3)))[:7, :7]
    >>> found = find_communities(similarity, np.random.default_rng(0))
    >>> found, found.labels.tolist()
    (Communities(q=0.5, q_start=0.5, sizes=[3, 3], unplaced=1), [0, 0, 0, 1, 1, 1, -1])
    """
    rng, steps, spectral_start = generator(rng), whole(steps, "steps", least=0), flag(spectral_start, "spectral_start")
    part, live, labels = _live_part(similarity)
    if not live.any():
        return Communities(labels, 0.0, 0.0)
    start = _spectral_split(part) if spectral_start else np.zeros(len(part), dtype=np.int64)
    q_start = _modularity(part, start)
    units = rng.integers(len(part), size=steps)
    refined = _monte_carlo(part, start, units, rng.random(steps), ENTROPY)
    found, q = max((start, q_start), (refined, _modularity(part, refined)), key=lambda pair: pair[1])
    labels[live] = _in_order(found)
    return Communities(labels, q, q_start)


def leiden(similarity: np.ndarray, rng: np.random.Generator, resolution: float = 1.0) -> Communities:
    """The Leiden algorithm, until no iteration raises Q.

    At another resolution r it raises Tr(P^T A P) - r Tr(P^T A 1 1^T A P): communities are smaller where r is larger.
    The Q that is returned is that of ``modularity`` all the same.

    Args:
        similarity: (n, n), see ``adjacency``.
        rng: source of the order in which units are visited.
        resolution: r, above 0.

    Raises:
        InputError: if the similarity is none, or the resolution is not above 0.

    Source: none of the papers; Traag, Waltman and van Eck (2019). Chapter: ``upstream-downstream``.

    >>> similarity = np.kron(np.eye(2), np.ones((3, 3)))  # units 0 to 2 are alike, and units 3 to 5
    >>> leiden(similarity, np.random.default_rng(0)).labels.tolist()
    [0, 0, 0, 1, 1, 1]
    """
    import igraph
    import leidenalg

    rng, resolution = generator(rng), real(resolution, "resolution", above=0)
    part, live, labels = _live_part(similarity)
    if not live.any():
        return Communities(labels, 0.0, 0.0)
    first, second = np.nonzero(np.triu(part))
    graph = igraph.Graph(n=len(part), edges=np.column_stack([first, second]))
    found = leidenalg.find_partition(
        graph,
        leidenalg.RBConfigurationVertexPartition,
        weights=part[first, second],
        resolution_parameter=resolution,
        n_iterations=-1,
        seed=int(rng.integers(2**31)),
    )
    members = np.asarray(found.membership)
    labels[live] = _in_order(members)
    return Communities(labels, _modularity(part, members), _modularity(part, np.arange(len(part))))


def effective_number(labels: np.ndarray) -> float:
    """Number of communities exp(H(r)), with r the share of all units that each of them holds.

    If every unit is in one, between 1, for a single community, and their number, for communities of equal size. A unit
    with label -1 counts among all units and is in no community, so the number may then be larger than that of
    communities; without any community it is 0.

    Raises:
        InputError: if the labels are no whole numbers, or there are none.

    Source: upstream-downstream 4.2, equation 8. Chapter: ``upstream-downstream``.

    >>> [round(effective_number(np.repeat([0, 1], sizes)), 2) for sizes in ((6, 0), (5, 1), (3, 3))]
    [1.0, 1.57, 2.0]
    """
    labels = whole_labels(labels, "labels")
    used = labels[labels != UNPLACED]
    if not used.size:
        return 0.0
    share = np.unique(used, return_counts=True)[1] / len(labels)
    return float(np.exp(-(share * np.log(share)).sum()))


def element_similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Element-centric similarity of two partitions of the same units, by clusim; 1 if they are equal.

    Units with label -1 form a community of their own.

    Raises:
        InputError: if the partitions differ in length.

    Source: upstream-downstream 4.4, after Gates et al. (2019). Chapter: ``upstream-downstream``.

    Names of communities do not matter:

    >>> first = [0, 0, 1, 1]
    >>> [round(element_similarity(first, second), 2) for second in ([1, 1, 0, 0], [0, 1, 0, 1])]
    [1.0, 0.5]
    """
    from clusim.clustering import Clustering
    from clusim.sim import element_sim

    first = whole_labels(first, "first")
    second = whole_labels(second, "second", len(first))
    partitions = [Clustering().from_membership_list(labels.tolist()) for labels in (first, second)]
    return float(element_sim(*partitions))


def transferability(
    first_similarity: np.ndarray, first: np.ndarray, second_similarity: np.ndarray, second: np.ndarray
) -> float:
    """Mean Q of either similarity under the partition that was found for the other.

    Raises:
        InputError: as ``modularity``.

    Source: upstream-downstream 4.4, equation 9. Chapter: ``upstream-downstream``.

    Communities of one layer fit a second one with the same blocks, and not one in which they are crossed:

    >>> similarity = np.kron(np.eye(2), np.ones((3, 3)))  # units 0 to 2 are alike, and units 3 to 5
    >>> blocks, crossed = [0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 0, 1]
    >>> [round(transferability(similarity, blocks, similarity, found), 2) for found in (blocks, crossed)]
    [0.5, 0.17]
    """
    return (modularity(first_similarity, second) + modularity(second_similarity, first)) / 2


def _live_part(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edge weights among the units that are similar to any other, which units these are, and labels yet to be found."""
    weights = adjacency(similarity)
    live = weights.sum(axis=1) > DEAD
    return weights[np.ix_(live, live)], live, np.full(len(weights), UNPLACED)


def _modularity(weights: np.ndarray, labels: np.ndarray) -> float:
    if not labels.any():  # one community: rounding would leave some 1e-16, which looks like more or less than chance
        return 0.0
    onehot = np.eye(int(labels.max()) + 1)[labels]
    inside = np.einsum("ic,ij,jc->c", onehot, weights, onehot, optimize=True)
    return float((inside - (weights.sum(axis=1) @ onehot) ** 2).sum())


def _in_order(labels: np.ndarray) -> np.ndarray:
    """The same partition, communities numbered from the largest to the smallest."""
    _, first, inverse, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -counts))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse]


def _spectral_split(weights: np.ndarray) -> np.ndarray:
    """Newman's splitting: cut a community by the sign of its leading eigenvector as long as Q rises.

    Q is a sum over communities, so whether a cut raises it does not depend on the other communities.
    """
    degrees = weights.sum(axis=1)
    gain = weights - np.outer(degrees, degrees)
    labels = np.zeros(len(weights), dtype=np.int64)
    waiting = deque([np.arange(len(weights))])
    while waiting:
        members = waiting.popleft()
        if len(members) == 1:
            continue
        part = gain[np.ix_(members, members)]
        leading = np.linalg.eigh(part)[1][:, -1]
        positive = leading >= 0
        if positive.all() or not positive.any():
            continue
        # Only the pairs that the cut separates are lost, each counted from both sides.
        if part[np.ix_(positive, ~positive)].sum() < 0:
            labels[members[~positive]] = np.max(labels) + 1
            waiting += [members[positive], members[~positive]]
    return labels


@compiled(cache=True, nogil=True)
def _temperature(gains, n, target, start):  # type: ignore[no-untyped-def]
    """Temperature at which the choice p ~ exp(gain / temperature) has the target entropy.

    Entropy grows with temperature, so halve an interval of its logarithm. It has no solution where
    candidates tie; then the end of the range serves.
    """
    low, high, log_t = np.log(COLDEST), np.log(HOTTEST), np.log(start)
    best = gains[:n].max()
    width = 0.5
    for _ in range(100):
        total, mean = 0.0, 0.0
        temperature = np.exp(log_t)
        for c in range(n):
            x = (gains[c] - best) / temperature
            weight = np.exp(x)
            total += weight
            mean += weight * x
        entropy = np.log(total) - mean / total
        if abs(entropy - target) < 0.01:
            break
        # Away from the last temperature in growing steps, until the solution is enclosed.
        if entropy < target:
            low = log_t
            log_t = log_t + width if log_t + width < high else (low + high) / 2
        else:
            high = log_t
            log_t = log_t - width if log_t - width > low else (low + high) / 2
        width *= 2
        if high - low < 1e-3:
            break
    return np.exp(log_t)


@compiled(cache=True, nogil=True)
def _monte_carlo(weights, start, units, uniforms, target):  # type: ignore[no-untyped-def]
    """Best partition that a random search meets.

    A move takes a unit out and puts it into one of the communities in use or into an empty one, with
    p ~ exp(Q / temperature). The unit's similarity to every community and the communities' totals are
    kept up to date, so a move costs what it changes.
    """
    n = len(weights)
    degrees = weights.sum(axis=1)
    labels = start.copy()
    toward = np.zeros((n, n))  # of a unit to a community
    totals, sizes = np.zeros(n), np.zeros(n, dtype=np.int64)
    for i in range(n):
        totals[labels[i]] += degrees[i]
        sizes[labels[i]] += 1
        for j in range(n):
            toward[j, labels[i]] += weights[j, i]
    used = labels.max() + 1  # communities 0..used-1 may hold units; those after it never did
    q, best_q, best = 0.0, 0.0, labels.copy()  # both relative to the start
    gains, chances, candidates = np.empty(n + 1), np.empty(n + 1), np.empty(n + 1, dtype=np.int64)
    temperature = 1e-3
    for step in range(len(units)):
        i = units[step]
        own = labels[i]
        totals[own] -= degrees[i]
        sizes[own] -= 1
        m, empty = 0, -1
        for c in range(used):
            if sizes[c] > 0:
                candidates[m] = c
                gains[m] = 2 * (toward[i, c] - degrees[i] * totals[c])
                m += 1
            elif empty < 0:
                empty = c
        if empty < 0 and used < n:
            empty = used
        if empty >= 0:
            candidates[m] = empty
            gains[m] = 0.0
            m += 1
        stay = 2 * (toward[i, own] - degrees[i] * totals[own]) if sizes[own] > 0 else 0.0
        temperature = _temperature(gains, m, target, temperature)
        highest = np.max(gains[:m])
        total = 0.0
        for c in range(m):
            chances[c] = np.exp((gains[c] - highest) / temperature)
            total += chances[c]
        left = uniforms[step] * total
        pick = m - 1
        for c in range(m):
            left -= chances[c]
            if left < 0:
                pick = c
                break
        new = candidates[pick]
        totals[new] += degrees[i]
        sizes[new] += 1
        if new != own:
            used = max(used, new + 1)
            labels[i] = new
            q += gains[pick] - stay
            for j in range(n):
                toward[j, own] -= weights[j, i]
                toward[j, new] += weights[j, i]
            if q > best_q + 1e-15:
                best_q = q
                best[:] = labels
    return best
