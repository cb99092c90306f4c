"""What L1 and L2 do to clusterability, and what faint weights have to do with it, from rows of ``regularisation``.

Chapter: ``regularisation``.
"""

from __future__ import annotations

import pandas as pd

from modlib.chapters.regularisation.experiment import NEAR_ZERO
from modlib.chapters.rows import by_dataset, means_by_dataset, with_distance
from modlib.evidence.criteria import Sample
from modlib.evidence.digits import signed
from modlib.evidence.metrics import over_networks, paired
from modlib.evidence.sentences import Sentences, by_verb, listed, span, told, which_way

TABLES = ("regularisation", "clusterability")  # what is told rests on; networks without a penalty
PAIR = ["dataset", "dropout", "seed", "stage", "k"]  # networks of one seed with different penalties
NAMES = {"l1": "L1", "l2": "L2", "l1-l2": "L1 in the first layer, L2 after it"}
VARIANTS = ("l2", "l1-l2")  # what the paper says, and what its code does
RELEASED = {"ncut": ("n-cut", "ncut"), "dist_ncut": ("n-cut of shuffles", "shuffled_mean")}  # number and column


def effect(rows: pd.DataFrame, usual: pd.DataFrame, column: str) -> Sample | None:
    """A column with a penalty less the same without, for networks of one seed, all weights kept.

    Args:
        rows: of one penalty.
        usual: of networks without a penalty, with one null model.
        column: of the tables, or ``distance``.
    """
    return paired(with_distance(rows[rows["faint"] == "kept"]), with_distance(usual), column, PAIR)


def of_faint(rows: pd.DataFrame, column: str) -> Sample | None:
    """A column with faint weights less the same without them, for the same networks.

    Args:
        rows: of one penalty.
        column: of the table, or ``distance``.
    """
    kept, removed = (with_distance(rows[rows["faint"] == state]) for state in ("kept", "removed"))
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
    released = released[released["metric"].isin(RELEASED)]
    for row, metric, mean, sd in released[["row", "metric", "value", "sd"]].itertuples(index=False):
        data, _, stage = row.split("|")
        number, column = RELEASED[metric]
        line = {"data": data, "stage": stage, "number": number, "released": float(mean), "sd": float(sd)}
        ours = rows[(rows["dataset"] == data.replace("-", "_")) & (rows["stage"] == stage)]
        for penalty in VARIANTS:
            values = ours.loc[ours["penalty"] == penalty, column]
            line |= {NAMES[penalty]: values.mean(), f"n, {NAMES[penalty]}": len(values)}
        lines.append(line)
    return pd.DataFrame(lines)


def which_l2(table: pd.DataFrame) -> str:
    """Which of the variants of ``variants_of_l2`` the released means are nearer to, in a sentence."""
    first, second = (NAMES[penalty] for penalty in VARIANTS)
    measured = table.reindex(columns=[first, second, "released"]).dropna()
    gaps = measured[[first, second]].sub(measured["released"], axis=0).abs()
    if gaps.empty:
        return "which of the two it was cannot be told yet, as not both were measured in any condition."
    nearer = {first: (gaps[first] < gaps[second]).sum(), second: (gaps[second] < gaps[first]).sum()}
    more, fewer = sorted(nearer, key=lambda name: -nearer[name])
    return (
        f"{nearer[more]} of {len(gaps)} released means are nearer to ours with {more}, {nearer[fewer]} to ours with "
        f"{fewer}; half of them differ by less than {gaps[more].median():.2f} from the former, by less than "
        f"{gaps[fewer].median():.2f} from the latter."
    )


def in_code(rows: pd.DataFrame) -> str | None:
    """What the authors' n-cut makes of networks with dead weights, in a sentence; None without rows.

    Args:
        rows: of one stage, both of networks with dead weights and of the same without.
    """
    dead, alive = (rows[rows["faint"] == state] for state in ("kept", "dead removed"))
    both = dead.merge(alive, on=[*PAIR, "penalty"], suffixes=("", "_alive"))
    if both.empty:
        return None
    text, code, text_alive, code_alive = (
        told(over_networks(both[column])) for column in ("ncut", "ncut_in_code", "ncut_alive", "ncut_in_code_alive")
    )
    near = (both["ncut_in_code"] < NEAR_ZERO).sum()
    return (
        f"With dead weights, the n-cut of these networks is {text} by the text and {code} in the code, where "
        f"{near} of {len(both)} have one below {NEAR_ZERO}; without dead weights it is {text_alive} by the text and "
        f"{code_alive} in the code."
    )


def found(rows: pd.DataFrame) -> Sentences:
    """What the penalties do to the n-cut of pruned networks, to its place among shuffles, and what faint weights do.

    Args:
        rows: of ``TABLES``.
    """
    pruned = rows[(rows["stage"] == "pruned") & (rows["k"] == 12)]
    own, usual = (pruned[pruned["table"] == table] for table in TABLES)
    usual = usual[usual["null"] == "layer"]
    by_penalty = {name: part for penalty, name in NAMES.items() if len(part := own[own["penalty"] == penalty])}
    return _ncut(by_penalty, usual), _distance(by_penalty), _faint(by_penalty.get("L1"))


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


def _distance(by_penalty: dict[str, pd.DataFrame]) -> str | None:
    parts = []
    for name, rows in by_penalty.items():
        kept = with_distance(rows[rows["faint"] == "kept"])
        if len(kept):
            parts.append(f"{means_by_dataset(kept, 'distance')} with {name}")
    return f"The n-cut of pruned networks minus that of their shuffles is {'; '.join(parts)}." if parts else None


def _faint(rows: pd.DataFrame | None) -> str | None:
    if rows is None or not of_faint(rows, "distance"):
        return None
    removed = by_dataset(with_distance(rows[rows["faint"] == "removed"]))
    without = [f"{told(over_networks(part['distance']))} on {words}" for words, part in removed.items()]
    share = rows["faint_share"].mean()
    return (
        f"Of the weights that L1 and pruning leave, {share:.0%} are fainter than one step of the optimiser; without "
        f"them the n-cut minus that of the shuffles is {listed(without)}, and test accuracy changes by "
        f"{told(_negative(of_faint(rows, 'test_accuracy')), 4)}."
    )


def _negative(sample: Sample | None) -> Sample | None:
    return over_networks([-value for value in sample.values]) if sample else None
