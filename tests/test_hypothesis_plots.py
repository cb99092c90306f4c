"""Figures show the numbers they are given."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from modlib.chapters.hypothesis_tests import figures
from modlib.chapters.hypothesis_tests.figures import LOWEST


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def points(ax: Axes, label: str) -> list[list[float]]:
    (drawn,) = [collection for collection in ax.collections if collection.get_label() == label]
    return np.asarray(drawn.get_offsets()).tolist()


def test_every_level_has_its_bar() -> None:
    figure = figures.levels({"a": np.array([0.25, 0.25, 1.0]), "b": np.array([0.5])}, 3)
    first, second = figure.axes
    assert [bar.get_height() for bar in first.patches] == [2, 0, 0, 1]
    assert [bar.get_height() for bar in second.patches] == [0, 1, 0, 0]
    assert "Fisher p = " in first.get_title()


def test_rates_pool_counts_over_what_is_not_shown() -> None:
    rows = pd.DataFrame(
        {
            "n": [9, 9, 20, 20],
            "m": [10, 10, 10, 10],
            "test": "fisher",
            "rejected": [1, 5, 0, 4],
            "of": [10, 50, 10, 10],
        }
    )
    figure = figures.rates(rows, "m", "n", "test", {"m": "sub-clusters", "n": "random ones"})
    (ax,) = figure.axes
    drawn = {container.get_label(): container.lines[0].get_ydata().tolist() for container in ax.containers}
    assert drawn == {"9": [6 / 60], "20": [4 / 20]}


def test_every_rate_is_in_sight() -> None:
    rows = pd.DataFrame({"n": 9, "m": [10, 10], "test": ["a", "b"], "rejected": [1, 9], "of": 10})
    first, second = figures.rates(rows, "m", "n", "test", {"m": "m", "n": "n"}).axes
    assert first.get_ylim() == second.get_ylim()
    assert first.get_ylim()[0] == 0
    assert first.get_ylim()[1] > 0.9


def test_corrections_are_sorted_and_stay_in_sight() -> None:
    tests = pd.DataFrame({"panel": "all", "p": [0.5, 1e-30, 0.01], "tick": ["no", "yes", "unclear"]})
    figure = figures.corrections(tests, {"all": np.array([0.02, 0.03, 0.05])})
    (ax,) = figure.axes
    assert points(ax, "yes") == [[1, LOWEST]]
    assert points(ax, "unclear") == [[2, 0.01]]
    assert points(ax, "no") == [[3, 0.5]]
    assert ax.get_ylim()[0] < LOWEST
    assert ax.lines[0].get_ydata().tolist() == [0.02, 0.03, 0.05]


def test_a_median_of_five_has_its_distribution() -> None:
    figure = figures.medians({"found": np.array([0.3, 0.1])})
    (ax,) = figure.axes
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert lines["found"].tolist() == [[0.1, 0.5], [0.3, 1.0]]
    exact = lines["median of 5: Beta(3, 3)"]
    assert exact[100].tolist() == [0.5, pytest.approx(0.5)]


def test_replicates_stand_beside_their_median() -> None:
    tests = pd.DataFrame(
        {
            "label": ["a", "b", "a", "b"],
            "test": ["fisher", "fisher", "chi-squared", "chi-squared"],
            "p": [0.1, 0.2, 0.3, 0.4],
            "replicates": [np.array([0.05, 0.1, 0.2])] * 4,
        }
    )
    figure = figures.replicates(tests)
    first, second = figure.axes
    assert points(first, "printed median") == [[0.1, 0], [0.2, 1]]
    assert points(second, "printed median") == [[0.3, 0], [0.4, 1]]
    assert points(first, "one network") == [[0.05, 0], [0.1, 0], [0.2, 0]]
    assert [text.get_text() for text in first.get_yticklabels()] == ["a", "b"]
