"""Criteria: when does our number agree with a paper's? Each is a function with a name.

What is compared is an effect: how far a network lies from its shuffles, two conditions from each other, a p-value from
what chance gives. Margins are shares of the paper's own effect; agreement is shown by equivalence (two one-sided
tests), never by a difference that was not found. The unit is the network: what varies between networks is not decided
by one or two of them. Verdicts of version 1 are in ``book/verdicts-v1.csv``; the page ``scorecard`` tells what each
version changed, and why. Chapter: ``scorecard``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np

from modlib.evidence.digits import LEAST_P, plain
from modlib.evidence.intervals import Interval, interval_of_difference, interval_of_mean, interval_of_share, power_of_t

VERSION = "2.7"  # its changes are told in book/scorecard.md
SIGNIFICANT = 0.05
MARGIN = 0.35  # share of the paper's effect that a difference may reach
SHARE = 0.25  # by which the share of networks may differ
ACCURACY = 0.01  # by which accuracies may differ
FACTOR = 2.0  # by which the standard deviation of shuffles may differ
SIZE = 1.5  # by which a Z may differ
SMALL_EFFECT = 0.2  # Cohen's "small" d: less is no effect
FEWEST = 3  # networks that decide what varies between networks
ONE_SIDED_Z = 1.645  # of p = 0.05
LARGEST_P = 0.99  # as which a larger p counts: beside 50 shuffles a p of 1 says no more


class Grade(StrEnum):
    """What a comparison comes to, from best to worst, then what could not be compared."""

    REPRODUCED = "reproduced"
    PARTLY = "partly"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
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
        effect: size of the effect that the number is about, of which a margin is a share; NaN for the number's own.
    """

    mean: float
    n: int
    sd: float = math.nan
    shuffle_sd: float = math.nan
    values: tuple[float, ...] = ()
    effect: float = math.nan

    @property
    def size(self) -> float:
        """Of the effect, at least 0."""
        return abs(self.mean) if math.isnan(self.effect) else abs(self.effect)


Judgement: TypeAlias = tuple[Grade, str]


def equivalent(ours: Sample, theirs: Sample) -> Judgement:
    """The means are equivalent: the 90% interval of their difference lies within 35% of the paper's effect.

    This is the pair of one-sided Welch tests at 0.05, with the standard deviations between networks as far as they are
    known. Not reproduced if the difference is beyond the margin and significant (two-sided, 0.05).
    """
    return _equivalent(ours, theirs, MARGIN * theirs.size)


def accuracy_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """The mean accuracies are equivalent: the 90% interval of their difference lies within 0.01."""
    return _equivalent(ours, theirs, ACCURACY)


def effect_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """Mean d (Cohen's) or correlations are equivalent, within the larger of 35% of the paper's and 0.2 ("small")."""
    return _equivalent(ours, theirs, max(MARGIN * theirs.size, SMALL_EFFECT))


def shuffles_agree(ours: Sample, theirs: Sample) -> Judgement:
    """The mean of the shuffles is equivalent to the paper's, and their standard deviation is within a factor of 2.

    The margin of the mean is one standard deviation of the paper's shuffles.
    """
    if math.isnan(theirs.shuffle_sd):
        return equivalent(ours, theirs)
    grade, why = _equivalent(ours, theirs, theirs.shuffle_sd)
    ratio = ours.shuffle_sd / theirs.shuffle_sd
    alike = 1 / FACTOR <= ratio <= FACTOR
    why += f"; standard deviation {ratio:.2f} times the paper's"
    why += "" if alike else f", where {1 / FACTOR:g} to {FACTOR:g} times is allowed"
    return (Grade.NOT_REPRODUCED if grade is Grade.REPRODUCED and not alike else grade), why


def share_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """The shares of networks are equivalent: our 90% interval (Wilson) lies within 0.25 of the paper's share.

    Not reproduced if Fisher's exact test tells them apart (0.05); a binomial test where the paper's n is not known.

    The paper's share counts as exact, and Wilson's interval is narrower than an exact one: at the margin, where 10 of
    10 networks are compared with a share of 0.75, the one-sided error is 5.6%, and 9% for 4 networks.
    """
    if ours.n < FEWEST:
        return _too_few(ours)
    low, high = _interval(ours)
    p = _fisher(ours, theirs)
    why = f"90% interval {low:.2f} to {high:.2f}, may differ by {SHARE:g}; {_p(p)}"
    if p < SIGNIFICANT:
        return Grade.NOT_REPRODUCED, why
    inside = low >= theirs.mean - SHARE - 1e-9 and high <= theirs.mean + SHARE + 1e-9
    return (Grade.REPRODUCED if inside else Grade.INCONCLUSIVE), why


