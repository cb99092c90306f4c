"""What became of a paper, as a list that a reader of that paper can go through. Page: ``what-was-found``."""

from __future__ import annotations

import html
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from modlib.errors import InputError, nearest
from modlib.evidence.criteria import Grade
from modlib.verdicts.cards import PAPERS, place
from modlib.verdicts.claims import OURS, judge, load

if TYPE_CHECKING:
    from IPython.display import Markdown

# What is said of statements of our own, which nobody printed.
STATED = {Grade.REPRODUCED: "hold", Grade.PARTLY: "hold in part", Grade.NOT_REPRODUCED: "do not hold"}


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
    counts, own = Counter(grade for _, grade in found), paper == OURS
    words = {grade: str(grade) for grade in Grade} | {Grade.NO_VALUE: "without a value in the source"}
    words |= STATED if own else {}
    told = ", ".join(f"{counts[grade]} {words[grade]}" for grade in Grade if counts[grade])
    lines = [f"**{len(found)} {'statements' if own else 'claims'}: {told}.**"]
    missed: dict[str, tuple[str, dict[str, str]]] = {}
    for claim, grade in found:
        if grade is Grade.NOT_REPRODUCED:
            anchor = f"scorecard.html#{html.escape(claim.id)}"  # within an output, which no cross-reference reaches
            missed.setdefault(claim.statement, (claim.chapter, {}))[1].setdefault(place(paper, claim.item), anchor)
    if missed:
        lines += ["", "Do not hold:" if own else "Not reproduced:", ""]
    for statement, (chapter, places) in missed.items():
        links = ", ".join(f'<a href="{anchor}">{html.escape(where)}</a>' for where, anchor in places.items())
        lines.append(f"- {statement}: {links}, chapter {{doc}}`/notebooks/{chapter}`")
    return Markdown("\n".join(lines))
