"""Chapter ``dropout``: the networks of ``clusterability``, trained with dropout."""

from __future__ import annotations

from modlib.experiments.clusterability import measure, trained_cells
from modlib.experiments.runner import Cell, Experiment
from modlib.experiments.shuffle_rows import CELL_KEY, ROW_KEY, TOLERANCE


def cells(profile: str) -> list[Cell]:
    """One cell for every data set and seed of a profile, all with dropout."""
    return trained_cells(profile, "yes")


EXPERIMENT = Experiment("dropout", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE)
