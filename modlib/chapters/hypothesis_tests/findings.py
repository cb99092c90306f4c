"""Statistics that decide what importance-coherence says of its own tests, from rows of ``hypothesis-tests``.

Chapter: ``hypothesis-tests``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from modlib.chapters.hypothesis_tests.experiment import ALONE, BH, CHI_SQUARED, FISHER, HOLM, LEVEL, MEDIAN, SIMULATION
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, over_networks
from modlib.evidence.sentences import Sentences, share_of, span

NAMES = {FISHER: "Fisher's test", CHI_SQUARED: "the chi-squared test"}
MANY = 0.2  # share of ties of which it is told

KEEPS = ("mlp-mnist", "mlp-fashion", "vgg-cifar-unreg", "vgg-cifar", "resnet-18-imagenet", "vgg-16-imagenet")
KEEPS_LITTLE: dict[str, set[tuple[str, str]]] = {"cnn-fashion": set(), "cnn-mnist": {(BH, FISHER)}}


def rates(rows: pd.DataFrame, test: str, rule: str = ALONE) -> pd.Series:
    """Share of simulated networks that a test calls significant, by batch and number of random sets."""
    rows = rows[(rows["test"] == test) & (rows["rule"] == rule)]
    counts = rows.groupby(["batch", "n_random"])[["rejected", "of"]].sum()
    return counts["rejected"] / counts["of"]


def _conservative(rows: pd.DataFrame) -> Sample | None:
    found = rates(rows, FISHER)
    return over_networks(LEVEL - found.groupby("batch").mean()) if len(found) else None


def _nearer_on_a_finer_grid(rows: pd.DataFrame) -> Sample | None:
    found = rates(rows, FISHER).unstack("n_random")
    if found.shape[1] < 2:
        return None
    coarse, fine = ((found[n] - LEVEL).abs() for n in (found.columns.min(), found.columns.max()))
    return over_networks(coarse - fine)


def _ticks(rows: pd.DataFrame) -> Sample | None:
    legible = rows[rows["printed"].isin(["yes", "no"])]
    agrees = (legible["printed"] == "yes") == (legible["rejected"] == 1)
    return Sample(float(agrees.mean()), len(legible)) if len(legible) else None


def _kept(rows: pd.DataFrame) -> Sample | None:
    """Share of the networks named in the sentence of which it is right."""
    if rows.empty:
        return None
    significant = rows[rows["rejected"] == 1].groupby("network")
    kept = {name: set(zip(part["rule"], part["test"], strict=True)) for name, part in significant}
    found = {name: kept.get(name, set()) for name in (*KEEPS, *KEEPS_LITTLE)}
    right = [{rule for rule, _ in found[name]} == {BH, HOLM} for name in KEEPS]
    right += [found[name] == expected for name, expected in KEEPS_LITTLE.items()]
    return Sample(sum(right) / len(right), len(right))


FINDINGS = {
    "conservative": Metric("0.05 minus the share of significant networks without an effect", _conservative, 4),
    "finer_grid": Metric("how much nearer to 0.05 the share comes on a finer grid", _nearer_on_a_finer_grid, 4),
    "ticks": Metric(
        "share of legible ticks that follow from table 1", _ticks, needs=("significant_bh", "significant_holm")
    ),
    "kept": Metric("share of networks whose importance tests are as it says", _kept),
}


def found(rows: pd.DataFrame) -> Sentences:
    """How often tests call networks without an effect significant: alone, with ties, and as a median of five."""
    rows = rows[(rows["study"] == SIMULATION) & (rows["effect"] == "no effect") & rows["test"].isin(list(NAMES))]
    alone, medians = (rows[rows["rule"] == rule] for rule in (ALONE, MEDIAN))
    plain = alone[alone["ties"] == "no ties"]
    tied = alone[(alone["ties"] == "for") & np.isclose(alone["tied"].astype(float), MANY)]
    return _told_level(plain), _told_ties(plain, tied), _told_median(medians[medians["ties"] == "no ties"])


def _shares(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of networks called significant, a row a number of random sets and of sub-clusters, a column a test."""
    counts = rows.groupby(["n_random", "sub_clusters", "test"])[["rejected", "of"]].sum()
    return (counts["rejected"] / counts["of"]).unstack().reindex(columns=list(NAMES)).dropna()


def _told_level(rows: pd.DataFrame) -> str | None:
    shares = _shares(rows)
    if shares.empty:
        return None
    told = [
        f"{words} {_keeps(shares[name])} its level of {LEVEL:.0%} "
        f"({span(shares[name], '.1%')} of networks are called significant)"
        for name, words in NAMES.items()
    ]
    return f"Where there is no effect and no tie, {told[0]}, and {told[1]}."


def _keeps(shares: pd.Series) -> str:
    if shares.max() <= LEVEL:
        return "keeps"
    return "exceeds" if shares.min() > LEVEL else "lies on both sides of"


def _told_ties(plain: pd.DataFrame, tied: pd.DataFrame) -> str | None:
    before, after = _shares(plain), _shares(tied)
    if before.empty or after.empty:
        return None
    told = [
        f"{words} calls {span(after[name], '.1%')} significant, too many in {share_of(after[name] > LEVEL)} settings"
        for name, words in NAMES.items()
    ]
    words = "spoil" if after.to_numpy().max() > max(LEVEL, before.to_numpy().max()) else "do not spoil"
    return (
        f"Ties {words} this: if {MANY:.0%} of the random sets are tied and a tie counts for the cluster, "
        f"{told[0]} and {told[1]}, again without an effect."
    )


def _told_median(rows: pd.DataFrame) -> str | None:
    shares = _shares(rows)
    if shares.empty:
        return None
    words = "rarer" if shares.to_numpy().max() < LEVEL else "no rarer"
    return (
        f"A median of five p-values below {LEVEL} is {words} by chance than one such p-value: "
        f"{span(shares[FISHER], '.2%')} of the medians with {NAMES[FISHER]}, {span(shares[CHI_SQUARED], '.2%')} with "
        f"{NAMES[CHI_SQUARED]}."
    )
