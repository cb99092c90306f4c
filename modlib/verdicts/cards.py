"""Claims and verdicts as readers see them: rows of a page, tiles, the paper's numbers and ours side by side.

Chapter: ``scorecard``; every chapter shows its own claims.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from modlib.chapters import findings
from modlib.evidence.criteria import Grade
from modlib.evidence.digits import MINUS
from modlib.evidence.papers import RELEASED_SD, paper_values
from modlib.plots import scrolling
from modlib.reprs import AS_IT_IS
from modlib.verdicts.claims import OURS, Claim, Detail, Verdict, earlier_verdicts, expect, judge, load

if TYPE_CHECKING:
    from IPython.display import HTML

Judged: TypeAlias = list[tuple[Claim, Verdict]]
# Verdicts are told apart by sign and word; their colours are Okabe and Ito's, safe for the colour-blind.
ICONS = dict(zip(Grade, "✔◐✘?○–", strict=True))
COLOURS = dict(zip(Grade, ("#0072B2", "#E69F00", "#D55E00", "#999999", "#D0D0D0", "#EEEEEE"), strict=True))
# What was not compared stands back, in either theme of the book; elsewhere, as in Jupyter, it is grey.
QUIET = {
    Grade.NOT_TESTED: f"var(--pst-color-border, {COLOURS[Grade.NOT_TESTED]})",
    Grade.NO_VALUE: f"var(--pst-color-surface, {COLOURS[Grade.NO_VALUE]})",
}
DARK = {Grade.REPRODUCED}  # on which white is read; its contrast with the vermilion is 3.9, of black 5.4
PAPERS = {
    "pruned-modular": "Pruned neural networks",
    "clusterability": "Clusterability",
    "clusterability-released": "Clusterability, results released",
    "importance-coherence": "Importance and coherence",
    "weight-masks": "Weight masks",
    "upstream-downstream": "Upstream and downstream",
    OURS: "Our own",
}

LOST_TABLES = {"released-clust-grad": "table 1"}  # a table that is lost, and what its authors released instead


def judged(chapter: str | None = None, folder: Path | None = None, path: Path | None = None) -> Judged:
    """Claims with their verdicts.

    Args:
        chapter: whose claims; all by default.
        folder: where the result tables lie.
        path: the claims.

    Raises:
        BookError: if no claim belongs to the chapter.
    """
    claims = load(path)
    if chapter is not None:
        expect(chapter, {claim.chapter for claim in claims}, "chapter")
    return [(claim, judge(claim, folder)) for claim in claims if chapter in (None, claim.chapter)]


def table(
    chapter: str | None = None, details: bool = False, folder: Path | None = None, path: Path | None = None
) -> pd.DataFrame:
    """Claims and verdicts, ready to show.

    Args:
        chapter: whose claims; all by default.
        details: a line for every number, with its criterion and what came out, instead of one for every claim.
        folder: where the result tables lie.
        path: the claims.

    Returns:
        Columns id, item, what, metric, paper, ours, n, decided by, verdict; with details also criterion, why and claim
        verdict. The number shown for a claim is its main metric's, the verdict the claim's.

    Raises:
        BookError: if no claim belongs to the chapter.
    """
    lines = []
    for claim, verdict in judged(chapter, folder, path):
        for detail in verdict.details if details else verdict.details[:1]:
            line = _line(claim, detail)
            if details:
                line |= {"verdict": str(detail.grade), "criterion": detail.criterion, "why": detail.why}
                line |= {"claim verdict": str(verdict.verdict)}
            else:
                line |= {"verdict": str(verdict.verdict)}
            lines.append(line)
    return pd.DataFrame(lines)


def show(chapter: str | None = None, folder: Path | None = None, path: Path | None = None) -> HTML:
    """Claims and verdicts for a notebook: every number of a verdict, the paper's beside ours, what failed marked.

    Claims of one statement stand together; those of the whole book are folded.
    """
    found = judged(chapter, folder, path)
    before = earlier_verdicts()
    parts = []
    for heading, group in _by_statement(found).items():
        counts = Counter(verdict.verdict for _, verdict in group)
        summary = html.escape(f"{heading} ({', '.join(f'{ICONS[grade]} {n} {grade}' for grade, n in counts.items())})")
        rows = "".join(_row(claim, verdict, before.get(claim.id, "")) for claim, verdict in group)
        opened = "" if chapter is None else " open"
        parts.append(f'<details class="verdicts"{opened}><summary>{summary}</summary>{rows}</details>')
    return _page(parts)


def tiles(found: Judged) -> HTML:
    """A tile for every claim, by paper and table; each leads to the claim's row, see ``show``."""
    parts = []
    for paper in dict.fromkeys(claim.paper for claim, _ in found):
        of_paper = [(claim, verdict) for claim, verdict in found if claim.paper == paper]
        parts.append(f'<div style="font-weight: bold; margin-top: .6em">{PAPERS[paper]}</div>')
        places: dict[str, list[str]] = {}  # two items may have one name, such as a table and what is found in it
        for claim, verdict in of_paper:
            places.setdefault(place(paper, claim.item), []).append(_tile(claim, verdict))
        for name, row in places.items():
            parts.append(
                '<div style="display: flex; gap: .4em; align-items: center">'
                f'<span style="flex: 0 0 9em; font-size: 85%">{html.escape(name)}</span>'
                f'<span style="display: flex; flex-wrap: wrap; gap: 2px">{"".join(row)}</span></div>'
            )
    return _page(parts)


