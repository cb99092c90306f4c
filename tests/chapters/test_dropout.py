"""Chapter ``dropout``: the networks of ``clusterability``, with dropout, measured in the same way."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up import ncut_rows, write_table

from modlib.chapters.clusterability.experiment import EXPERIMENT as WITHOUT
from modlib.chapters.dropout.experiment import EXPERIMENT, cells
from modlib.chapters.dropout.figures import uniform_check
from modlib.tables import PROFILES
from modlib.verdicts import sentences


@pytest.mark.parametrize("profile", PROFILES)
def test_every_network_has_a_counterpart_without_dropout(profile: str) -> None:
    with_dropout = {(cell["dataset"], cell["seed"]) for cell in cells(profile)}
    without = {
        (cell["dataset"], cell["seed"]) for cell in WITHOUT.cells(profile) if cell["dataset"] != "initialisation"
    }
    assert with_dropout == without
    assert {cell["dropout"] for cell in cells(profile)} == {"yes"}


def test_both_are_measured_alike() -> None:
    assert EXPERIMENT.measure is WITHOUT.measure
    assert EXPERIMENT.tolerance == WITHOUT.tolerance
    assert (EXPERIMENT.cell_key, EXPERIMENT.row_key) == (WITHOUT.cell_key, WITHOUT.row_key)


def test_p_values_of_a_valid_test_stay_in_the_band_and_others_leave_it() -> None:
    n_shuffles, rng = 19, np.random.default_rng(0)
    levels = np.arange(1, n_shuffles + 2) / (n_shuffles + 1)
    half = np.sqrt(np.log(2 / 0.05) / (2 * 200))
    for p, inside in ((rng.choice(levels, 200), True), (np.full(200, levels[0]), False)):
        ax = uniform_check(p, n_shuffles)
        at, steps = ax.lines[1].get_data()  # the share of tests up to each p
        shares = np.array([(p <= level + 1e-9).mean() for level in levels])
        assert dict(zip(at, steps, strict=True)) == pytest.approx({value: (p <= value).mean() for value in p})
        band = ax.collections[0].get_paths()[0].vertices
        for level in levels:
            assert np.ptp(band[np.isclose(band[:, 0], level), 1]) == pytest.approx(2 * half)
        assert (np.abs(shares - levels) <= half).all() == inside
        plt.close(ax.figure)


def told(folder: Path, no: tuple, yes: tuple) -> list[str]:
    """What is found with made-up n-cuts, places among shuffles and test accuracies, on two data sets."""
    for table, dropout, (ncuts, below, accuracy) in (("clusterability", "no", no), ("dropout", "yes", yes)):
        rows = [
            ncut_rows(dataset, dropout, ncut, below, test_accuracy=accuracy)
            for dataset, ncut in zip(("mnist", "cifar10"), ncuts, strict=True)
        ]
        write_table(table, pd.concat(rows), folder)
    return sentences("dropout", folder)


def test_what_is_said_of_dropout_turns_round_with_the_rows(tmp_path: Path) -> None:
    one, other = ((2.0, 2.1), False, 0.9), ((1.5, 1.6), True, 0.8)
    ncut, below, accuracy = told(tmp_path, one, other)
    assert "dropout lowers it on MNIST, −0.50 (−0.50 to −0.50, n = 3) and CIFAR-10" in ncut
    assert "With dropout 6 of 6 pruned networks" in below
    assert "without dropout 0 of 6" in below
    assert "dropout lowers it on MNIST, −10.00" in accuracy
    ncut, below, accuracy = told(tmp_path, other, one)
    assert "dropout raises it on MNIST, 0.50 (0.50 to 0.50, n = 3) and CIFAR-10" in ncut
    assert "With dropout 0 of 6 pruned networks" in below
    assert "dropout raises it on MNIST, 10.00" in accuracy
    same = told(tmp_path, one, one)
    assert "dropout does not clearly change it on MNIST, 0.00" in same[0]
    assert "dropout does not clearly change it on MNIST, 0.00" in same[2]


def test_data_sets_that_differ_are_told_apart_and_one_without_a_counterpart_is_left_out(tmp_path: Path) -> None:
    ncut = told(tmp_path, ((2.0, 1.6), True, 0.9), ((1.5, 2.1), True, 0.9))[0]
    assert "lowers it on MNIST" in ncut
    assert "raises it on CIFAR-10" in ncut
    write_table("dropout", ncut_rows("mnist", "yes", 1.5), tmp_path)
    assert "CIFAR-10" not in sentences("dropout", tmp_path)[0]
