"""One framework-neutral view of a trained network: Keras and PyTorch in, PyTorch out.

A model of either framework becomes a torch module that computes the same function, plus its ordered
weight layers as NumPy arrays. Every measure after that is written once. Only chains of layers are read:
a network that branches has no single order; ``modlib.networks.tracing`` follows it. Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

import numpy as np

from modlib.checks import array, arrived, choice, instance, items, whole
from modlib.errors import GraphError, InputError
from modlib.networks.frameworks import is_keras, is_onnx, is_torch, layout_hint, way_out
from modlib.networks.layers import Layer, check_norm
from modlib.networks.normalisation import BatchNorm, fold_batch_norm
from modlib.reprs import BriefRepr

if TYPE_CHECKING:
    from torch import Tensor, nn

BatchNormUse: TypeAlias = Literal["fold", "ignore"]
BATCH_NORM_USES: tuple[str, ...] = get_args(BatchNormUse)
AT_ONCE = 500  # inputs that a forward pass takes


@dataclass(frozen=True, eq=False, repr=False)
class Network(BriefRepr):
    """A trained network in one form.

    Attributes:
        layers: layers of weights, from input to output.
        module: torch module that computes the function of the original at inference. It takes PyTorch's
            layout: images are (n, channels, height, width), whatever the original took.
        input_norm: the batch normalisation before the first layer, one value a feature that it reads, or None.

    Raises:
        InputError: if one of them is of another kind, there is no layer, or a layer cannot read the one before.

    Chapter: ``clusterability``.
    """

    layers: tuple[Layer, ...]
    module: nn.Module
    input_norm: BatchNorm | None = None

    def __post_init__(self) -> None:
        import torch

        remedy = "make networks by as_network"
        layers = tuple(instance(layer, Layer, "a layer", remedy) for layer in items(self.layers, "layers"))
        object.__setattr__(self, "layers", layers)
        instance(self.module, torch.nn.Module, "module", "pass a torch module")
        for before, after in pairwise(layers):
            given, taken = before.kernel.shape[-1], after.kernel.shape[-2]
            flattened = before.kind == "conv" and after.kind == "dense"
            if taken % given if flattened else taken != given:
                raise InputError(
                    f"layers do not chain: {after.name!r} reads {taken} features of the {given} outputs of "
                    f"{before.name!r}; expected as many: {remedy}"
                )
        if self.input_norm is not None:
            check_norm(self.input_norm, layers[0].kernel.shape[-2], "input_norm")

    def _facts(self) -> dict[str, object]:
        return {
            layer.name or layer.kind: f"{' x '.join(map(str, layer.kernel.shape))} {layer.activation}"
            for layer in self.layers
        }

    def graph_weights(self, batch_norm: BatchNormUse = "fold") -> list[np.ndarray]:
        """Kernels that make the neuron graph, see ``modlib.graphs.neurons.neuron_graph``.

        All kernels of a perceptron. Of a network with convolutions, the kernels from the second to the
        last one: the vertices are the channels of the convolutions; the image, and the dense layers at the
        end, are left out. The batch normalisation that follows a layer scales its kernel, as the network computes, and
        one before the first layer what that reads. The paper says so of convolutions and is silent about dense layers.

        Args:
            batch_norm: ``fold`` or ``ignore``.

        Raises:
            GraphError: if there is one convolution only, so that no two of them are joined.
            InputError: if ``batch_norm`` is neither.

        Source: clusterability 1.1. Chapter: ``clusterability``.
        """
        choice(batch_norm, BATCH_NORM_USES, "batch_norm")
        kernel_of = _folded if batch_norm == "fold" else attrgetter("kernel")
        convolutions = [layer for layer in self.layers if layer.kind == "conv"]
        if not convolutions:
            kernels = [kernel_of(layer) for layer in self.layers]
            if self.input_norm is not None and batch_norm == "fold":
                kernels[0] = _fold(kernels[0].T, self.input_norm).T
            return kernels
        if len(convolutions) == 1:
            raise GraphError(
                f"the network has one convolution, {convolutions[0].name}, but edges join the channels of "
                "consecutive ones; expected at least two, or pass a list of weights yourself"
            )
        return [kernel_of(layer) for layer in convolutions[1:]]

    def inputs(self, values: np.ndarray, name: str = "inputs", at_least: int = 1) -> np.ndarray:
        """Inputs of the shape that the first layer reads, in single precision.

        Args:
            values: (n, features), or (n, channels, height, width) where that is a convolution.
            name: of the argument, for messages.
            at_least: how many inputs there must be.

        Raises:
            InputError: if there are fewer, or of another shape.
        """
        first = self.layers[0]
        pixels = ("height", "width") if first.kind == "conv" else ()
        found = array(values, name, ("n", first.kernel.shape[-2], *pixels), dtype=np.float32)
        if len(found) < at_least:
            raise InputError(f"{name} = {arrived(values)} arrived; expected at least {at_least} of them")
        return found

    def hidden_layer(self, layer: int) -> int:
        """The number of a hidden layer, from 1, if there is one of that number.

        Raises:
            InputError: if there is none.
        """
        if len(self.layers) < 2:
            raise InputError("the network has a single layer of weights; expected a hidden layer: pass a deeper one")
        return whole(layer, "layer", most=len(self.layers) - 1)

    def layer_name(self, layer: int) -> str:
        """Name of a hidden layer, from 1."""
        return self.layers[self.hidden_layer(layer) - 1].name

    def width(self, layer: int) -> int:
        """Number of units of a hidden layer, from 1."""
        return int(self.layers[self.hidden_layer(layer) - 1].kernel.shape[-1])

    def is_relu_perceptron(self, ends: Sequence[str] = ("linear",)) -> bool:
        """Whether a pass is dense layers with ReLU between them and nothing else, so that closed forms are the network.

        Args:
            ends: activations that the last layer may have.
        """
        from modlib.networks.chains import INERT, chain
        from modlib.networks.modules import ACTIVATIONS

        names = {cls: name for name, cls in ACTIVATIONS.items()}
        try:
            steps = [names.get(kind, kind) for _, kind, _ in chain(self.module) if kind not in INERT]
        except InputError:  # a module of another making, which is no chain
            return False
        last = self.layers[-1].activation
        expected = [*["Linear", "relu"] * (len(self.layers) - 1), "Linear", *([] if last == "linear" else [last])]
        return len(self.layers) > 1 and last in ends and steps == expected

    def logits(self, outputs: Tensor) -> Tensor:
        """Outputs (n, classes) as logits: the logarithm of probabilities, where the network ends in a softmax."""
        from modlib.networks.modules import log_of

        return log_of(outputs) if self.layers[-1].activation == "softmax" else outputs

    @property
    def n_classes(self) -> int:
        """Number of outputs."""
        return int(self.layers[-1].kernel.shape[-1])

    def answers(self, inputs: np.ndarray) -> np.ndarray:
        """What the network says to every input: the number of its largest output, see ``answers``.

        Raises:
            InputError: if inputs do not fit, or a network with convolutions gives other than one vector an input.

        >>> from modlib.networks import side_by_side
        >>> network, images, classes, _ = side_by_side(copies=3, n=5, seed=0)
        >>> network.answers(images).tolist(), classes.tolist()
        ([0, 3, 0, 2, 1], [0, 3, 0, 2, 1])
        """
        return _in_batches(self.module, inputs, self._largest)

    def _largest(self, outputs: Tensor) -> Tensor:
        from modlib.networks.modules import largest

        if any(layer.kind == "conv" for layer in self.layers):  # their places come behind the classes
            check_vectors(outputs.shape)
        return largest(outputs)


def check_vectors(shape: Sequence[int]) -> None:
    """Refuse outputs of a network that are no class scores.

    Raises:
        InputError: if their shape is not (n, classes).
    """
    if len(shape) != 2:
        flat = len(shape) > 2 and set(shape[2:]) == {1}
        remedy = "put nn.Flatten behind it" if flat else "pass the part of the network that gives class scores"
        raise InputError(
            f"outputs of shape {tuple(shape)} arrived; expected one vector an input, (n, classes): {remedy}"
        )


def answers(module: nn.Module, inputs: np.ndarray) -> np.ndarray:
    """Number of the largest output for every input, in batches and without gradients.

    Args:
        module: a torch module, in the mode in which it is to be asked; it is not changed.
        inputs: (n, ...), what the module takes; converted to the type of its parameters.

    Returns:
        (n,), or (n, ...) where an input has several outputs (n, ..., classes); whole numbers from 0.

    Raises:
        InputError: if there are no inputs, or they do not fit the module.

    Chapters: ``importance``, ``class-removal``.

    >>> import torch
    >>> answers(torch.nn.Identity(), np.array([[0.1, 0.9], [0.8, 0.2]])).tolist()
    [1, 0]
    """
    from modlib.networks.modules import largest

    return _in_batches(module, inputs, largest)


def _in_batches(module: nn.Module, inputs: np.ndarray, numbers: Callable[[Tensor], Tensor]) -> np.ndarray:
    """Numbers of outputs, see ``answers``."""
    import torch

    from modlib.networks.modules import channels_of, device_of, precision_of, scores_in

    module = instance(module, torch.nn.Module, "module", "pass a torch module, or network.module")
    dtype = precision_of(module)
    inputs = array(inputs, "inputs", dtype=np.float32 if dtype == torch.float32 else None)
    try:
        with torch.no_grad():
            batches = torch.as_tensor(inputs).to(dtype).split(AT_ONCE)
            outputs = (scores_in(module(batch.to(device_of(module))), module) for batch in batches)
            return torch.cat([numbers(batch) for batch in outputs]).cpu().numpy()
    except (RuntimeError, IndexError) as error:
        raise InputError(
            f"inputs of shape {inputs.shape} do not fit the network ({error}); expected what its module "
            f"takes{layout_hint(inputs.shape, channels_of(module))}"
        ) from error


def as_network(model: object) -> Network:
    """The network in a Keras 2 (``tf_keras``), Keras 3 or PyTorch model.

    Args:
        model: a chain of layers with weights: a Keras Sequential or functional model, or a torch module
            whose ``forward`` can be traced. The model itself is not changed. A ``Network`` is returned as it is.
            Weights are those of the next forward pass, pruning and weight norms included, in single precision and
            on the processor, wherever the model is.

    Raises:
        InputError: if it is no such model, branches, has a layer that is not supported, or weights without values.

    Source: clusterability 1.1. Chapter: ``clusterability``.

    >>> from torch import nn
    >>> as_network(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)))
    Network(0=4 x 3 tanh, 2=3 x 2 linear)
    """
    if isinstance(model, Network):
        return model
    if is_keras(model):
        return _network(torch_module(model))
    if is_torch(model):
        from modlib.networks.modules import plain_copy

        return _network(plain_copy(torch_module(model)).cpu())
    what = f"a {type(model).__module__}.{type(model).__name__}"
    raise InputError(f"{what} arrived; expected a Keras or PyTorch model; {way_out(model)}")


def torch_module(model: object, lazy: bool = False) -> nn.Module:
    """The torch module of a model of any framework: that of the user itself, not a copy, if it is one.

    Args:
        model: see ``as_network``; or an ONNX model, an ``onnx.ModelProto``.
        lazy: whether its layers may be lazy ones that have no weights before their first pass.

    Raises:
        InputError: as ``as_network``, or if its weights have no values yet.

    >>> torch_module(from_arrays([np.ones((4, 3))]))
    Sequential(
      (layer_0): Linear(in_features=4, out_features=3, bias=False)
    )
    """
    if is_torch(model):
        from modlib.networks.modules import with_values

        return with_values(cast("nn.Module", model), lazy)
    if is_keras(model):
        from modlib.networks.keras_models import keras_module

        return keras_module(model).eval()
    if is_onnx(model):
        from modlib.networks.onnx_models import onnx_module

        return onnx_module(model).eval()
    return as_network(model).module


def from_arrays(
    kernels: Sequence[np.ndarray], biases: Sequence[np.ndarray | None] | None = None, activation: str = "relu"
) -> Network:
    """A perceptron from its weights: the activation after every layer but the last, which is linear.

    Args:
        kernels: matrices (fan-in, fan-out), in order.
        biases: one vector (fan-out,) or None a kernel; no biases by default.
        activation: a name in ``modlib.networks.modules.ACTIVATIONS``, or ``linear``.

    Raises:
        InputError: if shapes do not fit or the activation is not known.

    Chapter: ``clusterability``.

    >>> from_arrays([np.ones((4, 3)), np.ones((3, 2))])
    Network(layer_0=4 x 3 relu, layer_1=3 x 2 linear)
    """
    from modlib.networks.modules import mlp_module

    kernels = [array(kernel, f"kernels[{i}]", dtype=np.float32) for i, kernel in enumerate(items(kernels, "kernels"))]
    given = [None] * len(kernels) if biases is None else items(biases, "biases")
    biases = [None if bias is None else array(bias, f"biases[{i}]", dtype=np.float32) for i, bias in enumerate(given)]
    return _network(mlp_module(kernels, biases, activation))


def _folded(layer: Layer) -> np.ndarray:
    return layer.kernel if layer.batch_norm is None else _fold(layer.kernel, layer.batch_norm)


def _fold(kernel: np.ndarray, norm: BatchNorm) -> np.ndarray:
    return fold_batch_norm(kernel, norm.gamma, norm.variance, norm.epsilon)


def _network(module: nn.Module) -> Network:
    """The network of a torch module, which becomes its own: it is put into inference mode."""
    from modlib.networks.chains import layers_of

    layers, input_norm = layers_of(module.eval())
    return Network(layers, module, input_norm)
