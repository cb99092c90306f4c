"""modlib.graphs.eigenvalues: against dense solvers, finite differences and automatic differentiation."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from modlib.errors import InputError
from modlib.graphs.eigenvalues import eigenvalue_gradient, laplacian_eigenvalues
from modlib.networks.planted import random_weights

WIDTHS = (6, 5, 7, 4)
WHICH = (2, 3, 4)


def adjacency(kernels: list[torch.Tensor]) -> torch.Tensor:
    """The whole adjacency matrix, block by block, as the paper defines it."""
    ends = np.cumsum([0, kernels[0].shape[0], *(kernel.shape[1] for kernel in kernels)])
    matrix = torch.zeros(int(ends[-1]), int(ends[-1]), dtype=torch.double)
    for layer, kernel in enumerate(kernels):
        rows, columns = slice(ends[layer], ends[layer + 1]), slice(ends[layer + 1], ends[layer + 2])
        matrix[rows, columns] = kernel.abs()
        matrix[columns, rows] = kernel.abs().T
    return matrix


def by_autograd(kernels: list[np.ndarray], which: tuple[int, ...]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Eigenvalues and the gradient of their sum, through torch's full eigendecomposition."""
    tensors = [torch.tensor(kernel, dtype=torch.double, requires_grad=True) for kernel in kernels]
    matrix = adjacency(tensors)
    scale = matrix.sum(1) ** -0.5
    values = torch.linalg.eigh(torch.eye(len(matrix)) - scale[:, None] * matrix * scale).eigenvalues
    chosen = values[[number - 1 for number in which]]
    chosen.sum().backward()
    return chosen.detach().numpy(), [tensor.grad.numpy() for tensor in tensors]  # type: ignore[union-attr]


def by_differences(kernels: list[np.ndarray], which: tuple[int, ...], step: float = 1e-6) -> list[np.ndarray]:
    """The gradient of the eigenvalues' sum by central differences, weight by weight."""
    gradient = [np.zeros_like(kernel) for kernel in kernels]
    for kernel, slopes in zip(kernels, gradient, strict=True):
        for place in np.ndindex(kernel.shape):
            kept = kernel[place]
            sums = []
            for change in (step, -step):
                kernel[place] = kept + change
                sums.append(laplacian_eigenvalues(kernels, which).sum())
            kernel[place] = kept
            slopes[place] = (sums[0] - sums[1]) / (2 * step)
    return gradient


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(2,), (3,), (2, 3, 4), (1, 2), (5, 3)]))
def test_eigenvalues_and_gradient_are_those_of_automatic_differentiation(seed: int, which: tuple[int, ...]) -> None:
    kernels = random_weights(WIDTHS, np.random.default_rng(seed))
    values, gradient = eigenvalue_gradient(kernels, which)
    expected, slopes = by_autograd(kernels, which)
    np.testing.assert_allclose(values, expected, atol=1e-9)
    for mine, reference in zip(gradient, slopes, strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-6)


def test_a_network_of_the_paper_s_size_agrees_with_automatic_differentiation() -> None:
    kernels = random_weights((49, 64, 64, 64, 10), np.random.default_rng(0))
    for mine, reference in zip(eigenvalue_gradient(kernels, WHICH)[1], by_autograd(kernels, WHICH)[1], strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-6)


def test_the_gradient_is_that_of_finite_differences() -> None:
    kernels = random_weights(WIDTHS, np.random.default_rng(1))
    for mine, reference in zip(eigenvalue_gradient(kernels, WHICH)[1], by_differences(kernels, WHICH), strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-6)


