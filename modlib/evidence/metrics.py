"""What a metric is: its name, how it is measured from rows of ours, and how it is printed.

Every chapter has its own metrics, its ``FINDINGS``. Chapter: ``scorecard``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from modlib.evidence.criteria import Sample

Measured: TypeAlias = Callable[[pd.DataFrame], Sample | None]


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric of the papers.

    Attributes:
        label: its name for readers.
        measure: its value over rows of a table; None if the rows it needs are not there.
        digits: decimals to show.
        spread: whether its standard deviation is shown.
        pooled: the same where a paper gives one standard deviation for the shuffles of all networks together.
        powers: whether what would round to nothing is shown as a power of ten.
        is_p: whether the papers print a p-value for each of several networks; what is compared is the share of them
            with a lower n-cut than each of their shuffles.
        of_shuffles: whether the number of samples that a paper prints beside it counts shuffles, not networks.
        effect_of: the two metrics whose difference is the effect that it is about, if it is not its own; where a paper
            does not print it, it is that difference.
        no_effect: its value if there is no effect.
        of_table: its value over what a paper prints of the parts of one network, where these have no counterparts among
            ours: from the rows of the paper's file with the metrics that it needs.
        needs: metrics of the paper's file that ``of_table`` reads; of a claim in words, those that it puts into words.
        compares: columns over which it compares rows of one network, such as the stage; a claim leaves them open.
    """

    label: str
    measure: Measured
    digits: int = 3
    spread: bool = True
    pooled: Measured | None = None
    powers: bool = False
    is_p: bool = False
    of_shuffles: bool = False
    effect_of: tuple[str, str] | None = None
    no_effect: float = 0.0
    of_table: Callable[[pd.DataFrame], float] | None = None
    needs: tuple[str, ...] = ()
    compares: tuple[str, ...] = ()

    def text(self, sample: Sample | None) -> str:
        """A sample as a table shows it: mean ± standard deviation, of the shuffles where there are any."""
        if sample is None:
            return "–"
        if self.powers and 0 < sample.mean < 0.1**self.digits:
            return f"{sample.mean:.1e}"
        mean = f"{sample.mean:.{self.digits}f}"
        sd = sample.sd if math.isnan(sample.shuffle_sd) else sample.shuffle_sd
        return mean if math.isnan(sd) or not self.spread else f"{mean} ± {sd:.{self.digits}f}"


def below_all_shuffles(p: float, n_shuffles: int) -> bool:
    """Whether p is the least that n shuffles allow, 1/(n + 1), up to rounding.

    This is what the papers call significant: p < 1/320 with 320 shuffles, p < 0.02 with 50.
    """
    return p * (n_shuffles + 1) < 1.5


def are_below_all_shuffles(rows: pd.DataFrame) -> pd.Series:
    """The same for every row, from its columns ``p`` and ``n_shuffles``."""
    return pd.Series(list(map(below_all_shuffles, rows["p"], rows["n_shuffles"])), rows.index, dtype=bool)


def share_below_all_shuffles(p: Iterable[float], n_shuffles: Iterable[int]) -> Sample:
    """Share of networks with a lower n-cut than each of their shuffles."""
    below = [below_all_shuffles(*pair) for pair in zip(p, n_shuffles, strict=True)]
    return Sample(sum(below) / len(below), len(below))


def sample_of(values: Sequence[float] | np.ndarray | pd.Series) -> Sample | None:
    """``over_networks`` of the numbers that are there; None if none is."""
    numbers = np.asarray(values, dtype=float)
    numbers = numbers[~np.isnan(numbers)]
    return over_networks(numbers) if numbers.size else None


def over_networks(values: Sequence[float] | np.ndarray | pd.Series, shuffle_sd: float = math.nan) -> Sample:
    """One number a network, summarised."""
    numbers = np.asarray(values, dtype=float)
    sd = float(numbers.std(ddof=1)) if numbers.size > 1 else math.nan
    return Sample(float(numbers.mean()), numbers.size, sd, shuffle_sd, tuple(numbers.tolist()))


def paired(rows: pd.DataFrame, others: pd.DataFrame, column: str, on: Sequence[str]) -> Sample | None:
    """A column of some rows less the same of others, for networks that have one of each; None if none has.

    Args:
        rows: one a network.
        others: one a network, such as the same seed trained in another way.
        column: what is compared.
        on: columns that tell which belong together.
    """
    pairs = rows.merge(others, on=list(on), suffixes=("", "_other"))
    return over_networks(pairs[column] - pairs[f"{column}_other"]) if len(pairs) else None


def combined_by_network(
    rows: pd.DataFrame, columns: Sequence[str], combine: Callable[[np.ndarray, int], float], ties: str = "for"
) -> pd.Series:
    """A test that combines the p-values of a network's sub-clusters, for every network.

    Args:
        rows: of ``importance`` or ``coherence``, one a sub-cluster, with the p-values of this rule and ``n_random``.
        columns: what tells networks apart; the index of the result.
        combine: ``fisher_combined`` or ``chi_squared_uniform``.
        ties: rule for ties; ``for`` the sub-cluster in the authors' code. See ``modlib.stats.monte_carlo_p``.
    """
    networks = rows.groupby(list(columns))
    found = {key: combine(part[f"p_ties_{ties}"].to_numpy(), int(part["n_random"].iloc[0])) for key, part in networks}
    return pd.Series(found).rename_axis(list(columns))
