"""Questions letter by letter, and the Transformer that answers them."""

import numpy as np
import pytest
import torch

from modlib.data.mathematics import LEVELS, Questions
from modlib.errors import InputError
from modlib.masks.mask import TOTAL, Mask, fingerprint, parameter_names
from modlib.networks.sequences import PAD, greedy
from modlib.training.steps import Steps
from modlib.zoo.answers import exactly_right
from modlib.zoo.mathematics import (
    LENGTH,
    LETTERS,
    WIDTH,
    letters,
    of_levels,
    trained_on_questions,
    untrained_for_questions,
)

FEW = (("Sort 2, 1.", "1, 2"), ("Sort 4, 3.", "3, 4"), ("Sort 6, 5, 4.", "4, 5, 6"))


def test_letters_are_read_back():
    made = letters([*FEW, ("x" * 160, "~" * 30), ("", "")])
    for tokens, texts in ((made.sources, 0), (made.answers, 1)):
        for line, pair in zip(tokens.tolist(), FEW, strict=False):
            end = line.index(len(LETTERS))
            assert "".join(LETTERS[token] for token in line[:end]) == pair[texts]
            assert set(line[end + 1 :]) == {PAD}
    assert made.sources.shape == (5, WIDTH)
    assert made.answers.shape == (5, LENGTH)
    assert made.sources[3, -1] == made.answers[3, -1] == made.sources[4, 0] == len(LETTERS)


@pytest.mark.parametrize("pair", [("é", "1"), ("tab\t", "1"), ("x" * 161, "1"), ("1 + 1", "1" * 31)])
def test_what_has_no_tokens_is_refused(pair):
    with pytest.raises(InputError, match="letters of printable ASCII"):
        letters([*FEW, pair])
    with pytest.raises(InputError, match="no question"):
        letters([])


def test_one_embedding_serves_all_and_is_not_masked():
    module = untrained_for_questions("transformer 64", np.random.default_rng(0))
    of_embedding = [name for name, _ in module.named_parameters() if "embedding" in name]
    assert of_embedding == ["source_embedding.weight"]
    names = parameter_names(module, unmasked=["*embedding*", "*bias*"])
    sizes = {name: part.numel() for name, part in module.named_parameters() if name in names}
    assert len(sizes) == len(names)
    keep = {name: np.ones(tuple(module.get_parameter(name).shape), bool) for name in names}
    assert Mask(keep, fingerprint(module)).size()[TOTAL] == sum(sizes.values())
    with pytest.raises(InputError, match="network = 'lstm' arrived; expected one of transformer 256, transformer 64"):
        untrained_for_questions("lstm", np.random.default_rng(0))
    paper = untrained_for_questions("transformer 256", np.random.default_rng(0))
    assert (len(paper.encoder.layers), len(paper.decoder.layers)) == (3, 3)
    assert paper.source_embedding.weight.shape == (96, 256)


def test_a_network_learns_a_few_questions_and_its_accuracy_is_that_of_its_free_answers(tmp_path, monkeypatch):
    data = Questions("few", dict.fromkeys(LEVELS, FEW), dict.fromkeys(LEVELS, FEW))
    path, settings = tmp_path / "network.npz", Steps(80, 16, 3e-3, 1.0)
    module = trained_on_questions("transformer 64", data, settings, 0, path)
    known = letters(of_levels(data.test, ["easy"]))
    assert exactly_right(module, known) == 1
    assert torch.equal(greedy(module, known.sources.long(), LENGTH), known.answers.long())
    monkeypatch.setattr("modlib.zoo.answers.train_steps", None)  # not trained again
    again = trained_on_questions("transformer 64", data, settings, 0, path)
    assert exactly_right(again, known) == 1


@pytest.mark.parametrize("known", ["2 + 2", [("1 + 1",)], ["ab"], [(1, 2)], [("1", "2", "3")], None])
def test_what_is_no_pair_of_texts_is_refused(known):
    with pytest.raises(InputError, match="arrived"):
        letters(known)
    with pytest.raises(InputError, match="a level = 'simple'"):
        of_levels(dict.fromkeys(LEVELS, FEW), ["simple"])
