"""Chapter ``imagenet``: its grid, what is measured of a network, and what is found in rows that were made up."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from modlib.chapters.imagenet import experiment
from modlib.chapters.imagenet.experiment import EXPERIMENT, NAMES, Plan, cells, describe, measure
from modlib.chapters.imagenet.figures import clusters_of_layers, ncut_and_z
from modlib.chapters.imagenet.findings import (
    FINDINGS,
    beside_shuffles,
    found,
    printed_networks,
    telling_layers,
    trained,
)
from modlib.graphs import neuron_graph
from modlib.tables import PROFILES
from modlib.tables.schema import records_of
from modlib.zoo.imagenet import ARCHITECTURES, ImageNetwork


@pytest.mark.parametrize("profile", PROFILES)
def test_no_network_is_measured_twice(profile: str) -> None:
    grid = pd.DataFrame(cells(profile))
    assert not grid.duplicated(list(EXPERIMENT.cell_key)).any()


def test_every_architecture_is_planned_with_trained_and_with_random_weights_and_files_come_first() -> None:
    grid = pd.DataFrame(cells("paper"))
    for weights in ("torchvision", "random"):
        assert set(grid.loc[grid["weights"] == weights, "network"]) == set(ARCHITECTURES) == set(NAMES)
    assert list(grid["weights"].head(2)) == ["kernels", "kernels"]
    assert list(grid.loc[grid["weights"] == "random", "seed"].diff().dropna().unique()) == [0, 1]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A residual network of 8 channels in place of the large ones."""

    def made(name: str, weights: str, seed: int) -> ImageNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            stem = nn.Conv2d(3, 8, 3, padding=1)
            body = (BasicBlock(8, 8) for _ in range(4))
            module = nn.Sequential(stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)).eval()
        return ImageNetwork(name, weights, module, "made up", 0.5)

    monkeypatch.setattr(experiment, "imagenet_network", made)
    monkeypatch.setattr(ImageNetwork, "side", 16)
    monkeypatch.setitem(experiment.PLANS, "smoke", Plan(("resnet-18",), 1, 4, 2, trained=False))


@pytest.mark.usefixtures("small")
def test_a_network_has_a_row_for_each_drawing_that_the_table_takes_and_the_same_again() -> None:
    (cell,) = cells("smoke")
    rows = [{**cell, **row} for row in measure(cell)]
    assert len(records_of(EXPERIMENT, rows)) == 3
    assert [found["graph"] for found in rows] == ["read", "read, unscaled", "computed"]
    read = rows[0]
    assert {found["n_live"] for found in rows} == {9 * 8}  # eight convolutions, and one dense layer or the stem
    assert len(read["shuffled"].split()) == 4
    assert len(read["between_layers"].split()) == 11
    assert 0 <= read["divided_layers"] <= read["layers"] == 9
    assert [{**cell, **row} for row in measure(cell)] == rows


def row(network: str, weights: str, ncut: float, seed: int = 0, graph: str = "read", **changed: object) -> dict:
    """A row of a network beside shuffles of mean 8 and standard deviation 0.1."""
    p = 1 / 101 if ncut < 7.8 else 0.5
    return {
        "network": network, "weights": weights, "seed": seed, "graph": graph, "k": 12, "null": "layer",
        "n_shuffles": 100, "ncut": ncut, "shuffled_mean": 8.0, "shuffled_sd": 0.1, "p": p, "z": (ncut - 8) / 0.1,
        "layers": 36, "divided_layers": 6, "between_layers": "0.9 0.8 0.2 0.1", "accuracy": None, **changed,
    }  # fmt: skip


def mean(name: str, rows: pd.DataFrame) -> float | None:
    sample = FINDINGS[name].measure(rows)
    return None if sample is None else sample.mean


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame(
        [
            row("resnet-34", "kernels", 7.5),
            row("resnet-34", "kernels", 7.9, graph="computed"),
            row("resnet-34", "kernels", 8.1, graph="read, unscaled"),
            row("inception-v3", "kernels", 7.9, p=2 / 101, between_layers="0.9 0.9 0.9 0.9"),
            *(row("resnet-34", "random", 8.0 + seed / 10, seed) for seed in range(3)),
            *(row("inception-v3", "random", 8.0, seed, layers=20) for seed in range(3)),
        ]
    )


def test_exact_weights_take_the_place_of_kernels_from_a_file(rows: pd.DataFrame) -> None:
    exact = pd.DataFrame([row("resnet-34", "torchvision", 7.0, accuracy=0.73)])
    chosen = trained(pd.concat([rows[rows["graph"] == "read"], exact]))
    assert dict(zip(chosen["network"], chosen["weights"], strict=True)) == {
        "resnet-34": "torchvision",
        "inception-v3": "kernels",
    }
    assert mean("top1_acc", exact) == 0.73
    assert mean("top1_acc", rows) is None


