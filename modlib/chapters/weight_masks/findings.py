"""Statistics that decide what the mask paper says in words, or in one number, from rows of the mask experiments.

Each takes the rows of one table and gives a number a seed, as the findings of ``upstream-downstream`` do.
Chapters: ``weight-masks``, ``class-removal``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import pandas as pd

from modlib.chapters.weight_masks.experiment import paper_beta
from modlib.data.arithmetic import TASKS
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, sample_of
from modlib.evidence.sentences import Sentences, share_of, span

ENDS = (0.1, 0.9)  # probabilities beyond these count as decided
SMALL = "fnn 400-400-200"  # the smallest network of figure 9
FIRST = ("addition", "pair 1")  # masks for the first of two functions
Column: TypeAlias = Callable[[pd.DataFrame], pd.Series]
NEAR = 3.3  # a strength within this factor of the paper's is near it: half a decade, however it is rounded


def at_paper_beta(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of masks learned with the paper's strength of the regulariser."""
    wanted = [paper_beta(task, network) for task, network in zip(rows["task"], rows["network"], strict=True)]
    return rows[np.isclose(rows["beta"].astype(float), wanted)]


def share(rows: pd.DataFrame) -> pd.Series:
    """s(t, r) of every row: weights shared with the other mask over weights kept."""
    return rows["shared"] / rows["kept"].where(rows["kept"] > 0)


def over_chance(rows: pd.DataFrame) -> pd.Series:
    """Share of the weights kept that is shared, less what two masks of these densities would share by chance."""
    return (rows["shared"] - rows["by_chance"]) / rows["kept"].where(rows["kept"] > 0)


def by_seed(rows: pd.DataFrame, values: pd.Series) -> pd.Series:
    """Mean of a column over the masks and layers that are left, by seed."""
    return values.groupby(rows["seed"]).mean()


