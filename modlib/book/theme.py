"""Sphinx extension: what a page says of itself, and none of the scripts that it does not use.

Chapter: all of them are built this way.
"""

from __future__ import annotations

import hashlib
import html
import re
from binascii import a2b_base64
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modlib import __version__
from modlib.book.notebooks import read_notebook
from modlib.book.outputs import pictures
from modlib.book.pages import WITHOUT_TORCH
from modlib.errors import BookError

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

GLOSSARY = "book/glossary"
LONGEST = 200  # characters of a description; search engines show fewer
FOOTER = (
    '<p>modlib {version}, MIT licence. <a href="{repository}/blob/main/CITATION.cff">How to cite this book</a>, '
    '<a href="{repository}/blob/main/CHANGELOG.md">what has changed</a>.</p>'
)
REDIRECTION = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="{up}_static/favicon.svg">
<meta http-equiv="refresh" content="0; url={page}">
<a href="{page}">{title}</a>
</html>
"""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("builder-inited", _add_footer)
    app.connect("doctree-read", lambda app, document: caption_figures(document, _seen(app)))
    app.connect("doctree-read", lambda app, document: name_folds(document))
    app.connect("doctree-resolved", lambda app, document, page: explain_terms(document, _definitions(app)))
    app.connect("html-page-context", _describe, priority=900)  # after the theme and its extensions
    app.connect("build-finished", _write_redirections)
    app.add_config_value("moved_pages", {}, "html", dict)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _add_footer(app: Sphinx) -> None:
    options = app.config.html_theme_options
    options["extra_footer"] = FOOTER.format(version=__version__, repository=options["repository_url"])


def _write_redirections(app: Sphinx, failed: Exception | None) -> None:
    # Jupyter Book's own redirection of the front page, written where there is none, has neither a title nor the icon.
    if failed is None and app.builder.format == "html":
        moved = {"index": app.config.root_doc, **app.config.moved_pages}
        write_redirections(moved, app.env.found_docs, Path(app.outdir), app.config.html_title)


def write_redirections(moved: Mapping[str, str], pages: Collection[str], site: Path, title: str) -> None:
    """Pages that lead from a name that a page had to where it is now, so that links from elsewhere go on working.

    Args:
        moved: the page that it is now, by the name that it had.
        pages: names of all pages.
        site: folder of the built site.
        title: of the book.

    Raises:
        BookError: if it leads nowhere, or a page has that name.
    """
    for old, new in moved.items():
        if new not in pages or old in pages:
            raise BookError(
                f"moved_pages in _config.yml leads from {old!r} to {new!r}; expected a name that no page has any more, "
                "and that of a page in _toc.yml"
            )
        up = "../" * old.count("/")
        page = site / f"{old}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(REDIRECTION.format(title=html.escape(title), page=f"{up}{new}.html", up=up), encoding="utf-8")


def _definitions(app: Sphinx) -> dict[str, str]:
    """What the terms of the glossary mean, by their anchors; empty where there is none."""
    return definitions(app.env.get_doctree(GLOSSARY)) if GLOSSARY in app.env.found_docs else {}


def _describe(app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None) -> None:
    # Jupyter Book brings Thebe, twice; the book's pages run on Binder instead.
    scripts = [script for script in context["script_files"] if "thebe" not in f"{script}{script.attributes}".lower()]
    context["script_files"] = scripts
    context["header_buttons"] = launchable(page, context.get("header_buttons", []))
    if document is not None:
        said = {
            "description": description(document),
            "og:title": app.env.titles[page].astext(),
            "og:description": description(document),
            "og:site_name": app.config.html_title,
            "og:type": "article",
        }
        context["metatags"] = context.get("metatags", "") + "\n".join(
            f'<meta {"property" if ":" in name else "name"}="{name}" content="{html.escape(text)}">'
            for name, text in said.items()
            if text
        )


def _seen(app: Sphinx) -> dict[str, str]:
    """What is to be seen in the pictures of the page that is being read, by the name of their file."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return {}
    # MyST-NB passes on the metadata of a cell alone, and names a file after its bytes
    return {
        f"{hashlib.sha256(a2b_base64(picture.png)).hexdigest()}.png": picture.seen
        for picture in pictures(read_notebook(path))
    }


