"""Statistics of shuffle tests: Monte Carlo p-values, Z-scores, effect sizes, and how to combine many p-values.

Chapters: ``topology-shuffles``, ``hypothesis-tests``.
"""

from __future__ import annotations

import re
from typing import Literal

import numpy as np

from modlib.checks import array, choice, exponent, real, whole
from modlib.errors import InputError

PRINTED = re.compile(r"[01](\.[0-9]+)?")  # how a p-value is printed
OFF_GRID = 0.02  # of a step of the grid of p-values, by which one may be off its place
OFF_PRINT = 0.0005 + 1e-9  # by which one with three digits is off: more, if n is large; any p, from n = 999
ROUNDING = 1e-9  # two n-cuts of equal partitions differ by rounding; nearer than this, relatively, is a tie


def monte_carlo_p(
    value: float,
    null: np.ndarray,
    side: Literal["small", "large"] = "small",
    ties: Literal["against", "for"] = "against",
) -> float:
    """One-sided Monte Carlo p-value: how often is a null sample at least as extreme?

    p = (r + 1) / (n + 1), r = number of null samples at least as extreme as the value. So a tie counts against the
    value; only then is p <= a no more often than with probability a, whatever the null distribution. With
    ``ties="for"``, r counts null samples that are strictly more extreme, as the code of importance-coherence does.

    Args:
        value: the measured statistic.
        null: (n,) statistics of n random draws from the null model, n >= 1.
        side: which values are extreme.
        ties: whether a null sample that equals the value counts against it or for it.

    Returns:
        A number in [1/(n+1), 1].

    Raises:
        InputError: if a number is not finite, no null sample arrived, or ``side`` or ``ties`` is another word.

    Source: North, Curtis and Sham (2002); pruned-modular 3; importance-coherence 3.1.2.
    Chapters: ``clusterability``, ``hypothesis-tests``.

    Of nine shuffles none is as small as 0.1, and four are as large as 0.6:

    >>> shuffles = np.arange(0.1, 1.0, 0.1) + 0.05
    >>> monte_carlo_p(0.1, shuffles), monte_carlo_p(0.6, shuffles, side="large")
    (0.1, 0.5)
    """
    value, null = real(value, "value"), _samples(null, 1, "null")
    choice(side, ("small", "large"), "side")
    choice(ties, ("against", "for"), "ties")
    with np.errstate(over="ignore"):  # by how much a null sample is more extreme; infinitely more is more as well
        beyond = value - null if side == "small" else null - value
    rounding = ROUNDING * abs(value)
    extreme = beyond >= -rounding if ties == "against" else beyond > rounding
    return float((np.count_nonzero(extreme) + 1) / (null.size + 1))


def monte_carlo_interval(p: float, n_random: int, level: float = 0.95) -> tuple[float, float]:
    """Where a Monte Carlo p-value would lie if the null samples never ended: an interval by Clopper and Pearson.

    Of n null samples, r = p (n + 1) - 1 are at least as extreme as the value, a binomial number. The interval holds its
    probability at least as often as ``level`` says.

    Args:
        p: a p-value of ``monte_carlo_p``, in {1/(n+1), ..., 1}.
        n_random: n, null samples behind it, at least 1.
        level: how often the interval is right, between 0 and 1.

    Raises:
        InputError: if the p-value does not lie on the grid, to the three digits that are printed, or the level is
            not between 0 and 1.

    Source: Clopper and Pearson (1934). Chapter: ``your-network``.

    None of 39 shuffles is as extreme, so fewer than one in eleven of all are:

    >>> [round(end, 3) for end in monte_carlo_interval(1 / 40, 39)]
    [0.0, 0.09]
    """
    from scipy.stats import binomtest

    p, n_random, level = real(p, "p"), whole(n_random, "n_random"), real(level, "level", above=0, below=1)
    extreme = int(_levels(np.array([p]), n_random)[0]) - 1
    interval = binomtest(extreme, n_random).proportion_ci(level)
    return float(interval.low), float(interval.high)


def ranks_behind(printed: str, n: int) -> list[int]:
    """Ranks r in 0..n whose p-value (r + 1) / (n + 1), rounded as it is printed, is the printed one.

    >>> ranks_behind("0.034", 320)
    [10]

    Args:
        printed: a p-value with its decimals, such as ``"0.034"``.
        n: null samples of the test, at least 1.

    Raises:
        InputError: if it is no such text, or n is below 1.

    Source: pruned-modular, tables A.4 to A.15. Chapter: ``topology-shuffles``.
    """
    n = whole(n, "n")
    if not isinstance(printed, str) or not PRINTED.fullmatch(printed):
        raise InputError(f"printed = {printed!r} arrived; expected a p-value with its decimals, such as '0.034'")
    half_a_digit = 0.5 * 10.0 ** -len(printed.partition(".")[2]) + ROUNDING
    return [r for r in range(n + 1) if abs((r + 1) / (n + 1) - float(printed)) <= half_a_digit]


