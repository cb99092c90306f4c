"""modlib.training.initialisation: clusters in the first weights."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from modlib.errors import InputError
from modlib.graphs.neurons import neuron_graph
from modlib.graphs.spectral import cluster, ncut
from modlib.networks.planted import random_weights
from modlib.training.initialisation import Clusterable, clusterable_kernels, draw_tags
from modlib.training.regularisers import normalise_neurons


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0.01, 1), st.booleans())
def test_weights_are_scaled_by_whether_their_ends_share_a_tag(
    seed: int, n_clusters: int, beta: float, tagged_outputs: bool
) -> None:
    rng = np.random.default_rng(seed)
    kernels = random_weights((5, 8, 6, 7, 3), rng)
    start = Clusterable(n_clusters, beta)
    tags = draw_tags((8, 6, 7), start, rng)
    changed = clusterable_kernels(kernels, tags, start, tagged_outputs)
    assert [len(layer) for layer in tags] == [8, 6, 7]
    tags.append(np.array([0, 1, 2]))
    for layer, (kernel, new) in enumerate(zip(kernels, changed, strict=True)):
        for i, j in np.ndindex(kernel.shape):
            factor = 1.0
            if 0 < layer < 3 + tagged_outputs:
                same = tags[layer - 1][i] == tags[layer][j]
                factor = 1 + (1 - beta) * (n_clusters - 1) if same else beta
            assert new[i, j] == pytest.approx(factor * kernel[i, j])


@pytest.mark.parametrize("start", [Clusterable(10, 0.6), Clusterable(10, 0.8), Clusterable(3, 0.1)])
def test_the_mean_size_of_weights_stays(start: Clusterable) -> None:
    rng = np.random.default_rng(0)
    ones = [np.ones((600, 600)) for _ in range(3)]
    means = [clusterable_kernels(ones, draw_tags((600, 600), start, rng), start)[1].mean() for _ in range(20)]
    assert np.mean(means) == pytest.approx(1, abs=4 * np.std(means) / np.sqrt(20))
    assert np.mean(means) == pytest.approx(1, abs=0.01)


def test_the_factors_are_those_of_the_paper() -> None:
    assert Clusterable(10, 0.6).within == pytest.approx(4.6)
    assert Clusterable(10, 0.8).within == pytest.approx(2.8)


def test_the_clusters_are_there_to_be_found_and_without_beta_below_one_they_are_not() -> None:
    rng = np.random.default_rng(0)
    kernels = random_weights((20, 60, 60, 60, 5), rng)
    found = {beta: [] for beta in (0.1, 1.0)}
    for beta, differences in found.items():
        for _ in range(3):
            tags = draw_tags((60, 60, 60), Clusterable(3, beta), rng)
            changed = clusterable_kernels(kernels, tags, Clusterable(3, beta))
            hidden = neuron_graph(changed[1:-1])
            assert ncut(hidden, np.concatenate(tags)) == pytest.approx(3 * beta * 2 / 3, abs=0.15)
            differences.append(cluster(hidden, 3, rng).ncut - ncut(hidden, np.concatenate(tags)))
    assert max(np.abs(found[0.1])) < 0.01
    assert max(found[1.0]) < -0.05  # random tags are a bad cut of weights without clusters


def test_kernels_of_convolutions_are_scaled_channel_by_channel() -> None:
    rng = np.random.default_rng(1)
    kernels = [rng.normal(size=(3, 3, i, o)) for i, o in ((1, 8), (8, 6), (6, 4), (4, 4))]
    tags = draw_tags((8, 6, 4), Clusterable(2, 0.5), rng)
    changed = clusterable_kernels(kernels, tags, Clusterable(2, 0.5))
    for layer in (1, 2):
        factors = changed[layer] / kernels[layer]
        expected = np.where(tags[layer - 1][:, None] == tags[layer], 1.5, 0.5)
        np.testing.assert_allclose(factors, np.broadcast_to(expected, factors.shape))
    np.testing.assert_array_equal(changed[0], kernels[0])
    np.testing.assert_array_equal(changed[-1], kernels[-1])


@pytest.mark.parametrize("settings", [{"n_clusters": 0}, {"beta": 0.0}, {"beta": 1.5}, {"beta": float("nan")}])
def test_settings_that_make_no_clusters_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="arrived; expected"):
        Clusterable(**settings)  # type: ignore[arg-type]


def test_tags_that_do_not_fit_the_layers_are_refused() -> None:
    kernels = random_weights((5, 8, 6, 3), 0)
    with pytest.raises(InputError, match=r"tags of \[8\] neurons arrived for hidden layers of \[8, 6\]"):
        clusterable_kernels(kernels, [np.zeros(8, dtype=int)], Clusterable())


def test_whole_numbers_are_weights_as_others_are() -> None:
    kernels, tags = [np.ones((2, 2), dtype=dtype) for dtype in (np.int64, np.int8, bool)], [np.array([0, 1])] * 2
    found = clusterable_kernels(kernels, tags, Clusterable(n_clusters=2, beta=0.5))
    assert found[1].tolist() == [[1.5, 0.5], [0.5, 1.5]]
    scaled, biases = normalise_neurons(kernels, [np.ones(2, dtype=np.int64)] * 3)
    expected = normalise_neurons([kernel.astype(float) for kernel in kernels], [np.ones(2)] * 3)
    for ours, theirs in zip([*scaled, *biases], [*expected[0], *expected[1]], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_kernels_that_are_no_chain_are_refused() -> None:
    kernels = [np.ones((2, 3)), np.ones((1, 3)), np.ones((3, 1))]
    with pytest.raises(InputError, match=r"kernels that read \[1\] neurons arrived for hidden layers of \[3, 3\]"):
        clusterable_kernels(kernels, [np.zeros(3, int)] * 2, Clusterable())


def test_outputs_that_do_not_read_the_last_hidden_layer_have_no_tags() -> None:
    kernels = [np.ones((3, 4)), np.ones((4, 5)), np.ones((20, 2))]  # flattened in between
    tags = draw_tags((4, 5), Clusterable(2), np.random.default_rng(0))
    assert len(clusterable_kernels(kernels, tags, Clusterable(2))) == 3
    with pytest.raises(InputError, match=r"kernels that read \[4, 20\] neurons arrived for hidden layers of \[4, 5\]"):
        clusterable_kernels(kernels, tags, Clusterable(2), tagged_outputs=True)
