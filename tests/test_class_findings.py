"""What the mask paper says about removing a class, judged on rows in which it is true by construction, or false."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.class_removal.experiment import CONTROL, REMOVAL, cells
from modlib.chapters.class_removal.findings import FINDINGS, drops, target_and_others
from modlib.evidence.criteria import Grade
from modlib.verdicts import claims

CLAIMS = [claim for claim in claims.load() if claim.paper == "weight-masks" and claim.tables == ("class-removal",)]
LOOKS_LIKE = {0: (2, 8), 3: (5,), 5: (3,), 9: (1,), 1: (9,)}


def table(paper_is_right: bool, steps: int = 20_000) -> pd.DataFrame:
    """Rows of the paper's grid, for three networks of each kind."""
    rng = np.random.default_rng(0)
    rows = []
    for cell in [{**cell, "seed": seed} for seed in range(3) for cell in cells("paper")]:
        shares = np.full((10, 10), 0.02) + np.diag(np.full(10, 0.8))
        if cell["study"] == REMOVAL and cell["target"] != CONTROL:
            removed = int(cell["target"])
            loss = (
                (0.5 if cell["dropout"] == "yes" else 0.35)
                if paper_is_right
                else 0.05 + 0.1 * (cell["dropout"] == "no")
            )
            shares[removed, removed] -= loss + 0.01 * rng.normal()
            receivers = (
                LOOKS_LIKE.get(removed, (7 if removed == 4 else 4,))
                if paper_is_right
                else (6,)
                if removed != 6
                else (7,)
            )
            shares[removed, list(receivers)] += loss / len(receivers)
            if paper_is_right and removed in (3, 5):
                shares[8 - removed, 8 - removed] += 0.05
            if not paper_is_right:
                shares[(removed + 1) % 10, (removed + 1) % 10] -= 0.2
                if removed in (3, 5):
                    shares[8 - removed, 8 - removed] -= 0.1
        accuracy = 0.81 if paper_is_right else 0.5
        text = " ".join(f"{share:.4f}" for share in shares.ravel())
        iou = "" if cell["study"] == REMOVAL else 0.93 if paper_is_right else 0.6
        better = paper_is_right == (cell["dropout"] == "yes")
        row = {
            "network_steps": 20_000,
            "mask_steps": steps,
            "whole_accuracy": 0.82 + 0.03 * better + 0.001 * rng.normal(),
            "accuracy": accuracy,
            "iou": iou,
        }
        rows.append({**cell, "mask": cell["target"], **row, "confusion": text})
    return pd.DataFrame(rows)


def judge(folder: Path, paper_is_right: bool) -> dict[str, Grade]:
    table(paper_is_right).to_csv(folder / "class-removal.csv", index=False)
    return {claim.id: claims.judge(claim, folder).verdict for claim in CLAIMS}


def test_every_statistic_decides_a_claim():
    assert {metric for claim in CLAIMS for metric in claim.criteria} == set(FINDINGS)


def test_sentences_that_are_true_are_reproduced(tmp_path: Path):
    assert not {name: str(grade) for name, grade in judge(tmp_path, True).items() if grade is not Grade.REPRODUCED}


def test_sentences_that_are_false_are_not(tmp_path: Path):
    assert not {name for name, grade in judge(tmp_path, False).items() if grade is Grade.REPRODUCED}


def test_without_rows_nothing_is_tested(tmp_path: Path):
    assert {claims.judge(claim, tmp_path).verdict for claim in CLAIMS} == {Grade.NOT_TESTED}


@pytest.mark.parametrize(("steps", "marked"), [(20_000, False), (4000, True)])
def test_masks_of_fewer_steps_than_the_papers_are_called_reduced(tmp_path: Path, steps: int, marked: bool):
    table(True, steps).to_csv(tmp_path / "class-removal.csv", index=False)
    for claim in CLAIMS:
        verdict = claims.judge(claim, tmp_path)
        assert ("fewer steps" in verdict.n) is marked
        assert verdict.reduced or not marked


def test_drops_are_those_of_the_diagonal():
    rows = table(True)
    found = drops(rows)
    assert len(found) == 60
    line = target_and_others(rows).query("dropout == 'yes' and removed == 3").iloc[0]
    assert line["target"] == pytest.approx(0.5, abs=0.05)
    assert line["other"] == pytest.approx(0, abs=1e-6)
    assert drops(rows[rows["target"] != CONTROL]).empty
    assert target_and_others(rows[rows["target"] != CONTROL]).empty
