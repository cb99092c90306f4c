"""Chapter ``regularisation``: its grid, the rule for networks that fall apart, and faint weights."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.regularisation import experiment
from modlib.chapters.regularisation.findings import FINDINGS, faint_effect
from modlib.data.images import Images
from modlib.networks.planted import planted_weights, random_weights
from modlib.training.keras import Snapshot

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
    counts = pd.DataFrame(experiment.cells("paper")).groupby(["dataset", "penalty"]).size()
    assert len(counts) == 9
    assert set(counts) == {10}


def test_the_code_s_variant_has_l1_in_the_first_layer_only() -> None:
    kinds = {name: (p.kind_in(True), p.kind_in(False)) for name, p in experiment.PENALTIES.items()}
    assert kinds == {"l1": ("l1", "l1"), "l2": ("l2", "l2"), "l1-l2": ("l1", "l2")}
    assert {penalty.rate for penalty in experiment.PENALTIES.values()} == {5e-5}


def test_a_network_is_measured_with_its_faint_weights_and_without(trained: dict[int, SimpleNamespace]) -> None:
    kernels = random_weights(WIDTHS, 0)
    kernels[1][np.abs(kernels[1]) < 0.3] = 5e-4
    trained[3] = pair(kernels)
    rows = pd.DataFrame(experiment.measure(CELL))
    assert sorted(rows[["stage", "faint"]].itertuples(index=False, name=None)) == [
        ("pruned", "kept"), ("pruned", "removed"), ("unpruned", "kept"), ("unpruned", "removed"),
    ]  # fmt: skip
    assert {*experiment.EXPERIMENT.row_key, *experiment.EXPERIMENT.tolerance} <= set(rows.columns)
    weights = np.concatenate([np.abs(kernel).ravel() for kernel in kernels])
    assert set(rows["faint_share"]) == {round(float((weights < 1e-3).mean()), 6)}
    assert (rows.groupby("faint")["sparsity"].first() == [0, round(float((weights < 1e-3).mean()), 6)]).all()
    assert set(rows["rejected"]) == {""}
    assert set(rows["loss"]) == {0.25}


def test_the_accuracy_without_faint_weights_is_that_of_what_is_left(trained: dict[int, SimpleNamespace]) -> None:
    kernels = [kernel.astype(np.float32) for kernel in random_weights(WIDTHS, 1)]
    kernels[0][:, :12] *= 1e-6
    snapshot = pair(kernels).pruned
    left = experiment.without_faint(snapshot, DATA)
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


def test_what_faint_weights_do_is_taken_within_a_network() -> None:
    shared = {"dataset": "mnist", "dropout": "no", "penalty": "l1", "stage": "pruned", "k": 12, "shuffled_mean": 5.0}
    rows = pd.DataFrame(
        {**shared, "seed": seed, "faint": faint, "ncut": ncut, "test_accuracy": accuracy}
        for seed in range(3)
        for faint, ncut, accuracy in (("kept", 9.0 + seed, 0.98), ("removed", 4.0, 0.97))
    )
    assert list(faint_effect(rows)["effect"]) == [5, 6, 7]
    found = {name: FINDINGS[name].measure(rows) for name in ("faint_effect", "faint_cost")}
    assert found["faint_effect"].mean == 6  # type: ignore[union-attr]
    assert found["faint_cost"].mean == pytest.approx(0.01)  # type: ignore[union-attr]
    above = FINDINGS["above_shuffles"].measure(rows[rows["faint"] == "removed"])
    assert above is not None
    assert (above.mean, above.n) == (-1, 3)
    assert FINDINGS["faint_effect"].measure(rows[rows["faint"] == "kept"]) is None
