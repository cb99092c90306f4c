"""Correlation visualisation: ranks as scipy has them, signs that are known, halves that are one-sided."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import spearmanr

from modlib.errors import InputError
from modlib.responses.correlations import align_signs, contrast, halves, likeness, mean_image, one_sidedness, spearman


def test_spearman_is_that_of_scipy_with_ties_and_constants():
    rng = np.random.default_rng(0)
    activities, pixels = np.maximum(rng.normal(size=(60, 5)), 0), rng.integers(0, 4, size=(60, 7))
    activities[:, 2] = 0
    pixels[:, 3] = 1
    ours = spearman(activities, pixels)
    assert ours.shape == (5, 7)
    for unit in range(5):
        for pixel in range(7):
            if unit == 2 or pixel == 3:
                assert ours[unit, pixel] == 0
            else:
                expected = spearmanr(activities[:, unit], pixels[:, pixel]).statistic
                assert ours[unit, pixel] == pytest.approx(expected, abs=1e-12)


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_known_signs_are_found(units, seed):
    rng = np.random.default_rng(seed)
    common, planted = rng.normal(size=200), rng.choice([-1, 1], size=units)
    images = planted[:, None] * (common + 0.3 * rng.normal(size=(units, 200)))
    found = align_signs(images, rng)
    assert abs(found @ planted) == units  # up to the sign of all
    np.testing.assert_allclose(np.abs(align_signs(planted[:, None] * np.ones((units, 3)), rng) @ planted), units)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_no_single_flip_is_left_that_would_help(units, seed):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(units, 5))
    signs = align_signs(images, rng, sweeps=1000)
    directions = signs[:, None] * images / np.linalg.norm(images, axis=1, keepdims=True)
    cosines = directions @ directions.T
    assert (cosines.sum(1) - 1 >= -1e-9).all()


def test_a_sweep_asks_every_image_and_blank_ones_keep_their_sign():
    rng = np.random.default_rng(0)
    images = np.vstack([np.ones((3, 4)), -np.ones((1, 4)), np.zeros((1, 4))])
    assert align_signs(images, rng, sweeps=1).tolist() == [1, 1, 1, -1, 1]
    assert align_signs(images, rng, sweeps=0).tolist() == [1, 1, 1, 1, 1]


def test_the_mean_does_not_depend_on_signs_and_is_not_positive():
    rng = np.random.default_rng(0)
    images = rng.normal(size=50) + 0.1 * rng.normal(size=(6, 50))
    flipped = rng.choice([-1, 1], size=6)[:, None] * images
    np.testing.assert_allclose(mean_image(images, rng), mean_image(flipped, rng))
    assert mean_image(images, rng).mean() <= 0
    unaligned = flipped.mean(0)
    assert contrast(mean_image(flipped, rng)) > contrast(unaligned)


def test_halves_of_a_square_and_of_a_stack():
    square = np.arange(16.0)
    left, right = halves(square, stacked=False)
    assert left.tolist() == [0, 1, 4, 5, 8, 9, 12, 13]
    assert right.tolist() == [2, 3, 6, 7, 10, 11, 14, 15]
    first, second = halves(np.arange(18.0), stacked=True)
    assert first.tolist() == list(range(9))
    assert second.tolist() == list(range(9, 18))


def test_likeness_and_one_sidedness_of_known_halves():
    a, b = np.array([1.0, 2, 2]), np.array([2.0, 4, 4])
    assert likeness(a, b) == pytest.approx(1)
    assert likeness(a, -b) == pytest.approx(-1)
    assert one_sidedness(a, b) == pytest.approx(1 / 3)
    assert one_sidedness(a, 0 * a) == 1
    assert one_sidedness(a, -a) == 0
    assert np.isnan([likeness(a, 0 * a), one_sidedness(0 * a, 0 * a)]).all()


def test_a_planted_one_sided_module_is_one_sided_and_a_random_set_is_not():
    rng = np.random.default_rng(0)
    pixels = rng.random((800, 64))
    side = np.tile([0] * 4 + [1] * 4, 8)
    weights = rng.normal(size=(40, 64)) * (np.repeat([0, 1], 20)[:, None] == side)
    images = spearman(np.maximum(pixels @ weights.T, 0), pixels)
    module, mixed = images[:20], images[rng.permutation(40)[:20]]
    assert one_sidedness(*halves(mean_image(module, rng), stacked=False)) > 0.5
    assert one_sidedness(*halves(mean_image(mixed, rng), stacked=False)) < 0.3


def test_bad_input_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"of shape \("):
        spearman(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(InputError, match=r"of shape \("):
        spearman(np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises(InputError, match="2 not finite"):
        spearman(np.array([[np.nan], [np.inf], [1]]), np.zeros((3, 2)))
    for bad in (np.zeros((0, 3)), np.zeros(3), np.full((2, 3), np.nan)):
        with pytest.raises(InputError, match="at least one"):
            mean_image(bad, rng)
    with pytest.raises(InputError, match="sweeps = -1 arrived"):
        align_signs(np.ones((2, 3)), rng, sweeps=-1)
    with pytest.raises(InputError, match="a square of even width"):
        halves(np.zeros(9), stacked=False)
    with pytest.raises(InputError, match="two squares"):
        halves(np.zeros(16), stacked=True)
