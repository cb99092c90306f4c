"""What chapters say was found: three sentences each, made of rows."""

import re

import pandas as pd
import pytest

from modlib.chapters import NAMES, find_experiment, find_found
from modlib.errors import InputError
from modlib.verdicts import found_box, sentences, stored_rows
from modlib.verdicts.found import NOT_YET

MACHINE = re.compile(r"\w_\w|\bnan\b|\binf\b|None|\bmlp\b|\bcnns?\b|\{|\}|\[|\]|e-\d")  # words that no reader knows
STRUCTURE = ("dataset", "dropout", "network", "stage", "null", "k", "seed", "study", "sweep", "task", "mask", "measure")


def rows_of(name: str) -> pd.DataFrame:
    parts = [stored_rows(table) for table in find_found(name)[0]]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_says_in_three_plain_sentences_with_numbers_what_was_found(name: str) -> None:
    told = sentences(name)
    assert len(told) == 3
    for sentence in told:
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


def test_without_rows_the_box_says_so(tmp_path) -> None:
    told = found_box("dropout", tmp_path).data
    planned = len(find_experiment("dropout").cells("paper"))
    assert told.count(NOT_YET) == 3
    assert f"dropout.csv</a> (0 networks, {planned} of {planned} measurements not made yet)" in told


def test_the_box_says_how_many_networks_and_links_to_their_rows() -> None:
    told = found_box("dropout").data
    networks = len(stored_rows("dropout").drop_duplicates(["dataset", "dropout", "seed"]))
    assert f'/blob/main/results/dropout.csv">dropout.csv</a> ({networks} networks)' in told
    assert told.count("<li>") == 3
    assert 'class="admonition' in told


def test_a_chapter_that_tells_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"'transfer' arrived, but .*findings has no found"):
        sentences("transfer")
    with pytest.raises(InputError, match="expected one of"):
        sentences("dropuot")