def stacked(rows: pd.DataFrame) -> HTML:
    """A table of which a phone shows every row as lines, a label and a value each; see ``book/_static/book.css``.

    Args:
        rows: what to show; the first column is the heading of a row, and an empty text is left out on a phone.
    """
    from IPython.display import HTML

    names = [html.escape(str(name)) for name in rows.columns]
    lines = []
    for heading, *values in rows.astype(str).itertuples(index=False):
        cells = (f'<td data-label="{name}">{html.escape(v)}</td>' for name, v in zip(names[1:], values, strict=True))
        lines.append(f'<tr><th scope="row">{html.escape(heading)}</th>{"".join(cells)}</tr>')
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    page = f'<table class="stacked"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    return HTML(scrolling(page, len(rows)))


def place(paper: str, item: str) -> str:
    """Where a paper prints something, in its own words, such as ``table A.3`` or ``section 3.1.1, figure 1``."""
    if item.startswith("finding"):
        values = paper_values(paper)
        notes = values.loc[values["item"] == item, "note"]
        return re.split(r"[;(]", notes.iloc[0])[0].strip() if len(notes) else "in the text"
    if item in LOST_TABLES:
        return LOST_TABLES[item]
    kind, _, number = item.partition("-")
    if item == "text-intro":
        return "introduction"
    return f"{'section' if kind == 'text' else kind} {number[:1].upper()}{number[1:]}"


def side_by_side(paper: str, *items: str, folder: Path | None = None, path: Path | None = None) -> pd.DataFrame:
    """What a paper prints in some tables, and below each line what we have.

    Args:
        paper: id of the paper.
        items: which of its tables, such as ``table-1``.
        folder: where the result tables lie.
        path: the claims.

    Returns:
        Columns networks, source (``paper``, or that its authors released it, or ``here`` with our number of networks),
        and one a metric. Networks of which we have none yet have the paper's line alone, which says so.

    Raises:
        BookError: if no claim belongs to an item.
    """
    claims = load(path)
    for item in items:
        expect(item, {claim.item for claim in claims if claim.paper == paper}, f"item of {paper}")
    lines = []
    for claim in claims:
        if claim.paper == paper and claim.item in items:
            verdict = judge(claim, folder)
            sd_of_authors = any(RELEASED_SD in detail.theirs for detail in verdict.details)
            source = "released by the authors" if paper.endswith("-released") else "paper"
            source += " († sd released by its authors)" if sd_of_authors else ""
            measured = verdict.verdict is not Grade.NOT_TESTED
            what = claim.what.replace(" (JPEG copy)", "")  # the paper's; the line of ours says that it is a copy
            theirs = {"networks": what, "source": source if measured else f"{source}; not measured here"}
            ours = {"networks": "", "source": f"here, n = {verdict.n}"}
            for detail in verdict.details:
                label = findings()[detail.metric].label
                theirs[label], ours[label] = detail.theirs.replace(RELEASED_SD, "†"), detail.ours
            lines += [theirs, ours] if measured else [theirs]
    return pd.DataFrame(lines)


def scorecard(folder: Path | None = None, path: Path | None = None) -> pd.DataFrame:
    """How many claims came out how: one row a paper, one column a verdict."""
    found = [(PAPERS[claim.paper], str(verdict.verdict)) for claim, verdict in judged(None, folder, path)]
    counts = pd.DataFrame(found, columns=["paper", "verdict"]).groupby("paper", sort=False)["verdict"]
    return counts.value_counts().unstack(fill_value=0).reindex(columns=[str(grade) for grade in Grade], fill_value=0)


