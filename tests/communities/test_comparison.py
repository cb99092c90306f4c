"""Agreement of two partitions, and what chance gives: closed forms against permutations and an independent package."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from modlib.communities import agreement, element_similarity, similarity_by_chance
from modlib.errors import InputError

LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=12)


def test_the_level_of_chance_is_the_mean_over_all_permutations() -> None:
    rng = np.random.default_rng(0)
    first, second = np.repeat([0, 1, 2], [5, 3, 2]), np.repeat([0, 1], [4, 6])
    drawn = [element_similarity(first, rng.permutation(second)) for _ in range(2000)]
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert similarity_by_chance(first, second) == pytest.approx(np.mean(drawn), abs=4 * error)


@pytest.mark.parametrize("n", [2, 5, 100])
def test_permuting_single_units_or_a_single_cluster_changes_nothing(n: int) -> None:
    for labels in (np.arange(n), np.zeros(n, dtype=int)):
        assert similarity_by_chance(labels, labels) == pytest.approx(1)
        assert agreement(labels, labels).beyond_chance == pytest.approx(0)


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
    assert agreement(np.full(3, -1), np.arange(3)).units == 0
    assert agreement(np.full(3, -1), np.arange(3)).beyond_chance == 0


def test_two_single_clusters_tell_nothing() -> None:
    assert agreement(np.zeros(5, dtype=int), np.ones(5, dtype=int)).mutual_information == 0


def test_other_lengths_and_other_labels_are_refused() -> None:
    with pytest.raises(InputError, match="second"):
        agreement([0, 1], [0, 1, 1])
    with pytest.raises(InputError, match="at least"):
        agreement([0, -2], [0, 1])
    with pytest.raises(InputError, match="first"):
        similarity_by_chance([0.5, 1], [0, 1])
