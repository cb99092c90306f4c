"""modlib.eigenvectors: none is missed where eigenvalues repeat or nearly do."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as ssl

from modlib import eigenvectors
from modlib.eigenvectors import Eigenpairs, Symmetric, arpack, leading_eigenvectors

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
@pytest.mark.parametrize("form", [np.array, sp.csr_array, as_operator])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_leading_eigenvectors_are_found_whether_or_not_eigenvalues_repeat(
    spectrum: str, form: type, dense_side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """k lies before, in, behind and far behind the repeated eigenvalues.

    A residual r bounds the error of its eigenvalue. Those of ARPACK are at most 1e-9 times the eigenvalue.
    """
    monkeypatch.setattr(eigenvectors, "DENSE_SIDE", dense_side)
    matrix, expected, _ = with_spectrum(SPECTRA[spectrum])
    for k in (1, 2, 3, 4, 5, 7, 60):
        values, vectors = leading_eigenvectors(form(matrix), k, np.random.default_rng(k), arpack)
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


@EACH_SIZE
def test_a_proof_changes_no_number_that_is_drawn_after_it(dense_side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eigenvectors, "DENSE_SIDE", dense_side)
    matrix, _, _ = with_spectrum(SPECTRA["distinct"])
    proven, drawn = np.random.default_rng(3), np.random.default_rng(3)
    leading_eigenvectors(matrix, 5, proven, arpack)
    drawn.uniform(size=SIZE)
    assert proven.random() == drawn.random()
