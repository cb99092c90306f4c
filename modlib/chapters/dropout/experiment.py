"""Chapter ``dropout``: the networks of ``clusterability``, trained with dropout."""

from __future__ import annotations

from modlib.chapters.clusterability.experiment import measure, remeasure, trained_cells
from modlib.chapters.rows import ncut_experiment
from modlib.tables import Cell


def cells(profile: str) -> list[Cell]:
    """One cell for every data set and seed of a profile, all with dropout."""
    return trained_cells(profile, "yes")


EXPERIMENT = ncut_experiment("dropout", cells, measure, remeasure)
