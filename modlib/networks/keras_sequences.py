"""Keras layers of sequences, (n, steps, features), as torch modules: tables, recurrent layers, norms, convolutions.

PyTorch's convolutions have channels before steps, so axes change places before and after them. Chapter:
``clusterability``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modlib.networks.modules import linear_of, tensor_of

RECURRENT = {"LSTM": nn.LSTM, "GRU": nn.GRU, "SimpleRNN": nn.RNN}
GATES = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "SimpleRNN": (0,)}  # PyTorch's, as numbers of Keras's
POOLS = {"GlobalAveragePooling1D": nn.AdaptiveAvgPool1d, "GlobalMaxPooling1D": nn.AdaptiveMaxPool1d}


class Turned(nn.Module):
    """Steps and features change places."""

    def forward(self, steps: Tensor) -> Tensor:
        """(n, a, b) to (n, b, a)."""
        return steps.transpose(1, 2)


class Recurrent(nn.Module):
    """A recurrent layer that returns its units at all steps, or at the last one."""

    def __init__(self, layer: nn.RNNBase, every_step: bool) -> None:
        super().__init__()
        self.layer, self.every_step = layer, every_step

    def forward(self, steps: Tensor) -> Tensor:
        """Its units, (n, steps, units) or (n, units)."""
        units = self.layer(steps)[0]
        return units if self.every_step else units[:, -1]


def sequence_layer(layer: Any, shape: tuple[int | None, ...]) -> dict[str, nn.Module] | None:
    """Torch modules, by name, that do what a Keras layer of sequences does; None if it is no such layer.

    Args:
        layer: without its activation, if it is dense or a convolution.
        shape: of its input, (n, steps, ...).
    """
    kind, name = type(layer).__name__, layer.name
    match kind, len(shape):
        case "Embedding", 2 if not layer.mask_zero:
            table = nn.Embedding(layer.input_dim, layer.output_dim)
            table.weight.data = tensor_of(layer.embeddings)
            return {name: table}
        case "Dense", 3:
            return {name: linear_of(layer.kernel, layer.bias if layer.use_bias else None)}
        case "LSTM" | "GRU" | "SimpleRNN", 3 if _is_usual(layer):
            return {name: Recurrent(_recurrent(layer, int(shape[2] or 0)), layer.return_sequences)}
        case "LayerNormalization", 2 | 3 if np.ravel(layer.axis).tolist() in ([-1], [len(shape) - 1]):
            norm = nn.LayerNorm(int(shape[-1] or 0), eps=layer.epsilon)
            if layer.scale:
                norm.weight.data = tensor_of(layer.gamma)
            if layer.center:
                norm.bias.data = tensor_of(layer.beta)
            return {name: norm}
        case "Conv1D", 3 if layer.padding != "same" or layer.strides[0] == 1:
            width, features, filters = layer.kernel.shape
            reach = (width - 1) * layer.dilation_rate[0]
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


def _is_usual(layer: Any) -> bool:
    """Whether a recurrent layer is the one that PyTorch has."""
    names = [getattr(layer, part).__name__ for part in ("activation", "recurrent_activation") if hasattr(layer, part)]
    plain = not (layer.go_backwards or layer.stateful or layer.return_state)
    return plain and names in (["tanh"], ["tanh", "sigmoid"]) and getattr(layer, "reset_after", True)


def _recurrent(layer: Any, features: int) -> nn.RNNBase:
    kind, units = type(layer).__name__, layer.units
    cell = getattr(layer, "cell", layer)
    module = RECURRENT[kind](features, units, bias=layer.use_bias, batch_first=True)

    def rows(weights: Any) -> Tensor:
        """(features, gates * units) as (gates * units, features), gates in PyTorch's order."""
        parts = np.split(np.asarray(weights).T, len(GATES[kind]))
        return tensor_of(np.concatenate([parts[gate] for gate in GATES[kind]]))

    module.weight_ih_l0.data, module.weight_hh_l0.data = rows(cell.kernel), rows(cell.recurrent_kernel)
    if layer.use_bias:
        biases = np.atleast_2d(np.asarray(cell.bias))  # a GRU has one for its inputs and one for its units
        module.bias_ih_l0.data = rows(biases[0])
        module.bias_hh_l0.data = rows(biases[1]) if len(biases) > 1 else torch.zeros_like(module.bias_ih_l0)
    return module