def z_score(value: float, null: np.ndarray) -> float:
    """Distance of a value from a null distribution in its own units: (value - mean) / sd.

    sd is the sample standard deviation, with n - 1; the authors' code divides by n, so that its Z-scores are larger by
    a factor of sqrt(n / (n - 1)), 1% at 50 shuffles. A null without spread gives NaN.

    Source: clusterability 1.2. Chapter: ``dropout``.

    >>> round(z_score(0.2, np.array([0.5, 1.0, 1.5])), 2)
    -1.6
    """
    value, null = real(value, "value"), _samples(null, 2, "null")
    power = exponent(np.append(null, value))
    value, null = np.ldexp(value, -power), np.ldexp(null, -power)
    mean, sd = null.mean(), null.std(ddof=1)
    return float((value - mean) / sd) if sd > ROUNDING * abs(mean) else float("nan")


def cohens_d(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's d: difference of two means in units of the pooled standard deviation.

    d = (mean_1 - mean_2) / s, s^2 = ((n_1 - 1) s_1^2 + (n_2 - 1) s_2^2) / (n_1 + n_2 - 2).
    Positive if the first sample is larger. No spread at all gives NaN.

    Source: pruned-modular A.4. Chapter: ``topology-shuffles``.

    >>> round(cohens_d(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0])), 2)
    1.0
    """
    first, second = _samples(first, 2, "first"), _samples(second, 2, "second")
    power = max(exponent(first), exponent(second))
    first, second = np.ldexp(first, -power), np.ldexp(second, -power)
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

    >>> mean, sd = pooled_mean_sd(means=np.array([1.0, 3.0]), sds=np.array([0.0, 0.0]), n=2)  # 1, 1, 3, 3
    >>> mean, round(sd, 3)
    (2.0, 1.155)
    """
    n, means = whole(n, "n", least=2), _samples(means, 1, "means")
    sds = array(sds, "sds", means.shape, least=0, dtype=np.float64)
    power = max(exponent(means), exponent(sds))
    means, sds = np.ldexp(means, -power), np.ldexp(sds, -power)
    total = ((n - 1) * sds**2).sum() + (n * (means - means.mean()) ** 2).sum()
    mean, sd = np.ldexp([means.mean(), np.sqrt(total / (n * means.size - 1))], power).tolist()
    return mean, sd


def fisher_combined(p: np.ndarray, n_random: int) -> float:
    """Fisher's combination of Monte Carlo p-values, each moved down by half a step of its grid; small p are extreme.

    X = -2 sum log(p_i - 1 / (2 (n + 1))), compared with the chi-squared distribution of 2 m degrees of freedom.
    Large if many of the p-values are small, so it asks whether the effect is consistent.

    Args:
        p: (m,) p-values of m sub-clusters, each in {1/(n+1), 2/(n+1), ..., 1}, m >= 1.
        n_random: n, random samples behind each p-value, at least 1.

    Returns:
        A number in [0, 1]; 0 only below the least number that the machine can write.

    Raises:
        InputError: if no p-value arrived or one does not lie on the grid, to the three digits that are printed.

    Source: importance-coherence A.4. Chapter: ``hypothesis-tests``.

    Three tests with 0.1 say together what none says alone; three that are spread evenly say nothing:

    >>> round(fisher_combined(np.full(3, 0.1), 9), 3), round(fisher_combined(np.array([0.2, 0.5, 0.8]), 9), 2)
    (0.006, 0.43)
    """
    from scipy.stats import combine_pvalues

    n_random = whole(n_random, "n_random")
    levels = _levels(p, n_random)
    return float(combine_pvalues((levels - 0.5) / (n_random + 1), method="fisher").pvalue)


def chi_squared_uniform(p: np.ndarray, n_random: int) -> float:
    """Chi-squared test of Monte Carlo p-values: are the n + 1 levels of their grid equally frequent?

    X = sum over levels of (count - m/(n+1))^2 / (m/(n+1)), compared with the chi-squared distribution of n degrees of
    freedom. Any other shape of their distribution is extreme, whichever side it leans to.

    Args:
        p: (m,) p-values of m sub-clusters, each in {1/(n+1), 2/(n+1), ..., 1}, m >= 1.
        n_random: n, random samples behind each p-value, at least 1.

    Returns:
        A number in [0, 1]; 0 only below the least number that the machine can write.

    Raises:
        InputError: if no p-value arrived or one does not lie on the grid, to the three digits that are printed.

    Source: importance-coherence 3.1.2 and A.4. Chapter: ``hypothesis-tests``.

    >>> even, heaped = np.repeat(np.arange(1, 5) / 4, 5), np.full(20, 0.5)
    >>> chi_squared_uniform(even, 3), chi_squared_uniform(heaped, 3) < 0.001
    (1.0, True)
    """
    from scipy.stats import chisquare

    n_random = whole(n_random, "n_random")
    levels = _levels(p, n_random)
    return float(chisquare(np.bincount(levels - 1, minlength=n_random + 1)).pvalue)


