"""Lesions: against networks without the units, against the full pass, and on modules that are known."""

from copy import deepcopy
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from modlib.errors import InputError
from modlib.graphs.subclusters import SubCluster, sub_clusters
from modlib.lesions import passes as lesioned_passes, sparse as sparse_perceptron
from modlib.lesions.damage import Damage, DoubleLesion, damages, double_lesions, lesion_tests
from modlib.lesions.kinds import Kind, kind, kind_in_first_paper
from modlib.lesions.profiles import lesion_profiles
from modlib.lesions.sparse import is_pruned_perceptron
from modlib.networks.network import answers, as_network, from_arrays
from modlib.networks.planted import side_by_side
from modlib.stats import monte_carlo_p


def perceptron(rng, sizes=(8, 12, 10, 9, 4), density=1.0):
    kernels = [rng.normal(size=pair) * (rng.random(pair) < density) for pair in pairwise(sizes)]
    return from_arrays(kernels, [rng.normal(size=size) for size in sizes[1:]])


def questions(rng, network, n=300):
    """Images, and labels that the network mostly gives."""
    images = rng.normal(size=(n, network.layers[0].kernel.shape[-2])).astype(np.float32)
    labels = network.answers(images)
    wrong = rng.random(n) < 0.2
    labels[wrong] = rng.integers(0, 4, wrong.sum())
    return images, labels


def edited(network, layer, units, zero_bias):
    """The network with zeros in its own arrays."""
    kernels, biases = ([getattr(layer, name).copy() for layer in network.layers] for name in ("kernel", "bias"))
    kernels[layer - 1][:, units] = 0
    if zero_bias:
        biases[layer - 1][units] = 0
    return from_arrays(kernels, biases)


@pytest.mark.parametrize("density", [1.0, 0.2])
@pytest.mark.parametrize("zero_bias", [False, True])
def test_as_zeros_in_the_weights(density, zero_bias):
    rng = np.random.default_rng(0)
    network = perceptron(rng, density=density)
    assert is_pruned_perceptron(network) == (density < 0.5)
    images, labels = questions(rng, network)
    for layer in (1, 2, 3):
        units = rng.choice(9, size=4, replace=False)
        lesioned = edited(network, layer, units, zero_bias).answers(images)
        damage = damages(network, images, labels, layer, [units], zero_biases=zero_bias)[0]
        before = network.answers(images) == labels
        lost = before.astype(int) - (lesioned == labels)
        assert damage.drop == lost.mean()
        assert damage.class_drops == pytest.approx([lost[labels == label].mean() for label in range(4)], abs=1e-12)


def test_as_deleting_the_units():
    rng = np.random.default_rng(1)
    network = perceptron(rng)
    images, labels = questions(rng, network)
    kernels, biases = ([getattr(layer, name) for layer in network.layers] for name in ("kernel", "bias"))
    units = np.array([0, 3, 7])
    kernels[1], biases[1] = np.delete(kernels[1], units, axis=1), np.delete(biases[1], units)
    kernels[2] = np.delete(kernels[2], units, axis=0)
    without = (from_arrays(kernels, biases).answers(images) == labels).mean()
    damage = damages(network, images, labels, 2, [units], zero_biases=True)[0]
    assert damage.drop == pytest.approx((network.answers(images) == labels).mean() - without, abs=1e-12)


@pytest.mark.parametrize("density", [1.0, 0.2])
def test_cached_route_is_exact_whatever_the_batches(density, monkeypatch):
    rng = np.random.default_rng(2)
    network = perceptron(rng, density=density)
    images, labels = questions(rng, network)
    sets = [rng.choice(9, size=size, replace=False) for size in (1, 2, 5, 9)]
    for layer in (1, 2, 3):
        together = damages(network, images, labels, layer, sets)
        alone = [damages(network, images, labels, layer, [units])[0] for units in sets]
        monkeypatch.setattr(lesioned_passes, "VALUES_AT_ONCE", 1)
        for passes in (lesioned_passes, sparse_perceptron):
            monkeypatch.setattr(passes, "IMAGES_AT_ONCE", 77)
        in_parts = damages(network, images, labels, layer, sets)
        monkeypatch.undo()
        for others in (alone, in_parts):
            assert [one.drop for one in together] == [one.drop for one in others]
            assert all((a.class_drops == b.class_drops).all() for a, b in zip(together, others, strict=True))


