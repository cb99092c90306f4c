"""A layer of weights of a chain, and what is applied to its output.

Chapter: ``clusterability``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modlib.checks import array, choice, instance
from modlib.errors import InputError
from modlib.networks.normalisation import BatchNorm
from modlib.reprs import BriefRepr


@dataclass(frozen=True, eq=False, repr=False)
class Layer(BriefRepr):
    """A layer of weights, and what is applied to its output before the next one.

    Attributes:
        name: name of the layer in the model it came from.
        kernel: (fan-in, fan-out), or (height, width, in, out) for a convolution.
        bias: (fan-out,), or None.
        activation: a name in ``modlib.networks.modules.ACTIVATIONS``, or ``linear``.
        batch_norm: the batch normalisation that follows, or None.

    Raises:
        InputError: if one of them is of another kind or shape, or holds what is not finite.
    """

    name: str
    kernel: np.ndarray
    bias: np.ndarray | None
    activation: str = "linear"
    batch_norm: BatchNorm | None = None

    def __post_init__(self) -> None:
        from modlib.networks.modules import ACTIVATIONS

        instance(self.name, str, "name", "pass a text, '' if it has none")
        of_layer = f" of layer {self.name!r}" if self.name else ""
        kernel = array(self.kernel, f"kernel{of_layer}", ("in", "out"), ("height", "width", "in", "out"))
        object.__setattr__(self, "kernel", kernel)
        if self.bias is not None:
            object.__setattr__(self, "bias", array(self.bias, f"bias{of_layer}", kernel.shape[-1:]))
        choice(self.activation, ("linear", *ACTIVATIONS), "activation")
        if self.batch_norm is not None:
            check_norm(self.batch_norm, kernel.shape[-1], "batch_norm")

    @property
    def kind(self) -> str:
        """``dense`` or ``conv``."""
        return "conv" if self.kernel.ndim == 4 else "dense"


def check_norm(norm: object, features: int, name: str) -> None:
    """Refuse what is no batch normalisation of as many features.

    Raises:
        InputError: if it is none.
    """
    found = len(instance(norm, BatchNorm, name, "pass a BatchNorm, or None").gamma)
    if found != features:
        raise InputError(f"{name} of {found} features arrived; expected one of {features}, one value each")
