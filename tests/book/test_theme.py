"""modlib.book.theme: what a page says of itself."""

from docutils.core import publish_doctree

from modlib.book.theme import LONGEST, description


def test_a_page_is_described_by_its_first_paragraph() -> None:
    page = publish_doctree("Title\n=====\n\nDo *units* have ``parts``?\nThey may.\n\nMore of it.")
    assert description(page) == "Do units have parts? They may."


def test_a_long_description_ends_after_a_word() -> None:
    cut = description(publish_doctree("word " * 100))
    assert LONGEST - 10 < len(cut) <= LONGEST + 2
    assert cut.endswith("word …")


def test_a_page_without_a_paragraph_has_no_description() -> None:
    assert description(publish_doctree(".. note that is a comment")) == ""
