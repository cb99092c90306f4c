"""Slides of a chapter, made of the executed notebook: its question, what was found, a figure a section, what is open.

They lie beside the site, ``_build/html/slides/NAME.html``, and load nothing from elsewhere: reveal.js comes with
sphinx-revealjs, and formulas use the site's own MathJax. Chapter: all of them.
"""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

from modlib.book.execution import executed_file
from modlib.book.notebooks import read_notebook
from modlib.book.outputs import TABLE, Picture, pictures, rows_of
from modlib.book.pages import Page
from modlib.book.plain import Links, plain_markdown
from modlib.errors import BookError
from modlib.files import build_folder

if TYPE_CHECKING:
    from nbformat import NotebookNode

LEAST, MOST = 10, 15  # slides of a chapter
LEFT_OUT = ("Claims", "Exercises", "What the sources say")  # sections that are for readers
EXERCISE = re.compile(r"### (Exercise \d+.*)")
ROWS = 8  # of a table that fits on a slide
WORDS = 45  # of a section's first paragraph that fit beside its figure
FIGURE = """<figure><img src="data:image/png;base64,{png}" alt="{alt}"><figcaption>{drawn}</figcaption></figure>"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="../_static/favicon.svg">
<link rel="stylesheet" href="reveal/dist/reveal.css">
<link rel="stylesheet" href="reveal/dist/theme/white.css">
<style>
.reveal {{ font-family: system-ui, sans-serif; font-size: 28px; }}
.reveal section {{ text-align: left; }}
.reveal :is(h1, h2) {{ font-family: inherit; font-size: 1.5em; letter-spacing: 0; text-transform: none; }}
.reveal h1 {{ font-size: 2em; }}
.reveal figure {{ margin: 0; }}
.reveal figure img {{ display: block; margin: 0 auto; max-height: 400px; max-width: 100%; }}
.reveal figcaption {{ font-size: 0.6em; }}
.reveal table {{ font-size: 0.7em; }}
.reveal .admonition-title {{ font-weight: bold; }}
.reveal :is(a, a:hover) {{ color: #0b57a4; }}
</style>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="reveal/dist/reveal.js"></script>
<script>MathJax = {{ tex: {{ inlineMath: [["$", "$"]] }} }};</script>
<script src="../_static/mathjax/tex-chtml.js" defer></script>
<script>Reveal.initialize({{ hash: true, slideNumber: "c/t", width: 1100, height: 700 }});</script>
</body>
</html>
"""


@dataclass
class Section:
    """A section of a chapter, as far as a slide shows it.

    Attributes:
        title: its heading.
        level: of the heading, 1 for the chapter's own.
        text: its first paragraph, in plain Markdown, with the formula that it ends in.
        figures: pictures that its cells show.
        tables: those that its cells show and that fit on a slide.
        box: what its cells show as a box.
    """

    title: str
    level: int
    text: str = ""
    figures: list[Picture] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    box: str = ""


def write_slides(pages: Sequence[Page], root: Path) -> list[Path]:
    """Write the slides of every chapter that has been executed, beside the built site.

    Args:
        pages: of the book.
        root: folder of the book.

    Returns:
        The files that were written.

    Raises:
        BookError: if the site has not been built, or a chapter makes too few slides.
    """
    site = build_folder(root) / "html"
    if not (site / "_static").is_dir():
        raise BookError(f"{site} holds no site, whose formulas the slides use; build it with: modlib book")
    folder = site / "slides"
    shutil.rmtree(folder, ignore_errors=True)
    reveal = files("sphinx_revealjs") / "_static" / "revealjs" / "dist"
    shutil.copytree(str(reveal), folder / "reveal" / "dist", ignore=shutil.ignore_patterns("*.map", "*.esm.js"))
    written = []
    for page in pages:
        source = executed_file(page.name, root)
        if page.chapter and source.exists():
            path = folder / f"{page.chapter}.html"
            shown = slides_of(read_notebook(source), Links(root, page.name))
            if (count := shown.count("<section>")) < LEAST:
                raise BookError(
                    f"{page.name} makes {count} slides; give it the sections, figures or tables for {LEAST}"
                )
            path.write_text(shown, encoding="utf-8")
            written.append(path)
    return written


