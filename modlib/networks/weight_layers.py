"""What layers of weights read and compute: dense, convolutional, recurrent, embeddings and attention.

Kernels are (..., features, outputs): of a convolution the window comes first, of a recurrent layer its gates, which
share their unit. Attention has a unit a head: its values and its output are joined to what comes before and behind;
queries and keys are units of their own, which decide where a head looks and send nothing on. Chapter:
``clusterability``.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, fx, nn

from modlib.networks.chains import to_array
from modlib.networks.reductions import weighed
from modlib.networks.units import MIXED, NONE, Units, moved, of_layer, together, united

if TYPE_CHECKING:
    from modlib.networks.reader import Reader

Rule = Callable[["Reader", fx.Node, nn.Module | None, Any], Any]


def _linear(reader: Reader, node: fx.Node, module: nn.Module | None, value: Tensor) -> Units:
    given = getattr(module, "weight", None)
    weight = node.args[1] if given is None else given
    return _dense(reader, node, module, weight, node.args[0], value)


def _dense(
    reader: Reader,
    node: fx.Node,
    module: nn.Module | None,
    weight: Any,
    inputs: Any,
    value: Tensor,
    turned: bool = True,
) -> Units:
    """A matrix over the last axis, (outputs, features) if it is turned."""
    units = reader.units_of(inputs)
    if units is None or reader.units_of(weight) is not None:
        raise reader.refused(node, "multiplied by weights that depend on the inputs")
    kernel = to_array(reader.value(weight))
    name = reader.weight_name(node, module, weight)
    layer, first = reader.new_layer(name, value.shape[-1], "dense", value.ndim > 2, node.name)
    reader.reads(node, layer, kernel.T if turned else kernel, units, -1)
    return of_layer(first, value.shape[-1], value.shape, -1)


def _product(reader: Reader, node: fx.Node, module: nn.Module | None, value: Tensor) -> Units:
    """A product of matrices: with weights a dense layer, of two activations the two steps of attention."""
    left, right = node.args[-2:] if node.target not in (torch.addmm, torch.baddbmm) else node.args[1:3]
    if hasattr(node.target, "_schema") and node.target._schema.name in ("aten::addmm", "aten::baddbmm"):
        left, right = node.args[1:3]
    ours, theirs = reader.units_of(left), reader.units_of(right)
    if len(node.args) > 2 and reader.units_of(node.args[0]) is not None and node.args[0] not in (left, right):
        raise reader.refused(node, "a product to which activations are added in the same step")
    if node.kwargs.get("alpha", 1) != 1:
        raise reader.refused(node, "a product with alpha, which scales its weights")
    if ours is not None and theirs is None and reader.value(right).ndim == 2:
        return _dense(reader, node, module, right, left, value, turned=False)
    if ours is None and theirs is not None and _is_constant(theirs, -2):
        return weighed(theirs, reader.value(left))
    if ours is None or theirs is None:
        raise reader.refused(node, "a product with weights over several axes")
    return _scores_or_values(reader, node, (left, ours), (right, theirs), value)


def _scores_or_values(
    reader: Reader, node: fx.Node, left: tuple[Any, Units], right: tuple[Any, Units], value: Tensor
) -> Units:
    (query, ours), (other, theirs) = left, right
    if not _has_units(ours) and _is_constant(theirs, -2):
        reader.merge_heads(other, theirs, -1)
        return _along(theirs, -2, value)
    if not _has_units(theirs) and _is_constant(ours, -1):
        reader.merge_heads(query, ours, -2)
        return _along(ours, -1, value)
    if _is_constant(ours, -2) and _is_constant(theirs, -1) and not (_is_constant(ours, -1) or _is_constant(theirs, -2)):
        reader.merge_heads(query, ours, -1)
        reader.merge_heads(other, theirs, -2)
        return Units(torch.full((1, *value.shape), MIXED))
    raise reader.refused(node, "a product of activations that is no attention")


def _einsum(reader: Reader, node: fx.Node, module: nn.Module | None, value: Tensor) -> Units:
    """A product of two tensors by letters, as one of matrices: what is in both is summed, or a batch."""
    equation, *tensors = node.args if len(node.args) != 2 else (node.args[0], *cast(Any, node.args[1]))
    terms = _letters(str(equation), [reader.value(tensor).ndim for tensor in tensors])
    if terms is None:
        raise reader.refused(node, f"an einsum {equation!r}, which is no product of two tensors")
    first, second, out = terms
    if reader.units_of(tensors[0]) is None:  # weights before what they are applied to
        tensors, first, second = tensors[::-1], second, first
    batch = [letter for letter in out if letter in first and letter in second]
    rows, columns = ([x for x in out if x in term and x not in batch] for term in (first, second))
    summed = [letter for letter in first if letter in second and letter not in out]
    if len(batch + rows + columns) != len(out) or set(first + second) != {*batch, *rows, *columns, *summed}:
        raise reader.refused(node, f"an einsum {equation!r}, which sums a tensor on its own")

    def matrices(term: str, *groups: list[str]) -> Callable[[Tensor], Tensor]:
        order = [term.index(letter) for group in groups for letter in group]
        return lambda tensor: tensor.permute(order).reshape(
            [math.prod(tensor.shape[term.index(letter)] for letter in group) for group in groups]
        )

    arranged = matrices(first, batch, rows, summed), matrices(second, batch, summed, columns)
    product = matrices(out, batch, rows, columns)(value)
    found = [reader.units_of(part) for part in tensors]
    units = [None if one is None else _arranged(one, arrange) for one, arrange in zip(found, arranged, strict=True)]
    if units[0] is not None and units[1] is None:  # a block of weights for every place along a batch
        kernels = to_array(arranged[1](reader.value(tensors[1])))
        groups, _, size = kernels.shape
        features = units[0].each(lambda part: part.transpose(1, 2).flatten(2))
        name = reader.weight_name(node, module, tensors[1])
        axis = out.index(columns[0]) if len(columns) == 1 and not batch else None
        layer, start = reader.new_layer(name, groups * size, "dense", len(rows) > 1, node.name, axis)
        reader.reads(node, layer, kernels.transpose(1, 0, 2).reshape(-1, groups * size), features, -1, groups)
        ids = start + torch.arange(groups * size).reshape(groups, 1, size)
        result = Units(ids.expand(product.shape)[None])
    elif units[0] is None or units[1] is None:
        raise reader.refused(node, "a product with weights over several axes")
    else:
        result = _scores_or_values(reader, node, (tensors[0], units[0]), (tensors[1], units[1]), product)
    letters = [*batch, *rows, *columns]
    shape = [value.shape[out.index(letter)] for letter in letters]
    return moved(lambda parts: parts[0].reshape(shape).permute([letters.index(x) for x in out]), [result])


def _letters(equation: str, ranks: Sequence[int]) -> tuple[str, str, str] | None:
    """The letters of two tensors and their product; dots are letters of their own. None if it is no such product."""
    sides, arrow, out = equation.replace(" ", "").partition("->")
    terms = sides.split(",")
    if len(terms) != 2 or len(ranks) != 2:
        return None
    spare = [letter for letter in string.ascii_letters if letter not in equation]
    dots = [spare[: max(rank - len(term.replace("...", "")), 0)] for term, rank in zip(terms, ranks, strict=True)]
    longest = "".join(spare[: max(map(len, dots))]) if "..." in equation else ""
    first, second = (
        term.replace("...", longest[len(longest) - len(own) :]) for term, own in zip(terms, dots, strict=True)
    )
    if not arrow:
        alone = sorted(letter for letter in {*first, *second} - {*longest} if (first + second).count(letter) == 1)
        out = ("..." if longest else "") + "".join(alone)
    out = out.replace("...", longest)
    repeated = any(len(set(term)) < len(term) for term in (first, second, out))
    return None if repeated or not (first + second + out).isalpha() else (first, second, out)


def _arranged(units: Units, arrange: Callable[[Tensor], Tensor]) -> Any:
    return moved(lambda parts: arrange(parts[0]), [units])


def _attention_function(reader: Reader, node: fx.Node, module: nn.Module | None, value: Tensor) -> Units:
    query, key, values = node.args[:3]
    for part in (query, key):
        if (units := reader.units_of(part)) is not None:
            reader.merge_heads(part, units, -1)
    units = reader.units_of(values)
    if units is None:
        raise reader.refused(node, "attention to constants")
    reader.merge_heads(values, units, -1)
    return _along(units, -2, value)


def _attention(reader: Reader, node: fx.Node, module: Any, value: tuple[Tensor, Tensor | None]) -> tuple[Any, None]:
    """nn.MultiheadAttention: heads of values between its inputs and its output, queries and keys apart."""
    names = ("query", "key", "value")
    given = dict(zip(names, node.args, strict=False)) | {k: v for k, v in node.kwargs.items() if k in names}
    size, heads = module.embed_dim, module.num_heads
    if module.in_proj_weight is None:
        projections = [module.q_proj_weight, module.k_proj_weight, module.v_proj_weight]
    else:
        projections = list(module.in_proj_weight.split(size))
    if module.bias_k is not None or module.add_zero_attn:
        raise reader.refused(node, "attention with keys and values of its own")
    path, output = str(node.target), value[0]
    for name, part, weight in zip(("queries", "keys", "heads"), names, projections, strict=True):
        units = reader.units_of(given[part])
        if units is None:
            continue
        layer, first = reader.new_layer(f"{path}.{name}", size, "attention", True, node.name, None, name)
        reader.reads(node, layer, to_array(weight).T, units, -1, normalised=False)
        reader.merged += together(Units((first + torch.arange(size)).reshape(1, heads, -1)), [-1])
    if units is None:
        raise reader.refused(node, "attention to constants")
    inner = of_layer(first, size, output.shape, -1)
    layer, first = reader.new_layer(f"{path}.out_proj", size, "dense", True, node.name)
    reader.reads(node, layer, to_array(module.out_proj.weight).T, inner, -1, normalised=False)
    return of_layer(first, size, output.shape, -1), None


def _convolution(reader: Reader, node: fx.Node, module: Any, value: Tensor) -> Units:
    weight = module.weight if module is not None else node.args[1]
    units = reader.units_of(node.args[0])
    if units is None or (module is None and reader.units_of(weight) is not None):
        raise reader.refused(node, "a convolution with weights that depend on the inputs")
    kernel = to_array(reader.value(weight))
    if value.ndim != kernel.ndim:
        raise reader.refused(node, "a convolution of inputs without a batch")
    transposed = "transpose" in type(module).__name__.lower() or "transpose" in str(node.target)
    groups = value.shape[1] // kernel.shape[1] if transposed else units.shape[1] // kernel.shape[1]
    window = list(range(2, kernel.ndim))
    if transposed:
        split = kernel.reshape(groups, -1, *kernel.shape[1:])  # (groups, in of a group, out of a group, window)
        kernel = split.transpose(*(axis + 1 for axis in window), 1, 0, 2).reshape(
            *split.shape[3:], split.shape[1], value.shape[1]
        )
    else:
        kernel = kernel.transpose(*window, 1, 0)
    name = reader.weight_name(node, module, weight)
    layer, first = reader.new_layer(name, value.shape[1], "conv", True, node.name, axis=1)
    reader.reads(node, layer, kernel, units, 1, groups)
    return of_layer(first, value.shape[1], value.shape, 1)


def _embedding(reader: Reader, node: fx.Node, module: Any, value: Any) -> Any:
    """A table: its rows are units, one of which is looked up at every place."""
    pair = [module.weight] if module is not None else list(node.args[:2])
    weight = next(part for part in pair if reader.value(part).is_floating_point())
    kernel, output = to_array(reader.value(weight)), value[0] if isinstance(value, tuple) else value
    name = reader.weight_name(node, module, weight)
    _, tokens = reader.new_layer(f"{name} tokens", len(kernel), "input", False)
    layer, first = reader.new_layer(name, kernel.shape[1], "dense", output.ndim > 2, node.name)
    reader.reads(node, layer, kernel, of_layer(tokens, len(kernel), (1, len(kernel)), -1), -1)
    found = of_layer(first, kernel.shape[1], output.shape, -1)
    return (found, *[None] * (len(value) - 1)) if isinstance(value, tuple) else found


def _recurrent(reader: Reader, node: fx.Node, module: Any, value: Any) -> Any:
    """LSTM, GRU and plain recurrent layers: a step reads its inputs and the hidden units of the step before."""
    if module is not None:
        parameters: Sequence[Any] = module._flat_weights
        state = node.args[1] if len(node.args) > 1 else node.kwargs.get("hx")
        biases, depth, both = module.bias, module.num_layers, module.bidirectional
        name = str(node.target)
    else:
        state, parameters, biases, depth = cast(Any, node.args[1:5])
        both = bool(node.args[7])
        name = reader.weight_name(node, None, parameters[0])
    outputs, *_ = value
    hidden, cell = (*state, None)[:2] if isinstance(state, tuple | list) else (state, None)
    units, last, each = reader.units_of(node.args[0]), [], 4 if biases else 2
    if len(parameters) != each * depth * (1 + both):
        raise reader.refused(node, "an LSTM with projections")
    for number in range(depth):
        directions = []
        for direction in range(1 + both):
            at = number * (1 + both) + direction
            inner, outer = (to_array(reader.value(weight)) for weight in parameters[each * at : each * at + 2])
            title = f"{name}.l{number}" + (" reverse" if direction else "")
            started = [_of_state(reader, part, at) for part in (hidden, cell)]
            shape = (*outputs.shape[:-1], outer.shape[1])
            # outputs are those of the last layer, of one direction beside the other
            axis, part = (-1 if number == depth - 1 else None), (str(at) if depth * (1 + both) > 1 else "")
            found = _step(reader, node, title, (inner, outer), units, started, shape, axis, part)
            directions.append(found)
            last.append(_last(found))
        units = moved(lambda rows: torch.cat(rows, -1), directions)
    state_units = moved(torch.stack, last)
    if module is not None and isinstance(module, nn.LSTM):
        return units, (state_units, state_units)
    return (units, *[state_units] * (len(value) - 1))


def _last(units: Units) -> Units:
    """Units of the state at one step, (n, units)."""
    return units.each(lambda part: part[:, :, 0])


def _of_state(reader: Reader, state: Any, at: int) -> Units | None:
    """Units of the state in which a recurrent layer begins."""
    units = reader.units_of(state) if state is not None else None
    return moved(lambda rows: rows[0][at], [units]) if isinstance(units, Units) else None


def _step(
    reader: Reader,
    node: fx.Node,
    name: str,
    weights: tuple[np.ndarray, np.ndarray],
    inputs: Units | None,
    started: Sequence[Units | None],
    shape: Sequence[int],
    axis: int | None = -1,
    part: str = "",
) -> Units:
    """Hidden units of a recurrent layer, whose gates' weights are (gates * units, features)."""
    size = weights[1].shape[1]
    inner, outer = (weight.reshape(-1, size, weight.shape[1]).transpose(0, 2, 1) for weight in weights)
    cell = len(shape) == 2
    hidden, memory = started
    if not cell:
        _, before = reader.new_layer(f"{name} before", size, "recurrent", True)
        steps = of_layer(before, size, (1, size), -1)
        hidden = steps if hidden is None else united([steps, hidden], hidden.shape)
    layer, first = reader.new_layer(name, size, "recurrent", not cell, node.name, axis, part)
    for kernel, units in ((inner, inputs), (outer, hidden)):
        if units is not None:
            reader.reads(node, layer, kernel, units, -1, normalised=False)
    own = of_layer(first, size, shape, -1)
    if memory is None:
        return own
    return united([own, memory if cell else memory.each(lambda part: part[:, :, None])], shape)


