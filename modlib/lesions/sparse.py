"""The forward pass of a pruned perceptron with lesions, by its non-zero weights alone.

A matrix product spends as long on a weight of zero as on any other. Of a perceptron that is pruned to 10% of its
weights this computes a tenth, for a block of images that stays in the processor's cache. Chapters: ``importance``,
``dependencies``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from modlib.networks.network import Network
from modlib.processor import compiled

IMAGES_AT_ONCE = 512  # activations of a layer of 256 units for them take half a megabyte
MOSTLY = 0.7  # share of zeros from which this is faster than matrix products


def is_pruned_perceptron(network: Network) -> bool:
    """Whether the network has dense layers with only ReLU between them, and most of its weights are zero."""
    layers = network.layers
    zeros = sum(layer.kernel.size - np.count_nonzero(layer.kernel) for layer in layers)
    most = bool(zeros >= MOSTLY * sum(layer.kernel.size for layer in layers))
    return most and network.is_relu_perceptron(ends=("linear", "softmax"))  # which says the same class


@dataclass(frozen=True, eq=False)
class _Weights:
    """Non-zero weights of a layer by output, its biases, and whether ReLU follows."""

    starts: np.ndarray
    inputs: np.ndarray
    values: np.ndarray
    bias: np.ndarray
    relu: bool


def answers(
    network: Network,
    images: np.ndarray,
    layer: int,
    masks: np.ndarray,
    common: Mapping[int, np.ndarray],
    zero_biases: bool,
) -> Iterator[np.ndarray]:
    """What the network says with each of many lesions of one layer.

    Args:
        network: see ``is_pruned_perceptron``.
        images: (n, pixels).
        layer: hidden layer that is lesioned, from 1.
        masks: (sets, units) bool, which of its units are.
        common: (units,) masks of other layers that all lesions have in common.
        zero_biases: whether the biases of lesioned units are zero as well.

    Yields:
        For a block of images after the other, (sets, images) number of the largest output.
    """
    relus = [True] * (len(network.layers) - 1) + [False]
    layers = [_weights(one.kernel, one.bias, relu) for one, relu in zip(network.layers, relus, strict=True)]
    silent = np.zeros(len(images[0]), np.float32)  # for the images, which are never lesioned
    biases = [weights.bias for weights in layers[:-1]]
    at_rest = [silent, *(np.zeros_like(bias) if zero_biases else np.maximum(bias, 0) for bias in biases)]
    rest = [np.repeat(values[:, None], IMAGES_AT_ONCE, axis=1) for values in at_rest]
    none = [np.zeros(len(values), dtype=bool) for values in rest]
    gone = [common.get(at, none[at]) for at in range(len(layers))]
    for start in range(0, len(images), IMAGES_AT_ONCE):
        block = np.ascontiguousarray(images[start : start + IMAGES_AT_ONCE].T, dtype=np.float32)
        for at in range(layer):
            block = _pass(layers[at], block, gone[at], rest[at])
        said = np.empty((len(masks), block.shape[1]), dtype=np.int64)
        for i, mask in enumerate(masks):
            values = block
            for at in range(layer, len(layers)):
                values = _pass(layers[at], values, mask if at == layer else gone[at], rest[at])
            said[i] = values.argmax(axis=0)
        yield said


def _weights(kernel: np.ndarray, bias: np.ndarray | None, relu: bool) -> _Weights:
    by_output = sp.csr_array(kernel.T.astype(np.float32))
    by_output.sort_indices()
    bias = np.zeros(kernel.shape[1]) if bias is None else bias
    return _Weights(by_output.indptr, by_output.indices, by_output.data, bias.astype(np.float32), relu)


def _pass(weights: _Weights, values: np.ndarray, gone: np.ndarray, rest: np.ndarray) -> np.ndarray:
    out = np.empty((len(weights.bias), values.shape[1]), dtype=np.float32)
    _layer(weights.starts, weights.inputs, weights.values, weights.bias, weights.relu, values, gone, rest, out)
    return out


@compiled(nogil=True, cache=True)
def _layer(
    starts: np.ndarray,
    inputs: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray,
    relu: bool,
    values: np.ndarray,
    gone: np.ndarray,
    rest: np.ndarray,
    out: np.ndarray,
) -> None:
    """Outputs (outputs, images) of a layer; an input that is gone rests at one value for all images, a row of rest."""
    for j in range(len(bias)):
        total = out[j]
        total[:] = bias[j]
        place, end = starts[j], starts[j + 1]
        while place + 4 <= end:  # four at a time, so that the total is read and written a quarter as often
            i, k, m, n = inputs[place], inputs[place + 1], inputs[place + 2], inputs[place + 3]
            a, b = rest[i] if gone[i] else values[i], rest[k] if gone[k] else values[k]
            c, d = rest[m] if gone[m] else values[m], rest[n] if gone[n] else values[n]
            u, v, w, x = weights[place], weights[place + 1], weights[place + 2], weights[place + 3]
            for image in range(total.size):
                total[image] += (u * a[image] + v * b[image]) + (w * c[image] + x * d[image])
            place += 4
        while place < end:
            a, u = rest[inputs[place]] if gone[inputs[place]] else values[inputs[place]], weights[place]
            for image in range(total.size):
                total[image] += u * a[image]
            place += 1
        if relu:
            for image in range(total.size):
                total[image] = max(total[image], np.float32(0))
