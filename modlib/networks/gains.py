"""Constant gains: by what the steps of a pass multiply activities, where that does not depend on the inputs.

Chapter: ``clusterability``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, fx

from modlib.networks.chains import to_array
from modlib.networks.normalisation import fold_batch_norm
from modlib.networks.operations import COPIES, DIFFERENCES, PRODUCTS, QUOTIENTS, SUMS, snake
from modlib.networks.units import Units, united

if TYPE_CHECKING:
    from modlib.networks.reader import Reader

# Where the weight of a norm is among the arguments of its function; of ATen's own where that differs.
NORM_WEIGHTS = {"native_group_norm": 1, "instance_norm": 3, "aten::instance_norm": 1}


class Arguments:
    """The arguments of a step, by place or name.

    Args:
        reader: which computes the step.
        node: the step.
    """

    def __init__(self, reader: Reader, node: fx.Node) -> None:
        self.reader, self.node = reader, node

    def given(self, place: int, *names: str, default: Any = None) -> Any:
        """An argument as it stands in the program: a step or a constant."""
        if place < len(self.node.args):
            return self.node.args[place]
        return next((self.node.kwargs[name] for name in names if name in self.node.kwargs), default)

    def varies(self, argument: Any) -> bool:
        """Whether an argument has units; else it is a constant."""
        return isinstance(self.reader.units_of(argument), Units)

    def constant(self, argument: Any) -> Tensor:
        """The value of an argument."""
        return torch.as_tensor(self.reader.value(argument)).to(torch.float64)


Factor: TypeAlias = Tensor | float
Term: TypeAlias = tuple[Any, Factor]  # an argument of a step, or units; and by what it is multiplied


def linear_terms(reader: Reader, node: fx.Node, name: str) -> list[Term] | None:
    """What a step adds, each with its constant gain; None if the step is not linear in what has units."""
    arguments = Arguments(reader, node)
    first, second = arguments.given(0, "input", "self"), arguments.given(1, "other")
    if name in COPIES:
        return [(first, 1.0)]
    if name == "copy":  # into another tensor
        return [(second, 1.0)]
    if name in ("neg", "negative"):
        return [(first, -1.0)]
    if name in SUMS | DIFFERENCES:
        return [(first, 1.0), (second, float(arguments.given(2, "alpha", default=1)) * (1 if name in SUMS else -1))]
    if name == "rsub":
        return [(second, 1.0), (first, -float(arguments.given(2, "alpha", default=1)))]
    if name in PRODUCTS and (arguments.varies(first) != arguments.varies(second)):
        first, second = (first, second) if arguments.varies(first) else (second, first)
        return [(first, arguments.constant(second))]
    if name in QUOTIENTS and not arguments.varies(second) and arguments.given(2, "rounding_mode") is None:
        return [(first, 1 / arguments.constant(second))]
    return _mixtures(arguments, node, name) if name in THREE else None


def _mixtures(arguments: Arguments, node: fx.Node, name: str) -> list[Term] | None:
    """``linear_terms`` of functions of three tensors that choose or mix by constants."""
    first, second, third = (arguments.given(place, *names) for place, names in enumerate(THREE[name]))
    if name == "where":
        condition, yes = (second, first) if node.op == "call_method" else (first, second)
        chosen = None if arguments.varies(condition) else arguments.constant(condition)
        return None if chosen is None else [(yes, chosen), (third, 1 - chosen)]
    if name == "masked_fill":
        masked = None if arguments.varies(second) else arguments.constant(second)
        return None if masked is None else [(first, 1 - masked), (third, masked)]
    if name == "lerp":
        weight = None if arguments.varies(third) else arguments.constant(third)
        return None if weight is None else [(first, 1 - weight), (second, weight)]
    value = float(arguments.given(3, "value", default=1))
    if name == "addcdiv":
        return None if arguments.varies(third) else [(first, 1.0), (second, value / arguments.constant(third))]
    if arguments.varies(second) and arguments.varies(third):
        both = [arguments.reader.units_of(second), arguments.reader.units_of(third)]
        return [(first, 1.0), (arguments.reader.numbered(node, product(both, arguments.constant(node).shape)), value)]
    second, third = (second, third) if arguments.varies(second) else (third, second)
    return [(first, 1.0), (second, value * arguments.constant(third))]


THREE = {
    "where": (("condition", "self"), ("input", "self"), ("other",)),
    "masked_fill": (("input", "self"), ("mask",), ("value",)),
    "lerp": (("input", "self"), ("end",), ("weight",)),
    "addcmul": (("input", "self"), ("tensor1",), ("tensor2",)),
    "addcdiv": (("input", "self"), ("tensor1",), ("tensor2",)),
}


def product(parts: list[Units], shape: torch.Size) -> Units:
    """Units of a product of activations.

    A unit that is in several with different gains is in a function written by hand, such as GELU: it has none.
    """
    each = [united([part], shape) for part in parts]
    found = united(each, shape)
    for place, one in enumerate(each):
        for other in each[:place]:
            shared = torch.isin(one.ids[one.ids >= 0], other.ids).any()
            if shared and _range(one) != _range(other):
                return Units(found.ids)
    return found


def _range(units: Units) -> tuple[float, float]:
    """The smallest and largest gain."""
    gains = units.gains[units.ids >= 0]
    return float(gains.min()), float(gains.max())


def norm_gain(reader: Reader, node: fx.Node, name: str, rank: int) -> Tensor | None:
    """By what a norm that looks at its inputs multiplies them behind that, to broadcast; None if by nothing."""
    module = reader.submodules[str(node.target)] if node.op == "call_module" else None
    if module is not None:
        weight, variance = getattr(module, "weight", None), getattr(module, "running_var", None)
        name = snake(type(module).__name__)
    else:
        schema = getattr(node.target, "_schema", None)
        place = NORM_WEIGHTS.get(schema.name if schema else name, NORM_WEIGHTS.get(name, 2))
        weight, variance = reader.value(Arguments(reader, node).given(place, "weight")), None
    if weight is None and variance is None:
        return None
    gain = torch.ones(()) if weight is None else weight.detach().double()
    if module is not None and variance is not None:
        gain = gain / (variance.double() + module.eps).sqrt()
    return gain.reshape(1, -1, *[1] * (rank - 2)) if "group" in name or "instance" in name else gain


def pool_gain(reader: Reader, node: fx.Node, name: str) -> float:
    """By what a mean over a window is multiplied, if it is divided by another number than that of its places."""
    if "avg_pool" not in name and node.op != "call_module":
        return 1.0
    if node.op == "call_module":
        module = reader.submodules[str(node.target)]
        window, divisor = getattr(module, "kernel_size", 1), getattr(module, "divisor_override", None)
        rank = len(module(reader.value(node.args[0])).shape) - 2 if divisor else 1
    else:
        arguments = Arguments(reader, node)
        window, divisor = arguments.given(1, "kernel_size"), arguments.given(6, "divisor_override")
        rank = int(name.removesuffix("d")[-1])
    if not divisor:
        return 1.0
    return float(np.prod(np.broadcast_to(window, rank)) / divisor)


def batch_norm_gain(reader: Reader, node: fx.Node, rank: int) -> Tensor | None:
    """By what a batch normalisation multiplies its channels, to broadcast; None if by nothing.

    Raises:
        InputError: if a variance is not one, see ``fold_batch_norm``.
    """
    if node.op == "call_module":
        module = reader.submodules[str(node.target)]
        given = {name: getattr(module, name) for name in ("running_var", "weight", "eps")}
    else:
        aten = ("weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
        own = ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
        order = aten if hasattr(node.target, "_schema") else own
        given = {"weight": None, "eps": 1e-5} | dict(zip(order, reader.value(node.args[1:]), strict=False))
        given |= reader.value(dict(node.kwargs))
    variance, weight = given["running_var"], given["weight"]
    if variance is None and weight is None:
        return None
    gamma = np.ones_like(to_array(variance)) if weight is None else to_array(weight)
    if variance is not None:  # else it divides by what it sees, as other norms do
        gamma = fold_batch_norm(np.ones((1, len(gamma)), np.float32), gamma, to_array(variance), float(given["eps"]))[0]
    return torch.as_tensor(gamma).reshape(1, -1, *[1] * (rank - 2))
