"""What the graphs of channels look like, from rows of ``convolutional-networks``, and which graph the paper's are.

Chapter: ``convolutional-networks``.
"""

from __future__ import annotations

import pandas as pd

from modlib.chapters.convolutional_networks.experiment import FOLDED, FULL, SMALL, UNTRAINED
from modlib.chapters.rows import CODE, TEXT, with_distance
from modlib.evidence.criteria import Sample
from modlib.evidence.digits import signed
from modlib.evidence.metrics import Metric, are_below_all_shuffles, sample_of
from modlib.evidence.papers import paper_values
from modlib.evidence.sentences import Sentences, listed, share_of
from modlib.tables.words import DATASETS

NAMES = {
    "none": "nothing",
    "dropout": "dropout",
    "l1": "L1",
    "l2": "L2",
    "dropout, l2": "dropout and L2",
    "start": "clusterable start",
}
STAGES = {"unpruned": "before pruning", "pruned": "after pruning"}
GRAPHS = {TEXT: "the text", CODE: "the authors' code"}
ITEMS = {"mnist": "table-A.8", "fashion_mnist": "table-A.9"}  # of the paper, small CNNs


def with_condition(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a column ``condition``: what a network was trained with, one of ``NAMES``."""
    without, alone = rows["dropout"] == "no", rows["penalty"] == "none"
    both = ("dropout, " + rows["penalty"]).where(~alone, "dropout")
    return rows.assign(condition=both.where(~without, rows["penalty"]))


def beside_the_paper(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of small CNNs over networks, and those that the paper prints.

    Returns:
        A line a graph, data set, condition and stage that both have; columns ``ncut`` and ``shuffled_mean``, and the
        same with ``_paper``.
    """
    printed = paper_values("clusterability").query("item in @ITEMS.values() and metric in ('ncut', 'dist_ncut')")
    values = printed.astype({"value": float}).pivot_table("value", ["item", "row"], "metric")
    values = values.rename(columns={"ncut": "ncut_paper", "dist_ncut": "shuffled_mean_paper"})
    small = _in_tables(rows)
    ours = small.groupby(["graph", "dataset", "condition", "stage"])[["ncut", "shuffled_mean"]].mean().reset_index()
    ours = ours.assign(item=ours["dataset"].map(ITEMS), row=ours["condition"] + "|" + ours["stage"])
    return ours.join(values, on=["item", "row"], how="inner").drop(columns=["item", "row"])


def _in_tables(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of trained small CNNs of which the paper prints a table, with their condition."""
    return with_condition(rows[(rows["network"] == SMALL) & rows["dataset"].isin(ITEMS)])


def _beat_all(rows: pd.DataFrame) -> Sample | None:
    """Share of networks that are more clusterable than each of their shuffles."""
    return sample_of(are_below_all_shuffles(rows).astype(float)) if len(rows) else None


FINDINGS = {
    "beats_all_shuffles": Metric("share of networks below all shuffles", _beat_all, 2, needs=("shuffles_beaten",)),
}


def trained(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of networks that were trained in full, batch norm left out of their graphs as in the paper."""
    return rows[(rows["schedule"] == FULL) & (rows["dataset"] != UNTRAINED) & (rows["batch_norm"] != FOLDED)]


def found(rows: pd.DataFrame) -> Sentences:
    """Whether trained CNNs are more clusterable than chance, what the graph does to it, and what training does."""
    rows = rows[rows["schedule"] == FULL]
    untrained = rows[(rows["dataset"] == UNTRAINED) & (rows["graph"] == TEXT)]
    ours = with_distance(trained(rows))
    return _trained(ours, untrained), _drawn(rows), _spread(ours[ours["graph"] == TEXT], untrained)


def _trained(trained: pd.DataFrame, untrained: pd.DataFrame) -> str | None:
    if trained.empty and untrained.empty:
        return None
    if trained.empty:
        return f"The n-cuts of trained CNNs are not measured yet, only those of {len(untrained)} that are not trained."
    told = []
    for graph, name in GRAPHS.items():
        of_graph = trained[trained["graph"] == graph]
        stages = ((words, of_graph[of_graph["stage"] == stage]) for stage, words in STAGES.items())
        parts = [f"{share_of(part['distance'] < 0)} {words}" for words, part in stages if len(part)]
        told += [f"by the graph of {name} in {listed(parts)}"] if parts else []
    return f"Trained CNNs are easier to cut than the mean of their shuffles {'; '.join(told)}."


def _drawn(rows: pd.DataFrame) -> str | None:
    small = _in_tables(rows)
    pruned, ridden = small[small["stage"] == "pruned"], small[small["stage"] == "unpruned"].query("condition == 'l2'")
    shuffles = pruned.pivot_table("shuffled_mean", ["condition", "dataset"], "graph")
    ncuts = ridden.pivot_table("ncut", "dataset", "graph")
    if not {TEXT, CODE} <= set(shuffles):
        return None
    moved = float((shuffles[CODE] - shuffles[TEXT]).median())
    told = (
        "A graph as the authors' code draws it, with another norm of slices and an addition to volumes, moves shuffles "
        f"of pruned networks by {signed(moved, '+.2f')} in the median"
    )
    if not {TEXT, CODE} <= set(ncuts):
        return f"{told}."
    parts = [
        f"{of_code:.1f} and not {of_text:.1f} on {DATASETS[str(name)]}"
        for name, of_code, of_text in zip(ncuts.index, ncuts[CODE], ncuts[TEXT], strict=True)
    ]
    most = ridden.groupby("dataset")["seed"].nunique().max()
    counted = "one network each" if most == 1 else f"up to {most} networks each"
    return (
        f"{told}; and n-cuts with L2 before pruning become {listed(parts)} ({counted}), for dead channels cost nothing."
    )


def _spread(trained: pd.DataFrame, untrained: pd.DataFrame) -> str | None:
    small = untrained[untrained["network"] == SMALL]["ncut"]
    if len(small) < 2:
        return None
    low, high, sd = small.min(), small.max(), small.std()
    below = trained[trained["network"] == SMALL]
    lower = share_of(below["ncut"] < small.min())
    told = f"; of trained ones {lower}, at either stage, are lower than all of these" if len(below) else ""
    return (
        f"By the graph of the text n-cuts of {len(small)} untrained small CNNs lie between {low:.2f} and {high:.2f}, "
        f"with a standard deviation of {sd:.3f}, which is {sd / small.mean():.1%} of their mean{told}."
    )
