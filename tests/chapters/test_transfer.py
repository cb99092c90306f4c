"""Chapter ``transfer``: the grid, its rows, and what the paper says in words, on rows made true or false."""

import re

import numpy as np
import pandas as pd
import pytest
from wrong_rows import wrongly_accepted

from modlib.chapters.transfer import figures
from modlib.chapters.transfer.experiment import (
    ALIKE,
    ANEW,
    CELL_KEY,
    EXPERIMENT,
    FROZEN,
    OLD,
    OLDER,
    ROW_KEY,
    STARTS,
    TOLERANCE,
    cells,
    measure,
)
from modlib.chapters.transfer.findings import (
    FINDINGS,
    beyond_chance,
    by_steps,
    filled,
    found,
    growth,
    longest,
    shared_part,
    with_most_starts,
)
from modlib.evidence.criteria import CRITERIA, Grade, Sample
from modlib.tables.schema import records_of

# --- the grid


def test_the_grid_has_every_kind_in_its_first_cells():
    grid = pd.DataFrame(cells("paper"))
    assert not grid.duplicated(list(CELL_KEY)).any()
    kinds = {(start, FROZEN) for start in STARTS} | {(ALIKE, ANEW)}
    assert set(grid.head(4)[["start", "first_layer"]].itertuples(index=False, name=None)) == kinds
    assert grid.groupby(["start", "first_layer"])["seed"].nunique().min() >= 2


@pytest.mark.parametrize("first_layer", [FROZEN, ANEW])
def test_a_cell_gives_the_same_rows_every_time(first_layer: str):
    cell = next(cell for cell in cells("smoke") if cell["first_layer"] == first_layer)
    rows = measure(cell)
    assert rows == measure(cell)
    assert len(records_of(EXPERIMENT, [{**cell, **row} for row in rows])) == len(rows)
    layers = {0, 1, 2, 3} if first_layer == FROZEN else {0, 2, 3}
    assert {tuple(row[column] for column in ROW_KEY) for row in rows} == {(t, n) for t in range(3) for n in layers}
    for row in rows:
        assert set(row) - set(ROW_KEY) == set(TOLERANCE)
        assert row["shared"] <= min(row["kept"], row["used_before"])
        assert max(row["kept"], row["used_before"]) <= row["size"]
    table = pd.DataFrame(rows).set_index(["task", "layer"])
    assert not table.loc[0, "used_before"].any()
    for layer in layers:  # what is used grows by what a task keeps for itself
        now = table.xs(layer, level="layer")
        grown = now["used_before"] + now["kept"] - now["shared"]
        assert now["used_before"].tolist()[1:] == grown.tolist()[:-1]


# --- what its rows say


def table(right: bool, seeds: int = 4) -> pd.DataFrame:
    """Rows of eleven tasks and four layers in which the paper is right, or wrong in everything."""
    rng, rows = np.random.default_rng(0), []
    for start in STARTS:
        for seed in range(seeds):
            for task in range(11):
                for layer in range(5):
                    full = task / 10 if layer == 4 else task / 20
                    part = 0.8 * full**2 if right else 0.75 - 0.3 * full - 0.05 * layer
                    if start != ALIKE:
                        part += 0.1 if right else -0.1
                    if start != ALIKE and layer == 0 and not right:
                        part = 0.7 - 0.1
                    kept = 1000
                    rows.append(
                        {
                            "profile": "paper",
                            "dataset": "mnist",
                            "network": "fnn 200-200-64",
                            "start": start,
                            "first_layer": FROZEN,
                            "seed": seed,
                            "task": task,
                            "layer": layer,
                            "size": 100_000,
                            "kept": kept,
                            "used_before": round(100_000 * full),
                            "shared": round(kept * (part + 0.01 * rng.random())) if task else 0,
                            "by_chance": kept * full,
                            "accuracy": 0.96,
                            "steps": 2500,
                        }
                    )
    return pd.DataFrame(rows)


WORDS = {
    "shared_while_free": "below-a-quarter",
    "sharing_grows": "nearly-always",
    "last_layer_shares_most": "nearly-always",
    "old_shares_more": "above-zero",
    "old_shares_more_first": "above-zero",
    "unique_weight_fraction_lower_bound": "above-lower-end",
}


def grade(metric: str, rows: pd.DataFrame) -> Grade:
    ours = FINDINGS[metric].measure(rows)
    assert ours is not None
    return CRITERIA[WORDS[metric]](ours, Sample(0.5, 10))[0]


@pytest.mark.parametrize("metric", FINDINGS)
def test_a_sentence_is_reproduced_where_it_is_true_and_not_where_it_is_false(metric: str):
    assert grade(metric, table(True)) is Grade.REPRODUCED
    assert grade(metric, table(False)) is not Grade.REPRODUCED


@pytest.mark.parametrize("metric", FINDINGS)
def test_without_rows_nothing_is_measured(metric: str):
    assert FINDINGS[metric].measure(table(True).head(0)) is None


def test_networks_whose_first_layer_starts_anew_decide_nothing():
    rows = table(True)
    other = table(False).assign(first_layer=ANEW)
    for metric in FINDINGS:
        alone, both = (FINDINGS[metric].measure(r) for r in (rows, pd.concat([rows, other])))
        assert alone == both


def test_shares_are_of_what_the_task_itself_keeps():
    rows = pd.DataFrame(
        {"task": [0, 1, 2], "kept": [10, 8, 0], "shared": [0, 2, 0], "used_before": [0, 10, 16], "size": 20}
    )
    assert shared_part(rows).tolist()[1] == 0.25
    assert shared_part(rows).isna().tolist() == [True, False, True]
    assert filled(rows).tolist() == [0, 0.5, 0.8]
    assert {OLD, OLDER} < set(STARTS)


