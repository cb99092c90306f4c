"""Chapter ``do-the-measures-agree``: its grid, its rows, what is said of them, and its figures."""

import re
from dataclasses import replace
from itertools import combinations, combinations_with_replacement
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from modlib.chapters.do_the_measures_agree import experiment, figures
from modlib.chapters.do_the_measures_agree.agreement import (
    FUNCTIONAL,
    as_nested,
    as_with_itself,
    by_condition,
    by_layer,
    channels_in_words,
    families_in_words,
    gain_in_words,
    is_small,
    nested_in_words,
    of_activity,
    of_less_reliable,
    of_small,
    started_once,
    weights_beside_function_in_words,
)
from modlib.chapters.do_the_measures_agree.experiment import CASES, CNN, FUNCTIONS, IDLE, KNOWN, SMALL, STAGES
from modlib.chapters.do_the_measures_agree.findings import FINDINGS, TABLES, finds, found, found_by, layers_of
from modlib.chapters.do_the_measures_agree.ranks import (
    by_null,
    joined_in_words,
    modularities,
    rank_correlations,
    within_by_null,
)
from modlib.communities import agreement
from modlib.communities.certainty import SweepPoint
from modlib.evidence.intervals import interval_of_rank_correlation
from modlib.networks import from_arrays, random_weights, two_functions
from modlib.notions import NOTIONS, divided_by_notion
from modlib.notions.dividing import MASKS
from modlib.tables import PROFILES

FEW = replace(MASKS, steps=2)
COMMON = {"table": TABLES[0], "profile": "paper", "dataset": "mnist", "dropout": "yes", "layer": 1, "units": 256.0}


def made(itself: float = 0.8, function: float = 0.4, weights: float = 0.2, untrained: float = 0.05, n: int = 3):
    """Rows of n networks, trained and not, whose notions agree as far."""
    lines = []
    for stage in ("pruned", "untrained"):
        for seed in range(n):
            for first, second in combinations_with_replacement(NOTIONS, 2):
                level = itself if first == second else weights if "weights" in first else function
                level = untrained if stage == "untrained" else level + 0.01 * seed
                lines.append(
                    {"stage": stage, "seed": seed, "first": first, "second": second, "similarity": level + 0.1}
                    | {"mutual_information": level + 0.05}
                )
    rows = pd.DataFrame(lines).assign(**COMMON, by_chance=0.1, q=0.3)
    return rows.assign(q=rows["q"].where(rows["first"] == rows["second"]))


