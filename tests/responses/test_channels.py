"""Channels: what reaches them and what they do, beside naive definitions and a perceptron that is the same."""

import numpy as np
import pytest
import torch
from torch import nn

from modlib.communities.similarity import PLAIN, similarities
from modlib.errors import InputError
from modlib.networks import as_network, from_arrays, random_weights
from modlib.responses.channels import channel_measures


def small(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        *(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)),
    ).double()


def test_measures_are_those_of_the_definition():
    module, x = small(0), torch.as_tensor(np.random.default_rng(0).normal(size=(6, 2, 4, 4)))
    found = channel_measures(as_network(module), x.numpy(), n_upstream=4)
    assert len(found) == 2
    for layer, end in enumerate((2, 5)):
        first, rest = module[:end], module[end:]
        width = (3, 4)[layer]

        def sums(image, first=first):
            return first(image[None])[0].flatten(1).sum(1)

        def after(rise, image, first=first, rest=rest):
            return rest(first(image[None]) + rise[None, :, None, None])[0]

        def loss(rise, image, after=after):
            return -after(rise, image).log_softmax(0)[1]

        still = torch.zeros(width, dtype=torch.double)
        up = [torch.autograd.functional.jacobian(sums, image).flatten(1) for image in x]
        down = [torch.autograd.functional.jacobian(lambda rise, image=image: after(rise, image), still) for image in x]
        curved = [torch.autograd.functional.hessian(lambda rise, image=image: loss(rise, image), still) for image in x]
        wanted = {
            "covariance": np.cov(np.stack([sums(image).detach() for image in x]).T),
            "input sensitivity": (sum(one @ one.T for one in up[:4]) / 4).numpy(),
            "output sensitivity": (sum(one.T @ one for one in down) / 6).numpy(),
            "loss Hessian": (sum(curved) / 6).numpy(),
        }
        assert list(found[layer]) == list(wanted) == list(PLAIN)
        for name, matrix in wanted.items():
            np.testing.assert_allclose(found[layer][name], np.abs(matrix), rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_convolution_of_one_pixel_is_a_layer_of_a_perceptron():
    kernels = random_weights((4, 7, 6, 3), 0)
    parts: list[nn.Module] = []
    for kernel in kernels[:-1]:
        layer = nn.Conv2d(*kernel.shape, 1, bias=False)
        layer.weight.data = torch.as_tensor(kernel.T[:, :, None, None].copy(), dtype=torch.float32)
        parts += [layer, nn.ReLU()]
    last = nn.Linear(*kernels[-1].shape, bias=False)
    last.weight.data = torch.as_tensor(kernels[-1].T.copy(), dtype=torch.float32)
    inputs = np.random.default_rng(1).normal(size=(120, 4)).astype(np.float32)
    found = channel_measures(as_network(nn.Sequential(*parts, nn.Flatten(), last)), inputs[:, :, None, None], 120)
    wanted = similarities(from_arrays(kernels), inputs).values()
    for ours, theirs in zip(found, wanted, strict=True):
        for name in PLAIN:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-6)


def test_what_is_no_image_is_refused_and_nothing_is_left_behind():
    network = as_network(small(0))
    with pytest.raises(InputError, match="inputs"):
        channel_measures(network, np.zeros((3, 4)))
    with pytest.raises(InputError, match="n_upstream = 0 arrived"):
        channel_measures(network, np.zeros((3, 2, 4, 4)), 0)
    with pytest.raises(InputError, match=r"pass modlib\.networks\.as_network"):
        channel_measures(small(0), np.zeros((3, 2, 4, 4)))
    channel_measures(network, np.zeros((3, 2, 4, 4)))
    assert not any(module._forward_hooks for module in network.module.modules())


@torch.no_grad()
def test_one_channel_has_a_matrix_and_gradients_are_taken_whatever_the_caller_has_switched_off():
    narrow = nn.Sequential(nn.Conv2d(2, 1, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3))
    with torch.no_grad():
        narrow[0].weight.abs_()  # a channel that every image reaches
        (found,) = channel_measures(as_network(narrow), np.random.default_rng(0).random((3, 2, 4, 4)))
    assert all(matrix.shape == (1, 1) and matrix > 0 for matrix in found.values())


@pytest.mark.parametrize(
    ("parts", "side", "said"),
    [
        ([nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3), nn.Softmax(1)], 4, "the last one linear"),
        ([nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 2), nn.Flatten()], 4, "then dense layers"),
        ([nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3)], 4, "expected convolutions"),
        ([nn.Conv2d(2, 3, 3), nn.Flatten(), nn.ReLU(), nn.Linear(12, 3)], 4, "right behind every convolution"),
        ([nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)], 5, "do not fit the network"),
    ],
)
def test_networks_of_another_form_are_refused(parts, side, said):
    with pytest.raises(InputError, match=said):
        channel_measures(as_network(nn.Sequential(*parts)), np.zeros((3, 2, side, side)))
    with pytest.raises(InputError, match="at least 2 of them"):
        channel_measures(as_network(small(0)), np.zeros((1, 2, 4, 4)))
