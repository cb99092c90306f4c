"""modlib.evidence.sentences: a mean and its interval in words."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from modlib.evidence import Sample, interval, over_networks, told, which_way

WORDS = ("lower", "higher", "neither")


def test_the_interval_is_that_of_a_t_test() -> None:
    values = np.random.default_rng(0).normal(1, 2, 12)
    expected = ttest_1samp(values, 0).confidence_interval()
    assert interval(over_networks(values)) == pytest.approx((expected.low, expected.high))


def test_the_interval_of_normal_networks_holds_the_truth_as_often_as_it_says() -> None:
    draws = np.random.default_rng(1).normal(3, 1, (1000, 5))
    ends = [interval(over_networks(values)) for values in draws]
    assert 0.93 < np.mean([low <= 3 <= high for low, high in ends]) < 0.97


def test_a_single_network_has_no_interval() -> None:
    assert all(math.isnan(end) for end in interval(Sample(2.0, 1)))
    assert told(Sample(2.0, 1)) == "2.00 (n = 1)"
    assert which_way(Sample(-2.0, 1), *WORDS) == "neither"


def test_what_is_not_measured_is_said_to_be_so() -> None:
    assert "not measured" in told(None)
    assert which_way(None, *WORDS) == "neither"


def test_the_word_follows_the_side_of_the_interval() -> None:
    assert which_way(Sample(-1.0, 5, 0.1), *WORDS) == "lower"
    assert which_way(Sample(1.0, 5, 0.1), *WORDS) == "higher"
    assert which_way(Sample(-1.0, 5, 3.0), *WORDS) == "neither"
