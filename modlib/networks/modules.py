"""Torch modules built from NumPy weights, or from a Keras 2 or Keras 3 model.

Keras keeps channels last and PyTorch keeps them first, so kernels are transposed, and activations are
permuted once, before they are flattened. This module imports torch. Chapter: ``clusterability``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from modlib.errors import InputError

# Name of an activation in Keras and in torch.nn.functional, and its class in torch.nn.
ACTIVATIONS = {
    "relu": "ReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "softmax": "Softmax",
    "log_softmax": "LogSoftmax",
}
TRAINING_ONLY = ("Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "ActivityRegularization")
KERAS_LAYERS = "Dense, Conv2D, BatchNormalization, Activation, ReLU, Softmax, Dropout, pooling in 2-D and Flatten"


class FlattenChannelsLast(nn.Module):
    """(n, channels, height, width) to (n, height * width * channels), the order in which Keras flattens."""

    def forward(self, images: Tensor) -> Tensor:
        """Flatten with the channel as the fastest index."""
        return images.permute(0, 2, 3, 1).flatten(1)


class LayerTracer(fx.Tracer):
    """Keeps layers whole, and lets functions see the steps inside a container."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """A layer is a module of PyTorch's own without parts, or attention; what others write may do anything."""
        own = m.__module__.startswith(("torch.nn.", "modlib.networks."))
        return own and (isinstance(m, nn.MultiheadAttention) or not list(m.children()))


def unwrapped(module: nn.Module) -> nn.Module:
    """The module in a DataParallel, or in what torch.compile returned: it computes the same."""
    # the class of a compiled module lies in torch._dynamo, which takes seconds to import
    while isinstance(module, nn.DataParallel) or "_orig_mod" in module._modules:
        module = module.module if isinstance(module, nn.DataParallel) else module.get_submodule("_orig_mod")
    return module


