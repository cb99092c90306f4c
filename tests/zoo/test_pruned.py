"""The shared pruned networks: trained once, read after, scored as they say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from modlib.data.images import Images
from modlib.data.polynomials import polynomial_values
from modlib.errors import DataError, InputError
from modlib.networks import small_cnn
from modlib.training import Clusterable, clusterable_kernels
from modlib.training.epochs import PrunedRecipe
from modlib.zoo import pruned
from modlib.zoo.cnns import accuracy, cnn_images
from modlib.zoo.perceptrons import MIXED, data_for, recipe_for
from modlib.zoo.pruned import CLUSTERS, pruned_regression, pruned_small_cnn, pruned_vgg, turned, with_clusters

SHORT = PrunedRecipe(epochs=1, pruning_epochs=1)


def test_a_cnn_is_trained_once_and_read_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    first, again = (pruned_small_cnn("digits stack-diff", True, "l2", 0, SHORT) for _ in range(2))
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("pruned-cnn-digits stack-diff-dropout-l2-0-")
    assert [scored.stage for scored in again] == ["unpruned", "pruned"]
    for one, two in zip(first, again, strict=True):
        assert one.scores == two.scores
        for mine, same in zip(one.network.layers, two.network.layers, strict=True):
            np.testing.assert_array_equal(mine.kernel, same.kernel)
    images = cnn_images("digits stack-diff")
    assert again[1].scores["test_accuracy"] == pytest.approx(accuracy(again[1].network, images), abs=1e-9)
    assert [kernel.shape for kernel in again[1].network.graph_weights()] == [(3, 3, 64, 64)] * 2
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="is damaged"):
        pruned_small_cnn("digits stack-diff", True, "l2", 0, SHORT)


def test_channels_get_clusters_wherever_they_are_read() -> None:
    plain, changed = (small_cnn(np.random.default_rng(0), 1, 10, 28) for _ in range(2))
    tags = with_clusters(changed, CLUSTERS, np.random.default_rng(1))
    layers = [
        [layer.weight.detach() for layer in module.modules() if hasattr(layer, "weight")] for module in (plain, changed)
    ]
    factors = [(after / before).numpy() for before, after in zip(*layers, strict=True)]
    assert [len(layer) for layer in tags] == [len(factor) for factor in factors[:-1]]
    assert np.allclose(factors[0], 1)
    assert np.allclose(factors[-1], 1)
    for factor, before, after in zip(factors[1:-1], tags, tags[1:], strict=False):
        same = after[:, None] == before
        of_channel = factor.reshape(len(after), len(before), -1)  # at every place of a kernel, or of a map
        assert np.allclose(of_channel[same], CLUSTERS.within, rtol=1e-4)
        assert np.allclose(of_channel[~same], CLUSTERS.beta, rtol=1e-4)


def test_a_perceptron_with_clusters_has_those_of_its_kernels() -> None:
    module = torch.nn.Sequential(*(torch.nn.Linear(6, 6, bias=False) for _ in range(4)))
    kernels = [layer.weight.detach().numpy().T.copy() for layer in module]
    clusters = Clusterable(n_clusters=2, beta=0.5)
    tags = with_clusters(module, clusters, np.random.default_rng(0))
    for layer, kernel in zip(module, clusterable_kernels(kernels, tags, clusters), strict=True):
        np.testing.assert_allclose(layer.weight.detach().numpy().T, kernel, rtol=1e-6)


def test_a_cnn_that_starts_with_clusters_has_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    kinds = {kind: pruned_small_cnn("digits", False, kind, 0, SHORT) for kind in ("none", "start")}
    assert len(list(tmp_path.iterdir())) == 2
    again = pruned_small_cnn("digits", False, "start", 0, SHORT)
    np.testing.assert_array_equal(again[1].network.layers[1].kernel, kinds["start"][1].network.layers[1].kernel)
    assert not np.allclose(kinds["none"][0].network.layers[1].kernel, kinds["start"][0].network.layers[1].kernel)


def test_the_loss_of_a_regression_is_its_error_and_its_penalty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    data = polynomial_values(300, seed=0)
    for penalty, power in (("none", 0), ("l1", 1), ("l2", 2)):
        _, scored = pruned_regression(penalty, 0, n=300, recipe=replace(SHORT, batch_size=128))
        kernels = [layer.kernel.astype(float) for layer in scored.network.layers]
        added = 5e-5 * sum((np.abs(kernel) ** power).sum() for kernel in kernels) if power else 0
        assert scored.scores["added"] == pytest.approx(added, rel=1e-6)
        with torch.no_grad():
            said = scored.network.module(torch.as_tensor(data.x_test)).numpy()
        error = float(((said - data.y_test) ** 2).mean())
        assert scored.scores["test_loss"] == pytest.approx(error + added, rel=1e-4)


def test_a_large_cnn_is_trained_and_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    rng = np.random.default_rng(0)
    x, y = rng.random((24, 3, 32, 32), dtype=np.float32), rng.permutation(np.arange(24) % 10).astype(np.int32)
    monkeypatch.setattr(pruned, "load_colour_images", lambda name: Images(name, x[:16], y[:16], x[16:], y[16:], "few"))
    recipe = PrunedRecipe(epochs=1, pruning_epochs=5, batch_size=8)  # ten steps with pruning: one update of the masks
    unpruned, end = pruned_vgg(True, "l2", 0, recipe)
    kernels, left = ([layer.kernel for layer in scored.network.layers] for scored in (unpruned, end))
    assert [kernel.shape[-1] for kernel in kernels] == [64, 64, 128, 128, 256, 256, 256, *[512] * 8, 10]
    assert all(np.count_nonzero(kernel) == kernel.size for kernel in kernels)
    shares = [np.count_nonzero(kernel) / kernel.size for kernel in left]
    assert shares == pytest.approx([0.1] * len(shares), abs=0.01)
    assert all(layer.batch_norm is not None for layer in end.network.layers[:13])
    assert 0 <= end.scores["test_accuracy"] <= 1
    again = pruned_vgg(True, "l2", 0, recipe)[1]
    assert again.scores == end.scores
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("pruned-vgg-dropout-l2-0-")


def test_an_unknown_penalty_is_refused() -> None:
    with pytest.raises(InputError, match="penalty = 'l3'"):
        pruned_regression("l3", 0)


def test_turned_images_stay_in_the_range_of_the_originals_and_half_are_mirrored() -> None:
    ramp = torch.linspace(0, 1, 32).expand(200, 3, 32, 32).contiguous()
    made = turned(ramp, np.random.default_rng(0))
    assert made.shape == ramp.shape
    assert 0 <= float(made.min()) < float(made.max()) <= 1
    slope = made[:, 0, 16, 24] - made[:, 0, 16, 8]  # rises where an image is not mirrored
    assert 70 <= int((slope > 0).sum()) <= 130
    assert slope.abs().min() > 0.3
    again = turned(ramp, np.random.default_rng(0))
    assert torch.equal(made, again)


def test_shifts_and_rotations_keep_to_their_limits() -> None:
    """A bright middle stays within a tenth of the side; pixels at a distance turn by at most 15 degrees."""
    side = 41
    image = torch.zeros(300, 1, side, side)
    image[:, :, 20, 20] = 1
    made = turned(image, np.random.default_rng(1))[:, 0]
    places = torch.stack([torch.nonzero(one == one.max())[0] for one in made]).double() - 20
    assert places.abs().max() <= 0.1 * side + 1
    assert places.abs().max() > 0.05 * side


def test_every_mixture_has_a_recipe_and_those_of_digits_come_without_a_download() -> None:
    for name in MIXED:
        assert recipe_for(name, dropout=True).dropout == (0.2 if "cifar10" in name else 0.5)
    assert recipe_for("mnist+cifar10 separate", dropout=False).epochs == 30
    data = data_for("lines+digits separate")
    assert data.x_train.shape[1] == 64
    assert set(data.y_train) == set(range(10))


def test_a_regression_has_no_start_with_clusters() -> None:
    with pytest.raises(InputError, match="penalty = 'start'"):
        pruned_regression("start", 0)
