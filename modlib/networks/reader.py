"""Follows a program step by step, and the units of every value beside it; see ``modlib.networks.tracing``.

Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from modlib.errors import InputError
from modlib.networks.gains import batch_norm_gain, linear_terms, norm_gain, pool_gain, product
from modlib.networks.operations import (
    CONSTANTS,
    ELEMENTWISE,
    MOVES,
    NORMS,
    PASSED,
    POOLS,
    PRODUCTS,
    REDUCTIONS,
    SCATTERS,
    SPLITS,
    changes_argument,
    name_of,
    snake,
)
from modlib.networks.programs import Program
from modlib.networks.reductions import pooled, reduced
from modlib.networks.traces import UnitLayer
from modlib.networks.units import NONE, Units, added, incidence, moved, together, united
from modlib.networks.weight_layers import LAYERS


class Reader(fx.Interpreter):
    """Computes a program, and the units of every value beside it."""

    def __init__(self, program: Program) -> None:
        super().__init__(program.graph, garbage_collect_values=False)
        self.program = program
        self.extra_traceback = False
        self.units: dict[fx.Node, Any] = {}
        self.layers: list[UnitLayer] = []
        self.first = [0]  # number of the first unit of every layer, and of all units
        self.n_inputs = 0
        self.read: list[tuple[int, np.ndarray, int, tuple[np.ndarray, ...], fx.Node | None]] = []
        self.gains: dict[int, np.ndarray] = {}  # of a layer's outputs
        self.numbers: dict[tuple[object, ...], int] = {}  # of steps that compute different things
        self.number_of: dict[fx.Node, int] = {}
        self.merged: list[tuple[np.ndarray, np.ndarray]] = []

    # --- values and units

    def run_node(self, node: fx.Node) -> Any:
        """Value of a step; its units are noted."""
        value = super().run_node(node)
        self.env[node] = value
        self.number_of[node] = self._number(node)
        if node.op == "placeholder":
            self.units[node] = self.numbered(node, self._input(node, value))
        elif node.op.startswith("call"):
            try:
                self.units[node] = self.numbered(node, self._units(node, value))
            except InputError:
                raise
            except Exception as error:  # a use of a function that was not thought of
                what = f"a {self.name_of(node)} in a form that cannot be read ({error})"
                raise self.refused(node, what) from error
            module = self.submodules[str(node.target)] if node.op == "call_module" else None
            if node.args and isinstance(node.args[0], fx.Node) and changes_argument(node, module):
                self.units[node.args[0]] = self.units[node]
                self.number_of[node.args[0]] = self.number_of[node]
        return value

    def _number(self, node: fx.Node) -> int:
        """Number of what a step computes: the same for steps that do the same to the same values."""
        module = self.submodules[str(node.target)] if node.op == "call_module" else None
        options = {name: value for name, value in node.kwargs.items() if name != "inplace"}
        arguments = fx.node.map_arg((node.args, options), lambda one: f"step {self.number_of[one]}")
        kind, settings = node.op if node.op in ("placeholder", "get_attr") else "call", ""
        what = node.target if module is not None or kind != "call" else self.name_of(node)
        if module is not None and not module.state_dict():
            what, settings = snake(type(module).__name__), module.extra_repr()
        return self.numbers.setdefault((kind, what, repr(arguments), settings), len(self.numbers))

    def numbered(self, node: fx.Node, units: Any) -> Any:
        """Units of a step, with the numbers of their terms where they are the step's own."""
        return self._numbered(units, self.number_of[node])

    def _numbered(self, units: Any, number: int) -> Any:
        if isinstance(units, list | tuple):
            parts = [self.numbers.setdefault((number, place), len(self.numbers)) for place in range(len(units))]
            return type(units)(map(self._numbered, units, parts))
        return units if units is None or units.terms is not None else units.numbered(number)

    def value(self, argument: Any) -> Any:
        """The value of an argument of a step."""
        return fx.node.map_arg(argument, lambda node: self.env[node])

    def units_of(self, argument: Any) -> Any:
        """Units of an argument; None for constants."""
        if isinstance(argument, fx.Node):
            return self.units.get(argument)
        if isinstance(argument, list | tuple):
            found = [self.units_of(part) for part in argument]
            return found if any(part is not None for part in found) else None
        return None

    def _input(self, node: fx.Node, value: Any) -> Units | None:
        if not isinstance(value, Tensor) or value.ndim < 2:
            return None
        count = value[0].numel()
        number = [other for other in self.program.graph.graph.nodes if other.op == "placeholder"].index(node)
        name = self.program.names[number] if len(self.program.names) > 1 else "input"
        _, first = self.new_layer(name, count, "input", positions=value.ndim > 2)
        self.n_inputs += count
        return Units((first + torch.arange(count)).reshape(1, 1, *value.shape[1:]).expand(1, *value.shape))

    def _units(self, node: fx.Node, value: Any) -> Any:
        module = self.submodules[str(node.target)] if node.op == "call_module" else None
        name = self.name_of(node)
        arguments = [*node.args, *node.kwargs.values()]
        if name in CONSTANTS or all(self.units_of(argument) is None for argument in arguments):
            return None
        if name == "getitem" and isinstance(self.units_of(node.args[0]), list | tuple):
            return self.units_of(node.args[0])[node.args[1]]
        if name in LAYERS:
            return LAYERS[name](self, node, module, value)
        if not isinstance(value[0] if isinstance(value, list | tuple) and value else value, Tensor):
            return None  # a size, a shape, a check
        if name == "batch_norm":
            units = self.units_of(node.args[0])
            return self._scaled(node.args[0], units, batch_norm_gain(self, node, len(units.shape)))
        if name in SCATTERS:
            return self._scatter(node, name)
        if name in MOVES or name == "getitem":
            return self._move(node, name)
        if name in POOLS and isinstance(value, Tensor):
            found = pooled(self._as_channels(self.units_of(node.args[0])), value.shape)
            return _times(found, torch.tensor(pool_gain(self, node, name), dtype=torch.float64))
        if name in REDUCTIONS:
            return self._reduce(node, name, value)
        if name in ELEMENTWISE and not isinstance(value, tuple):
            return self._elementwise(node, name, value.shape)
        if name in ELEMENTWISE:  # native norms return statistics as well
            return (self._elementwise(node, name, value[0].shape), *[None] * (len(value) - 1))
        raise self.refused(node, f"a {name}, in which units may mix in a way that no edge stands for")

    def refused(self, node: fx.Node, what: str) -> InputError:
        """The error for a step that cannot be read."""
        return InputError(
            f"layer {self.place(node)!r} is {what}; expected layers of weights, functions that work number by number, "
            "norms, pools, sums, products, concatenations and reshapes: trace the part of the network without it, or "
            "pass neuron_graph a list of weight matrices"
        )

    def place(self, node: fx.Node) -> str:
        """Where in the model a step is: the module whose forward it belongs to, and the step if that has several."""
        if node.op == "call_module":
            return str(node.target)
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path = str(stack[-1][0] if isinstance(stack[-1], tuple) else "") if stack else ""
        path = path.removeprefix("L['self'].").removeprefix("module").removeprefix(".")
        return path or node.name

    # --- rules

    def _move(self, node: fx.Node, name: str) -> Any:
        moves = node.args[0]
        parts = list(moves) if isinstance(moves, list | tuple) else [moves]
        rest, options = self.value(node.args[1:]), self.value(dict(node.kwargs))

        def run(rows: list[Tensor]) -> Any:
            first = rows if isinstance(moves, list | tuple) else rows[0]
            if name in ("view", "_unsafe_view"):  # what is contiguous in memory does not matter here
                return rows[0].reshape(rest[0] if isinstance(rest[0], list | tuple) else rest)
            if node.target is torch.nn.functional.unfold or name == "im2col":  # which is not there for whole numbers
                shown = node.target(1 + rows[0].double(), *rest, **options) - 1  # type: ignore[operator]
                return shown.to(rows[0].dtype)  # margins are 0, which became ``NONE``
            if node.op == "call_method":
                return getattr(first, str(node.target))(*rest, **options)
            if node.op == "call_module":
                return self.submodules[str(node.target)](first)
            return node.target(first, *rest, **options)  # type: ignore[operator]

        values = [self.value(part) for part in parts]
        found = [self.units_of(part) for part in parts]
        return moved(run, [value if units is None else units for value, units in zip(values, found, strict=True)])

    def _scatter(self, node: fx.Node, name: str) -> Any:
        places = (0, 2) if name == "index_put" else (0, 1)
        if name == "index_put" and len(node.args) > 3 and node.args[3]:
            raise self.refused(node, "an index_put that adds to what is there")
        arguments = [self.value(argument) for argument in node.args]
        found = [self.units_of(node.args[at]) for at in places]
        parts = [arguments[at] if units is None else units for at, units in zip(places, found, strict=True)]

        def run(rows: list[Tensor]) -> Any:
            put = [rows[places.index(at)] if at in places else argument for at, argument in enumerate(arguments)]
            return node.target(*put, **self.value(dict(node.kwargs)))  # type: ignore[operator]

        return moved(run, parts)

    def _reduce(self, node: fx.Node, name: str, value: Any) -> Any:
        if len(node.args) > 1 and isinstance(self.units_of(node.args[1]), Units) and name in ("max", "min"):
            return united([self.units_of(node.args[0]), self.units_of(node.args[1])], value.shape)
        units, arguments = self.units_of(node.args[0]), self.value(dict(node.kwargs))
        position = 2 if name in ("norm", "linalg_vector_norm") else 1
        dims = arguments.get("dim", self.value(node.args[position]) if len(node.args) > position else None)
        keep = next((arg for arg in self.value(node.args[position + 1 :]) if isinstance(arg, bool)), False)
        keep = arguments.get("keepdim", keep)
        dims = list(range(len(units.shape))) if dims is None else [dims] if isinstance(dims, int) else dims
        found = reduced(units, dims, keep, name, self.first)
        return found if isinstance(value, Tensor) else (found, None)

    def _elementwise(self, node: fx.Node, name: str, shape: torch.Size) -> Units | None:
        terms = linear_terms(self, node, name)
        arguments = [*node.args, *node.kwargs.values()] if terms is None else [term for term, _ in terms]
        found = [one if isinstance(one, Units) else self.units_of(one) for one in arguments]
        if terms is None:
            parts = [units for units in found if isinstance(units, Units)]
            units = (product if name in PRODUCTS else united)(parts, shape)
            gain = norm_gain(self, node, name, len(shape)) if name in NORMS else None
            return self._scaled(node.args[0], units, gain)
        factors = [torch.as_tensor(factor, dtype=torch.float64) for _, factor in terms]
        present = [at for at, units in enumerate(found) if isinstance(units, Units)]
        if not present:
            return None  # what has units is written over
        if len(present) == 1:
            (at,) = present
            units = self._scaled(arguments[at], found[at].to_shape(shape), factors[at])
            return units if factors[at].all() else units.times((factors[at] != 0).double())  # a mask: not read
        parts = []
        for at in present:
            units, factor = found[at].to_shape(shape), factors[at]
            parts.append(self._scaled(arguments[at], units, factor) if factor.all() else units.times(factor))  # a mask
        return added(parts, shape)

    def _scaled(self, source: Any, units: Units, factor: Tensor | None) -> Units:
        """Units times a constant.

        If they are those of one layer, which go nowhere else on the way, it belongs to the weights into them.
        """
        if factor is None or (factor == 1).all():
            return units
        layer = self._layer_before(source)
        gain = None if layer is None else self._gain_of(layer, units, factor)
        if layer is None or gain is None:
            return units.times(factor)
        self.gains[layer] = self.gains.get(layer, 1) * gain
        return units

    def _gain_of(self, layer: int, units: Units, factor: Tensor) -> np.ndarray | None:
        """By what every unit of a layer is multiplied, in size; None if others are too, or it depends on the place."""
        start, stop = self.first[layer : layer + 2]
        ids = units.ids.flatten()
        own, size = (ids >= start) & (ids < stop), factor.abs().expand(units.ids.shape).flatten()
        if (own != (ids != NONE)).any():
            return None
        ones, places = torch.ones(stop - start, dtype=size.dtype), ids[own] - start
        low, high = (ones.scatter_reduce(0, places, size[own], by, include_self=False) for by in ("amin", "amax"))
        return low.numpy() if torch.equal(low, high) else None

    def _as_channels(self, units: Units) -> Units:
        """Inputs whose places are pooled: a channel is one unit, whatever its place."""
        inputs = self._merge_inputs(units, range(2, len(units.shape)))
        flat = units.ids.flatten(3)
        first = flat[..., :1].expand_as(flat).reshape(units.ids.shape)
        return replace(units, ids=torch.where(inputs, first, units.ids))

    def _merge_inputs(self, units: Units, axes: Sequence[int]) -> Tensor:
        """Take inputs that lie beside each other along axes for one unit; returns where inputs are."""
        inputs = torch.zeros(units.ids.shape, dtype=torch.bool)
        for layer, start, stop in zip(self.layers, self.first, self.first[1:], strict=False):
            if layer.kind == "input":
                inputs |= (units.ids >= start) & (units.ids < stop)
        if inputs.any():
            self.merged += together(Units(torch.where(inputs, units.ids, NONE)), axes)
        return inputs

    def _layer_before(self, node: Any) -> int | None:
        """The layer whose outputs arrive, if they go nowhere else and meet no others on the way."""
        while isinstance(node, fx.Node) and len(node.users) == 1:
            found = next((layer for layer, *_, read_by in self.read if read_by is node), None)
            if found is not None:
                return found
            sources = [part for part in node.all_input_nodes if self.units.get(part) is not None]
            if self.name_of(node) not in PASSED or len(sources) != 1:
                return None
            node = sources[0]
        return None

    # --- layers of weights

    def new_layer(
        self, name: str, size: int, kind: str, positions: bool, node: str = "", axis: int | None = -1, part: str = ""
    ) -> tuple[int, int]:
        """Note a layer; returns its number, and that of its first unit."""
        taken = {layer.name for layer in self.layers}
        unique = next(n for n in (name, *(f"{name} ({i})" for i in range(2, len(taken) + 3))) if n not in taken)
        self.layers.append(UnitLayer(unique, size, kind, positions, node, axis, part))
        self.first.append(self.first[-1] + size)
        return len(self.layers) - 1, self.first[-2]

    def merge_heads(self, node: Any, units: Units, axis: int) -> None:
        """Take the units along an axis, which are dimensions of a head of attention, for one.

        Only if they come from a projection of their own: what else reads them would lose them too.
        """
        while isinstance(node, fx.Node):
            if any(node is read_by for *_, read_by in self.read):
                self.merged += together(units, [axis])
                return
            sources = [part for part in node.all_input_nodes if self.units.get(part) is not None]
            if len(sources) != 1 or not all(
                self.name_of(user) in SPLITS for user in sources[0].users if len(sources[0].users) > 1
            ):
                return
            node = sources[0]

    def name_of(self, node: fx.Node) -> str:
        """What a step does, see ``modlib.networks.operations``."""
        return name_of(node, self.submodules[str(node.target)] if node.op == "call_module" else None)

    def reads(
        self,
        node: fx.Node,
        layer: int,
        kernel: np.ndarray,
        units: Units,
        axis: int,
        groups: int = 1,
        normalised: bool = True,
    ) -> None:
        """Note that a layer reads units by a kernel (..., features of a group, outputs), features along an axis."""
        self._merge_inputs(units, [i for i in range(len(units.shape)) if i != axis % len(units.shape)])
        *pairs, lost = incidence(units, axis, self.first[-1])
        if lost:
            raise self.refused(node, "fed by a mean or product over many units, for which no unit stands")
        self.read.append((layer, kernel, groups, tuple(pairs), node if normalised else None))

    def weight_name(self, node: fx.Node, module: nn.Module | None, weight: Any) -> str:
        """The name of a layer: that of its module, or of the parameter it multiplies by."""
        if module is None and isinstance(weight, fx.Node) and weight.op == "get_attr" and "." in str(weight.target):
            return str(weight.target).rsplit(".", 1)[0].removeprefix("module.")
        return self.place(node)


def _times(units: Units, factor: Tensor) -> Units:
    return units if (factor == 1).all() else units.times(factor)
