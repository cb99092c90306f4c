"""Feature visualisation: what a linear unit wants is known, batches do not mix, and the global generators are kept."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from modlib.errors import InputError
from modlib.networks.architectures import small_cnn
from modlib.networks.network import Network, as_network, from_arrays
from modlib.networks.tracing import trace
from modlib.responses.features import ImageSettings, _global_generators, _transforms, visualise

SHAPE = (1, 8, 8)
STILL = ImageSettings(steps=60, jitter=0, scale=1)
SHORT = ImageSettings(steps=20)


@pytest.fixture(scope="module")
def perceptron() -> Network:
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=shape) / 4 for shape in ((64, 12), (12, 12), (12, 5))]
    return from_arrays(kernels, [np.full(12, 0.5), np.full(12, 0.5), np.zeros(5)])


def test_a_linear_unit_gets_the_image_of_its_weights():
    direction = np.random.default_rng(0).normal(size=64)
    network = from_arrays([np.column_stack([direction, -direction]), np.eye(2)], [np.full(2, 50.0), np.zeros(2)])
    found = visualise(network, 1, [[0], [1]], SHAPE, seed=0, settings=STILL)
    for image, wanted in zip(found.images, (direction, -direction), strict=True):
        np.testing.assert_array_equal(image.ravel() > 0.5, wanted > 0)
    np.testing.assert_allclose(found.score, found.images.reshape(2, -1) @ direction * [1, -1] + 50, rtol=1e-5)
    assert (found.score > 50 + 0.7 * np.maximum(direction, 0).sum() - 0.7 * np.maximum(-direction, 0).sum()).all()


def test_transforms_move_what_is_drawn_but_are_not_in_the_score(perceptron):
    still, moved = (visualise(perceptron, 1, [[0, 1]], SHAPE, 0, s) for s in (STILL, ImageSettings(steps=60)))
    assert np.abs(still.images - moved.images).max() > 0.1
    assert still.score > moved.score  # the untransformed image is what was optimised in the first


def test_all_of_a_batch_is_what_one_after_another_gives(perceptron):
    sets = [np.array([0, 1, 2]), np.array([3]), np.array([2, 5, 7, 8])]
    together = visualise(perceptron, 2, sets, SHAPE, seed=3, settings=SHORT)
    for i, units in enumerate(sets):
        alone = visualise(perceptron, 2, [units], SHAPE, seed=3, settings=SHORT)
        np.testing.assert_allclose(alone.images[0], together.images[i], atol=1e-4)
        np.testing.assert_allclose(alone.score[0], together.score[i], rtol=1e-4)


def test_channels_are_units(perceptron):
    network = as_network(small_cnn(np.random.default_rng(0), side=8))
    sets = [np.arange(5), np.arange(3, 40)]
    together = visualise(network, 2, sets, SHAPE, seed=0, settings=ImageSettings(steps=5))
    alone = visualise(network, 2, sets[1:], SHAPE, seed=0, settings=ImageSettings(steps=5))
    np.testing.assert_allclose(alone.images[0], together.images[1], atol=1e-4)
    with torch.no_grad():
        maps = network.module[:4](torch.as_tensor(together.images))
    units = maps.mean((2, 3)).numpy()
    np.testing.assert_allclose(together.score, [units[0, :5].mean(), units[1, 3:40].mean()], rtol=1e-4)
    np.testing.assert_allclose(together.variance, [units[0, :5].var(), units[1, 3:40].var()], rtol=1e-3)
    assert visualise(
        as_network(small_cnn(np.random.default_rng(0), channels=3, side=8)),
        1,
        sets,
        (3, 8, 8),
        0,
        ImageSettings(steps=1),
    ).images.shape == (2, 3, 8, 8)


def test_statistics_are_those_of_the_definitions(perceptron):
    units = np.array([0, 4, 5, 9])
    found = visualise(perceptron, 1, [units], SHAPE, seed=0, settings=SHORT)
    with torch.no_grad():
        x = torch.as_tensor(found.images).flatten(1)
        activities = torch.relu(perceptron.module.layer_0(x))[0, units].double().numpy()
        p = torch.softmax(perceptron.module(x).double(), 1)[0].numpy()
    np.testing.assert_allclose(found.score, activities.mean(), rtol=1e-5)
    np.testing.assert_allclose(found.variance, activities.var(), rtol=1e-5)
    np.testing.assert_allclose(found.variation, activities.std() / activities.mean(), rtol=1e-5)
    np.testing.assert_allclose(found.entropy, -(p * np.log(p)).sum(), rtol=1e-5)
    assert 0 < found.entropy[0] < np.log(5)


def test_a_set_that_is_silent_at_the_start_is_woken():
    kernel = np.full((64, 2), 0.1)
    network = from_arrays([kernel, np.eye(2)], [np.full(2, -5.0), np.zeros(2)])  # awake above the middle grey only
    found = visualise(network, 1, [[0]], SHAPE, seed=0, settings=STILL)
    assert found.score[0] > 0
    deaf = from_arrays([kernel, np.eye(2)], [np.full(2, -50.0), np.zeros(2)])
    found = visualise(deaf, 1, [[0]], SHAPE, seed=0, settings=SHORT)
    assert found.score[0] == found.variance[0] == 0
    assert np.isnan(found.variation[0])


def test_the_seed_decides_and_global_generators_and_the_network_are_left_alone(perceptron):
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    random.seed(5)
    before = np.random.get_state()[1].copy(), torch.random.get_rng_state(), random.getstate()  # noqa: NPY002
    weights = {name: value.clone() for name, value in perceptron.module.state_dict().items()}
    first = visualise(perceptron, 1, [[0, 1]], SHAPE, seed=1, settings=SHORT)
    np.random.random(7)  # noqa: NPY002
    torch.rand(7)
    again, other = (visualise(perceptron, 1, [[0, 1]], SHAPE, seed, SHORT) for seed in (1, 2))
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    visualise(perceptron, 1, [[0, 1]], SHAPE, seed=1, settings=SHORT)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), before[1])
    assert random.getstate() == before[2]
    assert all(torch.equal(value, weights[name]) for name, value in perceptron.module.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in perceptron.module.parameters())
    assert not any(module._forward_hooks for module in perceptron.module.modules())


def test_jitter_is_as_far_in_every_direction():
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 4, 4] = 1
    (move,) = _transforms(ImageSettings(jitter=2, scale=1), SHAPE, np.random.default_rng(0))
    places = set()
    for _ in range(200):
        moved = move(image)
        assert moved.shape == image.shape
        assert moved.sum() == moved.max() == 1  # not blurred
        places.add(tuple(moved[0, 0].nonzero()[0].tolist()))
    assert places == {(y, x) for y in range(2, 7) for x in range(2, 7)}


def test_scaling_keeps_the_middle_and_the_size():
    image = torch.zeros(1, 1, 28, 28)
    image[0, 0, 10:18, 10:18] = 1
    steps = _transforms(ImageSettings(jitter=0, scale=1.3), (1, 28, 28), np.random.default_rng(0))
    sums = []
    with _global_generators(0):
        for _ in range(50):
            scaled = image
            for step in steps:
                scaled = step(scaled)
            assert scaled.shape == image.shape
            sums.append(float(scaled.sum()))
            centre = (scaled[0, 0].sum(0) @ torch.arange(28.0) / scaled.sum()).item()
            assert abs(centre - 13.5) < 0.6
    assert min(sums) < 64 / 1.2
    assert max(sums) > 64 * 1.2


def test_bad_input_is_refused(perceptron):
    with pytest.raises(InputError, match="at least 1 and at most 2"):
        visualise(perceptron, 3, [[0]], SHAPE, 0)
    for bad in ([], list(range(12)), [0, 0], [12], [-1]):
        with pytest.raises(InputError, match=r"set 0 .* expected (1 to 11 different units|.* at most 11)"):
            visualise(perceptron, 1, [bad], SHAPE, 0)
    with pytest.raises(InputError, match=r"sets = .* expected a list"):
        visualise(perceptron, 1, [], SHAPE, 0)
    with pytest.raises(InputError, match=r"shape \(1, 9, 9\) do not fit"):
        visualise(perceptron, 1, [[0]], (1, 9, 9), 0)
    tanh = as_network(nn.Sequential(nn.Linear(64, 3), nn.Tanh(), nn.Linear(3, 2)))
    with pytest.raises(InputError, match="a ReLU module"):
        visualise(tanh, 1, [[0]], SHAPE, 0)
    for bad in ({"steps": 0}, {"scale": 0.5}, {"jitter": -1}, {"learning_rate": 0}):
        with pytest.raises(InputError, match="arrived; expected"):
            ImageSettings(**bad)


class Residual(nn.Module):
    """Two layers of channels, the second on top of the first."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.out = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 3)

    def forward(self, x):
        below = torch.nn.functional.relu(self.first(x), inplace=True)
        above = below + self.second(below).relu()
        return self.out(above.mean((2, 3)))


