"""Fixtures that several test files share, and how much hypothesis tries."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from modlib.graphs.neurons import NeuronGraph, neuron_graph

# Compiled functions make the first example slow; a fixed seed makes a failure repeatable.
settings.register_profile(
    "modlib", deadline=None, derandomize=True, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("modlib")


def random_weights(sizes: tuple[int, ...], seed: int, density: float = 1.0) -> list[np.ndarray]:
    """Gaussian weight matrices between layers of these sizes, of which a share is not zero."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) * (rng.random(shape) < density) for shape in pairwise(sizes)]


def planted_weights(
    sizes: tuple[int, ...], modules: int, seed: int, outside: float = 0.02
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights in which neurons of one module are joined strongly, and the module of every neuron."""
    rng = np.random.default_rng(seed)
    truth = [rng.permutation(np.arange(size) % modules) for size in sizes]
    weights = []
    for left, right in pairwise(truth):
        same = left[:, None] == right
        sign = rng.choice([-1, 1], size=same.shape)
        weights.append(sign * np.where(same, rng.uniform(0.5, 1, same.shape), outside * rng.random(same.shape)))
    return weights, truth


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread for scikit-learn: threads that wait for each other cost more than they give."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def noise() -> NeuronGraph:
    """A dense layered network without structure."""
    return neuron_graph(random_weights((60, 40, 40, 20), seed=0))


@pytest.fixture(scope="session")
def pruned_noise() -> NeuronGraph:
    """A layered network without structure, nine tenths of its weights zero."""
    return neuron_graph(random_weights((120, 64, 64, 10), seed=1, density=0.1))
