"""Keras layers of sequences, (n, steps, features), as torch modules: tables, recurrent layers, norms, convolutions.

PyTorch's convolutions have channels before steps, so axes change places before and after them. Chapter:
``clusterability``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modlib.networks.modules import linear_of, tensor_of, unsupported

RECURRENT = {"LSTM": nn.LSTM, "GRU": nn.GRU, "SimpleRNN": nn.RNN}
GATES = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "SimpleRNN": (0,)}  # PyTorch's, as numbers of Keras's
MERGES = ("concat", "sum", "ave", "mul")
POOLS = {"GlobalAveragePooling1D": nn.AdaptiveAvgPool1d, "GlobalMaxPooling1D": nn.AdaptiveMaxPool1d}


class Turned(nn.Module):
    """Steps and features change places."""

    def forward(self, steps: Tensor) -> Tensor:
        """(n, a, b) to (n, b, a)."""
        return steps.transpose(1, 2)


class Recurrent(nn.Module):
    """A recurrent layer that returns its units at all steps, or at the last one; two directions are merged."""

    def __init__(self, layer: nn.RNNBase, every_step: bool, merge: str = "concat") -> None:
        super().__init__()
        self.layer, self.every_step, self.merge = layer, every_step, merge

    def forward(self, steps: Tensor) -> Tensor:
        """Its units, (n, steps, units) or (n, units)."""
        units = self.layer(steps)[0]
        if not self.layer.bidirectional:
            return units if self.every_step else units[:, -1]
        forth, back = units.chunk(2, -1)
        if not self.every_step:  # the way back ends at the first step
            forth, back = forth[:, -1], back[:, 0]
        match self.merge:
            case "sum":
                return forth + back
            case "ave":
                return (forth + back) / 2
            case "mul":
                return forth * back
        return torch.cat([forth, back], -1)


class Attention(nn.Module):
    """Attention of several heads, whose sizes need not be those of its inputs."""

    def __init__(self, layer: Any, causal: bool) -> None:
        super().__init__()
        self.causal, self.heads = causal, layer._num_heads
        for name in ("query", "key", "value"):
            inner = getattr(layer, f"_{name}_dense")
            kernel = np.asarray(inner.kernel)
            self.add_module(name, linear_of(kernel.reshape(len(kernel), -1), _flat(inner)))
        outer = layer._output_dense
        kernel = np.asarray(outer.kernel)
        self.add_module("out", linear_of(kernel.reshape(-1, kernel.shape[-1]), _flat(outer)))

    def forward(self, query: Tensor, value: Tensor, key: Tensor) -> Tensor:
        """(n, steps, features) of the query."""
        parts = (self.get_submodule(name)(x) for name, x in (("query", query), ("key", key), ("value", value)))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        heads = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        found: Tensor = self.get_submodule("out")(heads.transpose(1, 2).flatten(2))
        return found


def _flat(dense: Any) -> Any:
    return None if dense.bias is None else np.ravel(dense.bias)


def group_norm(layer: Any, channels: int) -> nn.Module:
    """Group normalisation over the channels, in the last place in Keras."""
    module = nn.GroupNorm(channels if layer.groups == -1 else layer.groups, channels, eps=layer.epsilon)
    if layer.scale:
        module.weight.data = tensor_of(layer.gamma)
    if layer.center:
        module.bias.data = tensor_of(layer.beta)
    return module


def sequence_layer(layer: Any, shape: tuple[int | None, ...]) -> dict[str, nn.Module] | None:
    """Torch modules, by name, that do what a Keras layer of sequences does; None if it is none, or channels come first.

    Args:
        layer: without its activation, if it is dense or a convolution.
        shape: of its input, (n, steps, ...).
    """
    kind, name = type(layer).__name__, layer.name
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    match kind, len(shape):
        case "Embedding", 2 if not layer.mask_zero:
            table = nn.Embedding(layer.input_dim, layer.output_dim)
            table.weight.data = tensor_of(layer.embeddings)
            return {name: table}
        case "Embedding", 2:
            raise unsupported(
                name, "an Embedding with mask_zero, whose mask goes on to later layers: build it with mask_zero=False "
                "and the same weights", "layers without masks"
            )  # fmt: skip
        case "Dense", 3:
            return {name: linear_of(layer.kernel, layer.bias if layer.use_bias else None)}
        case "LSTM" | "GRU" | "SimpleRNN", 3 if not unusual(layer):
            return {name: Recurrent(_recurrent([layer], int(shape[2] or 0)), layer.return_sequences)}
        case "Bidirectional", 3 if _is_usual_both_ways(layer):
            both = [layer.forward_layer, layer.backward_layer]
            inner = _recurrent(both, int(shape[2] or 0))
            return {name: Recurrent(inner, both[0].return_sequences, layer.merge_mode)}
        case "GroupNormalization", 3 if np.ravel(layer.axis).tolist() in ([-1], [2]):
            norm = group_norm(layer, int(shape[2] or 0))
            return {f"{name}/turned": Turned(), name: norm, f"{name}/back": Turned()}
        case "LayerNormalization", 2 | 3 if np.ravel(layer.axis).tolist() in ([-1], [len(shape) - 1]):
            norm = nn.LayerNorm(int(shape[-1] or 0), eps=layer.epsilon)
            if layer.scale:
                norm.weight.data = tensor_of(layer.gamma)
            if layer.center:
                norm.bias.data = tensor_of(layer.beta)
            return {name: norm}
        case "Conv1D", 3 if layer.padding != "same" or layer.strides[0] == 1 or shape[1] is not None:
            width, features, filters = layer.kernel.shape
            reach, step = (width - 1) * layer.dilation_rate[0], layer.strides[0]
            if layer.padding == "same" and shape[1] is not None:  # as many as the last window needs
                reach = max((-(-shape[1] // step) - 1) * step + reach + 1 - shape[1], 0)
            left = {"valid": 0, "same": reach // 2, "causal": reach}[layer.padding]
            module = nn.Conv1d(
                features * layer.groups, filters, width, layer.strides[0], 0, layer.dilation_rate[0], layer.groups
            )
            module.weight.data = tensor_of(np.asarray(layer.kernel).transpose(2, 1, 0))
            module.register_parameter("bias", nn.Parameter(tensor_of(layer.bias)) if layer.use_bias else None)
            pad = nn.ConstantPad1d((left, 0 if layer.padding != "same" else reach - left), 0.0)
            return {f"{name}/turned": Turned(), f"{name}/padding": pad, name: module, f"{name}/back": Turned()}
        case "GlobalAveragePooling1D" | "GlobalMaxPooling1D", 3 if not layer.keepdims:
            return {f"{name}/turned": Turned(), name: POOLS[kind](1), f"{name}/flatten": nn.Flatten()}
    return None


def unusual(layer: Any, backwards: bool = False) -> str:
    """The first setting of a recurrent layer that PyTorch does not have; that of the way back may go backwards."""
    usual = {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}
    usual |= {"go_backwards": backwards, "stateful": False, "return_state": False}
    found = {name: getattr(layer, name, wanted) for name, wanted in usual.items()}
    found = {name: getattr(value, "__name__", value) for name, value in found.items()}
    return next((f"{name}={value!r}" for name, value in found.items() if value != usual[name]), "")


def _is_usual_both_ways(layer: Any) -> bool:
    """Whether the two layers of a bidirectional one are alike, and those that PyTorch has."""
    forth, back = layer.forward_layer, layer.backward_layer
    kinds, sides = {type(forth).__name__, type(back).__name__}, (forth, back)
    alike = forth.units == back.units and forth.use_bias == back.use_bias
    usual = not any(unusual(side, backwards=side is back) for side in sides if type(side).__name__ in RECURRENT)
    return len(kinds) == 1 and kinds <= set(RECURRENT) and alike and usual and layer.merge_mode in MERGES


def _recurrent(layers: Sequence[Any], features: int) -> nn.RNNBase:
    """PyTorch's layer of one of Keras, or of one for either direction."""
    kind, first = type(layers[0]).__name__, layers[0]
    both = len(layers) > 1
    module = RECURRENT[kind](features, first.units, bias=first.use_bias, batch_first=True, bidirectional=both)

    def rows(weights: Any) -> Tensor:
        """(features, gates * units) as (gates * units, features), gates in PyTorch's order."""
        parts = np.split(np.asarray(weights).T, len(GATES[kind]))
        return tensor_of(np.concatenate([parts[gate] for gate in GATES[kind]]))

    for layer, end in zip(layers, ("", "_reverse"), strict=False):
        cell = getattr(layer, "cell", layer)
        found = {"weight_ih": rows(cell.kernel), "weight_hh": rows(cell.recurrent_kernel)}
        if layer.use_bias:
            biases = np.atleast_2d(np.asarray(cell.bias))  # a GRU has one for its inputs and one for its units
            found["bias_ih"] = rows(biases[0])
            found["bias_hh"] = rows(biases[1]) if len(biases) > 1 else torch.zeros_like(found["bias_ih"])
        for name, value in found.items():
            getattr(module, f"{name}_l0{end}").data = value
    return module
