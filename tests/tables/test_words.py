"""Settings, values and rows, as readers say them."""

import pytest

from modlib.tables.words import DATASETS, dataset_in_words, in_words, rows_in_words
from modlib.verdicts.claims import load

MACHINE = {"mlp", "fnn", "cnn", "lstm", "scan", "mnist", "cifar10", "fashion_mnist", "l1", "l2", "yes"}


def test_only_whole_words_are_replaced() -> None:
    assert in_words("a_mlp, mlps, table-A.5 too") == "a_mlp, mlps, table-A.5 too"


def test_of_two_data_sets_both_are_told() -> None:
    assert dataset_in_words("lines+cifar10 overlapping") == "LINES and CIFAR-10"
    assert dataset_in_words("mnist+cifar10 separate") == "MNIST and CIFAR-10, separate"


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_has_one_name_alone_and_among_rows(name: str) -> None:
    assert rows_in_words({"k": "4", "dataset": name}) == f"{dataset_in_words(name)}, k = 4"


def test_what_a_claim_is_about_is_told_without_a_word_of_the_machine() -> None:
    told = {claim.id: claim.what for claim in load()}
    found = {name: what for name, what in told.items() if MACHINE & set(what.replace(",", " ").split()) or "_" in what}
    assert not found
