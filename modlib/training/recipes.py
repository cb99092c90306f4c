"""How the perceptrons of the clusterability papers are trained, and what is kept of them; for which nothing is trained.

A network from the cache needs this alone, and no TensorFlow. Chapter: ``clusterability``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from modlib.checks import flag, instance, real, store, whole, wholes
from modlib.reprs import BriefRepr
from modlib.training.initialisation import Clusterable
from modlib.training.regularisers import EigenvaluePenalty, WeightPenalty


@dataclass(frozen=True)
class Recipe:
    """How a multilayer perceptron is trained and pruned; defaults are those of the papers.

    Attributes:
        hidden: widths of the hidden layers.
        epochs: epochs before pruning.
        pruning_epochs: epochs with pruning.
        dropout: rate after every hidden layer, 0 for none.
        batch_size: examples a step.
        initial_sparsity, final_sparsity: ends of the cubic pruning schedule.
        shuffle: draw a new order of the examples every epoch.
        penalty: L1 or L2, while training and while pruning; none by default.
        penalty_while_pruning: whether a penalty stays on while pruning, as it does by default and in the papers' code.
        eigenvalues: regulariser of the graph's eigenvalues, while training and while pruning; none by default.
        clusterable: clusters that the initial weights are given; none by default.
        tagged_outputs: with these, whether output i belongs to cluster i, as in the authors' code; not by default.

    Source: pruned-modular 3, A.2; clusterability 2, 4, A.2. Chapter: ``clusterability``.
    """

    hidden: tuple[int, ...] = (256, 256, 256, 256)
    epochs: int = 20
    pruning_epochs: int = 20
    dropout: float = 0.0
    batch_size: int = 128
    initial_sparsity: float = 0.5
    final_sparsity: float = 0.9
    shuffle: bool = True
    penalty: WeightPenalty | None = None
    eigenvalues: EigenvaluePenalty | None = None
    clusterable: Clusterable | None = None
    tagged_outputs: bool | None = None
    penalty_while_pruning: bool | None = None

    def __post_init__(self) -> None:
        store(self, wholes, "hidden")
        store(self, whole, "epochs", "pruning_epochs", least=0)
        store(self, whole, "batch_size")
        store(self, flag, "shuffle")
        real(self.dropout, "dropout", least=0, below=1)
        final = real(self.final_sparsity, "final_sparsity", least=0, below=1)
        real(self.initial_sparsity, "initial_sparsity", least=0, most=final)
        parts = {"penalty": WeightPenalty, "eigenvalues": EigenvaluePenalty, "clusterable": Clusterable}
        for name, kind in parts.items():
            if getattr(self, name) is not None:
                instance(getattr(self, name), kind, name, f"pass {kind.__name__}(...), or None")
        for name in ("tagged_outputs", "penalty_while_pruning"):
            if getattr(self, name) is not None:
                store(self, flag, name)

    def settings(self) -> dict[str, Any]:
        """All fields but those that are None: a cached network keeps its name when a field is added."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot(BriefRepr):
    """A network at one moment of its training.

    Attributes:
        stage: ``unpruned`` or ``pruned``.
        kernels: weight matrices, (fan-in, fan-out) each.
        biases: bias vectors, (fan-out,) each.
        accuracy: ``train`` and ``test`` accuracy, in [0, 1]; and ``fit``, that on the training examples as ``fit`` of
            Keras reports it: the mean over the batches of the last epoch of this stage, each classified as it is
            trained on, with units dropped, before the step that it is used for. NaN without any epoch. It is not there
            where a network was cached by an earlier version.
        losses: mean training loss of every epoch so far.
    """

    stage: str
    kernels: list[np.ndarray]
    biases: list[np.ndarray]
    accuracy: dict[str, float]
    losses: list[float] = field(default_factory=list)
