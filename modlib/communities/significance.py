"""Is there a division at all? Modularity Q of the best one beside that of the best ones where none is.

Every graph has a partition with Q above 0, a random one as well: what counts is how much higher it is than where alike
units are dealt at random. Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from modlib.checks import array, function, generator, whole
from modlib.communities.partitions import adjacency, leiden
from modlib.reprs import BriefRepr
from modlib.stats import monte_carlo_p, z_score


@dataclass(frozen=True, eq=False, repr=False)
class ModularityTest(BriefRepr):
    """Q of the best division of a similarity graph, and of random ones.

    Attributes:
        labels: (n,) the division, by ``leiden``; -1 for a unit that is similar to none.
        q: its modularity, in [0, 1).
        null: (n_null,) Q of the best division of every random graph.
        p: Monte Carlo p-value that a random one is at least as modular.
        z: (q - mean of the null) / its standard deviation; NaN if that is 0.
    """

    labels: np.ndarray
    q: float
    null: np.ndarray
    p: float
    z: float

    def _facts(self) -> dict[str, object]:
        return {"q": self.q, "null_mean": self.null.mean(), "p": self.p, "z": self.z}


def dealt_similarity(similarity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same similarities between other pairs of units; symmetric, with the same diagonal.

    Args:
        similarity: (n, n), see ``adjacency``.
        rng: deals them.

    Raises:
        InputError: if the similarity is none.

    Source: none of the papers. Chapter: ``do-the-measures-agree``.

    >>> similarity = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> dealt = dealt_similarity(similarity, np.random.default_rng(0))
    >>> bool((dealt == dealt.T).all()), np.unique(dealt).tolist()
    (True, [0.0, 0.9, 1.0])
    """
    adjacency(similarity)
    rng, matrix = generator(rng), array(similarity, "similarity", ("n", "n"), dtype=np.float64).copy()
    upper = np.triu_indices(len(matrix), 1)
    dealt = rng.permutation(matrix[upper])
    matrix[upper] = dealt
    matrix.T[upper] = dealt
    return matrix


def modularity_test(
    similarity: np.ndarray,
    rng: np.random.Generator,
    n_null: int = 100,
    null: Callable[[np.ndarray, np.random.Generator], np.ndarray] = dealt_similarity,
) -> ModularityTest:
    """Whether the best division of a similarity graph is more modular than that of random graphs.

    If a is alike b, and b is alike c, then a and c are mostly alike as well, whatever units do; dealt similarities
    are not, so that correlations beat them easily. A null of one's own, such as the correlations of permuted profiles,
    says more.

    Args:
        similarity: (n, n), see ``adjacency``.
        rng: source of the random graphs and of all searches.
        n_null: how many random graphs, at least 2.
        null: makes a random similarity of a similarity and a generator.

    Raises:
        InputError: if the similarity is none, or the null makes none.

    Source: none of the papers; Guimera et al. (2004) for Q of random graphs. Chapter: ``do-the-measures-agree``.

    >>> similarity = np.kron(np.eye(3), np.ones((5, 5)))
    >>> found = modularity_test(similarity, np.random.default_rng(0), 20)
    >>> round(found.q, 3), round(found.p, 3), bool(found.z > 10)
    (0.667, 0.048, True)
    """
    rng, n_null = generator(rng), whole(n_null, "n_null", 2)
    function(null, "null", "pass one that makes a similarity of a similarity and a generator")
    best = leiden(similarity, rng)
    values = np.array([leiden(null(similarity, rng), rng).q for _ in range(n_null)])
    return ModularityTest(best.labels, best.q, values, monte_carlo_p(best.q, values, "large"), z_score(best.q, values))
