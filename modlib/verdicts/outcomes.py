"""What became of a paper, as a list that a reader of that paper can go through. Page: ``what-was-found``."""

from __future__ import annotations

import html
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from modlib.errors import InputError, nearest
from modlib.evidence.criteria import Grade
from modlib.verdicts.cards import PAPERS, place
from modlib.verdicts.claims import judge, load

if TYPE_CHECKING:
    from IPython.display import Markdown


def became_of(paper: str, folder: Path | None = None) -> Markdown:
    """What became of a paper's claims, for a page of book/: how many of each verdict, and those not reproduced.

    Args:
        paper: its id, such as ``weight-masks``.
        folder: where the result tables lie; ``results_folder()`` by default.

    Raises:
        InputError: if there is no such paper.
        ResultsError: if a table is damaged.
    """
    from IPython.display import Markdown

    if paper not in PAPERS:
        raise InputError(f"paper {paper!r} arrived; {nearest(paper, list(PAPERS))}")
    found = [(claim, judge(claim, folder).verdict) for claim in load() if claim.paper == paper]
    counts = Counter(grade for _, grade in found)
    told = ", ".join(f"{counts[grade]} {grade}" for grade in Grade if counts[grade])
    lines = [f"**{len(found)} claims: {told}.**"]
    missed: dict[str, tuple[str, list[str]]] = {}
    for claim, grade in found:
        if grade is Grade.NOT_REPRODUCED:
            anchor = f"scorecard.html#{html.escape(claim.id)}"  # within an output, which no cross-reference reaches
            where = f'<a href="{anchor}">{html.escape(place(paper, claim.item))}</a>'
            missed.setdefault(claim.statement, (claim.chapter, []))[1].append(where)
    if missed:
        lines += ["", "Not reproduced:", ""]
    lines += [
        f"- {statement}: {', '.join(dict.fromkeys(places))}, chapter {{doc}}`/notebooks/{chapter}`"
        for statement, (chapter, places) in missed.items()
    ]
    return Markdown("\n".join(lines))
