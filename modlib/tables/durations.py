"""How long cells take, by what the stored runs took. Chapter: all with a result table."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modlib.errors import TableMissing
from modlib.tables.experiment import Cell, Experiment
from modlib.tables.integrity import read_provenance
from modlib.tables.schema import Record


@dataclass(frozen=True)
class Expected:
    """How long some cells will take, one after the other.

    Attributes:
        cells: their number.
        seconds: what those take that are like measured ones.
        at_most: whether the runs of some of them measured other kinds too, and tell an upper limit only.
        unlike: number of cells that are like none that was measured.
    """

    cells: int
    seconds: float
    at_most: bool
    unlike: int

    def in_words(self, jobs: int | None = None) -> str:
        """The time on one core, and in so many processes.

        >>> Expected(4, 7200.0, False, 1).in_words(2)
        '4 cells, by stored runs 2.0 h on one core, 60 min in 2 process(es), without 1 like none that was measured'
        """
        if self.unlike == self.cells:
            return f"{self.cells} cells; no such cell was measured yet"
        told = f"{self.cells} cells, by stored runs {'at most ' if self.at_most else ''}{duration(self.seconds)}"
        whole = f", {duration(self.seconds / jobs)} in {jobs} process(es)" if jobs else ""
        rest = f", without {self.unlike} like none that was measured" if self.unlike else ""
        return f"{told} on one core{whole}{rest}"


def expected(experiment: Experiment, cells: Sequence[Cell], folder: Path | None = None) -> Expected:
    """How long cells will take, by the runs that measured cells like them: of the same network but for its seed.

    A run tells how long it took as a whole, so a kind's mean is taken over the runs that measured nothing else. Of
    kinds without such a run the limit is told: the longest time t_k of a cell of kind k that the runs r with n_rk of
    them allow, sum over k of n_rk t_k <= seconds of r.

    Args:
        experiment: what is measured.
        cells: which cells.
        folder: where its table lies; ``results_folder()`` by default.

    Raises:
        ResultsError: if provenance is damaged.
    """
    from scipy.optimize import linprog

    runs = _runs(experiment, folder)
    kinds = Counter(_kind(experiment, experiment.cell_fields(cell)) for cell in cells)
    seconds, among, unlike = 0.0, [], 0
    for kind, number in kinds.items():
        if alone := [(counts[kind], took) for counts, took in runs if set(counts) == {kind}]:
            seconds += number * sum(took for _, took in alone) / sum(count for count, _ in alone)
        elif any(kind in counts for counts, _ in runs):
            among.append(kind)
        else:
            unlike += number
    if among:
        each_run = [[counts[kind] for kind in among] for counts, _ in runs]
        most = linprog([-kinds[kind] for kind in among], A_ub=each_run, b_ub=[took for _, took in runs])
        seconds -= most.fun
    return Expected(len(cells), seconds, bool(among), unlike)


def took(name: str, profile: str, folder: Path | None = None) -> tuple[int, float] | None:
    """Number of cells of a table and what all its runs took, in seconds of one core; None if there are none.

    Args:
        name: table.
        profile: smoke, quick or paper.
        folder: where it lies; ``results_folder()`` by default.

    Raises:
        ResultsError: if its provenance is damaged.
    """
    try:
        provenance = read_provenance(name, folder)
    except TableMissing:
        return None
    cells = sum(cell.split(",", 1)[0] == profile for cell in provenance.get("cells", {}))
    seconds = sum(run["seconds"] for run in _measuring(provenance) if run["profile"] == profile)
    return (cells, seconds) if cells and seconds else None


def duration(seconds: float) -> str:
    """A time in words, such as ``40 s``, ``12 min`` or ``3.5 h``.

    >>> duration(40), duration(700), duration(12600)
    ('40 s', '12 min', '3.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _runs(experiment: Experiment, folder: Path | None) -> list[tuple[Counter[Record], float]]:
    """Of every run, how many cells of each kind it measured, and the seconds; not of networks trained elsewhere.

    Runs of earlier versions do not list their cells. Together they measured those that no other run lists.
    """
    try:
        provenance = read_provenance(experiment.name, folder)
    except TableMissing:
        return []
    runs = _measuring(provenance)
    listed = {cell for run in runs for cell in run.get("cells", ())}
    early = sum(run["seconds"] for run in runs if "cells" not in run)
    found = [(run["cells"], run["seconds"]) for run in runs if "cells" in run and "trained" not in run]
    found.append(([cell for cell in provenance.get("cells", {}) if cell not in listed], early))
    return [(Counter(_kind(experiment, tuple(fields)) for fields in csv.reader(cells)), took) for cells, took in found]


def _measuring(provenance: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs that measured cells, and not those that filled a column."""
    return [run for run in provenance["runs"] if "fills" not in run]


def _kind(experiment: Experiment, fields: Record) -> Record:
    """What cells have in common that take about as long: profile and network but for its seed, or all but the seed."""
    names = {"profile", *experiment.network_key} if experiment.network_key else {*experiment.cell_key}
    fields = fields if len(fields) == len(experiment.cell_key) else ()  # of a version with other columns: like none
    return tuple(field for name, field in zip(experiment.cell_key, fields, strict=False) if name in names - {"seed"})
