"""Chapter ``upstream-downstream``.

The grid of the chapter is that of the paper's table S1, and a cell gives the same rows every time. Sentences of the
upstream/downstream paper, judged on rows in which they are true by construction, or false.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import write_table

from modlib.chapters.upstream_downstream import findings
from modlib.chapters.upstream_downstream.experiment import CELL_KEY, PLANS, ROW_KEY, TOLERANCE, cells, measure
from modlib.chapters.upstream_downstream.figures import at_largest_good, blocks_in_words, networks_by_strength, percent
from modlib.chapters.upstream_downstream.findings import (
    FINDINGS,
    LAYER,
    agreement,
    effect,
    kinds_of_pairs,
    largest_good,
    per_layer,
)
from modlib.communities.similarity import MEASURES, UPSTREAM
from modlib.evidence.criteria import Grade
from modlib.evidence.papers import paper_values
from modlib.verdicts import claims, sentences

# --- its grid and rows

EXPERIMENTS = {"64-64": "experiment-1", "256-256": "experiment-2", "64-64-64-64-64": "experiment-3"}


def test_the_grid_is_that_of_table_s1():
    values = paper_values("upstream-downstream")
    table = values[values["item"] == "table-s1"].set_index(["row", "metric"])["value"]
    plans = PLANS["paper"].architectures
    assert set(plans) == set(EXPERIMENTS)
    for hidden, experiment in EXPERIMENTS.items():
        assert table[experiment, "hidden_widths"] == hidden
        assert int(table[experiment, "seeds_per_hyperparameter"]) == plans[hidden].seeds
        for sweep, strengths in plans[hidden].strengths.items():
            row = f"{experiment}-{sweep}"
            assert len(strengths) == int(table[row, "sweep_n_values"])
            assert len(strengths) * plans[hidden].seeds == int(table[row, "n_models_derived"])
            ends = ("min", "max") if sweep == "dropout" else ("log10_min", "log10_max")
            found = [float(table[row, f"sweep_{end}"]) for end in ends]
            expected = found if sweep == "dropout" else [10**value for value in found]
            assert [strengths[0], strengths[-1]] == pytest.approx(expected)
            steps = np.diff(strengths if sweep == "dropout" else np.log10(strengths))
            assert steps == pytest.approx(steps[0], rel=0.01)
    grid = pd.DataFrame(cells("paper"))
    assert not grid.duplicated(list(CELL_KEY)).any()
    assert (grid[grid["sweep"] == "untrained"].groupby("hidden").size() == 100).all()


def test_the_axis_of_figure_3():
    assert [percent("l2", value) for value in (1e-5, 1e-1)] == pytest.approx([0, 100])
    assert [percent("l1", value) for value in (1e-5, 1e-2)] == pytest.approx([0, 100])
    assert percent("dropout", 0.3) == pytest.approx(30)


def test_a_cell_gives_the_same_rows_every_time():
    cell = cells("smoke")[0]
    rows = measure(cell)
    assert rows == measure(cell)
    strengths = PLANS["smoke"].architectures[cell["hidden"]].strengths[cell["sweep"]]
    keys = {tuple(row[column] for column in ROW_KEY) for row in rows}
    assert keys == {(s, layer, name) for s in strengths for layer in (1, 2) for name in MEASURES}
    for row in rows:
        assert set(row) - set(ROW_KEY) == set(TOLERANCE)
        assert row["q"] >= row["q_start"]
        likeness = np.array(row["element_similarity"].split(), dtype=float)
        assert likeness[MEASURES.index(row["measure"])] == 1
        assert len(row["labels"].split()) == 16
        transfer = np.array(row["transferability"].split(), dtype=float)
        assert transfer[MEASURES.index(row["measure"])] == pytest.approx(row["q"], abs=2e-4)
    assert len({row["test_accuracy"] for row in rows}) == len(strengths)


# --- what its rows say

CLAIMS = [claim for claim in claims.load() if claim.paper == "upstream-downstream"]
# Q at full strength less Q at none, upstream in the first layer; all other numbers of a row follow from it
TRUE = {"dropout": 0.3, "l2": 0.05, "l1": 0.06}


def table(effects: dict[str, float], paper_is_right: bool = True) -> pd.DataFrame:
    """Rows of the paper's grid, with fewer untrained networks; the strongest L2 spoils the accuracy."""
    rng = np.random.default_rng(0)
    kinds, sign = kinds_of_pairs(), 1 if paper_is_right else -1
    across = {frozenset(pair) for pair in kinds["across"]}
    rows = []
    for cell in cells("paper"):
        if cell["sweep"] == "untrained" and cell["seed"] >= 10:
            continue
        depth = len(cell["hidden"].split("-"))
        scale = {"64-64": 1.0, "256-256": 0.6, "64-64-64-64-64": 2.0}[cell["hidden"]]
        strengths = PLANS["paper"].architectures[cell["hidden"]].strengths.get(cell["sweep"], (0.0,))
        for rank, strength in enumerate(strengths):
            share = rank / max(len(strengths) - 1, 1) if cell["sweep"] != "dropout" else (rank + 1) / len(strengths)
            trained = cell["sweep"] != "untrained"
            if cell["sweep"] == "l2":  # the last one fails
                share = min(1.0, rank / (len(strengths) - 2))
            for layer in range(1, depth + 1):
                for name in MEASURES:
                    upstream = name in UPSTREAM
                    favoured = upstream ^ ((cell["sweep"], cell["hidden"]) == ("l1", "256-256"))
                    side = 1.2 - 0.2 * layer if favoured else 0.05 + 0.1 * layer if depth > 2 else 0.2 / layer
                    q = (
                        0.2
                        + 0.01 * layer
                        + scale * effects.get(cell["sweep"], 0.0) * share * side
                        + 0.003 * rng.normal()
                    )
                    likeness = []
                    for other in MEASURES:
                        pair = frozenset((name, other))
                        value = 0.5 + 0.2 * sign * (-1 if pair in across else 1)
                        if other == name:
                            value = 1.0
                        elif other.removeprefix("normalised ") == name.removeprefix("normalised "):
                            value += 0.05 * sign - (0 if upstream else 0.1 * share * sign)
                        elif pair not in across:
                            value -= 0.05 * sign
                        else:
                            plain = not (name if not upstream else other).startswith("normalised")
                            value += (0.05 if plain else 0) * share * sign
                        if pair <= set(UPSTREAM) and other != name:
                            value += sign * ((0.1 * share) if trained else -0.15)
                        if pair in across and not trained:
                            value -= 0.1 * sign
                        likeness.append(value + 0.01 * rng.normal())
                    rows.append(
                        {
                            **cell,
                            "strength": strength,
                            "layer": layer,
                            "measure": name,
                            "test_accuracy": 0.3 if cell["sweep"] == "l2" and rank == len(strengths) - 1 else 0.95,
                            "sparsity": 0.1 + (0.1 * share if cell["sweep"] in ("l1", "l2") else 0),
                            "q_start": q - 0.01 * sign,
                            "q_from_one": q - 0.02 * sign + 0.003 * rng.normal(),
                            "q": q,
                            "effective_number": (3.5 if paper_is_right else 8) + 0.1 * upstream * share,
                            "element_similarity": " ".join(f"{value:.4f}" for value in likeness),
                            "transferability": " ".join(f"{value:.4f}" for value in likeness),
                            "labels": " ".join(["0", "0", "1", "1", "2", "2"] if upstream else ["0", "1", "2"] * 2),
                        }
                    )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Callable[[bool], dict[str, Grade]]:
    def judge(paper_is_right: bool) -> dict[str, Grade]:
        folder = tmp_path_factory.mktemp("results")
        effects = TRUE if paper_is_right else {"dropout": -0.1, "l2": -0.02, "l1": -0.3}
        write_table("upstream-downstream", table(effects, paper_is_right), folder)
        return {claim.id: claims.judge(claim, folder).verdict for claim in CLAIMS}

    return judge


