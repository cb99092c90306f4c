"""modlib.graphs.spectral: n-cut is what the papers define, and every route finds the same clusters."""

from collections.abc import Callable
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from hypothesis import given, strategies as st
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from modlib.errors import GraphError, InputError
from modlib.graphs import eigenvectors
from modlib.graphs.neurons import NeuronGraph, neuron_graph
from modlib.graphs.spectral import (
    Route,
    cluster,
    cluster_for_each_k,
    ncut,
    share_between_layers,
    spectral_embedding,
)
from modlib.networks.planted import planted_weights, random_weights

ROUTES = pytest.mark.parametrize("route", ["bipartite", "arpack", "amg"])


@st.composite
def partitioned_graphs(draw: st.DrawFn) -> tuple[NeuronGraph, np.ndarray]:
    """A small layered graph and a partition of it into at least one cluster."""
    sizes = tuple(draw(st.lists(st.integers(2, 6), min_size=2, max_size=4)))
    weights = random_weights(sizes, draw(st.integers(0, 999)), draw(st.sampled_from([0.5, 1.0])))
    weights[0][0, 0] = 1.0  # at least one edge
    graph = neuron_graph(weights)
    k = draw(st.integers(1, min(4, graph.n_vertices)))
    labels = np.random.default_rng(draw(st.integers(0, 999))).integers(k, size=graph.n_vertices)
    return graph, labels


def block_graph(blocks: int, seed: int = 0) -> tuple[NeuronGraph, np.ndarray]:
    """Disconnected modules, and the module of every vertex."""
    weights, truth = planted_weights((16, 12, 12, 8), blocks, seed, outside=0.0)
    return neuron_graph(weights), np.concatenate(truth)


@given(partitioned_graphs())
def test_ncut_is_that_of_the_definition(case: tuple[NeuronGraph, np.ndarray]) -> None:
    graph, labels = case
    matrix = graph.adjacency.toarray()
    expected = 0.0
    for label in set(labels):
        inside, outside = labels == label, labels != label
        expected += matrix[np.ix_(inside, outside)].sum() / matrix[inside].sum()
    assert ncut(graph, labels) == pytest.approx(expected, abs=1e-12)
    assert ncut(matrix, labels) == pytest.approx(expected, abs=1e-12)
    assert ncut(graph.adjacency, labels) == pytest.approx(expected, abs=1e-12)


@given(partitioned_graphs())
def test_ncut_is_that_of_networkx(case: tuple[NeuronGraph, np.ndarray]) -> None:
    graph, labels = case
    network = nx.from_numpy_array(graph.adjacency.toarray())
    clusters = [set(np.flatnonzero(labels == label).tolist()) for label in set(labels)]
    expected = sum(nx.cut_size(network, c, weight="weight") / nx.volume(network, c, weight="weight") for c in clusters)
    assert ncut(graph, labels) == pytest.approx(expected, abs=1e-12)
    if len(clusters) == 2:  # networkx has the sum itself for two sets
        assert ncut(graph, labels) == pytest.approx(nx.normalized_cut_size(network, *clusters, weight="weight"))


@given(partitioned_graphs())
def test_ncut_over_k_is_the_chance_that_a_step_leaves_its_cluster(case: tuple[NeuronGraph, np.ndarray]) -> None:
    """A random cluster, a random edge end in it, the other end of that edge: pruned-modular A.1."""
    graph, labels = case
    matrix, clusters = graph.adjacency.toarray(), sorted(set(labels))
    chance = 0.0
    for label in clusters:
        inside = labels == label
        start = graph.degrees * inside / graph.degrees[inside].sum()
        step = start @ (matrix / graph.degrees[:, None])
        chance += step[~inside].sum() / len(clusters)
    assert ncut(graph, labels) / len(clusters) == pytest.approx(chance, abs=1e-12)


