"""What became of a paper, as a list that a reader of that paper can go through. Page: ``what-was-found``."""

from __future__ import annotations

import html
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from modlib.chapters import find_experiment
from modlib.errors import InputError, nearest
from modlib.evidence.criteria import Grade
from modlib.evidence.sentences import listed
from modlib.tables.runner import missing_cells
from modlib.verdicts.cards import PAPERS, place
from modlib.verdicts.claims import OURS, Claim, judge, load
from modlib.verdicts.stored import PROFILE

if TYPE_CHECKING:
    from IPython.display import Markdown

# What is said of statements of our own, which nobody printed.
STATED = {Grade.REPRODUCED: "hold", Grade.PARTLY: "hold in part", Grade.NOT_REPRODUCED: "do not hold"}

# What a cell says of networks that are as they start.
UNTRAINED = {("dataset", "initialisation"), ("weights", "random"), ("sweep", "untrained"), ("stage", "untrained")}


def became_of(paper: str, folder: Path | None = None) -> Markdown:
    """What became of a paper's claims, for a page of book/: how many of each verdict, and which are (not) reproduced.

    Those that are not reproduced stand in sight, those that are, whole or in part, are folded.

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
    for grade in (Grade.NOT_REPRODUCED, Grade.PARTLY, Grade.REPRODUCED):
        statements = _by_statement(found, grade)
        if statements and grade is Grade.NOT_REPRODUCED:
            lines += ["", f"{_heading(words[grade])}:", "", *statements]
        elif statements:
            summary = f"{_heading(words[grade])}: {len(statements)} statement{'s' if len(statements) > 1 else ''}"
            lines += ["", f"<details><summary>{summary}</summary>", "", *statements, "", "</details>"]
    return Markdown("\n".join(lines))


def measured(*chapters: str, folder: Path | None = None) -> Markdown:
    """How much of what some chapters plan is measured, for a page of book/; untrained networks, which are quick, aside.

    Args:
        chapters: such as ``regularisation``.
        folder: where the result tables lie; ``results_folder()`` by default.

    Raises:
        InputError: if there is no such chapter.
        ResultsError: if a table is damaged.
    """
    from IPython.display import Markdown

    whole, part = [], []
    for chapter in chapters:
        experiment, link = find_experiment(chapter), f"{{doc}}`/notebooks/{chapter}`"
        cells = (experiment.cells(PROFILE), missing_cells(experiment, PROFILE, folder))
        planned, missing = (sum(not UNTRAINED & cell.items() for cell in some) for some in cells)
        if missing:
            part.append(f"{planned - missing} of {planned} measurements of {link}")
        else:
            whole.append(link)
    told = [*([f"all that is planned of {listed(whole)}"] if whole else []), *part]
    return Markdown(f"**Measured so far, untrained networks aside:** {'; '.join(told)}.")


def _by_statement(found: list[tuple[Claim, Grade]], wanted: Grade) -> list[str]:
    """A line a statement, of which claims have a verdict: how many, with a link to every place, and the chapter."""
    claims = Counter(claim.statement for claim, _ in found)
    counts: Counter[str] = Counter()
    told: dict[str, tuple[str, dict[str, str]]] = {}
    for claim, grade in found:
        if grade is wanted:
            anchor = f"scorecard.html#{html.escape(claim.id)}"  # within an output, which no cross-reference reaches
            places = told.setdefault(claim.statement, (claim.chapter, {}))[1]
            places.setdefault(place(claim.paper, claim.item), anchor)
            counts[claim.statement] += 1
    lines = []
    for statement, (chapter, places) in told.items():
        links = ", ".join(f'<a href="{anchor}">{html.escape(where)}</a>' for where, anchor in places.items())
        share = f" ({counts[statement]} of {claims[statement]} claims)" if claims[statement] > 1 else ""
        lines.append(f"- {statement}{share}: {links}, chapter {{doc}}`/notebooks/{chapter}`")
    return lines


def _heading(words: str) -> str:
    return words[0].upper() + words[1:]