def z_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """Z has the paper's sign, is beyond 2, and lies within a factor of 1.5 of the paper's."""
    if ours.n < FEWEST:
        return _too_few(ours)
    ratio = ours.mean / theirs.mean
    near = abs(ours.mean) > 2 and 1 / SIZE <= ratio <= SIZE
    return (Grade.REPRODUCED if near else Grade.NOT_REPRODUCED), f"{ratio:.2f} times the paper's"


def p_agrees(ours: Sample, theirs: Sample) -> Judgement:
    """Same conclusion at 0.05, and an effect of similar size; of both, z = Phi^-1(1 - p), one a network.

    Where the paper's p is significant, our mean z must be shown to be above 1.645 (90% interval) and lie within a
    factor of 1.5 of the paper's z. Where it is not, our mean z must be shown to be below 1.645, and lie within 1.645 of
    the paper's. Not reproduced if the interval lies on the other side, or if z is of another size.
    """
    grade, why = (significant if theirs.mean < SIGNIFICANT else not_significant)(ours, theirs)
    if grade is not Grade.REPRODUCED:
        return grade, why
    mean, paper = float(np.mean(_z_of_p(ours.values or (ours.mean,)))), float(_z_of_p([theirs.mean])[0])
    near = 1 / SIZE <= mean / paper <= SIZE if theirs.mean < SIGNIFICANT else abs(mean - paper) <= ONE_SIDED_Z
    return (Grade.REPRODUCED if near else Grade.NOT_REPRODUCED), f"{why}; the paper's z is {paper:.2f}"


def above_lower_end(ours: Sample, theirs: Sample) -> Judgement:
    """At least 95% of the networks lie above the lower end of the paper's range; their mean does (t-test, 0.05)."""
    return _end(ours, theirs, 1)


def at_least(ours: Sample, theirs: Sample) -> Judgement:
    """As ``above-lower-end``, and the paper's limit is near: our lowest network lies no more than 5% above it."""
    grade, why = _end(ours, theirs, 1)
    far = min(ours.values) > 1.05 * theirs.mean
    return (Grade.NOT_REPRODUCED if grade is Grade.REPRODUCED and far else grade), why


def below_upper_end(ours: Sample, theirs: Sample) -> Judgement:
    """At least 95% of the networks lie below the upper end of the paper's range; their mean does (t-test, 0.05)."""
    return _end(ours, theirs, -1)


