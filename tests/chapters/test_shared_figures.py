"""Figures that several chapters draw: a panel for each data set, and one legend for all of them."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.collections import PathCollection

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


def test_a_condition_has_one_colour_and_marker_in_all_panels_whichever_a_panel_lacks() -> None:
    of_panels = {"mnist": ("yes", "no"), "fashion_mnist": ("no",), "cifar10": ("yes",)}
    stages = ("unpruned", "pruned")
    found = rows(
        *[(name, dropout, stage) for name, kinds in of_panels.items() for dropout in kinds for stage in stages]
    )
    for figure in (absolute_and_relative(found, 4), before_and_after(found, 4)):
        drawn: dict[str, set[tuple[float, ...]]] = {}
        for ax in figure.axes:
            for dots in ax.collections:
                if not str(dots.get_label()).startswith("_") and isinstance(dots, PathCollection):
                    style = (*dots.get_facecolor()[0], *dots.get_paths()[0].vertices.ravel())
                    drawn.setdefault(str(dots.get_label()), set()).add(style)
        assert all(len(styles) == 1 for styles in drawn.values()), drawn.keys()
        styles = [style for of_label in drawn.values() for style in of_label]
        assert len(set(styles)) == len(styles) > 1
    plt.close("all")
