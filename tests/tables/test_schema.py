"""modlib.tables.schema: a file that is not what its code would write is refused, with line and column."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from toy import TOY

from modlib.chapters import TABLES, find_experiment
from modlib.errors import InputError, ResultsError, TableMissing
from modlib.files import results_folder
from modlib.tables import (
    append_rows,
    integer,
    number,
    number_lists,
    numbers,
    optional,
    read_accounted,
    read_table,
    run,
    text,
)
from modlib.tables.schema import as_text, read_stored, records_of

HEAD = "profile,dataset,dropout,seed,k,value,missing,undefined,name,list\n"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("stored")
    run(TOY, "smoke", folder=folder)
    return (folder / "toy.csv").read_text()


def cell(text: str, line: int, place: int, value: str) -> str:
    lines = text.splitlines(keepends=True)
    fields = lines[line - 1].rstrip("\n").split(",")
    lines[line - 1] = ",".join([*fields[:place], value, *fields[place + 1 :]]) + "\n"
    return "".join(lines)


def swapped(text: str, first: int, second: int) -> str:
    lines = text.splitlines(keepends=True)
    lines[first - 1], lines[second - 1] = lines[second - 1], lines[first - 1]
    return "".join(lines)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda t: "", "line 1: the file is cut off"),
        (lambda t: t[: len(t) // 2], "expected 10|cut off"),
        (lambda t: t[:-1], "line 25: the file is cut off"),
        (lambda t: t.replace("\n", "\n,,,,,,,,,,,,\n", 1), "line 2: 13 fields arrived; expected 10"),
        (lambda t: "\x00\x01" * 40 + "\n", "line 1: column '.*' arrived; expected one of"),
        (lambda t: t.removeprefix(HEAD), "line 1: column 'smoke' arrived"),
        (lambda t: HEAD + t, "line 2, column|line 2: column 'profile': 'profile' arrived; expected one of smoke"),
        (lambda t: t.replace("seed", "sede", 1), "line 1: column 'sede' arrived; expected one of .* did you mean seed"),
        (lambda t: t.replace("name", "list", 1), "line 1: column 'list' is there twice"),
        (lambda t: t.replace(",list\n", "\n", 1), "line 1: column list is not there"),
        (lambda t: t.replace("name,list", "list,name", 1), "line 1: the columns are .*; expected profile"),
        (lambda t: t.replace(",", ";"), "line 1: column 'profile;dataset"),
        (lambda t: cell(t, 3, 1, ""), "line 3: column 'dataset': '' arrived; expected a value"),
        (lambda t: cell(t, 3, 0, "papre"), "line 3: column 'profile': 'papre' arrived; expected one of smoke, quick"),
        (lambda t: cell(t, 4, 3, "1.0"), "line 4: column 'seed': '1.0' arrived; expected integer from 0"),
        (lambda t: cell(t, 4, 3, "-1"), "line 4: column 'seed': '-1' arrived; expected integer from 0"),
        (lambda t: cell(t, 5, 5, "none"), "line 5: column 'value': 'none' arrived; expected number"),
        (lambda t: cell(t, 5, 5, "1_0"), "line 5: column 'value': '1_0' arrived"),
        (lambda t: cell(t, 6, 9, "1 2  3"), "line 6: column 'list': '1 2  3' arrived; expected numbers"),
        (lambda t: t + t.splitlines(keepends=True)[-1], "line 26: the row repeats the key of the one above"),
        (lambda t: swapped(t, 4, 9), "line 5: the row belongs before the one above"),
        (lambda t: t.replace("\n", "\n<<<<<<< HEAD\n", 1), "line 2: a conflict of git is not resolved"),
        (lambda t: t + "=======\n", "line 26: a conflict of git"),
        (lambda t: t.replace("\n", "\r\n"), "line 1: a carriage return arrived"),
        (lambda t: t.replace("none", 'no"ne', 1).replace(",none", ',"none', 1), "expected"),
    ],
)
def test_a_damaged_table_is_refused_and_left_alone(
    tmp_path: Path, stored: str, damage: Callable[[str], str], said: str
) -> None:
    path = tmp_path / "toy.csv"
    path.write_bytes(damage(stored).encode())
    damaged = path.read_bytes()
    with pytest.raises(ResultsError, match=said) as refused:
        read_table(TOY, tmp_path)
    assert str(path) in str(refused.value)
    assert "restore it with: git checkout -- results/toy.csv" in str(refused.value)
    with pytest.raises(ResultsError):
        run(TOY, "smoke", folder=tmp_path)
    assert path.read_bytes() == damaged


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path, stored: str) -> None:
    (tmp_path / "toy.csv").write_bytes(stored.replace("none", "nöne", 1).encode("latin-1"))
    with pytest.raises(ResultsError, match="line 2: byte 0xf6 arrived; expected UTF-8"):
        read_table(TOY, tmp_path)
    (tmp_path / "toy.csv").unlink()
    (tmp_path / "toy.csv").mkdir()
    with pytest.raises(ResultsError, match="cannot be read"):
        read_table(TOY, tmp_path)


def test_a_missing_table_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(TableMissing, match="modlib run toy --grid paper"):
        read_table(TOY, tmp_path)


def test_columns_have_the_kinds_that_the_experiment_says(tmp_path: Path, stored: str) -> None:
    (tmp_path / "toy.csv").write_text(stored)
    table = read_table(TOY, tmp_path)
    assert table["seed"].dtype == np.int64
    assert table["value"].dtype == table["missing"].dtype == np.float64
    assert table["missing"].isna().all()
    assert set(table["name"]) == {"none"}
    (tmp_path / "toy.csv").write_text(HEAD)
    assert list(read_table(TOY, tmp_path)) == list(table)


@given(st.floats(allow_nan=False), st.integers(), st.lists(st.floats(allow_nan=False), min_size=1))
def test_what_is_written_is_read_as_it_was(x: float, i: int, xs: list[float]) -> None:
    assert number().parse(number().write(x)) == x
    assert number().fault(number().write(x)) is None
    whole = integer(-math.inf)
    assert whole.parse(whole.write(i)) == i
    assert whole.fault(whole.write(np.int64(i % 100))) is None
    assert numbers().fault(" ".join(map(str, xs))) is None


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.float32(np.inf), 2.5])
def test_what_is_no_whole_number_is_refused_in_a_column_of_them(value: float) -> None:
    row = {**TOY.cells("smoke")[0], **TOY.measure(TOY.cells("smoke")[0])[0], "k": value}
    with pytest.raises(ResultsError, match=rf"a row of toy has k = '{float(value)}'; expected integer from 2 to inf"):
        records_of(TOY, [row])


def test_a_column_refuses_what_it_may_not_hold() -> None:
    assert text("a", "b").fault("c") == "one of a, b"
    assert number(0, 1).fault("1.5") == "number from 0 to 1"
    assert number(0, 1).fault("nan") == "number from 0 to 1"
    assert numbers(0, 1).fault("0.5 -1") == "numbers from 0 to 1"
    assert integer(2).fault("2.0") == "integer from 2 to inf"
    assert integer().fault("") == "a value"
    assert optional(integer()).fault("") is None
    assert integer().fault(integer().write(2.5)) == "integer from 0 to inf"
    assert math.isnan(optional(number()).parse(""))
    assert optional(number()).write(float("nan")) == optional(text()).write(None) == ""


def test_a_column_that_came_later_is_filled_as_is_stated(tmp_path: Path, stored: str) -> None:
    (tmp_path / "old").mkdir()
    run(TOY, "smoke", folder=tmp_path / "old", only={"dataset": "a"})
    later = replace(
        TOY, columns={**TOY.columns, "biases": text("zero", "kept")}, added={"biases": "zero"}, measure=measure_later
    )
    assert set(read_table(later, tmp_path / "old")["biases"]) == {"zero"}
    read_accounted(later, tmp_path / "old")
    run(later, "smoke", folder=tmp_path / "old")
    table = read_table(later, tmp_path / "old")
    assert table.groupby("dataset")["biases"].agg("unique").map(list).to_dict() == {"a": ["zero"], "b": ["kept"]}
    read_accounted(later, tmp_path / "old")
    with pytest.raises(ResultsError, match="column 'biases' arrived"):
        read_table(TOY, tmp_path / "old")


def measure_later(cell):  # type: ignore[no-untyped-def]
    return [{**row, "biases": "kept"} for row in TOY.measure(cell)]


def test_an_experiment_whose_parts_disagree_is_refused() -> None:
    with pytest.raises(InputError, match="toy names valeu; expected columns of its table"):
        replace(TOY, tolerance={"valeu": 0.0})
    with pytest.raises(InputError, match=r"put .* first"):
        replace(TOY, columns=dict(reversed(TOY.columns.items())))
    with pytest.raises(InputError, match="what it adds in k is 'one'; expected integer"):
        replace(TOY, added={"k": "one"})


def test_rows_with_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="differs from its table in the columns dataset, dropout"):
        append_rows(TOY, [{"profile": "smoke", "k": 1}], {"id": "x", "seconds": 0}, tmp_path)


@pytest.mark.parametrize("name", TABLES)
def test_a_stored_table_is_what_its_rows_would_be_written_as(name: str) -> None:
    path = results_folder() / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"{name} is not measured yet")
    experiment = find_experiment(name)
    written = records_of(experiment, read_table(experiment).to_dict("records"))
    columns = read_stored(experiment, path).columns
    lacking = set(experiment.columns) - set(columns)
    assert lacking <= experiment.unmeasured  # nothing has filled them yet
    places = [place for place, name in enumerate(experiment.columns) if name not in lacking]
    lines = [columns, *([record[place] for place in places] for record in written)]
    assert as_text(lines) == path.read_text(encoding="utf-8")


def test_lists_of_numbers_are_read_as_they_were_written() -> None:
    stored = numbers().write("0.5 -inf 1e-07")
    np.testing.assert_array_equal(number_lists([stored, "1 2 3"]), [[0.5, -np.inf, 1e-7], [1, 2, 3]])
    assert number_lists([]).shape == (0, 0)
    for wrong in (["1 2", "1"], ["1", ""], ["one"]):
        with pytest.raises(ValueError, match=r"inhomogeneous|convert"):
            number_lists(wrong)
