"""Leading eigenvectors of a symmetric matrix, none missed where eigenvalues repeat.

An iteration from one start sees one vector of every eigenvalue. Of several equal or nearly equal ones it finds
some by rounding alone, so what it finds depends on the processor. Here an iteration is believed only with a proof
that nothing was missed; without one, a method takes over that cannot miss any. Chapter: ``clusterability``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
import scipy.sparse.linalg as ssl

from modlib.processor import seeded_numpy

Symmetric: TypeAlias = np.ndarray | sp.csr_array | ssl.LinearOperator
Eigenpairs: TypeAlias = tuple[np.ndarray, np.ndarray]
Iteration: TypeAlias = Callable[[Symmetric, int, np.random.Generator], Eigenpairs]

SMALL_SIDE = 160  # up to this many rows, a dense factorisation for few eigenvectors takes less than an iteration
DENSE_SIDE = 1024  # up to this many rows, a dense factorisation is cheap enough to prove or to solve a problem
TOLERANCE = 1e-9  # of the residuals of an iteration
ANGLE = 1e-4  # largest angle, in radians, between the eigenvectors found and the true ones
RESOLUTION = 1e-11  # eigenvalues nearer than this are left to the methods that need no gap between them
SPARE = 4  # columns of a block beyond the eigenvectors asked for; they make it converge faster
BLOCKS = 8  # blocks of which a space consists before it is condensed
STEPS = 500  # of the block iteration


def leading_eigenvectors(matrix: Symmetric, k: int, rng: np.random.Generator, iteration: Iteration) -> Eigenpairs:
    """The k largest eigenvalues of a positive semidefinite matrix with norm near 1, and their eigenvectors.

    Where the k-th eigenvalue is repeated beyond k, any of its eigenvectors are as good as any others.

    Args:
        matrix: (n, n), symmetric: dense, whose upper triangle is overwritten, sparse, or an operator.
        k: number of eigenvectors, at most n.
        rng: start vectors.
        iteration: finds candidates, such as ``arpack``; it may be none, such as ``lapack``.

    Returns:
        (k,) eigenvalues, largest first, and (n, k) orthonormal columns.

    Source: none of the papers; the bound of the proof is that of Davis and Kahan (1970). Chapter: ``clusterability``.
    """
    n = matrix.shape[0]
    if 4 * k < n:
        try:
            found = iteration(matrix, k, rng)
            gaps = _gaps(matrix, found)
            # a factorisation misses none, an iteration has to be believed
            if _are_apart(found[0], gaps) and (iteration is lapack or _is_complete(matrix, found, gaps, rng)):
                return found
        except (ssl.ArpackError, np.linalg.LinAlgError):
            pass
    if n <= max(DENSE_SIDE, BLOCKS * (k + SPARE)):
        return _of_dense(matrix, k)
    return block_iteration(matrix, k, rng.normal(size=(n, k + SPARE)), RESOLUTION)


def lapack(matrix: Symmetric, k: int, rng: np.random.Generator) -> Eigenpairs:
    """Candidates by a dense factorisation for k eigenvectors alone, the fastest up to ``SMALL_SIDE`` rows.

    The start that ``arpack`` needs is drawn all the same, so that whatever is drawn after it stays as it is.

    Raises:
        LinAlgError: if fewer than k are found, as may be where many eigenvalues are equal.
    """
    n = matrix.shape[0]
    rng.uniform(-1, 1, n)
    values, vectors = sl.eigh(_dense(matrix), subset_by_index=(n - k, n - 1), check_finite=False)
    if len(values) < k:
        raise np.linalg.LinAlgError
    return values[::-1], vectors[:, ::-1]


def arpack(matrix: Symmetric, k: int, rng: np.random.Generator) -> Eigenpairs:
    """Candidates by ARPACK, from one random start, largest eigenvalue first, see ``leading_eigenvectors``.

    Raises:
        ArpackError: of scipy, if it does not converge.

    Source: the papers' authors use it through scikit-learn. Chapter: ``clusterability``.
    """
    start = rng.uniform(-1, 1, matrix.shape[0])
    product: Callable[[np.ndarray], np.ndarray] = matrix.dot
    if isinstance(matrix, np.ndarray):  # half of it is read, the lower triangle, and reading takes the time
        product = partial(sl.blas.dsymv, 1.0, matrix.T)
    operator = ssl.LinearOperator(matrix.shape, matvec=product, dtype=float)  # scipy's own takes longer to call
    values, vectors = ssl.eigsh(operator, k=k, which="LA", v0=start, tol=TOLERANCE)
    order = np.argsort(values)[::-1]
    return values[order], vectors[:, order]


def multigrid(matrix: Symmetric, k: int, rng: np.random.Generator) -> Eigenpairs:
    """Candidates by LOBPCG with an algebraic multigrid preconditioner, see ``leading_eigenvectors``.

    Args:
        matrix: (n, n), sparse, with 2 as its largest eigenvalue.
        k: number of eigenvectors.
        rng: start vectors.

    Source: pruned-modular. Chapter: ``clusterability``.
    """
    import pyamg

    n = matrix.shape[0]
    if n <= 5 * (k + 1):  # LOBPCG needs room for its search directions
        return arpack(matrix, k, rng)
    # 2 - matrix is singular; a small shift keeps the preconditioner definite, and LOBPCG away from rounding.
    shifted = sp.csr_matrix((2 + 1e-3) * sp.eye_array(n) - matrix)
    shifted.indices, shifted.indptr = shifted.indices.astype(np.int32), shifted.indptr.astype(np.int32)
    with seeded_numpy(0):  # PyAMG estimates a spectral radius with it
        preconditioner = pyamg.smoothed_aggregation_solver(shifted).aspreconditioner()
    start = rng.normal(size=(n, k + 1))
    with warnings.catch_warnings():  # it warns where it does not converge; the proof will show that too
        warnings.simplefilter("ignore")
        _, vectors = ssl.lobpcg(shifted, start, M=preconditioner, tol=TOLERANCE, largest=False, maxiter=100)
    space = np.linalg.qr(vectors)[0]
    return _rayleigh_ritz(space, matrix @ space, k)[:2]


def _dense(matrix: Symmetric) -> np.ndarray:
    if isinstance(matrix, np.ndarray):
        return matrix
    return matrix.toarray() if sp.issparse(matrix) else matrix @ np.eye(matrix.shape[0])


def _of_dense(matrix: Symmetric, k: int) -> Eigenpairs:
    """The k best of all eigenpairs: asked for a few, LAPACK's syevr gives fewer where many are equal."""
    values, vectors = np.linalg.eigh(_dense(matrix))
    return values[: -k - 1 : -1], vectors[:, : -k - 1 : -1]


