"""Statistics that decide what the mask paper says about tasks learned in turn, from rows of ``transfer``.

Chapter: ``transfer``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import pandas as pd

from modlib.chapters.transfer.experiment import ALIKE, FROZEN, OLD, OLDER
from modlib.evidence.criteria import FEWEST, Sample
from modlib.evidence.metrics import Metric, sample_of
from modlib.evidence.sentences import Sentences, listed, share_of, told

NETWORK = ["network", "seed"]  # of one start
NEAR = 0.1  # of sharing beyond chance: layers that differ less are alike
HALF_FULL = 0.5  # share of a layer's weights in use up to which there is free capacity
Column: TypeAlias = Callable[[pd.DataFrame], pd.Series]


def shared_part(rows: pd.DataFrame) -> pd.Series:
    """s(t, r) of every row: weights shared with all earlier tasks over weights kept; NaN for the first task."""
    return (rows["shared"] / rows["kept"].where(rows["kept"] > 0)).where(rows["task"] > 0)


def beyond_part(rows: pd.DataFrame) -> pd.Series:
    """Sharing beyond chance of every row, as a part of what is possible: 0 by chance, 1 if all is shared.

    (shared - by chance) / (kept - by chance); NaN for the first task, and where no other weights could be kept.
    """
    possible = rows["kept"] - rows["by_chance"]
    return ((rows["shared"] - rows["by_chance"]) / possible.where(possible > 0)).where(rows["task"] > 0)


def filled(rows: pd.DataFrame) -> pd.Series:
    """Share of a layer's weights that earlier tasks use, in [0, 1]."""
    return rows["used_before"] / rows["size"]


def of_one_length(rows: pd.DataFrame, most_tasks: bool = False) -> pd.DataFrame:
    """Rows of one number of steps a task: the largest at which three networks are stored with all starts in ``rows``.

    Three decide what varies between networks. Where no number has three, that of most networks counts, and the larger
    of two.

    Args:
        rows: of whichever steps.
        most_tasks: whether of these numbers the one of the networks that have learned most tasks counts, rather than
            the largest: few tasks do not fill a layer.
    """
    starts = rows.groupby(["steps", *NETWORK])["start"].nunique() == rows["start"].nunique()
    found = pd.DataFrame(
        {
            "networks": starts.groupby("steps").sum().clip(upper=FEWEST),
            "tasks": rows.groupby("steps")["task"].nunique() * most_tasks,
        }
    ).reset_index()
    return rows[rows["steps"].isin(found.sort_values(["networks", "tasks", "steps"])["steps"].tail(1))]


def of_start(rows: pd.DataFrame, *starts: str) -> pd.DataFrame:
    """Rows after the first task, of networks whose first layer is frozen too, with one of some starts."""
    return rows[rows["start"].isin(starts) & (rows["first_layer"] == FROZEN) & (rows["task"] > 0)]


def by_steps(rows: pd.DataFrame) -> pd.DataFrame:
    """What tasks take where all weights start alike, by steps a task and layer, over the tasks that all have.

    Columns ``part``, the mean of s(t, r), and ``beyond``, sharing beyond chance; one line a number of steps and layer.
    Networks are of one width, the one that has learned with most numbers of steps.
    """
    rows = of_start(rows, ALIKE)
    steps = rows.groupby("network")["steps"].nunique()
    rows = rows[(rows["layer"] > 0) & (rows["network"] == (steps.idxmax() if len(steps) else ""))]
    rows = rows[rows["task"] <= rows.groupby("steps")["task"].max().min()]
    return rows.assign(part=shared_part, beyond=beyond_part).groupby(["steps", "layer"])[["part", "beyond"]].mean()


def by_network(rows: pd.DataFrame, values: pd.Series, *columns: str) -> pd.Series:
    """Mean of some numbers over the rows of a network, and over what other columns tell apart."""
    return values.groupby([rows[column] for column in (*NETWORK, *columns)]).mean()


def beyond_chance(rows: pd.DataFrame) -> pd.Series:
    """Mean of ``beyond_part`` over tasks, by network and layer.

    Args:
        rows: of one start.
    """
    rows = rows[rows["layer"] > 0]
    return by_network(rows, beyond_part(rows), "layer").dropna()


