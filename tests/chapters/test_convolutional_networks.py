"""Chapter ``convolutional-networks``: planted modules of channels, what batch normalisation changes, and the grid."""

from collections import Counter
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from modlib.chapters.convolutional_networks import experiment
from modlib.chapters.convolutional_networks.experiment import (
    CONDITION,
    EXPERIMENT,
    cells,
    measure,
    without_batch_norm,
)
from modlib.chapters.convolutional_networks.findings import NAMES, STAGES, beside_the_paper, found, with_condition
from modlib.chapters.figures import absolute_and_relative
from modlib.chapters.rows import CODE, ROW_KEY, TEXT, TOLERANCE, coded_edges, rows_of_graph, scored_rows
from modlib.errors import InputError
from modlib.graphs.neurons import neuron_graph
from modlib.graphs.shuffles import shuffle_test
from modlib.networks.architectures import small_cnn, vgg16
from modlib.networks.network import as_network
from modlib.networks.planted import planted_kernels
from modlib.tables import PROFILES
from modlib.verdicts.claims import load
from modlib.zoo.pruned import Scored


def test_planted_modules_of_channels_are_found_and_random_kernels_have_none() -> None:
    kernels, modules = planted_kernels((24, 24, 24), 4, seed=0)
    planted = shuffle_test(neuron_graph(kernels), 4, 19, seed=0)
    assert planted.p == 1 / 20
    assert adjusted_rand_score(np.concatenate(modules), planted.labels) == 1
    rng = np.random.default_rng(1)
    p = [
        shuffle_test(neuron_graph([rng.normal(size=(3, 3, 24, 24)) for _ in range(2)]), 4, 19, seed).p
        for seed in range(12)
    ]
    assert np.mean(p) > 0.25


def test_a_networks_graph_leaves_out_its_image_and_its_dense_layers() -> None:
    graph = neuron_graph(as_network(small_cnn(np.random.default_rng(0))))
    assert graph.sizes == (64, 64, 64)
    graph = neuron_graph(as_network(vgg16(np.random.default_rng(0))))
    assert graph.sizes == (64, 64, 128, 128, 256, 256, 256, *[512] * 6)


def test_leaving_out_batch_normalisation_gives_the_graph_of_bare_weights() -> None:
    module = vgg16(np.random.default_rng(0))
    with torch.no_grad():
        module[6].weight.copy_(torch.linspace(-2, 2, 64))  # gamma after the second convolution
        module[6].running_var.fill_(4)
    network = as_network(module)
    bare = without_batch_norm(network)
    kernel = network.layers[1].kernel
    np.testing.assert_array_equal(bare.graph_weights()[0], kernel)
    gamma = np.linspace(-2, 2, 64)
    np.testing.assert_allclose(network.graph_weights()[0], kernel * gamma / np.sqrt(4 + 1e-3), rtol=1e-5)
    assert bare.module is network.module


def test_the_grid_has_the_networks_of_the_tables_and_those_of_vgg_last() -> None:
    both = cells("paper")
    grid = both[::2]
    assert [cell | {"graph": CODE} for cell in grid] == both[1::2]  # the graph of the text, then that of the code
    counts = Counter(tuple(cell[name] for name in CONDITION) for cell in grid)
    for name in ("mnist", "fashion_mnist"):
        for dropout, penalty in experiment.CONDITIONS:
            assert counts["small", name, dropout, penalty] == 5
    of_vgg = [cell for cell in grid if cell["network"] == "vgg" and cell["dataset"] != "initialisation"]
    order = ["none", "dropout", "dropout, l2", "l2", "l1", "start"]  # in which they are needed, five of each
    conditions = with_condition(pd.DataFrame(of_vgg))["condition"]
    assert conditions.tolist() == [name for name in order for _ in range(5)] + ["none"]
    assert [cell["schedule"] for cell in of_vgg] == ["full"] * 30 + ["short"]
    assert {cell["schedule"] for cell in grid if cell["network"] == "small"} == {"full"}
    assert counts["small", "initialisation", "no", "none"] == counts["vgg", "initialisation", "no", "none"] == 100
    kinds = [cell["network"] for cell in grid]
    assert kinds == sorted(kinds)
    trained = [cell for cell in grid if cell["network"] == "small" and cell["dataset"] != "initialisation"]
    assert len({(cell["dataset"], cell["dropout"], cell["penalty"]) for cell in trained[:10]}) == 10


@pytest.mark.parametrize("profile", PROFILES)
def test_cells_are_different(profile: str) -> None:
    grid = cells(profile)
    assert len({tuple(map(str, cell.values())) for cell in grid}) == len(grid)


