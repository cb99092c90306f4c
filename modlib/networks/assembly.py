"""A traced network, from what following its pass has found; see ``modlib.networks.reader``.

Chapter: ``clusterability``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components

from modlib.networks.reader import Reader
from modlib.networks.traces import Trace, UnitLayer, Weights
from modlib.networks.units import united


def assembled(reader: Reader) -> Trace:
    """The network, with units that were merged as one."""
    n = reader.first[-1]
    pairs = np.hstack([np.empty((2, 0), dtype=int), *(np.stack(pair) for pair in reader.merged)])
    first, second = pairs
    _, group = connected_components(sp.coo_array((np.ones(len(first)), (first, second)), shape=(n, n)), False)
    layers: list[UnitLayer] = []
    unit = np.empty(n, dtype=int)
    for old, start, stop in zip(reader.layers, reader.first, reader.first[1:], strict=False):
        _, at, number = np.unique(group[start:stop], return_index=True, return_inverse=True)
        unit[start:stop] = np.argsort(np.argsort(at))[number]  # in the order of the first of each
        layers.append(replace(old, size=len(at)))
    of_unit = np.repeat(np.arange(len(layers)), np.diff(reader.first))
    weights = []
    outputs, gains = _outputs(reader)
    for layer, kernel, groups, (ids, features, gain), _ in reader.read:
        reads = {}
        for source in np.unique(of_unit[ids]).tolist():
            here = of_unit[ids] == source
            places = unit[ids[here]], features[here]
            shape = layers[source].size, kernel.shape[-2] * groups
            sums, times = (sp.coo_array((v, places), shape=shape).tocsr() for v in (gain[here], np.ones(sum(here))))
            sums.data /= times.data  # places that became one unit are read once
            sums.eliminate_zeros()  # what is multiplied by 0 is not read
            reads[source] = sums
        of_output = unit[reader.first[layer] : reader.first[layer + 1]]
        weights.append(Weights(layer, kernel, groups, of_output, reads, gains.get(layer)))
    return _without_unread_inputs(Trace(tuple(layers), tuple(weights), reader.program, outputs))


def _outputs(reader: Reader) -> tuple[frozenset[int], dict[int, np.ndarray]]:
    """Numbers of the layers whose units are in what the program returns; by what each layer's units are multiplied.

    What multiplies the outputs of the network belongs to the weights into them, if no other layer reads them.
    """
    (last,) = reader.program.graph.graph.find_nodes(op="output")
    returned: list[Any] = [reader.units.get(node) for node in last.all_input_nodes]
    sizes = torch.full((reader.first[-1],), -1.0, dtype=torch.float64)
    while returned:
        units = returned.pop()
        if isinstance(units, list | tuple):
            returned += units
        elif units is not None:
            units = united([units], units.shape)
            real = units.ids >= 0
            sizes.scatter_reduce_(0, units.ids[real], units.gains[real].double(), "amax")
    shown, gains = (sizes >= 0).numpy(), dict(reader.gains)
    of_layer = np.repeat(np.arange(len(reader.layers)), np.diff(reader.first))
    outputs = frozenset(of_layer[shown].tolist())
    read = {layer for _, _, _, (ids, *_), _ in reader.read for layer in of_layer[ids].tolist()}
    for layer in outputs - read:
        size = sizes[reader.first[layer] : reader.first[layer + 1]].numpy()
        if (abs(size) != 1).any():
            gains[layer] = gains.get(layer, 1) * np.where(size < 0, 1, size)
    return outputs, gains


def _without_unread_inputs(trace: Trace) -> Trace:
    """Numbers of tokens, which choose rows of a table, and masks are no units."""
    read = {source for weights in trace.weights for source in weights.reads}
    kept = [i for i, layer in enumerate(trace.layers) if layer.kind != "input" or i in read]
    number = {layer: i for i, layer in enumerate(kept)}
    weights = tuple(
        replace(one, layer=number[one.layer], reads={number[source]: reads for source, reads in one.reads.items()})
        for one in trace.weights
    )
    outputs = frozenset(number[layer] for layer in trace.outputs if layer in number)
    return Trace(tuple(trace.layers[i] for i in kept), weights, trace.program, outputs)
