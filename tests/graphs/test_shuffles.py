"""modlib.graphs.shuffles: the test finds structure where it is and nowhere else."""

import warnings
from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats
from sklearn.metrics import adjusted_rand_score

from modlib.errors import GraphError, InputError, ModlibWarning
from modlib.graphs.neurons import NeuronGraph, chain_graph, neuron_graph
from modlib.graphs.nulls import NULLS, Null, shuffle_matrix
from modlib.graphs.shuffles import shuffle_graph, shuffle_test, shuffle_tests
from modlib.graphs.spectral import cluster
from modlib.networks.planted import planted_weights, random_weights
from modlib.stats import cohens_d, monte_carlo_p, z_score

EACH_NULL = pytest.mark.parametrize("null", NULLS)


def test_an_unknown_null_model_is_refused(noise: NeuronGraph) -> None:
    with pytest.raises(
        InputError, match="null = 'rows' arrived; expected one of degree, layer, layer-nonzero, strength"
    ):
        shuffle_matrix(np.eye(2), "rows", np.random.default_rng(0))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="null = 'rows'"):
        shuffle_test(noise, 2, 1, 0, null="rows")  # type: ignore[arg-type]


@EACH_NULL
def test_a_shuffled_graph_is_drawn_among_the_live_neurons(null: Null) -> None:
    """Isolated neurons go before the shuffle, so they can not come back, and the layers shrink for good."""
    weights = random_weights((8, 6, 4), seed=0)
    weights[0][5:], weights[0][:, 4:], weights[1][4:] = 0, 0, 0
    graph = neuron_graph(weights)
    assert [len(indices) for indices in graph.live] == [5, 4, 4]
    shuffled = shuffle_graph(graph, null, np.random.default_rng(0))
    assert shuffled.sizes == (5, 4, 4)
    for pair, block in graph.edges.items():
        np.testing.assert_allclose(np.sort(shuffled.edges[pair], axis=None), np.sort(block, axis=None))


def test_neurons_that_a_shuffle_isolates_are_dropped() -> None:
    weights = [np.zeros((30, 30))]
    np.fill_diagonal(weights[0], 1)
    shuffled = shuffle_graph(neuron_graph(weights), "layer", np.random.default_rng(0))
    assert shuffled.n_vertices < 60
    assert (shuffled.degrees > 0).all()


def test_a_shuffle_needs_a_chain_of_layers() -> None:
    graph = NeuronGraph((2, 2, 2), {(0, 2): np.ones((2, 2)), (1, 2): np.ones((2, 2))}, (np.arange(2),) * 3)
    with pytest.raises(InputError, match=r"joins the layers \[\(0, 2\), \(1, 2\)\]; a shuffle needs a chain"):
        shuffle_graph(graph, "layer", np.random.default_rng(0))


@EACH_NULL
def test_planted_structure_is_found(null: Null) -> None:
    weights, _ = planted_weights((24, 20, 16), 4, seed=0, outside=0.3)
    result = shuffle_test(neuron_graph(weights), 4, 40, seed=1, null=null)
    assert result.p == 1 / 41
    assert result.z < -10
    assert result.ncut < result.shuffled.min()


def test_the_topology_counts_for_one_null_and_not_for_the_other() -> None:
    """Modules made by where the zeros are: extreme among all networks, ordinary among those with these zeros."""
    rng = np.random.default_rng(3)
    weights, _ = planted_weights((24, 20, 16), 4, seed=3, outside=0.0)
    graph = neuron_graph([np.where(w != 0, rng.uniform(0.5, 1, w.shape), 0) for w in weights])
    layer, nonzero = (shuffle_test(graph, 4, 30, 0, null) for null in ("layer", "layer-nonzero"))
    assert layer.p == 1 / 31
    assert nonzero.p == 1  # disconnected modules have n-cut 0 whatever the weights
    assert cohens_d(layer.shuffled, nonzero.shuffled) > 10


@pytest.mark.parametrize(("null", "density"), [("layer", 1.0), ("layer-nonzero", 0.4)])
def test_p_values_are_uniform_under_the_null(null: Null, density: float) -> None:
    """A network of independent weights is one more draw from its own null model."""
    n_shuffles = 19
    ps = []
    for seed in range(150):
        weights = random_weights((10, 8, 6), seed, density)
        ps.append(shuffle_test(neuron_graph(weights), 3, n_shuffles, seed, null, n_init=5).p)
    counts = np.bincount(np.round(np.array(ps) * (n_shuffles + 1)).astype(int), minlength=n_shuffles + 2)[1:]
    # p takes n + 1 values; without ties all are equally likely, and ties make p larger, never smaller.
    assert scipy.stats.chisquare(counts.reshape(5, -1).sum(axis=1)).pvalue > 0.01
    jitter = np.random.default_rng(0).random(len(ps)) / (n_shuffles + 1)
    assert scipy.stats.kstest(np.array(ps) - jitter, "uniform").pvalue > 0.01


