"""Experiments: one grid of cells a chapter, and the runner that fills its table."""

from modlib.errors import InputError
from modlib.experiments import (
    class_removal,
    clusterability,
    coherence,
    dependencies,
    dropout,
    hypothesis_tests,
    importance,
    random_datasets,
    topology_shuffles,
    upstream_downstream,
    weight_masks,
)
from modlib.experiments.runner import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        clusterability,
        dropout,
        random_datasets,
        topology_shuffles,
        importance,
        dependencies,
        coherence,
        upstream_downstream,
        weight_masks,
        class_removal,
        hypothesis_tests,
    )
}


def find_experiment(name: str) -> Experiment:
    """The experiment of a chapter.

    Raises:
        InputError: if no chapter of that name has one.
    """
    if name not in EXPERIMENTS:
        raise InputError(f"chapter {name!r} arrived; the chapters with a result table are {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
