"""What importance-coherence says of its tests, judged on rows in which it is true by construction, or false."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.hypothesis_tests.experiment import (
    ALONE,
    BH,
    CHI_SQUARED,
    FISHER,
    MEDIAN,
    SIMULATED,
    TABLE_1,
    cells,
    measure,
)
from modlib.chapters.hypothesis_tests.findings import FINDINGS, KEEPS, rates
from modlib.evidence.criteria import Grade
from modlib.verdicts import claims

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
        rows.to_csv(folder / "hypothesis-tests.csv", index=False)
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
    whole = FINDINGS["kept"].measure(rows, "")
    assert whole is not None
    assert whole.mean == 1
    assert whole.n == len(KEEPS) + 2
    turned = rows["rejected"].where((rows["network"] != lost) | (rows["rule"] != BH), 1 - rows["rejected"])
    found = FINDINGS["kept"].measure(rows.assign(rejected=turned), "")
    assert found is not None
    assert found.mean == 1 - 1 / found.n


def test_a_tick_that_cannot_be_read_does_not_count():
    rows = table_1(True)
    half = rows.assign(printed=np.where(np.arange(len(rows)) % 2, "unclear", rows["printed"]))
    found = FINDINGS["ticks"].measure(half, "")
    assert found is not None
    assert (found.mean, found.n) == (1, len(rows) / 2)
    assert FINDINGS["ticks"].measure(rows.assign(printed="unclear"), "") is None
