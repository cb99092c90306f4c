"""Tasks learned in turn: what is used never changes, what is free starts anew, reuse is counted as it is planted."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pytest
import torch
from torch import nn

from modlib.errors import InputError
from modlib.masks.continual import learn_in_turn, learn_with_weights, reuse, union_before
from modlib.masks.learning import MaskSettings
from modlib.masks.mask import TOTAL, Mask, chance_sharing
from modlib.networks.architectures import perceptron
from modlib.training.steps import Draw, draw_from

Values: TypeAlias = dict[str, np.ndarray]
SHORT = MaskSettings(steps=60, batch_size=16, samples=4, learning_rate=0.1, beta=0.1)


def make(rng: np.random.Generator) -> nn.Sequential:
    return perceptron((6, 16, 3), rng)


def task(seed: int):
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.normal(size=(200, 6)), dtype=torch.float32)
    return draw_from(x, x[:, rng.permutation(6)[:3]].argmax(1))


def values(module: nn.Module) -> Values:
    return {name: parameter.detach().numpy().copy() for name, parameter in module.named_parameters()}


def test_a_used_weight_never_changes_and_every_free_one_learns():
    module = make(np.random.default_rng(0))
    before = values(module)
    used = {name: np.random.default_rng(1).random(value.shape) < 0.5 for name, value in before.items()}
    learn_with_weights(module, task(0), SHORT, np.random.default_rng(2), used)
    for name, value in values(module).items():
        np.testing.assert_array_equal(value[used[name]], before[name][used[name]])
        assert (value[~used[name]] != before[name][~used[name]]).mean() > 0.95, name


def test_an_earlier_task_is_answered_as_before_whatever_comes_after():
    x = torch.randn(50, 6)
    answers: list[torch.Tensor] = []
    module, masks = learn_in_turn(
        make,
        [task(seed) for seed in range(4)],
        SHORT,
        np.random.default_rng(0),
        on_task=lambda _number, masked, _found: answers.append(masked(x).detach()),
    )
    assert len(masks) == len(answers) == 4
    assert masks[0].remaining()[TOTAL] < masks[0].size()[TOTAL]
    for mask, answer in zip(masks, answers, strict=True):
        torch.testing.assert_close(mask.apply(module)(x), answer, rtol=0, atol=0)


def in_turn(n: int, unfrozen: Sequence[str] = ()) -> tuple[list[Values], list[Mask]]:
    """Values of all weights, and the masks of tasks that are learned in turn.

    There are three values a task: of the network that offers new starts, and of that which learns, at its first batch
    and at its end.
    """
    modules: list[nn.Module] = []
    seen: list[Values] = []

    def start(rng: np.random.Generator) -> nn.Sequential:
        modules.append(make(rng))
        seen.append(values(modules[-1]))
        return modules[-1]

    def noting(draw: Draw, task: int) -> Draw:
        def noted(rng: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor]:
            if len(seen) == 3 * task + 1:
                seen.append(values(modules[0]))
            return draw(rng, size)

        return noted

    _, masks = learn_in_turn(
        start,
        [noting(task(number), number) for number in range(n)],
        SHORT,
        np.random.default_rng(0),
        unfrozen=unfrozen,
        on_task=lambda _number, _masked, _found: seen.append(values(modules[0])),
    )
    return seen, masks


def test_used_weights_stay_and_all_others_start_anew_also_within_one_parameter():
    (_, _, learned, fresh, started, _), (mask, _) = in_turn(2)
    for name in ("0.weight", "2.weight"):
        assert 0 < mask.keep[name].sum() < mask.keep[name].size, "or a parameter could be taken as a whole"
    for name, used in mask.keep.items():
        assert (learned[name] != fresh[name]).all()
        np.testing.assert_array_equal(started[name][used], learned[name][used])
        np.testing.assert_array_equal(started[name][~used], fresh[name][~used])


def test_a_layer_that_is_not_frozen_starts_anew_as_a_whole():
    (_, _, learned, fresh, started, _), masks = in_turn(2, unfrozen=["0.*"])
    assert [set(mask.keep) for mask in masks] == [{"2.weight", "2.bias"}] * 2
    for name in ("0.weight", "0.bias"):
        np.testing.assert_array_equal(started[name], fresh[name])
    for name, used in masks[0].keep.items():
        np.testing.assert_array_equal(started[name], np.where(used, learned[name], fresh[name]))


def test_what_earlier_masks_keep_and_what_is_free_is_apart_and_together_everything():
    seen, masks = in_turn(4)
    for number in range(1, 4):
        before, (_, started, learned) = seen[3 * number - 1], seen[3 * number : 3 * number + 3]
        for name, used in union_before(masks, number).keep.items():
            free = started[name] != before[name]
            assert not (used & free).any()
            assert (used | free).all()
            assert not (used & (learned[name] != started[name])).any(), "nor does the task change what is used"


def test_masks_start_where_they_are_told():
    module = make(np.random.default_rng(0))
    used = {"0.weight": np.random.default_rng(1).random((16, 6)) < 0.5}
    settings = MaskSettings(steps=0, keep=0.5)
    found = learn_with_weights(module, task(0), settings, np.random.default_rng(0), used, keep_used=0.88)
    np.testing.assert_allclose(found.probabilities["0.weight"], np.where(used["0.weight"], 0.88, 0.5), rtol=1e-5)
    np.testing.assert_allclose(found.probabilities["2.weight"], 0.5)


def test_the_first_step_is_that_of_autograd_on_weights_and_logits():
    """With every weight kept for certain a step is one of plain training, clipped together with the logits."""
    x, y = torch.randn(16, 6), torch.randint(3, (16,))
    module, plain = make(np.random.default_rng(0)), make(np.random.default_rng(0))
    settings = MaskSettings(steps=1, batch_size=16, samples=4, learning_rate=0.01, keep=1 - 1e-9, beta=0)
    learn_with_weights(module, lambda _rng, _n: (x, y), settings, np.random.default_rng(0))
    adam = torch.optim.Adam(plain.parameters(), lr=0.01)
    nn.functional.cross_entropy(plain(x), y).backward()
    adam.step()
    for ours, theirs in zip(module.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_with_the_same_task_and_preferred_weights_the_second_mask_reuses_the_first():
    settings = MaskSettings(steps=400, batch_size=32, samples=4, learning_rate=0.03, beta=0.05, keep=0.5)
    _, masks = learn_in_turn(make, [task(0), task(0)], settings, np.random.default_rng(0), keep_used=0.88)
    _, others = learn_in_turn(make, [task(0), task(1)], settings, np.random.default_rng(0))
    same, other = reuse(masks)[0], reuse(others)[0]
    assert same[TOTAL] > 0.8
    assert same[TOTAL] > other[TOTAL] + 0.1


def test_reuse_counts_what_all_earlier_masks_keep():
    first, second, third = (
        Mask({"w": np.array(keep, dtype=bool)}, "n") for keep in ([1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [1, 0, 1, 0, 1])
    )
    masks = [first, second, third]
    assert union_before(masks, 1).keep["w"].tolist() == first.keep["w"].tolist()
    assert union_before(masks, 2).keep["w"].tolist() == [True, True, True, False, False]
    assert [found["w"] for found in reuse(masks)] == [0.5, pytest.approx(2 / 3)]
    # by chance a third mask of three weights of five shares three fifths of them with a union of three
    assert chance_sharing(third, union_before(masks, 2))["w"].expected == pytest.approx(3 * 3 / 5)


def test_bad_input_is_refused():
    module, rng = make(np.random.default_rng(0)), np.random.default_rng(0)
    with pytest.raises(InputError, match="expected a boolean array of the shape of the parameter"):
        learn_with_weights(module, task(0), SHORT, rng, {"0.weight": np.ones((2, 2), bool)})
    with pytest.raises(InputError, match="none of that name"):
        learn_with_weights(module, task(0), SHORT, rng, {"9.weight": np.ones((2, 2), bool)})
    with pytest.raises(InputError, match="keep_used = 1"):
        learn_with_weights(module, task(0), SHORT, rng, keep_used=1)
    with pytest.raises(InputError, match="expected"):
        learn_in_turn(make, [], SHORT, rng)
    with pytest.raises(InputError, match="unfrozen = "):
        learn_in_turn(make, [task(0)], SHORT, rng, unfrozen=["*"])
    with pytest.raises(InputError, match="expected a list with at least 2 in it"):
        union_before([Mask({"w": np.ones(1, bool)}, "n")], 0)


def test_a_pattern_that_matches_no_parameter_is_refused():
    with pytest.raises(InputError, match=r"pattern '9\.\*' matches no parameter"):
        learn_in_turn(make, [task(1)], SHORT, np.random.default_rng(0), unfrozen=["9.*"])
