"""Networks that answer one sequence with another: tokens, batches that teach, and exact answers.

Chapter: ``systematic-generalisation``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modlib.errors import InputError
from modlib.networks.modules import at_rest, device_of
from modlib.networks.sequences import OWN, PAD, EncoderDecoder
from modlib.processor import device
from modlib.reprs import BriefRepr
from modlib.training.steps import Draw, Steps, train_steps, trained_once

TOGETHER = 256  # sequences that are tested at once


@dataclass(frozen=True, eq=False, repr=False)
class Tokens(BriefRepr):
    """Sequences and their answers as tokens.

    Attributes:
        sources: (n, width) whole numbers, ended and padded.
        answers: (n, length), the same.
    """

    sources: Tensor
    answers: Tensor


def draw_sequences(known: Tokens, taught: float) -> Draw:
    """Batches of sequences, the longest answer first, so that parts of a batch hold answers of like length.

    Args:
        known: what to draw from.
        taught: probability that a batch shows the right answers; otherwise the network goes on with its own.

    Source: weight-masks C.6.1. Chapter: ``systematic-generalisation``.
    """
    lengths = (known.answers != PAD).sum(1)
    unshown = known.answers.where(known.answers == PAD, torch.tensor(OWN, dtype=known.answers.dtype))

    def draw(rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor]:
        chosen = torch.as_tensor(rng.integers(len(lengths), size=n))
        chosen = chosen[lengths[chosen].argsort(descending=True, stable=True)]
        shown = known.answers if rng.random() < taught else unshown
        return torch.cat([known.sources[chosen], shown[chosen]], 1).long(), known.answers[chosen].long()

    return draw


def token_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Cross-entropy summed over the tokens of an answer, a mean over answers.

    Args:
        outputs: (n, steps, tokens), of as many steps as the longest answer has.
        answers: (n, length), padded.

    Source: the authors' code. Chapter: ``systematic-generalisation``.
    """
    answers = answers[:, : outputs.shape[1]]
    return cross_entropy(outputs.flatten(0, 1), answers.flatten(), ignore_index=PAD, reduction="sum") / len(answers)


def exactly_right(module: nn.Module, known: Tokens) -> float:
    """Share of the sequences that a network answers without a mistake, in [0, 1].

    A network that goes on with its own tokens is right everywhere if, and only if, it is right everywhere when it is
    shown the right ones: up to its first mistake the two are the same. So one pass a batch is enough.

    Raises:
        InputError: if there is none, or the network reads sources of another width.

    Source: weight-masks 4 and C.6.1. Chapter: ``systematic-generalisation``.
    """
    if not len(known.answers):
        raise InputError("no sequence arrived; expected some to be answered")
    order = (known.answers != PAD).sum(1).argsort(descending=True)
    right = 0
    with at_rest(module), torch.no_grad():
        for part in order.split(TOGETHER):
            answers = known.answers[part].long()
            shown = torch.cat([known.sources[part].long(), answers], 1)
            said = module(shown.to(device_of(module))).argmax(-1).cpu()
            steps = int((answers != PAD).sum(1).max())
            if said.shape[1] != steps:
                raise InputError(
                    f"outputs of {said.shape[1]} steps arrived for answers of {steps}; expected a network whose "
                    "sources are as wide as these"
                )
            answers = answers[:, :steps]
            right += int(((said == answers) | (answers == PAD)).all(1).sum())
    return right / len(order)


def trained_to_answer(
    untrained: Callable[[np.random.Generator], EncoderDecoder],
    known: Callable[[], Tokens],
    taught: float,
    settings: Steps,
    seed: int,
    path: Path,
    about: Mapping[str, object],
) -> nn.Module:
    """A trained network, from a file if it is there; else it is trained and written. On a GPU if there is one.

    Args:
        untrained: the network at its start, of a generator.
        known: what it is trained on, made only if it is trained.
        taught: see ``draw_sequences``.
        settings: how.
        seed: decides the start, batches and dropout.
        path: the file, ``.npz``.
        about: the network and the data, which the file must be of. They must decide ``taught``, which is not stored
            beside them, as the files of earlier versions lack it; where they do not, add it.

    Raises:
        DataError: if the file is damaged, holds another network, or cannot be written.

    Source: weight-masks C.6. Chapter: ``systematic-generalisation``.
    """
    rng = np.random.default_rng([seed, 1])
    return trained_once(
        untrained(np.random.default_rng([seed, 0])).to(device()),
        lambda module: train_steps(module, draw_sequences(known(), taught), settings, rng, token_loss),
        path,
        {**about, "settings": asdict(settings), "seed": seed},
    )
