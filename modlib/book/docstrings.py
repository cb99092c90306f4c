"""Sphinx extension: docstrings as we write them, read as reStructuredText.

Our docstrings hold formulas such as ``A_{uv} = |w_{uv}|``, whose bars and underscores are markup to Sphinx,
and they name errors without their module. Both are put right here, so that docstrings stay readable in an
editor. The API reference of the book is made with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modlib import errors

if TYPE_CHECKING:
    from sphinx.application import Sphinx

AFTER_NAPOLEON = 900  # napoleon has Sphinx's default priority, 500
LITERAL = re.compile(r"(``.+?``)")
FIELD = re.compile(r"(\s*:\w+(?: [^:]*)?:)(.*)", re.DOTALL)
RAISES = re.compile(r":raises (\w+):")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("autodoc-process-docstring", _process, priority=AFTER_NAPOLEON)
    return {"parallel_read_safe": True}


def _process(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = [restructured(line) for line in lines]


def restructured(line: str) -> str:
    """A line of a docstring with bars and reference underscores escaped, and errors linked.

    Field names, literals, doctests and directives are left as they are.
    """
    if line.lstrip().startswith((">>>", "...", "..")):
        return line
    line = RAISES.sub(
        lambda match: f":raises ~modlib.errors.{match[1]}:" if hasattr(errors, match[1]) else match[0], line
    )
    field = FIELD.fullmatch(line)
    head, text = (field[1], field[2]) if field else ("", line)
    return head + "".join(part if part.startswith("``") else _escape(part) for part in LITERAL.split(text))


def _escape(text: str) -> str:
    return re.sub(r"(?<=\w)_(?!\w)", r"\\_", text.replace("|", r"\|"))
