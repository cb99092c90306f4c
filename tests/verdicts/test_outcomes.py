"""modlib.verdicts.outcomes: what became of a paper."""

import re
import shutil
from collections import Counter

import pytest

from modlib.chapters import find_experiment
from modlib.errors import InputError
from modlib.evidence.criteria import Grade
from modlib.files import checkout
from modlib.verdicts import became_of, cards, measured


@pytest.mark.parametrize("paper", ["upstream-downstream", "clusterability"])
def test_every_claim_of_a_paper_is_counted_and_what_is_reproduced_or_not_is_named(paper: str) -> None:
    told = became_of(paper).data
    judged = [(claim, verdict) for claim, verdict in cards.judged() if claim.paper == paper]
    assert told.startswith(f"**{len(judged)} claims: ")
    assert sum(map(int, re.findall(r"\d+", told.splitlines()[0].partition(":")[2]))) == len(judged)
    in_sight, *folds = re.split(r"<details>", told)
    assert "Not reproduced:" in in_sight
    folded = {re.match(r"<summary>(.+?): (\d+) statement", fold).groups(): fold for fold in folds}
    for grade in (Grade.NOT_REPRODUCED, Grade.PARTLY, Grade.REPRODUCED):
        claims = [claim for claim, verdict in judged if verdict.verdict is grade]
        statements = {claim.statement for claim in claims}
        assert statements
        part = in_sight if grade is Grade.NOT_REPRODUCED else folded[f"{grade}".capitalize(), str(len(statements))]
        assert set(re.findall(r'href="scorecard.html#(.+?)"', part)) <= {claim.id for claim in claims}
        assert part.count("\n- ") == len(statements)
        all_of, of_grade = (Counter(claim.statement for claim in chosen) for chosen in ([c for c, _ in judged], claims))
        for claim in claims:
            n, total = (counts[claim.statement] for counts in (of_grade, all_of))
            said = claim.statement + (f" ({n} of {total} claims)" if total > 1 else "")
            assert re.search(rf"- {re.escape(said)}: .*>{cards.place(claim.paper, claim.item)}</a>", part)


def test_a_place_is_named_once_a_statement() -> None:
    lines = [line for line in became_of("importance-coherence").data.splitlines() if line.startswith("- ")]
    assert lines
    for line in lines:
        places = re.findall(r">([^<]+)</a>", line)
        assert len(places) == len(set(places)) > 0


def test_of_statements_of_our_own_it_is_said_whether_they_hold() -> None:
    told = became_of("ours").data.splitlines()[0]
    assert re.fullmatch(r"\*\*\d+ statements: \d+ hold, .*\*\*", told)
    assert "reproduced" not in told


def test_without_rows_nothing_is_reproduced(tmp_path) -> None:
    told = became_of("weight-masks", tmp_path).data
    assert re.fullmatch(r"\*\*(\d+) claims: \1 not tested at this scale\.\*\*", told)


def test_how_much_is_measured_is_told(tmp_path) -> None:
    for suffix in (".csv", ".json"):
        shutil.copy(checkout() / "results" / f"dropout{suffix}", tmp_path)
    planned = {name: len(find_experiment(name).cells("paper")) for name in ("regularisation", "null-models")}
    assert measured("dropout", *planned, folder=tmp_path).data == (
        "**Measured so far, untrained networks aside:** all that is planned of {doc}`/notebooks/dropout`; "
        f"0 of {planned['regularisation']} measurements of {{doc}}`/notebooks/regularisation`; "
        f"0 of {planned['null-models']} measurements of {{doc}}`/notebooks/null-models`."
    )
    cells = find_experiment("convolutional-networks").cells("paper")
    trained = sum(cell["dataset"] != "initialisation" for cell in cells)
    assert 0 < trained < len(cells)
    told = measured("convolutional-networks", folder=tmp_path).data
    assert f":** 0 of {trained} measurements of" in told
    both = "{doc}`/notebooks/dropout` and {doc}`/notebooks/null-models`"
    assert (
        measured("dropout", "null-models").data
        == f"**Measured so far, untrained networks aside:** all that is planned of {both}."
    )


def test_a_paper_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match=r"paper 'weight-mask' arrived; .*did you mean weight-masks"):
        became_of("weight-mask")


def test_the_page_has_a_part_for_every_paper() -> None:
    text = (checkout() / "book" / "what-was-found.md").read_text(encoding="utf-8")
    told = re.findall(r'became_of\("(.+?)"\)', text)
    assert told == [paper for paper in told if paper in cards.PAPERS]
    assert {*told} == {paper for paper in cards.PAPERS if not paper.endswith("-released")}
