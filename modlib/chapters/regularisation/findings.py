"""What L1 and L2 do to clusterability, and what faint weights have to do with it, from rows of ``regularisation``.

Chapter: ``regularisation``.
"""

from __future__ import annotations

import pandas as pd

from modlib.chapters.regularisation.experiment import KEPT, NEAR_ZERO, REMOVED
from modlib.chapters.rows import by_dataset, means_by_dataset, with_distance
from modlib.evidence.criteria import Sample
from modlib.evidence.digits import signed
from modlib.evidence.metrics import over_networks, paired
from modlib.evidence.papers import paper_values
from modlib.evidence.sentences import Sentences, by_verb, listed, share_of, span, told, which_way

TABLES = ("regularisation", "clusterability")  # what is told rests on; networks without a penalty
PAIR = ["dataset", "dropout", "seed", "stage", "k"]  # networks of one seed with different penalties
NAMES = {"l1": "L1", "l2": "L2", "l1-l2": "L1 in the first layer, L2 after it"}
VARIANTS = ("l2", "l1-l2")  # what the paper says, and what its code does
ITEMS = {"mnist": "table-A.5", "fashion_mnist": "table-A.6"}  # of the paper, by data set
PRINTED = {"none": "none", "l1": "l1", "l1-l2": "l2"}  # what its tables call a penalty of ours
THEIRS = {
    "shuffled_mean": ("clusterability", "dist_ncut"),
    "fit_accuracy": ("clusterability", "train_acc"),
    "loss": ("clusterability-released", "train_loss"),
}  # what our columns are called there
RELEASED_NUMBERS = {"ncut": ("n-cut", "ncut"), "dist_ncut": ("n-cut of shuffles", "shuffled_mean")}  # number and column


def effect(rows: pd.DataFrame, usual: pd.DataFrame, column: str) -> Sample | None:
    """A column with a penalty less the same without, for networks of one seed.

    Args:
        rows: of one penalty.
        usual: of networks without a penalty, with one null model.
        column: of the tables, or ``distance``.
    """
    return paired(with_distance(rows[rows["faint"] == KEPT]), with_distance(usual), column, PAIR)


def of_faint(rows: pd.DataFrame, column: str) -> Sample | None:
    """A column with faint weights less the same without them, for the same networks.

    Args:
        rows: of one penalty.
        column: of the table, or ``distance``.
    """
    kept, removed = (with_distance(rows[rows["faint"] == state]) for state in (KEPT, REMOVED))
    return paired(kept, removed, column, PAIR)


def variants_of_l2(rows: pd.DataFrame, released: pd.DataFrame) -> pd.DataFrame:
    """Mean n-cuts of networks and of their shuffles with either variant of L2, beside those that the authors released.

    Args:
        rows: of the table, each network once at a stage.
        released: with L2, see ``paper_values``; its ``row`` has data set, penalty and stage.

    Returns:
        For every data set, stage and ``number``: ``released`` with its ``sd``, and for either variant the mean, by its
        name, and ``n`` of it; NaN where there are no rows.
    """
    lines = []
    released = released[released["metric"].isin(RELEASED_NUMBERS)]
    for row, metric, mean, sd in released[["row", "metric", "value", "sd"]].itertuples(index=False):
        data, _, stage = row.split("|")
        number, column = RELEASED_NUMBERS[metric]
        line = {"data": data, "stage": stage, "number": number, "released": float(mean), "sd": float(sd)}
        ours = rows[(rows["dataset"] == data.replace("-", "_")) & (rows["stage"] == stage)]
        for penalty in VARIANTS:
            values = ours.loc[ours["penalty"] == penalty, column]
            line |= {NAMES[penalty]: values.mean(), f"n, {NAMES[penalty]}": len(values)}
        lines.append(line)
    return pd.DataFrame(lines)


def released_l2() -> pd.DataFrame:
    """What the authors released of their perceptrons with L2, as ``variants_of_l2`` takes it."""
    released = paper_values("clusterability-released")
    return released[(released["item"] == "released-mlp") & released["row"].str.contains(r"mnist\|l2\|")]


