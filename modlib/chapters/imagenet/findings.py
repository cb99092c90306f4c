"""What decides the paper's claims on networks for ImageNet, from rows of ``imagenet``.

Chapter: ``imagenet``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from modlib.chapters.imagenet.experiment import COMPUTED, NAMES, READ, UNSCALED
from modlib.evidence.criteria import Sample
from modlib.evidence.metrics import Metric, are_below_all_shuffles, sample_of
from modlib.evidence.papers import paper_values
from modlib.evidence.sentences import Sentences, listed, share_of, span
from modlib.tables import number_lists
from modlib.zoo.imagenet import KERNELS, RANDOM, TORCHVISION

DRAWN = {
    READ: " trained networks lie below all their shuffles if kernels are scaled to one mean norm",
    UNSCALED: " if they are not",
    COMPUTED: " if vertices are channels computed, not read",
}
DEEP = 30  # layers of vertices: more have all but the VGGs and ResNet-18
TIE = 1e-4  # what n-cuts of shuffles are stored to
MOSTLY = 0.5  # share of an eigenvector between layers, from which on it tells them apart


def printed_networks() -> pd.DataFrame:
    """What table A.11 prints, by network: columns ncut, shuffled_mean, shuffled_sd and p; z follows from them."""
    table = paper_values("clusterability").query("item == 'table-A.11'")
    values, sds = (table.pivot(index="row", columns="metric", values=name) for name in ("value", "sd"))
    found = pd.DataFrame(
        {
            "ncut": values["ncut"],
            "shuffled_mean": values["dist_ncut"],
            "shuffled_sd": sds["dist_ncut"],
            "p": values["p_value"],
        }
    ).astype(float)
    return found.assign(z=(found["ncut"] - found["shuffled_mean"]) / found["shuffled_sd"]).reindex(list(NAMES))


def trained(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of trained networks, those of torchvision's weights where a network has both: they are exact."""
    exact = rows[rows["weights"] == TORCHVISION]
    others = rows[(rows["weights"] == KERNELS) & ~rows["network"].isin(exact["network"])]
    return pd.concat([exact, others])


def telling_layers(rows: pd.DataFrame) -> pd.Series:
    """Share of the eigenvectors of every row, but the constant one, that tell layers apart, in [0, 1]."""
    shares = [(number_lists([text]) > MOSTLY).mean() for text in rows["between_layers"]]
    return pd.Series(shares, rows.index, dtype=float)


def beside_shuffles(rows: pd.DataFrame) -> pd.DataFrame:
    """How many shuffles of every row are ``lower``, how many ``tie`` and how many are ``higher``.

    Shuffled n-cuts are stored with four decimals: one that differs by no more than that from the network's ties. Ties
    count against a network in its p.
    """
    gaps = [
        np.array(text.split(), dtype=float) - ncut
        for text, ncut in zip(rows["shuffled"].astype(str), rows["ncut"], strict=True)
    ]
    counts = [((gap < -TIE).sum(), (abs(gap) <= TIE).sum(), (gap > TIE).sum()) for gap in gaps]
    return pd.DataFrame(counts, rows.index, ["lower", "tie", "higher"], dtype=int)


def distance(rows: pd.DataFrame) -> pd.Series:
    """n-cut less the mean of the shuffles, below 0 if more clusterable."""
    return rows["ncut"] - rows["shuffled_mean"]


def _below(rows: pd.DataFrame) -> Sample | None:
    """n-cut of trained networks less the mean of their shuffles."""
    return sample_of(distance(trained(rows)))


def _nearly_all(rows: pd.DataFrame) -> Sample | None:
    """Share of trained networks that at most one shuffle in a hundred equals; p = (r + 1) / (n + 1)."""
    return sample_of(_nearly_below(trained(rows)).astype(float))


def _nearly_below(rows: pd.DataFrame) -> pd.Series:
    return (rows["p"] * (rows["n_shuffles"] + 1) - 1).round() <= rows["n_shuffles"] / 100


def _deep_by_layers(rows: pd.DataFrame) -> Sample | None:
    """Share of the eigenvectors of deep networks that tell layers apart, one a network."""
    return sample_of(telling_layers(rows[rows["layers"] > DEEP]))


def _p_of_random(rows: pd.DataFrame) -> Sample | None:
    """P of networks with random weights."""
    return sample_of(rows.loc[rows["weights"] == RANDOM, "p"])


