"""Statistics of shuffle tests: Monte Carlo p-values, Z-scores, effect sizes.

Chapter: ``topology-shuffles``.
"""

from __future__ import annotations

import numpy as np

from modlib.errors import InputError

ROUNDING = 1e-9  # two n-cuts of equal partitions differ by rounding; nearer than this, relatively, is a tie


def monte_carlo_p(value: float, null: np.ndarray) -> float:
    """One-sided Monte Carlo p-value: how often is a null sample at least as small?

    p = (r + 1) / (n + 1), r = number of null samples <= value. A tie counts against the value.

    Args:
        value: the measured statistic; small is extreme.
        null: (n,) statistics of n random draws from the null model, n >= 1.

    Returns:
        A number in [1/(n+1), 1].

    Raises:
        InputError: if a number is not finite or no null sample arrived.

    Source: North, Curtis and Sham (2002); pruned-modular 3. Chapter: ``clusterability``.
    """
    null = _samples(null, 1, "null")
    if not np.isfinite(value):
        raise InputError(f"the measured statistic is {value}; expected a finite number")
    at_least_as_small = np.count_nonzero(null <= value + ROUNDING * abs(value))
    return float((at_least_as_small + 1) / (null.size + 1))


def ranks_behind(printed: str, n: int) -> list[int]:
    """Ranks r in 0..n whose p-value (r + 1) / (n + 1), rounded as it is printed, is the printed one.

    >>> ranks_behind("0.034", 320)
    [10]

    Args:
        printed: a p-value with its decimals, such as ``"0.034"``.
        n: null samples of the test, at least 1.

    Source: pruned-modular, tables A.4 to A.15. Chapter: ``topology-shuffles``.
    """
    half_a_digit = 0.5 * 10.0 ** -len(printed.partition(".")[2]) + ROUNDING
    return [r for r in range(n + 1) if abs((r + 1) / (n + 1) - float(printed)) <= half_a_digit]


def z_score(value: float, null: np.ndarray) -> float:
    """Distance of a value from a null distribution in its own units: (value - mean) / sd.

    sd is the sample standard deviation (n - 1). A null without spread gives NaN.

    Source: clusterability 1.2. Chapter: ``dropout``.
    """
    null = _samples(null, 2, "null")
    mean, sd = null.mean(), null.std(ddof=1)
    return float((value - mean) / sd) if sd > ROUNDING * abs(mean) else float("nan")


def cohens_d(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's d: difference of two means in units of the pooled standard deviation.

    d = (mean_1 - mean_2) / s, s^2 = ((n_1 - 1) s_1^2 + (n_2 - 1) s_2^2) / (n_1 + n_2 - 2).
    Positive if the first sample is larger. No spread at all gives NaN.

    Source: pruned-modular A.4. Chapter: ``topology-shuffles``.
    """
    first, second = _samples(first, 2, "first"), _samples(second, 2, "second")
    ss = (first.size - 1) * first.var(ddof=1) + (second.size - 1) * second.var(ddof=1)
    pooled = np.sqrt(ss / (first.size + second.size - 2))
    difference, scale = first.mean() - second.mean(), max(abs(first.mean()), abs(second.mean()))
    return float(difference / pooled) if pooled > ROUNDING * scale else float("nan")


def pooled_mean_sd(means: np.ndarray, sds: np.ndarray, n: int) -> tuple[float, float]:
    """Mean and standard deviation of all samples of several groups of n samples each.

    Args:
        means: (g,) group means.
        sds: (g,) group standard deviations (n - 1).
        n: samples a group, at least 2.

    Source: pruned-modular table 1, caption. Chapter: ``clusterability``.
    """
    means, sds = _samples(means, 1, "means"), _samples(sds, 1, "sds")
    total = ((n - 1) * sds**2).sum() + (n * (means - means.mean()) ** 2).sum()
    return float(means.mean()), float(np.sqrt(total / (n * means.size - 1)))


def _samples(values: np.ndarray, at_least: int, name: str) -> np.ndarray:
    array = np.asarray(values, dtype=float).ravel()
    if array.size < at_least or not np.isfinite(array).all():
        raise InputError(
            f"{name} holds {array.size} value(s), {int((~np.isfinite(array)).sum())} of them not finite; "
            f"expected at least {at_least} finite number(s)"
        )
    return array
