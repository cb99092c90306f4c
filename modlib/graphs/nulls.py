"""Null models of a weight matrix: what a network would be if its weights lay anywhere, and what each null keeps.

The papers' two nulls keep the weights of a layer, one of them the places of its zeros too. Two more keep what neurons
have: the number of their weights, or their sum as well. A graph is made of absolute weights, so no null keeps signs.
Nulls of what units are said to be, their labels, are in ``modlib.communities.comparison``.
Chapters: ``null-models``, ``topology-shuffles`` and ``dropout``.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import scipy.sparse as sp

from modlib.checks import array, arrived, choice, generator, real_sparse
from modlib.errors import InputError
from modlib.graphs.edges import Matrix
from modlib.processor import compiled

Null: TypeAlias = Literal["layer", "layer-nonzero", "degree", "strength"]
NULLS: tuple[Null, ...] = get_args(Null)
PAPER_NULLS: tuple[Null, ...] = ("layer", "layer-nonzero")  # those of pruned-modular and clusterability
SAME_STRENGTH = 0.05  # by how much of itself a neuron's sum of weights may change
# Exchanges tried for every weight; fewer are allowed where strengths are kept. The tests show how far they lead.
ATTEMPTS = {"degree": 20, "strength": 50}
BUCKET = 1 << 12  # values that are shuffled at a time; they fit in the first cache
PLACES, STAYING_IN_ROW, WEIGHTS = 1, 2, 3  # kinds of exchange, see ``_exchange``
FREE, BARRED = -1, -2  # places without an entry, and those that must stay so


def shuffle_matrix(matrix: Matrix, null: Null, rng: np.random.Generator) -> Matrix:
    """A random matrix with the same entries, which keeps what its null model names.

    ``layer`` moves all entries. ``layer-nonzero`` leaves every zero where it is, so the topology stays. ``degree``
    keeps how many entries of each row and column are not zero: every such topology is as likely as any other, and the
    weights are dealt anew. ``strength`` keeps degrees, and the sum of absolute entries of each row and column to within
    ``SAME_STRENGTH`` of itself.

    The last two exchange two random entries at a time, many times for every entry: (a, b), (c, d) become (a, d), (c, b)
    where both places are free, or exchange weights, and an exchange that does not keep what it must is left out.
    Such chains visit all matrices they can reach equally often (Ryser 1957, Rao et al. 1996): for degrees all there
    are, for strengths those that small steps lead to.

    Of a sparse matrix these two need memory for its entries, not for its places. ``layer`` draws from a list of all
    places where more than a fiftieth of them hold an entry.

    Args:
        matrix: (rows, columns), dense or sparse.
        null: one of ``NULLS``.
        rng: source of the permutation.

    Raises:
        InputError: if the null model is not known, or it is no matrix of finite numbers.

    Source: pruned-modular 3 and 3.3 for the first two. Chapters: ``topology-shuffles``, ``null-models``.

    All keep the numbers; what else, is seen here:

    >>> rng = np.random.default_rng(0)
    >>> matrix = np.where(rng.random((30, 20)) < 0.3, rng.normal(size=(30, 20)), 0)
    >>> for null in NULLS:
    ...     shuffled = shuffle_matrix(matrix, null, rng)
    ...     same_places = bool(((shuffled == 0) == (matrix == 0)).all())
    ...     same_degrees = bool(((shuffled != 0).sum(axis=0) == (matrix != 0).sum(axis=0)).all())
    ...     before, after = (np.abs(values).sum(axis=1) for values in (matrix, shuffled))
    ...     same_strengths = bool((abs(after - before) <= 0.051 * before).all())
    ...     print(f"{null:13} {same_places!s:5} {same_degrees!s:5} {same_strengths}")
    layer         False False False
    layer-nonzero True  True  False
    degree        False True  False
    strength      False True  True
    """
    choice(null, NULLS, "null")
    rng = generator(rng)
    if sp.issparse(matrix):
        coo = sp.coo_array(real_sparse(matrix, "matrix"))
        if not np.isfinite(coo.data).all():
            raise InputError(f"matrix = {arrived(matrix)} arrived; expected finite real numbers")
        coo.sum_duplicates()
        coo.eliminate_zeros()
        match null:
            case "layer-nonzero":
                return sp.csr_array((rng.permutation(coo.data), (coo.row, coo.col)), shape=coo.shape)
            case "layer":
                places = rng.choice(coo.shape[0] * coo.shape[1], size=coo.nnz, replace=False)
                return sp.csr_array((coo.data, np.divmod(places, coo.shape[1])), shape=coo.shape)
        places, values = _keeping_neurons(sp.csr_array(coo), null, rng)
        return sp.csr_array((values, np.divmod(places, coo.shape[1])), shape=coo.shape)
    matrix = array(matrix, "matrix", ("rows", "columns"), dtype=np.float64)
    if null in ("degree", "strength"):
        places, values = _keeping_neurons(matrix, null, rng)
        out = np.zeros_like(matrix)
        np.put(out, places, values)
        return out
    flat = matrix.ravel()
    held = np.flatnonzero(flat)
    # Random places in random order for the values that are not zero: the same as a permutation, and faster.
    places = rng.choice(flat.size, size=held.size, replace=False) if null == "layer" else rng.permutation(held)
    shuffled = np.zeros_like(flat)
    shuffled[places] = flat[held]
    return shuffled.reshape(matrix.shape)


def shuffle_stored(matrix: Matrix, null: Null, rng: np.random.Generator) -> Matrix:
    """``shuffle_matrix`` among the places that hold a weight: all of a dense matrix, all stored ones of a sparse.

    >>> blocks = sp.csr_array(np.array([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 4.0]]))
    >>> shuffled = shuffle_stored(blocks, "layer", np.random.default_rng(0))
    >>> (shuffled.toarray() != 0).astype(int).tolist()
    [[1, 1, 0, 0], [0, 0, 1, 1]]
    """
    if isinstance(matrix, np.ndarray):
        return shuffle_matrix(matrix, null, rng)
    choice(null, NULLS, "null")
    shuffled = sp.csr_array(matrix, copy=True)
    if not shuffled.nnz:
        return shuffled
    if null in ("degree", "strength"):
        shuffled.sum_duplicates()  # which also puts them in order
        rows, columns = shuffled.tocoo().coords
        stored = _flat(rows, columns, shuffled.shape[1])
        places, values = _keeping_neurons(shuffled, null, rng, stored)
        shuffled.data[:] = 0
        shuffled.data[np.searchsorted(stored, places)] = values
    else:
        shuffled.data = np.asarray(shuffle_matrix(shuffled.data[None], null, rng))[0]
    return shuffled


def _keeping_neurons(
    matrix: Matrix, null: Null, rng: np.random.Generator, stored: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Where the entries of a matrix are by ``degree`` or ``strength``, and which.

    Of a sparse matrix nothing is made that is larger than its entries, rows and columns are many.

    Args:
        matrix: dense, or CSR in order.
        null: which of the two.
        rng: source of the exchanges.
        stored: flat places, in order, among which entries stay; all by default.

    Returns:
        Flat places, in any order, and the entry of each.
    """
    n_columns, n_places = matrix.shape[1], matrix.shape[0] * matrix.shape[1] if stored is None else len(stored)
    rows, columns, values = _entries(matrix)
    key, barring = rng.integers(2**64, dtype=np.uint64), np.zeros(0, dtype=np.int64) if stored is None else stored
    if null == "strength":
        strengths = (np.asarray(abs(matrix).sum(axis=axis)) for axis in (1, 0))
        # present, least and most sums
        of_rows, of_columns = (sums * [[1], [1 - SAME_STRENGTH], [1 + SAME_STRENGTH]] for sums in strengths)
        table, attempts = _table(rows, columns, matrix), ATTEMPTS[null] * len(rows)
        _exchange(rows, columns, values, table, n_columns, barring, of_rows, of_columns, WEIGHTS, attempts, key)
        return _flat(rows, columns, n_columns), values
    # of entries and holes the rarer are moved: both say the same, and holes of a dense matrix are few
    of_holes = 2 * len(values) > n_places
    if of_holes:
        rows, columns = np.divmod(_other_places(_flat(rows, columns, n_columns), n_places, stored), n_columns)
    none, zeros = np.zeros((3, 0)), np.zeros(len(rows))
    table, attempts = _table(rows, columns, matrix), ATTEMPTS[null] * len(rows)
    _exchange(rows, columns, zeros, table, n_columns, barring, none, none, PLACES, attempts, key)
    places = _flat(rows, columns, n_columns)
    return _other_places(places, n_places, stored) if of_holes else np.sort(places), rng.permutation(values)


