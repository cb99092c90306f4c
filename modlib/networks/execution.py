"""Traced networks on inputs: a pass that can stop at a layer, go on from there, and note or replace what it computes.

Chapter: ``your-network``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from modlib.checks import array
from modlib.errors import InputError
from modlib.networks.frameworks import layout_hint
from modlib.networks.operations import CONSTANTS, ELEMENTWISE, changes_argument, name_of
from modlib.networks.programs import tensors_of
from modlib.networks.traces import Trace, UnitLayer

# What may come between a layer of weights and what is read of it, beside functions that work number by number.
BEHIND = ("batch_norm", "getitem", "view", "reshape", "_unsafe_view")
Values = dict[fx.Node, Any]
Change = Callable[[Values, Any], Any]  # of the value of a step, given those of steps before


class Execution(fx.Interpreter):
    """Passes of a traced network, step by step. No step changes the value of another one in place.

    Attributes:
        steps: in their order.
        place: of every step in that order.
        varying: steps whose values depend on the inputs.
        shapes: of the values for the network's example; None for steps that return several.
    """

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace.program.graph)
        self.extra_traceback = False
        self.trace = trace
        self.steps = list(trace.program.graph.graph.nodes)
        self.place = {step: place for place, step in enumerate(self.steps)}
        self.varying: set[fx.Node] = set()
        for step in self.steps:
            if step.op == "placeholder" or not self.varying.isdisjoint(step.all_input_nodes):
                self.varying.add(step)
        self._by_name = {step.name: step for step in self.steps}
        self._in_place = {
            step for step in self.steps if step.op.startswith("call") and changes_argument(step, self._module_of(step))
        }
        self.shapes: dict[fx.Node, torch.Size | None] = {}
        noted = {step: self._note_shape(step) for step in self.steps}
        with torch.no_grad():
            found = self.outputs(self.begin(*trace.program.inputs), 0, noted)
            (wanted, *_) = tensors_of(trace.program.graph(*trace.program.inputs))
        if not torch.allclose(found, wanted, 1e-4, 1e-4, equal_nan=True):
            raise InputError(
                f"the {type(trace.module).__name__} changes parts of its activations in place; expected a pass whose "
                "steps return new ones"
            )

    def _note_shape(self, step: fx.Node) -> Change:
        def note(_: Values, value: Any) -> Any:
            self.shapes[step] = value.shape if isinstance(value, Tensor) else None
            return value

        return note

    def run_node(self, n: fx.Node) -> Any:
        """Value of a step, from those in ``env``."""
        if n in self._in_place:
            changed = n.all_input_nodes[0]
            self.env[changed] = self.env[changed].clone()
        return super().run_node(n)

    def begin(self, *inputs: Tensor) -> Values:
        """Values of the first steps: the arguments of a pass."""
        given = self.module.graph.process_inputs(*inputs)  # type: ignore[union-attr, operator]
        return dict(zip((step for step in self.steps if step.op == "placeholder"), given, strict=True))

    def go(self, values: Values, start: int, stop: int, changes: Mapping[fx.Node, Change]) -> Values:
        """Values after the steps from ``start`` to before ``stop``, without those that no later step needs."""
        self.env = dict(values)
        for step in self.steps[start:stop]:
            if step.op == "output":
                self.env[step] = tensors_of(self.map_nodes_to_values(step.args[0], step))[0]
            elif step.op != "placeholder":
                self.env[step] = self.run_node(step)
            if step in changes:
                self.env[step] = changes[step](self.env, self.env[step])
            for used in self.user_to_last_uses.get(step, []):
                self.env.pop(used, None)
        return self.env

    def outputs(self, values: Values, start: int, changes: Mapping[fx.Node, Change]) -> Tensor:
        """The first tensor that the network returns, from the values before step ``start``."""
        found: Tensor = self.go(values, start, len(self.steps), changes)[self.steps[-1]]
        return found

    def noted(self, inputs: Tensor, steps: Sequence[fx.Node]) -> Values:
        """Values of some steps in one pass."""
        found: Values = {}

        def noting(step: fx.Node) -> Change:
            def note(_: Values, value: Any) -> Any:
                found[step] = value
                return value

            return note

        self.outputs(self.begin(inputs), 0, {step: noting(step) for step in steps})
        return found

    def step_of(self, layer: UnitLayer) -> fx.Node:
        """The step that computes a layer."""
        return self._by_name[layer.node]

    def name_of(self, step: fx.Node) -> str:
        """What a step does, see ``modlib.networks.operations``."""
        return name_of(step, self._module_of(step))

    def _module_of(self, step: fx.Node) -> nn.Module | None:
        return self.submodules[str(step.target)] if step.op == "call_module" else None

    def activity_of(self, layer: UnitLayer) -> fx.Node:
        """The step that gives the activity of a layer: the last norm or function before its units meet others.

        Raises:
            InputError: if the step that computes the layer does not return it.
        """
        step = self.step_of(layer)
        if layer.axis is None:
            raise InputError(
                f"layer {layer.name!r} is computed in one step with those behind it, which does not return its "
                "activity; expected layers that are steps of their own: leave it out, by layers="
            )
        if layer.kind == "recurrent":
            return step
        while len(readers := self._readers(step)) == 1:
            (after,) = readers
            if after.op == "output" or [one for one in after.all_input_nodes if one in self.varying] != [step]:
                break
            name = self.name_of(after)
            if name not in ELEMENTWISE and name not in BEHIND:
                break
            if name == "getitem" and (self.shapes[step] is not None or after.args[1] != 0):
                break
            if "view" in name or name == "reshape":
                before, behind = self.shapes[step], self.shapes[after]
                if layer.axis != -1 or before is None or behind is None or before[-1] != behind[-1]:
                    break
            step = after
        return step

    def _readers(self, step: fx.Node) -> list[fx.Node]:
        """Steps that read the value of a step; the one that changes it in place, if there is one."""
        found = [user for user in step.users if user.op == "output" or self.name_of(user) not in CONSTANTS]
        return [user for user in found if user in self._in_place and user.all_input_nodes[0] is step] or found


def as_taken(trace: Trace, inputs: np.ndarray) -> Tensor:
    """Inputs as a traced network takes them: numbers in single precision, or whole numbers such as those of tokens.

    Args:
        trace: the network.
        inputs: (n, ...).

    Raises:
        InputError: if the network takes several arguments, or inputs of another shape or kind.
    """
    if len(trace.program.names) != 1:
        raise InputError(
            f"the network takes {', '.join(trace.program.names)}; expected one that takes its inputs as one array"
        )
    (example,) = trace.program.inputs
    given: tuple[int, ...] = tuple(getattr(inputs, "shape", ()))
    if len(given) == 4 and (given[3], *given[1:3]) == tuple(example.shape[1:]) != given[1:]:
        raise InputError(
            f"inputs of shape {given} arrived; expected (n, {', '.join(map(str, example.shape[1:]))}), as the "
            f"network was traced{layout_hint(given, example.shape[1])}"
        )
    if trace.program.guessed and given[1:] != tuple(example.shape[1:]) and given[1:]:
        raise InputError(
            f"inputs of shape {given} arrived, and the network was traced without an example, for a guessed "
            f"(n, {', '.join(map(str, example.shape[1:]))}); expected those: or trace it for yours, by "
            "modlib.trace(model, inputs=inputs[:2])"
        )
    found = array(inputs, "inputs", ("n", *example.shape[1:]), dtype=np.float32 if _is_real(example) else None)
    if not _is_real(example) and not np.array_equal(found, np.trunc(found)):
        raise InputError("inputs arrived that are no whole numbers; expected those that the network was traced with")
    return torch.as_tensor(found).to(example.dtype)


@contextmanager
def fitting(trace: Trace, inputs: Tensor) -> Iterator[None]:
    """A pass that inputs may not fit: what torch then raises becomes an error that says so.

    Raises:
        InputError: if they do not.
    """
    try:
        yield
    except (RuntimeError, IndexError) as error:
        raise InputError(
            f"inputs of shape {tuple(inputs.shape)} do not fit the network as it was traced ({error}); expected those "
            f"of the {type(trace.module).__name__}: give trace an example of at least two inputs, and write "
            "x.shape[0] in its forward in place of len(x), which fixes their number"
        ) from error


def _is_real(tensor: Tensor) -> bool:
    return tensor.is_floating_point()
