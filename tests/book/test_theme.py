"""modlib.book.theme: what a page says of itself."""

from pathlib import Path

import pytest
from docutils import nodes
from docutils.core import publish_doctree

from modlib.book.theme import (
    LONGEST,
    caption_figures,
    definitions,
    description,
    explain_terms,
    launchable,
    name_folds,
    write_redirections,
)
from modlib.errors import BookError


def test_a_page_is_described_by_its_first_paragraph() -> None:
    page = publish_doctree("Title\n=====\n\nDo *units* have ``parts``?\nThey may.\n\nMore of it.")
    assert description(page) == "Do units have parts? They may."


def test_a_long_description_ends_after_a_word() -> None:
    cut = description(publish_doctree("word " * 100))
    assert LONGEST - 10 < len(cut) <= LONGEST + 2
    assert cut.endswith("word …")


def test_a_page_without_a_paragraph_has_no_description() -> None:
    assert description(publish_doctree(".. note that is a comment")) == ""


def cell(*pictures: nodes.image) -> nodes.document:
    page = publish_doctree("Title\n=====\n\nText.")
    output = nodes.container("", *pictures, nb_element="cell_code_output")
    page += output
    return page


def test_a_picture_of_a_cell_is_a_figure_whose_caption_says_what_is_drawn_and_what_is_seen() -> None:
    page = cell(nodes.image(alt="n-cuts", uri="a/1.png"))
    caption_figures(page, {"1.png": "The pruned one is lower."})
    (figure,) = page.findall(nodes.figure)
    assert [type(part) for part in figure] == [nodes.image, nodes.caption]
    assert figure[0]["alt"] == "The pruned one is lower."
    assert figure[1].astext() == "n-cuts. The pruned one is lower."
    assert figure["ids"], "a number needs one"


def test_pictures_with_one_description_are_told_apart_and_one_without_stays_as_it_is() -> None:
    page = cell(nodes.image(alt="n-cuts.", uri="1.png"), nodes.image(uri="2.png"), nodes.image(alt="n-cuts.", uri="3"))
    caption_figures(page, {"3": "Higher."})
    told = [caption.astext() for caption in page.findall(nodes.caption)]
    assert told == ["n-cuts (1 of 2). n-cuts.", "n-cuts (2 of 2). Higher."]
    assert len([*page.findall(nodes.image)]) == 3
    outside = publish_doctree(".. image:: a.png\n   :alt: a")
    caption_figures(outside, {})
    assert not [*outside.findall(nodes.figure)]


def test_a_fold_says_what_is_in_it() -> None:
    page = publish_doctree("Title\n=====\n\nText.")
    for mode, prompt in (
        ("all", "Show code cell content"),
        ("input", "Show code cell source"),
        ("all", "Show figure 3"),
    ):
        page += nodes.container("", hide_mode=mode, prompt_show=prompt, prompt_hide="Hide")
    name_folds(page)
    assert [fold["prompt_show"] for fold in page.findall(nodes.container)] == [
        "Show the solution in code", "Show the code", "Show figure 3",
    ]  # fmt: skip


def test_a_chapter_is_launched_on_binder_only_if_its_environment_has_all_that_it_needs() -> None:
    both = [{"url": "https://mybinder.org/v2/gh/a"}, {"url": "https://colab.research.google.com/a"}]
    buttons = [{"label": "download"}, {"label": "launch-buttons", "buttons": both}]

    def launched(page: str) -> list[int]:
        return [len(button["buttons"]) for button in launchable(page, buttons) if button["label"] == "launch-buttons"]

    assert (launched("notebooks/dropout"), launched("notebooks/weight-masks"), launched("book/glossary")) == (
        [2],
        [1],
        [],
    )
    assert len(launchable("book/glossary", buttons)) == 1
    assert len(both) == 2, "the theme's own list stays as it is"


def test_a_term_is_explained_by_the_sentences_before_the_first_formula_and_cites_nobody() -> None:
    glossary = publish_doctree("cut\n  What leaves. It is\n  :math:`c`. More.\n\nbare\n  :math:`c`.\n\nplain\n  One.\n")
    for term in glossary.findall(nodes.term):
        term["ids"] = [f"term-{term.astext()}"]
    paragraph = list(glossary.findall(nodes.paragraph))[-1]
    paragraph += nodes.inline("", " key2020", refdomain="cite")
    paragraph += nodes.Text(".")
    assert definitions(glossary) == {"term-cut": "What leaves.", "term-plain": "One.."}


def test_links_to_terms_say_what_they_mean() -> None:
    page = publish_doctree("Title\n=====\n\nText.")
    page += [
        nodes.reference(refuri=uri) for uri in ("../book/glossary.html#term-cut", "../book/glossary.html#x", "a.html")
    ]
    explain_terms(page, {"term-cut": "What leaves."})
    assert [link.get("reftitle") for link in page.findall(nodes.reference)] == ["What leaves.", None, None]


def test_a_page_that_has_moved_is_found_from_its_old_name(tmp_path: Path) -> None:
    write_redirections({"index": "book/start", "old/page": "book/start"}, {"book/start"}, tmp_path, "A & B")
    assert 'content="0; url=book/start.html"' in (tmp_path / "index.html").read_text()
    old = (tmp_path / "old" / "page.html").read_text()
    assert 'content="0; url=../book/start.html"' in old
    assert 'href="../_static/favicon.svg"' in old
    assert "<title>A &amp; B</title>" in old


@pytest.mark.parametrize("moved", [{"old": "nowhere"}, {"book/start": "book/start"}])
def test_a_redirection_that_leads_nowhere_or_hides_a_page_is_refused(moved: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(BookError, match="leads from"):
        write_redirections(moved, {"book/start"}, tmp_path, "Title")
