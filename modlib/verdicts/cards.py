"""Claims and verdicts as readers see them: tables, folded cards, the paper's numbers and ours side by side.

Chapter: ``scorecard``; every chapter shows its own claims.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from modlib.chapters import findings
from modlib.evidence.criteria import Grade
from modlib.verdicts.claims import Claim, Detail, expect, judge, load

if TYPE_CHECKING:
    from IPython.display import HTML

# Verdicts are told apart by sign and word; their colours are Okabe and Ito's, safe for the colour-blind.
ICONS = dict(zip(Grade, "✔◐✘?○–", strict=True))
COLOURS = dict(zip(Grade, ("#0072B2", "#E69F00", "#D55E00", "#999999", "#D0D0D0", "#EEEEEE"), strict=True))


def table(
    chapter: str | None = None,
    details: bool = False,
    folder: Path | None = None,
    path: Path | None = None,
) -> pd.DataFrame:
    """Claims and verdicts, ready to show.

    Args:
        chapter: whose claims; all by default.
        details: a line for every number, with its criterion and what came out, instead of one for every claim.
        folder: where the result tables lie.
        path: the claims.

    Returns:
        Columns id, item, what, metric, paper, ours, n, decided by, verdict; with details also criterion and why.
        The number shown for a claim is its main metric's, the verdict that of all its metrics.

    Raises:
        BookError: if no claim belongs to the chapter.
    """
    claims = load(path)
    if chapter is not None:
        expect(chapter, {claim.chapter for claim in claims}, "chapter")
    lines = []
    for claim in claims:
        if chapter in (None, claim.chapter):
            verdict = judge(claim, folder)
            for detail in verdict.details if details else verdict.details[:1]:
                line = _line(claim, detail)
                if details:
                    line |= {"verdict": str(detail.grade), "criterion": detail.criterion, "why": detail.why}
                else:
                    line |= {"verdict": str(verdict.verdict)}
                lines.append(line)
    return pd.DataFrame(lines)


def show(chapter: str | None = None, folder: Path | None = None, path: Path | None = None) -> HTML:
    """Claims and verdicts for a notebook, folded by what is claimed; unfolded, a line for every number.

    A chapter's claims come with a line for every claim above.
    """
    from IPython.display import HTML

    lines, numbers = (table(chapter, details, folder, path) for details in (False, True))
    claimed = pd.Series({claim.id: f"{claim.paper}, {claim.item}: {claim.statement}" for claim in load(path)})
    parts = [] if chapter is None else [_html(lines)]
    for statement, ids in claimed[lines["id"]].groupby(claimed, sort=False).groups.items():
        verdicts = lines.loc[lines["id"].isin(ids), "verdict"].value_counts()
        counts = ", ".join(f"{ICONS[Grade(str(verdict))]} {n} {verdict}" for verdict, n in verdicts.items())
        parts.append(_fold(f"{statement} ({counts})", _html(numbers[numbers["id"].isin(ids)])))
    return HTML("".join(parts))


def side_by_side(paper: str, *items: str, folder: Path | None = None, path: Path | None = None) -> pd.DataFrame:
    """What a paper prints in some tables, and below each line what we have.

    Args:
        paper: id of the paper.
        items: which of its tables, such as ``table-1``.
        folder: where the result tables lie.
        path: the claims.

    Returns:
        Columns networks, source (``paper`` or ``here`` with our number of networks), and one a metric.

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
            lines.append({"networks": claim.what, "source": "paper"})
            lines.append({"networks": "", "source": f"here, n = {verdict.n}"})  # "–" where there is none yet
            for detail in verdict.details:
                label = findings()[detail.metric].label
                lines[-2][label], lines[-1][label] = detail.theirs, detail.ours
    return pd.DataFrame(lines)


def scorecard(folder: Path | None = None, path: Path | None = None) -> pd.DataFrame:
    """How many claims came out how: one row a paper and item, one column a verdict."""
    claims = load(path)
    found = pd.DataFrame(
        [(claim.paper, claim.item, str(judge(claim, folder).verdict)) for claim in claims],
        columns=["paper", "item", "verdict"],
    )
    counts = found.groupby(["paper", "item"], sort=False)["verdict"].value_counts().unstack(fill_value=0)
    return counts.reindex(columns=[str(grade) for grade in Grade], fill_value=0)


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


def _html(frame: pd.DataFrame) -> str:
    cells = frame.map(lambda value: html.escape(str(value)))
    cells["verdict"] = [
        f'<span style="border-left: .5em solid {COLOURS[Grade(verdict)]}; padding-left: .4em; white-space: nowrap">'
        f"{ICONS[Grade(verdict)]} {verdict}</span>"
        for verdict in frame["verdict"]
    ]
    body = cells.to_html(index=False, escape=False, border=0, justify="left")
    return f'<div style="overflow-x: auto; font-size: 80%">{body}</div>'


def _fold(summary: str, body: str) -> str:
    return f"<details><summary>{html.escape(summary)}</summary>{body}</details>"