def launchable(page: str, buttons: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The buttons of a page that lead somewhere: a chapter is launched, and on Binder if its environment has all of it.

    Args:
        page: its name.
        buttons: of the theme, some in groups.
    """
    folder, _, name = page.rpartition("/")
    found = []
    for button in buttons:
        if button["label"] == "launch-buttons":
            if folder != "notebooks":  # pages that are text in the repository: nothing there to launch
                continue
            small = [each for each in button["buttons"] if name in WITHOUT_TORCH or "mybinder" not in each["url"]]
            button = button | {"buttons": small}
        found.append(button)
    return found


def caption_figures(document: nodes.document, seen: Mapping[str, str]) -> None:
    """Make each picture that a cell shows a figure, which has a number.

    Args:
        document: a page; it is changed.
        seen: what is to be seen in its pictures, by the name of their file: their alternative text. In the caption it
            follows the description of the cell.
    """
    from docutils import nodes

    cells = [cell for cell in document.findall(nodes.container) if cell.get("nb_element") == "cell_code_output"]
    for cell in cells:
        pictures = [picture for picture in cell.findall(nodes.image) if picture.get("alt")]
        for number, picture in enumerate(pictures, 1):
            which = f" ({number} of {len(pictures)})" if len(pictures) > 1 else ""
            figure = nodes.figure()
            picture.replace_self(figure)
            drawn = f"{picture['alt'].rstrip('.')}{which}."
            picture["alt"] = told = seen.get(Path(picture["uri"]).name, "") or picture["alt"]
            figure += [picture, nodes.caption("", f"{drawn} {told}" if told != drawn else drawn)]
            document.set_id(figure)


def name_folds(document: nodes.document) -> None:
    """Say on the folds of a page what is in them: a solution where a whole cell folds, unless the cell names it."""
    from docutils import nodes

    names = {"all": "the solution in code", "input": "the code", "output": "what it shows"}
    for cell in document.findall(nodes.container):
        if cell.get("prompt_show", "").startswith("Show code cell"):
            inside = names[cell["hide_mode"]]
            cell["prompt_show"], cell["prompt_hide"] = f"Show {inside}", f"Hide {inside}"


def definitions(glossary: nodes.document) -> dict[str, str]:
    """What each term means, in plain text, by its anchor: the sentences of its definition before the first formula.

    Args:
        glossary: the page, as it was read.
    """
    from docutils import nodes

    found: dict[str, str] = {}
    for entry in glossary.findall(nodes.definition_list_item):
        paragraph = next(iter(entry.findall(nodes.paragraph)), None)
        if paragraph is None:
            continue
        parts = []
        for text in paragraph.findall(lambda node: isinstance(node, nodes.Text | nodes.math)):
            if isinstance(text, nodes.math):
                break
            if not _cited(text):
                parts.append(text.astext())
        whole = re.match(r"(?:.*[.!?])?", " ".join("".join(parts).split()))  # no half a sentence
        meaning = re.sub(r"\s+([.,;])", r"\1", whole[0] if whole else "")
        found |= {name: meaning for term in entry.findall(nodes.term) for name in term["ids"] if meaning}
    return found


def _cited(text: nodes.Node) -> bool:
    """Whether a text is the key of a paper."""
    while (text := text.parent) is not None:
        if getattr(text, "attributes", {}).get("refdomain") == "cite":
            return True
    return False


def explain_terms(document: nodes.document, meanings: Mapping[str, str]) -> None:
    """Let the links to the glossary say what their term means to who points at them.

    Args:
        document: a page; it is changed.
        meanings: of the terms, by their anchors.
    """
    from docutils import nodes

    for link in document.findall(nodes.reference):
        page, _, anchor = link.get("refuri", "").partition("#")
        if page.endswith(f"{GLOSSARY.rpartition('/')[2]}.html") and anchor in meanings:
            link["reftitle"] = meanings[anchor]


def description(document: nodes.document) -> str:
    """The first paragraph of a page as plain text, cut after a word; empty if there is none."""
    from docutils import nodes

    text = next((paragraph.astext() for paragraph in document.findall(nodes.paragraph)), "")
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else words[:LONGEST].rpartition(" ")[0] + " …"
