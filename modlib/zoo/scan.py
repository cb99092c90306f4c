"""Networks that carry out SCAN's commands.

Chapter: ``systematic-generalisation``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from modlib.checks import items
from modlib.data.scan import ACTIONS, WORDS, Scan, interpret
from modlib.errors import InputError
from modlib.networks.sequences import (
    PAD,
    EncoderDecoder,
    lstm_encoder_decoder,
    transformer_encoder_decoder,
)
from modlib.training.steps import Steps
from modlib.zoo.answers import Tokens, trained_to_answer

NETWORKS = ("lstm", "lstm 200", "transformer")  # the number is the size of an embedding, 16 in the first
WIDTH = 10  # of a command: nine words and an end
LENGTH = 49  # of an answer: 48 actions and an end
CLIP = 5.0  # of the gradient, in the paper


def tokens(known: Sequence[str]) -> Tokens:
    """Tokens of commands and of the actions that they stand for.

    Raises:
        InputError: if one is no command, or there is none.
    """
    known = items(known, "known", least=0)
    if not known:
        raise InputError("no command arrived; expected some, such as modlib.data.load_scan('simple').train")
    answers = [[*map(ACTIONS.index, interpret(command)), len(ACTIONS)] for command in known]  # refuses what is none
    commands = [[*map(WORDS.index, command.split()), len(WORDS)] for command in known]
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


def taught_for(network: str) -> float:
    """Probability that a batch teaches: 1/2 for an LSTM, 1 for a Transformer, which is faster so.

    Source: weight-masks C.6.1. Chapter: ``systematic-generalisation``.
    """
    return 1.0 if network == "transformer" else 0.5


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
    about = {"network": network, "data": data.checksum}
    return trained_to_answer(
        partial(untrained_seq2seq, network),
        lambda: tokens(data.train),
        taught_for(network),
        settings,
        seed,
        path,
        about,
    )


def _padded(sequences: Sequence[Sequence[int]], width: int) -> Tensor:
    lines = [[*sequence, *[PAD] * (width - len(sequence))] for sequence in sequences]
    return torch.tensor(lines)