def known(seen: dict[str, set[str]], n: int = 3) -> pd.DataFrame:
    """Rows of networks with known modules, of which each case is seen by some notions, in all layers."""
    cases = {(case, IDLE if case == IDLE else FUNCTIONS): notions for case, notions in seen.items()}
    return pd.DataFrame(
        {
            **COMMON,
            "layer": layer,
            "dataset": case,
            "dropout": "no",
            "stage": KNOWN,
            "seed": seed,
            "first": notion,
            "second": second,
            "similarity": 0.5,
            "by_chance": 0.5,
            "mutual_information": (0.9 if notion in notions else 0.0) + 0.01 * seed,
        }
        for (case, second), notions in cases.items()
        for notion in NOTIONS
        for seed in range(n)
        for layer in (1, 2, 3)
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_every_condition_has_every_stage_and_every_case_its_networks(profile: str) -> None:
    grid = pd.DataFrame(experiment.cells(profile))
    plan = experiment.PLANS[profile]
    assert not grid.duplicated().any()
    of_known = grid[grid["stage"] == KNOWN]
    assert of_known.groupby("dataset")["seed"].nunique().to_dict() == dict.fromkeys(CASES, plan.cases)
    trained = grid[(grid["stage"] != KNOWN) & ~is_small(grid)]
    assert trained.groupby(["dataset", "dropout", "seed"])["stage"].apply(set).map(lambda s: s == set(STAGES)).all()
    assert len(trained) == len(plan.datasets) * 2 * plan.seeds * len(STAGES)
    cnns = grid[grid["dataset"].str.endswith(CNN)]
    assert len(cnns) == len(plan.datasets) * plan.cnns * (2 * len(STAGES) - 1)
    assert cnns.empty or cnns.index.min() == len(grid) - len(cnns)  # the longest come last
    small = grid[is_small(grid)].drop(cnns.index)
    assert small.groupby("stage")["seed"].nunique().to_dict() == {"unpruned": plan.seeds, "untrained": plan.seeds}
    assert len(small) == (len(SMALL) + 1) * plan.seeds


def test_rows_compare_every_pair_on_different_images_and_each_notion_with_itself() -> None:
    network = from_arrays(random_weights((6, 8, 8, 3), 0))
    x = np.random.default_rng(0).normal(size=(60, 6))
    y = network.answers(x)
    halves = experiment.halves_divided(network, x, y, 30, 2, 0, FEW)
    groups = [np.arange(len(part.labels)) // 3 for part in halves[0]["weights"]]
    rows = pd.DataFrame(experiment.agreement_rows(halves, 2, groups))
    assert len(rows) == 2 * len(NOTIONS) * (len(NOTIONS) + 1) / 2
    assert not rows.duplicated(list(experiment.ROW_KEY)).any()
    assert {*experiment.COLUMNS} - {*experiment.CELL_KEY, "mask_steps", "test_accuracy"} == {*rows.columns}
    row = rows[(rows["layer"] == 2) & (rows["first"] == "covariance") & (rows["second"] == "input sensitivity")].iloc[0]
    pairs = [
        agreement(halves[a]["covariance"][1].labels, halves[1 - a]["input sensitivity"][1].labels).similarity
        for a in (0, 1)
    ]
    assert row["similarity"] == pytest.approx(np.mean(pairs), abs=1e-5)
    matched = [
        agreement(halves[a]["covariance"][1].labels, halves[1 - a]["input sensitivity"][1].labels, groups[1]).by_chance
        for a in (0, 1)
    ]
    assert row["by_matched_chance"] == pytest.approx(np.mean(matched), abs=1e-5)
    same = rows[rows["first"] == rows["second"]].set_index(["first", "layer"])
    labels = [half["images"][0].labels for half in halves]
    assert same.loc[("images", 1), "similarity"] == pytest.approx(agreement(*labels).similarity, abs=1e-5)
    assert same["q"].notna().groupby("first").all().sum() == len(NOTIONS) - 2


def test_what_goes_with_activity_is_told_from_what_does_not() -> None:
    rows = pd.DataFrame(
        [
            {
                "dataset": "mnist",
                "dropout": "yes",
                "seed": seed,
                "stage": stage,
                "layer": 1,
                "first": first,
                "second": second,
                "similarity": 0.5 + 0.01 * seed,
                "by_chance": 0.3,
                "by_matched_chance": matched,
            }
            for seed in range(3)
            for stage, matched in (("pruned", 0.4), ("untrained", 0.3), ("unpruned", None))
            for first, second in (("weights", "images"), ("images", "images"), ("weights", FUNCTIONS))
        ]
    )
    found = of_activity(rows).set_index("stage")
    assert found.index.tolist() == ["pruned", "untrained"]
    assert found["networks"].tolist() == [3, 3]
    assert found["by activity"].tolist() == ["48%", "0%"]
    assert found.loc["pruned", "beyond permuted labels"].startswith("0.21")
    assert found.loc["pruned", "beyond those of like activity"].startswith("0.11")
    assert of_activity(rows.query("stage == 'unpruned'")).empty


def test_the_two_halves_share_no_image_and_are_found_again() -> None:
    seen = []

    def note(network, x, y, k, seed, **_):
        seen.append((x.tolist(), y.tolist(), seed))
        return {}

    x, y = np.arange(20.0)[:, None], np.arange(20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("modlib.notions.dividing.divided_by_notion", note)
        for _ in range(2):
            experiment.halves_divided(None, x, y, 8, 2, 3, FEW)
    assert seen[:2] == seen[2:]
    assert not set(seen[0][1]) & set(seen[1][1])
    assert [len(one[1]) for one in seen[:2]] == [8, 8]
    assert seen[0][2] != seen[1][2]


def test_a_case_is_compared_with_all_that_is_known_of_it() -> None:
    small = replace(CASES["idle weights"], layers=(2,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "N_KNOWN", 60)
        rows = pd.DataFrame(experiment.case_rows(small, 0, FEW))
        assert set(zip(rows["first"], rows["second"], strict=True)) == {
            (notion, what) for notion in NOTIONS for what in (FUNCTIONS, IDLE)
        }
        alone = pd.DataFrame(experiment.case_rows(experiment.Case(two_functions, layers=(1,)), 0, FEW))
    assert set(alone["second"]) == {FUNCTIONS}
    assert alone.set_index("first").loc["weights", "mutual_information"] == pytest.approx(1)


@pytest.mark.parametrize(("kind", "dropout"), SMALL)
def test_a_small_network_is_trained_as_its_name_says_and_all_start_alike(kind: str, dropout: str) -> None:
    network, accuracy, x, y = experiment._trained(f"digits{kind}", dropout == "yes", 0, "unpruned")
    start, untrained, *_ = experiment._trained(f"digits{kind}", dropout == "yes", 0, "untrained")
    plain, *_ = experiment._trained("digits 64-64", False, 0, "unpruned")
    assert [network.width(layer) for layer in (1, 2)] == [64, 64]
    assert accuracy == pytest.approx((network.answers(x) == y).mean())
    assert accuracy > 0.8
    assert untrained is None
    assert (start.answers(x) == y).mean() < 0.5
    same = np.array_equal(network.layers[1].kernel, plain.layers[1].kernel)
    assert same == ((kind, dropout) == (" 64-64", "no"))
    if kind.endswith("l1"):
        assert np.abs(network.layers[0].kernel).sum() < np.abs(plain.layers[0].kernel).sum() / 2


def test_small_networks_are_told_apart_and_do_not_change_what_is_found_in_others() -> None:
    large = made()
    small = [
        made(function=level, weights=level).assign(dataset=f"mnist{kind}", dropout=dropout)
        for level, (kind, dropout) in zip((0.1, 0.3, 0.2), SMALL, strict=True)
    ]
    small = [part[part["stage"] == "pruned"].assign(stage="unpruned") for part in small]
    both = pd.concat([large, *small], ignore_index=True)
    assert is_small(both).sum() == sum(map(len, small))
    assert found(both) == found(large)
    table = of_small(both).set_index("networks")
    assert table["mutual information: two"].tolist() == pytest.approx([0.16, 0.36, 0.26])
    assert table["mutual information: itself"].tolist() == pytest.approx([0.86] * 3)
    assert table["two notions"].str[:4].to_dict() == {
        "MNIST 64-64, no dropout": "0.11",
        "MNIST 64-64, dropout": "0.31",
        "MNIST 64-64 L1, no dropout": "0.21",
    }
    assert (table["n"] == 3).all()


@pytest.mark.parametrize("stage", STAGES)
def test_small_cnns_are_divided_by_their_channels(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path))
    network, accuracy, x, y = experiment._trained_cnn("digits", False, 0, stage, 1)
    start, *_ = experiment._trained_cnn("digits", False, 0, "untrained", 1)
    assert x.shape[1:] == (1, 8, 8)
    assert [network.width(layer) for layer in (1, 2, 3, 4)] == [64, 64, 64, 128]
    same = np.array_equal(network.layers[0].kernel, start.layers[0].kernel)
    assert same == (stage == "untrained")
    assert accuracy is None if same else accuracy == pytest.approx((network.answers(x) == y).mean())
    assert (network.layers[1].kernel == 0).mean() == pytest.approx(0.9 if stage == "pruned" else 0, abs=0.01)
    halves = [
        divided_by_notion(network, x[half], y[half], 3, 0, [*NOTIONS[:7]], FEW) for half in (slice(40), slice(40, 80))
    ]
    rows = pd.DataFrame(experiment.agreement_rows(halves, 3, experiment.activity_groups(network, x)))
    assert rows["layer"].unique().tolist() == [1, 2, 3]
    assert rows["similarity"].between(0, 1).all()


def test_cnns_are_told_with_their_stage() -> None:
    made_up = made().assign(dataset="mnist cnn", dropout="no")
    names = of_small(made_up)["networks"].tolist()
    assert names == ["MNIST small CNN, no dropout, pruned", "MNIST small CNN, untrained"]
    pruned = made_up[made_up["stage"] == "pruned"].assign(dataset="fashion_mnist cnn")
    said = str(channels_in_words(pd.concat([made_up, pruned, made()])))  # 14 pairs with weights, 21 of what units do
    means = "0.38 and 0.86 on Fashion-MNIST (n = 3) and 0.38 and 0.86 on MNIST (n = 3; untrained 0.10)."
    assert said.endswith(f"with itself: {means}")
    assert channels_in_words(made()) is None


def test_notions_of_one_family_are_told_apart_from_one_of_each() -> None:
    pairs = {
        "loss Hessian and lesions": 0.5,
        "output sensitivity and masks": 0.7,
        "images and input sensitivity": 0.4,
        "images and masks": 0.1,
    }
    shares = pd.DataFrame({"dropout": "yes", "notions": list(pairs), "share": list(pairs.values())})
    words = "two notions of what units do to the answers 60%, two notions of what makes them active 40% and one of each"
    assert families_in_words(shares) == f"Means over pairs: with dropout, {words} 10%."


def test_the_statements_measure_what_they_say() -> None:
    rows = made()
    values = {name: metric.measure(rows) for name, metric in FINDINGS.items()}
    assert {name: sample.n for name, sample in values.items()} == dict.fromkeys(FINDINGS, 3)
    assert values["weights_and_function"].mean == pytest.approx(0.21)
    assert values["weights_and_function_learned"].mean == pytest.approx(0.21 - 0.05)
    assert values["function_less_weights"].mean == pytest.approx(0.2)
    assert values["function_learned"].mean == pytest.approx(0.41 - 0.05)
    pairs = len(NOTIONS) * (len(NOTIONS) - 1) / 2
    of_weights = 2 * len(NOTIONS) - 3
    mean = (of_weights * 0.2 + (pairs - of_weights) * 0.4) / pairs
    expected = np.mean([(mean + 0.01 * seed) / (0.8 + 0.01 * seed) for seed in range(3)]) - 0.5
    assert values["half_of_itself"].mean == pytest.approx(expected)
    nothing = rows[rows["stage"] == "unpruned"]
    assert all(metric.measure(nothing) is None for metric in FINDINGS.values())
    assert FINDINGS["function_learned"].measure(rows[rows["stage"] == "pruned"]) is None


@pytest.mark.parametrize(
    ("levels", "answer"),
    [
        ({"function": 0.7, "weights": 0.7}, "Largely: "),
        ({"function": 0.1, "weights": 0.1}, "Only a little on average: "),
        ({"function": -0.03, "weights": -0.03}, "No: "),
        ({"function": 0.02, "weights": 0.02, "n": 2}, "Not clearly: "),
    ],
)
def test_the_answer_follows_the_rows(levels: dict[str, Any], answer: str) -> None:
    assert str(found(made(**levels))[0]).startswith(answer)


def both(**levels: float) -> pd.DataFrame:
    """Rows of networks with dropout, and the same without, whose notions agree half as far."""
    plain = {name: level / 2 for name, level in ({"function": 0.4, "weights": 0.2, "itself": 0.8} | levels).items()}
    return pd.concat([made(**levels), made(**plain).assign(dropout="no")], ignore_index=True)


def test_the_answer_is_told_by_dropout_and_without_weights_beside_weights() -> None:
    rows = both()
    alone = rows["first"].isin(NOTIONS[:2]) & rows["second"].isin(NOTIONS[:2])
    told = str(found(rows)[0])
    assert told == str(found(rows.assign(similarity=rows["similarity"].where(~alone, 0.9)))[0])
    assert told == str(found(rows.assign(mutual_information=rows["mutual_information"].where(~alone, 0.9)))[0])
    pairs = len(FUNCTIONAL) * (len(FUNCTIONAL) - 1) / 2
    mean = (2 * len(FUNCTIONAL) * 0.2 + pairs * 0.4) / (2 * len(FUNCTIONAL) + pairs)
    assert f"of {mean + 0.06:.2f} (" in told
    assert f" with dropout and {mean / 2 + 0.06:.2f} (" in told
    assert "0.86 and 0.46 with itself" in told
    assert told.endswith(f"{mean + 0.01:.2f} and {mean / 2 + 0.01:.2f}, against 0.81 and 0.41.")
    assert str(found(made())[0]).count("n = ") == 1  # of the one condition that is there


def test_conditions_and_what_dropout_adds_are_told_apart() -> None:
    rows = pd.concat([both(), both(function=0.6).assign(dataset="fashion_mnist")])
    table = by_condition(rows).set_index("networks")
    assert table.loc["MNIST, dropout", "equally many: two"] == pytest.approx(0.41)
    assert table.loc["MNIST, no dropout", "equally many: two"] == pytest.approx(0.21)
    assert table.loc["Fashion-MNIST, dropout", "equally many: itself"] == pytest.approx(0.81)
    assert (table["n"] == 3).all()
    apart = table["mutual information: two"] - table["beyond chance: two"]
    assert apart.tolist() == pytest.approx([0.05] * 4)
    added = {"Fashion-MNIST": (14 * 0.1 + 21 * 0.3) / 35, "MNIST": (14 * 0.1 + 21 * 0.2) / 35}
    each = " and ".join(f"{gain:.3f} ({gain:.3f} to {gain:.3f}, n = 3) on {name}" for name, gain in added.items())
    told = gain_in_words(rows)
    assert told.endswith(f"seed by seed: by similarity beyond chance {each}; by mutual information {each}.")


def test_what_function_has_more_than_weights_is_told_by_both_measures() -> None:
    rows = both()
    of_weights = rows["first"].isin(NOTIONS[:2]) & (rows["first"] != rows["second"])
    rows["mutual_information"] += 0.3 * of_weights
    told = weights_beside_function_in_words(rows)
    assert "by similarity beyond chance 0.200 (" in told
    assert "by mutual information \N{MINUS SIGN}0.100 (" in told


def test_pairs_are_measured_by_the_less_reliable_of_the_two() -> None:
    rows = both()
    of_lesions = (rows["first"] == "lesions") & (rows["second"] == "lesions")
    rows.loc[of_lesions & (rows["dropout"] == "yes"), ["similarity", "mutual_information"]] -= 0.2
    table = of_less_reliable(rows).set_index(["dropout", "notions"])
    assert len(table) == 2 * 21
    assert table.loc[("yes", "images and masks"), "share"] == pytest.approx(0.46 / 0.86)
    assert table.loc[("yes", "images and lesions"), "share"] == pytest.approx(0.46 / 0.66)
    assert table.loc[("no", "images and lesions"), "share"] == pytest.approx(0.26 / 0.46)
    assert table.loc[("yes", "images and lesions"), "by similarity"].startswith(f"{0.41 / 0.61:.2f} (")
    unequal = table["by similarity"] == ""
    assert {name for _, name in table.index[~unequal]} == {
        f"{a} and {b}" for a, b in combinations(("covariance", "images", "output sensitivity", "lesions", "masks"), 2)
    }
    assert "21 with dropout and 21 without agree at least half as well" in str(found(rows)[1])
    fewer = rows.assign(mutual_information=rows["mutual_information"].where(rows["first"] == rows["second"], 0.1))
    assert "Of 21 pairs of notions of what units do, 0 with dropout and 0 without" in str(found(fewer)[1])


def test_the_interval_of_a_share_is_that_of_a_ratio_of_means() -> None:
    """Against a bootstrap over networks."""
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal([0.3, 0.6], [[0.0025, 0.0048], [0.0048, 0.01]], size=40)
    rows = pd.concat(
        [
            part.assign(seed=seed, mutual_information=np.where(part["first"] == part["second"], own, pair))
            for seed, (pair, own) in enumerate(draws)
            for part in [made(n=1)[lambda rows: rows["stage"] == "pruned"]]
        ]
    )
    (told,) = of_less_reliable(rows)["in words"].unique()
    taken = rng.integers(len(draws), size=(4000, len(draws)))
    low, high = np.quantile(np.divide(*draws[taken].mean(axis=1).T), (0.05, 0.95))
    found_low, found_high = (float(end) for end in re.findall(r"0\.\d\d", told)[1:])
    assert found_low == pytest.approx(low, abs=0.011)
    assert found_high == pytest.approx(high, abs=0.011)


def of_divisions(divisions: dict[str, np.ndarray]) -> pd.DataFrame:
    """Rows of one layer in which every pair agrees as some divisions do."""
    found = {pair: agreement(*map(divisions.get, pair)) for pair in combinations_with_replacement(divisions, 2)}
    return pd.DataFrame(
        {**COMMON, "stage": "pruned", "seed": 0, "first": first, "second": second, "units": float(one.units)}
        | {name: getattr(one, name) for name in ("similarity", "by_chance", "mutual_information")}
        for (first, second), one in found.items()
    )


def test_nested_divisions_agree_as_rows_that_are_made_so() -> None:
    fine = np.arange(240) % 12
    true = of_divisions(
        {"images": fine, "lesions": (fine + 1) % 12, "input sensitivity": fine % 4, "loss Hessian": fine % 2}
    )
    same = true["first"] == true["second"]
    unknown = as_nested(true.assign(similarity=true["similarity"].where(same, 0.0)))
    assert unknown["similarity"].to_numpy() == pytest.approx(true["similarity"].to_numpy(), abs=0.02)
    noisy = true.assign(similarity=true["by_chance"] + (true["similarity"] - true["by_chance"]) / 2)
    made_so = as_nested(noisy.assign(similarity=noisy["similarity"].where(same, 0.0)))
    assert made_so["similarity"].to_numpy() == pytest.approx(noisy["similarity"].to_numpy(), abs=0.02)
    told = nested_in_words(pd.concat([true, noisy.assign(seed=1)]))
    assert re.fullmatch(r".*: (0\.\d\d) as measured and \1 if nested on MNIST\.", told)


def test_rows_in_which_two_agree_as_one_with_itself() -> None:
    rows = as_with_itself(both())
    beyond = rows["similarity"] - rows["by_chance"]
    own = rows["first"] == rows["second"]
    assert beyond[~own].groupby([rows["stage"], rows["dropout"], rows["seed"]]).nunique().eq(1).all()
    assert beyond[~own].mean() == pytest.approx(beyond[own].mean())
    assert FINDINGS["half_of_itself"].measure(rows).mean == pytest.approx(0.5)
    cases = known({IDLE: {"weights"}})
    pd.testing.assert_frame_equal(as_with_itself(cases), cases)
    pd.testing.assert_frame_equal(as_nested(cases), cases)


def test_what_is_said_of_weights_and_of_known_modules_follows_the_rows() -> None:
    assert found(made().iloc[:0]) == (None, None, None)
    _, weights, nothing = found(pd.concat([made(), made(weights=0.5).assign(dropout="no")]))
    assert "mutual information with clusters of weights is 0.26 (" in str(weights)
    assert "and 0.56 (" in str(weights)
    assert nothing is None
    pairs = made()
    pairs.loc[(pairs["first"] == "images") & (pairs["second"] == "lesions"), "mutual_information"] += 0.1
    assert "most images and lesions (65%)" in str(found(pairs)[1])
    others = set(NOTIONS) - {"weights", "weights within layers"}
    sees = {"two functions in turn": set(NOTIONS) - {"covariance"}, IDLE: {"weights"}}
    told = str(found(known(sees | {"rotated functions": others - {"covariance"}}))[2])
    assert "8 of 9 notions find two functions" in told
    # not covariance, which misses what is not rotated as well
    assert "rotated, of these miss them: weights and weights within layers." in told
    assert told.endswith("do nothing: weights.")


def test_a_notion_that_is_led_astray_in_one_layer_is_so() -> None:
    rows = known({IDLE: {"weights"}})
    first = (rows["first"] == "input sensitivity") & (rows["layer"] == 1)
    rows["mutual_information"] += 0.6 * first
    assert found_by(finds(rows, IDLE, IDLE)) == ["weights"]
    assert layers_of(rows, IDLE, IDLE) == {"weights": ["1", "2", "3"], "input sensitivity": ["1"]}
    seen = {"two functions in turn": set(NOTIONS), "rotated functions": set(NOTIONS)}
    assert str(found(pd.concat([known(seen), rows]))[2]).endswith(
        "do nothing: weights and input sensitivity (layer 1)."
    )


def test_a_notion_finds_what_all_of_its_interval_says() -> None:
    samples = finds(known({"rotated functions": {"images"}}), "rotated functions")
    assert list(samples) == list(NOTIONS)
    assert found_by(samples) == ["images"]
    assert found_by(finds(known({"rotated functions": {"images"}}, n=1), "rotated functions")) == []


def test_layers_are_compared_with_both_nulls() -> None:
    rows = pd.concat([made(), made(weights=0.4).assign(layer=2)])
    table = by_layer(rows, "weights").set_index("second")
    assert list(table.index) == list(NOTIONS[1:])
    assert table.loc["masks", ["layer 1", "layer 2"]].tolist() == pytest.approx([0.21, 0.41])
    assert table.loc["masks", "all layers"].startswith("0.31 (")
    assert table.loc["masks", "minus untrained ones"].startswith("0.26 (")


def ranked(n: int = 8) -> pd.DataFrame:
    """Rows of n networks of all tables, of which the first are the most modular by every notion, n-cut and overlap."""
    own = made(n=n)
    own["q"] = own["q"].where(own["q"].isna(), -own["seed"] / 10)
    own["mask_overlap"] = (own["seed"] / 10).where((own["first"] == "masks") & (own["second"] == "masks"))
    key = {"profile": "paper", "dataset": "mnist", "dropout": "yes"}
    tables = {
        "layer": "dropout",
        "layer-nonzero": "topology-shuffles",
        "degree": "null-models",
        "strength": "null-models",
    }
    cuts = pd.DataFrame(
        {**key, "table": table, "stage": stage, "null": null, "k": k, "seed": seed, "z": float(seed) * sign}
        for null, table in tables.items()
        for k in (4, experiment.K)
        for seed in range(n)
        for stage, sign in (("pruned", 1 if k == 4 or null != "degree" else -1), ("unpruned", 0))
    )
    kinds = pd.DataFrame(
        {**key, "table": "importance", "network": network, "measure": measure, "k": k, "biases": biases, "seed": seed}
        | {"kind": "important" if (cluster < seed) == (biases == "zero") else "other"}
        for seed in range(n)
        for cluster in range(n)
        for network, measure, k, biases in (
            ("mlp", "accuracy-change", 8, "zero"),
            ("mlp", "accuracy-change", 8, "kept"),
            ("cnn", "accuracy-change", 12, "zero"),
        )
    )
    images = pd.DataFrame(
        {**key, "table": "coherence", "network": network, "measure": measure, "k": 12, "seed": seed} | {"p_ties_for": p}
        for seed in range(n - 4)
        for network, measure, p in (
            ("mlp", "visualization-score", seed / 10),
            ("mlp untrained", "visualization-score", 0.5),
            ("mlp", "softmax-entropy", 1 - seed / 10),
        )
    )
    return pd.concat([own, cuts, kinds, images], ignore_index=True)


def test_ranks_over_networks_are_those_of_how_modular_each_is_by_every_notion() -> None:
    table = modularities(ranked())
    assert table["n-cut, layer, k = 12"].tolist() == [-float(seed) for seed in range(8)]
    assert table["n-cut, degree, k = 12"].tolist() == list(range(8))
    assert table["importance"].tolist() == pytest.approx([seed / 8 for seed in range(8)])
    assert table["coherence"].dropna().tolist() == pytest.approx([1, 0.9, 0.8, 0.7])
    lines = rank_correlations(table).set_index("notion")
    assert "coherence" not in lines.index  # of too few networks
    assert lines.loc["masks", "rho"] == pytest.approx(1)
    assert lines.loc["importance", "rho"] == pytest.approx(-1)
    assert lines.loc["overlap of masks", "rho"] == pytest.approx(-1)
    assert (lines["networks"] == 8).all()


def test_every_null_model_is_set_beside_every_kind_of_modularity() -> None:
    table = modularities(ranked())
    numbers = within_by_null(table)
    assert set(numbers["notion"]) == {"Q of all notions", "importance", "overlap of masks"}
    within = numbers.set_index(["null", "k", "notion"])["within"].sort_index()
    assert len(within) == 7 * 3
    assert within[("degree", 12, "Q of all notions")] == pytest.approx(-1)
    assert within.drop(("degree", 12)).xs("Q of all notions", level="notion").tolist() == pytest.approx([1] * 6)
    told = by_null(numbers).set_index(["null", "k"])
    assert told.loc[("layer-nonzero", 4), "overlap of masks"].startswith("\N{MINUS SIGN}1.00 (")
    assert told.loc[("strength", 12), "importance"].endswith("n = 8)")
    words = joined_in_words(table, numbers)
    assert words.startswith("21 of 21 intervals leave out 0")
    assert words.endswith("Coherence: 4 of MNIST, dropout. Overlap of masks: 8 of MNIST, dropout.")
    unmeasured = modularities(ranked().assign(mask_overlap=np.nan))
    assert joined_in_words(unmeasured, numbers).endswith("Overlap of masks: none yet.")


def test_untrained_networks_that_start_from_the_same_weights_count_once() -> None:
    rows = pd.DataFrame(
        [
            ("a", "yes", 0, "untrained"),
            ("a", "no", 0, "untrained"),
            ("a", "yes", 1, "untrained"),
            ("a", "yes", 0, "pruned"),
        ],
        columns=["dataset", "dropout", "seed", "stage"],
    )
    assert started_once(rows).index.tolist() == [1, 2, 3]


def test_conditions_that_differ_in_two_notions_make_no_correlation_within_them() -> None:
    """Simpson's paradox: dropout raises both, and of networks with dropout the one says nothing of the other."""
    rng = np.random.default_rng(0)
    both = [
        {"dataset": "mnist", "dropout": dropout, "seed": seed, "n-cut": level + a, "input sensitivity": level + b}
        for dropout, level in (("yes", 10.0), ("no", 0.0))
        for seed, (a, b) in enumerate(rng.normal(size=(30, 2)))
    ]
    (line,) = rank_correlations(pd.DataFrame(both), "n-cut").to_dict("records")
    assert line["low"] > 0.6
    assert line["within_low"] < 0 < line["within_high"]
    within = interval_of_rank_correlation(line["within"], 59)  # of sixty networks, less a mean
    assert (line["within_low"], line["within_high"]) == pytest.approx(within)
    alike = pd.DataFrame(both)
    alike["input sensitivity"] = 100 * (alike["dropout"] == "yes") - alike["n-cut"]
    (line,) = rank_correlations(alike, "n-cut").to_dict("records")
    assert line["low"] > 0
    assert line["within"] == pytest.approx(-1)
    few = pd.DataFrame(both).query("seed < 3")
    assert rank_correlations(few, "n-cut")["within"].isna().all()


def test_the_matrix_is_symmetric_and_has_every_notion() -> None:
    shown = {"a": made()[lambda rows: rows["stage"] == "pruned"], "b": made(n=1)}
    figure = figures.notion_matrices(shown)
    titles = [f"{name}: {words}" for name in shown for words in ("beyond chance", "mutual information")]
    assert [ax.get_title() for ax in figure.axes] == titles
    beyond, information = (ax.images[0].get_array() for ax in figure.axes[:2])
    assert np.allclose(beyond, beyond.T)
    assert beyond[0, 0] == pytest.approx(0.81)
    assert np.allclose(information, beyond + 0.05)
    pruned = {"a": shown["a"]}
    mean = (14 * 0.2 + 21 * 0.4) / 35
    told = f"none. a: {mean + 0.01:.2f} (0.81) beyond chance and {mean + 0.06:.2f} (0.86) mutual information."
    assert figures.matrices_in_words(pruned).endswith(told)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == list(NOTIONS)
    assert len(figures.what_is_found(pd.DataFrame({"a": [0.5, -0.1]}, index=["x", "y"]).T).axes[0].texts) == 2
    plt.close("all")


def test_numbers_lose_the_zero_that_their_field_has_no_room_for() -> None:
    shown = figures.what_is_found(pd.DataFrame([[0.5, -0.1, -0.004, 0.998, 1.0]])).axes[0].texts
    assert [text.get_text() for text in shown] == [".50", "\N{MINUS SIGN}.10", ".00", "1.00", "1.00"]
    plt.close("all")


def test_equal_divisions_have_equal_shades_whatever_the_names_of_their_modules() -> None:
    labels = np.array([0, 1, 1, 2, 0, -1])
    renamed = np.array([2, 0, 0, 1, 2, -1])
    figure = figures.colourings({"a": [labels, labels], "b": [renamed, labels]}, by="a")
    first, second = (ax.images[0].get_array() for ax in figure.axes)
    assert first[0].tolist() == second[0].tolist() == [None, 0, 0, 1, 1, 2]
    plt.close("all")


def test_a_network_is_drawn_once_for_a_notion_of_each_paper_with_its_strongest_weights() -> None:
    kernels = list(random_weights((5, 4, 4, 3), 0))
    kernels[0][2, 3], kernels[2][1, 0] = -50.0, 50.0
    labels = {notion: [np.array([1, 0, 1, -1]), np.array([0, 0, 1, 1])] for notion in figures.ALIKE}
    labels["masks"] = [np.array([0, 1, 0, -1]), np.array([0, 1, 0, 1])]
    figure = figures.drawn(kernels, labels, by="weights")
    assert [ax.get_title(loc="left").partition(":")[0] for ax in figure.axes] == list(figures.ALIKE)
    for ax in figure.axes:
        lines, *layers = ax.collections
        assert [len(dots.get_offsets()) for dots in layers] == [5, 4, 4, 3]
        drawn = {tuple(np.round(line.ravel(), 3)) for line in lines.get_segments()}
        assert len(drawn) == 10 + 8 + 8
        (to,) = [dots[3, 0] for dots in [layers[1].get_offsets()]]
        assert (0.5, 0.0, round(float(to), 3), 1.0) in drawn
    first = figure.axes[0].collections[2].get_offsets()[:, 0]
    assert first.argsort().tolist() == [3, 1, 0, 2]  # in the order of weights, in every drawing
    of_weights, of_masks = (figure.axes[place].collections[2].get_facecolors() for place in (0, 4))
    assert np.allclose(of_weights, of_masks)  # equal divisions under other names
    assert np.allclose(of_masks[3], 1)
    assert not np.allclose(of_weights[0], of_weights[1])
    plt.close("all")


def test_a_sweep_is_a_line_a_search_over_the_numbers_of_modules() -> None:
    points = [SweepPoint(k, float(k), 0.9 if k == 4 else 0.6, 0.4) for k in range(2, 7)]
    (ax,) = figures.sweeps({"cut": points, "Leiden": points[:2]}).axes
    assert [len(line.get_xdata()) for line in ax.lines] == [5, 2]
    first = ax.lines[0]
    assert first.get_xdata()[first.get_ydata().argmax()] == 4
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cut", "Leiden"]
    told = figures.sweeps_in_words({"cut": points, "Leiden": points[:2]})
    assert told == "Found again most surely are 4 (cut; 0.50 beyond chance) and 2 (Leiden; 0.20 beyond chance) modules."