def _page(parts: list[str]) -> HTML:
    from IPython.display import HTML

    return HTML(f'<div class="{AS_IT_IS}">{"".join(parts)}</div>')


def _by_statement(found: Judged) -> dict[str, Judged]:
    groups: dict[str, Judged] = {}
    for claim, verdict in found:
        heading = f"{PAPERS[claim.paper]}, {place(claim.paper, claim.item)}: {claim.statement}"
        groups.setdefault(heading, []).append((claim, verdict))
    return groups


def _line(claim: Claim, detail: Detail) -> dict[str, str]:
    return {
        "id": claim.id,
        "item": claim.item,
        "what": claim.what,
        "metric": findings()[detail.metric].label,
        "paper": detail.theirs,
        "ours": detail.ours,
        "n": detail.n,
        "decided by": ", ".join(claim.tables),
    }


def _row(claim: Claim, verdict: Verdict, before: str) -> str:
    """A claim: its verdict first, so that no screen is too narrow for it, then a line for every number."""
    changed = f"; by the first criteria {before}" if before not in ("", str(verdict.verdict)) else ""
    head = (
        f"<strong>{ICONS[verdict.verdict]} {verdict.verdict}</strong> {html.escape(claim.what)}"
        f'<span style="opacity: .7">{changed}</span>'
    )
    details = verdict.details
    if {detail.grade for detail in details} == {Grade.NOT_TESTED} and len({detail.why for detail in details}) == 1:
        numbers = f"<li>{_labels(details)}: <em>{html.escape(details[0].why)}</em></li>"
    else:
        numbers = "".join(_number(claim, detail, main=i == 0) for i, detail in enumerate(details))
    return (
        f'<div id="{html.escape(claim.id)}" style="border-left: .5em solid {COLOURS[verdict.verdict]}; '
        f'padding-left: .6em; margin: .6em 0; overflow-wrap: anywhere">{head}'
        f'<ul style="margin: 0; font-size: 90%; list-style: none; padding-left: 0">{numbers}</ul></div>'
    )


def _labels(details: Sequence[Detail]) -> str:
    """The numbers of a claim by name, with what the paper prints of them; the main one stands out."""
    told = [
        html.escape(findings()[detail.metric].label)
        + ("" if detail.theirs == "in words" else f" ({_shown(detail.theirs.replace(RELEASED_SD, ''))})")
        for detail in details
    ]
    return ", ".join([f"<strong>{told[0]}</strong>", *told[1:]])


def _shown(text: str) -> str:
    """A text with its numbers as readers see them, with minus signs, safe in a page."""
    return html.escape(re.sub(r"(?<![\w.])-(?=\d)", MINUS, text))


def _number(claim: Claim, detail: Detail, main: bool) -> str:
    label = html.escape(findings()[detail.metric].label)
    told = f"{ICONS[detail.grade]} {'<strong>' + label + '</strong>' if main else label}: "
    if claim.paper != OURS:  # of a statement of our own nothing is printed
        in_words = detail.theirs == "in words"
        told += "said in words, here " if in_words else f"paper {_shown(detail.theirs)}, here "
    told += f"{_shown(detail.ours)}; n = {html.escape(detail.n)}"
    if detail.grade is Grade.REPRODUCED:
        return f"<li>{told}</li>"
    failed = detail.grade is Grade.NOT_REPRODUCED
    mark = f"; outline: 1px solid {COLOURS[Grade.NOT_REPRODUCED]}; outline-offset: -1px" if failed else ""
    return f'<li style="padding: 0 .2em{mark}">{told}<br><em>{detail.grade}: {_shown(detail.why)}</em></li>'


def _tile(claim: Claim, verdict: Verdict) -> str:
    sign = ICONS[verdict.verdict] + ("*" if verdict.reduced else "")
    colour = "white" if verdict.verdict in DARK else "black"
    ground = COLOURS[verdict.verdict]
    if verdict.verdict in QUIET:
        ground, colour = QUIET[verdict.verdict], "var(--pst-color-text-base, black)"
    title = html.escape(f"{claim.statement}; {claim.what}: {verdict.verdict}")
    style = f"text-align: center; text-decoration: none; background: {ground}; color: {colour}"
    return (
        f'<a href="#{html.escape(claim.id)}" title="{title}" aria-label="{title}" '
        f'style="display: inline-block; min-width: 1.7em; {style}">{sign}</a>'
    )
