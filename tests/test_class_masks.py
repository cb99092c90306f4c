"""Masks for classes: what is held out, what a mask sees, what is kept in the cache, and rows that stay the same."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from modlib.chapters.class_removal.experiment import CELL_KEY, CONTROL, ROW_KEY, STABILITY, TOLERANCE, cells, measure
from modlib.chapters.class_removal.masks import confusion, learn_class_mask
from modlib.data.images import load_colour_images, load_images
from modlib.errors import DataError, InputError
from modlib.masks.learning import MaskSettings
from modlib.training.steps import Steps
from modlib.zoo.colour_cnns import NAMES, Split, split_images, trained_cnn


@pytest.fixture(scope="module")
def data() -> Split:
    return split_images("digits", seed=0)


@pytest.fixture(scope="module")
def cnn(data, tmp_path_factory) -> torch.nn.Module:
    return trained_cnn(data, True, Steps(60, learning_rate=3e-3), 0, tmp_path_factory.mktemp("cache") / "cnn.npz")


def test_digits_stand_in_for_colour_images():
    small, large = load_images("digits"), load_colour_images("digits")
    assert large.x_test.shape == (360, 3, 32, 32)
    np.testing.assert_array_equal(large.x_test[:, 1, ::4, ::4].reshape(360, 64), small.x_test)
    with pytest.raises(InputError, match="cifar10 comes in colour"):
        load_colour_images("mnist")


def test_a_fifth_is_held_out_and_channels_are_standardised(data):
    whole = load_colour_images("digits")
    assert len(data.x_test) == int(0.2 * len(whole.x_train))
    assert len(data.x_train) + len(data.x_test) == len(whole.x_train)
    np.testing.assert_allclose(data.x_train.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(data.x_train.std((0, 2, 3)), 1, atol=1e-4)
    assert not np.array_equal(split_images("digits", 1).y_test, data.y_test)


def test_a_network_is_trained_once_and_read_after(data, tmp_path: Path):
    path = tmp_path / "new" / "cnn.npz"
    first, again = (trained_cnn(data, False, Steps(3), 0, path) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert not again.training
    assert [found.name for found in path.parent.iterdir()] == ["cnn.npz"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="is damaged"):
        trained_cnn(data, False, Steps(3), 0, path)


def test_a_confusion_matrix_counts_every_image_by_its_class(data, cnn):
    counts = confusion(cnn, data)
    np.testing.assert_array_equal(counts.sum(1), np.bincount(data.y_test, minlength=10))
    assert np.trace(counts) / counts.sum() > 0.5
    assert len(NAMES) == 10


def test_a_mask_without_a_class_loses_that_class_and_keeps_the_output_layer(data, cnn):
    settings = MaskSettings(150, batch_size=64, learning_rate=0.05, beta=1e-4)
    control = learn_class_mask(cnn, data, range(10), settings, [0]).mask
    removed = learn_class_mask(cnn, data, [c for c in range(10) if c != 3], settings, [1], control).mask
    last = [name for name in control.keep if control.keep[name].shape in ((10, 256), (10,))]
    assert len(last) == 2
    assert all(np.array_equal(control.keep[name], removed.keep[name]) for name in last)
    assert set(removed.keep) == {name for name, _ in cnn.named_parameters()}
    accuracies = [np.diag(c) / c.sum(1) for c in (confusion(mask.apply(cnn), data) for mask in (control, removed))]
    drop = accuracies[0] - accuracies[1]
    assert drop[3] > 0.3
    assert drop[3] > np.delete(drop, 3).max()


def test_controls_come_first_and_every_class_is_removed_once():
    grid = pd.DataFrame(cells("paper"))
    assert not grid.duplicated(list(CELL_KEY)).any()
    assert (grid["target"].head(2) == CONTROL).all()
    assert grid.groupby(["study", "dropout"]).size().to_dict() == {
        ("class removal", "yes"): 11, ("class removal", "no"): 11, ("mask stability", "no"): 2,
        ("mask stability, longer", "no"): 1,
    }  # fmt: skip
    assert all(a != b for a, b in grid.loc[grid["study"] == STABILITY, "target"].str.split("-"))


def test_a_cell_gives_the_same_row_with_and_without_the_cache(tmp_path: Path, monkeypatch):
    chosen = [cell for cell in cells("smoke") if cell["dropout"] == "no" and cell["target"] in (CONTROL, "4")]
    chosen += [cell for cell in cells("smoke") if cell["study"] == STABILITY]
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path / "one"))
    rows = [measure(cell) for cell in chosen]
    assert [measure(cell) for cell in chosen] == rows
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path / "two"))
    assert measure(chosen[1]) == rows[1]  # its control mask is learned on the way
    for (row,), cell in zip(rows, chosen, strict=True):
        assert set(row) - set(ROW_KEY) == set(TOLERANCE)
        assert (row["iou"] == "") is (cell["study"] != STABILITY)
        shares = np.array(row["confusion"].split(), dtype=float).reshape(10, 10)
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-3)
