"""What networks on tasks with parts look like, from rows of ``structured-tasks``. Chapter: ``structured-tasks``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from modlib.chapters.rows import CODE, TEXT, with_distance
from modlib.chapters.structured_tasks.experiment import MLP, REGRESSION
from modlib.evidence.criteria import Sample
from modlib.evidence.digits import signed
from modlib.evidence.intervals import interval_of_share
from modlib.evidence.metrics import Metric, paired, sample_of
from modlib.evidence.sentences import Sentences, listed, share_of, told
from modlib.tables.words import DATASETS, in_words

SAME = 0.005  # of mean n-cuts, by which they are told apart
NETWORK = ["network", "dataset", "dropout", "penalty", "seed"]
TASKS = {  # what a data set's name ends or begins with, and the task in words
    "halves-diff": "halves of any classes",
    "halves-same": "halves of one class",
    "stack-diff": "channels of any classes",
    "stack-same": "channels of one class",
    "polynomials": "polynomials",
    "lines": "LINES",
    "overlapping": "mixtures",
    "separate": "separate mixtures",
}


def task_of(dataset: str) -> str:
    """The task of a data set, in words: ``halves of any classes`` of ``mnist halves-diff``."""
    return TASKS[dataset.rpartition(" ")[2]]


def difference(rows: pd.DataFrame, column: str = "distance") -> Sample | None:
    """A column of networks on images of any two classes less that on two of one, for one source, stage and seed.

    Args:
        rows: one a network and stage, with the column.
        column: what is compared.
    """
    kinds = rows.assign(layout=rows["dataset"].str.replace("-(same|diff)$", "", regex=True))
    same, diff = (kinds[kinds["dataset"].str.endswith(f"-{task}")] for task in ("same", "diff"))
    return paired(diff, same, column, ["network", "layout", "dropout", "penalty", "seed", "stage", "k"])


def deciding(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of one graph a network: that of the authors' code, which made the printed numbers, where both are stored."""
    return rows[(rows["network"] == MLP) | (rows["graph"] == CODE)]


def by_definition(rows: pd.DataFrame) -> str | None:
    """Where mean n-cuts of regressions at twelve clusters differ by text and code, in a sentence; None without rows.

    Args:
        rows: of the table.
    """
    both = rows[(rows["network"] == REGRESSION) & (rows["k"] == 12)]
    means = both.replace({"penalty": {"none": "no penalty"}}).pivot_table("ncut", ["penalty", "stage"], "graph")
    if not {TEXT, CODE} <= set(means):
        return None
    apart = means[(means[TEXT] - means[CODE]).abs() > SAME]
    parts = [
        f"{of_text:.2f} by definition and {of_code:.2f} in the code with {in_words(penalty)}, {stage}"
        for (penalty, stage), of_text, of_code in zip(apart.index, apart[TEXT], apart[CODE], strict=True)
    ]
    rest = f"in {len(means) - len(apart)} of {len(means)} conditions the two differ by at most {SAME}"
    return f"Mean n-cuts are {listed(parts)}; {rest}." if parts else f"Mean n-cuts: {rest}."


def found(rows: pd.DataFrame) -> Sentences:
    """Whether pruned networks are more clusterable than chance, what pruning and the parts do, how good they are.

    Networks with a penalty are left out: weights that it has made faint decide their n-cuts, see ``regularisation``.
    """
    rows = with_distance(deciding(rows[(rows["k"] == 12) & (rows["penalty"] == "none")]))
    rows = rows.assign(task=rows["dataset"].map(task_of))
    pruned = rows[rows["stage"] == "pruned"]
    return _tasks(pruned), _pruning(rows, pruned), _scores(pruned)


def _by_task(rows: pd.DataFrame, column: str) -> list[str]:
    """The mean of every task without dropout, and with it where there are such networks."""
    parts = []
    for task in TASKS.values():
        means = rows[rows["task"] == task].groupby("dropout")[column].mean().dropna()
        own, dropped = (signed(means[value], ".3f") if value in means else "" for value in ("no", "yes"))
        if own:
            parts.append(f"{own} on {task}" + (f" (with dropout {dropped})" if dropped else ""))
    return parts


def _tasks(pruned: pd.DataFrame) -> str | None:
    if pruned.empty:
        return None
    below = pruned["distance"] < 0
    most = interval_of_share(float(below.mean()), len(below))[0] > 1 / 2  # half of them lie below by chance
    split = "Most are easier to cut than shuffles, not necessarily by parts" if most else "Not more than chance"
    means = pruned[pruned["dropout"] == "no"].groupby("task")["distance"].mean()
    by_task = listed([f"{task} {signed(means[task], '.2f')}" for task in TASKS.values() if task in means])
    return f"{split}: {share_of(below)} pruned n-cuts (no L1, L2) lie below their shuffles' mean" + (
        f"; without dropout the difference is: {by_task}." if by_task else "."
    )


def _pruning(rows: pd.DataFrame, pruned: pd.DataFrame) -> str | None:
    change = paired(pruned, rows[rows["stage"] == "unpruned"], "distance", NETWORK)
    if not change:
        return None
    sources = {source: pruned[pruned["dataset"].str.startswith(f"{name} ")] for name, source in DATASETS.items()}
    parts = {source: sample for source, rows in sources.items() if (sample := difference(rows))}
    of_each = listed([f"{told(sample)} on {source}" for source, sample in parts.items()])
    told_of = f"; two images of any classes, in the place of two of one class, change it by {of_each}" if parts else ""
    return f"Pruning changes this distance from the shuffles by {told(change)}{told_of}."


def _scores(pruned: pd.DataFrame) -> str | None:
    pruned = pruned.assign(error=pruned["test_loss"] - pruned["added"])
    right, error = (listed(_by_task(pruned, column)) for column in ("test_accuracy", "error"))
    parts = [
        f"{name} of {values}" for name, values in (("a test accuracy", right), ("a squared error", error)) if values
    ]
    return f"Pruned networks have {' and '.join(parts)}." if parts else None


def _mean(rows: pd.DataFrame, name: str) -> Sample | None:
    return sample_of(rows[name]) if name in rows else None


def _typical(rows: pd.DataFrame) -> Sample | None:
    """The median, with the spread between networks."""
    sample = _mean(rows, "test_loss")
    return replace(sample, mean=float(np.median(sample.values))) if sample else None


FINDINGS = {
    "test_loss_min": Metric("test loss (lower end)", partial(_mean, name="test_loss"), spread=False),
    "test_loss_max": Metric("test loss (upper end)", partial(_mean, name="test_loss"), spread=False),
    "test_loss_typical": Metric("typical test loss", _typical),
    "train_loss": Metric("training loss", partial(_mean, name="train_loss")),
    "test_loss": Metric("test loss", partial(_mean, name="test_loss")),
}