def slides_of(notebook: NotebookNode, links: Links) -> str:
    """A page of slides: title, what was found, a slide a section, and what is to be tried.

    One more for each further figure while there is room, and for each further table while there are too few.

    Args:
        notebook: executed.
        links: where the links of its text lead.
    """
    title, *rest = sections(notebook, links)
    shown = [part for part in rest if part.text or part.figures or part.tables]
    opening = [f"<h1>{html.escape(title.title)}</h1>\n{_html(title.text)}", *([title.box] if title.box else [])]
    closing = _exercises(notebook, links)
    most = MOST - len(opening) - len(closing)
    for part in [part for part in reversed(shown) if part.level > 2 and not part.figures]:
        if len(shown) > most:
            shown.remove(part)
    shown = shown[:most]
    further = [(part, _figure(picture)) for part in shown for picture in part.figures[1:]][: most - len(shown)]
    lacking = LEAST - len(opening) - len(closing) - len(shown) - len(further)
    further += [(part, each) for part in shown for each in part.tables[not part.figures :]][: max(lacking, 0)]
    slides = opening
    for part in shown:
        heading = f"<h2>{html.escape(part.title)}</h2>"
        first = "".join([*map(_figure, part.figures[:1]), *part.tables][:1])
        slides.append(f"{heading}\n{_html(_cut(part.text) if first else part.text)}\n{first}")
        slides += [f"{heading}\n{each}" for of_part, each in further if of_part is part]
    return PAGE.format(
        title=html.escape(title.title),
        slides="\n".join(f"<section>\n{slide}\n</section>" for slide in [*slides, *closing]),
    )


def sections(notebook: NotebookNode, links: Links) -> list[Section]:
    """The sections of a chapter, the first of which is its beginning; those for readers alone are left out."""
    found, kept = [Section("", 1)], True
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for block in re.split(r"\n{2,}", plain_markdown(cell.source, links)):
                if heading := re.match(r"(#{1,3}) (.+)", block):
                    level = len(heading[1])
                    kept = not heading[2].startswith(LEFT_OUT) if level < 3 else kept
                    if level == 1:
                        found[0].title = heading[2]
                    elif kept:
                        found.append(Section(heading[2], level))
                elif kept and not found[-1].text and re.match(r"[\w*\[$]", block):
                    found[-1].text = block
                elif kept and block.startswith("$$") and not found[-1].text.endswith((".", "?")):
                    found[-1].text += f"\n\n{block}"
        elif kept:
            _add_outputs(found[-1], cell)
    return found


def _add_outputs(part: Section, cell: NotebookNode) -> None:
    part.figures += pictures(nbformat.v4.new_notebook(cells=[cell]))
    for output in cell.get("outputs", []):
        page = output.get("data", {}).get("text/html", "")
        if 'class="admonition' in page:
            part.box = page
        part.tables += [table for table in TABLE.findall(page) if rows_of(table) <= ROWS]


def _exercises(notebook: NotebookNode, links: Links) -> list[str]:
    """A slide with the titles of the exercises, if there are any."""
    texts = [plain_markdown(cell.source, links) for cell in notebook.cells if cell.cell_type == "markdown"]
    titles = [f"<li>{html.escape(title)}</li>" for text in texts for title in EXERCISE.findall(text)]
    return [f"<h2>To try</h2>\n<ul>{''.join(titles)}</ul>"] if titles else []


def _figure(picture: Picture) -> str:
    return FIGURE.format(
        png=picture.png, alt=html.escape(picture.seen or picture.drawn), drawn=html.escape(picture.drawn)
    )


def _cut(text: str) -> str:
    """The first sentences of a paragraph, as many as fit beside a figure, but one at least."""
    first, *more = re.split(r"(?<=[.?:!]) +(?=[A-Z])", " ".join(text.split()))
    for sentence in more:
        if len(f"{first} {sentence}".split()) > WORDS:
            break
        first = f"{first} {sentence}"
    return first


def _html(markdown: str) -> str:
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    return str(markdown2html_mistune(markdown))
