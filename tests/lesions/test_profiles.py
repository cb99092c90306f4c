"""Lesion profiles: what each class loses without a unit."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modlib.errors import InputError
from modlib.lesions import lesion_profiles
from modlib.networks import as_network, from_arrays, random_weights, side_by_side, small_cnn


def test_profiles_are_those_of_a_network_without_the_weights_of_one_unit() -> None:
    rng = np.random.default_rng(0)
    kernels = [kernel.astype(np.float32) for kernel in random_weights((6, 5, 4, 3), 0)]
    biases = [rng.normal(size=kernel.shape[1]).astype(np.float32) for kernel in kernels]
    inputs, labels = rng.normal(size=(50, 6)).astype(np.float32), rng.integers(3, size=50)

    def losses(changed: list[np.ndarray]) -> np.ndarray:
        outputs = from_arrays(changed, biases).module(torch.as_tensor(inputs)).detach()
        each = cross_entropy(outputs, torch.as_tensor(labels), reduction="none").numpy()
        return np.array([each[labels == label].mean() for label in range(3)])

    network = from_arrays(kernels, biases)
    for layer, width in ((1, 5), (2, 4)):
        expected = []
        for unit in range(width):
            without = [kernel.copy() for kernel in kernels]
            without[layer - 1][:, unit] = 0
            expected.append(losses(without) - losses(kernels))
        assert lesion_profiles(network, inputs, labels, layer) == pytest.approx(np.array(expected), abs=1e-5)


def test_a_unit_costs_the_classes_that_it_serves_and_a_dead_one_none() -> None:
    network, inputs, classes, modules = side_by_side(copies=3, n=400, seed=0)
    profiles = lesion_profiles(network, inputs, classes, 2)
    served = profiles > 1e-6
    assert (served[:, :2].any(axis=1) == (modules[1] == 0)).all()
    assert (served[:, 2:].any(axis=1) == (modules[1] == 1)).all()
    dead = from_arrays([np.eye(2), np.array([[1.0, -1.0], [0.0, 0.0]])])
    inputs, labels = np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([0, 1])
    assert lesion_profiles(dead, inputs, labels, 1)[1].tolist() == [0, 0]


def test_profiles_behind_a_softmax_are_those_before_it() -> None:
    rng = np.random.default_rng(0)
    logits = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    inputs, labels = rng.normal(size=(50, 6)).astype(np.float32), rng.integers(3, size=50)
    profiles, behind = (
        lesion_profiles(as_network(module), inputs, labels, 1)
        for module in (logits, nn.Sequential(*logits, nn.Softmax(dim=1)))
    )
    assert np.abs(profiles).max() > 0.01
    assert behind == pytest.approx(profiles, abs=1e-5)


def test_channels_of_a_convolution_have_profiles_too() -> None:
    rng = np.random.default_rng(0)
    network = as_network(small_cnn(rng, channels=3, classes=2, side=8))
    inputs, labels = rng.normal(size=(10, 3, 8, 8)), np.arange(10) % 2
    assert lesion_profiles(network, inputs, labels, 1).shape == (network.width(1), 2)


def test_inputs_layers_and_labels_that_do_not_fit_are_refused() -> None:
    network, inputs, classes, _ = side_by_side(copies=2, n=10, seed=0)
    for changed in ({"layer": 3}, {"inputs": inputs[:, :1]}, {"labels": classes + 9}, {"labels": classes[:3]}):
        with pytest.raises(InputError):
            lesion_profiles(**{"network": network, "inputs": inputs, "labels": classes, "layer": 1} | changed)