def which_l2(table: pd.DataFrame) -> str:
    """Which of the variants of ``variants_of_l2`` the released means are nearer to, in a sentence."""
    gaps, nearer = _gaps(table), _nearer(table)
    if not nearer:
        return "which of the two it was cannot be told yet, as not both were measured in any condition."
    more, fewer = sorted(nearer, key=lambda name: -nearer[name])
    return (
        f"{nearer[more]} of {len(gaps)} released means are nearer to ours with {more}, {nearer[fewer]} to ours with "
        f"{fewer}; half of them differ by less than {gaps[more].median():.2f} from the former, by less than "
        f"{gaps[fewer].median():.2f} from the latter."
    )


def _gaps(table: pd.DataFrame) -> pd.DataFrame:
    names = [NAMES[penalty] for penalty in VARIANTS]
    measured = table.reindex(columns=[*names, "released"]).dropna()
    return measured[names].sub(measured["released"], axis=0).abs()


def _nearer(table: pd.DataFrame) -> dict[str, int]:
    """How many released means each variant is nearer to, by its name; empty if not both are measured anywhere."""
    gaps = _gaps(table)
    first, second = (NAMES[penalty] for penalty in VARIANTS)
    if gaps.empty:
        return {}
    return {first: int((gaps[first] < gaps[second]).sum()), second: int((gaps[second] < gaps[first]).sum())}


def in_code(rows: pd.DataFrame) -> str | None:
    """What the addition to volumes in the authors' code takes off n-cuts, in a sentence; None without rows.

    Args:
        rows: of networks with all of their weights, at one stage.
    """
    if rows.empty:
        return None
    off = rows["ncut"] - rows["ncut_in_code"]
    near = share_of(rows["ncut_in_code"] < NEAR_ZERO)
    return (
        f"the n-cut is {told(over_networks(rows['ncut']))} by the text, of which the addition of the code takes off "
        f"{off.min():.2f} to {off.max():.2f}; {near} have one below {NEAR_ZERO} there."
    )


def beside_printed(rows: pd.DataFrame, usual: pd.DataFrame) -> pd.DataFrame:
    """Means over networks less those that tables A.5 and A.6 print, and less the losses that the authors released.

    Args:
        rows: of the table.
        usual: of networks without a penalty, with one null model.

    Returns:
        A line for every data set, penalty (``none`` for none) and stage of which there are rows, with ``n`` networks;
        columns ``shuffled_mean``, ``fit_accuracy`` and ``loss``, ours minus theirs, NaN where it is not stored. Of
        networks without a penalty the training accuracy is that at the end of a stage, which is stored of all of them.
    """
    at_end = usual["fit_accuracy"].fillna(usual["train_accuracy"])
    ours = pd.concat([usual.assign(penalty="none", faint=KEPT, fit_accuracy=at_end), rows])
    ours = ours[ours["dataset"].isin(ITEMS) & ours["penalty"].isin(PRINTED)]
    shuffles = ours["shuffled_mean"].where(ours["faint"] == KEPT)
    # training accuracies and losses are of the network as it was trained
    ours = ours.assign(shuffled_mean=shuffles, of_network=ours["faint"] == KEPT)
    by_condition = ours.groupby(["dataset", "penalty", "stage"])
    columns = ["shuffled_mean", "fit_accuracy", "loss"]
    means = by_condition[columns].mean().assign(n=by_condition["of_network"].sum()).reset_index()
    names = means["dataset"].str.replace("_", "-") + "|"
    tables, row = means["dataset"].map(ITEMS), means["penalty"].map(PRINTED) + "|" + means["stage"]
    places = {"clusterability": (tables, row), "clusterability-released": ("released-mlp", names + row)}
    for column, (paper, metric) in THEIRS.items():
        values = paper_values(paper)
        theirs = values[values["metric"] == metric].set_index(["item", "row"])["value"]
        item, of_row = places[paper]
        at = pd.MultiIndex.from_frame(pd.DataFrame({"item": item, "row": of_row}))
        means[column] -= theirs.reindex(at).astype(float).to_numpy()
    return means


