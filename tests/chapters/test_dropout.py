"""Chapter ``dropout``: the networks of ``clusterability``, with dropout, measured in the same way."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from modlib.chapters.clusterability.experiment import EXPERIMENT as WITHOUT
from modlib.chapters.dropout.experiment import EXPERIMENT, cells
from modlib.chapters.dropout.figures import uniform_check
from modlib.tables import PROFILES


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
        steps = ax.lines[1].get_ydata()  # the share of tests up to each p
        shares = np.array([(p <= level + 1e-9).mean() for level in levels])
        assert len(steps) == len(p)
        assert (np.abs(shares - levels) <= half).all() == inside
        plt.close(ax.figure)
