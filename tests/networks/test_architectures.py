"""Untrained networks: sizes as printed, PyTorch's start or Keras's, and what an LSTM is shown when."""

import numpy as np
import pytest
import torch
from torch import nn

from modlib.errors import InputError
from modlib.networks.architectures import (
    glorot_perceptron,
    perceptron,
    repeated_lstm,
    simple_cnn,
    small_cnn,
    start_as_torch,
    vgg16,
)


def test_a_perceptron_has_its_sizes_and_relu_between_layers():
    module = perceptron((42, 400, 400, 200, 20), np.random.default_rng(0))
    assert [type(layer).__name__ for layer in module] == ["Linear", "ReLU"] * 3 + ["Linear"]
    assert [layer.weight.shape for layer in module if isinstance(layer, nn.Linear)] == [
        (400, 42), (400, 400), (200, 400), (20, 200),
    ]  # fmt: skip


def test_the_cnn_has_the_weights_of_table_2():
    module = simple_cnn(np.random.default_rng(0))
    assert module(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    shapes = [tuple(p.shape) for name, p in module.named_parameters() if name.endswith("weight")]
    assert shapes == [(32, 3, 3, 3), (64, 32, 3, 3), (128, 64, 3, 3), (256, 128, 3, 3), (10, 256)]
    assert sum(p.numel() for p in list(module.parameters())[-2:]) == 2570
    assert [layer.p for layer in module if isinstance(layer, nn.Dropout)] == [0.25, 0.5]
    assert {
        layer.p for layer in simple_cnn(np.random.default_rng(0), dropout=False) if isinstance(layer, nn.Dropout)
    } == {0}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda rng: perceptron((300, 200), rng)[0], lambda: nn.Linear(300, 200)),
        (lambda rng: simple_cnn(rng)[3], lambda: nn.Conv2d(32, 64, 3)),
        (lambda rng: repeated_lstm(40, 64, 5, 1, rng).lstm, lambda: nn.LSTM(40, 64, 2)),
    ],
)
def test_the_start_is_distributed_as_that_of_pytorch(ours, theirs):
    from scipy.stats import ks_2samp

    torch.manual_seed(0)
    mine, other = dict(ours(np.random.default_rng(0)).named_parameters()), dict(theirs().named_parameters())
    assert set(mine) == set(other)
    for name in mine:
        assert ks_2samp(*(p[name].detach().numpy().ravel() for p in (mine, other))).pvalue > 1e-3, name


def test_the_start_follows_from_the_generator_and_leaves_the_global_one_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, again, other = (repeated_lstm(4, 5, 2, 3, np.random.default_rng(seed)).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_an_lstm_is_shown_every_part_as_often_as_asked_and_keeps_its_state():
    module, x = repeated_lstm(4, 5, 2, 3, np.random.default_rng(0)), torch.randn(6, 4)
    shown = module.lstm(torch.stack([x, x, x], dim=1))[0]
    torch.testing.assert_close(module(x), module.output(shown[:, -1]))
    parts = torch.randn(6, 2, 4)
    first, state = module.lstm(parts[:, [0, 0, 0]])
    second, _ = module.lstm(parts[:, [1, 1, 1]], state)
    expected = module.output(torch.stack([first[:, -1], second[:, -1]], dim=1))
    torch.testing.assert_close(module(parts), expected)


def test_sizes_below_one_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"sizes\[1\] = 0"):
        perceptron((4, 0), rng)
    with pytest.raises(InputError, match=r"sizes = \(4,\)"):
        perceptron((4,), rng)
    with pytest.raises(InputError, match="steps = 0"):
        repeated_lstm(4, 5, 2, 0, rng)


def test_the_cnn_for_small_images_has_the_sizes_of_the_paper():
    module = small_cnn(np.random.default_rng(0), channels=2)
    assert module(torch.zeros(3, 2, 28, 28)).shape == (3, 10)
    shapes = [tuple(p.shape) for name, p in module.named_parameters() if name.endswith("weight")]
    assert shapes == [(64, 2, 3, 3), (64, 64, 3, 3), (64, 64, 3, 3), (128, 64 * 7 * 7), (10, 128)]
    assert [type(layer).__name__ for layer in module[2:8]] == ["Conv2d", "ReLU", "MaxPool2d"] * 2
    for bad in ({"side": 30}, {"channels": 0}):
        with pytest.raises(InputError, match="arrived; expected"):
            small_cnn(np.random.default_rng(0), **bad)


def test_the_cnn_for_small_images_starts_as_keras_does():
    module = small_cnn(np.random.default_rng(0), side=8)
    for layer in (layer for layer in module if isinstance(layer, (nn.Linear, nn.Conv2d))):
        fans = [layer.weight[0].numel(), layer.weight[:, 0].numel()]  # a window counts on both sides
        bound = (6 / sum(fans)) ** 0.5
        assert not layer.bias.any()
        assert 0.98 * bound < float(layer.weight.detach().abs().max()) <= bound
        assert float(layer.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.05)


def test_the_small_cnn_drops_after_every_convolution_and_dense_layer_and_starts_the_same():
    plain, dropping = (small_cnn(np.random.default_rng(0), dropout=dropout) for dropout in (False, True))
    assert [layer.p for layer in dropping if isinstance(layer, nn.Dropout)] == [0.25, 0.25, 0.25, 0.5]
    for one, other in zip(plain.parameters(), dropping.parameters(), strict=True):
        assert torch.equal(one, other)


def test_vgg_has_thirteen_convolutions_and_batch_norms_that_change_nothing_yet():
    module = vgg16(np.random.default_rng(0), dropout=True)
    convolutions = [layer for layer in module if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert [layer.p for layer in module if isinstance(layer, nn.Dropout)] == [0.3] + [0.4] * 7 + [0.5] * 2
    assert module.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    bound = np.sqrt(6 / (9 * (64 + 128)))
    assert bound * 0.99 < convolutions[2].weight.abs().max() <= bound
    for layer in module:
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            assert (layer.weight == 1).all()
            assert (layer.bias == 0).all()
            assert (layer.running_mean == 0).all()
            assert (layer.running_var == 1).all()


def test_a_glorot_perceptron_starts_within_its_bounds_and_without_biases():
    first, _, last = glorot_perceptron((300, 200, 5), np.random.default_rng(0))
    for layer in (first, last):
        bound = np.sqrt(6 / sum(layer.weight.shape))
        assert bound * 0.95 < layer.weight.abs().max() <= bound
        assert (layer.bias == 0).all()


@pytest.mark.parametrize(
    "layer",
    [nn.BatchNorm1d(4), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm(4), nn.InstanceNorm2d(4, affine=True)],
)
def test_normalisation_starts_as_in_pytorch(layer):
    usual = {name: value.clone() for name, value in layer.state_dict().items()}
    started = start_as_torch(layer.to("meta"), np.random.default_rng(0)).state_dict()
    assert all(torch.equal(value, started[name]) for name, value in usual.items())


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_start_within_their_bound(kind):
    started = start_as_torch(kind(100, 4, device="meta"), np.random.default_rng(0))
    largest = max(float(parameter.detach().abs().max()) for parameter in started.parameters())
    assert 0.45 < largest <= 0.5
