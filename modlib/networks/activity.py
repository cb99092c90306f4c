"""Where the activity of a layer lies in the values of a traced pass: along which axes its units and the inputs are.

Chapter: ``your-network``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx

from modlib.errors import InputError
from modlib.networks.execution import Execution
from modlib.networks.traces import Trace, UnitLayer


@dataclass(frozen=True, eq=False)
class Activity:
    """How the activity of a layer is read from the value of a step.

    Attributes:
        step: the last norm or function behind the layer before its units meet others.
        inputs: axis along which the inputs lie, each perhaps several times in a row.
        units: axis of its units.
        first: of its units along that axis, where several layers lie beside each other.
        unit: (features,) which unit a feature along that axis belongs to; heads of attention have several.
    """

    step: fx.Node
    inputs: int
    units: int
    first: int
    unit: np.ndarray

    @property
    def merged(self) -> bool:
        """Whether a unit has several features."""
        return bool((self.unit != np.arange(len(self.unit))).any())

    def read(self, value: Tensor | tuple[Tensor, ...], n: int) -> Tensor:
        """Activities (n, units, positions) of n inputs; that of a head is the sum of the sizes of its features."""
        found = _first(value).movedim((self.inputs, self.units), (0, 1))
        found = found.unflatten(0, (n, -1)).movedim(1, -1).flatten(2)[:, self.first : self.first + len(self.unit)]
        if not self.merged:
            return found
        heads = torch.zeros(n, self.unit.max() + 1, found.shape[2], dtype=found.dtype)
        return heads.index_add(1, torch.as_tensor(self.unit), found.abs())

    def written(self, value: Tensor, activity: Tensor) -> Tensor:
        """The value of a step with other activities, as ``read`` gives them; for units of one feature that fill it."""
        moved = value.movedim((self.inputs, self.units), (0, 1))
        rest = moved.shape[2:]
        found = activity.unflatten(2, (*rest, -1)).movedim(-1, 1).flatten(0, 1)
        return found.movedim((0, 1), (self.inputs, self.units))


def activities_of(execution: Execution, layers: Sequence[UnitLayer], pair: Tensor) -> list[Activity]:
    """Where the activities of some layers are found.

    Args:
        execution: of the network.
        layers: of its trace.
        pair: two inputs that differ, (2, ...): the axis along which values change places with them is that of the
            inputs.

    Raises:
        InputError: if the activity of a layer is not seen, or inputs do not lie along one axis of it.
    """
    steps = [execution.activity_of(layer) for layer in layers]
    both = _noted_twice(execution, steps, pair)
    return [_activity(execution.trace, layer, step, *both[step]) for layer, step in zip(layers, steps, strict=True)]


def activities_seen(execution: Execution, pair: Tensor) -> dict[int, Activity]:
    """Where the activities of hidden layers are, by number, of those that are found; see ``activities_of``."""
    trace = execution.trace
    steps = {n: execution.activity_of(trace.layers[n]) for n in trace.hidden if trace.layers[n].axis is not None}
    both = _noted_twice(execution, list(steps.values()), pair)
    seen = {}
    for number, step in steps.items():
        with suppress(InputError):
            seen[number] = _activity(trace, trace.layers[number], step, *both[step])
    return seen


def _noted_twice(execution: Execution, steps: Sequence[fx.Node], pair: Tensor) -> dict[fx.Node, tuple[Tensor, Tensor]]:
    """Values of steps for two inputs, and for the two the other way round."""
    with torch.no_grad():
        first, second = (execution.noted(inputs, steps) for inputs in (pair, pair.flip(0)))
    return {step: (_first(first[step]), _first(second[step])) for step in steps}


def _activity(trace: Trace, layer: UnitLayer, step: fx.Node, value: Tensor, other: Tensor) -> Activity:
    assert layer.axis is not None  # activity_of refuses it
    units = layer.axis % value.ndim
    axes = (axis for axis in range(value.ndim) if axis != units and value.shape[axis] % 2 == 0)
    inputs = next((axis for axis in axes if _changes_places(value, other, axis)), None)
    if inputs is None:
        raise InputError(
            f"the activity of layer {layer.name!r} has no axis along which inputs lie, shape {tuple(value.shape)}; "
            "expected one that every input has for itself: leave it out, by layers="
        )
    unit = trace.unit_of(trace.layers.index(layer))
    beside = [one for one in trace.layers if one.node == layer.node and one.axis is not None]
    start = beside.index(layer) * len(unit) if value.shape[units] == len(beside) * len(unit) else 0
    return Activity(step, inputs, units, start, unit)


def two_that_differ(inputs: Tensor) -> Tensor:
    """The first input, and the first one that differs from it, (2, ...); the first one twice if there is none."""
    others = (inputs != inputs[:1]).flatten(1).any(1).nonzero()[:, 0].tolist()
    return inputs[[0, *others[:1]] if others else [0, 0]]


def _first(value: Tensor | tuple[Tensor, ...]) -> Tensor:
    return value if isinstance(value, Tensor) else value[0]


def _changes_places(value: Tensor, other: Tensor, axis: int) -> bool:
    """Whether the two halves along an axis are those of another value, the other way round."""
    turned = value.unflatten(axis, (2, -1)).flip(axis).flatten(axis, axis + 1)
    return torch.allclose(turned, other, 1e-4, 1e-5 * float(value.abs().max()))
