"""Hidden activities: as the formula has them, for perceptrons and channels."""

import numpy as np
import pytest
import torch
from torch import nn

from modlib.errors import InputError
from modlib.networks.architectures import small_cnn
from modlib.networks.network import as_network, from_arrays
from modlib.responses.activations import hidden_activities, relu_names


def test_activities_of_a_perceptron_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    kernels, biases = [rng.normal(size=s) for s in ((6, 5), (5, 4), (4, 3))], [rng.normal(size=n) for n in (5, 4, 3)]
    x = rng.normal(size=(1100, 6)).astype(np.float32)
    network = from_arrays(kernels, biases)
    first, second = hidden_activities(network, x)
    np.testing.assert_allclose(first, np.maximum(x @ kernels[0] + biases[0], 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(second, np.maximum(first @ kernels[1] + biases[1], 0), rtol=1e-4, atol=1e-5)
    assert not network.module.layer_0._forward_hooks


def test_the_activity_of_a_channel_is_the_sum_over_its_map():
    module = small_cnn(np.random.default_rng(0), side=8)
    x = np.random.default_rng(1).random((3, 1, 8, 8), dtype=np.float32)
    found = hidden_activities(as_network(module), x)
    assert [part.shape for part in found] == [(3, 64), (3, 64), (3, 64), (3, 128)]
    with torch.no_grad():
        maps = torch.relu(module[0](torch.as_tensor(x)))
    np.testing.assert_allclose(found[0], maps.sum((2, 3)).numpy(), rtol=1e-5)


def test_bad_input_is_refused():
    network = from_arrays([np.ones((4, 3)), np.ones((3, 2))])
    with pytest.raises(InputError, match=r"shape \(5, 3\) do not fit"):
        hidden_activities(network, np.zeros((5, 3)))
    with pytest.raises(InputError, match="not finite"):
        hidden_activities(network, np.full((5, 4), np.nan))
    with pytest.raises(InputError, match="at least one"):
        hidden_activities(network, np.zeros((0, 4)))
    for module in (
        nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)),
        nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)),
    ):
        with pytest.raises(InputError, match="a ReLU module"):
            relu_names(as_network(module))


def test_layers_come_in_the_order_of_the_pass_whatever_the_order_of_registration():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.first = nn.ReLU(), nn.ReLU()
            self.a, self.b, self.c = nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.c(self.second(self.b(self.first(self.a(x)))))

    module, x = Backwards(), np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    assert relu_names(as_network(module)) == ["first", "second"]
    first, _ = hidden_activities(as_network(module), x)
    with torch.no_grad():
        np.testing.assert_allclose(first, torch.relu(module.a(torch.as_tensor(x))).numpy(), rtol=1e-6)


def test_a_relu_that_is_used_twice_is_named():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c, self.act = nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 2), nn.ReLU()

        def forward(self, x):
            return self.c(self.act(self.b(self.act(self.a(x)))))

    with pytest.raises(InputError, match=r"the nn.ReLU module act is used more than once in a pass"):
        relu_names(as_network(Shared()))
