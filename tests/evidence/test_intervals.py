"""Intervals: what theory says, agreement with statsmodels' equivalence tests, and what they do to noise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm, t
from statsmodels.stats.weightstats import CompareMeans, ttost_ind

from modlib.evidence.intervals import (
    interval_of_difference,
    interval_of_mean,
    interval_of_share,
    power_of_t,
)

SAMPLES = st.lists(st.floats(-5, 5), min_size=3, max_size=12).filter(lambda values: np.std(values) > 0.01)


@settings(deadline=None, max_examples=40)
@given(SAMPLES, SAMPLES)
def test_the_interval_of_a_difference_is_statsmodels_and_decides_as_its_equivalence_test(first, second):
    difference = np.mean(first) - np.mean(second)
    sds = float(np.std(first, ddof=1)), float(np.std(second, ddof=1))
    ours = interval_of_difference(difference, sds, (len(first), len(second)))
    theirs = CompareMeans.from_data(first, second).tconfint_diff(alpha=0.1, usevar="unequal")
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    for margin in (0.5, 2.0, 8.0):
        p = ttost_ind(np.array(first), np.array(second), -margin, margin, usevar="unequal")[0]
        if abs(p - 0.05) > 1e-9:
            assert (-margin <= ours[0] and ours[1] <= margin) == (p < 0.05)


def test_the_interval_of_a_mean_is_students():
    values = [1.0, 2.0, 4.0, 3.5]
    half = t.ppf(0.95, 3) * np.std(values, ddof=1) / 2
    np.testing.assert_allclose(interval_of_mean(values), (np.mean(values) - half, np.mean(values) + half))


def test_one_network_or_no_spread_tells_nothing():
    assert interval_of_mean([3.0]) == (-math.inf, math.inf)
    assert interval_of_difference(0.1, (math.nan, math.nan), (10, 10)) == (-math.inf, math.inf)
    assert interval_of_difference(0.1, (math.nan, math.nan), (1, 1)) == (-math.inf, math.inf)


def test_what_is_not_known_of_one_side_is_taken_from_the_other_as_one_estimate():
    """Student's interval with the spread of one sample, which has n - 1 degrees of freedom."""
    half = t.ppf(0.95, 7) * 0.3 * math.sqrt(2 / 8)
    np.testing.assert_allclose(interval_of_difference(1, (0.3, math.nan), (8, 8)), (1 - half, 1 + half))
    np.testing.assert_allclose(interval_of_difference(1, (math.nan, 0.3), (8, 8)), (1 - half, 1 + half))
    assert interval_of_difference(1, (0.3, 0.2), (8, 0)) == interval_of_difference(1, (0.3, 0.2), (8, 8))
    assert interval_of_difference(0.5, (0.0, math.nan), (4, 4)) == (0.5, 0.5)


def test_a_single_network_of_theirs_has_the_spread_of_ours_but_no_degrees_of_freedom():
    low, high = interval_of_difference(0.0, (1.0, math.nan), (9, 1))
    half = t.ppf(0.95, 8) * math.sqrt(1 / 9 + 1)
    np.testing.assert_allclose((low, high), (-half, half))


@pytest.mark.parametrize("ns", [(3, 1), (5, 1), (3, 5), (5, 10), (10, 10)])
def test_intervals_with_one_spread_known_have_the_level_that_they_claim(ns):
    rng = np.random.default_rng(0)
    ours, theirs = (rng.normal(size=(4000, n)) for n in ns)
    pairs = zip(ours.mean(axis=1) - theirs.mean(axis=1), ours.std(axis=1, ddof=1), strict=True)
    intervals = [interval_of_difference(difference, (sd, math.nan), ns) for difference, sd in pairs]
    assert np.mean([low <= 0 <= high for low, high in intervals]) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(("share", "n"), [(1.0, 10), (1.0, 3), (0.5, 10), (0.0, 7)])
def test_the_interval_of_a_share_is_wilsons(share, n):
    z2 = norm.ppf(0.95) ** 2
    centre, half = share + z2 / (2 * n), math.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n)
    expected = ((centre - half) / (1 + z2 / n), (centre + half) / (1 + z2 / n))
    np.testing.assert_allclose(interval_of_share(share, n), expected, atol=1e-12)


def test_the_power_is_the_share_of_simulated_samples_that_a_t_test_finds():
    rng = np.random.default_rng(0)
    draws = rng.normal(1.0, 1.0, size=(4000, 8))
    statistic = draws.mean(1) / (draws.std(1, ddof=1) / math.sqrt(8))
    assert power_of_t(8) == pytest.approx((statistic > t.ppf(0.95, 7)).mean(), abs=0.02)
