"""modlib.training.regularisers: loss terms of both frameworks, and neurons of one norm."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from modlib.errors import InputError
from modlib.graphs.eigenvalues import eigenvalue_gradient
from modlib.graphs.neurons import neuron_graph
from modlib.graphs.spectral import cluster
from modlib.networks.planted import random_weights
from modlib.training.regularisers import EigenvaluePenalty, WeightPenalty, eigenvalue_sum, normalise_neurons

WIDTHS = (6, 5, 7, 4)
WHICH = (2, 3, 4)


def outputs(x: np.ndarray, kernels: list[np.ndarray], biases: list[np.ndarray]) -> np.ndarray:
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        x = np.maximum(x @ kernel + bias, 0)
    return x @ kernels[-1] + biases[-1]


def test_the_term_of_torch_has_the_value_and_the_gradient() -> None:
    kernels = random_weights(WIDTHS, np.random.default_rng(0))
    tensors = [torch.tensor(kernel, requires_grad=True) for kernel in kernels]
    term = eigenvalue_sum(tensors, WHICH)
    (3 * term).backward()
    values, gradient = eigenvalue_gradient(kernels, WHICH)
    assert term.item() == pytest.approx(values.sum(), abs=1e-12)
    for tensor, slopes in zip(tensors, gradient, strict=True):
        np.testing.assert_allclose(tensor.grad, 3 * slopes, atol=1e-12)


def test_the_term_of_tensorflow_has_the_value_and_the_gradient() -> None:
    import tensorflow as tf

    from modlib.training import keras

    kernels = [kernel.astype(np.float32) for kernel in random_weights(WIDTHS, np.random.default_rng(0))]
    variables = [tf.Variable(kernel) for kernel in kernels]

    @tf.function
    def both() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            term = keras.eigenvalue_sum(variables, WHICH)
        return term, tape.gradient(term, variables)

    term, found = both()
    values, gradient = eigenvalue_gradient(kernels, WHICH)
    assert float(term) == pytest.approx(values.sum(), abs=1e-5)
    for mine, slopes in zip(found, gradient, strict=True):
        np.testing.assert_allclose(mine, slopes, atol=1e-5)


def test_descending_the_term_makes_a_network_easier_to_cut() -> None:
    tensors = [torch.tensor(k, requires_grad=True) for k in random_weights(WIDTHS, np.random.default_rng(1))]
    optimiser = torch.optim.SGD(tensors, lr=0.3)
    sums = []
    for _ in range(60):
        optimiser.zero_grad()
        term = eigenvalue_sum(tensors, WHICH)
        term.backward()
        optimiser.step()
        sums.append(term.item())
    assert sums[-1] < sums[0] / 2


def test_normalised_neurons_compute_the_same() -> None:
    rng = np.random.default_rng(2)
    kernels, biases = random_weights(WIDTHS, rng), [rng.normal(size=width) for width in WIDTHS[1:]]
    new, shifts = normalise_neurons(kernels, biases)
    x = rng.normal(size=(50, WIDTHS[0]))
    np.testing.assert_allclose(outputs(x, new, shifts), outputs(x, kernels, biases), rtol=1e-9, atol=1e-9)
    for kernel, bias in zip(new[:-1], shifts[:-1], strict=True):
        np.testing.assert_allclose(np.sqrt((kernel**2).sum(axis=0) + bias**2), np.sqrt(2))
    again = normalise_neurons(new, shifts)
    for one, two in zip((*new, *shifts), (*again[0], *again[1]), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-12)


def test_a_neuron_without_input_loses_its_output_and_nothing_is_divided_by_nought() -> None:
    rng = np.random.default_rng(3)
    kernels, biases = random_weights(WIDTHS, rng), [np.zeros(width) for width in WIDTHS[1:]]
    kernels[0][:, 1] = 0
    new, shifts = normalise_neurons(kernels, biases)
    assert not new[0][:, 1].any()
    assert not new[1][1].any()
    x = rng.normal(size=(20, WIDTHS[0]))
    np.testing.assert_allclose(outputs(x, new, shifts), outputs(x, kernels, biases), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("change", [{"kind": "l3"}, {"first": ""}, {"rate": -1.0}, {"rate": float("nan")}])
def test_a_penalty_that_is_none_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="arrived; expected"):
        WeightPenalty(**{"kind": "l1", "first": "l1", **change})  # type: ignore[arg-type]


def test_the_weight_of_the_eigenvalues_is_that_of_their_mean() -> None:
    assert EigenvaluePenalty(0.3, (2, 3, 4)).rate == pytest.approx(0.1)


@pytest.mark.parametrize("change", [{"weight": -1.0}, {"which": ()}, {"which": (0,)}])
def test_an_eigenvalue_penalty_that_is_none_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="arrived; expected"):
        EigenvaluePenalty(**change)  # type: ignore[arg-type]


def test_a_regulariser_strong_enough_separates_a_toy_network_in_two() -> None:
    rng = np.random.default_rng(0)
    sides = [np.arange(width) % 2 for width in (6, 8, 8, 4)]
    weights = [
        torch.tensor(
            rng.uniform(0.5, 1.0, size=(len(a), len(b))) * np.where(a[:, None] == b, 1.0, 0.3), requires_grad=True
        )
        for a, b in pairwise(sides)
    ]
    optimiser = torch.optim.SGD(weights, lr=0.3)
    shorter = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.98)  # a weight's slope does not vanish at 0
    before = cluster(neuron_graph([weight.detach().numpy() for weight in weights]), 2, rng).ncut
    for _ in range(500):
        optimiser.zero_grad()
        second = eigenvalue_sum(weights, (2,))
        if float(second.detach()) < 1e-3:
            break
        second.backward()
        optimiser.step()
        shorter.step()
    assert float(second.detach()) < 1e-3 < 0.1 < before
    found = cluster(neuron_graph([weight.detach().numpy() for weight in weights]), 2, rng)
    assert found.ncut < 1e-2
    assert adjusted_rand_score(np.concatenate(sides), found.labels) == 1
