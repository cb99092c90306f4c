"""Samples of masks: as often on as their logits say, with the straight-through gradient of the definition."""

import numpy as np
import pytest
import torch
from scipy.stats import binom, ks_2samp

from modlib.masks.sampling import LEVELS, Sampler, _Compiled, _Written, dtype_of, laid_out


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # by compiled loops, and as written in torch
def test_a_sample_keeps_a_weight_with_the_probability_of_its_logit(dtype: torch.dtype):
    """For a right sampler and another seed each of these ten counts would fail with a probability of a millionth."""
    probabilities, n = np.array([0.001, 0.1, 0.5, 0.9, 0.999]), 40_000
    logits = torch.logit(torch.tensor(probabilities, dtype=dtype))
    kept = Sampler([torch.ones(5, dtype=dtype)], [logits], n, np.random.default_rng(0)).draw()[0].numpy()
    assert set(np.unique(kept)) == {0.0, 1.0}
    least, most = (binom.ppf(tail, n, probabilities) for tail in (5e-7, 1 - 5e-7))
    assert 0 < least.min() < n * 0.001 < most.min()
    assert most.max() < n
    counts = kept.sum(0)
    assert ((least <= counts) & (counts <= most)).all(), counts
    correlations = np.corrcoef(kept[:, 1:4].T)
    np.testing.assert_allclose(correlations, np.eye(3), atol=0.03)


def by_definition(weight: torch.Tensor, logits: torch.Tensor, u: torch.Tensor, toward: torch.Tensor):
    """Samples, and the gradient of their product with ``toward``, as the paper writes them, in double precision.

    log(u / (1 - u)) is distributed as its logarithm of a ratio of logarithms.
    """
    wanted = logits.detach().double().requires_grad_()
    soft = torch.sigmoid(wanted + torch.log(u.double() / (1 - u.double())))
    hard = ((soft > 0.5).double() - soft).detach() + soft
    (gradient,) = torch.autograd.grad((hard * weight.double() * toward.double()).sum(), wanted)
    return (hard * weight.double()).detach(), gradient


@pytest.mark.parametrize(
    ("way", "dtype"),
    [
        (_Compiled, torch.float32),
        (_Written, torch.float32),
        (_Written, torch.float64),
        (_Written, torch.bfloat16),
    ],
)
def test_the_gradient_is_the_straight_through_one_of_the_definition(way, dtype: torch.dtype):
    rng = np.random.default_rng(0)
    weight, toward = (torch.tensor(rng.normal(size=shape)).to(dtype) for shape in ((4, 6), (3, 4, 6)))
    logits = torch.tensor(rng.normal(size=(4, 6)) * 3, dtype=dtype_of(weight), requires_grad=True)
    whole = rng.integers(LEVELS, size=(3, 24), dtype=np.uint16)
    u = torch.tensor((whole + 0.5) / LEVELS).reshape(3, 4, 6)
    numbers = whole if way is _Compiled else u.to(logits.dtype)
    sampled = way.apply(logits, weight, numbers, torch.empty(3, 4, 6, dtype=dtype))
    (gradient,) = torch.autograd.grad((sampled * toward).sum(), logits)
    expected, slope = by_definition(weight, logits, u, toward)
    torch.testing.assert_close(sampled.double(), expected)
    torch.testing.assert_close(gradient.double(), slope, rtol=1e-4 if dtype != torch.bfloat16 else 1e-2, atol=1e-5)


def test_precise_weights_get_precise_logits_and_every_kind_is_drawn():
    for dtype, expected in (
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
    ):
        weight = torch.ones(7, dtype=dtype)
        assert dtype_of(weight) is expected
        logits = torch.zeros(7, dtype=expected)
        drawn = Sampler([weight], [logits], 1001, np.random.default_rng(0)).draw()[0]
        assert drawn.dtype is dtype
        assert drawn.double().mean() == pytest.approx(0.5, abs=0.03)


