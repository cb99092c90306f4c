"""modlib.evidence.sentences: a mean and its interval in words."""

import numpy as np
from scipy.stats import ttest_1samp

from modlib.evidence import over_networks, told, which_way

WORDS = ("lower", "higher", "neither")


def test_the_interval_is_that_of_a_t_test() -> None:
    values = np.random.default_rng(0).normal(1, 2, 12)
    expected = ttest_1samp(values, 0).confidence_interval(0.9)
    assert told(over_networks(values)) == f"{values.mean():.2f} ({expected.low:.2f} to {expected.high:.2f}, n = 12)"


def test_a_single_network_has_no_interval() -> None:
    assert told(over_networks([2.0])) == "2.00 (n = 1)"
    assert which_way(over_networks([-2.0]), *WORDS) == "neither"


def test_what_is_not_measured_is_said_to_be_so() -> None:
    assert "not measured" in told(None)
    assert which_way(None, *WORDS) == "neither"


def test_the_word_follows_the_side_of_the_interval() -> None:
    assert which_way(over_networks([-1.1, -1.0, -0.9]), *WORDS) == "lower"
    assert which_way(over_networks([1.1, 1.0, 0.9]), *WORDS) == "higher"
    assert which_way(over_networks([-2.0, 1.0, 0.5]), *WORDS) == "neither"
