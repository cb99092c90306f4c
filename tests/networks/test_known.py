"""Networks with known modules: they are what they say, and what cannot be told cannot."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from modlib.errors import InputError
from modlib.lesions import damages
from modlib.networks import KnownModules, idle_weights, rotated_functions, shared_part, two_functions

MAKERS = (two_functions, shared_part, rotated_functions, idle_weights)


def outputs(known: KnownModules, inputs: np.ndarray) -> np.ndarray:
    return known.network.module(torch.as_tensor(inputs)).detach().numpy()


@pytest.mark.parametrize("make", MAKERS)
def test_answers_are_right_classes_are_used_and_seeds_decide(make) -> None:
    known, again, other = make(3, 200), make(3, 200), make(4, 200)
    assert np.array_equal(known.network.answers(known.inputs), known.labels)
    assert len(np.unique(known.labels)) > 4
    assert np.array_equal(known.inputs, again.inputs)
    assert np.array_equal(known.network.layers[1].kernel, again.network.layers[1].kernel)
    assert not np.array_equal(known.network.layers[1].kernel, other.network.layers[1].kernel)
    assert [len(labels) for labels in known.functions] == [known.network.width(layer) for layer in (1, 2, 3)]


@pytest.mark.parametrize("make", MAKERS)
def test_outputs_of_one_function_do_not_change_with_the_inputs_of_the_other(make) -> None:
    known = make(0, 50)
    changed = known.inputs.copy()
    changed[:, 8:16] = np.random.default_rng(1).normal(size=(50, 8))
    before, after = (outputs(known, inputs) for inputs in (known.inputs, changed))
    shared = make is shared_part
    assert np.allclose(before[:, :4], after[:, :4], atol=1e-4) != shared
    assert not np.allclose(before[:, 4:], after[:, 4:], atol=0.1)


def test_weights_join_units_of_one_function_alone_and_across_as_much_as_is_said() -> None:
    for crossing in (0.0, 0.25, 1.0):
        known = two_functions(0, 100, crossing=crossing)
        within, across = [], []
        for layer, (left, right) in enumerate(pairwise(known.functions), start=1):
            sizes, same = np.abs(known.network.layers[layer].kernel), left[:, None] == right
            within.append(sizes[same].mean())
            across.append(sizes[~same].mean())
        assert np.sum(across) / np.sum(within) == pytest.approx(crossing, abs=0.08)


def test_together_an_input_speaks_to_both_functions_and_in_turn_to_one() -> None:
    both = np.stack([two_functions(0, 40, together=together).inputs.reshape(40, 2, 8) for together in (True, False)])
    spoken = (both != 0).any(axis=3).sum(axis=2)
    assert set(spoken[0]) == {2}
    assert set(spoken[1]) == {1}


def test_without_a_function_its_classes_are_lost_and_the_others_are_not() -> None:
    known = two_functions(0, 600)
    units = [np.flatnonzero(known.functions[1] == function) for function in (0, 1)]
    first, second = (damage.class_drops for damage in damages(known.network, known.inputs, known.labels, 2, units))
    assert first[:4].mean() > first[4:].mean() + 0.2
    assert second[4:].mean() > second[:4].mean() + 0.2


def test_exchanging_twins_changes_no_size_of_a_weight_but_what_the_network_does() -> None:
    known = rotated_functions(0, 100)
    kernels = [layer.kernel for layer in known.network.layers]
    first, second = (np.flatnonzero(known.functions[1] == function)[5] for function in (0, 1))
    order = np.arange(len(known.functions[1]))
    order[[first, second]] = [second, first]
    incoming, outgoing = kernels[1][:, order], kernels[2][order]
    assert np.allclose(np.abs(incoming), np.abs(kernels[1]), atol=1e-5)
    assert np.allclose(np.abs(outgoing), np.abs(kernels[2]), atol=1e-5)
    assert not np.allclose(incoming, kernels[1], atol=0.1)
    assert (known.functions[0] == -1).all()


def test_idle_weights_are_the_strongest_and_do_nothing() -> None:
    known = idle_weights(0, 100)
    plain = two_functions(0, 100)
    assert np.allclose(outputs(known, known.inputs), outputs(plain, plain.inputs), atol=1e-4)
    for before, labels, layer in zip(known.idle, known.idle[1:], known.network.layers[1:], strict=False):
        sizes = np.abs(layer.kernel)
        same, dead = before[:, None] == labels, np.arange(len(before)) >= 32
        assert sizes[dead][same[dead]].min() > sizes[~dead].max()
        assert (sizes[dead][~same[dead]] == 0).all()


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="crossing"):
        two_functions(0, 10, crossing=1.5)
    for make in MAKERS:
        with pytest.raises(InputError, match="n = 0"):
            make(0, 0)
        with pytest.raises(InputError, match="seed"):
            make(-1, 10)
