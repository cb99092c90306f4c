"""Residual networks for small colour images, with blocks of two convolutions. Chapter: ``class-removal``."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from modlib.checks import whole
from modlib.errors import InputError
from modlib.networks.architectures import start_as_torch

WIDTHS = (16, 32, 64)  # channels of the three parts


class BasicBlock(nn.Module):
    """Two convolutions, 3 x 3, each with batch normalisation, and their input added before the last ReLU.

    Where the block halves the image, the input gives every second pixel, and zeros for the channels that it lacks.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.stride, self.missing = (1, 0) if channels == width else (2, width - channels)
        self.conv1 = nn.Conv2d(channels, width, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """From images (n, channels, height, width) to (n, width, height, width), or half of both sides."""
        there = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.missing // 2, self.missing // 2))
        return relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))) + there)


class ResidualNetwork(nn.Module):
    """A convolution, three parts of residual blocks, a mean over positions, a linear layer: see ``cifar_resnet``."""

    def __init__(self, blocks: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        parts = []
        for channels, width in zip((WIDTHS[0], *WIDTHS), WIDTHS, strict=False):
            sizes = (channels, *[width] * blocks)
            parts.append(nn.Sequential(*(BasicBlock(a, b) for a, b in pairwise(sizes))))
        self.layer1, self.layer2, self.layer3 = parts
        self.linear = nn.Linear(WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, 3, height, width)."""
        x = self.layer3(self.layer2(self.layer1(relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))


def cifar_resnet(depth: int, rng: np.random.Generator, classes: int = 10) -> ResidualNetwork:
    """A residual network of 6 n + 2 layers for images of 32 x 32: n blocks of 16, n of 32 and n of 64 channels.

    It starts as PyTorch starts its layers. The paper's ResNet-110 has n = 18 and a convolution of 1 x 1 where a block
    halves the image; here no weight is on the shortcuts.

    Args:
        depth: 20, 32, 44, 56, 110, or another 6 n + 2.
        rng: decides the start.
        classes: number of outputs.

    Raises:
        InputError: if there is no such depth, or no output.

    Source: weight-masks C.7.3. Chapter: ``class-removal``.

    >>> network = cifar_resnet(20, np.random.default_rng(0)).eval()
    >>> sum(isinstance(part, nn.Conv2d) for part in network.modules()), network(torch.zeros(2, 3, 32, 32)).shape
    (19, torch.Size([2, 10]))
    """
    depth, classes = whole(depth, "depth", least=8), whole(classes, "classes")
    if depth % 6 != 2:
        raise InputError(f"depth = {depth} arrived; expected 6 n + 2, such as 20, 56 or 110")
    with torch.device("meta"):
        module = ResidualNetwork(depth // 6, classes)
    return start_as_torch(module, rng)
