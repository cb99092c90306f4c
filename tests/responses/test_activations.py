"""Hidden activities: as the formula has them, for perceptrons and channels."""

import numpy as np
import pytest
import torch
from torch import nn

from modlib.communities import similarities
from modlib.errors import InputError, ModlibWarning
from modlib.lesions import lesion_profiles
from modlib.networks.architectures import small_cnn
from modlib.networks.network import Network, as_network, from_arrays
from modlib.networks.tracing import trace
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


class Everything(nn.Module):
    """Activities with and without a function behind them, before a sum, over places, and of two directions."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.back = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)
        self.rnn, self.attention = nn.LSTM(8, 3, bidirectional=True), nn.MultiheadAttention(6, 2)
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        maps = self.norm(self.conv(x))
        maps = maps.relu_()
        maps = maps + self.back(maps)
        steps = maps.mean(2).permute(2, 0, 1).repeat(1, 1, 2)  # time first
        seen, _ = self.rnn(steps)
        return self.out(self.attention(seen, seen, seen)[0].tanh().mean(0))


def test_activities_of_a_network_of_any_shape_are_those_that_hooks_see():
    module = Everything().eval()
    x = torch.rand(7, 1, 6, 5)
    found = trace(module, x)
    names = [found.layers[layer].name for layer in found.hidden]
    shown = [layer for layer in found.hidden if found.layers[layer].axis is not None]
    activities = hidden_activities(found, x.numpy(), shown)
    activities = {found.layers[i].name: part for i, part in zip(shown, activities, strict=True)}
    with torch.no_grad():
        maps = module.norm(module.conv(x)).relu()
        both = maps + module.back(maps)
        seen = module.rnn(both.mean(2).permute(2, 0, 1).repeat(1, 1, 2))[0]
        attended = module.attention(seen, seen, seen)[0].tanh()
    expected = {
        "conv": maps.sum((2, 3)),
        "back": module.back(maps).sum((2, 3)),
        "rnn.l0": seen[..., :3].sum(0),
        "rnn.l0 reverse": seen[..., 3:].sum(0),
        "attention.out_proj": attended.sum(0),
    }
    assert activities.keys() == expected.keys() < set(names)
    for name, activity in expected.items():
        np.testing.assert_allclose(activities[name], activity.detach().numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
    with pytest.raises(InputError, match=r"'attention\.queries' is computed in one step with those behind it"):
        hidden_activities(found, x.numpy(), found.hidden)
    with pytest.warns(ModlibWarning, match=r"attention\.queries.* do not show their activity"):
        by_default = hidden_activities(found, x.numpy())
    for one, other in zip(by_default, activities.values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_layers_whose_activity_is_not_seen_are_left_out_by_default_and_refused_by_name():
    class Unseen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.last = nn.LSTM(3, 4, 2, batch_first=True), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.lstm(x)[0].mean(1))

    x = np.random.default_rng(0).random((6, 5, 3), dtype=np.float32)
    found = trace(Unseen(), x)
    with pytest.warns(ModlibWarning, match=r"1 of 2 hidden layers are returned.* pass layers=\[\d\]"):
        (activities,) = hidden_activities(found, x)
    np.testing.assert_array_equal(activities, hidden_activities(found, x, found.hidden[1:])[0])
    with pytest.raises(InputError, match=r"'lstm\.l0' is computed in one step"):
        hidden_activities(found, x, found.hidden)


class Choosing(nn.Module):
    """Attention behind a choice, which torch.export follows and torch.fx does not: its projections are one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(x) if x.shape[1] > 1 else x


def test_heads_of_attention_answer_by_the_sizes_of_their_features():
    network = Choosing().eval()
    found = trace(network, torch.rand(2, 3, 4))
    (heads,) = [i for i in found.hidden if found.layers[i].name == "part.self_attn"]
    x = torch.rand(5, 3, 4)
    (activities,) = hidden_activities(found, x.numpy(), [heads])
    attention = network.part.self_attn
    projected = torch.nn.functional.linear(x, attention.in_proj_weight, attention.in_proj_bias).detach()
    expected = projected.abs().unflatten(2, (6, 2)).sum((1, 3))  # two queries, two keys, two values
    np.testing.assert_allclose(activities, expected.numpy(), rtol=1e-4)


def test_of_a_chain_they_are_the_same_as_ever_and_whatever_the_network_takes_is_checked():
    module = small_cnn(np.random.default_rng(0), side=8)
    x = np.random.default_rng(1).random((520, 1, 8, 8), dtype=np.float32)
    found = trace(module, x[:2])
    for chain, traced in zip(hidden_activities(as_network(module), x), hidden_activities(found, x), strict=True):
        np.testing.assert_allclose(chain, traced, rtol=1e-5)
    with pytest.raises(InputError, match=r"of shape \(n, 1, 8, 8\)"):
        hidden_activities(found, x[:, :, :7])
    with pytest.raises(InputError, match=r"pass modlib\.trace"):
        hidden_activities(as_network(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))), x)


def test_arrays_that_may_not_be_written_give_the_same_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    # A table's column, or a file that is mapped. PyTorch warns of them once a process, unless it is told to always.
    torch.set_warn_always(True)
    try:
        network = from_arrays([np.eye(3), np.ones((3, 2))])
        inputs = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
        mapped = inputs.copy()
        mapped.flags.writeable = False
        labels = np.arange(6) % 2
        for measure, more in (
            (hidden_activities, []),
            (Network.answers, []),
            (similarities, [labels]),
            (lesion_profiles, [labels, 1]),
        ):
            found, same = (measure(network, given, *more) for given in (mapped, inputs))
            assert str(found) == str(same)
    finally:
        torch.set_warn_always(False)
    assert not recwarn.list, [str(warning.message) for warning in recwarn.list]