def _rayleigh_ritz(space: np.ndarray, image: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k best eigenpairs in a space of orthonormal columns, whose image is known, and the image of the vectors."""
    values, turn = np.linalg.eigh(space.T @ image)
    values, turn = values[: -k - 1 : -1], turn[:, : -k - 1 : -1]
    return values, space @ turn, image @ turn


def _gaps(matrix: Symmetric, found: Eigenpairs) -> np.ndarray:
    """How far from all others each eigenvalue must lie for its vector to be right to within ``ANGLE``.

    A vector of residual r is off by an angle of at most r / gap (Davis and Kahan).
    """
    values, vectors = found
    return np.maximum(np.linalg.norm(matrix @ vectors - vectors * values, axis=0) / ANGLE, RESOLUTION)


def _are_apart(values: np.ndarray, gaps: np.ndarray) -> bool:
    """Whether the eigenvalues that were found are further from each other than their gaps."""
    return not (values[:-1] - values[1:] < np.maximum(gaps[:-1], gaps[1:])).any()


def _is_complete(matrix: Symmetric, found: Eigenpairs, gaps: np.ndarray, rng: np.random.Generator) -> bool:
    """Whether the eigenvalues that were not found are proven to be smaller than those that were, by their gaps."""
    below = _all_below if matrix.shape[0] <= DENSE_SIDE else _probed_below
    return below(matrix, found, float((found[0] - gaps).min()), rng)


def _all_below(matrix: Symmetric, found: Eigenpairs, bound: float, _: np.random.Generator) -> bool:
    """Whether all eigenvalues but those found are below a bound, by a Cholesky factorisation.

    bound - matrix + c V V^T is positive definite only if x^T matrix x < bound for all unit x orthogonal to V.
    """
    values, vectors = found
    dense = _dense(matrix)
    diagonal = dense.diagonal().copy()
    # In its upper triangle, as the lower one still holds the matrix: fresh memory would double the price of the proof.
    shifted = sl.blas.dsyrk(2 * values[0], vectors, beta=-1, c=dense.T, lower=1, overwrite_c=1)
    shifted.flat[:: len(shifted) + 1] += bound
    positive = sl.lapack.dpotrf(shifted, lower=1, clean=0, overwrite_a=1)[1] == 0
    np.fill_diagonal(dense, diagonal)
    return bool(positive)


def _probed_below(matrix: Symmetric, found: Eigenpairs, bound: float, rng: np.random.Generator) -> bool:
    """The same for a matrix too large to factorise, by an iteration on what is left of it.

    A second random start has a share in all that the first one missed. It fails to show it with probability 0.
    It comes from a child of the generator, so that a proof changes no number drawn after it.
    """
    values, vectors = found
    n = matrix.shape[0]
    rest = ssl.LinearOperator(
        (n, n), matvec=lambda x: matrix.dot(x) - vectors @ (values * (vectors.T @ x)), dtype=float
    )
    return bool(arpack(rest, 1, rng.spawn(1)[0])[0][0] < bound)


def block_iteration(matrix: Symmetric, k: int, fresh: np.ndarray, resolution: float) -> Eigenpairs:
    """Block Lanczos iteration with restarts, from more starts than eigenvectors asked for.

    If they are random, they have as many independent shares in an eigenspace as can be asked of it, so it is met in
    full. It ends when residuals are below the resolution, or after ``STEPS`` with the best that it has. Where n has no
    room for ``BLOCKS`` blocks of starts, all eigenvectors are found by a dense factorisation.

    Args:
        matrix: (n, n), symmetric.
        k: number of eigenvectors, at most n.
        fresh: (n, more than k) start vectors.
        resolution: largest norm of a residual.

    Returns:
        (k,) eigenvalues, largest first, and (n, k) orthonormal columns.
    """
    n, width = fresh.shape
    if n < BLOCKS * width:
        return _of_dense(matrix, k)
    space = image = np.empty((n, 0))
    for _ in range(STEPS):
        for _ in range(2):  # the second time takes out the rounding of the first
            fresh = np.linalg.qr(fresh - space @ (space.T @ fresh))[0]
        space, image = np.hstack([space, fresh]), np.hstack([image, matrix @ fresh])
        values, vectors, products = _rayleigh_ritz(space, image, width)
        residuals = products - vectors * values
        norms = np.linalg.norm(residuals, axis=0)
        if norms[:k].max() <= resolution:
            break
        if space.shape[1] > (BLOCKS - 1) * width:
            _, space, image = _rayleigh_ritz(space, image, 2 * width)
        open_ = norms > resolution
        fresh = residuals[:, open_] / norms[open_]
    return values[:k], vectors[:, :k]
