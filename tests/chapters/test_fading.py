"""The figure of chapter clusterability that readers move: what it shows is computed, and it loads nothing."""

import re
from itertools import pairwise

import numpy as np
import pytest

from modlib.chapters.clusterability.fading import GROUPS, KS, WIDTHS, explorable, precomputed
from modlib.graphs import ncut, neuron_graph
from modlib.networks import planted_weights


@pytest.fixture(scope="module")
def data() -> dict:
    return precomputed(5, seed=3, strengths=(0.0, 0.1, 1.0))


def test_what_is_drawn_is_what_was_clustered(data: dict) -> None:
    starts = np.cumsum([0, *WIDTHS])
    for edges, found in zip(data["edges"], data["found"], strict=True):
        kernels = [np.zeros(shape) for shape in pairwise(WIDTHS)]
        for a, b, weight in edges:
            layer = int(np.searchsorted(starts, a, side="right")) - 1
            kernels[layer][a - starts[layer], b - starts[layer + 1]] = weight
        for k, of_k in zip(KS, found, strict=True):
            assert len(set(of_k["labels"])) == k
            assert ncut(neuron_graph(kernels), np.array(of_k["labels"])) == pytest.approx(of_k["ncut"], abs=0.05)
    assert len(data["places"]) == sum(WIDTHS)


def test_planted_groups_are_found_while_they_are_apart_and_lost_when_they_are_not(data: dict) -> None:
    truth = np.concatenate(planted_weights(WIDTHS, GROUPS, 3, outside=0.0)[1])
    apart, nearly, gone = (found[KS.index(GROUPS)] for found in data["found"])
    for found in (apart, nearly):
        assert len({*zip(found["labels"], truth.tolist(), strict=True)}) == GROUPS
        assert found["ncut"] < min(found["shuffled"])
    assert apart["ncut"] == pytest.approx(0, abs=1e-9)
    assert gone["ncut"] > 0.9 * min(gone["shuffled"])


def test_the_page_loads_nothing_and_its_controls_have_names() -> None:
    page = explorable(1).data
    assert not re.findall(r"(?:src|href)=|https?://(?!www\.w3\.org/2000/svg)", page)
    assert page.count("<label>") == page.count("<input") == 2
    assert 'aria-live="polite"' in page
