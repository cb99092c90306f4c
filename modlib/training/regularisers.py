"""What is added to the loss so that weights are small, or a network's graph easy to cut.

Chapters: ``regularisation``, ``promoting-clusterability``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from modlib.checks import arrived, choice, floating, items, real, store, wholes
from modlib.errors import InputError
from modlib.graphs.eigenvalues import eigenvalue_gradient

if TYPE_CHECKING:
    from torch import Tensor

Kind: TypeAlias = Literal["l1", "l2"]
NORM = np.sqrt(2)  # of the weights and bias that enter a neuron, as in He's initialisation


@dataclass(frozen=True)
class WeightPenalty:
    """L1 or L2: rate times the sum of |w|, or of w^2, over the weights of all layers. Biases have none.

    Attributes:
        kind: ``l1`` or ``l2``, in all layers but the first.
        first: the kind in the first layer. In the authors' code it is ``l1``, whatever is asked for.
        rate: how much.

    Source: clusterability 2, and the authors' code. Chapter: ``regularisation``.
    """

    kind: Kind
    first: Kind
    rate: float = 5e-5

    def __post_init__(self) -> None:
        choice(self.kind, get_args(Kind), "kind")
        choice(self.first, get_args(Kind), "first")
        real(self.rate, "rate", least=0)

    def kind_in(self, first: bool) -> Kind:
        """The kind of the first layer, or of the others."""
        return self.first if first else self.kind


@dataclass(frozen=True)
class EigenvaluePenalty:
    """weight * (mean of chosen eigenvalues of the normalised Laplacian); neurons are normalised before every step.

    The paper does not say whether the weight is of the mean or of the sum; in the authors' code it is of the mean.

    Attributes:
        weight: how much.
        which: numbers of the eigenvalues, from 1, ascending from the first, which is 0.

    Source: clusterability 4.1, A.10, and the authors' code. Chapter: ``promoting-clusterability``.
    """

    weight: float = 0.1
    which: tuple[int, ...] = (2, 3, 4)

    def __post_init__(self) -> None:
        real(self.weight, "weight", least=0)
        store(self, wholes, "which")

    @property
    def rate(self) -> float:
        """Factor of the eigenvalues' sum, weight / number of eigenvalues."""
        return self.weight / len(self.which)


def eigenvalue_sum(kernels: Sequence[Tensor], which: Sequence[int]) -> Tensor:
    """Sum of chosen eigenvalues of the normalised Laplacian, as a loss term of PyTorch.

    The gradient is that of ``modlib.graphs.eigenvalues.eigenvalue_gradient``; there is no second derivative.
    ``modlib.training.keras.eigenvalue_sum`` is the same for TensorFlow.

    Args:
        kernels: weight matrices, (fan-in, fan-out) each; the transpose of a ``torch.nn.Linear``'s weight.
        which: numbers of the eigenvalues, from 1.

    Returns:
        A scalar.

    Raises:
        GraphError, InputError: as ``eigenvalue_gradient``.

    Source: clusterability 4.1, A.9. Chapter: ``promoting-clusterability``.

    A step down this slope weakens the one weight between two parts:

    >>> import torch
    >>> kernel = torch.tensor([[1, 0], [0.1, 1]], requires_grad=True)
    >>> eigenvalue_sum([kernel], which=(2,)).backward()
    >>> bool(kernel.grad[1, 0] > 0)
    True
    """
    values, gradient = eigenvalue_gradient([kernel.detach().double().cpu().numpy() for kernel in kernels], which)
    total = kernels[0].new_tensor(values.sum())
    for kernel, slope in zip(kernels, gradient, strict=True):
        # the value at the present weights, with its gradient: their difference from themselves is 0 but has a slope
        total = total + (kernel.new_tensor(slope) * (kernel - kernel.detach())).sum()
    return total


def normalise_neurons(
    kernels: Sequence[np.ndarray], biases: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Scale the weights and bias into every hidden neuron to norm sqrt(2), and the weights out of it back.

    With x = ||(w_in, b)||, those in are multiplied by sqrt(2)/x and those out by x/sqrt(2), layer after layer. A ReLU
    network computes the same as before. Without this, a penalty on eigenvalues would be met by the sizes of neurons'
    weights, which do not change what is computed. A neuron with x = 0 gives a constant 0 and loses its weights out.

    Args:
        kernels: weight matrices, (fan-in, fan-out) each.
        biases: (fan-out,) each.

    Returns:
        New kernels and biases.

    Raises:
        InputError: if shapes do not chain, or a number, its square or a product of two layers is not finite.

    Source: clusterability A.10, algorithm 2. Chapter: ``promoting-clusterability``.

    The one hidden neuron gets weights of norm sqrt(2) in place of 5, and its output what it lost:

    >>> kernels, biases = normalise_neurons([np.array([[3.0], [4.0]]), np.array([[1.0]])], [np.zeros(1), np.zeros(1)])
    >>> [kernel.round(2).tolist() for kernel in kernels]
    [[[0.85], [1.13]], [[3.54]]]
    """
    kernels, biases = items(kernels, "kernels"), items(biases, "biases")
    if len(biases) != len(kernels):
        raise InputError(f"{len(kernels)} kernels and {len(biases)} biases arrived; expected one bias a kernel")
    fan_in: str | int = "fan-in"
    for layer, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        kernels[layer] = floating(kernel, f"kernels[{layer}]", (fan_in, "fan-out")).copy()
        fan_in = kernels[layer].shape[1]
        biases[layer] = floating(bias, f"biases[{layer}]", (fan_in,)).copy()
    for layer in range(len(kernels) - 1):
        with np.errstate(over="ignore", invalid="ignore"):
            norms = np.sqrt((kernels[layer] ** 2).sum(axis=0) + biases[layer] ** 2)
            behind = kernels[layer + 1].copy()
            behind *= (norms / NORM).astype(norms.dtype)[:, None]
        if not (np.isfinite(norms).all() and np.isfinite(behind).all()):
            raise InputError(
                f"kernels[{layer}] = {arrived(kernels[layer])} arrived; expected numbers whose squares are finite, and "
                "products with the next ones"
            )
        factor = (NORM / np.where(norms > 0, norms, NORM)).astype(norms.dtype)
        kernels[layer] *= factor
        biases[layer] *= factor
        kernels[layer + 1] = behind
    return kernels, biases
