"""Tasks learned in turn: what is used never changes, what is free starts anew, reuse is counted as it is planted."""

import numpy as np
import pytest
import torch
from torch import nn

from modlib.errors import InputError
from modlib.masks.continual import learn_in_turn, learn_with_weights, reuse, union_before
from modlib.masks.learning import MaskSettings
from modlib.masks.mask import TOTAL, Mask, chance_sharing
from modlib.networks.architectures import perceptron
from modlib.training.steps import draw_from

SHORT = MaskSettings(steps=60, batch_size=16, samples=4, learning_rate=0.1, beta=0.1)


def make(rng: np.random.Generator) -> nn.Sequential:
    return perceptron((6, 16, 3), rng)


def task(seed: int):
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.normal(size=(200, 6)), dtype=torch.float32)
    return draw_from(x, x[:, rng.permutation(6)[:3]].argmax(1))


def values(module: nn.Module) -> dict[str, np.ndarray]:
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


def test_free_weights_start_anew_and_a_layer_that_is_not_frozen_as_a_whole():
    starts: list[dict[str, np.ndarray]] = []

    def noted(rng: np.random.Generator) -> nn.Sequential:
        module = make(rng)
        starts.append(values(module))
        return module

    still = MaskSettings(steps=0)  # nothing is learned, so every weight is kept, and the first start frozen
    module, masks = learn_in_turn(noted, [task(0), task(1)], still, np.random.default_rng(0), unfrozen=["0.*"])
    assert [set(mask.keep) for mask in masks] == [{"2.weight", "2.bias"}] * 2
    for name, value in values(module).items():
        np.testing.assert_array_equal(value, starts[1 if name.startswith("0.") else 0][name])
    none = {name: np.zeros(value.shape, bool) for name, value in starts[0].items()}
    fresh = make(np.random.default_rng(9))
    learn_with_weights(fresh, task(0), still, np.random.default_rng(0), none)
    np.testing.assert_array_equal(values(fresh)["0.weight"], values(make(np.random.default_rng(9)))["0.weight"])


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
