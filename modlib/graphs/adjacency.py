"""A graph as its adjacency matrix: what is accepted, and what every part that works on a graph needs of it.

Chapter: ``clusterability``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from modlib.checks import REAL, SCALED_DOWN, arrived
from modlib.errors import GraphError, InputError
from modlib.graphs.edges import Matrix
from modlib.graphs.neurons import NeuronGraph

Graph: TypeAlias = NeuronGraph | sp.csr_array
LARGE = 4096  # vertices on the smaller side; the papers' networks have fewer
ASYMMETRY = 1e-6  # of an adjacency matrix that was computed in single precision


def smaller_side(graph: NeuronGraph, less: int = 0) -> int:
    """Number of vertices in the even or in the odd layers, whichever is smaller; of every layer some may not count.

    With one less a layer it is how many vectors without a mean in any layer there is room for.
    """
    sizes = [max(len(indices) - less, 0) for indices in graph.live]
    return min(sum(sizes[0::2]), sum(sizes[1::2]))


def is_large(graph: Graph) -> bool:
    """Whether a graph is so large that single precision has to do, see ``modlib.graphs.large``."""
    return isinstance(graph, NeuronGraph) and graph.is_bipartite and smaller_side(graph) > LARGE


def checked(graph: NeuronGraph | sp.sparray | np.ndarray) -> tuple[Graph, float]:
    """The graph in double precision, times a factor that keeps the sums of its weights finite, and the factor.

    Args:
        graph: a neuron graph, or a symmetric non-negative adjacency matrix.

    Raises:
        GraphError: if a neuron graph has edges that are not finite.
        InputError: if anything else is no such matrix.
    """
    if isinstance(graph, NeuronGraph):
        with np.errstate(over="ignore"):
            factor = 1.0 if np.isfinite(graph.degrees.sum()) else SCALED_DOWN
        kept = (np.float64, np.float32) if is_large(graph) else (np.float64,)
        if factor != 1 or any(block.dtype not in kept for block in graph.edges.values()):
            edges = {pair: block.astype(np.float64) * factor for pair, block in graph.edges.items()}
            graph = NeuronGraph(graph.sizes, edges, graph.live)
        if not np.isfinite(graph.degrees.sum()):
            raise GraphError("the graph has NaN or infinite edges; expected finite ones: make it by neuron_graph")
        if any(block.size and block.min() < 0 for block in graph.edges.values()):
            raise GraphError("the graph has negative edges; expected weights of at least 0: make it by neuron_graph")
        return graph, factor
    array = sp.issparse(graph) or (isinstance(graph, np.ndarray) and not isinstance(graph, np.ma.MaskedArray))
    if not (array and graph.ndim == 2 and graph.shape[0] == graph.shape[1] > 0 and graph.dtype.kind in REAL):
        raise InputError(
            f"graph = {arrived(graph)} arrived; expected a neuron graph, or a square numpy or scipy.sparse matrix of "
            "numbers, one row a vertex: pass weights through neuron_graph"
        )
    matrix = sp.csr_array(graph, dtype=np.float64, copy=True)
    bad = np.count_nonzero(~np.isfinite(matrix.data) | (matrix.data < 0))
    if bad:
        raise InputError(
            f"an adjacency matrix with {bad} negative, NaN or infinite entries arrived; expected finite weights of at "
            "least 0: pass absolute values"
        )
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    with np.errstate(over="ignore"):
        factor = 1.0 if np.isfinite(matrix.sum()) else SCALED_DOWN
    matrix = matrix * factor
    if (abs(matrix - matrix.T) - ASYMMETRY * (matrix + matrix.T)).max() > 0:
        raise InputError(
            f"an adjacency matrix of shape {graph.shape} arrived that is not symmetric; expected the weight of an edge "
            "at both of its ends: pass A + A^T if that is what you mean"
        )
    return (matrix + matrix.T) / 2, factor


def degrees_of(graph: Graph) -> np.ndarray:
    """Sum of the weights at every vertex.

    Raises:
        GraphError: if a vertex has no edge.
    """
    degrees = graph.degrees if isinstance(graph, NeuronGraph) else np.asarray(graph.sum(axis=1)).ravel()
    isolated = np.flatnonzero(degrees <= 0)
    if len(isolated):
        raise GraphError(
            f"{len(isolated)} of {len(degrees)} vertices have no edge, the first is number {isolated[0]}; expected one "
            "at every vertex: leave these out, as neuron_graph does"
        )
    return degrees


def adjacency_of(graph: Graph) -> sp.csr_array:
    """The adjacency matrix of either kind of graph."""
    return graph.adjacency if isinstance(graph, NeuronGraph) else graph


def times(graph: Graph, vectors: np.ndarray) -> np.ndarray:
    """A times vectors (n_vertices, m), in the precision of the edges."""
    if not isinstance(graph, NeuronGraph):
        return np.asarray(graph @ vectors)
    ends = [slice(start, end) for start, end in itertools.pairwise(graph.offsets)]
    return add_times(graph.edges, ends, vectors, np.zeros(vectors.shape))


def add_times(
    edges: Mapping[tuple[int, int], Matrix], ends: Sequence[slice], vectors: np.ndarray, out: np.ndarray
) -> np.ndarray:
    """Add to ``out`` what edges between layers, whose vertices are at ``ends``, make of vectors; in their precision."""
    for (i, j), block in edges.items():
        out[ends[i]] += block @ vectors[ends[j]].astype(block.dtype, copy=False)
        out[ends[j]] += block.T @ vectors[ends[i]].astype(block.dtype, copy=False)
    return out


def restricted(graph: Graph, members: np.ndarray) -> Graph:
    """The graph on some of its vertices, (n_vertices,) booleans."""
    if not isinstance(graph, NeuronGraph):
        return graph[members][:, members]
    kept = np.split(members, graph.offsets[1:-1])
    edges = {(i, j): block[kept[i]][:, kept[j]] for (i, j), block in graph.edges.items()}
    return NeuronGraph(graph.sizes, edges, tuple(map(np.compress, kept, graph.live)))
