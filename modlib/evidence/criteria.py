"""Criteria: when does our number agree with a paper's? Each is a function with a name.

They were written before any result was looked at. What the papers print is rounded, and a network of ours
has no counterpart among theirs, so all of them compare groups of networks. Chapter: ``scorecard``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

SMALL_EFFECT = 0.2  # Cohen's "small" d
FACTOR = 2.0  # by which the standard deviation of shuffles may differ
SHARE = 0.3  # by which the share of significant networks may differ: three networks of ten
SIGNIFICANT = 0.05


class Grade(StrEnum):
    """What a comparison comes to, from best to worst, then what could not be compared."""

    REPRODUCED = "reproduced"
    PARTLY = "partly"
    NOT_REPRODUCED = "not reproduced"
    NOT_TESTED = "not tested at this scale"
    NO_VALUE = "no value in the source"


@dataclass(frozen=True)
class Sample:
    """One number of a paper, or ours, as the summary of n networks.

    Attributes:
        mean: the number itself, mostly a mean over networks; a share for shares.
        n: networks behind it.
        sd: standard deviation between networks (n - 1); NaN where it is not known.
        shuffle_sd: standard deviation of the networks' shuffles; NaN where there is none.
        values: (n,) numbers of the single networks; empty where only the summary is known.
    """

    mean: float
    n: int
    sd: float = math.nan
    shuffle_sd: float = math.nan
    values: tuple[float, ...] = ()


Judgement: TypeAlias = tuple[Grade, str]


def mean_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """The means differ by at most 2%, or by 3 standard errors of their difference; partly up to 5%.

    The standard error is s sqrt(1/n + 1/m), s the standard deviation between networks, pooled over ours and
    theirs as far as they are known.
    """
    size = abs(theirs.mean)
    return _close(ours, theirs, 0.02 * size, 0.05 * size)


def accuracy_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """The mean accuracies differ by at most 0.01, or by 3 standard errors of their difference; partly up to 0.02."""
    return _close(ours, theirs, 0.01, 0.02)


def distribution_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """The shuffles' mean agrees as in ``mean-agrees``, and their standard deviation within a factor of 2.

    Partly if the mean agrees in part, or if the standard deviation does not.
    """
    grade, why = mean_agrees(ours, theirs)
    ratio = ours.shuffle_sd / theirs.shuffle_sd if theirs.shuffle_sd > 0 else math.nan
    if math.isnan(ratio):
        return grade, why
    why += f"; standard deviation {ratio:.2f} times the paper's"
    alike = 1 / FACTOR <= ratio <= FACTOR
    return (Grade.PARTLY if grade is Grade.REPRODUCED and not alike else grade), why


def share_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """The shares of networks differ by at most 0.3; partly if Fisher's exact test allows more (p > 0.05).

    Not tested where our networks are so few that no outcome could fail Fisher's test.
    """
    p = _fisher(ours.mean, ours.n, theirs)
    if min(_fisher(0, ours.n, theirs), _fisher(1, ours.n, theirs)) > SIGNIFICANT:
        return Grade.NOT_TESTED, f"no outcome of {ours.n} networks could contradict the paper"
    difference = abs(ours.mean - theirs.mean)
    why = f"differs by {difference:.2f}, Fisher p = {p:.3f}"
    if difference <= SHARE + 1e-9:
        return Grade.REPRODUCED, why
    return (Grade.PARTLY if p > SIGNIFICANT else Grade.NOT_REPRODUCED), why


def effect_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """Size and sign of the mean Cohen's d agree; partly if only one of them does.

    Size: within 0.2 ("small") or 3 standard errors of the difference. Sign: equal, or both below 0.2 in size.
    """
    size, why = _close(ours, theirs, SMALL_EFFECT, SMALL_EFFECT)
    none = max(abs(ours.mean), abs(theirs.mean)) < SMALL_EFFECT
    sign = none or ours.mean * theirs.mean > 0
    right = (size is Grade.REPRODUCED) + sign
    why += "; no effect in both" if none else f"; {'same' if sign else 'opposite'} sign"
    return (Grade.NOT_REPRODUCED, Grade.PARTLY, Grade.REPRODUCED)[right], why


def z_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """Z has the paper's sign, is beyond 2, and lies within a factor of 1.5 or within 3; partly without the last.

    A Z-score of two groups has a standard error of 1, and of more where the spread rests on ten networks.
    """
    ratio = ours.mean / theirs.mean
    why = f"{ratio:.2f} times the paper's"
    if ratio <= 0 or abs(ours.mean) <= 2:
        return Grade.NOT_REPRODUCED, why
    near = 1 / 1.5 <= ratio <= 1.5 or abs(ours.mean - theirs.mean) <= 3
    return (Grade.REPRODUCED if near else Grade.PARTLY), why


def p_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """Both p-values are below 0.05, or neither is: how small a p-value is, says little once it is."""
    same = (ours.mean < SIGNIFICANT) == (theirs.mean < SIGNIFICANT)
    why = f"{ours.mean:.2g} and {theirs.mean:.2g} lie on {'the same side' if same else 'either side'} of {SIGNIFICANT}"
    return (Grade.REPRODUCED if same else Grade.NOT_REPRODUCED), why


def above_lower_end(ours: Sample, theirs: Sample) -> Judgement:
    """At least 95% of the networks lie above the lower end of the paper's range; partly from 75%."""
    return _inside(ours, [value >= theirs.mean for value in ours.values], "above")


