"""Images of two images: what stands where, what the label says, and that pairs follow from the seed."""

import numpy as np
import pytest

from modlib.data.composites import KINDS, compose, load_composite
from modlib.data.images import Images, load_images
from modlib.errors import InputError


def labelled(n: int = 40, side: int = 4) -> Images:
    """Images of which every pixel says which one it is: number of the image, plus a fraction that tells the column."""
    rng = np.random.default_rng(0)
    x = np.arange(n, dtype=np.float32)[:, None] + np.tile(np.arange(side, dtype=np.float32) / 8, side)
    y = rng.integers(10, size=n, dtype=np.int32)
    return Images("labelled", x, y, x[::-1].copy(), y[::-1].copy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_label_is_the_class_of_both_or_the_sum_modulo_ten(kind: str, split: str):
    source, made = labelled(), compose(labelled(), kind, seed=3)
    x, y = getattr(made, f"x_{split}"), getattr(made, f"y_{split}")
    both = x if kind.startswith("stack") else np.stack(np.split(x.reshape(-1, 4, 4), 2, axis=2), axis=1)
    first, second = both[:, :, 0, 0].astype(int).T  # the number of an image is the whole part of its pixels
    classes = source.y_train
    if kind.endswith("same"):
        np.testing.assert_array_equal(classes[first], y)
        np.testing.assert_array_equal(classes[second], y)
        np.testing.assert_array_equal(np.sort(first), np.arange(40))
    else:
        np.testing.assert_array_equal((classes[first] + classes[second]) % 10, y)
        assert (classes[first] != classes[second]).any()
    assert y.dtype == np.int32
    assert x.dtype == np.float32


def test_a_half_is_the_mean_of_neighbouring_columns_and_a_stack_keeps_images_whole():
    source = labelled()
    halves = compose(source, "halves-same", 0).x_train.reshape(-1, 4, 4)
    np.testing.assert_allclose(halves[7, :, :2], 7 + np.tile([0.5 / 8, 2.5 / 8], (4, 1)))
    stacks = compose(source, "stack-same", 0).x_train
    assert stacks.shape == (40, 2, 4, 4)
    np.testing.assert_array_equal(stacks[7, 0].ravel(), source.x_train[7])


def test_pairs_follow_from_the_seed():
    first, again, other = (compose(labelled(), "halves-diff", seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.x_train, again.x_train)
    assert first.checksum == again.checksum != other.checksum
    assert len({compose(labelled(), kind, 0).checksum for kind in KINDS}) == len(KINDS)


def test_digits_side_by_side():
    made, digits = load_composite("digits halves-diff"), load_images("digits")
    assert made.name == "digits halves-diff"
    assert made.x_train.shape == digits.x_train.shape
    assert 0 <= made.x_train.min() < made.x_train.max() <= 1
    assert np.bincount(made.y_test, minlength=10).min() > 0


def test_bad_input_is_refused():
    for name in ("digits", "digits halves", "letters halves-same"):
        with pytest.raises(InputError, match="expected one of digits"):
            load_composite(name)
    with pytest.raises(InputError, match="kind = 'thirds'"):
        compose(labelled(), "thirds", 0)
    for shape in ((15,), (9,), (3, 4, 4)):
        image = np.zeros((2, *shape), np.float32)
        with pytest.raises(InputError, match="expected grey squares"):
            compose(Images("odd", image, np.zeros(2, int), image, np.zeros(2, int)), "halves-same", 0)
