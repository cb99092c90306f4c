"""modlib.stats against naive forms, SciPy and statsmodels, and the p-values that the papers print."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import statsmodels.stats.meta_analysis
from hypothesis import given
from hypothesis import strategies as st

from modlib.errors import InputError
from modlib.stats import cohens_d, monte_carlo_p, pooled_mean_sd, ranks_behind, z_score

samples = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=3, max_size=30).map(np.array)


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


@given(samples)
def test_z_score_equals_scipy(null: np.ndarray) -> None:
    if null.std() > 1e-6:
        assert z_score(1.5, null) == pytest.approx(scipy.stats.zmap(1.5, null, ddof=1).item())


def test_no_spread_gives_nan() -> None:
    assert np.isnan(z_score(1.0, np.ones(4)))
    assert np.isnan(cohens_d(np.ones(4), np.zeros(3)))


@given(samples, samples)
def test_cohens_d_equals_statsmodels(first: np.ndarray, second: np.ndarray) -> None:
    if first.std() + second.std() < 1e-3:
        return
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
        (lambda: monte_carlo_p(1.0, np.array([])), r"null holds 0 value\(s\).* expected at least 1 finite"),
        (lambda: monte_carlo_p(np.nan, np.ones(3)), "measured statistic is nan; expected a finite number"),
        (lambda: monte_carlo_p(1.0, np.array([1.0, np.inf])), "1 of them not finite"),
        (lambda: z_score(1.0, np.ones(1)), "expected at least 2"),
        (lambda: cohens_d(np.ones(2), np.ones(1)), "second holds 1 value"),
    ],
)
def test_samples_that_are_too_few_or_not_finite_are_refused(call: Callable[[], float], message: str) -> None:
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
