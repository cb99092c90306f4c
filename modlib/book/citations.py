"""Sphinx extension: the list of references has the labels that the text cites, author and year.

Chapter: ``references``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style
from pybtex.style.labels import BaseLabelStyle

if TYPE_CHECKING:
    from pybtex.database import Entry
    from sphinx.application import Sphinx

NAME = "author-year"  # as _config.yml calls it


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the style with pybtex, which makes the list."""
    register_plugin("pybtex.style.formatting", NAME, AuthorYear)
    return {"parallel_read_safe": True}


class Labels(BaseLabelStyle):
    """Labels such as ``Filan et al., 2021``."""

    def format_labels(self, sorted_entries: Sequence[Entry]) -> Iterator[str]:
        """A label an entry, in their order."""
        for entry in sorted_entries:
            names = [_last_name(person) for person in entry.persons["author"]]
            authors = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
            yield f"{authors}, {entry.fields['year']}"


class AuthorYear(Style):
    """The plain style with other labels."""

    default_label_style = Labels


def _last_name(person: object) -> str:
    return " ".join(str(part) for part in (*person.rich_prelast_names, *person.rich_last_names))  # type: ignore[attr-defined]
