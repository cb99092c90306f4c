"""How long a cell takes, by what the stored runs took. Chapter: all with a result table."""

from __future__ import annotations

from pathlib import Path

from modlib.errors import TableMissing
from modlib.tables.integrity import read_provenance


def seconds_a_cell(name: str, profile: str, folder: Path | None = None) -> float | None:
    """Mean time of a cell of a profile in all stored runs, on one core; None if there are none.

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
    n_cells = sum(cell.split(",", 1)[0] == profile for cell in provenance.get("cells", {}))
    runs = [run for run in provenance["runs"] if run["profile"] == profile and "fills" not in run]
    seconds = sum(run["seconds"] for run in runs)
    return seconds / n_cells if n_cells and seconds else None


def duration(seconds: float) -> str:
    """A time in words, such as ``40 s``, ``12 min`` or ``3.5 h``.

    >>> duration(40), duration(700), duration(12600)
    ('40 s', '12 min', '3.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
