"""What chapters show of the stored tables."""

import pandas as pd
import pytest

from modlib.chapters import find_experiment
from modlib.errors import ResultsError
from modlib.tables import append_rows
from modlib.verdicts import stored

RUN = {"id": "1", "profile": "paper", "seconds": 1.0, "commit": "abc1234def", "date": "2026-01-02"}
DROPOUT = find_experiment("dropout")
KEY = ("profile", "dataset", "dropout", "seed", "stage", "null", "k")


def row(profile: str, seed: int) -> dict:
    cell = {"profile": profile, "dataset": "mnist", "dropout": "yes", "seed": seed}
    rest = {column: 1 for column in stored.COLUMNS if column not in ("table", *KEY)}
    return {**cell, "stage": "pruned", "null": "layer", "k": 4, **rest, "shuffled": "1.0 2.0", "fit_accuracy": 1}


def test_only_rows_of_the_paper_profile_are_shown(tmp_path):
    append_rows(DROPOUT, [row("paper", 0), row("paper", 1), row("quick", 2)], RUN, tmp_path)
    rows = stored.paper_rows("clusterability", "dropout", folder=tmp_path)
    assert list(rows["seed"]) == [0, 1]
    assert set(rows["table"]) == {"dropout"}
    assert stored.rests_on(rows, tmp_path) == (
        "*Stored rows. `dropout`: paper profile, 2 networks, 2026-01-02, commit abc1234.*"
    )


def test_absent_tables_have_no_rows_but_all_columns(tmp_path):
    rows = stored.paper_rows("dropout", folder=tmp_path)
    assert rows.empty
    assert list(rows) == list(stored.COLUMNS)
    assert "No rows" in stored.rests_on(rows, tmp_path)


def test_a_damaged_table_is_an_error_not_an_empty_one(tmp_path):
    (tmp_path / "dropout.csv").write_text("profile,data")
    with pytest.raises(ResultsError):
        stored.paper_rows("dropout", folder=tmp_path)


def test_missing_networks_are_counted_by_data_set(tmp_path):
    append_rows(DROPOUT, [row("paper", 0)], RUN, tmp_path)
    said = stored.still_missing(["dropout"], ["mnist", "cifar10"], tmp_path)
    cells = pd.DataFrame(find_experiment("dropout").cells("paper"))["dataset"].value_counts()
    assert f"{cells['mnist'] - 1} of MNIST with dropout in `dropout`" in said
    assert f"{cells['cifar10']} of CIFAR-10 (JPEG copy) with dropout" in said
    assert "fashion_mnist" not in said


def test_a_table_has_all_its_columns_and_an_absent_one_those_of_its_key(tmp_path):
    append_rows(DROPOUT, [row("paper", 0), row("quick", 2)], RUN, tmp_path)
    rows = stored.stored_rows("dropout", tmp_path)
    assert list(rows["seed"]) == [0]
    assert {"table", "ncut", "shuffled"} <= set(rows)
    absent = stored.stored_rows("weight-masks", tmp_path)
    assert absent.empty
    assert {"table", "task", "network", "beta", "seed", "mask", "layer"} <= set(absent)
