"""Networks whose modules are known and do something: what a measure of modules ought to find, and what it cannot.

A network here is two random sub-networks, each with inputs and classes of its own; that an input belongs to a class is
what the network itself says. So every unit has a function that is known without any measurement. Chapter:
``do-the-measures-agree``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from modlib.checks import UNPLACED, flag, real, seed_number, whole
from modlib.networks.network import Network, from_arrays
from modlib.reprs import BriefRepr

INPUTS, CLASSES = 8, 4  # of each function
HIDDEN = (16, 16, 16)  # units of each function
CONFIDENCE = 3.0  # standard deviation of every output, which makes most answers sure
STRONG = 50.0  # times the weights that do something


@dataclass(frozen=True, eq=False, repr=False)
class KnownModules(BriefRepr):
    """A network whose modules are known.

    Attributes:
        network: a perceptron with ReLU after all layers but the last.
        inputs: (n, features), float32.
        labels: (n,) what the network says to each of them, which is right.
        functions: for every hidden layer (units,) the function that each unit serves; -1 for one that serves none, or
            all alike.
        idle: for every hidden layer (units,) the block of strong weights that each unit is in, which do nothing; empty
            where there are no such weights.
    """

    network: Network
    inputs: np.ndarray
    labels: np.ndarray
    functions: tuple[np.ndarray, ...]
    idle: tuple[np.ndarray, ...] = ()

    def _facts(self) -> dict[str, object]:
        return {"inputs": self.inputs, "sizes": [np.unique(of_layer).size for of_layer in self.functions]}


def two_functions(seed: int, n: int, *, together: bool = False, crossing: float = 0.0) -> KnownModules:
    """Two sub-networks side by side that are joined by the answer alone, or by weights between them as well.

    Args:
        seed: decides all.
        n: number of inputs.
        together: whether an input speaks to both sub-networks at once; otherwise to one of them, the other sees zeros.
        crossing: size of the weights between the sub-networks over that of those within, in [0, 1]. With 1 there is one
            network, and what is called its functions are units at random.

    Raises:
        InputError: if a number is not in its range.

    Chapter: ``do-the-measures-agree``.

    >>> known = two_functions(seed=0, n=100)
    >>> known.network
    Network(layer_0=16 x 32 relu, layer_1=32 x 32 relu, layer_2=32 x 32 relu, layer_3=32 x 8 linear)
    >>> first, second = known.functions[:2]  # weights between units of different functions
    >>> known.network.layers[1].kernel[np.ix_(first == 0, second == 1)].any()
    np.False_
    """
    rng, n = np.random.default_rng(seed_number(seed)), whole(n, "n")
    together, crossing = flag(together, "together"), real(crossing, "crossing", least=0, most=1)
    shapes = list(pairwise((INPUTS, *HIDDEN, CLASSES)))
    kernels = [_blocks(rng, a, b, crossing) for a, b in shapes]
    inputs = _inputs(rng, n, together)
    order = mixed(rng, 2)
    return _known(in_order(kernels, order), inputs, order)


def shared_part(seed: int, n: int) -> KnownModules:
    """Two functions with a part of their own each, and a third part that sees all inputs and serves both.

    Raises:
        InputError: if a number is not in its range.

    Chapter: ``do-the-measures-agree``.

    >>> np.bincount(shared_part(seed=0, n=100).functions[0]).tolist()
    [16, 16, 16]
    """
    rng, n = np.random.default_rng(seed_number(seed)), whole(n, "n")
    kernels = []
    for number, (a, b) in enumerate(pairwise((INPUTS, *HIDDEN, CLASSES))):
        first, last = number == 0, number == len(HIDDEN)
        kernel = np.zeros((2 * a + (0 if first else a), 2 * b + (0 if last else b)))
        kernel[: 2 * a, : 2 * b] = _blocks(rng, a, b)
        if first:
            kernel[:, 2 * b :] = _weights(rng, 2 * a, b)
        elif last:
            kernel[2 * a :] = _weights(rng, a, 2 * b)
        else:
            kernel[2 * a :, 2 * b :] = _weights(rng, a, b)
        kernels.append(kernel)
    order = mixed(rng, 3)
    return _known(in_order(kernels, order), _inputs(rng, n, together=False), order)


def rotated_functions(seed: int, n: int) -> KnownModules:
    """Two functions whose units are known in the middle layer, in weights that cannot tell them apart.

    Both sub-networks have the same weights. The first and the third hidden layer are linear: of every number v they
    hold max(v, 0) and max(-v, 0). There the sub-networks are rotated into each other, i of one and i' of the other into
    (i + i') / sqrt 2 and (i - i') / sqrt 2, and back by the next weights. In sizes of weights a unit of the middle
    layer is then the same as its twin in the other function: exchanging the two changes no graph of sizes, so no
    measure of such a graph can know which of them serves which.

    Raises:
        InputError: if a number is not in its range.

    Chapter: ``do-the-measures-agree``.

    >>> known = rotated_functions(seed=0, n=100)
    >>> known.network
    Network(layer_0=16 x 64 relu, layer_1=64 x 32 relu, layer_2=32 x 64 relu, layer_3=64 x 8 linear)
    >>> strengths = np.sort(np.abs(known.network.layers[1].kernel).sum(axis=0))
    >>> bool(np.allclose(strengths[::2], strengths[1::2]))
    True
    """
    rng, n = np.random.default_rng(seed_number(seed)), whole(n, "n")
    inputs = _inputs(rng, n, together=False)
    first, second, third, last = (
        np.kron(np.eye(2), _weights(rng, a, b)) for a, b in pairwise((INPUTS, *HIDDEN, CLASSES))
    )
    turn = np.kron(np.array([[1, 1], [1, -1]]) / np.sqrt(2), np.eye(HIDDEN[0]))
    there, back = np.hstack([turn, -turn]), np.vstack([turn, -turn])
    middle = rng.permutation(np.repeat([0, 1], HIDDEN[1]))
    place = np.argsort(np.argsort(middle, kind="stable"))
    nothing = np.full(there.shape[1], UNPLACED)
    kernels = [first @ there, (back @ second)[:, place], (third @ there)[place], back @ last]
    return _known(kernels, inputs, [nothing, middle, nothing])


def idle_weights(seed: int, n: int) -> KnownModules:
    """Two functions, and strong weights in two blocks that do nothing and have nothing to do with the functions.

    They come from inputs that are always 0, as pixels at the border are, and from hidden units that see only these.
    Each such input or unit is joined to its own block in the next layer, so clear clusters of weights run through the
    network.

    Raises:
        InputError: if a number is not in its range.

    Chapter: ``do-the-measures-agree``.

    >>> known = idle_weights(seed=0, n=100)
    >>> bool((known.inputs[:, 16:] == 0).all()), [part.tolist()[-2:] for part in (known.functions[0], known.idle[0])]
    (True, [[-1, -1], [1, 1]])
    """
    known = two_functions(seed, n)
    rng = np.random.default_rng([seed_number(seed), 1])
    idle = [np.repeat([0, 1], INPUTS // 2)] * (len(HIDDEN) + 1)  # units that never say anything, inputs first
    blocks = [rng.permutation(np.arange(len(of_layer)) % 2) for of_layer in known.functions]
    kernels = []
    for number, layer in enumerate(known.network.layers[:-1]):
        live = STRONG * (idle[number][:, None] == blocks[number])
        dead = STRONG * (idle[number][:, None] == idle[number + 1])
        strong = np.hstack([live, dead]) * np.abs(layer.kernel[layer.kernel != 0]).mean()
        strong = strong * rng.uniform(0.5, 1, strong.shape) * rng.choice([-1, 1], strong.shape)
        kernels.append(np.vstack([np.pad(layer.kernel, ((0, 0), (0, len(idle[0])))), strong]))
    *_, last = known.network.layers
    kernels.append(np.pad(last.kernel, ((0, len(idle[0])), (0, 0))))
    biases = [np.zeros(kernel.shape[1]) for kernel in kernels[:-1]] + [last.bias]
    inputs = np.pad(known.inputs, ((0, 0), (0, len(idle[0]))))
    functions = tuple(np.pad(of_layer, (0, len(idle[0])), constant_values=UNPLACED) for of_layer in known.functions)
    both = tuple(np.concatenate(pair) for pair in zip(blocks, idle[1:], strict=True))
    return KnownModules(from_arrays(kernels, biases), inputs, known.labels, functions, both)


def _weights(rng: np.random.Generator, a: int, b: int) -> np.ndarray:
    return rng.normal(size=(a, b)) * np.sqrt(2 / a)


def _blocks(rng: np.random.Generator, a: int, b: int, crossing: float = 0.0) -> np.ndarray:
    """Weights of two sub-networks, and those between them, which are smaller."""
    size = np.kron(np.array([[1, crossing], [crossing, 1]]), np.ones((a, b)))
    return size * _weights(rng, 2 * a, 2 * b) * np.sqrt(2 / (1 + crossing**2))


def _inputs(rng: np.random.Generator, n: int, together: bool) -> np.ndarray:
    inputs = rng.normal(size=(n, 2, INPUTS))
    if not together:
        inputs[np.arange(n), np.arange(n) % 2] = 0
    return inputs.reshape(n, -1).astype(np.float32)


def mixed(rng: np.random.Generator, parts: int) -> list[np.ndarray]:
    """For every hidden layer, which part each unit belongs to, in random order; every part has ``HIDDEN`` units."""
    return [rng.permutation(np.repeat(np.arange(parts), width)) for width in HIDDEN]


def places(order: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Where hidden units, which come part by part, go, so that their labels are those of ``order``."""
    return [np.argsort(np.argsort(labels, kind="stable")) for labels in order]


def in_order(kernels: Sequence[np.ndarray], order: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The kernels with hidden units, which come part by part, at the places that their labels have in ``order``."""
    hidden = places(order)
    rows = [np.arange(len(kernels[0])), *hidden]
    columns = [*hidden, np.arange(kernels[-1].shape[1])]
    return [kernel[row][:, column] for kernel, row, column in zip(kernels, rows, columns, strict=True)]


def _known(kernels: list[np.ndarray], inputs: np.ndarray, functions: Sequence[np.ndarray]) -> KnownModules:
    """The network, with outputs of mean 0 and of the same spread, and its answers."""
    values = inputs.astype(np.float64)
    for kernel in kernels[:-1]:
        values = np.maximum(values @ kernel, 0)
    values = values @ kernels[-1]
    scale = CONFIDENCE / np.maximum(values.std(axis=0), 1e-12)
    biases = [*(np.zeros(kernel.shape[1]) for kernel in kernels[:-1]), -values.mean(axis=0) * scale]
    network = from_arrays([*kernels[:-1], kernels[-1] * scale], biases)
    return KnownModules(network, inputs, network.answers(inputs), tuple(functions))