def test_an_untrained_network_has_an_ncut_and_no_shuffles() -> None:
    rows = pd.DataFrame(measure(cells("smoke")[0]))
    assert {*EXPERIMENT.row_key, *TOLERANCE} <= set(rows.columns)
    assert set(rows["stage"]) == {"initial"}
    assert 10 < rows["ncut"].iloc[0] < 12
    pd.testing.assert_frame_equal(rows, pd.DataFrame(measure(cells("smoke")[0])))


def test_a_trained_network_has_rows_before_and_after_pruning(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    monkeypatch.setattr(experiment, "TESTS", {"smoke": experiment.Tests((2,), 2)})
    cell, coded = (cell for cell in cells("smoke") if cell["dropout"] == "yes")
    rows, of_code = (pd.DataFrame(measure(one)) for one in (cell, coded))
    assert (rows["test_accuracy"] == of_code["test_accuracy"]).all()  # of the same networks
    assert (rows["ncut"] != of_code["ncut"]).all()
    assert {*ROW_KEY, *TOLERANCE, "batch_norm"} <= set(rows.columns)
    assert list(rows["stage"]) == ["unpruned", "pruned"]
    assert rows["sparsity"].iloc[0] == 0
    assert rows["sparsity"].iloc[1] == pytest.approx(0.899, abs=0.002)


def test_vgg_is_not_trained_without_a_gpu(monkeypatch) -> None:
    monkeypatch.setattr(experiment, "device", lambda: "cpu")
    (cell, *_) = [cell for cell in cells("paper") if cell["dataset"] == "cifar10"]
    with pytest.raises(InputError, match="-p network=small"):
        measure(cell)


def test_vgg_has_rows_with_batch_normalisation_folded_in_and_left_out(monkeypatch) -> None:
    from modlib.zoo import pruned

    network = as_network(small_cnn(np.random.default_rng(0)))
    scored = pruned.Scored("pruned", network, {"train_accuracy": 1.0, "test_accuracy": 0.9})
    monkeypatch.setattr(experiment, "device", lambda: "cuda")
    asked = []
    both = [replace(scored, stage="unpruned"), scored]
    monkeypatch.setattr(pruned, "pruned_vgg", lambda *settings: (asked.append(settings[-1]), both)[1])
    monkeypatch.setattr(experiment, "TESTS", {"paper": experiment.Tests((2,), 2)})
    (cell, coded, *_) = [cell for cell in cells("paper") if cell["dataset"] == "cifar10"]
    rows = pd.DataFrame(measure(cell))
    assert list(zip(rows["stage"], rows["batch_norm"], strict=True)) == [
        ("unpruned", "folded"), ("unpruned", "left out"), ("pruned", "folded"), ("pruned", "left out"),
    ]  # fmt: skip
    assert set(pd.DataFrame(measure(coded))["batch_norm"]) == {"left out"}
    monkeypatch.setattr(experiment, "device", lambda: "cpu")
    measure(cell | {"schedule": "short"})
    assert [(recipe.epochs, recipe.pruning_epochs) for recipe in asked] == [(200, 50), (200, 50), (12, 3)]


def test_no_claim_is_decided_by_a_short_schedule() -> None:
    claims = [claim for claim in load() if "convolutional-networks" in claim.tables]
    of_vgg = [c for c in claims if c.rows.get("network") == "vgg" and c.rows["dataset"] != "initialisation"]
    assert len(of_vgg) >= 15
    assert {claim.rows.get("schedule") for claim in of_vgg} == {"full"}
    others = {claim.rows.get("network") for claim in claims if "schedule" not in claim.rows}
    assert others <= {"small", "vgg"}
    (short,) = {cell["network"] for cell in cells("paper") if cell["schedule"] == "short"}
    assert short == "vgg"


def test_the_codes_edges_are_norms_of_matrices_as_numpy_has_them() -> None:
    network = as_network(small_cnn(np.random.default_rng(0)))
    for kernel, edges in zip(network.graph_weights(), coded_edges(network), strict=True):
        for a, b in ((0, 0), (5, 60), (63, 63)):
            slice_ = kernel[:, :, a, b]
            assert edges[a, b] == pytest.approx(max(np.abs(column).sum() for column in slice_.T))
            assert edges[a, b] == pytest.approx(np.linalg.norm(np.abs(slice_), 1))


def test_dead_channels_are_free_by_the_code_and_cost_one_by_definition() -> None:
    module = small_cnn(np.random.default_rng(0))
    with torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        for weight in (module[2].weight[:3], module[5].weight[:, :3]):  # all that goes into and out of three channels
            weight *= 1e-30 * torch.exp(4 * torch.randn(weight.shape, generator=generator))
    scored = Scored("unpruned", as_network(module), {})
    tests = (experiment.Tests((12,), 2),)
    (text,), (code,) = (rows_of_graph(scored, tests, 0, graph) for graph in (TEXT, CODE))
    assert text["ncut"] > 10
    assert code["ncut"] < text["ncut"] - 0.8
    again = scored_rows(scored, tests, 0, neuron_graph(coded_edges(scored.network)))  # the code's graph, defined n-cut
    assert again[0]["ncut"] - code["ncut"] == pytest.approx(round(again[0]["ncut"] - code["ncut"]), abs=1e-4)
    assert again[0]["shuffled"] == code["shuffled"]


def table(
    ncut: float, stage: str, dataset: str = "mnist", network: str = "small", n: int = 4, graph: str = TEXT
) -> pd.DataFrame:
    """Rows of networks with n-cuts a little above this, beside shuffles at 10.5."""
    return pd.DataFrame(
        {
            "network": network,
            "dataset": dataset,
            "dropout": "no",
            "penalty": "none",
            "seed": seed,
            "graph": graph,
            "schedule": "full",
            "stage": stage,
            "batch_norm": "none",
            "ncut": ncut + 0.01 * seed,
            "shuffled_mean": 10.5,
        }
        for seed in range(n)
    )


def test_what_was_found_turns_with_the_rows() -> None:
    untrained = table(10.9, "initial", "initialisation")
    trained, drawn, spread = found(untrained)
    assert trained == "The n-cuts of trained CNNs are not measured yet, only those of 4 that are not trained."
    assert drawn is None
    assert "4 untrained small CNNs lie between 10.90 and 10.93, with a standard deviation of 0.013" in str(spread)
    rows = pd.concat([untrained, table(10.4, "unpruned"), table(11.0, "pruned")])
    trained, drawn, spread = found(rows)
    assert str(trained).endswith("by the graph of the text in 4 of 4 before pruning and 0 of 4 after pruning.")
    assert drawn is None
    assert "of trained ones 4 of 8, at either stage, are lower than all of these" in str(spread)
    assert found(untrained.head(0)) == (None, None, None)


def test_networks_of_a_short_schedule_are_not_told() -> None:
    rows = pd.concat([table(10.9, "initial", "initialisation"), table(10.4, "unpruned"), table(11.0, "pruned")])
    short = table(1.0, "pruned", "cifar10", "vgg").assign(schedule="short")
    assert found(pd.concat([rows, short])) == found(rows)


def test_a_network_of_vgg_counts_once_although_it_has_rows_of_two_graphs() -> None:
    twice = [table(8.0, "pruned", "cifar10", "vgg").assign(batch_norm=name) for name in ("folded", "left out")]
    assert "in 4 of 4 after pruning" in str(found(pd.concat(twice))[0])


def test_graphs_are_compared_with_what_the_paper_prints() -> None:
    """MNIST without a penalty, pruned: 10.462 and 10.034 in the paper; with L2 before pruning: 8.050 and 10.252."""
    rows = pd.concat(
        [
            table(10.2, "pruned").assign(shuffled_mean=9.8),
            table(10.4, "pruned", graph=CODE).assign(shuffled_mean=10.03),
            table(10.9, "unpruned").assign(penalty="l2"),
            table(8.0, "unpruned", graph=CODE).assign(penalty="l2"),
            table(10.9, "initial", "initialisation"),
        ]
    )
    beside = beside_the_paper(rows).set_index(["graph", "condition"])
    assert beside.loc[("code", "none"), ["ncut_paper", "shuffled_mean_paper"]].tolist() == [10.462, 10.034]
    assert beside.loc[("text", "none"), "ncut"] == pytest.approx(10.215)
    told = str(found(rows)[1])
    assert "moves shuffles of pruned networks by +0.23 in the median" in told
    assert "n-cuts with L2 before pruning become 8.0 and not 10.9 on MNIST" in told
    assert "after pruning; by the graph of the authors' code in 4 of 4 before" in str(found(rows)[0])


@pytest.mark.parametrize(("dataset", "network"), [("cifar10", "vgg"), ("mnist", "small")])
def test_the_figure_of_a_stage_has_a_point_a_network_of_vgg_too(dataset: str, network: str) -> None:
    parts = [
        table(8.0, "pruned", dataset, network, n).assign(dropout=d, z=-3.0, k=12) for n, d in ((4, "no"), (3, "yes"))
    ]
    figure = absolute_and_relative(with_condition(pd.concat(parts)), 12, STAGES["pruned"])
    (ax,) = figure.axes
    assert [len(points.get_offsets()) for points in ax.collections] == [4, 3]
    np.testing.assert_allclose(ax.collections[1].get_offsets(), [[8.0, -3], [8.01, -3], [8.02, -3]])
    assert figure.get_suptitle() == "after pruning"
    plt.close(figure)


def test_every_condition_of_the_grid_has_a_name() -> None:
    grid = pd.DataFrame(cells("paper"))
    assert set(with_condition(grid)["condition"]) == set(NAMES)
