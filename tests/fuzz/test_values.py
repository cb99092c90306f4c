"""What must hold of every answer, whatever graph, similarity, sample or mask is asked about: nothing here depends on
scale, on the order of things or on how an array is stored.
"""

import os
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sp
from fuzz import makers as some
from fuzz.choices import Choices, smallest

from modlib import stats
from modlib.communities import adjacency, effective_number, element_similarity, find_communities, modularity
from modlib.errors import ModlibError
from modlib.graphs import NeuronGraph, chain_graph, cluster, ncut, shuffle_graph, shuffle_matrix
from modlib.masks import intersection_over_union, sharing
from modlib.responses import contrast, likeness, one_sidedness, spearman
from modlib.training import magnitude_mask

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2000")) // 4
SEED = int(os.environ.get("FUZZ_SEED", "0"))
SCALES = (2.0**-200, 1e-3, 3.0, 2.0**200)


def close(first: object, second: object, tolerance: float = 1e-9) -> bool:
    return bool(np.allclose(first, second, rtol=tolerance, atol=tolerance, equal_nan=True))


def scale(choose: Choices) -> float:
    return SCALES[choose(len(SCALES))]


def up_to_one(choose: Choices) -> np.ndarray:
    """Four numbers, the largest of which is 1 in size."""
    values = some.numbers(4)(choose).astype(np.float64)
    return values / (np.abs(values).max() or 1)


def dense(graph: object) -> np.ndarray:
    found = graph.adjacency if isinstance(graph, NeuronGraph) else graph
    return sp.csr_array(found, dtype=np.float64).toarray()


def ncut_of_one_cluster(choose: Choices) -> bool:
    graph = some.adjacencies(choose)
    n = len(dense(graph))
    return ncut(graph, np.full(n, choose(3))) == 0


def ncut_of_a_graph_its_matrix_its_scale_and_its_order(choose: Choices) -> bool:
    graph, labels = some.graph_and_labels(choose)
    matrix, found = dense(graph), ncut(graph, labels)
    order = some.generators(choose).permutation(len(matrix))
    same = [ncut(matrix, labels), ncut(sp.csr_array(matrix), labels), ncut(matrix[np.ix_(order, order)], labels[order])]
    scaled = matrix / matrix.max() * scale(choose)
    kept = (scaled > 0) == (matrix > 0)  # nothing has become 0
    return all(close(other, found) for other in same) and (not kept.all() or close(ncut(scaled, labels), found))


def clusters_of_a_graph_at_another_scale(choose: Choices) -> bool:
    weights = [np.abs(some.numbers(3, 4)(choose)).astype(float) for _ in range(2)]
    weights = [(w / max(w.max(), 1e-300)).clip(1e-3) for w in (weights[0], weights[1].T)]
    k, power = 1 + choose(3), 4.0 ** (choose(200) - 100)  # its root has no digits that are lost
    first, second = (
        cluster(chain_graph([w * factor for w in weights]), k, np.random.default_rng(0), n_init=3)
        for factor in (1.0, power)
    )
    return np.array_equal(first.labels, second.labels) and close(first.ncut, second.ncut)


def shuffles_keep_the_weights(choose: Choices) -> bool:
    null = ("layer", "layer-nonzero")[choose(2)]
    matrix = np.asarray(some.kernels(choose)[0], dtype=np.float64)
    shuffled = shuffle_matrix(matrix, null, some.generators(choose))  # type: ignore[arg-type]
    found = dense(shuffled)
    kept = np.array_equal(np.sort(found, axis=None), np.sort(matrix, axis=None))
    return kept and (null == "layer" or np.array_equal(found == 0, matrix == 0))


def shuffles_of_a_graph_keep_its_total(choose: Choices) -> bool:
    graph = some.graphs(choose)
    shuffled = shuffle_graph(graph, "layer-nonzero", some.generators(choose))
    return close(shuffled.degrees.sum() / graph.degrees.max(), graph.degrees.sum() / graph.degrees.max())


def modularity_at_another_scale_and_in_another_order(choose: Choices) -> bool:
    similarity, labels = some.similarities(5)(choose), some.numbers(5, whole=3)(choose)
    found, order = modularity(similarity, labels), some.generators(choose).permutation(5)
    largest = similarity.max()
    scaled = similarity / largest * scale(choose) if largest else similarity
    kept = np.array_equal(scaled > 0, similarity > 0)
    ordered = modularity(similarity[np.ix_(order, order)], labels[order])
    return -1 <= found <= 1 and close(ordered, found) and (not kept or close(modularity(scaled, labels), found))


def communities_are_no_worse_than_all_together(choose: Choices) -> bool:
    similarity = some.similarities()(choose)
    found = find_communities(similarity, some.generators(choose), steps=20)
    total = adjacency(similarity).sum()
    return found.q >= found.q_start >= -1e-12 and (total == 0 or close(total, 1))


