"""The shared small CNNs: trained once, read after, and on which images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from modlib.errors import DataError, InputError
from modlib.zoo.cnns import accuracy, cnn_images, trained_small_cnn, untrained_small_cnn
from modlib.zoo.perceptrons import DATASETS, HALVES, data_for, recipe_for


def test_images_have_channels():
    assert cnn_images("digits").x_test.shape == (360, 1, 8, 8)
    assert cnn_images("digits halves-same").x_test.shape == (360, 1, 8, 8)
    assert cnn_images("digits stack-diff").x_test.shape == (360, 2, 8, 8)
    with pytest.raises(InputError, match="letters"):
        cnn_images("letters")


def test_a_network_is_trained_once_and_read_after(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    (network, images), (again, _) = (trained_small_cnn("digits", 0, epochs=1) for _ in range(2))
    assert [layer.kernel.shape for layer in network.layers] == [
        (3, 3, 1, 64), (3, 3, 64, 64), (3, 3, 64, 64), (256, 128), (128, 10),
    ]  # fmt: skip
    pairs = zip(network.layers, again.layers, strict=True)
    assert all(np.array_equal(a.kernel, b.kernel) and np.array_equal(a.bias, b.bias) for a, b in pairs)
    (path,) = tmp_path.glob("[!.]*")
    assert path.name.startswith("small-cnn-digits-0-")
    assert accuracy(network, images) > 0.5
    untrained_small_cnn(images, 0)  # uses no global random numbers, and is not the trained one
    start = untrained_small_cnn(images, 0)[0].weight.detach().numpy().transpose(2, 3, 1, 0)
    assert not np.array_equal(start, network.layers[0].kernel)
    other, _ = trained_small_cnn("digits", 1, epochs=0)
    assert not np.array_equal(start, other.layers[0].kernel)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="is damaged"):
        trained_small_cnn("digits", 0, epochs=1)


def test_the_network_of_another_seed_under_the_right_name_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    trained_small_cnn("digits", 0, epochs=0)
    (right,) = tmp_path.glob("[!.]*")
    trained_small_cnn("digits", 1, epochs=0)
    (other,) = set(tmp_path.glob("[!.]*")) - {right}
    other.replace(right)
    with pytest.raises(DataError, match=r'"seed": 1, .*; expected .*"seed": 0, .*: delete it and run again'):
        trained_small_cnn("digits", 0, epochs=0)


def test_a_network_that_does_not_say_what_it_is_is_trained_again(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    network, _ = trained_small_cnn("digits", 0, epochs=0)
    (path,) = tmp_path.glob("[!.]*")
    written = path.read_bytes()
    with np.load(path) as stored:  # as earlier versions wrote it
        np.savez(path, **{name: 0 * stored[name] for name in stored.files if name not in ("settings", "digest")})
    again, _ = trained_small_cnn("digits", 0, epochs=0)
    assert np.array_equal(again.layers[0].kernel, network.layers[0].kernel)
    assert path.read_bytes() == written


def test_training_leaves_the_global_generator_alone(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    before = torch.random.get_rng_state()
    trained_small_cnn("digits stack-same", 0, epochs=0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_perceptrons_are_trained_on_halves_as_on_whole_images():
    assert recipe_for("mnist halves-same", dropout=True) == recipe_for("mnist", dropout=True)
    assert set(HALVES) <= set(DATASETS)
    assert data_for("digits halves-diff").x_train.shape == data_for("digits").x_train.shape
    with pytest.raises(InputError, match="stack-diff"):
        recipe_for("mnist stack-diff", dropout=False)
