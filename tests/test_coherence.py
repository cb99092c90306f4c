"""The experiment of the chapter on coherence: its grid, its rows, and that they stay the same."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.coherence.experiment import (
    BESIDE,
    CELL_KEY,
    CONTRAST,
    CORRELATIONS,
    ENTROPY,
    FEATURES,
    LIKENESS,
    ONE_SIDED,
    PLANS,
    ROW_KEY,
    SCORE,
    TOLERANCE,
    VARIANCE,
    VARIATION,
    cells,
    correlation_rows,
    feature_rows,
    measure,
    stored_images,
    unit_images,
)
from modlib.errors import InputError
from modlib.graphs.subclusters import ISOLATED
from modlib.networks.network import Network, from_arrays
from modlib.responses.correlations import contrast
from modlib.responses.features import ImageSettings


@pytest.mark.parametrize("profile", PLANS)
def test_the_grid_has_every_condition_before_it_repeats_one(profile: str):
    grid = pd.DataFrame(cells(profile))
    assert list(grid.columns) == list(CELL_KEY)
    assert not grid.duplicated().any()
    assert grid["seed"].is_monotonic_increasing
    assert (grid["seed"] == 0).sum() == len(PLANS[profile])


def planted() -> tuple[Network, list[np.ndarray]]:
    """Two sub-networks: units 0 to 9 of either layer see the left half of an 8 x 8 image, 10 to 19 the right.

    The last three units of the first layer are never awake.
    """
    rng = np.random.default_rng(0)
    right = np.tile(np.arange(8) >= 4, 8)
    module = np.repeat([False, True], 10)
    first = rng.normal(size=(64, 20)) * (right[:, None] == module)
    second = np.abs(rng.normal(size=(20, 20))) * (module[:, None] == module)
    first = np.hstack([first, np.zeros((64, 3))])
    second = np.vstack([second, np.zeros((3, 20))])
    labels = [np.concatenate([module, [False] * 3]).astype(int), module.astype(int)]
    biases = [np.repeat([5.0, -50.0], [20, 3]), np.zeros(20), np.zeros(10)]
    return from_arrays([first, second, rng.normal(size=(20, 10))], biases), labels


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).random((2000, 1, 8, 8), dtype=np.float32)


def test_planted_modules_are_one_sided_and_random_labels_are_not(images):
    (network, labels), rng = planted(), np.random.default_rng(0)
    rows = pd.DataFrame(correlation_rows(network, labels, images, 19, True, rng))
    assert set(rows["measure"]) == {CONTRAST, LIKENESS, ONE_SIDED}
    assert rows["layer"].value_counts().to_dict() == {1: 6, 2: 6}
    assert (rows["size"] == 10).all()  # the silent units are left out
    one_sided = rows[rows["measure"] == ONE_SIDED]
    assert (one_sided["value"] > 0.6).all()
    assert (one_sided["p_ties_against"] == 0.05).all()
    assert (rows.loc[rows["measure"] == LIKENESS, "value"].abs() < 0.5).all()
    shuffled = [rng.permutation(of_layer) for of_layer in labels]
    rows = pd.DataFrame(correlation_rows(network, shuffled, images, 19, True, rng))
    found = rows[rows["measure"] == ONE_SIDED]
    assert (found["value"] < 0.5).all()
    assert found["p_ties_against"].mean() > 0.2


def test_images_of_units_are_those_of_the_paper(images):
    from scipy.stats import spearmanr

    network, _ = planted()
    first, second = unit_images(network, images)
    assert first.shape == (23, 64)
    assert second.shape == (20, 64)
    assert not first[20:].any()
    flat = images.reshape(2000, -1)
    expected = spearmanr(np.maximum(flat @ network.layers[0].kernel[:, 4] + 5, 0), flat[:, 9]).statistic
    assert first[4, 9] == pytest.approx(expected, abs=1e-6)


def test_true_and_random_sets_have_rows_for_every_measure():
    network, labels = planted()
    rows = feature_rows(network, labels, (1, 8, 8), 4, ImageSettings(steps=10), np.random.default_rng(0))
    assert [row["measure"] for row in rows[:4]] == [SCORE, ENTROPY, VARIANCE, VARIATION]
    assert len(rows) == 4 * 4
    for row in rows:
        null = np.array(row["random"].split(), dtype=float)
        assert len(null) == row["n_random"] == 4
        if row["p_ties_for"] is not None:
            extreme = null > row["value"] if row["measure"] == SCORE else null < row["value"]
            assert row["p_ties_for"] == pytest.approx((extreme.sum() + 1) / 5)
            assert row["p_ties_against"] >= row["p_ties_for"]


def test_images_of_the_first_sub_clusters_of_a_layer_are_stored(images):
    (network, labels), rng = planted(), np.random.default_rng(0)
    halves = [of_layer * 2 + np.arange(len(of_layer)) % 2 for of_layer in labels]
    rows = pd.DataFrame(correlation_rows(network, halves, images, 6, False, rng, pictured=2))
    shown = rows[rows["images"] != ""]
    assert shown["layer"].tolist() == [1, 1, 2, 2]
    for _, row in shown.iterrows():
        found = stored_images(row)
        assert found.shape == (1 + BESIDE, 64)
        null = [float(value) for value in row["random"].split()[:BESIDE]]
        assert [contrast(image) for image in found] == pytest.approx([row["value"], *null], abs=0.005)
    settings = ImageSettings(steps=10)
    rows = pd.DataFrame(feature_rows(network, halves, (1, 8, 8), 4, settings, rng, pictured=1))
    shown = rows[rows["images"] != ""]
    assert shown[["layer", "measure"]].to_numpy().tolist() == [[1, SCORE], [2, SCORE]]
    for _, row in shown.iterrows():
        found = stored_images(row)
        assert ((found >= 0) & (found <= 1)).all()
        units = np.flatnonzero(halves[0] == row["cluster"])
        if row["layer"] == 1:
            activity = np.maximum(found[0] @ network.layers[0].kernel[:, units] + network.layers[0].bias[units], 0)
            assert activity.mean() == pytest.approx(row["value"], rel=0.02)
    assert not any(row["images"] for row in feature_rows(network, halves, (1, 8, 8), 4, settings, rng))


def test_ties_count_against_and_for():
    kernels = [np.ones((64, 12)), np.ones((12, 12)), np.ones((12, 3))]  # all units alike
    labels = [np.repeat([0, 1], 6)] * 2
    rows = feature_rows(from_arrays(kernels), labels, (1, 8, 8), 4, ImageSettings(steps=3), np.random.default_rng(0))
    scores = [row for row in rows if row["measure"] == SCORE]
    assert {row["p_ties_against"] for row in scores} == {1.0}
    assert {row["p_ties_for"] for row in scores} == {0.2}


def test_silent_sets_have_no_coefficient_of_variation():
    kernels = [-np.ones((64, 12)), np.ones((12, 3))]
    biases = [np.full(12, -50.0), np.zeros(3)]
    rows = feature_rows(
        from_arrays(kernels, biases),
        [np.repeat([0, 1], 6)],
        (1, 8, 8),
        2,
        ImageSettings(steps=2),
        np.random.default_rng(0),
    )
    (variation, _) = (row for row in rows if row["measure"] == VARIATION)
    assert np.isnan(variation["value"])
    assert variation["p_ties_for"] is None


def test_bad_labels_are_refused(images):
    (network, labels), rng = planted(), np.random.default_rng(0)
    for study in (
        lambda given: feature_rows(network, given, (1, 8, 8), 2, ImageSettings(steps=1), rng),
        lambda given: correlation_rows(network, given, images, 2, False, rng),
    ):
        with pytest.raises(InputError, match="hold no sub-cluster"):
            study([np.full(23, ISOLATED), np.full(20, ISOLATED)])
        with pytest.raises(InputError, match="hold no sub-cluster"):
            study([np.zeros(23, int), np.zeros(20, int)])  # whole layers
        with pytest.raises(InputError, match="labels of 2 layers with 23, 19 units"):
            study([labels[0], labels[1][:-1]])


def test_cells_of_the_smoke_profile_give_the_same_rows_again(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    for cell in cells("smoke")[:4]:  # the last one trains a perceptron, see test_keras.py
        rows = measure(cell)
        assert rows == measure(cell)
        assert {row["n_random"] for row in rows} == {4}
        assert len({tuple(row[key] for key in ROW_KEY) for row in rows}) == len(rows)
        assert set(rows[0]) - set(ROW_KEY) == set(TOLERANCE)
        assert (rows[0]["test_accuracy"] is None) is ("untrained" in cell["network"])
    assert {cell["study"] for cell in cells("smoke")} == {FEATURES, CORRELATIONS}
