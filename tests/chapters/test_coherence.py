"""Chapter ``coherence``: the experiment of the chapter on coherence: its grid, its rows, and that they stay the same.

Statistics of claims about coherence: on made-up rows whose answer is known. Figures on coherence show what the rows
say.
"""

from pathlib import Path

import matplotlib as mpl
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
from modlib.chapters.coherence.figures import (
    MOST,
    above_random_in_words,
    against_random,
    examples,
    p_values,
    pictures,
    squares,
    stored_pictures,
)
from modlib.chapters.coherence.findings import FINDINGS, accuracies, found, log_ratio, middle_network
from modlib.checks import UNPLACED
from modlib.errors import InputError
from modlib.networks.network import Network, from_arrays
from modlib.responses.correlations import contrast
from modlib.responses.features import ImageSettings

# --- its grid and rows


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


@pytest.mark.usefixtures("one_thread")  # as the runner measures: two threads may add up in another order
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
            study([np.full(23, UNPLACED), np.full(20, UNPLACED)])
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


# --- what its rows say


def row(seed: int, measure: str, value: float, random: float = 1.0, **changed: object) -> dict[str, object]:
    return {
        "study": CORRELATIONS, "network": "mlp", "dataset": "mnist", "dropout": "yes", "seed": seed, "layer": 1,
        "measure": measure, "value": value, "random": f"{random - 0.5} {random + 0.5}", "test_accuracy": 0.9,
    } | changed  # fmt: skip


def value(name: str, rows: list[dict[str, object]]):
    return FINDINGS[name].measure(pd.DataFrame(rows))


def test_contrast_is_compared_with_random_sets_network_by_network():
    rows = [row(seed, CONTRAST, v) for seed, v in ((0, 2.0), (0, 8.0), (1, 1.0))] + [row(0, LIKENESS, 5.0)]
    found = value("more_contrast", rows)
    assert found.values == pytest.approx((np.log(4), 0))
    assert value("more_contrast", [{**one, "network": "cnn"} for one in rows]) is None
    assert log_ratio(pd.DataFrame(rows)).index.names == ["network", "dataset", "dropout", "seed"]


def test_halves_are_compared_with_those_of_untrained_networks():
    trained = [row(seed, LIKENESS, v) for seed in (0, 1) for v in (0.8, 0.4)]
    assert value("halves_alike", trained) is None
    found = value("halves_alike", trained + [row(seed, LIKENESS, 0.1, network="mlp untrained") for seed in (0, 1)])
    assert found.values == pytest.approx((0.5, 0.5))
    assert value("share_alike", trained).values == pytest.approx((0.5, 0.5))


def test_one_sidedness_counts_in_early_layers_only():
    rows = [row(0, ONE_SIDED, 0.7, random=0.5), row(0, ONE_SIDED, 5.0, layer=3), row(1, ONE_SIDED, 0.4, random=0.5)]
    assert value("more_one_sided", rows).values == pytest.approx((0.2, -0.1))


@pytest.mark.parametrize(("cnn", "significant"), [(1.0, True), (4.0, False)])
def test_cnns_are_compared_with_perceptrons_network_by_network(cnn, significant):
    of_two = {"dataset": "mnist halves-diff", "dropout": "no"}
    rows = [row(seed, CONTRAST, 3.0 + seed / 10, **of_two) for seed in range(5)]
    assert value("less_than_mlps", rows) is None
    stacks = {**of_two, "network": "cnn", "dataset": "mnist stack-diff"}
    rows += [row(seed, CONTRAST, cnn + seed / 10, **stacks) for seed in range(3)]
    found = value("less_than_mlps", rows)
    assert (found.mean < 0.05) is significant
    if significant:
        assert found.mean == pytest.approx(1 / 56)  # of all orders of three and five, one-sided
    others = [row(9, CONTRAST, 9.0, dropout="no"), row(9, CONTRAST, 9.0), row(9, CONTRAST, 0.1, network="cnn")]
    assert value("less_than_mlps", rows + others) == found  # of other tasks, or with dropout


