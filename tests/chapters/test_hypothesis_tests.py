"""Chapter ``hypothesis-tests``.

Simulated networks against their definition, exact probabilities and the single tests; the paper's own p-values. What
importance-coherence says of its tests, judged on rows in which it is true by construction, or false. Figures show the
numbers they are given.
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from made_up import write_table
from matplotlib.axes import Axes
from scipy.stats import binom, chisquare

from modlib.chapters.hypothesis_tests import figures
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
    SIMULATED,
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
from modlib.chapters.hypothesis_tests.figures import LOWEST
from modlib.chapters.hypothesis_tests.findings import FINDINGS, KEEPS, _keeps, found, rates
from modlib.evidence.criteria import Grade
from modlib.stats import chi_squared_uniform, fisher_combined, monte_carlo_p
from modlib.tables.results import caption
from modlib.tables.runner import missing_cells, run
from modlib.tables.verification import verify
from modlib.verdicts import claims

# --- its grid and rows


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
    for profile, plan in PLANS.items():
        grid = pd.DataFrame(cells(profile))
        assert list(grid.columns) == list(CELL_KEY)
        assert not grid.duplicated().any()
        simulated = grid[grid["study"] != TABLE_1]
        assert (simulated.drop(columns="batch").value_counts() == plan.batches).all()
        assert set(grid["ties"]) == {"no ties", "against", "for"}
        assert plan.networks % 5 == 0


def test_a_cell_gives_the_same_rows_every_time() -> None:
    for cell in cells("smoke")[:3]:
        rows = measure(cell)
        assert rows == measure(cell)
        assert set(rows[0]) == {*ROW_KEY, *TOLERANCE}
        assert not pd.DataFrame(rows).duplicated(list(ROW_KEY)).any()
        assert all(0 <= row["rejected"] <= row["of"] for row in rows)


def test_a_table_is_filled_once_checked_again_and_captioned_without_networks(tmp_path: Path) -> None:
    assert run(EXPERIMENT, "smoke", folder=tmp_path).rows > 0
    assert not missing_cells(EXPERIMENT, "smoke", tmp_path)
    assert run(EXPERIMENT, "smoke", folder=tmp_path).rows == 0
    assert verify(EXPERIMENT, 3, folder=tmp_path).differences == ()
    assert "network" not in caption(EXPERIMENT, folder=tmp_path)


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
    assert (rows[rows["rule"] == MEDIAN]["of"] == PLANS["smoke"].networks / 5).all()
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


# --- what its rows say

CLAIMS = [claim for claim in claims.load() if claim.tables == ("hypothesis-tests",)]


def simulated(coarse: float, fine: float) -> pd.DataFrame:
    """Rows of ten batches without an effect, with these rejection rates of Fisher's test."""
    rng = np.random.default_rng(0)
    about = {
        "profile": "paper",
        "study": "simulation",
        "effect": "no effect",
        "size": 0.0,
        "ties": "no ties",
        "tied": 0.0,
    }
    names = {"network": SIMULATED, "measure": SIMULATED, "test": FISHER, "rule": ALONE, "printed": ""}
    return pd.DataFrame(
        [
            {
                **about,
                "batch": batch,
                "n_random": n,
                "sub_clusters": m,
                **names,
                "rejected": rng.binomial(10_000, rate),
                "of": 10_000,
            }
            for batch in range(10)
            for n, rate in ((9, coarse), (50, fine))
            for m in (10, 60)
        ]
    )


def table_1(paper_is_right: bool) -> pd.DataFrame:
    """The cell of the paper's own p-values, with ticks that follow from it, or its corrections turned round."""
    cell = cells("paper")[0]
    assert cell["study"] == TABLE_1
    rows = pd.DataFrame([{**cell, **row} for row in measure(cell)])
    if paper_is_right:
        return rows.assign(printed=rows["rejected"].map({1: "yes", 0: "no"}))
    return rows.assign(rejected=1 - rows["rejected"])


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Callable[[bool], dict[str, Grade]]:
    def judge(paper_is_right: bool) -> dict[str, Grade]:
        folder = tmp_path_factory.mktemp("results")
        drawn = simulated(0.04, 0.047) if paper_is_right else simulated(0.06, 0.08)
        rows = pd.concat([table_1(paper_is_right), drawn])
        write_table("hypothesis-tests", rows, folder)
        return {claim.id: claims.judge(claim, folder).verdict for claim in CLAIMS}

    return judge