def where_they_part(beside: pd.DataFrame) -> str | None:
    """Where the networks of ``beside_printed`` part from the printed ones, in a sentence; None without pruned ones."""
    pruned, penalised = beside["stage"] == "pruned", beside["penalty"] != "none"
    parts = {
        "unpruned, with a penalty": beside[~pruned & penalised],
        "pruned, without one": beside[pruned & ~penalised],
        "pruned, with a penalty": beside[pruned & penalised],
    }
    last = parts["pruned, with a penalty"]
    if last.empty:
        return None
    told_of = [
        f"by {signed(part['shuffled_mean'].min(), '+.2f')} to {signed(part['shuffled_mean'].max(), '+.2f')} {words}"
        for words, part in parts.items()
        if len(part)
    ]
    lower, below = share_of(last["fit_accuracy"] < 0), share_of(last["loss"] > 0)
    return (
        f"Mean n-cuts of shuffles differ from the printed ones {listed(told_of)}. Of pruned networks with a penalty, "
        f"the training accuracy is lower than the printed one in {lower} conditions, and the loss higher than the "
        f"released one in {below}."
    )


def found(rows: pd.DataFrame) -> Sentences:
    """What the penalties do to the n-cut of pruned networks, what faint weights do, and which L2 the authors trained.

    On the data sets of the printed tables: what is measured on others beyond them stands in the tables of the page.

    Args:
        rows: of ``TABLES``.
    """
    twelve = rows[(rows["k"] == 12) & rows["dataset"].isin(ITEMS)]
    own, usual = (twelve[twelve["table"] == table] for table in TABLES)
    pruned, usual = (part[part["stage"] == "pruned"] for part in (own, usual[usual["null"] == "layer"]))
    by_penalty = {name: part for penalty, name in NAMES.items() if len(part := pruned[pruned["penalty"] == penalty])}
    unpruned = own[(own["stage"] == "unpruned") & (own["faint"] == KEPT)]
    return _ncut(by_penalty, usual), _faint(by_penalty.get("L1")), _two_kinds(by_penalty, unpruned)


def _ncut(by_penalty: dict[str, pd.DataFrame], usual: pd.DataFrame) -> str | None:
    parts, networks = [], []
    for name, rows in by_penalty.items():
        changes = {words: effect(part, usual, "ncut") for words, part in by_dataset(rows).items()}
        of_penalty = by_verb(
            (
                which_way(change, "lowers it on", "raises it on", "may change it on"),
                f"{words} ({signed(change.mean, '.2f')})",
            )
            for words, change in changes.items()
            if change
        )
        if of_penalty:
            parts.append(f"{name} {of_penalty}")
            networks += [change.n for change in changes.values() if change]
    if not parts:
        return None
    return f"The n-cut of pruned networks, {span(networks, 'd')} of a kind: {'; '.join(parts)}."


def _faint(rows: pd.DataFrame | None) -> str | None:
    if rows is None or not of_faint(rows, "distance"):
        return None
    removed = by_dataset(with_distance(rows[rows["faint"] == REMOVED]))
    without = [f"{told(over_networks(part['distance']))} on {words}" for words, part in removed.items()]
    share = rows["faint_share"].mean()
    return (
        f"With L1 pruned networks' n-cut minus their shuffles' is {_distance(rows)}; without the {share:.0%} of "
        f"weights fainter than one step of the optimiser {listed(without)}, and test accuracy changes by "
        f"{told(_negative(of_faint(rows, 'test_accuracy')), 4)}."
    )


def _two_kinds(by_penalty: dict[str, pd.DataFrame], unpruned: pd.DataFrame) -> str | None:
    """The distances of both variants of L2, and which of them the authors' networks were before pruning."""
    parts = [
        f"{_distance(by_penalty[name])} with {name}" for name in map(NAMES.get, VARIANTS) if name and name in by_penalty
    ]
    if not parts:
        return None
    near = _nearer(variants_of_l2(unpruned, released_l2()).query("stage == 'unpruned'"))
    told_of = f"For pruned networks that difference is {'; '.join(parts)}"
    if not near:
        return f"{told_of}."
    first, second = (near[NAMES[penalty]] for penalty in VARIANTS)
    return (
        f"{told_of}. Before pruning, {second} of {first + second} means that the authors released are nearer to the "
        f"latter{', which their L2 seems to be' if second > first else ''}."
    )


def _distance(rows: pd.DataFrame) -> str:
    return means_by_dataset(with_distance(rows[rows["faint"] == KEPT]), "distance")


def _negative(sample: Sample | None) -> Sample | None:
    return over_networks([-value for value in sample.values]) if sample else None
