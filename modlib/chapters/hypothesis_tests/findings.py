"""Statistics that decide what importance-coherence says of its own tests, from rows of ``hypothesis-tests``.

They were written before any of the simulated rows. That one tick of tables 4 and 5 does not follow from table 1 was
known. Chapter: ``hypothesis-tests``.
"""

from __future__ import annotations

import pandas as pd

from modlib.chapters.hypothesis_tests.experiment import ALONE, BH, FISHER, HOLM, LEVEL
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, over_networks

KEEPS = ("mlp-mnist", "mlp-fashion", "vgg-cifar-unreg", "vgg-cifar", "resnet-18-imagenet", "vgg-16-imagenet")
KEEPS_LITTLE: dict[str, set[tuple[str, str]]] = {"cnn-fashion": set(), "cnn-mnist": {(BH, FISHER)}}


def rates(rows: pd.DataFrame, test: str, rule: str = ALONE) -> pd.Series:
    """Share of simulated networks that a test calls significant, by batch and number of random sub-clusters."""
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
    "conservative": Metric("0.05 less the share of significant networks without an effect", _conservative, 4),
    "finer_grid": Metric("how much nearer to 0.05 the share comes on a finer grid", _nearer_on_a_finer_grid, 4),
    "ticks": Metric("share of legible ticks that follow from table 1", _ticks),
    "kept": Metric("share of networks whose importance tests are as it says", _kept),
}
