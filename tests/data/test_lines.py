"""modlib.data.lines: as many lines as the label says, counted from the pixels."""

import numpy as np
import pytest
import scipy.stats

from modlib.data.lines import line_images
from modlib.errors import InputError


def counted(x: np.ndarray, side: int) -> np.ndarray:
    """Number of white columns; fails if a column is neither white nor black from top to bottom."""
    columns = x.reshape(-1, side, side).sum(axis=1)
    assert set(np.unique(columns)) <= {0, side}
    return (columns == side).sum(axis=1)


@pytest.mark.parametrize(("side", "most"), [(28, 10), (8, 8), (5, 1)])
def test_a_label_is_one_less_than_the_lines_in_the_pixels(side: int, most: int) -> None:
    data = line_images(400, seed=1, side=side, most=most, n_test=150)
    assert data.x_train.shape == (400, side * side)
    assert data.x_test.shape == (150, side * side)
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        np.testing.assert_array_equal(counted(x, side), y + 1)
        assert set(y) == set(range(most))
    assert data.x_train.dtype == np.float32
    assert data.y_train.dtype == np.int32


def test_numbers_of_lines_and_their_columns_are_uniform() -> None:
    data = line_images(4000, seed=2)
    assert scipy.stats.chisquare(np.bincount(data.y_train, minlength=10)).pvalue > 0.01
    single = data.x_train[data.y_train == 0][:, :28].argmax(axis=1)
    assert scipy.stats.chisquare(np.bincount(single, minlength=28)).pvalue > 0.01


def test_the_seed_decides_every_line() -> None:
    first, again, other = (line_images(30, seed=seed, n_test=5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.x_train, again.x_train)
    np.testing.assert_array_equal(first.y_test, again.y_test)
    assert not np.array_equal(first.x_train, other.x_train)
    assert first.checksum == again.checksum != other.checksum


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n_test": 0}, {"side": 0}, {"most": 0}, {"side": 8, "most": 9}])
def test_more_lines_than_columns_or_no_images_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="arrived; expected a whole number of at least 1"):
        line_images(**{"n": 5, "seed": 0, **wrong})
