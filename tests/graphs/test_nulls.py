"""modlib.graphs.nulls: a null model keeps what it must, and makes everything else equally likely."""

import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise, permutations, product

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from modlib.errors import InputError
from modlib.graphs import nulls
from modlib.graphs.neurons import neuron_graph
from modlib.graphs.nulls import NULLS, SAME_STRENGTH, Null, shuffle_in_single, shuffle_matrix, shuffle_stored
from modlib.graphs.shuffles import shuffle_graph, shuffle_test
from modlib.graphs.spectral import cluster
from modlib.networks.planted import planted_weights, random_weights

matrices = arrays(
    float,
    array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, -3.5]),
)
EACH_NULL = pytest.mark.parametrize("null", NULLS)
FORMS = pytest.mark.parametrize("form", [np.asarray, sp.csr_array])


def dense(matrix: np.ndarray | sp.sparray) -> np.ndarray:
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def pruned(shape: tuple[int, int], density: float, seed: int) -> np.ndarray:
    return random_weights(shape, seed, density)[0]


# --- what is kept


@EACH_NULL
@FORMS
@given(matrix=matrices, seed=st.integers(0, 999))
def test_a_shuffle_keeps_what_its_null_names(form: type, null: Null, matrix: np.ndarray, seed: int) -> None:
    before = matrix.copy()
    shuffled = dense(shuffle_matrix(form(matrix), null, np.random.default_rng(seed)))
    assert shuffled.shape == matrix.shape
    np.testing.assert_array_equal(np.sort(shuffled, axis=None), np.sort(matrix, axis=None))
    np.testing.assert_array_equal(matrix, before)
    if null == "layer-nonzero":
        np.testing.assert_array_equal(shuffled != 0, matrix != 0)
    for axis in (0, 1):
        if null in ("degree", "strength"):
            np.testing.assert_array_equal((shuffled != 0).sum(axis=axis), (matrix != 0).sum(axis=axis))
        if null == "strength":
            strengths = [np.abs(values).sum(axis=axis) for values in (matrix, shuffled)]
            assert (np.abs(np.diff(strengths, axis=0)) <= (SAME_STRENGTH + 1e-9) * strengths[0]).all()


