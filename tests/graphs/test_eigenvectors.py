"""modlib.graphs.eigenvectors, and the routes that use it: none is missed where eigenvalues repeat or nearly do."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import scipy.linalg as sl
import scipy.sparse as sp
import scipy.sparse.linalg as ssl
from hypothesis import given, strategies as st
from sklearn.cluster import SpectralClustering

from modlib.graphs import eigenvectors
from modlib.graphs.eigenvectors import Eigenpairs, Iteration, Symmetric, arpack, lapack, leading_eigenvectors
from modlib.graphs.kmeans import kmeans_labels
from modlib.graphs.neurons import NeuronGraph, neuron_graph
from modlib.graphs.spectral import Route, cluster, ncut, spectral_embedding
from modlib.processor import seeded_numpy

EACH_SIZE = pytest.mark.parametrize("dense_side", [1024, 10], ids=["factorised", "iterated"])
SIZE = 150
BULK = np.linspace(0.5, 0, SIZE)
SPECTRA = {
    "distinct": np.array([1, 0.9, 0.8, 0.7, 0.6]),
    "ones": np.ones(5),
    "a pair behind": np.array([1, 0.9, 0.8, 0.8, 0.7]),
    "two pairs": np.array([1, 0.9, 0.9, 0.8, 0.8]),
    "threads of 1e-3": 1 - 1e-3 * np.arange(5),
    "threads of 1e-6": 1 - 1e-6 * np.arange(5),
    "threads of 1e-9": 1 - 1e-9 * np.arange(5),
    "threads of 1e-12": 1 - 1e-12 * np.arange(5),
    "near pairs": np.array([1, 0.9, 0.9 - 1e-7, 0.8, 0.8 - 1e-11]),
    "rank one": np.array([1]),
}


def with_spectrum(leading: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A symmetric matrix with these eigenvalues and lesser ones, all of its eigenvalues, and its eigenvectors."""
    values = np.append(leading, BULK[len(leading) :] if len(leading) > 1 else np.zeros(SIZE - 1))
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=(SIZE, SIZE)))[0]
    matrix = vectors * values @ vectors.T
    return (matrix + matrix.T) / 2, values, vectors


def as_operator(matrix: np.ndarray) -> ssl.LinearOperator:
    return ssl.LinearOperator(matrix.shape, matvec=matrix.dot, matmat=matrix.dot, dtype=float)


@EACH_SIZE
@pytest.mark.parametrize("iteration", [arpack, lapack])
@pytest.mark.parametrize("form", [np.array, sp.csr_array, as_operator])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_leading_eigenvectors_are_found_whether_or_not_eigenvalues_repeat(
    spectrum: str, form: type, iteration: Iteration, dense_side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """k lies before, in, behind and far behind the repeated eigenvalues.

    A residual r bounds the error of its eigenvalue. Those of ARPACK are at most 1e-9 times the eigenvalue.
    """
    monkeypatch.setattr(eigenvectors, "DENSE_SIDE", dense_side)
    matrix, expected, _ = with_spectrum(SPECTRA[spectrum])
    for k in (1, 2, 3, 4, 5, 7, 60):
        values, vectors = leading_eigenvectors(form(matrix), k, np.random.default_rng(k), iteration)
        np.testing.assert_allclose(values, expected[:k], atol=2e-9)
        np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=2e-9)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(k), atol=1e-10)


@EACH_SIZE
@pytest.mark.parametrize("spectrum", ["distinct", "ones", "two pairs", "threads of 1e-6"])
def test_an_iteration_that_misses_an_eigenvector_is_not_believed(
    spectrum: str, dense_side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eigenvectors, "DENSE_SIDE", dense_side)
    matrix, expected, true = with_spectrum(SPECTRA[spectrum])
    for missed in range(5):
        found = np.delete(np.arange(6), missed)
        values, _ = leading_eigenvectors(
            matrix.copy(), 5, np.random.default_rng(0), lambda *_, found=found: (expected[found], true[:, found])
        )
        np.testing.assert_allclose(values, expected[:5], atol=1e-10)


