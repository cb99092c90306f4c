"""Numbers as plain sentences: what a chapter says was found. Chapter: every chapter opens with three of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from modlib.evidence.criteria import Sample
from modlib.evidence.digits import signed
from modlib.evidence.intervals import interval_of_mean

if TYPE_CHECKING:
    import pandas as pd

Sentences: TypeAlias = tuple[str | None, str | None, str | None]  # None: the rows that it needs are not there


def listed(parts: Sequence[str]) -> str:
    """Parts as a sentence lists them.

    >>> listed(["MNIST", "Fashion-MNIST", "CIFAR-10"])
    'MNIST, Fashion-MNIST and CIFAR-10'
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def by_verb(cases: Iterable[tuple[str, str]]) -> str | None:
    """What happens in several cases, those with the same verb together; None if there is no case.

    Args:
        cases: the verb of each, with its object, and the case.

    >>> by_verb([("lowers it on", "A"), ("raises it on", "B"), ("lowers it on", "C")])
    'lowers it on A and C but raises it on B'
    """
    together: dict[str, list[str]] = {}
    for verb, case in cases:
        together.setdefault(verb, []).append(case)
    return " but ".join(f"{verb} {listed(of_verb)}" for verb, of_verb in together.items()) or None


def changed(before: float, after: float, digits: int = 3) -> str:
    """Two numbers, one after the other.

    >>> changed(2.0094, 1.8461)
    'from 2.009 to 1.846'
    """
    return f"from {_number(before, digits)} to {_number(after, digits)}"


def share_of(values: Sequence[bool] | pd.Series) -> str | None:
    """How many of some cases are so; None if there is no case.

    >>> share_of([True, True, False])
    '2 of 3'
    """
    return f"{sum(map(bool, values))} of {len(values)}" if len(values) else None


def span(values: Iterable[float], form: str) -> str:
    """The least and the largest of some numbers; one of them if they look the same.

    Args:
        values: at least one.
        form: how a number is written, as ``format`` has it.

    >>> span([0.012, 0.3, -0.2], ".0%"), span([0.301, 0.299], ".0%")
    ('−20% to 30%', '30%')
    """
    numbers = sorted(values)
    least, most = signed(numbers[0], form), signed(numbers[-1], form)
    return least if least == most else f"{least} to {most}"


def ordered(values: Mapping[str, float] | pd.Series, form: str) -> str:
    """Cases with their numbers, from the largest to the least; apart by semicolons, if cases have several parts.

    Args:
        values: by case; those that are no number are left out.
        form: how a number is written, as ``format`` has it.

    >>> ordered({"MNIST": 0.2, "Fashion-MNIST": 0.5, "CIFAR-10": math.nan}, ".2f")
    '0.50 for Fashion-MNIST and 0.20 for MNIST'
    >>> ordered({("MNIST", "dropout"): 0.2, ("MNIST", "no dropout"): 0.5}, ".2f")
    '0.50 for MNIST, no dropout; 0.20 for MNIST, dropout'
    """
    numbers = _by_case(values)
    told = [f"{signed(numbers[case], form)} for {case}" for case in sorted(numbers, key=lambda c: -numbers[c])]
    return "; ".join(told) if any("," in case for case in numbers) else listed(told)


def extremes(values: Mapping[str, float] | pd.Series, form: str) -> str:
    """The largest and the least of some numbers, with their cases.

    Args:
        values: by case, one at least; those that are no number are left out.
        form: how a number is written, as ``format`` has it.

    >>> extremes({"L1": 0.2, "L2": 0.5, "dropout": 0.3}, ".2f")
    'largest for L2 (0.50) and least for L1 (0.20)'
    """
    numbers = _by_case(values)
    most, least = max(numbers, key=lambda case: numbers[case]), min(numbers, key=lambda case: numbers[case])
    largest, smallest = signed(numbers[most], form), signed(numbers[least], form)
    return f"largest for {most} ({largest}) and least for {least} ({smallest})"


def more_or_less(change: float) -> str:
    """A relative change in words.

    >>> more_or_less(0.15), more_or_less(-0.02)
    ('15% more', '2% less')
    """
    return f"{abs(change):.0%} {'more' if change > 0 else 'less'}"


def told(sample: Sample | None, digits: int = 2, unit: str = "") -> str:
    """A mean as a sentence says it, with its 90% interval and the number of networks.

    Args:
        sample: one number a network, summarised; None where nothing is measured yet.
        digits: decimals.
        unit: what stands behind the mean, such as ``percent``.

    Chapter: ``promoting-clusterability``.

    >>> told(Sample(-1.0, n=3, values=(-0.5, -1.0, -1.5)))
    '−1.00 (−1.84 to −0.16, n = 3)'
    >>> told(Sample(0.5, n=1, values=(0.5,)))
    '0.50 (n = 1)'
    >>> told(Sample(50.0, n=1, values=(50.0,)), 0, "percent")
    '50 percent (n = 1)'
    """
    if sample is None:
        return "– (not measured yet)"
    ends = " to ".join(_number(end, digits) for end in interval_of_mean(sample.values) if math.isfinite(end))
    mean = f"{_number(sample.mean, digits)} {unit}".rstrip()
    return f"{mean} ({ends}{', ' if ends else ''}n = {sample.n})"


def which_way(sample: Sample | None, below: str, above: str, neither: str) -> str:
    """The word that fits: ``below`` if the whole 90% interval lies below 0, ``above`` if above it, else ``neither``.

    Also ``neither`` where nothing is measured yet, or one network only.

    Chapter: ``promoting-clusterability``.

    >>> which_way(Sample(-1.0, n=3, values=(-0.5, -1.0, -1.5)), "lowers", "raises", "does not clearly change")
    'lowers'
    """
    if sample is None:
        return neither
    low, high = interval_of_mean(sample.values)
    return below if high < 0 else above if low > 0 else neither


def _number(value: float, digits: int) -> str:
    return signed(value, f".{digits}f")


def _by_case(values: Mapping[str, float] | pd.Series) -> dict[str, float]:
    """Numbers by their case in words; a case of several parts is a list of them."""
    return {
        ", ".join(map(str, case)) if isinstance(case, tuple) else str(case): float(value)
        for case, value in values.items()
        if not math.isnan(value)
    }