def partitions_are_like_themselves_and_likeness_has_no_order(choose: Choices) -> bool:
    first = some.partitions(choose)
    second = some.numbers(len(first), whole=3)(choose)
    forth, back = element_similarity(first, second), element_similarity(second, first)
    return (
        close(element_similarity(first, first + 7), 1)
        and close(forth, back)
        and 0 <= forth <= 1 + 1e-12
        and 0 <= effective_number(first) <= len(first)
    )


def p_values_are_shares_of_ranks(choose: Choices) -> bool:
    null, value = some.numbers(1 + choose(6))(choose), float(some.SPECIAL[choose(7)])
    small, large = (stats.monte_carlo_p(value, null, side) for side in ("small", "large"))
    ranks = (small * (len(null) + 1), large * (len(null) + 1))
    together = small + large  # every null sample is on one side at least, and the value itself on both
    return all(close(rank, round(rank)) for rank in ranks) and together >= 1 + 1 / (len(null) + 1) - 1e-12


def effects_ignore_scale_and_place(choose: Choices) -> bool:
    first, second, factor = up_to_one(choose), up_to_one(choose), scale(choose)
    d, z = stats.cohens_d(first, second), stats.z_score(first[0], second)
    return (
        close(stats.cohens_d(first * factor, second * factor), d, 1e-6)
        and close(stats.z_score(first[0] * factor, second * factor), z, 1e-6)
        and close(stats.cohens_d(second, first), -d, 1e-6)
    )


def pictures_at_another_scale(choose: Choices) -> bool:
    first, second, factor = up_to_one(choose), up_to_one(choose), scale(choose)
    return (
        close(likeness(first * factor, second * factor), likeness(first, second), 1e-6)
        and close(likeness(second, first), likeness(first, second), 1e-6)
        and close(one_sidedness(first * factor, second * factor), one_sidedness(first, second), 1e-6)
        and contrast(first) >= 0
    )


def ranks_ignore_what_keeps_the_order(choose: Choices) -> bool:
    rng = some.generators(choose)
    activities, pixels = rng.integers(4, size=(6, 2)).astype(float), rng.normal(size=(6, 3))
    found = spearman(activities, pixels)
    return close(spearman(np.exp(activities) * scale(choose), pixels**3), found) and (np.abs(found) <= 1 + 1e-12).all()


def magnitude_masks_keep_the_largest(choose: Choices) -> bool:
    weights, sparsity = some.numbers(3, 4)(choose), (0.0, 0.25, 0.5, 0.9)[choose(4)]
    kept = magnitude_mask(weights, sparsity).astype(bool)
    size = np.abs(weights.astype(object))  # whole numbers of any size: the smallest of an int has no opposite there
    return kept.all() or kept.sum() == 0 or size[kept].min() >= size[~kept].max()


def masks_are_shares_of_each_other(choose: Choices) -> bool:
    first, second = some.masks(choose), some.masks(choose)
    if first.network != second.network:
        return True
    union = intersection_over_union(first, second)["total"]
    shares = [sharing(first, second)["total"], sharing(second, first)["total"]]
    return np.isnan(union) or all(np.isnan(share) or 0 <= union <= share <= 1 for share in shares)


PROPERTIES: list[Callable[[Choices], bool]] = [
    ncut_of_one_cluster, ncut_of_a_graph_its_matrix_its_scale_and_its_order, clusters_of_a_graph_at_another_scale,
    shuffles_keep_the_weights, shuffles_of_a_graph_keep_its_total, modularity_at_another_scale_and_in_another_order,
    communities_are_no_worse_than_all_together, partitions_are_like_themselves_and_likeness_has_no_order,
    p_values_are_shares_of_ranks, effects_ignore_scale_and_place, pictures_at_another_scale,
    ranks_ignore_what_keeps_the_order, magnitude_masks_keep_the_largest, masks_are_shares_of_each_other,
]  # fmt: skip


def fails(holds: Callable[[Choices], bool], choose: Choices) -> bool:
    try:
        return not holds(choose)
    except ModlibError:  # what has no answer has no wrong one
        return False


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: holds.__name__)
def test_what_must_hold_of_every_answer(holds: Callable[[Choices], bool]) -> None:
    answered = 0
    for number in range(max(5, EXAMPLES)):
        choose = Choices(zlib.crc32(f"{SEED} {holds.__name__} {number}".encode()))
        try:
            right = holds(choose)
            answered += 1
        except ModlibError:
            continue
        if not right:
            made = smallest(choose.made, lambda tried: fails(holds, Choices(again=tried)))
            pytest.fail(f"{holds.__name__} does not hold of the choices {made}")
    assert answered > max(5, EXAMPLES) / 10, "nearly nothing was asked"
