"""Networks that answer one sequence with another: an LSTM encoder-decoder and a Transformer.

Both take a batch as one tensor (n, width + length): tokens of a source, then what the decoder is shown. What it is
shown after a step is the right answer there, or ``OWN``, and then it goes on with its own. So a batch can teach, or let
the network run freely. ``PAD`` ends both. Chapter: ``systematic-generalisation``.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from modlib.checks import array, arrived, flag, instance, real, whole
from modlib.errors import InputError
from modlib.networks.architectures import start_as_torch

PAD, OWN = -1, -2  # in place of a token: none, and the network's own answer
TOGETHER = 64  # sequences that a Transformer computes at once, all as long as the longest


class EncoderDecoder(nn.Module):
    """What both networks have in common: vocabularies, the width of a source, and outputs at every step.

    The token after the last one of either vocabulary ends a source, and starts and ends an answer.

    Args:
        sources: size of the vocabulary of sources.
        targets: the same of answers.
        width: columns of a source.
        embedding: size of an embedding.
        tied: whether sources and answers have one vocabulary, and so one embedding.
    """

    def __init__(self, sources: int, targets: int, width: int, embedding: int, tied: bool = False) -> None:
        super().__init__()
        self.width, self.start = width, targets
        self.source_embedding = nn.Embedding(sources + 1, embedding)
        self.target_embedding = self.source_embedding if tied else nn.Embedding(targets + 1, embedding)

    def parts(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Sources and what the decoder is shown, without columns that are empty in all of the batch."""
        sources, shown = pairs[:, : self.width], pairs[:, self.width :]
        return sources[:, : int((sources != PAD).sum(1).max())], shown[:, : int((shown != PAD).sum(1).max())]

    def before(self, shown: Tensor) -> Tensor:
        """What the decoder is told before every step: the start, then what it is shown after the step before."""
        return pad(shown[:, :-1], (1, 0), value=self.start)


class LSTMEncoderDecoder(EncoderDecoder):
    """Two LSTMs: the decoder begins with the state in which the encoder has ended.

    Source: weight-masks 4 and C.6.1; Lake and Baroni 2018. Chapter: ``systematic-generalisation``.
    """

    def __init__(
        self, sources: int, targets: int, width: int, embedding: int, hidden: int, layers: int, dropout: float
    ) -> None:
        super().__init__(sources, targets, width, embedding)
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.LSTM(embedding, hidden, layers, dropout=dropout, batch_first=True)
        self.decoder = nn.LSTM(embedding, hidden, layers, dropout=dropout, batch_first=True)
        self.output = nn.Linear(hidden, targets + 1)

    def forward(self, pairs: Tensor) -> Tensor:
        """Outputs (n, steps, targets + 1), zero after the end of an answer; steps are those of the longest."""
        sources, shown = self.parts(pairs)
        embedded = self.dropout(self.source_embedding(sources.clamp(min=0)))
        _, state = self.encoder(_packed(embedded, sources))
        if (shown == OWN).any():
            return self._freely(shown, state)
        embedded = self.dropout(self.target_embedding(self.before(shown).clamp(min=0)))
        states, _ = pad_packed_sequence(self.decoder(_packed(embedded, shown), state)[0], batch_first=True)
        return self.output(states) * (shown != PAD)[..., None]

    def _freely(self, shown: Tensor, state: tuple[Tensor, Tensor]) -> Tensor:
        """Step by step; whatever has ended takes no more time."""
        order = (shown != PAD).sum(1).argsort(descending=True)
        hidden, cell = (part[:, order] for part in state)
        shown, answers = shown[order], []
        told = torch.full_like(shown[:, 0], self.start)
        for step in range(shown.shape[1]):
            going = int((shown[:, step] != PAD).sum())
            embedded = self.dropout(self.target_embedding(told[:going, None]))
            state = (hidden[:, :going].contiguous(), cell[:, :going].contiguous())
            states, (hidden, cell) = self.decoder(embedded, state)
            output = self.output(states[:, 0])
            answers.append(pad(output, (0, 0, 0, len(shown) - going)))
            told = torch.where(shown[:going, step] == OWN, output.argmax(-1), shown[:going, step])
        return torch.stack(answers, 1)[order.argsort()]


