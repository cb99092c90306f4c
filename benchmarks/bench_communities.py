"""5,000 moves of the Monte Carlo search: modlib against Q computed anew for every candidate; Leiden beside both.

The other side makes the same moves with the same rule, but evaluates Q = Tr(P^T A P) - Tr(P^T A 1 1^T A P) from
its definition for every community that a unit could go to, with as many columns of P as there are units. It makes
a twentieth of the moves, and its time is multiplied by twenty.
"""

import time

import numpy as np
import pandas as pd
from common import store

from modlib.communities import adjacency, find_communities, leiden, modularity
from modlib.communities.partitions import ENTROPY, STEPS, _spectral_split

SHARE = 20


def by_definition(similarity: np.ndarray, rng: np.random.Generator, steps: int) -> float:
    """Best Q of a search that knows nothing but the definition."""
    weights = adjacency(similarity)
    n = len(weights)
    onehot = np.eye(n)[_spectral_split(weights)]
    degrees = weights.sum(axis=1)

    def q_of(partition: np.ndarray) -> float:
        return float(np.trace(partition.T @ weights @ partition) - ((degrees @ partition) ** 2).sum())

    best = q_of(onehot)
    for _ in range(steps):
        unit = rng.integers(n)
        onehot[unit] = 0
        sizes = onehot.sum(axis=0)
        candidates = [*np.flatnonzero(sizes), *np.flatnonzero(sizes == 0)[:1]]
        values = []
        for candidate in candidates:
            onehot[unit, candidate] = 1
            values.append(q_of(onehot))
            onehot[unit, candidate] = 0
        gains, low, high = np.array(values) - max(values), -14.0, 6.0
        for _ in range(30):  # halve the interval of log10 temperature
            middle = (low + high) / 2
            chances = np.exp(gains / 10**middle)
            chances /= chances.sum()
            used = chances[chances > 0]
            low, high = (middle, high) if -(used * np.log(used)).sum() < ENTROPY else (low, middle)
        pick = rng.choice(len(candidates), p=chances)
        onehot[unit, candidates[pick]] = 1
        best = max(best, values[pick])
    return best


def activities(n: int, rng: np.random.Generator) -> np.ndarray:
    """Absolute covariances of units in five overlapping groups."""
    latent = rng.normal(size=(1000, 5))
    mixed = latent @ rng.normal(size=(5, n)) ** 3 + rng.normal(size=(1000, n))
    return np.abs(np.cov(mixed, rowvar=False))


if __name__ == "__main__":
    find_communities(activities(20, np.random.default_rng(0)), np.random.default_rng(0), 10)  # compile
    lines = []
    for n in (64, 256):
        matrices = [activities(n, np.random.default_rng([n, i])) for i in range(5)]
        timed: dict[str, tuple[float, list[float]]] = {}
        for name, search, factor in (
            ("modlib", lambda m, rng: find_communities(m, rng).q, 1),
            ("definition", lambda m, rng: by_definition(m, rng, STEPS // SHARE), SHARE),
            ("Leiden", lambda m, rng: leiden(m, rng).q, 1),
        ):
            began = time.process_time()
            found = [search(matrix, np.random.default_rng(i)) for i, matrix in enumerate(matrices)]
            timed[name] = ((time.process_time() - began) * factor / len(matrices), found)
        full = by_definition(matrices[0], np.random.default_rng(0), STEPS) if n == 64 else np.nan
        lines.append(
            {
                "units": n,
                **{f"{name}, s": seconds for name, (seconds, _) in timed.items()},
                "times faster": timed["definition"][0] / timed["modlib"][0],
                "Q, modlib": np.mean(timed["modlib"][1]),
                "Q, Leiden": np.mean(timed["Leiden"][1]),
                "Q of the first, modlib": timed["modlib"][1][0],
                "Q of the first, definition": full,
                "Q of one community": modularity(matrices[0], np.zeros(n)),
            }
        )
    store("communities", pd.DataFrame(lines))
