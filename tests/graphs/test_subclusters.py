"""Sub-clusters and their random counterparts."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from modlib.checks import UNPLACED
from modlib.errors import InputError
from modlib.graphs.subclusters import SubCluster, hidden_labels, sub_clusters
from modlib.networks.network import from_arrays


def test_every_unit_is_in_one_sub_cluster_of_its_layer():
    labels = [np.array([0, 1, 1, UNPLACED]), np.array([2, 0])]
    found = {part.name: part.units.tolist() for part in sub_clusters(labels)}
    assert found == {"1-0": [0], "1-1": [1, 2], "2-0": [1], "2-2": [0]}
    assert [part.proportion for part in sub_clusters(labels)] == [0.25, 0.5, 0.5, 0.5]


def test_limits():
    labels = [np.repeat([0, 1, 2], [1, 3, 16])]
    assert [part.cluster for part in sub_clusters(labels, at_least=3)] == [1, 2]
    assert [part.cluster for part in sub_clusters(labels, at_most=0.8)] == [0, 1, 2]
    assert [part.cluster for part in sub_clusters(labels, at_least=3, at_most=0.79)] == [1]
    of_a_hundred = [np.repeat([0, 1], [29, 71])]
    assert [part.cluster for part in sub_clusters(of_a_hundred, at_most=0.29)] == [0]


@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_random_sets_have_the_size_and_avoid_isolated_units(live, n, seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.concatenate([rng.integers(0, 3, live), np.full(5, UNPLACED)]))
    part = sub_clusters([labels])[0]
    drawn = part.random(n, rng)
    assert drawn.shape == (n, len(part.units))
    assert all(len(set(one)) == len(one) for one in drawn.tolist())
    assert set(drawn.ravel()) <= set(np.flatnonzero(labels != UNPLACED))
    with_it = part.and_random(n, np.random.default_rng(seed))
    assert np.array_equal(with_it[0], part.units)
    assert np.array_equal(with_it[1:], part.random(n, np.random.default_rng(seed)))


def test_every_unit_is_drawn_as_often():
    part = sub_clusters([np.repeat([0, 1, UNPLACED], [2, 6, 2])])[0]
    counts = np.bincount(part.random(8000, np.random.default_rng(0)).ravel(), minlength=10)
    assert not counts[8:].any()
    assert np.allclose(counts[:8], 2000, atol=150)


def test_clusters_of_two_networks_side_by_side():
    blocks = [np.kron(np.eye(2), np.ones((a, b))) for a, b in ((4, 3), (3, 3), (3, 2))]
    labels = hidden_labels(from_arrays(blocks), 2, np.random.default_rng(0))
    assert [len(of_layer) for of_layer in labels] == [6, 6]
    assert all(len(set(half)) == 1 for of_layer in labels for half in np.split(of_layer, 2))
    assert labels[0][0] == labels[1][0] != labels[1][-1]


def test_channels_are_the_hidden_units_of_a_network_with_convolutions():
    from torch import nn

    from modlib.networks.network import as_network

    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.Flatten(), nn.Linear(20, 3))
    labels = hidden_labels(as_network(module), 2, np.random.default_rng(0))
    assert [len(of_layer) for of_layer in labels] == [4, 5]


@pytest.mark.parametrize(
    ("labels", "limits", "message"),
    [
        ([], {}, "labels = .* expected a list"),
        ([np.array([-1, -1])], {}, "no sub-cluster"),
        ([np.array([0, 0, 1])], {"at_least": 3}, "at least 3 units"),
        ([np.array([0.5, 1.0])], {}, "float64"),
        ([np.array([-2, 1])], {}, "whole numbers of at least -1"),
        ([np.zeros((2, 2), int)], {}, "layer 1"),
    ],
)
def test_bad_labels(labels, limits, message):
    with pytest.raises(InputError, match=message):
        sub_clusters(labels, **limits)


def test_no_random_set():
    with pytest.raises(InputError, match="at least 1"):
        sub_clusters([np.array([0, 1])])[0].random(0, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"units": [1, 4]}, "units = .* expected units of the pool"),
        ({"units": [7]}, "units = .* at most 5"),
        ({"pool": [0, 6]}, "pool = .* at most 5"),
        ({"units": [0.5]}, "units = .* expected whole numbers"),
        ({"units": [1, 1]}, "units = .* expected each unit once, in ascending order"),
        ({"pool": [1, 0, 2]}, "pool = .* expected each unit once, in ascending order"),
        ({"layer": 0}, "layer = 0"),
        ({"cluster": -1}, "cluster = -1"),
        ({"width": 0}, "width = 0"),
    ],
)
def test_units_outside_their_layer_are_refused(wrong, message):
    good = {"layer": 1, "cluster": 0, "units": [1, 2], "pool": [0, 1, 2, 5], "width": 6}
    assert SubCluster(**(good | {"layer": 1.0})).name == "1-0"
    with pytest.raises(InputError, match=message):
        SubCluster(**(good | wrong))
