"""modlib.verdicts.outcomes: what became of a paper."""

import re

import pytest

from modlib.errors import InputError
from modlib.evidence.criteria import Grade
from modlib.files import checkout
from modlib.verdicts import became_of, cards


def test_every_claim_of_a_paper_is_counted_and_what_is_not_reproduced_is_named() -> None:
    told = became_of("upstream-downstream").data
    judged = [(claim, verdict) for claim, verdict in cards.judged() if claim.paper == "upstream-downstream"]
    assert told.startswith(f"**{len(judged)} claims: ")
    assert sum(map(int, re.findall(r"\d+", told.splitlines()[0].partition(":")[2]))) == len(judged)
    missed = [claim for claim, verdict in judged if verdict.verdict is Grade.NOT_REPRODUCED]
    assert set(re.findall(r'href="scorecard.html#(.+?)"', told)) <= {claim.id for claim in missed}
    for claim in missed:
        assert re.search(rf"- {re.escape(claim.statement)}: .*>{cards.place(claim.paper, claim.item)}</a>", told)


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


def test_a_paper_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match=r"paper 'weight-mask' arrived; .*did you mean weight-masks"):
        became_of("weight-mask")


def test_the_page_has_a_part_for_every_paper() -> None:
    text = (checkout() / "book" / "what-was-found.md").read_text(encoding="utf-8")
    told = re.findall(r'became_of\("(.+?)"\)', text)
    assert told == [paper for paper in told if paper in cards.PAPERS]
    assert {*told} == {paper for paper in cards.PAPERS if not paper.endswith("-released")}
