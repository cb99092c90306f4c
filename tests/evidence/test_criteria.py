"""Criteria: each says yes to what it asks, no to what differs, and nothing where the networks cannot tell."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from modlib.evidence.criteria import CRITERIA, IN_WORDS, NO_DIFFERENCE, VERSION, Grade, Sample, combine
from modlib.evidence.metrics import below_all_shuffles, over_networks
from modlib.files import checkout

YES, PARTLY, NO = Grade.REPRODUCED, Grade.PARTLY, Grade.NOT_REPRODUCED
CANNOT_TELL, NOT_TESTED, NO_VALUE = Grade.INCONCLUSIVE, Grade.NOT_TESTED, Grade.NO_VALUE
WORDS = Sample(math.nan, 10)


def grade(name: str, ours: Sample, theirs: Sample = WORDS) -> Grade:
    return CRITERIA[name](ours, theirs)[0]


def around(mean: float, sd: float = 0.1, n: int = 10) -> Sample:
    """Networks with just this mean and spread."""
    places = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    scale = sd / places.std(ddof=1) if n > 1 else 0.0
    return over_networks(mean + scale * places)


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (around(-0.20, 0.02), YES),
        (around(-0.24, 0.02), YES),  # 20% more than the paper's
        (around(-0.30, 0.02), NO),  # 50% more
        (around(-0.26, 0.02), CANNOT_TELL),  # 30% more: within, but the interval is not
        (around(0.0, 0.02), NO),  # no effect
        (around(+0.20, 0.02), NO),  # the other way
        (around(-0.20, 0.2), CANNOT_TELL),  # the mean agrees, the networks scatter
        (around(-0.20, 0.02, 2), CANNOT_TELL),
        (around(-0.20, n=1), CANNOT_TELL),
    ],
)
def test_effects_are_equivalent_within_a_third_of_the_papers(ours, expected):
    assert grade("equivalent", ours, Sample(-0.2, 10, 0.02, effect=-0.2)) is expected


def test_a_level_is_judged_in_units_of_the_effect_it_stands_for():
    # 1% of the level, but half of the distance between network and shuffles.
    assert grade("equivalent", around(2.02, 0.002), Sample(2.0, 10, 0.002, effect=-0.04)) is NO
    assert grade("equivalent", around(2.02, 0.002), Sample(2.0, 10, 0.002, effect=-0.4)) is YES


def test_where_both_have_one_network_the_numbers_are_compared():
    theirs = Sample(1.0, 1, effect=1.0)
    assert grade("equivalent", around(1.2, n=1), theirs) is YES
    assert grade("equivalent", around(1.5, n=1), theirs) is NO
    assert "one network each" in CRITERIA["equivalent"](around(1.2, n=1), theirs)[1]


@pytest.mark.parametrize(("mean", "expected"), [(0.981, YES), (0.975, YES), (0.96, NO), (0.971, CANNOT_TELL)])
def test_accuracies_agree_within_one_hundredth(mean, expected):
    assert grade("accuracy-agrees", around(mean, 0.002), Sample(0.98, 10)) is expected


@pytest.mark.parametrize(
    ("mean", "sd", "expected"),
    [(2.005, 0.03, YES), (2.005, 0.05, NO), (2.005, 0.009, NO), (2.04, 0.02, NO), (2.015, 0.02, CANNOT_TELL)],
)
def test_shuffles_agree_in_mean_and_spread(mean, sd, expected):
    ours = over_networks(around(mean, 0.012).values, sd)
    assert grade("shuffles-agree", ours, Sample(2.0, 10, shuffle_sd=0.02)) is expected


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (Sample(1.0, 10), Sample(1.0, 10), YES),
        (Sample(0.9, 10), Sample(1.0, 10), CANNOT_TELL),
        (Sample(0.5, 10), Sample(0.7, 10), CANNOT_TELL),
        (Sample(0.4, 10), Sample(1.0, 10), NO),  # Fisher p = 0.011
        (Sample(0.0, 2), Sample(0.1, 10), CANNOT_TELL),
        (Sample(0.0, 20), Sample(0.0, 0), YES),
        (Sample(0.5, 20), Sample(0.0, 0), NO),
    ],
)
def test_shares_agree_where_the_interval_is_near_enough(ours, theirs, expected):
    assert grade("share-agrees", ours, theirs) is expected


@pytest.mark.parametrize(("mean", "expected"), [(-0.9, YES), (-0.1, NO), (-3.0, NO), (0.3, NO), (-0.55, CANNOT_TELL)])
def test_cohens_d_agrees_in_size(mean, expected):
    assert grade("effect-agrees", around(mean, 0.1), Sample(-0.8, 10, 0.1)) is expected


def test_no_effect_agrees_with_no_effect_of_the_other_sign():
    assert grade("effect-agrees", around(0.05, 0.05), Sample(-0.05, 10, 0.05)) is YES


@pytest.mark.parametrize(("z", "expected"), [(18, YES), (10, YES), (8, NO), (30, NO), (1.5, NO), (-13, NO)])
def test_z_agrees_in_sign_and_size(z, expected):
    assert grade("z-agrees", Sample(z, 10), Sample(13, 0)) is expected
    assert grade("z-agrees", Sample(z, 2), Sample(13, 0)) is CANNOT_TELL


def p_values(*values: float) -> Sample:
    return Sample(float(np.median(values)), len(values), values=values)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (p_values(1e-8, 1e-7, 1e-9, 2e-8, 3e-8), 1e-8, YES),
        (p_values(0.02, 0.01, 0.015, 0.02, 0.012), 1e-8, NO),  # significant, but much less
        (p_values(0.3, 0.6, 0.5, 0.8, 0.4), 1e-8, NO),
        (p_values(1e-8, 0.9, 1e-3, 0.4, 0.02), 1e-8, CANNOT_TELL),
        (p_values(0.3, 0.6, 0.5, 0.8, 0.4), 0.5, YES),
        (p_values(0.11, 0.12, 0.1, 0.13, 0.11), 0.98, NO),  # neither is significant, but one is all on the other side
        (p_values(1e-8, 1e-7, 1e-9, 2e-8, 3e-8), 0.5, NO),
        (p_values(0.5, 0.6), 0.5, CANNOT_TELL),
    ],
)
def test_p_values_agree_in_conclusion_and_size(ours, theirs, expected):
    assert grade("p-agrees", ours, Sample(theirs, 5)) is expected


def test_a_missing_significance_of_few_networks_shows_no_difference_only_where_the_interval_does():
    assert grade("not-significant", p_values(0.3, 0.6, 0.5, 0.8, 0.4)) is YES
    assert grade("not-significant", p_values(0.3, 0.6)) is CANNOT_TELL
    on_one_side = p_values(*[0.15] * 5, 0.1, 0.2)
    assert (grade("not-significant", on_one_side), grade("no-different", on_one_side)) == (YES, NO)
    assert grade("no-different", p_values(0.3, 0.6, 0.5, 0.8, 0.4)) is YES
    assert grade("no-different", p_values(0.3, 0.6)) is CANNOT_TELL


def test_networks_that_are_no_different_have_a_mean_z_of_about_0() -> None:
    """A p of 1 beside 50 shuffles is one of 51 places, and no proof that networks are less clusterable."""
    grid = np.arange(1, 52) / 51
    assert grade("no-different", over_networks(grid)) is YES
    low, high = re.findall(r"-?\d+\.\d+", CRITERIA["no-different"](over_networks(grid), WORDS)[1].replace("−", "-"))[:2]
    assert float(low) + float(high) == pytest.approx(0, abs=0.1)


def test_a_p_value_alone_is_compared_too() -> None:
    assert grade("p-agrees", Sample(0.01, 5), Sample(0.01, 5)) is YES


def test_what_never_happens_is_told_as_its_own_share() -> None:
    assert CRITERIA["never"](Sample(0.0, 10), WORDS)[1].startswith("0, 90% interval 0.00 to 0.2")
    assert grade("not-significant", p_values(0.06, 0.2, 0.001, 0.5)) is CANNOT_TELL
    assert grade("not-significant", p_values(1e-4, 1e-3, 2e-3, 1e-5)) is NO
    assert grade("significant", p_values(1e-4, 1e-3, 2e-3, 1e-5)) is YES
    assert grade("significant", Sample(0.01, 9)) is YES
    assert grade("significant", Sample(0.2, 9)) is CANNOT_TELL


@pytest.mark.parametrize(
    ("least", "expected"),
    [(2.31, YES), (2.2, NO), (2.6, NO)],  # beyond the limit; so far within that it is no limit
)
def test_ends_of_a_range_and_a_limit_that_is_near(least, expected):
    values = tuple(least + 0.001 * np.arange(20))
    assert grade("at-least", Sample(least, 20, values=values), Sample(2.3, 200)) is expected
    expected = YES if least > 2.3 else NO
    assert grade("above-lower-end", Sample(least, 20, values=values), Sample(2.3, 200)) is expected
    mirrored = tuple(-value for value in values)
    assert grade("below-upper-end", Sample(-least, 20, values=mirrored), Sample(-2.3, 200)) is expected


def test_one_network_in_twenty_may_lie_beyond_an_end():
    values = (2.29, *(2.31 + 0.001 * np.arange(19)))
    assert grade("above-lower-end", Sample(2.29, 20, values=values), Sample(2.3, 200)) is YES
    assert grade("above-lower-end", Sample(2.29, 20, values=(2.29, *values[:-1])), Sample(2.3, 200)) is NO


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (around(1, 1), YES),
        (around(0.1, 1), CANNOT_TELL),  # a difference that was not found is none that is not there
        (around(0.1, 1, 5), CANNOT_TELL),
        (around(0.0, 1, 200), NO),  # less than a small effect is left
        (around(-0.5, 1), NO),
        (around(-1, 0.3, 5), NO),  # the contrary is shown
        (around(1, 0.1, 2), CANNOT_TELL),
        (Sample(0.5, 4, 0.0, values=(0.5,) * 4), YES),
    ],
)
def test_more_is_shown_by_a_t_test_and_refuted_by_an_interval_below_a_small_effect(ours, expected):
    assert grade("above-zero", ours) is expected
    opposite = Sample(-ours.mean, ours.n, ours.sd, values=tuple(-value for value in ours.values))
    assert grade("below-zero", opposite) is expected


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("below-one", 0.3, 1.5),
        ("below-three", -2.0, 4.0),
        ("below-a-quarter", 0.1, 0.5),
        ("below-a-tenth", 0.0, 0.3),
        ("above-a-tenth", 0.3, 0.05),
        ("between-zero-and-one", 0.5, -0.5),
    ],
)
def test_no_difference_and_a_clear_one_are_intervals_within_limits(name, inside, outside):
    assert grade(name, around(inside, 0.05)) is YES
    assert grade(name, around(outside, 0.05)) is NO
    assert grade(name, around(inside, 10)) is CANNOT_TELL
    assert grade(name, around(inside, n=1)) is CANNOT_TELL


@pytest.mark.parametrize(
    ("name", "ours", "expected"),
    [
        ("nearly-always", Sample(1.0, 10), YES),
        ("nearly-always", Sample(0.8, 10), CANNOT_TELL),
        ("nearly-always", Sample(0.2, 10), NO),
        ("nearly-always", Sample(1.0, 2), CANNOT_TELL),
        ("mostly", around(0.7, 0.1, 5), YES),
        ("mostly", around(0.55, 0.2, 5), CANNOT_TELL),
        ("mostly", around(0.3, 0.1, 5), NO),
        ("never", Sample(0.0, 10), YES),
        ("never", Sample(0.0, 4), CANNOT_TELL),
        ("never", around(0.4, 0.05), NO),
        ("nearly-all", Sample(0.95, 20), YES),
        ("nearly-all", Sample(0.5, 20), NO),
    ],
)
def test_shares_in_words(name, ours, expected):
    assert grade(name, ours) is expected


@pytest.mark.parametrize("name", sorted(set(CRITERIA) - {"nearly-all", "significant"}))
def test_one_network_decides_nothing_that_varies_between_networks(name):
    for value in (0.0, 0.3, 1.0, 1e-9):
        assert grade(name, Sample(value, 1, values=(value,)), Sample(0.5, 10, 0.1, 0.1)) is CANNOT_TELL


def test_noise_is_reproduced_only_where_no_difference_is_claimed():
    rng = np.random.default_rng(0)
    for name in ("above-zero", "below-zero"):
        grades = [grade(name, over_networks(rng.normal(size=10))) for _ in range(300)]
        assert grades.count(YES) / 300 < 0.1
    networks = [over_networks(2.0 + 0.02 * rng.normal(size=10)) for _ in range(300)]
    theirs = Sample(1.8, 10, 0.02, effect=-0.2)
    assert not any(grade("equivalent", ours, theirs) is YES for ours in networks)


def test_every_criterion_says_what_it_asks():
    assert all(function.__doc__ and len(function.__doc__) > 40 for function in CRITERIA.values())
    assert NO_DIFFERENCE < IN_WORDS < set(CRITERIA)


@pytest.mark.parametrize(
    ("grades", "expected"),
    [
        ([YES, YES], YES),
        ([YES, NO_VALUE], YES),
        ([YES, NOT_TESTED, CANNOT_TELL], YES),
        ([YES, YES, NO], PARTLY),
        ([NO, YES, YES], NO),
        ([CANNOT_TELL, YES], CANNOT_TELL),
        ([NOT_TESTED, YES], NOT_TESTED),
        ([NO_VALUE], NO_VALUE),
    ],
)
def test_the_main_number_decides(grades, expected):
    assert combine(grades, [False] * len(grades)) is expected
    if expected is not PARTLY:
        assert combine(grades, [True] + [False] * (len(grades) - 1)) is expected


def test_every_part_of_a_claim_in_words_must_be_shown():
    assert combine([YES, CANNOT_TELL], [True, True]) is CANNOT_TELL
    assert combine([YES, CANNOT_TELL], [True, False]) is YES
    assert combine([YES, CANNOT_TELL], [False, True]) is YES
    assert combine([YES, CANNOT_TELL, NO], [True, True, True]) is PARTLY
    assert combine([YES, NOT_TESTED], [True, True]) is YES
    assert combine([NO, CANNOT_TELL], [True, True]) is NO


def test_significant_means_below_all_shuffles():
    assert below_all_shuffles(0.003, 320)  # as the papers print 1/321
    assert below_all_shuffles(round(1 / 51, 6), 50)
    assert not below_all_shuffles(2 / 321, 320)


def test_the_scorecard_page_tells_the_history_of_the_criteria_up_to_this_version() -> None:
    page = (checkout() / "book" / "scorecard.md").read_text(encoding="utf-8")
    history = page.split("### How the criteria came about")[1].split("\n##")[0]
    assert re.findall(r"^Version (\d+\.\d+), ", history, re.MULTILINE)[-1] == VERSION
    for elsewhere in ("book/claims.yml", "modlib/evidence/criteria.py"):  # which only point to it
        head = (checkout() / elsewhere).read_text(encoding="utf-8").split("\n\n- paper")[0]
        assert not re.search(r"[Vv]ersion 2", head)


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "expected"),
    [
        ("three-quarters", Sample(0.85, 40), WORDS, CANNOT_TELL),  # its interval reaches below 0.75
        ("three-quarters", Sample(0.95, 40), WORDS, YES),
        ("z-agrees", Sample(1.5, 5), Sample(1.5, 5), NO),  # equal, but not beyond 2
        ("z-agrees", Sample(2.5, 5), Sample(2.5, 5), YES),
        ("never", Sample(0.05, 100), WORDS, CANNOT_TELL),  # more than one in a hundred
        ("never", Sample(0.01, 100), WORDS, YES),
        ("below-a-quarter", around(0.3, 0.01), WORDS, NO),
        ("below-a-quarter", around(0.2, 0.01), WORDS, YES),
        ("at-least", over_networks(np.array([1.07, 1.2, 1.3, 1.2])), Sample(1.0, 5), NO),  # the limit is not near
        ("at-least", over_networks(np.array([1.04, 1.2, 1.3, 1.2])), Sample(1.0, 5), YES),
        ("significant", over_networks(np.array([0.04, 0.041, 0.042, 0.04])), WORDS, YES),  # z is 1.74
        ("significant", over_networks(np.array([0.06, 0.061, 0.062, 0.06])), WORDS, NO),
        ("significant", Sample(0.07, 1), WORDS, CANNOT_TELL),
        ("significant", Sample(0.03, 1), WORDS, YES),
        ("nearly-all", Sample(0.89, 100), WORDS, NO),
        ("nearly-all", Sample(0.9, 100), WORDS, YES),
        ("equivalent", around(1.4, 2.0, 5), Sample(1.0, 10), CANNOT_TELL),  # beyond the margin, but it may be chance
    ],
)
def test_limits_lie_where_the_criteria_say(name: str, ours: Sample, theirs: Sample, expected: Grade) -> None:
    assert grade(name, ours, theirs) is expected
