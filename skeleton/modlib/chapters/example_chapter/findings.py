"""What the rows say: a statistic a claim, and in three sentences. Chapter: ``example-chapter``."""

from __future__ import annotations

import pandas as pd

from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, are_below_all_shuffles, over_networks
from modlib.evidence.sentences import Sentences, changed, share_of


def _planted_less_random(rows: pd.DataFrame) -> Sample | None:
    """Z of networks with planted modules less that of networks without, pairs of one seed."""
    z = rows.pivot(index="seed", columns="network", values="z")
    if not {"planted", "random"} <= set(z):
        return None
    differences = (z["planted"] - z["random"]).dropna()
    return over_networks(differences) if len(differences) else None


FINDINGS = {
    "example_chapter_effect": Metric("Z with planted modules less Z without", _planted_less_random),
}


def found(rows: pd.DataFrame) -> Sentences:
    """The first sentence answers the chapter's question; None where the rows that a sentence needs are not there."""
    planted, random = (rows[rows["network"] == kind] for kind in ("planted", "random"))
    if planted.empty or random.empty:
        return None, None, None
    before, after = random["z"].mean(), planted["z"].mean()
    lower = planted["ncut"].mean() < random["ncut"].mean()
    return (
        f"{'Yes' if after < before else 'No'}: planted modules take the mean Z {changed(before, after, 1)}.",
        f"With planted modules {share_of(are_below_all_shuffles(planted))} networks have a lower n-cut than each of "
        f"their shuffles, without {share_of(are_below_all_shuffles(random))}.",
        f"The n-cut itself is {'lower' if lower else 'no lower'} on average with modules: {planted['ncut'].mean():.3f} "
        f"against {random['ncut'].mean():.3f}.",
    )
