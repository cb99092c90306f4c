"""Correlation visualisation: what a set of units responds to, as one image.

A unit's image holds its rank correlation with every pixel over a data set. Signs are aligned before images are
averaged, because two units that respond to the same thing may do so in opposite ways. Chapter: ``coherence``.
"""

from __future__ import annotations

import math

import numpy as np

from modlib.checks import array, arrived, exponent, flag, floating, generator, whole
from modlib.errors import InputError

SWEEPS = 20


def spearman(activities: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of every unit with every pixel, over a data set.

    Ties share their mean rank. Where a unit or a pixel never changes, the correlation is taken to be 0.

    Args:
        activities: (n, units).
        pixels: (n, d), flattened images; n at least 2.

    Returns:
        (units, d), in [-1, 1].

    Raises:
        InputError: if there are fewer than two inputs, not as many of both, or a number is not finite.

    Source: importance-coherence 3.1.1. Chapter: ``coherence``.

    Any increasing answer to a pixel counts as 1; a pixel that never changes as 0:

    >>> pixels = np.array([[0.1, 0.9, 0.5], [0.2, 0.8, 0.5], [0.9, 0.1, 0.5]])
    >>> spearman(np.exp(pixels[:, :1]), pixels).round(6).tolist()
    [[1.0, -1.0, 0.0]]
    """
    activities = array(activities, "activities", ("n", "units"))
    pixels = array(pixels, "pixels", (len(activities), "d"))
    if len(activities) < 2:
        raise InputError(f"activities = {arrived(activities)} arrived; expected those of at least two inputs")
    return _standardised_ranks(activities).T @ _standardised_ranks(pixels)


def align_signs(images: np.ndarray, rng: np.random.Generator, sweeps: int = SWEEPS) -> np.ndarray:
    """Signs that make images agree, greedily: one is flipped if its cosines with all others sum to less than 0.

    All images are asked once a sweep, in random order, until a sweep flips none or all sweeps are done. A flip raises
    the sum of all cosines, so this ends, though not always at the largest sum.

    Args:
        images: (units, d). One without any length keeps its sign.
        rng: decides the order.
        sweeps: at most; 20 in the paper.

    Returns:
        (units,), 1 or -1.

    Raises:
        InputError: if there is no image, or a number is not finite.

    Source: importance-coherence 3.1.1 and algorithm 2, after Watanabe (2019). Chapter: ``coherence``.

    Which sign the images agree on is free, so only that of others to the first is told:

    >>> signs = align_signs(np.array([[1.0, 2.0], [-1.0, -2.0], [2.0, 1.0]]), np.random.default_rng(0))
    >>> (signs * signs[0]).tolist()
    [1.0, -1.0, 1.0]
    """
    images, rng, sweeps = _images(images), generator(rng), whole(sweeps, "sweeps", least=0)
    images = np.ldexp(images, -exponent(images))
    directions = of_length_one(images, axis=1)
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, 0)
    signs = np.ones(len(images))
    for _ in range(sweeps):
        before = signs.copy()
        for i in rng.permutation(len(images)):
            if signs[i] * (cosines[i] @ signs) < 0:
                signs[i] *= -1
        if np.array_equal(signs, before):
            break
    return signs


def mean_image(images: np.ndarray, rng: np.random.Generator, sweeps: int = SWEEPS) -> np.ndarray:
    """Mean of images with aligned signs. The sign of the whole is free, and chosen so that its mean is not positive.

    Args:
        images: (units, d), rank correlations.
        rng: see ``align_signs``.
        sweeps: see ``align_signs``.

    Returns:
        (d,), in [-1, 1].

    Raises:
        InputError: as ``align_signs``.

    Source: importance-coherence 3.1.1; sign of the whole: the authors' code. Chapter: ``coherence``.

    >>> mean_image(np.array([[0.5, 1.0], [-0.5, -1.0]]), np.random.default_rng(0)).tolist()
    [-0.5, -1.0]
    """
    images = _images(images)
    power = exponent(images)
    mean = align_signs(images, rng, sweeps) @ np.ldexp(images, -power) / len(images)
    return np.ldexp(-mean if mean.mean() > 0 else mean, power)


def contrast(image: np.ndarray) -> float:
    """Standard deviation of an image over its pixels: 0 if it shows nothing.

    Our measure for what the paper judges by eye. Chapter: ``coherence``.

    Raises:
        InputError: if it is empty, or a number is not finite.

    >>> contrast(np.array([0.5, 0.5, 0.5])), contrast(np.array([-1.0, 1.0]))
    (0.0, 1.0)
    """
    image = floating(image, "image")
    power = exponent(image)
    return float(np.ldexp(np.std(np.ldexp(image, -power)), power))


def halves(image: np.ndarray, stacked: bool) -> tuple[np.ndarray, np.ndarray]:
    """The two parts of a visualisation of composite images.

    Args:
        image: (d,), flattened: a square, or two stacked ones.
        stacked: whether the parts are two channels, not left and right.

    Raises:
        InputError: if it has no two such halves.

    Source: importance-coherence 3.1.1 and A.3. Chapter: ``coherence``.

    >>> left, right = halves(np.array([1, 2, 3, 4]), stacked=False)  # an image of 2 x 2
    >>> left.tolist(), right.tolist()
    ([1, 3], [2, 4])
    """
    image, stacked = array(image, "image", ("d",)), flag(stacked, "stacked")
    side = math.isqrt(image.size // 2 if stacked else image.size)
    if image.size != (1 + stacked) * side**2 or not (stacked or side % 2 == 0):
        wanted = "two squares one after the other" if stacked else "a square of even width"
        raise InputError(f"image = {arrived(image)} arrived; expected {wanted}, flattened")
    first, second = np.split(image if stacked else image.reshape(side, side), 2, axis=0 if stacked else 1)
    return first.ravel(), second.ravel()


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Cosine of two halves; NaN if one of them is blank.

    Our measure for what the paper judges by eye. Chapter: ``coherence``.

    Raises:
        InputError: if they are no halves of an image, (d,) each, or a number is not finite.

    >>> likeness(np.array([1.0, 0.0]), np.array([2.0, 0.0])), likeness(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    (1.0, 0.0)
    """
    first, second = (np.ldexp(half, -exponent(half)) for half in _halves(first, second))
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / lengths) if lengths > 0 else float("nan")


