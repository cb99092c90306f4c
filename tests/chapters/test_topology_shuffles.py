"""Chapter ``topology-shuffles``: shuffles that keep every zero, on all networks of two chapters."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from modlib.chapters import find_experiment
from modlib.chapters.topology_shuffles import experiment, figures
from modlib.networks.planted import random_weights
from modlib.tables import PROFILES


@pytest.mark.parametrize("profile", PROFILES)
def test_the_networks_are_those_of_the_chapters_before(profile: str) -> None:
    key = ("dataset", "dropout", "seed")
    both = [*find_experiment("clusterability").cells(profile), *find_experiment("dropout").cells(profile)]
    before = {tuple(cell[name] for name in key) for cell in both if cell["dataset"] != "initialisation"}
    assert {tuple(cell[name] for name in key) for cell in experiment.cells(profile)} == before


def test_a_network_is_compared_with_shuffles_that_keep_its_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = {
        stage: SimpleNamespace(stage=stage, kernels=random_weights((20, 16, 10), 0, density), accuracy={})
        for stage, density in (("unpruned", 1.0), ("pruned", 0.5))
    }
    monkeypatch.setattr(experiment, "trained_mlp", lambda *_: SimpleNamespace(**stages))
    rows = pd.DataFrame(experiment.measure({"profile": "smoke", "dataset": "digits", "dropout": "no", "seed": 0}))
    assert rows["stage"].tolist() == ["unpruned", "pruned"]
    assert set(rows["null"]) == {"layer-nonzero"}
    assert set(rows["n_shuffles"]) == {experiment.SHUFFLES["smoke"]}


def test_every_network_has_a_panel_with_both_nulls() -> None:
    rng = np.random.default_rng(0)
    tests = pd.DataFrame(
        [
            {"panel row": row, "panel column": column, "null": null, "ncut": 2.0, "values": rng.normal(2, 0.1, 30)}
            for row in ("no dropout", "dropout")
            for column in (0, 1, 2)
            for null in ("layer", "layer-nonzero")
        ]
    )
    figure = figures.shuffle_densities(tests)
    assert len(figure.axes) == 6
    assert [ax.get_ylabel() for ax in figure.axes[::3]] == ["no dropout", "dropout"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["layer shuffles", "layer-nonzero shuffles", "network"]
    plt.close(figure)


def test_effects_of_both_sources_stand_side_by_side() -> None:
    table = pd.DataFrame(
        [
            {"d": d, "source": source, "dataset": "mnist", "dropout": "no", "stage": stage}
            for d, source in ((0.1, "paper"), (0.3, "here"))
            for stage in ("unpruned", "pruned")
        ]
    )
    figure = figures.effect_sizes(table)
    assert [ax.get_title() for ax in figure.axes] == ["before pruning", "after pruning"]
    drawn = [point[1] for points in figure.axes[0].collections for point in points.get_offsets().tolist()]
    assert sorted(drawn) == [0.1, 0.3]
    plt.close(figure)
