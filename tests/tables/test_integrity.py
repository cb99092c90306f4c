"""modlib.tables.integrity: whatever was changed in a stored table is found by reading it."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import TOY

from modlib.chapters import TABLES, find_experiment
from modlib.errors import ResultsError, TableMissing
from modlib.files import results_folder
from modlib.tables import caption, read_accounted, read_provenance, run, seal
from modlib.tables.integrity import cell_digests, locked, next_provenance
from modlib.tables.schema import Record, as_text, read_stored

STORED = [name for name in TABLES if (results_folder() / f"{name}.csv").exists()]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    run(TOY, "smoke", folder=folder)
    return folder


@pytest.fixture
def copy(filled: Path, tmp_path: Path) -> Path:
    for name in ("toy.csv", "toy.json"):
        shutil.copy(filled / name, tmp_path / name)
    return tmp_path


def edit(folder: Path, **changes: Any) -> None:
    """Change entries of the provenance."""
    path = folder / "toy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", STORED)
def test_every_stored_table_is_what_its_runs_stored(name: str) -> None:
    stored, provenance = read_accounted(find_experiment(name))
    assert sum(entry["rows"] for entry in provenance["runs"] if "fills" not in entry) == len(stored.lines)


def test_every_single_changed_value_of_the_stored_tables_is_noticed(tmp_path: Path) -> None:
    """Fifty of them, drawn at random, each a value that its column may hold."""
    rng = np.random.default_rng(0)
    tables = {name: read_stored(find_experiment(name), results_folder() / f"{name}.csv") for name in STORED}
    for _ in range(50):
        name = str(rng.choice(STORED))
        stored, experiment = tables[name], find_experiment(name)
        shutil.copy(results_folder() / f"{name}.json", tmp_path / f"{name}.json")
        lines = list(stored.lines)
        line, place = int(rng.integers(len(lines))), int(rng.integers(len(stored.columns)))
        column = experiment.columns[stored.columns[place]]
        lines[line] = changed(lines[line], place, column.kind, column.values)
        assert lines[line] != stored.lines[line]
        (tmp_path / f"{name}.csv").write_text(as_text([stored.columns, *lines]), encoding="utf-8")
        with pytest.raises(ResultsError, match=rf"{name}\.csv"):
            read_accounted(experiment, tmp_path)


def changed(fields: Record, place: int, kind: str, values: tuple[str, ...]) -> Record:
    """Fields with another value in one place: the last digit is another one, or the text."""
    old = fields[place]
    others = [value for value in values if value != old]
    if others:
        new = others[0]
    elif old and old[-1].isdigit() and kind != "text":
        new = old[:-1] + ("1" if old[-1] == "0" else str(int(old[-1]) - 1))
    else:
        new = f"{old}x" if kind == "text" else "1"
    return (*fields[:place], new, *fields[place + 1 :])


def test_rows_that_changed_places_or_cells_are_noticed(copy: Path) -> None:
    path = copy / "toy.csv"
    lines = path.read_text().splitlines(keepends=True)
    a, b = (line.rstrip("\n").split(",") for line in lines[1:3])
    a[4:], b[4:] = [a[4], *b[5:]], [b[4], *a[5:]]  # two rows of a cell, all but their keys
    path.write_text("".join([lines[0], ",".join(a) + "\n", ",".join(b) + "\n", *lines[3:]]))
    with pytest.raises(ResultsError, match="the rows of the cell smoke,a,no,0 were changed"):
        read_accounted(TOY, copy)


def test_a_changed_profile_a_lost_and_a_new_cell_are_named(copy: Path) -> None:
    path = copy / "toy.csv"
    whole = path.read_text()
    path.write_text(whole.replace("smoke,a,no,0,", "quick,a,no,0,"))
    with pytest.raises(ResultsError, match="no run stored the cell quick,a,no,0; the cell smoke,a,no,0 is lost"):
        read_accounted(TOY, copy)
    path.write_text("".join(line for line in whole.splitlines(keepends=True) if not line.startswith("smoke,b,yes,2")))
    with pytest.raises(ResultsError, match="the cell smoke,b,yes,2 is lost"):
        read_accounted(TOY, copy)
    read_accounted(TOY, copy, complete=False)
    path.write_text(whole.splitlines(keepends=True)[0])
    with pytest.raises(ResultsError, match="is lost and 9 more; restore it with: git checkout"):
        read_accounted(TOY, copy)


def test_a_table_that_was_changed_on_purpose_is_sealed_again(copy: Path) -> None:
    path = copy / "toy.csv"
    path.write_text(path.read_text().replace(",none,", ",some,", 1))
    with pytest.raises(ResultsError, match="take it as it is with: modlib check toy --seal"):
        read_accounted(TOY, copy)
    assert seal(TOY, copy) == 12
    read_accounted(TOY, copy)


def test_sealing_waits_for_whoever_writes_the_table(copy: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with locked("toy", copy):
            sealed = pool.submit(seal, TOY, copy)
            with pytest.raises(TimeoutError):
                sealed.result(timeout=0.5)
        assert sealed.result() == 12


def test_a_table_of_an_earlier_version_is_not_complete_until_it_is_added_to(copy: Path) -> None:
    provenance = read_provenance("toy", copy)
    del provenance["cells"]
    (copy / "toy.json").write_text(json.dumps(provenance))
    with pytest.raises(ResultsError, match="there are no digests of its cells, as in earlier versions"):
        read_accounted(TOY, copy)
    run(TOY, "paper", folder=copy, only={"dataset": "a", "seed": "0"})
    stored, found = read_accounted(TOY, copy)
    assert found["cells"] == cell_digests(stored.lines, 4)


def test_provenance_that_waits_belongs_to_the_table_if_it_fits(copy: Path) -> None:
    (copy / "toy.json").rename(next_provenance("toy", copy))
    read_accounted(TOY, copy)  # the runner was killed before provenance got its name
    run(TOY, "paper", folder=copy, only={"dataset": "a", "seed": "0"})
    assert read_accounted(TOY, copy)[1]["runs"][0]["rows"] == 24
    assert not next_provenance("toy", copy).exists()
    next_provenance("toy", copy).write_text((copy / "toy.json").read_text().replace('": "', '": "0', 1))
    with pytest.raises(ResultsError):  # what waits is damaged
        read_accounted(TOY, copy)


class Killed(BaseException):
    """What no writer can catch."""


@pytest.mark.parametrize("cells", [1, 12])
def test_a_table_whose_writer_was_killed_at_the_last_cell_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    """The table was in its place, and provenance did not have its name yet: of the first store, or of a later one."""
    only = {"dataset": "a", "dropout": "no", "seed": "0"} if cells == 1 else {}
    put, stored = Path.replace, []

    def replace(path: Path, target: Path) -> Path:
        stored.extend([target] * (path == next_provenance("toy", tmp_path)))
        if len(stored) == cells:
            raise Killed
        return put(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        with pytest.raises(Killed):
            run(TOY, "smoke", folder=tmp_path, only=only)
    provenance = read_provenance("toy", tmp_path)
    assert provenance == read_accounted(TOY, tmp_path)[1]
    assert len(provenance["cells"]) == cells
    assert caption(TOY, folder=tmp_path).startswith(f"smoke profile, {cells} network")
    assert run(TOY, "smoke", folder=tmp_path, only=only).rows == 0
    assert not next_provenance("toy", tmp_path).exists()
    assert json.loads((tmp_path / "toy.json").read_text()) == provenance


def test_provenance_that_waits_for_a_table_that_never_came_is_passed_over(copy: Path) -> None:
    provenance = read_provenance("toy", copy)
    coming = provenance | {"cells": {**provenance["cells"], "smoke,c,no,0": "0" * 16}}
    next_provenance("toy", copy).write_text(json.dumps(coming))
    assert read_provenance("toy", copy) == provenance
    assert run(TOY, "smoke", folder=copy).rows == 0
    assert read_provenance("toy", copy) == provenance


def test_the_digest_of_a_cell_depends_on_its_rows_alone() -> None:
    lines = [("a", "1", "x"), ("a", "2", "y"), ("b", "1", "z")]
    digests = cell_digests(lines, 1)
    assert list(digests) == ["a", "b"]
    assert cell_digests(lines[:2], 1)["a"] == digests["a"]
    assert cell_digests([("a", "1", "xx"), *lines[1:]], 1)["a"] != digests["a"]
    assert list(cell_digests([("one, two", "1")], 1)) == ['"one, two"']


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"runs": 3}, r"\$\.runs: 3 is not of type 'array'"),
        ({"runs": []}, r"\$\.runs: \[\]"),
        ({"runs": None}, r"\$\.runs: None is not of type 'array'"),
        ({"runs": [{"profile": "smoke"}]}, r"\$\.runs\[0\]: 'id' is a required property"),
        ({"cells": {"smoke,a,no,0": "7"}}, r"\$\.cells.*: '7' does not match"),
        ({"table": "dropout"}, "is that of dropout"),
    ],
)
def test_damaged_provenance_is_refused(copy: Path, changes: dict[str, Any], said: str) -> None:
    edit(copy, **changes)
    for read in (lambda: read_provenance("toy", copy), lambda: read_accounted(TOY, copy)):
        with pytest.raises(ResultsError, match=said):
            read()


@pytest.mark.parametrize("text", ["null", "{}", "[]", "", "{", '"runs"', "\x00"])
def test_provenance_that_is_no_provenance_is_refused(copy: Path, text: str) -> None:
    (copy / "toy.json").write_text(text)
    with pytest.raises(ResultsError, match=r"toy\.json"):
        read_provenance("toy", copy)
    with pytest.raises(ResultsError, match=r"toy\.json"):
        run(TOY, "smoke", folder=copy)


def test_a_run_that_is_named_twice_or_not_there_is_refused(copy: Path) -> None:
    edit(copy, runs=read_provenance("toy", copy)["runs"] * 2)
    with pytest.raises(ResultsError, match="names a run twice"):
        read_provenance("toy", copy)
    (copy / "toy.json").unlink()
    with pytest.raises(TableMissing, match="there is no provenance"):
        run(TOY, "paper", folder=copy)
