"""Torch modules that compute what ONNX models do.

Every step becomes a function of PyTorch's. Weights, biases and gains become parameters, so that a model is traced as
any other; running statistics and other constants become buffers, which no mask or training step changes.
Files are read by ``onnx.load``, which runs no code. Chapter: ``clusterability``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary

from modlib.errors import InputError
from modlib.networks.modules import tensor_of, two_of, usable

UNARY: dict[str, Callable[..., Any]] = {
    "Relu": torch.relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Softplus": F.softplus, "Selu": F.selu,
    "Erf": torch.erf, "Sqrt": torch.sqrt, "Exp": torch.exp, "Log": torch.log, "Abs": torch.abs, "Neg": torch.neg,
    "Reciprocal": torch.reciprocal, "Mish": F.mish, "HardSwish": F.hardswish, "Softsign": F.softsign,
}  # fmt: skip
BINARY: dict[str, Callable[..., Any]] = {
    "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div, "Pow": torch.pow, "Max": torch.maximum,
    "Min": torch.minimum,
}  # fmt: skip
FLOATING = (1, 10, 11, 16)  # FLOAT, FLOAT16, DOUBLE and BFLOAT16 of onnx.TensorProto
OLDEST = 7  # version of the operators; sums of earlier ones repeat their terms along other axes
READ = "dense and convolutional layers, norms, pools, activations, sums, products, concatenations and reshapes"


def onnx_module(model: Any) -> nn.Module:
    """What an ONNX model computes; it takes what the model takes, and any number of inputs.

    Args:
        model: an ``onnx.ModelProto``, as ``onnx.load`` gives it, with its weights, and one input.

    Raises:
        InputError: if it has several inputs or outputs, operators of an early version, or a step that is not read; the
            error names it.
    """
    from onnx import numpy_helper

    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    inputs = [value.name for value in model.graph.input if value.name not in arrays]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise InputError(
            f"the ONNX model has {len(inputs)} inputs and {len(model.graph.output)} outputs; expected one of each"
        )
    version = next((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), 1)
    if version < OLDEST:
        raise InputError(
            f"the ONNX model has operators of version {version}; expected {OLDEST} or later: convert it with "
            "onnx.version_converter.convert_version"
        )
    reader = _Reader(arrays, version)
    reader.values[inputs[0]] = reader.graph.placeholder("inputs")
    for number, step in enumerate(model.graph.node):
        reader.add(step, step.name.strip("/").rsplit("/", 1)[0] or f"{step.op_type.lower()}_{number}")
    reader.graph.output(reader.values[model.graph.output[0].name])
    return fx.GraphModule(reader.weights, reader.graph)


def example_of(model: Any) -> np.ndarray | None:
    """Two inputs of the declared shape; None if the model declares none, or in part."""
    held = {tensor.name for tensor in model.graph.initializer}
    (kind,) = (value.type.tensor_type for value in model.graph.input if value.name not in held)
    shape = [side.dim_value for side in kind.shape.dim][1:]  # 0 where it has a name in place of a number
    if not shape or 0 in shape:
        return None
    return two_of([tuple(shape)], [np.float32 if kind.elem_type in FLOATING else np.int64])[0]


class _Reader:
    """Adds the steps of a model to a graph, one by one."""

    def __init__(self, arrays: dict[str, np.ndarray], version: int) -> None:
        self.graph, self.arrays, self.version = fx.Graph(), arrays, version
        self.values: dict[str, fx.Node] = {}
        self.weights: dict[str, Any] = {}
        self.held: dict[str, str] = {}  # by the name of a parameter, the array that it holds

    def add(self, step: Any, place: str) -> None:
        """Add a step; ``place`` is its layer's name."""
        from onnx import helper

        given = {attribute.name: helper.get_attribute_value(attribute) for attribute in step.attribute}
        names = list(step.input)
        try:
            found = self._step(step, place, names, given)
        except (KeyError, IndexError, NotImplementedError) as error:
            settings = ", ".join(f"{key}={value}" for key, value in given.items() if np.size(value) < 9)
            raise InputError(
                f"step {step.name or step.output[0]!r} is a {step.op_type}({settings}), which is not read; expected "
                f"{READ}: pass the part of the network without it, or neuron_graph a list of weight matrices"
            ) from error
        if isinstance(found, fx.Node):
            self.values[step.output[0]] = found

    def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> fx.Node:
        return self.graph.call_function(function, args, kwargs)

    def _of(self, name: str, place: str = "", kind: str = "", trained: bool = True) -> Any:
        """A value of an earlier step, or a parameter of a name in the layer of this one; a buffer if not trained."""
        if name in self.values or not name:
            return self.values.get(name)
        title, number = _title(f"{place}.{kind}" if kind else name), 0
        while self.held.get(title, name) != name:  # of another step with the same scope
            number += 1
            title = _title(f"{place}_{number}.{kind}" if kind else f"{name}_{number}")
        array = self.arrays[name]
        value = tensor_of(array) if array.dtype.kind == "f" else torch.as_tensor(np.array(array))
        self.held[title] = name
        if not isinstance(self.weights.get(title), nn.Parameter):  # of another step, which trains it
            self.weights[title] = nn.Parameter(value) if trained and value.is_floating_point() else value
        return self.graph.get_attr(title)

    def _step(self, step: Any, place: str, names: list[str], given: dict[str, Any]) -> Any:
        kind, first = step.op_type, self.values.get(names[0]) if names else None
        if kind == "Constant":
            from onnx import numpy_helper

            self.arrays[step.output[0]] = numpy_helper.to_array(given["value"])
            return None
        if first is None and kind not in BINARY:  # what is made of weights alone
            if kind == "Identity":
                self.arrays[step.output[0]] = self.arrays[names[0]]
                return None
            raise NotImplementedError
        if kind in UNARY:
            if given:  # as the slopes of Selu
                raise NotImplementedError
            return self._call(UNARY[kind], first)
        if kind in BINARY and len(names) == 2:
            terms = [self._of(name, trained=self._trains(kind, name, names)) for name in names]
            return self._call(BINARY[kind], *terms)
        if kind == "Cast" and given["to"] not in FLOATING:  # which would round
            raise NotImplementedError
        if kind in ("Identity", "Dropout", "Cast"):
            return self._call(torch.clone, first)
        return getattr(self, f"_{kind.lower()}", self._refused)(first, names, given, place)

    def _trains(self, kind: str, name: str, names: list[str]) -> bool:
        """Whether what is added to activities, or multiplies them, is a bias or gain, and no constant."""
        if name in self.values or kind not in ("Add", "Mul"):
            return False
        array = self.arrays[name]
        if kind == "Mul" or array.size > 1:
            return array.size > 1
        (other,) = (self.values.get(one) for one in names if one != name) if len(set(names)) == 2 else (None,)
        if not array.ndim or other is None or other.target not in (torch.matmul, F.linear):
            return False
        weight = self.weights.get(str(getattr(other.args[1], "target", "")))  # the bias of a layer of one output
        return weight is not None and weight.shape[-1 if other.target is torch.matmul else 0] == 1

    def _refused(self, *_: Any) -> Any:
        raise NotImplementedError

    def _gemm(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        if given.get("transA") or given.get("alpha", 1.0) != 1 or given.get("beta", 1.0) != 1:
            raise NotImplementedError
        weight, bias = (self._of(n, place, k) for n, k in zip([*names[1:], ""], KINDS, strict=False))
        if given.get("transB"):
            return self._call(F.linear, x, weight, bias)
        product = self._call(torch.matmul, x, weight)
        return product if bias is None else self._call(torch.add, product, bias)

    def _matmul(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        if names[1] in self.values:
            return self._call(torch.matmul, x, self.values[names[1]])
        return self._call(torch.matmul, x, self._of(names[1], place, "weight"))

    def _conv(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._convolution((F.conv1d, F.conv2d, F.conv3d), x, names, given, place)

    def _convolution(
        self, functions: Sequence[Any], x: Any, names: list[str], given: dict[str, Any], place: str, **more: Any
    ) -> Any:
        rank = self.arrays[names[1]].ndim - 2
        weight, bias = (self._of(n, place, k) for n, k in zip([*names[1:], ""], KINDS, strict=False))
        strides, gaps = given.get("strides", [1] * rank), given.get("dilations", [1] * rank)
        options = {"stride": tuple(strides), "dilation": tuple(gaps), "groups": given.get("group", 1), **more}
        return self._call(functions[rank - 1], x, weight, bias, padding=_padding(given, rank), **options)

    def _convtranspose(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        if "output_shape" in given:
            raise NotImplementedError
        functions = F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d
        rank = self.arrays[names[1]].ndim - 2
        more = tuple(given.get("output_padding", [0] * rank))
        return self._convolution(functions, x, names, given, place, output_padding=more)

    def _batchnormalization(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        kinds = ("weight", "bias", "running_mean", "running_var")
        weight, bias, mean, variance = (
            self._of(name, place, kind, "running" not in kind) for name, kind in zip(names[1:], kinds, strict=True)
        )
        return self._call(F.batch_norm, x, mean, variance, weight, bias, False, 0.1, float(given.get("epsilon", 1e-5)))

    def _layernormalization(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        if given.get("axis", -1) != -1:
            raise NotImplementedError
        weight, bias = (self._of(n, place, k) for n, k in zip([*names[1:], ""], KINDS, strict=False))
        shape = list(self.arrays[names[1]].shape)
        return self._call(F.layer_norm, x, shape, weight, bias, float(given.get("epsilon", 1e-5)))

    def _gather(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        if self.arrays[names[1]].ndim:
            raise NotImplementedError
        return self._call(torch.select, x, given.get("axis", 0), int(self.arrays[names[1]]))

    def _softmax(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._normalised(F.softmax, x, given)

    def _logsoftmax(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._normalised(F.log_softmax, x, given)

    def _normalised(self, function: Any, x: Any, given: dict[str, Any]) -> Any:
        if self.version >= 13:
            return self._call(function, x, dim=given.get("axis", -1))
        # over the axis and all behind it together
        flat = self._call(torch.flatten, x, given.get("axis", 1))
        return self._call(torch.reshape, self._call(function, flat, dim=-1), self._call(getattr, x, "shape"))

    def _leakyrelu(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._call(F.leaky_relu, x, float(given.get("alpha", 0.01)))

    def _elu(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._call(F.elu, x, float(given.get("alpha", 1.0)))

    def _gelu(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._call(F.gelu, x, approximate=given.get("approximate", b"none").decode())

    def _hardsigmoid(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        scaled = self._call(torch.mul, x, float(given.get("alpha", 0.2)))
        return self._call(torch.clamp, self._call(torch.add, scaled, float(given.get("beta", 0.5))), 0.0, 1.0)

    def _clip(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        low, high = ([float(self.arrays[name]) if name else None for name in names[1:]] + [None, None])[:2]
        return self._call(torch.clamp, x, given.get("min", low), given.get("max", high))

    def _concat(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._call(torch.cat, [self._of(name) for name in names], given["axis"])

    def _flatten(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        if given.get("axis", 1) != 1:
            raise NotImplementedError
        return self._call(torch.flatten, x, 1)

    def _reshape(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        shape = self.arrays[names[1]].tolist()
        if given.get("allowzero") and 0 in shape:
            raise NotImplementedError
        copied = [axis for axis, size in enumerate(shape) if axis and size == 0]
        if -1 not in shape[1:]:
            shape[0] = -1  # however many inputs
        elif shape[0] in (0, 1):  # of one input, as models are exported
            copied.append(0)
        for axis in copied:
            shape[axis] = self._call(operator.getitem, self._call(getattr, x, "shape"), axis)
        return self._call(torch.reshape, x, shape)

    def _transpose(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._call(torch.permute, x, list(given["perm"]))

    def _unsqueeze(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        axes = given["axes"] if "axes" in given else self.arrays[names[1]].tolist()
        if min(axes) < 0 <= max(axes):
            raise NotImplementedError
        for axis in sorted(axes, key=abs):  # they count from one end of the result: first those next to it
            x = self._call(torch.unsqueeze, x, axis)
        return x

    def _squeeze(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        axes = given["axes"] if "axes" in given else self.arrays[names[1]].tolist()
        return self._call(torch.squeeze, x, tuple(axes))

    def _reducemean(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        axes = given["axes"] if "axes" in given else self.arrays[names[1]].tolist()
        return self._call(torch.mean, x, dim=tuple(axes), keepdim=bool(given.get("keepdims", 1)))

    def _globalaveragepool(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._call(global_average_pool, x)

    def _globalmaxpool(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._call(global_maximum_pool, x)

    def _maxpool(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._pool(F.max_pool2d, x, given)

    def _averagepool(self, x: Any, names: list[str], given: dict[str, Any], place: str) -> Any:
        return self._pool(F.avg_pool2d, x, given, count_include_pad=bool(given.get("count_include_pad", 0)))

    def _pool(self, function: Any, x: Any, given: dict[str, Any], **more: Any) -> Any:
        window = tuple(given["kernel_shape"])
        gaps = given.get("dilations", [1, 1])
        if len(window) != 2 or set(gaps) != {1}:
            raise NotImplementedError
        more |= {"stride": tuple(given.get("strides", [1, 1])), "ceil_mode": bool(given.get("ceil_mode", 0))}
        return self._call(function, x, window, padding=_padding(given, 2), **more)


KINDS = ("weight", "bias")  # inputs of a layer behind its first


def _title(name: str) -> str:
    """The name of a parameter, as a module can have it."""
    name = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in name)
    return ".".join(usable(part, ()) for part in name.split("."))


def global_average_pool(x: Tensor) -> Tensor:
    """The mean over all places of a channel, (n, channels, 1, ...), whatever number of axes they have."""
    if has_torch_function_unary(x):  # a pass that is followed: one step
        return cast(Tensor, handle_torch_function(global_average_pool, (x,), x))
    return x.mean(tuple(range(2, x.ndim)), keepdim=True)


def global_maximum_pool(x: Tensor) -> Tensor:
    """The maximum over all places of a channel, see ``global_average_pool``."""
    if has_torch_function_unary(x):
        return cast(Tensor, handle_torch_function(global_maximum_pool, (x,), x))
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)


def _padding(given: dict[str, Any], rank: int) -> tuple[int, ...]:
    """Margins that are the same on both sides; others are refused."""
    margins = given.get("pads", [0] * 2 * rank)
    if list(margins[:rank]) != list(margins[rank:]) or given.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise NotImplementedError
    return tuple(margins[:rank])
