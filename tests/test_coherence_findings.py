"""Statistics of claims about coherence: on made-up rows whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.coherence.experiment import CONTRAST, CORRELATIONS, LIKENESS, ONE_SIDED, VARIATION
from modlib.chapters.coherence.findings import FINDINGS, accuracies, log_ratio, middle_network


def row(seed: int, measure: str, value: float, random: float = 1.0, **changed: object) -> dict[str, object]:
    return {
        "study": CORRELATIONS, "network": "mlp", "dataset": "mnist", "dropout": "yes", "seed": seed, "layer": 1,
        "measure": measure, "value": value, "random": f"{random - 0.5} {random + 0.5}", "test_accuracy": 0.9,
    } | changed  # fmt: skip


def value(name: str, rows: list[dict[str, object]]):
    return FINDINGS[name].measure(pd.DataFrame(rows), "averaged")


def test_contrast_is_compared_with_random_sets_network_by_network():
    rows = [row(seed, CONTRAST, v) for seed, v in ((0, 2.0), (0, 8.0), (1, 1.0))] + [row(0, LIKENESS, 5.0)]
    found = value("more_contrast", rows)
    assert found.values == pytest.approx((np.log(4), 0))
    assert value("more_contrast", [{**one, "network": "cnn"} for one in rows]) is None
    assert log_ratio(pd.DataFrame(rows)).index.names == ["network", "dataset", "dropout", "seed"]


def test_halves_are_compared_with_those_of_untrained_networks():
    trained = [row(seed, LIKENESS, v) for seed in (0, 1) for v in (0.8, 0.4)]
    assert value("halves_alike", trained) is None
    found = value("halves_alike", trained + [row(seed, LIKENESS, 0.1, network="mlp untrained") for seed in (0, 1)])
    assert found.values == pytest.approx((0.5, 0.5))
    assert value("share_alike", trained).values == pytest.approx((0.5, 0.5))


def test_one_sidedness_counts_in_early_layers_only():
    rows = [row(0, ONE_SIDED, 0.7, random=0.5), row(0, ONE_SIDED, 5.0, layer=3), row(1, ONE_SIDED, 0.4, random=0.5)]
    assert value("more_one_sided", rows).values == pytest.approx((0.2, -0.1))


@pytest.mark.parametrize(("cnn", "significant"), [(1.0, True), (4.0, False)])
def test_cnns_are_compared_with_perceptrons_network_by_network(cnn, significant):
    rows = [row(seed, CONTRAST, 3.0 + seed / 10) for seed in range(5)]
    assert value("less_than_mlps", rows) is None
    rows += [row(seed, CONTRAST, cnn + seed / 10, network="cnn") for seed in range(3)]
    assert (value("less_than_mlps", rows).mean < 0.05) is significant


def test_dropout_costs_percentage_points():
    rows = [
        row(seed, m, 0.0, dropout=dropout, test_accuracy=0.9 - 0.2 * (dropout == "yes") * (seed + 1))
        for seed in (0, 1)
        for dropout in ("yes", "no")
        for m in (CONTRAST, LIKENESS)
    ]
    assert value("dropout_costs", rows).values == pytest.approx((20, 40))
    assert value("dropout_costs", [*rows, row(2, CONTRAST, 0.0)]).n == 2  # a seed without its counterpart
    assert value("dropout_costs", [one for one in rows if one["dropout"] == "yes"]) is None
    untrained = row(0, CONTRAST, 0.0, network="mlp untrained", test_accuracy=np.nan)
    assert len(accuracies(pd.DataFrame([*rows, untrained]))) == 4
    assert value("min_test_accuracy", [*rows, untrained]).values == pytest.approx((70, 90, 50, 90))


def test_quartiles_are_those_of_the_network_in_the_middle():
    spreads = {0: (1, 2, 3, 4, 5), 1: (10, 20, 30, 40, 50), 2: (0.1, 0.2, 0.3, 0.4, 0.5)}
    rows = [row(seed, VARIATION, v) for seed, values in spreads.items() for v in values]
    rows.append(row(2, VARIATION, np.nan))  # all units silent
    assert set(middle_network(pd.DataFrame(rows))["seed"]) == {0}
    assert [value(f"cov_{q}", rows).mean for q in ("q1", "median", "q3")] == [2, 3, 4]
    assert value("cov_median", rows).values == pytest.approx((3, 30, 0.3))
    assert value("cov_below_one", rows).values == pytest.approx((0, 0, 1))
    assert value("cov_above_one", rows).values == pytest.approx((0.8, 1, 0))


@pytest.mark.parametrize("name", FINDINGS)
def test_without_rows_nothing_is_said(name):
    assert FINDINGS[name].measure(pd.DataFrame(), "averaged") is None
    assert FINDINGS[name].label
