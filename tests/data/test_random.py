"""modlib.data.random: uniform pixels, random labels, decided by the seed."""

import numpy as np
import pytest
import scipy.stats

from modlib.data.random import random_images
from modlib.errors import InputError


def test_pixels_and_labels_are_uniform_and_independent() -> None:
    data = random_images(3000, seed=4, pixels=20, n_test=500)
    assert data.x_train.shape == (3000, 20)
    assert data.x_test.shape == (500, 20)
    assert data.x_train.dtype == np.float32
    assert scipy.stats.kstest(data.x_train.ravel(), "uniform").pvalue > 0.01
    assert scipy.stats.chisquare(np.bincount(data.y_train, minlength=10)).pvalue > 0.01
    assert np.abs(np.corrcoef(data.x_train.T, data.y_train)[-1, :-1]).max() < 0.08


def test_the_seed_decides_every_pixel_and_label() -> None:
    first, again, other = (random_images(50, seed=s, pixels=6, n_test=5) for s in (1, 1, 2))
    for key in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(first, key), getattr(again, key))
    assert not np.array_equal(first.x_train, other.x_train)
    assert first.checksum == again.checksum != other.checksum


def test_every_argument_is_in_the_checksum() -> None:
    """As networks in the cache are told apart by it."""
    usual = {"n": 50, "seed": 1, "pixels": 6, "classes": 3, "n_test": 5}
    others = [random_images(**{**usual, name: value + 1}).checksum for name, value in usual.items()]
    assert len({random_images(**usual).checksum, *others}) == 6


@pytest.mark.parametrize("counts", [{"n": 0}, {"n": 5, "pixels": 0}, {"n": 5, "classes": 0}, {"n": 5, "n_test": 0}])
def test_a_count_below_one_is_refused(counts: dict[str, int]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        random_images(**counts, seed=0)
