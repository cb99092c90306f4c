"""Images made of two images, whose label asks for one of them or for both.

Side by side (``halves``), each shrunk to half its width, or one behind the other as two channels (``stack``), for
networks to which places are all alike. Chapter: ``coherence``.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from modlib.checks import choice, instance, seed_number
from modlib.data.images import NAMES, Images, load_images
from modlib.errors import InputError

KINDS = ("halves-same", "halves-diff", "stack-same", "stack-diff")


def load_composite(name: str, seed: int = 0) -> Images:
    """Composite images, as many as the data set has.

    Args:
        name: a data set and one of ``KINDS``, such as ``mnist halves-same``.
        seed: decides the pairs.

    Raises:
        InputError: if the data set or the kind is not known.
        DataError: as ``load_images``.

    Source: importance-coherence 3.1.1 and A.3. Chapter: ``coherence``.

    >>> load_composite("digits halves-same")
    Images(name=digits halves-same, x_train=(1437, 64) float32, x_test=(360, 64) float32, note=embedded in scikit-learn)
    """
    dataset, _, kind = instance(name, str, "name", "pass one such as 'mnist halves-same'").partition(" ")
    if dataset not in NAMES or kind not in KINDS:
        raise InputError(
            f"composite {name!r} arrived; expected one of {', '.join(NAMES)}, a space, and one of {', '.join(KINDS)}"
        )
    return compose(load_images(dataset), kind, seed)


def compose(images: Images, kind: str, seed: int) -> Images:
    """Pairs of images. ``same``: two of one class, whose label it is. ``diff``: any two, label their sum modulo 10.

    Of ``same`` the first image is every image of the data set in turn; all others are drawn with replacement, within
    training or test. A half is the mean of every two neighbouring columns.

    Args:
        images: grey and square, of even width, (n, side * side).
        kind: one of ``KINDS``.
        seed: decides the pairs.

    Returns:
        Images (n, side * side) for halves, (n, 2, side, side) for stacks.

    Raises:
        InputError: if the kind is not known, or the images are no such squares.

    Source: importance-coherence 3.1.1 and A.3. Chapter: ``coherence``.

    >>> digits = load_images("digits")
    >>> compose(digits, "stack-diff", seed=0).x_test.shape, compose(digits, "halves-diff", seed=0).x_test.shape
    ((360, 2, 8, 8), (360, 64))
    """
    images, seed = instance(images, Images, "images", "load them by load_images"), seed_number(seed)
    choice(kind, KINDS, "kind")
    pixels = images.x_train.shape[1:]
    side = math.isqrt(pixels[0])
    if len(pixels) != 1 or side**2 != pixels[0] or side % 2:
        raise InputError(f"images of shape {pixels} arrived; expected grey squares of an even width, (side * side,)")
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    pairs = [
        _pairs(x.reshape(-1, side, side), y, kind, rng)
        for x, y in ((images.x_train, images.y_train), (images.x_test, images.y_test))
    ]
    (x_train, y_train), (x_test, y_test) = pairs
    digest = hashlib.sha256()
    for x, y in pairs:
        digest.update(x.tobytes() + y.tobytes())
    return Images(f"{images.name} {kind}", x_train, y_train, x_test, y_test, digest.hexdigest(), images.note)


def _pairs(x: np.ndarray, y: np.ndarray, kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    layout, _, task = kind.partition("-")
    if task == "same":
        first, second, labels = np.arange(len(y)), np.empty(len(y), dtype=int), y
        for label in np.unique(y):
            members = np.flatnonzero(y == label)
            second[members] = rng.choice(members, len(members))
    else:
        first, second = rng.integers(len(y), size=(2, len(y)))
        labels = (y[first] + y[second]) % 10
    if layout == "stack":
        return np.stack([x[first], x[second]], axis=1), labels
    halves = x.reshape(*x.shape[:2], -1, 2).mean(-1)
    return np.concatenate([halves[first], halves[second]], axis=2).reshape(len(x), -1), labels