def _cell(reader: Reader, node: fx.Node, module: Any, value: Any) -> Any:
    """One step of a recurrent layer that is called by hand."""
    state: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("hx")
    pair = list(node.args[2:4]) if module is None else [module.weight_ih, module.weight_hh]
    hidden, memory = state if isinstance(state, tuple | list) else (state, None)
    started = [reader.units_of(part) if part is not None else None for part in (hidden, memory)]
    inner, outer = (to_array(reader.value(weight)) for weight in pair)
    output = value[0] if isinstance(value, tuple) else value
    name = reader.weight_name(node, module, pair[0])
    found = _step(reader, node, name, (inner, outer), reader.units_of(node.args[0]), started, output.shape)
    return (found, found) if isinstance(value, tuple) else found


def _gated(reader: Reader, node: fx.Node, module: Any, value: Tensor) -> Units:
    """A gated linear unit: one half of the channels times the other."""
    units = reader.units_of(node.args[0])
    dim: Any = -1
    if module is not None or len(node.args) + len(node.kwargs) > 1:
        dim = module.dim if module is not None else [*node.args, *node.kwargs.values()][1]
    return united(moved(lambda rows: rows[0].chunk(2, dim), [units]), value.shape)


def _padding(reader: Reader, node: fx.Node, module: Any, value: Tensor) -> Units:
    """Margins of constants come from no unit, reflected ones from the units that they show."""
    if module is not None:
        margins, kind = module.padding, type(module).__name__
    else:
        margins, kind = reader.value(node.args[1]), f"{node.target} {node.args[2:]} {node.kwargs}"
    margins = [margins] * 2 * (value.ndim - 2) if isinstance(margins, int) else list(margins)
    mode = next((mode for mode in ("reflect", "replic", "circular") if mode in kind.lower()), "constant")
    mode = {"replic": "replicate"}.get(mode, mode)

    def pad(rows: list[Tensor]) -> Tensor:
        if mode == "constant":
            return nn.functional.pad(rows[0], margins, value=NONE)
        return nn.functional.pad(rows[0].double(), margins, mode=mode).to(rows[0].dtype)

    return moved(pad, [reader.units_of(node.args[0])])


