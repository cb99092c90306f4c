"""Controls of a mask: what they keep and move, and what they say of a network whose needed weights are known."""

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
    assert found["as many weights at random"].mean < 0.6
    thinned = found["the mask without 33% of its weights"]
    assert thinned.kept == 2
    # what is lost is that weight's share of the variance, 1, 4 or 16 of 21, for these inputs
    alone = [float(((module.weight[0, i] * inputs[:, i]) ** 2).sum() / (wanted**2).sum()) for i in range(3)]
    assert {round(1 - score, 4) for score in thinned.scores} == {round(lost, 4) for lost in alone}
    exchanged = found["its weights in other places of it"]
    assert exchanged.kept == 3
    assert 0 < sum(score == pytest.approx(1) for score in exchanged.scores) < 10, "one order in six is the right one"


def test_exchanged_weights_are_the_same_ones_in_the_same_places():
    module, mask, *_ = planted()
    seen = []
    mask_controls(module, mask, lambda m: float(seen.append(m.weight.detach().numpy()) or 0), np.random.default_rng(0))
    for weights in seen[7:12]:  # after the network, the mask and five random masks
        assert sorted(weights[0, :3].tolist()) == [1, 2, 4]
        assert not weights[0, 3:].any()
        assert not weights[1].any()


def test_another_networks_mask_and_scores_that_are_no_numbers_are_refused():
    module, mask, *_ = planted()
    with pytest.raises(InputError, match="other weights than the one"):
        mask_controls(nn.Linear(6, 2, bias=False), mask, lambda m: 1.0, np.random.default_rng(0))
    with pytest.raises(InputError, match="score of a masked network"):
        mask_controls(module, mask, lambda m: float("nan"), np.random.default_rng(0))
