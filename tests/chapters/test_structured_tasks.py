"""Chapter ``structured-tasks``: its grid, and rows of a network of each kind."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.rows import ROW_KEY, TOLERANCE, with_distance
from modlib.chapters.structured_tasks import experiment, findings
from modlib.chapters.structured_tasks.experiment import CONDITION, EXPERIMENT, cells, measure
from modlib.data.composites import KINDS
from modlib.tables import PROFILES
from modlib.zoo import pruned
from modlib.zoo.perceptrons import DATASETS


def condition(cell) -> tuple[str, ...]:
    return tuple(cell[name] for name in CONDITION)


def test_the_grid_has_the_networks_of_the_tables() -> None:
    """Five networks a condition (clusterability A.4); fewer where one takes long: CNNs, mixtures with CIFAR-10."""
    counts = Counter(condition(cell) for cell in cells("paper"))
    for name in ("mnist", "fashion_mnist"):
        for task in ("same", "diff"):
            assert counts["mlp", f"{name} halves-{task}", "no", "none"] == 5
            assert counts["cnn", f"{name} stack-{task}", "no", "none"] == 2
    assert [counts["regression", "polynomials", "no", penalty] for penalty in ("none", "l1", "l2")] == [5] * 3
    for dropout in ("no", "yes"):
        assert counts["mlp", "lines", dropout, "none"] == 5
        for kind in ("overlapping", "separate"):
            assert counts["mlp", f"lines+mnist {kind}", dropout, "none"] == 5
            assert counts["mlp", f"mnist+cifar10 {kind}", dropout, "none"] == 3
            assert counts["mlp", f"lines+cifar10 {kind}", dropout, "none"] == 3
    assert len(counts) == 4 + 4 + 3 + 2 + 12


@pytest.mark.parametrize("profile", PROFILES)
def test_an_unfinished_table_has_every_perceptron_early_and_cnns_come_last(profile: str) -> None:
    grid = cells(profile)
    kinds = [cell["network"] == "cnn" for cell in grid]
    assert kinds == sorted(kinds)
    for part in (False, True):
        of_part = [cell for cell, kind in zip(grid, kinds, strict=True) if kind == part]
        conditions = {condition(cell) for cell in of_part}
        assert {condition(cell) for cell in of_part[: len(conditions)]} == conditions
    known = {*DATASETS, experiment.POLYNOMIALS}
    for cell in grid:
        assert cell["dataset"] in known or cell["dataset"].partition(" ")[2] in KINDS
    assert len({tuple(map(str, cell.values())) for cell in grid}) == len(grid)


def test_a_regression_has_losses_and_no_accuracy_and_a_cnn_has_the_reverse(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    monkeypatch.setattr(experiment, "PLANS", {
        "smoke": (
            experiment.Plan("regression", "polynomials", penalty="l1", examples=40, epochs=12),
            experiment.Plan("cnn", "digits stack-same", epochs=1),
        )
    })  # fmt: skip
    monkeypatch.setattr(experiment, "TESTS", {"smoke": experiment.Tests((2,), 2)})
    monkeypatch.setattr(pruned, "HIDDEN", (16, 16))
    regression, cnn = (pd.DataFrame(measure(cell)) for cell in cells("smoke")[::5])
    for name, rows in (("regression", regression), ("cnn", cnn)):
        assert rows["graph"].value_counts().to_dict() == {"text": 2, "code": 2}
        both = rows.set_index(["graph", "stage"])
        assert set(both.loc["text", "ncut"] != both.loc["code", "ncut"]) == {name == "cnn"}
        named = rows.assign(network=name)
        pd.testing.assert_frame_equal(findings.deciding(named), named[named["graph"] == "code"])
    assert (cnn.groupby("stage")["test_accuracy"].nunique() == 1).all()
    regression, cnn = (rows[rows["graph"] == "text"] for rows in (regression, cnn))
    for rows in (regression, cnn):
        assert {*ROW_KEY, *TOLERANCE, *EXPERIMENT.tolerance} <= set(rows.columns)
        assert list(rows["stage"]) == ["unpruned", "pruned"]
    assert regression["train_accuracy"].isna().all()
    assert (regression["added"] > 0).all()
    assert (regression["test_loss"] > regression["added"]).all()
    assert cnn["train_accuracy"].between(0, 1).all()
    assert cnn[list(experiment.LOSSES)].isna().all(axis=None)
    assert set(cnn["n_live"]) <= set(range(150, 193))  # channels of three convolutions, not pixels or dense units
    assert np.allclose(cnn["sparsity"], [0, 0.899], atol=0.01) or cnn["sparsity"].iloc[1] >= 0.5


def test_all_rows_have_the_same_columns(tmp_path, monkeypatch) -> None:
    """A table refuses rows of other columns, and perceptrons have no losses."""
    from types import SimpleNamespace

    from modlib.networks.planted import random_weights

    snapshot = SimpleNamespace(
        stage="pruned", kernels=random_weights((20, 16, 10), 0), accuracy={"train": 1.0, "test": 0.5}
    )
    monkeypatch.setattr(experiment, "trained_mlp", lambda *_: SimpleNamespace(unpruned=snapshot, pruned=snapshot))
    (row, *_) = measure(cells("smoke")[0])
    assert {*ROW_KEY, *EXPERIMENT.tolerance} <= row.keys()
    assert all(row[name] is None for name in experiment.LOSSES)


def table(tasks: dict[str, float]) -> pd.DataFrame:
    """Three networks a data set, before and after pruning, with these n-cuts beside shuffles at 9."""
    return pd.DataFrame(
        {
            "network": "regression" if dataset == "polynomials" else "mlp",
            "graph": "code" if dataset == "polynomials" else "text",
            "dataset": dataset,
            "dropout": "no",
            "penalty": "none",
            "seed": seed,
            "stage": stage,
            "k": 12,
            "ncut": ncut + seed + (stage == "unpruned"),
            "shuffled_mean": 9.0,
            "test_accuracy": np.nan if dataset == "polynomials" else 0.95,
            "test_loss": 0.3 if dataset == "polynomials" else np.nan,
            "added": 0.1 if dataset == "polynomials" else np.nan,
        }
        for dataset, ncut in tasks.items()
        for seed in range(3)
        for stage in ("unpruned", "pruned")
    )


def test_every_data_set_of_the_grid_is_a_task_in_words() -> None:
    assert {findings.task_of(cell["dataset"]) for cell in cells("paper")} == set(findings.TASKS.values())
    assert findings.task_of("lines+mnist separate") == "separate mixtures"


def test_networks_on_different_images_are_compared_with_those_of_one_class_seed_by_seed() -> None:
    rows = with_distance(table({"mnist halves-diff": 8.0, "mnist halves-same": 10.0, "fashion_mnist halves-diff": 1.0}))
    assert findings.difference(rows).values == (-2.0,) * 6  # type: ignore[union-attr]
    assert findings.difference(rows[rows["dataset"] == "mnist halves-diff"]) is None


def test_what_was_found_turns_with_the_rows() -> None:
    tasks, pruning, scores = findings.found(table({"mnist halves-diff": 5.0, "mnist halves-same": 6.0}))
    assert str(tasks).startswith("Most are easier to cut than shuffles, not necessarily by parts: 6 of 6 pruned")
    assert "halves of any classes −3.00 and halves of one class −2.00" in str(tasks)
    assert "by −1.00" in str(pruning)
    assert "in the place of two of one class, change it by −1.00 (−1.00 to −1.00, n = 3) on MNIST" in str(pruning)
    assert str(scores).endswith("a test accuracy of 0.950 on halves of any classes and 0.950 on halves of one class.")
    tasks, pruning, scores = findings.found(table({"polynomials": 9.5}))
    assert str(tasks).startswith("Not more than chance: 0 of 3")
    assert "images" not in str(pruning)
    assert scores == "Pruned networks have a squared error of 0.200 on polynomials."
    assert findings.found(table({"polynomials": 9.5}).head(0)) == (None, None, None)


def test_where_n_cuts_of_regressions_differ_between_text_and_code_is_told() -> None:
    rows = pd.DataFrame(
        {"network": "regression", "k": 12, "penalty": penalty, "stage": stage, "graph": graph, "ncut": ncut}
        for penalty, stage, ncuts in (("l2", "unpruned", (9.5, 8.0)), ("none", "pruned", (9.0, 9.0)))
        for graph, ncut in zip(("text", "code"), ncuts, strict=True)
    )
    said = findings.by_definition(rows)
    assert said is not None
    assert said.startswith("Mean n-cuts are 9.50 by definition and 8.00 in the code with L2, unpruned; in 1 of 2")
    assert str(findings.by_definition(rows[rows["penalty"] == "none"])).startswith("Mean n-cuts: in 1 of 1")
    assert findings.by_definition(rows[rows["graph"] == "text"]) is None
