"""Networks that answer questions of the Mathematics data set, letter by letter.

Chapter: ``systematic-generalisation``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from modlib.checks import choice, items
from modlib.data.mathematics import LEVELS, Pair, Questions
from modlib.errors import InputError
from modlib.networks.sequences import PAD, EncoderDecoder, transformer_encoder_decoder
from modlib.training.steps import Steps
from modlib.zoo.answers import Tokens, trained_to_answer

LETTERS = "".join(map(chr, range(32, 127)))  # the printable ones of ASCII
WIDTH = 161  # of a question: 160 letters and an end, the most that the data set has
LENGTH = 31  # of an answer: 30 letters and an end
CLIP = 1.0  # of the gradient, in the paper
SIZES = {  # of an embedding, of a layer between two of attention, and number of layers
    "transformer 64": (64, 128, 2),
    "transformer 256": (256, 512, 3),  # the paper's
}


def letters(known: Sequence[Pair]) -> Tokens:
    """Tokens of questions and of their answers: a letter is one.

    Raises:
        InputError: if there is none, one is too long, or has a letter that is not printable ASCII.

    Source: weight-masks C.6.2. Chapter: ``systematic-generalisation``.

    >>> made = letters([("2 + 2", "4")])
    >>> made.answers[0, :3].tolist(), "".join(LETTERS[token] for token in made.sources[0, :5])
    ([20, 95, -1], '2 + 2')
    """
    known = items(known, "known", least=0)
    if not known:
        raise InputError("no question arrived; expected some, such as modlib.data.small_questions(rng).train['easy']")
    for pair in known:
        if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
            raise InputError(f"{pair!r} arrived; expected a question and its answer, two texts")
    questions, answers = zip(*known, strict=True)
    return Tokens(_spelt(questions, WIDTH), _spelt(answers, LENGTH))


def of_levels(parts: Mapping[str, tuple[Pair, ...]], levels: Sequence[str] = LEVELS) -> list[Pair]:
    """Pairs of some levels, one level after the other.

    Raises:
        InputError: if there is no such level.
    """
    levels = [choice(level, parts, "a level") for level in items(levels, "levels")]
    return list(chain.from_iterable(parts[level] for level in levels))


def untrained_for_questions(network: str, rng: np.random.Generator) -> EncoderDecoder:
    """A Transformer for questions at its start: one embedding for questions, answers and outputs.

    Args:
        network: one of ``SIZES``.
        rng: decides the start.

    Raises:
        InputError: if there is no such network.

    Source: weight-masks C.6.2. Chapter: ``systematic-generalisation``.
    """
    size, hidden, layers = SIZES[choice(network, SIZES, "network")]
    return transformer_encoder_decoder(
        len(LETTERS), len(LETTERS), WIDTH, rng, embedding=size, hidden=hidden, layers=layers, tied=True
    )


def trained_on_questions(network: str, data: Questions, settings: Steps, seed: int, path: Path) -> nn.Module:
    """A trained network, from a file if it is there; else it is trained and written. On a GPU if there is one.

    Args:
        network: one of ``SIZES``.
        data: of which it is trained on all levels of ``train``.
        settings: how.
        seed: decides the start, batches and dropout.
        path: the file, ``.npz``.

    Raises:
        DataError: if the file is damaged, holds another network, or cannot be written.

    Source: weight-masks C.6.2. Chapter: ``systematic-generalisation``.
    """
    about = {"network": network, "data": data.checksum}
    return trained_to_answer(
        partial(untrained_for_questions, network),
        lambda: letters(of_levels(data.train)),
        1.0,
        settings,
        seed,
        path,
        about,
    )


def _spelt(texts: Sequence[str], width: int) -> Tensor:
    """Tokens (n, width) of texts, ended and padded; two bytes each, as there may be a million texts."""
    tokens = np.full((len(texts), width), PAD, dtype=np.int16)
    for line, text in zip(tokens, texts, strict=True):
        if not text.isascii() or not text.isprintable() or len(text) >= width:
            raise InputError(f"{text!r} arrived; expected at most {width - 1} letters of printable ASCII")
        line[: len(text)] = np.frombuffer(text.encode(), dtype=np.uint8) - ord(LETTERS[0])
        line[len(text)] = len(LETTERS)
    return torch.as_tensor(tokens)
