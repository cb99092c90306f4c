"""Data without structure: what does training alone do to a network?

Images of independent uniform pixels with independent labels. Chapter: ``random-datasets``.
"""

from __future__ import annotations

import numpy as np

from modlib.checks import seed_number, whole
from modlib.data.images import Images


def random_images(n: int, seed: int, pixels: int = 784, classes: int = 10, n_test: int = 10_000) -> Images:
    """Uniform random images with random labels; nothing but memory can tell the label of one.

    x ~ U[0, 1]^pixels, y ~ U{0, ..., classes - 1}, all independent.

    Args:
        n: training images, at least 1.
        seed: decides every pixel and label.
        pixels: pixels an image.
        classes: number of labels.
        n_test: test images, drawn after the training images.

    Raises:
        InputError: if a count is below 1.

    Source: pruned-modular 3.2. Chapter: ``random-datasets``.

    >>> random_images(n=60, seed=0, pixels=16, n_test=10)
    Images(name=random, x_train=(60, 16) float32, x_test=(10, 16) float32, note=uniform pixels, random labels)
    """
    n, n_test, seed = whole(n, "n"), whole(n_test, "n_test"), seed_number(seed)
    pixels, classes = whole(pixels, "pixels"), whole(classes, "classes")
    rng = np.random.default_rng(seed)
    x_train, y_train = rng.random((n, pixels), dtype=np.float32), rng.integers(classes, size=n, dtype=np.int32)
    x_test, y_test = rng.random((n_test, pixels), dtype=np.float32), rng.integers(classes, size=n_test, dtype=np.int32)
    checksum = f"random-{n}-{n_test}-{pixels}-{classes}-{seed}"
    return Images("random", x_train, y_train, x_test, y_test, checksum, "uniform pixels, random labels")
