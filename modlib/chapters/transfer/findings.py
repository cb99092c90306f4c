"""Statistics that decide what the mask paper says about tasks learned in turn, from rows of ``transfer``.

Chapter: ``transfer``.
"""

from __future__ import annotations

import pandas as pd

from modlib.chapters.transfer.experiment import ALIKE, FROZEN, OLD, OLDER
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, sample_of
from modlib.evidence.sentences import Sentences, listed, share_of, span, told

NETWORK = ["network", "seed"]  # of one start
NEAR = 0.1  # of sharing beyond chance: layers that differ less are alike
HALF_FULL = 0.5  # share of a layer's weights in use up to which there is free capacity


def shared_part(rows: pd.DataFrame) -> pd.Series:
    """s(t, r) of every row: weights shared with all earlier tasks over weights kept; NaN for the first task."""
    return (rows["shared"] / rows["kept"].where(rows["kept"] > 0)).where(rows["task"] > 0)


def filled(rows: pd.DataFrame) -> pd.Series:
    """Share of a layer's weights that earlier tasks use, in [0, 1]."""
    return rows["used_before"] / rows["size"]


def longest(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the networks with the most steps a task, whose masks have had the most time to lose weights."""
    return rows[rows["steps"] == rows["steps"].max()]


def with_most_starts(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the steps a task at which networks with most starts are stored, and of such steps the most."""
    starts = rows[rows["first_layer"] == FROZEN].groupby("steps")["start"].nunique()
    return rows[rows["steps"] == starts[starts == starts.max()].index.max()]


def of_start(rows: pd.DataFrame, *starts: str) -> pd.DataFrame:
    """Rows after the first task, of networks whose first layer is frozen too, with one of some starts."""
    return rows[rows["start"].isin(starts) & (rows["first_layer"] == FROZEN) & (rows["task"] > 0)]


def by_steps(rows: pd.DataFrame) -> pd.DataFrame:
    """What tasks take where all weights start alike, by steps a task and layer, over the tasks that all have.

    Columns ``part``, the mean of s(t, r), and ``beyond``, sharing beyond chance; one line a number of steps and layer.
    """
    rows = of_start(rows, ALIKE)
    rows = rows[(rows["layer"] > 0) & (rows["task"] <= rows.groupby("steps")["task"].max().min())]
    kinds = rows.assign(part=shared_part).groupby("steps")
    parts = {
        steps: pd.DataFrame(
            {"part": kind.groupby("layer")["part"].mean(), "beyond": beyond_chance(kind).groupby("layer").mean()}
        )
        for steps, kind in kinds
    }
    return pd.concat(parts, names=["steps"]) if parts else pd.DataFrame(columns=["part", "beyond"])


def by_network(rows: pd.DataFrame, values: pd.Series, *columns: str) -> pd.Series:
    """Mean of some numbers over the rows of a network, and over what other columns tell apart."""
    return values.groupby([rows[column] for column in (*NETWORK, *columns)]).mean()


def _while_free(rows: pd.DataFrame) -> Sample | None:
    """Mean share over layers and tasks while at most half of the layer is in use, by network."""
    rows = of_start(rows, ALIKE)
    rows = rows[(rows["layer"] > 0) & (filled(rows) <= HALF_FULL)]
    return sample_of(by_network(rows, shared_part(rows)))


def _grows(rows: pd.DataFrame) -> Sample | None:
    """Share of a network's layers in which sharing grows with the capacity in use."""
    rows = of_start(rows, ALIKE)
    ranks = growth(rows, shared_part(rows))
    return sample_of(ranks.gt(0).groupby(NETWORK).mean()) if len(ranks) else None


def beyond_chance(rows: pd.DataFrame) -> pd.Series:
    """Sharing beyond chance as a part of what is possible, by network and layer: 0 by chance, 1 if all is shared.

    Sum of (shared - by chance) over that of (kept - by chance), over tasks.

    Args:
        rows: of one start, after the first task.
    """
    rows = rows[rows["layer"] > 0]
    sums = rows.groupby([*NETWORK, "layer"])[["shared", "by_chance", "kept"]].sum()
    possible = sums["kept"] - sums["by_chance"]
    return ((sums["shared"] - sums["by_chance"]) / possible.where(possible > 0)).dropna()


def growth(rows: pd.DataFrame, part: pd.Series) -> pd.Series:
    """Spearman's rank correlation of sharing and capacity in use over tasks, by network and layer.

    Args:
        rows: of one start.
        part: what is shared, of every row. A layer that is always filled or shared alike has no rank, and is left out.
    """
    from scipy.stats import spearmanr

    rows = rows.assign(part=part, filled=filled)[rows["layer"] > 0].dropna(subset=["part"])
    ranks = {
        key: spearmanr(layer["filled"], layer["part"]).statistic
        for key, layer in rows.groupby([*NETWORK, "layer"])
        if layer["filled"].nunique() > 2 and layer["part"].nunique() > 1
    }
    return pd.Series(list(ranks.values()), pd.MultiIndex.from_tuples(ranks, names=[*NETWORK, "layer"]), dtype=float)


def _last_layer_shares_most(rows: pd.DataFrame) -> Sample | None:
    """Share of the networks whose last layer shares most, on average over tasks."""
    rows = of_start(rows, ALIKE)
    rows = rows[rows["layer"] > 0]
    means = by_network(rows, shared_part(rows), "layer").unstack("layer").dropna()
    return sample_of((means.idxmax(axis=1) == means.columns.max()).astype(float)) if len(means) else None


def _mean_share(rows: pd.DataFrame, layer: int) -> pd.DataFrame:
    """Mean share over tasks, one line a network and one column a start; layer 0 is all of them."""
    rows = of_start(rows, ALIKE, OLD, OLDER)
    rows = rows[rows["layer"] == layer]
    return by_network(rows, shared_part(rows), "start").unstack("start")


def _old_shares_more(rows: pd.DataFrame, layer: int) -> Sample | None:
    """Share where used weights are preferred, a mean over both strengths, less that where all start alike; by seed."""
    means = _mean_share(rows, layer)
    if not {ALIKE, OLD, OLDER} <= set(means):
        return None
    return sample_of(means[[OLD, OLDER]].mean(axis=1, skipna=False) - means[ALIKE])


def _unique(rows: pd.DataFrame) -> Sample | None:
    """Share of a mask's weights that no earlier task uses, where used ones are preferred; one a network."""
    means = 1 - _mean_share(rows, 0).drop(columns=ALIKE, errors="ignore")
    return sample_of(means.to_numpy().ravel())


FINDINGS = {
    "shared_while_free": Metric("sharing while at most half of a layer is in use", _while_free),
    "sharing_grows": Metric("share of layers in which sharing grows as they fill", _grows, 2),
    "last_layer_shares_most": Metric("share of networks whose last layer shares most", _last_layer_shares_most, 2),
    "old_shares_more": Metric(
        "sharing, used weights preferred minus all alike", lambda rows: _old_shares_more(rows, 0)
    ),
    "old_shares_more_first": Metric("the same in the first layer", lambda rows: _old_shares_more(rows, 1)),
    "unique_weight_fraction_lower_bound": Metric("weights that no earlier task uses", _unique),
}


def found(rows: pd.DataFrame) -> Sentences:
    """How much later tasks take from earlier ones, whether they take more as layers fill, or where it is made easy."""
    alike = of_start(longest(rows), ALIKE)
    return _told_shared(alike), _told_growth(alike), _told_preferred(with_most_starts(rows))


def _told_shared(rows: pd.DataFrame) -> str | None:
    total, beyond = rows[rows["layer"] == 0], beyond_chance(rows).groupby("layer").mean()
    share = sample_of(100 * by_network(total, shared_part(total)))
    if share is None or not {1, 2} <= set(beyond.index):
        return None
    blind = total["by_chance"].sum() / total["kept"].sum()
    first, last = beyond.iloc[0], beyond.iloc[-1]
    between = beyond.iloc[1:-1].mean() if len(beyond) > 2 else last
    parts = [f"{first:.0%} in the first layer, where old weights are useless for other pixels"]
    parts += [f"{between:.0%} in the layers behind it"] if len(beyond) > 2 else []
    alone = " but in the last layer" if last - first > NEAR else ""
    return (
        f"{'In part' if between - first > NEAR else f'Hardly{alone}'}: after {total['steps'].max():,} steps each, "
        f"{told(share, 0, 'percent')} of a later task's weights are old ones ({blind:.0%} by chance); of what is "
        f"possible beyond chance that is {', '.join(parts)} and {last:.0%} in the last."
    )


def _told_growth(rows: pd.DataFrame) -> str | None:
    rows = rows[rows["layer"] > 0]
    part = shared_part(rows)
    ranks, means = growth(rows, part), by_network(rows, part, "layer").groupby("layer").mean()
    if ranks.empty or len(means) < 2:
        return None
    beyond = growth(rows, (rows["shared"] - rows["by_chance"]) / (rows["kept"] - rows["by_chance"]))
    blind = by_network(rows, rows["by_chance"] / rows["kept"], "layer").groupby("layer").mean()
    last = means.index.max()
    most = "largest in the last layer" if means.idxmax() == last else "not largest in the last layer"
    return (
        f"In {share_of(ranks.gt(0))} layers the share of old weights grows as the layer fills, and in "
        f"{share_of(beyond.gt(0))} what is beyond chance does; it is {most}, {means[last]:.0%} where chance has "
        f"{blind[last]:.0%}, and in the layers before it {span(means.drop(last), '.0%')} where chance has "
        f"{span(blind.drop(last), '.0%')}."
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
