"""Simulated networks against their definition, exact probabilities and the single tests; the paper's own p-values."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chisquare

from modlib.chapters.hypothesis_tests.experiment import (
    ALONE,
    BH,
    CELL_KEY,
    CHI_SQUARED,
    EXPERIMENT,
    FISHER,
    HOLM,
    MEDIAN,
    P_VALUES,
    PLANS,
    ROW_KEY,
    TABLE_1,
    TOLERANCE,
    UNSHIFTED,
    cells,
    chi_squared_p,
    corrected,
    draw_levels,
    fisher_p,
    measure,
    printed,
    shifts,
)
from modlib.stats import chi_squared_uniform, fisher_combined, monte_carlo_p
from modlib.tables.results import caption
from modlib.tables.runner import missing_cells, run, verify


def rows_of(profile: str = "smoke", **wanted: object) -> pd.DataFrame:
    chosen = [cell for cell in cells(profile) if all(cell[key] == value for key, value in wanted.items())]
    return pd.DataFrame([{**cell, **row} for cell in chosen for row in measure(cell)])


@given(st.integers(1, 50), st.integers(1, 20), st.integers(1, 5), st.integers(0, 100))
def test_all_networks_at_once_are_the_single_tests(n: int, m: int, networks: int, seed: int) -> None:
    levels = np.random.default_rng(seed).integers(1, n + 2, size=(networks, m))
    p = levels / (n + 1)
    assert fisher_p(levels, n) == pytest.approx([fisher_combined(row, n) for row in p])
    assert chi_squared_p(levels, n) == pytest.approx([chi_squared_uniform(row, n) for row in p])
    assert (fisher_p(levels, n, shift=0.0) >= fisher_p(levels, n)).all()


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        ("no effect", [0, 0, 0, 0]),
        ("consistent", [2, 2, 2, 2]),
        ("both ways", [2, -2, 2, -2]),
        ("one sub-cluster", [2, 0, 0, 0]),
    ],
)
def test_effects_by_hand(effect: str, expected: list[float]) -> None:
    assert shifts(effect, 2.0, 4).tolist() == expected


@pytest.mark.parametrize(("shift", "tied", "ties"), product((0.0, 1.0), (0.0, 0.3), ("against", "for")))
def test_levels_are_those_of_drawn_sub_clusters(shift: float, tied: float, ties: str) -> None:
    rng, n, draws = np.random.default_rng(0), 4, 4000
    fast = draw_levels(np.array([shift]), tied, ties, n, draws, rng).ravel()
    values = rng.standard_normal((draws, n + 1))
    values[:, 0] += shift
    values = np.maximum(values, np.quantile(values[:, 1:], tied) if tied else -np.inf)
    slow = [round(monte_carlo_p(row[0], row[1:], "large", ties) * (n + 1)) for row in values]
    counts = np.array([np.bincount(levels, minlength=n + 2)[1:] for levels in (fast, slow)])
    counts = counts[:, counts.sum(axis=0) > 0]
    expected = counts.sum(axis=0) / 2
    p = chisquare(counts.ravel(), np.tile(expected, 2), ddof=len(expected)).pvalue
    assert p > 0.001


def test_levels_without_an_effect_are_uniform_unless_ties_count() -> None:
    rng, above, n = np.random.default_rng(1), np.zeros(50), 9
    uniform = draw_levels(above, 0.0, "no ties", n, 2000, rng)
    assert chisquare(np.bincount(uniform.ravel())[1:]).pvalue > 0.001
    tied = 0.5
    for ties, top in (("against", n + 1), ("for", 1)):
        levels = draw_levels(above, tied, ties, n, 2000, rng)
        assert levels.min() >= 1
        assert levels.max() <= n + 1
        # a tied sub-cluster beaten by k of n has level k + 1 if ties count for it, and n + 1 otherwise
        at_top = tied + (1 - tied) * np.mean([binom.pmf(n, n, u) for u in np.linspace(0, 1 - tied, 2001)])
        at_bottom = tied * binom.pmf(0, n, 1 - tied) + (1 - tied) * np.mean(
            [binom.pmf(0, n, u) for u in np.linspace(0, 1 - tied, 2001)]
        )
        exact = at_top if ties == "against" else at_bottom
        assert np.mean(levels == top) == pytest.approx(exact, abs=4 * (exact * (1 - exact) / levels.size) ** 0.5 + 1e-3)


def test_chi_squared_is_calibrated_where_every_level_is_expected_five_times() -> None:
    levels = draw_levels(np.zeros(60), 0.0, "no ties", 9, 20_000, np.random.default_rng(2))
    assert np.mean(chi_squared_p(levels, 9) < 0.05) == pytest.approx(0.05, abs=0.006)


def test_fisher_rejects_as_often_as_all_outcomes_say() -> None:
    n, m = 4, 4
    outcomes = np.array(list(product(range(1, n + 2), repeat=m)))
    exact = np.mean(fisher_p(outcomes, n) < 0.05)
    assert exact < 0.05  # conservative, here exactly
    levels = draw_levels(np.zeros(m), 0.0, "no ties", n, 40_000, np.random.default_rng(3))
    assert np.mean(fisher_p(levels, n) < 0.05) == pytest.approx(exact, abs=4 * (exact / 40_000) ** 0.5)


def test_the_grid_is_complete_and_a_batch_has_every_condition() -> None:
    for profile, (_, _, networks, batches) in PLANS.items():
        grid = pd.DataFrame(cells(profile))
        assert list(grid.columns) == list(CELL_KEY)
        assert not grid.duplicated().any()
        simulated = grid[grid["study"] != TABLE_1]
        assert (simulated.drop(columns="batch").value_counts() == batches).all()
        assert set(grid["ties"]) == {"no ties", "against", "for"}
        assert networks % 5 == 0


def test_a_cell_gives_the_same_rows_every_time() -> None:
    for cell in cells("smoke")[:3]:
        rows = measure(cell)
        assert rows == measure(cell)
        assert set(rows[0]) == {*ROW_KEY, *TOLERANCE}
        assert not pd.DataFrame(rows).duplicated(list(ROW_KEY)).any()
        assert all(0 <= row["rejected"] <= row["of"] for row in rows)


def test_a_table_is_filled_once_checked_again_and_captioned_without_networks(tmp_path: Path) -> None:
    assert run(EXPERIMENT, "smoke", folder=tmp_path) > 0
    assert not missing_cells(EXPERIMENT, "smoke", tmp_path)
    assert run(EXPERIMENT, "smoke", folder=tmp_path) == 0
    assert verify(EXPERIMENT, 3, folder=tmp_path) == []
    assert "network" not in caption("hypothesis-tests", folder=tmp_path)


def test_cells_differ_in_their_draws() -> None:
    counts = rows_of(effect="no effect", ties="for").groupby("tied")["rejected"].apply(tuple)
    assert counts.nunique() == len(counts)
    first, second = (measure({**cells("quick")[1], "batch": batch}) for batch in (0, 1))
    assert [row["rejected"] for row in first] != [row["rejected"] for row in second]


def test_large_effects_are_found_by_the_test_that_looks_for_them() -> None:
    rows = rows_of()
    rows = rows[rows["rule"] == ALONE].assign(rate=lambda table: table["rejected"] / table["of"])
    rate = rows[rows["ties"] == "no ties"].groupby(["effect", "size", "test"])["rate"].max()
    assert rate["consistent", 0.4, FISHER] > 3 * rate["no effect", 0.0, FISHER]
    assert rate["consistent", 0.4, FISHER] > rate["consistent", 0.4, CHI_SQUARED]
    assert rate["both ways", 1.5, CHI_SQUARED] > 2 * rate["both ways", 1.5, FISHER]
    plain = rows[(rows["ties"] == "no ties") & (rows["effect"] == "no effect")].groupby("test")["rate"].mean()
    assert plain[UNSHIFTED] < plain[FISHER]
    tied = rows[(rows["tied"] == 0.5) & (rows["test"] == FISHER)].groupby("ties")["rate"].mean()
    assert tied["for"] > 3 * plain[FISHER]
    assert tied["against"] < plain[FISHER]


def test_a_median_of_five_is_counted_by_fives() -> None:
    rows = rows_of(effect="no effect", ties="no ties", study="simulation")
    assert (rows[rows["rule"] == MEDIAN]["of"] == PLANS["smoke"][2] / 5).all()
    assert set(rows["test"]) == set(P_VALUES)


def test_the_papers_table_is_read_as_it_is_printed() -> None:
    table = printed("table-1")
    assert len(table) == 60
    assert table["test"].value_counts().to_dict() == {FISHER: 30, CHI_SQUARED: 30}
    key = ["network", "measure", "test"]
    assert not table.duplicated(key).any()
    found = table.set_index(key)
    assert found.loc[("vgg-cifar", "softmax-entropy", CHI_SQUARED), "value"] == "0.082"
    assert found.loc[("resnet-18-imagenet", "accuracy-change", FISHER), "n"] == 1
    for item in ("table-4", "table-5"):
        ticks = printed(item)
        assert set(map(tuple, ticks[key].to_numpy())) == set(map(tuple, table[key].to_numpy()))
        assert set(ticks["value"]) <= {"yes", "no", "unclear"}


def test_each_rule_corrects_the_tests_that_the_paper_says() -> None:
    tests = pd.DataFrame({"test": [FISHER] * 2 + [CHI_SQUARED] * 2, "p": [0.01, 0.04, 0.02, 0.9]})
    rejected = corrected(tests)
    assert rejected[BH].tolist() == [True, True, True, False]  # 0.04 <= 0.05 x 2/2 among its own; 0.02 <= 0.05 x 1/2
    assert rejected[HOLM].tolist() == [True, False, False, False]  # 0.01 <= 0.05 / 4, but 0.02 > 0.05 / 3


def test_the_one_tick_that_table_1_does_not_give() -> None:
    rows = rows_of(study=TABLE_1)
    assert rows["rule"].value_counts().to_dict() == {BH: 60, HOLM: 60}
    legible = rows[rows["printed"] != "unclear"]
    wrong = legible[(legible["printed"] == "yes") != (legible["rejected"] == 1)]
    assert wrong[["network", "measure", "test"]].drop_duplicates().to_numpy().tolist() == [
        ["vgg-cifar", "softmax-entropy", CHI_SQUARED]
    ]
    assert set(wrong["rule"]) == {BH, HOLM}
    # no rule that rejects smaller p-values first could tick 0.082 and leave out smaller ones
    table = printed("table-1").assign(p=lambda part: part["value"].astype(float))
    smaller = table[(table["test"] == CHI_SQUARED) & (table["p"] < 0.082)].merge(
        printed("table-5"), on=["network", "measure", "test"]
    )
    assert (smaller["value_y"] == "no").any()
