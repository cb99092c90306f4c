"""Torch modules that compute what Keras 2 and Keras 3 models do at inference.

Keras keeps channels last and PyTorch keeps them first, so kernels are transposed, and activations are permuted once,
before they are flattened. A model is read by its own graph, not by its layers: these may be those of another model, or
be called more than once. Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from modlib.errors import InputError
from modlib.networks.keras_calls import (
    KERAS_LAYERS,
    LIBRARIES,
    attended,
    call_of,
    check_call,
    check_class,
    join,
    operation,
    operator_of,
)
from modlib.networks.keras_sequences import RECURRENT, Attention, group_norm, sequence_layer, unusual
from modlib.networks.modules import (
    ACTIVATIONS,
    FlattenChannelsLast,
    activation_of,
    linear_of,
    sequential,
    tensor_of,
    two_of,
    unsupported,
    usable,
)

TRAINING_ONLY = (
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D"),
    *("GaussianDropout", "GaussianNoise", "ActivityRegularization"),
)
OTHER_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {  # beside those of modlib.networks.modules.ACTIVATIONS
    "relu6": nn.ReLU6,
    "leaky_relu": partial(nn.LeakyReLU, 0.2),
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "selu": nn.SELU,
    "mish": nn.Mish,
    "softsign": nn.Softsign,
    "celu": nn.CELU,
    "hard_silu": nn.Hardswish,
    "hard_swish": nn.Hardswish,
    "hard_tanh": nn.Hardtanh,
    "log_sigmoid": nn.LogSigmoid,
}


def keras_module(model: Any) -> nn.Module:
    """What a Keras model computes at inference. Images are (n, channels, height, width).

    A chain becomes a Sequential, anything else a graph of modules.

    Raises:
        InputError: if the model is not built, or has a layer that is not supported.
    """
    graph = fx.Graph()
    modules: dict[str, nn.Module] = {}
    inputs, outputs = (getattr(model, side, None) or [] for side in ("inputs", "outputs"))
    if not inputs or len(outputs) != 1:
        raise InputError(
            f"the Keras {type(model).__name__} has {len(inputs)} inputs and {len(outputs)} outputs; expected a "
            "Sequential or functional model with inputs and one output (a Sequential has none before it is called or "
            "built); neuron_graph also takes a list of weight matrices"
        )
    check_class(model)
    placed = [graph.placeholder(usable(tensor.name.split(":")[0].replace("/", "_"), ())) for tensor in inputs]
    graph.output(_follow(model, placed, graph, modules, {}))
    steps = [node for node in graph.nodes if node.op.startswith("call")]
    names = [str(node.target) for node in steps if node.op == "call_module"]
    follows = all(node.args == (before,) for before, node in zip([*placed, *steps], steps, strict=False))
    if len(placed) == 1 and len(set(names)) == len(steps) and follows:
        return sequential({name: modules[name] for name in names})
    return fx.GraphModule(modules, graph)


def example_of(model: Any) -> tuple[np.ndarray, ...] | None:
    """Two inputs of the declared shapes, images with channels first; None if the model declares none, or in part."""
    shapes = [tuple(tensor.shape)[1:] for tensor in model.inputs or []]
    if not shapes or None in {side for shape in shapes for side in shape}:
        return None
    shapes = [(shape[-1], *shape[:-1]) if len(shape) == 3 else shape for shape in shapes]
    whole = ["int" in str(tensor.dtype) for tensor in model.inputs]
    for step in (step for steps in _graph_of(model)._nodes_by_depth.values() for step in steps):
        if type(_layer_of(step)).__name__ == "Embedding":  # it reads numbers of rows, whatever kind is declared
            read = {id(tensor) for tensor in _sources_of(step)}
            whole = [one or id(given) in read for one, given in zip(whole, _graph_of(model).inputs, strict=True)]
    return two_of(shapes, [np.int64 if one else np.float32 for one in whole])


def _graph_of(model: Any) -> Any:
    return getattr(model, "_functional", None) or model  # a Keras 3 Sequential holds its graph


def _layer_of(step: Any) -> Any:
    return getattr(step, "operation", None) or step.layer


def _sources_of(step: Any) -> list[Any]:
    return _flat(step.input_tensors if hasattr(step, "operation") else step.keras_inputs)


def _follow(
    model: Any,
    given: Sequence[fx.Node],
    graph: fx.Graph,
    modules: dict[str, nn.Module],
    made: dict[tuple[int, bool], list[str]],
) -> fx.Node:
    """Add the steps of a model to a graph; returns its output. ``made`` holds the modules of every layer so far."""
    functional = _graph_of(model)
    by_depth = functional._nodes_by_depth
    values = {id(tensor): node for tensor, node in zip(functional.inputs, given, strict=True)}
    for step in (step for depth in sorted(by_depth, reverse=True) for step in by_depth[depth]):
        layer, sources = _layer_of(step), _sources_of(step)
        kind = type(layer).__name__
        (result,) = _flat(step.output_tensors if hasattr(step, "operation") else step.outputs)[:1] or [None]
        if kind == "InputLayer":
            continue
        sides = [getattr(layer, side) for side in ("forward_layer", "backward_layer") if hasattr(layer, side)]
        for part in (layer, *sides):
            check_class(part)
        arguments = [values[id(tensor)] for tensor in sources]
        shapes = [tuple(tensor.shape) for tensor in sources]
        if hasattr(layer, "_nodes_by_depth") or getattr(layer, "_functional", None) is not None:
            values[id(result)] = _follow(layer, arguments, graph, modules, made)
        elif (function := operator_of(layer)) is not None:
            values[id(result)] = operation(layer, step, function, values, graph)
        elif kind == "MultiHeadAttention":
            parts, causal = attended(layer, step, values)
            if (id(layer), causal) not in made:
                made[id(layer), causal] = _added({layer.name: Attention(layer, causal)}, modules)
            values[id(result)] = graph.call_module(made[id(layer), causal][0], parts)
        elif len(arguments) > 1:
            values[id(result)] = join(layer, arguments, shapes, graph)
        else:
            check_call(layer, call_of(step)[1])
            value = arguments[0]
            if (id(layer), False) not in made:
                made[id(layer), False] = _added(_keras_layer(layer, shapes[0]), modules)
            for name in made[id(layer), False]:
                value = graph.call_module(name, (value,))
            values[id(result)] = value
    return values[id(_flat(functional.outputs)[0])]


def _added(found: dict[str, nn.Module], modules: dict[str, nn.Module]) -> list[str]:
    """Add the modules of a layer to those of the model; returns their names there."""
    names = [usable(name, modules) for name in found]
    modules |= dict(zip(names, found.values(), strict=True))
    return names


def _flat(tensors: Any) -> list[Any]:
    return list(tensors) if isinstance(tensors, list | tuple) else [tensors]


def _keras_layer(layer: Any, shape: tuple[int | None, ...]) -> dict[str, nn.Module]:
    """Torch modules, by name, that do what a Keras layer does; ``shape`` is that of its input, (n, ...)."""
    kind, name = type(layer).__name__, layer.name
    if mode := getattr(layer, "quantization_mode", None):
        raise unsupported(name, f"a {kind} quantised to {mode}, which rounds its inputs as well", KERAS_LAYERS)
    if (found := sequence_layer(layer, shape)) is not None:
        if kind not in ("Dense", "Conv1D"):
            return found
        if "softmax" in getattr(layer.activation, "__name__", ""):
            raise unsupported(name, f"a {kind} of sequences followed by a softmax", KERAS_LAYERS)
        return found | _activation(layer)
    match "other layout" if getattr(layer, "data_format", "channels_last") != "channels_last" else kind, len(shape):
        case "Dense", 2:
            return {name: linear_of(layer.kernel, layer.bias if layer.use_bias else None)} | _activation(layer)
        case "Conv2D" | "DepthwiseConv2D" | "SeparableConv2D", 4:
            padding = _same_padding(layer, shape, layer.kernel_size, layer.dilation_rate, 0.0)
            return padding | _convolutions(layer, int(shape[3] or 0)) | _activation(layer)
        case "Conv2DTranspose", 4:
            return _transposed(layer) | _activation(layer)
        case "BatchNormalization", 2 | 4 if np.ravel(layer.axis).tolist() in ([-1], [len(shape) - 1]):
            return {name: _normalisation(layer, len(shape))}
        case "Activation", 2 | 4:
            return _activation(layer)
        case "ReLU", _ if not layer.threshold:
            return {name: _rectifier(layer.max_value, float(layer.negative_slope or 0), layer)}
        case "LeakyReLU", _:
            return {name: nn.LeakyReLU(float(getattr(layer, "alpha", None) or layer.negative_slope))}
        case "ELU", _:
            return {name: nn.ELU(float(layer.alpha))}
        case "Softmax", 2 | 4 if layer.axis in (-1, len(shape) - 1):
            return {name: nn.Softmax(dim=1)}
        case "GroupNormalization", 2 | 4 if np.ravel(layer.axis).tolist() in ([-1], [len(shape) - 1]):
            return {name: group_norm(layer, int(shape[-1] or 0))}
        case "ZeroPadding2D", 4:
            return {name: nn.ZeroPad2d(tuple(margin for pair in reversed(layer.padding) for margin in pair))}
        case "Reshape", 2 if tuple(layer.target_shape) in ((1, 1, shape[1]), (1, 1, -1)):
            return {name: nn.Unflatten(1, (-1, 1, 1))}
        case "MaxPooling2D", 4:
            padding = _same_padding(layer, shape, layer.pool_size, (1, 1), -np.inf)
            return padding | {name: nn.MaxPool2d(layer.pool_size, layer.strides)}
        case "AveragePooling2D", 4 if not _same_padding(layer, shape, layer.pool_size, (1, 1), 0.0):
            return {name: nn.AvgPool2d(layer.pool_size, layer.strides)}
        case "GlobalMaxPooling2D" | "GlobalAveragePooling2D", 4:
            pool = nn.AdaptiveMaxPool2d(1) if kind == "GlobalMaxPooling2D" else nn.AdaptiveAvgPool2d(1)
            return {name: pool} if layer.keepdims else {name: pool, f"{name}/flatten": nn.Flatten()}
        case "Rescaling", 2 | 4 if np.ndim(layer.scale) == np.ndim(layer.offset) == 0:
            return {name: Scale(float(layer.scale), float(layer.offset))}
        case "Flatten", 4:
            return {name: FlattenChannelsLast()}
        case "Flatten", _:
            return {name: nn.Flatten()}
    if kind in TRAINING_ONLY:
        return {}
    if (why := unusual(layer)) and kind in RECURRENT:
        raise unsupported(name, f"a {kind} with {why}", KERAS_LAYERS)
    raise unsupported(name, f"a {kind} with settings or inputs of shape {shape} that have no torch form", KERAS_LAYERS)


class Scale(nn.Module):
    """x scale + offset."""

    def __init__(self, scale: float, offset: float) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scaled and shifted inputs."""
        return x * self.scale + self.offset


