"""What is drawn at random for a row depends on the number of its network."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from modlib.chapters import rows
from modlib.chapters.dependencies import experiment as dependencies
from modlib.chapters.importance import experiment as importance
from modlib.chapters.upstream_downstream import experiment as upstream
from modlib.chapters.weight_masks import experiment as weight_masks
from modlib.chapters.weight_masks.findings import SMALL
from modlib.communities import partitions
from modlib.data.images import Images
from modlib.graphs import neuron_graph
from modlib.graphs.subclusters import SubCluster
from modlib.masks import learning
from modlib.networks.network import from_arrays
from modlib.networks.planted import random_weights

WIDTHS = (20, 16, 16, 10)
PARTS = [SubCluster(layer, 0, np.arange(5), np.arange(16), 16) for layer in (1, 2)]


class Seen(Exception):
    """Raised in place of long work, once it is seen with which numbers it would begin."""


def distinct(numbers: list[float]) -> bool:
    return len(set(numbers)) == len(numbers) > 1


def test_shuffles_are_those_of_a_network_a_stage_and_a_null_model() -> None:
    kernels = random_weights(WIDTHS, 0)
    tests = {null: (rows.Tests((2,), 5, null),) for null in ("layer", "layer-nonzero")}
    asked = [(0, "pruned", "layer"), (1, "pruned", "layer"), (0, "unpruned", "layer"), (0, "pruned", "layer-nonzero")]
    shuffled = [
        rows.graph_rows(neuron_graph(kernels), stage, kernels, {}, tests[null], seed)[0]["shuffled"]
        for seed, stage, null in asked
    ]
    assert distinct(shuffled)
    assert (
        shuffled[0] == rows.graph_rows(neuron_graph(kernels), "pruned", kernels, {}, tests["layer"], 0)[0]["shuffled"]
    )


def test_clusters_are_those_of_a_network_s_number(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(rows, "hidden_labels", lambda network, k, rng: seen.append(rng.random()))
    monkeypatch.setattr(rows, "sub_clusters", lambda labels: labels)
    for k, seed in ((4, 0), (4, 1), (6, 0)):
        rows.clustered(from_arrays(random_weights(WIDTHS, 0)), k, seed)
    assert distinct(seen)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """One network and its parts, whatever its number."""
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=pair) for pair in pairwise(WIDTHS)]
    x, y = rng.random((50, 20), dtype=np.float32), rng.integers(0, 10, 50)
    for module in (importance, dependencies):
        monkeypatch.setattr(module, "trained", lambda *_: (from_arrays(kernels), Images("digits", x, y, x, y)))
        monkeypatch.setattr(module, "clustered", lambda *_: PARTS)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("module", [importance, dependencies])
def test_random_sets_are_those_of_a_network_s_number(module, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, zeroed = [], []

    def lesion_tests(*others, zero_biases: bool) -> list:
        seen.append(others[-1].random())
        zeroed.append(zero_biases)
        return []

    monkeypatch.setattr(module, "lesion_tests", lesion_tests)
    monkeypatch.setattr(module, "double_lesions", lesion_tests, raising=False)
    cell = module.cells("smoke")[0]
    for seed in (0, 1):
        module.measure({**cell, "seed": seed})
    assert distinct(seen)
    assert all(zeroed)
    if module is importance:
        module.measure({**cell, "biases": importance.KEPT})
        assert not zeroed[-1]


def test_every_mask_and_network_has_draws_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def learn_mask(module, draw, settings, rng, *others):
        seen.append(rng.random())
        if len(seen) % 2 == 0:
            raise Seen

    monkeypatch.setattr(learning, "learn_mask", learn_mask)
    monkeypatch.setattr("modlib.training.steps.train_steps", lambda *_: None)
    first = next(cell for cell in weight_masks.cells("paper") if cell["network"] == SMALL)
    for seed in (0, 1):
        with pytest.raises(Seen):
            weight_masks.measure({**first, "seed": seed})
    assert distinct(seen)


def test_searches_of_communities_are_those_of_a_network_s_number(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def find_communities(matrix, rng, *_, **__):
        seen.append(rng.random())
        raise Seen

    monkeypatch.setattr(partitions, "find_communities", find_communities)
    kernels = random_weights(WIDTHS, 0)
    network = SimpleNamespace(kernels=kernels, biases=[np.zeros(kernel.shape[1]) for kernel in kernels])
    for seed, name in ((0, "one"), (1, "one"), (0, "other")):
        with pytest.raises(Seen):
            upstream.similarity_rows(network, np.random.default_rng(0).random((30, 20)), seed, name)
    assert distinct(seen)


def test_every_network_but_those_of_the_l2_sweep_has_the_least_l2() -> None:
    dropout, l2 = upstream._regularisation("dropout", 0.3), upstream._regularisation("l2", 1e-3)
    assert (dropout.l2, dropout.dropout) == (upstream.LEAST_L2, 0.3)
    assert l2.l2 == 1e-3
