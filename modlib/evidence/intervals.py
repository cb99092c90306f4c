"""What n networks tell: 90% intervals of means, differences and shares, and how large an effect they would have found.

An interval of 90% that lies within a margin is the pair of one-sided tests at 0.05 by which equivalence is shown
(TOST). Chapter: ``scorecard``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

Interval: TypeAlias = tuple[float, float]
LEVEL = 0.05  # of each one-sided test


def interval_of_mean(values: Sequence[float]) -> Interval:
    """90% interval of a mean, from numbers of single networks.

    >>> low, high = interval_of_mean([1.0, 2.0, 3.0])
    >>> round(low, 2), round(high, 2)
    (0.31, 3.69)
    """
    numbers = np.asarray(values, dtype=float)
    if numbers.size < 2:
        return -math.inf, math.inf
    half = _t(numbers.size - 1) * float(numbers.std(ddof=1)) / math.sqrt(numbers.size)
    return float(numbers.mean()) - half, float(numbers.mean()) + half


def interval_of_difference(difference: float, sds: tuple[float, float], ns: tuple[int, int]) -> Interval:
    """90% interval of the difference of two means (Welch; Student where both have one standard deviation).

    Args:
        difference: of the means.
        sds: standard deviations between networks; where one is not known (NaN) it is taken to be the other, which is
            one estimate then, with its own degrees of freedom.
        ns: numbers of networks; where one is not known (0) it is taken to be the other.

    Returns:
        The whole line if neither spread is known.

    >>> low, high = interval_of_difference(0.5, (1.0, math.nan), (8, 8))
    >>> round(low, 2), round(high, 2)
    (-0.45, 1.45)
    """
    filled = [(b if math.isnan(a) else a, n or m) for a, b, n, m in zip(sds, sds[::-1], ns, ns[::-1], strict=True)]
    variance = sum(sd**2 / n for sd, n in filled)
    # a spread that is one side's alone is one estimate, with the degrees of freedom of that side
    known = [(sd, n) for sd, (_, n) in zip(sds, filled, strict=True) if not math.isnan(sd)]
    weights = sum((sd**2 / n) ** 2 / (n - 1) for sd, n in known if n > 1)
    if not known or all(n < 2 for _, n in known):
        return -math.inf, math.inf
    df = variance**2 / weights if len(known) == 2 and weights else max(n for _, n in known) - 1
    half = _t(df) * math.sqrt(variance)
    return difference - half, difference + half


def interval_of_share(share: float, n: int) -> Interval:
    """90% interval of a share of n networks (Wilson).

    >>> low, high = interval_of_share(1.0, 10)
    >>> round(low, 2), round(high, 2)
    (0.79, 1.0)
    """
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(share * n, n, alpha=2 * LEVEL, method="wilson")
    return float(low), float(high)


def interval_of_rank_correlation(rho: float, n: int) -> Interval:
    """90% interval of Spearman's correlation, by Fisher's transformation with the variance of Bonett and Wright (2000).

    Args:
        rho: the correlation, in [-1, 1].
        n: pairs of numbers, at least 4.

    >>> low, high = interval_of_rank_correlation(0.5, 20)
    >>> round(low, 2), round(high, 2)
    (0.13, 0.75)
    """
    from scipy.stats import norm

    half = float(norm.ppf(1 - LEVEL)) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    centre = math.atanh(min(max(rho, -1 + 1e-12), 1 - 1e-12))
    return math.tanh(centre - half), math.tanh(centre + half)


def power_of_t(n: int) -> float:
    """Probability that a one-sided t-test at 0.05 of n networks finds an effect of one standard deviation.

    Args:
        n: networks, at least 2.

    >>> round(power_of_t(8), 2)
    0.82
    """
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().power(1.0, n, LEVEL, alternative="larger"))


def _t(df: float) -> float:
    from scipy.stats import t

    return float(t.ppf(1 - LEVEL, df))
