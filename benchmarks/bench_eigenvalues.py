"""Gradient of lambda_2 + lambda_3 + lambda_4 by all weights: modlib, the definition, and automatic differentiation.

The definition goes through the weights one after another and sums, for both ends of each, over all their edges, as the
paper's appendix writes it (with the factor corrected) and as the authors' code did; its eigenvectors come from a dense
solver. Its loop is timed over ``PART`` weights picked at random and scaled to all of them. Automatic differentiation
goes through ``torch.linalg.eigh`` of the whole Laplacian. All run in double precision on one thread, and must agree.
"""

import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from common import store

from modlib.graphs import eigenvalue_gradient
from modlib.networks import random_weights

WHICH = (2, 3, 4)
NETWORKS = ((49, 64, 64, 64, 10), (784, 256, 256, 256, 256, 10))
PART = 2000  # weights of the definition's loop that are timed
ROUNDS = 3


def seconds(run: Callable[[], object]) -> float:
    """Processor time of a call, the least of a few."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


def adjacency(kernels: list[torch.Tensor]) -> torch.Tensor:
    """The whole adjacency matrix."""
    ends = np.cumsum([0, kernels[0].shape[0], *(kernel.shape[1] for kernel in kernels)])
    matrix = torch.zeros(int(ends[-1]), int(ends[-1]), dtype=torch.double)
    for kernel, (start, middle), end in zip(kernels, pairwise(ends), ends[2:], strict=False):
        matrix[start:middle, middle:end] = kernel.abs()
        matrix[middle:end, start:middle] = kernel.abs().T
    return matrix


def by_autograd(kernels: list[np.ndarray]) -> list[np.ndarray]:
    """Gradients through a full eigendecomposition."""
    tensors = [torch.tensor(kernel, requires_grad=True) for kernel in kernels]
    matrix = adjacency(tensors)
    scale = matrix.sum(1) ** -0.5
    laplacian = torch.eye(len(matrix), dtype=torch.double) - scale[:, None] * matrix * scale
    torch.linalg.eigh(laplacian).eigenvalues[[number - 1 for number in WHICH]].sum().backward()
    return [tensor.grad.numpy() for tensor in tensors]  # type: ignore[union-attr]


class Definition:
    """The gradient weight by weight."""

    def __init__(self, kernels: list[np.ndarray]) -> None:
        self.adjacency = adjacency([torch.as_tensor(kernel) for kernel in kernels]).numpy()
        self.degrees = self.adjacency.sum(axis=1)
        self.scale = self.degrees**-0.5
        laplacian = np.eye(len(self.degrees)) - self.scale[:, None] * self.adjacency * self.scale
        u = np.linalg.eigh(laplacian)[1][:, [number - 1 for number in WHICH]]
        self.by_laplacian = u @ u.T  # of the sum of eigenvalues, by every entry

    def slope(self, i: int, j: int) -> float:
        """Derivative by the edge between neurons i and j."""
        ends = sum(
            self.degrees[end] ** -1.5 * np.dot(self.adjacency[end] * self.scale, self.by_laplacian[end])
            for end in (i, j)
        )
        return float(ends - 2 * self.scale[i] * self.scale[j] * self.by_laplacian[i, j])


def measure(widths: tuple[int, ...], rng: np.random.Generator) -> dict[str, object]:
    """A line of the table."""
    kernels = random_weights(widths, rng)
    ours = eigenvalue_gradient(kernels, WHICH)[1]
    for mine, reference in zip(ours, by_autograd(kernels), strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-6)
    definition = Definition(kernels)
    sizes, starts = [kernel.size for kernel in kernels], np.cumsum([0, *widths])
    places = []
    for layer in rng.choice(len(kernels), size=PART, p=np.array(sizes) / sum(sizes)):
        row, column = rng.integers(widths[layer]), rng.integers(widths[layer + 1])
        i, j = int(starts[layer] + row), int(starts[layer + 1] + column)
        places.append((i, j))
        expected = np.sign(kernels[layer][row, column]) * definition.slope(i, j)
        np.testing.assert_allclose(ours[layer][row, column], expected, atol=1e-6)
    loop = seconds(lambda: [definition.slope(*place) for place in places]) * sum(sizes) / PART
    times = {
        "modlib, s": seconds(lambda: eigenvalue_gradient(kernels, WHICH)),
        "definition, s": seconds(lambda: Definition(kernels)) + loop,
        "autograd, s": seconds(lambda: by_autograd(kernels)),
    }
    return {
        "network": "-".join(map(str, widths)),
        "weights": sum(sizes),
        **times,
        "times faster than definition": times["definition, s"] / times["modlib, s"],
        "times faster than autograd": times["autograd, s"] / times["modlib, s"],
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    store("eigenvalues", pd.DataFrame([measure(widths, rng) for widths in NETWORKS]))
