"""Chapter ``null-models``: shuffles that keep what neurons have, on the networks of the chapters before."""

import re
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up import STAGES, networks_of, random_pair

from modlib.chapters import find_experiment
from modlib.chapters.null_models import experiment, figures
from modlib.chapters.null_models.findings import FINDINGS, KEPT, counts, explained, found
from modlib.graphs import NULLS
from modlib.tables import PROFILES

MEANS = {"layer": 2.2, "layer-nonzero": 1.8, "degree": 2.1, "strength": 2.0}  # of shuffles, of a network of n-cut 1.7


def made(dropout: str = "yes", ncut: float = 1.7, n: int = 3, p: float = 1 / 321, k: int = 4) -> pd.DataFrame:
    """Rows of n networks by all null models, each of which lies as far from its shuffles."""
    common = {"dataset": "mnist", "dropout": dropout, "stage": "pruned", "k": k, "ncut": ncut, "p": p}
    tables = {"layer": "dropout", "layer-nonzero": "topology-shuffles"}
    return pd.DataFrame(
        {
            **common,
            "null": null,
            "table": tables.get(null, "null-models"),
            "seed": seed,
            "shuffled_mean": mean + 0.01 * seed,
            "n_shuffles": 320,
        }
        for null, mean in MEANS.items()
        for seed in range(n)
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_the_networks_are_those_of_the_chapters_before(profile: str) -> None:
    both = [*find_experiment("clusterability").cells(profile), *find_experiment("dropout").cells(profile)]
    before = [cell for cell in both if cell["dataset"] != "initialisation"]
    assert networks_of(experiment.cells(profile)) == networks_of(before)


def test_a_network_is_compared_with_shuffles_that_keep_degrees_and_strengths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "trained_mlp", lambda *_: random_pair())
    rows = pd.DataFrame(experiment.measure({"profile": "smoke", "dataset": "digits", "dropout": "no", "seed": 0}))
    assert set(zip(rows["stage"], rows["null"], rows["k"], strict=True)) == {
        (stage, null, k) for stage in STAGES for null in ("degree", "strength") for k in (4, 12)
    }
    assert not rows.duplicated(["stage", "null", "k"]).any()


def test_what_a_null_explains_is_its_part_of_the_gap_to_layer_shuffles() -> None:
    rows = made(n=1)
    for null, share in (("layer", 0), ("degree", 0.2), ("strength", 0.4), ("layer-nonzero", 0.8)):
        assert explained(rows, null).tolist() == pytest.approx([share])
    assert explained(made(ncut=2.3), "degree").empty  # no gap, nothing to explain
    assert explained(rows[rows["null"] != "layer"], "degree").empty


def test_the_statements_measure_what_they_say() -> None:
    rows = made()
    values = {name: metric.measure(rows) for name, metric in FINDINGS.items()}
    assert {name: sample.n for name, sample in values.items()} == dict.fromkeys(FINDINGS, 3)
    assert values["distance_from_degree"].mean == pytest.approx(1.7 - 2.11)
    assert values["distance_from_strength"].mean == pytest.approx(1.7 - 2.01)
    assert values["explained_by_degree"].mean == pytest.approx(explained(rows, "degree").mean() - 0.5)
    assert values["p_of_degree"].values == pytest.approx((1 / 321,) * 3)
    without = rows[rows["null"] == "layer"]
    assert all(metric.measure(without) is None for metric in FINDINGS.values())


def test_what_is_said_turns_round_with_the_rows() -> None:
    rows = pd.concat([made(), made("no", ncut=2.3, p=0.5)])
    remain, share, without = map(str, found(rows))
    assert remain == (
        "Clusters remain beside shuffles that keep what neurons have. With dropout p is at most 0.05 for 3 of 3 at 4 "
        "clusters if each neuron keeps its number of weights, for 3 of 3 at 4 clusters if also their sum."
    )
    assert share.startswith("Less than half of the gap up to layer shuffles, with dropout and 4 clusters, is due to")
    assert "number of weights: 0.20 on MNIST, with their sum 0.39 on MNIST;" in share
    assert without.startswith("Without dropout p is at most 0.05 for 0 of 3 at 4 clusters (MNIST 0 of 3) if each")
    turned = rows.assign(dropout=rows["dropout"].map({"yes": "no", "no": "yes"}))
    assert str(found(turned)[0]).startswith("No clusters remain beside")
    assert "With dropout p is at most 0.05 for 0 of 3 at 4" in str(found(turned)[0])
    assert found(rows[rows["table"] != "null-models"]) == (None, None, None)


