"""Untrained networks: perceptrons, an LSTM that reads its input several times, two small CNNs.

All start as PyTorch starts its layers, or as Keras does where the paper trained with Keras, but from an explicit
generator. Chapters: ``weight-masks``, ``class-removal``, ``coherence``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from modlib.errors import InputError

M = TypeVar("M", bound=nn.Module)


def perceptron(sizes: Sequence[int], rng: np.random.Generator) -> nn.Sequential:
    """A perceptron with ReLU after every layer but the last.

    Args:
        sizes: inputs, hidden units of each layer, outputs.
        rng: decides the start.

    Raises:
        InputError: if there are fewer than two sizes, or one is below 1.

    Source: weight-masks C.1 and C.3. Chapter: ``weight-masks``.

    >>> [tuple(values.shape) for values in perceptron((784, 256, 10), np.random.default_rng(0)).parameters()]
    [(256, 784), (256,), (10, 256), (10,)]
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError(
            f"sizes = {tuple(sizes)} arrived; expected inputs, any hidden layers and outputs, at least 1 each"
        )
    with torch.device("meta"):
        layers = [layer for sizes_of_one in pairwise(sizes) for layer in (nn.Linear(*sizes_of_one), nn.ReLU())]
    return _start(nn.Sequential(*layers[:-1]), rng)


class RepeatedLSTM(nn.Module):
    """An LSTM that is shown its input at every step, and a linear layer that reads some of its steps.

    Takes inputs (n, features), shown ``steps`` times; or (n, parts, features), where every part is shown ``steps``
    times, one after the other, without a new state. Returns (n, outputs) at the last step, or (n, parts, outputs) at
    the last step of every part.

    Source: weight-masks 3.1 and 3.2. Chapter: ``weight-masks``.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, steps: int, layers: int = 2) -> None:
        super().__init__()
        self.steps = steps
        self.lstm = nn.LSTM(inputs, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs at the last step of every part."""
        parts = inputs if inputs.ndim == 3 else inputs[:, None]
        states, _ = self.lstm(parts.repeat_interleave(self.steps, dim=1))
        read = self.output(states[:, self.steps - 1 :: self.steps])
        return read if inputs.ndim == 3 else read[:, 0]


def repeated_lstm(inputs: int, hidden: int, outputs: int, steps: int, rng: np.random.Generator) -> RepeatedLSTM:
    """An untrained ``RepeatedLSTM`` of two layers.

    Args:
        inputs: number of features.
        hidden: number of units a layer.
        outputs: number of outputs.
        steps: how often an input is shown.
        rng: decides the start.

    Raises:
        InputError: if a number is below 1.

    Source: weight-masks C.3 and C.4, and the authors' code. Chapter: ``weight-masks``.

    >>> lstm = repeated_lstm(inputs=42, hidden=16, outputs=20, steps=3, rng=np.random.default_rng(0))
    >>> lstm(torch.zeros(5, 42)).shape
    torch.Size([5, 20])
    """
    if min(inputs, hidden, outputs, steps) < 1:
        raise InputError(f"{inputs} inputs, {hidden} units, {outputs} outputs, {steps} steps; all must be at least 1")
    with torch.device("meta"):
        module = RepeatedLSTM(inputs, hidden, outputs, steps)
    return _start(module, rng)


def simple_cnn(rng: np.random.Generator, dropout: bool = True, classes: int = 10) -> nn.Sequential:
    """Four convolutions of 32 to 256 channels for colour images, a mean over positions and a linear layer.

    Dropout is 0.25 after the third convolution, before its ReLU, and 0.5 after the fourth and its ReLU, as in the
    authors' code.

    Args:
        rng: decides the start.
        dropout: whether there is any.
        classes: number of outputs.

    Source: weight-masks, table 2. Chapter: ``class-removal``.

    >>> simple_cnn(np.random.default_rng(0))(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 10])
    """
    rates = (0.25, 0.5) if dropout else (0.0, 0.0)
    with torch.device("meta"):
        module = nn.Sequential(
            *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 128, 3, padding=1), nn.Dropout(rates[0]), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(128, 256, 3, padding=1), nn.ReLU(), nn.Dropout(rates[1])),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, classes)),
        )
    return _start(module, rng)


def small_cnn(rng: np.random.Generator, channels: int = 1, classes: int = 10, side: int = 28) -> nn.Sequential:
    """Three convolutions of 64 channels, 3 x 3 and padded, for small images, and a dense layer of 128.

    Maxima over 2 x 2 follow the second and the third convolution. The start is Keras's: weights uniform in
    +-sqrt(6 / (fan-in + fan-out)), where a convolution counts its window in both, and biases 0.

    Args:
        rng: decides the start.
        channels: of an image.
        classes: number of outputs.
        side: height and width of an image, a multiple of 4.

    Raises:
        InputError: if a number is below 1, or the side is no multiple of 4.

    Source: importance-coherence 3 and A.2; padding: the authors' code. Chapter: ``coherence``.

    >>> small_cnn(np.random.default_rng(0))(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """
    if min(channels, classes, side) < 1 or side % 4:
        raise InputError(
            f"{channels} channels, {classes} classes, side {side}; expected at least 1 each, and a side of 4, 8, ..."
        )
    with torch.device("meta"):
        module = nn.Sequential(
            *(nn.Conv2d(channels, 64, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(4 * side**2, 128), nn.ReLU(), nn.Linear(128, classes)),
        )
    return _start_as_keras(module, rng)


def _start_as_keras(module: M, rng: np.random.Generator) -> M:
    """Memory for a chain of layers, weights Glorot-uniform, biases 0."""
    module = module.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.zero_()
            else:
                bound = math.sqrt(6 / (parameter[0, 0].numel() * sum(parameter.shape[:2])))
                parameter.copy_(torch.as_tensor(rng.uniform(-bound, bound, parameter.shape)))
    return module


def _start(module: M, rng: np.random.Generator) -> M:
    """Memory for a module without any, filled uniformly in +-1/sqrt(fan-in), or 1/sqrt(units) in an LSTM."""
    module = module.to_empty(device="cpu")
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, (nn.Linear, nn.Conv2d)):
                bound = 1 / math.sqrt(layer.weight[0].numel())
            elif isinstance(layer, nn.LSTM):
                bound = 1 / math.sqrt(layer.hidden_size)
            for parameter in layer.parameters(recurse=False):
                parameter.copy_(torch.as_tensor(rng.uniform(-bound, bound, parameter.shape)))
    return module
