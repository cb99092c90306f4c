"""Modularity and the searches for its maximum: known values, invariances, planted communities, none in noise."""

import networkx as nx
import numpy as np
import pytest
from clusim.clustering import Clustering
from clusim.sim import element_sim
from hypothesis import given, strategies as st

from modlib.communities import partitions as communities
from modlib.communities.partitions import (
    adjacency,
    effective_number,
    element_similarity,
    find_communities,
    leiden,
    modularity,
)
from modlib.errors import InputError


def noise(n: int, rng: np.random.Generator) -> np.ndarray:
    points = rng.normal(size=(n, 2 * n))
    return np.abs(points @ points.T)


def planted(sizes: list[int], rng: np.random.Generator, between: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Similarities within groups are larger than between them; the units are in random order."""
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    similarity = rng.uniform(0.5, 1, size=(len(groups),) * 2)
    similarity *= np.where(groups[:, None] == groups, 1, between)
    return similarity + similarity.T, groups


def same(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(((first[:, None] == first) == (second[:, None] == second)).all())


def naive_modularity(similarity: np.ndarray, labels: np.ndarray) -> float:
    """Equation 6 of the paper, term by term."""
    weights = np.array(similarity)
    np.fill_diagonal(weights, 0)
    weights /= weights.sum()
    onehot = (labels[:, None] == np.unique(labels)).astype(float)
    ones = np.ones((len(weights), 1))
    return float(
        np.trace(onehot.T @ weights @ onehot) - np.trace(onehot.T @ weights @ ones @ ones.T @ weights @ onehot)
    )


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_modularity_is_that_of_the_definition_and_of_networkx(n, seed):
    rng = np.random.default_rng(seed)
    similarity, labels = noise(n, rng), rng.integers(4, size=n)
    found = modularity(similarity, labels)
    assert found == pytest.approx(naive_modularity(similarity, labels), abs=1e-12)
    graph = nx.from_numpy_array(adjacency(similarity))
    parts = [set(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    assert found == pytest.approx(nx.community.modularity(graph, parts), abs=1e-12)


def test_known_values():
    pairs = np.kron(np.eye(2), np.ones((2, 2)))
    assert modularity(pairs, np.array([0, 0, 1, 1])) == pytest.approx(1 / 2)
    assert modularity(pairs, np.array([0, 1, 0, 1])) == pytest.approx(-1 / 2)
    assert modularity(pairs, np.zeros(4)) == pytest.approx(0)
    blocks = np.kron(np.eye(5), np.ones((3, 3)))
    assert modularity(blocks, np.repeat(np.arange(5), 3)) == pytest.approx(1 - 1 / 5)


@given(st.integers(3, 10), st.integers(0, 2**32 - 1))
def test_modularity_ignores_scale_the_diagonal_the_order_of_units_and_the_names_of_communities(n, seed):
    rng = np.random.default_rng(seed)
    similarity, labels, order = noise(n, rng), rng.integers(3, size=n), rng.permutation(n)
    expected = modularity(similarity, labels)
    assert modularity(1e-7 * similarity + 5 * np.eye(n), labels) == pytest.approx(expected, abs=1e-9)
    assert modularity(similarity[np.ix_(order, order)], labels[order]) == pytest.approx(expected, abs=1e-12)
    assert modularity(similarity, 7 - labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("sizes", [[10, 10], [20, 8, 4], [6] * 6, [40, 40, 40]])
def test_every_search_finds_planted_communities(sizes):
    similarity, groups = planted(sizes, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    searches = {"Monte Carlo": find_communities(similarity, rng), "Leiden": leiden(similarity, rng)}
    assert searches["Leiden"].q_start == pytest.approx(modularity(similarity, np.arange(len(similarity))))
    if len(sizes) <= 3:  # the sign of one vector may cut a group in two when there are many
        searches["spectral"] = find_communities(similarity, rng, steps=0)
    if sum(sizes) <= 36:  # many units rarely leave a single community one by one
        searches["Monte Carlo from one community"] = find_communities(similarity, rng, spectral_start=False)
    for name, found in searches.items():
        assert same(found.labels, groups), name
        assert found.q == pytest.approx(modularity(similarity, found.labels), abs=1e-12)
        assert (np.diff(np.bincount(found.labels)) <= 0).all(), "the largest comes first"


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_the_search_never_ends_below_its_start_and_repeats_itself(n, seed):
    similarity = noise(n, np.random.default_rng(seed))
    found = find_communities(similarity, np.random.default_rng(seed), steps=300)
    assert found.q >= found.q_start >= 0
    assert found.q == pytest.approx(modularity(similarity, found.labels), abs=1e-12)
    again = find_communities(similarity, np.random.default_rng(seed), steps=300)
    assert (again.labels == found.labels).all()


def test_the_search_finds_the_best_of_all_partitions_of_few_units():
    """Seven units have 877 partitions; all are looked at."""

    def partitions(n: int) -> list[list[int]]:
        if n == 0:
            return [[]]
        return [[*rest, label] for rest in partitions(n - 1) for label in range(max(rest, default=-1) + 2)]

    every = [np.array(labels) for labels in partitions(7)]
    assert len(every) == 877
    for seed in range(10):
        similarity = noise(7, np.random.default_rng(seed)) ** 2
        best = max(modularity(similarity, labels) for labels in every)
        assert find_communities(similarity, np.random.default_rng(0)).q == pytest.approx(best, abs=1e-12)


def search_by_definition(weights: np.ndarray, units: np.ndarray, uniforms: np.ndarray, target: float) -> np.ndarray:
    """Algorithm 3 with Q from its definition for every place that a unit may go to: slow, and nothing kept up to date.

    As in the search, communities come in the order of their numbers and the empty one last.
    """
    labels = np.zeros(len(weights), dtype=np.int64)
    best, best_q, temperature = labels, naive_modularity(weights, labels), 1e-3
    for unit, uniform in zip(units, uniforms, strict=True):
        others = np.delete(labels, unit)
        free = sorted(set(range(len(weights))) - set(others.tolist()))[:1]
        candidates = [*np.unique(others).tolist(), *free]
        moved = [np.where(np.arange(len(weights)) == unit, to, labels) for to in candidates]
        alone = np.where(np.arange(len(weights)) == unit, len(weights), labels)
        gains = np.array([naive_modularity(weights, to) for to in moved]) - naive_modularity(weights, alone)
        temperature = communities._temperature(gains, len(gains), target, temperature)
        chances = np.exp((gains - gains.max()) / temperature)
        labels = moved[int(np.searchsorted(np.cumsum(chances), uniform * chances.sum(), side="right"))]
        if naive_modularity(weights, labels) > best_q + 1e-12:
            best, best_q = labels, naive_modularity(weights, labels)
    return best


@pytest.mark.parametrize("n", [3, 5, 8])
@pytest.mark.parametrize("target", [0.15, 1.2])  # nats; the second fills every community at times
def test_the_search_makes_the_moves_of_its_definition(n, target):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        weights, units, uniforms = adjacency(noise(n, rng) ** 2), rng.integers(n, size=40), rng.random(40)
        found = communities._monte_carlo(weights, np.zeros(n, dtype=np.int64), units, uniforms, target)
        assert same(found, search_by_definition(weights, units, uniforms, target))


def test_noise_has_a_low_modularity_and_planted_communities_a_high_one():
    rng = np.random.default_rng(0)
    of_noise = [find_communities(noise(40, rng), rng).q for _ in range(10)]
    of_planted = [find_communities(planted([14, 13, 13], rng)[0], rng).q for _ in range(10)]
    assert max(of_noise) < 0.2 < 0.4 < min(of_planted)


@pytest.mark.parametrize("target", [0.05, 0.15, 0.6])
def test_the_temperature_gives_the_choice_its_entropy(target):
    rng = np.random.default_rng(0)
    for scale in (1e-8, 1e-4, 1.0):
        gains = np.sort(rng.normal(size=5)) * scale
        temperature = communities._temperature(gains, 5, target, 1e-3)
        chances = np.exp((gains - gains.max()) / temperature)
        chances /= chances.sum()
        chances = chances[chances > 0]
        assert -(chances * np.log(chances)).sum() == pytest.approx(target, abs=0.011)


def test_a_unit_that_is_similar_to_none_is_set_apart():
    similarity, groups = planted([6, 6], np.random.default_rng(0))
    padded = np.zeros((14, 14))
    padded[1:13, 1:13] = similarity
    padded[0, 0] = 3.0  # similar to itself alone
    for found in (find_communities(padded, np.random.default_rng(0)), leiden(padded, np.random.default_rng(0))):
        assert found.labels[[0, 13]].tolist() == [-1, -1]
        assert same(found.labels[1:13], groups)
        assert found.q == pytest.approx(modularity(similarity, groups), abs=1e-12)
        assert effective_number(found.labels) == pytest.approx(np.exp(-2 * (6 / 14) * np.log(6 / 14)))


@pytest.mark.parametrize("similarity", [np.zeros((3, 3)), np.eye(3), np.ones((1, 1))])
def test_without_any_similarity_there_is_no_community(similarity):
    for found in (find_communities(similarity, np.random.default_rng(0)), leiden(similarity, np.random.default_rng(0))):
        assert (found.labels == -1).all()
        assert (found.q, found.q_start) == (0, 0)
    assert modularity(similarity, np.zeros(len(similarity))) == 0
    assert effective_number(found.labels) == 0


def test_the_effective_number_of_communities():
    assert effective_number(np.zeros(5)) == pytest.approx(1)
    assert effective_number(np.repeat(np.arange(4), 3)) == pytest.approx(4)
    assert 1 < effective_number(np.array([0] * 9 + [1])) < 2


def test_element_similarity_is_that_of_clusim():
    rng = np.random.default_rng(0)
    first, second = rng.integers(4, size=30), rng.integers(3, size=30)
    pair = [Clustering({i: [int(label)] for i, label in enumerate(labels)}) for labels in (first, second)]
    assert element_similarity(first, second) == pytest.approx(element_sim(*pair, alpha=0.9), abs=1e-12)
    assert element_similarity(first, 3 - first) == pytest.approx(1)
    assert element_similarity(first, second) == pytest.approx(element_similarity(second, first))


def test_transferability_is_symmetric_and_q_where_the_similarities_are_equal():
    rng = np.random.default_rng(0)
    (first, groups), second = planted([5, 5], rng), noise(10, rng)
    other = rng.integers(2, size=10)
    assert communities.transferability(first, groups, first, groups) == pytest.approx(modularity(first, groups))
    forth, back = ((first, groups, second, other), (second, other, first, groups))
    assert communities.transferability(*forth) == pytest.approx(communities.transferability(*back))


@pytest.mark.parametrize(
    ("similarity", "message"),
    [
        (np.ones((2, 3)), r"shape \(n, n\)"),
        (np.array([[1, np.nan], [np.nan, 1]]), "2 not finite"),
        (np.array([[1, -1.0], [-1, 1]]), "of at least 0"),
        (np.array([[1, 0.0], [1, 1]]), "expected a symmetric one"),
        (np.array([[1e9, 0.0], [1, 1]]), "expected a symmetric one"),  # the diagonal does not count
    ],
)
def test_what_is_no_similarity_is_refused(similarity, message):
    for search in (find_communities, leiden):
        with pytest.raises(InputError, match=message):
            search(similarity, np.random.default_rng(0))


def test_similarities_that_differ_by_rounding_are_symmetric_and_larger_ones_are_not():
    similarity = noise(4, np.random.default_rng(0))
    almost, not_quite = similarity.copy(), similarity.copy()
    almost[0, 1] *= 1 + 1e-7
    not_quite[0, 1] *= 1 + 1e-5
    np.testing.assert_allclose(adjacency(almost), adjacency(similarity), rtol=1e-6)
    np.testing.assert_array_equal(adjacency(almost), adjacency(almost).T)
    with pytest.raises(InputError, match="expected a symmetric one"):
        adjacency(not_quite)


def test_similarities_whose_sum_is_not_finite_are_those_of_another_scale():
    similarity = noise(4, np.random.default_rng(0))
    np.testing.assert_allclose(adjacency(similarity / similarity.max() * 1e308), adjacency(similarity), rtol=1e-12)


def test_labels_and_steps_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="labels = "):
        modularity(np.ones((2, 2)), np.zeros(3))
    with pytest.raises(InputError, match="steps = -1 arrived"):
        find_communities(np.ones((2, 2)), np.random.default_rng(0), steps=-1)
    with pytest.raises(InputError, match="second = "):
        element_similarity(np.zeros(2), np.zeros(3))
