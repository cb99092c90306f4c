"""How a Keras graph calls its layers: with several inputs, by operators such as ``x * 2.0``, or as attention.

Chapter: ``clusterability``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx

from modlib.networks.modules import unsupported
from modlib.networks.operations import snake

JOINS: dict[str, Callable[..., Any]] = {
    "Add": operator.add,
    "Average": operator.add,
    "Subtract": operator.sub,
    "Multiply": operator.mul,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
}
# Of Keras 3, and by their names in TensorFlow of Keras 2.
OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "true_divide": operator.truediv,
    "truediv": operator.truediv,
    "negative": operator.neg,
}
LIBRARIES = ("keras", "tf_keras", "tensorflow")  # whose layers and functions are known by their names
HARMLESS = ("name", "training", "use_causal_mask")  # what may be said in a call; all else must be missing or None
KERAS_LAYERS = (
    "Dense, convolutions and pooling in 2-D, BatchNormalization, GroupNormalization, activations, Add, Multiply, "
    "Concatenate, padding, Rescaling, Dropout, Flatten, and +, -, * and / with numbers; of sequences Embedding, LSTM, "
    "GRU, SimpleRNN, Bidirectional, Conv1D, MultiHeadAttention, LayerNormalization and global pooling"
)


def call_of(step: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call of a layer, and those with names."""
    if hasattr(step, "arguments"):
        return list(step.arguments.args), dict(step.arguments.kwargs)
    return list(step.call_args), dict(step.call_kwargs)


def operator_of(layer: Any) -> Callable[..., Any] | None:
    """The operator that a step is; None if it is a layer."""
    if type(layer).__name__ == "TFOpLambda":
        return OPERATORS.get(str(layer.symbol).split(".")[-1])
    return OPERATORS.get(snake(type(layer).__name__)) if ".ops." in type(layer).__module__ else None


def operation(
    layer: Any, step: Any, function: Callable[..., Any], values: Mapping[int, fx.Node], graph: fx.Graph
) -> fx.Node:
    """An operator between tensors of the same number of axes, and numbers."""
    given, named = call_of(step)
    given += [named[name] for name in ("x", "x1", "y", "x2") if name in named]
    operands: list[Any] = []
    for value in given:
        if id(value) in values:
            operands.append(values[id(value)])
        elif np.ndim(value) == 0 and not isinstance(value, str):
            operands.append(float(np.asarray(value)))
        else:
            raise _refused(layer, "an operator with an array of constants: use a layer with weights for them")
    if len({len(value.shape) for value in given if id(value) in values}) > 1:
        raise _refused(layer, "an operator between tensors of different numbers of axes: reshape one of them")
    return graph.call_function(function, tuple(operands))


def attended(layer: Any, step: Any, values: Mapping[int, fx.Node]) -> tuple[tuple[fx.Node, ...], bool]:
    """Query, value and key of a call of attention, and whether it looks back only."""
    given, named = call_of(step)
    parts = dict(zip(("query", "value", "key"), given, strict=False)) | named
    check_call(layer, {name: part for name, part in parts.items() if name not in ("query", "value", "key")})
    query, value = parts["query"], parts["value"]
    key = parts.get("key")
    nodes = tuple(values[id(part)] for part in (query, value, value if key is None else key))
    return nodes, bool(parts.get("use_causal_mask"))


def check_call(layer: Any, named: Mapping[str, Any]) -> None:
    """Refuse a call that says more than its inputs.

    Raises:
        InputError: if it has a mask, a state or the like; the error names the layer.
    """
    more = [name for name, value in named.items() if name not in HARMLESS and value is not None and value is not False]
    if more:
        raise _refused(layer, f"a {type(layer).__name__} that is called with {', '.join(more)}")


def check_class(layer: Any) -> None:
    """Refuse a layer or an inner model whose pass is its user's own, whatever its name is.

    Raises:
        InputError: if a layer is not of a class of Keras, or a model or a layer has a ``call`` of its own.
    """
    kind, is_model = type(layer).__name__, hasattr(layer, "layers")
    makers = [next(cls for cls in type(layer).__mro__ if name in vars(cls)) for name in ("call", "__call__")]
    own = any(_home(cls) not in LIBRARIES for cls in (makers if is_model else type(layer).__mro__[:-1]))
    if own or ("call" in vars(layer) and kind != "TFOpLambda"):
        wrapper = "; take the wrapper off by strip_pruning" if kind.startswith("PruneLowMagnitude") else ""
        raise _refused(layer, f"a {kind} that is not Keras's own{wrapper}")


def _home(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def join(
    layer: Any, arguments: Sequence[fx.Node], shapes: Sequence[tuple[int | None, ...]], graph: fx.Graph
) -> fx.Node:
    """A layer of several inputs: sums, products and the like of them, or all of them side by side."""
    kind, rank = type(layer).__name__, len(shapes[0])
    if kind in JOINS and all(len(shape) == rank for shape in shapes):
        total = arguments[0]
        for other in arguments[1:]:
            total = graph.call_function(JOINS[kind], (total, other))
        return graph.call_function(operator.truediv, (total, len(arguments))) if kind == "Average" else total
    if kind == "Concatenate" and rank in (2, 3, 4):
        axis = layer.axis % rank
        return graph.call_function(torch.cat, (list(arguments), {1: 2, 2: 3, 3: 1}[axis] if rank == 4 else axis))
    raise _refused(layer, f"a {kind} of inputs of shapes {', '.join(map(str, shapes))}")


def _refused(layer: Any, what: str) -> Exception:
    return unsupported(layer.name, what, KERAS_LAYERS)