def test_the_stub_experiment_carried_out() -> None:
    graph = neuron_graph(planted_weights((8, 6, 6), 3, seed=2, outside=0.3)[0])
    labels = cluster(graph, 3, np.random.default_rng(0)).labels
    matrix, rng, n = graph.adjacency.toarray(), np.random.default_rng(1), 20_000
    left = 0
    for label in range(3):
        members = np.flatnonzero(labels == label)
        degrees = graph.degrees[members]
        starts, counts = np.unique(rng.choice(members, n, p=degrees / degrees.sum()), return_counts=True)
        for vertex, count in zip(starts, counts, strict=True):
            ends = rng.choice(len(labels), count, p=matrix[vertex] / matrix[vertex].sum())
            left += (labels[ends] != label).sum()
    chance = ncut(graph, labels) / 3
    assert left / (3 * n) == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / (3 * n)))


@given(partitioned_graphs(), st.floats(1e-6, 1e6))
def test_ncut_ignores_the_scale_of_the_weights(case: tuple[NeuronGraph, np.ndarray], scale: float) -> None:
    graph, labels = case
    assert ncut(graph.adjacency * scale, labels) == pytest.approx(ncut(graph, labels), abs=1e-10)


@given(partitioned_graphs(), st.randoms(use_true_random=False))
def test_ncut_ignores_the_names_of_clusters_and_the_order_of_neurons(
    case: tuple[NeuronGraph, np.ndarray], random: object
) -> None:
    graph, labels = case
    order = np.arange(graph.n_vertices)
    random.shuffle(order)  # type: ignore[attr-defined]
    matrix = graph.adjacency.toarray()[np.ix_(order, order)]
    renamed = np.array([7, -1, 3, 100])[labels]
    assert ncut(matrix, renamed[order]) == pytest.approx(ncut(graph, labels), abs=1e-12)


@given(partitioned_graphs())
def test_ncut_lies_between_0_and_the_number_of_clusters(case: tuple[NeuronGraph, np.ndarray]) -> None:
    graph, labels = case
    assert 0 <= ncut(graph, labels) <= len(set(labels)) + 1e-12
    assert ncut(graph, np.zeros(graph.n_vertices)) == 0


def test_ncut_of_layers_as_clusters_is_their_number() -> None:
    graph = neuron_graph(random_weights((5, 4, 3), seed=0))
    assert ncut(graph, graph.layer) == pytest.approx(3)


def test_an_epsilon_beside_every_volume_makes_a_cluster_of_faint_edges_free() -> None:
    faint = np.kron(np.diag([1.0, 1e-20]), [[0, 1], [1, 0]])
    faint[0, 2] = faint[2, 0] = 1e-20  # all in all two pairs, and one edge between them
    labels = np.array([0, 0, 1, 1])
    assert ncut(faint, labels) == pytest.approx(1 / 3)
    assert ncut(faint, labels, epsilon=1e-8) == pytest.approx(0, abs=1e-10)
    assert ncut(faint[:2, :2], [0, 1], epsilon=1.0) == 1.0  # 1 / (1 + 1), twice
    with pytest.raises(InputError, match="epsilon"):
        ncut(faint, labels, epsilon=-1.0)


def test_a_wrong_number_of_labels_is_refused() -> None:
    with pytest.raises(InputError, match=r"labels = .* of shape \(4,\)"):
        ncut(neuron_graph([np.ones((2, 2))]), np.zeros(3))
    with pytest.raises(InputError, match=r"1099511627776\] arrived; expected .* at most 2.14748e\+09 of shape"):
        ncut(neuron_graph([np.ones((2, 2))]), [0, 1, 1, 2**40])


def dense_eigenvalues(graph: NeuronGraph) -> np.ndarray:
    matrix = graph.adjacency.toarray()
    return scipy.linalg.eigh(np.diag(graph.degrees) - matrix, np.diag(graph.degrees), eigvals_only=True)


def rayleigh(graph: NeuronGraph, embedding: np.ndarray) -> np.ndarray:
    """Eigenvalue of every column as a quotient of quadratic forms."""
    laplacian = sp.diags_array(graph.degrees) - graph.adjacency
    return np.einsum("ij,ij->j", embedding, laplacian @ embedding) / (graph.degrees @ embedding**2)


