"""Networks that carry out SCAN's commands: tokens, batches that teach half of the time, and exact answers.

Chapter: ``systematic-generalisation``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modlib.data.scan import ACTIONS, WORDS, Scan, interpret
from modlib.errors import InputError
from modlib.networks.modules import device_of
from modlib.networks.sequences import (
    OWN,
    PAD,
    EncoderDecoder,
    lstm_encoder_decoder,
    transformer_encoder_decoder,
)
from modlib.processor import device
from modlib.reprs import BriefRepr
from modlib.training.steps import Draw, Steps, train_steps, trained_once

NETWORKS = ("lstm", "lstm 200", "transformer")  # the number is the size of an embedding, 16 in the first
WIDTH = 10  # of a command: nine words and an end
LENGTH = 49  # of an answer: 48 actions and an end
CLIP = 5.0  # of the gradient, in the paper
TOGETHER = 256  # commands that are tested at once


@dataclass(frozen=True, eq=False, repr=False)
class Tokens(BriefRepr):
    """Commands and answers as tokens.

    Attributes:
        commands: (n, WIDTH), ended and padded.
        answers: (n, LENGTH), ended and padded.
    """

    commands: Tensor
    answers: Tensor


def tokens(known: Sequence[str]) -> Tokens:
    """Tokens of commands and of the actions that they stand for.

    Raises:
        InputError: if one is no command, or there is none.
    """
    if not known:
        raise InputError("no command arrived; expected some, such as modlib.data.load_scan('simple').train")
    commands = [[*map(WORDS.index, command.split()), len(WORDS)] for command in known]
    answers = [[*map(ACTIONS.index, interpret(command)), len(ACTIONS)] for command in known]
    return Tokens(_padded(commands, WIDTH), _padded(answers, LENGTH))


def untrained_seq2seq(network: str, rng: np.random.Generator) -> EncoderDecoder:
    """A network for SCAN at its start.

    Args:
        network: one of ``NETWORKS``.
        rng: decides the start.

    Raises:
        InputError: if there is no such network.

    Source: weight-masks C.6.1. Chapter: ``systematic-generalisation``.
    """
    match network:
        case "lstm":
            return lstm_encoder_decoder(len(WORDS), len(ACTIONS), WIDTH, rng)
        case "lstm 200":
            return lstm_encoder_decoder(len(WORDS), len(ACTIONS), WIDTH, rng, embedding=200)
        case "transformer":
            return transformer_encoder_decoder(len(WORDS), len(ACTIONS), WIDTH, rng)
    raise InputError(f"network = {network!r} arrived; expected one of {', '.join(NETWORKS)}")


def draw_commands(known: Tokens, taught: float) -> Draw:
    """Batches of commands, the longest answer first, so that parts of a batch hold answers of like length.

    Args:
        known: what to draw from.
        taught: probability that a batch shows the right answers; otherwise the network goes on with its own.

    Source: weight-masks C.6.1. Chapter: ``systematic-generalisation``.
    """
    lengths = (known.answers != PAD).sum(1)
    unshown = known.answers.where(known.answers == PAD, torch.tensor(OWN))

    def draw(rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor]:
        chosen = torch.as_tensor(rng.integers(len(lengths), size=n))
        chosen = chosen[lengths[chosen].argsort(descending=True, stable=True)]
        shown = known.answers if rng.random() < taught else unshown
        return torch.cat([known.commands[chosen], shown[chosen]], 1), known.answers[chosen]

    return draw


def taught_for(network: str) -> float:
    """Probability that a batch teaches: 1/2 for an LSTM, 1 for a Transformer, which is faster so.

    Source: weight-masks C.6.1. Chapter: ``systematic-generalisation``.
    """
    return 1.0 if network == "transformer" else 0.5


def token_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Cross-entropy summed over the tokens of an answer, a mean over answers.

    Args:
        outputs: (n, steps, tokens), of as many steps as the longest answer has.
        answers: (n, LENGTH), padded.

    Source: the authors' code. Chapter: ``systematic-generalisation``.
    """
    answers = answers[:, : outputs.shape[1]]
    return cross_entropy(outputs.flatten(0, 1), answers.flatten(), ignore_index=PAD, reduction="sum") / len(answers)


def exactly_right(module: nn.Module, known: Tokens) -> float:
    """Share of the commands that a network answers without a mistake, in [0, 1].

    A network that goes on with its own tokens is right everywhere if, and only if, it is right everywhere when it is
    shown the right ones: up to its first mistake the two are the same. So one pass a batch is enough.

    Source: weight-masks 4 and C.6.1. Chapter: ``systematic-generalisation``.
    """
    order = (known.answers != PAD).sum(1).argsort(descending=True)
    right = 0
    with torch.no_grad():
        for part in order.split(TOGETHER):
            answers = known.answers[part]
            shown = torch.cat([known.commands[part], answers], 1)
            said = module(shown.to(device_of(module))).argmax(-1).cpu()
            answers = answers[:, : said.shape[1]]
            right += int(((said == answers) | (answers == PAD)).all(1).sum())
    return right / len(order)


def trained_on_scan(network: str, data: Scan, settings: Steps, seed: int, path: Path) -> nn.Module:
    """A trained network, from a file if it is there; else it is trained and written. On a GPU if there is one.

    Args:
        network: one of ``NETWORKS``.
        data: of which it is trained on ``train``.
        settings: how.
        seed: decides the start, batches and dropout.
        path: the file, ``.npz``.

    Raises:
        DataError: if the file is damaged, holds another network, or cannot be written.

    Source: weight-masks C.6.1. Chapter: ``systematic-generalisation``.
    """
    draw = draw_commands(tokens(data.train), taught_for(network))
    rng = np.random.default_rng([seed, 1])
    about = {"network": network, "data": data.checksum, "settings": asdict(settings), "seed": seed}
    return trained_once(
        untrained_seq2seq(network, np.random.default_rng([seed, 0])).to(device()),
        lambda module: train_steps(module, draw, settings, rng, token_loss),
        path,
        about,
    )


def _padded(sequences: Sequence[Sequence[int]], width: int) -> Tensor:
    lines = [[*sequence, *[PAD] * (width - len(sequence))] for sequence in sequences]
    return torch.tensor(lines)
