"""Modularity of the best division beside that of random graphs: planted communities found, nothing in noise."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from modlib.communities import dealt_similarity, leiden, modularity, modularity_test
from modlib.errors import InputError


def noise(rng: np.random.Generator, n: int = 24) -> np.ndarray:
    found = rng.random((n, n))
    return found + found.T


@given(st.integers(0, 99), st.integers(2, 9))
def test_dealt_similarities_are_the_same_numbers_between_other_pairs(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    similarity = noise(rng, n)
    dealt = dealt_similarity(similarity, rng)
    assert np.array_equal(dealt, dealt.T)
    assert np.array_equal(np.diag(dealt), np.diag(similarity))
    upper = np.triu_indices(n, 1)
    assert np.array_equal(np.sort(dealt[upper]), np.sort(similarity[upper]))


def test_every_pair_gets_every_similarity_equally_often() -> None:
    rng, similarity = np.random.default_rng(0), np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]], dtype=float)
    often = np.mean([dealt_similarity(similarity, rng)[0, 1] == 3 for _ in range(3000)])
    assert often == pytest.approx(1 / 3, abs=0.03)


def test_planted_communities_are_more_modular_than_dealt_similarities() -> None:
    rng = np.random.default_rng(1)
    found = modularity_test(np.kron(np.eye(3), np.ones((8, 8))) + noise(rng) / 4, rng, 30)
    assert found.p == pytest.approx(1 / 31)
    assert found.z > 10
    assert len(set(found.labels)) == 3
    assert len(found.null) == 30


def test_in_noise_the_p_value_is_uniform() -> None:
    rng = np.random.default_rng(2)
    p = np.array([modularity_test(noise(rng, 12), rng, 19).p for _ in range(100)])
    assert abs(p.mean() - 0.525) < 0.12
    assert (p <= 0.05).mean() < 0.15


def test_a_null_of_ones_own_decides() -> None:
    # Correlations of units beat dealt ones, whatever they are of; not the correlations of others like them.
    rng = np.random.default_rng(3)

    def correlations(_: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.clip(np.corrcoef(rng.normal(size=(30, 4))), 0, 1)

    similarity = correlations(np.empty(0), rng)
    dealt, others = modularity_test(similarity, rng, 19), modularity_test(similarity, rng, 19, correlations)
    assert dealt.p == 0.05
    assert dealt.z > 3
    assert others.p > 0.1
    assert dealt.q == pytest.approx(modularity(similarity, dealt.labels))
    assert dealt.q == pytest.approx(leiden(similarity, rng).q, abs=0.02)


def test_what_is_no_similarity_is_refused() -> None:
    rng = np.random.default_rng(4)
    with pytest.raises(InputError, match="symmetric"):
        dealt_similarity(np.array([[0.0, 1], [2, 0]]), rng)
    with pytest.raises(InputError, match="n_null"):
        modularity_test(noise(rng, 3), rng, 1)
    with pytest.raises(InputError, match="similarity"):
        modularity_test(noise(rng, 3), rng, 2, lambda similarity, rng: -similarity)


@pytest.mark.parametrize("n", [3, 4, 6])
def test_a_single_community_is_no_more_modular_than_others(n: int) -> None:
    similarity = 1 - 0.01 * noise(np.random.default_rng(0), n)
    found = modularity_test(similarity, np.random.default_rng(1), 20)
    assert (found.q, found.p) == (0, 1)
    assert np.isnan(found.z)
