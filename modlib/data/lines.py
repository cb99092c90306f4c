"""Images of vertical lines, whose label is how many there are: a task that is solved by counting.

Chapter: ``structured-tasks``.
"""

from __future__ import annotations

import numpy as np

from modlib.checks import seed_number, whole
from modlib.data.images import Images


def line_images(n: int, seed: int, side: int = 28, most: int = 10, n_test: int = 10_000) -> Images:
    """White vertical lines on black, one pixel wide and as high as the image, in different columns.

    The number of lines is uniform in 1, ..., ``most``, their columns are random; the label is the number less one, so
    that labels start at 0. Width and labels are those of the authors' code.

    Args:
        n: training images, at least 1.
        seed: decides all lines.
        side: height and width of an image.
        most: largest number of lines, from 1 to ``side``.
        n_test: test images, drawn after the training images.

    Raises:
        InputError: if a count is below 1, or there are more lines than columns.

    Source: pruned-modular A.5, clusterability A.8. Chapter: ``structured-tasks``.

    >>> images = line_images(2, seed=3, side=5, most=3, n_test=1)
    >>> images.x_train.reshape(2, 5, 5)[:, 0].tolist(), images.y_train.tolist()
    ([[1.0, 0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0, 0.0]], [2, 0])
    """
    n, n_test, seed, side = whole(n, "n"), whole(n_test, "n_test"), seed_number(seed), whole(side, "side")
    most = whole(most, "most", most=side)
    rng = np.random.default_rng(seed)
    (x_train, y_train), (x_test, y_test) = (_draw(count, side, most, rng) for count in (n, n_test))
    return Images("lines", x_train, y_train, x_test, y_test, f"lines-{n}-{n_test}-{side}-{most}-{seed}", "drawn lines")


def _draw(n: int, side: int, most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.integers(most, size=n, dtype=np.int32)
    # the ranks of random numbers are a random order of the columns
    drawn = rng.random((n, side)).argsort(axis=1).argsort(axis=1) <= labels[:, None]
    return np.tile(drawn.astype(np.float32), (1, side)), labels