def above_zero(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "more" without a number: the mean difference is positive (one-sided t-test, 0.05).

    Not reproduced if the 90% interval lies below a small effect, 0.2 standard deviations between networks (Cohen); a
    difference that was merely not found is inconclusive.
    """
    return _one_sided(ours, 1)


def below_zero(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "less" without a number: the mean difference is negative; see ``above-zero``."""
    return _one_sided(ours, -1)


def between_zero_and_one(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "also, but less": the 90% interval of the mean ratio lies between 0 and 1."""
    return _within(ours, 0, 1)


def below_one(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "minor" of communities or percentage points: the 90% interval lies within 1 of 0."""
    return _within(ours, -1, 1)


def below_three(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "does not hurt"; its authors print up to 2.7 points elsewhere: the 90% interval lies within 3."""
    return _within(ours, -3, 3)


def below_a_quarter(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "similar": the 90% interval of the mean difference lies within 0.25 of 0."""
    return _within(ours, -0.25, 0.25)


def below_a_tenth(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "similar" of shares: the 90% interval of the mean difference lies within 0.1 of 0."""
    return _within(ours, -0.1, 0.1)


def above_a_tenth(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "fails" or "much lower": the 90% interval of the mean difference of shares lies above 0.1."""
    return _within(ours, 0.1, math.inf)


def significant(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "differ": p is below 0.05; where each network has a p, the 90% interval of z is above 1.645.

    One p that is not below 0.05 is inconclusive: a difference that was not found may be there.
    """
    if len(ours.values) == 0:
        return (Grade.REPRODUCED if ours.mean < SIGNIFICANT else Grade.INCONCLUSIVE), _p(ours.mean)
    return _side_of_z(ours, above=True)


def not_significant(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "not significant": each network has a p, and the 90% interval of their z is below 1.645.

    A missing significance does not show it: with few networks the interval is too wide.
    """
    return _side_of_z(ours, above=False)


def no_different(ours: Sample, theirs: Sample) -> Judgement:
    """What is said of all networks together: as ``not-significant``, and the 90% interval of their z holds 0.

    z is 0 in the mean of networks that are no different. Not reproduced if the interval lies above 0: then networks
    together show what none may show alone.
    """
    grade, why = not_significant(ours, theirs)
    if grade is Grade.NOT_REPRODUCED or ours.n < FEWEST:
        return grade, why
    if _interval_of_z(ours)[0] > 0:
        return Grade.NOT_REPRODUCED, f"{why}; together they lie above 0, which is no difference"
    return grade, why


def nearly_always(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "typically" or "rarely" otherwise: a share of at least 0.9, 90% interval above 0.5."""
    return _share(ours, ours.mean >= 0.9, 0.5)


def mostly(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "usually": the 90% interval of the share lies above a half."""
    return _share(ours, ours.mean > 0.5, 0.5)


def three_quarters(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "often", and its lower quartile is beyond the limit: 90% interval of the share above 0.75."""
    return _share(ours, ours.mean > 0.75, 0.75)


def never(ours: Sample, theirs: Sample) -> Judgement:
    """The paper says "never" or "only" otherwise: a share of at most 0.01, 90% interval below 0.25."""
    return _share(ours, ours.mean <= 0.01, 0.25, below=True)


def nearly_all(ours: Sample, theirs: Sample) -> Judgement:
    """Of the paper's own numbers, which no network of ours changes, at least 0.9 are as it says."""
    grade = Grade.REPRODUCED if ours.mean >= 0.9 else Grade.NOT_REPRODUCED
    return grade, f"{ours.mean:.1%} of {ours.n}"


Criterion: TypeAlias = Callable[[Sample, Sample], Judgement]
_OF_NUMBERS = (
    equivalent,
    accuracy_agrees,
    effect_agrees,
    shuffles_agree,
    share_agrees,
    z_agrees,
    p_agrees,
    above_lower_end,
    at_least,
    below_upper_end,
)
_OF_WORDS = (
    above_zero,
    below_zero,
    between_zero_and_one,
    below_one,
    below_three,
    below_a_quarter,
    below_a_tenth,
    above_a_tenth,
    significant,
    not_significant,
    no_different,
    nearly_always,
    mostly,
    three_quarters,
    never,
    nearly_all,
)


def _named(functions: Iterable[Criterion]) -> dict[str, Criterion]:
    return {function.__name__.replace("_", "-"): function for function in functions}


CRITERIA = _named((*_OF_NUMBERS, *_OF_WORDS))
IN_WORDS = frozenset(_named(_OF_WORDS))  # criteria of claims that print no number
NO_DIFFERENCE = frozenset(
    _named((below_one, below_three, below_a_quarter, below_a_tenth, not_significant, no_different))
)


def combine(grades: Sequence[Grade], in_words: Sequence[bool]) -> Grade:
    """Verdict of a claim from the grades of its numbers, the main one first.

    The main number decides; if it is reproduced and another one is not, the claim is partly reproduced. A number that
    could not be compared changes nothing, but of a claim in words every part must be shown: if one is inconclusive, so
    is the claim.

    Args:
        grades: one for every number.
        in_words: which of them stand for words, and not for a number that the paper prints.

    >>> str(combine([Grade.REPRODUCED, Grade.INCONCLUSIVE, Grade.NOT_REPRODUCED], [False] * 3))
    'partly'
    >>> str(combine([Grade.REPRODUCED, Grade.INCONCLUSIVE], [True, True]))
    'inconclusive'
    """
    main, *others = grades
    if main is Grade.REPRODUCED and Grade.NOT_REPRODUCED in others:
        return Grade.PARTLY
    parts = [grade for grade, in_word in zip(grades, in_words, strict=True) if in_word]
    unsure = main is Grade.REPRODUCED and in_words[0] and Grade.INCONCLUSIVE in parts
    return Grade.INCONCLUSIVE if unsure else main


def _too_few(ours: Sample) -> Judgement:
    return Grade.INCONCLUSIVE, f"{ours.n} network{'s' if ours.n > 1 else ''} cannot tell"


def _equivalent(ours: Sample, theirs: Sample, margin: float) -> Judgement:
    """Two one-sided Welch tests; where both have one network, whether the numbers differ by less than the margin."""
    difference = ours.mean - theirs.mean
    if ours.n == theirs.n == 1:
        grade = Grade.REPRODUCED if abs(difference) <= margin else Grade.NOT_REPRODUCED
        return grade, f"one network each, differs by {plain(difference, True)}, allowed {plain(margin)}"
    if ours.n < FEWEST:
        return _too_few(ours)
    low, high = interval_of_difference(difference, (ours.sd, theirs.sd), (ours.n, theirs.n))
    between = f"{plain(low, True)} to {plain(high, True)}"
    why = f"differs by {plain(difference, True)} (90% interval {between}), allowed {plain(margin)}"
    if -margin <= low and high <= margin:
        return Grade.REPRODUCED, why
    differs = abs(difference) > margin and not low <= 0 <= high
    return (Grade.NOT_REPRODUCED if differs else Grade.INCONCLUSIVE), why


def _interval(ours: Sample) -> Interval:
    """Of a share: over networks that each have one, or of networks that are counted."""
    return interval_of_mean(ours.values) if ours.values else interval_of_share(ours.mean, ours.n)


def _share(ours: Sample, right: bool, limit: float, below: bool = False) -> Judgement:
    """Grade of a share that should be right, and shown to be above a limit, or below it."""
    if ours.n < FEWEST:
        return _too_few(ours)
    low, high = _interval(ours)
    why = f"{plain(ours.mean)}, 90% interval {low:.2f} to {high:.2f}"
    sides = (high < limit, low < limit) if below else (low > limit, high > limit)  # all of the interval, some of it
    if right and sides[0]:
        return Grade.REPRODUCED, why
    return (Grade.INCONCLUSIVE if right or sides[1] else Grade.NOT_REPRODUCED), why


def _within(ours: Sample, least: float, most: float) -> Judgement:
    """Grade of a mean whose interval should lie within two limits."""
    if ours.n < FEWEST:
        return _too_few(ours)
    low, high = interval_of_mean(ours.values)
    limits = f"limits {plain(least)} and {plain(most)}" if math.isfinite(most) else f"limit {plain(least)}"
    why = f"90% interval {plain(low)} to {plain(high)}, {limits}"
    if least <= low and high <= most:
        return Grade.REPRODUCED, why
    return (Grade.NOT_REPRODUCED if high < least or low > most else Grade.INCONCLUSIVE), why


def _one_sided(ours: Sample, sign: int) -> Judgement:
    """Grade of a mean that should lie on one side of 0."""
    from scipy.stats import ttest_1samp

    if ours.n < FEWEST:
        return _too_few(ours)
    values = sign * np.array(ours.values)
    if np.ptp(values) == 0:
        return (Grade.REPRODUCED if values[0] > 0 else Grade.NOT_REPRODUCED), "all networks alike"
    p = float(ttest_1samp(values, 0, alternative="greater").pvalue)
    why = f"one-sided t-test, {_p(p)}"
    if p < SIGNIFICANT:
        return Grade.REPRODUCED, why
    high = interval_of_mean(values.tolist())[1] / float(values.std(ddof=1))
    if high < SMALL_EFFECT:
        return Grade.NOT_REPRODUCED, f"{why}; 90% interval up to {high:.2f} standard deviations"
    return Grade.INCONCLUSIVE, (
        f"{why}; {ours.n} networks find an effect of one standard deviation with a power of {power_of_t(ours.n):.2f}"
    )


def _end(ours: Sample, theirs: Sample, sign: int) -> Judgement:
    """Grade of one end of a range; the sign is that of the way to its inside."""
    grade, why = _one_sided(Sample(0, ours.n, values=tuple(v - theirs.mean for v in ours.values)), sign)
    beyond = sign * (np.array(ours.values) - theirs.mean)
    within, gap = int((beyond >= 0).sum()), float(beyond.min())
    if grade is Grade.REPRODUCED and within < 0.95 * ours.n:
        grade = Grade.NOT_REPRODUCED
    side = "inside" if gap >= 0 else "outside"
    return grade, f"{within} of {ours.n} networks lie within it, the outermost {plain(abs(gap))} {side}; {why}"


def _p(value: float) -> str:
    return f"p = {plain(value)}" if value >= LEAST_P else f"p < {LEAST_P:g}"


def _z_of_p(values: Sequence[float] | np.ndarray) -> np.ndarray:
    from scipy.stats import norm

    return np.asarray(norm.isf(np.clip(values, 1e-300, 1 - 1e-12)))


def _interval_of_z(ours: Sample) -> Interval:
    return interval_of_mean(_z_of_p(np.minimum(ours.values, LARGEST_P)).tolist())


def _side_of_z(ours: Sample, above: bool) -> Judgement:
    if ours.n < FEWEST:
        return _too_few(ours)
    low, high = _interval_of_z(ours)
    sides = (low > ONE_SIDED_Z, high < ONE_SIDED_Z)
    grade = (Grade.REPRODUCED, Grade.NOT_REPRODUCED) if above else (Grade.NOT_REPRODUCED, Grade.REPRODUCED)
    why = f"z of {ours.n} networks, 90% interval {low:.2f} to {high:.2f}; significant above {ONE_SIDED_Z}"
    return (grade[0] if sides[0] else grade[1] if sides[1] else Grade.INCONCLUSIVE), why


def _fisher(ours: Sample, theirs: Sample) -> float:
    from scipy.stats import binomtest, fisher_exact

    count = round(ours.mean * ours.n)
    if theirs.n == 0:
        return float(binomtest(count, ours.n, theirs.mean).pvalue)
    paper = round(theirs.mean * theirs.n)
    return float(fisher_exact([[count, ours.n - count], [paper, theirs.n - paper]]).pvalue)