def test_every_statistic_decides_a_claim():
    assert {metric for claim in CLAIMS for metric in claim.criteria} == set(FINDINGS)


def test_sentences_that_are_true_are_reproduced(judged):
    short = {name: str(grade) for name, grade in judged(True).items() if grade is not Grade.REPRODUCED}
    assert not short


def test_sentences_that_are_false_are_not(judged):
    found = judged(False)
    # where every correction is turned round, the one wrong tick comes out right
    right = {name for name, grade in found.items() if grade is Grade.REPRODUCED}
    assert right == {"ic-table-4-softmax-entropy", "ic-table-5-softmax-entropy"}
    assert set(found.values()) == {Grade.NOT_REPRODUCED, Grade.REPRODUCED}


def test_without_rows_nothing_is_tested(tmp_path: Path):
    assert {claims.judge(claim, tmp_path).verdict for claim in CLAIMS} == {Grade.NOT_TESTED}


def test_rates_pool_the_counts_of_one_test_and_one_rule():
    rows = simulated(0.04, 0.05).query("batch == 0")
    others = rows.assign(rejected=0)
    mixed = pd.concat([rows, others.assign(test=CHI_SQUARED), others.assign(rule=MEDIAN)])
    coarse = rows[rows["n_random"] == 9]
    assert rates(mixed, FISHER)[0, 9] == coarse["rejected"].sum() / 20_000


@pytest.mark.parametrize("lost", ["mlp-mnist", "cnn-mnist", "cnn-fashion"])
def test_one_network_that_is_otherwise_makes_it_partly(lost: str):
    rows = table_1(True).query("measure == 'accuracy-change'")
    whole = FINDINGS["kept"].measure(rows)
    assert whole is not None
    assert whole.mean == 1
    assert whole.n == len(KEEPS) + 2
    turned = rows["rejected"].where((rows["network"] != lost) | (rows["rule"] != BH), 1 - rows["rejected"])
    found = FINDINGS["kept"].measure(rows.assign(rejected=turned))
    assert found is not None
    assert found.mean == 1 - 1 / found.n


def test_a_tick_that_cannot_be_read_does_not_count():
    rows = table_1(True)
    half = rows.assign(printed=np.where(np.arange(len(rows)) % 2, "unclear", rows["printed"]))
    found = FINDINGS["ticks"].measure(half)
    assert found is not None
    assert (found.mean, found.n) == (1, len(rows) / 2)
    assert FINDINGS["ticks"].measure(rows.assign(printed="unclear")) is None


# --- its figures


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def points(ax: Axes, label: str) -> list[list[float]]:
    (drawn,) = [collection for collection in ax.collections if collection.get_label() == label]
    return np.asarray(drawn.get_offsets()).tolist()


def test_every_level_has_its_bar() -> None:
    figure = figures.levels({"a": np.array([0.25, 0.25, 1.0]), "b": np.array([0.5])}, 3)
    first, second = figure.axes
    assert [bar.get_height() for bar in first.patches] == [2, 0, 0, 1]
    assert [bar.get_height() for bar in second.patches] == [0, 1, 0, 0]
    assert "Fisher: p " in first.get_title()


def test_rates_pool_counts_over_what_is_not_shown() -> None:
    rows = pd.DataFrame(
        {
            "n": [9, 9, 20, 20],
            "m": [10, 10, 10, 10],
            "test": "fisher",
            "rejected": [1, 5, 0, 4],
            "of": [10, 50, 10, 10],
        }
    )
    figure = figures.rates(rows, "m", "n", "test", {"m": "sub-clusters", "n": "random sets"})
    (ax,) = figure.axes
    drawn = {container.get_label(): container.lines[0].get_ydata().tolist() for container in ax.containers}
    assert drawn == {"9": [6 / 60], "20": [4 / 20]}


