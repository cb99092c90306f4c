"""Networks whose modules are known, because they were planted, and networks that have none: controls for every measure.

Chapters: all with a live run.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from modlib.checks import generator_of, real, whole, wholes
from modlib.networks.network import Network, from_arrays


def random_weights(widths: Sequence[int], seed: int | np.random.Generator, density: float = 1.0) -> list[np.ndarray]:
    """Weights of a perceptron without modules: normal, of which a share is not zero.

    Args:
        widths: units of every layer, inputs and outputs included.
        seed: decides the weights.
        density: chance of each weight to be kept, in [0, 1].

    Raises:
        InputError: if there are fewer than two layers, a width is below 1, or the density is no share.

    >>> [matrix.shape for matrix in random_weights((6, 5, 4), seed=0)]
    [(6, 5), (5, 4)]
    """
    rng, widths, density = (
        generator_of(seed),
        wholes(widths, "widths", length=2),
        real(density, "density", least=0, most=1),
    )
    return [rng.normal(size=shape) * (rng.random(shape) < density) for shape in pairwise(widths)]


def planted_weights(
    widths: Sequence[int], modules: int, seed: int | np.random.Generator, outside: float = 0.02
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights of a perceptron in which units of one module are joined strongly, and the module of every unit.

    Within a module |w| is uniform in [0.5, 1], between modules in [0, ``outside``]; signs are random, and so is the
    order of the units in a layer.

    Args:
        widths: units of every layer, inputs and outputs included.
        modules: number of modules, of equal size up to one unit.
        seed: decides all.
        outside: largest weight between modules; with 0 the network falls into as many parts.

    Returns:
        The weight matrices (fan-in, fan-out), and for every layer the module of each unit.

    Raises:
        InputError: if there are fewer than two layers, a number is below 1, or ``outside`` is negative.

    >>> weights, modules = planted_weights((8, 6, 4), 2, seed=0)
    >>> [sorted(of_layer.tolist()) for of_layer in modules]
    [[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1], [0, 0, 1, 1]]
    """
    rng, widths, modules = generator_of(seed), wholes(widths, "widths", length=2), whole(modules, "modules")
    outside = real(outside, "outside", least=0)
    truth = [rng.permutation(np.arange(width) % modules) for width in widths]
    weights = []
    for left, right in pairwise(truth):
        same = left[:, None] == right
        sign = rng.choice([-1, 1], size=same.shape)
        weights.append(sign * np.where(same, rng.uniform(0.5, 1, same.shape), outside * rng.random(same.shape)))
    return weights, truth


def planted_kernels(
    channels: Sequence[int], modules: int, seed: int | np.random.Generator, outside: float = 0.02, side: int = 3
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Kernels of convolutions in which channels of one module are joined strongly, and the module of every channel.

    A slice from one channel to another is a random pattern with positive and negative parts, whose L1 norm is as
    ``planted_weights`` has |w|; so what is planted is seen in norms, not in sums.

    Args:
        channels: channels of every layer.
        modules: number of modules, of equal size up to one channel.
        seed: decides all.
        outside: largest norm between modules.
        side: height and width of a kernel.

    Returns:
        The kernels (side, side, in, out), and for every layer the module of each channel.

    Raises:
        InputError: as ``planted_weights``.

    >>> kernels, modules = planted_kernels((8, 6, 4), 2, seed=0)
    >>> [kernel.shape for kernel in kernels]
    [(3, 3, 8, 6), (3, 3, 6, 4)]
    """
    rng, side = generator_of(seed), whole(side, "side")
    norms, truth = planted_weights(channels, modules, rng, outside)
    patterns = [rng.normal(size=(side, side, *norm.shape)) for norm in norms]
    scaled = [pattern / np.abs(pattern).sum(axis=(0, 1)) for pattern in patterns]
    return [norm * pattern for norm, pattern in zip(norms, scaled, strict=True)], truth


def side_by_side(
    copies: int, n: int, seed: int | np.random.Generator
) -> tuple[Network, np.ndarray, np.ndarray, list[np.ndarray]]:
    """A network of two modules that do not know each other, and images that speak to one of them each.

    One module sees the first input and says its sign, the other does so with the second input. Of every unit there
    are copies, so that a random unit is not missed, but a whole module is.

    Args:
        copies: of every unit.
        n: number of images.
        seed: decides the images.

    Returns:
        The network, which is right about every image; images (n, 2); their classes (n,), in 0..3; and for both hidden
        layers the module of each unit.

    Raises:
        InputError: if a number is below 1.

    >>> network, x, y, modules = side_by_side(copies=3, n=10, seed=0)
    >>> x.shape, [of_layer.tolist() for of_layer in modules]
    ((10, 2), [[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]])
    """
    rng, copies, n = generator_of(seed), whole(copies, "copies"), whole(n, "n")
    signs = np.kron(np.eye(2), [[1.0, -1.0]])
    apart = np.kron(np.eye(4), np.ones((copies, copies)) / copies)
    network = from_arrays([np.repeat(signs, copies, axis=1), apart, apart[:, ::copies]])
    first = np.arange(n) % 2 == 0
    x = (rng.normal(size=(n, 1)) * np.column_stack([first, ~first])).astype(np.float32)
    return network, x, np.where(first, 0, 2) + (x.sum(axis=1) < 0), [np.repeat([0, 1], 2 * copies)] * 2