def _entries(matrix: Matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of what is not zero, row by row."""
    coo = sp.coo_array(matrix)
    coo.eliminate_zeros()
    rows, columns = (index.astype(np.int64) for index in coo.coords)
    return rows, columns, coo.data


def _flat(rows: np.ndarray, columns: np.ndarray, n_columns: int) -> np.ndarray:
    """Numbers of places, row by row."""
    return np.asarray(rows.astype(np.int64) * n_columns + columns)


def _other_places(places: np.ndarray, n_places: int, stored: np.ndarray | None) -> np.ndarray:
    """All flat places, or all stored ones, but these; in order."""
    others = np.ones(n_places, dtype=bool)
    others[places if stored is None else np.searchsorted(stored, places)] = False
    return np.flatnonzero(others) if stored is None else stored[others]


def _table(rows: np.ndarray, columns: np.ndarray, matrix: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """Which entry is where: by place for a dense matrix, and for a sparse one by buckets of places.

    Returns:
        The number of the entry at every flat place, ``FREE`` where there is none, and nothing. Or, still without
        entries, one entry of every bucket, a power of two of them, and for each entry another one of its bucket;
        ``FREE`` comes last.
    """
    n = len(rows)
    if sp.issparse(matrix):
        return np.full(1 << n.bit_length(), FREE, dtype=np.int32), np.full(n, FREE, dtype=np.int32)
    entry = np.full(matrix.shape, FREE, dtype=np.int32)
    entry[rows, columns] = np.arange(n)
    return entry.ravel(), np.zeros(0, dtype=np.int32)


def shuffle_in_single(matrix: np.ndarray, null: Null, rng: np.random.Generator) -> np.ndarray:
    """``shuffle_matrix`` in single precision, in a time that memory allows.

    Every value goes to a random one of many buckets, and each bucket is shuffled for itself (Rao 1961, Sandelius 1962):
    every permutation is as likely as any other, and a bucket fits in a cache.

    >>> shuffled = shuffle_in_single(np.arange(6.0).reshape(2, 3), "layer", np.random.default_rng(0))
    >>> shuffled.shape, shuffled.dtype, sorted(shuffled.ravel().tolist())
    ((2, 3), dtype('float32'), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    """
    if null in ("degree", "strength"):
        return np.asarray(shuffle_matrix(matrix, null, rng), dtype=np.float32)
    flat = np.asarray(matrix, dtype=np.float32).ravel()
    if null == "layer":
        return _shuffled(flat, rng).reshape(matrix.shape)
    held, out = np.flatnonzero(flat), np.zeros_like(flat)
    out[held] = _shuffled(flat[held], rng)
    return out.reshape(matrix.shape)


def _shuffled(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    out = np.empty_like(values)
    buckets = 1 << (-(-len(values) // BUCKET) - 1).bit_length()
    first, second = rng.integers(2**64, size=2, dtype=np.uint64)
    _in_buckets(values, first, second, buckets, out)
    return out


@compiled(cache=True, nogil=True, inline="always")
def _random(key, number):  # type: ignore[no-untyped-def]
    """Random 32 bits of a counter, by SplitMix64 (Steele et al. 2014)."""
    x = key + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) >> np.uint64(32)


def _in_buckets_by_numpy(values: np.ndarray, first: int, second: int, buckets: int, out: np.ndarray) -> None:
    """As ``_in_buckets``, with one loop, for where nothing is compiled."""
    numbers = np.arange(len(values), dtype=np.uint64)
    bucket = _random(first, numbers) & np.uint64(buckets - 1)
    found = values[np.argsort(bucket, kind="stable")].tolist()
    stops = np.cumsum(np.bincount(bucket.astype(np.int64), minlength=buckets))
    starts = np.repeat(np.concatenate([[0], stops[:-1]]), np.diff(stops, prepend=0))
    drawn = _random(second, numbers) * (numbers - starts.astype(np.uint64) + np.uint64(1)) >> np.uint64(32)
    partners = (starts + drawn.astype(np.int64)).tolist()
    for i in range(len(found) - 1, -1, -1):
        j = partners[i]
        found[i], found[j] = found[j], found[i]
    out[:] = found


@compiled(_in_buckets_by_numpy, cache=True, nogil=True)
def _in_buckets(values, first, second, buckets, out):  # type: ignore[no-untyped-def]
    begin, own = np.zeros(buckets + 1, dtype=np.int64), np.empty(len(values), dtype=np.uint32)
    for i in range(len(values)):
        own[i] = _random(first, i) & np.uint64(buckets - 1)
        begin[own[i] + 1] += 1
    for b in range(buckets):
        begin[b + 1] += begin[b]
    place = begin[:-1].copy()
    for i in range(len(values)):
        out[place[own[i]]] = values[i]
        place[own[i]] += 1
    for b in range(buckets):
        start, stop = begin[b], begin[b + 1]
        for i in range(stop - 1, start, -1):
            j = start + np.int64(_random(second, i) * np.uint64(i - start + 1) >> np.uint64(32))
            out[i], out[j] = out[j], out[i]


@compiled(cache=True, nogil=True)
def _exchange(  # type: ignore[no-untyped-def]
    rows, columns, values, table, n_columns, stored, row_sums, column_sums, kinds, attempts, key
):
    """Exchange two random entries at a time, in place: rows, columns and values of entries.

    Of the first kind of exchange, weights keep their column and change their row; of the second, they keep their row;
    of the third, two weights change places. Where the other two corners of the rectangle hold entries as well, those of
    the first two kinds exchange all four: sums of two weights may be alike where single weights are not. ``table``
    says which entry is where, see ``_table``, and ``stored`` where entries may be, if not everywhere. Sums, (3, n), are
    the present, least and most ones of absolute values; without ``WEIGHTS`` they are not looked at.

    The table is read and written here, as numba counts references to an array that goes to another function, which
    takes several times as long as all the rest.
    """
    entry, following = table
    n, hashed, buckets, salt = len(rows), len(following) > 0, np.uint64(len(entry) - 1), np.uint64(0)
    for i in range(len(following)):
        slot = np.int64(_random(salt, rows[i] * n_columns + columns[i]) & buckets)
        following[i], entry[slot] = entry[slot], i
    for attempt in range(attempts):
        first = np.int64(_random(key, 3 * attempt) * np.uint64(n) >> np.uint64(32))
        second = np.int64(_random(key, 3 * attempt + 1) * np.uint64(n) >> np.uint64(32))
        kind = PLACES + np.int64(_random(key, 3 * attempt + 2) * np.uint64(kinds) >> np.uint64(32))
        a, b, c, d = rows[first], columns[first], rows[second], columns[second]
        third = fourth = np.int64(FREE)  # what the other corners hold
        if kind != WEIGHTS:
            if a == c or b == d:
                continue
            for row, column in ((a, d), (c, b)):
                place = row * n_columns + column
                if hashed:
                    found = np.int64(entry[np.int64(_random(salt, place) & buckets)])
                    while found != FREE and (rows[found] != row or columns[found] != column):
                        found = np.int64(following[found])
                    if found == FREE and len(stored) > 0:
                        at = np.searchsorted(stored, place)
                        if at == len(stored) or stored[at] != place:
                            found = np.int64(BARRED)
                else:
                    found = np.int64(entry[place])
                third, fourth = fourth, found
            if not (third == fourth == FREE or (third >= 0 and fourth >= 0 and kinds == WEIGHTS)):
                continue
        free = third == FREE  # and so is the fourth
        if kinds == WEIGHTS:
            of_first, of_second = np.abs(values[first]), np.abs(values[second])
            in_row = in_column = of_second - of_first  # what row a and column b gain, and the others lose
            if kind != WEIGHTS and not free:
                of_third, of_fourth = np.abs(values[third]), np.abs(values[fourth])
                in_row = of_fourth + of_second - of_first - of_third
                in_column = of_third + of_second - of_first - of_fourth
            if kind == STAYING_IN_ROW or a == c:
                in_row = 0.0
            if kind == PLACES or b == d:
                in_column = 0.0
            if not (
                row_sums[1, a] <= row_sums[0, a] + in_row <= row_sums[2, a]
                and row_sums[1, c] <= row_sums[0, c] - in_row <= row_sums[2, c]
                and column_sums[1, b] <= column_sums[0, b] + in_column <= column_sums[2, b]
                and column_sums[1, d] <= column_sums[0, d] - in_column <= column_sums[2, d]
            ):
                continue
            row_sums[0, a] += in_row
            row_sums[0, c] -= in_row
            column_sums[0, b] += in_column
            column_sums[0, d] -= in_column
        if kind == WEIGHTS:
            values[first], values[second] = values[second], values[first]
        elif free:
            for number in (first, second):  # leaves the table
                place = rows[number] * n_columns + columns[number]
                if not hashed:
                    entry[place] = FREE
                    continue
                slot = np.int64(_random(salt, place) & buckets)
                before = entry[slot]
                if before == number:
                    entry[slot] = following[number]
                    continue
                while following[before] != number:
                    before = following[before]
                following[before] = following[number]
            if kind == PLACES:  # weights keep their column
                rows[first], rows[second] = c, a
            else:
                columns[first], columns[second] = d, b
            for number in (first, second):  # enters it again
                place = rows[number] * n_columns + columns[number]
                if not hashed:
                    entry[place] = number
                    continue
                slot = np.int64(_random(salt, place) & buckets)
                following[number], entry[slot] = entry[slot], number
        else:
            other, last = (fourth, third) if kind == PLACES else (third, fourth)
            values[first], values[other] = values[other], values[first]
            values[second], values[last] = values[last], values[second]
