"""Chapter ``weight-masks``: the grid has every condition of the paper early, and a cell gives the same rows every time.

What the mask paper says in words, judged on rows in which it is true by construction, or false.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import write_table

from modlib.chapters.weight_masks import figures
from modlib.chapters.weight_masks.experiment import BINS, CELL_KEY, LSTM, ROW_KEY, TOLERANCE, WIDE, cells, measure
from modlib.chapters.weight_masks.findings import (
    FINDINGS,
    SMALL,
    confusion,
    inverse_drop,
    inverse_drop_beyond,
    lengths,
    lengths_in_words,
    lost_at_random,
    mask_or_random,
    own_accuracy,
    own_part,
    own_parts,
    share,
    specialise_and_reuse,
    whole_masks,
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


@cache
def table(paper_is_right: bool) -> pd.DataFrame:
    """Rows of the paper's grid, with four seeds of every network; no test writes into them."""
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
            at_random = 0.1 if drop > 0.5 else 0.3
            for layer in range(6):
                sizes = ([1000, 3800] if paper_is_right else [1000, 400]) if arithmetic else [1000, 1000]
                kept, other = sizes[place], sizes[1 - place]
                shared = round(min(sizes) * shared_part(cell, layer in (1, 5), paper_is_right, rng))
                rows.append(
                    {
                        **cell,
                        "mask": mask,
                        "layer": layer,
                        "network_steps": 20_000,
                        "mask_steps": 20_000,
                        "size": 10_000,
                        "kept": kept,
                        "shared": shared,
                        "by_chance": 1.0,
                        "union": kept + other - shared,
                        "histogram": " ".join(map(str, histogram)),
                        "confusion": " ".join(map(str, answers)) if arithmetic else "",
                        "whole_first": 1.0,
                        "whole_second": 1.0,
                        "masked_first": 1.0 - place,
                        "masked_second": float(place),
                        "inverse_first": 1 - drop if place else 0.0,
                        "inverse_second": 0.0 if place else 1 - drop,
                        "drawn": f"{1 - at_random} {1 - at_random}",
                    }
                )
    found = pd.DataFrame(rows)
    if not paper_is_right:  # only the strengths next to the paper's give an accurate mask
        weak = found["beta"] < 9e-5
        found.loc[weak, ["masked_first", "masked_second"]] *= 0.5
    return found


def shared_part(cell: dict, outer: bool, right: bool, rng: np.random.Generator) -> float:
    """Part of the smaller mask that the other one shares, as the paper has it, or not."""
    noise = 0.01 * rng.normal()
    if cell["task"] == TASKS[0]:
        if right:
            return (0.7 if outer else 0.4) - 0.1 * cell["network"].endswith(("800", "2000")) + noise
        return (0.2 if outer else 0.5 if cell["beta"] > 1.5e-4 else 0.9) - abs(noise)
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


def test_figures_are_told_of_the_function_that_was_asked_for():
    """Where the paper is right, a mask does its own function, and answers the other one as if it were its own."""
    rows = table(True).query("task == @TASKS[0] and network != @LSTM")
    assert figures.confusions_in_words(rows).count("90% of answers are still its own result and 5% neither") == 2
    told = figures.accuracies_in_words(rows, ("addition", "multiplication"))
    assert "100% (100%) with its own mask" in told
    assert "20% (19% to 21%) without the weights of the other's mask" in told
    assert "0% (0%) with the mask of the other" in told


def test_lines_are_told_from_the_weakest_regulariser_to_the_strongest():
    told = figures.strength_in_words(table(False).query("task == @TASKS[0] and network == @SMALL"))
    assert "from 0.50 to 1.00" in told


