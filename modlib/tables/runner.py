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
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from modlib.errors import InputError, OtherNetwork, TableMissing, nearest
from modlib.files import empty_cache, results_folder
from modlib.tables.durations import expected
from modlib.tables.experiment import Cell, Experiment
from modlib.tables.integrity import cell_text, read_accounted, read_provenance, settle_alone
from modlib.tables.provenance import describe_run
from modlib.tables.results import append_rows, check_writable, fill_rows
from modlib.tables.schema import PROFILES, read_stored
from modlib.tables.workers import Outcome, measured_here, measured_on_dask


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
    cells = _cells(experiment, profile)
    try:
        stored = read_stored(experiment, (folder or results_folder()) / f"{experiment.name}.csv")
    except TableMissing:
        return list(cells)
    done = {record[: len(experiment.cell_key)] for record in stored.records}
    return [cell for cell in cells if experiment.cell_fields(cell) not in done]


def unfilled_cells(experiment: Experiment, profile: str, column: str, folder: Path | None = None) -> list[Cell]:
    """Cells of a profile that were stored before a column was added, and that no run has filled.

    Raises:
        InputError: if the profile is not known, or the column is not one that is added empty.
        ResultsError: if there is no table, or it is damaged.
    """
    if column not in experiment.unmeasured:
        said = nearest(column, experiment.unmeasured) if experiment.unmeasured else "it has none"
        raise InputError(f"column {column!r} of {experiment.name} arrived; expected one that is filled later: {said}")
    cells = _cells(experiment, profile)
    folder = folder or results_folder()
    stored = read_stored(experiment, folder / f"{experiment.name}.csv")
    width, place = len(experiment.cell_key), list(experiment.columns).index(column)
    measured = {record[:width] for record in stored.records if record[place]}
    runs = read_provenance(experiment.name, folder)["runs"]
    filled = {cell for run in runs if run.get("fills") == column for cell in run["cells"]}
    there = {record[:width] for record in stored.records} - measured
    wanted = {fields for fields in there if cell_text(fields) not in filled}
    return [cell for cell in cells if experiment.cell_fields(cell) in wanted]


def _cells(experiment: Experiment, profile: str) -> Sequence[Cell]:
    """The cells of a profile, if there is such a profile."""
    if profile not in PROFILES:
        raise InputError(f"profile {profile!r} arrived; expected one of {', '.join(PROFILES)}")
    return experiment.cells(profile)


def run(
    experiment: Experiment,
    profile: str = "smoke",
    jobs: int = 1,
    dask: str | None = None,
    folder: Path | None = None,
    only: Mapping[str, str] | None = None,
    retry: int = 0,
    fill: str = "",
) -> Done:
    """Measure the cells that are missing and append their rows; or fill a column of those that are there.

    A cell that fails, or whose process dies, is named; the others go on. SIGTERM and SIGHUP stop a run as Ctrl-C does.
    To fill a column, networks are trained again, and their other measures must be what is stored.

    Args:
        experiment: what to measure.
        profile: smoke, quick or paper.
        jobs: worker processes on this machine.
        dask: address of a Dask scheduler that runs the cells instead.
        folder: where the table lies.
        only: restrict the cells, by column and value.
        retry: how many more times a cell that failed is tried, after all others.
        fill: a column that earlier versions of the table lack, see ``unfilled_cells``; none by default.

    Raises:
        InputError: if the profile is not known, no cell has the values of ``only``, a number is too small, the column
            is not one that can be filled, or it would be on a cluster, whose workers have caches of their own.
        ResultsError: if the table is damaged, or cannot be written; it is then as it was.
        Stopped: if it was stopped.
    """
    if jobs < 1 or retry < 0:
        raise InputError(f"jobs = {jobs}, retry = {retry} arrived; expected at least 1 worker and 0 more tries")
    if fill and dask:
        raise InputError(f"fill = {fill!r}, dask = {dask!r} arrived; expected one of them: columns are filled here")
    todo = _cells_to_do(experiment, profile, fill, folder, only or {})
    if not todo:
        settle_alone(experiment, folder)
        return Done(0, ())
    check_writable(experiment, folder)
    if not fill:
        print(expected(experiment, todo, folder).in_words(None if dask else jobs), file=sys.stderr)
    measured = replace(experiment, measure=experiment.remeasure or experiment.measure) if fill else experiment
    store = _Store(experiment, describe_run(profile), fill, folder)
    try:
        with stopped_by_signals(), empty_cache() if fill else nullcontext():
            for _ in range(1 + retry):
                failed = _round(store, _outcomes(measured, todo, jobs, dask))
                todo = [outcome.cell for outcome in failed]
                if not todo:
                    break
    except KeyboardInterrupt:
        raise Stopped(store.cells) from None
    return Done(store.rows, tuple(failed))