def test_the_numbers_of_a_test_follow_from_its_ncuts(noise: NeuronGraph) -> None:
    result = shuffle_test(noise, 4, 12, seed=2, n_init=3)
    assert result.shuffled.shape == (12,)
    assert len(set(result.shuffled)) == 12
    assert result.p == monte_carlo_p(result.ncut, result.shuffled)
    assert result.z == z_score(result.ncut, result.shuffled)
    assert (result.k, result.null) == (4, "layer")
    assert len(result.labels) == noise.n_vertices


def test_the_seed_of_a_shuffle_does_not_depend_on_the_number_of_workers(pruned_noise: NeuronGraph) -> None:
    one, *others = (shuffle_tests(pruned_noise, (2, 4), 10, seed=5, n_init=3, jobs=jobs) for jobs in (1, 2, -1))
    for first, second in zip(2 * one, chain.from_iterable(others), strict=True):
        np.testing.assert_array_equal(first.shuffled, second.shuffled)
        np.testing.assert_array_equal(first.labels, second.labels)


def test_all_processors_share_the_shuffles(noise: NeuronGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.effective_n_jobs", lambda jobs: 3 if jobs == -1 else jobs)
    done: list[int] = []
    shuffle_tests(noise, (2,), 30, seed=5, n_init=1, jobs=-1, on_shuffle=done.append)
    assert done == [*range(2, 31, 2)]  # not 4 at a time, which 8 parts of one process would be


def test_the_seed_of_a_shuffle_does_not_depend_on_their_number(noise: NeuronGraph) -> None:
    few, many = (shuffle_test(noise, 3, n, seed=5, n_init=3).shuffled for n in (4, 7))
    np.testing.assert_array_equal(few, many[:4])
    other = shuffle_test(noise, 3, 4, seed=6, n_init=3).shuffled
    assert not np.isin(few, other).any()


def test_a_seed_sequence_is_not_used_up(noise: NeuronGraph) -> None:
    sequence = np.random.SeedSequence(5)
    first, again, number = (shuffle_test(noise, 3, 2, s, n_init=3).shuffled for s in (sequence, sequence, 5))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, number)


def test_several_k_are_tested_on_the_same_shuffles() -> None:
    weights, _ = planted_weights((16, 12, 12), 4, seed=0, outside=0.2)
    results = shuffle_tests(neuron_graph(weights), (2, 4), 20, seed=0)
    assert [result.k for result in results] == [2, 4]
    assert all(result.p == 1 / 21 for result in results)


def test_the_network_is_clustered_as_by_cluster() -> None:
    weights, _ = planted_weights((16, 12, 12), 4, seed=0)
    graph = neuron_graph(weights)
    assert shuffle_test(graph, 4, 1, 0).ncut == pytest.approx(cluster(graph, 4, np.random.default_rng(0)).ncut)


def test_scale_and_sign_of_a_layer_do_not_matter_to_the_test(noise: NeuronGraph) -> None:
    weights = random_weights((12, 10, 8), seed=1)
    first = shuffle_test(neuron_graph(weights), 3, 5, 0)
    second = shuffle_test(neuron_graph([-8 * w for w in weights]), 3, 5, 0)
    np.testing.assert_allclose(first.shuffled, second.shuffled)
    assert first.ncut == pytest.approx(second.ncut)


def test_a_test_without_shuffles_or_with_too_many_clusters_is_refused() -> None:
    graph = chain_graph([np.ones((2, 2))])
    with pytest.raises(InputError, match="n_shuffles = 0 arrived; expected a whole number of at least 1"):
        shuffle_test(graph, 2, 0, 0)
    with pytest.raises(InputError, match=r"n_shuffles = 2.5 arrived"):
        shuffle_test(graph, 2, 2.5, 0)  # type: ignore[arg-type]
    for jobs, wanted in ((0, "a number of processes"), (None, "a whole number")):
        with pytest.raises(InputError, match=f"jobs = {jobs} arrived; expected {wanted}"):
            shuffle_test(graph, 2, 3, 0, jobs=jobs)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="k = 5 clusters were asked of a graph with 4 live neurons"):
        shuffle_test(graph, 5, 3, 0)


# --- deep networks


