"""A network of any shape as layers of units, and the weights by which they read each other.

Chapter: ``clusterability``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import scipy.sparse as sp

from modlib.checks import LARGEST, array, arrived, choice, flag, instance, labels, mapping, real_numbers, whole
from modlib.errors import InputError
from modlib.networks.network import AT_ONCE, Network, check_vectors
from modlib.reprs import BriefRepr

if TYPE_CHECKING:
    from torch import nn

    from modlib.networks.programs import Program


KINDS = ("input", "dense", "conv", "recurrent", "attention")


@dataclass(frozen=True, eq=False, repr=False)
class UnitLayer(BriefRepr):
    """Units that one layer of weights computes, or inputs.

    Attributes:
        name: of the layer in the model; of the argument for inputs.
        size: number of units.
        kind: ``input``, ``dense``, ``conv``, ``recurrent`` or ``attention``.
        positions: whether it computes every unit at several places of an image or sequence.
        node: the step of the program that computes it; empty for inputs.
        axis: of the step's output along which the units lie; None if the step computes other layers too, and does not
            return this one.
        part: of the step, if it computes several layers.

    Raises:
        InputError: if one of them is of another kind.
    """

    name: str
    size: int
    kind: str
    positions: bool
    node: str = ""
    axis: int | None = -1
    part: str = ""

    def __post_init__(self) -> None:
        for name in ("name", "node", "part"):
            instance(getattr(self, name), str, name, "pass a text")
        whole(self.size, f"size of layer {self.name!r}" if self.name else "size")
        choice(self.kind, KINDS, "kind")
        flag(self.positions, "positions")
        if self.axis is not None:
            whole(self.axis, "axis", least=-LARGEST)


@dataclass(frozen=True, eq=False, repr=False)
class Weights(BriefRepr):
    """The weights of a layer, and which units they read.

    Attributes:
        layer: number of the layer whose units they compute.
        kernel: (..., features of a group, outputs); what is not finite is refused by the graph.
        groups: number of blocks: outputs of a block read its features only.
        unit: (outputs,) unit of every output; heads of attention have several.
        reads: by number of a layer, (units, features): by what normalisations and constants on the way multiply, where
            that is not in ``gain``, in size, 0 if not read.
        gain: (outputs,) by what batch normalisations, norms and constants behind the layer multiply its outputs, in
            size, where these go nowhere else on the way; None for 1.

    Raises:
        InputError: if shapes do not fit each other, or one of them is of another kind.
    """

    layer: int
    kernel: np.ndarray
    groups: int
    unit: np.ndarray
    reads: dict[int, sp.csr_array]
    gain: np.ndarray | None

    def __post_init__(self) -> None:
        whole(self.layer, "layer", least=0)
        instance(self.kernel, np.ndarray, "kernel", "pass that of a tensor by .detach().cpu().numpy()")
        shape = real_numbers(self.kernel, "kernel").shape
        if len(shape) < 2:
            raise InputError(f"kernel = {arrived(self.kernel)} arrived; expected one of shape (..., features, outputs)")
        features, outputs = shape[-2] * whole(self.groups, "groups"), shape[-1]
        labels(self.unit, "unit", outputs, least=0)
        for source, reads in mapping(self.reads, "reads", "pass {layer: sparse matrix}").items():
            whole(source, "a layer that is read", least=0)
            if not sp.issparse(reads) or reads.ndim != 2 or reads.shape[1] != features:
                raise InputError(
                    f"reads[{source}] = {arrived(reads)} arrived; expected a sparse matrix (units, {features})"
                )
        if self.gain is not None:
            array(self.gain, "gain", (outputs,), least=0)

    def _facts(self) -> dict[str, object]:
        return {"layer": self.layer, "kernel": self.kernel, "groups": self.groups, "reads": list(self.reads)}


@dataclass(frozen=True, eq=False, repr=False)
class Trace(BriefRepr):
    """A network as its layers of units and what joins them.

    Attributes:
        layers: in the order of the pass, inputs first.
        weights: what joins them.
        program: computes what the network computes, step by step.
        outputs: numbers of the layers whose units are in what the network returns.
    """

    layers: tuple[UnitLayer, ...]
    weights: tuple[Weights, ...]
    program: Program
    outputs: frozenset[int]

    def _facts(self) -> dict[str, object]:
        return {layer.name: f"{layer.size} {layer.kind}" for layer in self.layers}

    @property
    def module(self) -> nn.Module:
        """The torch module that was traced: a copy, in evaluation mode."""
        return self.program.module

    @cached_property
    def hidden(self) -> tuple[int, ...]:
        """Numbers of the hidden layers: all that the network computes but those that only its outputs show."""
        read = {source for weights in self.weights for source in weights.reads}
        return tuple(i for i, layer in enumerate(self.layers) if layer.node and (i in read or i not in self.outputs))

    def hidden_layer(self, layer: int) -> int:
        """The number of a hidden layer, as it stands in ``layers``, if there is one of that number.

        Raises:
            InputError: if there is none; the error names what is there.
        """
        layer = whole(layer, "layer", least=0, most=len(self.layers) - 1)
        if layer not in self.hidden:
            names = ", ".join(f"{number} ({self.layers[number].name})" for number in self.hidden)
            raise InputError(
                f"layer = {layer} arrived, which is {self.layers[layer].name!r}, an input or output; expected a hidden "
                f"layer: {names or 'this network has none'}"
            )
        return layer

    def layer_name(self, layer: int) -> str:
        """Name of a hidden layer."""
        return self.layers[self.hidden_layer(layer)].name

    def width(self, layer: int) -> int:
        """Number of units of a hidden layer."""
        return self.layers[self.hidden_layer(layer)].size

    @property
    def n_classes(self) -> int:
        """Number of outputs an input, where the network gives one vector, (n, classes).

        Raises:
            InputError: if it gives anything else first.
        """
        if not self.program.outputs:
            raise InputError(
                "no tensor arrived; expected one vector an input, (n, classes): pass the part of the network that "
                "gives class scores"
            )
        shape = self.program.outputs[0].shape
        check_vectors(shape)
        return shape[1]

    def answers(self, inputs: np.ndarray) -> np.ndarray:
        """Number of the largest output for every input, (n,), see ``modlib.networks.answers``.

        Raises:
            InputError: if inputs are not those of the network, or it gives no vector of outputs.
        """
        import torch

        from modlib.networks.execution import as_taken
        from modlib.networks.modules import largest
        from modlib.networks.programs import tensors_of

        _ = self.n_classes  # what gives no vector is refused
        with torch.no_grad():
            batches = as_taken(self, inputs).split(AT_ONCE)
            return torch.cat([largest(tensors_of(self.module(batch))[0]) for batch in batches]).numpy()

    def unit_of(self, layer: int) -> np.ndarray:
        """(outputs of the step,) the unit that each belongs to; a head of attention has several."""
        return next(weights.unit for weights in self.weights if weights.layer == layer)


AnyNetwork: TypeAlias = Network | Trace


def network_or_trace(network: object) -> AnyNetwork:
    """A network as the measures take it: a chain, or one of any shape that was traced.

    Raises:
        InputError: if it is neither.
    """
    if isinstance(network, Trace):
        return network
    return instance(network, Network, "network", "pass modlib.as_network(model), or modlib.trace(model)")


def n_scores(network: AnyNetwork) -> int:
    """Number of classes that the outputs of a network are scores of.

    Raises:
        InputError: if it has one output, or gives no vector of them.
    """
    if (found := network.n_classes) < 2:
        raise InputError(
            "labels arrived for a network with one output, which has no classes; expected one score a class: pass a "
            "network with two outputs, such as 0 and z for an output z before a sigmoid, or 1 - p and p behind it"
        )
    return found