class _Store:
    """Puts the rows of a cell into a table: new rows, or a column of rows that are there.

    Attributes:
        rows: how many it changed.
        cells: of how many cells.
    """

    def __init__(self, experiment: Experiment, run: Mapping[str, Any], fill: str, folder: Path | None) -> None:
        self._run = {**run, "fills": fill} if fill else run
        self._put = partial(fill_rows, experiment, fill) if fill else partial(append_rows, experiment)
        self._folder = folder
        self.rows = self.cells = 0

    def __call__(self, outcome: Outcome) -> None:
        self.rows += self._put(outcome.rows, {**self._run, "seconds": outcome.seconds}, self._folder)
        self.cells += 1


def _cells_to_do(
    experiment: Experiment, profile: str, fill: str, folder: Path | None, only: Mapping[str, str]
) -> list[Cell]:
    """The cells of these values that the table lacks, or whose column is not filled; the table is sound."""
    found = unfilled_cells(experiment, profile, fill, folder) if fill else missing_cells(experiment, profile, folder)
    todo = [cell for cell in restricted(experiment, experiment.cells(profile), only) if cell in found]
    with suppress(TableMissing):
        read_accounted(experiment, folder, complete=False)
    return todo


def _round(store: _Store, outcomes: Generator[Outcome, None, None]) -> list[Outcome]:
    """Store what comes of each cell; returns those that failed."""
    failed = []
    with closing(outcomes):
        for outcome in outcomes:
            if outcome.error:
                failed.append(outcome)
                continue
            try:
                store(outcome)
            except OtherNetwork as error:
                failed.append(replace(outcome, error=str(error)))
    return failed


def command(experiment: Experiment, profile: str, cell: Cell, folder: Path | None = None, fill: str = "") -> str:
    """What to type to measure one cell, or fill a column of its rows."""
    picked = [f"{name}={cell[name]}" for name in experiment.cell_key if name != "profile"]
    words = ["modlib", "run", experiment.name, "--grid", profile, *(["--fill", fill] if fill else [])]
    words += [word for pair in picked for word in ("-p", pair)]
    return shlex.join([*words, *(["--results", str(folder)] if folder else [])])


def restricted(experiment: Experiment, cells: Sequence[Cell], only: Mapping[str, str]) -> list[Cell]:
    """The cells that have these values, by column.

    Raises:
        InputError: if cells have no such column, or none of them has such a value.
    """
    found = list(cells)
    for column, value in only.items():
        if column not in experiment.cell_key:
            said = nearest(column, experiment.cell_key)
            raise InputError(f"{column} = {value} arrived; cells of {experiment.name} have other columns: {said}")
        offered = sorted({str(cell[column]) for cell in cells})
        if value not in offered:
            raise InputError(f"{column} = {value} arrived; the cells of {experiment.name} have {', '.join(offered)}")
        found = [cell for cell in found if str(cell[column]) == value]
    return found


def _outcomes(
    experiment: Experiment, todo: Sequence[Cell], jobs: int, dask: str | None
) -> Generator[Outcome, None, None]:
    """What comes of the cells, with a bar that shows how many are done."""
    from tqdm import tqdm

    found = measured_here(experiment, todo, jobs) if dask is None else measured_on_dask(experiment, todo, dask)
    said: set[str] = set()
    with closing(found), tqdm(total=len(todo), desc=experiment.name, unit="cell") as bar:
        for outcome in found:
            if outcome.error and outcome.error not in said:  # all cells that failed are named at the end
                bar.write(f"failed: {', '.join(map(str, outcome.cell.values()))}: {outcome.error}", file=sys.stderr)
                said.add(outcome.error)
            yield outcome
            bar.update()


@contextmanager
def stopped_by_signals() -> Iterator[None]:
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
