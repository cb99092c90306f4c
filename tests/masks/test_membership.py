"""Masks of single classes, and whose weights they keep."""

from dataclasses import replace

import numpy as np
import pytest

from modlib.errors import InputError
from modlib.masks import MaskSettings, learn_class_masks, mask_membership
from modlib.networks import from_arrays, side_by_side, two_functions

SETTINGS = MaskSettings(steps=120, learning_rate=0.05)


def test_masks_of_a_class_keep_the_weights_of_its_module() -> None:
    known = two_functions(0, 400)  # the first four classes are those of the first function
    masks = learn_class_masks(known.network, known.inputs, known.labels, SETTINGS, np.random.default_rng(0))
    assert len(masks) == 8
    shares = mask_membership(known.network, masks)[1]
    first, second = (shares[known.functions[1] == function].mean(axis=0) for function in (0, 1))
    assert first[:4].mean() > first[4:].mean() + 0.05
    assert second[4:].mean() > second[:4].mean() + 0.05


def test_membership_is_the_mean_probability_of_the_weights_that_are_not_zero() -> None:
    network = from_arrays([np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]), np.eye(2)])
    (mask, _) = learn_class_masks(
        network, np.eye(3), np.array([0, 1, 0]), MaskSettings(steps=0), np.random.default_rng(0)
    )
    kept = np.array([[0.2, 0.6, 1.0], [1.0, 1.0, 1.0]], dtype=np.float32)
    changed = replace(mask, probabilities={**mask.probabilities, "layer_0.weight": kept})
    assert mask_membership(network, [changed])[0].tolist() == [[pytest.approx(0.4)], [0.0]]


def test_masks_are_the_same_for_the_same_seed_only_and_leave_the_network_as_it_was() -> None:
    network, inputs, classes, _ = side_by_side(copies=1, n=60, seed=0)
    before = network.answers(inputs)
    few = replace(SETTINGS, steps=3)
    first, second, other = (
        learn_class_masks(network, inputs, classes, few, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a.losses, b.losses) for a, b in zip(first, second, strict=True))
    assert not any(np.array_equal(a.losses, b.losses) for a, b in zip(first, other, strict=True))
    # and every class has batches of its own
    assert len({mask.losses.tobytes() for mask in first}) == len(first)
    assert np.array_equal(network.answers(inputs), before)


def test_one_class_alone_and_masks_of_another_network_are_refused() -> None:
    network, inputs, classes, _ = side_by_side(copies=1, n=60, seed=0)
    with pytest.raises(InputError, match="two classes"):
        learn_class_masks(network, inputs, np.zeros(60), SETTINGS, np.random.default_rng(0))
    masks = learn_class_masks(network, inputs, classes, MaskSettings(steps=0), np.random.default_rng(0))
    other = from_arrays([layer.kernel * 2 for layer in network.layers])
    with pytest.raises(InputError, match="other weights"):
        mask_membership(other, masks)
    with pytest.raises(InputError, match="masks"):
        mask_membership(network, [])
