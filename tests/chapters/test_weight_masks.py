"""Chapter ``weight-masks``: the grid has every condition of the paper early, and a cell gives the same rows every time.

What the mask paper says in words, judged on rows in which it is true by construction, or false.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import write_table

from modlib.chapters.weight_masks.experiment import BINS, CELL_KEY, ROW_KEY, TOLERANCE, cells, measure
from modlib.chapters.weight_masks.findings import (
    FINDINGS,
    confusion,
    inverse_drop,
    lost_at_random,
    mask_or_random,
    own_accuracy,
    share,
    specialise_and_reuse,
)
from modlib.data.arithmetic import TASKS
from modlib.evidence.criteria import Grade
from modlib.verdicts import claims, sentences

# --- masks


def test_the_grid_has_every_condition_in_its_first_cells():
    grid = pd.DataFrame(cells("paper"))
    assert not grid.duplicated(list(CELL_KEY)).any()
    conditions = len(grid[["task", "network", "beta"]].drop_duplicates())
    assert len(grid.head(conditions)[["task", "network", "beta"]].drop_duplicates()) == conditions
    small = grid[(grid["network"] == "fnn 400-400-200") & (grid["task"] == TASKS[0])]
    assert (small["beta"] == 1e-4).sum() == 10
    assert (grid[grid["task"] == TASKS[1]].groupby("network")["beta"].max() <= 4e-4).all()


def test_a_cell_gives_the_same_rows_every_time():
    cell = next(cell for cell in cells("smoke") if cell["network"].startswith("lstm"))
    rows = measure(cell)
    assert rows == measure(cell)
    assert {tuple(row[column] for column in ROW_KEY) for row in rows} == {
        (mask, layer) for mask in ("pair 1", "pair 2") for layer in range(6)
    }
    for row in rows:
        assert set(row) - set(ROW_KEY) == set(TOLERANCE)
        assert row["shared"] <= row["kept"] <= row["union"] <= row["size"]
        assert row["size"] == sum(int(count) for count in row["histogram"].split()) or row["layer"]
    total = [row for row in rows if row["mask"] == "pair 1"]
    assert total[0]["kept"] == sum(row["kept"] for row in total[1:])
    assert total[0]["parameter"] == "total"


# --- what its rows say

CLAIMS = [claim for claim in claims.load() if claim.paper == "weight-masks" and claim.tables == ("weight-masks",)]


def table(paper_is_right: bool) -> pd.DataFrame:
    """Rows of the paper's grid, with four seeds of every network."""
    rng = np.random.default_rng(0)
    grid = pd.DataFrame(cells("paper")).drop(columns="seed").drop_duplicates()
    rows = []
    for cell in grid.merge(pd.DataFrame({"seed": range(4)}), how="cross").to_dict("records"):
        arithmetic, lstm = cell["task"] == TASKS[0], cell["network"].startswith("lstm")
        for place, mask in enumerate(("addition", "multiplication") if arithmetic else ("pair 1", "pair 2")):
            wrong = [0.1, 0.1, 0.8]  # answers of neither kind to the other operation, as the paper finds in LSTMs
            if lstm is not paper_is_right:
                wrong = [0.05, 0.9, 0.05] if place else [0.9, 0.05, 0.05]
            answers = np.ravel([[1, 0, 0], wrong] if place == 0 else [wrong, [0, 1, 0]])
            histogram = np.zeros(BINS, dtype=int)
            histogram[[0, -1] if paper_is_right else [BINS // 2, BINS // 3]] = 500
            drop = abs((0.8 if arithmetic is paper_is_right else 0.02) + 0.01 * rng.normal())
            for layer in range(6):
                sizes = [1000, 3800] if arithmetic and paper_is_right else [1000, 1000]
                kept, other = sizes[place], sizes[1 - place]
                part = shared_part(cell, place, outer=layer in (1, 5), right=paper_is_right, rng=rng)
                rows.append(
                    {
                        **cell,
                        "mask": mask,
                        "layer": layer,
                        "network_steps": 20_000,
                        "mask_steps": 20_000,
                        "kept": kept,
                        "shared": round(kept * part),
                        "union": kept + other - round(kept * part),
                        "histogram": " ".join(map(str, histogram)),
                        "confusion": " ".join(map(str, answers)) if arithmetic else "",
                        "whole_first": 1.0,
                        "whole_second": 1.0,
                        "masked_first": 1.0 - place,
                        "masked_second": float(place),
                        "inverse_first": 1 - drop if place else 0.0,
                        "inverse_second": 0.0 if place else 1 - drop,
                    }
                )
    found = pd.DataFrame(rows)
    if not paper_is_right:  # only the strengths next to the paper's give an accurate mask
        weak = found["beta"] < 9e-5
        found.loc[weak, ["masked_first", "masked_second"]] *= 0.5
    return found


def shared_part(cell: dict, place: int, outer: bool, right: bool, rng: np.random.Generator) -> float:
    """What the second mask shares is half of what the first does, and so on, as the paper has it; or not."""
    noise = 0.01 * rng.normal()
    if cell["task"] == TASKS[0]:
        if right:
            return ((0.7 if outer else 0.4) - 0.1 * cell["network"].endswith(("800", "2000")) + noise) / (1 + place)
        return (0.2 if outer else 0.5) + noise + 0.1 * place - (0.15 if cell["beta"] > 1.5e-4 else 0)
    if right:
        return 0.0 if outer else 0.1 + abs(noise)
    return (0.3 if cell["task"] == TASKS[2] else 0.9) + noise


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Callable[[bool], dict[str, Grade]]:
    def judge(paper_is_right: bool) -> dict[str, Grade]:
        folder = tmp_path_factory.mktemp("results")
        write_table("weight-masks", table(paper_is_right), folder)
        return {claim.id: claims.judge(claim, folder).verdict for claim in CLAIMS}

    return judge


def test_every_statistic_decides_a_claim():
    assert {metric for claim in CLAIMS for metric in claim.criteria} == set(FINDINGS)


def test_sentences_that_are_true_are_reproduced(judged):
    short = {name: str(grade) for name, grade in judged(True).items() if grade is not Grade.REPRODUCED}
    assert not short


def test_sentences_that_are_false_are_not(judged):
    right = {name for name, grade in judged(False).items() if grade is Grade.REPRODUCED}
    assert not right


def test_fewer_networks_than_the_papers_are_called_reduced(tmp_path: Path):
    write_table("weight-masks", table(True), tmp_path)
    for claim in CLAIMS:
        verdict = claims.judge(claim, tmp_path)
        assert verdict.reduced, claim.id
        narrower = claim.rows.get("network") == "fnn 800-800-800-800"
        assert verdict.n == ("4 of 10, reduced, another width" if narrower else "4 of 10, reduced")


def test_without_rows_nothing_is_tested(tmp_path: Path):
    assert {claims.judge(claim, tmp_path).verdict for claim in CLAIMS} == {Grade.NOT_TESTED}


def test_columns_are_read_from_the_mask_s_own_side():
    rows = pd.DataFrame(
        {
            "mask": ["addition", "multiplication"],
            "layer": 0,
            "seed": 0,
            "kept": [10, 0],
            "shared": [4, 0],
            "confusion": ["1 0 0 .6 .3 .1", ".2 .7 .1 0 1 0"],
            "whole_first": 0.9,
            "whole_second": 0.8,
            "masked_first": [0.85, 0.1],
            "masked_second": [0.2, 0.75],
            "inverse_first": [0.0, 0.3],
            "inverse_second": [0.4, 0.0],
        }
    )
    assert inverse_drop(rows).tolist() == pytest.approx([0.8 - 0.4, 0.9 - 0.3])
    assert own_accuracy(rows).tolist() == [0.85, 0.75]
    assert confusion(rows)[["own", "other", "neither"]].to_numpy().tolist() == [[0.6, 0.3, 0.1], [0.7, 0.2, 0.1]]
    assert share(rows).iloc[0] == 0.4
    assert np.isnan(share(rows).iloc[1])


def test_what_is_said_of_masks_turns_round_with_the_rows(tmp_path: Path):
    """Masks share as the paper has it, twice as much as chance; or the other way round."""
    told = {}
    for right in (True, False):
        rows = table(right)
        rows = rows.assign(size=10_000, by_chance=rows["shared"] / (2 if right else 0.5))
        write_table("weight-masks", rows, tmp_path)
        told[right] = sentences("weight-masks", tmp_path)
    assert "multiplication share more than chance" in told[True][0]
    assert "2.0 times as many" in told[True][0]
    assert "multiplication share no more than chance" in told[False][0]
    assert "0.5 times as many" in told[False][0]
    assert re.search(r"more alike than those of two operations in 0 of \d networks", told[True][1])
    assert re.search(r"more alike than those of two operations in ([1-9]) of \1 networks", told[False][1])
    assert "points of accuracy, more than one pair" in told[True][2]
    assert "points of accuracy, no more than one pair" in told[False][2]


def test_the_headline_follows_the_rows():
    right, wrong = (specialise_and_reuse(table(paper_is_right)) for paper_is_right in (True, False))
    assert right is not None
    assert wrong is not None
    assert right.startswith("Networks specialise and do not reuse: ")
    assert wrong.startswith("Networks specialise and reuse in part: ")
    assert specialise_and_reuse(table(True).query("task == @TASKS[0]")) is None


@pytest.mark.parametrize(
    ("drawn", "words"),
    [(("0.2 0.9", "0.8 0.3"), "more than without"), (("0.2 0.1", "0.1 0.3"), "no more than without")],
)
def test_what_a_mask_takes_is_compared_with_as_many_random_weights(drawn: tuple[str, str], words: str):
    """The other function is the second one for the first mask, and the first one for the second."""
    rows = pd.DataFrame(
        {
            "task": TASKS[0],
            "network": "fnn 8",
            "beta": 1e-4,
            "seed": 0,
            "layer": 0,
            "mask": ["addition", "multiplication"],
            "whole_first": 1.0,
            "whole_second": 1.0,
            "inverse_first": [0.0, 0.5],
            "inverse_second": [0.25, 0.0],
            "drawn": drawn,
        }
    )
    other = [float(drawn[0].split()[1]), float(drawn[1].split()[0])]
    (line,) = lost_at_random(rows).to_dict("records")
    assert line == pytest.approx({"n": 1, "mask": 1 - 0.375, "random": 1 - np.mean(other)})
    assert words in mask_or_random(rows)