def test_a_traced_chain_gets_the_images_of_the_chain(perceptron):
    sets = [[0, 1, 2], [3]]
    chain = visualise(perceptron, 2, sets, SHAPE, seed=0, settings=SHORT)
    traced = visualise(trace(perceptron), 2, sets, SHAPE, seed=0, settings=SHORT)
    for name, values in vars(chain).items():
        np.testing.assert_allclose(values, vars(traced)[name], atol=1e-5, err_msg=name)


def test_features_of_a_branching_network_are_what_its_layer_likes():
    module = Residual().eval()
    found = trace(module, torch.rand(2, 1, 8, 8))
    second = next(layer for layer in found.hidden if found.layers[layer].name == "second")
    start, end = (
        visualise(
            found, second, [[0], [1, 4]], (1, 8, 8), seed=0, settings=ImageSettings(steps=steps, jitter=0, scale=1)
        )
        for steps in (1, 40)
    )
    with torch.no_grad():
        below = module.first(torch.as_tensor(end.images)).relu()
        activity = module.second(below).relu().mean((2, 3)).numpy()
    np.testing.assert_allclose(end.score, [activity[0, 0], activity[1, [1, 4]].mean()], rtol=1e-4)
    assert (end.score > start.score).all()
    with pytest.raises(InputError, match=r"traced with inputs of shape \(1, 8, 8\)"):
        visualise(found, second, [[0]], (1, 9, 9), seed=0)
    with pytest.raises(InputError, match="'out', an input or output"):
        visualise(found, len(found.layers) - 1, [[0]], (1, 8, 8), seed=0)


class _LogProbabilities(nn.Module):
    def __init__(self, scores: nn.Module) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(self.scores(x.flatten(1)), dim=1)


def test_the_entropy_is_of_the_probabilities_however_a_network_ends():
    torch.manual_seed(0)
    scores = nn.Sequential(nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 3))
    example = torch.rand(2, 1, 4, 4)
    ends = [
        nn.Sequential(nn.Flatten(), *scores),
        nn.Sequential(nn.Flatten(), *scores, nn.Softmax(dim=1)),
        nn.Sequential(nn.Flatten(), *scores, nn.LogSoftmax(dim=1)),
        _LogProbabilities(scores),
    ]
    networks = [as_network(ends[1]), *(trace(end, example) for end in ends)]
    entropies = [visualise(network, 1, [[0, 1]], (1, 4, 4), 0, SHORT).entropy for network in networks]
    np.testing.assert_allclose(np.hstack(entropies), entropies[0][0], rtol=1e-5)
    assert 0 < entropies[0][0] < np.log(3)
