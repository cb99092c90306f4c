"""Figures that several chapters draw: a panel for each data set, and one legend for all of them."""

import matplotlib.pyplot as plt
import pandas as pd

from modlib.chapters.figures import absolute_and_relative, before_and_after

ROW = {"k": 4, "ncut": 2.0, "shuffled_mean": 2.1, "shuffled_sd": 0.1, "z": -1.0}


def rows(*kinds: tuple[str, str, str]) -> pd.DataFrame:
    lines = [ROW | {"dataset": data, "dropout": dropout, "stage": stage} for data, dropout, stage in kinds]
    return pd.DataFrame(lines).assign(condition=lambda found: found["dropout"])


def test_untrained_networks_have_no_panel_and_every_condition_is_in_the_legend() -> None:
    found = rows(
        ("mnist", "yes", "unpruned"),
        ("mnist", "no", "unpruned"),
        ("fashion_mnist", "no", "pruned"),
        ("initialisation", "no", "initial"),
    )
    figure = before_and_after(found, 4)
    assert [ax.get_title() for ax in figure.axes] == ["MNIST", "Fashion-MNIST"]
    told = {text.get_text() for text in figure.axes[-1].get_legend().get_texts()}
    assert told == {"dropout", "no dropout", "shuffles, mean and sd"}
    figure = absolute_and_relative(found[found["stage"] != "initial"], 4)
    assert {text.get_text() for text in figure.axes[-1].get_legend().get_texts()} == {"yes", "no"}
    plt.close("all")