def whole_masks(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a mask, of all its layers together, at the paper's strength."""
    rows = at_paper_beta(rows)
    return rows[rows["layer"] == 0]


def _outer(rows: pd.DataFrame, inner: bool = False) -> pd.DataFrame:
    """Rows of the first and the last layer of weights, or those of all between them."""
    rows = at_paper_beta(rows)
    rows = rows[rows["layer"] > 0]
    return rows[rows["layer"].isin([1, rows["layer"].max()]) ^ inner]


def _outer_over_inner(rows: pd.DataFrame, column: Column) -> Sample | None:
    outer, inner = _outer(rows), _outer(rows, inner=True)
    return sample_of(by_seed(outer, column(outer)) - by_seed(inner, column(inner)))


def _outer_shared(rows: pd.DataFrame) -> Sample | None:
    outer = _outer(rows)
    return sample_of(by_seed(outer, share(outer)))


def _shared(rows: pd.DataFrame) -> Sample | None:
    totals = whole_masks(rows)
    return sample_of(by_seed(totals, share(totals)))


def of_one_only(rows: pd.DataFrame) -> pd.Series:
    """Share of the weights that either of two masks keeps and the other one does not, in [0, 1]."""
    return 1 - rows["shared"] / rows["union"].where(rows["union"] > 0)


def _of_one_only(rows: pd.DataFrame, task: str) -> Sample | None:
    totals = whole_masks(rows)
    totals = totals[totals["task"] == task]
    return sample_of(by_seed(totals, of_one_only(totals)))


def _of_masks(rows: pd.DataFrame, values: pd.Series) -> pd.DataFrame:
    """A column by seed and mask."""
    return values.groupby([rows["seed"], rows["mask"]]).mean().unstack("mask")


def _multiplication_to_addition(rows: pd.DataFrame) -> Sample | None:
    totals = whole_masks(rows)
    kept = _of_masks(totals, totals["kept"])
    return sample_of(kept["multiplication"] / kept["addition"]) if len(kept) else None


def _addition_shares_more(rows: pd.DataFrame, column: Column) -> Sample | None:
    totals = whole_masks(rows)
    shares = _of_masks(totals, column(totals))
    return sample_of(shares["addition"] - shares["multiplication"]) if len(shares) else None


def confusion(rows: pd.DataFrame) -> pd.DataFrame:
    """How masked networks answer the other operation's questions: ``own`` operation, the ``other`` one, ``neither``.

    One line a mask; ``own`` is the operation of the mask.
    """
    totals = rows[rows["layer"] == 0]
    found = np.array([text.split() for text in totals["confusion"]], dtype=float).reshape(-1, 2, 3)
    masks = totals["mask"].eq("multiplication").to_numpy().astype(int)
    line = np.arange(len(totals))
    asked = found[line, 1 - masks]
    shares = np.column_stack([asked[line, masks], asked[line, 1 - masks], asked[:, 2]])
    return pd.DataFrame(shares, index=totals.index, columns=["own", "other", "neither"]).assign(seed=totals["seed"])


def _answers(rows: pd.DataFrame, answer: str) -> Sample | None:
    found = confusion(at_paper_beta(rows))
    return sample_of(found.groupby("seed")[answer].mean())


def inverse_drop(rows: pd.DataFrame) -> pd.Series:
    """Accuracy that the other function loses by the inverse of a mask, which removes what the mask keeps."""
    return _accuracy(rows, "whole", own=False) - _accuracy(rows, "inverse", own=False)


def _accuracy(rows: pd.DataFrame, name: str, own: bool) -> pd.Series:
    """Accuracy on the function that the mask was learned for, or on the other one, of ``name``'s two columns."""
    return rows[f"{name}_first"].where(rows["mask"].isin(FIRST) == own, rows[f"{name}_second"])


def lost_at_random(rows: pd.DataFrame) -> pd.DataFrame:
    """What the other function loses without the weights of a mask, and without as many random ones of every layer.

    One line a task and network: the number of networks ``n``, ``mask`` and ``random``, which are means over masks.
    """
    rows = whole_masks(rows)
    both = np.array([str(text).split() for text in rows["drawn"]], dtype=float).reshape(-1, 2)
    rows = rows.assign(drawn_first=both[:, 0], drawn_second=both[:, 1])
    at_random = _accuracy(rows, "whole", own=False) - _accuracy(rows, "drawn", own=False)
    rows = rows.assign(lost=inverse_drop(rows), lost_random=at_random)
    by_network = rows.groupby(["task", "network"])
    return by_network.agg(n=("seed", "nunique"), mask=("lost", "mean"), random=("lost_random", "mean"))


def mask_or_random(rows: pd.DataFrame) -> str:
    """Whether the other function loses more without the weights of a mask than without as many random ones."""
    lost = 100 * lost_at_random(rows)[["mask", "random"]]
    told = []
    for task, part in lost.groupby(level="task"):
        more = (part["mask"] > part["random"]).mean()
        words = {1.0: "more than", 0.0: "no more than"}.get(more, "in some networks more than")
        told.append(
            f"in {task} {span(part['mask'], '.0f')} points without the weights of a mask, {words} without as many "
            f"random ones ({span(part['random'], '.0f')})"
        )
    return f"What the other function loses: {'; '.join(told)}."


def _inverse_drop(rows: pd.DataFrame, mask: str | None = None) -> Sample | None:
    totals = whole_masks(rows)
    totals = totals if mask is None else totals[totals["mask"] == mask]
    return sample_of(by_seed(totals, inverse_drop(totals)))


def _by_task(rows: pd.DataFrame, column: Column) -> pd.DataFrame:
    """Means of a column over the masks of a network, by seed and task."""
    totals = whole_masks(rows)
    return column(totals).groupby([totals["seed"], totals["task"]]).mean().unstack("task").reindex(columns=list(TASKS))


def _shared_io(rows: pd.DataFrame, column: Column) -> Sample | None:
    shares = _by_task(rows, column)
    return sample_of(shares[TASKS[0]] - shares[TASKS[1]])


def _apart(rows: pd.DataFrame) -> Sample | None:
    """What showing one pair at a time adds to s(t, r), as a share of it."""
    shares = _by_task(rows, share)
    return sample_of(shares[TASKS[2]] / shares[TASKS[1]] - 1)


def _size_p(rows: pd.DataFrame, column: Column) -> Sample | None:
    """P of Welch's test for the difference in sharing between small perceptrons and large ones."""
    from scipy.stats import ttest_ind

    totals = whole_masks(rows[rows["network"].str.startswith("fnn")])
    small = totals["network"] == SMALL
    by_network = column(totals).groupby([small, totals["network"], totals["seed"]]).mean()
    of_both = [by_network[by_network.index.get_level_values(0) == kind] for kind in (True, False)]
    if min(map(len, of_both)) < 2:
        return None
    return Sample(float(ttest_ind(*of_both, equal_var=False).pvalue), min(map(len, of_both)))


def _decided(rows: pd.DataFrame) -> Sample | None:
    """Share of probabilities that are near 0 or 1."""
    totals = whole_masks(rows)
    if totals.empty:
        return None
    counts = np.array([text.split() for text in totals["histogram"]], dtype=float)
    middles = (np.arange(counts.shape[1]) + 0.5) / counts.shape[1]
    ends = (middles < ENDS[0]) | (middles > ENDS[1])
    return sample_of(by_seed(totals, pd.Series(counts[:, ends].sum(1) / counts.sum(1), index=totals.index)))


def own_accuracy(rows: pd.DataFrame) -> pd.Series:
    """Accuracy of a masked network on the function that the mask was learned for."""
    return _accuracy(rows, "masked", own=True)


def _range_near_paper(rows: pd.DataFrame, column: Column) -> Sample | None:
    """Largest less smallest mean over strengths near the paper's, by seed; seeds with one strength are left out."""
    rows = rows[rows["layer"] == 0]
    paper = np.array([paper_beta(task, network) for task, network in zip(rows["task"], rows["network"], strict=True)])
    ratio = rows["beta"].astype(float) / paper
    near = rows[(ratio < NEAR) & (ratio > 1 / NEAR)]
    means = column(near).groupby([near["seed"], near["beta"]]).mean().unstack("beta").dropna()
    return sample_of(means.max(axis=1) - means.min(axis=1)) if means.shape[1] > 1 else None


FINDINGS = {
    "weight_ratio_mul_to_add": Metric(
        "weights for multiplication to those for addition", _multiplication_to_addition, no_effect=1
    ),
    "outer_over_inner": Metric(
        "sharing, first and last layer minus those between", partial(_outer_over_inner, column=share)
    ),
    "outer_over_inner_beyond": Metric(
        "sharing beyond chance, first and last layer minus those between",
        partial(_outer_over_inner, column=over_chance),
    ),
    "addition_shares_more": Metric(
        "sharing, addition minus multiplication", partial(_addition_shares_more, column=share)
    ),
    "addition_shares_more_beyond": Metric(
        "sharing beyond chance, addition minus multiplication", partial(_addition_shares_more, column=over_chance)
    ),
    "answers_own": Metric("other operation answered by the mask's own", partial(_answers, answer="own")),
    "answers_neither": Metric("other operation answered by neither", partial(_answers, answer="neither")),
    "shared": Metric("sharing, all layers", _shared),
    "outer_shared": Metric("sharing, first and last layer", _outer_shared, 4),
    "inverse_drop": Metric("accuracy lost on the other function by the inverse mask", _inverse_drop),
    "inverse_drop_first": Metric(
        "accuracy lost on pair 2 by the inverse mask of pair 1", partial(_inverse_drop, mask="pair 1")
    ),
    "together_or_apart": Metric("sharing, what one pair at a time adds to that of both, as a share of it", _apart),
    "shared_io": Metric(
        "sharing, addition and multiplication minus double addition", partial(_shared_io, column=share)
    ),
    "shared_io_beyond": Metric(
        "sharing beyond chance, addition and multiplication minus double addition",
        partial(_shared_io, column=over_chance),
    ),
    "not_reused": Metric(
        "weights that serve one of two pairs only, double addition", partial(_of_one_only, task=TASKS[1])
    ),
    "specialised": Metric(
        "weights that serve one of two operations only, addition and multiplication",
        partial(_of_one_only, task=TASKS[0]),
    ),
    "size_p": Metric("sharing, p of a difference between small and large", partial(_size_p, column=share)),
    "size_p_beyond": Metric(
        "sharing beyond chance, p of a difference between small and large", partial(_size_p, column=over_chance)
    ),
    "decided": Metric("share of probabilities below 0.1 or above 0.9", _decided),
    "range_accuracy": Metric(
        "range of accuracy over strengths near the paper's", partial(_range_near_paper, column=own_accuracy)
    ),
    "range_sharing": Metric(
        "sharing beyond chance, range over strengths near the paper's", partial(_range_near_paper, column=over_chance)
    ),
}


def found(rows: pd.DataFrame) -> Sentences:
    """What masks of two operations keep and share, what masks of one operation share, and what a network then loses."""
    totals = whole_masks(rows)
    operations, same = (totals[totals["task"] == task] for task in TASKS[:2])
    return (
        _told_operations(operations),
        _told_same(operations, same, _outer(rows[rows["task"] == TASKS[1]])),
        _told_lost(totals),
    )


def specialise_and_reuse(rows: pd.DataFrame) -> str | None:
    """Whether different functions have weights of their own, and whether the same function has the same ones twice."""
    totals = whole_masks(rows)
    parts = (totals[totals["task"] == task] for task in TASKS[:2])
    operations, same = (_by_network(part, of_one_only(part)) for part in parts)
    if operations.empty or same.empty:
        return None
    specialise = "specialise" if operations.min() > 0.5 else "specialise in part"
    reuse = "and do not reuse" if same.min() > 0.5 else "and reuse in part"
    return (
        f"Networks {specialise} {reuse}: of the weights that addition or multiplication needs, "
        f"{span(operations, '.0%')} serve one of them only, and of those that either of two sums needs, "
        f"{span(same, '.0%')}, by network."
    )


def _by_network(rows: pd.DataFrame, values: pd.Series) -> pd.Series:
    return values.groupby(rows["network"]).mean().dropna()


def _alike(rows: pd.DataFrame) -> pd.DataFrame:
    """By network, of two masks: how many times as many weights as by chance are in both, and of what either keeps."""
    found = {"times": rows["shared"] / rows["by_chance"], "of_either": rows["shared"] / rows["union"]}
    return pd.DataFrame({name: _by_network(rows, values) for name, values in found.items()})


def _told_operations(rows: pd.DataFrame) -> str | None:
    alike = _alike(rows)
    if alike.empty:
        return None
    kept = (rows["kept"] / rows["size"]).groupby([rows["network"], rows["mask"]]).mean()
    words = "a small part" if kept.max() < 0.5 else "a large part"
    more = "more than chance" if alike["times"].min() > 1 else "no more than chance"
    most = "but not most of what they keep" if alike["of_either"].max() < 0.5 else "most of what they keep"
    return (
        f"Each needs {words} of the weights, {span(kept, '.1%')} by network and mask, and masks of addition and "
        f"multiplication share {more}, {most}: of the weights that either keeps {span(alike['of_either'], '.0%')} are "
        f"in both, {span(alike['times'], '.1f')} times as many as of random masks of their sizes."
    )


def _told_same(operations: pd.DataFrame, rows: pd.DataFrame, outer: pd.DataFrame) -> str | None:
    alike = _alike(rows)
    if alike.empty or outer.empty:
        return None
    pairs = alike.join(_alike(operations).add_suffix("_operations"), how="inner")
    more = {name: share_of(pairs[name] > pairs[f"{name}_operations"]) for name in alike}
    than = (
        f"; they are more alike than those of two operations in {more['of_either']} networks, by the multiple of "
        f"chance in {more['times']}"
    )
    return (
        f"Masks of one operation for two pairs of numbers have {span(alike['of_either'], '.0%')} of what either keeps "
        f"in both, {span(alike['times'], '.1f')} times as many as by chance, and in first and last layers share "
        f"{span(_by_network(outer, share(outer)), '.0%')}{than if len(pairs) else ''}."
    )


def _told_lost(rows: pd.DataFrame) -> str | None:
    lost = 100 * inverse_drop(rows).groupby([rows["task"], rows["network"]]).mean().dropna()
    operations, same = (lost[lost.index.get_level_values("task") == task] for task in TASKS[:2])
    if operations.empty or same.empty:
        return None
    words = "more" if operations.mean() > same.mean() else "no more"
    return (
        f"Without the weights of one operation, the other loses {span(operations, '.0f')} points of accuracy, {words} "
        f"than one pair of numbers loses without those of the other pair ({span(same, '.0f')} points)."
    )
