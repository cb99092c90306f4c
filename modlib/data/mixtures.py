"""Two data sets in one: images of both, which share their labels or divide them between them.

Chapter: ``structured-tasks``.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from modlib.checks import choice, instance
from modlib.data.images import Images
from modlib.errors import InputError

OVERLAPPING, SEPARATE = "overlapping", "separate"
MIXTURES = (OVERLAPPING, SEPARATE)
MIDDLE = 5  # first label that belongs to the second data set of a separate mixture


def mix(first: Images, second: Images, kind: str) -> Images:
    """All images of two data sets, or those of five classes each.

    ``overlapping``: both have all their classes, so that a label says nothing about where an image comes from.
    ``separate``: the first has the classes 0 to 4, the second 5 to 9. Images are in the order of the data sets.

    Args:
        first: a data set.
        second: another one, with images of the same shape.
        kind: one of ``MIXTURES``.

    Raises:
        InputError: if the kind is not known, or the images differ in shape.

    Source: pruned-modular A.5, clusterability A.8. Chapter: ``structured-tasks``.

    >>> from modlib.data import line_images, load_images
    >>> lines = line_images(1000, seed=0, side=8, most=8)
    >>> mixed = mix(lines, load_images("digits"), SEPARATE)
    >>> mixed.name, sorted(set(mixed.y_train.tolist()))
    ('lines+digits separate', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    first, second = (instance(images, Images, "images", "load them by load_images") for images in (first, second))
    choice(kind, MIXTURES, "kind")
    if first.x_train.shape[1:] != second.x_train.shape[1:]:
        raise InputError(
            f"{first.name} has images of shape {first.x_train.shape[1:]}, {second.name} of {second.x_train.shape[1:]}; "
            "expected two data sets with images of one shape"
        )
    parts = (first, second)
    if kind == SEPARATE:
        parts = (_of_classes(first, range(MIDDLE)), _of_classes(second, range(MIDDLE, 10)))
    x_train, y_train, x_test, y_test = (
        np.concatenate([getattr(part, key) for part in parts]) for key in ("x_train", "y_train", "x_test", "y_test")
    )
    checksum = hashlib.sha256(f"{first.checksum} {second.checksum} {kind}".encode()).hexdigest()
    notes = "; ".join(filter(None, (first.note, second.note)))
    return Images(f"{first.name}+{second.name} {kind}", x_train, y_train, x_test, y_test, checksum, notes)


def _of_classes(images: Images, classes: range) -> Images:
    train, test = (np.isin(labels, classes) for labels in (images.y_train, images.y_test))
    return replace(
        images,
        x_train=images.x_train[train], y_train=images.y_train[train],
        x_test=images.x_test[test], y_test=images.y_test[test],
    )  # fmt: skip