def test_both_routes_agree(monkeypatch):
    rng = np.random.default_rng(3)
    network = perceptron(rng, density=0.2)
    images, labels = questions(rng, network, 2000)
    sets = [rng.choice(9, size=3, replace=False) for _ in range(20)]
    by_weights = damages(network, images, labels, 2, sets, {1: np.array([2, 5])})
    monkeypatch.setattr(sparse_perceptron, "is_pruned_perceptron", lambda network: False)
    by_products = damages(network, images, labels, 2, sets, {1: np.array([2, 5])})
    assert [one.drop for one in by_weights] == pytest.approx([one.drop for one in by_products], abs=1e-3)


def convolutions(**of_second):
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(1, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(5, 6, 3, **of_second), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)),
    )
    module(torch.zeros(2, 1, 8, 8))
    module[1].running_mean.uniform_(-1, 1)
    return as_network(module.eval())


def test_a_norm_before_the_first_layer_is_part_of_the_network():
    rng = np.random.default_rng(0)
    pruned = perceptron(rng, density=0.2)
    norm = nn.BatchNorm1d(8)
    norm.running_mean.copy_(torch.linspace(-1, 1, 8))
    network = as_network(nn.Sequential(norm, *pruned.module))
    images, labels = questions(rng, network)
    shifted = images - network.input_norm.mean
    (ours,) = damages(network, images, labels, 1, [[0, 1, 2]])
    (theirs,) = damages(pruned, shifted / np.sqrt(1 + norm.eps), labels, 1, [[0, 1, 2]])
    assert ours.drop == pytest.approx(theirs.drop, abs=1e-9)
    assert is_pruned_perceptron(pruned)
    assert not is_pruned_perceptron(network)


@pytest.mark.parametrize("zero_bias", [True, False])
@pytest.mark.parametrize(
    "of_second", [{}, {"stride": 2, "padding": 1, "bias": False}, {"padding": "same", "padding_mode": "circular"}]
)
def test_a_network_with_convolutions(of_second, zero_bias):
    network = convolutions(**of_second)
    rng = np.random.default_rng(4)
    images, labels = rng.normal(size=(120, 1, 8, 8)).astype(np.float32), rng.integers(0, 3, 120)
    before = network.answers(images) == labels
    gone = {2: np.array([0, 5])}
    for layer, places, units, common in ((1, [0], [1, 3], {}), (2, [4], [1, 3], {}), (1, [0, 4], [2], gone)):
        copy = as_network(network.module).module
        with torch.no_grad():
            for place, lesioned in zip(places, (units, gone[2]), strict=False):
                step = copy.get_submodule(str(place))
                step.weight[lesioned] = 0
                if zero_bias and step.bias is not None:
                    step.bias[lesioned] = 0
        after = answers(copy, images) == labels
        others = rng.integers(0, 5, 3)
        found = damages(network, images, labels, layer, [others, np.array(units)], common, zero_biases=zero_bias)[1]
        assert found.drop == pytest.approx(before.mean() - after.mean(), abs=1e-12)


def test_convolutions_by_changes_say_what_whole_passes_say(monkeypatch):
    network, rng = convolutions(padding=1), np.random.default_rng(5)
    images, labels = rng.normal(size=(500, 1, 8, 8)).astype(np.float32), rng.integers(0, 3, 500)
    sets = [rng.choice(5, size=size, replace=False) for size in (1, 2, 3, 4, 5)]
    by_changes = damages(network, images, labels, 1, sets, {2: np.array([3])})
    monkeypatch.setattr(lesioned_passes._Forward, "feeds_convolution", lambda self, layer: False)
    whole = damages(network, images, labels, 1, sets, {2: np.array([3])})
    assert all((a.class_drops == b.class_drops).all() for a, b in zip(by_changes, whole, strict=True))