def test_every_rate_is_in_sight() -> None:
    rows = pd.DataFrame({"n": 9, "m": [10, 10], "test": ["a", "b"], "rejected": [1, 9], "of": 10})
    first, second = figures.rates(rows, "m", "n", "test", {"m": "m", "n": "n"}).axes
    assert first.get_ylim() == second.get_ylim()
    assert first.get_ylim()[0] == 0
    assert first.get_ylim()[1] > 0.9


def test_corrections_are_sorted_and_stay_in_sight() -> None:
    tests = pd.DataFrame({"panel": "all", "p": [0.5, 1e-30, 0.01], "tick": ["no", "yes", "unclear"]})
    figure = figures.corrections(tests, {"all": np.array([0.02, 0.03, 0.05])})
    (ax,) = figure.axes
    assert points(ax, "yes") == [[1, LOWEST]]
    assert points(ax, "unclear") == [[2, 0.01]]
    assert points(ax, "no") == [[3, 0.5]]
    assert ax.get_ylim()[0] < LOWEST
    assert ax.lines[0].get_ydata().tolist() == [0.02, 0.03, 0.05]


def test_a_median_of_five_has_its_distribution() -> None:
    figure = figures.medians({"found": np.array([0.3, 0.1])})
    (ax,) = figure.axes
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert lines["found"].tolist() == [[0.1, 0.5], [0.3, 1.0]]
    exact = lines["median of 5: Beta(3, 3)"]
    assert exact[100].tolist() == [0.5, pytest.approx(0.5)]


def test_replicates_stand_beside_their_median() -> None:
    tests = pd.DataFrame(
        {
            "label": ["a", "b", "a", "b"],
            "test": ["fisher", "fisher", "chi-squared", "chi-squared"],
            "p": [0.1, 0.2, 0.3, 0.4],
            "replicates": [np.array([0.05, 0.1, 0.2])] * 4,
        }
    )
    figure = figures.replicates(tests)
    first, second = figure.axes
    assert points(first, "printed median") == [[0.1, 0], [0.2, 1]]
    assert points(second, "printed median") == [[0.3, 0], [0.4, 1]]
    assert points(first, "one network") == [[0.05, 0], [0.1, 0], [0.2, 0]]
    assert [text.get_text() for text in first.get_yticklabels()] == ["a", "b"]


def told(fisher: float, tied: float, median: float) -> list[str]:
    """What is found at these rates of Fisher's test without an effect: alone, with ties, and as a median of five."""
    about = simulated(0.0, 0.0).assign(of=1000)
    conditions = {
        fisher: {},
        tied: {"ties": "for", "tied": 0.2},
        median: {"rule": MEDIAN},
    }
    rows = [about.assign(rejected=1000 * rate, **of) for rate, of in conditions.items()]
    both = [part.assign(test=test) for part in rows for test in (FISHER, CHI_SQUARED)]
    return [str(sentence) for sentence in found(pd.concat(both))]


def test_a_test_exceeds_its_level_only_where_all_shares_do():
    assert _keeps(pd.Series([0.045, 0.05])) == "keeps"
    assert _keeps(pd.Series([0.045, 0.053])) == "lies on both sides of"
    assert _keeps(pd.Series([0.051, 0.053])) == "exceeds"


def test_what_is_said_of_the_tests_turns_round_with_the_rows():
    level, ties, median = told(0.04, 0.3, 0.001)
    assert "Fisher's test keeps its level of 5% (4.0% of networks" in level
    assert ties.startswith("Ties spoil this: ")
    assert "Fisher's test calls 30.0% significant" in ties
    assert "is rarer by chance" in median
    assert "0.10% of the medians with Fisher's test" in median
    level, ties, median = told(0.07, 0.03, 0.2)
    assert "Fisher's test exceeds its level of 5% (7.0% of networks" in level
    assert ties.startswith("Ties do not spoil this: ")
    assert "is no rarer by chance" in median