def one_sidedness(first: np.ndarray, second: np.ndarray) -> float:
    """|a - b| / (a + b), a and b the norms of two halves: 1 if one is blank, 0 if they are as strong; NaN if both are.

    Our measure for what the paper judges by eye. Chapter: ``coherence``.

    Raises:
        InputError: as ``likeness``.

    >>> one_sidedness(np.array([3.0, 4.0]), np.array([0.0, 0.0])), one_sidedness(np.array([1.0]), np.array([-1.0]))
    (1.0, 0.0)
    """
    both = _halves(first, second)
    power = max(map(exponent, both))
    a, b = (np.linalg.norm(np.ldexp(half, -power)) for half in both)
    return float(abs(a - b) / (a + b)) if a + b > 0 else float("nan")


def of_length_one(vectors: np.ndarray, axis: int) -> np.ndarray:
    """Vectors along an axis, each divided by its Euclidean length; one of zeros stays so."""
    length = np.linalg.norm(vectors, axis=axis, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def _standardised_ranks(columns: np.ndarray) -> np.ndarray:
    """Ranks of each column, with mean 0 and length 1; 0 for a column that is constant."""
    from scipy.stats import rankdata

    ranks = rankdata(columns, axis=0)
    return of_length_one(ranks - ranks.mean(axis=0), axis=0)


def _images(images: np.ndarray) -> np.ndarray:
    return array(images, "images", ("units", "d"), dtype=np.float64)


def _halves(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first = floating(first, "first", ("d",))
    return first, floating(second, "second", (len(first),))