@ROUTES
@pytest.mark.parametrize("name", ["noise", "pruned_noise"])
def test_every_route_finds_the_eigenvectors_of_the_normalised_laplacian(
    route: Route, name: str, request: pytest.FixtureRequest
) -> None:
    graph, k = request.getfixturevalue(name), 6
    embedding = spectral_embedding(graph, k, route)
    expected = dense_eigenvalues(graph)[:k]
    np.testing.assert_allclose(rayleigh(graph, embedding), expected, atol=1e-5)
    values = np.asarray(nx.normalized_laplacian_spectrum(nx.from_scipy_sparse_array(graph.adjacency)))
    np.testing.assert_allclose(np.sort(values)[:k], expected, atol=1e-8)
    # L u = lambda D u, and the columns are D-orthonormal.
    laplacian = sp.diags_array(graph.degrees) - graph.adjacency
    residual = laplacian @ embedding - graph.degrees[:, None] * embedding * expected
    assert np.abs(residual).max() < 1e-3 * np.abs(graph.degrees[:, None] * embedding).max()
    np.testing.assert_allclose(embedding.T @ (graph.degrees[:, None] * embedding), np.eye(k), atol=1e-5)


@ROUTES
def test_a_graph_has_as_many_zero_eigenvalues_as_components(route: Route) -> None:
    graph, _ = block_graph(4)
    values = rayleigh(graph, spectral_embedding(graph, 5, route))
    np.testing.assert_allclose(values[:4], 0, atol=1e-6)
    assert values[4] > 0.05


def test_the_bipartite_route_iterates_where_a_dense_problem_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = neuron_graph(random_weights((50, 40, 30), seed=5, density=0.4))
    dense = spectral_embedding(graph, 4, "bipartite")
    monkeypatch.setattr(eigenvectors, "DENSE_SIDE", 10)
    np.testing.assert_allclose(spectral_embedding(graph, 4, "bipartite"), dense, atol=1e-6)


def test_the_order_of_neurons_does_not_change_the_embedding() -> None:
    weights = random_weights((20, 15, 10), seed=3)
    rng = np.random.default_rng(0)
    orders = [rng.permutation(size) for size in (20, 15, 10)]
    moved = [w[np.ix_(a, b)] for w, (a, b) in zip(weights, pairwise(orders), strict=True)]
    first, second = (spectral_embedding(neuron_graph(w), 4) for w in (weights, moved))
    where = np.concatenate([start + order for start, order in zip((0, 20, 35), orders, strict=True)])
    np.testing.assert_allclose(second, first[where], atol=1e-8)


def test_the_scale_and_the_sign_of_weights_do_not_change_the_embedding() -> None:
    weights = random_weights((20, 15, 10), seed=3)
    first = spectral_embedding(neuron_graph(weights), 4)
    second = spectral_embedding(neuron_graph([-100 * w for w in weights]), 4)
    np.testing.assert_allclose(second, first / 10, atol=1e-9)  # D-orthonormal: 1 / sqrt(scale)


@ROUTES
@pytest.mark.parametrize("k", [2, 4])
def test_disconnected_modules_are_found_and_their_ncut_is_0(route: Route, k: int) -> None:
    graph, truth = block_graph(k)
    found = cluster(graph, k, np.random.default_rng(0), route)
    assert found.ncut == ncut(graph, truth) == 0  # exactly, so that two of them tie
    assert adjusted_rand_score(truth, found.labels) == 1


@ROUTES
@pytest.mark.parametrize("bridge", [1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 1e-30])
def test_modules_that_a_thread_holds_together_are_found(route: Route, bridge: float) -> None:
    """Several eigenvalues are then equal but for rounding, where an iteration could miss one."""
    weights, truth = planted_weights((60, 40, 40, 20), 4, seed=7, outside=bridge)
    found = cluster(neuron_graph(weights), 4, np.random.default_rng(0), route)
    assert adjusted_rand_score(np.concatenate(truth), found.labels) == 1


@ROUTES
@pytest.mark.parametrize("seed", range(3))
def test_planted_modules_are_found_exactly(route: Route, seed: int) -> None:
    weights, truth = planted_weights((60, 40, 40, 20), 5, seed, outside=0.05)
    graph = neuron_graph(weights)
    found = cluster(graph, 5, np.random.default_rng(seed), route)
    assert adjusted_rand_score(np.concatenate(truth), found.labels) == 1
    assert found.ncut == pytest.approx(ncut(graph, np.concatenate(truth)))
    assert (found.k, found.labels.min(), found.labels.max()) == (5, 0, 4)


