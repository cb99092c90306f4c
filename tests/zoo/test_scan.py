"""SCAN's tokens, batches and accuracy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modlib.data.scan import ACTIONS, WORDS, Scan, commands, interpret, small_scan
from modlib.errors import DataError, InputError
from modlib.networks.sequences import OWN, PAD, greedy
from modlib.training.steps import Steps
from modlib.zoo.scan import (
    LENGTH,
    WIDTH,
    draw_commands,
    exactly_right,
    taught_for,
    token_loss,
    tokens,
    trained_on_scan,
    untrained_seq2seq,
)


def test_tokens_are_the_words_and_actions():
    known = ["jump", "walk around left thrice and run opposite right"]
    made = tokens(known)
    for command, words, actions in zip(known, made.commands.tolist(), made.answers.tolist(), strict=True):
        assert words.index(len(WORDS)) == len(command.split())
        assert " ".join(WORDS[w] for w in words if 0 <= w < len(WORDS)) == command
        assert [ACTIONS[a] for a in actions if 0 <= a < len(ACTIONS)] == interpret(command)
        assert actions.count(len(ACTIONS)) == 1
    assert made.commands.shape == (2, WIDTH)
    assert made.answers.shape == (2, LENGTH)
    assert tokens(commands()).answers[:, -1].max() == len(ACTIONS)  # the longest fills the width


def test_half_of_the_batches_teach_and_all_begin_with_the_longest():
    draw, rng = (
        draw_commands(tokens(small_scan("simple", np.random.default_rng(0)).train), 0.5),
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


@pytest.mark.parametrize("network", ["lstm", "transformer"])
def test_accuracy_in_one_pass_is_that_of_greedy_answers(network: str, tmp_path, monkeypatch):
    train = ("jump", "walk", "run", "look", "walk twice", "run twice", "look twice", "turn left", "turn right")
    data, known, settings = Scan("a few", train, ()), tokens(train), Steps(25, 16, 3e-3, 5.0)
    path = tmp_path / "network.npz"
    module = trained_on_scan(network, data, settings, 0, path)
    answers = greedy(module, known.commands, LENGTH)  # type: ignore[arg-type]
    right = float((answers == known.answers).all(1).double().mean())
    assert exactly_right(module, known) == right
    monkeypatch.setattr("modlib.zoo.scan.train_steps", None)  # not trained again
    again = trained_on_scan(network, data, settings, 0, path)
    assert exactly_right(again, known) == right
    with pytest.raises(DataError, match="was made with"):
        trained_on_scan(network, replace(data, train=train[1:]), settings, 0, path)


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


def test_an_lstm_is_taught_half_of_the_time_and_unknown_networks_are_refused():
    assert (taught_for("lstm"), taught_for("lstm 200"), taught_for("transformer")) == (0.5, 0.5, 1.0)
    with pytest.raises(InputError, match="expected one of lstm"):
        untrained_seq2seq("gru", np.random.default_rng(0))
    with pytest.raises(InputError, match="no command"):
        tokens([])
    wide = untrained_seq2seq("lstm 200", np.random.default_rng(0))
    assert wide.source_embedding.embedding_dim == 200
