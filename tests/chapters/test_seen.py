"""modlib.chapters.seen: what figures show, in words that follow the numbers."""

import numpy as np
import pandas as pd

from modlib.chapters import seen
from modlib.graphs import ShuffleTest


def rows(**columns: object) -> pd.DataFrame:
    usual = {"dataset": "mnist", "dropout": "no", "stage": "pruned", "k": 4, "p": 0.02, "n_shuffles": 49, "ncut": 2.0}
    return pd.DataFrame(usual | columns, index=range(2))


def test_networks_below_all_their_shuffles_are_counted_by_data_set_and_dropout_and_by_stage() -> None:
    low, high = rows(), rows(dropout="yes", stage="unpruned", p=[0.02, 0.04])
    after = rows(dropout="yes", p=0.5)
    assert seen.below_shuffles(pd.concat([low, high, after]), 4) == (
        "Networks below all of their shuffles after pruning: without dropout, 2 of 2 on MNIST; "
        "with dropout, 0 of 2 on MNIST. Before pruning, 1 of 2 are."
    )


def test_data_sets_are_told_in_the_order_of_the_panels_and_once_if_they_are_alike() -> None:
    both = pd.concat([rows(dataset="cifar10"), rows()])
    told = "Networks below all of their shuffles after pruning: without dropout, 2 of 2 on each."
    assert seen.below_shuffles(both, 4) == told
    both = pd.concat([rows(dataset="cifar10"), rows(p=0.5)])
    assert seen.below_shuffles(both, 4).endswith("0 of 2 on MNIST and 2 of 2 on CIFAR-10 (JPEG copy).")


def test_other_numbers_of_clusters_and_untrained_networks_are_left_out() -> None:
    untrained = rows(dataset="initialisation", stage="initial")
    told = seen.below_shuffles(pd.concat([rows(), rows(k=12, p=0.5), untrained]), 4)
    assert told == "Networks below all of their shuffles after pruning: without dropout, 2 of 2 on MNIST."
    scores = pd.concat([rows(z=[-1.0, -2.0], condition=["a", "b"]), rows(k=12, z=5.0, condition="c")])
    assert seen.z_scores(scores, 4) == "Lowest and highest mean Z: −2.0 (b) and −1.0 (a) on MNIST."


def test_a_network_beside_its_shuffles_is_lower_than_those_above_it_alone() -> None:
    test = ShuffleTest(4, "layer", 2.0, np.array([1.0, 2.0, 3.0]), np.zeros(3))
    told = "live: the n-cut 2.000 is lower than that of 1 of 3 shuffles, whose mean is 2.000."
    assert seen.beside_shuffles({"live": test}) == told
