"""What a mask alone can learn: masks for labels that have been dealt to other examples.

A mask is a choice among very many, so one can be found that answers questions which the network has never learned. How
far that goes on a network is seen where there is nothing to find. Chapter: ``weight-masks``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modlib.checks import array, function, generator, real
from modlib.errors import InputError
from modlib.masks.learning import LearnedMask, MaskSettings, learn_mask
from modlib.masks.mask import TOTAL
from modlib.networks.modules import at_rest, device_of, precision_of
from modlib.networks.network import answers, torch_module
from modlib.reprs import BriefRepr
from modlib.training.steps import Loss, draw_from

Score: TypeAlias = Callable[[nn.Module, Tensor, Tensor], float]


@dataclass(frozen=True, eq=False, repr=False)
class Memorised(BriefRepr):
    """What a mask for permuted labels keeps and answers.

    Attributes:
        learned: the mask, and how it was learned.
        whole: score of the whole network on the permuted labels, which is what chance gives.
        seen: score of the masked network on them; beyond ``whole``, the mask has memorised them.
        unseen: its score on other examples with their own labels. Of what it has memorised nothing helps there, so over
            several draws this is chance, too, if nothing is left of the network's own function.
    """

    learned: LearnedMask
    whole: float
    seen: float
    unseen: float

    @property
    def kept(self) -> float:
        """Share of the masked weights that the mask keeps, in [0, 1]."""
        return self.learned.mask.remaining()[TOTAL] / self.learned.mask.size()[TOTAL]

    def _facts(self) -> dict[str, object]:
        return {"kept": self.kept, "whole": self.whole, "seen": self.seen, "unseen": self.unseen}


def share_right(module: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Share of the examples whose largest output is that of their class, in [0, 1].

    Args:
        module: whose outputs are (n, classes).
        inputs: (n, ...).
        targets: (n,) classes.

    >>> share_right(nn.Identity(), torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
    0.5
    """
    return float((answers(module, inputs.cpu().numpy()) == targets.cpu().numpy()).mean())


def learn_permuted_mask(
    model: object,
    inputs: np.ndarray | Tensor,
    targets: np.ndarray | Tensor,
    settings: MaskSettings,
    rng: np.random.Generator,
    score: Score = share_right,
    loss: Loss = cross_entropy,
    names: Sequence[str] | None = None,
) -> Memorised:
    """Learn a mask for labels that have been permuted: how much a mask by itself can memorise on this network.

    A random half of the examples exchange their labels among themselves, once, and a mask is learned for these; the
    other half are not shown. That a mask answers the examples it was learned on says something of the network only as
    far as no such mask does, or as it answers others as well.

    Args:
        model: the network, see ``learn_mask``; it is not changed.
        inputs: (n, ...), as the network takes them, n at least 2, no two alike: one with two labels is never right.
        targets: (n, ...), one label each, or whatever the loss takes.
        settings: how; those of the mask that it is set beside.
        rng: decides halves, permutation, batches and masks.
        score: what is measured of a network in evaluation mode, inputs and targets, such as a share of right answers.
        loss: see ``learn_mask``.
        names: see ``learn_mask``.

    Raises:
        InputError: if there are not as many targets as inputs, or fewer than two, a score is no finite number, or as
            ``learn_mask`` does.

    Source: none; the paper has no such control. Chapter: ``weight-masks``.

    With a hundred random hidden units there is a mask for nearly any twenty labels:

    >>> from modlib.networks import perceptron
    >>> rng = np.random.default_rng(0)
    >>> inputs, labels = rng.normal(size=(40, 20)), np.arange(40) % 2
    >>> network = perceptron((20, 100, 2), rng)
    >>> found = learn_permuted_mask(network, inputs, labels, MaskSettings(100, 32, learning_rate=0.1), rng)
    >>> found.whole < 0.7, found.seen > 0.9, found.unseen < 0.7
    (True, True, True)
    """
    module, rng = torch_module(model), generator(rng)
    score = function(score, "score", "pass one of a network, inputs and targets that returns a number")
    inputs, targets = (_tensor(values, name, module) for values, name in ((inputs, "inputs"), (targets, "targets")))
    if len(inputs) != len(targets) or len(inputs) < 2:
        raise InputError(
            f"{len(inputs)} inputs and {len(targets)} targets arrived; expected as many of both, two or more"
        )
    seen, unseen = np.array_split(rng.permutation(len(inputs)), 2)
    permuted, others = (inputs[seen], targets[rng.permutation(seen)]), (inputs[unseen], targets[unseen])
    learned = learn_mask(module, draw_from(*permuted), settings, rng, loss, names)
    masked = learned.mask.apply(module)

    def scored(network: nn.Module, examples: tuple[Tensor, Tensor]) -> float:
        with at_rest(network):
            return real(score(network, *examples), "the score of a network")

    return Memorised(learned, scored(module, permuted), scored(masked, permuted), scored(masked, others))


def _tensor(values: object, name: str, module: nn.Module) -> Tensor:
    """Numbers where the network is and in its precision; whole ones, such as classes or words, stay whole."""
    found = torch.as_tensor(array(values, name))
    if found.ndim == 0:
        raise InputError(f"{name} is one number; expected an array (n, ...) of n examples")
    return found.to(device_of(module), precision_of(module) if found.is_floating_point() else torch.long)
