"""The eight similarities: against their definitions written naively, autograd and finite differences."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn

from modlib.communities import similarity
from modlib.communities.similarity import DOWNSTREAM, MEASURES, PLAIN, UPSTREAM, normalise, similarities
from modlib.errors import InputError
from modlib.networks.tracing import trace

WIDTHS = (9, 6, 5, 4, 3)


def perceptron(widths: tuple[int, ...] = WIDTHS, seed: int = 0, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    modules: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layer = nn.Linear(fan_in, fan_out)
        for parameter in layer.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / fan_in**0.5
        modules += [layer, activation()]
    return nn.Sequential(*modules[:-1])


def data(n: int = 20, inputs: int = WIDTHS[0], classes: int = WIDTHS[-1]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, inputs)).astype(np.float32), rng.integers(classes, size=n)


def naive(model: nn.Sequential, cut: int, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """The definitions, one input at a time, in double precision: Jacobians and Hessians by autograd."""
    model = model.double()
    inputs, targets = torch.tensor(x, dtype=torch.float64), torch.tensor(y)
    hidden = model[:cut](inputs).detach()
    out = {"covariance": np.cov(hidden.numpy(), rowvar=False)}
    upstream, downstream, hessian = [], [], []
    for one, activity, target in zip(inputs, hidden, targets, strict=True):
        j = torch.autograd.functional.jacobian(lambda v: model[:cut](v[None])[0], one)
        upstream.append(j @ j.T)
        j = torch.autograd.functional.jacobian(lambda v: model[cut:](v[None])[0], activity)
        downstream.append(j.T @ j)

        def loss(v: torch.Tensor, target: torch.Tensor = target) -> torch.Tensor:
            return nn.functional.cross_entropy(model[cut:](v[None]), target[None])

        hessian.append(torch.autograd.functional.hessian(loss, activity))
    for name, parts in zip(PLAIN[1:], (upstream, downstream, hessian), strict=True):
        out[name] = torch.stack(parts).mean(0).numpy()
    model.float()
    return {name: np.abs(matrix) for name, matrix in out.items()}


@pytest.mark.parametrize("cut", [2, 4, 6])
def test_the_closed_forms_are_the_definitions(cut):
    model, (x, y) = perceptron(), data()
    found = similarities(model, x)[str(cut - 2)]
    for name, expected in naive(model, cut, x, y).items():
        assert found[name] == pytest.approx(expected, rel=1e-5, abs=1e-5 * expected.max()), name


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("cut", [2, 4])
def test_torch_func_gives_the_definitions(activation, cut):
    model, (x, y) = perceptron(activation=activation), data()
    found = similarities(model, x, y, layers=[str(cut - 1)])[str(cut - 1)]
    for name, expected in naive(model, cut, x, y).items():
        assert found[name] == pytest.approx(expected, rel=1e-4, abs=1e-5 * expected.max()), name


def test_a_model_in_double_precision_gives_what_its_single_copy_gives():
    model, (x, y) = perceptron(activation=nn.Tanh), data()
    layers = ["1", "3"]
    single = similarities(model, x, y, layers=layers)
    double = similarities(model.double(), x.astype(np.float64), y, layers=layers)
    for layer in layers:
        for name, expected in single[layer].items():
            assert double[layer][name] == pytest.approx(expected, rel=1e-4, abs=1e-5 * expected.max()), (layer, name)


def test_a_name_of_a_layer_means_its_activity_behind_norm_and_activation_whether_asked_for_or_not():
    model, (x, y) = perceptron(), data()
    by_default, asked = similarities(model, x, y), similarities(model, x, y, layers=["0", "2", "3"])
    for name, same in (("0", "0"), ("2", "2"), ("3", "2")):  # module 3 is the ReLU behind layer 2
        for measure in MEASURES:
            expected = by_default[same][measure]
            assert asked[name][measure] == pytest.approx(expected, rel=1e-4, abs=1e-5 * expected.max()), measure
    normed = nn.Sequential(nn.Linear(9, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3)).eval()
    layer, activation = (similarities(normed, x, y, layers=[name])[name] for name in ("0", "2"))
    for measure in MEASURES:
        assert layer[measure] == pytest.approx(activation[measure], rel=1e-4, abs=1e-7), measure
    (outputs,) = similarities(normed, x, y, layers=["3"]).values()
    with torch.no_grad():
        expected = np.cov(normed(torch.tensor(x)).numpy(), rowvar=False)
    assert outputs["covariance"] == pytest.approx(np.abs(expected), rel=1e-4)


def test_a_layer_of_weights_that_is_called_twice_has_no_activity_of_its_own():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared, self.last = nn.Linear(9, 9), nn.Linear(9, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.shared(self.shared(x).relu()).relu())

    with pytest.raises(InputError, match="the layer 'shared' is called more than once"):
        similarities(Twice(), *data(), layers=["shared"])


def test_the_loss_hessian_agrees_with_finite_differences():
    model, (x, y) = perceptron().double(), data(3)
    hidden = model[:4](torch.tensor(x, dtype=torch.float64)).detach()

    def loss(activity: torch.Tensor) -> float:
        return nn.functional.cross_entropy(model[4:](activity), torch.tensor(y)).item()

    step, units = 1e-4, hidden.shape[1]
    expected = np.empty((units, units))
    for i in range(units):
        for j in range(units):
            corners = [(a, b, loss(hidden + step * (a * torch.eye(units)[i] + b * torch.eye(units)[j])))
                       for a in (-1, 1) for b in (-1, 1)]  # fmt: skip
            expected[i, j] = sum(a * b * value for a, b, value in corners) / (4 * step**2)
    found = similarities(model, x)["2"]["loss Hessian"]
    assert found == pytest.approx(np.abs(expected), abs=1e-5)


@given(st.integers(0, 2**32 - 1))
def test_similarities_are_symmetric_not_negative_and_normalised_to_one(seed):
    x, _ = data()
    for matrices in similarities(perceptron(seed=seed), x).values():
        assert tuple(matrices) == MEASURES
        for name, matrix in matrices.items():
            assert (matrix == matrix.T).all()
            assert matrix.min() >= 0
            if name.startswith("normalised"):
                diagonal = np.diag(matrix)
                assert np.logical_or(np.isclose(diagonal, 1), diagonal == 0).all()
                assert matrix.max() <= 1 + 1e-6


def test_the_order_of_units_and_inputs_and_the_size_of_a_batch_do_not_matter(monkeypatch):
    model, (x, _) = perceptron(), data()
    expected = similarities(model, x)["0"]
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    model[0].weight.data, model[0].bias.data = model[0].weight.data[order], model[0].bias.data[order]
    model[2].weight.data = model[2].weight.data[:, order]
    monkeypatch.setattr(similarity, "WORKSPACE", 200)
    found = similarities(model, x[::-1].copy())["0"]
    for name in MEASURES:
        assert found[name] == pytest.approx(expected[name][np.ix_(order, order)], rel=1e-4, abs=1e-6), name


def test_a_pair_of_equal_units_is_alike_in_every_measure():
    """Units 0 and 1 have the same weights in and out; unit 2 has the opposite ones out."""
    model, (x, _) = perceptron(), data()
    for unit, sign in ((1, 1), (2, -1)):
        model[0].weight.data[unit], model[0].bias.data[unit] = model[0].weight.data[0], model[0].bias.data[0]
        model[2].weight.data[:, unit] = sign * model[2].weight.data[:, 0]
    found = similarities(model, x)["0"]
    for name in (*UPSTREAM, *DOWNSTREAM):
        assert found[f"normalised {name.removeprefix('normalised ')}"][0, [1, 2]] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("constant", [1, 0.1, 1000.1])
def test_dead_and_constant_units_are_similar_to_none_and_nothing_is_nan(constant):
    model, (x, _) = perceptron(), data()
    model[0].weight.data[0], model[0].bias.data[0] = 0, -1  # never active
    model[0].weight.data[1], model[0].bias.data[1] = 0, constant  # always the same
    found = similarities(model, x)["0"]
    for name, matrix in found.items():
        assert np.isfinite(matrix).all()
        assert not matrix[0].any() or name in DOWNSTREAM  # what would happen if it were active
    assert not found["covariance"][1].any()
    assert not found["normalised covariance"][1].any()
    assert not found["input sensitivity"][1].any()
    assert found["output sensitivity"][1].any()


def test_a_unit_that_changes_in_its_last_digit_only_is_a_constant():
    model, (x, _) = perceptron(), data()
    model[0].weight.data[1] *= 1e-4
    model[0].bias.data[1] = 1000
    assert len(np.unique(torch.relu(model[0](torch.as_tensor(x)))[:, 1].detach().numpy())) > 1
    found = similarities(model, x)["0"]
    assert not found["covariance"][1].any()
    assert not found["normalised covariance"][1].any()


def test_a_large_constant_drowns_no_covariance():
    model, (x, _) = perceptron(), data()
    model[0].bias.data[0] += 1000
    activity = torch.relu(model[0](torch.as_tensor(x))).double().detach().numpy()
    assert similarities(model, x)["0"]["covariance"] == pytest.approx(np.abs(np.cov(activity.T)), rel=1e-4, abs=1e-6)


def test_a_layer_of_one_unit():
    x, _ = data()
    found = similarities(perceptron((9, 1, 3)), x)["0"]
    assert {matrix.shape for matrix in found.values()} == {(1, 1)}
    assert found["normalised covariance"] == pytest.approx(1)


def test_channels_are_units_and_positions_are_averaged():
    """A convolution on an image of one pixel is a perceptron; two pixels average two of them."""
    dense = perceptron((4, 5, 3))
    conv = nn.Sequential(nn.Conv2d(4, 5, 1), nn.ReLU(), nn.Flatten(), nn.Linear(5, 3))
    conv[0].weight.data, conv[0].bias.data = dense[0].weight.data[:, :, None, None], dense[0].bias.data
    conv[3].load_state_dict(dense[2].state_dict())
    x, y = data(inputs=4)
    expected = similarities(dense, x)["0"]
    found = similarities(conv, x[:, :, None, None], y)["1"]
    for name in MEASURES:
        assert found[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name
    wide = nn.Sequential(nn.Conv2d(4, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3))
    wide[0].load_state_dict(conv[0].state_dict())
    wide[4].load_state_dict(dense[2].state_dict())
    twice = np.repeat(x[:, :, None, None], 2, axis=3)
    found = similarities(wide, twice, y)["1"]
    factors = dict(zip(PLAIN, (1, 1, 1 / 4, 1 / 4), strict=True))  # each of two positions is half the average
    for name, factor in factors.items():
        assert found[name] == pytest.approx(factor * expected[name], rel=1e-4, abs=1e-6), name


def test_the_network_is_measured_at_inference_and_left_as_it_was():
    model, (x, y) = perceptron(), data()
    noisy = nn.Sequential(*model[:2], nn.Dropout(0.5), *model[2:])
    assert noisy.training
    expected, found = similarities(model, x)["0"], similarities(noisy, x, y, layers=["1"])["1"]
    assert noisy.training
    for name in MEASURES:
        assert found[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6)
    assert not noisy[1]._forward_hooks


def test_normalisation_of_small_similarities():
    tiny = 1e-20 * np.array([[4.0, 2], [2, 1]])
    assert normalise(tiny) == pytest.approx(np.ones((2, 2)))
    assert not normalise(np.zeros((2, 2))).any()


def test_bad_input_is_refused():
    model, (x, y) = perceptron(), data()
    with pytest.raises(InputError, match="at least two"):
        similarities(model, x[:1])
    with pytest.raises(InputError, match="not finite"):
        similarities(model, np.full_like(x, np.nan))
    with pytest.raises(InputError, match="for a network with 9 inputs"):
        similarities(model, x[:, :5])
    with pytest.raises(InputError, match=r"a hidden layer = 'relu' arrived; expected one of .*0, 1, 2"):
        similarities(model, x, y, layers=["relu"])
    with pytest.raises(InputError, match=r"inputs of shape \(1, 5\) .* which the Sequential does not take"):
        similarities(model, x[:, :5], y, layers=["1"])
    square = nn.Sequential(nn.Unflatten(1, (3, 3)), nn.ReLU(), nn.Flatten(), nn.Linear(9, 3))
    for module, layer in ((square, "1"), (nn.Sequential(nn.Linear(9, 3), nn.ReLU(), nn.Flatten(0)), "1")):
        with pytest.raises(InputError, match=r"hidden activity of shape .* and outputs of shape"):
            similarities(module, x, y, layers=[layer])
    with pytest.raises(InputError, match="labels = None arrived; expected whole numbers of at least 0 and at most 2"):
        similarities(perceptron(activation=nn.Tanh), x)
    with pytest.raises(InputError, match="with values 3 to 5 arrived"):
        similarities(model, x, y + 3, layers=["1"])
    with pytest.raises(InputError, match="no activation module between two layers of weights; pass layers"):
        similarities(nn.Sequential(nn.Linear(9, 3)), x, y)


def test_labels_are_checked_where_they_are_not_needed():
    x, y = data()
    for wrong in (y[1:], y + len(WIDTHS), y + 0.5):
        with pytest.raises(InputError, match="labels = "):
            similarities(perceptron(), x, wrong)


def test_a_norm_before_the_first_layer_is_part_of_what_is_measured():
    x, y = data()
    plain = perceptron()
    normed = nn.Sequential(nn.BatchNorm1d(WIDTHS[0]), *perceptron())
    with torch.no_grad():
        normed[0].running_var.copy_(torch.linspace(0.5, 4, WIDTHS[0]))
        normed[0].bias.copy_(torch.linspace(-1, 1, WIDTHS[0]))
        shift, scale = normed[0].bias, 1 / (normed[0].running_var + normed[0].eps).sqrt()
        plain[0].bias += plain[0].weight @ shift
        plain[0].weight *= scale
    ours, theirs = similarities(normed, x, y), similarities(plain, x, y)
    for first, second in zip(ours.values(), theirs.values(), strict=True):
        for name in MEASURES:
            np.testing.assert_allclose(first[name], second[name], rtol=1e-3, atol=1e-5)


def test_hidden_layers_come_in_the_order_of_the_pass():
    class Backwards(nn.Module):
        """Registers its layers from the last to the first."""

        def __init__(self) -> None:
            super().__init__()
            self.last, self.second, self.middle, self.first = nn.Linear(5, 3), nn.Tanh(), nn.Linear(7, 5), nn.Tanh()
            self.start = nn.Linear(9, 7)

        def forward(self, x):
            return self.last(self.second(self.middle(self.first(self.start(x)))))

    x, y = data()
    found = similarities(Backwards(), x, y)
    assert [(name, len(layer["covariance"])) for name, layer in found.items()] == [("first", 7), ("second", 5)]


class Residual(nn.Module):
    """Layers on top of each other, with the functions behind them as modules, so that hooks see them too."""

    def __init__(self):
        super().__init__()
        self.start, self.inner, self.norm, self.out = (
            nn.Linear(5, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 3)
        )  # fmt: skip
        self.first, self.second = nn.Tanh(), nn.GELU()

    def forward(self, x):
        below = self.first(self.start(x))
        return self.out(below + self.second(self.norm(self.inner(below))))


def test_layers_of_a_traced_network_are_measured_as_submodules_are():
    x, y = data(inputs=5)
    network = Residual()
    by_hooks = similarities(network, x, y, layers=["first", "second"])
    by_trace = similarities(trace(network, x), x, y)
    assert list(by_trace) == ["start", "inner"]
    for hooked, traced in zip(by_hooks.values(), by_trace.values(), strict=True):
        for name in MEASURES:
            np.testing.assert_allclose(hooked[name], traced[name], rtol=1e-4, atol=1e-6, err_msg=name)
    images, maps = x.reshape(len(x), 5, 1, 1).repeat(3, axis=2), nn.Conv2d(5, 4, (2, 1))
    network = nn.Sequential(maps, nn.Sigmoid(), nn.Flatten(), nn.Linear(8, 3))
    hooked, traced = similarities(network, images, y)["1"], similarities(trace(network, images), images, y)["0"]
    for name in MEASURES:
        np.testing.assert_allclose(hooked[name], traced[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_layers_whose_activity_cannot_be_replaced_are_refused_by_name():
    steps = torch.rand(4, 3, 5)
    with pytest.raises(InputError, match=r"layer 'rnn\.l0' are heads of attention, or read each other"):
        similarities(trace(Recurrent(), steps), steps.numpy(), np.arange(4) % 3)
    with pytest.raises(InputError, match="a hidden layer = 'nothing' arrived; expected one of inner, start"):
        similarities(trace(Residual()), np.zeros((4, 5)), np.arange(4) % 3, ["inner", "nothing"])


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.GRU(5, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, steps):
        return self.out(self.rnn(steps)[0][:, -1])


@pytest.mark.parametrize("closed_form", [True, False])
def test_units_that_never_change_are_like_none(closed_form: bool):
    """Biases whose sums are not exact, beside a large offset that would drown a variance of 1."""
    weights = torch.zeros(5, 1)
    weights[3:] = 1.0
    network = nn.Sequential(nn.Linear(1, 5), nn.ReLU(), nn.Linear(5, 2))
    with torch.no_grad():
        network[0].weight.copy_(weights)
        network[0].bias.copy_(torch.tensor([0.1, 0.37, 0.73, 1000.0, 0.0]))
    x = np.random.default_rng(0).normal(size=(1000, 1)).astype(np.float32)
    labels = (x[:, 0] > 0).astype(int)
    found = similarities(network, x, labels, layers=None if closed_form else ["1"])
    (of_layer,) = found.values()
    for name in ("covariance", "normalised covariance"):
        assert not of_layer[name][:3].any()
    assert of_layer["covariance"][3, 3] == pytest.approx(x.var(ddof=1), rel=1e-3)


def test_steps_beside_layers_and_relu_are_not_passed_over():
    """What else a pass does leaves the closed form aside."""
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    y = np.arange(40) % 3
    for parts in ([nn.Tanh(), nn.Linear(6, 5), nn.ReLU()], [nn.Linear(6, 5), nn.Tanh(), nn.ReLU()]):
        network = nn.Sequential(*parts, nn.Linear(5, 3))
        relu = next(name for name, part in network.named_modules() if isinstance(part, nn.ReLU))
        expected = similarities(network, x, y, layers=[relu])[relu]
        found = list(similarities(network, x, y).values())[-1]
        for name in MEASURES:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-6)


def test_probabilities_have_the_loss_of_their_logarithms():
    """The Hessian of the loss is that of the logits, wherever the softmax stands."""
    logits = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    y = np.arange(40) % 3
    (expected,) = similarities(logits, x, y, layers=["1"]).values()
    (found,) = similarities(nn.Sequential(*logits, nn.Softmax(1)), x, y, layers=["1"]).values()
    np.testing.assert_allclose(found["loss Hessian"], expected["loss Hessian"], rtol=1e-3, atol=1e-6)
