"""SCAN's tokens, batches and accuracy."""

from dataclasses import replace

import numpy as np
import pytest

from modlib.data.scan import ACTIONS, WORDS, Scan, commands, interpret
from modlib.errors import DataError, InputError
from modlib.networks.sequences import greedy
from modlib.training.steps import Steps
from modlib.zoo.answers import exactly_right
from modlib.zoo.scan import (
    LENGTH,
    WIDTH,
    taught_for,
    tokens,
    trained_on_scan,
    untrained_seq2seq,
)


def test_tokens_are_the_words_and_actions():
    known = ["jump", "walk around left thrice and run opposite right"]
    made = tokens(known)
    for command, words, actions in zip(known, made.sources.tolist(), made.answers.tolist(), strict=True):
        assert words.index(len(WORDS)) == len(command.split())
        assert " ".join(WORDS[w] for w in words if 0 <= w < len(WORDS)) == command
        assert [ACTIONS[a] for a in actions if 0 <= a < len(ACTIONS)] == interpret(command)
        assert actions.count(len(ACTIONS)) == 1
    assert made.sources.shape == (2, WIDTH)
    assert made.answers.shape == (2, LENGTH)
    assert tokens(commands()).answers[:, -1].max() == len(ACTIONS)  # the longest fills the width


@pytest.mark.parametrize("network", ["lstm", "transformer"])
def test_accuracy_in_one_pass_is_that_of_greedy_answers(network: str, tmp_path, monkeypatch):
    train = ("jump", "walk", "run", "look", "walk twice", "run twice", "look twice", "turn left", "turn right")
    data, known, settings = Scan("a few", train, ()), tokens(train), Steps(25, 16, 3e-3, 5.0)
    path = tmp_path / "network.npz"
    module = trained_on_scan(network, data, settings, 0, path)
    answers = greedy(module, known.sources, LENGTH)  # type: ignore[arg-type]
    right = float((answers == known.answers).all(1).double().mean())
    assert exactly_right(module, known) == right
    monkeypatch.setattr("modlib.zoo.answers.train_steps", None)  # not trained again
    again = trained_on_scan(network, data, settings, 0, path)
    assert exactly_right(again, known) == right
    with pytest.raises(DataError, match="was made with"):
        trained_on_scan(network, replace(data, train=train[1:]), settings, 0, path)


def test_an_lstm_is_taught_half_of_the_time_and_unknown_networks_are_refused():
    assert (taught_for("lstm"), taught_for("lstm 200"), taught_for("transformer")) == (0.5, 0.5, 1.0)
    with pytest.raises(InputError, match="expected one of lstm"):
        untrained_seq2seq("gru", np.random.default_rng(0))
    with pytest.raises(InputError, match="no command"):
        tokens([])
    for known in (["hop"], "jump"):
        with pytest.raises(InputError, match="arrived; expected"):
            tokens(known)
    wide = untrained_seq2seq("lstm 200", np.random.default_rng(0))
    assert wide.source_embedding.embedding_dim == 200
