"""Training of several perceptrons at once: equal to one by one, and to PyTorch's own optimiser; and by steps."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from modlib.data.arithmetic import add_or_multiply
from modlib.data.images import Images
from modlib.errors import InputError
from modlib.networks.architectures import perceptron
from modlib.training import perceptrons
from modlib.training.perceptrons import Regularisation, Settings, train_mlps
from modlib.training.steps import Steps, draw_from, train_steps

EACH = (Regularisation(), Regularisation(l2=1e-3), Regularisation(l1=1e-3, l2=1e-5), Regularisation(dropout=0.3))


@pytest.fixture(scope="module")
def images() -> Images:
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    return Images("digits", x[:600], y[:600].astype(np.int32), x[600:900], y[600:900].astype(np.int32))


def numbers(network: perceptrons.TrainedMLP) -> np.ndarray:
    return np.concatenate([array.ravel() for array in (*network.kernels, *network.biases)])


@pytest.mark.parametrize("hidden", [(16,), (12, 8, 10)])
def test_networks_trained_together_are_those_trained_one_by_one(images, hidden):
    settings = Settings(hidden, batch_size=50, max_epochs=3)
    together = train_mlps(images, settings, EACH, seed=1)
    for one, network in zip(EACH, together, strict=True):
        (alone,) = train_mlps(images, settings, [one], seed=1)
        assert numbers(network) == pytest.approx(numbers(alone), abs=2e-5)
        assert network.losses == pytest.approx(alone.losses, abs=1e-5)
        assert network.accuracy == pytest.approx(alone.accuracy, abs=0.005)


@pytest.mark.parametrize("one", EACH)
def test_two_epochs_are_those_of_torch_modules_and_adam(images, one):
    """The same start, order and uniform numbers, with nn.Linear, torch.optim.Adam and penalties in the loss."""
    settings, seed, shape = Settings((9, 7), batch_size=64, max_epochs=2), 3, (64, 9, 7, 10)
    (untrained,) = train_mlps(images, Settings((9, 7), max_epochs=0), [one], seed)
    layers = [nn.Linear(*pair) for pair in itertools.pairwise(shape)]
    for layer, kernel, bias in zip(layers, untrained.kernels, untrained.biases, strict=True):
        layer.weight.data, layer.bias.data = torch.tensor(kernel.T.copy()), torch.tensor(bias)
    optimiser = torch.optim.Adam([p for layer in layers for p in layer.parameters()], lr=settings.learning_rate)
    split = np.random.default_rng([seed, 0]).permutation(600)[:540]
    x, y = torch.tensor(images.x_train[split]), torch.tensor(images.y_train[split]).long()
    for epoch in range(2):
        rng = np.random.default_rng([seed, 2, epoch])
        order = torch.as_tensor(rng.permutation(540))
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        for batch in order.split(64):
            h = x[batch]
            uniforms = [torch.rand(len(batch), width, generator=generator) for width in (9, 7)]
            for layer, uniform in zip(layers, uniforms, strict=False):
                h = torch.relu(layer(h)) * (uniform >= one.dropout) / (1 - one.dropout)
            loss = cross_entropy(layers[-1](h), y[batch])
            for layer in layers:
                loss = loss + one.l1 * layer.weight.abs().sum() + one.l2 * (layer.weight**2).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    (trained,) = train_mlps(images, settings, [one], seed)
    assert trained.epoch == 2
    for layer, kernel, bias in zip(layers, trained.kernels, trained.biases, strict=True):
        assert kernel == pytest.approx(layer.weight.detach().numpy().T, abs=2e-5)
        assert bias == pytest.approx(layer.bias.detach().numpy(), abs=2e-5)


def test_the_learning_rate_falls_as_that_of_torch():
    rng = np.random.default_rng(0)
    losses = np.concatenate([np.linspace(2, 1, 5), 1 + 0.01 * rng.normal(size=40), [0.5], np.full(10, 0.5)])
    losses = np.concatenate([losses, losses[-1] * (1 - 5e-5) ** np.arange(1, 9)])  # too slowly lower to count
    optimiser = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=1e-3)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.25, patience=3)
    ours = perceptrons._Plateau(Settings())
    for loss in losses:
        theirs.step(loss)
        assert ours.rate_after(float(loss)) == pytest.approx(optimiser.param_groups[0]["lr"])
    assert ours.rate < 1e-4


def test_training_stops_after_its_patience_and_returns_the_best_epoch(images):
    settings = Settings((32,), batch_size=20, learning_rate=0.02, patience=2)
    still: list[int] = []
    networks = train_mlps(images, settings, EACH, seed=0, on_epoch=still.append)
    assert still == sorted(still, reverse=True)
    assert still[-1] == 0
    assert len({len(network.losses) for network in networks}) > 1, "all stopped together; the test shows nothing"
    split = np.random.default_rng([0, 0]).permutation(600)[540:]
    for network in networks:
        assert network.epoch == int(np.argmin(network.losses)) + 1 == len(network.losses) - 2
        hidden = np.maximum(images.x_train[split] @ network.kernels[0] + network.biases[0], 0)
        logits = torch.tensor(hidden @ network.kernels[1] + network.biases[1])
        loss = cross_entropy(logits, torch.tensor(images.y_train[split]).long()).item()
        assert loss == pytest.approx(min(network.losses), abs=1e-5)
        assert network.accuracy["test"] > 0.8


def test_a_training_that_diverges_is_told(images):
    with pytest.raises(InputError, match=r"the loss is nan at epoch \d; .* lower the learning rate"):
        train_mlps(images, Settings((8,), learning_rate=1e38, max_epochs=2), [Regularisation()], seed=0)


def test_an_untrained_network_starts_as_torchs_layers_do(images):
    (network,) = train_mlps(images, Settings((200,), max_epochs=0), [Regularisation()], seed=0)
    assert (network.epoch, network.losses) == (0, [])
    for array, fan_in in zip((*network.kernels, *network.biases), (64, 200, 64, 200), strict=True):
        bound = 1 / fan_in**0.5
        assert np.abs(array).max() <= bound
        if array.size > 100:
            assert array.std() == pytest.approx(bound / 3**0.5, rel=0.15)
    (other,) = train_mlps(images, Settings((200,), max_epochs=0), [Regularisation()], seed=1)
    assert not np.allclose(numbers(network), numbers(other))


def test_penalties_make_weights_small(images):
    each = [Regularisation(), Regularisation(l2=1e-2), Regularisation(l1=1e-2)]
    plain, l2, l1 = train_mlps(images, Settings((20,), batch_size=20, max_epochs=30), each, seed=0)
    assert (l2.kernels[0] ** 2).sum() < 0.5 * (plain.kernels[0] ** 2).sum()
    sparse = [(np.abs(network.kernels[0]) < 1e-3).mean() for network in (plain, l1)]
    assert sparse[1] > 0.5 > sparse[0]


def test_bad_settings_are_refused(images):
    with pytest.raises(InputError, match=r"regularisations = \[\] arrived"):
        train_mlps(images, Settings(), [], seed=0)
    with pytest.raises(InputError, match="l1 = -1 arrived"):
        Regularisation(l1=-1)
    with pytest.raises(InputError, match="dropout = 1 arrived"):
        Regularisation(dropout=1)
    with pytest.raises(InputError, match="l2 = nan arrived"):
        Regularisation(l2=float("nan"))
    with pytest.raises(InputError, match=r"hidden = .* expected a list"):
        Settings(hidden=())
    with pytest.raises(InputError, match="validation = 0 arrived"):
        Settings(validation=0)
    few = Images("few", images.x_train[:1], images.y_train[:1], images.x_test, images.y_test)
    with pytest.raises(InputError, match="1 training images arrived"):
        train_mlps(few, Settings(), [Regularisation()], seed=0)


@pytest.mark.parametrize(("validation", "held_out"), [(0.9, 9), (0.1, 1), (0.25, 3)])
def test_a_share_of_the_images_is_held_out_whatever_rounding_makes_of_it(images, validation, held_out, monkeypatch):
    few = Images("digits", images.x_train[:10], images.y_train[:10], images.x_test, images.y_test)
    counts, tensors = [], perceptrons._tensors
    monkeypatch.setattr(perceptrons, "_tensors", lambda x, y: (counts.append(len(x)), tensors(x, y))[1])
    train_mlps(few, Settings(hidden=(4,), max_epochs=1, validation=validation), [Regularisation()], seed=0)
    assert counts[:2] == [10 - held_out, held_out]


def test_training_by_steps_learns_and_follows_from_the_seed():
    x, y = add_or_multiply(only="addition")
    draw = draw_from(torch.tensor(x), torch.tensor(y[:, 0]))  # the last digit of a sum
    networks, losses = [], []
    state = torch.random.get_rng_state()
    for seed in (0, 0, 1):
        network = nn.Sequential(perceptron((42, 64, 10), np.random.default_rng(0)), nn.Dropout(0.1))
        losses.append(train_steps(network, draw, Steps(600, learning_rate=5e-3), np.random.default_rng(seed)))
        networks.append(network)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert losses[0][-20:].mean() < 0.5 * losses[0][:20].mean()
    assert not networks[0].training
    np.testing.assert_array_equal(losses[0], losses[1])
    assert not np.array_equal(losses[0], losses[2])
    for first, again in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(first, again)


def test_a_step_is_that_of_adam_on_clipped_gradients():
    x, y = torch.randn(16, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(16, dtype=torch.long)
    draw = draw_from(x[:1], y[:1])  # every batch is the same example
    ours, theirs = (perceptron((4, 3), np.random.default_rng(0)) for _ in range(2))
    train_steps(ours, draw, Steps(3, batch_size=5, learning_rate=0.1, clip=0.01), np.random.default_rng(0))
    adam = torch.optim.Adam(theirs.parameters(), lr=0.1)
    for _ in range(3):
        adam.zero_grad()
        cross_entropy(theirs(x[:1]), y[:1]).backward()
        norm = torch.cat([p.grad.ravel() for p in theirs.parameters()]).norm()
        for p in theirs.parameters():
            p.grad *= 0.01 / norm
        adam.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-5)


def test_bad_steps_are_refused():
    with pytest.raises(InputError, match="clip = 0 arrived; expected a finite number above 0"):
        Steps(clip=0)
    draw = draw_from(torch.full((3, 4), float("inf")), torch.zeros(3, dtype=torch.long))
    with pytest.raises(InputError, match="the loss is nan at step 1"):
        train_steps(perceptron((4, 3), np.random.default_rng(0)), draw, Steps(2), np.random.default_rng(0))


@pytest.mark.parametrize(("given", "message"), [(("digits", Settings()), "images = "), (("images", {}), "settings = ")])
def test_arguments_of_another_kind_are_refused(images, given, message):
    data = images if given[0] == "images" else given[0]
    with pytest.raises(InputError, match=message):
        train_mlps(data, given[1], EACH, 0)
