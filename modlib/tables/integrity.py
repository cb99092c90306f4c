"""Whether a table holds just what its runs stored: results/NAME.json keeps a digest of the rows of every cell.

A digit that was changed, rows that changed places or were lost are found by reading, not only by training again.
Chapter: all with a result table.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from filelock import FileLock

from modlib.errors import ResultsError, TableMissing
from modlib.files import replace_file, results_folder, version_of
from modlib.tables.experiment import Experiment
from modlib.tables.schema import PROFILES, Record, Stored, as_text, read_stored, remedy

RUN_FIELDS = ("id", "profile", "date", "commit")
PROVENANCE = {
    "type": "object",
    "required": ["table", "runs"],
    "properties": {
        "table": {"type": "string"},
        "cells": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{16}$"}},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": [*RUN_FIELDS, "seconds", "rows"],
                "properties": {
                    **{name: {"type": "string", "minLength": 1} for name in RUN_FIELDS},
                    "profile": {"enum": list(PROFILES)},
                    "seconds": {"type": "number", "minimum": 0},
                    "rows": {"type": "integer", "minimum": 1},
                    "cells": {"type": "array", "items": {"type": "string"}},
                    "fills": {"type": "string"},
                },
            },
        },
    },
}


def read_provenance(name: str, folder: Path | None = None) -> dict[str, Any]:
    """Where the rows of a table come from.

    Returns:
        ``runs``, a list with commit, date, versions, machine, kernels, seconds, rows and cells of each; and ``cells``,
        for the fields with which the lines of a cell begin the digest of these lines. Runs and tables of earlier
        versions lack their cells, runs their kernels. A run that filled a column of rows that were there names it as
        ``fills``. One that measured networks from the cache of another machine may say of which: ``trained`` has
        versions and kernels there. What a writer that was killed left under another name is read if it is that of the
        table, see ``read_accounted``.

    Raises:
        TableMissing: if there is no such file.
        ResultsError: if it is damaged.
    """
    folder = folder or results_folder()
    with suppress(TableMissing):
        coming = _read(name, next_provenance(name, folder))
        if _is_of(coming, folder / f"{name}.csv"):
            return coming
    return _read(name, folder / f"{name}.json")


def cell_text(fields: Record) -> str:
    """A cell, as provenance names it: the fields with which its lines begin."""
    return as_text([fields]).rstrip("\n")


def cell_digests(lines: list[Record], width: int) -> dict[str, str]:
    """For every cell, SHA-256 of its lines, the first 16 digits.

    Args:
        lines: fields of the lines of a table, those of a cell one after the other.
        width: number of fields that identify a cell, the first ones.
    """
    cells = groupby(lines, key=lambda fields: fields[:width])
    return {cell_text(cell): hashlib.sha256(as_text(rows).encode()).hexdigest()[:16] for cell, rows in cells}


def read_accounted(
    experiment: Experiment, folder: Path | None = None, complete: bool = True
) -> tuple[Stored, dict[str, Any]]:
    """A table and its provenance, which say the same, though a run may store rows at this moment.

    Provenance is written first, under another name; the moment in which the table is replaced decides; then provenance
    gets its name. So of the two files one belongs to the table, wherever a run was killed.

    Args:
        experiment: whose table.
        folder: where it lies; ``results_folder()`` by default.
        complete: whether every cell that was stored must be there, and its digest. A run measures lost cells again,
            and writes the digests of a table of an earlier version.

    Raises:
        TableMissing: if there is no table or no provenance.
        ResultsError: naming the cells that were changed, added or lost, or if a file is damaged.
    """
    folder, name = folder or results_folder(), experiment.name
    path = folder / f"{name}.csv"
    while True:
        version = version_of(path)
        stored = read_stored(experiment, path)
        found = cell_digests(stored.lines, _width(experiment, stored))
        with suppress(TableMissing):
            coming = _read(name, next_provenance(name, folder))
            if coming.get("cells") == found:
                return stored, coming
        provenance = _read(name, folder / f"{name}.json")
        faults = list(_differences(found, provenance.get("cells"), complete))
        if not faults:
            return stored, provenance
        if version_of(path) == version:  # nobody replaced it meanwhile
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            raise ResultsError(
                f"{path} is not what its runs stored: {'; '.join(faults[:3])}{more}; {remedy(experiment)}, "
                f"or, if it was changed on purpose, take it as it is with: modlib check {name} --seal"
            )


def seal(experiment: Experiment, folder: Path | None = None) -> int:
    """Take a table as it is, after a change on purpose: the digests of its cells are written anew.

    Returns:
        The number of cells.

    Raises:
        TableMissing: if there is no table or no provenance.
        ResultsError: if a file is damaged or cannot be written.
    """
    folder = folder or results_folder()
    path = folder / f"{experiment.name}.json"
    try:
        with locked(experiment.name, folder):  # or what a run stores meanwhile would be lost
            settle(experiment, folder)
            stored = read_stored(experiment, folder / f"{experiment.name}.csv")
            provenance = read_provenance(experiment.name, folder)
            provenance["cells"] = cell_digests(stored.lines, _width(experiment, stored))
            replace_file(path, provenance_text(provenance))
    except OSError as error:
        raise ResultsError(f"{path} cannot be written ({error.strerror}); make room, or the folder writable") from error
    return len(provenance["cells"])


def locked(name: str, folder: Path) -> FileLock:
    """Held by whoever writes a table or its provenance, one at a time."""
    return FileLock(folder / f".{name}.lock")


def next_provenance(name: str, folder: Path) -> Path:
    """Where provenance waits until the table that it belongs to is in its place."""
    return folder / f".{name}.next.json"


def settle(experiment: Experiment, folder: Path) -> None:
    """Give provenance that waits its name, if the table is the one that it belongs to: its writer was killed before.

    For whoever holds the lock.

    Raises:
        ResultsError: if a file is damaged.
    """
    name, waiting = experiment.name, next_provenance(experiment.name, folder)
    if waiting.exists():
        with suppress(TableMissing):
            stored = read_stored(experiment, folder / f"{name}.csv")
            if _read(name, waiting).get("cells") == cell_digests(stored.lines, _width(experiment, stored)):
                waiting.replace(folder / f"{name}.json")


def settle_alone(experiment: Experiment, folder: Path | None = None) -> None:
    """``settle``, for who has nothing to store and does not hold the lock.

    Raises:
        ResultsError: if a file is damaged.
    """
    folder = folder or results_folder()
    if next_provenance(experiment.name, folder).exists():
        with suppress(OSError), locked(experiment.name, folder):  # who may not write reads what waits where it is
            settle(experiment, folder)


def provenance_text(provenance: Mapping[str, Any]) -> str:
    """Provenance as it is stored."""
    return json.dumps(provenance, indent=1) + "\n"


def _read(name: str, path: Path) -> dict[str, Any]:
    from jsonschema import Draft202012Validator

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TableMissing(f"there is no provenance {path}; restore it from git") from error
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror}); make it a readable file") from error
    except ValueError as error:
        raise ResultsError(f"{path} does not parse as JSON ({error}); restore it from git") from error
    fault = next(Draft202012Validator(PROVENANCE).iter_errors(found), None)
    if fault is not None:
        raise ResultsError(f"{path}, {fault.json_path}: {fault.message[:200]}; restore it from git")
    ids = [run["id"] for run in found["runs"]]
    if found["table"] != name or len(set(ids)) != len(ids):
        what = f"is that of {found['table']}" if found["table"] != name else "names a run twice"
        raise ResultsError(f"{path} {what}; restore it from git")
    return dict(found)


def _is_of(provenance: Mapping[str, Any], path: Path) -> bool:
    """Whether provenance accounts for just the lines of a table, of which nothing else is known here."""
    cells = provenance.get("cells")
    if not cells:
        return False
    (named,) = csv.reader([next(iter(cells))])  # by the fields with which lines begin
    try:
        with path.open(encoding="utf-8", newline="") as file:
            _, *lines = csv.reader(file)
    except (OSError, ValueError, csv.Error):  # there is none, or a damaged one, which reading it tells
        return False
    return cell_digests([tuple(fields) for fields in lines], len(named)) == cells


def _differences(found: Mapping[str, str], recorded: Mapping[str, str] | None, complete: bool) -> Iterator[str]:
    if recorded is None:
        if complete:
            yield "there are no digests of its cells, as in earlier versions"
        return
    for cell, digest in found.items():
        if cell not in recorded:
            yield f"no run stored the cell {cell}"
        elif digest != recorded[cell]:
            yield f"the rows of the cell {cell} were changed"
    if complete:
        yield from (f"the cell {cell} is lost" for cell in recorded if cell not in found)


def _width(experiment: Experiment, stored: Stored) -> int:
    return sum(name in stored.columns for name in experiment.cell_key)