def test_one_logistic_number_is_distributed_as_the_difference_of_two_gumbel_numbers():
    u, v, w = np.random.default_rng(0).random((3, 20_000))
    assert ks_2samp(np.log(u / (1 - u)), -np.log(np.log(v) / np.log(w))).pvalue > 0.01


@pytest.mark.parametrize("way", [_Compiled, _Written])
def test_extreme_logits_and_numbers_give_finite_gradients(way):
    logits = torch.tensor([-500.0, -90.0, 0.0, 90.0, 500.0], requires_grad=True)
    for whole, u in ((0, 0.0), (LEVELS - 1, float(np.nextafter(np.float32(1), np.float32(0))))):
        numbers = np.full((4, 5), whole, np.uint16) if way is _Compiled else torch.full((4, 5), u)
        sampled = way.apply(logits, torch.ones(5), numbers, torch.empty(4, 5))
        (gradient,) = torch.autograd.grad(sampled.sum(), logits)
        assert gradient.isfinite().all()
        assert gradient[[0, 4]].abs().max() < 1e-6
        assert sampled[:, 0].max() == 0
        assert sampled[:, 4].min() == 1 or u == 0


def test_the_layout_of_a_matrix_changes_nothing():
    rng = np.random.default_rng(0)
    weight, toward = (torch.tensor(rng.normal(size=shape), dtype=torch.float32) for shape in ((4, 6), (3, 4, 6)))
    numbers = rng.integers(LEVELS, size=(3, 4, 6), dtype=np.uint16)
    found = []
    for layout in (weight, laid_out(weight)):
        logits = torch.full_like(layout, 0.3, requires_grad=True)
        ordered = numbers if layout is weight else numbers.transpose(0, 2, 1)
        out = Sampler([layout], [logits], 3, rng).out[0]
        sampled = _Compiled.apply(logits, layout, ordered.reshape(3, -1), out)
        for gradient in (toward, toward.mT.contiguous().mT):  # as a product gives it, and as it does not
            (slope,) = torch.autograd.grad(sampled, logits, gradient, retain_graph=True)
            found.append((sampled.clone(), slope))
    for sampled, slope in found[1:]:
        torch.testing.assert_close(sampled, found[0][0])
        torch.testing.assert_close(slope, found[0][1])


@pytest.mark.parametrize("way", [_Compiled, _Written])
def test_a_weight_that_learns_gets_the_gradient_of_the_samples_that_keep_it(way):
    rng = np.random.default_rng(0)
    weight = torch.tensor(rng.normal(size=(4, 6)), dtype=torch.float32, requires_grad=True)
    toward = torch.tensor(rng.normal(size=(3, 4, 6)), dtype=torch.float32)
    logits = torch.tensor(rng.normal(size=(4, 6)) * 3, dtype=torch.float32, requires_grad=True)
    whole = rng.integers(LEVELS, size=(3, 24), dtype=np.uint16)
    u = torch.tensor((whole + 0.5) / LEVELS).reshape(3, 4, 6)
    numbers = whole if way is _Compiled else u.float()
    sampled = way.apply(logits, weight, numbers, torch.empty(3, 4, 6))
    of_weight, of_logits = torch.autograd.grad((sampled * toward).sum(), (weight, logits))
    kept = (torch.logit(u) + logits > 0).float()
    torch.testing.assert_close(of_weight, (kept * toward).sum(0))
    frozen = way.apply(logits, weight.detach(), numbers, torch.empty(3, 4, 6))
    torch.testing.assert_close(torch.autograd.grad((frozen * toward).sum(), logits)[0], of_logits)


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_every_generator_keeps_all_weights_alike(bits):
    """Also one whose words have 32 bits."""
    logits = [torch.zeros(4, 5)]
    drawn = Sampler([torch.ones(4, 5)], logits, 1000, np.random.Generator(bits(0))).draw()[0]
    assert drawn.mean(0).min() > 0.4
    assert drawn.mean(0).max() < 0.6
