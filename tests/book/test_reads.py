"""Which tables, claims and papers code reads, by the names that it passes on."""

import ast

import pytest

from modlib.book.imports import Library
from modlib.book.reads import Reads, names_read
from modlib.files import checkout


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(checkout())


IMPORTS = """\
import modlib as ml
from modlib.evidence import paper_values
from modlib.verdicts import cards, first_sentences, found_box, sentences
from modlib.verdicts import paper_rows, rests_on, still_missing, stored_rows
"""
ANYTHING = Reads({"*"}, {"*"}, {("*", "*")}, {"*"}, {"*"})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("rows.groupby('dropout')", Reads()),
        ("stored_rows('dropout')", Reads(tables={"dropout"})),
        ("def f():\n    return stored_rows(name='dropout')", Reads(tables={"dropout"})),
        ("paper_rows('clusterability', 'dropout')", Reads(tables={"clusterability", "dropout"})),
        ("T = ('clusterability', 'dropout')\npaper_rows(*T)", Reads(tables={"clusterability", "dropout"})),
        ("T = ('a', 'b')\nfor t in T:\n    stored_rows(t)", Reads(tables={"a", "b"})),
        ("x = [stored_rows(t) for t in ('a', 'b')]", Reads(tables={"a", "b"})),
        ("still_missing(['a'], IMAGES)", Reads(tables={"a"})),
        ("rests_on(stored_rows('a').query('k == 4'))", Reads(tables={"a"})),
        ("ml.verdicts.stored_rows('a')", Reads(tables={"a"})),
        ("read = stored_rows\nread('a')", Reads(tables={"*"})),
        ("def f(name):\n    stored_rows(name)", Reads(tables={"*"})),
        ("name = 'a'\ndef f(name):\n    stored_rows(name)", Reads(tables={"a", "*"})),
        ("name = 'a'\nname += 'b'\nstored_rows(name)", Reads(tables={"a", "*"})),
        ("names = ['a']\nnames.append(other)\npaper_rows(*names)", Reads(tables={"a", "*"})),
        ("cards.show('dropout')", Reads(chapters={"dropout"})),
        ("cards.table('dropout', details=True)", Reads(chapters={"dropout"})),
        ("cards.show()", Reads(chapters={"*"})),
        ("cards.show(None)", Reads(chapters={"*"})),
        ("cards.show(**settings)", Reads(chapters={"*"})),
        ("cards.side_by_side('pm', 'table-1', 'table-2')", Reads(items={("pm", "table-1"), ("pm", "table-2")})),
        ("cards.side_by_side('pm', *[f'table-{i}' for i in range(9)])", Reads(items={("pm", "*")})),
        ("cards.side_by_side(paper, 'table-1')", Reads(items={("*", "table-1")})),
        ("first_sentences('a', 'b')", Reads(told={"a", "b"})),
        ("found_box('dropout')", Reads(told={"dropout"})),
        ("for c in ('a', 'b'):\n    sentences(c)[0]", Reads(told={"a", "b"})),
        ("cards.scorecard()", ANYTHING),
        ("cards.judge(claim)", ANYTHING),
        ("getattr(cards, name)()", ANYTHING),
        ("from modlib.chapters import findings\nfindings()", ANYTHING),
        ("from importlib import import_module", ANYTHING),
        ("paper_values('pm')", Reads(papers={"pm"})),
        ("for paper in papers():\n    paper_values(paper)", Reads(papers={"*"})),
        ("from modlib.files import results_folder\nresults_folder()", Reads(tables={"*"})),
    ],
)
def test_names_are_followed_to_the_functions_that_read_them(library, code, expected):
    assert names_read(ast.parse(IMPORTS + code), library) == expected


def test_a_module_that_only_hands_tables_on_reads_none(library):
    assert names_read(library.trees["modlib.evidence.metrics"], library, "modlib.evidence.metrics") == Reads()
