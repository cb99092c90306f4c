"""Torch modules: built from NumPy weights, or copied with the weights that their next pass would use.

This module imports torch. Chapter: ``clusterability``.
"""

from __future__ import annotations

import copy
import keyword
import math
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from modlib.checks import choice
from modlib.errors import InputError
from modlib.networks.frameworks import layout_hint

# Name of an activation in Keras and in torch.nn.functional, and its class in torch.nn.
ACTIVATIONS = {
    "relu": "ReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "softmax": "Softmax",
    "log_softmax": "LogSoftmax",
}


class FlattenChannelsLast(nn.Module):
    """(n, channels, height, width) to (n, height * width * channels), the order in which Keras flattens."""

    def forward(self, images: Tensor) -> Tensor:
        """Flatten with the channel as the fastest index."""
        return images.permute(0, 2, 3, 1).flatten(1)


class LayerTracer(fx.Tracer):
    """Keeps layers whole, and lets functions see the steps inside a container."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """A layer is a module of PyTorch's own without parts, or attention; what others write may do anything."""
        own = m.__module__.startswith(("torch.nn.", "modlib.networks."))
        return own and (isinstance(m, nn.MultiheadAttention) or not list(m.children()))


def unwrapped(module: nn.Module) -> nn.Module:
    """The module in a DataParallel, or in what torch.compile returned: it computes the same."""
    # the class of a compiled module lies in torch._dynamo, which takes seconds to import
    while isinstance(module, nn.DataParallel) or "_orig_mod" in module._modules:
        module = module.module if isinstance(module, nn.DataParallel) else module.get_submodule("_orig_mod")
    return module


def _followed(module: nn.Module) -> nn.Module:
    """The module, if it is none that TorchScript has compiled."""
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError(
            f"a scripted {module.original_name} arrived, whose steps cannot be followed; expected the module that was "
            "scripted: load its weights into it"
        )
    return module


def with_values(module: nn.Module, lazy: bool = False) -> nn.Module:
    """The module itself, without wrappers, if all its parameters and buffers have values.

    Args:
        module: the module.
        lazy: whether those of lazy layers may have none before their first pass.

    Raises:
        InputError: if one has none, or the module is scripted, with what to do.
    """
    module = _followed(unwrapped(module))
    held = [*module.named_parameters(), *module.named_buffers()]
    unset = [name for name, tensor in held if is_lazy(tensor) and not lazy]
    imaginary = [name for name, tensor in held if tensor.is_complex()]
    on_meta = [name for name, tensor in held if tensor.device.type == "meta"]
    for names, why, remedy in (
        (
            unset,
            "is of a lazy layer that has seen no inputs",
            "run one forward pass, or pass neuron_graph inputs=",
        ),
        (on_meta, "is on the meta device", "load them by model.load_state_dict(state, assign=True)"),
        (imaginary, "is complex", "real ones: write real and imaginary parts as layers of their own"),
    ):
        if names:
            kind = "real " if names is imaginary else ""
            more = f", and of {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(
                f"the {type(module).__name__} has no {kind}values of {names[0]}, which {why}{more}; expected weights: "
                f"{remedy}"
            )
    return module