def test_the_factor_that_the_paper_prints_is_wrong() -> None:
    kernels = random_weights(WIDTHS, np.random.default_rng(2))
    differences = by_differences(kernels, (2,))
    values, gradient = eigenvalue_gradient(kernels, (2,))
    matrix = adjacency([torch.as_tensor(kernel) for kernel in kernels]).numpy()
    scale = matrix.sum(axis=1) ** -0.5
    y = scale * np.linalg.eigh(np.eye(len(matrix)) - scale[:, None] * matrix * scale)[1][:, 1]
    parts = np.split(y, np.cumsum(WIDTHS)[:-1])
    for factor, agrees in ((1 / 2, True), (1 / 4, False)):  # of the terms of the degrees, once for each end and side
        formula = [
            np.sign(kernel)
            * (2 * factor * (1 - values[0]) * (left[:, None] ** 2 + right**2) - 2 * np.outer(left, right))
            for kernel, (left, right) in zip(kernels, pairwise(parts), strict=True)
        ]
        worst = max(np.abs(a - b).max() for a, b in zip(formula, differences, strict=True))
        assert (worst < 1e-6) == agrees
        assert (max(np.abs(a - b).max() for a, b in zip(formula, gradient, strict=True)) < 1e-9) == agrees


def test_of_equal_eigenvalues_only_the_whole_sum_has_a_gradient() -> None:
    # two equal halves that no weight joins: every eigenvalue comes twice
    halves = random_weights(WIDTHS, np.random.default_rng(3))
    kernels = [np.block([[half, np.zeros_like(half)], [np.zeros_like(half), half]]) for half in halves]
    np.testing.assert_allclose(np.diff(laplacian_eigenvalues(kernels, (1, 2, 3, 4)))[::2], 0, atol=1e-9)
    inside = [kernel != 0 for kernel in kernels]  # a weight of 0 has a kink of its own
    for which, agrees in (((3, 4), True), ((3,), False)):
        expected = by_differences(kernels, which)
        gradient = eigenvalue_gradient(kernels, which)[1]
        worst = max(np.abs(a - b)[k].max() for a, b, k in zip(gradient, expected, inside, strict=True))
        assert (worst < 1e-6) == agrees


def test_a_graph_in_pieces_cannot_be_cut_better() -> None:
    halves = random_weights(WIDTHS, np.random.default_rng(4))
    kernels = [np.block([[half, np.zeros_like(half)], [np.zeros_like(half), half]]) for half in halves]
    values, gradient = eigenvalue_gradient(kernels, (1, 2))
    np.testing.assert_allclose(values, 0, atol=1e-9)
    for slopes in gradient:
        np.testing.assert_allclose(slopes, 0, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_a_common_factor_of_all_weights_changes_no_eigenvalue(seed: int, factor: float) -> None:
    kernels = random_weights(WIDTHS, np.random.default_rng(seed))
    values, gradient = eigenvalue_gradient(kernels, WHICH)
    np.testing.assert_allclose(laplacian_eigenvalues([factor * k for k in kernels], WHICH), values, atol=1e-9)
    # so by Euler the gradient is orthogonal to the weights
    assert sum((k * g).sum() for k, g in zip(kernels, gradient, strict=True)) == pytest.approx(0, abs=1e-9)


def test_isolated_neurons_and_removed_weights_have_no_slope() -> None:
    kernels = random_weights(WIDTHS, np.random.default_rng(5))
    kernels[0][:, 2] = kernels[1][2] = 0
    kernels[2][1, 1] = 0
    values, gradient = eigenvalue_gradient(kernels, WHICH)
    without = [np.delete(kernels[0], 2, axis=1), np.delete(kernels[1], 2, axis=0), kernels[2]]
    expected, slopes = eigenvalue_gradient(without, WHICH)
    np.testing.assert_allclose(values, expected, atol=1e-9)
    np.testing.assert_allclose(np.delete(gradient[0], 2, axis=1), slopes[0], atol=1e-9)
    assert not gradient[0][:, 2].any()
    assert not gradient[1][2].any()
    assert gradient[2][1, 1] == 0


@pytest.mark.parametrize("which", [(), (0, 2), (2, 2)])
def test_numbers_of_no_eigenvalue_are_refused(which: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"which.* arrived; expected"):
        laplacian_eigenvalues(random_weights(WIDTHS, np.random.default_rng(0)), which)


def test_more_eigenvalues_than_neurons_are_refused() -> None:
    with pytest.raises(InputError, match=r"which = \[2, 23\] arrived; expected numbers of at most 22"):
        laplacian_eigenvalues(random_weights(WIDTHS, np.random.default_rng(0)), (2, 23))
