"""Chapter ``transfer``: the grid, its rows, and what the paper says in words, on rows made true or false."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import BarContainer
from wrong_rows import wrongly_accepted

from modlib.chapters.transfer import experiment, figures
from modlib.chapters.transfer.experiment import (
    ALIKE,
    ANEW,
    CELL_KEY,
    EXPERIMENT,
    FROZEN,
    OLD,
    OLDER,
    PLANS,
    ROW_KEY,
    STARTS,
    TOLERANCE,
    WIDE,
    Plan,
    cells,
    measure,
)
from modlib.chapters.transfer.findings import (
    FINDINGS,
    beyond_chance,
    beyond_part,
    by_room,
    by_steps,
    filled,
    found,
    growth,
    of_one_length,
    shared_part,
)
from modlib.errors import InputError
from modlib.evidence.criteria import CRITERIA, Grade, Sample
from modlib.tables.schema import records_of
from modlib.verdicts import claims

# --- the grid


def test_the_grid_has_every_kind_in_its_first_cells():
    grid = pd.DataFrame(cells("paper"))
    assert not grid.duplicated(list(CELL_KEY)).any()
    kinds = {(start, FROZEN) for start in STARTS} | {(ALIKE, ANEW)}
    assert set(grid.head(4)[["start", "first_layer"]].itertuples(index=False, name=None)) == kinds
    assert grid.groupby(["network", "steps", "start", "first_layer"])["seed"].nunique().min() >= 2


def test_the_papers_setting_is_in_the_grid_behind_what_a_processor_can_do():
    assert [plan for plan in PLANS["paper"] if plan.hidden == WIDE] == [
        Plan("mnist", (800, 800, 64), 30_000, 11, 8, 10)
    ]
    assert any((plan.steps, plan.tasks) == (6000, 11) and plan.seeds >= 2 for plan in PLANS["paper"])
    wide = [cell["network"] == "fnn 800-800-64" for cell in cells("paper")]
    assert wide == sorted(wide)
    for plans in PLANS.values():  # a cell tells its plan
        assert len({(plan.network, plan.steps) for plan in plans}) == len(plans)


def test_the_papers_width_is_refused_without_a_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(experiment, "device", lambda: "cpu")
    with pytest.raises(InputError, match=r"11 tasks of 30,000 steps, .* without a GPU"):
        measure(cells("paper")[-1])


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
                    full = task / 11 if layer == 4 else task / 40
                    preferred = 0.1 * (start != ALIKE)
                    part = full + (1 - full) * (0.2 * full + preferred)
                    if not right:
                        part = 0.6 if preferred and layer == 0 else 0.75 - 0.3 * full - 0.05 * layer - preferred
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
                            "shared": round(kept * (part + 0.002 * rng.random())) if task else 0,
                            "by_chance": kept * full,
                            "accuracy": 0.96,
                            "steps": 2500,
                        }
                    )
    return pd.DataFrame(rows)


def blind(drawn: bool) -> pd.DataFrame:
    """The rows in which the paper is right, of masks that do not look: what they share is by chance, or drawn so."""
    rows = table(True)
    if not drawn:
        return rows.assign(shared=rows["by_chance"])
    used, rng = rows["used_before"], np.random.default_rng(0)
    return rows.assign(shared=rng.hypergeometric(used, rows["size"] - used, rows["kept"]))


WORDS = {
    "shared_while_free": "below-a-quarter",
    "shared_while_free_beyond": "below-a-quarter",
    "sharing_grows": "nearly-always",
    "sharing_grows_beyond": "nearly-always",
    "shared_more_when_full": "above-zero",
    "shared_more_when_full_beyond": "above-zero",
    "last_layer_shares_most": "nearly-always",
    "last_layer_shares_most_beyond": "nearly-always",
    "old_shares_more": "above-zero",
    "old_shares_more_beyond": "above-zero",
    "old_shares_more_first": "above-zero",
    "old_shares_more_first_beyond": "above-zero",
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


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("metric", ["sharing_grows", "shared_more_when_full", "last_layer_shares_most"])
def test_blind_masks_share_more_of_a_fuller_layer_but_not_beyond_chance(metric: str, drawn: bool):
    assert grade(metric, blind(drawn)) is Grade.REPRODUCED
    assert grade(f"{metric}_beyond", blind(drawn)) is not Grade.REPRODUCED


@pytest.mark.parametrize("drawn", [False, True])
def test_what_blind_masks_share_says_nothing_of_a_preference(drawn: bool):
    assert grade("old_shares_more_beyond", blind(drawn)) is not Grade.REPRODUCED
    assert grade("old_shares_more_first_beyond", blind(drawn)) is not Grade.REPRODUCED


def test_a_network_counts_once_whichever_its_starts():
    rows = table(True).query("layer == 0 and task > 0")
    own = (1 - rows["shared"] / rows["kept"]).groupby([rows["start"], rows["seed"]]).mean()
    sample = FINDINGS["unique_weight_fraction_lower_bound"].measure(table(True))
    assert sample.n == 4
    np.testing.assert_allclose(sample.values, (own[OLD] + own[OLDER]) / 2)
    assert FINDINGS["unique_weight_fraction_lower_bound"].measure(table(True).query("start != @OLD")) is None


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
    chance = rows.assign(by_chance=rows["kept"] * filled(rows))
    assert beyond_part(chance).tolist()[1] == (2 - 4) / (8 - 4)
    assert beyond_part(chance.assign(shared=chance["by_chance"])).tolist()[1] == 0
    assert beyond_part(chance.assign(shared=chance["kept"])).tolist()[1] == 1
    assert beyond_part(chance.assign(by_chance=chance["kept"])).isna().all()


def test_growth_is_told_by_rank_and_layer():
    def ranks_of(rows: pd.DataFrame) -> pd.Series:
        return growth(rows, shared_part(rows))

    rows = table(True).query("task > 0 and start == 'alike'")
    ranks = ranks_of(rows)
    assert ranks.index.names == ["network", "seed", "layer"]
    assert (ranks > 0.9).all()
    assert (ranks_of(table(False).query("task > 0 and start == 'alike'")) < 0).all()
    assert ranks_of(table(True).head(0)).empty
    assert ranks_of(rows.assign(shared=300)).tolist() == [0.0] * len(ranks), "what is shared alike does not grow"
    assert ranks_of(rows.assign(used_before=300)).empty, "what does not fill cannot tell"


def test_sharing_is_compared_within_the_layers_that_get_more_than_half_full():
    rows = table(True).query("start == 'alike' and task > 0 and seed == 0")
    halves = by_room(rows, filled(rows)).loc["fnn 200-200-64", 0]
    assert halves["full"].isna().tolist() == [True, True, True, False]
    assert halves.loc[4].tolist() == pytest.approx([3 / 11, 8 / 11], abs=1e-5)
    half = by_room(rows.assign(used_before=50_000), filled(rows)).loc["fnn 200-200-64", 0]
    assert half["full"].isna().all()  # just half full is not fuller than half
    # the other layers share much while they are free, which says nothing of what the last one does as it fills
    others = table(True)
    others["shared"] = others["shared"].where(others["layer"] == 4, others["kept"])
    assert grade("shared_more_when_full", others) is Grade.REPRODUCED
    assert FINDINGS["shared_more_when_full"].measure(rows.query("task < 5")) is None


def test_three_sentences_follow_the_rows():
    shared, grown, preferred = found(table(True))
    assert shared.startswith("Hardly: after 2,500 steps each, 16 percent ")
    assert grown.startswith("Over 11 tasks of 2,500 steps ")
    assert "in 16 of 16 layers, and what is beyond chance in 16 of 16;" in grown
    assert re.search(
        r"is 18% \(16% by chance\) while at most half .* and 76% \(73% by chance\) where more is\.$", grown
    )
    assert "a difference of 9 points" in preferred
    wrong = found(table(False))
    assert wrong[0].startswith("Hardly: after 2,500 steps each, 71 percent ")
    assert "in 0 of 16 layers, and what is beyond chance in 0 of 16;" in wrong[1]
    assert "a difference of \N{MINUS SIGN}" in wrong[2]
    _, unseen, _ = found(blind(drawn=False))
    assert "in 16 of 16 layers, and what is beyond chance in 0 of 16;" in unseen
    _, full, _ = found(table(True).query("layer in (0, 4) and task > 5"))
    assert re.search(r"the share is 76% \(73% by chance\) where more is\.$", full)


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


def test_the_most_steps_that_three_networks_have_are_told_of():
    three, two = table(True, seeds=3), table(False, seeds=2).assign(steps=10_000)
    for fewer in (two, table(False).assign(steps=500)):
        assert of_one_length(pd.concat([fewer, three])).equals(three)
        assert found(pd.concat([fewer, three])) == found(three)
        assert found(fewer) != found(three)
    more = table(False, seeds=3).assign(steps=10_000)
    assert of_one_length(pd.concat([more, table(True)])).equals(more), "three decide as well as four"
    assert found(pd.concat([more, table(True)]))[::2] == found(more)[::2]
    one = table(True, seeds=1)
    assert of_one_length(pd.concat([one, two])).equals(two), "without three, that of most networks"
    assert of_one_length(pd.concat([one.assign(steps=500), one])).equals(one), "and of as many networks, the most steps"


def test_growth_is_told_of_the_networks_that_have_learned_most_tasks():
    few = table(False).query("task < 4").assign(steps=10_000)
    both = pd.concat([few, table(True), table(True).assign(steps=500)])
    assert of_one_length(both).equals(few)
    assert of_one_length(both, most_tasks=True).equals(table(True))
    assert found(both)[1] == found(table(True))[1]
    assert found(both)[0].startswith("Hardly: after 10,000 steps each, ")
    many = table(False, seeds=2).assign(steps=20_000)  # two networks cannot tell, however many tasks they have
    assert of_one_length(pd.concat([few, many]), most_tasks=True).equals(few)


def test_starts_are_compared_at_the_most_steps_that_all_of_them_have():
    rows = table(True)
    more = pd.concat([rows, rows.query("start == 'alike'").assign(steps=10_000)])
    assert of_one_length(more).equals(rows)
    assert of_one_length(rows.head(0)).empty
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
    wide = table(True).assign(network="fnn 800-800-64", steps=30_000)
    assert by_steps(pd.concat([wide, short.assign(steps=10_000), table(False)])).equals(both), "of one width"


def test_a_figure_is_told_from_the_second_task_to_the_last_beside_chance():
    rows = table(True).query("layer in (0, 1)")
    told = figures.sharing_in_words(rows.assign(shared=rows["by_chance"].where(rows["task"] > 0, 0)))
    assert told.startswith("From T2 to T10 the percentage shared goes, where all weights start alike, ")
    assert re.findall(r"(from \d+ to \d+) in layer 1 \(by chance (.*?)\)", told) == [("from 2 to 22",) * 2] * 3
    assert re.search(r"filled to \d+% \(all weights start alike\)", figures.filling_in_words(rows))
    told = figures.filling_and_sharing_in_words(rows.query("start == 'alike'"))
    assert told.startswith("From task 2 to task 11, layer 1 fills from 2 to 25 percent, ")
    assert "goes from 3 to 29 percent" in told


def test_what_is_not_measured_yet_is_not_told():
    assert found(table(True).head(0)) == (None, None, None)
    alike = table(True).query("start == 'alike'")
    assert found(alike)[:2] == found(table(True))[:2]
    assert found(alike)[2] is None
    assert found(table(True).query("start != 'alike'")) == (None, None, None)
    assert found(table(True).query("task == 0")) == (None, None, None)
    assert all(found(table(True, seeds=1)))


def test_what_is_shared_is_drawn_as_the_authors_draw_it():
    """A panel a start, a group of bars a layer, a bar every second task; and what chance would share across it."""
    rows = table(True)
    figure = figures.sharing(rows)
    assert [ax.get_title() for ax in figure.axes] == list(figures.LABELS.values())
    later = rows[(rows["layer"] > 0) & (rows["task"] % 2 == 1)]
    means = (later.groupby(["start", "task", "layer"])[["shared", "by_chance"]].mean() / 10).round(9)  # of 1,000, in %
    for start, ax in zip(STARTS, figure.axes, strict=True):
        bars = [drawn for drawn in ax.containers if isinstance(drawn, BarContainer)]
        assert [drawn.get_label() for drawn in bars] == ["T2", "T4", "T6", "T8", "T10"]
        lines = [drawn for drawn in ax.collections if drawn.get_label() == "by chance"]
        for task, drawn, across in zip((1, 3, 5, 7, 9), bars, lines, strict=True):
            expected = means.loc[start, task]
            assert [bar.get_height() for bar in drawn] == pytest.approx(expected["shared"].tolist())
            assert [segment[0, 1] for segment in across.get_segments()] == pytest.approx(expected["by_chance"].tolist())
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == [f"Layer {i}" for i in (1, 2, 3, 4)]
    assert figure.get_supylabel() == "Weights shared [%]"
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"T2", "T4", "T6", "T8", "T10", "by chance"}
    assert len(figures.sharing(rows.query("start == 'alike'")).axes) == 1


def test_figures_show_every_layer():
    rows = table(True)
    figure = figures.filling(rows)
    assert [ax.get_title() for ax in figure.axes] == [f"layer {layer}" for layer in (1, 2, 3, 4)]
    assert len(figure.legends[0].get_texts()) == 3
    alike = rows.query("start == 'alike' and task > 0")
    (ax,) = figures.sharing_as_layers_fill(alike).axes
    for layer, line in zip((1, 2, 3, 4), ax.lines, strict=False):
        of_layer = alike[alike["layer"] == layer].groupby("task")
        assert line.get_xdata().tolist() == pytest.approx((of_layer["used_before"].mean() / 100_000).tolist())
        assert line.get_ydata().tolist() == pytest.approx((of_layer["shared"].mean() / 1000).tolist())


# --- what the scorecard says of wrong rows


def test_claims_that_right_rows_reproduce_are_not_reproduced_by_wrong_ones(monkeypatch: pytest.MonkeyPatch):
    rows = pd.concat([table(True).assign(steps=10_000), table(True)], ignore_index=True)
    wrongly = wrongly_accepted(EXPERIMENT.name, rows, monkeypatch)
    assert wrongly.empty, wrongly.to_string()


@pytest.mark.parametrize("drawn", [False, True])
def test_blind_masks_reproduce_only_that_little_is_shared(drawn: bool):
    rows = pd.concat([blind(drawn).assign(steps=10_000), blind(drawn)], ignore_index=True)
    tables = {EXPERIMENT.name: rows}.__getitem__
    known = [claim for claim in claims.load() if claim.tables == (EXPERIMENT.name,)]
    assert len(known) == 6
    judged = {claim.id: claims.verdict_on(claim, claims.rows_of(claim, tables)).verdict for claim in known}
    reproduced = {name for name, verdict in judged.items() if verdict is Grade.REPRODUCED}
    assert reproduced == {"wm-figure-3-free", "wm-text-3.3-unique"}
