"""What chapters say was found: three sentences each, made of rows."""

import ast
import re

import pandas as pd
import pytest

from modlib.book.notebooks import read_notebook
from modlib.chapters import NAMES, find_experiment, find_found
from modlib.errors import InputError
from modlib.files import checkout
from modlib.tables.runner import missing_cells
from modlib.verdicts import first_sentences, found_box, sentences, stored_rows
from modlib.verdicts.found import NOT_YET

MACHINE = re.compile(r"\w_\w|\bnan\b|\binf\b|None|\bmlp\b|\bcnns?\b|\{|\}|\[|\]|e-\d")  # words that no reader knows
ENDING = "What it means, what is open, where to go next"
HIDDEN = {"hide-input", "remove-input", "hide-cell"}
STRUCTURE = ("dataset", "dropout", "network", "stage", "null", "k", "seed", "study", "sweep", "task", "mask", "measure")


def rows_of(name: str) -> pd.DataFrame:
    """Stored rows; a chapter that is being written has none yet, and is left out."""
    parts = [rows for rows in map(stored_rows, find_found(name)[0]) if len(rows)]
    if not parts:
        pytest.skip(f"{name} has no rows of the profile paper yet")
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_says_in_three_plain_sentences_with_numbers_what_was_found(name: str) -> None:
    """One whose rows are not stored says so, which only a table with missing cells may."""
    assert len(rows_of(name))
    told = sentences(name)
    assert len(told) == 3
    assert NOT_YET not in told or any(missing_cells(find_experiment(table), "paper") for table in find_found(name)[0])
    for sentence in told:
        if sentence == NOT_YET:
            continue
        assert re.search(r"\d", sentence), sentence
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert not MACHINE.search(sentence), sentence
        assert len(sentence.split()) < 60, sentence
        assert not re.search(r"\bpaper", sentence), f"it says what is true, not what agrees: {sentence}"


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_rows_does_not_matter(name: str) -> None:
    found, rows = find_found(name)[1], rows_of(name)
    assert found(rows.sample(frac=1, random_state=0)) == found(rows)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_measured_is_not_told(name: str) -> None:
    """An unfinished table lacks a data set, a condition or a number of clusters."""
    found, rows = find_found(name)[1], rows_of(name)
    for column in [column for column in STRUCTURE if column in rows]:
        for value in rows[column].dropna().unique()[:2]:
            for part in (rows[rows[column] == value], rows[rows[column] != value]):
                told = found(part) if len(part) else (None, None, None)
                assert len(told) == 3
                assert all(sentence is None or not MACHINE.search(sentence) for sentence in told), (column, value, told)


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_opens_with_what_was_found_and_ends_with_what_it_means(name: str) -> None:
    cells = read_notebook(checkout() / "notebooks" / f"{name}.md").cells
    boxes = [i for i, cell in enumerate(cells) if cell.source.endswith(f'found_box("{name}")')]
    assert boxes == [1], "right after the question and what to know before"
    assert cells[1].metadata["tags"] == ["remove-input"]
    assert all(words in cells[0].source for words in ("Before you begin", "To read:", "To run:"))
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert text.index(f"## {ENDING}") < text.index("## Exercises")


@pytest.mark.parametrize("name", NAMES)
def test_at_most_fifteen_lines_of_imports_are_in_sight(name: str) -> None:
    cells = read_notebook(checkout() / "notebooks" / f"{name}.md").cells
    open_cells = [
        cell.source for cell in cells if cell.cell_type == "code" and not HIDDEN & set(cell.metadata.get("tags", []))
    ]
    nodes = [node for source in open_cells for node in ast.parse(source).body]
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    assert sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in imports) <= 15


def test_papers_have_one_name() -> None:
    """Author and year, or a short title: who reads one page does not know which is the third."""
    pages = [*(checkout() / "notebooks").glob("*.md"), *(checkout() / "book").glob("*.md")]
    assert len(pages) > len(NAMES)
    for page in pages:
        text = " ".join(page.read_text(encoding="utf-8").split())
        assert not re.search(r"\b(first|second|third|fourth|fifth) paper\b", text), page.name


def test_the_front_page_tells_chapters_once_with_a_link() -> None:
    text = (checkout() / "book" / "introduction.md").read_text(encoding="utf-8")
    told = [
        name
        for call in re.findall(r"first_sentences\((.*?)\)", text, re.DOTALL)
        for name in re.findall(r'"(.+?)"', call)
    ]
    assert len(told) == len(set(told)) > 10
    assert set(told) <= set(NAMES)
    shown = first_sentences("dropout", "coherence").data
    assert shown.splitlines() == [
        f"- {{doc}}`/notebooks/{name}` {sentences(name)[0]}" for name in ("dropout", "coherence")
    ]


def test_without_rows_the_box_says_so(tmp_path) -> None:
    told = found_box("dropout", tmp_path).data
    planned = len(find_experiment("dropout").cells("paper"))
    assert told.count(NOT_YET) == 1  # once is enough
    assert f"dropout.csv</a> (0 networks, {planned} of {planned} measurements not made yet)" in told


def test_the_box_says_how_many_networks_and_links_to_their_rows() -> None:
    told = found_box("dropout").data
    networks = len(stored_rows("dropout").drop_duplicates(["dataset", "dropout", "seed"]))
    assert f'/blob/main/results/dropout.csv">dropout.csv</a> ({networks} networks)' in told
    assert told.count("<li>") == 3
    assert 'class="admonition' in told


def test_a_chapter_that_tells_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"'cifar-dropout' arrived, but .*findings has no found"):
        sentences("cifar-dropout")
    with pytest.raises(InputError, match="expected one of"):
        sentences("dropuot")
