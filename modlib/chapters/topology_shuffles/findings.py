"""How much of a low n-cut the topology explains, in sentences. Chapter: ``topology-shuffles``."""

from __future__ import annotations

import pandas as pd

from modlib.evidence.digits import signed
from modlib.evidence.metrics import are_below_all_shuffles
from modlib.evidence.sentences import Sentences, listed, share_of
from modlib.tables.words import DATASETS

TABLES = ("clusterability", "dropout", "topology-shuffles")  # shuffles of all entries, and of the non-zero ones
K = 4  # clusters


def found(rows: pd.DataFrame) -> Sentences:
    """The part of the gap to layer shuffles that layer-nonzero shuffles have as well, in pruned networks."""
    rows = rows[(rows["stage"] == "pruned") & (rows["k"] == K)]
    dropped, plain = (rows[rows["dropout"] == value] for value in ("yes", "no"))
    return _with_dropout(gaps(dropped)), _below_all(dropped, plain), _without_dropout(gaps(plain))


def gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """By data set, mean n-cut of layer shuffles less that of networks, ``gap``, and what topology has of it, ``share``.

    ``share`` is (layer shuffles - layer-nonzero shuffles) / gap: 1 if the topology explains everything.

    Source: pruned-modular, section 3.3. Chapter: ``topology-shuffles``.
    """
    means = rows.groupby(["dataset", "null"])["shuffled_mean"].mean().unstack()
    means = means.reindex(columns=["layer", "layer-nonzero"]).dropna()
    gap = means["layer"] - rows[rows["null"] == "layer"].groupby("dataset")["ncut"].mean()
    share = (means["layer"] - means["layer-nonzero"]) / gap
    table = pd.DataFrame({"gap": gap, "share": share}).dropna()
    table = table.loc[[name for name in DATASETS if name in table.index]]
    return table.set_axis([DATASETS[name] for name in table.index])


def _with_dropout(table: pd.DataFrame) -> str | None:
    table = table[table["gap"] > 0]
    if table.empty:
        return None
    mean = table["share"].mean()
    answer = "Yes" if mean >= 1 else "Mostly, but not only" if mean >= 0.5 else "In part" if mean > 0 else "No"
    return (
        f"{answer}: of the gap between the n-cut of pruned networks with dropout and that of shuffles of all weights, "
        "shuffles that keep every zero in its place account for "
        f"{listed([f'{share:.0%} on {words}' for words, share in table['share'].items()])}."
    )


def _below_all(dropped: pd.DataFrame, plain: pd.DataFrame) -> str | None:
    kept = [share_of(are_below_all_shuffles(part[part["null"] == "layer-nonzero"])) for part in (dropped, plain)]
    if None in kept:
        return None
    return (
        f"With dropout {kept[0]} networks have a lower n-cut than each shuffle of their non-zero weights, without "
        f"dropout {kept[1]}."
    )


def _without_dropout(table: pd.DataFrame) -> str | None:
    told = [
        f"nothing on {words}, where there is no gap"
        if gap <= 0
        else f"{share:.0%} on {words}"
        if share > 0
        else f"none of it on {words} ({signed(share, '.0%')}: they are harder to cut than shuffles of all weights)"
        for words, gap, share in table.itertuples()
    ]
    return f"Of the same gap without dropout, they account for {listed(told)}." if told else None
