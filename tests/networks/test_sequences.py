"""Sequence networks: free running and teaching agree where they must, and padding changes nothing."""

import numpy as np
import pytest
import torch
from torch import Tensor

from modlib.errors import InputError
from modlib.masks.mask import Mask, fingerprint, parameter_names
from modlib.networks.sequences import (
    OWN,
    PAD,
    EncoderDecoder,
    greedy,
    lstm_encoder_decoder,
    positions,
    transformer_encoder_decoder,
)
from modlib.training.steps import Steps, train_steps

SOURCES, TARGETS, WIDTH, LENGTH = 5, 3, 6, 8
MAKE = {
    "LSTM": lambda: lstm_encoder_decoder(SOURCES, TARGETS, WIDTH, np.random.default_rng(0), 8, 12, 2),
    "Transformer": lambda: transformer_encoder_decoder(SOURCES, TARGETS, WIDTH, np.random.default_rng(0), 8, 12, 2, 1),
}


def padded(lines: list[list[int]], width: int) -> Tensor:
    return torch.tensor([[*line, *[PAD] * (width - len(line))] for line in lines])


def batch(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Sources and answers of any lengths, ended and padded."""
    rng = np.random.default_rng(seed)
    sources = [[*rng.integers(SOURCES, size=rng.integers(1, WIDTH)).tolist(), SOURCES] for _ in range(n)]
    answers = [[*rng.integers(TARGETS, size=rng.integers(1, LENGTH)).tolist(), TARGETS] for _ in range(n)]
    return padded(sources, WIDTH), padded(answers, LENGTH)


@pytest.fixture(params=MAKE)
def module(request) -> EncoderDecoder:
    return MAKE[request.param]().eval()


@torch.no_grad()
def test_a_batch_gives_what_its_sequences_give_alone(module: EncoderDecoder):
    pairs = torch.cat(batch(70), 1)  # more than a Transformer computes at once
    together = module(pairs)
    for i in range(0, 70, 9):
        alone = module(pairs[i : i + 1])
        torch.testing.assert_close(together[i : i + 1, : alone.shape[1]], alone, rtol=1e-4, atol=1e-5)
        assert not together[i, alone.shape[1] :].any()


@torch.no_grad()
def test_the_answer_after_a_step_is_not_seen_before_it(module: EncoderDecoder):
    sources, answers = batch(20)
    other = torch.where(answers == 0, 1, answers)
    one, two = module(torch.cat([sources, answers], 1)), module(torch.cat([sources, other], 1))
    for i in range(20):
        differ = (answers[i] != other[i]).nonzero()
        first = int(differ[0]) if len(differ) else LENGTH
        torch.testing.assert_close(one[i, : first + 1], two[i, : first + 1], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_running_freely_is_being_told_its_own_answers(module: EncoderDecoder):
    sources, answers = batch(30)
    free = module(torch.cat([sources, answers.where(answers == PAD, torch.tensor(OWN))], 1))
    own = free.argmax(-1).where(answers[:, : free.shape[1]] != PAD, torch.tensor(PAD))
    told = module(torch.cat([sources, own], 1))
    torch.testing.assert_close(free, told, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_greedy_answers_end_where_the_network_says_so(module: EncoderDecoder):
    sources, _ = batch(30)
    answers = greedy(module, sources, LENGTH)
    assert answers.shape == (30, LENGTH)
    for answer in answers.tolist():
        assert PAD not in answer[: answer.index(TARGETS)] if TARGETS in answer else PAD not in answer
        assert set(answer[answer.index(TARGETS) + 1 :]) <= {PAD} if TARGETS in answer else True
    again = module(torch.cat([sources, answers], 1)).argmax(-1)
    shown = answers[:, : again.shape[1]]
    assert torch.equal(again.where(shown != PAD, torch.tensor(PAD)), shown)


def test_a_network_that_has_learned_its_answers_gives_them_freely(module: EncoderDecoder):
    sources = padded([[i % SOURCES, (2 * i) % SOURCES, SOURCES] for i in range(4)], WIDTH)
    answers = padded([[i % TARGETS] * (i + 1) + [TARGETS] for i in range(4)], LENGTH)
    pairs = torch.cat([sources, answers], 1)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(outputs.flatten(0, 1), targets[:, :5].flatten(), ignore_index=PAD)

    train_steps(module, lambda _rng, _n: (pairs, answers), Steps(300, 4, 1e-2), np.random.default_rng(0), loss)
    assert torch.equal(greedy(module, sources, LENGTH), answers)


@torch.no_grad()
def test_a_masked_network_is_one_with_zeros_for_weights_bit_by_bit(module: EncoderDecoder):
    names = parameter_names(module, unmasked=["*embedding*", "*bias*"])
    rng = np.random.default_rng(0)
    keep = {n: rng.random(p.shape) < 0.6 for n, p in module.named_parameters() if n in names}
    pairs = torch.cat(batch(20), 1)
    masked = Mask(keep, fingerprint(module)).apply(module)(pairs)
    whole = module(pairs)
    zeroed = {n: p.where(torch.as_tensor(keep[n]), 0.0) if n in keep else p for n, p in module.named_parameters()}
    assert torch.equal(torch.func.functional_call(module, zeroed, (pairs,)), masked)
    for name, parameter in module.named_parameters():
        parameter.copy_(zeroed[name])
    assert torch.equal(module(pairs), masked)
    assert not torch.equal(masked, whole)


@torch.no_grad()
def test_tied_outputs_are_products_with_the_one_embedding():
    module = transformer_encoder_decoder(4, 4, WIDTH, np.random.default_rng(0), 8, 12, 2, 1, tied=True).eval()
    assert module.source_embedding is module.target_embedding
    states = []
    module.decoder.register_forward_hook(lambda _module, _inputs, output: states.append(output))
    outputs = module(torch.tensor([[0, 1, 4, PAD, PAD, PAD, 2, 3, 4]]))
    for step in range(3):
        for token in range(5):
            by_hand = states[0][0, step] @ module.source_embedding.weight[token] / 8**0.5
            assert float(outputs[0, step, token]) == pytest.approx(float(by_hand), abs=1e-5)
    module.source_embedding.weight.zero_()
    assert not module(torch.tensor([[0, 1, 4, PAD, PAD, PAD, 2, 3, 4]])).any()


def test_positions_are_those_of_the_definition():
    for place, line in enumerate(positions(7, 6).tolist()):
        for i in range(3):
            angle = place / 10_000 ** (2 * i / 6)
            assert line[2 * i : 2 * i + 2] == pytest.approx([np.sin(angle), np.cos(angle)], abs=1e-6)


def test_the_start_is_that_of_the_generator_and_every_weight_has_one():
    for make in MAKE.values():
        one, two = make(), make()
        assert fingerprint(one) == fingerprint(two)
        for name, parameter in one.named_parameters():
            assert torch.isfinite(parameter).all()
            if parameter.ndim > 1:
                assert 0.01 < float(parameter.detach().std()) < 1.5, name


def test_sizes_that_cannot_be_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="at least 1"):
        lstm_encoder_decoder(0, 3, 6, rng)
    with pytest.raises(InputError, match="even multiple of the 4 heads"):
        transformer_encoder_decoder(5, 3, 6, rng, embedding=10)
    with pytest.raises(InputError, match="sources = 5 and targets = 3 arrived; expected one number"):
        transformer_encoder_decoder(5, 3, 6, rng, tied=True)
