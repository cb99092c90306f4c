"""Chapter ``clusterability``: its grid is the papers', its rows stay the same, figures show them."""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up import ncut_rows

from modlib.chapters.clusterability.experiment import EXPERIMENT, cells, measure, remeasure
from modlib.chapters.clusterability.figures import initial_ncuts
from modlib.chapters.clusterability.findings import FINDINGS, found
from modlib.chapters.rows import ADDED, ROW_KEY, TOLERANCE, WITNESSES


def test_the_grid_has_the_networks_of_the_papers() -> None:
    """Ten networks a data set without dropout, and untrained ones (pruned-modular 3, A.2)."""
    counts = Counter(cell["dataset"] for cell in cells("paper"))
    assert counts == {"mnist": 10, "fashion_mnist": 10, "cifar10": 10, "initialisation": 200}
    assert {cell["dropout"] for cell in cells("paper")} == {"no"}


def test_an_untrained_network_has_an_ncut_and_no_shuffles() -> None:
    (cell, *_) = [cell for cell in cells("smoke") if cell["dataset"] == "initialisation"]
    rows = pd.DataFrame(measure(cell))
    assert {*ROW_KEY, *TOLERANCE} <= set(rows.columns)
    assert set(rows["stage"]) == {"initial"}
    assert set(rows["n_shuffles"]) == {0}
    assert (rows["ncut"].between(0, rows["k"], inclusive="neither")).all()
    pd.testing.assert_frame_equal(rows, pd.DataFrame(measure(cell)))
    assert EXPERIMENT.name == "clusterability"


def test_what_is_measured_again_of_a_network_is_what_was_measured_with_all_its_shuffles() -> None:
    """Or a column would be filled in no row, or in those of another network."""
    (cell, *_) = cells("smoke")
    columns = [*ROW_KEY, *WITNESSES, *ADDED]
    pd.testing.assert_frame_equal(pd.DataFrame(remeasure(cell)), pd.DataFrame(measure(cell))[columns])
    assert EXPERIMENT.remeasure is remeasure
    assert set(ADDED) == EXPERIMENT.unmeasured


def test_training_accuracy_is_that_of_fit_and_stands_in_for_it_without_dropout_only() -> None:
    rows = pd.DataFrame(
        {"null": "layer", "dropout": ["yes", "yes", "no", "no"], "train_accuracy": [0.9, 0.8, 0.7, 0.6]}
    ).assign(fit_accuracy=[0.5, np.nan, np.nan, 0.4])
    assert FINDINGS["train_acc"].measure(rows).values == (0.5, 0.7, 0.4)
    assert FINDINGS["train_acc"].measure(rows[1:2]) is None


def ncuts(dropout: str, values: list[float], **others: object) -> pd.DataFrame:
    row = {"dataset": "mnist", "dropout": dropout, "stage": "pruned", "null": "layer", "k": 4, "shuffled_mean": 2.0}
    return pd.DataFrame([{**row, "ncut": value, "seed": seed, **others} for seed, value in enumerate(values)])


def test_networks_with_dropout_are_apart_where_each_is_below_all_others() -> None:
    both = [ncuts("no", [2.0, 2.1]), ncuts("yes", [1.8, 1.9])]
    metric = FINDINGS["dropout_separates"]
    assert metric.measure(pd.concat(both)).mean == 1
    assert metric.measure(pd.concat([*both, ncuts("yes", [2.05, 1.5])])).mean == 0.75
    assert metric.measure(both[0]) is None


def test_trained_networks_are_compared_with_the_least_untrained_one() -> None:
    rows = [ncuts("no", [2.0, 2.4]), ncuts("no", [2.3, 2.5], dataset="initialisation", stage="initial", null="none")]
    metric = FINDINGS["pruned_below_untrained"]
    assert metric.measure(pd.concat(rows)).mean == 0.5
    assert FINDINGS["unpruned_below_untrained"].measure(pd.concat(rows)) is None
    assert metric.measure(rows[0]) is None


def test_shuffles_of_both_kinds_are_compared_network_by_network() -> None:
    parts = [
        ncuts(dropout, [1.8, 1.9], null=null, shuffled_mean=mean)
        for dropout, null, mean in (
            ("no", "layer", 2.0), ("no", "layer-nonzero", 1.9), ("yes", "layer", 2.0), ("yes", "layer-nonzero", 1.7)
        )
    ]  # fmt: skip
    lower, more = FINDINGS["topology_lowers"], FINDINGS["topology_lowers_more"]
    assert lower.measure(pd.concat(parts[:2])).values == pytest.approx((-0.1, -0.1))
    assert more.measure(pd.concat(parts)).values == pytest.approx((-0.2, -0.2))
    assert more.measure(pd.concat(parts[:2])) is None


def test_the_share_of_significant_networks_is_counted_and_the_nulls_are_kept_apart() -> None:
    rows = pd.DataFrame(
        {"null": ["layer"] * 4 + ["layer-nonzero"], "p": [1 / 51, 1 / 51, 50 / 51, 1.0, 1 / 51], "n_shuffles": 50}
    )
    assert FINDINGS["prop_sig"].measure(rows).mean == 0.5
    assert FINDINGS["p_value_nonzero"].measure(rows).mean == 1
    assert FINDINGS["prop_less_clusterable_than_all_shuffles"].measure(rows).mean == 0.25
    beaten = FINDINGS["share_of_shuffles_beaten"].measure(rows)
    assert beaten.values == pytest.approx((1, 1, 1 / 50, 0))  # p = (r + 1) / 51, r shuffles at or below


@pytest.mark.parametrize("name", FINDINGS)
def test_no_rows_give_no_number(name: str) -> None:
    columns = [
        "dataset",
        "dropout",
        "seed",
        "null",
        "ncut",
        "p",
        "n_shuffles",
        "shuffled_mean",
        "shuffled_sd",
        "shuffled",
        "train_accuracy",
        "fit_accuracy",
        "stage",
        "k",
    ]
    assert FINDINGS[name].measure(pd.DataFrame(columns=[*columns, "z"])) is None


def test_the_papers_range_is_shaded_behind_our_networks() -> None:
    ax = initial_ncuts(np.linspace(2.0, 2.1, 20), (1.9, 2.2), 4)
    _, labels = ax.get_legend_handles_labels()
    assert labels == ["support in the paper", "20 untrained networks"]
    assert ax.patches[0].get_extents().width > 0
    plt.close(ax.figure)


def told(ncut: float, below: bool, untrained: float) -> list[str]:
    """What is found with ten shuffles around 2 for each of three pruned networks."""
    shuffled = {"shuffled_mean": 2.0}
    rows = [ncut_rows("mnist", "no", ncut, below, stage=stage, **shuffled) for stage in ("pruned", "unpruned")]
    rows.append(ncut_rows("initialisation", "no", untrained, stage="initial", null="none"))
    return [str(sentence) for sentence in found(pd.concat(rows))]


def test_what_is_said_of_trained_networks_turns_round_with_the_rows() -> None:
    below, mean, untrained = told(1.5, True, 2.3)
    assert "3 of 3 on MNIST are more clusterable than chance" in below
    assert mean.endswith("is below 0 on MNIST, −0.500 (−0.500 to −0.500, n = 3).")
    assert "are 2.300; 3 of 3 pruned networks have a lower one" in untrained
    below, mean, untrained = told(2.5, False, 2.3)
    assert "0 of 3 on MNIST are more clusterable than chance" in below
    assert mean.endswith("is above 0 on MNIST, 0.500 (0.500 to 0.500, n = 3).")
    assert "0 of 3 pruned networks have a lower one" in untrained
