"""Chapters for readers of notebooks: the book's markup as plain Markdown, which Jupyter, Colab and GitHub show.

The book is written in MyST, which only Sphinx and plug-ins read. In a notebook a term links to the glossary, a paper to
where it can be read, a box becomes a quotation, an exercise a heading, and its hint and solution fold.
Chapter: all of them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from modlib.errors import BookError
from modlib.files import REPOSITORY

if TYPE_CHECKING:
    from pybtex.database import Entry

ROLE = re.compile(r"\{([a-z]+(?::[a-z]+)?)\}`([^`]+)`")
LABEL = re.compile(r"^\(([\w-]+)\)=\n", re.MULTILINE)
LABELLED = re.compile(rf"{LABEL.pattern}+#+ (.+)", re.MULTILINE)
BOX = re.compile(r"^:::\{(?P<kind>[\w-]+)\} *(?P<title>.*)\n(?::\w+:.*\n)*(?P<text>(?s:.*?))^:::$", re.MULTILINE)
RAW = re.compile(r"\{[a-z]+(?::[a-z]+)?\}`|^:::|^\([\w-]+\)=$", re.MULTILINE)  # what no reader of a notebook should see


@dataclass(frozen=True)
class Links:
    """What the roles of the book's pages point to.

    Attributes:
        root: folder of the book.
        page: the page from which links lead, such as ``notebooks/dropout``.
    """

    root: Path
    page: str

    @cached_property
    def sections(self) -> dict[str, tuple[str, str]]:
        """Page and title of each labelled section, by label."""
        found = {}
        for path in sorted(self.root.glob("notebooks/*.md")):
            for label, title in LABELLED.findall(path.read_text(encoding="utf-8")):
                found[label] = (f"notebooks/{path.stem}", title)
        return found

    @cached_property
    def papers(self) -> dict[str, Entry]:
        """Entries of the bibliography, by key.

        Raises:
            BookError: if it is missing or does not parse.
        """
        from pybtex.database import parse_string
        from pybtex.exceptions import PybtexError

        path = self.root / "book" / "references.bib"
        try:
            return dict(parse_string(path.read_text(encoding="utf-8"), "bibtex").entries)
        except (OSError, PybtexError) as error:
            raise BookError(f"{path} does not parse as a bibliography ({error}); restore it from git") from error

    def term(self, text: str, target: str) -> str:
        """A word of the glossary."""
        return self._link(text or target, "book/glossary")

    def doc(self, text: str, target: str) -> str:
        """Another page, by its title where no text is given."""
        page = target.removeprefix("/") if target.startswith("/") else self._beside(target)
        return self._link(text or self._title(page), page)

    def ref(self, text: str, target: str) -> str:
        """A labelled section.

        Raises:
            BookError: if no chapter has it.
        """
        if target not in self.sections:
            raise BookError(f"{self.page} points to the section {target!r}, but no chapter has a line ({target})=")
        page, title = self.sections[target]
        return self._link(text or title, page)

    def cited(self, keys: str, in_brackets: bool) -> str:
        """Papers by their authors and years, linked to where they can be read, if their entries say so.

        Raises:
            BookError: if the bibliography lacks one.
        """
        texts = [self._cited(key.strip(), in_brackets) for key in keys.split(",")]
        return f"({'; '.join(texts)})" if in_brackets else " and ".join(texts)

    def _cited(self, key: str, in_brackets: bool) -> str:
        if key not in self.papers:
            raise BookError(f"{self.page} cites {key!r}, which book/references.bib lacks")
        paper = self.papers[key]
        names = [" ".join(person.last_names) for person in paper.persons["author"]]
        who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        year = paper.fields["year"]
        text = f"{who}, {year}" if in_brackets else f"{who} ({year})"
        for field, host in (("eprint", "https://arxiv.org/abs/"), ("doi", "https://doi.org/"), ("url", "")):
            if field in paper.fields:
                return f"[{text}]({host}{paper.fields[field]})"
        return text

    def _link(self, text: str, page: str) -> str:
        # to the repository, because a notebook is read in many places, and only one of them is a checkout
        suffix = ".ipynb" if page.startswith("notebooks/") else ".md"
        return f"[{text}]({REPOSITORY}/blob/main/{page}{suffix})"

    def _beside(self, target: str) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.page), target))

    def _title(self, page: str) -> str:
        path = self.root / f"{page}.md"
        if not path.exists():
            raise BookError(f"{self.page} points to the page {page}, but there is no {path}")
        title = re.search(r"^# (.+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        return title[1] if title else page


def plain_markdown(text: str, links: Links) -> str:
    """The text of a page or cell without the book's markup.

    Args:
        text: MyST Markdown.
        links: where its roles lead.

    Raises:
        BookError: if it has a role or a directive that has no plain form, or one that leads nowhere.
    """

    def role(found: re.Match[str]) -> str:
        name, inside = found[1], " ".join(found[2].split())
        said = re.fullmatch(r"(.*?) *<(.+)>", inside)
        shown, target = (said[1], said[2]) if said else ("", inside)
        written: dict[str, Callable[[], str]] = {
            "term": lambda: links.term(shown, target),
            "doc": lambda: links.doc(shown, target),
            "ref": lambda: links.ref(shown, target),
            "cite:t": lambda: links.cited(target, in_brackets=False),
            "cite:p": lambda: links.cited(target, in_brackets=True),
        }
        if name not in written:
            raise BookError(f"{links.page} has the role {name!r}; expected one of {', '.join(written)}")
        return written[name]()

    return ROLE.sub(role, LABEL.sub("", BOX.sub(lambda found: _box(found, links.page), text)))


def _box(found: re.Match[str], page: str) -> str:
    """A box as a heading with text (an exercise), as text that folds (a hint, a solution), or as a quotation."""
    if found["kind"] != "admonition":
        raise BookError(f"{page} has the directive {found['kind']!r}; expected 'admonition', in a notebook's text")
    title, text = found["title"], found["text"].strip()
    if title.startswith("Exercise"):
        return f"### {title}\n\n{text}"
    if title in ("Hint", "Solution"):
        return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"
    quoted = "\n".join(f"> {line}".rstrip() for line in text.splitlines())
    return f"> **{title}**\n>\n{quoted}"
