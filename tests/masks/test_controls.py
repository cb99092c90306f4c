"""Controls of a mask: what they keep and move, and what they say of a network whose needed weights are known."""

from copy import deepcopy
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from modlib.errors import InputError
from modlib.masks import Mask, mask_controls, random_mask, thinned_mask
from modlib.masks.mask import TOTAL, fingerprint

keeps = st.fixed_dictionaries({"a": hnp.arrays(bool, (3, 4)), "b": hnp.arrays(bool, 5)})


@given(keeps, st.integers(0, 99))
def test_a_random_mask_keeps_as_many_of_every_parameter(keep: dict[str, np.ndarray], seed: int):
    mask = Mask(keep, "n")
    drawn = random_mask(mask, np.random.default_rng(seed))
    assert drawn.remaining() == mask.remaining()
    assert {name: kept.shape for name, kept in drawn.keep.items()} == {"a": (3, 4), "b": (5,)}


def test_all_places_are_as_likely():
    mask, rng = Mask({"a": np.arange(12).reshape(3, 4) < 3}, "n"), np.random.default_rng(0)
    often = np.mean([random_mask(mask, rng).keep["a"] for _ in range(4000)], axis=0)
    assert np.abs(often - 0.25).max() < 0.04


@given(keeps, st.floats(0, 1), st.integers(0, 99))
def test_a_thinned_mask_is_a_part_of_the_mask(keep: dict[str, np.ndarray], removed: float, seed: int):
    mask = Mask(keep, "n")
    thinned = thinned_mask(mask, removed, np.random.default_rng(seed))
    assert all((thinned.keep[name] <= mask.keep[name]).all() for name in keep)
    n = mask.remaining()[TOTAL]
    assert thinned.remaining()[TOTAL] == n - round(removed * n)


def planted() -> tuple[nn.Module, Mask, torch.Tensor, torch.Tensor]:
    """A layer whose first output needs three weights, each with its own value, and the mask that keeps these."""
    module = nn.Linear(6, 2, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 2, 4, 0, 0, 0], [0, 0, 0, 1, 2, 4]]))
    keep = {"weight": np.array([[True] * 3 + [False] * 3, [False] * 6])}
    inputs = torch.as_tensor(np.random.default_rng(0).normal(size=(200, 6)), dtype=torch.float32)
    module.requires_grad_(False)
    return module, Mask(keep, fingerprint(module)), inputs, module(inputs)[:, 0]


def test_what_is_needed_is_told_from_what_is_not():
    module, mask, inputs, wanted = planted()

    def explained(masked: nn.Module) -> float:
        return float(1 - ((masked(inputs)[:, 0] - wanted) ** 2).sum() / (wanted**2).sum())

    before = fingerprint(module)
    found = {c.name: c for c in mask_controls(module, mask, explained, np.random.default_rng(1), [0.0, 1 / 3], 20)}
    assert fingerprint(module) == before
    assert found["the whole network"].mean == found["the mask"].mean == 1
    assert found["the mask without 0% of its weights"].scores == (1.0,) * 20
    assert found["what the mask removes"].mean == pytest.approx(0, abs=1e-6)
    thinned = found["the mask without 33% of its weights"]
    assert thinned.kept == 2
    # what is lost is that weight's share of the variance, 1, 4 or 16 of 21, for these inputs
    alone = [float(((module.weight[0, i] * inputs[:, i]) ** 2).sum() / (wanted**2).sum()) for i in range(3)]
    assert {round(1 - score, 4) for score in thinned.scores} == {round(lost, 4) for lost in alone}
    exchanged = found["its weights in other places of it"]
    assert exchanged.kept == 3
    assert 0 < sum(score == pytest.approx(1) for score in exchanged.scores) < 10, "one order in six is the right one"


def test_random_masks_do_what_the_mean_over_all_of_them_does():
    """Each draw its own: three of twelve places, of which any is needed or not."""
    module, mask, inputs, wanted = planted()

    def explained(masked: nn.Module) -> float:
        return float(1 - ((masked(inputs)[:, 0] - wanted) ** 2).sum() / (wanted**2).sum())

    every = []
    for places in combinations(range(12), 3):
        kept = np.isin(np.arange(12), places).reshape(2, 6)
        every.append(explained(Mask({"weight": kept}, mask.network).apply(module)))
    assert np.mean(every) == pytest.approx(0.25, abs=0.05)
    controls = mask_controls(module, mask, explained, np.random.default_rng(1), [], 300)
    (drawn,) = (control for control in controls if control.name == "as many weights at random")
    assert drawn.mean == pytest.approx(np.mean(every), abs=4 * np.std(every) / np.sqrt(300))
    assert np.std(drawn.scores) == pytest.approx(np.std(every), rel=0.25)


