"""Steps of learning logits: samples at once, and numbers of another precision than the network's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modlib.errors import InputError
from modlib.masks.continual import learn_with_weights
from modlib.masks.learning import MaskSettings, learn_mask
from modlib.masks.steps import logit_of, loss_of_samples
from modlib.training.steps import draw_from


@pytest.mark.parametrize(
    ("network", "x"),
    [
        (nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)), (4, 2, 5)),
        (
            nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            (4, 2, 1, 6, 6),
        ),
    ],
)
def test_samples_at_once_give_what_one_after_another_gives(network: nn.Module, x: tuple[int, ...]):
    network.eval()
    sampled = {name: torch.randn(4, *p.shape, requires_grad=True) for name, p in network.named_parameters()}
    inputs, targets = torch.randn(*x), torch.randint(3, (4, 2))
    at_once = loss_of_samples(network, {}, cross_entropy)(sampled, inputs, targets)
    one_by_one = torch.stack(
        [
            cross_entropy(
                torch.func.functional_call(network, {name: t[i] for name, t in sampled.items()}, (inputs[i],)),
                targets[i],
            )
            for i in range(4)
        ]
    ).mean()
    torch.testing.assert_close(at_once, one_by_one)
    for ours, theirs in zip(
        torch.autograd.grad(at_once, list(sampled.values())),
        torch.autograd.grad(one_by_one, list(sampled.values())),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("learn", [learn_mask, learn_with_weights])
def test_numbers_are_converted_to_the_precision_of_the_network(learn):
    """Whether its weights are frozen or trained with the mask."""
    x = np.random.default_rng(0).normal(size=(64, 3))
    settings = MaskSettings(steps=3, batch_size=8, learning_rate=0.05)
    found = [
        learn(_network(), draw_from(x.astype(kind), (x[:, 0] > 0).astype(int)), settings, np.random.default_rng(1))
        for kind in (np.float64, np.float32)
    ]
    assert found[0].losses.tolist() == found[1].losses.tolist()


def _network() -> nn.Module:
    network = nn.Linear(3, 2)
    with torch.no_grad():
        network.weight.copy_(torch.arange(6.0).reshape(2, 3) / 6)
        network.bias.zero_()
    return network


@pytest.mark.parametrize("probability", [0.01, 0.5, 0.88])
def test_a_logit_is_what_the_sigmoid_undoes(probability: float):
    assert float(torch.sigmoid(torch.tensor(logit_of(probability)))) == pytest.approx(probability, rel=1e-6)


def test_probabilities_have_the_loss_of_logits():
    """A network that ends in a softmax learns the mask that it would learn without."""
    x = np.random.default_rng(0).normal(size=(64, 3))
    draw, settings = draw_from(x, (x[:, 0] > 0).astype(int)), MaskSettings(steps=20, batch_size=16, learning_rate=0.05)
    logits = _network()
    plain, behind = (
        learn_mask(network, draw, settings, np.random.default_rng(1))
        for network in (nn.Sequential(logits), nn.Sequential(logits, nn.Softmax(1)))
    )
    np.testing.assert_allclose(plain.losses, behind.losses, rtol=1e-4)
    np.testing.assert_allclose(plain.probabilities["0.weight"], behind.probabilities["0.weight"], atol=1e-4)


def test_half_precision_is_learned_with_its_weights():
    x = np.random.default_rng(0).normal(size=(64, 3))
    draw, settings = draw_from(x, (x[:, 0] > 0).astype(int)), MaskSettings(steps=60, batch_size=32, learning_rate=0.05)
    network = _network().bfloat16()
    before = network.weight.detach().clone()
    found = learn_with_weights(network, draw, settings, np.random.default_rng(1))
    assert found.mask.size()["total"] == 8
    assert network.weight.dtype == torch.bfloat16
    assert (network.weight != before).all()
    assert found.losses[-10:].mean() < 0.7 * found.losses[:10].mean()
    assert found.probabilities["weight"].dtype == np.float32
    assert np.ptp(found.probabilities["weight"]) > 0.01


@pytest.mark.parametrize("steps", [0, 1])
def test_a_course_has_two_steps_at_least(steps: int):
    x = np.random.default_rng(0).normal(size=(64, 3))
    draw = draw_from(x, (x[:, 0] > 0).astype(int))
    found = learn_mask(_network(), draw, MaskSettings(steps=steps, batch_size=8), np.random.default_rng(1))
    with pytest.raises(InputError, match=f"a mask of {steps} steps has no course"):
        found.course()