def _activation(layer: Any) -> dict[str, nn.Module]:
    """The activation of a layer, under the layer's name; nothing if it is linear."""
    function = layer.activation
    own = getattr(function, "__module__", type(function).__module__).split(".")[0]
    name = getattr(function, "__name__", type(function).__name__)
    if function is not None and own not in LIBRARIES:
        raise unsupported(layer.name, f"followed by a function of your own, {name!r}", KERAS_LAYERS)
    if name in OTHER_ACTIVATIONS:
        return {f"{layer.name}/{name}": OTHER_ACTIVATIONS[name]()}
    if function is not None and name not in ("linear", *ACTIVATIONS):
        known = ", ".join(["linear", *ACTIVATIONS, *OTHER_ACTIVATIONS])
        raise unsupported(layer.name, f"followed by {name!r}, which is none of {known}", KERAS_LAYERS)
    return activation_of(name, layer.name) if function is not None else {}


def _rectifier(largest: float | None, slope: float, layer: Any) -> nn.Module:
    if largest is None:
        return nn.LeakyReLU(slope) if slope else nn.ReLU()
    if slope:
        raise unsupported(layer.name, "a ReLU with a slope and a largest value", KERAS_LAYERS)
    return nn.ReLU6() if largest == 6 else nn.Hardtanh(0.0, float(largest))


