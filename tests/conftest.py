"""Fixtures that several test files share, and how much hypothesis tries."""

import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from modlib.graphs.neurons import NeuronGraph, neuron_graph
from modlib.networks.planted import random_weights

# Compiled functions make the first example slow; a fixed seed makes a failure repeatable.
settings.register_profile(
    "modlib", deadline=None, derandomize=True, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("modlib")


# Files that take a minute or more: begun first, so that at the end no process waits for another.
LONG = (
    "test_runner", "test_skeleton", "test_wheel", "test_keras", "test_public_functions", "test_scorecard",
    "test_dividing", "test_class_removal", "test_verification", "test_build",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in this order, which ``--no-loadscope-reorder`` leaves to the processes."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


def pytest_collectstart(collector: pytest.Collector) -> None:
    """What a file of tests draws while it is read, starts of layers too, does not depend on the files before.

    Without a seed torch's generator starts anew in every process.
    """
    if isinstance(collector, pytest.Module):
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _torch_draws_the_same() -> None:
    """What a test draws without a generator does not depend on the tests before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    """Figures that a test leaves open count against the next one: more than 20 are a warning, and so an error."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


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
