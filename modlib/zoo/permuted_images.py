"""The same images with their pixels in another order for every task: equally hard tasks with the same answers.

Chapter: ``transfer``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from modlib.checks import whole
from modlib.data.images import load_images
from modlib.networks.architectures import perceptron
from modlib.networks.network import answers
from modlib.reprs import BriefRepr
from modlib.training.steps import Draw, draw_from

CLASSES = 10


@dataclass(frozen=True, eq=False, repr=False)
class PermutedTask(BriefRepr):
    """Images whose pixels are in one order.

    Attributes:
        draw: training images and labels.
        x_test, y_test: test images (n, pixels) and labels (n,).
    """

    draw: Draw
    x_test: torch.Tensor
    y_test: torch.Tensor

    def _facts(self) -> dict[str, object]:
        return {"x_test": self.x_test, "y_test": self.y_test}

    def accuracy(self, module: nn.Module) -> float:
        """Share of the test images that a network gets right, in [0, 1]."""
        return float((answers(module, self.x_test.numpy()) == self.y_test.numpy()).mean())


def permuted_tasks(dataset: str, n: int, seed: int) -> list[PermutedTask]:
    """Tasks of which each has its own order of pixels; the first keeps that of the data set.

    Pixels are standardised: mean 0 and standard deviation 1 over all of the training images.

    Args:
        dataset: see ``modlib.data.images.load_images``.
        n: number of tasks.
        seed: decides the orders.

    Raises:
        InputError, DataError: as ``load_images`` does; if n is not at least 1.

    Source: weight-masks 3.3 and C.5, and the authors' code. Chapter: ``transfer``.
    """
    n, images = whole(n, "n"), load_images(dataset)
    mean, sd = images.x_train.mean(), images.x_train.std()
    x_train, x_test = (torch.as_tensor((x - mean) / sd) for x in (images.x_train, images.x_test))
    y_train, y_test = (torch.as_tensor(y, dtype=torch.long) for y in (images.y_train, images.y_test))
    rng, pixels = np.random.default_rng([seed, 7]), x_train.shape[1]
    orders = [np.arange(pixels), *(rng.permutation(pixels) for _ in range(1, n))]
    return [PermutedTask(_in_order(draw_from(x_train, y_train), order), x_test[:, order], y_test) for order in orders]


def xavier_perceptron(pixels: int, hidden: Sequence[int], rng: np.random.Generator) -> nn.Sequential:
    """An untrained perceptron for ten classes: weights normal with variance 4 / (fan-in + fan-out), biases 0.

    Args:
        pixels: number of inputs.
        hidden: units of each hidden layer; 800, 800 and 64 in the paper.
        rng: decides the start.

    Source: weight-masks C.5, and the authors' code. Chapter: ``transfer``.
    """
    module = perceptron((pixels, *hidden, CLASSES), rng)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.zero_()
            else:
                sd = np.sqrt(4 / sum(parameter.shape))
                parameter.copy_(torch.as_tensor(rng.normal(scale=sd, size=parameter.shape)))
    return module


def _in_order(draw: Draw, order: np.ndarray) -> Draw:
    """Batches with their columns in another order, so that the data set is held once."""
    columns = torch.as_tensor(order)

    def drawn(rng: np.random.Generator, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = draw(rng, n)
        return x[:, columns], y

    return drawn
