"""The grid of the chapter is that of the paper's table S1, and a cell gives the same rows every time."""

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.upstream_downstream.experiment import CELL_KEY, PLANS, ROW_KEY, TOLERANCE, cells, measure
from modlib.chapters.upstream_downstream.figures import percent
from modlib.communities.similarity import MEASURES
from modlib.evidence.papers import paper_values

EXPERIMENTS = {"64-64": "experiment-1", "256-256": "experiment-2", "64-64-64-64-64": "experiment-3"}


def test_the_grid_is_that_of_table_s1():
    values = paper_values("upstream-downstream")
    table = values[values["item"] == "table-s1"].set_index(["row", "metric"])["value"]
    plans = PLANS["paper"][1]
    assert set(plans) == set(EXPERIMENTS)
    for hidden, experiment in EXPERIMENTS.items():
        assert table[experiment, "hidden_widths"] == hidden
        assert int(table[experiment, "seeds_per_hyperparameter"]) == plans[hidden].seeds
        for sweep, strengths in plans[hidden].strengths.items():
            row = f"{experiment}-{sweep}"
            assert len(strengths) == int(table[row, "sweep_n_values"])
            assert len(strengths) * plans[hidden].seeds == int(table[row, "n_models_derived"])
            ends = ("min", "max") if sweep == "dropout" else ("log10_min", "log10_max")
            found = [float(table[row, f"sweep_{end}"]) for end in ends]
            expected = found if sweep == "dropout" else [10**value for value in found]
            assert [strengths[0], strengths[-1]] == pytest.approx(expected)
            steps = np.diff(strengths if sweep == "dropout" else np.log10(strengths))
            assert steps == pytest.approx(steps[0], rel=0.01)
    grid = pd.DataFrame(cells("paper"))
    assert not grid.duplicated(list(CELL_KEY)).any()
    assert (grid[grid["sweep"] == "untrained"].groupby("hidden").size() == 100).all()


def test_the_axis_of_figure_3():
    assert [percent("l2", value) for value in (1e-5, 1e-1)] == pytest.approx([0, 100])
    assert [percent("l1", value) for value in (1e-5, 1e-2)] == pytest.approx([0, 100])
    assert percent("dropout", 0.3) == pytest.approx(30)


def test_a_cell_gives_the_same_rows_every_time():
    cell = cells("smoke")[0]
    rows = measure(cell)
    assert rows == measure(cell)
    strengths = PLANS["smoke"][1][cell["hidden"]].strengths[cell["sweep"]]
    keys = {tuple(row[column] for column in ROW_KEY) for row in rows}
    assert keys == {(s, layer, name) for s in strengths for layer in (1, 2) for name in MEASURES}
    for row in rows:
        assert set(row) - set(ROW_KEY) == set(TOLERANCE)
        assert row["q"] >= row["q_start"]
        likeness = np.array(row["element_similarity"].split(), dtype=float)
        assert likeness[MEASURES.index(row["measure"])] == 1
        assert len(row["labels"].split()) == 16
        transfer = np.array(row["transferability"].split(), dtype=float)
        assert transfer[MEASURES.index(row["measure"])] == pytest.approx(row["q"], abs=2e-4)
    assert len({row["test_accuracy"] for row in rows}) == len(strengths)
