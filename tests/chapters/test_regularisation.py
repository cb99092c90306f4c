"""Chapter ``regularisation``: its grid, the rule for networks that fall apart, and faint weights."""

import itertools
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from modlib.chapters.regularisation import experiment, figures
from modlib.chapters.regularisation.findings import (
    NAMES,
    beside_printed,
    effect,
    found,
    in_code,
    of_faint,
    released_l2,
    variants_of_l2,
    where_they_part,
    which_l2,
)
from modlib.chapters.rows import with_distance
from modlib.data.images import Images
from modlib.networks.planted import planted_weights, random_weights
from modlib.training.keras import Recipe, Snapshot

WIDTHS = (30, 24, 24, 10)
DATA = Images(
    "noise",
    np.zeros((4, 30), np.float32),
    np.zeros(4, np.int32),
    np.random.default_rng(0).random((40, 30), dtype=np.float32),
    np.random.default_rng(1).integers(0, 10, 40).astype(np.int32),
)
CELL = {"profile": "smoke", "dataset": "digits", "dropout": "no", "penalty": "l1", "seed": 3}


def pair(kernels: list[np.ndarray]) -> SimpleNamespace:
    kernels = [kernel.astype(np.float32) for kernel in kernels]
    biases = [np.zeros(kernel.shape[1], np.float32) for kernel in kernels]
    both = [Snapshot(stage, kernels, biases, {"train": 1.0, "test": 0.5}, [0.25]) for stage in ("unpruned", "pruned")]
    return SimpleNamespace(unpruned=both[0], pruned=both[1])


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[int, SimpleNamespace]:
    """What each seed's training gives, in place of training."""
    given: dict[int, SimpleNamespace] = {}
    monkeypatch.setattr(experiment, "trained_mlp", lambda dataset, dropout, seed, recipe: given[seed])
    monkeypatch.setattr(experiment, "data_for", lambda dataset: DATA)
    return given


def test_an_unfinished_table_has_every_penalty() -> None:
    first = experiment.cells("paper")[:3]
    assert [(cell["dataset"], cell["penalty"], cell["seed"]) for cell in first] == [
        ("mnist", "l1", 0), ("mnist", "l2", 0), ("mnist", "l1-l2", 0),
    ]  # fmt: skip
    cells = pd.DataFrame(experiment.cells("paper"))
    ending = cells["penalty"].isin(experiment.UNTIL_PRUNING)
    counts = cells[~ending].groupby(["dataset", "penalty"]).size()
    assert len(counts) == 9
    assert set(counts) == {10}
    assert ending.idxmax() == counts.sum()  # they come last
    assert cells[ending].groupby(["dataset", "penalty"]).size().tolist() == [2] * 4


def test_a_penalty_that_ends_where_pruning_begins_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def trained(dataset: str, dropout: bool, seed: int, recipe: Recipe) -> SimpleNamespace:
        asked[recipe.penalty] = recipe.penalty_while_pruning
        return pair(random_weights(WIDTHS, 0))

    monkeypatch.setattr(experiment, "trained_mlp", trained)
    monkeypatch.setattr(experiment, "data_for", lambda dataset: DATA)
    experiment.measure(CELL | {"penalty": "l1-l2 until pruning"})
    assert asked == {experiment.PENALTIES["l1-l2"]: False}
    experiment.measure(CELL | {"penalty": "l1-l2"})
    assert asked == {experiment.PENALTIES["l1-l2"]: None}


def test_the_code_s_variant_has_l1_in_the_first_layer_only() -> None:
    kinds = {name: (p.kind_in(True), p.kind_in(False)) for name, p in experiment.PENALTIES.items()}
    assert kinds == {"l1": ("l1", "l1"), "l2": ("l2", "l2"), "l1-l2": ("l1", "l2")}
    assert {penalty.rate for penalty in experiment.PENALTIES.values()} == {5e-5}


