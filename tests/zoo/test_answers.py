"""Batches that teach, losses and accuracy of sequences that answer sequences, on SCAN's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modlib.data.scan import ACTIONS, small_scan
from modlib.errors import InputError
from modlib.networks.sequences import OWN, PAD
from modlib.zoo.answers import draw_sequences, exactly_right, token_loss
from modlib.zoo.mathematics import untrained_for_questions
from modlib.zoo.scan import WIDTH, tokens, untrained_seq2seq


def test_half_of_the_batches_teach_and_all_begin_with_the_longest():
    draw, rng = (
        draw_sequences(tokens(small_scan("simple", np.random.default_rng(0)).train), 0.5),
        np.random.default_rng(0),
    )
    taught = 0
    for _ in range(400):
        pairs, answers = draw(rng, 8)
        shown = pairs[:, WIDTH:]
        free = bool((shown == OWN).any())
        taught += not free
        assert torch.equal(shown == PAD, answers == PAD)
        assert torch.equal(shown, answers) is not free
        lengths = (answers != PAD).sum(1)
        assert (lengths.diff() <= 0).all()
    assert 160 < taught < 240


class Parrot(nn.Module):
    """Says what it is shown at the same step, but is wrong in the answers of some length."""

    def __init__(self, wrong: int) -> None:
        super().__init__()
        self.wrong = wrong

    def forward(self, pairs: Tensor) -> Tensor:
        shown = pairs[:, WIDTH:]
        steps = (shown != PAD).sum(1)
        said = nn.functional.one_hot(shown.clamp(min=0), len(ACTIONS) + 1).float()
        said[steps == self.wrong, 0] = said[steps == self.wrong, 0].roll(1, -1)
        return said[:, : int(steps.max())]


def test_one_mistake_makes_an_answer_wrong():
    known = ["jump", "walk", "walk twice", "turn left"]
    assert exactly_right(Parrot(0), tokens(known)) == 1
    assert exactly_right(Parrot(2), tokens(known)) == 1 / 4  # answers of one action and the end
    assert exactly_right(Parrot(3), tokens(known)) == 3 / 4


def test_the_loss_is_a_sum_over_tokens_and_a_mean_over_answers():
    answers = tokens(["jump", "walk twice"]).answers
    outputs = torch.randn(2, 3, len(ACTIONS) + 1)
    by_hand = [
        -outputs[i, step].log_softmax(-1)[token]
        for i, line in enumerate(answers.tolist())
        for step, token in enumerate(line)
        if token != PAD
    ]
    assert len(by_hand) == 2 + 3
    torch.testing.assert_close(token_loss(outputs, answers), torch.stack(by_hand).sum() / 2)


def test_accuracy_is_that_at_inference_and_tokens_of_other_networks_are_refused():
    module, known = untrained_seq2seq("lstm", np.random.default_rng(0)), tokens(["jump", "walk twice"])
    module.train()
    assert len({exactly_right(module, known) for _ in range(5)}) == 1
    assert module.training
    part = next(module.children())
    part.eval()  # as one that is not to be trained
    exactly_right(module, known)
    assert (module.training, part.training) == (True, False)
    with pytest.raises(InputError, match=r"outputs of 0 steps arrived for answers of 3"):
        exactly_right(untrained_for_questions("transformer 64", np.random.default_rng(0)), known)
    with pytest.raises(InputError, match="no sequence arrived"):
        exactly_right(module, replace(known, sources=known.sources[:0], answers=known.answers[:0]))