@EACH_SIZE
@pytest.mark.parametrize("pair", [(1, 2), (4, 5)], ids=["within", "outwards"])
def test_an_iteration_is_believed_if_its_eigenvectors_are_right(
    pair: tuple[int, int], dense_side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of them turned by twice the angle that is allowed are not; by a tenth of it, they are.

    One that k separates from the other is turned out of the span. Two that are nearly equal are turned within it,
    which would spoil the columns for a smaller k.
    """
    monkeypatch.setattr(eigenvectors, "DENSE_SIDE", dense_side)
    matrix, values, true = with_spectrum(np.array([1, 0.9, 0.9 - 1e-6, 0.7, 0.6]))
    for angle, believed in ((0, True), (0.1 * eigenvectors.ANGLE, True), (2 * eigenvectors.ANGLE, False)):
        turned = true.copy()
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned[:, pair] = true[:, pair] @ turn
        found = values[:5], turned[:, :5]
        result = leading_eigenvectors(matrix.copy(), 5, np.random.default_rng(0), lambda *_, found=found: found)
        assert (result is found) == believed


@EACH_SIZE
@pytest.mark.parametrize(
    "failure",
    [
        ssl.ArpackNoConvergence("no convergence", np.empty(0), np.empty((SIZE, 0))),
        ssl.ArpackError(-9999),
        np.linalg.LinAlgError("singular"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_an_iteration_that_fails_is_replaced(
    failure: Exception, dense_side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(matrix: Symmetric, k: int, rng: np.random.Generator) -> Eigenpairs:
        raise failure

    monkeypatch.setattr(eigenvectors, "DENSE_SIDE", dense_side)
    matrix, expected, _ = with_spectrum(SPECTRA["two pairs"])
    values, _ = leading_eigenvectors(matrix, 4, np.random.default_rng(0), failing)
    np.testing.assert_allclose(values, expected[:4], atol=1e-10)


def test_of_a_small_matrix_a_factorisation_draws_and_finds_what_an_iteration_does() -> None:
    matrix, _, _ = with_spectrum(SPECTRA["distinct"])
    drawn = [np.random.default_rng(1) for _ in range(2)]
    first, second = (iteration(matrix, 4, rng) for iteration, rng in zip((arpack, lapack), drawn, strict=True))
    np.testing.assert_allclose(first[0], second[0], atol=1e-10)
    np.testing.assert_allclose(np.abs(first[1].T @ second[1]), np.eye(4), atol=1e-7)
    assert drawn[0].random() == drawn[1].random()


def test_a_factorisation_that_finds_too_few_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sl.eigh
    monkeypatch.setattr(sl, "eigh", lambda *given, **named: tuple(part[..., 1:] for part in whole(*given, **named)))
    matrix, expected, _ = with_spectrum(SPECTRA["two pairs"])
    with pytest.raises(np.linalg.LinAlgError):
        lapack(matrix, 4, np.random.default_rng(0))
    found, _ = leading_eigenvectors(matrix, 4, np.random.default_rng(0), lapack)
    np.testing.assert_allclose(found, expected[:4], atol=1e-10)


def test_arpack_that_does_not_converge_is_replaced_on_every_route(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise ssl.ArpackNoConvergence("no convergence", np.empty(0), np.empty((0, 0)))

    monkeypatch.setattr(ssl, "eigsh", failing)
    monkeypatch.setattr(eigenvectors, "SMALL_SIDE", 0)
    for dense_side in (1024, 10):
        monkeypatch.setattr(eigenvectors, "DENSE_SIDE", dense_side)
        graph, _, halves = hierarchy("0.001", 3, 0, 16)
        for route in ("bipartite", "arpack", "amg"):
            assert cluster(graph, 6, np.random.default_rng(0), route).ncut == pytest.approx(ncut(graph, halves))


def hierarchy(kind: str, parts: int, seed: int, width: int) -> tuple[NeuronGraph, np.ndarray, np.ndarray]:
    """A layered graph of parts that consist of two halves, and the part and the half of every vertex.

    ``components`` are not joined, ``equal`` parts are copies of one, each joined to every other in the same way, and
    other parts are joined by edges with this share of the usual weight. A half has ``width`` neurons in a layer.
    """
    rng = np.random.default_rng(seed)
    half = np.repeat(np.arange(2 * parts), width)
    part = half // 2
    weights = []
    for _ in range(1 + seed % 3):
        if kind == "equal":
            one = np.kron([[1, 0.2], [0.2, 1]], rng.uniform(0.5, 1, (width, width)))
            weights.append(np.kron(np.eye(parts), one) + 0.02 * np.kron(1 - np.eye(parts), np.ones_like(one)))
        else:
            joint, thread = rng.uniform(0.05, 0.3, parts), 0.0 if kind == "components" else float(kind)
            share = np.where(half[:, None] == half, 1, np.where(part[:, None] == part, joint[part], thread))
            weights.append(rng.uniform(0.5, 1, share.shape) * share)
    graph = neuron_graph(weights)
    return graph, np.tile(part, len(graph.live)), np.tile(half, len(graph.live))


def reference(graph: NeuronGraph, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k smallest eigenvalues of the normalised Laplacian and their embedding, by LAPACK."""
    root = np.sqrt(graph.degrees)
    values, vectors = np.linalg.eigh(np.eye(len(root)) - graph.adjacency.toarray() / np.outer(root, root))
    return values[:k], vectors[:, :k] / root[:, None]


def quotients(graph: NeuronGraph, embedding: np.ndarray) -> np.ndarray:
    """Rayleigh quotients of the columns, once they are known to be D-orthonormal."""
    weighted = graph.degrees[:, None] * embedding
    np.testing.assert_allclose(embedding.T @ weighted, np.eye(embedding.shape[1]), atol=1e-9)
    return 1 - np.einsum("ij,ij->j", embedding, graph.adjacency @ embedding)


@EACH_SIZE
@pytest.mark.parametrize("kind", ["components", "1e-3", "1e-6", "1e-9", "1e-12", "equal"])
def test_all_routes_and_a_dense_reference_agree_on_repeated_eigenvalues(
    kind: str, dense_side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """234 graphs of 2 to 5 parts, joined by threads, in the same way or not at all; k below, at and above their number.

    Eigenvalues: a vector that is believed has a residual r <= ANGLE * gap, and its Rayleigh quotient is off by at most
    r^2 / gap <= ANGLE * r. Where LOBPCG stops, r is 1e-6 at worst, which makes 1e-10. Other methods end at a residual
    of 1e-11, which bounds the error too. Tolerance: 1e-9.

    n-cut: rows of the embedding move by ANGLE = 1e-4 of their length, clusters are apart by about that length, so
    all routes find one partition, and n-cuts differ by rounding. Tolerance: 1e-9 of the n-cut; where it is 0, none.
    There is one exception. Threads of 1e-9 make eigenvalues that differ by 1e-9, and a residual of 1e-11 allows
    a vector to be off by 1e-2. With k below the number of parts, routes may then unite different ones. A union X of
    parts p has cut(X) / vol(X) <= max_p cut(p) / vol(p), so the n-cut of any unions lies between 0 and that of the
    parts, which is the tolerance: a few 1e-9.
    """
    monkeypatch.setattr(eigenvectors, "DENSE_SIDE", dense_side)
    number = 0
    for parts in (2, 3, 5):
        for k in sorted({parts - 1, parts, parts + 1, 2 * parts - 1, 2 * parts} - {1}):
            for seed in (0, 1) if dense_side > 10 else (2,):
                number += 1
                graph, part, half = hierarchy(kind, parts, seed, 4 if dense_side > 10 else 30 // parts)
                expected, embedding = reference(graph, k)
                best = ncut(graph, kmeans_labels(embedding, k, np.random.default_rng(0)))
                for k_true, truth in ((parts, part), (2 * parts, half)):
                    assert k != k_true or best == pytest.approx(ncut(graph, truth), rel=1e-9, abs=0)
                slack = ncut(graph, part) if k < parts and kind in ("1e-9", "1e-12") else 0
                routes: tuple[Route, ...] = ("bipartite", "arpack", "amg")
                for route in routes[: 3 if number % 3 == 0 else 2]:
                    found = quotients(graph, spectral_embedding(graph, k, route, np.random.default_rng(seed)))
                    np.testing.assert_allclose(found, expected, atol=1e-9)
                    ours = cluster(graph, k, np.random.default_rng(seed), route).ncut
                    assert abs(ours - best) <= 1e-9 * best + slack, (parts, k, seed, route)


def test_vectors_of_eigenvalue_0_are_those_of_the_largest_parts() -> None:
    """Exactly, so that no processor has another opinion of them."""
    weights = np.zeros((12, 10))
    for part, (rows, columns) in enumerate(
        [(range(3), range(2)), (range(3, 9), range(2, 7)), (range(9, 12), (7, 8, 9))]
    ):
        weights[np.ix_(rows, columns)] = part + 1
    graph = neuron_graph([weights])
    order = [1, 2, 0]  # parts of 11, 6 and 5 neurons
    part = np.repeat([0, 1, 2, 0, 1, 2], [3, 6, 3, 2, 5, 3])
    volume = np.array([graph.degrees[part == number].sum() for number in range(3)])
    for route in ("bipartite", "arpack", "amg"):
        for k in (1, 2, 3):
            expected = (part[:, None] == order[:k]) / np.sqrt(volume[order[:k]])
            np.testing.assert_allclose(spectral_embedding(graph, k, route), expected, rtol=1e-14)
        localised = spectral_embedding(graph, 5, route)
        assert all(len(set(part[column != 0])) == 1 for column in localised.T)


@pytest.mark.parametrize("route", ["bipartite", "arpack"])
def test_columns_for_a_smaller_k_are_the_first_ones(route: Route) -> None:
    """Also where a part of two, which a thread joins, has a second eigenvalue that nearly equals the known ones."""
    blocks = np.kron(np.eye(3), np.ones((5, 5))) + np.random.default_rng(0).random((15, 15)) * 0.1
    blocks[10:, :10], blocks[:10, 10:], blocks[:5, 5:10], blocks[5:10, :5] = 0, 0, 1e-12, 0
    graph = neuron_graph([blocks])
    four = spectral_embedding(graph, 4, route)
    for k in (1, 2, 3):
        assert cluster(graph, k, np.random.default_rng(0), route).ncut < 1e-11
        span, first = spectral_embedding(graph, k, route), four[:, :k]
        np.testing.assert_allclose(span @ span.T, first @ first.T, atol=1e-2 * np.abs(first @ first.T).max())


@pytest.mark.parametrize("k", [2, 3, 7, 40])
def test_layers_that_are_joined_in_full_have_as_many_eigenvectors_as_any(k: int) -> None:
    """All but two eigenvalues are equal. LAPACK's syevr, asked for the largest k, then gives fewer."""
    graph = neuron_graph([np.ones((34, 10)), np.ones((10, 35))])
    found = quotients(graph, spectral_embedding(graph, k, "arpack"))
    np.testing.assert_allclose(found, [0, *[1] * (k - 1)], atol=1e-9)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_scikit_learn_finds_the_same_partition_of_components_and_equal_modules() -> None:
    for kind in ("components", "equal"):
        for parts in (2, 4):
            graph, part, _ = hierarchy(kind, parts, 1, 8)
            model = SpectralClustering(parts, affinity="precomputed", eigen_solver="lobpcg", random_state=0)
            theirs = ncut(graph, model.fit_predict(graph.adjacency.toarray()))
            ours = cluster(graph, parts, np.random.default_rng(0)).ncut
            assert ours == pytest.approx(theirs, rel=1e-9, abs=0) == pytest.approx(ncut(graph, part), rel=1e-9, abs=0)


@st.composite
def ragged_graphs(draw: st.DrawFn) -> NeuronGraph:
    """A small layered graph: mostly of several parts, some of them single edges or stars, weights equal or not."""
    sizes = draw(st.lists(st.integers(2, 25), min_size=2, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    density, spread = draw(st.sampled_from([0.05, 0.2, 1])), draw(st.sampled_from([0, 1, 9]))
    weights = [10.0 ** -rng.integers(0, spread + 1, shape) * (rng.random(shape) < density) for shape in pairwise(sizes)]
    weights[0][0, 0] = 1
    return neuron_graph(weights)


@given(ragged_graphs(), st.integers(1, 30))
def test_the_basis_is_complete_whatever_the_graph(graph: NeuronGraph, k: int) -> None:
    """Equal weights make eigenvalues with hundreds of vectors, in which even LAPACK's search for a few gets lost.

    Tolerances as in the test of all routes; eigenvectors below their gap in the order that they are found.
    """
    k = min(k, graph.n_vertices)
    for route in ("auto", "arpack"):
        found = quotients(graph, spectral_embedding(graph, k, route))
        np.testing.assert_allclose(found, reference(graph, k)[0], atol=1e-9)


@pytest.fixture(scope="module")
def twelve_parts() -> Iterator[list[np.ndarray]]:
    """Twelve full blocks of weights, and more neurons on either side than a dense problem may have."""
    blocks = np.kron(np.eye(12), np.ones((90, 90))) * np.random.default_rng(0).random((1080, 1080))
    assert len(blocks) > eigenvectors.DENSE_SIDE
    return [blocks, blocks.T]


@pytest.mark.parametrize("route", ["bipartite", "arpack", "amg"])
def test_twelve_separate_parts_of_a_large_network_have_ncut_0(twelve_parts: list[np.ndarray], route: Route) -> None:
    graph = neuron_graph(twelve_parts[:1])
    assert cluster(graph, 12, np.random.default_rng(0), route).ncut == 0
    assert cluster(graph, 5, np.random.default_rng(0), route).ncut == 0


@pytest.mark.parametrize("route", ["bipartite", "arpack"])
@pytest.mark.parametrize("thread", [1e-3, 1e-9, 1e-12])
def test_twelve_parts_of_a_large_network_are_found_though_threads_join_them(
    twelve_parts: list[np.ndarray], thread: float, route: Route
) -> None:
    rng = np.random.default_rng(1)
    threads = thread * rng.random((1080, 1080)) * (rng.random((1080, 1080)) < 0.01)
    graph = neuron_graph([twelve_parts[0] + threads])
    part = np.tile(np.repeat(np.arange(12), 90), 2)
    assert cluster(graph, 12, rng, route).ncut == pytest.approx(ncut(graph, part), rel=1e-9, abs=0)


@EACH_SIZE
def test_a_proof_changes_no_number_that_is_drawn_after_it(dense_side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eigenvectors, "DENSE_SIDE", dense_side)
    matrix, _, _ = with_spectrum(SPECTRA["distinct"])
    proven, drawn = np.random.default_rng(3), np.random.default_rng(3)
    leading_eigenvectors(matrix, 5, proven, arpack)
    drawn.uniform(size=SIZE)
    assert proven.random() == drawn.random()


def test_the_amg_route_gives_the_same_digits_whatever_the_global_generator_holds() -> None:
    """PyAMG draws from it; what it holds must decide nothing, and must not change."""
    rng = np.random.default_rng(0)
    graph = neuron_graph([rng.random(shape) for shape in ((8, 12), (12, 12), (12, 6))])
    found = []
    for held in (1, 2):
        with seeded_numpy(held):
            before = str(np.random.get_state())  # noqa: NPY002
            found.append(spectral_embedding(graph, 3, route="amg", rng=np.random.default_rng(4)))
            assert str(np.random.get_state()) == before  # noqa: NPY002
    np.testing.assert_array_equal(*found)