def test_a_probability_below_a_tenth_or_above_nine_tenths_is_decided():
    rows = table(True).query("network == @LSTM and seed == 0").head(1).assign(layer=0)
    counts = np.zeros(BINS, dtype=int)
    for middle in (0.05, 0.15, 0.85, 0.95):
        counts[int(middle * BINS)] += 1
    decided = FINDINGS["decided"].measure(rows.assign(histogram=" ".join(map(str, counts))))
    assert decided.values == (0.5,)
    counts[0], counts[-1] = 6, 2
    told = figures.histogram_in_words(rows.assign(histogram=" ".join(map(str, counts))))
    lowest, of_kept = counts[0] / counts.sum(), counts[-1] / counts[BINS // 2 :].sum()
    assert re.findall(r"(\d+)%", told)[0] == f"{100 * lowest:.0f}"
    assert told.endswith(f"with which a weight is kept, {of_kept:.0%} are in the highest.")


def test_what_is_said_of_masks_turns_round_with_the_rows(tmp_path: Path):
    """Masks share as the paper has it, twice as much as chance; or the other way round."""
    told = {}
    for right in (True, False):
        rows = table(right)
        rows = rows.assign(by_chance=rows["shared"] / (2 if right else 0.5))
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
    assert right.startswith("Networks specialise and mostly do not reuse: ")
    assert wrong.startswith("Networks specialise in part and reuse in part: ")
    assert specialise_and_reuse(table(True).query("task == @TASKS[0]")) is None
    part = table(True).assign(kept=1000, union=1800, shared=800)  # a fifth of each is its own
    assert specialise_and_reuse(part).startswith("Networks specialise in part and reuse in part: ")


@pytest.mark.parametrize(("smaller", "larger"), [(1000, 1000), (1000, 3500), (10, 4000)])
def test_nested_masks_are_not_specialised_whatever_their_sizes(smaller: int, larger: int):
    """Most weights that either keeps serve one of them only, and yet the smaller one has none of its own."""
    rows = table(True)
    kept = np.where(rows["mask"].isin(["addition", "pair 1"]), smaller, larger)
    nested = rows.assign(kept=kept, shared=smaller, union=larger, by_chance=1e-4 * smaller * larger)
    assert (own_part(nested) == 0).all()
    for name in ("specialised", "not_reused"):
        assert FINDINGS[name].measure(nested).values == (0.0,) * 4
    assert specialise_and_reuse(nested).startswith(
        "Networks do not specialise and reuse: of the smaller of two masks, 0%"
    )
    found = own_parts(nested)
    assert found["larger"].tolist() == pytest.approx(found["larger, if nested"].tolist())
    assert found["larger"].tolist() == pytest.approx([1 - smaller / larger] * len(found))
    assert found["smaller, by chance"].tolist() == pytest.approx([1 - 1e-4 * larger] * len(found))


def with_shorter(rows: pd.DataFrame, network: str, networks: int, **others: object) -> pd.DataFrame:
    """The same, and some networks of a kind whose masks have a tenth of the steps, and other numbers."""
    part = rows[(rows["network"] == network) & (rows["seed"] < networks)]
    return pd.concat([rows, part.assign(mask_steps=2000, seed=part["seed"] + 100, **others)], ignore_index=True)


@pytest.mark.parametrize(
    ("networks", "shorter", "counts"),
    [(4, 4, 20_000), (3, 4, 20_000), (1, 1, 20_000), (2, 1, 20_000), (2, 3, 2000), (1, 2, 2000), (0, 1, 2000)],
)
def test_masks_of_two_lengths_are_not_pooled(networks: int, shorter: int, counts: int):
    """The largest number of steps that three networks have counts; where none has as many, that of most."""
    both = with_shorter(table(True), LSTM, shorter)
    lstm = both["network"] == LSTM
    both = both[~lstm | (both["mask_steps"] == 2000) | (both["seed"] < networks)]
    found = whole_masks(both)
    assert set(found.loc[found["network"] == LSTM, "mask_steps"]) == {counts}
    assert len(found[found["network"] != LSTM]) == len(whole_masks(both[both["network"] != LSTM]))


def test_no_claim_changes_with_rows_of_another_length():
    rows = both = table(True)
    for network in rows["network"].unique():
        both = with_shorter(both, network, 4, kept=3000, shared=0, union=6000, inverse_first=0.5, inverse_second=0.5)
    assert len(both) == 2 * len(rows)
    for claim in CLAIMS:
        of_claim, of_both = (claims.rows_of(claim, lambda _, held=held: held) for held in (rows, both))
        for name in claim.criteria:
            before, after = (FINDINGS[name].measure(part) for part in (of_claim, of_both))
            assert before is not None
            assert before == after, claim.id


def test_two_lengths_are_compared_as_soon_as_there_are_two():
    rows = table(True).assign(by_chance=100)
    assert lengths(rows).empty
    assert "two lengths yet" in lengths_in_words(rows)
    both = with_shorter(rows.query("task == @TASKS[0]"), LSTM, 2, kept=4000, shared=1000)
    found = lengths(both)
    assert found[["network", "mask_steps", "n"]].to_numpy().tolist() == [[LSTM, 2000, 2], [LSTM, 20_000, 4]]
    assert found["kept"].iloc[0] == 0.4
    assert found["shared"].iloc[0] == 0.25
    assert found["to chance"].iloc[0] == 10
    assert "With 2,000 and 20,000 steps masks of addition and multiplication in the LSTM 256" in lengths_in_words(both)
    assert "keep 40.0% and 24.0% of the weights and share 25.0% and" in lengths_in_words(both)


def test_sizes_are_told_with_what_else_differs():
    rows = table(True).query("task == @TASKS[0]").assign(by_chance=100, mask_rate=0.01)
    words = figures.sizes_in_words(rows)
    assert re.search(r"40% in the small perceptron \(by chance 10%\), 30% in the medium perceptron", words)
    assert words.endswith("all had 20,000 steps, masks 20,000 at a rate of 0.01.")
    wide = rows["network"] == WIDE
    fewer = rows.assign(
        mask_steps=rows["mask_steps"].where(~wide, 2500), mask_rate=rows["mask_rate"].where(~wide, 0.08)
    )
    words = figures.sizes_in_words(fewer)
    assert "Not only the size differs. Small: 20,000 steps, masks 20,000 at a rate of 0.01; " in words
    assert "big: 20,000 steps, masks 2,500 at a rate of 0.08" in words
    (ax,) = figures.shares_by_size(fewer.query("network != 'fnn 4000-4000-4000-4000'")).axes
    assert [text.get_text().split("\n")[0] for text in ax.get_xticklabels()] == ["small", "medium", "big"]
    assert "masks 2,500" in ax.get_xticklabels()[2].get_text()
    assert ax.get_ylabel() == "Total shared [%]"
    assert [bar.get_height() for bar in ax.patches[:3]] == pytest.approx([40, 30, 30], abs=2)


def test_each_size_is_compared_with_the_small_one_by_itself():
    """Networks of one size that differ say nothing of those of another size."""
    rows = table(True).query("task == @TASKS[0] and beta == 1e-4")
    wide = rows["network"] == WIDE
    rows.loc[wide, "shared"] = rows.loc[rows["network"] == SMALL, "shared"].to_numpy()
    medium, big = (FINDINGS[name].measure(rows) for name in ("size_p_medium", "size_p_big"))
    assert (medium.mean < 0.001, big.mean) == (True, pytest.approx(1))
    assert FINDINGS["size_p_big"].measure(rows[~wide | (rows["seed"] == 0)]) is None


def test_the_control_of_inverse_masks_takes_part_as_soon_as_three_networks_have_it():
    rows = table(True).query("task == @TASKS[0] and network == @SMALL")
    for networks in range(5):
        found = FINDINGS["inverse_drop_beyond"].measure(rows.assign(drawn=rows["drawn"].where(rows["seed"] < networks)))
        assert (found.n if found else 0) == (networks if networks >= 3 else 0)
    assert found.mean == pytest.approx(FINDINGS["inverse_drop"].measure(rows).mean - 0.1)


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
            "mask_steps": 100,
        }
    )
    other = [float(drawn[0].split()[1]), float(drawn[1].split()[0])]
    (line,) = lost_at_random(pd.concat([rows, rows.assign(seed=1, drawn=None)])).to_dict("records")
    lost = {"mask": 1 - 0.375, "random": 1 - np.mean(other), "beyond": np.mean(other) - 0.375}
    assert line == pytest.approx({"n": 1, **lost})
    assert inverse_drop_beyond(rows).tolist() == pytest.approx([other[0] - 0.25, other[1] - 0.5])
    assert words in mask_or_random(rows)
