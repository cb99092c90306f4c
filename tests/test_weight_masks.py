"""The grid has every condition of the paper early, and a cell gives the same rows every time."""

import pandas as pd

from modlib.chapters.weight_masks.experiment import CELL_KEY, ROW_KEY, TOLERANCE, cells, measure
from modlib.data.arithmetic import TASKS


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
