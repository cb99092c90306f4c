"""Follows a program step by step, and the units of every value beside it; see ``modlib.networks.tracing``.

Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor, fx, nn

from modlib.errors import InputError
from modlib.networks.network import to_array
from modlib.networks.normalisation import BatchNorm
from modlib.networks.operations import (
    CONSTANTS,
    ELEMENTWISE,
    MOVES,
    POOLS,
    PRODUCTS,
    QUOTIENTS,
    REDUCTIONS,
    changes_argument,
    name_of,
)
from modlib.networks.programs import Program
from modlib.networks.traces import Trace, UnitLayer, Weights
from modlib.networks.units import NONE, Units, incidence, moved, pooled, reduced, together, united
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
        self.norms: dict[fx.Node, BatchNorm] = {}
        self.merged: list[tuple[np.ndarray, np.ndarray]] = []

    # --- values and units

    def run_node(self, node: fx.Node) -> Any:
        """Value of a step; its units are noted."""
        value = super().run_node(node)
        self.env[node] = value
        if node.op == "placeholder":
            self.units[node] = self._input(node, value)
        elif node.op.startswith("call"):
            try:
                self.units[node] = self._units(node, value)
            except InputError:
                raise
            except Exception as error:  # a use of a function that was not thought of
                what = f"a {self.name_of(node)} in a form that cannot be read ({error})"
                raise self.refused(node, what) from error
            if changes_argument(node) and isinstance(node.args[0], fx.Node):
                self.units[node.args[0]] = self.units[node]
        return value

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
            return self._batch_norm(node, module)
        if name in MOVES or name == "getitem":
            return self._move(node)
        if name in POOLS and isinstance(value, Tensor):
            return pooled(self._as_channels(self.units_of(node.args[0])), value.shape)
        if name in REDUCTIONS:
            return self._reduce(node, name, value)
        if name in ELEMENTWISE and not isinstance(value, tuple):
            return united(self._multiplied(node, name, value.shape), value.shape)
        if name in ELEMENTWISE:  # native norms return statistics as well
            return (united([self.units_of(node.args[0])], value[0].shape), *[None] * (len(value) - 1))
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

    def _move(self, node: fx.Node) -> Any:
        moves = node.args[0]
        parts = list(moves) if isinstance(moves, list | tuple) else [moves]
        rest, options = self.value(node.args[1:]), self.value(dict(node.kwargs))

        def run(rows: list[Tensor]) -> Any:
            first = rows if isinstance(moves, list | tuple) else rows[0]
            if self.name_of(node) in ("view", "_unsafe_view"):  # what is contiguous in memory does not matter here
                return rows[0].reshape(rest[0] if isinstance(rest[0], list | tuple) else rest)
            if node.op == "call_method":
                return getattr(first, str(node.target))(*rest, **options)
            if node.op == "call_module":
                return self.submodules[str(node.target)](first)
            return node.target(first, *rest, **options)  # type: ignore[operator]

        values = [self.value(part) for part in parts]
        found = [self.units_of(part) for part in parts]
        return moved(run, [value if units is None else units for value, units in zip(values, found, strict=True)])

    def _reduce(self, node: fx.Node, name: str, value: Any) -> Any:
        if len(node.args) > 1 and isinstance(self.units_of(node.args[1]), Units) and name in ("max", "min"):
            return united([self.units_of(node.args[0]), self.units_of(node.args[1])], value.shape)
        units, arguments = self.units_of(node.args[0]), self.value(dict(node.kwargs))
        position = 2 if name in ("norm", "linalg_vector_norm") else 1
        dims = arguments.get("dim", self.value(node.args[position]) if len(node.args) > position else None)
        keep = next((arg for arg in self.value(node.args[position + 1 :]) if isinstance(arg, bool)), False)
        keep = arguments.get("keepdim", keep)
        dims = list(range(len(units.shape))) if dims is None else dims

        def reduce(row: Tensor, by: str) -> Tensor:
            return getattr(torch, by)(row, dim=dims, keepdim=keep)

        found = reduced(units, reduce)
        return found if isinstance(value, Tensor) else (found, None)

    def _multiplied(self, node: fx.Node, name: str, shape: Sequence[int]) -> list[Units]:
        """Units of all arguments that have some, times the constants by which the step multiplies them."""
        arguments = [*node.args, *node.kwargs.values()]
        parts = [units for argument in arguments if isinstance(units := self.units_of(argument), Units)]
        if name in PRODUCTS | QUOTIENTS and len(parts) == 1:
            (gain,) = [self.value(one) for one in arguments[:2] if self.units_of(one) is None]
            size = torch.as_tensor(gain, dtype=torch.float32).abs()
            if name in PRODUCTS:
                return [united(parts, shape).times(size)]
            return parts if self.units_of(arguments[0]) is None else [united(parts, shape).times(1 / size)]
        if name in PRODUCTS and len(parts) == 2:
            first, second = (united([part], shape) for part in parts)
            shared = bool(torch.isin(first.ids[first.ids >= 0], second.ids).any())
            if shared and not _equal_scales(first, second):  # a function written by hand, such as GELU
                return [Units(first.ids), Units(second.ids)]
        if len(parts) == 2 and "alpha" in node.kwargs:  # of a sum: what its second argument is multiplied by
            parts[1] = parts[1].times(torch.tensor(float(self.value(node.kwargs["alpha"]))).abs())
        return parts

    def _as_channels(self, units: Units) -> Units:
        """Inputs whose places are pooled: a channel is one unit, whatever its place."""
        inputs = self._merge_inputs(units, range(2, len(units.shape)))
        flat = units.ids.flatten(3)
        first = flat[..., :1].expand_as(flat).reshape(units.ids.shape)
        return Units(torch.where(inputs, first, units.ids), units.scale)

    def _merge_inputs(self, units: Units, axes: Sequence[int]) -> Tensor:
        """Take inputs that lie beside each other along axes for one unit; returns where inputs are."""
        inputs = torch.zeros(units.ids.shape, dtype=torch.bool)
        for layer, start, stop in zip(self.layers, self.first, self.first[1:], strict=False):
            if layer.kind == "input":
                inputs |= (units.ids >= start) & (units.ids < stop)
        if inputs.any():
            self.merged += together(Units(torch.where(inputs, units.ids, NONE)), axes)
        return inputs

    def _batch_norm(self, node: fx.Node, module: Any) -> Units:
        source, names = node.args[0], ("running_mean", "running_var", "weight", "bias")
        if module is not None:
            given = {name: getattr(module, name) for name in names} | {"eps": module.eps}
        elif hasattr(node.target, "_schema"):  # input, weight, bias, running mean, running var, training, momentum, eps
            order = ("weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
            given = dict(zip(order, self.value(node.args[1:]), strict=False))
        else:
            order = ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
            given = {"weight": None, "bias": None, "eps": 1e-5} | dict(
                zip(order, self.value(node.args[1:]), strict=False)
            )
            given |= self.value(dict(node.kwargs))
        units: Units = self.units_of(source)
        if given.get("running_var") is None:
            return units  # it divides by what it sees, as other norms do
        mean, variance = to_array(given["running_mean"]), to_array(given["running_var"])
        gamma = np.ones_like(mean) if given["weight"] is None else to_array(given["weight"])
        beta = np.zeros_like(mean) if given["bias"] is None else to_array(given["bias"])
        norm = BatchNorm(gamma, beta, mean, variance, float(given["eps"]))
        layer = self._layer_before(source)
        if layer is not None and layer not in self.norms:
            self.norms[layer] = norm
            return units
        factor = torch.as_tensor(np.abs(gamma) / np.sqrt(variance + norm.epsilon))
        return units.times(factor.reshape(1, -1, *[1] * (len(units.shape) - 2)))

    def _layer_before(self, node: Any) -> fx.Node | None:
        """The layer whose outputs arrive, channel by channel, if they go nowhere else on the way."""
        while isinstance(node, fx.Node) and len(node.users) == 1:
            if any(node is read[4] for read in self.read):
                return node
            name = self.name_of(node)
            sources = [part for part in node.all_input_nodes if self.units.get(part) is not None]
            if name not in ELEMENTWISE | POOLS or len(sources) != 1:
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
            if any(node is read[4] for read in self.read):
                self.merged += together(units, [axis])
                return
            sources = [part for part in node.all_input_nodes if self.units.get(part) is not None]
            if len(sources) != 1 or not all(
                self._splits(user) for user in sources[0].users if len(sources[0].users) > 1
            ):
                return
            node = sources[0]

    def _splits(self, node: fx.Node) -> bool:
        return self.name_of(node) in (
            "getitem",
            "chunk",
            "split",
            "unbind",
            "select",
            "slice",
            "size",
            "shape",
            "sym_size",
        )

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

    def finished(self) -> Trace:
        """The network, with units that were merged as one."""
        n = self.first[-1]
        pairs = np.hstack([np.empty((2, 0), dtype=int), *(np.stack(pair) for pair in self.merged)])
        first, second = pairs
        _, group = connected_components(sp.coo_array((np.ones(len(first)), (first, second)), shape=(n, n)), False)
        layers: list[UnitLayer] = []
        unit = np.empty(n, dtype=int)
        for old, start, stop in zip(self.layers, self.first, self.first[1:], strict=False):
            _, at, number = np.unique(group[start:stop], return_index=True, return_inverse=True)
            unit[start:stop] = np.argsort(np.argsort(at))[number]  # in the order of the first of each
            layers.append(replace(old, size=len(at)))
        of_unit = np.repeat(np.arange(len(layers)), np.diff(self.first))
        weights = []
        for layer, kernel, groups, (ids, features, scale), node in self.read:
            reads = {}
            for source in np.unique(of_unit[ids]).tolist():
                here = of_unit[ids] == source
                places = unit[ids[here]], features[here]
                shape = layers[source].size, kernel.shape[-2] * groups
                sums, times = (
                    sp.coo_array((v, places), shape=shape).tocsr() for v in (scale[here], np.ones(sum(here)))
                )
                sums.data /= times.data  # places that became one unit are read once
                sums.eliminate_zeros()  # what is multiplied by 0 is not read
                reads[source] = sums
            outputs = unit[self.first[layer] : self.first[layer + 1]]
            norm = self.norms.get(node) if node is not None else None
            weights.append(Weights(layer, kernel, groups, outputs, reads, norm))
        return _without_unread_inputs(Trace(tuple(layers), tuple(weights), self.program, self._outputs()))

    def _outputs(self) -> frozenset[int]:
        """Numbers of the layers whose units are in what the program returns."""
        (last,) = self.program.graph.graph.find_nodes(op="output")
        returned: list[Any] = [self.units.get(node) for node in last.all_input_nodes]
        ids = np.empty(0, dtype=int)
        while returned:
            units = returned.pop()
            if isinstance(units, list | tuple):
                returned += units
            elif units is not None:
                ids = np.union1d(ids, units.ids.numpy())
        return frozenset((np.searchsorted(self.first, ids[ids >= 0], side="right") - 1).tolist())


def _equal_scales(first: Units, second: Units) -> bool:
    """Whether the largest and smallest scales of two activations are the same."""
    (low, high), (other_low, other_high) = (
        (1.0, 1.0) if units.scale is None else (float(units.scale.min()), float(units.scale.max()))
        for units in (first, second)
    )
    return low == other_low and high == other_high


def _without_unread_inputs(trace: Trace) -> Trace:
    """Numbers of tokens, which choose rows of a table, and masks are no units."""
    read = {source for weights in trace.weights for source in weights.reads}
    kept = [i for i, layer in enumerate(trace.layers) if layer.kind != "input" or i in read]
    number = {layer: i for i, layer in enumerate(kept)}
    weights = tuple(
        replace(one, layer=number[one.layer], reads={number[source]: reads for source, reads in one.reads.items()})
        for one in trace.weights
    )
    outputs = frozenset(number[layer] for layer in trace.outputs if layer in number)
    return Trace(tuple(trace.layers[i] for i in kept), weights, trace.program, outputs)
