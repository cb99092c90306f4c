"""How far masks were from settled when their steps ran out, from what is stored of their course.

Chapter: ``class-removal`` and ``systematic-generalisation``.
"""

from __future__ import annotations

import pandas as pd

from modlib.tables import number_lists

LOSSES = {"loss_first": "loss at first", "loss_before_last": "last tenth but one", "loss_last": "last tenth"}


def shares_kept(masks: pd.DataFrame) -> pd.DataFrame:
    """Share of the weights that is kept after each tenth of the steps, mean over masks, in one line.

    Args:
        masks: rows with ``kept_course``, ten shares of 0 to 1 in a text; at least one.

    >>> shares_kept(pd.DataFrame({"kept_course": ["0.8 0.4", "0.6 0.2"]})).round(2)
    of the steps       after  50%  100%
    0             share kept  0.7   0.3
    """
    kept = pd.Series(number_lists(masks["kept_course"]).mean(axis=0))
    kept.index = pd.Index([f"{100 * (i + 1) // len(kept)}%" for i in range(len(kept))])
    return kept.to_frame("share kept").rename_axis("of the steps").T.reset_index(names="after")


def mean_losses(masks: pd.DataFrame) -> pd.DataFrame:
    """Loss at the first step, in the last tenth of the steps but one and in the last, mean over masks, in one line.

    Args:
        masks: rows with ``loss_first``, ``loss_before_last`` and ``loss_last``.

    >>> mean_losses(pd.DataFrame({"loss_first": [2.0, 1.0], "loss_before_last": [0.5, 0.5], "loss_last": [0.5, 0.0]}))
       loss at first  last tenth but one  last tenth
    0            1.5                 0.5        0.25
    """
    return masks[list(LOSSES)].mean().rename(LOSSES).to_frame().T