def _convolutions(layer: Any, channels: int) -> dict[str, nn.Module]:
    """A convolution, in groups or not; of a separable one both its steps."""
    bias = layer.bias if layer.use_bias else None
    kind = type(layer).__name__
    if kind == "Conv2D":
        return {layer.name: _convolution(layer, layer.kernel, bias, layer.groups)}
    kernel = layer.depthwise_kernel if hasattr(layer, "depthwise_kernel") else layer.kernel
    height, width, n_in, multiplier = kernel.shape
    spread = np.asarray(kernel).reshape(height, width, 1, n_in * multiplier)
    if kind == "DepthwiseConv2D":
        return {layer.name: _convolution(layer, spread, bias, channels)}
    first = _convolution(layer, spread, None, channels)
    last = nn.Conv2d(n_in * multiplier, layer.filters, 1)
    last.weight.data = tensor_of(np.asarray(layer.pointwise_kernel).transpose(3, 2, 0, 1))
    last.register_parameter("bias", None if bias is None else nn.Parameter(tensor_of(bias)))
    return {f"{layer.name}/depthwise": first, layer.name: last}


def _convolution(layer: Any, kernel: Any, bias: Any, groups: int) -> nn.Module:
    height, width, n_in, n_out = kernel.shape
    module = nn.Conv2d(
        n_in * groups, n_out, (height, width), layer.strides, dilation=layer.dilation_rate, groups=groups
    )
    module.weight.data = tensor_of(np.asarray(kernel).transpose(3, 2, 0, 1))
    module.register_parameter("bias", None if bias is None else nn.Parameter(tensor_of(bias)))
    return module