def test_a_network_is_measured_with_its_faint_weights_and_without(trained: dict[int, SimpleNamespace]) -> None:
    kernels = random_weights(WIDTHS, 0)
    kernels[1][np.abs(kernels[1]) < 0.3] = 5e-4
    trained[3] = pair(kernels)
    rows = pd.DataFrame(experiment.measure(CELL))
    assert {*rows[["stage", "faint"]].itertuples(index=False, name=None)} == {
        *itertools.product(("pruned", "unpruned"), ("kept", "removed"))
    }
    assert len(rows) == 4
    assert {*experiment.EXPERIMENT.row_key, *experiment.EXPERIMENT.tolerance} <= set(rows.columns)
    weights = np.concatenate([np.abs(kernel).ravel() for kernel in kernels])
    assert set(rows["faint_share"]) == {round(float((weights < 1e-3).mean()), 6)}
    zeros = rows.groupby("faint")["sparsity"].first()
    assert zeros.to_dict() == {"kept": 0, "removed": round(float((weights < 1e-3).mean()), 6)}
    assert set(rows["rejected"]) == {""}
    assert set(rows["loss"]) == {0.25}


def test_weights_that_are_zero_are_not_faint(trained: dict[int, SimpleNamespace]) -> None:
    kernels = random_weights(WIDTHS, 0)
    kernels[0][:, :12] = 0
    trained[3] = pair(kernels)
    rows = pd.DataFrame(experiment.measure(CELL))
    assert (rows["faint_share"] < 0.05).all()


def test_the_accuracy_without_faint_weights_is_that_of_what_is_left(trained: dict[int, SimpleNamespace]) -> None:
    kernels = [kernel.astype(np.float32) for kernel in random_weights(WIDTHS, 1)]
    kernels[0][:, :12] *= 1e-6
    snapshot = pair(kernels).pruned
    left = experiment.without_weights_below(experiment.FAINT, snapshot, DATA)
    x = np.maximum(DATA.x_test @ left.kernels[0], 0)
    x = np.maximum(x @ left.kernels[1], 0) @ left.kernels[2]
    assert left.accuracy == {"test": pytest.approx((x.argmax(axis=1) == DATA.y_test).mean())}
    assert not left.kernels[0][:, :12].any()
    assert snapshot.kernels[0][:, :12].any()


