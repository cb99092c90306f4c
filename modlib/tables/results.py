"""Result tables: results/NAME.csv holds the rows, results/NAME.json says where they come from.

The runner is the only writer. A table is replaced as a whole, so it is never half-written; a lock keeps
two runners from losing each other's rows. Chapter: all of them show such tables.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from modlib.errors import ResultsError, TableMissing
from modlib.files import replace_file, results_folder

if TYPE_CHECKING:
    import pandas as pd

# Those that a table has tell its networks apart.
NETWORK = ("dataset", "task", "network", "dropout", "hidden", "sweep", "strength", "seed")


def read_table(name: str, folder: Path | None = None) -> pd.DataFrame:
    """Rows of a result table.

    Args:
        name: which table, such as ``dropout``.
        folder: where it lies; ``results_folder()`` by default.

    Raises:
        TableMissing: if there is no such table.
        ResultsError: if the file does not parse.
    """
    import pandas as pd

    path = (folder or results_folder()) / f"{name}.csv"
    if not path.exists():
        raise TableMissing(f"there is no table {path}; fill it with: modlib run {name} --grid paper")
    remedy = f"restore it from git, or delete it and fill it again with: modlib run {name} --grid paper"
    try:
        with path.open(newline="") as file:
            widths = {len(fields) for fields in csv.reader(file, strict=True)}
        # only an empty field is missing: "none" and "no" are values
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, ValueError, csv.Error) as error:
        raise ResultsError(f"{path} does not parse as a table ({error}); {remedy}") from error
    if len(widths) != 1 or not path.read_bytes().endswith(b"\n"):
        raise ResultsError(f"{path} is cut off: its lines have {sorted(widths)} fields; {remedy}")
    return table


def read_provenance(name: str, folder: Path | None = None) -> dict[str, Any]:
    """Where the rows of a table come from: a list ``runs`` with commit, date, versions, CPU, data, seconds.

    Raises:
        TableMissing: if there is no such file.
        ResultsError: if it does not parse.
    """
    path = (folder or results_folder()) / f"{name}.json"
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise TableMissing(f"there is no provenance {path}; restore it from git") from error
    except ValueError as error:
        raise ResultsError(f"{path} does not parse as JSON ({error}); restore it from git") from error
    if not isinstance(found, dict) or not isinstance(found.get("runs"), list):
        raise ResultsError(f"{path} holds no list 'runs'; restore it from git")
    return found


def append_rows(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    key: Sequence[str],
    run: Mapping[str, Any],
    folder: Path | None = None,
) -> int:
    """Add rows to a table and account for them in its provenance; returns how many were new.

    A row whose key is there already is left as it is. Rows are kept in the order of their keys, so a table
    does not depend on the order in which its rows were measured.

    Args:
        name: which table.
        rows: mappings with the same columns, the key columns among them.
        key: columns that identify a row.
        run: provenance of these rows; ``id`` and ``seconds`` are read, the rest is stored as it is.
        folder: where the table lies.

    Raises:
        ResultsError: if the stored table is damaged or has other columns.
    """
    import pandas as pd

    folder = folder or results_folder()
    folder.mkdir(parents=True, exist_ok=True)
    fresh = pd.DataFrame(list(rows))
    path = folder / f"{name}.csv"
    with FileLock(folder / f".{name}.lock"):
        try:
            stored = read_table(name, folder)
        except TableMissing:
            table = fresh
        else:
            if list(stored.columns) != list(fresh.columns):
                raise ResultsError(
                    f"{path} has the columns {list(stored.columns)}, but the rows have {list(fresh.columns)}; "
                    "move the old table away and measure again"
                )
            known = set(stored[list(key)].astype(str).itertuples(index=False, name=None))
            new = [row not in known for row in fresh[list(key)].astype(str).itertuples(index=False, name=None)]
            fresh = fresh[new]
            table = pd.concat([stored, fresh], ignore_index=True) if len(fresh) else stored
        if not len(fresh):
            return 0
        table = table.sort_values(list(key), kind="stable", ignore_index=True)
        replace_file(path, table.to_csv(index=False, lineterminator="\n"))
        try:
            provenance = read_provenance(name, folder)
        except TableMissing:
            provenance = {"table": name, "runs": []}
        entry = next((r for r in provenance["runs"] if r["id"] == run["id"]), None)
        if entry is None:
            entry = {**run, "seconds": 0.0, "rows": 0}
            provenance["runs"].append(entry)
        entry["seconds"] = round(entry["seconds"] + float(run["seconds"]), 3)
        entry["rows"] += len(fresh)
        replace_file(folder / f"{name}.json", json.dumps(provenance, indent=1) + "\n")
    return len(fresh)


def caption(name: str, rows: pd.DataFrame | None = None, folder: Path | None = None) -> str:
    """What a shown table rests on: profile, number of networks if it has any, date and commit.

    Args:
        name: which table.
        rows: the rows shown; all of the table by default.
        folder: where it lies.

    Raises:
        ResultsError: if the table or its provenance is missing or damaged.
    """
    table = read_table(name, folder) if rows is None else rows
    runs = read_provenance(name, folder)["runs"]
    columns = [column for column in NETWORK if column in table]
    networks = len(table[columns].drop_duplicates())
    profiles = "/".join(sorted(set(table["profile"]))) or "no"
    commits = ", ".join(sorted({run["commit"][:7] for run in runs}))
    dates = sorted({run["date"] for run in runs})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    counted = f"{networks} network{'s' if networks != 1 else ''}, " if "seed" in table else ""  # a simulation has none
    return f"{profiles} profile, {counted}{when}, commit {commits}"