@pytest.mark.parametrize("null", KEPT)
@pytest.mark.parametrize("k", [4, 12])
@pytest.mark.parametrize(("dropout", "place"), [("yes", 0), ("no", 2)])
def test_one_null_model_or_number_of_clusters_that_disagrees_is_told(
    null: str, k: int, dropout: str, place: int
) -> None:
    """Each has its own count, and clusters only remain if they do so beside both null models at both numbers."""
    rows = pd.concat([made(value, k=number) for value in ("yes", "no") for number in (4, 12)], ignore_index=True)
    other = (rows["null"] == null) & (rows["k"] == k) & (rows["dropout"] == dropout)
    told = found(rows.assign(p=rows["p"].mask(other, 0.06)))
    counted = re.findall(r"(\d of 3) at \d+", str(told[place]))
    assert counted == ["0 of 3" if one == (null, k) else "3 of 3" for one in product(KEPT, (4, 12))]
    assert "0 of 3" not in str(told[2 - place])
    assert str(told[0]).startswith("Clusters remain in part" if dropout == "yes" else "Clusters remain beside")


def test_what_degrees_explain_is_told_by_data_set() -> None:
    """Opposites on two data sets are no zero."""
    other = made().assign(dataset="cifar10")
    other["shuffled_mean"] = other["shuffled_mean"].mask(other["null"] == "degree", 2.3 + 0.01 * other["seed"])
    share = str(found(pd.concat([made(), other]))[1])
    assert "0.20 on MNIST and −0.20 on CIFAR-10 (JPEG copy), with their sum" in share
    assert share.startswith("Less than half")
    high = other.assign(shuffled_mean=other["shuffled_mean"].mask(other["null"] == "degree", 1.9))
    assert str(found(pd.concat([made(), high]))[1]).startswith("Not always half")
    assert str(found(high)[1]).startswith("Half or more")


def test_networks_are_counted_by_stage_k_and_data_set() -> None:
    parts = [
        made(p=0.02).assign(n_shuffles=320),  # small, and not the least
        made(k=12, p=0.0196, n=2).assign(n_shuffles=50, dataset="cifar10"),  # the least of 50
        made(k=12, p=0.5).assign(n_shuffles=50),
        made(k=7),
        made("no", p=0.051).assign(stage="unpruned"),
    ]
    table = counts(pd.concat(parts)).set_index(["networks with", "stage", "clusters", "dropout"])
    small, below = table.index.get_level_values(0).unique()
    assert list(table.columns) == ["layer", "degree", "strength"]
    assert len(table) == 2 * 3
    for null in table:
        told = table[null]
        assert told[small, "pruned", 4, "yes"] == "3 of 3 (3)"
        assert told[below, "pruned", 4, "yes"] == "0 of 3 (0)"
        assert told[small, "pruned", 12, "yes"] == told[below, "pruned", 12, "yes"] == "2 of 5 (0, 2)"
        assert told[small, "unpruned", 4, "no"] == "0 of 3 (0)"


def test_the_figures_show_every_null_and_network() -> None:
    rows = pd.concat([made(), made("no")])
    rows = rows.assign(condition=rows["dropout"], network=rows["seed"])
    figure = figures.ncuts_and_nulls(rows)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["yes", "no"]
    assert [len(points.get_offsets()) for points in figure.axes[0].collections] == [3] * (len(NULLS) + 1)
    five = pd.concat([rows.assign(condition=str(i)) for i in range(5)])
    grid = figures.ncuts_and_nulls(five).axes
    assert [ax.get_visible() for ax in grid] == [True] * 5 + [False]
    assert grid[0].get_subplotspec().get_gridspec().get_geometry() == (3, 2)
    told = figures.gaps_in_words(rows[rows["null"] == "degree"])
    assert told == (
        "How far the n-cut of shuffles lies above the network's, on average: yes, 0.41 for degree; no, 0.41 for degree."
    )
    matrix = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, -1.0]])
    shown = figures.matrices({"a": matrix, "b": matrix})
    assert [text.get_text() for text in shown.axes[0].get_xticklabels()] == ["1", "0", "2"]
    assert [text.get_text() for text in shown.axes[0].get_yticklabels()] == ["2", "1"]
    plt.close("all")
