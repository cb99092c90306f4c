"""Statistics that decide what the paper says, from its rows. Chapter: ``example-chapter``."""

from __future__ import annotations

import pandas as pd

from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, over_networks


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
