"""modlib.data.polynomials: every label is the value of its polynomial, as sympy works it out."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
import sympy

from modlib.data.polynomials import COEFFICIENTS, MONOMIALS, polynomial_values
from modlib.errors import InputError


def test_labels_are_the_values_that_sympy_gives() -> None:
    data = polynomial_values(8, seed=3, n_test=5)
    x, y = sympy.symbols("x y")
    for output in (0, 1, 17, 300, 511, *np.random.default_rng(0).integers(512, size=12)):
        terms = {powers: int(c) for powers, c in zip(MONOMIALS, COEFFICIENTS[output], strict=True) if c}
        expression = sympy.Poly(terms or {(0, 0): 0}, x, y)
        for inputs, targets in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
            exact = [float(expression.eval({x: float(a), y: float(b)})) for a, b in inputs]
            np.testing.assert_allclose(targets[:, output], exact, rtol=1e-5, atol=1e-5)


def test_the_outputs_are_all_sums_of_the_nine_monomials_each_once() -> None:
    assert len(MONOMIALS) == 9
    assert COEFFICIENTS.shape == (512, 9)
    assert len(np.unique(COEFFICIENTS, axis=0)) == 512
    # half of all polynomials have a monomial, as the paper counts them
    np.testing.assert_array_equal(COEFFICIENTS.sum(axis=0), [256] * 9)


def test_inputs_are_independent_standard_normals() -> None:
    x = polynomial_values(4000, seed=1, n_test=10).x_train
    for column in x.T:
        assert scipy.stats.kstest(column, "norm").pvalue > 0.01
    assert scipy.stats.pearsonr(*x.T).pvalue > 0.01


def test_the_seed_decides_every_example() -> None:
    first, again, other = (polynomial_values(20, seed=seed, n_test=5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.y_train, again.y_train)
    assert not np.array_equal(first.x_test, other.x_test)
    assert first.checksum == again.checksum != other.checksum


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n_test": 0}])
def test_a_count_below_one_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        polynomial_values(**{"n": 5, "seed": 0, **wrong})


def test_values_do_not_depend_on_the_processor() -> None:
    code = (
        "import hashlib; from modlib.data.polynomials import polynomial_values; "
        "print(hashlib.sha256(polynomial_values(2000, seed=0).y_train.tobytes()).hexdigest())"
    )
    found = {
        kernel: subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OPENBLAS_CORETYPE": kernel},
            capture_output=True,
            text=True,
        ).stdout
        for kernel in ("Haswell", "Prescott")  # of which one multiplies matrices in another order
    }
    assert found["Haswell"] == found["Prescott"] != ""