@pytest.mark.parametrize("between", [[nn.Softmax(1)], [nn.Softmax(1), nn.ReLU()]])
def test_channels_that_a_softmax_joins_do_not_go_on_alone(between, monkeypatch):
    module = nn.Sequential(nn.Conv2d(1, 5, 3), *between, nn.Conv2d(5, 6, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    module(torch.zeros(2, 1, 8, 8))
    with torch.no_grad():
        module[0].weight *= 5
    network, images = as_network(module), np.random.default_rng(5).normal(size=(500, 1, 8, 8)).astype(np.float32)
    labels = network.answers(images)
    found = damages(network, images, labels, 1, [[0], [1, 3]])
    monkeypatch.setattr(lesioned_passes._Forward, "feeds_convolution", lambda self, layer: False)
    whole = damages(network, images, labels, 1, [[0], [1, 3]])
    assert all((a.class_drops == b.class_drops).all() for a, b in zip(found, whole, strict=True))
    assert all(one.drop for one in whole)


def test_a_view_in_the_forward_pass():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(1, 4, 3), nn.Linear(144, 2)

        def forward(self, x):
            x = torch.relu(self.conv(x))
            return self.out(x.view(x.size(0), -1))

    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(50, 1, 8, 8)).astype(np.float32), rng.integers(0, 2, 50)
    network = as_network(Net())
    one, two = damages(network, images, labels, 1, [np.array([0]), np.array([1, 2])])
    assert [one.drop, two.drop] == [damages(network, images, labels, 1, [u])[0].drop for u in ([0], [1, 2])]


@pytest.mark.parametrize("density", [1.0, 0.2])
def test_without_a_whole_layer_it_always_says_the_same(density):
    rng = np.random.default_rng(5)
    network = perceptron(rng, density=density)
    images, labels = questions(rng, network)
    for layer, width in ((1, 12), (2, 10), (3, 9)):
        damage = damages(network, images, labels, layer, [np.arange(width)])[0]
        constant = edited(network, layer, np.arange(width), False).answers(images)
        assert len(set(constant)) == 1
        assert damage.drop == pytest.approx((network.answers(images) == labels).mean() - (labels == constant[0]).mean())


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_an_isolated_unit_is_not_missed_and_classes_make_up_the_whole(seed):
    rng = np.random.default_rng(seed)
    kernels = [rng.normal(size=pair) for pair in ((8, 6), (6, 5), (5, 4))]
    kernels[1][2] = 0  # nobody listens to unit 2 of layer 1
    network = from_arrays(kernels)
    images, labels = questions(rng, network, 80)
    silent, heard = damages(network, images, labels, 1, [np.array([2]), np.array([0, 1])])
    assert silent.drop == 0
    sizes = np.unique(labels, return_counts=True)[1]
    assert heard.drop == pytest.approx((heard.class_drops * sizes).sum() / len(labels))


def test_nothing_is_changed():
    rng = np.random.default_rng(6)
    network = perceptron(rng)
    before = {name: value.clone() for name, value in network.module.state_dict().items()}
    images, labels = questions(rng, network)
    damages(network, images, labels, 1, [np.array([0])], {2: np.array([1])})
    assert all(torch.equal(before[name], value) for name, value in network.module.state_dict().items())


def test_planted_modules_are_important():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        network, images, labels, clusters = side_by_side(12, 400, rng)
        for test in lesion_tests(network, images, labels, sub_clusters(clusters), 20, rng):
            assert kind(test.part, test.damage.drop, test.random_drops) is Kind.IMPORTANT


def test_random_labels_are_important_at_the_nominal_rate():
    few = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        network, images, labels = perceptron(rng), *questions(rng, perceptron(rng))
        part = sub_clusters([rng.permutation(np.repeat([0, 1], (4, 8)))])[0]
        test = lesion_tests(network, images, labels, [part], 19, rng)[0]
        few.append(monte_carlo_p(test.damage.drop, test.random_drops, side="large") <= 0.2)
    assert sum(few) <= 20  # nominally at most 12 of 60; more than 20 once in 200


def test_double_lesions_know_who_depends_on_whom():
    rng = np.random.default_rng(1)
    network, images, labels, clusters = side_by_side(12, 400, rng)
    found = double_lesions(network, images, labels, sub_clusters(clusters), 30, rng)
    pairs = {(pair.first.name, pair.second.name): pair for pair in found}
    assert len(pairs) == 4 * 3
    # once layer 1 of a network is gone, layer 2 of the same network has nothing left to lose
    assert pairs["1-0", "2-0"].delta == 0
    assert not pairs["1-0", "2-0"].is_important
    assert pairs["1-0", "2-1"].is_important


def test_double_lesion_by_the_definition():
    rng = np.random.default_rng(9)
    network = perceptron(rng)
    images, labels = questions(rng, network)
    parts = [SubCluster(3, 0, np.array([1, 2]), np.arange(9), 9), SubCluster(1, 0, np.array([0, 5]), np.arange(12), 12)]
    pair = double_lesions(network, images, labels, parts, 1, rng)[0]
    once = edited(network, 3, parts[0].units, False)
    twice = edited(once, 1, parts[1].units, False)
    right = [(net.answers(images) == labels).mean() for net in (once, twice)]
    assert (pair.first.name, pair.second.name) == ("3-0", "1-0")
    assert pair.delta == pytest.approx(right[0] - right[1], abs=1e-12)


def test_class_range():
    assert Damage(0.1, np.full(10, 0.1)).class_range == pytest.approx(0)
    assert Damage(0.1, np.eye(10)[3]).class_range == pytest.approx(10)
    assert Damage(-0.1, -np.eye(10)[3]).class_range == pytest.approx(10)
    assert Damage(0.0, np.zeros(10)).class_range == 0
    assert Damage(0.0, np.array([0.5, -0.5])).class_range == np.inf
    cancelled = np.array([0.1, 0.2, -0.3])  # whose sum is 3e-17
    assert cancelled.sum() != 0
    assert Damage(0.0, cancelled).class_range == np.inf


def part_of(size: int, width: int = 100) -> SubCluster:
    return SubCluster(1, 0, np.arange(size), np.arange(width), width)


@pytest.mark.parametrize(
    ("size", "drop", "random", "first", "second"),
    [
        (4, 0.5, [0.0, 0.1], Kind.SMALL, Kind.SMALL),
        (5, 0.5, [0.0, 0.1], Kind.IMPORTANT, Kind.IMPORTANT),
        (5, 0.005, [0.0, 0.001], Kind.SIGNIFICANT_ONLY, Kind.SIGNIFICANT_ONLY),
        (5, 0.02, [0.0, 0.02], Kind.OTHER, Kind.DIFFERENT_ONLY),
        (5, 0.07 - 0.06, [0.0, 0.001], Kind.SIGNIFICANT_ONLY, Kind.SIGNIFICANT_ONLY),
        (5, 0.07 - 0.06, [0.0, 0.02], Kind.OTHER, Kind.OTHER),
        (5, 0.001, [0.002, 0.003], Kind.OTHER, Kind.PRUNABLE),
        (5, 0.002, [0.002, 0.003], Kind.OTHER, Kind.OTHER),
        (100, 0.9, [0.9, 0.9], Kind.OTHER, Kind.COMPLETE),
    ],
)
def test_words(size, drop, random, first, second):
    assert kind_in_first_paper(part_of(size), drop, np.array(random)) == first
    assert kind(part_of(size), drop, np.array(random)) == second


def test_units_without_a_cluster_count_for_the_second_paper_alone() -> None:
    """A lesion of all live units is that of every random set; 11 of 204 live units are 5.4%, of 256 units 4.3%."""
    whole = SubCluster(1, 0, np.arange(5), np.arange(5), 6)
    assert kind(whole, 0.9, np.full(20, 0.9)) is Kind.COMPLETE
    part = SubCluster(1, 0, np.arange(11), np.arange(204), 256)
    assert kind_in_first_paper(part, 0.5, np.zeros(3)) is Kind.IMPORTANT
    assert kind(part, 0.5, np.zeros(3)) is Kind.SMALL


def test_words_of_a_double_lesion():
    pair = DoubleLesion(part_of(5), part_of(5), 0.02, np.array([0.0, 0.01, 0.015]))
    assert pair.is_important
    assert pair.p == 0.25
    assert not DoubleLesion(part_of(5), part_of(5), 0.02, np.array([0.0, 0.02])).is_important
    for drop in (0.009, 0.01, 0.07 - 0.06, 0.15 - 0.14):  # as floats the third is more than 0.01, the last is less
        assert not DoubleLesion(part_of(5), part_of(5), drop, np.array([0.0])).is_important


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sets": [[]]}, "whole numbers of at least 0 and at most 11"),
        ({"sets": [[12]]}, "whole numbers of at least 0 and at most 11"),
        ({"sets": []}, "sets = .* expected a list"),
        ({"layer": 4}, "at least 1 and at most 3"),
        ({"layer": 0}, "at least 1 and at most 3"),
        ({"labels": np.zeros(3, int)}, "of shape \\(300,\\)"),
        ({"labels": np.full(300, 7)}, "at least 0 and at most 3"),
        ({"labels": np.full(300, 0.5)}, "at least 0 and at most 3"),
        ({"images": np.zeros((300, 5), np.float32)}, r"\(300, 5\)"),
        ({"sets": [[0.5]]}, "expected whole numbers"),
        ({"images": [["a"] * 8] * 300}, "expected finite real numbers"),
        ({"images": np.full((300, 8), np.nan, np.float32)}, "expected finite real numbers"),
    ],
)
def test_bad_input(change, message):
    rng = np.random.default_rng(0)
    network = perceptron(rng)
    images, labels = questions(rng, network)
    arguments = {"images": images, "labels": labels, "layer": 1, "sets": [[0]]} | change
    with pytest.raises(InputError, match=message):
        damages(network, **arguments)


