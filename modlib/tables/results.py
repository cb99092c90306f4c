"""Result tables: results/NAME.csv holds the rows, results/NAME.json says where they come from.

The runner is the only writer. A table is replaced as a whole, so it is never half-written; a lock keeps
two runners from losing each other's rows. Chapter: all of them show such tables.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from modlib.errors import OtherNetwork, ResultsError
from modlib.files import replace_file, results_folder
from modlib.tables.experiment import Experiment, Row
from modlib.tables.integrity import (
    cell_digests,
    locked,
    next_provenance,
    provenance_text,
    read_accounted,
    read_provenance,
    settle,
)
from modlib.tables.schema import Record, as_text, check_record, read_stored, records_of, sort_key

if TYPE_CHECKING:
    import pandas as pd


Key: TypeAlias = tuple[Any, ...]  # of a row: the values of its cell's key and its own


def read_table(experiment: Experiment, folder: Path | None = None) -> pd.DataFrame:
    """Rows of a result table, each column of the kind that the experiment says.

    Args:
        experiment: whose table.
        folder: where it lies; ``results_folder()`` by default.

    Raises:
        TableMissing: if there is no such table.
        ResultsError: naming line and column, if the file is not what the experiment would write.
    """
    import pandas as pd

    stored = read_stored(experiment, (folder or results_folder()) / f"{experiment.name}.csv")
    fields = zip(*stored.records, strict=True) if stored.records else ((),) * len(experiment.columns)
    kinds = {"text": "str", "numbers": "str", "integer": "int64", "number": "float64"}
    series = {}
    for (name, column), values in zip(experiment.columns.items(), fields, strict=True):
        # pandas has no empty whole number
        kind = "float64" if column.kind == "integer" and "" in values else kinds[column.kind]
        series[name] = pd.Series([column.parse(value) for value in values], dtype=kind)
    return pd.DataFrame(series)


def append_rows(experiment: Experiment, rows: Sequence[Row], run: Mapping[str, Any], folder: Path | None = None) -> int:
    """Add rows to a table and account for them in its provenance; returns how many were new.

    A row whose key is there already is left as it is. Rows are kept in the order of their keys, so a table
    does not depend on the order in which its rows were measured. Either both files hold the rows in the end, or none.

    Args:
        experiment: whose table.
        rows: mappings with the columns of the experiment.
        run: provenance of these rows; ``id`` and ``seconds`` are read, the rest is stored as it is.
        folder: where the table lies.

    Raises:
        ResultsError: if the stored table is damaged, a row does not fit it, or it cannot be written.
    """
    arrived = records_of(experiment, rows)

    def fresh(known: Mapping[Key, Record]) -> dict[Key, Record]:
        return {key: record for record in arrived if (key := sort_key(experiment, record)) not in known}

    return _change(experiment, fresh, run, folder)


def fill_rows(
    experiment: Experiment, column: str, rows: Sequence[Row], run: Mapping[str, Any], folder: Path | None = None
) -> int:
    """Fill a column of rows that are stored already, and account for it in the provenance; returns how many.

    Args:
        experiment: whose table.
        column: one of ``experiment.unmeasured``.
        rows: of whole cells, with the columns of the key, this one, and others, which must be what is stored, digit by
            digit: only then is the network the same.
        run: provenance of the column, which ``fills`` names; see ``append_rows``.
        folder: where the table lies.

    Raises:
        OtherNetwork: if a number is another one than is stored, or rows are missing.
        ResultsError: if the stored table is damaged or cannot be written, or a value does not fit it.
    """
    order, columns = list(experiment.columns), experiment.columns
    names = [*experiment.cell_key, *experiment.row_key]

    def filled(known: Mapping[Key, Record]) -> dict[Key, Record]:
        changed = {}
        for row in rows:
            key = tuple(columns[name].parse(columns[name].write(row[name])) for name in names)
            stored = dict(zip(order, known.get(key, ()), strict=False))
            empty = {column, *(name for name in experiment.unmeasured if stored.get(name) == "")}  # as yet
            measured = {name: columns[name].write(value) for name, value in row.items() if name not in empty}
            if differ := {name for name, field in measured.items() if stored.get(name) != field}:
                name = sorted(differ - set(names) or differ)[0]
                raise OtherNetwork(
                    f"{', '.join(map(str, key))} of {experiment.name}, measured again, has {name} = {measured[name]}; "
                    f"stored is {stored.get(name, 'no row')}: this is another network, and {column} is left empty; "
                    f"what differs here, says: modlib verify {experiment.name}"
                )
            changed[key] = tuple((stored | {column: columns[column].write(row[column])}).values())
            check_record(experiment, changed[key])
        width = len(experiment.cell_key)
        cells = {key[:width] for key in changed}
        if lost := [key for key in known if key[:width] in cells and key not in changed]:
            raise OtherNetwork(
                f"{', '.join(map(str, lost[0]))} of {experiment.name}, measured again, has no row; expected all that "
                f"are stored, and {column} is left empty: see remeasure of the experiment"
            )
        return changed

    return _change(experiment, filled, run, folder)


def check_writable(experiment: Experiment, folder: Path | None = None) -> None:
    """Refuse to measure for hours what cannot be stored.

    Raises:
        ResultsError: if no file can be written beside the table.
    """
    folder = folder or results_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _cannot_write(experiment, folder, error) from error


def caption(experiment: Experiment, rows: pd.DataFrame | None = None, folder: Path | None = None) -> str:
    """What a shown table rests on: profile, number of networks if it has any, dates and commits, the first and last.

    Args:
        experiment: whose table.
        rows: the rows shown; all of the table by default.
        folder: where it lies.

    Raises:
        ResultsError: if the table or its provenance is missing or damaged.
    """
    table = read_table(experiment, folder) if rows is None else rows
    runs = read_provenance(experiment.name, folder)["runs"]
    networks = len(table[list(experiment.network_key)].drop_duplicates()) if experiment.network_key else 0
    profiles = "/".join(sorted(set(table["profile"]))) or "no"
    commits = [run["commit"][:7] for run in sorted(runs, key=lambda run: str(run["date"]))]
    commit = f"commit {commits[0]}" if len(set(commits)) == 1 else f"commits {commits[0]} to {commits[-1]}"
    dates = sorted({run["date"] for run in runs})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    counted = f"{networks} network{'s' if networks != 1 else ''}, " if experiment.network_key else ""
    return f"{profiles} profile, {counted}{when}, {commit}"


def _change(
    experiment: Experiment,
    changed: Callable[[Mapping[Key, Record]], Mapping[Key, Record]],
    run: Mapping[str, Any],
    folder: Path | None,
) -> int:
    """Put lines into a table and account for them: all or, where anything fails, none; returns how many.

    Args:
        experiment: whose table.
        changed: the lines to put there, by key, from those that are there.
        run: see ``append_rows``.
        folder: where the table lies.
    """
    folder, name, width = folder or results_folder(), experiment.name, len(experiment.cell_key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(name, folder):
            settle(experiment, folder)
            records, provenance = _stored(experiment, folder)
            _sweep(name, folder)
            known = {sort_key(experiment, record): record for record in records}
            if new := changed(known):
                lines = [record for _, record in sorted({**known, **new}.items())]
                cells = [*cell_digests(list(new.values()), width)]
                _account(provenance, run, len(new), cells, cell_digests(lines, width))
                _replace_both(name, folder, as_text([tuple(experiment.columns), *lines]), provenance_text(provenance))
    except OSError as error:
        raise _cannot_write(experiment, folder, error) from error
    return len(new)


def _stored(experiment: Experiment, folder: Path) -> tuple[list[Record], dict[str, Any]]:
    """Lines and provenance to add to; the rows of a table that is not there are accounted for anew."""
    if not (folder / f"{experiment.name}.csv").exists():
        return [], {"table": experiment.name, "runs": []}
    stored, provenance = read_accounted(experiment, folder, complete=False)
    return stored.records, provenance


def _account(
    provenance: dict[str, Any], run: Mapping[str, Any], rows: int, new: list[str], cells: Mapping[str, str]
) -> None:
    entry = next((known for known in provenance["runs"] if known["id"] == run["id"]), None)
    if entry is None:
        entry = {**run, "seconds": 0.0, "rows": 0, "cells": []}
        provenance["runs"].append(entry)
    entry["seconds"] = round(entry["seconds"] + float(run["seconds"]), 3)
    entry["rows"] += rows
    entry["cells"] += new
    provenance["cells"] = dict(cells)


def _replace_both(name: str, folder: Path, table: str, provenance: str) -> None:
    """Replace a table and its provenance, see ``read_accounted``."""
    coming = next_provenance(name, folder)
    try:
        replace_file(coming, provenance)
        replace_file(folder / f"{name}.csv", table)
    except OSError:
        coming.unlink(missing_ok=True)
        raise
    coming.replace(folder / f"{name}.json")


def _sweep(name: str, folder: Path) -> None:
    """Remove what writers that were killed left behind; the lock is ours, so nobody else is writing."""
    for left in (*folder.glob(f".{name}.*"), *folder.glob(f"..{name}.*")):
        if left.name != f".{name}.lock":
            left.unlink()


def _cannot_write(experiment: Experiment, folder: Path, error: OSError) -> ResultsError:
    return ResultsError(
        f"rows of {experiment.name} cannot be stored in {folder} ({error.strerror or error}); the table is as it was: "
        "make room, or the folder writable, and run again"
    )
