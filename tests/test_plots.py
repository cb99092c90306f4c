"""Tables and figures of chapters: text as it is, words with every figure, and how small letters are."""

import re
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from evil import EVIL, Page

from modlib import plots
from modlib.book.outputs import IN_SIGHT
from modlib.errors import InputError
from modlib.graphs import neuron_graph


def test_a_table_shows_every_text_as_it_is() -> None:
    rows = pd.DataFrame({EVIL[0]: EVIL, EVIL[3]: [0.12345, None, 2.0, 3.0]})
    shown = plots.table(rows, "evil").to_html()
    Page(shown[shown.index("<table") :]).check(*EVIL, "0.123", "–")


@pytest.mark.parametrize("rows", [1, plots.IN_SIGHT, plots.IN_SIGHT + 1, 200])
def test_a_long_table_scrolls_in_a_box_that_says_so(rows: int) -> None:
    page = plots.table(pd.DataFrame({"a": range(rows)}), "long")._repr_html_()
    assert page.count("<td") == rows
    scrolls = rows > plots.IN_SIGHT
    assert ('<div class="long"' in page) == scrolls
    assert (f"{rows} rows: scroll to see them all" in page) == scrolls


def test_only_the_strongest_edges_are_drawn_and_at_least_one() -> None:
    graph = neuron_graph([np.arange(1.0, 7.0).reshape(3, 2)])
    for edges, drawn in ((1, 1), (4, 4), (9, 6)):
        ax = plots.network(graph, np.zeros(5, dtype=int), edges=edges)
        assert len(ax.collections[0].get_segments()) == drawn  # type: ignore[attr-defined]
    for edges in (0, -2):
        with pytest.raises(InputError, match=f"edges = {edges} arrived; expected a whole number of at least 1"):
            plots.network(graph, np.zeros(5, dtype=int), edges=edges)
    plt.close("all")


def test_a_shuffle_test_of_any_number_of_null_models_is_drawn() -> None:
    nulls = {name: np.arange(4.0) + i for i, name in enumerate(["layer", *"abcdefghi"])}
    ax = plots.shuffle_test(0.5, nulls)
    assert len(ax.get_legend_handles_labels()[1]) == 11
    plt.close(ax.get_figure())


def test_the_book_refuses_what_a_table_would_not_let_scroll() -> None:
    assert plots.IN_SIGHT == IN_SIGHT


def test_a_figure_is_shown_once_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(
        "IPython.display.display", lambda figure, metadata: shown.append((figure, metadata["image/png"]))
    )
    figure, ax = plt.subplots()
    ax.set_title("a title")
    plots.show("Nine of ten\n are lower.")
    assert [(each, said["alt"]) for each, said in shown] == [(figure, "Nine of ten are lower.")]
    assert not plt.fignum_exists(figure.number)
    with pytest.raises(InputError, match="no words arrived"):
        plots.show(" ")


def test_letters_of_a_figure_wider_than_the_page_shrink_with_it() -> None:
    def smallest(width: float, size: float) -> float:
        figure, ax = plt.subplots(figsize=(width, 2), dpi=110)
        ax.set_xlabel("units", fontsize=size)
        measured = plots.smallest_text(figure)
        plt.close(figure)
        return measured

    assert smallest(4, 6) == pytest.approx(6 * 110 / 72)
    assert smallest(14, 6) < smallest(10, 6) < smallest(4, 6)
    assert smallest(16, 6) == pytest.approx(6 * 110 / 72 * plots.ARTICLE / (16 * 110), rel=0.3)  # margins are cut


def test_a_table_says_what_readers_say_and_numbers_among_texts_keep_their_decimals() -> None:
    rows = pd.DataFrame({"sweep": ["l1", 0.12345, None, 3], "true": [True, False, True, True], "n": 0.12345})
    page = plots.table(rows, "words", digits=2).to_html()
    shown = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", page)
    assert shown[:6] == ["regulariser", "true", "n", "L1", "yes", "0.12"]
    assert shown[6::3] == ["0.12", "–", "3"]


def test_numbers_of_a_table_have_a_minus_sign_and_nothing_is_minus_nothing() -> None:
    rows = pd.DataFrame({"z": [-1.25, -0.0001, None], "n": [-3, 0, 4000], "either": ["MNIST", -0.5, "-0.03 ± 0.02"]})
    page = plots.table(rows, "signs", digits=1).to_html()
    shown = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert shown == ["−1.2", "−3", "MNIST", "0.0", "0", "−0.5", "–", "4000", "−0.03\xa0±\xa00.02"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2.000 ± 0.035", True),
        ("8.35 ± 0.05†", True),
        ("−0.22 (−0.24 to −0.21, n = 9)", True),
        ("0.2 (n = 3)", True),
        ("3 of 10", True),
        ("4,096", True),
        ("12%", True),
        ("–", True),
        ("MNIST 7", False),
        ("not", False),
        ("", False),
        ("below 0.001", False),
    ],
)
def test_a_column_of_numbers_in_words_is_aligned_and_none_of_them_is_broken(text: str, number: bool) -> None:
    page = plots.table(pd.DataFrame({"a": [text, text]}), "words").to_html()
    assert ("text-align: right" in page) == number
    (cell, _) = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cell.replace("\N{NO-BREAK SPACE}", " ") == text
    assert (" " in cell.replace(" (", "(")) == (" " in text and not number)


@pytest.mark.parametrize("draw", [plots.network, plots.sorted_adjacency])
@pytest.mark.parametrize("labels", [[0, 1], [0.5] * 6, [-1] * 6, "abcdef", None])
def test_labels_that_are_none_are_refused(draw: Callable[..., object], labels: object) -> None:
    graph = neuron_graph([np.ones((2, 2)), np.ones((2, 2))])
    with pytest.raises(InputError, match=r"labels = .* expected whole numbers of at least 0 of shape \(6,\)"):
        draw(graph, labels)
