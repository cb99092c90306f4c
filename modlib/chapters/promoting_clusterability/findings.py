"""What clusterability section 4 says about making networks clusterable, from rows of ``promoting-clusterability``.

Chapter: ``promoting-clusterability``.
"""

from __future__ import annotations

import pandas as pd

from modlib.chapters.promoting_clusterability.experiment import AS_CODE, AS_TEXT, LARGE
from modlib.chapters.rows import means_by_dataset
from modlib.evidence.criteria import Sample
from modlib.evidence.digits import signed
from modlib.evidence.metrics import Metric, are_below_all_shuffles, paired
from modlib.evidence.papers import paper_values
from modlib.evidence.sentences import Sentences, listed, share_of, told, which_way

PAIR = ["dataset", "dropout", "seed", "stage", "k"]  # networks of one seed with different methods
TABLES = ("promoting-clusterability", "clusterability")  # what is told rests on; networks that start as usual


def effect(rows: pd.DataFrame, column: str, method: str = "eigenvalues", base: str = "none") -> Sample | None:
    """A column with one method less the same with another, for networks of one seed; None if there is no pair.

    Args:
        rows: one a network, stage and k.
        column: of the table, or ``above``: the n-cut less the mean of the shuffles.
        method: a column ``method``.
        base: the method that is taken away.
    """
    rows = rows.assign(above=rows["ncut"] - rows["shuffled_mean"])
    without, with_method = (rows[rows["method"] == name] for name in (base, method))
    return paired(with_method, without, column, PAIR)


def penalty_beside_released(rows: pd.DataFrame) -> str:
    """How pruned networks with the penalty differ from the released ones, and what normalisation alone does.

    Args:
        rows: of small networks.
    """
    pruned = rows[rows["stage"] == "pruned"]
    ours = pruned[pruned["method"] == "eigenvalues"]
    if ours.empty:
        return "Not measured yet."
    released = paper_values("clusterability-released")
    released = released[released["row"] == "mnist-7x7|eigenvalue-regulariser|pruned"].set_index("metric")
    share, sd = (
        float(str(released.loc[name, column])) for name, column in (("prop_sig", "value"), ("dist_ncut", "sd"))
    )
    below = are_below_all_shuffles(ours)
    told_of = (
        f"With the penalty, {share_of(below)} pruned networks of ours ({below.mean():.2f}) lie below all their "
        f"shuffles, a share of {share:.2f} of theirs. The standard deviation of our shuffles is "
        f"{ours['shuffled_sd'].mean():.3f} in the mean, {ours['shuffled_sd'].mean() / sd:.1f} times theirs ({sd:.3f})"
    )
    alone = pruned[pruned["method"] == "normalisation"]
    if alone.empty:
        return f"{told_of}."
    return (
        f"{told_of}; with normalised neurons and no penalty it is {alone['shuffled_sd'].mean():.3f}, and mean Z is "
        f"{signed(alone['z'].mean(), '+.1f')}."
    )


def found(rows: pd.DataFrame) -> Sentences:
    """What makes networks easier to cut, whether relative to their shuffles too, and what it costs.

    Args:
        rows: of ``TABLES``.
    """
    own, usual = rows[rows["table"] == TABLES[0]], rows[rows["table"] == TABLES[1]]
    usual = usual[(usual["k"] == 12) & (usual["null"] == "layer")].assign(method="none")
    started, other = (own[own["method"] == method] for method in (AS_CODE, AS_TEXT))
    other = other[~other["dataset"].isin(started["dataset"])]
    small = own[~own["method"].isin(LARGE)]
    before, after = (small[small["stage"] == stage] for stage in ("unpruned", "pruned"))
    start = pd.concat([usual, started])
    start = start[start["stage"] == "pruned"]
    return _easier(after, start), _relative(before, after), _cost(after, start, other[other["stage"] == "pruned"])


def _easier(after: pd.DataFrame, start: pd.DataFrame) -> str | None:
    penalty, beyond = effect(after, "ncut"), effect(after, "ncut", base="normalisation")
    started = effect(start, "ncut", AS_CODE)
    if not penalty:
        return None
    ease = which_way(penalty, "easier", "harder", "not clearly easier")
    parts = [f"With the eigenvalue penalty pruned networks are {ease} to cut, their n-cut changes by {told(penalty)}"]
    if beyond:
        parts.append(f"by {told(beyond)} beyond what normalised neurons do alone")
    if started:
        parts.append(f"with a start in clusters it changes by {told(started)}")
    return "; ".join(parts) + "."


def _relative(before: pd.DataFrame, after: pd.DataFrame) -> str | None:
    stages = {"after pruning": after, "before": before}
    whole, beyond = (
        {stage: sample for stage, rows in stages.items() if (sample := effect(rows, "z", base=base))}
        for base in ("none", "normalisation")
    )
    if not whole:
        return None
    side = which_way(whole.get("after pruning"), "more", "less", "not clearly more")
    changes = listed([f"{told(sample)} {stage}" for stage, sample in whole.items()])
    alone = listed([told(sample) for sample in beyond.values()])
    of_penalty = f", beyond normalised neurons alone by {alone}" if beyond else ""
    return (
        f"Relative to their shuffles, networks with the penalty are {side} clusterable: Z, standard deviations from "
        f"the shuffles' mean, changes by {changes}{of_penalty}."
    )


def _cost(after: pd.DataFrame, start: pd.DataFrame, other: pd.DataFrame) -> str | None:
    """Of pruned networks; ``other`` are those with a start in clusters as the text has it, on data with no other."""
    costs = {
        "with the penalty": effect(after, "test_accuracy"),
        "with a start in clusters": effect(start, "test_accuracy", AS_CODE),
    }
    told_of = [f"by {told(sample, 4)} {name}" for name, sample in costs.items() if sample]
    if not told_of:
        return None
    agreed = means_by_dataset(start[start["method"] == AS_CODE], "tags_kept")
    apart = means_by_dataset(other, "tags_kept")
    tags = f"; clusters agree with the start's by {agreed}"
    tags += f", if outputs have none by {apart}" if apart else ""
    return f"Test accuracy after pruning changes {listed(told_of)}{f'{tags}, where 0 is chance' if agreed else ''}."


FINDINGS = {
    "penalty_ncut": Metric("n-cut, with the penalty minus without", lambda rows: effect(rows, "ncut")),
    "penalty_z": Metric("Z, with the penalty minus without", lambda rows: effect(rows, "z")),
}
