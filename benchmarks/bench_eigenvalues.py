"""Gradient of lambda_2 + lambda_3 + lambda_4 by all weights: modlib, the definition, and automatic differentiation.

The definition goes through the weights one after another. For both ends of each it sums over the neurons of the layer
before and of the layer after, as the paper's appendix writes it (with the factor corrected) and as the authors' code
did. Its eigenvectors come from a dense solver. Its loop is timed over ``PART`` weights picked at random and scaled to
all of them. Automatic differentiation goes through ``torch.linalg.eigh`` of the whole Laplacian. All run in double
precision on one thread, and must agree.
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
ROUNDS = 20  # the shortest takes about a thousandth of a second


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
        matrix = adjacency([torch.as_tensor(kernel) for kernel in kernels]).numpy()
        degrees = matrix.sum(axis=1)
        scale = degrees**-0.5
        laplacian = np.eye(len(degrees)) - scale[:, None] * matrix * scale
        u = np.linalg.eigh(laplacian)[1][:, [number - 1 for number in WHICH]]
        self.by_laplacian = u @ u.T  # of the sum of eigenvalues, by every entry
        self.kernels, self.degrees = kernels, degrees
        self.ends = np.cumsum([0, kernels[0].shape[0], *(kernel.shape[1] for kernel in kernels)])

    def slope(self, layer: int, row: int, column: int) -> float:
        """Derivative by one weight."""
        before, after = int(self.ends[layer] + row), int(self.ends[layer + 1] + column)
        found = self.through_degree(layer, row) + self.through_degree(layer + 1, column)
        found -= 2 * (self.degrees[before] * self.degrees[after]) ** -0.5 * self.by_laplacian[before, after]
        return float(np.sign(self.kernels[layer][row, column]) * found)

    def through_degree(self, layer: int, neuron: int) -> float:
        """What a change of a neuron's degree does: a sum over the layer before and the layer after."""
        at, total = self.ends[layer] + neuron, 0.0
        if layer > 0:
            before = slice(self.ends[layer - 1], self.ends[layer])
            edges = np.abs(self.kernels[layer - 1][:, neuron])
            total += np.dot(edges * self.degrees[before] ** -0.5, self.by_laplacian[at, before])
        if layer < len(self.kernels):
            after = slice(self.ends[layer + 1], self.ends[layer + 2])
            edges = np.abs(self.kernels[layer][neuron])
            total += np.dot(edges * self.degrees[after] ** -0.5, self.by_laplacian[at, after])
        return float(self.degrees[at] ** -1.5 * total)


def measure(widths: tuple[int, ...], rng: np.random.Generator) -> dict[str, object]:
    """A line of the table."""
    kernels = random_weights(widths, rng)
    ours = eigenvalue_gradient(kernels, WHICH)[1]
    for mine, reference in zip(ours, by_autograd(kernels), strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-6)
    definition = Definition(kernels)
    sizes = [kernel.size for kernel in kernels]
    places = []
    for layer in rng.choice(len(kernels), size=PART, p=np.array(sizes) / sum(sizes)):
        row, column = (int(rng.integers(width)) for width in widths[layer : layer + 2])
        places.append((int(layer), row, column))
        np.testing.assert_allclose(ours[layer][row, column], definition.slope(*places[-1]), atol=1e-6)
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
