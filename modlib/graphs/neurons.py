"""Neuron graphs: what the weights of a network connect, and how strongly.

A trained network becomes an undirected weighted graph. Its vertices are the neurons, inputs and
outputs included; the weight of an edge is the absolute value of the weight that joins two neurons of
adjacent layers. Biases are ignored. Chapter: ``clusterability``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from modlib.checks import arrived, choice, items, labels as whole_numbers
from modlib.errors import GraphError, InputError, warn
from modlib.graphs.edges import LAYOUTS, Layout, Matrix, as_keras, edge_weights, is_likely_torch, matrix_of
from modlib.networks.network import BATCH_NORM_USES, BatchNormUse, as_network
from modlib.reprs import BriefRepr

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class NeuronGraph(BriefRepr):
    """An undirected weighted graph over the live neurons of a layered network.

    A neuron is live if at least one of its edges is not zero; the others have no place in a
    clustering and are left out of the vertices (pruned-modular 2.1, footnote 4).

    Attributes:
        sizes: number of neurons of every layer, isolated ones included.
        edges: for a pair of layers (i, j), the non-negative (live of i) x (live of j) weights.
        live: for every layer, the indices of its live neurons, ascending.
        batch_norm: what was done with the network's norms, and constants that multiply its activations,
            ``fold`` or ``ignore``; None if it has none.
        names: of the layers; those of a list of arrays are numbered.
        parts: of a network that had to be traced, as it branches, the weights that its edges are made of; empty for
            any other.

    Raises:
        GraphError: if edges, live neurons and sizes do not fit each other.

    Chapter: ``clusterability``.
    """

    sizes: tuple[int, ...]
    edges: Mapping[tuple[int, int], Matrix]
    live: tuple[np.ndarray, ...]
    batch_norm: BatchNormUse | None = None
    names: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        counts = [len(indices) for indices in self.live]
        if len(counts) != len(self.sizes) or any(count > size for count, size in zip(counts, self.sizes, strict=False)):
            raise GraphError(
                f"{counts} live neurons arrived in layers of {list(self.sizes)}; expected no more than these"
            )
        for layer, (indices, size) in enumerate(zip(self.live, self.sizes, strict=True)):
            if len(indices) and (np.diff(indices, prepend=-1).min() < 1 or indices[-1] >= size):
                raise GraphError(
                    f"live[{layer}] = {arrived(indices)} arrived; expected neurons of a layer of {size}, ascending"
                )
        for (i, j), block in self.edges.items():
            ends = tuple(counts[layer] if 0 <= layer < len(counts) else 0 for layer in (i, j))
            if block.shape != ends:
                raise GraphError(
                    f"edges of shape {block.shape} arrived for layers {i} and {j} of a graph with {counts} live "
                    f"neurons; expected {ends}: make it by neuron_graph"
                )
        if not self.names:
            object.__setattr__(self, "names", tuple(f"layer {number}" for number in range(len(self.sizes))))

    def _facts(self) -> dict[str, object]:
        edges = sum(sp.csr_array(block).count_nonzero() for block in self.edges.values())
        facts = {"sizes": self.sizes, "live": f"{self.n_vertices} of {sum(self.sizes)}", "edges": edges}
        return facts if self.batch_norm is None else {**facts, "batch_norm": self.batch_norm}

    @cached_property
    def n_vertices(self) -> int:
        """Number of live neurons."""
        return sum(len(indices) for indices in self.live)

    @cached_property
    def layer(self) -> np.ndarray:
        """Layer of every vertex, shape (n_vertices,)."""
        return np.repeat(np.arange(len(self.live)), [len(indices) for indices in self.live])

    @cached_property
    def index(self) -> np.ndarray:
        """Index of every vertex within its layer, shape (n_vertices,)."""
        return np.concatenate(self.live)

    @cached_property
    def offsets(self) -> np.ndarray:
        """First vertex of every layer, and the number of vertices at the end."""
        return np.cumsum([0, *(len(indices) for indices in self.live)])

    @cached_property
    def degrees(self) -> np.ndarray:
        """Sum of the edge weights at every vertex, shape (n_vertices,)."""
        degrees = np.zeros(self.n_vertices)
        for (i, j), block in self.edges.items():
            degrees[self.offsets[i] : self.offsets[i + 1]] += np.asarray(block.sum(axis=1)).ravel()
            degrees[self.offsets[j] : self.offsets[j + 1]] += np.asarray(block.sum(axis=0)).ravel()
        return degrees

    @cached_property
    def is_bipartite(self) -> bool:
        """Whether every edge joins an even layer to an odd one, as in any chain of layers."""
        return all((i + j) % 2 == 1 for i, j in self.edges)

    @cached_property
    def adjacency(self) -> sp.csr_array:
        """Symmetric adjacency matrix, shape (n_vertices, n_vertices)."""
        n = len(self.live)
        blocks: list[list[Matrix | None]] = [[None] * n for _ in range(n)]
        for layer in range(n):  # empty diagonal blocks give layers without edges their size
            size = len(self.live[layer])
            blocks[layer][layer] = sp.csr_array((size, size))
        for (i, j), block in self.edges.items():
            blocks[i][j] = sp.csr_array(block)
            blocks[j][i] = sp.csr_array(block).T
        matrix = sp.csr_array(sp.block_array(blocks))
        matrix.eliminate_zeros()
        return matrix

    def labels_by_layer(self, labels: np.ndarray) -> list[np.ndarray]:
        """Labels of all neurons, layer by layer; isolated neurons get -1.

        Args:
            labels: one integer a vertex, shape (n_vertices,).

        Raises:
            InputError: if there is not one label a vertex.
        """
        labels = whole_numbers(labels, "labels", self.n_vertices)
        out = []
        for layer, size in enumerate(self.sizes):
            full = np.full(size, -1)
            full[self.live[layer]] = labels[self.offsets[layer] : self.offsets[layer + 1]]
            out.append(full)
        return out

    def labels_by_name(self, labels: np.ndarray) -> dict[str, np.ndarray]:
        """``labels_by_layer``, by the names of the layers.

        >>> graph = neuron_graph([np.ones((2, 3))])
        >>> {name: part.tolist() for name, part in graph.labels_by_name(np.array([0, 1, 0, 0, 1])).items()}
        {'layer 0': [0, 1], 'layer 1': [0, 0, 1]}
        """
        return dict(zip(self.names, self.labels_by_layer(labels), strict=True))

    def table(self, labels: np.ndarray | None = None) -> pd.DataFrame:
        """All neurons, isolated ones included: unit, layer, index, cluster and degree.

        Args:
            labels: one cluster a vertex, shape (n_vertices,); without it the column ``cluster`` is left out.

        >>> neuron_graph([np.array([[1.0, 0.0], [2.0, 0.0]])]).table(np.array([0, 1, 1]))
                 unit    layer  index  cluster  degree
        0  layer 0[0]  layer 0      0        0     1.0
        1  layer 0[1]  layer 0      1        1     2.0
        2  layer 1[0]  layer 1      0        1     3.0
        3  layer 1[1]  layer 1      1       -1     0.0
        """
        import pandas as pd

        index = np.concatenate([np.arange(size) for size in self.sizes])
        layer = np.repeat(np.array(self.names, dtype=object), self.sizes)
        degrees = np.zeros(len(index))
        degrees[np.cumsum([0, *self.sizes])[self.layer] + self.index] = self.degrees
        columns: dict[str, Any] = {"unit": [f"{name}[{i}]" for name, i in zip(layer, index, strict=True)]}
        columns |= {"layer": layer, "index": index}
        if labels is not None:
            columns["cluster"] = np.concatenate(self.labels_by_layer(labels))
        return pd.DataFrame({**columns, "degree": degrees})


@dataclass(frozen=True, eq=False, repr=False)
class Part(BriefRepr):
    """Weights of one layer, which are shuffled together, and which neurons read as what feature.

    Attributes:
        layer: number of the layer whose neurons they compute.
        matrix: (features, neurons of the layer) edge weights; a sparse one holds all places that have a weight, those
            of weight 0 as well, as in a convolution in groups.
        reads: by number of a layer, (neurons, features): 1, or by what a normalisation on the way multiplies.
    """

    layer: int
    matrix: Matrix
    reads: Mapping[int, sp.csr_array]

    def edges(self) -> dict[tuple[int, int], Matrix]:
        """Edge weights between the layers that it joins."""
        return {(source, self.layer): reads @ self.matrix for source, reads in self.reads.items()}

    def restricted(self, live: Sequence[np.ndarray]) -> Part | None:
        """Without neurons that are not live, and features that none of the others read; None if none is left."""
        reads = {source: matrix[live[source]] for source, matrix in self.reads.items() if len(live[source])}
        read = np.zeros(self.matrix.shape[0], dtype=bool)
        for matrix in reads.values():
            read[matrix.indices] = True
        if not read.any() or not len(live[self.layer]):
            return None
        kept = {source: sp.csr_array(matrix[:, read]) for source, matrix in reads.items()}
        return Part(self.layer, self.matrix[read][:, live[self.layer]], kept)


def neuron_graph(
    network: object, batch_norm: BatchNormUse = "fold", layout: Layout = "keras", inputs: object = None
) -> NeuronGraph:
    """Neuron graph of weights, or of a Keras or PyTorch model.

    A_{uv} = |w_{uv}| for neurons u, v of adjacent layers, 0 otherwise. Isolated neurons are dropped.

    Weights count as the next forward pass uses them: pruned, with their weight norm or other parametrisation, scaled
    by batch normalisation, by the gains of other norms, and by constants and masks by which activations are
    multiplied; see ``modlib.networks.tracing`` for paths that meet again. Biases do not, nor what hooks do. A module
    that is called twice makes a layer of neurons at every call. Keras models are read if they are Sequential or
    functional, with one output, and made of the layers that ``modlib.networks.keras_models`` and
    ``modlib.networks.keras_sequences`` know.

    Args:
        network: a list of weight matrices, each (fan-in, fan-out), dense or sparse, of any sign; a
            convolution kernel (height, width, in, out) stands for its channels; or a ``Network``,
            a Keras 2 or 3 model, an ONNX model as ``onnx.load`` gives it, or a torch module of any shape: a chain is
            read layer by layer, see ``modlib.networks.as_network``; one that branches is traced, see
            ``modlib.networks.trace``.
        batch_norm: ``fold`` scales the weights of a layer by the batch normalisation and constants that follow it, as
            the network computes, and those that read normalised inputs by theirs; ``ignore`` leaves them as they are.
            A list has none, and is the same with either.
        layout: of the arrays in a list: ``keras`` as above, or ``torch``, (fan-out, fan-in) and (out, in, height,
            width). Shapes alone do not tell: a square matrix fits both.
        inputs: an example of what a model takes, images (n, channels, height, width), if it is to be traced and its
            layers do not say; see ``trace``.

    Raises:
        GraphError: if a weight is NaN or infinite, if layers do not chain, or if all weights are 0.
        InputError: if there are no weights, they are no real numbers, the model cannot be read or does not take
            ``inputs``, or ``batch_norm`` or ``layout`` is not known.

    Source: pruned-modular 2.1, clusterability 1.1. Chapter: ``clusterability``.

    A weight's sign does not matter, and the third unit of the second layer has no edge:

    >>> graph = neuron_graph([np.array([[1.0, -2.0, 0.0], [0.0, 3.0, 0.0]])])
    >>> graph, graph.degrees.tolist()
    (NeuronGraph(sizes=[2, 3], live=4 of 5, edges=3), [3.0, 3.0, 1.0, 5.0])
    """
    choice(layout, LAYOUTS, "layout")
    choice(batch_norm, BATCH_NORM_USES, "batch_norm")
    listed = isinstance(network, Sequence) and not isinstance(network, str | bytes)
    if layout != "keras" and not listed:
        raise InputError(
            f"layout = {layout!r} arrived for a {type(network).__name__}; expected a list of arrays, or no "
            "layout: that of a model is known"
        )
    if listed:
        if inputs is not None:
            raise InputError(
                "inputs arrived for a list of weights; expected a model that takes them, or the list alone"
            )
        weights = items(network, "network")
        if layout == "torch":
            weights = [as_keras(weight, position) for position, weight in enumerate(weights)]
        elif turned := [weight for weight in weights if is_likely_torch(getattr(weight, "shape", ()))]:
            warn(
                f"a kernel of shape {tuple(turned[0].shape)} is read as (height, width, in, out), but looks like "
                "PyTorch's (out, in, height, width); pass layout='torch' if it is"
            )
        return chained([edge_weights(weight, position) for position, weight in enumerate(weights)])
    try:
        read = as_network(network)
    except InputError:
        from modlib.graphs.branching import traced_graph
        from modlib.networks.tracing import trace

        return traced_graph(trace(network, inputs), batch_norm)
    weights = read.graph_weights(batch_norm)
    if inputs is not None:
        from modlib.networks.programs import arguments_of

        arguments_of(read.module, inputs)  # a chain does not need them, but they are those of another network
    dense = len(weights) == len(read.layers)
    layers = read.layers if dense else [layer for layer in read.layers if layer.kind == "conv"][1:]
    named = [f"the weight of layer {layer.name!r}" for layer in layers]
    graph = chained([abs(matrix_of(weight, name)) for weight, name in zip(weights, named, strict=True)])
    names = unique([layer.name or layer.kind for layer in read.layers if dense or layer.kind == "conv"])
    normalised = any(norm is not None for norm in (read.input_norm, *(layer.batch_norm for layer in read.layers)))
    names = names if len(names) == len(graph.sizes) else ("input", *names)
    return replace(graph, names=names, batch_norm=batch_norm if normalised else None)


def chain_graph(edge_matrices: Sequence[Matrix]) -> NeuronGraph:
    """Neuron graph of non-negative edge matrices between consecutive layers.

    Args:
        edge_matrices: matrices of shapes (n0, n1), (n1, n2), ..., or kernels, of whose slices the L1 norms are taken,
            see ``edge_weights``.

    Raises:
        GraphError: if a weight is not finite, the shapes do not chain, or no edge is left.
        InputError: if there is no matrix, or a weight of a matrix is negative.

    >>> chain_graph([np.ones((4, 3)), np.ones((3, 2))])
    NeuronGraph(sizes=[4, 3, 2], live=9 of 9, edges=18)
    """
    given = items(edge_matrices, "edge_matrices")
    matrices = [matrix_of(edges, f"weight {position}") for position, edges in enumerate(given)]
    for position, matrix in enumerate(matrices):
        if matrix.min() < 0:
            raise InputError(
                f"edge_matrices[{position}] = {arrived(matrix)} arrived; expected weights of at least 0: pass absolute "
                "values, or the weights to neuron_graph"
            )
    return chained([matrix.copy() for matrix in matrices])  # or a graph would change with the caller's arrays


def chained(edge_matrices: Sequence[Matrix]) -> NeuronGraph:
    """``chain_graph`` of matrices that are known to be finite and not negative."""
    for position, (left, right) in enumerate(itertools.pairwise(edge_matrices)):
        if left.shape[1] != right.shape[0]:
            raise GraphError(
                f"layers do not chain: matrix {position} has shape {left.shape} and matrix {position + 1} "
                f"has shape {right.shape}; the columns of one must be the rows of the next (fan-in, fan-out); for "
                "arrays as PyTorch keeps them, (fan-out, fan-in), pass layout='torch'"
            )
    sizes = (edge_matrices[0].shape[0], *(matrix.shape[1] for matrix in edge_matrices))
    return layered_graph(sizes, {(i, i + 1): matrix for i, matrix in enumerate(edge_matrices)})


def layered_graph(sizes: Sequence[int], edge_matrices: Mapping[tuple[int, int], Matrix]) -> NeuronGraph:
    """Neuron graph of non-negative edge matrices between any layers; neurons without an edge are not live.

    Args:
        sizes: number of neurons of every layer.
        edge_matrices: for a pair of layers (i, j), a matrix (neurons of i, neurons of j).

    Raises:
        GraphError: if no edge is left.

    >>> layered_graph((2, 2, 1), {(0, 1): np.eye(2), (0, 2): np.ones((2, 1)), (1, 2): np.ones((2, 1))})
    NeuronGraph(sizes=[2, 2, 1], live=5 of 5, edges=6)
    """
    sizes = tuple(sizes)
    alive = [np.zeros(size, dtype=bool) for size in sizes]
    with np.errstate(over="ignore"):
        for (i, j), matrix in edge_matrices.items():
            # edge weights are not negative, so a sum is 0 only where all of them are
            alive[i] |= np.asarray(matrix.sum(axis=1)).ravel() > 0
            alive[j] |= np.asarray(matrix.sum(axis=0)).ravel() > 0
    live = tuple(np.flatnonzero(mask) for mask in alive)
    if not any(len(indices) for indices in live):
        raise GraphError(
            f"all weights are zero (layer sizes {sizes}), so no neuron has an edge; "
            "pass a network with at least one non-zero weight"
        )
    edges: dict[tuple[int, int], Matrix] = {}
    for (i, j), matrix in edge_matrices.items():
        rows, columns = live[i], live[j]
        if (len(rows), len(columns)) == matrix.shape:
            edges[i, j] = matrix
        elif isinstance(matrix, np.ndarray):
            edges[i, j] = matrix[np.ix_(rows, columns)]
        else:
            edges[i, j] = sp.csr_array(matrix)[rows][:, columns]
    return NeuronGraph(sizes, edges, live)


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Names, of which those that come again are numbered.

    >>> unique(["first", "shared", "shared"])
    ('first', 'shared', 'shared (2)')
    """
    found: list[str] = []
    for name in names:
        numbered = (name, *(f"{name} ({number})" for number in range(2, len(names) + 2)))
        found.append(next(free for free in numbered if free not in found))
    return tuple(found)
