"""What the tables of the chapter ``structured-tasks`` print that others do not: losses of a regression."""

from __future__ import annotations

from functools import partial

import pandas as pd

from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import over_networks, statistic


def _mean(rows: pd.DataFrame, name: str) -> Sample | None:
    return None if rows.empty else over_networks(rows[name])


FINDINGS = {
    "train_loss": statistic("training loss", partial(_mean, name="train_loss")),
    "test_loss": statistic("test loss", partial(_mean, name="test_loss")),
}
