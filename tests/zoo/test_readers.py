"""Two trained readers in one network: both can read, neither hears the other, and what they share is what is said."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

from modlib.data import load_images
from modlib.errors import InputError
from modlib.lesions import damages
from modlib.networks import KnownModules, Network
from modlib.responses import hidden_activities
from modlib.zoo import dense_readers, readers_with_a_trunk, two_readers
from modlib.zoo.readers import CLASSES

MAKERS = (two_readers, readers_with_a_trunk, dense_readers)


@pytest.fixture(scope="module")
def every() -> dict[str, KnownModules]:
    return {make.__name__: make(0, 200) for make in MAKERS}


@pytest.fixture(scope="module")
def known(every: dict[str, KnownModules]) -> KnownModules:
    return every["two_readers"]


def shown(reader: int) -> tuple[np.ndarray, np.ndarray]:
    """Test digits that one reader sees, and their classes."""
    images = load_images("digits")
    x = np.zeros((len(images.x_test), 2, 64), dtype=np.float32)
    x[:, reader] = images.x_test
    return x.reshape(len(x), -1), images.y_test + CLASSES * reader


@pytest.mark.parametrize("reader", [0, 1])
@pytest.mark.parametrize("kind", [make.__name__ for make in MAKERS])
def test_either_reads_digits_and_says_who_was_shown_one(every: dict[str, KnownModules], kind: str, reader: int) -> None:
    x, y = shown(reader)
    assert (every[kind].network.answers(x) == y).mean() > 0.8  # the test digits are by other people


def test_a_trunk_is_all_that_two_readers_share(every: dict[str, KnownModules]) -> None:
    found = every["readers_with_a_trunk"]
    trunk, *own = found.functions
    assert (trunk == -1).all()
    first, second = own
    kernels = [layer.kernel for layer in found.network.layers]
    assert all((kernel != 0).all() for kernel in kernels[:2])
    assert np.array_equal(kernels[2] != 0, first[:, None] == second)
    assert np.array_equal(kernels[3] != 0, second[:, None] == np.arange(2 * CLASSES) // CLASSES)
    for reader in (0, 1):  # without its units a reader cannot read, and the other one can
        units = [np.flatnonzero(second == reader)]
        for other in (0, 1):
            (damage,) = damages(found.network, *shown(other), 3, units)
            assert (damage.drop > 0.5) == (reader == other)


def read(network: Network, activity: np.ndarray, before: int) -> np.ndarray:
    """What a network answers from the activity of its layer, 0 for its inputs."""
    for layer in network.layers[before:]:
        activity = np.maximum(activity, 0) @ layer.kernel + layer.bias
    return activity.argmax(axis=1)


def test_units_of_a_dense_network_serve_who_misreads_with_those_of_another_digit(
    every: dict[str, KnownModules],
) -> None:
    """On other images than it is known by, and with all units of a reader at once."""
    network = every["dense_readers"].network
    assert all((layer.kernel != 0).all() for layer in network.layers)
    for layer, labels in enumerate(every["dense_readers"].functions, start=1):
        assert {0, 1} <= set(labels.tolist()) <= {-1, 0, 1}
        lost = np.zeros((2, 2))
        for reader in (0, 1):
            x, y = shown(reader)
            activity = hidden_activities(network, x)[layer - 1]
            right = (read(network, activity, layer) == y).mean()
            for of_whom in (0, 1):
                changed = np.where(labels == of_whom, np.roll(activity, 7, axis=0), activity)
                lost[of_whom, reader] = right - (read(network, changed, layer) == y).mean()
        assert (lost.diagonal() > lost[:, ::-1].diagonal()).all(), (layer, lost)


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


@pytest.mark.parametrize("make", MAKERS)
def test_a_seed_decides_the_network(make: Callable[[int, int], KnownModules], every: dict[str, KnownModules]) -> None:
    found, again = every[make.__name__], make(0, 200)
    assert np.array_equal(again.network.layers[1].kernel, found.network.layers[1].kernel)
    assert np.array_equal(again.inputs, found.inputs)
    assert all(map(np.array_equal, again.functions, found.functions))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("arguments", [(-1, 10), (0, 0), (0, 2.5), ("a", 10)])
def test_what_is_no_seed_or_number_is_refused(make: Callable[..., KnownModules], arguments: tuple) -> None:
    with pytest.raises(InputError, match="arrived"):
        make(*arguments)