def test_every_finding_decides_a_claim_and_a_plot_of_words_has_a_criterion():
    used = {metric for claim in CLAIMS for metric in claim.criteria}
    assert used == set(FINDINGS)
    assert len(CLAIMS) >= 25


def test_sentences_that_are_true_are_reproduced(judged):
    short = {name: str(grade) for name, grade in judged(True).items() if grade is not Grade.REPRODUCED}
    assert not short


def test_sentences_that_are_false_are_not(judged):
    grades = judged(False)
    # not made false by these rows
    kept = {f"ud-{name}" for name in ("text-4.1-accuracy", "figure-S9-depth-untrained", "text-4.4-indices")}
    kept.add("ud-figure-3-measures-differ")
    right = {name for name, grade in grades.items() if grade is Grade.REPRODUCED} - kept
    assert not right


def test_without_rows_nothing_is_tested(tmp_path: Path):
    assert {claims.judge(claim, tmp_path).verdict for claim in CLAIMS} == {Grade.NOT_TESTED}


def test_the_largest_good_strength_needs_half_of_the_seeds():
    rows = pd.DataFrame(
        [("l1", s, seed, acc) for s, accs in ((0.1, (0.9, 0.9)), (0.2, (0.9, 0.5)), (0.3, (0.5, 0.5)))
         for seed, acc in enumerate(accs)],
        columns=["sweep", "strength", "seed", "test_accuracy"],
    )  # fmt: skip
    assert largest_good(rows, "l1") == 0.2
    assert np.isnan(largest_good(rows, "l2"))


