"""What was found, in sentences that the stored rows make: three a chapter, the first of which answers its question.

A chapter's ``findings.found`` writes them of the rows of the profile ``paper``, so they change when the rows do.
Chapter: all with a result table.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from modlib.chapters import find_experiment, find_found
from modlib.files import REPOSITORY
from modlib.reprs import AS_IT_IS
from modlib.tables.runner import missing_cells
from modlib.verdicts.stored import PROFILE, stored_rows

if TYPE_CHECKING:
    from IPython.display import HTML, Markdown

NOT_YET = "Not measured yet."


def sentences(chapter: str, folder: Path | None = None) -> list[str]:
    """What a chapter found, in three sentences; one whose rows are not stored says so.

    Args:
        chapter: such as ``dropout``.
        folder: where the result tables lie; ``results_folder()`` by default.

    Raises:
        InputError: if there is no such chapter.
        ResultsError: if a table is damaged.
    """
    tables, found = find_found(chapter)
    parts = [rows for rows in (stored_rows(name, folder) for name in tables) if len(rows)]
    told = found(pd.concat(parts, ignore_index=True)) if parts else (None, None, None)
    return [sentence or NOT_YET for sentence in told]


def first_sentences(*chapters: str, folder: Path | None = None) -> Markdown:
    """The answers of some chapters, a line each: its title, which is the question, and its first sentence.

    Args:
        chapters: such as ``dropout``.
        folder: where the result tables lie; ``results_folder()`` by default.

    Raises:
        InputError: if there is no such chapter.
        ResultsError: if a table is damaged.
    """
    from IPython.display import Markdown

    lines = [f"- {{doc}}`/notebooks/{chapter}` {sentences(chapter, folder)[0]}" for chapter in chapters]
    return Markdown("\n".join(lines))


def found_box(chapter: str, folder: Path | None = None) -> HTML:
    """What a chapter found, as a box of the book's theme, with how many networks it rests on and where their rows are.

    Args:
        chapter: such as ``dropout``.
        folder: where the result tables lie; ``results_folder()`` by default.

    Raises:
        InputError: if there is no such chapter.
        ResultsError: if a table is damaged.
    """
    from IPython.display import HTML

    told = dict.fromkeys(sentences(chapter, folder))  # what is not measured yet is said once
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in told)
    sources = "; ".join(_source(name, folder) for name in find_found(chapter)[0])
    intervals = any(", n = " in sentence for sentence in told)
    brackets = " In brackets: a 90% interval of the mean over n networks." if intervals else ""
    return HTML(
        f'<div class="admonition important {AS_IT_IS}"><p class="admonition-title"><strong>What was found</strong></p>'
        f"<ul>{items}</ul><p><small>Computed from stored rows: {sources}.{brackets}</small></p></div>"
    )


def _source(name: str, folder: Path | None) -> str:
    """A table with a link to its rows on GitHub, how many networks it holds, and how much of its plan is missing."""
    experiment, rows = find_experiment(name), stored_rows(name, folder)
    networks = len(rows.drop_duplicates(list(experiment.network_key))) if experiment.network_key else 0
    parts = [f"{networks} network{'s' if networks != 1 else ''}" if experiment.network_key else f"{len(rows)} rows"]
    if missing := len(missing_cells(experiment, PROFILE, folder)):
        parts.append(f"{missing} of {len(experiment.cells(PROFILE))} measurements not made yet")
    return f'<a href="{REPOSITORY}/blob/main/results/{name}.csv">{name}.csv</a> ({", ".join(parts)})'
