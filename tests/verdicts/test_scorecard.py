"""The scorecard as data, and its power: what wrong results get past the criteria, and that the page tells the truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from modlib.chapters import find_experiment, findings
from modlib.evidence.criteria import CRITERIA, Grade
from modlib.evidence.papers import Place, paper_values, rows_at
from modlib.verdicts import cards, claims, coverage, power, scorecard, wrong

N_CLAIMED = {
    "pruned-modular": 942,
    "clusterability": 556,
    "clusterability-released": 20,
    "importance-coherence": 54,
    "weight-masks": 6,
}

N_CLAIMS = {
    "pruned-modular": """
        table-1:6 table-A.1:6 table-A.2:6 table-A.3:6 table-2:4 table-3:4 table-4:4 table-A.4:1 table-A.5:1
        table-A.6:1 table-A.7:1 table-A.8:1 table-A.9:1 table-A.10:1 table-A.11:1 table-A.12:1 table-A.13:1
        table-A.14:1 table-A.15:1 text-3:4 text-3.1:3 text-3.2:2 text-3.3:6 text-A.3:4 finding-1:6 finding-2:1
        text-1:1 finding-3:1 finding-4:9 table-A.16:9 table-A.17:9 table-A.18:2 table-A.19:2 finding-5:1
    """,
    "clusterability": """
        table-A.1:4 table-A.2:4 table-A.3:4 table-A.4:4 table-A.5:10 table-A.6:10 table-A.16:4 table-A.17:4
        table-A.18:4 text-2:3 finding-1:2 text-A.3:2 text-A.5:1 table-A.7:8 table-A.12:8 table-A.19:6
        table-A.20:4 table-A.21:4 table-A.8:8 table-A.9:8 table-A.10:10 text-3:6 text-4.1:4 table-A.13:4
        table-A.14:4 table-A.15:2 text-2.1:4 table-A.11:6 figure-10:1 text-intro:2 text-A.7:4
    """,
    "clusterability-released": """
        released-clust-grad:4
    """,
    "upstream-downstream": """
        figure-3:6 figure-4:4 figure-S9:2 figure-5:6 figure-S11:3 figure-S12:1 text-4.4:1 figure-S5:1
        figure-S7:1 text-4.1:1
    """,
    "weight-masks": """
        text-3.1:3 figure-1:4 figure-11:4 figure-12:4 figure-10:4 figure-13:4 figure-2:4 figure-14:1 text-3.2:4
        finding-1:4 finding-27:2 figure-7:4 figure-8:1 text-c.7.1:1 figure-6:2 text-c.2:2 figure-19:2 figure-20:2
        text-c.7.2:2 finding-22:1 finding-23:1 text-b.1:1 figure-3:4 figure-15:1 text-3.3:1
        figure-4:8 text-4:1 figure-16:2 finding-28:1 finding-16:7
    """,
    "importance-coherence": """
        table-4:2 table-5:2 finding-21:1 finding-22:1 table-1:12 table-3:16 finding-4:1 finding-5:1 finding-6:1
        finding-11:1 finding-17:1 table-9:2 finding-20:1 table-7:1 figure-9:1 table-6:4 finding-1:1 finding-2:3
        finding-3:4 finding-9:3 finding-12:2 finding-13:2 finding-14:1 finding-15:1 text-a.2:6 finding-16:3
        finding-18:1 finding-19:2
    """,
    "ours": """
        statement-1:3 statement-2:3 statement-3:3 statement-4:3 statement-5:2 statement-6:2 statement-7:2 statement-8:2
        statement-9:2 statement-10:2 statement-11:1 statement-12:1 statement-13:1 statement-14:2
    """,
}  # of every table, figure and section


@pytest.fixture(scope="module")
def judged() -> cards.Judged:
    return cards.judged()


@pytest.fixture(scope="module")
def tried(judged) -> pd.DataFrame:
    return power.tried(judged)


def test_the_stored_scorecard_is_what_the_stored_rows_give(judged):
    computed = scorecard.verdict_lines(judged)
    pd.testing.assert_frame_equal(scorecard.stored(scorecard.CARD), computed, check_dtype=False)


def test_the_stored_sentences_are_what_the_stored_rows_give():
    """Whoever changes what a chapter says of the same rows sees it in the difference of the stored sentences."""
    pd.testing.assert_frame_equal(scorecard.stored(scorecard.FOUND), scorecard.found_lines(), check_dtype=False)


@pytest.mark.slow
def test_at_most_one_wrong_result_in_twenty_is_accepted(tried):
    assert tried["wrong rows"].nunique() >= 12
    assert (~tried["legitimate"]).sum() > 200
    shares = power.accepted_shares(power.summary(tried))
    assert len(shares) == power.SEEDS
    assert shares.max() <= power.BOUND


@pytest.mark.slow
def test_the_stored_table_of_wrong_results_is_what_they_give(tried):
    computed = power.summary(tried).astype(str)
    pd.testing.assert_frame_equal(scorecard.stored(scorecard.POWER), computed, check_dtype=False)


def test_rows_exchanged_twice_are_as_they_were():
    tables = claims.tables_in()
    twice = [kind for kind in wrong.KINDS if kind.seen and all(m.get(m[a]) == a for m in kind.seen.values() for a in m)]
    assert len(twice) > 5
    for kind in twice:
        frames = {name: tables(name) for name in kind.tables}
        again = kind.change(kind.change(frames, np.random.default_rng(0)), np.random.default_rng(0))
        for name, rows in frames.items():
            column = next(iter(kind.seen))
            counts = [found[column].astype(str).value_counts().to_dict() for found in (rows, again[name])]
            assert counts[0] == counts[1], kind.name


def test_a_criterion_that_lets_everything_pass_is_noticed(judged, monkeypatch):
    kinds = [kind for kind in wrong.KINDS if kind.name == "all n-cuts 2% too high"]
    assert power.accepted_shares(power.summary(power.tried(judged, kinds))).item() < 0.2
    for name in list(CRITERIA):
        monkeypatch.setitem(CRITERIA, name, lambda ours, theirs: (Grade.REPRODUCED, "anything goes"))
    assert power.accepted_shares(power.summary(power.tried(judged, kinds))).item() == 1


def test_a_network_replaced_by_its_shuffle_has_one_of_their_n_cuts():
    kind = next(kind for kind in wrong.KINDS if kind.name == "networks replaced by their shuffles")
    tables = claims.tables_in()
    changed = kind.change({name: tables(name) for name in kind.tables}, np.random.default_rng(0))["clusterability"]
    tested = changed[changed["null"] == "layer"]
    z = tested["z"].astype(float)
    assert abs(z.median()) < 0.3
    assert (tested["p"].astype(float) < 0.05).mean() == pytest.approx(0.05, abs=0.05)


@pytest.mark.parametrize(
    "name", ["networks replaced by their shuffles", "labels dealt at random", "all n-cuts 2% too high"]
)
def test_chapters_with_networks_of_their_own_have_wrong_rows_as_well(name):
    tables = claims.tables_in()
    kinds = [kind for kind in wrong.KINDS if kind.name == name and kind.tables in wrong.ALONE]
    assert {kind.tables for kind in kinds} == set(wrong.ALONE)
    for kind in kinds:
        rows = tables(*kind.tables)
        (changed,) = kind.change({kind.tables[0]: rows}, np.random.default_rng(0)).values()
        assert len(changed) == len(rows)
        columns = ["ncut", *find_experiment(kind.tables[0]).cell_key]
        before, after = (table[columns].sort_values(columns, ignore_index=True) for table in (rows, changed))
        assert not after.equals(before)  # in whatever order they are


def test_where_degrees_are_all_there_is_no_statement_that_there_is_more_holds(judged):
    kind = next(kind for kind in wrong.KINDS if kind.name == "networks replaced by their shuffles")
    found = power.tried([(claim, verdict) for claim, verdict in judged if claim.chapter == "null-models"], [kind])
    assert {"own-statement-1-mnist", "own-statement-2-mnist"} <= set(found["claim"])
    more = found[~found["legitimate"]]  # the others say that there is no more
    assert (more["verdict"] == "reproduced").mean() < 0.15  # one-sided tests at 0.05, of few networks each


def test_where_notions_agree_by_chance_no_statement_that_they_agree_holds(judged):
    kind = next(kind for kind in wrong.KINDS if kind.name == "notions agree as chance would")
    found = power.tried(judged, [kind])
    assert len(found) >= 4
    assert (found["verdict"] == "not reproduced").all()


def test_where_two_notions_agree_as_one_with_itself_they_do_not_agree_less_than_half_as_well(judged):
    kind = next(kind for kind in wrong.KINDS if kind.name == "two notions agree as one with itself")
    found = power.tried(judged, [kind])
    assert set(found["claim"]) == {"own-statement-9-mnist", "own-statement-9-fashion"}
    assert (found["verdict"] == "not reproduced").all()


def test_divisions_that_are_only_nested_pass_statement_9(judged):
    """Its similarity has a lower ceiling between divisions with different numbers of modules, which the page says."""
    kind = next(kind for kind in wrong.KINDS if kind.name == "one notion divides more finely than another")
    found = power.tried(judged, [kind])
    assert set(found["claim"]) == {"own-statement-9-mnist", "own-statement-9-fashion"}
    assert (found["verdict"] == "reproduced").all()


def test_a_claim_in_words_says_nothing_of_a_level(judged):
    found = {claim.id: claim for claim, _ in judged}
    kind = next(kind for kind in wrong.KINDS if kind.level)
    assert power._is_legitimate(found["pm-text-3.3-mnist"], kind, list(found.values()))
    assert not power._is_legitimate(found["pm-table-1-mnist"], kind, list(found.values()))


def test_shares_are_counted_seed_by_seed_with_what_needs_none():
    columns = ["wrong rows", "paper", "seed", *power.COUNTS]
    lines = [("a", "p", power.EVERY, 10, 1, 0, 0), ("b", "p", "0", 10, 0, 0, 0), ("b", "p", "1", 10, 3, 0, 0)]
    lines += [("a", power.OURS, power.EVERY, 5, 5, 0, 0)]  # which are counted apart
    assert power.accepted_shares(pd.DataFrame(lines, columns=columns)).to_dict() == {"0": 0.05, "1": 0.2}
    assert power.accepted_shares(pd.DataFrame([lines[0], lines[-1]], columns=columns)).to_list() == [0.1]


def test_exchanges_within_what_the_paper_says_of_both_are_legitimate(judged):
    found = {claim.id: claim for claim, _ in judged}
    kind = next(k for k in wrong.KINDS if k.name == "MNIST and Fashion-MNIST exchanged" and "dropout" in k.tables)
    everything = list(found.values())
    # Footnote 11 prints the same Z for both; table 1 prints other n-cuts.
    assert power._is_legitimate(found["pm-text-3.1-mnist"], kind, everything)
    assert not power._is_legitimate(found["pm-table-1-mnist-dropout"], kind, everything)


def test_no_printed_number_loses_its_claim(judged):
    # A claim taken out of claims.yml, with the numbers that it decides, is missed here.
    held: dict[str, set[int]] = {}
    for claim, _ in judged:
        if claim.row:
            place = Place(claim.item, claim.row, claim.rows)
            rows = rows_at(paper_values(claim.paper), place, list(claim.criteria))
            held.setdefault(claim.paper, set()).update(rows.index)
    counts = {paper: len(rows) for paper, rows in held.items()}
    assert all(counts[paper] >= least for paper, least in N_CLAIMED.items()), counts
    assert len([claim for claim, _ in judged if claim.in_words]) >= 106


def test_no_table_loses_a_claim(judged):
    # A claim that is taken out, or put elsewhere, is missed here; a new one is added to the list.
    found: dict[str, Counter[str]] = {}
    for claim, _ in judged:
        found.setdefault(claim.paper, Counter())[claim.item] += 1
    held = {
        paper: {item: int(n) for item, n in (pair.split(":") for pair in pairs.split())}
        for paper, pairs in N_CLAIMS.items()
    }
    assert {paper: dict(counts) for paper, counts in found.items()} == held


def test_numbers_printed_twice_are_told_apart_from_new_ones(judged):
    again = scorecard.repeated(claim for claim, _ in judged)
    assert again["cl-table-A.1-mnist", "distance"] == "pm-table-1-mnist"
    assert ("pm-table-1-mnist", "distance") not in again
    claim = next(claim for claim, _ in judged if claim.id == "pm-table-1-mnist")
    other = replace(claim, id="other", rows={**claim.rows, "k": "5"})
    assert not scorecard.repeated([claim, other])


def test_a_claims_row_shows_all_its_numbers_and_where_it_fails(judged):
    claim, verdict = next(pair for pair in judged if len(pair[1].details) > 3)
    failed = replace(verdict.details[-1], grade=Grade.NOT_REPRODUCED, why="too <large>")
    row = cards._row(claim, replace(verdict, details=(*verdict.details[:-1], failed)), "reproduced")
    assert row.count("<li") == len(verdict.details)
    assert row.index(str(verdict.verdict)) < row.index("<li")
    assert row.count("outline: 1px solid") == 1
    assert "too &lt;large&gt;" in row
    assert f'id="{claim.id}"' in row


def test_less_than_the_paper_had_is_marked_whatever_it_is_less_of(judged):
    found = {claim.id: verdict for claim, verdict in judged}
    assert found["pm-table-1-cifar"].reduced
    assert found["pm-table-1-cifar"].n.endswith("JPEG copy of CIFAR-10")
    assert "another width" in found["wm-text-3.1-fnn"].n
    assert "fewer steps" in found["wm-text-3.1-fnn"].n
    assert not found["pm-table-1-mnist"].reduced


def test_a_stacked_table_labels_its_cells():
    shown = cards.stacked(pd.DataFrame({"kind": ["a < b"], "Weight masks": ["1 of 2"], "other": [""]})).data
    assert '<th scope="row">a &lt; b</th><td data-label="Weight masks">1 of 2</td><td data-label="other"></td>' in shown


def test_every_paper_has_a_name_for_readers():
    assert set(cards.PAPERS) == set(claims.PREFIX)


def test_tiles_lead_to_the_rows_of_their_claims(judged):
    tiles = cards.tiles(judged).data
    assert all(f'href="#{claim.id}"' in tiles for claim, _ in judged)
    assert "table A.3" in tiles
    assert ">finding" not in tiles
    rows = {claim.paper: [] for claim, _ in judged}
    for claim, _ in judged:
        rows[claim.paper].append(cards.place(claim.paper, claim.item))
    assert tiles.count("flex: 0 0 9em") == sum(len(set(places)) for places in rows.values()), "a row a place"


@pytest.mark.parametrize(
    ("paper", "item", "words"),
    [
        ("pruned-modular", "table-A.3", "table A.3"),
        ("upstream-downstream", "figure-S11", "figure S11"),
        ("weight-masks", "text-c.7.1", "section C.7.1"),
        ("clusterability", "text-intro", "introduction"),
        ("importance-coherence", "finding-12", "section 3.1.1, figure 1"),
        ("clusterability-released", "released-clust-grad", "table 1"),
    ],
)
def test_places_are_named_as_the_papers_name_them(paper, item, words):
    assert cards.place(paper, item) == words


def test_every_printed_result_has_one_state_and_loses_it_with_its_claim(judged):
    counts = coverage.by_table(judged)
    assert list(counts) == list(coverage.STATES)
    values = paper_values("pruned-modular")
    results = values["metric"].isin(coverage.UNMEASURED | findings().keys())
    again = scorecard.repeated(claim for claim, _ in judged)
    twice = sum(claim.startswith("pm-") and metric != "distance" for claim, metric in again)
    assert counts.loc["pruned-modular"].to_numpy().sum() == results.sum() - twice
    table = ("pruned-modular", "table-1")
    assert counts.loc[table, coverage.MISSING] == 0
    without = coverage.by_table([pair for pair in judged if pair[0].id != "pm-table-1-mnist"])
    assert without.loc[table, coverage.MISSING] == 5
    # What another paper repeats counts there once the first claim is gone.
    assert without.loc[("clusterability", "table-A.1")].sum() == 5
    assert ("clusterability", "table-A.1") not in counts.index


def test_the_figure_of_coverage_has_a_bar_for_every_item(judged):
    counts = coverage.by_table(judged)
    drawn = coverage.figure(counts)
    names = [label.get_text() for ax in drawn.axes for label in ax.get_yticklabels()]
    assert len(names) == len(counts)
    assert "table A.13" in names
