"""A network of any shape as layers of units, and the weights by which they read each other.

Chapter: ``clusterability``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from modlib.networks.normalisation import BatchNorm
from modlib.reprs import BriefRepr

if TYPE_CHECKING:
    from modlib.networks.programs import Program


@dataclass(frozen=True, eq=False, repr=False)
class UnitLayer(BriefRepr):
    """Units that one layer of weights computes, or inputs.

    Attributes:
        name: of the layer in the model; of the argument for inputs.
        size: number of units.
        kind: ``input``, ``dense``, ``conv``, ``recurrent`` or ``attention``.
        positions: whether it computes every unit at several places of an image or sequence.
        node: the step of the program that computes it; empty for inputs and parts of a step.
        axis: of its output along which the units lie.
    """

    name: str
    size: int
    kind: str
    positions: bool
    node: str = ""
    axis: int = -1


@dataclass(frozen=True, eq=False, repr=False)
class Weights(BriefRepr):
    """The weights of a layer, and which units they read.

    Attributes:
        layer: number of the layer whose units they compute.
        kernel: (..., features of a group, outputs).
        groups: number of blocks: outputs of a block read its features only.
        unit: (outputs,) unit of every output; heads of attention have several.
        reads: by number of a layer, (units, features): by what a normalisation on the way multiplies, 0 if not read.
        batch_norm: what follows the layer at once, or None.
    """

    layer: int
    kernel: np.ndarray
    groups: int
    unit: np.ndarray
    reads: dict[int, sp.csr_array]
    batch_norm: BatchNorm | None

    def _facts(self) -> dict[str, object]:
        return {"layer": self.layer, "kernel": self.kernel, "groups": self.groups, "reads": list(self.reads)}


@dataclass(frozen=True, eq=False, repr=False)
class Trace(BriefRepr):
    """A network as its layers of units and what joins them.

    Attributes:
        layers: in the order of the pass, inputs first.
        weights: what joins them.
        program: computes what the network computes, step by step.
    """

    layers: tuple[UnitLayer, ...]
    weights: tuple[Weights, ...]
    program: Program

    def _facts(self) -> dict[str, object]:
        return {layer.name: f"{layer.size} {layer.kind}" for layer in self.layers}