def test_growth_is_told_by_rank_and_layer():
    def ranks_of(rows: pd.DataFrame) -> pd.Series:
        return growth(rows, shared_part(rows))

    ranks = ranks_of(table(True).query("task > 0 and start == 'alike'"))
    assert ranks.index.names == ["network", "seed", "layer"]
    assert (ranks > 0.9).all()
    assert (ranks_of(table(False).query("task > 0 and start == 'alike'")) < 0).all()
    assert ranks_of(table(True).head(0)).empty


def test_three_sentences_follow_the_rows():
    shared, grown, preferred = found(table(True))
    assert shared.startswith("Hardly: after 2,500 steps each, 8 percent ")
    assert "In 16 of 16 layers" in grown
    assert re.search(r"in \d+ of 16 what is beyond chance does", grown)
    assert "it is largest in the last layer" in grown
    assert "a difference of 1" in preferred
    wrong = found(table(False))
    assert wrong[0].startswith("Hardly: after 2,500 steps each, 6")
    assert "In 0 of 16 layers" in wrong[1]
    assert "not largest in the last layer" in wrong[1]
    assert "a difference of \N{MINUS SIGN}" in wrong[2]


def test_reuse_behind_the_first_layer_is_told_from_sharing_everywhere():
    rows = table(True).query("start == 'alike'")
    by_chance = rows.assign(shared=rows["by_chance"].where(rows["task"] > 0, 0))
    assert beyond_chance(by_chance.query("task > 0")).abs().max() < 1e-9
    reused = by_chance.assign(shared=by_chance["shared"].where(rows["layer"] < 2, rows["kept"]))
    assert beyond_chance(reused.query("task > 0")).groupby("layer").mean().round(6).tolist() == [0, 1, 1, 1]
    assert found(reused)[0].startswith("In part: ")
    assert "that is 0% in the first layer" in found(reused)[0]
    assert "100% in the layers behind it and 100% in the last" in found(reused)[0]
    first = by_chance.assign(shared=by_chance["shared"].where(rows["layer"] != 1, rows["kept"]))
    assert found(first)[0].startswith("Hardly: ")
    assert "that is 100% in the first layer" in found(first)[0]
    assert "0% in the layers behind it and 0% in the last" in found(first)[0]
    last = by_chance.assign(shared=by_chance["shared"].where(rows["layer"] < rows["layer"].max(), rows["kept"]))
    assert found(last)[0].startswith("Hardly but in the last layer: ")


def test_the_networks_with_the_most_steps_are_told_of():
    few = table(False).assign(steps=500)
    both = pd.concat([few, table(True)])
    assert longest(both).equals(table(True))
    assert found(both) == found(table(True))
    assert found(few) != found(table(True))


def test_starts_are_compared_at_the_most_steps_that_all_of_them_have():
    rows = table(True)
    more = pd.concat([rows, rows.query("start == 'alike'").assign(steps=10_000)])
    assert with_most_starts(more).equals(rows)
    assert with_most_starts(rows.head(0)).empty
    shared, _, preferred = found(more)
    assert "after 10,000 steps each" in shared
    assert "after 2,500 steps, instead of" in preferred


def test_steps_are_compared_over_the_tasks_that_all_have():
    short = table(True).query("task < 4")
    both = by_steps(pd.concat([short.assign(steps=10_000), table(False)]))
    assert both.loc[10_000].equals(by_steps(short.assign(steps=10_000)).loc[10_000])
    assert both.loc[2500].equals(by_steps(table(False).query("task < 4")).loc[2500])
    assert set(both.index.get_level_values("layer")) == {1, 2, 3, 4}
    assert by_steps(table(True).head(0)).empty


def test_a_figure_is_told_from_the_second_task_to_the_last_beside_chance():
    rows = table(True).query("layer in (0, 1)")
    told = figures.sharing_in_words(rows.assign(shared=rows["by_chance"].where(rows["task"] > 0, 0)))
    assert told.startswith("From task 2 to task ")
    ((part, chance),) = re.findall(r"(\d+% to \d+%) in layer 1 \(by chance (\d+% to \d+%)\)", told)
    assert part == chance
    assert re.search(r"filled to \d+% \(all weights start alike\)", figures.filling_in_words(rows))


def test_what_is_not_measured_yet_is_not_told():
    assert found(table(True).head(0)) == (None, None, None)
    alike = table(True).query("start == 'alike'")
    assert found(alike)[:2] == found(table(True))[:2]
    assert found(alike)[2] is None
    assert found(table(True).query("start != 'alike'")) == (None, None, None)
    assert found(table(True).query("task == 0")) == (None, None, None)
    assert all(found(table(True, seeds=1)))


def test_figures_show_every_layer_and_start():
    rows = table(True)
    for figure in (figures.sharing_by_task(rows), figures.filling(rows)):
        assert [ax.get_title() for ax in figure.axes] == [f"layer {layer}" for layer in (1, 2, 3, 4)]
        assert len(figure.legends[0].get_texts()) >= 3


# --- what the scorecard says of wrong rows


def test_claims_that_right_rows_reproduce_are_not_reproduced_by_wrong_ones(monkeypatch: pytest.MonkeyPatch):
    rows = table(True).assign(steps=10_000)
    wrongly = wrongly_accepted(EXPERIMENT.name, rows, monkeypatch)
    assert wrongly.empty, wrongly.to_string()