def _trained_less_random(rows: pd.DataFrame) -> Sample | None:
    """Distance to the shuffles of trained networks less the mean of random ones of the same architecture."""
    random = rows[rows["weights"] == RANDOM]
    usual = distance(random).groupby(random["network"]).mean()
    rows = trained(rows)
    return sample_of(distance(rows) - rows["network"].map(usual))


def _accuracy(rows: pd.DataFrame) -> Sample | None:
    return sample_of(rows["accuracy"])


FINDINGS = {
    "top1_acc": Metric("top-1 accuracy, as published", _accuracy, spread=False),
    "trained_below_shuffles": Metric("n-cut minus that of shuffles, trained networks", _below, compares=("weights",)),
    "beats_nearly_all_shuffles": Metric(
        "share of networks below 99 of 100 shuffles", _nearly_all, 2, needs=("shuffles_beaten",), compares=("weights",)
    ),
    "deep_by_layers": Metric("share of eigenvectors that tell layers apart", _deep_by_layers, 2),
    "p_of_random_weights": Metric("p with random weights", _p_of_random),
    "trained_less_random": Metric(
        "n-cut minus that of shuffles, trained minus random weights", _trained_less_random, compares=("weights",)
    ),
}


def found(rows: pd.DataFrame) -> Sentences:
    """Whether trained networks are below their shuffles, beside random ones; what clusters are; what drawing does."""
    read = rows[rows["graph"] == READ]
    return _told_below(read), _told_layers(read), _told_drawing(rows)


def _each(told: Mapping[str, str]) -> str:
    return listed([f"{NAMES[name]} {told[name]}" for name in NAMES if name in told])


def _told_below(rows: pd.DataFrame) -> str | None:
    ours, random = trained(rows), rows[rows["weights"] == RANDOM]
    if ours.empty or random.empty:
        return None
    below = are_below_all_shuffles(ours)
    answer = "Yes" if below.all() else "In part" if below.any() else "No"
    one = len(ours) == 1
    answer = _as_far_as(ours, answer)
    counted = "the one trained network" if one else f"{share_of(below)} trained networks"
    verb = ("has" if below.all() else "does not have") if one else "has" if below.sum() == 1 else "have"
    told = {row["network"]: f"({row['ncut']:.3f} against {row['shuffled_mean']:.3f})" for _, row in ours.iterrows()}
    return (
        f"{answer}, as the authors' code draws networks: {counted} {verb} a lower n-cut at 12 clusters than each of "
        f"{'its' if one else 'their'} shuffles, {_each(told)}; of networks with random weights "
        f"{share_of(_nearly_below(random))} have one lower than 99 of 100."
    )


def _told_layers(rows: pd.DataFrame) -> str | None:
    ours, random = trained(rows), rows[rows["weights"] == RANDOM]
    if ours.empty or random.empty:
        return None
    shares = telling_layers(ours).groupby(ours["network"]).mean()
    told = {str(name): f"({share:.0%})" for name, share in shares.items()}
    much = "Much" if shares.mean() > MOSTLY else "Little"
    return (
        f"{_as_far_as(ours, much)} of it is about layers, which are no modules, and whose part in the n-cut no shuffle "
        f"changes: of the eigenvectors that make the clusters, these shares tell layers apart: {_each(told)}, and "
        f"{span(telling_layers(random), '.0%')} in networks with random weights."
    )


def _told_drawing(rows: pd.DataFrame) -> str | None:
    ours = trained(rows)
    if set(ours["graph"]) != set(DRAWN):
        return None
    ours = ours.assign(below=are_below_all_shuffles(ours))
    below = ours.groupby("graph")["below"].agg(share_of)
    first, *others = (f"{below[graph]}{words}" for graph, words in DRAWN.items())
    verb = "decides" if ours.groupby("network")["below"].nunique().gt(1).any() else "does not decide"
    return f"{_as_far_as(ours, 'How')} a network is drawn {verb} that: {listed([first, *others])}."


def _as_far_as(ours: pd.DataFrame, beginning: str) -> str:
    """How a sentence begins, which says so if it is about one trained network."""
    one = ours["network"].nunique() == 1
    return f"As far as one network can tell, {beginning[:1].lower()}{beginning[1:]}" if one else beginning