def test_lists_are_images_too():
    rng = np.random.default_rng(0)
    network = perceptron(rng)
    images, labels = questions(rng, network)
    (ours,), (theirs,) = (damages(network, x, labels.tolist(), 1, [[0, 3]]) for x in (images.tolist(), images))
    assert ours.drop == theirs.drop


@pytest.mark.parametrize("first", [nn.Tanh(), nn.ReLU()])
def test_what_a_pruned_network_does_to_its_inputs_is_part_of_it(first):
    rng = np.random.default_rng(0)
    layers = list(perceptron(rng, density=0.2).module.children())
    network = as_network(nn.Sequential(first, *layers))
    images, labels = 3 * rng.normal(size=(300, 8)).astype(np.float32), rng.integers(0, 4, 300)
    for layer in (1, 2):
        (found,) = damages(network, images, labels, layer, [[0, 3, 5]])
        without = deepcopy(network.module)
        linear = [part for part in without.modules() if isinstance(part, nn.Linear)][layer - 1]
        linear.weight.data[[0, 3, 5]] = 0
        right = [(answers(module, images) == labels).sum() for module in (network.module, without)]
        assert found.drop == pytest.approx((right[0] - right[1]) / 300)


def test_lesions_of_a_network_that_keeps_places_are_refused() -> None:
    layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.AdaptiveAvgPool2d(1)
    network, images = as_network(nn.Sequential(*layers)), np.zeros((4, 1, 8, 8))
    for ask in (damages, lesion_profiles):
        with pytest.raises(InputError, match=r"outputs of shape \(4, 3, 1, 1\) arrived.*nn.Flatten"):
            ask(network, images, [0, 1, 2, 0], 1, *[[[0]]] * (ask is damages))