@FORMS
@pytest.mark.parametrize("tolerance", [0.01, SAME_STRENGTH, 0.3])
def test_strengths_are_kept_while_unequal_weights_move(
    form: type, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of no two alike, in layers of three to eight neurons. Sums of a few weights leave some of them no way to move."""
    monkeypatch.setattr(nulls, "SAME_STRENGTH", tolerance)
    moved, changes = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        shape = tuple(rng.integers(3, 9, size=2))
        matrix = np.where(rng.random(shape) < 0.6, np.exp(0.2 * rng.normal(size=shape)), 0) * rng.choice([-1, 1], shape)
        shuffled = dense(shuffle_matrix(form(matrix), "strength", rng))
        moved.append((shuffled != matrix).any())
        for axis in (0, 1):
            before, after = (np.abs(values).sum(axis=axis) for values in (matrix, shuffled))
            changes += (np.abs(after - before)[before > 0] / before[before > 0]).tolist()
    assert np.mean(moved) > 0.9
    assert max(changes) <= tolerance + 1e-9
    assert np.quantile(changes, 0.9) > tolerance / 3, "sums use the room that they have"


@pytest.mark.parametrize("null", ["degree", "strength"])
@pytest.mark.parametrize("density", [0.02, 0.1, 0.5, 0.51, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (40, 30)])
def test_a_sparse_matrix_is_shuffled_as_the_dense_one_is(null: Null, density: float, shape: tuple[int, int]) -> None:
    matrix = pruned(shape, density, 0)
    by_form = [
        dense(shuffle_matrix(form(matrix), null, np.random.default_rng(1))) for form in (np.asarray, sp.csr_array)
    ]
    np.testing.assert_array_equal(*by_form)


@pytest.mark.parametrize("null", NULLS)
def test_a_part_that_stores_nothing_stays_as_it_is(null: Null) -> None:
    found = shuffle_stored(sp.csr_array((3, 2)), null, np.random.default_rng(0))
    assert (found.shape, found.nnz) == ((3, 2), 0)


@pytest.mark.parametrize("null", ["degree", "strength"])
def test_of_a_sparse_matrix_no_dense_one_is_made(null: Null) -> None:
    """Which would have 9 x 10^10 places."""
    rng, side = np.random.default_rng(0), 300_000
    rows, columns = (rng.choice(1000, size=5000) * (side // 1000) for _ in range(2))
    matrix = sp.csr_array((rng.lognormal(size=5000), (rows, columns)), shape=(side, side))
    shuffled = sp.csr_array(shuffle_matrix(matrix, null, rng))
    for axis in (0, 1):
        degrees = [np.bincount(found.nonzero()[axis], minlength=side) for found in (matrix, shuffled)]
        np.testing.assert_array_equal(*degrees)
    np.testing.assert_array_equal(np.sort(shuffled.data), np.sort(matrix.data))
    assert (shuffled != matrix).nnz > 1000
    stored = shuffle_stored(matrix, null, rng)
    np.testing.assert_array_equal(stored.indices, matrix.indices)
    np.testing.assert_array_equal(np.sort(stored.data), np.sort(matrix.data))


@EACH_NULL
@pytest.mark.parametrize("density", [0.05, 0.5, 0.95])
def test_what_is_kept_is_kept_at_the_size_of_a_layer(null: Null, density: float) -> None:
    matrix = pruned((120, 60), density, 0)
    shuffled = shuffle_matrix(matrix, null, np.random.default_rng(1))
    same_places = (shuffled != 0) == (matrix != 0)
    assert same_places.all() == (null == "layer-nonzero")
    same_degrees = (shuffled != 0).sum(axis=0) == (matrix != 0).sum(axis=0)
    assert same_degrees.all() == (null != "layer")
    before, after = (np.abs(values).sum(axis=1) for values in (matrix, shuffled))
    assert (np.abs(after - before) <= (SAME_STRENGTH + 1e-9) * before).all() == (null == "strength")


@pytest.mark.parametrize("null", ["degree", "strength"])
def test_a_shuffle_leads_as_far_from_its_start_as_chance(null: Null) -> None:
    """Of a place that holds a weight, the share that still holds one is that of matrices drawn far from the start.

    A tenth of 7,200 places holds a weight. The share kept of 720 has a standard deviation of sqrt(0.09 / 720) = 0.011
    about its mean, and means of 40 shuffles differ by 0.0025. Small steps that keep strengths leave 0.01 more than
    chance. Of the weights themselves fewer than one in a hundred lies where it lay.
    """
    matrix, rng = pruned((120, 60), 0.1, 0), np.random.default_rng(0)
    once = [shuffle_matrix(matrix, null, rng) for _ in range(40)]
    far = [matrix]
    for _ in range(50):
        far.append(shuffle_matrix(far[-1], null, rng))
    kept, chance = (np.mean([(found != 0)[matrix != 0].mean() for found in drawn]) for drawn in (once, far[-40:]))
    assert kept - chance == pytest.approx({"degree": 0, "strength": 0.01}[null], abs=0.01)
    assert np.mean([(found == matrix)[matrix != 0].mean() for found in once]) < 0.01


@pytest.mark.parametrize("null", ["degree", "strength"])
def test_weights_of_a_matrix_without_zeros_are_dealt_anew(null: Null) -> None:
    matrix = pruned((30, 20), 1.0, 0)
    shuffled = shuffle_matrix(matrix, null, np.random.default_rng(0))
    assert (shuffled != matrix).mean() > 0.9
    assert abs(np.corrcoef(shuffled.ravel(), matrix.ravel())[0, 1]) < 0.2  # 600 entries: 5 standard deviations


@EACH_NULL
def test_weights_stay_among_the_stored_places_of_a_sparse_matrix(null: Null) -> None:
    """As those of a convolution in groups do, whose pruned weights are stored zeros."""
    blocks = sp.csr_array(sp.block_diag([np.arange(1.0, 13).reshape(3, 4)] * 2))
    blocks.data[[1, 5, 8, 14, 19, 20]] = 0
    shuffled = shuffle_stored(blocks, null, np.random.default_rng(0))
    for first, second in ((blocks.indices, shuffled.indices), (np.sort(blocks.data), np.sort(shuffled.data))):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(blocks.data, shuffled.data)
    if null in ("degree", "strength"):
        for axis in (0, 1):
            before, after = ((matrix.toarray() != 0).sum(axis=axis) for matrix in (blocks, shuffled))
            np.testing.assert_array_equal(before, after)


@EACH_NULL
def test_a_matrix_of_zeros_stays_one(null: Null) -> None:
    for matrix in (np.zeros((3, 2)), sp.csr_array((3, 2))):
        assert not dense(shuffle_matrix(matrix, null, np.random.default_rng(0))).any()


# --- what is equally likely


@FORMS
@pytest.mark.parametrize(("null", "places"), [("layer", 6), ("layer-nonzero", 4)])
def test_every_permutation_is_equally_likely(form: type, null: Null, places: int) -> None:
    """A marked entry visits every place it may take equally often."""
    matrix = np.array([[1.0, 2.0, 0.0], [3.0, 0.0, 9.0]])
    rng, visits = np.random.default_rng(0), np.zeros(6)
    for _ in range(1200):
        visits[np.flatnonzero(dense(shuffle_matrix(form(matrix), null, rng)) == 9)] += 1
    reached = visits[visits > 0]
    assert len(reached) == places
    assert scipy.stats.chisquare(reached).pvalue > 0.001


@FORMS
@pytest.mark.parametrize("null", ["layer", "layer-nonzero", "degree"])
def test_no_weight_keeps_its_place_more_often_than_by_chance(form: Callable, null: Null) -> None:
    matrix, rng, n = np.arange(1.0, 13).reshape(3, 4), np.random.default_rng(0), 2000
    shuffled = [sp.coo_array(shuffle_matrix(form(matrix), null, rng)).toarray() for _ in range(n)]
    stayed = np.sum([found == matrix for found in shuffled], axis=0)
    assert (np.abs(stayed - n / 12) < 5 * np.sqrt(n / 12)).all()


def with_sums(rows: list[int], columns: list[int]) -> list[tuple]:
    """All matrices of zeros and ones with these sums, by trying every one."""
    shape = (len(rows), len(columns))
    every = (np.reshape(bits, shape) for bits in product((0, 1), repeat=len(rows) * len(columns)))
    return [
        tuple(found.ravel())
        for found in every
        if found.sum(axis=1).tolist() == rows and found.sum(axis=0).tolist() == columns
    ]


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(3),
        1 - np.eye(3),
        np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]]),
        np.array([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 1, 0]]),
    ],
)
def test_every_matrix_with_these_degrees_is_equally_likely(matrix: np.ndarray) -> None:
    every = with_sums(matrix.sum(axis=1).tolist(), matrix.sum(axis=0).tolist())
    assert len(every) > 2
    rng = np.random.default_rng(0)
    counts = Counter(tuple((shuffle_matrix(matrix, "degree", rng) != 0).ravel()) for _ in range(200 * len(every)))
    assert set(counts) == set(every)
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001


def test_every_matrix_with_these_strengths_is_equally_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    """All dealings of six weights to the six matrices with one weight missing a row and column, if their sums agree."""
    monkeypatch.setattr(nulls, "SAME_STRENGTH", 0.12)
    matrix = np.array([[0, 4.0, 5.0], [6.0, 0, 4.5], [5.5, 5.2, 0]])
    dealings = np.array(list(permutations(matrix[matrix != 0])))
    every = set()
    for topology in with_sums([2, 2, 2], [2, 2, 2]):
        dealt = np.zeros((len(dealings), 9))
        dealt[:, np.array(topology) != 0] = dealings
        changes = [dealt.reshape(-1, 3, 3).sum(axis=1 + a) / matrix.sum(axis=a) - 1 for a in (0, 1)]
        every |= {tuple(row) for row in dealt[(np.abs(changes) <= 0.12).all(axis=(0, 2))]}
    rng = np.random.default_rng(0)
    counts = Counter(tuple(shuffle_matrix(matrix, "strength", rng).ravel()) for _ in range(40 * len(every)))
    assert set(counts) == every
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001


# --- p-values


@pytest.mark.parametrize("null", ["degree", "strength"])
def test_p_is_uniform_for_a_network_that_is_a_draw_from_the_null(null: Null) -> None:
    """Of 120 networks; by Kolmogorov and Smirnov a deviation of 0.17 of the distribution has p = 0.001."""
    rng, ps = np.random.default_rng(0), []
    weights = [pruned((14, 12), 0.3, 0), pruned((12, 10), 0.3, 1)]
    for number in range(120):
        graph = neuron_graph([shuffle_matrix(matrix, null, rng) for matrix in weights])
        ps.append(shuffle_test(graph, 3, 19, number, null, n_init=3).p)
    ps = np.array(ps) - rng.random(120) / 20  # of 20 equally likely values
    assert scipy.stats.kstest(ps, "uniform").pvalue > 0.001


def test_modules_of_who_is_joined_to_whom_are_found() -> None:
    weights, _ = planted_weights((24, 20, 16), 4, seed=0, outside=0.0)
    assert shuffle_test(neuron_graph(weights), 4, 19, 0, "degree").p == 0.05


@pytest.mark.parametrize("seed", range(3))
def test_clusters_that_degrees_alone_make_are_told_from_those(seed: int) -> None:
    """Half of the hidden neurons read much and write little, the others the other way round: inputs go with the first
    half and outputs with the second, whoever is joined to whom. All weights moved, that is gone; degrees kept, not."""
    rng, much = np.random.default_rng(seed), np.repeat([0.6, 0.1], 12)
    drawn = [rng.random((24, 24)) < much, rng.random((24, 24)) < much[::-1, None]]
    graph = neuron_graph([shuffle_matrix(matrix, "degree", rng) for matrix in drawn])
    found = {null: shuffle_test(graph, 2, 39, seed, null) for null in ("layer", "degree")}
    assert found["layer"].z < -3
    assert found["degree"].p > 0.05


# --- in single precision


@EACH_NULL
@pytest.mark.parametrize("bucket", [1, 7, 4096])
def test_a_large_layer_is_shuffled_alike(null: Null, bucket: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nulls, "BUCKET", bucket)
    matrix = pruned((40, 30), 0.6, 0).astype(np.float32)
    before = matrix.copy()
    shuffled = shuffle_in_single(matrix, null, np.random.default_rng(1))
    np.testing.assert_array_equal(np.sort(shuffled, axis=None), np.sort(matrix, axis=None))
    np.testing.assert_array_equal(matrix, before)
    assert not np.array_equal(shuffled, matrix)
    assert np.array_equal(shuffled != 0, matrix != 0) == (null == "layer-nonzero")
    again, other = (shuffle_in_single(matrix, null, np.random.default_rng(seed)) for seed in (1, 2))
    np.testing.assert_array_equal(shuffled, again)
    assert not np.array_equal(shuffled, other)


@pytest.mark.parametrize("bucket", [1, 2, 4096])
def test_every_permutation_over_buckets_is_equally_likely(bucket: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All 24 of four values, over buckets and within them."""
    monkeypatch.setattr(nulls, "BUCKET", bucket)
    rng = np.random.default_rng(0)
    counts: dict[tuple, int] = {}
    for _ in range(4800):
        found = tuple(shuffle_in_single(np.arange(4.0).reshape(2, 2), "layer", rng).ravel())
        counts[found] = counts.get(found, 0) + 1
    assert len(counts) == 24
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001


def test_seeds_decide_a_shuffle() -> None:
    matrix = pruned((20, 20), 0.3, 0)
    for null in NULLS:
        first, again, other = (shuffle_matrix(matrix, null, np.random.default_rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def test_weights_that_are_not_finite_are_refused_in_sparse_layers_too() -> None:
    for value in (np.inf, np.nan):
        with pytest.raises(InputError, match="expected finite"):
            shuffle_matrix(sp.csr_array(np.array([[value, 1.0]])), "layer", np.random.default_rng(0))


@pytest.mark.usefixtures("one_thread")
def test_degrees_are_kept_in_at_most_twice_the_time_of_a_layer_shuffle_and_its_clustering() -> None:
    """Shuffle and clustering of either, of a network of 784-256x4-10 that is pruned to 90%, at k = 12.

    Of processor seconds the least of several, so that what else runs matters little.
    """
    weights = [pruned(shape, 0.1, i) for i, shape in enumerate(pairwise((784, 256, 256, 256, 256, 10)))]
    graph, least = neuron_graph(weights), {}
    for null in 6 * ("layer", "degree"):
        began = time.process_time()
        cluster(shuffle_graph(graph, null, np.random.default_rng(0)), 12, np.random.default_rng(0))
        least[null] = min(least.get(null, np.inf), time.process_time() - began)
    assert least["degree"] < 2 * least["layer"]
