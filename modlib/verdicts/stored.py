"""What chapters show of the stored tables: rows of the profile ``paper``, what they rest on, and what is missing.

Chapters: all with a result table.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from modlib.chapters import find_experiment
from modlib.errors import TableMissing
from modlib.files import results_folder, version_of
from modlib.tables.results import caption, read_table
from modlib.tables.runner import missing_cells
from modlib.tables.words import dataset_in_words

PROFILE = "paper"  # a reduced run stands for nothing but itself, and decides no claim
COLUMNS = (
    "table", "profile", "dataset", "dropout", "seed", "stage", "null", "k", "n_shuffles", "ncut", "shuffled_mean",
    "shuffled_sd", "p", "z", "sparsity", "n_live", "train_accuracy", "fit_accuracy", "test_accuracy", "shuffled",
)  # fmt: skip


def stored_table(name: str, folder: Path) -> pd.DataFrame:
    """A whole table, read and checked once as long as its file stays the same; not to be changed.

    Raises:
        TableMissing: if there is no such table.
        ResultsError: if it is damaged.
    """
    return _read_version(name, folder, version_of(folder / f"{name}.csv"))


@functools.lru_cache(maxsize=32)
def _read_version(name: str, folder: Path, version: tuple[int, ...]) -> pd.DataFrame:
    return read_table(find_experiment(name), folder)


def stored_rows(name: str, folder: Path | None = None) -> pd.DataFrame:
    """Rows of the profile ``paper`` of one table, all its columns, with its name in ``table``.

    Args:
        name: any table; one that is not there has no rows, and the columns of its cells only.
        folder: where it lies; ``results_folder()`` by default.

    Raises:
        ResultsError: if the table is damaged.
    """
    experiment, folder = find_experiment(name), folder or results_folder()
    try:
        table = stored_table(name, folder)
    except TableMissing:
        return pd.DataFrame(columns=["table", *experiment.cell_key, *experiment.row_key])
    return table.query("profile == @PROFILE").assign(table=name)


def paper_rows(*names: str, folder: Path | None = None) -> pd.DataFrame:
    """Rows of the profile ``paper`` of some tables, one below the other, with the table's name in ``table``.

    Args:
        names: tables of the chapters ``clusterability`` to ``topology-shuffles``; one that is not there has no rows.
        folder: where they lie; ``results_folder()`` by default.

    Returns:
        Columns ``COLUMNS``. ``shuffled`` is the text of the table, numbers with spaces between them.

    Raises:
        ResultsError: if a table is damaged.
    """
    folder = folder or results_folder()
    found = [rows for rows in (stored_rows(name, folder) for name in names) if len(rows)]
    rows = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(COLUMNS))
    return rows[list(COLUMNS)]


def rests_on(rows: pd.DataFrame, folder: Path | None = None) -> str:
    """What a figure or table of such rows rests on, in Markdown: the caption of every table that they come from."""
    parts = [
        f"`{name}`: {caption(find_experiment(str(name)), part, folder)}"
        for name, part in rows.groupby("table", sort=False)
    ]
    return f"*Stored rows. {'; '.join(parts)}.*" if parts else f"*No rows of the {PROFILE} profile are stored yet.*"


def still_missing(names: Sequence[str], datasets: Sequence[str], folder: Path | None = None) -> str:
    """Networks that the tables lack, in Markdown.

    Args:
        names: which tables.
        datasets: which of their data sets.
        folder: where they lie.
    """
    parts = []
    for name in names:
        cells = pd.DataFrame(missing_cells(find_experiment(name), PROFILE, folder), columns=["dataset", "dropout"])
        counts = cells[cells["dataset"].isin(datasets)].value_counts(sort=False).reset_index(name="n")
        for dataset, dropout, n in counts.itertuples(index=False):
            condition = f"{dataset_in_words(dataset)} {'with' if dropout == 'yes' else 'without'} dropout"
            parts.append(f"{n} of {condition} in `{name}`")
    return (
        f"**Networks not measured yet:** {', '.join(parts)}."
        if parts
        else "Every network that was planned is measured."
    )