def test_a_network_that_falls_apart_is_trained_again_and_the_row_says_so(
    trained: dict[int, SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = planted_weights((36, 24, 24, 12), 12, 0, outside=0)[0]
    whole = random_weights((36, 24, 24, 12), 0)
    trained |= {3: pair(apart), 1003: pair(whole)}
    data = Images("noise", *(np.zeros((2, 36), np.float32), np.zeros(2, np.int32)) * 2)
    monkeypatch.setattr(experiment, "data_for", lambda dataset: data)
    rows = pd.DataFrame(experiment.measure(CELL))
    assert set(rows["rejected"]) == {"0.0000"}
    assert rows["ncut"].min() > experiment.NEAR_ZERO


def table(penalty: str = "l1", kept: float = 9.0, removed: float = 4.0, accuracy: float = 0.97) -> pd.DataFrame:
    """Three networks before and after pruning, with n-cuts that grow by one, beside shuffles at 5."""
    return pd.DataFrame(
        {
            "table": "regularisation",
            "dataset": "mnist",
            "dropout": "no",
            "penalty": penalty,
            "seed": seed,
            "stage": stage,
            "null": "layer",
            "k": 12,
            "faint": faint,
            "faint_share": 0.4,
            "ncut": ncut,
            "shuffled_mean": 5.0,
            "train_accuracy": 0.99,
            "fit_accuracy": 0.99 if faint == "kept" else np.nan,
            "loss": 0.1,
            "test_accuracy": test_accuracy,
        }
        for seed in range(3)
        for stage in ("unpruned", "pruned")
        for faint, ncut, test_accuracy in (
            ("kept", kept + seed, 0.98),
            ("removed", removed, accuracy),
        )
    )


def usual(ncut: float) -> pd.DataFrame:
    return table(removed=ncut).query("faint == 'removed'").assign(table="clusterability")


def test_what_faint_weights_do_is_taken_within_a_network() -> None:
    pruned = table().query("stage == 'pruned'")
    assert of_faint(pruned, "distance").values == (5, 6, 7)  # type: ignore[union-attr]
    assert of_faint(pruned, "test_accuracy").mean == pytest.approx(0.01)  # type: ignore[union-attr]
    assert of_faint(pruned.query("faint == 'kept'"), "distance") is None


def test_the_effect_of_a_penalty_is_taken_between_networks_of_one_seed() -> None:
    rows = table().query("stage == 'pruned'")
    changes = effect(rows, usual(8.0), "ncut")
    assert changes is not None
    assert changes.values == (1, 2, 3)
    assert effect(table(), usual(8.0).head(0), "ncut") is None


def test_what_was_found_turns_with_the_rows() -> None:
    for ncut, verb in ((20.0, "L1 lowers it on MNIST (−10.00)"), (1.0, "L1 raises it on MNIST (9.00)")):
        change, faint, kinds = found(pd.concat([table(), table("l2"), usual(ncut)]))
        assert verb in str(change)
        assert "minus their shuffles' is 5.00 on MNIST; without the 40% of weights fainter" in str(faint)
        assert "optimiser −1.00 (−1.00 to −1.00, n = 3) on MNIST" in str(faint)
        assert "accuracy changes by −0.0100" in str(faint)
        assert str(kinds) == "For pruned networks that difference is 5.00 on MNIST with L2."
    others = pd.concat([table(), usual(9.0)])
    assert found(pd.concat([others, others.assign(dataset="cifar10")])) == found(others)  # which no table prints
    assert found(pd.concat([others, others.assign(k=4, ncut=1.0)])) == found(others)
    assert found(table("l2"))[1] is None
    assert found(usual(9.0)) == (None, None, None)


def test_which_l2_the_authors_trained_is_found_among_unpruned_networks() -> None:
    released = float(released_l2().query("row == 'mnist|l2|unpruned' and metric == 'ncut'")["value"].iloc[0])
    near, far = table("l1-l2", kept=released - 1), table("l2", kept=released + 1)
    assert "n-cut of shuffles" in set(variants_of_l2(near, released_l2())["number"])
    said = str(found(pd.concat([near, far]))[2])
    assert "2 of" not in said  # the shuffles of both are as near
    assert said.endswith("1 of 1 means that the authors released are nearer to the latter, which their L2 seems to be.")
    said = str(found(pd.concat([near.assign(penalty="l2"), far.assign(penalty="l1-l2")]))[2])
    assert said.endswith("0 of 1 means that the authors released are nearer to the latter.")


def test_where_ours_and_theirs_part_is_told_by_stage_and_penalty() -> None:
    penalised = table().assign(shuffled_mean=lambda t: np.where(t["stage"] == "pruned", 3.72, 6.6))
    penalised = pd.concat([penalised, penalised.query("faint == 'kept'").assign(faint="removed", shuffled_mean=99.0)])
    plain = usual(9.0).assign(shuffled_mean=lambda t: np.where(t["stage"] == "pruned", 9.183, 10.165))
    beside = beside_printed(penalised, plain).set_index(["penalty", "stage"])
    assert beside["shuffled_mean"].to_dict() == pytest.approx(  # table A.5 prints 2.72, 6.50, 9.183 and 10.165
        {("l1", "pruned"): 1.0, ("l1", "unpruned"): 0.1, ("none", "pruned"): 0, ("none", "unpruned"): 0}
    )
    assert beside.loc[("l1", "pruned"), "fit_accuracy"] == pytest.approx(0.99 - 0.997)
    assert beside.loc[("l1", "pruned"), "loss"] == pytest.approx(0.1 - 0.0758)
    assert set(beside["n"]) == {3}
    said = where_they_part(beside.reset_index())
    assert said is not None
    assert "by +0.10 to +0.10 unpruned, with a penalty" in said
    assert "+1.00 to +1.00 pruned, with a penalty" in said
    assert "in 1 of 1 conditions, and the loss higher than the released one in 1 of 1" in said
    assert where_they_part(beside.reset_index().query("stage == 'unpruned'")) is None


def test_the_figure_joins_each_network_with_itself_without_faint_weights() -> None:
    figure = figures.with_faint_and_without(with_distance(table()), {"l1": "L1", "l2": "L2"})
    (ax,) = figure.axes
    np.testing.assert_allclose([line.get_ydata() for line in ax.lines[:3]], [[4, -1], [5, -1], [6, -1]])
    plt.close(figure)


def test_the_histogram_counts_every_weight_that_is_not_zero() -> None:
    ax = figures.sizes_of_weights({"one": [np.array([[0.0, 0.5], [-1e-4, 2e-3]])]}, 1e-3)
    heights = ax.patches[0].get_xy()[:, 1]
    assert heights.max() == 1
    assert len(ax.lines) == 1
    plt.close(ax.figure)


def test_which_l2_the_released_means_are_nearer_to() -> None:
    released = pd.DataFrame(
        [
            ("mnist|l2|unpruned", "ncut", "9.0", "0.5"),
            ("mnist|l2|unpruned", "test_acc", "0.98", "0.1"),
            ("fashion-mnist|l2|pruned", "dist_ncut", "8.0", "0.1"),
        ],
        columns=["row", "metric", "value", "sd"],
    )
    ncuts = {("mnist", "unpruned"): {"l2": [10.0, 11.0], "l1-l2": [9.25]}, ("fashion_mnist", "pruned"): {"l2": [8.1]}}
    rows = pd.DataFrame(
        {"dataset": dataset, "stage": stage, "penalty": penalty, "ncut": ncut, "shuffled_mean": ncut + 1}
        for (dataset, stage), by_penalty in ncuts.items()
        for penalty, values in by_penalty.items()
        for ncut in values
    )
    table = variants_of_l2(rows, released)
    assert table[NAMES["l2"]].tolist() == [10.5, 9.1]
    assert table[f"n, {NAMES['l1-l2']}"].tolist() == [1, 0]
    said = which_l2(table)  # the second condition, where one variant is missing, does not count
    assert f"1 of 1 released means are nearer to ours with {NAMES['l1-l2']}, 0 to ours with L2" in said
    assert "by less than 0.25 from the former, by less than 1.50 from the latter" in said
    assert "cannot be told yet" in which_l2(table.tail(1))
    assert "cannot be told yet" in which_l2(variants_of_l2(rows, released.head(0)))


def test_neurons_whose_weights_have_decayed_are_where_their_neighbours_are(trained: dict[int, SimpleNamespace]) -> None:
    """Rounding had put them into clusters of their own, each of which costs 1 by the text and nothing in the code."""
    kernels = random_weights(WIDTHS, 0)
    for before, after in itertools.pairwise(kernels):
        before[:, -4:] *= 1e-28
        after[-4:] *= 1e-28
    trained[3] = pair(kernels)
    rows = pd.DataFrame(experiment.measure(CELL)).query("stage == 'unpruned'").set_index("faint")
    kept, removed = rows.loc["kept"], rows.loc["removed"]
    assert kept["n_live"] == sum(WIDTHS)
    assert removed["n_live"] == sum(WIDTHS) - 8
    assert kept["ncut"] == pytest.approx(kept["ncut_in_code"], abs=1e-5)
    assert kept["ncut"] == pytest.approx(removed["ncut"], abs=0.3)


def test_what_the_addition_of_the_code_takes_off_is_told() -> None:
    rows = table("l2").query("faint == 'kept' and stage == 'unpruned'")
    said = in_code(rows.assign(ncut_in_code=[9.0, 9.25, 0.25]))
    assert said is not None
    assert "takes off 0.00 to 10.75; 1 of 3 have one below 0.5 there." in said
    assert in_code(rows.head(0)) is None