@pytest.mark.usefixtures("one_thread")
def test_all_routes_and_scikit_learn_agree_on_graphs_without_structure() -> None:
    """Where no partition is clearly best, the mean n-cut over seeds is what must agree, to half a percent."""
    routes: tuple[Route, ...] = ("bipartite", "arpack", "amg")
    ours: dict[str, list[float]] = {route: [] for route in routes}
    theirs = []
    for seed in range(24):
        graph = neuron_graph(random_weights((50, 40, 30, 10), seed, density=0.2))
        for route in routes:
            ours[route].append(cluster(graph, 3, np.random.default_rng(seed), route).ncut)
        model = SpectralClustering(3, affinity="precomputed", eigen_solver="arpack", n_init=25, random_state=seed)
        theirs.append(ncut(graph, model.fit_predict(graph.adjacency.toarray())))
    for route, found in ours.items():
        assert np.mean(found) == pytest.approx(np.mean(theirs), rel=0.005), route


@pytest.mark.usefixtures("one_thread")
def test_scikit_learn_finds_the_same_planted_modules() -> None:
    weights, _ = planted_weights((40, 30, 20), 4, seed=1)
    graph = neuron_graph(weights)
    model = SpectralClustering(4, affinity="precomputed", eigen_solver="arpack", n_init=25, random_state=0)
    theirs = model.fit_predict(graph.adjacency.toarray())
    assert adjusted_rand_score(theirs, cluster(graph, 4, np.random.default_rng(0)).labels) == 1


def test_a_graph_that_is_not_bipartite_takes_the_arpack_route() -> None:
    weights, truth = planted_weights((12, 12, 12), 3, seed=4)
    edges = {(0, 1): abs(weights[0]), (1, 2): abs(weights[1]), (0, 2): abs(weights[0] @ weights[1])}
    graph = NeuronGraph((12, 12, 12), edges, (np.arange(12),) * 3)
    found = cluster(graph, 3, np.random.default_rng(0))
    assert adjusted_rand_score(np.concatenate(truth), found.labels) == 1
    with pytest.raises(GraphError, match="for the route bipartite; expected a layered graph"):
        cluster(graph, 3, np.random.default_rng(0), "bipartite")


def test_an_adjacency_matrix_and_its_graph_give_the_same_clusters(noise: NeuronGraph) -> None:
    first = cluster(noise, 3, np.random.default_rng(0), "arpack")
    second = cluster(noise.adjacency.toarray(), 3, np.random.default_rng(0))
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.ncut == pytest.approx(second.ncut)


def test_sparse_and_dense_weights_give_the_same_clusters() -> None:
    weights = random_weights((40, 30, 20), seed=6, density=0.3)
    dense = cluster(neuron_graph(weights), 4, np.random.default_rng(0))
    sparse = cluster(neuron_graph([sp.csr_array(w) for w in weights]), 4, np.random.default_rng(0))
    assert adjusted_rand_score(dense.labels, sparse.labels) == 1
    assert dense.ncut == pytest.approx(sparse.ncut)


