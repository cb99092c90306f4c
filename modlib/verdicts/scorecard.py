"""What the stored rows say, as data: every claim with its verdict, what chapters found, how many wrong results pass.

``modlib scorecard`` writes the tables into the folder of the results, so that whoever changes rows, or the code that
reads them, sees which numbers, verdicts and sentences change with them. Chapter: ``scorecard``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from modlib.chapters import NAMES, findings
from modlib.errors import TableMissing
from modlib.evidence.criteria import VERSION
from modlib.files import replace_file, results_folder
from modlib.verdicts.cards import Judged
from modlib.verdicts.claims import Claim, earlier_verdicts
from modlib.verdicts.found import sentences

CARD, FOUND, POWER = "scorecard", "what-was-found", "scorecard-power"
COLUMNS = (
    "claim",
    "version",
    "verdict",
    "version 1",
    "repeats",
    "number",
    "paper",
    "ours",
    "n",
    "criterion",
    "agrees",
    "why",
)


def repeated(claims: Iterable[Claim]) -> dict[tuple[str, str], str]:
    """Numbers that an earlier claim holds already: the same rows, compared with the same printed number.

    Runs that a paper prints one by one repeat nothing, whatever their mean.

    Returns:
        For the id of a claim and one of its metrics, the id of the first claim that holds the number.
    """
    first: dict[tuple[object, ...], str] = {}
    found = {}
    for claim in claims:
        for metric, printed in claim.printed.items():
            if not claim.in_words and "*" not in claim.row and printed.sample is not None:
                number = (metric, f"{printed.sample.mean:.6g}", tuple(sorted(claim.rows.items())))
                if claim.id != first.setdefault(number, claim.id):
                    found[claim.id, metric] = first[number]
    return found


def verdict_lines(found: Judged) -> pd.DataFrame:
    """Every number of every claim, and the claim's verdict.

    Args:
        found: see ``modlib.verdicts.cards.judged``.

    Returns:
        Columns ``COLUMNS``, all text; the main number of a claim comes first. ``version 1`` is the claim's verdict by
        that version of the criteria, ``repeats`` the first claim that holds the same number.
    """
    before, again = earlier_verdicts(), repeated(claim for claim, _ in found)
    lines = []
    for claim, verdict in found:
        common = (claim.id, VERSION, str(verdict.verdict), before.get(claim.id, ""))
        for d in verdict.details:
            number = (findings()[d.metric].label, d.theirs, d.ours, d.n, d.criterion, str(d.grade), d.why)
            lines.append((*common, again.get((claim.id, d.metric), ""), *number))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def found_lines(folder: Path | None = None) -> pd.DataFrame:
    """What chapters found, in the order of the book.

    Args:
        folder: where the result tables lie; ``results_folder()`` by default.

    Returns:
        Columns ``chapter`` and ``sentence``, both text; three sentences a chapter.

    Raises:
        ResultsError: if a table is damaged.
    """
    told = [(chapter, sentence) for chapter in NAMES for sentence in sentences(chapter, folder)]
    return pd.DataFrame(told, columns=["chapter", "sentence"])


def write(name: str, lines: pd.DataFrame, folder: Path | None = None) -> Path:
    """Store one of the tables, whole."""
    path = (folder or results_folder()) / f"{name}.csv"
    replace_file(path, lines.to_csv(index=False))
    return path


def stored(name: str, folder: Path | None = None) -> pd.DataFrame:
    """One of the tables as it was written.

    Raises:
        TableMissing: if it is not there.
    """
    path = (folder or results_folder()) / f"{name}.csv"
    if not path.exists():
        raise TableMissing(f"{path} is not there; write it: modlib scorecard{' --power' if name == POWER else ''}")
    return pd.read_csv(path, keep_default_na=False, dtype=str)
