"""modlib.book.slides and modlib.book.pdf: a chapter to talk through, and the book on paper."""

import re
from pathlib import Path

import nbformat
import pytest

from modlib.book import pdf
from modlib.book.execution import executed_file
from modlib.book.notebooks import read_notebook
from modlib.book.pages import Page
from modlib.book.plain import Links
from modlib.book.slides import LEAST, MOST, slides_of, write_slides
from modlib.errors import BookError
from modlib.files import checkout

PNG = "iVBORw0KGgo="


def picture(alt: str) -> nbformat.NotebookNode:
    output = nbformat.v4.new_output("display_data", {"image/png": PNG})
    return nbformat.v4.new_code_cell("draw()", outputs=[output], metadata={"mystnb": {"image": {"alt": alt}}})


def chapter(n_sections: int = 2, n_figures: int = 1) -> nbformat.NotebookNode:
    box = nbformat.v4.new_output("display_data", {"text/html": '<div class="admonition">Found: 3 < 4.</div>'})
    cells = [
        nbformat.v4.new_markdown_cell("# Is it <so>?\n\nA question about {term}`n-cut`.\n\nMore."),
        nbformat.v4.new_code_cell("found_box()", outputs=[box]),
    ]
    for i in range(n_sections):
        cells.append(nbformat.v4.new_markdown_cell(f"## Section {i}\n\nWith $x$ it is\n\n$$x = 1$$\n\nAnd more."))
        cells += [picture(f"figure {i} {j}") for j in range(n_figures)]
    cells.append(nbformat.v4.new_markdown_cell("## Claims\n\nOf them.\n\n### All\n\nHere."))
    cells.append(picture("claims"))
    return nbformat.v4.new_notebook(cells=cells)


def links() -> Links:
    return Links(checkout(), "notebooks/dropout")


def test_a_slide_has_a_section_with_its_first_words_its_formula_and_its_figure() -> None:
    page = slides_of(chapter(), links())
    slides = re.findall(r"<section>\n(.*?)\n</section>", page, re.DOTALL)
    assert len(slides) == 4
    assert slides[0].startswith("<h1>Is it &lt;so&gt;?</h1>")
    assert "glossary.md" in slides[0]
    assert "More." not in slides[0]
    assert slides[1] == '<div class="admonition">Found: 3 < 4.</div>'
    assert "With $x$ it is" in slides[2]
    assert "$$x = 1$$" in slides[2]
    assert f'src="data:image/png;base64,{PNG}" alt="figure 0 0"' in slides[2]
    assert "claims" not in page


def test_a_slide_without_a_figure_shows_a_table_that_fits_and_more_of_them_where_slides_lack() -> None:
    def table(rows: int) -> nbformat.NotebookNode:
        html = f"<table><tbody>{'<tr><td>1</td></tr>' * rows}</tbody></table>"
        return nbformat.v4.new_code_cell(
            "show()", outputs=[nbformat.v4.new_output("display_data", {"text/html": html})]
        )

    notebook = chapter(1, 0)
    assert "<table>" not in slides_of(notebook, links())
    notebook.cells[3:3] = [table(20), table(3)]
    assert slides_of(notebook, links()).count("<tr>") == 3
    notebook.cells[3:3] = [table(4)] * 20
    assert slides_of(notebook, links()).count("<section>") == LEAST


def test_the_last_slide_says_what_is_to_be_tried() -> None:
    notebook = chapter()
    text = "## Exercises\n\n:::{admonition} Exercise 1 (basic): a < b\nWhy?\n:::"
    notebook.cells.append(nbformat.v4.new_markdown_cell(text))
    last = re.findall(r"<section>\n(.*?)\n</section>", slides_of(notebook, links()), re.DOTALL)[-1]
    assert last == "<h2>To try</h2>\n<ul><li>Exercise 1 (basic): a &lt; b</li></ul>"


@pytest.mark.parametrize(("n_sections", "n_figures"), [(3, 9), (30, 1), (30, 3), (13, 0)])
def test_there_are_at_most_fifteen_slides_and_figures_fill_what_is_left(n_sections: int, n_figures: int) -> None:
    page = slides_of(chapter(n_sections, n_figures), links())
    assert page.count("<section>") == MOST


def as_if_run(path: Path) -> nbformat.NotebookNode:
    """A chapter with a stand-in for the box, the figures and the tables that its cells show."""
    notebook = read_notebook(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown = [picture("drawn").outputs[0]] * cell.source.count("plots.show(")
            shown += [chapter().cells[1].outputs[0]] * cell.source.count("found_box(")
            html = {"text/html": "<table><tbody><tr><td>1</td></tr></tbody></table>"}
            shown += [nbformat.v4.new_output("display_data", html)] * cell.source.count("plots.table(")
            cell.outputs = shown
    return notebook


@pytest.mark.parametrize("path", sorted((checkout() / "notebooks").glob("*.md")), ids=lambda path: path.stem)
def test_a_chapter_makes_ten_to_fifteen_slides(path: Path) -> None:
    slides = slides_of(as_if_run(path), Links(checkout(), f"notebooks/{path.stem}"))
    assert LEAST <= slides.count("<section>") <= MOST


def test_a_chapter_with_too_little_to_show_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_build" / "html" / "_static").mkdir(parents=True)
    executed = executed_file("notebooks/dropout", tmp_path)
    executed.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title")]), executed)
    with pytest.raises(BookError, match="notebooks/dropout makes 1 slides"):
        write_slides([Page("notebooks/dropout", tmp_path / "dropout.md")], tmp_path)


def test_slides_load_nothing_from_another_host() -> None:
    page = slides_of(chapter(), links())
    loaded = re.findall(r'(?:src|href)="([^"]+)"', re.sub(r"<a [^>]*>", "", page))
    assert not [address for address in loaded if "//" in address and not address.startswith("data:")]


def test_without_a_site_there_are_no_slides_and_no_pdf(tmp_path) -> None:
    with pytest.raises(BookError, match="holds no site"):
        write_slides([], tmp_path)
    with pytest.raises(BookError, match="holds no staged pages"):
        pdf.write_pdf(tmp_path)


def test_without_chromium_there_is_no_pdf(tmp_path, monkeypatch) -> None:
    (tmp_path / "_build" / "stage").mkdir(parents=True)
    (tmp_path / "_build" / "stage" / "_toc.yml").write_text("root: book/index\n")
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(BookError, match=r"none of chromium, .* install Chromium"):
        pdf.write_pdf(tmp_path)
