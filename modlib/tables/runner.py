"""The runner: measure the cells of a grid that a result table lacks, and store their rows as they come.

A cell is one condition and one seed. Its measurement depends on the cell alone, so cells can be run in any
order, by any number of processes, and again. A killed run loses at most the cells in flight; the next one
goes on where it stopped.
"""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modlib.errors import InputError, TableMissing, nearest
from modlib.files import empty_cache, results_folder
from modlib.tables.experiment import Cell, Experiment
from modlib.tables.integrity import read_accounted
from modlib.tables.provenance import describe_run
from modlib.tables.results import append_rows, check_writable, read_table
from modlib.tables.schema import PROFILES, read_stored
from modlib.tables.workers import Outcome, measure_cell, measured_here, measured_on_dask


@dataclass(frozen=True)
class Done:
    """What a run did.

    Attributes:
        rows: number of new rows.
        failed: the cells that failed, with their errors.
    """

    rows: int
    failed: tuple[Outcome, ...]


class Stopped(KeyboardInterrupt):
    """A run was stopped by Ctrl-C or a signal.

    Attributes:
        cells: how many it had stored.
    """

    def __init__(self, cells: int) -> None:
        super().__init__(f"stopped; {cells} cells were stored")
        self.cells = cells


def missing_cells(experiment: Experiment, profile: str, folder: Path | None = None) -> list[Cell]:
    """Cells of a profile that the table does not hold, in the order of the grid.

    Raises:
        InputError: if the profile is not known.
        ResultsError: if the table is damaged.
    """
    if profile not in PROFILES:
        raise InputError(f"profile {profile!r} arrived; expected one of {', '.join(PROFILES)}")
    cells = experiment.cells(profile)
    try:
        stored = read_stored(experiment, (folder or results_folder()) / f"{experiment.name}.csv")
    except TableMissing:
        return list(cells)
    done = {record[: len(experiment.cell_key)] for record in stored.records}
    return [cell for cell in cells if experiment.cell_fields(cell) not in done]


def run(
    experiment: Experiment,
    profile: str = "smoke",
    jobs: int = 1,
    dask: str | None = None,
    folder: Path | None = None,
    only: Mapping[str, str] | None = None,
    retry: int = 0,
) -> Done:
    """Measure the cells that are missing and append their rows.

    A cell that fails, or whose process dies, is named; the others go on. SIGTERM and SIGHUP stop a run as Ctrl-C does.

    Args:
        experiment: what to measure.
        profile: smoke, quick or paper.
        jobs: worker processes on this machine.
        dask: address of a Dask scheduler that runs the cells instead.
        folder: where the table lies.
        only: restrict the cells, by column and value.
        retry: how many more times a cell that failed is tried, after all others.

    Raises:
        InputError: if the profile is not known, no cell has the values of ``only``, or a number is too small.
        ResultsError: if the table is damaged, or cannot be written; it is then as it was.
        Stopped: if it was stopped.
    """
    if jobs < 1 or retry < 0:
        raise InputError(f"jobs = {jobs}, retry = {retry} arrived; expected at least 1 worker and 0 more tries")
    todo = _restricted(experiment, profile, missing_cells(experiment, profile, folder), only or {})
    with suppress(TableMissing):
        read_accounted(experiment, folder, complete=False)
    if not todo:
        return Done(0, ())
    check_writable(experiment, folder)
    provenance, rows, stored = describe_run(profile), 0, 0
    failed: list[Outcome] = []
    try:
        with _stopped_by_signals():
            for _ in range(1 + retry):
                failed = []
                with closing(_outcomes(experiment, todo, jobs, dask)) as outcomes:
                    for outcome in outcomes:
                        if outcome.error:
                            failed.append(outcome)
                            continue
                        found = {**provenance, "seconds": outcome.seconds}
                        rows += append_rows(experiment, outcome.rows, found, folder)
                        stored += 1
                todo = [outcome.cell for outcome in failed]
                if not todo:
                    break
    except KeyboardInterrupt:
        raise Stopped(stored) from None
    return Done(rows, tuple(failed))


def command(experiment: Experiment, profile: str, cell: Cell, folder: Path | None = None) -> str:
    """What to type to measure one cell."""
    picked = [f"{name}={cell[name]}" for name in experiment.cell_key if name != "profile"]
    words = ["modlib", "run", experiment.name, "--grid", profile]
    words += [word for pair in picked for word in ("-p", pair)]
    return shlex.join([*words, *(["--results", str(folder)] if folder else [])])