def benjamini_hochberg(p: np.ndarray, level: float = 0.05) -> np.ndarray:
    """Which hypotheses are rejected if at most a share ``level`` of the rejections may be false, on average.

    The i smallest p-values, i being the largest with p_(i) <= level i / m.

    Args:
        p: (m,) p-values of m tests, in [0, 1], m >= 1.
        level: false discovery rate, between 0 and 1.

    Returns:
        (m,) booleans, True where rejected.

    Raises:
        InputError: if no p-value arrived, one is not in [0, 1], or the level is not between 0 and 1.

    Source: Benjamini and Hochberg (1995); importance-coherence A.7. Chapter: ``hypothesis-tests``.

    Three of these are below 0.05 alone, and stay so together:

    >>> benjamini_hochberg(np.array([0.001, 0.02, 0.03, 0.9])).tolist()
    [True, True, True, False]
    """
    from statsmodels.stats.multitest import fdrcorrection

    p, level = _probabilities(p), real(level, "level", above=0, below=1)
    return np.asarray(fdrcorrection(p, alpha=level)[0], dtype=bool)


def holm(p: np.ndarray, level: float = 0.05) -> np.ndarray:
    """Which hypotheses are rejected if the probability of a single false rejection may be at most ``level``.

    The smallest p-values, up to the first with p_(i) > level / (m + 1 - i).

    Args:
        p: (m,) p-values of m tests, in [0, 1], m >= 1.
        level: family-wise error rate, between 0 and 1.

    Returns:
        (m,) booleans, True where rejected.

    Raises:
        InputError: if no p-value arrived, one is not in [0, 1], or the level is not between 0 and 1.

    Source: Holm (1979); importance-coherence A.7. Chapter: ``hypothesis-tests``.

    Stricter than ``benjamini_hochberg``, which rejects three of these:

    >>> holm(np.array([0.001, 0.02, 0.03, 0.9])).tolist()
    [True, False, False, False]
    """
    # not by statsmodels, which collects all garbage at every call: that takes a tenth of a second in a large process
    p, level = _probabilities(p), real(level, "level", above=0, below=1)
    order = np.argsort(p, kind="stable")
    rejected = np.zeros(len(p), dtype=bool)
    rejected[order] = np.logical_and.accumulate(p[order] <= level / np.arange(len(p), 0, -1))
    return rejected


def median_p(p: np.ndarray) -> float:
    """Median of the p-values of replicates.

    It is no p-value itself: of five null hypotheses that hold it is below 0.05 with probability 0.001, not 0.05.

    Args:
        p: (r,) p-values of the same test on r networks, in [0, 1], r >= 1.

    Raises:
        InputError: if no p-value arrived or one is not in [0, 1].

    Source: importance-coherence 3.1.2. Chapter: ``hypothesis-tests``.

    >>> median_p(np.array([0.01, 0.04, 0.5]))
    0.04
    """
    return float(np.median(_probabilities(p)))


def _samples(values: np.ndarray, at_least: int, name: str) -> np.ndarray:
    samples = array(values, name, dtype=np.float64).ravel()
    if samples.size < at_least:
        raise InputError(f"{name} holds {samples.size} value(s); expected at least {at_least} finite numbers")
    return samples


def _probabilities(p: np.ndarray) -> np.ndarray:
    return array(p, "p", least=0, most=1, dtype=np.float64).ravel()


def _levels(p: np.ndarray, n_random: int) -> np.ndarray:
    """Places 1 .. n + 1 of Monte Carlo p-values on their grid."""
    places = _probabilities(p) * (n_random + 1)
    levels = np.rint(places).astype(int)
    off = (np.abs(places - levels) > max(OFF_GRID, OFF_PRINT * (n_random + 1))) | (levels < 1) | (levels > n_random + 1)
    if off.any():
        raise InputError(
            f"p holds {places[off][0] / (n_random + 1):g}, which {n_random} random samples cannot give; expected "
            f"multiples of 1/{n_random + 1} up to 1: pass the number of random samples behind each p-value"
        )
    return levels
