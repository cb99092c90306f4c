"""All polynomials of two numbers with coefficients 0 or 1 and powers up to 2, as targets of one regression.

Chapter: ``structured-tasks``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from modlib.checks import seed_number, whole
from modlib.reprs import BriefRepr

INPUTS, POWERS = 2, (0, 1, 2)
MONOMIALS = tuple(product(POWERS, repeat=INPUTS))  # the powers of x and of y
COEFFICIENTS = np.array(tuple(product((0, 1), repeat=len(MONOMIALS))), dtype=np.float32)  # (polynomials, monomials)


@dataclass(frozen=True, eq=False, repr=False)
class Regression(BriefRepr):
    """Inputs and the numbers that a network is to say of them, split into training and test.

    Attributes:
        name: which data set.
        x_train, x_test: (n, inputs) float32.
        y_train, y_test: (n, outputs) float32.
        checksum: what the arrays follow from.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    checksum: str


def polynomial_values(n: int, seed: int, n_test: int = 10_000) -> Regression:
    """Values of the 512 polynomials p(x, y) = sum_{a, b in {0, 1, 2}} c_ab x^a y^b, c_ab in {0, 1}.

    x and y are independent standard normals. Output i has the coefficients ``COEFFICIENTS[i]`` of the monomials
    ``MONOMIALS``; they count in binary, so the first polynomial is 0 and the last one has all nine terms.

    Args:
        n: training examples, at least 1.
        seed: decides x and y.
        n_test: test examples, drawn after the training examples.

    Raises:
        InputError: if a count is below 1.

    Source: clusterability A.7; numbers of examples: the authors' code. Chapter: ``structured-tasks``.

    >>> data = polynomial_values(2, seed=0)
    >>> x, y = data.x_train.T
    >>> np.allclose(data.y_train[:, -1], (1 + x + x**2) * (1 + y + y**2), atol=1e-5)
    True
    """
    n, n_test, seed = whole(n, "n"), whole(n_test, "n_test"), seed_number(seed)
    rng = np.random.default_rng(seed)
    x_train, x_test = (rng.normal(size=(count, INPUTS)).astype(np.float32) for count in (n, n_test))
    checksum = f"polynomials-{n}-{n_test}-{seed}"
    return Regression("polynomials", x_train, _values(x_train), x_test, _values(x_test), checksum)


def _values(x: np.ndarray) -> np.ndarray:
    # One monomial after the other: a product of matrices is summed in an order that depends on the processor.
    values = np.zeros((len(x), len(COEFFICIENTS)), dtype=x.dtype)
    for (a, b), coefficients in zip(MONOMIALS, COEFFICIENTS.T, strict=True):
        values += (x[:, 0] ** a * x[:, 1] ** b)[:, None] * coefficients
    return values
