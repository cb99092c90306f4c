"""Coverage of the papers' tables, and verdicts on made-up results."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evil import EVIL, Page
from made_up import write_table
from scipy.stats import norm

from modlib.chapters import NAMES, find_experiment, findings
from modlib.chapters.clusterability.findings import FINDINGS
from modlib.errors import BookError, ResultsError
from modlib.evidence import papers
from modlib.evidence.criteria import Grade, Sample
from modlib.files import checkout
from modlib.verdicts import cards, claims

BOOK = checkout() / "book"

REPRODUCED, PARTLY, NOT = Grade.REPRODUCED, Grade.PARTLY, Grade.NOT_REPRODUCED
NOT_TESTED, NO_VALUE = Grade.NOT_TESTED, Grade.NO_VALUE
ALL_ROWS = {
    "pruned-modular": ["table-1", "table-2", "table-3", "table-4", *(f"table-A.{i}" for i in range(1, 18))],
    "clusterability": [f"table-A.{i}" for i in range(1, 22)],
    "clusterability-released": ["released-clust-grad"],
}
TEXT = {
    "pruned-modular": ["text-1", "text-3", "text-3.1", "text-3.2", "text-A.3"],
    "clusterability": ["text-2", "text-2.1", "text-3", "text-A.3", "text-A.5", "text-A.7"],
    "clusterability-released": [],
}


def test_tests_of_sub_clusters_are_combined_network_by_network():
    from modlib.stats import fisher_combined

    grids = [np.array([0.1, 0.1, 0.2]), np.array([0.1, 0.2, 0.1]), np.array([1.0, 0.9, 0.5])]
    rows = pd.DataFrame(
        [{"seed": seed, "p_ties_for": p, "n_random": 9} for seed, grid in enumerate(grids) for p in grid]
    )
    metric = findings()["fisher_p"]
    found = metric.measure(rows)
    assert found.n == 3
    assert found.mean == pytest.approx(fisher_combined(grids[0], 9))
    assert metric.text(Sample(3.2e-8, 5)) == "3.2e-08"
    assert metric.text(found) == f"{found.mean:.3f}"
    assert metric.measure(rows.head(0)) is None


def test_what_a_paper_prints_is_the_callers_to_change() -> None:
    values = papers.paper_values("pruned-modular")
    values["item"] = "another"
    assert "another" not in set(papers.paper_values("pruned-modular")["item"])


def wanted(paper: str) -> pd.DataFrame:
    """Every number of the tables in scope, and the measurable ones of the text."""
    values = papers.paper_values(paper)
    in_tables = values["item"].isin(ALL_ROWS[paper]) & ~values["row"].str.startswith(
        "caption"
    )  # captions hold settings
    if paper.endswith("-released"):  # more than the paper prints of its networks
        in_tables &= values["metric"].isin(list(FINDINGS))
    in_text = values["item"].isin(TEXT[paper]) & values["metric"].isin(list(findings()))
    untrained = (
        values["row"].str.endswith("random-init")
        & values["metric"].str.startswith("ncut")
        & values["item"].isin(["text-2", "text-3"])
    )
    return values[in_tables | in_text | untrained]


@pytest.mark.parametrize("paper", list(ALL_ROWS))
def test_every_printed_number_belongs_to_exactly_one_claim(paper):
    values = papers.paper_values(paper)
    covered = Counter(
        index
        for claim in claims.load()
        if claim.paper == paper and claim.row
        for index in papers.rows_at(values, papers.Place(claim.item, claim.row, claim.rows), list(claim.criteria)).index
    )
    assert set(covered.values()) == {1}
    missing = values.loc[sorted(set(wanted(paper).index) - set(covered)), ["item", "row", "metric"]]
    assert missing.empty, missing.to_string()
    assert set(covered) == set(wanted(paper).index)


def test_a_claim_in_words_may_name_the_row_of_the_numbers_that_it_puts_into_words():
    of_text = {claim.id: claim for claim in claims.load() if claim.item == "text-intro"}
    assert {name: claim.row for name, claim in of_text.items()} == {
        "cl-text-intro-imagenet-99-of-100": "imagenet",
        "cl-text-intro-vgg-50-of-50": "vgg-cifar-10",
    }
    assert all(claim.in_words for claim in of_text.values())
    assert {printed.text for claim in of_text.values() for printed in claim.printed.values()} == {"in words"}
    printed = papers.paper_values("clusterability")
    held = [
        papers.rows_at(printed, papers.Place(claim.item, claim.row, claim.rows), claim.paper_metrics)["value"].tolist()
        for claim in of_text.values()
    ]
    assert sorted(held) == [["50"], ["99"]]


def test_every_claim_asks_for_networks_that_the_paper_grid_holds():
    # CIFAR-10 is measured at k = 4 and 12; the claims about other k stay untested and say so. So do those about VGGs,
    # which no processor trains.
    for claim in claims.load():
        if claim.rows.get("network", "").startswith("vgg"):
            continue
        wanted_cell = {
            column: claim.rows[column]
            for column in find_experiment(claim.tables[0]).network_key
            if column in claim.rows
        }
        planned = [cell for name in claim.tables for cell in find_experiment(name).cells("paper")]
        as_text = [{column: str(value) for column, value in cell.items()} for cell in planned]
        assert any(wanted_cell.items() <= cell.items() for cell in as_text), claim.id


def test_chapters_show_their_own_claims():
    chapters = {claim.chapter for claim in claims.load()}
    assert chapters == {*NAMES}
    ids = set(cards.table("dropout", folder=Path("nowhere"))["id"])
    assert {"pm-table-1-mnist-dropout", "cl-table-A.5-dropout-pruned", "pm-text-3.1-mnist"} <= ids
    assert "pm-table-1-mnist" not in ids


# Made-up results.


def network(seed: int, table: str = "dropout", shift: float = 0.0, **changed: object) -> dict[str, object]:
    """A row like table 1, MNIST with dropout, prints: 1.840 ± 0.015 against shuffles of 2.039 ± 0.019."""
    draws = 2.039 + 0.019 * norm.ppf((np.arange(320) + 0.5) / 320)
    ncut = 1.840 + shift + 0.015 * (-1) ** seed
    row = {
        "profile": "paper",
        "dataset": "mnist",
        "dropout": "yes",
        "seed": seed,
        "stage": "pruned",
        "null": "layer",
        "k": 4,
        "n_shuffles": 320,
        "ncut": ncut,
        "shuffled_mean": draws.mean(),
        "shuffled_sd": draws.std(ddof=1),
        "p": (np.count_nonzero(draws <= ncut) + 1) / 321,
        "z": (ncut - draws.mean()) / draws.std(ddof=1),
        "sparsity": 0.9,
        "n_live": 1500,
        "train_accuracy": 0.99,
        "fit_accuracy": 0.967,
        "test_accuracy": 0.979,
        "shuffled": " ".join(f"{value:.4f}" for value in draws),
    }
    return row | changed


def write(folder: Path, table: str, rows: list[dict[str, object]]) -> None:
    write_table(table, pd.DataFrame(rows), folder)


def verdict(id_: str, folder: Path) -> claims.Verdict:
    return claims.judge(next(claim for claim in claims.load() if claim.id == id_), folder)


def test_results_equal_to_the_paper_reproduce_it(tmp_path):
    write(tmp_path, "dropout", [network(seed) for seed in range(10)])
    found = verdict("pm-table-1-mnist-dropout", tmp_path)
    assert found.verdict is REPRODUCED
    assert found.explanation == ""
    assert (found.theirs, found.ours, found.n) == ("-0.199", "-0.199 ± 0.016", "10")
    shuffles = next(detail for detail in found.details if detail.metric == "dist_ncut")
    assert shuffles.ours == "2.039 ± 0.019"
    assert not found.reduced


def test_results_far_from_the_paper_do_not(tmp_path):
    far = {"fit_accuracy": 0.5, "test_accuracy": 0.5, "shuffled_mean": 2.5, "p": 1.0}
    write(tmp_path, "dropout", [network(seed, shift=1.0, **far) for seed in range(10)])
    found = verdict("pm-table-1-mnist-dropout", tmp_path)
    assert found.verdict is NOT
    assert "n-cut not reproduced: differs by +1" in found.explanation
    shown = cards.show("dropout", tmp_path).data
    assert "✘ not reproduced" in shown
    assert "✔" not in shown


def test_one_number_that_differs_makes_it_partly(tmp_path):
    write(tmp_path, "dropout", [network(seed, test_accuracy=0.9) for seed in range(10)])
    found = verdict("pm-table-1-mnist-dropout", tmp_path)
    assert found.verdict is PARTLY
    assert found.explanation.startswith("test accuracy not reproduced")


@pytest.mark.parametrize("profile", ["quick", "smoke"])
def test_rows_of_a_reduced_profile_do_not_count(tmp_path, profile):
    write(tmp_path, "dropout", [network(seed, profile=profile) for seed in range(10)])
    found = verdict("pm-table-1-mnist-dropout", tmp_path)
    assert found.verdict is NOT_TESTED
    assert found.ours == "–"
    assert "no rows at the paper's scale for" in found.explanation


def test_no_table_yet_means_not_tested_and_a_damaged_one_is_an_error(tmp_path):
    counts = cards.scorecard(tmp_path)
    assert counts.to_numpy().sum() == len(claims.load())
    assert counts[str(REPRODUCED)].sum() == 0
    (tmp_path / "dropout.csv").write_text("profile,dataset\npaper")
    with pytest.raises(ResultsError):
        verdict("pm-table-1-mnist-dropout", tmp_path)


def test_fewer_networks_than_the_paper_are_labelled(tmp_path):
    write(tmp_path, "dropout", [network(seed) for seed in range(2)])
    found = verdict("pm-table-1-mnist-dropout", tmp_path)
    assert found.reduced
    assert found.n == "2 of 10, reduced"


def test_a_value_that_the_source_lost_is_not_judged(tmp_path):
    rows = [network(seed, dataset="memorisation", train_accuracy=0.2) for seed in range(10)]
    write(tmp_path, "random-datasets", rows)
    found = verdict("pm-table-4-dropout-pruned", tmp_path)
    assert found.verdict is NO_VALUE
    assert found.explanation.endswith("the number is illegible in our copy of the paper")  # no notes of a transcriber
    assert found.ours == "-0.199 ± 0.016"


def test_runs_are_compared_as_groups(tmp_path):
    write(tmp_path, "dropout", [network(seed) for seed in range(10)])
    half = verdict("pm-table-A.7-runs", tmp_path)
    effect = next(detail for detail in half.details if detail.metric == "cohens_d")
    assert effect.grade is NOT_TESTED
    assert half.verdict is REPRODUCED  # what is not there changes nothing
    kept = [network(seed, null="layer-nonzero") for seed in range(10)]
    write(tmp_path, "topology-shuffles", kept)
    found = {detail.metric: detail for detail in verdict("pm-table-A.7-runs", tmp_path).details}
    assert found["cohens_d"].ours == "0.00 ± 0.00"
    assert found["ncut"].grade is REPRODUCED
    assert found["p_value"].ours == "1.00"
    assert found["dist_ncut_nonzero"].ours == "2.039 ± 0.019"


def test_footnote_11_is_welchs_statistic_of_table_1(tmp_path):
    # Means and sds as printed: 2.000 ± 0.035 and 1.840 ± 0.015 of ten networks each give Z ~ 13.
    spread = np.array([-1, 1] * 5) / math.sqrt(10 / 9)
    write(tmp_path, "dropout", [network(s, ncut=1.840 + 0.015 * spread[s]) for s in range(10)])
    write(tmp_path, "clusterability", [network(s, dropout="no", ncut=2.0 + 0.035 * spread[s]) for s in range(10)])
    found = verdict("pm-text-3.1-mnist", tmp_path)
    assert (found.verdict, found.theirs, found.ours) == (REPRODUCED, "13", "13.3")


def test_paper_and_here_stand_side_by_side(tmp_path):
    write(tmp_path, "dropout", [network(seed) for seed in range(2)])
    lines = cards.side_by_side("pruned-modular", "table-1", folder=tmp_path).set_index("source")
    ours = lines.loc["here, n = 2 of 10, reduced"]
    above = lines.iloc[list(lines.index).index(ours.name) - 1]
    assert above["networks"] == "MNIST, dropout, pruned, k = 4"
    assert above["n-cut"] == "1.840 ± 0.015"
    assert float(ours["n-cut"].split()[0]) == pytest.approx(
        np.mean([network(seed)["ncut"] for seed in range(2)]), abs=1e-3
    )
    with pytest.raises(BookError, match="table-99"):
        cards.side_by_side("pruned-modular", "table-99", folder=tmp_path)


def test_a_claim_that_compares_stages_may_pick_both(tmp_path):
    stages = {"unpruned": 0.4, "pruned": 0.02}
    rows = [network(seed, stage=stage, shift=seed * shift) for seed in range(1, 6) for stage, shift in stages.items()]
    write(tmp_path, "dropout", rows)
    found = verdict("pm-finding-2-all", tmp_path)
    assert (found.verdict, found.ours) == (REPRODUCED, "-1.140 ± 0.601")
    write(tmp_path, "dropout", [network(seed, stage=stage) for seed in range(5) for stage in stages])
    assert verdict("pm-finding-2-all", tmp_path).verdict is NOT


def test_the_spread_that_only_the_authors_released_stands_beside_what_the_paper_prints():
    printed = {claim.id: claim.printed for claim in claims.load()}
    found = printed["cl-table-A.5-dropout-pruned"]
    assert found["ncut"].text == "8.350 ± 0.0465 (sd released by the authors)"
    assert found["distance"].sample.sd == 0.0465
    assert found["dist_ncut"].text == "9.247 ± 0.039"  # of shuffles, as printed
    assert printed["cl-table-A.9-l1-pruned"]["ncut"].text.endswith("(sd released by the authors)")
    assert "released" not in printed["pm-table-1-mnist"]["ncut"].text


@pytest.mark.parametrize("item", [f"table-A.{i}" for i in (5, 6, 8, 9, 10)])
def test_what_the_authors_released_are_the_networks_that_the_paper_prints(item):
    """Each number that has a released spread is the released mean, to its last digit, rounded or cut off."""
    values, released = papers.paper_values("clusterability"), papers.paper_values("clusterability-released")
    of_ncut = released[released["metric"] == "ncut"]
    known = {
        (row, condition.split(";")[0]): float(value)
        for row, condition, value in of_ncut[["row", "condition", "value"]].to_numpy()
    }
    found = []
    for row, condition, value in values.query("item == @item and metric == 'ncut'")[
        ["row", "condition", "value"]
    ].to_numpy():
        dataset, arch, *_ = condition.split(";")
        if mean := known.get((f"{dataset.partition('=')[2]}|{row}", arch)):
            found.append((value, mean))
    assert len(found) >= 7
    for value, mean in found:
        assert mean == pytest.approx(float(value), abs=1.01 * 10 ** -len(value.partition(".")[2]))


def test_what_a_table_prints_of_parts_is_compared_as_a_whole():
    printed = {claim.id: claim.printed for claim in claims.load() if claim.row == "*"}
    assert printed["pm-table-A.18-cells"]["share_important_in_first_paper"].text == "0.50"  # 9 of 18 that are not small
    assert printed["ic-table-7-cells"]["share_important"].text == "0.54"  # 7 of 13
    assert printed["ic-table-9-cells"]["given_printed"].text == "0.76"  # 26 of 34 ticks
    figure = printed["ic-figure-9-cells"]
    assert figure["cells_significant"].text == "0.45"  # 176 stars, 19 questions, 199 without a mark
    assert figure["cells_harmless"].text == "0.05"
    assert all(number.sample.n == 1 for numbers in printed.values() for number in numbers.values())


def test_a_claim_that_picks_a_network_twice_is_refused(tmp_path):
    write(tmp_path, "dropout", [network(0), network(0, stage="unpruned")])
    claim = next(claim for claim in claims.load() if claim.id == "pm-table-1-mnist-dropout")
    of_both = replace(claim, rows={column: value for column, value in claim.rows.items() if column != "stage"})
    with pytest.raises(BookError, match="several rows of the same network"):
        claims.judge(of_both, tmp_path)


@pytest.fixture
def tampered(tmp_path):
    """claims.yml with one text replaced by another, read again."""
    shutil.copytree(BOOK / "papers", tmp_path / "papers")

    def load(old: str, new: str) -> list[claims.Claim]:
        text = (BOOK / "claims.yml").read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "claims.yml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return claims.load(path)

    return load


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ncut: equivalent", "ncut: equivalnt", "did you mean equivalent"),
        ("    ncut:", "    n_cut:", "did you mean ncut"),
        ("table: dropout,", "table: droput,", "did you mean dropout"),
        ("{table: dropout, dataset: mnist", "{table: dropout, datset: mnist", "differ in the dataset; fix it"),
        ("stage: pruned, k: 4", "stage: pruned", "differ in k; fix k"),
        ("stage: pruned, k: 4", "stages: pruned, k: 4", "did you mean stage"),
        ("shuffles: pooled", "shuffles: poled", "did you mean pooled"),
        ("effect: {item: table-1}", "effect: table-1", "expected an item of the paper"),
        ("  effect: {item: table-1, row: fashion|no-dropout}\n", "", "name another place under effect"),
        ("whatever: {regulariser: finding-21}", "whatever: {regularizer: finding-21}", "did you mean regulariser"),
        ("whatever: {regulariser: finding-21}", "whatever: {regulariser: finding-99}", "did you mean finding-9"),
        (
            "whatever: {regulariser: finding-21}",
            "whatever: [regulariser]",
            "expected what the paper claims it regardless",
        ),
        ("paper: pruned-modular", "paper: prune-modular", "did you mean pruned-modular"),
        ("row: mnist|dropout", "row: mnist|drop", "prints no"),
        ("row: vgg-cifar-10", "row: vgg-cifar", "prints no shuffles_beaten in row 'vgg-cifar'; look the row up"),
        ("stage: pruned, k: 4", "k: 4", "left open"),
        ("id: mnist-dropout", "id: mnist", "more than one claim"),
        ("  statement:", "  statment:", "did you mean statement"),
        ("- {id: runs, row: run-*}", "- {id: runs}", "name the row"),
        ("- paper:", "- [paper:", "does not parse"),
    ],
)
def test_a_tampered_claim_is_refused_with_what_to_write(tampered, old, new, message):
    with pytest.raises(BookError, match=message.replace("|", r"\|")):
        tampered(old, new)


def test_claims_that_change_while_python_runs_are_read_again(tampered):
    assert tampered("ncut: equivalent", "ncut: equivalent")
    with pytest.raises(BookError, match="did you mean equivalent"):
        tampered("ncut: equivalent", "ncut: equivalnt")


def test_what_claims_and_verdicts_say_is_shown_as_it_is(monkeypatch):
    claim = replace(claims.load()[0], id=EVIL[1], statement=EVIL[0])
    detail = claims.judge(claim).details[0]
    shown = replace(detail, theirs=EVIL[2], ours=EVIL[3], n=EVIL[0], grade=NOT, why=EVIL[1])
    told = replace(claims.judge(claim), details=(shown,))
    monkeypatch.setattr(cards, "judged", lambda *_: [(claim, told)])
    monkeypatch.setattr(claims.Claim, "what", EVIL[1])
    monkeypatch.setattr(cards, "place", lambda *_: EVIL[2])
    Page(cards.show().data).check(*EVIL)
    Page(cards.tiles([(claim, told)]).data).check(EVIL[2])


def test_an_unknown_chapter_is_refused():
    with pytest.raises(BookError, match="did you mean dropout"):
        cards.table("drop-out")


def test_side_by_side_what_authors_released_is_not_called_their_paper_s():
    sources = cards.side_by_side("clusterability-released", "released-clust-grad")["source"]
    assert set(sources[~sources.str.startswith("here")]) == {"released by the authors"}


def test_side_by_side_a_paper_s_line_says_whose_spread_it_is_and_what_is_not_measured_here_has_no_line(tmp_path):
    table = cards.side_by_side("clusterability", "table-A.8", folder=tmp_path)
    assert table["source"].str.startswith("paper").all()
    assert table["source"].str.endswith("; not measured here").all()
    assert table["source"].str.contains("sd released by its authors").any()
    assert table["n-cut"].str.endswith("†").any()
    stored = cards.side_by_side("pruned-modular", "table-1")
    assert stored["source"][1].startswith("here, n = 10")
    assert (stored["networks"][1::2] == "").all()
