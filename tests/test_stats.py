"""modlib.stats against naive forms, SciPy and statsmodels, and the p-values that the papers print."""

from collections.abc import Callable
from fractions import Fraction
from math import comb, exp, factorial, log

import numpy as np
import pytest
import scipy.stats
import statsmodels.stats.meta_analysis
from hypothesis import assume, given, settings, strategies as st

from modlib.errors import InputError
from modlib.stats import (
    benjamini_hochberg,
    chi_squared_uniform,
    cohens_d,
    fisher_combined,
    holm,
    median_p,
    monte_carlo_interval,
    monte_carlo_p,
    pooled_mean_sd,
    ranks_behind,
    z_score,
)

samples = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=3, max_size=30).map(np.array)
# many of them small, where corrections decide
p_values = st.lists(st.integers(0, 1000).map(lambda i: (i / 1000) ** 3), min_size=1, max_size=40).map(np.array)


@st.composite
def on_the_grid(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """P-values of some sub-clusters, and the number of random ones behind each."""
    n = draw(st.integers(1, 60))
    levels = draw(st.lists(st.integers(1, n + 1), min_size=1, max_size=40))
    return np.array(levels) / (n + 1), n


@given(st.floats(-100, 100).map(lambda x: round(x, 3)), samples)
def test_monte_carlo_p_equals_scipy(value: float, null: np.ndarray) -> None:
    draws = iter(null)
    result = scipy.stats.monte_carlo_test(
        np.array([value]),
        rvs=lambda size: np.array([next(draws) for _ in range(int(np.prod(size)))]).reshape(size),
        statistic=lambda x, axis: np.take(x, 0, axis=axis),
        n_resamples=len(null),
        alternative="less",
        vectorized=True,
    )
    assert monte_carlo_p(value, null) == pytest.approx(result.pvalue)


@pytest.mark.parametrize(("n", "printed", "places"), [(320, 0.003, 3), (100, 0.0099, 4), (50, 0.02, 2)])
def test_the_smallest_p_values_are_those_the_papers_print(n: int, printed: float, places: int) -> None:
    p = monte_carlo_p(0.0, np.arange(1.0, n + 1))
    assert p == 1 / (n + 1)
    assert round(p, places) == printed


def test_a_tie_counts_against_the_value() -> None:
    assert monte_carlo_p(1.0, np.array([1.0, 2.0, 3.0])) == 2 / 4
    assert monte_carlo_p(5.0, np.array([1.0, 2.0, 3.0])) == 1


@pytest.mark.parametrize(
    ("side", "ties", "p"), [("small", "against", 4), ("small", "for", 2), ("large", "against", 5), ("large", "for", 3)]
)
def test_sides_and_ties_by_hand(side: str, ties: str, p: int) -> None:
    null = np.array([0.1, 0.3, 0.1 + 0.2, 0.4, 0.5])  # two equal 0.3, one of them but for rounding
    assert monte_carlo_p(0.3, null, side, ties) == p / 6


@given(st.floats(-5, 5).map(round), st.lists(st.integers(-5, 5), min_size=1, max_size=30).map(np.array))
def test_p_values_of_both_sides_and_both_kinds_of_ties_add_up(value: int, null: np.ndarray) -> None:
    for first, second in (("against", "for"), ("for", "against")):
        both = monte_carlo_p(value, null, "small", first) + monte_carlo_p(value, null, "large", second)
        assert both == pytest.approx(1 + 1 / (len(null) + 1))
    assert monte_carlo_p(value, null, "large") == monte_carlo_p(-value, -null)
    assert monte_carlo_p(value, null, ties="for") <= monte_carlo_p(value, null)


def test_a_null_that_is_constant_says_nothing_or_all() -> None:
    assert monte_carlo_p(0.7, np.full(20, 0.7), "large") == 1
    assert monte_carlo_p(0.7, np.full(20, 0.7), "large", "for") == 1 / 21  # as printed for whole layers: 0.048


@given(st.integers(1, 30), st.integers(0, 10))
def test_p_values_are_uniform_on_their_grid_if_nothing_ties(n: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=n + 1)
    found = sorted(monte_carlo_p(values[i], np.delete(values, i), "large") for i in range(n + 1))
    assert found == pytest.approx(np.arange(1, n + 2) / (n + 1))


@given(samples)
def test_z_score_equals_scipy(null: np.ndarray) -> None:
    assume(null.std() > 1e-6)
    assert z_score(1.5, null) == pytest.approx(scipy.stats.zmap(1.5, null, ddof=1).item())


def test_no_spread_gives_nan() -> None:
    assert np.isnan(z_score(1.0, np.ones(4)))
    assert np.isnan(z_score(1.0, np.zeros(4)))
    assert np.isnan(cohens_d(np.ones(4), np.zeros(3)))


@given(samples, samples)
def test_cohens_d_equals_statsmodels(first: np.ndarray, second: np.ndarray) -> None:
    assume(first.std() + second.std() >= 1e-3)
    counts = len(first), len(second)
    hedges, _ = statsmodels.stats.meta_analysis.effectsize_smd(
        *(first.mean(), first.std(ddof=1), counts[0], second.mean(), second.std(ddof=1), counts[1])
    )
    correction = 1 - 3 / (4 * sum(counts) - 9)  # statsmodels gives Hedges' g
    assert cohens_d(first, second) == pytest.approx(hedges / correction)
    t = scipy.stats.ttest_ind(first, second).statistic
    assert cohens_d(first, second) == pytest.approx(t * np.sqrt(1 / counts[0] + 1 / counts[1]))
    assert cohens_d(first, second) == pytest.approx(-cohens_d(second, first))


@given(st.integers(1, 6), st.integers(2, 9), st.integers(0, 1000))
def test_pooled_mean_and_sd_are_those_of_all_samples(groups: int, n: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(3, 2, (groups, n)) + np.arange(groups)[:, None]
    mean, sd = pooled_mean_sd(values.mean(axis=1), values.std(axis=1, ddof=1), n)
    assert mean == pytest.approx(values.mean())
    assert sd == pytest.approx(values.std(ddof=1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: monte_carlo_p(1.0, np.array([])), r"shape \(0,\) arrived; expected finite .* at least one"),
        (lambda: monte_carlo_p(np.nan, np.ones(3)), "value = nan arrived; expected a finite number"),
        (lambda: monte_carlo_p(1.0, np.array([1.0, np.inf])), "1 not finite"),
        (lambda: z_score(1.0, np.ones(1)), "expected at least 2"),
        (lambda: cohens_d(np.ones(2), np.ones(1)), "second holds 1 value"),
    ],
)
def test_samples_that_are_too_few_or_not_finite_are_refused(call: Callable[[], float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@given(on_the_grid())
def test_fisher_is_its_definition(case: tuple[np.ndarray, int]) -> None:
    p, n = case
    statistic = -2 * sum(log(value - 1 / (2 * (n + 1))) for value in p)
    # the survival function of an even number of degrees of freedom is a sum of Poisson probabilities
    expected = exp(-statistic / 2) * sum((statistic / 2) ** i / factorial(i) for i in range(len(p)))
    assert fisher_combined(p, n) == pytest.approx(expected, rel=1e-6)


def test_fisher_of_one_p_value_is_that_of_the_middle_of_its_step() -> None:
    assert fisher_combined(np.array([0.1]), 9) == pytest.approx(0.05)
    assert fisher_combined(np.array([1 / 21]), 20) == pytest.approx(1 / 42)
    # two: X = -2 log(0.05 * 0.15), p = x (1 - log x) with x = 0.0075
    assert fisher_combined(np.array([0.1, 0.2]), 9) == pytest.approx(0.0075 * (1 - log(0.0075)))


@pytest.mark.parametrize("n", [1, 20, 50, 99, 300])
def test_p_values_with_three_decimals_are_those_of_their_grid(n: int) -> None:
    p = np.arange(1, n + 2) / (n + 1)
    printed = np.array([float(f"{value:.3f}") for value in p])
    assert fisher_combined(printed, n) == fisher_combined(p, n)
    assert chi_squared_uniform(printed, n) == chi_squared_uniform(p, n)


@pytest.mark.parametrize(("p", "n"), [(0.021, 50), (0.015, 99), (0.13, 9), (0.0005, 300)])
def test_p_values_between_the_places_of_their_grid_are_refused(p: float, n: int) -> None:
    with pytest.raises(InputError, match=f"p holds {p:g}, which {n} random samples cannot give"):
        fisher_combined(np.array([p]), n)


@given(on_the_grid())
def test_chi_squared_is_its_definition(case: tuple[np.ndarray, int]) -> None:
    p, n = case
    expected = len(p) / (n + 1)
    counts = [np.count_nonzero(np.isclose(p, level / (n + 1))) for level in range(1, n + 2)]
    statistic = sum((count - expected) ** 2 / expected for count in counts)
    assert chi_squared_uniform(p, n) == pytest.approx(scipy.stats.chi2.sf(statistic, n), rel=1e-6)


def test_chi_squared_by_hand() -> None:
    assert chi_squared_uniform(np.arange(1, 11) / 10, 9) == 1  # every level once
    assert chi_squared_uniform(np.array([0.5, 0.5, 0.5, 1.0]), 1) == pytest.approx(scipy.stats.chi2.sf(1, 1))
    # it does not see where the p-values crowd, Fisher does
    low, high = np.full(10, 0.1), np.full(10, 1.0)
    assert chi_squared_uniform(low, 9) == chi_squared_uniform(high, 9) < 1e-10
    assert fisher_combined(low, 9) < 1e-4
    assert fisher_combined(high, 9) > 1 - 1e-4


@given(on_the_grid(), st.randoms(use_true_random=False))
def test_the_order_of_sub_clusters_does_not_matter(case: tuple[np.ndarray, int], random) -> None:
    p, n = case
    shuffled = np.array(random.sample(p.tolist(), len(p)))
    assert fisher_combined(shuffled, n) == pytest.approx(fisher_combined(p, n))
    assert chi_squared_uniform(shuffled, n) == pytest.approx(chi_squared_uniform(p, n))


@given(on_the_grid(), st.data())
def test_a_smaller_p_value_never_makes_fisher_larger(case: tuple[np.ndarray, int], data: st.DataObject) -> None:
    p, n = case
    lower = p.copy()
    place = data.draw(st.integers(0, len(p) - 1))
    lower[place] = data.draw(st.integers(1, round(p[place] * (n + 1)))) / (n + 1)
    assert fisher_combined(lower, n) <= fisher_combined(p, n) * (1 + 1e-9)


def test_fisher_and_chi_squared_are_calibrated_where_the_grid_is_fine() -> None:
    rng = np.random.default_rng(0)
    p = rng.integers(1, 501, size=(2000, 30)) / 500
    fisher = np.mean([fisher_combined(row, 499) < 0.05 for row in p])
    coarse = rng.integers(1, 5, size=(2000, 200)) / 4
    chi_squared = np.mean([chi_squared_uniform(row, 3) < 0.05 for row in coarse])
    for share in (fisher, chi_squared):
        assert abs(share - 0.05) < 4 * (0.05 * 0.95 / 2000) ** 0.5


@given(p_values, st.sampled_from((0.01, 0.05, 0.2)))
def test_benjamini_hochberg_is_its_definition(p: np.ndarray, level: float) -> None:
    steps = [i for i, value in enumerate(sorted(p), start=1) if value <= level * i / len(p)]
    limit = sorted(p)[max(steps) - 1] if steps else -1
    assert benjamini_hochberg(p, level).tolist() == (p <= limit).tolist()
    adjusted = scipy.stats.false_discovery_control(p)
    clear = np.abs(adjusted - level) > 1e-9
    assert (benjamini_hochberg(p, level) == (adjusted <= level))[clear].all()


@settings(max_examples=15)  # statsmodels collects garbage at every call
@given(p_values, st.sampled_from((0.01, 0.05, 0.2)))
def test_holm_is_its_definition(p: np.ndarray, level: float) -> None:
    rejected = np.zeros(len(p), dtype=bool)
    for i, place in enumerate(np.argsort(p, kind="stable")):
        if p[place] > level / (len(p) - i):
            break
        rejected[place] = True
    assert holm(p, level).tolist() == rejected.tolist()
    assert (rejected <= benjamini_hochberg(p, level)).all()  # Holm is the stricter one
    assert (holm(p, level) >= (p <= level / len(p))).all()  # and rejects what Bonferroni does


def test_corrections_by_hand() -> None:
    p = np.array([0.04, 0.01, 0.03, 0.02])
    assert benjamini_hochberg(p).all()  # 0.04 <= 0.05 * 4 / 4, and with it all that are smaller
    assert holm(p).tolist() == [False, True, False, False]  # 0.01 <= 0.05 / 4, but 0.02 > 0.05 / 3
    assert holm(np.array([0.9, 0.02, 0.01])).tolist() == [False, True, True]  # 0.02 <= 0.05 / 2, if not 0.05 / 3
    assert not benjamini_hochberg(np.array([0.06])).any()
    assert holm(np.array([0.0, 1.0])).tolist() == [True, False]


@settings(max_examples=15)  # statsmodels collects garbage at every call
@given(p_values, st.randoms(use_true_random=False))
def test_corrections_follow_their_p_values(p: np.ndarray, random) -> None:
    order = np.array(random.sample(range(len(p)), len(p)))
    for correct in (benjamini_hochberg, holm):
        assert correct(p[order]).tolist() == correct(p)[order].tolist()


def test_a_median_of_five_null_p_values_is_rarely_small() -> None:
    assert median_p(np.array([0.5, 0.01, 0.9, 0.02, 0.03])) == 0.03
    assert median_p(np.array([0.2, 0.4])) == pytest.approx(0.3)
    at = Fraction(1, 20)
    exact = float(sum(comb(5, i) * at**i * (1 - at) ** (5 - i) for i in (3, 4, 5)))  # three of five are below
    assert exact == pytest.approx(0.00116, abs=1e-5)  # the 0.001 of the docstring
    assert exact == pytest.approx(scipy.stats.beta.cdf(0.05, 3, 3))
    draws = np.random.default_rng(0).random((20_000, 5))
    assert np.mean([median_p(row) <= 0.05 for row in draws]) == pytest.approx(exact, abs=4 * (exact / 20_000) ** 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: monte_carlo_p(1.0, np.ones(3), "both"), "side = 'both' arrived; expected one of large, small"),
        (lambda: monte_carlo_p(1.0, np.ones(3), ties="split"), "ties = 'split' arrived; expected one of against, for"),
        (lambda: fisher_combined(np.array([]), 9), r"p = .* at least one"),
        (lambda: fisher_combined(np.array([0.1, np.nan]), 9), "1 not finite"),
        (lambda: fisher_combined(np.array([0.1, 0.25]), 9), "p holds 0.25, which 9 random samples cannot give"),
        (lambda: fisher_combined(np.array([0.0]), 9), "expected multiples of 1/10 up to 1"),
        (lambda: chi_squared_uniform(np.array([1.1]), 9), "at most 1"),
        (lambda: chi_squared_uniform(np.array([0.1]), 20), "pass the number of random samples behind each p-value"),
        (
            lambda: chi_squared_uniform(np.array([1.0]), 0),
            "n_random = 0 arrived",
        ),
        (lambda: benjamini_hochberg(np.array([0.1, np.nan])), "1 not finite"),
        (lambda: holm(np.array([])), "at least one"),
        (lambda: holm(np.array([0.1, 1.2])), "0.1 to 1.2 arrived; .* at most 1"),
        (
            lambda: benjamini_hochberg(np.array([0.1]), 5),
            "expected a finite number above 0 and below 1",
        ),
        (lambda: median_p(np.array([-0.1])), "-0.1 to -0.1 arrived; .* at least 0"),
        (lambda: median_p(np.array([])), r"p = .* at least one"),
    ],
)
def test_bad_p_values_are_refused(call: Callable[[], float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@given(st.integers(1, 400), st.data())
def test_a_printed_p_value_gives_back_its_rank(n: int, data: st.DataObject) -> None:
    rank = data.draw(st.integers(0, n))
    assert ranks_behind(f"{(rank + 1) / (n + 1):.6f}", n) == [rank]
    assert rank in ranks_behind(f"{(rank + 1) / (n + 1):.2f}", n)


def test_ranks_behind_rounded_p_values() -> None:
    assert ranks_behind("0.003", 320) == [0]
    assert ranks_behind("1.000", 320) == [320]
    assert ranks_behind("0.03", 320) == [8, 9, 10]  # 9/321 = 0.028, 11/321 = 0.034
    assert ranks_behind("0.002", 320) == []  # below the least that 320 shuffles allow
    assert ranks_behind("0.12", 7) == ranks_behind("0.13", 7) == [0]  # 1/8 may have been rounded either way


def test_the_interval_of_a_p_value_is_that_of_clopper_and_pearson() -> None:
    low, high = monte_carlo_interval(1 / 100, 99)  # none of 99 is as extreme
    assert (low, high) == pytest.approx((0, 1 - 0.025 ** (1 / 99)))
    low, high = monte_carlo_interval(1.0, 99)  # all are
    assert (low, high) == pytest.approx((0.025 ** (1 / 99), 1))
    low, high = monte_carlo_interval(21 / 100, 99)  # 20 are
    assert scipy.stats.binom.sf(19, 99, low) == pytest.approx(0.025)
    assert scipy.stats.binom.cdf(20, 99, high) == pytest.approx(0.025)


def test_the_interval_of_a_p_value_holds_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for p in (0.01, 0.05, 0.5):
        drawn = [monte_carlo_interval((r + 1) / 40, 39, level=0.9) for r in rng.binomial(39, p, size=400)]
        assert np.mean([low <= p <= high for low, high in drawn]) > 0.87


@pytest.mark.parametrize(("p", "n", "level"), [(0.013, 39, 0.95), (0.5, 39, 1.0), (0.5, 0, 0.95)])
def test_an_interval_of_no_p_value_is_refused(p: float, n: int, level: float) -> None:
    with pytest.raises(InputError):
        monte_carlo_interval(p, n, level)


def test_a_null_sample_that_is_infinitely_far_counts_as_any_other() -> None:
    null = np.array([0.0, np.finfo(float).max])
    assert monte_carlo_p(-1e308, null) == pytest.approx(1 / 3)
    assert monte_carlo_p(-1e308, null, side="large") == 1


@pytest.mark.parametrize("n_random", [np.float16(9), np.float64(9), 9.0, np.int8(9)])
def test_a_whole_number_may_come_in_any_type(n_random):
    p = np.array([0.1, 0.2, 0.5, 1.0])
    assert chi_squared_uniform(p, n_random) == chi_squared_uniform(p, 9)
    assert fisher_combined(p, n_random) == fisher_combined(p, 9)