@dataclass(frozen=True)
class Difference:
    """A stored value that measuring again did not give."""

    cell: str
    column: str
    stored: Any
    measured: Any


def verify(experiment: Experiment, sample: int, seed: int = 0, folder: Path | None = None) -> list[Difference]:
    """Measure stored cells again, picked at random, and compare every column with what is stored.

    Args:
        experiment: what was measured.
        sample: number of cells, at least 1; all if there are fewer.
        seed: decides the choice.
        folder: where the table lies; nothing is written there.

    Returns:
        The differences beyond ``experiment.tolerance``; empty if all is well.

    Raises:
        InputError: if the sample is empty.
        ResultsError: if there is no table, or it is damaged.
    """
    from tqdm.auto import tqdm

    if sample < 1:
        raise InputError(f"sample = {sample} arrived; expected at least 1 cell")
    table = read_table(experiment, folder)
    columns = list(experiment.cell_key)
    keys = table[columns].drop_duplicates().reset_index(drop=True)
    chosen = np.random.default_rng(seed).choice(len(keys), size=min(sample, len(keys)), replace=False)
    differences = []
    with _stopped_by_signals(), empty_cache():
        for number in tqdm(chosen, desc=f"verify {experiment.name}", unit="cell"):
            cell = {column: _plain(keys.at[number, column]) for column in columns}
            name = ", ".join(f"{column}={value}" for column, value in cell.items())
            stored = table[(table[columns] == keys.loc[number]).all(axis=1)]
            measured, _ = measure_cell(experiment, cell)
            wanted = {tuple(str(row[c]) for c in experiment.row_key): row for row in measured}
            found = {tuple(str(row[c]) for c in experiment.row_key): row for row in stored.to_dict("records")}
            for key in sorted(wanted.keys() | found.keys()):
                if key not in wanted or key not in found:
                    differences.append(
                        Difference(name, "/".join(key), key in found or "no row", key in wanted or "no row")
                    )
                    continue
                differences += [
                    Difference(f"{name}, {'/'.join(key)}", column, found[key][column], value)
                    for column, value in wanted[key].items()
                    if not _agrees(found[key][column], value, experiment.tolerance.get(column, 0.0))
                ]
    return differences


def _restricted(experiment: Experiment, profile: str, todo: Sequence[Cell], only: Mapping[str, str]) -> list[Cell]:
    for column, value in only.items():
        if column not in experiment.cell_key:
            said = nearest(column, experiment.cell_key)
            raise InputError(f"{column} = {value} arrived; cells of {experiment.name} have other columns: {said}")
        offered = sorted({str(cell[column]) for cell in experiment.cells(profile)})
        if value not in offered:
            raise InputError(f"{column} = {value} arrived; the cells of {experiment.name} have {', '.join(offered)}")
        todo = [cell for cell in todo if str(cell[column]) == value]
    return list(todo)


def _outcomes(
    experiment: Experiment, todo: Sequence[Cell], jobs: int, dask: str | None
) -> Generator[Outcome, None, None]:
    """What comes of the cells, with a bar that shows how many are done."""
    from tqdm.auto import tqdm

    found = measured_here(experiment, todo, jobs) if dask is None else measured_on_dask(experiment, todo, dask)
    with closing(found), tqdm(total=len(todo), desc=experiment.name, unit="cell") as bar:
        for outcome in found:
            if outcome.error:
                bar.write(f"failed: {', '.join(map(str, outcome.cell.values()))}: {outcome.error}", file=sys.stderr)
            yield outcome
            bar.update()


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt in the block, unless they are ignored, as under nohup."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # which alone may set what signals do
        yield
        return
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _agrees(stored: Any, measured: Any, tolerance: float) -> bool:
    # an empty field is read as NaN, and a NaN is stored as an empty field
    missing = [value is None or value == "" or value != value for value in (stored, measured)]
    if any(missing):
        return all(missing)
    if isinstance(measured, str) and not tolerance:
        return str(stored) == measured
    try:  # a list of numbers is stored as text
        old, new = (np.array(str(value).split(), dtype=float) for value in (stored, measured))
    except ValueError:
        return False
    if old.shape != new.shape or np.isinf(tolerance):
        return old.shape == new.shape
    return bool(np.allclose(old, new, rtol=0, atol=tolerance + 1e-12, equal_nan=True))
