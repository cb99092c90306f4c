"""Masks for permuted labels: what a network has room for, they memorise, and it helps them nowhere else."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modlib.errors import InputError
from modlib.masks import MaskSettings, learn_mask, learn_permuted_mask
from modlib.masks.mask import fingerprint
from modlib.masks.permuted import share_right
from modlib.networks import perceptron
from modlib.training import draw_from

SETTINGS = MaskSettings(steps=200, batch_size=64, learning_rate=0.1, beta=1e-3)


def examples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """120 of two equal classes, whose means differ along four of forty directions."""
    labels = np.arange(120) % 2
    inputs = np.random.default_rng([seed, 1]).normal(size=(120, 40))
    inputs[:, :4] += 2 * labels[:, None] - 1
    return inputs, labels


def memorised(width: int, seed: int):
    rng = np.random.default_rng(seed)
    return learn_permuted_mask(perceptron((40, width, 2), rng), *examples(seed), SETTINGS, rng)


def test_a_wide_network_has_a_mask_for_any_labels_and_it_says_nothing_of_others():
    found = [memorised(100, seed) for seed in range(3)]
    assert min(one.seen for one in found) > 0.9
    assert 0.3 < min(one.whole for one in found) <= max(one.whole for one in found) < 0.7
    assert np.mean([one.unseen for one in found]) < 0.7
    for one in found:
        assert 0 < one.kept < 1
        assert len(one.learned.losses) == SETTINGS.steps


def test_a_mask_for_the_labels_themselves_is_right_about_others():
    """So it is the labels, not the search, that keep masks for permuted ones at chance."""
    inputs, labels = (torch.as_tensor(part) for part in examples(0))
    inputs, network = inputs.float(), perceptron((40, 100, 2), np.random.default_rng(0))
    learned = learn_mask(network, draw_from(inputs[:60], labels[:60]), SETTINGS, np.random.default_rng(1))
    assert share_right(learned.mask.apply(network), inputs[60:], labels[60:]) > 0.8


def test_a_narrow_network_has_no_room_for_them():
    assert max(memorised(2, seed).seen for seed in range(3)) < 0.8


def test_what_is_scored_are_halves_with_labels_exchanged_in_the_one_that_is_learned():
    inputs, labels = np.arange(1.0, 22)[:, None] * np.ones((1, 3)), np.arange(21)
    network, scored = nn.Linear(3, 21), []
    network.train()
    before = fingerprint(network)

    def score(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
        assert not module.training
        scored.append((fingerprint(module) == before, (x[:, 0] - 1).long().tolist(), y.tolist()))
        return len(scored) / 10

    settings = MaskSettings(steps=2, batch_size=8, keep=0.4)
    found = learn_permuted_mask(network, inputs, labels, settings, np.random.default_rng(0), score)
    assert (found.whole, found.seen, found.unseen) == (0.1, 0.2, 0.3)
    (whole, own, given), (masked, again, same), (_, others, theirs) = scored
    assert whole
    assert not masked
    assert (own, given) == (again, same)
    assert sorted(own) == sorted(given) != list(range(len(own)))
    assert sum(a == b for a, b in zip(own, given, strict=True)) < 6, "labels of the half that is learned move"
    assert others == theirs
    assert sorted(own + others) == list(range(21))
    assert network.training
    assert fingerprint(network) == before


def test_the_loss_sees_permuted_labels_of_one_half_only_and_always_the_same():
    seen = {}

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        for row, target in zip(outputs.detach(), targets, strict=True):
            seen.setdefault(int(target), set()).add(int(row.argmax()))
        return cross_entropy(outputs, targets)

    network = nn.Linear(20, 20, bias=False)  # says which input it was given, whatever the mask keeps of it
    with torch.no_grad():
        network.weight.copy_(torch.eye(20))
    settings = MaskSettings(steps=20, batch_size=32, samples=1, keep=0.999)
    learn_permuted_mask(network, np.eye(20), np.arange(20), settings, np.random.default_rng(3), loss=loss)
    assert len(seen) == 10
    assert all(len(inputs - {0}) <= 1 for inputs in seen.values())  # 0 where the mask drops the only weight
    assert sum(target in inputs for target, inputs in seen.items()) < 5


def test_the_generator_decides_all():
    first, again, other = (
        learn_permuted_mask(
            perceptron((40, 5, 2), np.random.default_rng(0)),
            *examples(0),
            MaskSettings(steps=5, batch_size=8),
            np.random.default_rng(seed),
        )
        for seed in (1, 1, 2)
    )
    assert first.learned.losses.tolist() == again.learned.losses.tolist() != other.learned.losses.tolist()
    assert (first.seen, first.unseen) == (again.seen, again.unseen)


def test_examples_that_do_not_fit_and_scores_that_are_no_numbers_are_refused():
    network, settings, rng = nn.Linear(3, 2), MaskSettings(steps=1, batch_size=4), np.random.default_rng(0)
    with pytest.raises(InputError, match="4 inputs and 3 targets"):
        learn_permuted_mask(network, np.ones((4, 3)), np.zeros(3), settings, rng)
    with pytest.raises(InputError, match="1 inputs and 1 targets arrived; expected as many of both, two or more"):
        learn_permuted_mask(network, np.ones((1, 3)), np.zeros(1), settings, rng)
    with pytest.raises(InputError, match="inputs is one number"):
        learn_permuted_mask(network, 1.0, np.zeros(1), settings, rng)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the score of a network"):
        learn_permuted_mask(network, np.ones((4, 3)), np.zeros(4, int), settings, rng, lambda *_: float("nan"))
    with pytest.raises(InputError, match="score = 3 arrived"):
        learn_permuted_mask(network, np.ones((4, 3)), np.zeros(4, int), settings, rng, 3)  # type: ignore[arg-type]
