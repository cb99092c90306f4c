"""modlib.data.mixtures: how many images of which data set have which label."""

import numpy as np
import pytest

from modlib.data.images import Images, load_images
from modlib.data.lines import line_images
from modlib.data.mixtures import MIXTURES, mix
from modlib.errors import InputError


def constant(value: float, n: int, n_test: int) -> Images:
    """Images whose pixels tell where they come from, with as many of every class."""
    return Images(
        f"all {value}",
        np.full((n, 4), value, np.float32), np.arange(n, dtype=np.int32) % 10,
        np.full((n_test, 4), value, np.float32), np.arange(n_test, dtype=np.int32) % 10,
        checksum=str(value), note=f"note {value}",
    )  # fmt: skip


def shares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Number of images by data set and class, (2, 10)."""
    return np.stack([np.bincount(y[x[:, 0] == value], minlength=10) for value in (0.25, 0.75)])


def test_both_data_sets_have_all_classes_where_they_overlap() -> None:
    made = mix(constant(0.25, 200, 50), constant(0.75, 100, 30), "overlapping")
    np.testing.assert_array_equal(shares(made.x_train, made.y_train), [[20] * 10, [10] * 10])
    np.testing.assert_array_equal(shares(made.x_test, made.y_test), [[5] * 10, [3] * 10])


def test_the_first_has_classes_0_to_4_and_the_second_5_to_9_where_they_are_separate() -> None:
    made = mix(constant(0.25, 200, 50), constant(0.75, 100, 30), "separate")
    np.testing.assert_array_equal(shares(made.x_train, made.y_train), [[20] * 5 + [0] * 5, [0] * 5 + [10] * 5])
    np.testing.assert_array_equal(shares(made.x_test, made.y_test), [[5] * 5 + [0] * 5, [0] * 5 + [3] * 5])
    assert made.name == "all 0.25+all 0.75 separate"
    assert made.note == "note 0.25; note 0.75"


def test_images_keep_their_labels() -> None:
    lines, digits = line_images(60, seed=0, side=8, most=8, n_test=20), load_images("digits")
    made = mix(lines, digits, "separate")
    few, many = lines.y_train < 5, digits.y_train >= 5
    np.testing.assert_array_equal(made.x_train, np.concatenate([lines.x_train[few], digits.x_train[many]]))
    np.testing.assert_array_equal(made.y_train, np.concatenate([lines.y_train[few], digits.y_train[many]]))


def test_a_mixture_is_named_by_what_it_is_made_of() -> None:
    parts = (constant(0.25, 20, 10), constant(0.75, 20, 10))
    sums = {mix(*order, kind).checksum for order in (parts, parts[::-1]) for kind in MIXTURES}
    assert len(sums) == 4


def test_unknown_kinds_and_images_of_two_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="kind = 'shuffled'"):
        mix(constant(0.25, 20, 10), constant(0.75, 20, 10), "shuffled")
    with pytest.raises(InputError, match="images of one shape"):
        mix(constant(0.25, 20, 10), load_images("digits"), "overlapping")
