"""modlib.book.citations: the labels of the list of references."""

from pybtex.database import parse_string

from modlib.book.citations import Labels
from modlib.files import checkout

BIBLIOGRAPHY = r"""
@misc{a, author = {Csord{\'a}s, R{\'o}bert and van Steenkiste, Sjoerd and Schmidhuber, J{\"u}rgen}, year = {2021}}
@misc{b, author = {Shi, Jianbo and Malik, Jitendra}, year = {2000}}
@misc{c, author = {von Luxburg, Ulrike}, year = {2007}}
"""


def test_a_label_is_what_the_text_cites() -> None:
    entries = parse_string(BIBLIOGRAPHY, "bibtex").entries.values()
    assert [*Labels().format_labels([*entries])] == [
        "Csordás et al., 2021", "Shi and Malik, 2000", "von Luxburg, 2007",
    ]  # fmt: skip


def test_every_reference_of_the_book_has_another_label() -> None:
    entries = parse_string((checkout() / "book" / "references.bib").read_text(encoding="utf-8"), "bibtex").entries
    labels = [*Labels().format_labels([*entries.values()])]
    assert len(set(labels)) == len(labels) == len(entries)
