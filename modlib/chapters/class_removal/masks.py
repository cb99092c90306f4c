"""Masks for some classes of images: CIFAR-10 split and standardised, a small CNN, and how it confuses classes.

Chapter: ``class-removal``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from modlib.masks.learning import LearnedMask, MaskSettings, learn_mask
from modlib.masks.mask import Mask
from modlib.networks.network import answers
from modlib.zoo.colour_cnns import CLASSES, Split, draw_classes


def learn_class_mask(
    module: nn.Module,
    data: Split,
    classes: Sequence[int],
    settings: MaskSettings,
    seed: Sequence[int],
    output: Mask | None = None,
) -> LearnedMask:
    """A mask learned on the images of some classes.

    Args:
        module: the network.
        data: images.
        classes: which are shown.
        settings: how.
        seed: decides images and masks.
        output: a mask whose output layer is taken over and not learned, so that a class cannot be cut off there.

    Source: weight-masks 5. Chapter: ``class-removal``.
    """
    fixed = None
    if output is not None:
        last = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)][-1]
        fixed = output.of_layers([last])
    return learn_mask(module, draw_classes(data, classes), settings, np.random.default_rng(list(seed)), fixed=fixed)


def confusion(module: nn.Module, data: Split) -> np.ndarray:
    """Counts (10, 10) of the held-out images, by their class and by what the network says."""
    counts = np.zeros((CLASSES, CLASSES), dtype=int)
    np.add.at(counts, (data.y_test, answers(module, data.x_test)), 1)
    return counts
