"""Several partitions of the same units: which is the middle one, and how stable every unit is."""

from itertools import combinations

import numpy as np
import pytest

from modlib.communities import agreement, consensus, element_similarity, leiden, sweep
from modlib.errors import InputError
from modlib.graphs import cluster


def partitions(rng: np.random.Generator, n: int = 5, units: int = 20) -> list[np.ndarray]:
    return [rng.integers(3, size=units) for _ in range(n)]


def test_similarities_and_stability_are_those_of_all_pairs_by_clusim() -> None:
    parts = partitions(np.random.default_rng(0))
    found = consensus(parts)
    pairs = {pair: element_similarity(*(parts[i] for i in pair)) for pair in combinations(range(5), 2)}
    for i in range(5):
        assert found.similarity[i] == pytest.approx(np.mean([value for pair, value in pairs.items() if i in pair]))
    assert found.stability.mean() == pytest.approx(np.mean(list(pairs.values())))
    assert np.array_equal(found.labels, parts[int(found.similarity.argmax())])


def test_of_equal_partitions_every_unit_is_stable_whatever_their_names() -> None:
    labels = np.array([0, 0, 1, 2, 2])
    found = consensus([labels, 2 - labels, labels + 7])
    assert np.array_equal(found.labels, labels)
    assert found.stability.tolist() == [1] * 5
    assert found.together.tolist() == (labels[:, None] == labels).astype(float).tolist()


def test_a_unit_that_changes_sides_is_the_least_stable() -> None:
    parts = [np.repeat([0, 1], 10) for _ in range(6)]
    for number, labels in enumerate(parts):
        labels[3] = number % 2
    found = consensus(parts)
    assert found.stability.argmin() == 3
    assert found.together[3, 0] == pytest.approx(0.5)
    assert found.together[3, 3] == 1


def test_searches_agree_on_planted_communities_and_not_on_noise() -> None:
    rng = np.random.default_rng(0)
    noise = rng.random((40, 40))
    noise = noise + noise.T
    planted = noise + 6 * np.kron(np.eye(4), np.ones((10, 10)))
    stable, loose = (
        consensus([leiden(graph, np.random.default_rng(seed)).labels for seed in range(8)]).stability.mean()
        for graph in (planted, noise)
    )
    assert stable == 1
    assert loose < 0.8


def test_one_partition_alone_and_other_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="partitions"):
        consensus([[0, 1]])
    with pytest.raises(InputError, match=r"partitions\[1\]"):
        consensus([[0, 1], [0, 1, 1]])


def planted(rng: np.random.Generator, modules: int = 4, size: int = 12) -> np.ndarray:
    """Similarities that are higher within modules, with noise."""
    inside = np.kron(np.eye(modules), np.ones((size, size)))
    noise = rng.random(inside.shape) * 0.4
    return inside + noise + noise.T


def test_the_planted_number_of_modules_is_the_one_that_is_found_again() -> None:
    graph = planted(np.random.default_rng(0))
    np.fill_diagonal(graph, 0)
    points = sweep(lambda k, rng: cluster(graph, k, rng, n_init=1).labels, range(2, 9), np.random.default_rng(1))
    assert [point.setting for point in points] == list(range(2, 9))
    best = max(points, key=lambda point: point.beyond_chance)
    assert (best.setting, best.similarity, best.modules) == (4, 1.0, 4.0)


def test_a_point_is_the_mean_over_pairs_of_starts() -> None:
    parts = partitions(np.random.default_rng(5), 3)
    given = iter(parts)
    (point,) = sweep(lambda _, __: next(given), [1.0], np.random.default_rng(0), 3)
    pairs = [agreement(first, second) for first, second in combinations(parts, 2)]
    assert point.similarity == pytest.approx(np.mean([pair.similarity for pair in pairs]))
    assert point.by_chance == pytest.approx(np.mean([pair.by_chance for pair in pairs]))
    assert point.modules == 3


def test_units_in_no_module_make_none() -> None:
    labels = np.array([0, 0, 1, 1, -1, -1])
    (point,) = sweep(lambda _, __: labels, [1.0], np.random.default_rng(0), 2)
    assert point.modules == 2


def test_a_higher_resolution_finds_more_and_smaller_communities() -> None:
    graph = planted(np.random.default_rng(2))
    points = sweep(
        lambda resolution, rng: leiden(graph, rng, resolution).labels, [0.3, 1.0, 4.0], np.random.default_rng(3), 3
    )
    assert [point.modules for point in points][:2] == [1, 4]
    assert points[2].modules > 10
    assert points[0].beyond_chance == pytest.approx(0), "a single community is always found again"
    with pytest.raises(InputError, match="resolution"):
        leiden(graph, np.random.default_rng(0), 0)


def test_partitions_of_other_units_are_no_sweep() -> None:
    with pytest.raises(InputError, match="second"):
        sweep(lambda k, rng: np.zeros(rng.integers(3, 90), dtype=int), [2], np.random.default_rng(0))
