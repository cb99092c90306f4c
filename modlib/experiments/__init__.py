"""Experiments: one grid of cells a chapter, and the runner that fills its table."""

from modlib.experiments import clusterability, dropout, random_datasets, topology_shuffles
from modlib.experiments.runner import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (clusterability, dropout, random_datasets, topology_shuffles)
}
