"""What the chapters' own figures show, in words: numbers of the rows, none missing, and they follow the rows."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from modlib.book.outputs import FEWEST
from modlib.chapters.class_removal import figures as class_removal
from modlib.chapters.coherence import figures as coherence
from modlib.chapters.coherence.experiment import CONTRAST
from modlib.chapters.dependencies import figures as dependencies
from modlib.chapters.do_the_measures_agree import figures as agreeing
from modlib.chapters.hypothesis_tests import figures as hypothesis
from modlib.chapters.importance import figures as importance
from modlib.chapters.importance.experiment import DROP
from modlib.chapters.topology_shuffles import figures as topology
from modlib.chapters.upstream_downstream import figures as upstream
from modlib.chapters.weight_masks import figures as weight_masks
from modlib.verdicts import stored_rows

NAMES = tuple("0123456789")


def of_task(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["task"] == "addition and multiplication"]


def small(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["hidden"] == "64-64"]


STORED: list[tuple[str, Callable[[pd.DataFrame], str]]] = [
    ("class-removal", lambda rows: class_removal.where_images_go(rows, "yes", NAMES)),
    ("coherence", lambda rows: coherence.above_random_in_words(rows, CONTRAST)),
    ("dependencies", lambda rows: dependencies.pairs_in_words(rows[(rows["seed"] == 0) & (rows["k"] == 8)])),
    ("dependencies", lambda rows: f"Among others {dependencies.dependent_in_words(rows[rows['seed'] == 0])}"),
    ("importance", lambda rows: importance.kinds_in_words(rows[(rows["seed"] == 0) & (rows["k"] == 8)])),
    ("importance", lambda rows: importance.profiles_in_words(rows[rows["k"] == 4], NAMES)),
    ("do-the-measures-agree", lambda rows: agreeing.matrices_in_words({"all": rows[rows["stage"] == "pruned"]})),
    ("upstream-downstream", lambda rows: upstream.strength_in_words(small(rows), "q", "Q")),
    ("upstream-downstream", lambda rows: upstream.depth_in_words(small(rows), "q", "Q")),
    ("upstream-downstream", upstream.blocks_in_words),
    ("weight-masks", lambda rows: weight_masks.shares_in_words(of_task(rows))),
    ("weight-masks", lambda rows: weight_masks.accuracies_in_words(of_task(rows), ("addition", "multiplication"))),
    ("weight-masks", lambda rows: weight_masks.confusions_in_words(of_task(rows))),
    ("weight-masks", lambda rows: weight_masks.histogram_in_words(of_task(rows))),
    ("weight-masks", lambda rows: weight_masks.strength_in_words(of_task(rows))),
    ("weight-masks", lambda rows: weight_masks.sizes_in_words(of_task(rows))),
]


@pytest.mark.parametrize(("chapter", "words"), STORED, ids=[f"{name}-{i}" for i, (name, _) in enumerate(STORED)])
def test_a_figure_of_stored_rows_is_told_with_its_numbers(chapter: str, words: Callable[[pd.DataFrame], str]) -> None:
    told = words(stored_rows(chapter))
    assert len(told.split()) >= FEWEST
    assert re.search(r"\d", told)
    assert not re.search(r"\bnan\b|\binf\b|[()\[\]]{2}|None", told), told


def test_networks_below_all_shuffles_are_counted_by_kind_of_shuffle() -> None:
    tests = pd.DataFrame(
        {
            "null": ["layer", "layer-nonzero", "layer"],
            "ncut": [1.0, 1.0, 2.0],
            "values": [np.array([1.1, 1.2]), np.array([0.9, 1.2]), np.array([2.1, 2.2])],
        }
    )
    assert topology.densities_in_words(tests) == (
        "The network lies below all layer shuffles in 2 of 2 panels and all layer-nonzero shuffles in 0 of 1 panels."
    )


def test_an_image_that_lies_in_one_half_and_differs_more_than_random_ones_is_told_so() -> None:
    left = np.zeros((4, 4))
    left[:, :2] = [[1.0, -1.0]] * 4
    even = np.full((4, 4), 0.5)
    assert coherence.halves_in_words([[left, even, even]]) == (
        "the half that has more holds 100% of a sub-cluster's image, 50% of that of random units"
    )
    assert coherence.contrast_in_words([[left, even], [even, left]]).startswith("In 1 of 2 columns")
    told = coherence.scores_in_words([2.0, 1.0], [1.0, 1.5])
    assert told.startswith("In 1 of 2 columns")
    assert told.endswith("scores are 1.50 and 1.25 in the mean.")


def test_the_pair_that_costs_most_is_named() -> None:
    rows = pd.DataFrame(
        {"first": ["1-0", "1-1"], "second": ["1-1", "1-0"], "delta": [0.02, 0.31], "p": [0.01, 1.0]},
    )
    told = dependencies.pairs_in_words(rows)
    assert told.startswith("1 of 2 pairs have a star and 1 a question mark")
    assert told.endswith("31.0 percentage points, is that of 1-0 without 1-1.")


def test_kinds_are_counted_and_losses_compared_with_the_random_sets() -> None:
    rows = pd.DataFrame(
        {"measure": DROP, "value": [0.2, 0.01], "random_max": [0.1, 0.1], "kind": ["important", "other"]}
    )
    assert importance.kinds_in_words(rows) == (
        "1 of 2 sub-clusters cost more accuracy than each of their random sets, 20.0 percentage points; by kind they "
        "are 1 important and 1 other. Dotted lines are the bounds of the kinds: 5% of the layer and 1 percentage point."
    )


def test_the_largest_loss_is_of_those_that_cost_more_than_random_sets() -> None:
    rows = pd.DataFrame({"measure": DROP, "value": [0.2, 0.8], "random_max": [0.1, 0.9], "kind": "other"})
    assert "random sets, 20.0 percentage points;" in importance.kinds_in_words(rows)


def test_the_class_that_loses_most_is_told_beside_what_random_sets_cost_it() -> None:
    rows = pd.DataFrame(
        {
            "measure": DROP, "layer": [1, 2], "cluster": [3, 4], "size": 9, "width": 10,
            "class_drops": ["0.1 0.2", "0.05 0.9"], "random_class_mean": ["0 0.01", "0.4 0.3"],
        }
    )  # fmt: skip
    assert importance.profiles_in_words(rows, ("cat", "dog")) == (
        "Of 2 sub-clusters, the 2 that cost a single class most. The most is 90 percentage points of dog, by cluster 4 "
        "of layer 2, where random sets of its size cost that class 30 on average."
    )


def test_a_rate_is_of_all_networks_of_a_condition() -> None:
    rows = pd.DataFrame({"test": ["a", "a", "b"], "rejected": [1, 3, 0], "of": [10, 30, 5]})
    assert hypothesis.rate(rows, "test").to_dict() == {"a": 0.1, "b": 0.0}


def test_the_notions_that_find_what_is_known_are_named_for_each_case_or_those_that_do_not() -> None:
    table = pd.DataFrame(
        {"weights": [0.9, 0.0, 0.9], "images": [0.1, 0.2, 0.9], "lesions": [0.8, 0.1, 0.9], "masks": [0.3, 0.9, 0.9]},
        index=["planted", "rotated", "apart"],
    )
    assert agreeing.found_in_words(table) == (
        "Found, with mutual information above 0.25 on average: planted by all but images; rotated by masks; "
        "apart by all."
    )
    assert agreeing.found_in_words(table * 0).endswith("planted by none; rotated by none; apart by none.")
