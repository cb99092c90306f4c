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

from modlib.chapters.weight_masks.experiment import WIDE, paper_beta
from modlib.data.arithmetic import TASKS
from modlib.evidence.criteria import FEWEST, Sample
from modlib.evidence.metrics import Metric, sample_of
from modlib.evidence.sentences import Sentences, listed, share_of, span
from modlib.tables.words import in_words

ENDS = (0.1, 0.9)  # probabilities beyond these count as decided
SMALL, MEDIUM = "fnn 400-400-200", "fnn 800-800-800-800"  # the smallest networks of figure 9
FIRST = ("addition", "pair 1")  # masks for the first of two functions
Column: TypeAlias = Callable[[pd.DataFrame], pd.Series]
NEAR = 3.3  # a strength within this factor of the paper's is near it: half a decade, however it is rounded


def at_paper_beta(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of masks learned with the paper's strength of the regulariser, of one length, see ``of_one_length``."""
    return of_one_length(_at_paper_beta(rows))


def _at_paper_beta(rows: pd.DataFrame) -> pd.DataFrame:
    wanted = [paper_beta(task, network) for task, network in zip(rows["task"], rows["network"], strict=True)]
    return rows[np.isclose(rows["beta"].astype(float), wanted)]


def of_one_length(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of masks with one number of steps for each task and kind of network: the largest that three networks have.

    Three decide what varies between networks. Where no number has three, that of most networks counts, and the larger
    of two. Masks of fewer steps keep and share other weights, so they are compared in ``lengths`` and pooled nowhere.
    """
    kind, length = ["task", "network"], ["task", "network", "mask_steps"]
    networks = rows.groupby(length)["seed"].nunique().clip(upper=FEWEST).reset_index(name="networks")
    chosen = networks.sort_values(["networks", "mask_steps"]).drop_duplicates(kind, keep="last")
    return rows[pd.MultiIndex.from_frame(rows[length]).isin(pd.MultiIndex.from_frame(chosen[length]))]


def lengths(rows: pd.DataFrame) -> pd.DataFrame:
    """Masks of one kind of network with several numbers of steps, a line for each; no line where there is one number.

    Means over ``n`` networks: ``kept`` and ``shared`` as shares, shared ``to chance``, ``accuracy`` on the own task.
    """
    rows = _at_paper_beta(rows)
    rows = rows[rows["layer"] == 0]
    rows = rows[rows.groupby(["task", "network"])["mask_steps"].transform("nunique") > 1]
    found = {
        "kept": rows["kept"] / rows["size"],
        "shared": share(rows),
        "to chance": rows["shared"] / rows["by_chance"],
        "accuracy": own_accuracy(rows),
    }
    groups = rows.assign(**found).groupby(["task", "network", "network_steps", "mask_steps"])
    return groups.agg(n=("seed", "nunique"), **{name: (name, "mean") for name in found}).reset_index()


def lengths_in_words(rows: pd.DataFrame) -> str:
    """What masks with the fewest and the most steps keep and share, by kind of network, see ``lengths``."""
    told = []
    for (task, network), part in lengths(rows).groupby(["task", "network"]):
        ends = part.sort_values("mask_steps").iloc[[0, -1]]
        kept, shared = (listed([f"{value:.1%}" for value in ends[name]]) for name in ("kept", "shared"))
        steps = listed([f"{number:,}" for number in ends["mask_steps"]])
        told.append(
            f"With {steps} steps masks of {task} in the {in_words(network)} keep {kept} of the weights and share "
            f"{shared} of these."
        )
    return " ".join(told) or "No kind of network has masks of two lengths yet."


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


def own_part(rows: pd.DataFrame) -> pd.Series:
    """Share of the weights of the smaller of two masks that the other one lacks, 1 - shared / min(kept), in [0, 1].

    It is 0 if the smaller mask lies within the larger one. The same share of all that either keeps would not be: where
    one mask keeps three times as many weights as the other, two thirds serve one of them only, wherever they lie.
    """
    return 1 - rows["shared"] / _sizes(rows)["smaller"]


def _sizes(rows: pd.DataFrame) -> pd.DataFrame:
    """How many weights the ``smaller`` and the ``larger`` of two masks keep; NaN for none."""
    both = np.sort(np.column_stack([rows["kept"], rows["union"] - rows["kept"] + rows["shared"]]).astype(float), axis=1)
    return pd.DataFrame(both, index=rows.index, columns=["smaller", "larger"]).replace(0, np.nan)


def _own_part(rows: pd.DataFrame, task: str) -> Sample | None:
    totals = whole_masks(rows)
    totals = totals[totals["task"] == task]
    return sample_of(by_seed(totals, own_part(totals)))


def own_parts(rows: pd.DataFrame) -> pd.DataFrame:
    """What the smaller and the larger of two masks have for themselves, a line a task and network, columns for readers.

    Of either mask: the share of its weights that the other one lacks, and the same of random masks of their sizes. Of
    the smaller one this is 0 if it lies within the larger one; of the larger one it then is the share ``if nested``.
    """
    totals = whole_masks(rows)
    smaller, larger = (size for _, size in _sizes(totals).items())
    found = {
        "smaller": own_part(totals),
        "smaller, by chance": 1 - totals["by_chance"] / smaller,
        "larger": 1 - totals["shared"] / larger,
        "larger, by chance": 1 - totals["by_chance"] / larger,
        "larger, if nested": 1 - smaller / larger,
    }
    return totals.assign(**found).groupby(["task", "network"])[list(found)].mean().reset_index()


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


def random_drop(rows: pd.DataFrame) -> pd.Series:
    """The same without as many random weights of every layer as the mask keeps; NaN where it was not measured."""
    both = np.array([text.split() for text in rows["drawn"].fillna("nan nan")], dtype=float).reshape(-1, 2)
    rows = rows.assign(drawn_first=both[:, 0], drawn_second=both[:, 1])
    return _accuracy(rows, "whole", own=False) - _accuracy(rows, "drawn", own=False)


def inverse_drop_beyond(rows: pd.DataFrame) -> pd.Series:
    """``inverse_drop`` less ``random_drop``: what the other function loses for *which* weights are removed."""
    return inverse_drop(rows) - random_drop(rows)


def lost_at_random(rows: pd.DataFrame) -> pd.DataFrame:
    """What the other function loses without the weights of a mask, and without as many random ones of every layer.

    One line a task and network: the number of networks ``n`` that the control was measured of; ``mask``, ``random`` and
    their difference ``beyond`` are means over masks.
    """
    rows = whole_masks(rows)
    rows = rows[rows["drawn"].notna()]
    rows = rows.assign(mask=inverse_drop(rows), random=random_drop(rows), beyond=inverse_drop_beyond(rows))
    means = {name: (name, "mean") for name in ("mask", "random", "beyond")}
    return rows.groupby(["task", "network"]).agg(n=("seed", "nunique"), **means)


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


def _inverse_drop(rows: pd.DataFrame, mask: str | None = None, column: Column = inverse_drop) -> Sample | None:
    totals = whole_masks(rows)
    totals = totals if mask is None else totals[totals["mask"] == mask]
    return sample_of(by_seed(totals, column(totals)))


def _inverse_drop_beyond(rows: pd.DataFrame, mask: str | None = None) -> Sample | None:
    """None as long as too few networks have the control: a claim then rests on the paper's own number."""
    found = _inverse_drop(rows, mask, inverse_drop_beyond)
    return found if found and found.n >= FEWEST else None


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


def _size_p(rows: pd.DataFrame, network: str, column: Column) -> Sample | None:
    """P of Welch's test for a difference between small perceptrons and larger ones in what addition's mask shares.

    It is addition's that figure 9 shows, by the authors' script.
    """
    from scipy.stats import ttest_ind

    totals = whole_masks(rows)
    totals = totals[totals["mask"] == FIRST[0]]
    of_both = [column(totals[totals["network"] == size]).dropna() for size in (SMALL, network)]
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
    rows = of_one_length(rows[rows["layer"] == 0])
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
    "inverse_drop_beyond": Metric(
        "accuracy lost on the other function by the inverse mask, beyond as many random weights", _inverse_drop_beyond
    ),
    "inverse_drop_first_beyond": Metric(
        "accuracy lost on pair 2 by the inverse mask of pair 1, beyond as many random weights",
        partial(_inverse_drop_beyond, mask="pair 1"),
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
        "weights of the smaller of two masks that the other one lacks, double addition",
        partial(_own_part, task=TASKS[1]),
    ),
    "specialised": Metric(
        "weights of the smaller of two masks that the other one lacks, addition and multiplication",
        partial(_own_part, task=TASKS[0]),
    ),
    "size_p_medium": Metric(
        "sharing of addition, p of a difference between 400-400-200 and 4 x 800",
        partial(_size_p, network=MEDIUM, column=share),
    ),
    "size_p_medium_beyond": Metric(
        "sharing of addition beyond chance, p of a difference between 400-400-200 and 4 x 800",
        partial(_size_p, network=MEDIUM, column=over_chance),
    ),
    "size_p_big": Metric(
        "sharing of addition, p of a difference between 400-400-200 and 4 x 2,000",
        partial(_size_p, network=WIDE, column=share),
    ),
    "size_p_big_beyond": Metric(
        "sharing of addition beyond chance, p of a difference between 400-400-200 and 4 x 2,000",
        partial(_size_p, network=WIDE, column=over_chance),
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
    found = own_parts(rows).set_index("task")
    if not {*TASKS[:2]} <= {*found.index}:
        return None
    operations, same = (found.loc[[task]] for task in TASKS[:2])
    return (
        f"Networks {_own_in_words(operations, ('specialise', 'specialise in part', 'do not specialise'))} and "
        f"{_own_in_words(same, ('mostly do not reuse', 'reuse in part', 'reuse'))}: of the smaller of two masks, "
        f"{span(operations['smaller'], '.0%')} of the weights serve addition or multiplication alone (by chance "
        f"{span(operations['smaller, by chance'], '.0%')}), and {span(same['smaller'], '.0%')} one of two sums alone "
        f"(by chance {span(same['smaller, by chance'], '.0%')}), by network."
    )


def _own_in_words(found: pd.DataFrame, words: tuple[str, str, str]) -> str:
    """Most weights are a mask's own in every network; in some networks; or hardly any in all of them."""
    own = found["smaller"]
    return words[0] if own.min() > 0.5 else words[2] if own.max() < 0.1 else words[1]


def _by_network(rows: pd.DataFrame, values: pd.Series) -> pd.Series:
    return values.groupby(rows["network"]).mean().dropna()


def _alike(rows: pd.DataFrame) -> pd.DataFrame:
    """By network, of two masks: the weights in both, as a multiple of chance and a part of what the smaller keeps."""
    found = {"times": rows["shared"] / rows["by_chance"], "of_smaller": 1 - own_part(rows)}
    return pd.DataFrame({name: _by_network(rows, values) for name, values in found.items()})


def _by_extremes(values: pd.Series, limit: float, below: str, above: str, mixed: str) -> str:
    return below if values.max() <= limit else above if values.min() > limit else mixed


def _told_operations(rows: pd.DataFrame) -> str | None:
    alike = _alike(rows)
    if alike.empty:
        return None
    kept = (rows["kept"] / rows["size"]).groupby([rows["network"], rows["mask"]]).mean()
    words = _by_extremes(kept, 0.5, "a small part", "a large part", "a small or a large part")
    more = _by_extremes(alike["times"], 1, "no more than chance", "more than chance", "not always more than chance")
    return (
        f"Each needs {words} of the weights, {span(kept, '.1%')} by network and mask, and masks of addition and "
        f"multiplication share {more}: {span(alike['of_smaller'], '.0%')} of what the smaller one keeps, "
        f"{span(alike['times'], '.1f')} times as many as random masks of their sizes."
    )


def _told_same(operations: pd.DataFrame, rows: pd.DataFrame, outer: pd.DataFrame) -> str | None:
    alike = _alike(rows)
    if alike.empty or outer.empty:
        return None
    pairs = alike.join(_alike(operations).add_suffix("_operations"), how="inner")
    more = {name: share_of(pairs[name] > pairs[f"{name}_operations"]) for name in alike}
    than = (
        f"; they are more alike than those of two operations in {more['of_smaller']} networks, by the multiple of "
        f"chance in {more['times']}"
    )
    return (
        f"Masks of one operation for two pairs of numbers share {span(alike['of_smaller'], '.0%')} of what the smaller "
        f"one keeps, {span(alike['times'], '.1f')} times as many as by chance, and in first and last layers "
        f"{span(_by_network(outer, share(outer)), '.0%')}{than if len(pairs) else ''}."
    )


def _told_lost(rows: pd.DataFrame) -> str | None:
    lost = 100 * inverse_drop(rows).groupby([rows["task"], rows["network"], rows["mask"]]).mean().dropna()
    operations, same = (lost[lost.index.get_level_values("task") == task] for task in TASKS[:2])
    if operations.empty or same.empty:
        return None
    words = "more" if operations.mean() > same.mean() else "no more"
    return (
        f"Without the weights of one operation, the other loses {span(operations, '.0f')} points of accuracy, {words} "
        f"than one pair of numbers loses without those of the other pair ({span(same, '.0f')} points)."
    )
