"""Two trained readers in one network: both can read, and neither hears the other."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from modlib.data import load_images
from modlib.errors import InputError
from modlib.networks import KnownModules
from modlib.zoo import two_readers
from modlib.zoo.readers import CLASSES


@pytest.fixture(scope="module")
def known() -> KnownModules:
    return two_readers(0, 200)


@pytest.mark.parametrize("reader", [0, 1])
def test_either_reads_digits_and_says_who_was_shown_one(known: KnownModules, reader: int) -> None:
    images = load_images("digits")
    x = np.zeros((len(images.x_test), 2, 64), dtype=np.float32)
    x[:, reader] = images.x_test
    answers = known.network.answers(x.reshape(len(x), -1))
    assert (answers == images.y_test + CLASSES * reader).mean() > 0.8  # the test digits are by other people


def test_the_units_of_a_function_are_all_that_its_answers_depend_on(known: KnownModules) -> None:
    changed = known.inputs.copy()
    changed[:, 64:] = np.random.default_rng(0).random((len(changed), 64))
    before, after = (known.network.module(torch.as_tensor(x)).detach().numpy() for x in (known.inputs, changed))
    assert np.allclose(before[:, :CLASSES], after[:, :CLASSES], atol=1e-4)
    assert not np.allclose(before[:, CLASSES:], after[:, CLASSES:], atol=0.1)
    for layer, (first, second) in zip(known.network.layers[1:-1], pairwise(known.functions), strict=True):
        assert not layer.kernel[np.ix_(first == 0, second == 1)].any()
        assert not layer.kernel[np.ix_(first == 1, second == 0)].any()
        assert layer.kernel[np.ix_(first == 0, second == 0)].any()


def test_a_seed_decides_the_network(known: KnownModules) -> None:
    again = two_readers(0, 200)
    assert np.array_equal(again.network.layers[1].kernel, known.network.layers[1].kernel)
    assert np.array_equal(again.inputs, known.inputs)


@pytest.mark.parametrize("arguments", [(-1, 10), (0, 0), (0, 2.5), ("a", 10)])
def test_what_is_no_seed_or_number_is_refused(arguments: tuple) -> None:
    with pytest.raises(InputError, match="arrived"):
        two_readers(*arguments)
