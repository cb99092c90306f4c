"""The forward pass of a network of any shape with lesions: its steps up to the lesioned layer are computed once.

Chapter: ``importance``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from modlib.errors import InputError
from modlib.lesions.passes import IMAGES_AT_ONCE, VALUES_AT_ONCE
from modlib.networks.execution import Change, Execution, Values, as_taken, fitting
from modlib.networks.modules import largest
from modlib.networks.traces import Trace, UnitLayer

PARTS = ("queries", "keys", "heads")  # of attention, in the order of its weights
Masks = Mapping[int, Tensor]  # lesioned units, by layer


def answers(
    network: Trace,
    images: np.ndarray,
    layer: int,
    masks: np.ndarray,
    common: Mapping[int, np.ndarray],
    zero_biases: bool,
) -> Iterator[np.ndarray]:
    """``modlib.lesions.damage.Answers`` for a traced network.

    Raises:
        InputError: if inputs do not fit the network, or the units of the layer lie along no axis of a step.
    """
    lesions = _Lesions(Execution(network), zero_biases)
    execution, step = lesions.execution, lesions.execution.step_of(network.layers[layer])
    place, inputs = execution.place[step], as_taken(network, images)
    others, sets = {at: torch.as_tensor(mask) for at, mask in common.items()}, torch.as_tensor(masks)
    beside = {at: mask for at, mask in others.items() if execution.step_of(network.layers[at]) is step}
    size = execution.shapes[step]
    each = size.numel() // len(network.program.outputs[0]) if size is not None else VALUES_AT_ONCE // IMAGES_AT_ONCE
    with torch.no_grad():
        for batch in inputs.split(min(IMAGES_AT_ONCE, max(1, VALUES_AT_ONCE // each))):
            with fitting(network, batch):
                before = execution.go(execution.begin(batch), 0, place, lesions.changes(others))
                after = execution.go(before, place, place + 1, {})
                rest = lesions.rest(before, step, after[step])
                said = []
                for mask in sets:
                    value = lesions.lesioned(before, step, after[step], rest, {layer: mask, **beside})
                    outputs = execution.outputs({**after, step: value}, place + 1, lesions.changes(others))
                    said.append(largest(outputs))
            yield torch.stack(said).numpy()


class _Lesions:
    """What lesions make of the value of a step."""

    def __init__(self, execution: Execution, zero_biases: bool) -> None:
        self.execution, self.trace, self.zero_biases = execution, execution.trace, zero_biases

    def changes(self, masks: Masks) -> dict[fx.Node, Change]:
        """Lesions of any layers, each as a change of the step that computes it."""
        by_step: dict[fx.Node, dict[int, Tensor]] = {}
        for layer, mask in masks.items():
            by_step.setdefault(self.execution.step_of(self.trace.layers[layer]), {})[layer] = mask
        return {step: self._change(step, of_step) for step, of_step in by_step.items()}

    def _change(self, step: fx.Node, masks: Masks) -> Change:
        def change(values: Values, value: Any) -> Any:
            before = dict(values)
            return self.lesioned(before, step, value, self.rest(before, step, value), masks)

        return change

    def rest(self, before: Values, step: fx.Node, value: Any) -> Any:
        """What a step gives for weights of zero: what it gives for inputs of zero, its biases."""
        inputs = {
            source: torch.zeros_like(before[source])
            for source in step.all_input_nodes
            if source in self.execution.varying and _is_real(before[source])
        }
        if self.zero_biases or not inputs or self._by_weights(step):
            return torch.zeros_like(value) if isinstance(value, Tensor) else value
        self.execution.env = {**before, **inputs}
        return self.execution.run_node(step)

    def lesioned(self, before: Values, step: fx.Node, value: Any, rest: Any, masks: Masks) -> Any:
        """The value of a step with lesions of layers that it computes."""
        if self._by_weights(step):
            return self._with_weights_of_zero(before, step, masks)
        if isinstance(value, tuple):
            return (self.lesioned(before, step, value[0], torch.zeros_like(value[0]), masks), *value[1:])
        for number, mask in masks.items():
            layer, features = self.trace.layers[number], mask[self.trace.unit_of(number)]
            if layer.axis is None or value.shape[layer.axis] != len(features):
                raise InputError(
                    f"the units of layer {layer.name!r} lie along no axis of its step; expected a dense layer, a "
                    "convolution, or a recurrent or attention layer"
                )
            along = [1] * value.ndim
            along[layer.axis] = len(features)
            value = torch.where(features.reshape(along), rest, value)
        return value

    def _by_weights(self, step: fx.Node) -> bool:
        """Whether what comes out of a step goes back into it, or through its other layers."""
        layers = [layer for layer in self.trace.layers if layer.node == step.name]
        return any(layer.kind in ("recurrent", "attention") for layer in layers)

    def _with_weights_of_zero(self, before: Values, step: fx.Node, masks: Masks) -> Any:
        """A recurrent or attention step, computed with the weights into lesioned units set to zero."""
        self.execution.env = dict(before)
        args, kwargs = self.execution.fetch_args_kwargs_from_env(step)
        if step.op == "call_module":
            module = copy.deepcopy(self.execution.submodules[str(step.target)])
            call, weights = module, lambda layer: _weights_of(module, layer)
        else:  # input, state, and a list of all weights; the cell's weights stand alone
            listed = isinstance(args[2], list | tuple)
            held = [part.clone() for part in (args[2] if listed else args[2:])]
            args = (*args[:2], *([held, *args[3:]] if listed else held))
            each = (4 if not listed or args[3] else 2) if len(held) > 2 else len(held)
            call, weights = step.target, lambda layer: held[each * int(layer.part or 0) :][:each]
        for number, mask in masks.items():
            layer = self.trace.layers[number]
            gone = mask[self.trace.unit_of(number)]
            for weight in weights(layer):
                if weight.ndim > 1 or self.zero_biases:
                    weight.data.unflatten(0, (-1, len(gone)))[:, gone] = 0  # gates, units, ...
        return call(*args, **kwargs)


def _weights_of(module: nn.Module, layer: UnitLayer) -> list[Tensor]:
    """Weights and biases of the units of one layer of a recurrent or attention module, (gates * units, ...)."""
    if isinstance(module, nn.RNNBase):
        return [getattr(module, name) for name in module._all_weights[int(layer.part or 0)]]
    if isinstance(module, nn.RNNCellBase):
        return [part for part in module.parameters() if part is not None]
    assert isinstance(module, nn.MultiheadAttention)
    if not layer.part:
        found = [module.out_proj.weight, module.out_proj.bias]
    else:
        number = PARTS.index(layer.part)
        apart = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
        weight = apart[number] if module.in_proj_weight is None else module.in_proj_weight.chunk(3)[number]
        found = [weight, None if module.in_proj_bias is None else module.in_proj_bias.chunk(3)[number]]
    return [part for part in found if part is not None]


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()
