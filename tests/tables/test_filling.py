"""A column that came later: filled where the network, trained again, is the one whose rows are stored."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from toy import COLUMNS, TOY, measure

from modlib.errors import InputError, ResultsError
from modlib.files import network_cache
from modlib.tables import (
    Cell,
    Row,
    append_rows,
    number,
    optional,
    read_accounted,
    read_provenance,
    read_table,
    run,
    text,
    verify,
)
from modlib.tables.runner import unfilled_cells


def measure_more(cell: Cell) -> list[Row]:
    """What networks on data set b lack is not there to be measured."""
    return [{**row, "later": 0.5 if cell["dataset"] == "a" else None} for row in measure(cell)]


def measure_two(cell: Cell) -> list[Row]:
    return [{**row, "later": 0.5, "last": 0.25} for row in measure(cell)]


def measure_other_two(cell: Cell) -> list[Row]:
    return [{**row, "later": 0.4} for row in measure_two(cell)]


def measure_text(cell: Cell) -> list[Row]:
    return [{**row, "later": "half"} for row in measure(cell)]


def measure_less(cell: Cell) -> list[Row]:
    return [{**row, "later": None} for row in measure(cell)]


def measure_quickly(cell: Cell) -> list[Row]:
    assert not any(network_cache().iterdir()), "a network was taken from the cache, and not trained again"
    return [{name: row[name] for name in ("k", "value", "later")} for row in measure_more(cell)]


def other_network(cell: Cell) -> list[Row]:
    """One of them comes out as another network."""
    other = (cell["dataset"], cell["dropout"], cell["seed"]) == ("a", "yes", 1)
    return [{**row, "value": row["value"] + 1e-12 * other} for row in measure_quickly(cell)]


def less(cell: Cell) -> list[Row]:
    return measure_quickly(cell)[:1]


def out_of_range(cell: Cell) -> list[Row]:
    return [{**row, "later": 2.0} for row in measure_quickly(cell)]


LATER = replace(
    TOY, measure=measure_more, remeasure=measure_quickly, columns={**COLUMNS, "later": optional(number(0, 1))},
    added={"later": None}, tolerance={**TOY.tolerance, "later": 0.0},
)  # fmt: skip


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of an earlier version, beside a cache that holds something."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "network.npz").touch()
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "results"
    run(TOY, "smoke", folder=folder)
    return folder


def test_a_column_is_filled_and_nothing_else_changes(earlier: Path) -> None:
    before = read_table(TOY, earlier)
    done = run(LATER, "smoke", folder=earlier, fill="later")
    assert (done.rows, done.failed) == (24, ())
    table = read_table(LATER, earlier)
    assert table[list(before)].equals(before)
    assert (table["later"] == 0.5).equals(table["dataset"] == "a")
    read_accounted(LATER, earlier)


def test_provenance_says_which_run_filled_what(earlier: Path) -> None:
    run(LATER, "smoke", folder=earlier, fill="later", only={"dataset": "a"})
    first, second = read_provenance("toy", earlier)["runs"]
    assert "fills" not in first
    assert second["fills"] == "later"
    assert (second["rows"], len(second["cells"])) == (12, 6)
    assert second["instructions"]


def test_of_two_columns_that_are_empty_one_is_filled_after_the_other(earlier: Path) -> None:
    two = replace(
        LATER, measure=measure_two, remeasure=None, columns={**LATER.columns, "last": optional(number(0, 1))},
        added={"later": None, "last": None}, tolerance={**LATER.tolerance, "last": 0.0},
    )  # fmt: skip
    only = {"dataset": "a"}
    assert run(two, "smoke", folder=earlier, fill="later", only=only).rows == 12
    other = run(replace(two, measure=measure_other_two), "smoke", folder=earlier, fill="last", only=only)
    assert len(other.failed) == 6
    assert all("has later = 0.4; stored is 0.5" in outcome.error for outcome in other.failed)
    assert run(two, "smoke", folder=earlier, fill="last", only=only).rows == 12
    rows = read_table(two, earlier)
    assert (rows[["later", "last"]].notna().to_numpy() == (rows["dataset"] == "a").to_numpy()[:, None]).all()


def test_filling_goes_on_where_it_stopped_and_ends(earlier: Path) -> None:
    """Cells in which there is nothing to measure are done as well."""
    assert len(unfilled_cells(LATER, "smoke", "later", earlier)) == 12
    run(LATER, "smoke", folder=earlier, fill="later", only={"dropout": "no"})
    assert {cell["dropout"] for cell in unfilled_cells(LATER, "smoke", "later", earlier)} == {"yes"}
    assert run(LATER, "smoke", folder=earlier, fill="later").rows == 12
    assert unfilled_cells(LATER, "smoke", "later", earlier) == []
    assert run(LATER, "smoke", folder=earlier, fill="later").rows == 0


def test_another_network_is_named_and_left_as_it_was(earlier: Path) -> None:
    done = run(replace(LATER, remeasure=other_network), "smoke", folder=earlier, fill="later")
    (failed,) = done.failed
    assert (failed.cell["dataset"], failed.cell["dropout"], failed.cell["seed"]) == ("a", "yes", 1)
    assert "this is another network, and later is left empty" in failed.error
    assert done.rows == 22
    table = read_table(LATER, earlier)
    assert table.query("dataset == 'a' and dropout == 'yes' and seed == 1")["later"].isna().all()
    assert table.query("dataset == 'a'")["later"].notna().sum() == 10


def test_a_network_of_which_rows_are_missing_is_another_one(earlier: Path) -> None:
    done = run(replace(LATER, remeasure=less), "smoke", folder=earlier, fill="later", only={"dataset": "a"})
    assert len(done.failed) == 6
    assert "has no row" in done.failed[0].error
    assert set(read_table(LATER, earlier)["later"].isna()) == {True}


def test_a_value_that_the_column_may_not_hold_is_refused(earlier: Path) -> None:
    with pytest.raises(ResultsError, match=r"later = '2\.0'; expected number from 0 to 1"):
        run(replace(LATER, remeasure=out_of_range), "smoke", folder=earlier, fill="later")
    read_accounted(TOY, earlier)


def test_rows_that_have_the_column_from_the_start_need_no_filling(tmp_path: Path) -> None:
    run(LATER, "smoke", folder=tmp_path, only={"dataset": "a"})
    assert unfilled_cells(LATER, "smoke", "later", tmp_path) == []


def test_new_rows_stand_beside_unfilled_ones(earlier: Path) -> None:
    added = {**LATER.cells("paper")[-1]}
    run_of = {"id": "2", "profile": "paper", "date": "2026-01-02", "commit": "abc", "seconds": 1.0}
    assert append_rows(LATER, [{**added, **row} for row in measure_more(added)], run_of, earlier) == 2
    assert read_table(LATER, earlier)["later"].notna().sum() == 2


def test_verify_does_not_ask_for_what_is_not_filled_yet(earlier: Path) -> None:
    assert not verify(LATER, 12, folder=earlier).differences
    run(LATER, "smoke", folder=earlier, fill="later")
    assert not verify(LATER, 12, folder=earlier).differences
    path = earlier / "toy.csv"
    path.write_text(path.read_text().replace(",0.5\n", ",0.75\n", 1))
    assert [difference.column for difference in verify(LATER, 12, folder=earlier).differences] == ["later"]


def test_a_kept_network_of_an_earlier_version_lacks_the_column(earlier: Path) -> None:
    """It cannot be had from its weights."""
    run(LATER, "smoke", folder=earlier, fill="later")
    assert not verify(replace(LATER, measure=measure_less), 12, folder=earlier).differences


def test_columns_that_cannot_be_filled_are_refused(earlier: Path) -> None:
    with pytest.raises(InputError, match="expected one that is filled later: expected one of later"):
        run(LATER, "smoke", folder=earlier, fill="value")
    with pytest.raises(InputError, match="it has none"):
        run(TOY, "smoke", folder=earlier, fill="later")
    with pytest.raises(InputError, match="profile 'papre' arrived; expected one of smoke, quick, paper"):
        unfilled_cells(LATER, "papre", "later", earlier)
    with pytest.raises(InputError, match="expected one of them"):
        run(LATER, "smoke", folder=earlier, fill="later", dask="tcp://localhost:1")
    assert "MODLIB_CACHE" in os.environ


def test_verify_compares_a_text_that_came_later_where_it_is_filled(earlier: Path) -> None:
    kinds = {"later": optional(text("half", "other"))}
    told = replace(LATER, columns={**COLUMNS, **kinds}, measure=measure_text, remeasure=measure_text)
    other = replace(told, measure=lambda cell: [{**row, "later": "other"} for row in measure_text(cell)])
    assert not verify(other, 12, folder=earlier).differences
    run(told, "smoke", folder=earlier, fill="later", only={"dataset": "a"})
    assert not verify(told, 12, folder=earlier).differences
    assert len(verify(other, 12, folder=earlier).differences) == 12
