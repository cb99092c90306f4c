"""Networks of any shape: which units each layer of weights reads, found by following a forward pass.

The pass is computed once for an example, and beside every activation goes which units its numbers come from, see
``modlib.networks.units``. A layer of weights makes new units, and reads those that its inputs come from: of a sum all
that were added, of a concatenation each in its place.

What multiplies activities by constants, batch normalisation and the gains of other norms included, counts once. Behind
a layer, before or after its activation, it multiplies the weights into the layer, as batch normalisation does, and so
does what multiplies the outputs of the network. Where a layer's outputs have gone several ways, or met those of others,
it multiplies the weights that read them. Paths from a unit through the same functions add with their signs, so that
``h + h`` is read with twice the weight and ``h - h / 2`` with half of it; of paths through different functions, whose
slopes depend on the inputs, the one with the largest gain counts, as in ``h + h.relu()``; a function that is not linear
has a gain of 1.

PyTorch's own attention has layers of queries, of keys and of heads. Behind a choice or a loop that torch.fx cannot
follow it is one layer of the heads' features, whose weights a shuffle moves together. Chapter: ``clusterability``.
"""

from __future__ import annotations

import torch

from modlib.errors import InputError
from modlib.networks import keras_models, onnx_models
from modlib.networks.assembly import assembled
from modlib.networks.frameworks import is_keras, is_onnx
from modlib.networks.modules import plain_copy
from modlib.networks.network import torch_module
from modlib.networks.programs import programs_of
from modlib.networks.reader import Reader
from modlib.networks.traces import Trace


def trace(model: object, inputs: object = None) -> Trace:
    """Follow a forward pass of any model, and note which units every layer of weights reads.

    Args:
        model: a torch module, Keras or ONNX model, or a ``Trace``; it is not changed. It is read at inference, in
            single precision and on the processor.
        inputs: an example of what it takes: an array (n, ...), a tuple of them, or a mapping by name. Of the example
            only the shapes count. Images are (n, channels, height, width), those of a Keras model as well. Without it
            the declared shapes of a Keras or ONNX model are taken, and inputs are tried that would fit the first
            layers of others.

    Raises:
        InputError: if the pass cannot be traced, or units mix in a way that no edge can stand for; the error names the
            layer.

    Chapter: ``clusterability``.

    The sum of a skip connection is read as units of both its parts:

    >>> from torch import nn
    >>> class Skip(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.first, self.second, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)
    ...
    ...     def forward(self, x):
    ...         hidden = self.first(x).relu()
    ...         return self.last(hidden + self.second(hidden).relu())
    >>> found = trace(Skip())
    >>> found
    Trace(input=3 input, first=4 dense, second=4 dense, last=2 dense)
    >>> [list(weights.reads) for weights in found.weights]
    [[0], [1], [1, 2]]
    """
    if isinstance(model, Trace):
        return model if inputs is None else trace(model.module, inputs)
    module = plain_copy(torch_module(model, lazy=inputs is not None)).cpu()
    if inputs is None and is_keras(model):
        inputs = keras_models.example_of(model)
    elif inputs is None and is_onnx(model):
        inputs = onnx_models.example_of(model)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    fault: InputError | None = None
    try:
        for program in programs_of(module, inputs):
            try:
                with torch.no_grad():
                    reader = Reader(program)
                    reader.run(*program.inputs)
                    return assembled(reader)
            except InputError as error:
                fault = fault or error  # what one of the two cannot read, the other may
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    assert fault is not None  # programs_of yields one or raises
    raise fault