def plain_copy(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode, in single precision, whose weights are those that the next pass would use.

    Pruning, weight norm, spectral norm and other parametrisations compute a weight from other tensors at every pass,
    and what lies in ``module.weight`` may be older, or part of a graph that cannot be copied. In the copy they are
    carried out once and are gone, as are the wrappers of DataParallel and torch.compile.
    """
    module = unwrapped(module)
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError(
            f"a scripted {module.original_name} arrived, whose steps cannot be followed; expected the module that was "
            "scripted: load its weights into it"
        )
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    copied = copy.deepcopy(module, computed).eval()
    for part in list(copied.modules()):
        for hook in list(part._forward_pre_hooks.values()):
            if isinstance(hook, prune.BasePruningMethod):
                prune.remove(part, hook._tensor_name)
            elif isinstance(hook, WeightNorm):
                remove_weight_norm(part, hook.name)
            elif isinstance(hook, SpectralNorm):
                remove_spectral_norm(part, hook.name)
        if parametrize.is_parametrized(part):
            # not by remove_parametrizations: a copy shares its class with the original, which it would change
            weights = {name: getattr(part, name).detach() for name in part.parametrizations}  # type: ignore[union-attr]
            part.__class__ = parametrize.type_before_parametrizations(part)
            del part.parametrizations
            for name, weight in weights.items():
                part.register_parameter(name, nn.Parameter(weight))
    return copied.float()


def unsupported(name: str, what: str, supported: str) -> InputError:
    """The error for a layer that cannot be read: its name, what it is, and what can be read."""
    return InputError(
        f"layer {name!r} is {what}, which is not supported; expected a chain of {supported}; "
        "neuron_graph also takes a list of weight matrices"
    )


def mlp_module(kernels: Sequence[np.ndarray], biases: Sequence[np.ndarray | None], activation: str) -> nn.Module:
    """A perceptron with an activation after every layer but the last.

    Args:
        kernels: matrices (fan-in, fan-out), in order.
        biases: one vector (fan-out,) or None a kernel.
        activation: a name in ``ACTIVATIONS``, or ``linear``.

    Raises:
        InputError: if shapes do not fit or the activation is not known.
    """
    shapes = [np.shape(kernel) for kernel in kernels]
    if not shapes or any(len(shape) != 2 for shape in shapes) or len(biases) != len(shapes):
        raise InputError(
            f"{len(biases)} biases and kernels of shapes {shapes} arrived; "
            "expected at least one matrix (fan-in, fan-out) and as many biases"
        )
    modules: dict[str, nn.Module] = {}
    for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        if i and shapes[i - 1][1] != shapes[i][0]:
            raise InputError(
                f"layers do not chain: kernels {i - 1} and {i} have shapes {shapes[i - 1]} and {shapes[i]}; "
                "the columns of one must be the rows of the next (fan-in, fan-out)"
            )
        if bias is not None and np.shape(bias) != shapes[i][1:]:
            raise InputError(f"bias {i} has shape {np.shape(bias)}; expected {shapes[i][1:]}, one value a column")
        if i:
            modules |= _activation(activation, f"layer_{i - 1}")
        modules[f"layer_{i}"] = _linear(kernel, bias)
    return _sequential(modules)


def keras_module(model: Any) -> nn.Module:
    """What a Keras model computes at inference. Images are (n, channels, height, width).

    Raises:
        InputError: if the model is not built, branches, or has a layer that is not supported.
    """
    inputs, outputs = (getattr(model, side, None) or [] for side in ("inputs", "outputs"))
    if len(inputs) != 1 or len(outputs) != 1:
        raise InputError(
            f"the Keras {type(model).__name__} has {len(inputs)} inputs and {len(outputs)} outputs; expected a "
            "Sequential or functional model with one of each (a Sequential has none before it is called or built); "
            "neuron_graph also takes a list of weight matrices"
        )
    modules: dict[str, nn.Module] = {}
    tensor = inputs[0]
    for layer in model.layers:
        if type(layer).__name__ == "InputLayer":
            continue
        if layer.input is not tensor:
            what = f"a {type(layer).__name__} where the network branches or joins"
            raise unsupported(layer.name, what, KERAS_LAYERS)
        modules |= _keras_layer(layer, tuple(layer.input.shape))
        tensor = layer.output
    if tensor is not outputs[0]:
        what = "not the output of the network (a layer branches off, or is used twice)"
        raise unsupported(model.layers[-1].name, what, KERAS_LAYERS)
    return _sequential(modules)


def _keras_layer(layer: Any, shape: tuple[int | None, ...]) -> dict[str, nn.Module]:
    """Torch modules, by name, that do what a Keras layer does; ``shape`` is that of its input, (n, ...)."""
    kind, name = type(layer).__name__, layer.name
    match "other layout" if getattr(layer, "data_format", "channels_last") != "channels_last" else kind, len(shape):
        case "Dense", 2:
            return {name: _linear(layer.kernel, layer.bias if layer.use_bias else None)} | _keras_activation(layer)
        case "Conv2D", 4 if layer.groups == 1:
            padding = _same_padding(layer, shape, layer.kernel_size, layer.dilation_rate, 0.0)
            return padding | {name: _convolution(layer)} | _keras_activation(layer)
        case "BatchNormalization", 2 | 4 if np.ravel(layer.axis).tolist() in ([-1], [len(shape) - 1]):
            return {name: _normalisation(layer, len(shape))}
        case "Activation", 2 | 4:
            return _keras_activation(layer)
        case "ReLU", _ if layer.max_value is None and not np.any([layer.negative_slope, layer.threshold]):
            return {name: nn.ReLU()}
        case "Softmax", 2 | 4 if layer.axis in (-1, len(shape) - 1):
            return {name: nn.Softmax(dim=1)}
        case "MaxPooling2D", 4:
            padding = _same_padding(layer, shape, layer.pool_size, (1, 1), -np.inf)
            return padding | {name: nn.MaxPool2d(layer.pool_size, layer.strides)}
        case "AveragePooling2D", 4 if not _same_padding(layer, shape, layer.pool_size, (1, 1), 0.0):
            return {name: nn.AvgPool2d(layer.pool_size, layer.strides)}
        case "GlobalMaxPooling2D" | "GlobalAveragePooling2D", 4 if not layer.keepdims:
            pool = nn.AdaptiveMaxPool2d(1) if kind == "GlobalMaxPooling2D" else nn.AdaptiveAvgPool2d(1)
            return {name: pool, f"{name}/flatten": nn.Flatten()}
        case "Flatten", 4:
            return {name: FlattenChannelsLast()}
        case "Flatten", _:
            return {name: nn.Flatten()}
    if kind in TRAINING_ONLY:
        return {}
    raise unsupported(name, f"a {kind} with settings or inputs of shape {shape} that have no torch form", KERAS_LAYERS)


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


def _convolution(layer: Any) -> nn.Module:
    height, width, n_in, n_out = layer.kernel.shape
    module = nn.Conv2d(n_in, n_out, (height, width), layer.strides, dilation=layer.dilation_rate)
    module.weight.data = _tensor(np.asarray(layer.kernel).transpose(3, 2, 0, 1))
    module.register_parameter("bias", nn.Parameter(_tensor(layer.bias)) if layer.use_bias else None)
    return module


def _normalisation(layer: Any, rank: int) -> nn.Module:
    module = (nn.BatchNorm1d if rank == 2 else nn.BatchNorm2d)(layer.moving_mean.shape[0], eps=layer.epsilon)
    module.running_mean, module.running_var = _tensor(layer.moving_mean), _tensor(layer.moving_variance)
    if layer.scale:
        module.weight.data = _tensor(layer.gamma)
    if layer.center:
        module.bias.data = _tensor(layer.beta)
    return module


def _linear(kernel: Any, bias: Any) -> nn.Module:
    fan_in, fan_out = np.shape(kernel)
    module = nn.Linear(fan_in, fan_out)
    module.weight.data = _tensor(np.asarray(kernel).T)
    module.register_parameter("bias", None if bias is None else nn.Parameter(_tensor(bias)))
    return module


def _keras_activation(layer: Any) -> dict[str, nn.Module]:
    return _activation(getattr(layer.activation, "__name__", type(layer.activation).__name__), layer.name)


def _activation(activation: str, layer: str) -> dict[str, nn.Module]:
    """The activation of a layer, under the layer's name; nothing if it is linear."""
    if activation == "linear":
        return {}
    if activation not in ACTIVATIONS:
        expected = ", ".join(("linear", *ACTIVATIONS))
        raise InputError(f"activation {activation!r} of layer {layer!r} is not supported; expected one of {expected}")
    cls = getattr(nn, ACTIVATIONS[activation])
    return {f"{layer}/{activation}": cls(dim=1) if activation.endswith("softmax") else cls()}


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(np.asarray(array), dtype=np.float32, order="C"))


def _sequential(modules: Mapping[str, nn.Module]) -> nn.Module:
    sequential = nn.Sequential()
    for name, module in modules.items():
        sequential.add_module(name.replace(".", "_"), module)
    return sequential
