"""Neuron graphs of networks of any shape: branches, sums, concatenations, groups, gates and heads.

A layer of weights has a matrix of edge weights from its features to its neurons. A feature may be read from several
layers: after a skip connection from all whose sum it is. Each of them is joined by the same weights, and a shuffle
moves these together. Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from modlib.checks import choice
from modlib.errors import GraphError
from modlib.graphs.edges import Matrix, matrix_of
from modlib.graphs.neurons import NeuronGraph, Part, layered_graph
from modlib.networks.network import BATCH_NORM_USES, BatchNormUse

if TYPE_CHECKING:
    from modlib.networks.traces import Trace, Weights


def traced_graph(trace: Trace, batch_norm: BatchNormUse = "fold") -> NeuronGraph:
    """Neuron graph of a traced network.

    As for chains, a network with convolutions leaves out its inputs, and the dense layers behind the last convolution;
    a dense layer at every place of an image counts as a convolution.

    Args:
        trace: see ``modlib.networks.trace``.
        batch_norm: see ``neuron_graph``.

    Raises:
        GraphError: if a weight is NaN or infinite, or no edge is left.
        InputError: if ``batch_norm`` is not known.

    Source: clusterability 1.1. Chapter: ``clusterability``.

    >>> from torch import nn
    >>> from modlib.networks import trace
    >>> traced_graph(trace(nn.Sequential(nn.Linear(4, 3), nn.SiLU(), nn.Linear(3, 2))))
    NeuronGraph(sizes=[4, 3, 2], live=9 of 9, edges=18)
    """
    choice(batch_norm, BATCH_NORM_USES, "batch_norm")
    kept = kept_layers(trace)
    number = {layer: i for i, layer in enumerate(kept)}
    parts = []
    for weights in trace.weights:
        reads = {number[source]: matrix for source, matrix in weights.reads.items() if source in number}
        if reads and weights.layer in number:
            if batch_norm == "ignore":
                reads = {source: sp.csr_array(matrix != 0, dtype=float) for source, matrix in reads.items()}
            name = trace.layers[weights.layer].name
            parts.append(Part(number[weights.layer], weight_matrix(weights, batch_norm, name), reads))
    if not parts:
        raise GraphError(
            f"no two of the layers {', '.join(layer.name for layer in trace.layers)} are joined by weights; expected "
            "at least two convolutions or two dense layers, or pass a list of weights yourself"
        )
    names = tuple(trace.layers[layer].name for layer in kept)
    graph = replace(joined([trace.layers[layer].size for layer in kept], parts), names=names)
    return replace(graph, batch_norm=batch_norm) if has_gains(trace) else graph


def joined(sizes: Sequence[int], parts: Sequence[Part]) -> NeuronGraph:
    """The graph whose edges are those of some parts, added where several join the same layers.

    Raises:
        GraphError: if no edge is left.
    """
    edges: dict[tuple[int, int], Matrix] = {}
    for part in parts:
        for pair, block in part.edges().items():
            edges[pair] = block if pair not in edges else _sum(edges[pair], block)
    graph = layered_graph(sizes, edges)
    restricted = (part.restricted(graph.live) for part in parts)
    return replace(graph, parts=tuple(part for part in restricted if part is not None))


def _sum(first: Matrix, second: Matrix) -> Matrix:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return first + second
    return sp.csr_array(first) + sp.csr_array(second)


def has_gains(trace: Trace) -> bool:
    """Whether norms or constants multiply anything on the way."""
    read = (matrix.data for weights in trace.weights for matrix in weights.reads.values())
    return any(weights.gain is not None for weights in trace.weights) or not all(
        np.allclose(gains, 1, rtol=1e-12) for gains in read
    )


def kept_layers(trace: Trace) -> list[int]:
    """Numbers of the layers whose units are vertices."""
    layers = trace.layers
    if not any(layer.kind == "conv" for layer in layers):
        return list(range(len(layers)))
    reached_from: Mapping[int, set[int]] = {i: set() for i in range(len(layers))}
    for weights in trace.weights:
        for source in weights.reads:
            reached_from[source].add(weights.layer)
    feeds = [layer.kind != "input" and layer.positions for layer in layers]
    for i in reversed(range(len(layers))):
        feeds[i] |= layers[i].kind != "input" and any(feeds[j] for j in reached_from[i])
    return [i for i, kept in enumerate(feeds) if kept]


def weight_matrix(weights: Weights, batch_norm: BatchNormUse, name: str) -> Matrix:
    """Edge weights from all features to all units of a layer."""
    kernel = weights.kernel
    if weights.gain is not None and batch_norm == "fold":
        kernel = kernel * weights.gain
    matrix = np.asarray(abs(matrix_of(kernel, f"the weight of layer {name!r}")))
    if (weights.unit != np.arange(len(weights.unit))).any():
        heads = sp.csr_array((np.ones(len(weights.unit)), (np.arange(len(weights.unit)), weights.unit)))
        matrix = np.asarray(matrix @ heads)
    if weights.groups == 1:
        return matrix
    features, outputs = matrix.shape
    rows = np.arange(features)[:, None] + features * (np.arange(outputs) // (outputs // weights.groups))
    columns = np.broadcast_to(np.arange(outputs), rows.shape)
    shape = features * weights.groups, outputs
    return sp.csr_array((matrix.ravel(), (rows.ravel(), columns.ravel())), shape=shape)