def test_the_seed_decides_the_clusters(noise: NeuronGraph) -> None:
    first, again, other = (cluster(noise, 5, np.random.default_rng(seed), n_init=1) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.ncut != other.ncut


def test_several_k_share_one_embedding() -> None:
    weights, _ = planted_weights((24, 24, 24), 3, seed=0)
    graph = neuron_graph(weights)
    found = cluster_for_each_k(graph, (3, 1, 6), np.random.default_rng(0))
    assert [c.k for c in found] == [3, 1, 6]
    assert [len(set(c.labels)) for c in found] == [3, 1, 6]
    assert found[1].ncut == 0
    assert found[0].ncut == pytest.approx(cluster(graph, 3, np.random.default_rng(5)).ncut)


def test_a_layer_of_one_neuron_is_clustered() -> None:
    found = cluster(neuron_graph(random_weights((6, 1, 6), seed=0)), 2, np.random.default_rng(0))
    assert 0 < found.ncut < 2
    assert len(found.labels) == 13


def test_every_neuron_its_own_cluster() -> None:
    graph = neuron_graph(random_weights((3, 2), seed=0))
    assert cluster(graph, 5, np.random.default_rng(0)).ncut == pytest.approx(5)


@pytest.mark.parametrize(
    ("k", "route", "error", "message"),
    [
        (6, "auto", GraphError, "k = 6 clusters were asked of a graph with 5 live neurons"),
        (3, "bipartite", GraphError, "expected a layered graph with at least 3 live neurons in its even layers and 3"),
        (0, "auto", InputError, "k = 0 arrived; expected a whole number of at least 1"),
        (2.5, "auto", InputError, "k = 2.5 arrived"),
        (True, "auto", InputError, "k = True arrived"),
        (np.nan, "auto", InputError, "k = nan arrived"),
        (np.inf, "auto", InputError, "k = inf arrived"),
        ("2", "auto", InputError, "k = '2' arrived"),
        (None, "auto", InputError, "k = None arrived"),
        (
            2,
            "lanczos",
            InputError,
            "route = 'lanczos' arrived; expected one of amg, arpack, auto, bipartite, within-layers",
        ),
    ],
)
def test_a_question_that_has_no_answer_is_refused(k: int, route: Route, error: type[Exception], message: str) -> None:
    graph = neuron_graph([np.ones((3, 2))])
    with pytest.raises(error, match=message):
        cluster(graph, k, np.random.default_rng(0), route)


@pytest.mark.parametrize("k", [4.0, np.float64(4), np.int32(4)])
def test_a_whole_number_of_any_type_is_a_k(k: int, noise: NeuronGraph) -> None:
    first, second = (cluster(noise, number, np.random.default_rng(0)) for number in (4, k))
    np.testing.assert_array_equal(first.labels, second.labels)
    assert isinstance(second.k, int)


SQUARE = np.array([[0, 1, 2, 0], [1, 0, 0, 0], [2, 0, 0, 3], [0, 0, 3, 0]], dtype=float)


def changed(value: complex, *places: tuple[int, int]) -> np.ndarray:
    matrix = SQUARE.astype(type(value))
    for place in places:
        matrix[place] = value
    return matrix


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.coo_matrix])
@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (changed(-1.0, (0, 1), (1, 0)), r"with 2 negative, NaN or infinite entries arrived; .* pass absolute values"),
        (changed(np.nan, (0, 1)), "with 1 negative, NaN or infinite"),
        (changed(np.inf, (0, 1), (1, 0)), "with 2 negative, NaN or infinite"),
        (changed(5.0, (0, 1)), r"of shape \(4, 4\) arrived that is not symmetric; .* pass A \+ A\^T"),
        (SQUARE[:2], r"of shape \(2, 4\).* arrived; expected a neuron graph, or a square .* neuron_graph"),
        (changed(1j, (0, 1)), r"of shape \(4, 4\) arrived; .* of numbers"),
    ],
)
def test_what_is_no_adjacency_matrix_is_refused(form: Callable, matrix: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cluster(form(matrix), 2, np.random.default_rng(0))
    with pytest.raises(InputError, match=message):
        ncut(form(matrix), np.zeros(len(matrix)))


@pytest.mark.parametrize("matrix", [SQUARE.tolist(), "graph", None, SQUARE[0], np.zeros((0, 0)), SQUARE.astype(str)])
def test_what_is_no_matrix_is_refused(matrix: object) -> None:
    with pytest.raises(InputError, match=r"arrived; expected a neuron graph, or a square numpy or scipy\.sparse"):
        spectral_embedding(matrix, 1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="pass weights through neuron_graph"):
        ncut(matrix, np.zeros(4))  # type: ignore[arg-type]


def test_vertices_without_an_edge_are_refused_where_they_have_no_place() -> None:
    """An embedding has no row for them. The n-cut of a partition ignores them."""
    matrix = scipy.linalg.block_diag(SQUARE, 0, 0)
    with pytest.raises(GraphError, match=r"2 of 6 vertices have no edge, the first is number 4; .* leave these out"):
        cluster(matrix, 2, np.random.default_rng(0))
    assert ncut(matrix, np.array([0, 0, 1, 1, 1, 2])) == ncut(SQUARE, np.array([0, 0, 1, 1]))


def test_edges_that_are_not_finite_are_refused() -> None:
    graph = NeuronGraph((2, 2), {(0, 1): np.array([[1, np.nan], [1, 1]])}, (np.arange(2),) * 2)
    for measure in (lambda: ncut(graph, np.zeros(4)), lambda: spectral_embedding(graph, 2)):
        with pytest.raises(GraphError, match="NaN or infinite edges; expected finite ones: make it by neuron_graph"):
            measure()


def test_a_matrix_that_single_precision_made_a_little_asymmetric_is_taken(noise: NeuronGraph) -> None:
    matrix = noise.adjacency.toarray()
    single = (matrix * np.random.default_rng(0).uniform(1 - 1e-7, 1 + 1e-7, matrix.shape)).astype(np.float32)
    first, second = (cluster(m, 3, np.random.default_rng(0)) for m in (matrix, single))
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.ncut == pytest.approx(second.ncut, rel=1e-6)


def test_an_adjacency_matrix_is_not_changed() -> None:
    """Zeros that it stores are no edges, and stay where they are."""
    matrix = sp.csr_array(SQUARE + (SQUARE == 0))
    matrix.data[SQUARE.ravel() == 0] = 0
    before = matrix.copy()
    assert cluster(matrix, 2, np.random.default_rng(0)).ncut == cluster(SQUARE, 2, np.random.default_rng(0)).ncut
    np.testing.assert_array_equal(matrix.data, before.data)
    np.testing.assert_array_equal(matrix.indices, before.indices)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_a_graph_and_its_adjacency_matrix_have_one_ncut_in_any_precision(precision: type) -> None:
    """Sums of n positive numbers in double precision differ by n roundings at most: 2e-16 times 5600 edge ends."""
    weights = [sp.csr_array(abs(w), dtype=precision) for w in random_weights((60, 40, 10), seed=0)]
    graph = neuron_graph(weights)
    labels = np.random.default_rng(0).integers(5, size=graph.n_vertices)
    assert ncut(graph, labels) == pytest.approx(ncut(graph.adjacency, labels), rel=1.2e-12)
    assert ncut(graph, np.zeros(graph.n_vertices)) == ncut(graph.adjacency, np.zeros(graph.n_vertices)) == 0


def test_weights_near_the_largest_number_are_clustered_as_any_others() -> None:
    """Sums of them are not finite. Scaled by a power of two, their digits stay."""
    weights, _ = planted_weights((12, 12, 12), 3, seed=0)
    scale = 2.0**1020
    small, large = neuron_graph(weights), neuron_graph([scale * w for w in weights])
    first, second = (cluster(graph, 3, np.random.default_rng(0)) for graph in (small, large))
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.ncut == second.ncut
    np.testing.assert_array_equal(spectral_embedding(large, 3) * scale**0.5, spectral_embedding(small, 3))
    assert cluster(small.adjacency * scale, 3, np.random.default_rng(0)).ncut == pytest.approx(first.ncut, rel=1e-12)


def test_no_k_is_refused(noise: NeuronGraph) -> None:
    with pytest.raises(InputError, match=r"ks = .* expected a list with at least 1"):
        cluster_for_each_k(noise, (), np.random.default_rng(0))


# --- layers, and what is within them


@given(partitioned_graphs(), st.integers(0, 999))
def test_the_share_between_layers_is_that_of_an_analysis_of_variance(
    case: tuple[NeuronGraph, np.ndarray], seed: int
) -> None:
    """Of both parts of the variance, each computed for itself."""
    graph, _ = case
    vectors = np.random.default_rng(seed).normal(size=(graph.n_vertices, 3))
    for vector, share in zip(vectors.T[1:], share_between_layers(graph, vectors), strict=True):
        mean, between, within = np.average(vector, weights=graph.degrees), 0.0, 0.0
        for layer in set(graph.layer):
            members = graph.layer == layer
            own = np.average(vector[members], weights=graph.degrees[members])
            between += graph.degrees[members].sum() * (own - mean) ** 2
            within += graph.degrees[members] @ (vector[members] - own) ** 2
        assert share == pytest.approx(between / (between + within), abs=1e-9)


def test_a_vector_of_layers_has_share_1_and_one_without_their_means_0(noise: NeuronGraph) -> None:
    of_layer = noise.layer.astype(float)
    rest = np.random.default_rng(0).normal(size=noise.n_vertices)
    for layer in range(len(noise.live)):
        members = noise.layer == layer
        rest[members] -= np.average(rest[members], weights=noise.degrees[members])
    vectors = np.column_stack([np.ones(noise.n_vertices), of_layer, rest, -3 * of_layer])
    np.testing.assert_allclose(share_between_layers(noise, vectors), [1, 0, 1], atol=1e-12)


@pytest.mark.parametrize("density", [1.0, 0.3])
def test_the_route_within_layers_finds_the_best_vectors_without_a_mean_in_any_layer(density: float) -> None:
    """Against LAPACK on the whole matrix, projected."""
    graph = neuron_graph(random_weights((20, 15, 18, 12), 0, density))
    root = np.sqrt(graph.degrees)
    means = np.equal.outer(graph.layer, np.arange(4)) * root[:, None]
    basis = np.linalg.qr(means)[0]
    projection = np.eye(graph.n_vertices) - basis @ basis.T
    projected = projection @ (graph.adjacency.toarray() / np.outer(root, root)) @ projection
    found = spectral_embedding(graph, 5, "within-layers")
    np.testing.assert_allclose(found[:, 0], found[0, 0])
    np.testing.assert_allclose(found.T @ (graph.degrees[:, None] * found), np.eye(5), atol=1e-9)
    np.testing.assert_allclose(means.T @ (root[:, None] * found[:, 1:]), 0, atol=1e-9)
    vectors = root[:, None] * found[:, 1:]
    values = np.linalg.eigvalsh(projected)[::-1][:4]
    np.testing.assert_allclose(projected @ vectors, vectors * values, atol=1e-8)


@pytest.mark.parametrize(
    ("weights", "k"),
    [
        (random_weights((6, 2, 6, 2), 0), 3),
        ([np.ones((8, 8)), np.ones((8, 8))], 8),  # of rank 1: all but the layers' own directions have the value 0
        ([np.kron(np.eye(2), np.ones((4, 4)))] * 2, 7),
    ],
)
def test_the_route_within_layers_finds_no_mean_where_few_vectors_have_a_value(
    weights: list[np.ndarray], k: int
) -> None:
    graph = neuron_graph(weights)
    found = spectral_embedding(graph, k, "within-layers")
    np.testing.assert_allclose(found.T @ (graph.degrees[:, None] * found), np.eye(k), atol=1e-9)
    means = np.equal.outer(np.unique(graph.layer), graph.layer) * graph.degrees
    np.testing.assert_allclose(means @ found[:, 1:], 0, atol=1e-9)


def test_the_route_within_layers_says_for_how_many_vectors_there_is_room() -> None:
    with pytest.raises(GraphError, match="k = 4 arrived for the route within-layers; expected at most 3"):
        spectral_embedding(neuron_graph(random_weights((6, 2, 6, 2), 0)), 4, "within-layers")


def test_the_route_within_layers_takes_sparse_weights_and_parts_that_are_not_joined() -> None:
    weights, truth = planted_weights((16, 12, 12, 8), 4, seed=0, outside=0.0)
    for form in (np.asarray, sp.csr_array):
        found = cluster(
            neuron_graph([form(matrix) for matrix in weights]), 4, np.random.default_rng(0), "within-layers"
        )
        assert adjusted_rand_score(np.concatenate(truth), found.labels) == 1
        assert found.ncut == 0


def test_the_route_within_layers_needs_layers(noise: NeuronGraph) -> None:
    with pytest.raises(GraphError, match="for the route within-layers; expected a layered graph"):
        spectral_embedding(noise.adjacency, 2, "within-layers")
    assert spectral_embedding(noise, 1, "within-layers").shape == (noise.n_vertices, 1)


def test_a_masked_array_is_refused_as_such() -> None:
    graph = np.ma.masked_array(np.ones((4, 4)), mask=np.eye(4))
    with pytest.raises(InputError, match=r"masked float64 array .* arrived; expected a neuron graph"):
        cluster(graph, 2, np.random.default_rng(0))
