"""The layers of a PyTorch module whose forward pass is a chain, one step after another.

This module imports torch. Chapter: ``clusterability``.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from torch import nn

from modlib.errors import InputError
from modlib.networks.layers import Layer
from modlib.networks.modules import ACTIVATIONS, LayerTracer, unsupported
from modlib.networks.normalisation import BatchNorm

WEIGHTED_MODULES = ("Linear", "Conv2d", "BatchNorm1d", "BatchNorm2d")
# What moves, pools or drops activations without weights of its own.
PLAIN_MODULES = (
    *("Identity", "Dropout", "Dropout2d", "Flatten", "FlattenChannelsLast", "ZeroPad2d", "ConstantPad2d"),
    *("MaxPool2d", "AvgPool2d", "AdaptiveMaxPool2d", "AdaptiveAvgPool2d"),
)
PLAIN_FUNCTIONS = (
    *("flatten", "view", "reshape", "dropout"),
    *("max_pool2d", "avg_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool2d"),
)
INERT = ("Identity", "Dropout", "Dropout2d", "Flatten", "dropout", "flatten", "view", "reshape")  # change no number
RESHAPES = ("Flatten", "FlattenChannelsLast", "flatten", "view", "reshape")
TORCH_LAYERS = f"{', '.join((*WEIGHTED_MODULES, *PLAIN_MODULES))}, activations, and their functions"


def layers_of(module: nn.Module) -> tuple[tuple[Layer, ...], BatchNorm | None]:
    """Layers of weights of a torch module that is a chain, and the batch normalisation before the first one.

    Raises:
        InputError: if it is no chain, has a layer that is not supported, or none of weights.

    >>> layers_of(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3), nn.Tanh()))[0][0].activation
    'tanh'
    """
    layers: list[Layer] = []
    input_norm: BatchNorm | None = None
    reshaped = last = False  # last: whether channels were flattened as the fastest index
    for name, kind, step in chain(module):
        activation = next((name for name, cls in ACTIVATIONS.items() if kind in (name, cls)), None)
        if kind in ("Linear", "Conv2d"):
            if kind == "Conv2d" and step.groups != 1:
                raise unsupported(name, f"a convolution in {step.groups} groups", TORCH_LAYERS)
            if kind == "Conv2d" and reshaped:
                raise unsupported(name, "a convolution behind a reshape, which may mix channels", TORCH_LAYERS)
            layers.append(_weight_layer(name, step))
            if len(layers) == 1 and input_norm is not None:
                input_norm = _spread(input_norm, layers[0].kernel.shape[-2], last)
        elif kind in ("BatchNorm1d", "BatchNorm2d"):
            if step.running_mean is None or (layers[-1].batch_norm if layers else input_norm):
                raise unsupported(name, f"a {kind} without running statistics, or after another", TORCH_LAYERS)
            if layers and step.num_features != layers[-1].kernel.shape[-1]:
                raise unsupported(
                    name, f"a {kind} of other features than the outputs of the layer before", TORCH_LAYERS
                )
            if layers:
                layers[-1] = replace(layers[-1], batch_norm=_batch_norm(step))
            else:
                input_norm = _batch_norm(step)
        elif activation:
            if layers:
                layers[-1] = replace(layers[-1], activation=activation)
        elif kind not in (*PLAIN_MODULES, *PLAIN_FUNCTIONS):
            raise unsupported(name, f"a {kind}", TORCH_LAYERS)
        reshaped |= kind in RESHAPES
        last |= kind == "FlattenChannelsLast"
    if not layers:
        raise InputError(
            f"the {type(module).__name__} has no layer of weights; expected at least one Linear or Conv2d layer; "
            "neuron_graph also takes a list of weight matrices"
        )
    return tuple(layers), input_norm


def chain(module: nn.Module) -> list[tuple[str, str, Any]]:
    """Name, kind and module (None for a function) of every step of a forward pass that is a chain.

    Raises:
        InputError: if the pass cannot be traced, branches or joins.
    """
    if not list(module.children()):  # a bare layer: tracing would look inside it
        return [("", type(module).__name__, module)]
    try:
        nodes = list(LayerTracer().trace(module).nodes)
    except Exception as error:  # tracing runs the model's own code, which may raise anything
        kinds = ", ".join(f"{name} ({type(m).__name__})" for name, m in module.named_children())
        raise InputError(
            f"the forward pass of {type(module).__name__} with the layers {kinds} cannot be traced ({error}); "
            f"expected a chain of {TORCH_LAYERS}; neuron_graph also takes a list of weight matrices"
        ) from error
    sizes = [
        node for node in nodes if node.target in ("size", getattr, operator.getitem)
    ]  # as in x.view(x.size(0), -1)
    chain = [node for node in nodes if node not in sizes]
    for previous, node in pairwise(chain):
        if [source for source in node.all_input_nodes if source not in sizes] != [previous]:
            raise unsupported(node.name, "not fed by the layer before it alone", TORCH_LAYERS)
    steps: list[tuple[str, str, Any]] = []
    for node in chain[1:-1]:
        name = str(node.target)
        held = module.get_submodule(name) if node.op == "call_module" else None
        if getattr(held, "divisor_override", None) or node.kwargs.get("divisor_override") or len(node.args) > 6:
            raise unsupported(node.name, "a mean divided by another number than that of its places", TORCH_LAYERS)
        if node.op == "call_module":
            steps.append((name, type(held).__name__, held))
        else:
            steps.append((node.name, name if isinstance(node.target, str) else node.target.__name__, None))
    return steps


def _weight_layer(name: str, module: Any) -> Layer:
    weight = to_array(module.weight)
    kernel = weight.T if weight.ndim == 2 else weight.transpose(2, 3, 1, 0)
    return Layer(name, kernel, None if module.bias is None else to_array(module.bias))


def _batch_norm(module: Any) -> BatchNorm:
    mean, variance = to_array(module.running_mean), to_array(module.running_var)
    gamma, beta = (to_array(module.weight), to_array(module.bias)) if module.affine else (np.ones_like(mean), 0 * mean)
    return BatchNorm(gamma, beta, mean, variance, float(module.eps))


def _spread(norm: BatchNorm, features: int, channels_last: bool) -> BatchNorm:
    """Of channels, which are flattened behind it: one value a feature."""
    spread, times = (np.tile if channels_last else np.repeat), features // len(norm.mean)
    gamma, beta, mean, variance = (spread(one, times) for one in (norm.gamma, norm.beta, norm.mean, norm.variance))
    return BatchNorm(gamma, beta, mean, variance, norm.epsilon)


def to_array(tensor: Any) -> np.ndarray:
    """A tensor as a NumPy array in single precision, its own copy."""
    return tensor.detach().cpu().float().numpy().copy()
