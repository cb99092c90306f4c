"""The steps of a torch module's forward pass, as a graph that computes the same.

By torch.fx, or by torch.export where the pass has loops and choices in it. Chapter: ``clusterability``.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.modules import transformer

from modlib.checks import native
from modlib.errors import InputError
from modlib.networks.frameworks import layout_hint
from modlib.networks.modules import LayerTracer, channels_of
from modlib.networks.operations import changes_part

SIDES = (32, 64, 28, 96, 224, 128, 299, *range(63, 3, -1))  # of images that are tried where no example is given
STEPS = 8  # of a sequence that is tried
AGREEMENT = 1e-5  # of outputs, relative to their size


@dataclass(frozen=True, eq=False)
class Program:
    """A forward pass, step by step.

    Attributes:
        graph: computes what the module computes.
        inputs: arguments, in order, of one pass; those that are no tensors are part of the graph.
        names: of the arguments.
        module: what it is the pass of.
        outputs: all tensors that the module gives for the inputs.
        guessed: whether the inputs are a guess of what the module takes.
    """

    graph: fx.GraphModule
    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    module: nn.Module
    outputs: tuple[Tensor, ...]
    guessed: bool = False


def programs_of(module: nn.Module, inputs: object = None) -> Iterator[Program]:
    """Programs of a module in evaluation mode, the simpler one first; each is checked against the module.

    Args:
        module: the module.
        inputs: what it takes: an array or tensor (n, ...), a tuple of them, or a mapping by name. Without it inputs
            are tried that fit its first layers.

    Raises:
        InputError: if no input fits, or the pass can be traced neither way.
    """
    given, outputs = arguments_of(module, inputs)
    faults = []
    for way, trace in (("torch.fx", _by_fx), ("torch.export", _by_export)):
        try:
            graph, taken = trace(module, given)
            with torch.no_grad():
                found = graph(*taken.values())
        except Exception as error:  # tracing runs the model's own code, which may raise anything
            faults.append(f"{way}: {_first_line(error)}")
            continue
        if _agree(found, outputs):
            example = tuple(taken.values()), tuple(taken)
            yield Program(graph, *example, module, tuple(tensors_of(outputs)), guessed=inputs is None)
        else:
            faults.append(f"{way}: it computes something else")
    if len(faults) == 2:
        raise InputError(
            f"the forward pass of {type(module).__name__} cannot be traced ({'; '.join(faults)}); expected a pass that "
            "torch.fx or torch.export can follow: trace the part of the network that holds the layers"
        )


def arguments_of(module: nn.Module, inputs: object) -> tuple[dict[str, Any], object]:
    """Inputs by the names of the arguments of ``forward``, and what the module gives for them; see ``programs_of``.

    Raises:
        InputError: if no input fits.
    """
    names = list(inspect.signature(module.forward).parameters)
    if not list(module.parameters()):
        raise InputError(
            f"the {type(module).__name__} has no layer of weights{_quantised(module)}; expected at least one; "
            "neuron_graph also takes a list of weight matrices"
        )
    fault = ""
    for tried, rows in [(one, 2) for one in _candidates(module)] if inputs is None else [(inputs, 2), (inputs, None)]:
        given = tried if isinstance(tried, Mapping) else _by_name(tried, names)
        arguments = {name: _few(value, rows) for name, value in given.items()}
        bare = [
            f"{name} {_shape(value)}"
            for name, value in arguments.items()
            if isinstance(value, Tensor) and not value.numel()
        ]
        if bare:
            raise InputError(
                f"inputs for {', '.join(bare)} arrived, which hold no number; expected an example: zeros will do"
            )
        wild = [name for name, value in arguments.items() if isinstance(value, Tensor) and not value.isfinite().all()]
        if wild:
            raise InputError(
                f"inputs for {', '.join(map(str, wild))} arrived that are not finite in single precision; expected "
                "finite ones: zeros will do, only their shape counts"
            )
        call = module.forward if isinstance(module, fx.GraphModule) else module  # which prints what it then raises
        for form in _forms(arguments, module):
            try:
                with torch.no_grad():
                    return form, call(**form)
            except Exception as error:  # the model's own code
                last = _first_line(error)
        fault = (fault if inputs is None else "") or last  # of guesses, of the first; of an example, as it came
    fault = fault or "no layer of weights says what it takes"
    shapes = (
        "none was given"
        if inputs is None
        else f"{ {name: _shape(value) for name, value in arguments.items()} } does not fit"
    )
    given_shapes = [value.shape for value in arguments.values() if isinstance(value, Tensor)]
    channels = channels_of(module)
    hint = "" if inputs is None else max((layout_hint(shape, channels) for shape in given_shapes), default="")
    raise InputError(
        f"the {type(module).__name__} needs an example input, and {shapes} ({fault}); expected what its forward takes: "
        f"pass inputs=, an array (n, ...), a tuple of them, or a mapping by name{hint}"
    )


def _quantised(module: nn.Module) -> str:
    """Names a layer whose weights are packed, as those of quantised modules are."""
    packed = [type(part).__name__ for part in module.modules() if "quantized" in type(part).__module__]
    return f" but quantised ones, a {packed[0]} among them: pass the model as it was before" if packed else ""


def _by_name(given: object, names: Sequence[str]) -> dict[str, object]:
    values = given if isinstance(given, tuple) else (given,)
    if len(values) > len(names):
        raise InputError(
            f"inputs = a tuple of {len(values)} arrived; expected at most one for each argument of forward: "
            f"{', '.join(names) or 'none'}"
        )
    return dict(zip(names, values, strict=False))


def _shape(value: object) -> object:
    return tuple(value.shape) if isinstance(value, np.ndarray | Tensor) else type(value).__name__


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _forms(arguments: dict[str, Any], module: nn.Module) -> list[dict[str, Any]]:
    """An example as it is, and with its whole numbers in single precision, where they are no rows of a table."""
    if any(isinstance(part, nn.Embedding | nn.EmbeddingBag) for part in module.modules()):
        return [arguments]
    whole = {
        name: value.float()
        for name, value in arguments.items()
        if isinstance(value, Tensor) and not value.is_floating_point() and not value.is_complex()
    }
    return [arguments, {**arguments, **whole}] if whole else [arguments]


def _few(value: Any, rows: int | None = 2) -> Any:
    """Two rows of an input are enough, mostly; numbers in single precision."""
    if isinstance(value, np.ndarray):
        try:
            value = native(value)
            value = torch.as_tensor(value if value.flags.writeable else value.copy())  # it warns of others
        except (TypeError, ValueError):  # PyTorch has no such type; the module does not take it either
            return value
    if not isinstance(value, Tensor):
        return value
    if value.is_meta:  # it has a shape alone, which is all that counts
        value = torch.zeros(value.shape, dtype=value.dtype)
    if value.layout is not torch.strided:  # which cannot be cut; a dense input has the same shape
        value = value.to_dense()
    return (
        (value[:rows] if value.ndim else value)
        .detach()
        .cpu()
        .to(torch.float32 if value.is_floating_point() else value.dtype)
    )


def _candidates(module: nn.Module) -> Iterator[Tensor]:
    """Inputs that the first layers of a module would take."""
    layers = [layer for layer in module.modules() if list(layer.parameters(recurse=False))]
    for layer in layers[:4]:
        shapes: list[tuple[int, ...]] = []
        if isinstance(layer, nn.Linear):
            shapes = [(layer.in_features,), (STEPS, layer.in_features)]
        elif isinstance(layer, nn.Conv1d):
            shapes = [(layer.in_channels, length) for length in (64, 256, 1024)]
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            shapes = [(layer.in_channels, side, side) for side in SIDES]
        elif isinstance(layer, nn.Conv3d):
            shapes = [(layer.in_channels, side // 2, side, side) for side in SIDES[:2]]
        elif isinstance(layer, nn.RNNBase):
            shapes = [(STEPS, layer.input_size)]
        elif isinstance(layer, nn.MultiheadAttention):
            shapes = [(STEPS, layer.embed_dim)]
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            shapes = [(layer.num_features,), *((layer.num_features, side, side) for side in SIDES)]
        elif isinstance(layer, nn.Embedding | nn.EmbeddingBag):
            yield torch.arange(2 * STEPS).reshape(2, STEPS) % layer.num_embeddings
        else:
            shapes = [(size,) for size in next(layer.parameters(recurse=False)).shape]
        for shape in shapes:
            yield torch.linspace(-1, 1, 2 * int(np.prod(shape))).reshape(2, *shape)


Steps = tuple[fx.GraphModule, dict[str, Tensor]]  # and the arguments that they take, in order


def _by_fx(module: nn.Module, given: Mapping[str, Any]) -> Steps:
    parameters = inspect.signature(module.forward).parameters
    fixed = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in given and parameter.default is not parameter.empty
    }
    fixed |= {name: value for name, value in given.items() if not isinstance(value, Tensor)}
    if not list(module.children()):  # a bare layer: tracing would look inside it
        module = nn.Sequential(module)
        parameters, fixed = inspect.signature(module.forward).parameters, {}
        given = dict(zip(parameters, given.values(), strict=False))
    with patch.object(transformer, "_get_seq_len", return_value=None):  # it asks an activation for its rank
        graph = LayerTracer().trace(module, concrete_args=fixed or None)
    called = {node: module.get_submodule(str(node.target)) for node in graph.nodes if node.op == "call_module"}
    if any(changes_part(node, called.get(node)) for node in graph.nodes):
        raise ValueError("it changes a part of an activation in place")
    for node in [node for node in graph.nodes if node.op == "placeholder"]:
        if not isinstance(given.get(str(node.target)), Tensor):
            if not _leads_nowhere(node):
                raise ValueError(f"the argument {node.target} is used, and not given")
            _erase(graph, node)
    return fx.GraphModule(module, graph), {
        name: given[name] for name in parameters if isinstance(given.get(name), Tensor)
    }


def _leads_nowhere(node: fx.Node) -> bool:
    """Whether nothing that is given back comes from a step, as where it is only asserted to be what it was."""
    return all(user.op != "output" and _leads_nowhere(user) for user in node.users)


def _erase(graph: fx.Graph, node: fx.Node) -> None:
    """Take a step out of a program, and what is computed from it."""
    for user in list(node.users):
        _erase(graph, user)
    graph.erase_node(node)


def _by_export(module: nn.Module, given: Mapping[str, Any]) -> Steps:
    taken = {name: value for name, value in given.items() if isinstance(value, Tensor)}
    fixed = {name: value for name, value in given.items() if name not in taken}

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *tensors: Tensor) -> object:
            return tensors_of(self.module(**dict(zip(taken, tensors, strict=True)), **fixed))

    any_number = tuple({0: torch.export.Dim.AUTO} if tensor.ndim else None for tensor in taken.values())  # of inputs
    with _silence():
        exported = torch.export.export(
            Fixed().eval(), tuple(taken.values()), dynamic_shapes={"tensors": any_number}, strict=False
        )
    if any(changes_part(node) for node in exported.graph.nodes):
        exported = exported.run_decompositions({})  # to steps that return new tensors
    return exported.module(check_guards=False), taken


@contextmanager
def _silence() -> Iterator[None]:
    """What torch.export prints of a pass that it cannot follow is for who writes PyTorch; what it raises is kept."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(before)


def tensors_of(outputs: object) -> list[Tensor]:
    """All tensors of what a module returns, in whatever it wraps them."""
    if isinstance(outputs, Tensor):
        return [outputs]
    if isinstance(outputs, Mapping):
        outputs = list(outputs.values())
    return [tensor for part in outputs for tensor in tensors_of(part)] if isinstance(outputs, Sequence) else []


def _agree(found: object, wanted: object) -> bool:
    """Whether outputs are the same, up to rounding; what is not a number must be so in both."""
    ours, theirs = tensors_of(found), tensors_of(wanted)
    if [one.shape for one in ours] != [other.shape for other in theirs]:
        return False
    for one, other in zip(ours, theirs, strict=True):
        size = other.double().nan_to_num(posinf=0, neginf=0).abs().amax() if other.numel() else 0
        if not torch.allclose(one.double(), other.double(), AGREEMENT, AGREEMENT * float(size), equal_nan=True):
            return False
    return True