def _transposed(layer: Any) -> dict[str, nn.Module]:
    """A transposed convolution; of padding ``same`` the margins are cut off."""
    height, width, n_out, n_in = layer.kernel.shape
    reaches = [(size - 1) * gap + 1 for size, gap in zip((height, width), layer.dilation_rate, strict=True)]
    if getattr(layer, "output_padding", None) is not None or getattr(layer, "groups", 1) != 1:
        raise unsupported(layer.name, "a Conv2DTranspose with output_padding or groups", KERAS_LAYERS)
    beyond = [max(step - reach, 0) for step, reach in zip(layer.strides, reaches, strict=True)]
    module = nn.ConvTranspose2d(
        n_in, n_out, (height, width), layer.strides, 0, (beyond[0], beyond[1]), dilation=layer.dilation_rate
    )
    module.weight.data = tensor_of(np.asarray(layer.kernel).transpose(3, 2, 0, 1))
    module.register_parameter("bias", nn.Parameter(tensor_of(layer.bias)) if layer.use_bias else None)
    cut = [
        max(reach - step, 0) if layer.padding == "same" else 0
        for step, reach in zip(layer.strides, reaches, strict=True)
    ]
    if not any(cut):
        return {layer.name: module}
    margins = [-margin for total in reversed(cut) for margin in (total // 2, total - total // 2)]
    return {layer.name: module, f"{layer.name}/cut": nn.ConstantPad2d(tuple(margins), 0.0)}


def _same_padding(
    layer: Any, shape: tuple[int | None, ...], size: Sequence[int], dilation: Sequence[int], value: float
) -> dict[str, nn.Module]:
    """TensorFlow's ``same`` padding: it depends on the size of the image, and the odd pixel goes last."""
    if layer.padding == "valid":
        return {}
    if layer.padding != "same":
        raise unsupported(layer.name, f"a {type(layer).__name__} with padding={layer.padding!r}", KERAS_LAYERS)
    margins = []
    for pixels, window, step, gap in zip(shape[1:3], size, layer.strides, dilation, strict=True):
        if pixels is None and step > 1:
            raise unsupported(layer.name, "strided with padding 'same' on images of unknown size", KERAS_LAYERS)
        reach = (window - 1) * gap + 1
        total = reach - 1 if pixels is None else max((-(-pixels // step) - 1) * step + reach - pixels, 0)
        margins.append((total // 2, total - total // 2))
    vertical, horizontal = margins
    if not any((*vertical, *horizontal)):
        return {}
    return {f"{layer.name}/padding": nn.ConstantPad2d((*horizontal, *vertical), value)}


def _normalisation(layer: Any, rank: int) -> nn.Module:
    module = (nn.BatchNorm1d if rank == 2 else nn.BatchNorm2d)(layer.moving_mean.shape[0], eps=layer.epsilon)
    module.running_mean, module.running_var = tensor_of(layer.moving_mean), tensor_of(layer.moving_variance)
    if layer.scale:
        module.weight.data = tensor_of(layer.gamma)
    if layer.center:
        module.bias.data = tensor_of(layer.beta)
    return module
