"""Chapter ``topology-shuffles``: shuffles that keep every zero, on all networks of two chapters."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up import ncut_rows, networks_of, random_pair

from modlib.chapters import find_experiment
from modlib.chapters.topology_shuffles import experiment, figures
from modlib.chapters.topology_shuffles.findings import found
from modlib.tables import PROFILES


@pytest.mark.parametrize("profile", PROFILES)
def test_the_networks_are_those_of_the_chapters_before(profile: str) -> None:
    both = [*find_experiment("clusterability").cells(profile), *find_experiment("dropout").cells(profile)]
    before = [cell for cell in both if cell["dataset"] != "initialisation"]
    assert networks_of(experiment.cells(profile)) == networks_of(before)


def test_a_network_is_compared_with_shuffles_that_keep_its_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "trained_mlp", lambda *_: random_pair())
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


def told(ncut: float, nonzero: float, below: bool = True) -> list[str]:
    """What is found where shuffles of all entries have a mean n-cut of 2, and those of the non-zero ones another."""
    rows = [
        ncut_rows("mnist", dropout, ncut, below, null=null, shuffled_mean=mean)
        for dropout in ("yes", "no")
        for null, mean in (("layer", 2.0), ("layer-nonzero", nonzero))
    ]
    return [str(sentence) for sentence in found(pd.concat(rows))]


def test_what_is_said_of_the_topology_turns_round_with_the_rows() -> None:
    with_dropout, below, without = told(1.0, nonzero=1.25)
    assert with_dropout.startswith("Mostly, but not only: ")
    assert "account for 75% on MNIST." in with_dropout
    assert below.startswith("With dropout 3 of 3 networks have a lower n-cut")
    assert without.endswith("they account for 75% on MNIST.")
    assert [told(1.0, nonzero)[0].partition(":")[0] for nonzero in (0.9, 1.9, 2.1)] == ["Yes", "In part", "No"]
    assert told(1.0, 2.1, below=False)[1].startswith("With dropout 0 of 3 networks")
    assert told(1.0, 2.1)[2].endswith(
        "they account for none of it on MNIST (−10%: they are harder to cut than shuffles of all weights)."
    )
    assert told(2.2, 2.1)[2].endswith("they account for nothing on MNIST, where there is no gap.")
    assert told(2.2, 2.1)[0] == "None"
