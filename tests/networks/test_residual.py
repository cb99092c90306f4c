"""Residual networks: equal to what the definition says, written out from the weights alone."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, linear, relu

from modlib.errors import InputError
from modlib.networks.residual import cifar_resnet


def by_definition(state: dict[str, Tensor], x: Tensor, blocks: int) -> Tensor:
    """Every block is F(x) + x, where x gives every second pixel, between zeros, if F halves the image."""

    def convolved(x: Tensor, name: str, number: int, stride: int = 1) -> Tensor:
        x = conv2d(x, state[f"{name}conv{number}.weight"], stride=stride, padding=1)
        norm = [state[f"{name}bn{number}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return batch_norm(x, *norm)

    x = relu(convolved(x, "", 1))
    for part in (1, 2, 3):
        for block in range(blocks):
            name, halved = f"layer{part}.{block}.", part > 1 and block == 0
            residual = convolved(relu(convolved(x, name, 1, 2 if halved else 1)), name, 2)
            if halved:
                wide = torch.zeros_like(residual)
                start = x.shape[1] // 2
                wide[:, start : start + x.shape[1]] = x[:, :, ::2, ::2]
                x = wide
            x = relu(residual + x)
    return linear(x.mean((2, 3)), state["linear.weight"], state["linear.bias"])


@pytest.mark.parametrize("depth", [8, 20])
def test_it_computes_what_the_definition_says(depth: int) -> None:
    rng = np.random.default_rng(0)
    module = cifar_resnet(depth, rng).eval()
    with torch.no_grad():
        for name, values in module.state_dict().items():
            if name.endswith(("bn1.weight", "bn2.weight", "running_var")):  # none is 1, so that each matters
                values.copy_(torch.as_tensor(rng.uniform(0.5, 2, values.shape)))
            elif name.endswith(("bn1.bias", "bn2.bias", "running_mean")):
                values.copy_(torch.as_tensor(rng.normal(0, 0.3, values.shape)))
        x = torch.as_tensor(rng.normal(size=(4, 3, 32, 32)), dtype=torch.float32)
        torch.testing.assert_close(module(x), by_definition(module.state_dict(), x, depth // 6), rtol=1e-3, atol=1e-4)


def test_it_starts_from_the_generator_and_normalises_nothing_yet() -> None:
    first, again, other = (cifar_resnet(8, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.conv1.weight, again.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)
    assert (first.bn1.weight == 1).all()
    assert (first.bn1.running_mean == 0).all()
    assert (first.bn1.running_var == 1).all()
    assert first.conv1.weight.abs().max() <= 1 / np.sqrt(27)


@pytest.mark.parametrize("depth", [2, 21, 0, "20"])
def test_other_depths_are_refused(depth: object) -> None:
    with pytest.raises(InputError, match="depth"):
        cifar_resnet(depth, np.random.default_rng(0))  # type: ignore[arg-type]