class TiedOutput(nn.Module):
    """Outputs of an embedding read backwards: of states h, h E^T / sqrt(d), where a token's line of E has d numbers.

    Source: the authors' code. Chapter: ``systematic-generalisation``.
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, states: Tensor) -> Tensor:
        """Outputs (..., tokens) of states (..., d)."""
        return linear(states, self.embedding.weight) / math.sqrt(self.embedding.embedding_dim)


class TransformerEncoderDecoder(EncoderDecoder):
    """PyTorch's Transformer, with sines and cosines of the position added to the embeddings.

    Source: weight-masks 4 and C.6.1. Chapter: ``systematic-generalisation``.
    """

    def __init__(
        self,
        sources: int,
        targets: int,
        width: int,
        embedding: int,
        hidden: int,
        heads: int,
        layers: int,
        dropout: float,
        tied: bool = False,
    ) -> None:
        super().__init__(sources, targets, width, embedding, tied)
        self.dropout = nn.Dropout(dropout)
        encoder = nn.TransformerEncoderLayer(embedding, heads, hidden, dropout, batch_first=True)
        decoder = nn.TransformerDecoderLayer(embedding, heads, hidden, dropout, batch_first=True)
        # nested tensors would change the order of sums at inference, and so the last digits
        self.encoder = nn.TransformerEncoder(encoder, layers, nn.LayerNorm(embedding), enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(decoder, layers, nn.LayerNorm(embedding))
        self.output = TiedOutput(self.source_embedding) if tied else nn.Linear(embedding, targets + 1)

    def forward(self, pairs: Tensor) -> Tensor:
        """Outputs (n, steps, targets + 1), zero after the end of an answer; steps are those of the longest."""
        outputs = [self._part(*self.parts(part)) for part in pairs.split(TOGETHER)]
        longest = max(output.shape[1] for output in outputs)
        return torch.cat([pad(output, (0, 0, 0, longest - output.shape[1])) for output in outputs])

    def _part(self, sources: Tensor, shown: Tensor) -> Tensor:
        if not (shown == OWN).any():
            return self._told(sources, self.before(shown)) * (shown != PAD)[..., None]
        told = torch.full_like(shown[:, :1], self.start)
        for step in range(shown.shape[1]):
            output = self._told(sources, told)
            own = output[:, -1].argmax(-1)
            told = torch.cat([told, torch.where(shown[:, step] == OWN, own, shown[:, step])[:, None]], 1)
        return output * (shown != PAD)[..., None]

    def _told(self, sources: Tensor, told: Tensor) -> Tensor:
        later = torch.triu(torch.ones(told.shape[1], told.shape[1], dtype=torch.bool, device=told.device), 1)
        read = self.encoder(self._placed(self.source_embedding(sources.clamp(min=0))), None, sources == PAD)
        states = self.decoder(
            self._placed(self.target_embedding(told.clamp(min=0))), read, later, memory_key_padding_mask=sources == PAD
        )
        return self.output(states)

    def _placed(self, embedded: Tensor) -> Tensor:
        return self.dropout(embedded + positions(*embedded.shape[1:]).to(embedded))


def lstm_encoder_decoder(
    sources: int,
    targets: int,
    width: int,
    rng: np.random.Generator,
    embedding: int = 16,
    hidden: int = 200,
    layers: int = 2,
    dropout: float = 0.5,
) -> LSTMEncoderDecoder:
    """An untrained ``LSTMEncoderDecoder``; defaults are those of the paper and its code.

    Args:
        sources: size of the vocabulary of sources.
        targets: the same of answers.
        width: columns of a source, its end included.
        rng: decides the start.
        embedding: size of an embedding.
        hidden: units of a layer.
        layers: of the encoder, and of the decoder.
        dropout: share of embeddings, and of units between layers, that is dropped in training.

    Raises:
        InputError: if a number is below 1.

    Source: weight-masks 4 and C.6.1, and the authors' code. Chapter: ``systematic-generalisation``.

    Five words and their end, no answer known yet: the network goes on with its own for three steps.

    >>> network = lstm_encoder_decoder(sources=13, targets=6, width=6, rng=np.random.default_rng(0))
    >>> network(torch.tensor([[0, 4, 5, 9, 1, 13, OWN, OWN, OWN]])).shape
    torch.Size([1, 3, 7])
    """
    sources, targets, width, embedding = _sizes(sources, targets, width, embedding)
    hidden, layers, dropout = _depth(hidden, layers, dropout)
    with torch.device("meta"):
        module = LSTMEncoderDecoder(sources, targets, width, embedding, hidden, layers, dropout)
    return start_as_torch(module, rng)


def transformer_encoder_decoder(
    sources: int,
    targets: int,
    width: int,
    rng: np.random.Generator,
    embedding: int = 100,
    hidden: int = 200,
    heads: int = 4,
    layers: int = 3,
    dropout: float = 0.1,
    tied: bool = False,
) -> TransformerEncoderDecoder:
    """An untrained ``TransformerEncoderDecoder``; defaults are those of the paper and its code.

    Args:
        sources: size of the vocabulary of sources.
        targets: the same of answers.
        width: columns of a source, its end included.
        rng: decides the start.
        embedding: size of an embedding, an even number.
        hidden: units of a layer between two of attention.
        heads: of attention; they divide the embedding.
        layers: of the encoder, and of the decoder.
        dropout: share of units that is dropped in training.
        tied: whether sources, answers and outputs share one embedding.

    Raises:
        InputError: if a number is below 1, the embedding is odd or no multiple of the heads, or it is to be shared by
            vocabularies of two sizes.

    Source: weight-masks C.6.1, and the authors' code. Chapter: ``systematic-generalisation``.

    >>> network = transformer_encoder_decoder(sources=13, targets=6, width=6, rng=np.random.default_rng(0))
    >>> network(torch.tensor([[0, 4, 5, 9, 1, 13, OWN, OWN, OWN]])).shape
    torch.Size([1, 3, 7])
    """
    sources, targets, width, embedding = _sizes(sources, targets, width, embedding)
    hidden, layers, dropout = _depth(hidden, layers, dropout)
    heads = whole(heads, "heads")
    if embedding % heads or embedding % 2:
        raise InputError(f"an embedding of {embedding} arrived; expected an even multiple of the {heads} heads")
    if flag(tied, "tied") and sources != targets:
        raise InputError(f"sources = {sources} and targets = {targets} arrived; expected one number, as they are tied")
    with torch.device("meta"):
        module = TransformerEncoderDecoder(sources, targets, width, embedding, hidden, heads, layers, dropout, tied)
    return start_as_torch(module, rng)


def positions(length: int, size: int) -> Tensor:
    """Sines and cosines (length, size) that tell positions apart: of p / 10000^(2 i / size), in turns.

    Source: Vaswani et al. 2017, 3.5. Chapter: ``systematic-generalisation``.
    """
    angles = torch.arange(length)[:, None] * torch.exp(torch.arange(0, size, 2) * (-math.log(10_000) / size))
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def greedy(module: EncoderDecoder, sources: Tensor, steps: int) -> Tensor:
    """Answers of a network that goes on with its own most likely token, until the end or for a number of steps.

    Args:
        module: the network.
        sources: (n, width) tokens, padded with ``PAD``.
        steps: most tokens of an answer, its end included.

    Returns:
        (n, steps) tokens: the end of an answer is its last one, ``PAD`` follows.

    Raises:
        InputError: if the sources are no such tokens.

    Source: weight-masks C.6.1. Chapter: ``systematic-generalisation``.

    A network whose output prefers the end, token 3, answers nothing else:

    >>> network = lstm_encoder_decoder(sources=5, targets=3, width=3, rng=np.random.default_rng(0)).eval()
    >>> network.output.bias.data = torch.tensor([0.0, 0.0, 0.0, 100.0])
    >>> greedy(network, torch.tensor([[0, 4, 5]]), steps=4).tolist()
    [[3, -1, -1, -1]]
    """
    module = instance(
        module, EncoderDecoder, "module", "make it by lstm_encoder_decoder or transformer_encoder_decoder"
    )
    sources, steps = _tokens(sources, module), whole(steps, "steps")
    with torch.no_grad():
        free = sources.new_full((len(sources), steps), OWN)
        answers = module(torch.cat([sources, free], 1)).argmax(-1)
    ended = ((answers == module.start).cumsum(1) - (answers == module.start).long()) > 0
    return answers.masked_fill(ended, PAD)


def _tokens(sources: Tensor, module: EncoderDecoder) -> Tensor:
    """Sources, if each has a token, and ``PAD`` only after its last one."""
    last = module.source_embedding.num_embeddings - 1
    found = array(sources, "sources", ("n", module.width), least=PAD, most=last)
    begun = found[:, 0] != PAD
    if found.dtype.kind != "i" or not begun.all() or (np.diff((found == PAD).astype(int), axis=1) < 0).any():
        raise InputError(
            f"sources = {arrived(found)} arrived; expected whole numbers, some in every row, and {PAD} only after them"
        )
    return torch.as_tensor(found)


def _packed(embedded: Tensor, tokens: Tensor) -> nn.utils.rnn.PackedSequence:
    return pack_padded_sequence(embedded, (tokens != PAD).sum(1).cpu(), batch_first=True, enforce_sorted=False)


def _depth(hidden: int, layers: int, dropout: float) -> tuple[int, int, float]:
    return whole(hidden, "hidden"), whole(layers, "layers"), real(dropout, "dropout", least=0, most=1)


def _sizes(sources: int, targets: int, width: int, embedding: int) -> tuple[int, int, int, int]:
    return whole(sources, "sources"), whole(targets, "targets"), whole(width, "width"), whole(embedding, "embedding")