@pytest.mark.parametrize("outside", [0.2, 0.5])
def test_modules_of_a_deep_network_are_not_seen_and_the_test_says_so(outside: float) -> None:
    """Twelve matrices: k = 4 clusters are runs of layers, and the modules are found where layers are left out."""
    weights, truth = planted_weights((32,) * 13, 4, seed=0, outside=outside)
    graph = neuron_graph(weights)
    with pytest.warns(ModlibWarning, match=r"k = 4 of 13 layers is blind: .* larger k, .* route='within-layers'"):
        test = shuffle_test(graph, 4, 19, 0, n_init=5)
    assert test.blind
    assert test.p > 0.05
    assert test.between_layers.min() > 0.9
    assert "blind=all eigenvectors tell layers apart" in repr(test)
    within = shuffle_test(graph, 4, 19, 0, n_init=5, route="within-layers")
    assert not within.blind
    assert "blind" not in repr(within)
    assert within.p == 0.05
    assert adjusted_rand_score(np.concatenate(truth), within.labels) > 0.7


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_test_that_sees_the_modules_does_not_warn(depth: int) -> None:
    weights, _ = planted_weights((32,) * (depth + 1), 4, seed=0, outside=0.2)
    test = shuffle_test(neuron_graph(weights), 4, 19, 0, n_init=5)
    assert test.p == 0.05
    assert len(test.between_layers) == 3
    assert not test.blind


def test_a_larger_k_sees_what_a_smaller_one_does_not() -> None:
    weights, _ = planted_weights((32,) * 13, 4, seed=0, outside=0.2)
    few, many = shuffle_tests(neuron_graph(weights), (4, 12), 19, 0, n_init=5)
    np.testing.assert_array_equal(few.between_layers, many.between_layers[:3])
    assert few.blind
    assert not many.blind
    assert many.p == 0.05


def test_within_layers_nothing_is_found_in_noise() -> None:
    """p-values of deep random networks are uniform; the bounds are four standard errors wide."""
    found = [
        shuffle_test(neuron_graph(random_weights((16,) * 11, seed)), 4, 19, seed, n_init=2, route="within-layers").p
        for seed in range(40)
    ]
    assert abs(np.mean(found) - 0.525) < 4 * 0.29 / 40**0.5
    assert np.mean(np.array(found) <= 0.1) < 0.1 + 4 * (0.1 * 0.9 / 40) ** 0.5


FROZEN = {
    "degree": np.tri(5)[:, ::-1],  # the only matrix of zeros and ones with its sums
    "strength": np.array([[1.0, 0.0, 0.0], [10.0, 100.0, 1e3], [0.0, 0.0, 1e4]]),
    "layer-nonzero": np.ones((3, 4)),
    "layer": np.ones((3, 4)),
}


@pytest.mark.parametrize("null", FROZEN)
def test_a_null_that_has_nothing_to_exchange_says_so(null: Null) -> None:
    graph = neuron_graph([FROZEN[null]])
    with pytest.warns(ModlibWarning, match=f"the null model '{null}' leaves this network as it is") as warned:
        test = shuffle_test(graph, k=2, n_shuffles=9, seed=0, null=null)
    assert test.p > 0.05
    assert "moved=False" in repr(test)
    assert warned[0].filename == __file__  # it points to who asked


def test_a_network_that_one_shuffle_left_as_it_was_is_not_said_to_stay_so() -> None:
    graph = neuron_graph([np.array([[1.0], [2.0]])])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(8):
            shuffle_test(graph, k=2, n_shuffles=1, seed=seed)


@pytest.mark.parametrize("k", [1, 9])
def test_one_cluster_and_one_a_neuron_say_nothing(k: int) -> None:
    graph = neuron_graph(random_weights((4, 3, 2), 0))
    with pytest.warns(ModlibWarning, match=f"k = {k} of 9 live neurons has one partition"):
        assert shuffle_test(graph, k, n_shuffles=3, seed=0).p == 1


def test_a_generator_in_place_of_a_seed_is_told_of() -> None:
    graph = neuron_graph(random_weights((4, 3, 2), 0))
    with pytest.raises(
        InputError, match=r"seed = Generator.* arrived; expected a whole number that seeds it, such as 0"
    ):
        shuffle_test(graph, 2, 3, np.random.default_rng(0))  # type: ignore[arg-type]


def test_one_shuffle_has_no_z_but_prints() -> None:
    test = shuffle_test(neuron_graph([np.array([[1.0], [2.0]])]), k=2, n_shuffles=1, seed=0)
    assert "z=" not in repr(test)
    with pytest.raises(InputError, match=r"expected at least 2"):
        test.z  # noqa: B018


@EACH_NULL
def test_a_null_that_moves_a_network_does_not_warn(null: Null, pruned_noise: NeuronGraph) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shuffle_test(pruned_noise, k=3, n_shuffles=3, seed=0, null=null).moved


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_layers_without_live_neurons_are_passed_over(form: Callable[[np.ndarray], np.ndarray]) -> None:
    graph = neuron_graph([form(np.array([[1.0, 0.0]])), form(np.zeros((2, 2)))])
    (test,) = shuffle_tests(graph, (1,), n_shuffles=1, seed=0)
    assert not test.moved
