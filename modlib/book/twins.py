"""Chapters as two files: the text that the book is built from, and the notebook that is written from it.

NAME.md (jupytext, MyST) is edited. Its twin NAME.ipynb is for readers of notebooks: without outputs, in plain Markdown,
and with a cell that installs what is missing. Chapter: all of them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from modlib.book.notebooks import KERNEL, read_notebook
from modlib.book.plain import Links, plain_markdown
from modlib.errors import BookError
from modlib.files import REPOSITORY, checkout, replace_file

FOLDED = {"hide-input", "hide-cell", "remove-input"}  # tags of cells whose code the book folds or leaves out
# The first cell of a notebook. What pip installs into a running kernel is found only by this path.
INSTALL = f"""\
# Where the library is missing, as on Colab, this installs it: a few minutes.
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("modlib") is None:
    source = "{REPOSITORY}"
    install = [sys.executable, "-m", "pip", "install", "-q", "-e", "book[keras,book]"]
    subprocess.run(["git", "clone", "--depth", "1", source, "book"], check=True)
    subprocess.run(install, check=True)
    os.chdir("book")
    sys.path.insert(0, os.getcwd())"""


def sync(check: bool = False, root: Path | None = None) -> list[Path]:
    """Write every notebook from its text twin, without outputs; returns those that changed.

    Args:
        check: write nothing, and refuse a notebook that is not what its twin makes it.
        root: folder of the book, the checkout by default.

    Raises:
        BookError: if there are no twins, a notebook has none, or, with ``check``, if it differs from it.
    """
    folder = (root or checkout()) / "notebooks"
    for notebook in sorted(folder.glob("*.ipynb")):
        if not notebook.with_suffix(".md").exists():
            raise BookError(
                f"{notebook} has no text twin; write {notebook.stem}.md, the source of the chapter, "
                "or start it with: jupytext --to md:myst " + str(notebook)
            )
    twins = sorted(folder.glob("*.md"))
    if not twins:
        raise BookError(f"{folder} holds no text twin NAME.md, so nothing was checked; restore it from git")
    changed = []
    for twin in twins:
        notebook = twin.with_suffix(".ipynb")
        text = notebook_text(twin, folder.parent)
        if notebook.exists() and notebook.read_text(encoding="utf-8") == text:
            continue
        if check:
            stored = read_notebook(notebook) if notebook.exists() else nbformat.v4.new_notebook()
            outputs = " and stores outputs" if any(cell.get("outputs") for cell in stored.cells) else ""
            raise BookError(
                f"{notebook} is not what its text twin makes it{outputs}; "
                f"put your edits into {twin.name}, then run: modlib sync"
            )
        replace_file(notebook, text)
        changed.append(notebook)
    return changed


def notebook_text(twin: Path, root: Path) -> str:
    """The ipynb file that a text twin makes for readers of notebooks, with ids that depend on a cell's text alone.

    Args:
        twin: the text.
        root: folder of the book, where its links lead.

    Raises:
        BookError: if the text has markup that has no plain form, or that leads nowhere.
    """
    notebook = for_readers(read_notebook(twin), Links(root, f"notebooks/{twin.stem}"))
    notebook.metadata = NotebookNode(kernelspec=NotebookNode(KERNEL), language_info=NotebookNode(name="python"))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    return nbformat.writes(notebook, indent=1) + "\n"


def for_readers(notebook: NotebookNode, links: Links) -> NotebookNode:
    """A notebook in plain Markdown, which installs what is missing and folds the code that the book folds.

    Args:
        notebook: in the book's markup; it is changed.
        links: where its links lead.

    Raises:
        BookError: if the text has markup that has no plain form, or that leads nowhere.
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = plain_markdown(cell.source, links)
        if FOLDED & {*cell.metadata.get("tags", ())}:
            cell.metadata["jupyter"] = NotebookNode(source_hidden=True)
    first = next((i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"), len(notebook.cells))
    notebook.cells.insert(first, nbformat.v4.new_code_cell(INSTALL, metadata={"tags": ["install"]}))
    return notebook
