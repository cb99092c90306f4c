"""Graphs of channels as those who read them see them: how the clusterability paper draws networks with branches.

Its vertices are the input channels of convolutions, not their outputs. In a chain this is the same. Behind a sum it is
not: a channel that three convolutions read is three vertices, and what is added there has edges to all of them.
Chapter: ``imagenet``.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from modlib.checks import choice, flag, instance
from modlib.errors import GraphError
from modlib.graphs.branching import has_gains, joined, kept_layers, weight_matrix
from modlib.graphs.neurons import NeuronGraph, Part, unique
from modlib.networks.network import BATCH_NORM_USES, BatchNormUse
from modlib.networks.traces import Trace, Weights


def consumer_graph(network: Trace, batch_norm: BatchNormUse = "fold", scaled: bool = True) -> NeuronGraph:
    """Graph of the channels that convolutions read, of a network of any shape.

    Vertices are the input channels of every convolution but those that read the network's inputs, and of the first
    dense layer; positions of a channel are one vertex. A convolution a whose outputs reach a reader b, without passing
    another convolution, joins its input channels i to channels j of b:

    A_{ij} = |K_{aj}|_1 / mean |K_a|_1 * g_j,

    the norm of the slice of its kernel over the mean of all its norms, times g_j = |gamma| / sqrt(var + epsilon) of the
    batch normalisations on the way. Where b reads a concatenation, its channels are a layer of vertices a source. A
    shuffle permutes the weights between every two layers by themselves.

    A network without convolutions has the input of every dense layer in their place.

    Args:
        network: see ``modlib.networks.trace``.
        batch_norm: ``fold`` for g as above, ``ignore`` for 1.
        scaled: whether norms are divided by their mean, as the authors' code does and the paper does not say.

    Raises:
        GraphError: if a weight is NaN or infinite, or no layer reads one that reads another.
        InputError: if it is no trace, ``batch_norm`` is not known, or ``scaled`` is no flag.

    Source: clusterability 1.1, 3.1, and the authors' code. Chapter: ``imagenet``.

    Two inputs of ``second`` and two of ``last``, whose vertices are joined to those of all that is added in it:

    >>> from torch import nn
    >>> from modlib.networks import trace
    >>> class Skip(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.first, self.second, self.last = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 1)
    ...
    ...     def forward(self, x):
    ...         hidden = self.first(x).relu()
    ...         return self.last(hidden + self.second(hidden).relu())
    >>> graph = consumer_graph(trace(Skip()))
    >>> graph.names, sorted(graph.edges)
    (('first', 'second', 'last'), [(0, 1), (0, 2), (1, 2)])
    """
    choice(batch_norm, BATCH_NORM_USES, "batch_norm")
    scaled = flag(scaled, "scaled")
    traced = instance(network, Trace, "network", "pass modlib.trace(model)")
    kept = set(kept_layers(traced))
    readers = [weights for weights in traced.weights if kept & weights.reads.keys()]
    numbers = itertools.count()
    layers = [{next(numbers): group for group in _by_source(weights, weights.layer in kept)} for weights in readers]
    parts = []
    for weights, own in zip(readers, layers, strict=True):
        if weights.layer not in kept:
            continue
        name = traced.layers[weights.layer].name
        matrix = weight_matrix(weights, batch_norm, name) / (_mean_norm(weights, name) if scaled else 1)
        for reader, theirs in zip(readers, layers, strict=True):
            if (reads := reader.reads.get(weights.layer)) is None:
                continue
            reads = sp.csr_array(reads if batch_norm == "fold" else reads != 0, dtype=float)
            for target, channels in theirs.items():
                if (columns := reads[:, channels]).nnz:
                    for source, features in own.items():
                        itself = sp.csr_array(sp.eye_array(len(features)))
                        parts.append(Part(target, matrix[features] @ columns, {source: itself}))
    if not parts:
        said = ", ".join(layer.name for layer in traced.layers)
        raise GraphError(
            f"no layer of {said} reads one that reads another; expected at least two convolutions in a row and a "
            "layer behind them, or use modlib.graphs.neuron_graph, whose vertices are what layers compute"
        )
    sizes = [len(group) for own in layers for group in own.values()]
    names = [traced.layers[weights.layer].name for weights, own in zip(readers, layers, strict=True) for _ in own]
    return replace(joined(sizes, parts), names=unique(names), batch_norm=batch_norm if has_gains(traced) else None)


def _by_source(weights: Weights, convolution: bool) -> list[np.ndarray]:
    """What a layer reads, by the layers that it comes from; of the positions of a dense layer, one a channel."""
    sources = sorted(weights.reads)
    units = sp.csc_array(sp.vstack([weights.reads[source] for source in sources]))
    read = np.flatnonzero(np.diff(units.indptr))  # what nothing goes into is no vertex
    if not convolution:
        read = read[np.unique(units.indices[units.indptr[read]], return_index=True)[1]]
    comes_from = np.stack([np.diff(sp.csc_array(weights.reads[source]).indptr)[read] > 0 for source in sources])
    _, group = np.unique(comes_from, axis=1, return_inverse=True)
    return [read[group == number] for number in range(group.max() + 1)]


def _mean_norm(weights: Weights, name: str) -> float:
    """Mean edge weight of a layer without its gains; 1 if all are 0."""
    matrix = weight_matrix(weights, "ignore", name)
    norms = np.asarray(matrix.data if sp.issparse(matrix) else matrix)
    return float(norms.mean()) or 1.0
