"""The grids of single and double lesions, on a network that takes no training."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.dependencies import experiment as dependencies
from modlib.chapters.importance import experiment as importance
from modlib.chapters.importance.experiment import DROP, RANGE, cells, compared, lesion_rows
from modlib.data.images import Images
from modlib.graphs.subclusters import SubCluster
from modlib.lesions.damage import Damage, LesionTest
from modlib.networks.network import from_arrays


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=pair) * (rng.random(pair) < 0.3) for pair in pairwise((64, 30, 30, 30, 30, 10))]
    network, x = from_arrays(kernels), rng.random((200, 64), dtype=np.float32)
    images = Images("digits", x, rng.integers(0, 10, 200), x, rng.integers(0, 10, 200))
    for module in (importance, dependencies):
        monkeypatch.setattr(module, "trained", lambda *_: (network, images))


@pytest.mark.parametrize("module", [importance, dependencies])
def test_a_cell_is_measured_alike_every_time(module, small_network):
    cell = module.cells("smoke")[0]
    rows = pd.DataFrame(module.measure(cell))
    assert set(rows.columns) == {*module.ROW_KEY, *module.TOLERANCE}
    assert not rows.duplicated(list(module.ROW_KEY)).any()
    pd.testing.assert_frame_equal(rows, pd.DataFrame(module.measure(cell)))


def test_every_pair_has_both_orders(small_network):
    rows = pd.DataFrame(dependencies.measure(dependencies.cells("smoke")[0]))
    pairs = set(zip(rows["first"], rows["second"], strict=True))
    assert pairs == {(second, first) for first, second in pairs}
    # both orders end at the same place: l(X) + delta(Y, X) = l(Y) + delta(X, Y)
    end = (rows["first_drop"] + rows["delta"]).set_axis(pd.MultiIndex.from_frame(rows[["first", "second"]]))
    assert all(end[first, second] == pytest.approx(end[second, first], abs=2e-5) for first, second in pairs)


def test_rows_of_a_lesion():
    part = SubCluster(2, 3, np.arange(30), np.arange(100), 100)
    random = tuple(Damage(drop, np.full(10, drop)) for drop in (0.0, 0.01, 0.05))
    drop, spread = lesion_rows(LesionTest(part, Damage(0.05, np.eye(10)[0] / 2), random), 0.9)
    assert (drop["measure"], drop["value"], drop["random_max"], drop["size"]) == (DROP, 0.05, 0.05, 30)
    assert (drop["p_ties_for"], drop["p_ties_against"]) == (0.25, 0.5)
    assert drop["kind"] == "diff-but-not-sig"
    assert (spread["measure"], spread["value"], spread["p_ties_against"]) == (RANGE, 10.0, 0.25)
    assert drop["class_drops"].split()[0] == "0.5000"


def test_an_infinite_range_is_the_largest():
    row = compared(np.inf, np.array([1.0, 5.0, np.inf]))
    assert (row["p_ties_for"], row["p_ties_against"]) == (0.25, 0.5)
    assert row["random_mean"] == 3


def test_grid_holds_all_that_the_issue_names():
    grid = pd.DataFrame(cells("paper"))
    assert not grid.duplicated().any()
    counts = grid.groupby(["network", "dropout", "k"]).size().to_dict()
    assert counts == {
        ("mlp", "no", 8): 20, ("mlp", "no", 12): 20, ("mlp", "no", 18): 20, ("cnn", "no", 12): 4,
        ("mlp", "yes", 10): 10, ("mlp", "yes", 8): 10, ("mlp", "yes", 4): 2,
    }  # fmt: skip
    assert (grid.head(20)["seed"] == 0).all()  # one network of every kind comes first
