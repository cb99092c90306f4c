"""Chapter ``dropout``: the networks of ``clusterability``, trained with dropout."""

from __future__ import annotations

from modlib.chapters.clusterability.experiment import measure, trained_cells
from modlib.chapters.rows import CELL_KEY, ROW_KEY, TOLERANCE
from modlib.tables.runner import Cell, Experiment


def cells(profile: str) -> list[Cell]:
    """One cell for every data set and seed of a profile, all with dropout."""
    return trained_cells(profile, "yes")


EXPERIMENT = Experiment("dropout", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE)