def test_an_effect_is_the_difference_from_the_baseline_of_the_same_seed():
    rows = pd.DataFrame(
        [
            ("64-64", sweep, strength, seed, layer, measure, 0.95, q + 10 * seed + layer)
            for sweep, strength, q in (("l2", 1e-5, 0.0), ("dropout", 0.1, 1.0), ("dropout", 0.2, 3.0))
            for seed in range(3)
            for layer in (1, 2)
            for measure in MEASURES
        ],
        columns=[*LAYER, "measure", "test_accuracy", "q"],
    )
    found = effect(rows, per_layer(rows, "q"), "dropout", "64-64")
    assert found.tolist() == pytest.approx([3, 3, 3])
    failing = rows["strength"].eq(0.2) & rows["seed"].isin([1, 2])
    rows.loc[failing, "test_accuracy"] = 0.5
    found = effect(rows, per_layer(rows, "q"), "dropout", "64-64")
    assert found.tolist() == pytest.approx([1, 1, 1])


def test_agreement_takes_the_numbers_of_its_pairs():
    row = dict(zip(LAYER, ("64-64", "l2", 1e-5, 0, 1), strict=True))
    numbers = np.arange(64).reshape(8, 8)
    texts = [" ".join(map(str, line)) for line in numbers]
    rows = pd.DataFrame({"measure": MEASURES, "element_similarity": texts}).assign(**row)
    for kind, pairs in kinds_of_pairs().items():
        expected = np.mean([numbers[MEASURES.index(a), MEASURES.index(b)] for a, b in pairs])
        assert agreement(rows, kind).tolist() == pytest.approx([expected]), kind
    assert sum(len(kinds_of_pairs()[kind]) for kind in ("within", "across")) == 28
    assert findings.accepted(rows.assign(test_accuracy=0.79)).empty


def test_fewer_than_two_and_more_than_six_communities_are_not_between():
    row = dict(zip(findings.TRAINED, ("64-64", "l2", 1e-5, 0), strict=False))
    rows = pd.DataFrame({"effective_number": [1.5, 2.0, 6.0, 6.5]}).assign(**row, test_accuracy=0.9)
    assert FINDINGS["number_two_to_six"].measure(rows).values == (0.5,)


def test_blocks_are_told_by_their_name():
    """Every kind of pair has a number of its own."""
    row = dict(zip(LAYER, ("64-64", "l2", 1e-5, 0, 1), strict=True))
    up = np.array([name in UPSTREAM for name in MEASURES])
    numbers = np.where(up[:, None] & up, 0.7, np.where(up[:, None] | up, 0.2, 0.4))
    texts = [" ".join(map(str, line)) for line in numbers]
    rows = pd.DataFrame({"measure": MEASURES, "element_similarity": texts, "test_accuracy": 0.9}).assign(**row)
    assert blocks_in_words(rows) == (
        "Two upstream similarities reach 0.70 on average, two downstream ones 0.40, and one of each 0.20, over all "
        "trained networks."
    )


def test_a_line_joins_means_of_seeds_with_their_standard_errors():
    rows = pd.DataFrame({"sweep": "l2", "strength": 1e-5, "seed": range(3), "sparsity": [1.0, 2.0, 6.0]})
    figure = networks_by_strength(rows, {"sparsity": "sparsity"})
    (line, _, (bars,)) = figure.axes[0].containers[0]
    assert line.get_ydata().tolist() == [3]
    assert np.ptp(bars.get_segments()[0][:, 1]) == pytest.approx(2 * rows["sparsity"].sem())


def test_a_network_that_fails_at_the_largest_good_strength_does_not_count():
    rows = pd.DataFrame({"sweep": "l2", "strength": 1e-5, "seed": range(3), "test_accuracy": [0.9, 0.9, 0.3]})
    assert at_largest_good(rows.assign(q=[1.0, 3.0, 50.0]), "q")["L2"] == 2


def test_kinds_of_pairs_are_compared_where_half_of_the_seeds_are_accurate():
    more = table(TRUE)
    more = more[(more["hidden"] == "64-64") & (more["sweep"] == "dropout")]
    strongest = more["strength"] == more["strength"].max()
    more.loc[strongest & (more["seed"] > 0), "test_accuracy"] = 0.5  # one seed in nine is left
    measure = FINDINGS["within_over_across"].measure
    assert measure(more).n == 9
    assert measure(more) == measure(more[~strongest])


@pytest.mark.parametrize(
    ("effects", "right", "first", "verb"),
    [
        ({"dropout": 0.3, "l2": 0.1, "l1": 0.1}, True, "Only in part: ", "dropout raises Q"),
        ({"dropout": -0.3, "l2": 0.2, "l1": -0.1}, False, "Yes: ", "dropout lowers Q"),
    ],
)
def test_what_is_said_of_groups_turns_round_with_the_rows(tmp_path: Path, effects, right: bool, first: str, verb: str):
    write_table("upstream-downstream", table(effects, right), tmp_path)
    agree, of_q, most = sentences("upstream-downstream", tmp_path)
    assert agree.startswith(first)
    assert verb in of_q
    assert most == f"Of the three, {'dropout' if right else 'L2'} does most for Q in 3 of 3 architectures."