def _has_units(units: Units) -> bool:
    return bool((units.ids >= 0).any())


def _is_constant(units: Units, axis: int) -> bool:
    """Whether the units are the same all along an axis."""
    return bool((units.ids == units.ids.narrow(axis, 0, 1)).all())


def _along(units: Units, axis: int, value: Tensor) -> Units:
    """Units that are the same along an axis, for a value in which that axis has another length."""
    gain = None if units.gain is None else units.gain.abs().amax(axis, keepdim=True)
    return united([Units(units.ids.narrow(axis, 0, 1), gain)], value.shape)


LAYERS: dict[str, Rule] = {
    "linear": _linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "addmm", "baddbmm"), _product),
    **dict.fromkeys((f"conv{n}d" for n in (1, 2, 3)), _convolution),
    **dict.fromkeys((f"conv_transpose{n}d" for n in (1, 2, 3)), _convolution),
    **dict.fromkeys(("embedding", "embedding_bag", "_embedding_bag"), _embedding),
    **dict.fromkeys(("lstm", "gru", "rnn", "rnn_tanh", "rnn_relu"), _recurrent),
    **dict.fromkeys(("lstmcell", "grucell", "rnncell"), _cell),
    **dict.fromkeys(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"), _cell),
    "multi_head_attention": _attention,
    "scaled_dot_product_attention": _attention_function,
    "einsum": _einsum,
    "glu": _gated,
    **dict.fromkeys(("pad", "constant_pad_nd"), _padding),
    **dict.fromkeys((f"{kind}_pad{n}d" for kind in ("reflection", "replication") for n in (1, 2, 3)), _padding),
}
