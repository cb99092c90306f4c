"""modlib.tables.verification: what must be equal, what may be another draw, and what is neither."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import random_pair
from toy import TOY, measure

from modlib.chapters import TABLES, find_experiment
from modlib.chapters.do_the_measures_agree import experiment as agreeing
from modlib.chapters.null_models import experiment as null_models
from modlib.errors import InputError, ResultsError
from modlib.files import cache_file, load_cached, results_folder, save_cached
from modlib.processor import gpu_name, kernels
from modlib.tables import Cell, Experiment, Row, read_provenance, read_table, run, verification, verify
from modlib.tables.provenance import describe_run
from modlib.tables.results import append_rows
from modlib.tables.verification import Verified, kept_cells
from modlib.tables.workers import measure_cell


def test_verify_finds_nothing_to_object_to(tmp_path: Path) -> None:
    run(TOY, "smoke", folder=tmp_path)
    found = verify(TOY, 12, folder=tmp_path)
    assert (found.differences, found.redrawn, found.kept) == ((), (), ())
    assert len(found.trained) == 12


@pytest.mark.parametrize(
    ("column", "value"), [("value", 0.123), ("list", "1 2 3"), ("name", "other"), ("missing", 1.0), ("value", None)]
)
def test_verify_catches_a_tampered_row(tmp_path: Path, column: str, value: object) -> None:
    run(TOY, "smoke", folder=tmp_path)
    table = read_table(TOY, tmp_path).astype(object)
    table.loc[5, column] = value
    table.to_csv(tmp_path / "toy.csv", index=False)
    differences = verify(TOY, 12, folder=tmp_path).differences
    assert [difference.column for difference in differences] == [column]
    assert f"seed={table.loc[5, 'seed']}" in differences[0].cell


def test_the_oldest_cells_are_picked_where_they_are_asked_for(tmp_path: Path) -> None:
    for dataset in ("b", "a"):
        run(TOY, "smoke", folder=tmp_path, only={"dataset": dataset})
    assert len(read_provenance("toy", tmp_path)["runs"]) == 2
    picked = verify(TOY, 6, folder=tmp_path, oldest=True).trained
    assert all("dataset=b" in cell for cell in picked)
    assert any("dataset=a" in cell for cell in verify(TOY, 6, folder=tmp_path).trained)


def test_verify_catches_a_lost_row(tmp_path: Path) -> None:
    run(TOY, "smoke", folder=tmp_path)
    read_table(TOY, tmp_path).drop(index=7).to_csv(tmp_path / "toy.csv", index=False)
    assert len(verify(TOY, 12, folder=tmp_path).differences) == 1


def test_verify_does_not_read_trained_networks_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(TOY, "smoke", folder=tmp_path)
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path / "cache"))
    seen: list[str] = []
    original = verification.measure_cell
    monkeypatch.setattr(
        verification, "measure_cell", lambda *a: (seen.append(os.environ["MODLIB_CACHE"]), original(*a))[1]
    )
    verify(TOY, 1, folder=tmp_path)
    assert seen
    assert seen[0] != str(tmp_path / "cache")


def test_an_empty_sample_and_a_negative_seed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected at least 1 cell"):
        verify(TOY, 0, folder=tmp_path)
    with pytest.raises(InputError, match="seed = -1 arrived"):
        verify(TOY, 1, seed=-1, folder=tmp_path)


# --- another processor


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    run(TOY, "paper", folder=folder)
    return folder


@pytest.fixture
def elsewhere(filled: Path, tmp_path: Path) -> Path:
    """The same table, measured on a processor with other instructions."""
    for name in ("toy.csv", "toy.json"):
        (tmp_path / name).write_bytes((filled / name).read_bytes())
    edit(tmp_path, instructions=["sse2"])
    return tmp_path


def edit(folder: Path, name: str = "toy", **changes: Any) -> None:
    """Change what the run says about itself; None takes it out."""
    path = folder / f"{name}.json"
    provenance = json.loads(path.read_text())
    entry = provenance["runs"][0] | changes
    provenance["runs"][0] = {name: value for name, value in entry.items() if value is not None}
    path.write_text(json.dumps(provenance))


def measure_another(cell: Cell) -> list[Row]:
    """Another network of the same condition."""
    return measure({**cell, "seed": int(cell["seed"]) + 1000})


def measure_wrong(cell: Cell) -> list[Row]:
    """A network that no network of the condition looks like, in one of its values."""
    return [{**row, "value": row["value"] + 30 * (row["k"] == 4)} for row in measure_another(cell)]


def measure_swapped(cell: Cell) -> list[Row]:
    """The rows of k = 4 are far from those of k = 12, and another network has them the other way round."""
    swap = {4: 12, 12: 4}
    return [{**row, "k": swap[row["k"]]} for row in measure_another(cell)]


def measure_more(cell: Cell) -> list[Row]:
    rows = measure(cell)
    return [*rows, {**rows[-1], "k": 99}]


def measure_fewer(cell: Cell) -> list[Row]:
    return measure(cell)[:1]


ANOTHER, WRONG = replace(TOY, measure=measure_another), replace(TOY, measure=measure_wrong)


@pytest.mark.skipif(bool(gpu_name()), reason="a GPU does not compute the same twice")
def test_where_kernels_are_the_same_another_network_is_a_difference(filled: Path) -> None:
    found = verify(ANOTHER, 2, folder=filled)
    assert {difference.column for difference in found.differences} == {"value", "list"}
    assert found.redrawn == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instructions": ["sse2"]}, "instructions: sse2 then, .* here"),
        ({"blas": ["openblas 0.1 Katmai"]}, "blas: openblas 0.1 Katmai then"),
        ({"choices": {"XLA_FLAGS": "--x"}}, "choices: XLA_FLAGS --x then, XLA_FLAGS .*here"),
        ({"versions": {"numpy": "0.1"}}, "versions: .*numpy 0.1"),
        ({"instructions": None}, "its run did not record: instructions"),
        ({"cells": None, "instructions": ["sse2"]}, "instructions: sse2 then"),
    ],
)
def test_where_they_are_not_it_is_one_more_draw_and_the_reason_is_said(
    elsewhere: Path, filled: Path, changes: dict[str, Any], reason: str
) -> None:
    edit(elsewhere, instructions=read_provenance("toy", filled)["runs"][0]["instructions"])
    edit(elsewhere, **changes)
    found = verify(ANOTHER, 4, folder=elsewhere)
    assert found.differences == ()
    assert len(found.redrawn) == 4
    for drawn in found.redrawn:
        assert re.search(reason, drawn.reason)
        assert (drawn.values, drawn.networks) == (4, 12)  # value and list, at two k


def test_a_draw_that_is_out_of_its_condition_is_a_difference(elsewhere: Path) -> None:
    found = verify(WRONG, 3, folder=elsewhere)
    assert len(found.differences) == 3
    for difference in found.differences:
        assert difference.column == "value"
        assert difference.cell.endswith(", 4")
    assert found.redrawn == ()


def test_the_interval_holds_what_it_says(elsewhere: Path) -> None:
    """Of 60 networks like the stored ones, a thousandth is refused at most; two may be by chance."""
    table = read_table(TOY, elsewhere)
    cell = {"profile": "paper", "dataset": "a", "dropout": "no"}
    refused = 0
    for seed in range(60):
        compared = verification._intervals(TOY, table, {**cell, "seed": 0}, measure({**cell, "seed": 100 + seed}))
        assert compared is not None
        refused += not compared["inside"].all()
    assert refused <= 2


def test_rows_that_are_lost_are_a_difference_on_every_processor(elsewhere: Path) -> None:
    found = verify(replace(TOY, measure=measure_fewer), 1, folder=elsewhere)
    assert [(difference.stored, difference.measured) for difference in found.differences] == [("a row", "no row")]


def test_rows_that_no_table_holds_are_a_difference(elsewhere: Path) -> None:
    found = verify(replace(TOY, measure=measure_more), 1, folder=elsewhere)
    (more,) = found.differences
    assert (more.column, more.stored, more.measured) == ("99", "no row", "a row")


def test_a_condition_of_one_network_allows_no_other(elsewhere: Path) -> None:
    table = read_table(TOY, elsewhere)
    table[table["seed"] == 0].to_csv(elsewhere / "toy.csv", index=False)
    assert verify(TOY, 4, folder=elsewhere).differences == ()
    assert verify(ANOTHER, 1, folder=elsewhere).differences


def test_infinite_values_have_no_interval(elsewhere: Path) -> None:
    """A ratio over zero is stored as inf; what is beside it in the row still counts."""
    table = read_table(TOY, elsewhere)
    table.loc[table["seed"] == 3, "value"] = np.inf
    cell = {"profile": "paper", "dataset": "a", "dropout": "no", "seed": 0}
    rows = [{**row, "value": np.inf if row["k"] == 4 else row["value"]} for row in measure_another(cell)]
    compared = verification._intervals(TOY, table, cell, rows)
    assert compared is not None
    assert compared[["key", "column"]].to_numpy().tolist() == [["4", "list"], ["12", "value"], ["12", "list"]]
    assert compared["n"].tolist() == [12, 11, 12]
    assert np.isfinite(compared[["low", "high"]]).all(axis=None)


def test_parts_of_a_network_are_compared_by_their_mean(elsewhere: Path) -> None:
    """Number 4 of one network is nothing like number 4 of another."""
    by_number = replace(TOY, parts=("k",), measure=measure_swapped)
    assert verify(by_number, 2, folder=elsewhere).differences == ()


# --- kept networks


def measure_trained(cell: Cell) -> list[Row]:
    """Rows of a network that is trained once; training gives another one each time."""
    settings = dict(cell)
    path = cache_file("toy", settings)
    if (stored := load_cached(path, settings)) is None:
        stored = {"seed": np.array(np.random.default_rng().integers(2**31))}
        save_cached(path, stored, settings)
    return measure({**cell, "seed": int(stored["seed"])})


TRAINED = replace(TOY, measure=measure_trained)
CELL = {"profile": "smoke", "dataset": "a", "dropout": "no", "seed": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of networks that come out otherwise each time, one of them kept."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODLIB_CACHE", str(folder / "cache"))
        run(TRAINED, "smoke", folder=folder)
        path = cache_file("toy", CELL)
    (folder / "networks").mkdir()
    (folder / "networks" / path.name).write_bytes(path.read_bytes())
    (folder / "networks" / "cells.json").write_text(json.dumps({"toy": [CELL]}))
    edit(folder, instructions=["sse2"])
    return folder


@pytest.fixture
def keeping(trained: Path, tmp_path: Path) -> Path:
    """The same table and networks, without what was in the cache."""
    return shutil.copytree(trained, tmp_path, ignore=shutil.ignore_patterns("cache"), dirs_exist_ok=True)


def test_a_kept_network_must_give_its_rows_on_every_processor(keeping: Path) -> None:
    found = verify(TRAINED, 1, folder=keeping)
    assert found.differences == ()
    assert found.kept == ("profile=smoke, dataset=a, dropout=no, seed=1",)
    assert len(found.redrawn) == 1
    table = read_table(TOY, keeping)
    table.loc[(table["dataset"] == "a") & (table["seed"] == 1), "value"] += 1e-6
    table.to_csv(keeping / "toy.csv", index=False)
    found = verify(TRAINED, 1, folder=keeping)
    assert {difference.cell.rpartition(", ")[0] for difference in found.differences} == set(found.kept)


def test_a_kept_network_that_is_lost_is_not_trained_again(keeping: Path) -> None:
    for path in (keeping / "networks").glob("*.npz"):
        path.unlink()
    with pytest.raises(ResultsError, match=r"networks lacks toy-.*npz"):
        verify(TRAINED, 1, folder=keeping)
    assert not list((keeping / "networks").glob("*.npz"))


SEARCHED = replace(TRAINED, tolerance={**TOY.tolerance, "value": 0.5}, of_means={"value": 0.01})


def shift(folder: Path, *changes: float) -> None:
    """Change the values of the kept cell, at k = 4 and 12."""
    table = read_table(TOY, folder)
    kept = (table["dataset"] == "a") & (table["dropout"] == "no") & (table["seed"] == 1)
    table.loc[kept, "value"] += changes
    table.to_csv(folder / "toy.csv", index=False)


def test_what_a_search_decides_may_differ_elsewhere_but_not_on_the_kernels_of_the_run(keeping: Path) -> None:
    shift(keeping, 0.1, -0.1)
    assert verify(SEARCHED, 1, folder=keeping).differences == ()
    edit(keeping, instructions=kernels()["instructions"])
    here = verify(SEARCHED, 1, folder=keeping).differences
    assert [one.column for one in here if "seed=1" in one.cell and "dropout=no" in one.cell] == ["value", "value"]


def test_the_mean_of_what_a_search_decides_may_not_differ_anywhere(keeping: Path) -> None:
    shift(keeping, 0.1, 0.1)  # each of which a row may have
    (difference,) = verify(SEARCHED, 1, folder=keeping).differences
    assert difference.column == "mean of value"
    assert difference.stored - difference.measured == pytest.approx(0.1)


@pytest.mark.parametrize("text", ["[", "[]", '{"toy": [{"seed": 1}]}', '{"toy": [7]}'])
def test_a_damaged_list_of_kept_networks_is_refused(keeping: Path, text: str) -> None:
    (keeping / "networks" / "cells.json").write_text(text)
    with pytest.raises(ResultsError, match="restore it from git"):
        verify(TRAINED, 1, folder=keeping)


@pytest.mark.parametrize("name", TABLES)
def test_every_kept_cell_is_in_its_table(name: str) -> None:
    experiment = find_experiment(name)
    for cell in kept_cells(experiment):
        assert len(
            read_table(experiment).query(" and ".join(f"{column} == {value!r}" for column, value in cell.items()))
        )


def test_what_is_kept_is_small() -> None:
    assert sum(path.stat().st_size for path in (results_folder() / "networks").glob("*")) < 8e6


# --- tables of networks that need no training


def measured(name: str, cell: Cell, folder: Path) -> Experiment:
    """An experiment, after one cell was measured in this process and stored."""
    experiment = find_experiment(name)
    rows, seconds = measure_cell(experiment, cell)
    append_rows(experiment, rows, describe_run("smoke") | {"seconds": seconds}, folder)
    return experiment


@pytest.mark.skipif(bool(gpu_name()), reason="a GPU does not compute the same twice")
def test_agreement_that_is_not_there_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What two notions agree beyond chance is less than what a single row may differ by elsewhere."""
    few = replace(agreeing.PLANS["smoke"], mask_steps=2)
    monkeypatch.setattr(agreeing, "PLANS", agreeing.PLANS | {"smoke": few})
    monkeypatch.setattr(agreeing, "N_KNOWN", 80)
    cell = {
        "profile": "smoke",
        "dataset": "two functions together",
        "dropout": "no",
        "seed": 0,
        "stage": "known modules",
    }
    experiment = measured("do-the-measures-agree", cell, tmp_path)
    assert verify(experiment, 1, folder=tmp_path) == Verified((), (), (), (verification._in_words(cell),))
    path, rows = tmp_path / f"{experiment.name}.csv", read_table(experiment, tmp_path)
    rows.assign(similarity=rows["similarity"].where(rows.index != 5, rows["similarity"] + 0.01)).to_csv(
        path, index=False
    )
    assert [one.column for one in verify(experiment, 1, folder=tmp_path).differences] == ["similarity"]
    edit(tmp_path, experiment.name, instructions=["sse2"])
    assert verify(experiment, 1, folder=tmp_path).differences == ()
    rows.assign(similarity=rows["similarity"] - 0.05, mutual_information=rows["mutual_information"] - 0.1).to_csv(
        path, index=False
    )
    differences = verify(experiment, 1, folder=tmp_path).differences
    assert [one.column for one in differences] == ["mean of similarity", "mean of mutual_information"]


@pytest.mark.skipif(bool(gpu_name()), reason="a GPU does not compute the same twice")
def test_tests_by_null_models_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(null_models, "trained_mlp", lambda *_: random_pair())
    cell = {"profile": "smoke", "dataset": "digits", "dropout": "no", "seed": 0}
    experiment = measured("null-models", cell, tmp_path)
    assert verify(experiment, 1, folder=tmp_path).differences == ()
    rows = read_table(experiment, tmp_path)
    rows.loc[3, "ncut"] += 0.01
    rows.to_csv(tmp_path / "null-models.csv", index=False)
    assert [one.column for one in verify(experiment, 1, folder=tmp_path).differences] == ["ncut"]
