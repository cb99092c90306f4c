"""Two-digit arithmetic: tasks of which each half can be asked for on its own.

Numbers from 0 to 99 are written as two digits, least significant first, a digit as one of ten. Addition and
multiplication share inputs and outputs and differ in the operation; in double addition the operation is the same, and
the inputs and outputs differ. Chapter: ``weight-masks``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modlib.checks import choice, generator, items, whole
from modlib.errors import InputError

MODULUS, DIGITS, BASE = 100, 2, 10
OPERATIONS = ("addition", "multiplication")
PAIRS = (0, 1)  # of double addition
TASKS = ("addition and multiplication", "double addition", "double addition, one at a time")


def add_or_multiply(
    rng: np.random.Generator | None = None, n: int = 0, only: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Examples of a + b or a b modulo 100.

    Args:
        rng: draws ``n`` examples; without it all of them are returned, 20,000 or 10,000 of one operation.
        n: number of examples, at least 1; none without ``rng``.
        only: ``addition`` or ``multiplication``; both by default.

    Returns:
        Inputs (n, 42): two digits of a, two of b, ten numbers a digit, then one number an operation. Targets (n, 2):
        the digits of the result, 0 to 9.

    Raises:
        InputError: if n is below 1, or arrived without rng, or the operation is not known.

    Source: weight-masks 3.1. Chapter: ``weight-masks``.

    >>> inputs, targets = add_or_multiply(only="addition")
    >>> inputs.shape, targets[99 * 100 + 1].tolist()  # 1 + 99 = 100, of which the last two digits are left
    ((10000, 42), [0, 0])
    """
    asked = list(range(len(OPERATIONS)))
    if only is not None:
        asked = [OPERATIONS.index(choice(only, OPERATIONS, "only"))]
    n = whole(n, "n", least=0 if rng is None else 1)
    if rng is None and n:
        raise InputError(f"n = {n} arrived without rng; expected both or neither: pass numpy.random.default_rng(0)")
    if rng is None:
        a, b, operation = (grid.ravel() for grid in np.meshgrid(np.arange(MODULUS), np.arange(MODULUS), asked))
    else:
        rng = generator(rng)
        a, b = rng.integers(MODULUS, size=(2, n))
        operation = rng.choice(asked, size=n)
    results = np.where(operation == 0, a + b, a * b)
    inputs = np.concatenate([_onehot(np.column_stack([a, b])), np.eye(len(OPERATIONS))[operation]], axis=1)
    return inputs.astype(np.float32), digits(results)


def double_addition(rng: np.random.Generator, n: int, shown: Sequence[int] = PAIRS) -> tuple[np.ndarray, np.ndarray]:
    """Examples of a + b and c + d, both modulo 100.

    Args:
        rng: draws the numbers.
        n: number of examples, at least 1.
        shown: pairs whose inputs are given; those of the others are zero.

    Returns:
        Inputs (n, 80): two digits of a, b, c and d, ten numbers a digit. Targets (n, 4): the digits of both sums.

    Raises:
        InputError: if n is below 1 or a pair is not known.

    Source: weight-masks 3.2. Chapter: ``weight-masks``.

    >>> inputs, targets = double_addition(np.random.default_rng(0), n=5)
    >>> inputs.shape, targets.shape
    ((5, 80), (5, 4))
    """
    rng, n = generator(rng), whole(n, "n")
    shown = [whole(pair, f"shown[{i}]", 0, max(PAIRS)) for i, pair in enumerate(items(shown, "shown"))]
    numbers = rng.integers(MODULUS, size=(n, len(PAIRS), 2))
    inputs = _onehot(numbers.reshape(n, -1)).reshape(n, len(PAIRS), -1)
    inputs[:, [pair for pair in PAIRS if pair not in shown]] = 0
    return inputs.reshape(n, -1).astype(np.float32), digits(numbers.sum(axis=2))


def digits(numbers: np.ndarray) -> np.ndarray:
    """Digits of numbers modulo 100, least significant first: (n,) or (n, m) to (n, 2) or (n, 2 m)."""
    remainder = np.asarray(numbers)[..., None] % MODULUS
    return (remainder // BASE ** np.arange(DIGITS) % BASE).reshape(len(remainder), -1).astype(np.int64)


def _onehot(numbers: np.ndarray) -> np.ndarray:
    return np.eye(BASE)[digits(numbers)].reshape(len(numbers), -1)