def plain_copy(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode, in single precision, whose weights are those that the next pass would use.

    It is on the device of the module.

    Pruning, weight norm, spectral norm and other parametrisations compute a weight from other tensors at every pass,
    and what lies in ``module.weight`` may be older, or part of a graph that cannot be copied. In the copy they are
    carried out once and are gone, as are the wrappers of DataParallel and torch.compile.

    Raises:
        InputError: if a parameter holds what is not finite, or what single precision does not hold.
    """
    module = _followed(unwrapped(module))
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    copied = copy.deepcopy(module, computed).eval()
    for part in copied.modules():
        if isinstance(part, nn.ModuleDict | nn.ParameterDict):
            continue  # which are asked for what they hold by name
        for held in (part._modules, part._parameters, part._buffers):
            _rename(cast(dict[str, Any], held))
    for part in list(copied.modules()):
        for hook in list(part._forward_pre_hooks.values()):
            if isinstance(hook, prune.BasePruningMethod):
                prune.remove(part, hook._tensor_name)
            elif isinstance(hook, WeightNorm):
                remove_weight_norm(part, hook.name)
            elif isinstance(hook, SpectralNorm):
                remove_spectral_norm(part, hook.name)
        if parametrize.is_parametrized(part):
            # not by remove_parametrizations: a copy shares its class with the original, which it would change
            weights = {name: getattr(part, name).detach() for name in part.parametrizations}  # type: ignore[union-attr]
            part.__class__ = parametrize.type_before_parametrizations(part)
            del part.parametrizations
            for name, weight in weights.items():
                part.register_parameter(name, nn.Parameter(weight))
    for name, parameter in copied.named_parameters():
        _check_numbers(name, parameter)
    return copied.float()


def _check_numbers(name: str, parameter: Tensor) -> None:
    """Refuse a bias or gain that is not finite, as a graph refuses such weights, and what single precision lacks."""
    if nn.parameter.is_lazy(parameter) or not parameter.is_floating_point():
        return
    finite, single = parameter.isfinite(), parameter.float()
    if parameter.ndim < 2 and not finite.all():
        raise InputError(
            f"{name} of shape {tuple(parameter.shape)} holds {int((~finite).sum())} NaN or infinite value(s); expected "
            "finite ones: check that training did not diverge"
        )
    if (finite & ~single.isfinite()).any() or (parameter.any() and not single.any()):
        size = parameter.detach()[finite].abs().max().item()
        raise InputError(
            f"{name} with values of up to {size:.3g} arrived, which single precision, in which modules are read, does "
            "not hold; scale it, or pass the weights as a list of arrays"
        )


def with_gradients(module: nn.Module) -> nn.Module:
    """The module itself, if what it computes can have gradients.

    Raises:
        InputError: within ``torch.inference_mode``, or if its parameters were made there.
    """
    made_there = [name for name, parameter in module.named_parameters() if parameter.is_inference()]
    if torch.is_inference_mode_enabled() or made_there:
        what = f"parameters made in it, such as {made_there[0]}," if made_there else "a call in it"
        raise InputError(
            f"torch.inference_mode leaves no gradients, and {what} arrived; expected tensors that can have some: "
            "outside of it call with copy.deepcopy(model)"
        )
    return module


@contextmanager
def at_rest(module: nn.Module) -> Iterator[None]:
    """A network in evaluation mode for the time of the block, and afterwards as it was.

    Modes, buffers, and whatever a forward pass or a hook writes into attributes of a module, or into lists, sets and
    dictionaries in them, are put back: under ``vmap`` and its like these would be tensors that nothing else can read.
    """
    parts = [(part, {**part.__dict__, "_buffers": dict(part._buffers)}) for part in module.modules()]
    values = [(buffer, buffer.clone()) for buffer in module.buffers()]
    usual = nn.Module().__dict__.keys()
    held: dict[int, tuple[Any, Any]] = {}
    for _, attributes in parts:
        for name in attributes.keys() - usual:
            _note(attributes[name], held)
    with suppress(NotImplementedError):  # an exported module has one mode
        module.eval()
    try:
        yield
    finally:
        for part, attributes in parts:
            part.__dict__.clear()
            part.__dict__.update(attributes)
        for container, before in held.values():
            container.clear()
            (container.extend if hasattr(container, "extend") else container.update)(before)
        with torch.no_grad():
            for buffer, value in values:
                buffer.copy_(value)


def _note(value: Any, held: dict[int, tuple[Any, Any]]) -> None:
    """Note a container that can change, and those in it, with what they hold."""
    if isinstance(value, list | set | deque | dict) and id(value) not in held:
        held[id(value)] = value, copy.copy(value)
        for inner in value.values() if isinstance(value, dict) else value:
            _note(inner, held)


def writable(name: str) -> str:
    """A name that can stand in a program of PyTorch's, between quotes or behind a dot.

    >>> writable('a "name"')
    "a 'name'"
    """
    name = re.sub(r"[\x00-\x1f\\]", "/", name.replace('"', "'"))
    return f"{name}_" if keyword.iskeyword(name) else name


def _rename(held: dict[str, Any]) -> None:
    """Give parts of a module names that are writable, in place and in the same order."""
    found: dict[str, Any] = {}
    for name, part in held.items():
        new = writable(name)
        while new in found or (new != name and new in held):
            new += "_"
        found[new] = part
    if list(found) != list(held):
        held.clear()
        held.update(found)


def device_of(module: nn.Module) -> torch.device:
    """Where the parameters of a module are, by the first of them; the processor if it has none."""
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))


def precision_of(module: nn.Module) -> torch.dtype:
    """The type of the parameters of a module, by the first of them; single precision if it has none."""
    return next((parameter.dtype for parameter in module.parameters()), torch.float32)


def outputs_of(module: nn.Module, inputs: Tensor) -> Any:
    """What a module returns for inputs.

    Raises:
        InputError: if it does not take them, with its own error.
    """
    try:
        return module(inputs)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:  # the module's own code
        raise InputError(
            f"inputs of shape {tuple(inputs.shape)} and type {inputs.dtype} arrived, which the {type(module).__name__} "
            f"does not take ({str(error).strip().partition(chr(10))[0]}); expected what its forward takes"
            f"{layout_hint(inputs.shape, channels_of(module))}"
        ) from error


def channels_of(module: nn.Module) -> int | None:
    """Channels of the images that a module takes, if its first layer of weights is a convolution of images."""
    weighted = (part for part in module.modules() if any(own.ndim > 1 for own in part.parameters(recurse=False)))
    first = next(weighted, None)
    return first.in_channels if isinstance(first, nn.Conv2d) else None


def scores_in(outputs: Any, module: nn.Module) -> Tensor:
    """What a module returned, if it is a tensor of scores.

    Raises:
        InputError: if it is anything else.
    """
    if not isinstance(outputs, Tensor):
        raise InputError(
            f"the {type(module).__name__} returns a {type(outputs).__name__}; expected a tensor (n, ..., classes): "
            "pass a module that returns its scores alone"
        )
    return outputs


def largest(scores: Tensor) -> Tensor:
    """Number of the largest score of every vector.

    Raises:
        InputError: if a score is no number: of such a vector the first one that is none would count as the largest.
    """
    if unknown := int(scores.isnan().any(-1).sum()):
        raise InputError(
            f"scores of shape {tuple(scores.shape)} arrived, of which {unknown} vectors hold NaN; expected numbers: "
            "check that training did not diverge, and what the network does to inputs of their size"
        )
    return scores.argmax(-1)


def are_probabilities(outputs: Tensor) -> bool:
    """Whether every row of outputs (n, classes) is at least 0 and sums to 1, as behind a softmax."""
    if outputs.ndim != 2 or outputs.shape[1] < 2 or bool((outputs < 0).any()):
        return False
    sums = outputs.detach().sum(1)
    return torch.allclose(sums, sums.new_ones(()), atol=1e-3 if sums.dtype.itemsize < 4 else 1e-5)


def log_of(probabilities: Tensor) -> Tensor:
    """Logits that have these probabilities: their logarithm, finite at 0 too."""
    return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()


def unsupported(name: str, what: str, supported: str) -> InputError:
    """The error for a layer that cannot be read: its name, what it is, and what can be read."""
    return InputError(
        f"layer {name!r} is {what}, which is not supported; expected a chain of {supported}; "
        "neuron_graph also takes a list of weight matrices"
    )


def mlp_module(kernels: Sequence[np.ndarray], biases: Sequence[np.ndarray | None], activation: str) -> nn.Module:
    """A perceptron with an activation after every layer but the last.

    Args:
        kernels: matrices (fan-in, fan-out), in order.
        biases: one vector (fan-out,) or None a kernel.
        activation: a name in ``ACTIVATIONS``, or ``linear``.

    Raises:
        InputError: if shapes do not fit or the activation is not known.
    """
    shapes = [np.shape(kernel) for kernel in kernels]
    if not shapes or any(len(shape) != 2 for shape in shapes) or len(biases) != len(shapes):
        raise InputError(
            f"{len(biases)} biases and kernels of shapes {shapes} arrived; "
            "expected at least one matrix (fan-in, fan-out) and as many biases"
        )
    modules: dict[str, nn.Module] = {}
    for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        if i and shapes[i - 1][1] != shapes[i][0]:
            raise InputError(
                f"layers do not chain: kernels {i - 1} and {i} have shapes {shapes[i - 1]} and {shapes[i]}; "
                "the columns of one must be the rows of the next (fan-in, fan-out)"
            )
        if bias is not None and np.shape(bias) != shapes[i][1:]:
            raise InputError(f"bias {i} has shape {np.shape(bias)}; expected {shapes[i][1:]}, one value a column")
        if i:
            modules |= activation_of(activation, f"layer_{i - 1}")
        modules[f"layer_{i}"] = linear_of(kernel, bias)
    return sequential(modules)


def linear_of(kernel: Any, bias: Any) -> nn.Module:
    """A linear layer of a kernel (fan-in, fan-out)."""
    fan_in, fan_out = np.shape(kernel)
    module = nn.Linear(fan_in, fan_out)
    module.weight.data = tensor_of(np.asarray(kernel).T)
    module.register_parameter("bias", None if bias is None else nn.Parameter(tensor_of(bias)))
    return module


def activation_of(activation: str, layer: str) -> dict[str, nn.Module]:
    """The activation of a layer, under the layer's name; nothing if it is linear."""
    if choice(activation, ("linear", *ACTIVATIONS), f"the activation of layer {layer!r}") == "linear":
        return {}
    cls = getattr(nn, ACTIVATIONS[activation])
    return {f"{layer}/{activation}": cls(dim=1) if activation.endswith("softmax") else cls()}


def two_of(shapes: Sequence[tuple[int, ...]], kinds: Sequence[type[np.generic]]) -> tuple[np.ndarray, ...]:
    """Two inputs for every argument of a model that declares their shapes and kinds."""
    return tuple(
        np.linspace(0, 1, 2 * math.prod(shape)).reshape(2, *shape).astype(kind)
        for shape, kind in zip(shapes, kinds, strict=True)
    )


def tensor_of(array: Any) -> Tensor:
    """A copy in single precision."""
    return torch.from_numpy(np.array(np.asarray(array), dtype=np.float32, order="C"))


def sequential(modules: Mapping[str, nn.Module]) -> nn.Module:
    """Modules one after the other, under names that a module can have."""
    module = nn.Sequential()
    for name, part in modules.items():
        module.add_module(usable(name, module._modules), part)
    return module


def usable(name: str, taken: Collection[str]) -> str:
    """The name of a part of a module: without dots, which nothing else has, of its parts or of its own."""
    name = writable(name.replace(".", "_"))
    while name in taken or hasattr(nn.Module(), name) or hasattr(fx.GraphModule, name):
        name += "_"
    return name
