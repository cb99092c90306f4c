"""Untrained networks: perceptrons, an LSTM that reads its input several times, two small CNNs, and a large one.

All start as PyTorch starts its layers, or as Keras does where the paper trained with Keras, but from an explicit
generator. Chapters: ``weight-masks``, ``class-removal``, ``coherence``, ``convolutional-networks``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from modlib.checks import flag, generator, whole, wholes
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
    return start_as_torch(_chain(sizes), rng)


def glorot_perceptron(sizes: Sequence[int], rng: np.random.Generator) -> nn.Sequential:
    """A ``perceptron`` that starts as Keras's do: weights uniform in +-sqrt(6 / (fan-in + fan-out)), biases 0.

    Raises:
        InputError: as ``perceptron``.

    Source: clusterability A.7. Chapter: ``structured-tasks``.

    >>> first, *_ = glorot_perceptron((784, 256, 10), np.random.default_rng(0))
    >>> round(float(first.weight.detach().abs().max()), 3) == round(math.sqrt(6 / (784 + 256)), 3)
    True
    """
    return _start_as_keras(_chain(sizes), rng)


def _chain(sizes: Sequence[int]) -> nn.Sequential:
    """A perceptron without memory."""
    sizes = wholes(sizes, "sizes", length=2)
    with torch.device("meta"):
        layers = [layer for sizes_of_one in pairwise(sizes) for layer in (nn.Linear(*sizes_of_one), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


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
    inputs, hidden, outputs = whole(inputs, "inputs"), whole(hidden, "hidden"), whole(outputs, "outputs")
    with torch.device("meta"):
        module = RepeatedLSTM(inputs, hidden, outputs, whole(steps, "steps"))
    return start_as_torch(module, rng)


def simple_cnn(rng: np.random.Generator, dropout: bool = True, classes: int = 10) -> nn.Sequential:
    """Four convolutions of 32 to 256 channels for colour images, a mean over positions and a linear layer.

    Dropout is 0.25 after the third convolution, before its ReLU, and 0.5 after the fourth and its ReLU, as in the
    authors' code.

    Args:
        rng: decides the start.
        dropout: whether there is any.
        classes: number of outputs.

    Raises:
        InputError: if there is no output.

    Source: weight-masks, table 2. Chapter: ``class-removal``.

    >>> simple_cnn(np.random.default_rng(0))(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 10])
    """
    classes = whole(classes, "classes")
    rates = (0.25, 0.5) if flag(dropout, "dropout") else (0.0, 0.0)
    with torch.device("meta"):
        module = nn.Sequential(
            *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 128, 3, padding=1), nn.Dropout(rates[0]), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(128, 256, 3, padding=1), nn.ReLU(), nn.Dropout(rates[1])),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, classes)),
        )
    return start_as_torch(module, rng)


def small_cnn(
    rng: np.random.Generator, channels: int = 1, classes: int = 10, side: int = 28, dropout: bool = False
) -> nn.Sequential:
    """Three convolutions of 64 channels, 3 x 3 and padded, for small images, and a dense layer of 128.

    Maxima over 2 x 2 follow the second and the third convolution. Dropout, if there is any, is 0.25 after every
    convolution and its maxima, and 0.5 after the dense layer. The start is Keras's: weights uniform in
    +-sqrt(6 / (fan-in + fan-out)), where a convolution counts its window in both, and biases 0.

    Args:
        rng: decides the start.
        channels: of an image.
        classes: number of outputs.
        side: height and width of an image, a multiple of 4.
        dropout: whether there is any.

    Raises:
        InputError: if a number is below 1, or the side is no multiple of 4.

    Source: importance-coherence 3 and A.2, clusterability 3; padding: the authors' code. Chapter: ``coherence``.

    >>> small_cnn(np.random.default_rng(0))(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """
    channels, classes, side = whole(channels, "channels"), whole(classes, "classes"), whole(side, "side")
    dropout = flag(dropout, "dropout")
    if side % 4:
        raise InputError(f"side = {side} arrived; expected a multiple of 4, which two maxima over 2 x 2 halve twice")

    def drop(rate: float) -> list[nn.Module]:
        return [nn.Dropout(rate)] if dropout else []

    with torch.device("meta"):
        module = nn.Sequential(
            *(nn.Conv2d(channels, 64, 3, padding=1), nn.ReLU(), *drop(0.25)),
            *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), *drop(0.25)),
            *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), *drop(0.25)),
            *(nn.Flatten(), nn.Linear(4 * side**2, 128), nn.ReLU(), *drop(0.5), nn.Linear(128, classes)),
        )
    return _start_as_keras(module, rng)


# channels of every convolution, whether a maximum follows, and the rate of dropout
VGG = (
    *((64, False, 0.3), (64, True, 0.0)),
    *((128, False, 0.4), (128, True, 0.0)),
    *((256, False, 0.4), (256, False, 0.4), (256, True, 0.0)),
    *((512, False, 0.4), (512, False, 0.4), (512, True, 0.0)),
    *((512, False, 0.4), (512, False, 0.4), (512, True, 0.5)),
)


def vgg16(rng: np.random.Generator, classes: int = 10, dropout: bool = False) -> nn.Sequential:
    """VGG-16 for CIFAR-10: 13 convolutions of 64 to 512 channels, 3 x 3 and padded, and two dense layers of 512.

    A convolution is followed by ReLU, a maximum over 2 x 2 where there is one, batch normalisation, and dropout; so
    is the first dense layer, and the second one by ReLU alone. Start and batch normalisation are Keras's.

    Args:
        rng: decides the start.
        classes: number of outputs.
        dropout: whether there is any, of 0.3 to 0.5.

    Raises:
        InputError: if there is no output.

    Source: clusterability 3; all details: the authors' code. Chapter: ``convolutional-networks``.

    >>> network = vgg16(np.random.default_rng(0)).eval()
    >>> sum(isinstance(layer, nn.Conv2d) for layer in network), network(torch.zeros(2, 3, 32, 32)).shape
    (13, torch.Size([2, 10]))
    """
    classes, dropout = whole(classes, "classes"), flag(dropout, "dropout")
    layers: list[nn.Module] = []
    with torch.device("meta"):
        for channels, (width, pooled, rate) in zip((3, *(width for width, *_ in VGG)), VGG, strict=False):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if pooled else []
            layers += [nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)]
            layers += [nn.Dropout(rate)] if dropout and rate else []
        layers += [nn.Flatten(), nn.Linear(512, 512), nn.ReLU(), nn.BatchNorm1d(512, eps=1e-3, momentum=0.01)]
        layers += [nn.Dropout(0.5)] if dropout else []
        layers += [nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, classes)]
    return _start_as_keras(nn.Sequential(*layers), rng)


def _start_as_keras(module: M, rng: np.random.Generator) -> M:
    """Memory for a chain of layers, weights Glorot-uniform, biases 0, batch normalisation without effect."""
    rng = generator(rng)
    module = module.to_empty(device="cpu")
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                layer.reset_parameters()
            elif isinstance(layer, (nn.Linear, nn.Conv2d)):
                bound = math.sqrt(6 / (layer.weight[0, 0].numel() * sum(layer.weight.shape[:2])))
                layer.weight.copy_(torch.as_tensor(rng.uniform(-bound, bound, layer.weight.shape)))
                if layer.bias is not None:
                    layer.bias.zero_()
    return module


def start_as_torch(module: M, rng: np.random.Generator) -> M:
    """Memory for a module without any, filled as PyTorch fills its layers but for one bias, from a generator.

    Uniform in +-1/sqrt(fan-in), or 1/sqrt(units) in a recurrent layer; projections into attention Glorot-uniform with
    biases 0; embeddings normal; gains 1 and shifts 0. The projection out of attention is filled as any linear layer,
    its bias too, which is 0 in PyTorch.
    """
    rng = generator(rng)
    module = module.to_empty(device="cpu")
    with torch.no_grad():
        for layer in module.modules():
            of_layer = list(layer.parameters(recurse=False))
            if isinstance(layer, nn.Embedding):
                layer.weight.copy_(torch.as_tensor(rng.normal(size=layer.weight.shape)))
            elif isinstance(layer, (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)):
                layer.reset_parameters()
            elif isinstance(layer, nn.MultiheadAttention):
                bound = math.sqrt(6 / sum(layer.in_proj_weight.shape))
                layer.in_proj_weight.copy_(torch.as_tensor(rng.uniform(-bound, bound, layer.in_proj_weight.shape)))
                layer.in_proj_bias.zero_()
            elif of_layer:
                fan_in = layer.hidden_size if isinstance(layer, nn.RNNBase) else of_layer[0][0].numel()
                bound = 1 / math.sqrt(fan_in)
                for parameter in of_layer:
                    parameter.copy_(torch.as_tensor(rng.uniform(-bound, bound, parameter.shape)))
    return module
