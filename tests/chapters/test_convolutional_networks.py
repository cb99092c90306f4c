"""Chapter ``convolutional-networks``: planted modules of channels, what batch normalisation changes, and the grid."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from modlib.chapters.convolutional_networks import experiment
from modlib.chapters.convolutional_networks.experiment import CONDITION, EXPERIMENT, cells, measure, without_batch_norm
from modlib.chapters.convolutional_networks.findings import NAMES, found, with_condition
from modlib.chapters.rows import ROW_KEY, TOLERANCE
from modlib.errors import InputError
from modlib.graphs.neurons import neuron_graph
from modlib.graphs.shuffles import shuffle_test
from modlib.networks.architectures import small_cnn, vgg16
from modlib.networks.network import as_network
from modlib.networks.planted import planted_kernels
from modlib.tables import PROFILES


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
    import torch

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
    grid = cells("paper")
    counts = Counter(tuple(cell[name] for name in CONDITION) for cell in grid)
    for name in ("mnist", "fashion_mnist"):
        for dropout, penalty in experiment.CONDITIONS:
            assert counts["small", name, dropout, penalty] == 5
    assert counts["vgg", "cifar10", "yes", "l2"] == 5
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
    (cell,) = [cell for cell in cells("smoke") if cell["dropout"] == "yes"]
    rows = pd.DataFrame(measure(cell))
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
    monkeypatch.setattr(pruned, "pruned_vgg", lambda *_: [replace(scored, stage="unpruned"), scored])
    monkeypatch.setattr(experiment, "TESTS", {"paper": experiment.Tests((2,), 2)})
    (cell, *_) = [cell for cell in cells("paper") if cell["dataset"] == "cifar10"]
    rows = pd.DataFrame(measure(cell))
    assert list(zip(rows["stage"], rows["batch_norm"], strict=True)) == [
        ("unpruned", "folded"), ("unpruned", "left out"), ("pruned", "folded"), ("pruned", "left out"),
    ]  # fmt: skip


def table(ncut: float, stage: str, dataset: str = "mnist", network: str = "small", n: int = 4) -> pd.DataFrame:
    """Rows of networks with n-cuts a little above this, beside shuffles at 10.5."""
    return pd.DataFrame(
        {
            "network": network,
            "dataset": dataset,
            "dropout": "no",
            "penalty": "none",
            "seed": seed,
            "stage": stage,
            "batch_norm": "none",
            "ncut": ncut + 0.01 * seed,
            "shuffled_mean": 10.5,
        }
        for seed in range(n)
    )


def test_what_was_found_turns_with_the_rows() -> None:
    untrained = table(10.9, "initial", "initialisation")
    trained, before, spread = found(untrained)
    assert trained == "The n-cuts of trained CNNs are not measured yet, only those of 4 that are not trained."
    assert before == "Before training, the n-cut at 12 clusters is 10.90 to 10.93 in 4 small CNNs."
    assert "a standard deviation of 0.013 only" in str(spread)
    rows = pd.concat([untrained, table(10.4, "unpruned"), table(11.0, "pruned")])
    trained, _, spread = found(rows)
    assert str(trained).endswith("in 4 of 4 before pruning and 0 of 4 after it.")
    assert "4 of 8 trained small CNNs lie below all of them" in str(spread)
    assert found(untrained.head(0)) == (None, None, None)


def test_a_network_of_vgg_counts_once_although_it_has_rows_of_two_graphs() -> None:
    twice = [table(8.0, "pruned", "cifar10", "vgg").assign(batch_norm=name) for name in ("folded", "left out")]
    assert "in 4 of 4 after it" in str(found(pd.concat(twice))[0])


def test_every_condition_of_the_grid_has_a_name() -> None:
    grid = pd.DataFrame(cells("paper"))
    assert set(with_condition(grid)["condition"]) == set(NAMES)
