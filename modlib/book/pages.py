"""Pages of the book: what its table of contents names, and the code that they hold."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import yaml

from modlib.book.notebooks import read_notebook
from modlib.errors import BookError

FOLDERS = ("book", "notebooks")
# Chapters that run without PyTorch, in the small environment of binder/: their opening boxes say so, and the book
# executes them where there is none.
WITHOUT_TORCH = ("dropout", "random-datasets", "topology-shuffles", "null-models", "hypothesis-tests")
NO_PAGES = "book/papers"  # notes on what the papers print


@dataclass(frozen=True)
class Page:
    """A page of the table of contents.

    Attributes:
        name: as the table of contents has it, such as ``notebooks/dropout``.
        source: its file.
    """

    name: str
    source: Path

    @property
    def is_notebook(self) -> bool:
        """Whether it holds code to execute: a text with code cells, or an ipynb file that has no text."""
        return self.source.suffix == ".ipynb" or "\n```{code-cell}" in self.source.read_text(encoding="utf-8")

    @property
    def chapter(self) -> str:
        """The chapter that it is, such as ``dropout``; empty if it is none."""
        folder, _, name = self.name.partition("/")
        return name if folder == "notebooks" else ""

    def code(self) -> ast.Module:
        """Its code cells, one after the other.

        Raises:
            BookError: if a cell is not Python. A command line or magic of IPython is not; it may fail unseen.
        """
        body = []
        for cell in read_notebook(self.source).cells:
            if cell.cell_type == "code":
                try:
                    body += ast.parse(cell.source).body
                except SyntaxError as error:
                    line = (error.text or "").strip()
                    raise BookError(
                        f"{self.name} has a cell that is not Python ({error.msg}: {line}); correct it. Commands (!) "
                        "and magics (%) are refused, because one that fails does not stop a notebook"
                    ) from error
        return ast.Module(body, [])


def read_pages(root: Path) -> list[Page]:
    """Pages of the book, in the order of _toc.yml.

    Raises:
        BookError: if a page has no file, or a file of book/ or notebooks/ is in no table of contents.
    """
    from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

    path = root / "_toc.yml"
    try:
        names = list(parse_toc_yaml(path))
    except (OSError, MalformedError, yaml.YAMLError) as error:
        raise BookError(f"{path} does not parse as a table of contents ({error}); correct it") from error
    pages = []
    for name in names:
        files = [file for file in (root / f"{name}.md", root / f"{name}.ipynb") if file.exists()]
        if not files:
            raise BookError(
                f"{path} names {name}, but there is no {name}.md or {name}.ipynb; write it or remove the entry"
            )
        pages.append(Page(name, files[0]))
    for file in sorted(file for folder in FOLDERS for file in (root / folder).rglob("*")):
        name = file.relative_to(root).with_suffix("").as_posix()
        hidden = f"{NO_PAGES}/" in name or "/." in name  # an editor's copies
        if file.suffix in (".md", ".ipynb") and name not in names and not hidden:
            raise BookError(
                f"{file.relative_to(root)} is not in {path}, so the book would lack it; add it or remove it"
            )
    return pages
