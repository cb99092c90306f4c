"""modlib.book.slides and modlib.book.pdf: a chapter to talk through, and the book on paper."""

import re

import nbformat
import pytest

from modlib.book import pdf
from modlib.book.notebooks import read_notebook
from modlib.book.plain import Links
from modlib.book.slides import MOST, sections, slides_of, write_slides
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


@pytest.mark.parametrize(("n_sections", "n_figures"), [(3, 9), (30, 1), (30, 3), (13, 0)])
def test_there_are_at_most_fifteen_slides_and_figures_fill_what_is_left(n_sections: int, n_figures: int) -> None:
    page = slides_of(chapter(n_sections, n_figures), links())
    assert page.count("<section>") == MOST


def test_the_chapters_have_enough_to_show() -> None:
    """Without outputs: text alone makes a slide a section, and figures add to it."""
    for path in (checkout() / "notebooks").glob("*.md"):
        found = sections(read_notebook(path), Links(checkout(), f"notebooks/{path.stem}"))
        assert found[0].title, path
        assert len([part for part in found if part.text]) >= 4, path


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
