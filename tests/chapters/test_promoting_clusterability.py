"""Chapter ``promoting-clusterability``: its grid, and whether a network keeps the clusters of its start."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from modlib.chapters.promoting_clusterability import experiment, figures
from modlib.chapters.promoting_clusterability.findings import FINDINGS, effect, found, penalty_beside_released
from modlib.networks.planted import planted_weights, random_weights
from modlib.training.keras import Recipe, Snapshot, initial_tags
from modlib.zoo.perceptrons import recipe_for

WIDTHS = (30, 24, 24, 10)


def snapshot(stage: str, kernels: list[np.ndarray]) -> Snapshot:
    return Snapshot(stage, kernels, [], {"train": 1.0, "test": 0.5}, [0.25])


def test_an_unfinished_table_has_every_method() -> None:
    first = experiment.cells("paper")[:4]
    assert [(cell["dataset"], cell["method"], cell["seed"]) for cell in first] == [
        ("mnist 7x7", "none", 0), ("mnist 7x7", "eigenvalues", 0), ("mnist 7x7", "normalisation", 0),
        ("mnist", "initialisation", 0),
    ]  # fmt: skip
    counts = pd.DataFrame(experiment.cells("paper")).groupby(["dataset", "method"]).size()
    assert len(counts) == 8
    assert set(counts) == {10}


def test_settings_are_those_of_the_paper() -> None:
    assert (experiment.START.n_clusters, experiment.START.beta) == (10, 0.6)
    assert (experiment.PENALTY.weight, experiment.PENALTY.which) == (0.1, (2, 3, 4))
    small = recipe_for("mnist 7x7", dropout=False)
    assert (small.hidden, small.epochs, small.pruning_epochs, small.batch_size) == ((64, 64, 64), 10, 10, 128)


@pytest.mark.parametrize("method", ["none", "eigenvalues", "initialisation"])
def test_a_network_has_rows_before_and_after_pruning(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Recipe] = []
    kernels = random_weights(WIDTHS, 0)
    pair = SimpleNamespace(unpruned=snapshot("unpruned", kernels), pruned=snapshot("pruned", kernels))
    monkeypatch.setattr(experiment, "trained_mlp", lambda *arguments: (asked.append(arguments[3]), pair)[1])
    monkeypatch.setattr(experiment, "tags_kept", lambda *arguments: 0.5)
    cell = {"profile": "smoke", "dataset": "digits", "dropout": "no", "method": method, "seed": 3}
    rows = pd.DataFrame(experiment.measure(cell))
    assert list(rows["stage"]) == ["unpruned", "pruned"]
    assert {*experiment.EXPERIMENT.row_key, *experiment.EXPERIMENT.tolerance} <= set(rows.columns)
    assert (asked[0].eigenvalues, asked[0].clusterable) == (
        experiment.PENALTY if method == "eigenvalues" else None,
        experiment.START if method == "initialisation" else None,
    )
    assert set(rows["tags_kept"]) == ({0.5} if method == "initialisation" else {None})


def test_planted_clusters_are_recognised_as_those_of_the_start_and_others_are_not() -> None:
    kernels, modules = planted_weights((48, 48, 48, 48, 12), 12, 0)
    tags = modules[1:-1]
    assert experiment.tags_kept(snapshot("pruned", kernels), tags, 0) > 0.95
    rng = np.random.default_rng(0)
    assert abs(experiment.tags_kept(snapshot("pruned", kernels), [rng.permutation(t) for t in tags], 0)) < 0.1


def test_tags_are_those_that_the_network_started_with_and_need_a_start_with_clusters() -> None:
    recipe = Recipe(hidden=(16, 12), clusterable=experiment.START)
    assert [len(layer) for layer in initial_tags(recipe, 4)] == [16, 12]
    np.testing.assert_array_equal(initial_tags(recipe, 4)[0], initial_tags(recipe, 4)[0])
    with pytest.raises(ValueError, match="expected one whose field clusterable is set"):
        initial_tags(Recipe(), 4)


def table(ncut: dict[str, float], kept: float = 0.8) -> pd.DataFrame:
    """Three networks a method and stage with these n-cuts; shuffles are always at 10."""
    return pd.DataFrame(
        {
            "dataset": "mnist" if method.startswith("initialisation") else "mnist 7x7",
            "dropout": "no",
            "method": method,
            "seed": seed,
            "stage": stage,
            "k": 12,
            "ncut": value + (seed if method == "none" else 0),
            "shuffled_mean": 10.0,
            "z": (value + (seed if method == "none" else 0) - 10) / 0.5,
            "test_accuracy": 0.96 if method == "none" else 0.95,
            "tags_kept": kept + 0.01 * seed if method.startswith("initialisation") else np.nan,
        }
        for seed in range(3)
        for stage in ("unpruned", "pruned")
        for method, value in ncut.items()
    )


def test_an_effect_is_taken_between_networks_of_one_seed() -> None:
    rows = table({"none": 10.0, "normalisation": 9.5, "eigenvalues": 9.0})
    rows = rows[rows["stage"] == "pruned"]
    measured = {name: FINDINGS[name].measure(rows) for name in FINDINGS}
    assert measured["penalty_ncut"].values == (-1, -2, -3)  # type: ignore[union-attr]
    assert measured["penalty_z"].values == (-2, -4, -6)  # type: ignore[union-attr]
    wide = rows.assign(z=rows["z"].where(rows["method"] == "none", -0.1))  # a wide spread makes of -1 very little
    assert FINDINGS["penalty_z"].measure(wide).values == pytest.approx((-0.1, -2.1, -4.1))  # type: ignore[union-attr]
    assert effect(rows, "ncut", base="normalisation").mean == pytest.approx(-0.5)  # type: ignore[union-attr]
    assert effect(rows, "test_accuracy").mean == pytest.approx(-0.01)  # type: ignore[union-attr]
    assert FINDINGS["penalty_ncut"].measure(rows[rows["method"] == "none"]) is None


def both(own: pd.DataFrame, usual: pd.DataFrame) -> pd.DataFrame:
    """Rows of this chapter, and of networks that start as usual."""
    return pd.concat([own.assign(table="promoting-clusterability"), usual.assign(table="clusterability", null="layer")])


def test_what_was_found_turns_with_the_rows() -> None:
    usual = table({"none": 9.0}).assign(dataset="mnist")
    lower = table({"none": 20.0, "normalisation": 15.0, "eigenvalues": 10.0, "initialisation-outputs": 5.0})
    higher = table({"none": 5.0, "normalisation": 8.0, "eigenvalues": 12.0, "initialisation-outputs": 20.0})
    for rows, ease, chance in ((lower, "easier", "more"), (higher, "harder", "less")):
        penalty, relative, cost = found(both(rows, usual))
        assert None not in (penalty, relative, cost)
        assert f"pruned networks are {ease} to cut" in str(penalty)
        assert f"networks with the penalty are {chance} clusterable: " in str(relative)
    assert "beyond normalised neurons alone by 8.00 (8.00 to 8.00, n = 3) and 8.00 " in str(relative)
    assert "by 4.00 (4.00 to 4.00, n = 3) beyond what normalised neurons do alone" in str(penalty)
    assert "with a start in clusters it changes by 10.00" in str(penalty)
    assert str(cost).endswith("agree with the start's by 0.81 on MNIST, where 0 is chance.")
    as_text = table({"initialisation": 1.0}, kept=0.1)
    assert found(both(pd.concat([higher, as_text]), usual))[2] == cost, "one start a data set, that of the code"
    elsewhere = both(pd.concat([higher, as_text.assign(dataset="cifar10")]), usual)
    assert "by 0.81 on MNIST, if outputs have none by 0.11 on CIFAR-10" in str(found(elsewhere)[2])
    assert found(elsewhere)[0] == penalty


def test_networks_with_the_penalty_are_told_beside_the_released_ones() -> None:
    rows = table({"normalisation": 9.5, "eigenvalues": 9.0}).assign(z=2.5, n_shuffles=50, p=1 / 51)
    rows["shuffled_sd"] = np.where(rows["method"] == "normalisation", 0.3, 0.398)
    rows.loc[(rows["stage"] == "pruned") & (rows["seed"] == 0), "p"] = 0.5
    said = penalty_beside_released(rows)  # the authors released 0.70 and 0.199
    assert "2 of 3 pruned networks of ours (0.67) lie below all their shuffles, a share of 0.70 of theirs" in said
    assert "is 0.398 in the mean, 2.0 times theirs (0.199)" in said
    assert said.endswith("no penalty it is 0.300, and mean Z is +2.5.")
    assert penalty_beside_released(rows[rows["stage"] == "unpruned"]) == "Not measured yet."


def test_what_is_not_measured_is_not_told() -> None:
    usual, own = table({"none": 9.0}).assign(dataset="mnist"), table({"none": 9.0, "eigenvalues": 8.0})
    assert found(both(own[own["method"] == "none"], usual)) == (None, None, None)
    penalty, _, cost = found(both(own, usual.head(0)))
    assert not {"beyond", "start"} & set(str(penalty).split())
    assert "start" not in str(cost)
    assert None not in (penalty, cost)


def test_the_figure_joins_the_networks_of_a_seed_and_needs_no_full_table() -> None:
    whole = table({"none": 10.0, "normalisation": 9.5, "eigenvalues": 9.0})
    figure = figures.what_the_penalty_adds(whole)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["before pruning", "after pruning"]
    np.testing.assert_allclose(figure.axes[0].lines[1].get_ydata(), [11.0, 9.5, 9.0])
    np.testing.assert_allclose([mark.get_offsets()[0, 1] for mark in figure.axes[2].collections], [1.0, -0.5, -1.0])
    plt.close(figure)
    plt.close(figures.what_the_penalty_adds(whole[whole["method"] == "none"]))


def test_the_figure_of_tags_has_a_line_a_network() -> None:
    figure = figures.tags_kept(table({"initialisation": 5.0}))
    lines = figure.axes[0].lines[:3]
    np.testing.assert_allclose([line.get_ydata() for line in lines], [[0.8, 0.8], [0.81, 0.81], [0.82, 0.82]])
    plt.close(figure)