def test_dropout_costs_percentage_points():
    rows = [
        row(seed, m, 0.0, dropout=dropout, test_accuracy=0.9 - 0.2 * (dropout == "yes") * (seed + 1))
        for seed in (0, 1)
        for dropout in ("yes", "no")
        for m in (CONTRAST, LIKENESS)
    ]
    assert value("dropout_costs", rows).values == pytest.approx((20, 40))
    assert value("dropout_costs", [*rows, row(2, CONTRAST, 0.0)]).n == 2  # a seed without its counterpart
    assert value("dropout_costs", [one for one in rows if one["dropout"] == "yes"]) is None
    untrained = row(0, CONTRAST, 0.0, network="mlp untrained", test_accuracy=np.nan)
    assert len(accuracies(pd.DataFrame([*rows, untrained]))) == 4
    assert value("min_test_accuracy", [*rows, untrained]).values == pytest.approx((70, 90, 50, 90))


def test_quartiles_are_those_of_the_network_in_the_middle():
    spreads = {0: (1, 2, 3, 4, 5), 1: (10, 20, 30, 40, 50), 2: (0.1, 0.2, 0.3, 0.4, 0.5)}
    rows = [row(seed, VARIATION, v) for seed, values in spreads.items() for v in values]
    rows.append(row(2, VARIATION, np.nan))  # all units silent
    assert set(middle_network(pd.DataFrame(rows))["seed"]) == {0}
    assert [value(f"cov_{q}", rows).mean for q in ("q1", "median", "q3")] == [2, 3, 4]
    assert value("cov_median", rows).values == pytest.approx((3, 30, 0.3))
    assert value("cov_below_one", rows).values == pytest.approx((0, 0, 1))
    assert value("cov_above_one", rows).values == pytest.approx((0.8, 1, 0))


@pytest.mark.parametrize("name", FINDINGS)
def test_without_rows_nothing_is_said(name):
    assert FINDINGS[name].measure(pd.DataFrame()) is None
    assert FINDINGS[name].label


# --- its figures

mpl.use("Agg")


def rows(measure: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "network": network, "dataset": "mnist", "dropout": "no", "seed": 0, "layer": layer, "measure": measure,
                "n_random": 4, "value": float(layer), "random": "1 2 3 6", "p_ties_against": 0.2 * layer,
            }
            for network in ("mlp", "cnn")
            for layer in (1, 2, 2, 5)
        ]
    )  # fmt: skip


def test_a_stack_is_drawn_side_by_side():
    picture = squares(np.arange(18.0), channels=2)
    assert picture.shape == (3, 7)
    assert np.isnan(picture[:, 3]).all()
    np.testing.assert_array_equal(picture[:, 4:], np.arange(9.0, 18).reshape(3, 3))
    assert squares(np.arange(16.0)).shape == (4, 4)


def test_every_image_is_drawn_on_one_scale():
    columns = [[np.full((4, 4), 0.1 * i - 0.05 * j) for j in range(5)] for i in range(MOST + 2)]
    figure = pictures(columns, [f"1-{i}" for i in range(MOST + 2)])
    assert len(figure.axes) == 5 * MOST
    assert {ax.images[0].get_clim() for ax in figure.axes} == {(-1.1, 1.1)}
    assert figure.axes[3].get_title() == "1-3"
    np.testing.assert_array_equal(figure.axes[MOST + 3].images[0].get_array(), columns[3][1])
    assert {ax.images[0].get_clim() for ax in pictures(columns, ["a"] * 20, signed=False).axes} == {(0, 1)}


def test_wide_pictures_are_smaller():
    square, wide = (pictures([[np.ones((4, width))] * 2] * 20, ["a"] * 20) for width in (4, 9))
    assert len(wide.axes) == len(square.axes) == 2 * MOST
    assert wide.get_figwidth() == pytest.approx(square.get_figwidth(), rel=0.05)
    assert wide.get_figheight() < square.get_figheight()