def with_room(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of single layers, at most half of which is in use."""
    return rows[(rows["layer"] > 0) & (filled(rows) <= HALF_FULL)]


def by_room(rows: pd.DataFrame, values: pd.Series) -> pd.DataFrame:
    """Means over tasks while at most half of a layer is in use, ``free``, and later, ``full``; by network and layer.

    Args:
        rows: of one start.
        values: one number a row.
    """
    rows = rows.assign(value=values, room=(filled(rows) <= HALF_FULL).map({True: "free", False: "full"}))
    means = rows[rows["layer"] > 0].groupby([*NETWORK, "layer", "room"])["value"].mean()
    return means.unstack("room").reindex(columns=["free", "full"])


def growth(rows: pd.DataFrame, part: pd.Series) -> pd.Series:
    """Spearman's rank correlation of sharing and capacity in use over tasks, by network and layer.

    Args:
        rows: of one start.
        part: what is shared, of every row. A layer that shares alike as it fills has 0; one that is always filled alike
            tells nothing, and is left out.
    """
    from scipy.stats import spearmanr

    rows = rows.assign(part=part, filled=filled)[rows["layer"] > 0].dropna(subset=["part"])
    ranks = {
        key: spearmanr(layer["filled"], layer["part"]).statistic if layer["part"].nunique() > 1 else 0.0
        for key, layer in rows.groupby([*NETWORK, "layer"])
        if layer["filled"].nunique() > 2
    }
    return pd.Series(list(ranks.values()), pd.MultiIndex.from_tuples(ranks, names=[*NETWORK, "layer"]), dtype=float)


def _while_free(rows: pd.DataFrame, column: Column) -> Sample | None:
    """Mean share over layers and tasks while at most half of the layer is in use, by network."""
    rows = with_room(of_start(rows, ALIKE))
    return sample_of(by_network(rows, column(rows)))


def _more_when_full(rows: pd.DataFrame, column: Column) -> Sample | None:
    """What a layer shares more once more than half of it is in use, by network, over the layers that get so full."""
    rows = of_start(rows, ALIKE)
    means = by_room(rows, column(rows))
    return sample_of((means["full"] - means["free"]).dropna().groupby(NETWORK).mean())


def _grows(rows: pd.DataFrame, column: Column) -> Sample | None:
    """Share of a network's layers in which sharing grows with the capacity in use."""
    rows = of_start(rows, ALIKE)
    ranks = growth(rows, column(rows))
    return sample_of(ranks.gt(0).groupby(NETWORK).mean()) if len(ranks) else None


def _last_layer_shares_most(rows: pd.DataFrame, column: Column) -> Sample | None:
    """Share of the networks whose last layer shares most, on average over tasks."""
    rows = of_start(rows, ALIKE)
    rows = rows[rows["layer"] > 0]
    means = by_network(rows, column(rows), "layer").unstack("layer").dropna()
    return sample_of((means.idxmax(axis=1) == means.columns.max()).astype(float)) if len(means) else None


def _mean_share(rows: pd.DataFrame, layer: int, column: Column = shared_part) -> pd.DataFrame:
    """Mean share over tasks, one line a network and one column a start; layer 0 is all of them."""
    rows = of_start(rows, ALIKE, OLD, OLDER)
    rows = rows[rows["layer"] == layer]
    return by_network(rows, column(rows), "start").unstack("start")


def _old_shares_more(rows: pd.DataFrame, layer: int, column: Column) -> Sample | None:
    """Share where used weights are preferred, a mean over both strengths, less that where all start alike; by seed."""
    means = _mean_share(rows, layer, column)
    if not {ALIKE, OLD, OLDER} <= set(means):
        return None
    return sample_of(means[[OLD, OLDER]].mean(axis=1, skipna=False) - means[ALIKE])


def _unique(rows: pd.DataFrame) -> Sample | None:
    """Share of a mask's weights that no earlier task uses, where used ones are preferred, a mean over both; by seed."""
    means = _mean_share(rows, 0)
    if not {OLD, OLDER} <= set(means):
        return None
    return sample_of(1 - means[[OLD, OLDER]].mean(axis=1, skipna=False))


FINDINGS = {
    "shared_while_free": Metric(
        "sharing while at most half of a layer is in use", partial(_while_free, column=shared_part)
    ),
    "shared_while_free_beyond": Metric(
        "sharing beyond chance while at most half of a layer is in use", partial(_while_free, column=beyond_part)
    ),
    "sharing_grows": Metric(
        "share of layers in which sharing grows as they fill", partial(_grows, column=shared_part), 2
    ),
    "sharing_grows_beyond": Metric(
        "share of layers in which sharing beyond chance grows as they fill", partial(_grows, column=beyond_part), 2
    ),
    "shared_more_when_full": Metric(
        "sharing, more than half of a layer in use minus less", partial(_more_when_full, column=shared_part)
    ),
    "shared_more_when_full_beyond": Metric(
        "sharing beyond chance, more than half of a layer in use minus less",
        partial(_more_when_full, column=beyond_part),
    ),
    "last_layer_shares_most": Metric(
        "share of networks whose last layer shares most", partial(_last_layer_shares_most, column=shared_part), 2
    ),
    "last_layer_shares_most_beyond": Metric(
        "share of networks whose last layer shares most beyond chance",
        partial(_last_layer_shares_most, column=beyond_part),
        2,
    ),
    "old_shares_more": Metric(
        "sharing, used weights preferred minus all alike", partial(_old_shares_more, layer=0, column=shared_part)
    ),
    "old_shares_more_beyond": Metric(
        "sharing beyond chance, used weights preferred minus all alike",
        partial(_old_shares_more, layer=0, column=beyond_part),
    ),
    "old_shares_more_first": Metric(
        "sharing in the first layer, used weights preferred minus all alike",
        partial(_old_shares_more, layer=1, column=shared_part),
    ),
    "old_shares_more_first_beyond": Metric(
        "sharing beyond chance in the first layer, used weights preferred minus all alike",
        partial(_old_shares_more, layer=1, column=beyond_part),
    ),
    "unique_weight_fraction_lower_bound": Metric("weights that no earlier task uses", _unique),
}


def found(rows: pd.DataFrame) -> Sentences:
    """How much later tasks take from earlier ones, whether they take more as layers fill, or where it is made easy."""
    alike = of_start(rows, ALIKE)
    return (
        _told_shared(of_one_length(alike)),
        _told_growth(of_one_length(alike, most_tasks=True)),
        _told_preferred(of_one_length(rows[rows["first_layer"] == FROZEN])),
    )


def _told_shared(rows: pd.DataFrame) -> str | None:
    total, beyond = rows[rows["layer"] == 0], beyond_chance(rows).groupby("layer").mean()
    share = sample_of(100 * by_network(total, shared_part(total)))
    if share is None or not {1, 2} <= set(beyond.index):
        return None
    blind = total["by_chance"].sum() / total["kept"].sum()
    first, last = beyond.iloc[0], beyond.iloc[-1]
    between = beyond.iloc[1:-1].mean() if len(beyond) > 2 else last
    parts = [f"{first:.0%} in the first layer, whose pixels have moved"]
    parts += [f"{between:.0%} in the layers behind it"] if len(beyond) > 2 else []
    alone = " but in the last layer" if last - first > NEAR else ""
    return (
        f"{'In part' if between - first > NEAR else f'Hardly{alone}'}: after {total['steps'].max():,} steps each, "
        f"{told(share, 0, 'percent')} of a later task's weights are old ones ({blind:.0%} by chance); of what is "
        f"possible beyond chance that is {', '.join(parts)} and {last:.0%} in the last."
    )


def _told_growth(rows: pd.DataFrame) -> str | None:
    rows = rows[rows["layer"] > 0]
    part, chance = shared_part(rows), rows["by_chance"] / rows["kept"]
    ranks, beyond = growth(rows, part), growth(rows, beyond_part(rows))
    if ranks.empty:
        return None
    free = filled(rows) <= HALF_FULL
    shares = [
        f"{part[which].mean():.0%} ({chance[which].mean():.0%} by chance) {where}"
        for which, where in ((free, "while at most half of a layer is in use"), (~free, "where more is"))
        if which.any()
    ]
    return (
        f"Over {rows['task'].nunique() + 1} tasks of {rows['steps'].max():,} steps the share of old weights grows as a "
        f"layer fills in {share_of(ranks.gt(0))} layers, and what is beyond chance in {share_of(beyond.gt(0))}; the "
        f"share is {listed(shares)}."
    )


def _told_preferred(rows: pd.DataFrame) -> str | None:
    means = _mean_share(rows, 0)
    if not {ALIKE, OLD, OLDER} <= set(means) or (means := means.dropna()).empty:
        return None
    shares = [f"{means[start].mean():.0%}" for start in (OLD, OLDER)]
    more = sample_of(100 * (means[[OLD, OLDER]].mean(axis=1) - means[ALIKE]))
    accuracy = rows[(rows["layer"] == 0) & (rows["first_layer"] == FROZEN)].groupby("start")["accuracy"].mean()
    right = [f"{accuracy[start]:.0%}" for start in (ALIKE, OLD, OLDER)]
    return (
        f"If used weights are preferred at the start, a little or more, {listed(shares)} are old ones after "
        f"{rows['steps'].max():,} steps, instead of {means[ALIKE].mean():.0%}, a difference of "
        f"{told(more, 0, 'points')}; the masked networks are then right about {listed(right[1:])} of the test images "
        f"instead of {right[0]}."
    )
