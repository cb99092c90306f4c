"""Agreement of two partitions, and what chance gives: closed forms against permutations and an independent package."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings, strategies as st

from modlib.communities import (
    agreement,
    element_similarity,
    matched_groups,
    permuted_labels,
    similarity_by_chance,
)
from modlib.errors import InputError

LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=12)


def test_the_level_of_chance_is_the_mean_over_all_permutations() -> None:
    rng = np.random.default_rng(0)
    first, second = np.repeat([0, 1, 2], [5, 3, 2]), np.repeat([0, 1], [4, 6])
    drawn = [element_similarity(first, permuted_labels(second, rng)) for _ in range(2000)]
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert similarity_by_chance(first, second) == pytest.approx(np.mean(drawn), abs=4 * error)


def test_within_groups_it_is_the_mean_over_permutations_within_groups() -> None:
    rng = np.random.default_rng(2)
    first, second, groups = (rng.integers(k, size=24) for k in (3, 4, 3))
    drawn = [element_similarity(first, permuted_labels(second, rng, groups)) for _ in range(3000)]
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert similarity_by_chance(first, second, groups) == pytest.approx(np.mean(drawn), abs=4 * error)
    assert similarity_by_chance(first, second, np.zeros(24, int)) == similarity_by_chance(first, second)


def test_permuted_labels_are_all_orders_of_those_of_each_group_equally_often() -> None:
    labels, groups = np.array([3, 1, 3, -1, 2, 1]), np.array([7, 0, 7, 0, 0, 7])
    before, rng = labels.copy(), np.random.default_rng(5)
    counts = Counter(tuple(permuted_labels(labels, rng, groups).tolist()) for _ in range(3600))
    dealings = {  # three orders of 3, 3 and 1 in one group, and six of 1, -1 and 2 in the other
        (first[0], second[0], first[1], *second[1:], first[2])
        for first in permutations([3, 3, 1])
        for second in permutations([1, -1, 2])
    }
    assert set(counts) == dealings
    assert len(dealings) == 18
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001
    np.testing.assert_array_equal(labels, before)


@pytest.mark.parametrize("size", [10, 40])
def test_p_by_permuted_labels_is_uniform_where_activity_is_all_that_labels_have_in_common(size: int) -> None:
    """Of 300 pairs, by Kolmogorov and Smirnov a deviation of 0.11 of the distribution has p = 0.001."""
    rng, ps = np.random.default_rng(7), []
    groups = matched_groups(rng.random(40), size)
    for _ in range(300):
        # every label is drawn by itself, and likelier the same as others of its group
        first, second = (np.where(rng.random(40) < 0.5, groups, rng.integers(4, size=40)) for _ in range(2))
        drawn = np.array([element_similarity(first, permuted_labels(second, rng, groups)) for _ in range(9)])
        found = element_similarity(first, second)
        ps.append((np.sum(drawn > found) + rng.random() * (1 + np.sum(drawn == found))) / 10)
    assert scipy.stats.kstest(ps, "uniform").pvalue > 0.001


def test_groups_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match="groups"):
        permuted_labels(np.zeros(3), np.random.default_rng(0), np.zeros(4))
    with pytest.raises(InputError, match=r"numpy\.random\.default_rng"):
        permuted_labels(np.zeros(3), 0)  # type: ignore[arg-type]


def test_divisions_by_activity_alone_agree_no_more_than_matched_ones_would() -> None:
    # Both divide units by how active they are, with mistakes: like units within a group say nothing of each other.
    rng = np.random.default_rng(3)
    levels = rng.random(240)
    groups = matched_groups(levels, 24)
    first, second = (np.where(rng.random(240) < 0.2, rng.integers(5, size=240), groups // 2) for _ in range(2))
    found = agreement(first, second), agreement(first, second, groups)
    assert found[0].similarity == found[1].similarity
    assert found[0].beyond_chance > 0.3
    assert abs(found[1].beyond_chance) < 0.03
    # What goes with something else as well is still seen.
    modules = np.arange(240) % 4
    assert agreement(modules, modules, groups).beyond_chance > 0.5


@pytest.mark.parametrize(("n", "size", "sizes"), [(10, 5, [5, 5]), (11, 5, [5, 6]), (3, 5, [3]), (4, 1, [1, 1, 1, 1])])
def test_groups_are_of_equal_size_and_in_order(n: int, size: int, sizes: list[int]) -> None:
    levels = np.random.default_rng(4).random(n)
    groups = matched_groups(levels, size)
    assert np.bincount(groups).tolist() == sizes
    assert (np.diff(groups[np.argsort(levels)]) >= 0).all()
    assert matched_groups(np.ones(n), size).tolist() == sorted(groups)


@pytest.mark.parametrize("n", [2, 5, 100])
def test_permuting_single_units_or_a_single_cluster_changes_nothing(n: int) -> None:
    for labels in (np.arange(n), np.zeros(n, dtype=int)):
        assert similarity_by_chance(labels, labels) == pytest.approx(1)
        assert agreement(labels, labels).beyond_chance == pytest.approx(0)
        assert agreement(labels, labels).mutual_information == 0


@given(LABELS, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_names_and_order_and_which_comes_first_do_not_matter(labels: list[int], random: object) -> None:
    rng = np.random.default_rng(len(labels))
    first, second = np.array(labels), rng.permutation(labels)
    order, names = rng.permutation(len(labels)), rng.permutation(4)
    found = agreement(first, second)
    for other in (agreement(second, first), agreement(names[first][order], second[order])):
        assert other.units == found.units
        assert other.similarity == pytest.approx(found.similarity)
        assert other.by_chance == pytest.approx(found.by_chance)
        assert other.mutual_information == pytest.approx(found.mutual_information, abs=1e-9)
    assert 0 < found.by_chance <= 1 + 1e-12


def test_equal_partitions_agree_fully_and_crossed_ones_do_not() -> None:
    halves, crossed = np.repeat([0, 1], 50), np.tile([0, 1], 50)
    same, other = agreement(halves, 1 - halves), agreement(halves, crossed)
    assert (same.similarity, same.mutual_information) == (1, pytest.approx(1))
    assert abs(other.beyond_chance) < 0.02
    assert abs(other.mutual_information) < 0.02


def test_random_labels_agree_as_chance_says_on_average() -> None:
    rng = np.random.default_rng(1)
    found = [agreement(rng.integers(4, size=60), rng.integers(3, size=60)) for _ in range(200)]
    for values in ([one.beyond_chance for one in found], [one.mutual_information for one in found]):
        assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_units_in_no_cluster_are_left_out() -> None:
    first, second = np.array([0, 0, 1, 1, -1, -1]), np.array([1, 1, 0, 0, -1, 0])
    assert agreement(first, second) == agreement(first[:4], second[:4])
    assert agreement(first, second, np.arange(6) // 2) == agreement(first[:4], second[:4], np.arange(4) // 2)
    assert agreement(np.full(3, -1), np.arange(3)).units == 0
    assert agreement(np.full(3, -1), np.arange(3)).beyond_chance == 0


def test_two_single_clusters_tell_nothing() -> None:
    assert agreement(np.zeros(5, dtype=int), np.ones(5, dtype=int)).mutual_information == 0


def test_other_lengths_and_other_labels_are_refused() -> None:
    with pytest.raises(InputError, match="second"):
        agreement([0, 1], [0, 1, 1])
    with pytest.raises(InputError, match="at least"):
        agreement([0, -2], [0, 1])
    with pytest.raises(InputError, match="groups"):
        agreement([0, 1], [0, 1], [0])
    with pytest.raises(InputError, match="first"):
        similarity_by_chance([0.5, 1], [0, 1])