def test_findings_are_what_they_say(rows: pd.DataFrame) -> None:
    read = rows[rows["graph"] == "read"]
    assert mean("trained_below_shuffles", read) == pytest.approx((-0.5 - 0.1) / 2)
    assert mean("beats_nearly_all_shuffles", read) == 1
    assert mean("beats_nearly_all_shuffles", read.assign(p=3 / 101)) == 0
    assert mean("trained_less_random", read) == pytest.approx(((-0.5 - 0.1) + (-0.1 - 0.0)) / 2)
    assert mean("p_of_random_weights", read) == pytest.approx(0.5)
    assert mean("deep_by_layers", read) == pytest.approx((0.5 + 1.0 + 3 * 0.5) / 5)  # of more than 30 layers
    assert mean("trained_below_shuffles", read[read["weights"] == "random"]) is None
    assert list(telling_layers(read.head(2))) == [0.5, 1.0]


def test_what_was_found_turns_with_the_rows(rows: pd.DataFrame) -> None:
    below, layers, drawing = found(rows)
    assert str(below).startswith("In part, as the authors' code draws networks: 1 of 2 trained networks")
    assert "of networks with random weights 0 of 6 have one lower than 99 of 100" in str(below)
    one = rows[(rows["network"] != "inception-v3") | (rows["weights"] == "random")]
    assert [str(sentence)[:31] for sentence in found(one)] == ["As far as one network can tell,"] * 3
    assert str(found(one)[2]).startswith("As far as one network can tell, how a network is drawn decides that: 1 of 1")
    assert str(drawing).startswith("How ")
    assert str(layers).startswith("Much of it is about layers")
    assert "ResNet-34 (50%) and Inception-V3 (100%), and 50% in networks with random weights" in str(layers)
    assert "is drawn decides that" in str(drawing)
    assert "that: 1 of 2 trained networks lie below all their shuffles if kernels are scaled to one mean norm" in str(
        drawing
    )
    assert "mean norm, 0 of 1 if they are not" in str(drawing)
    assert "does not decide" in str(found(rows.assign(p=0.5))[2])
    other = rows.assign(p=0.5, between_layers="0.1 0.2 0.1 0.9")
    assert str(found(other)[0]).startswith("No, ")
    assert str(found(other)[1]).startswith("Little of it")
    assert found(rows[rows["weights"] == "random"]) == (None, None, None)
    assert found(rows.head(0)) == (None, None, None)


def test_ties_are_those_that_four_decimals_cannot_tell_apart() -> None:
    made = pd.DataFrame(
        [{"ncut": 8.00002, "shuffled": "8.0000 8.0001 7.9998 8.2000"}, {"ncut": 7.0, "shuffled": "7.1"}]
    )
    assert beside_shuffles(made).to_numpy().tolist() == [[1, 2, 1], [0, 0, 1]]


def test_the_papers_table_is_read_whole() -> None:
    printed = printed_networks()
    assert list(printed.index) == list(NAMES)
    assert printed.notna().all(axis=None)
    assert printed.loc["resnet-18", "z"] == pytest.approx((7.90 - 8.51) / 0.28)


def test_rows_are_told_in_words() -> None:
    picked = {"graph": "read", "network": "resnet-18", "weights": "kernels", "k": "12"}
    assert describe(picked) == "ResNet-18, trained kernels from a file, k = 12"


def test_the_figure_has_a_panel_an_architecture_and_a_point_a_network(rows: pd.DataFrame) -> None:
    figure = ncut_and_z(rows[rows["graph"] == "read"], printed_networks())
    assert [ax.get_title() for ax in figure.axes] == ["ResNet-34", "Inception-V3"], "the paper's alone need no panel"
    panel = next(ax for ax in figure.axes if ax.get_title() == "ResNet-34")
    assert sorted(len(points.get_offsets()) for points in panel.collections) == [1, 1, 3]  # paper, kernels, random
    plt.close(figure)


def test_clusters_of_layers_are_shares_of_every_layer() -> None:
    graph = neuron_graph([np.ones((4, 2)), np.ones((2, 3))])
    figure = clusters_of_layers(graph, np.array([0, 0, 0, 1, 1, 1, 2, 2, 2]))
    shares = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shares, [[0.75, 0, 0], [0.25, 1, 0], [0, 0, 1]])
    plt.close(figure)