@pytest.mark.parametrize(("measure", "limits"), [(CONTRAST, (-0.5, 0.5)), (SCORE, (0, 1))])
def test_stored_pictures_are_those_of_the_rows(measure, limits):
    pixels = np.repeat([[50, -20, 0, 10, 30]], 8, axis=0).T  # two channels of 2 x 2
    text = " ".join(map(str, pixels.ravel()))
    table = pd.DataFrame(
        {"layer": [1, 1, 3], "cluster": [2, 4, 0], "size": 7, "measure": measure, "images": [text, np.nan, text]}
    )
    figure = stored_pictures(table, channels=2)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["1-2 (7)", "3-0 (7)"]
    assert figure.axes[0].images[0].get_clim() == limits
    assert [float(ax.images[0].get_array()[0, 0]) for ax in figure.axes[::2]] == [0.5, -0.2, 0, 0.1, 0.3]


def test_examples_have_their_labels():
    figure = examples(
        [("halves", np.zeros((3, 4, 4)), np.array([7, 1, 2])), ("stack", np.zeros((3, 4, 9)), np.arange(3))]
    )
    assert [ax.get_title() for ax in figure.axes] == ["7", "1", "2", "0", "1", "2"]


def test_bars_are_shares_of_sub_clusters():
    figure = p_values(rows(SCORE))
    assert len(figure.axes) == 2
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == pytest.approx([0.25, 0.5, 0, 0, 0.25])
    assert figure.axes[0].get_title() == "perceptron\nMNIST"
    composite = rows(SCORE).assign(dataset="mnist stack-same")
    assert p_values(composite).axes[1].get_title() == "small CNN\nMNIST stacked, of one class"


def test_sub_clusters_above_their_random_sets_are_counted():
    """Random sets have 3 on average; of 1, 2, 2 and 5 one is above, in either network."""
    told = above_random_in_words(rows(CONTRAST), CONTRAST)
    assert told.startswith("2 of 8 sub-clusters lie above the diagonal")


def test_points_are_sub_clusters():
    figure = against_random(rows(CONTRAST), "contrast")
    points = np.vstack([scatter.get_offsets() for scatter in figure.axes[0].collections])
    np.testing.assert_allclose(points, [[3, 1], [3, 2], [3, 2], [3, 5]])


def told(contrast: float, near: float, p: float) -> list[str]:
    """What is found with this contrast in trained perceptrons, one-sidedness near the image, and p of scores."""
    kinds = {"mlp": contrast, "cnn": 1.0, "mlp untrained": 1.0}
    rows = [row(0, CONTRAST, value, network=network) for network, value in kinds.items()]
    apart = {"dataset": "mnist halves-diff", "dropout": "no"}
    rows += [row(0, ONE_SIDED, value, 0.5, layer=layer, **apart) for layer, value in ((1, near), (4, 0.6))]
    rows += [row(0, SCORE, 1.0, study=FEATURES, p_ties_against=p, n_random=19) for _ in range(9)]
    return [str(sentence) for sentence in found(pd.DataFrame(rows).assign(k=12))]


def test_what_is_said_of_coherence_turns_round_with_the_rows():
    more, halves, score = told(contrast=1.5, near=0.9, p=0.05)
    assert more.startswith("More than random units do: ")
    assert "has 50% more contrast" in more
    assert "(1 of 1 networks have more)" in more
    assert "sub-clusters near the image divide them more clearly: one-sidedness is 0.90 in the first" in halves
    assert "more than random units in 1 of 1 trained networks" in score
    more, halves, score = told(contrast=0.8, near=0.55, p=0.5)
    assert more.startswith("No more than random units do: ")
    assert "has 20% less contrast" in more
    assert "sub-clusters far from the image divide them more clearly" in halves
    assert "more than random units in 0 of 1 trained networks" in score