def below_upper_end(ours: Sample, theirs: Sample) -> Judgement:
    """At least 95% of the networks lie below the upper end of the paper's range; partly from 75%."""
    return _inside(ours, [value <= theirs.mean for value in ours.values], "below")


def below_chance(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "lower than chance" without a number: the mean Z is negative (one-sided t-test, p < 0.05).

    Partly if it is negative without being significant. Not tested with fewer than three networks.
    """
    return _one_sided(ours, "less")


def above_zero(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "more" without a number: the mean difference is positive (one-sided t-test, p < 0.05).

    Partly if it is positive without being significant. Not tested with fewer than three seeds.
    """
    return _one_sided(ours, "greater")


def below_zero(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "less" without a number: the mean difference is negative (one-sided t-test, p < 0.05).

    Partly if it is negative without being significant. Not tested with fewer than three seeds.
    """
    return _one_sided(ours, "less")


def below_one(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "minor" of communities or percentage points: the mean is below 1 in size; partly below 2."""
    return _at_most(abs(ours.mean), 1, 2)


def below_a_quarter(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "similar": the mean difference is below 0.25 in size; partly below 0.5."""
    return _at_most(abs(ours.mean), 0.25, 0.5)


def below_a_tenth(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "similar" of shares: the mean difference is below 0.1 in size; partly below 0.2."""
    return _at_most(abs(ours.mean), 0.1, 0.2)


def significant(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "differ": the test's p is below 0.05."""
    return (Grade.REPRODUCED if ours.mean < SIGNIFICANT else Grade.NOT_REPRODUCED), f"p = {ours.mean:.2g}"


def not_significant(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "do not differ": the test's p is at least 0.05."""
    return (Grade.NOT_REPRODUCED if ours.mean < SIGNIFICANT else Grade.REPRODUCED), f"p = {ours.mean:.2g}"


def nearly_always(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "typically" or "rarely" otherwise: a share of at least 0.9; partly of at least 0.5."""
    return _at_most(1 - ours.mean, 0.1, 0.5)


def mostly(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "usually": a share above a half."""
    return (Grade.REPRODUCED if ours.mean > 0.5 else Grade.NOT_REPRODUCED), f"{ours.mean:.1%} of {ours.n}"


def never(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "never" or "only" otherwise: a share of 0; partly up to 0.01."""
    return _at_most(ours.mean, 0, 0.01)


Criterion: TypeAlias = Callable[[Sample, Sample], Judgement]
_OF_NUMBERS = (
    mean_agrees,
    accuracy_agrees,
    distribution_agrees,
    share_agrees,
    effect_agrees,
    z_agrees,
    p_agrees,
    above_lower_end,
    below_upper_end,
)
_OF_WORDS = (
    below_chance,
    above_zero,
    below_zero,
    below_one,
    below_a_quarter,
    below_a_tenth,
    significant,
    not_significant,
    nearly_always,
    mostly,
    never,
)


def _named(functions: Iterable[Criterion]) -> dict[str, Criterion]:
    return {function.__name__.replace("_", "-"): function for function in functions}


CRITERIA = _named((*_OF_NUMBERS, *_OF_WORDS))
IN_WORDS = frozenset(_named(_OF_WORDS))  # criteria of claims that print no number


def combine(grades: Iterable[Grade]) -> Grade:
    """Verdict of a claim from the grades of its numbers.

    Numbers that the source has lost do not count. Reproduced if all others are; not reproduced if none of those
    tested is even partly; partly otherwise, so that a number which could not be tested never adds to a success.
    """
    counted = [grade for grade in grades if grade is not Grade.NO_VALUE]
    tested = [grade for grade in counted if grade is not Grade.NOT_TESTED]
    if not counted:
        return Grade.NO_VALUE
    if not tested:
        return Grade.NOT_TESTED
    if all(grade is Grade.REPRODUCED for grade in counted):
        return Grade.REPRODUCED
    if all(grade is Grade.NOT_REPRODUCED for grade in tested):
        return Grade.NOT_REPRODUCED
    return Grade.PARTLY


def _close(ours: Sample, theirs: Sample, full: float, part: float) -> Judgement:
    """Grade of the difference of two means; noise widens the full tolerance."""
    difference = abs(ours.mean - theirs.mean)
    tolerance = max(full, 3 * _standard_error(ours, theirs))
    why = f"differs by {difference:.3g}, tolerance {tolerance:.3g}"
    if difference <= tolerance + 1e-9:
        return Grade.REPRODUCED, why
    return (Grade.PARTLY if difference <= part + 1e-9 else Grade.NOT_REPRODUCED), why


def _at_most(size: float, full: float, part: float) -> Judgement:
    """Grade of a size that should not exceed a limit."""
    grade = Grade.REPRODUCED if size <= full else Grade.PARTLY if size <= part else Grade.NOT_REPRODUCED
    return grade, f"{size:.3g}, limit {full:g}"


def _one_sided(ours: Sample, side: str) -> Judgement:
    """Grade of a mean that should lie on one side of 0."""
    from scipy.stats import ttest_1samp

    if ours.n < 3:
        return Grade.NOT_TESTED, f"too few networks for a t-test: {ours.n}"
    p = float(ttest_1samp(ours.values, 0, alternative=side).pvalue)
    why = f"one-sided t-test, p = {p:.2g}"
    if p < SIGNIFICANT:
        return Grade.REPRODUCED, why
    right = ours.mean < 0 if side == "less" else ours.mean > 0
    return (Grade.PARTLY if right else Grade.NOT_REPRODUCED), why


def _standard_error(ours: Sample, theirs: Sample) -> float:
    known = [(s.n - 1, s.sd) for s in (ours, theirs) if s.n > 1 and not math.isnan(s.sd)]
    if not known:
        return 0.0
    variance = sum(df * sd**2 for df, sd in known) / sum(df for df, _ in known)
    return math.sqrt(variance * (1 / ours.n + 1 / theirs.n))


def _fisher(share: float, n: int, theirs: Sample) -> float:
    from scipy.stats import fisher_exact

    ours, paper = round(share * n), round(theirs.mean * theirs.n)
    return float(fisher_exact([[ours, n - ours], [paper, theirs.n - paper]]).pvalue)


def _inside(ours: Sample, inside: list[bool], side: str) -> Judgement:
    share = sum(inside) / ours.n
    why = f"{share:.0%} of {ours.n} networks lie {side} it"
    if share >= 0.95:
        return Grade.REPRODUCED, why
    return (Grade.PARTLY if share >= 0.75 else Grade.NOT_REPRODUCED), why