def test_exchanged_weights_are_the_same_ones_in_the_same_places():
    module, mask, *_ = planted()
    seen = []
    mask_controls(module, mask, lambda m: float(seen.append(m.weight.detach().numpy()) or 0), np.random.default_rng(0))
    for weights in seen[7:12]:  # after the network, the mask and five random masks
        assert sorted(weights[0, :3].tolist()) == [1, 2, 4]
        assert not weights[0, 3:].any()
        assert not weights[1].any()


def halves() -> tuple[nn.Module, Mask, torch.Tensor, torch.Tensor]:
    """A network that tells x0 + x1 > x2 + x3 by four units and has eight more of no use, and the mask of the four."""
    module = nn.Sequential(nn.Linear(12, 12, bias=False), nn.Tanh(), nn.Linear(12, 2, bias=False))
    with torch.no_grad():
        module[0].weight.copy_(torch.diag(torch.linspace(1, 2, 12)))
        module[2].weight.copy_(torch.tensor([[1.0, 1, -1, -1] + [0.0] * 8, [-1.0, -1, 1, 1] + [0.0] * 8]))
    keep = {"0.weight": np.diag(np.arange(12) < 4), "2.weight": np.tile(np.arange(12) < 4, (2, 1))}
    inputs = torch.as_tensor(np.random.default_rng(0).normal(size=(400, 12)), dtype=torch.float32)
    return module, Mask(keep, fingerprint(module)), inputs, module(inputs).argmax(1)


def test_a_mask_that_is_right_is_enough_on_its_network_and_at_chance_on_fresh_ones():
    module, mask, inputs, wanted = halves()
    made = []

    def fresh(rng: np.random.Generator) -> nn.Module:
        made.append(deepcopy(module))
        with torch.no_grad():
            for weight in made[-1].parameters():
                weight.copy_(torch.as_tensor(rng.normal(size=tuple(weight.shape))))
        return made[-1]

    def accuracy(masked: nn.Module) -> float:
        return float((masked(inputs).argmax(1) == wanted).double().mean())

    controls = mask_controls(module, mask, accuracy, np.random.default_rng(1), [], 200, fresh)
    assert [control.name for control in controls[-2:]] == ["what the mask removes", "the mask on fresh weights"]
    assert controls[1].scores == (1.0,)
    found = controls[-1]
    assert (len(found.scores), found.kept) == (200, 12)
    # fresh weights are as often of one sign as of the other, and tell the classes as often as they confuse them
    assert found.mean == pytest.approx(0.5, abs=4 * np.std(found.scores) / np.sqrt(200))
    assert np.std(found.scores) > 0.1, "their signs decide, so the mask was on them"
    assert len({fingerprint(network) for network in made}) == 200


def test_fresh_weights_are_masked_and_those_that_no_mask_covers_are_fresh_too():
    module, mask, *_ = planted()
    seen = []

    def fresh(rng: np.random.Generator) -> nn.Module:
        made = nn.Linear(6, 2)
        with torch.no_grad():
            made.weight.copy_(torch.as_tensor(rng.normal(size=(2, 6)) + 10))
            made.bias.copy_(torch.tensor([5.0, 6.0]))
        return made

    before = fingerprint(module)
    score = lambda m: float(seen.append([p.detach().clone() for p in m.parameters()]) or 0)  # noqa: E731
    mask_controls(module, mask, score, np.random.default_rng(0), [], 3, fresh)
    assert fingerprint(module) == before
    for weight, bias in seen[-3:]:
        assert np.array_equal(weight.numpy() != 0, mask.keep["weight"])
        assert weight[0, :3].min() > 5
        assert bias.tolist() == [5, 6]


def test_what_is_no_fresh_network_is_refused():
    module, mask, *_ = planted()
    rng = np.random.default_rng(0)
    for fresh, told in (
        (lambda rng: module, "weights of its own"),
        (lambda rng: nn.Linear(5, 2, bias=False), "another network's"),
        (0, "makes an untrained network"),
    ):
        with pytest.raises(InputError, match=told):
            mask_controls(module, mask, lambda m: 1.0, rng, [], 1, fresh)


def test_another_networks_mask_and_scores_that_are_no_numbers_are_refused():
    module, mask, *_ = planted()
    with pytest.raises(InputError, match="other weights than the one"):
        mask_controls(nn.Linear(6, 2, bias=False), mask, lambda m: 1.0, np.random.default_rng(0))
    with pytest.raises(InputError, match="score of a masked network"):
        mask_controls(module, mask, lambda m: float("nan"), np.random.default_rng(0))
