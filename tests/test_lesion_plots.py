"""Figures on lesions show what the rows say."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from modlib.chapters.dependencies.figures import dependency_graph, pair_matrix
from modlib.chapters.importance.experiment import DROP, RANGE
from modlib.chapters.importance.figures import STYLES, class_profiles, kinds

mpl.use("Agg")


@pytest.fixture
def single() -> pd.DataFrame:
    parts = [
        (1, 0, 64, 0.3, "important"),
        (1, 1, 5, 0.0, "small"),
        (2, 0, 30, 0.001, "other"),
        (2, 1, 60, 0.2, "important"),
    ]
    rows = [
        {
            "layer": layer, "cluster": cluster, "size": size, "width": 100, "measure": measure, "value": value,
            "kind": kind, "random_min": -0.01, "random_max": 0.05,
            "class_drops": " ".join(["0.1"] * 9 + [str(value)]),
            "random_class_mean": " ".join(["0.02"] * 10), "random_class_sd": " ".join(["0.01"] * 10),
        }
        for layer, cluster, size, value, kind in parts
        for measure in (DROP, RANGE)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def pairs() -> pd.DataFrame:
    names, rows = ("1-0", "2-0", "3-9"), []
    for first in names:
        for second in names:
            if first != second:
                given = {first, second} != {"1-0", "2-0"}
                rows.append(
                    {"first": first, "second": second, "delta": 0.2 if given else -0.1, "p": 0.02 if given else 1.0}
                )
                rows[-1] |= {
                    "important": "yes" if given else "no",
                    "first_kind": "important",
                    "second_kind": "important",
                }
    return pd.DataFrame(rows).assign(seed=0)


def test_every_sub_cluster_is_a_marker_in_the_panel_of_its_layer(single):
    figure = kinds(single)
    assert [ax.get_title() for ax in figure.axes] == ["layer 1", "layer 2"]
    shown = [
        np.concatenate([c.get_offsets() for c in ax.collections[1:] if len(c.get_offsets())]) for ax in figure.axes
    ]
    assert sorted(map(tuple, np.round(shown[0], 3).tolist())) == [(0.05, 0.0), (0.64, 0.3)]
    assert sorted(map(tuple, np.round(shown[1], 3).tolist())) == [(0.3, 0.001), (0.6, 0.2)]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["important", "other", "small"]


def test_kinds_differ_in_colour_and_in_marker():
    assert len({colour for colour, _ in STYLES.values()}) == len({marker for _, marker in STYLES.values()}) == 7


def test_profiles_show_classes_of_all_but_the_smallest_and_name_them_below_every_column(single):
    names = tuple("abcdefghij")
    figure = class_profiles(single.assign(size=[1, 1, *single["size"].iloc[2:]]), names)
    visible = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title().split(":")[0] for ax in visible] == [
        f"layer {layer}, cluster {cluster}" for layer, cluster in ((1, 1), (2, 0), (2, 1))
    ]
    assert visible[2].patches[-1].get_height() == pytest.approx(20)
    assert all([label.get_text() for label in ax.get_xticklabels()] == [*names] for ax in visible)


def test_the_matrix_has_a_row_for_what_is_gone_and_marks_what_is_significant(pairs):
    ax = pair_matrix(pairs).axes[0]
    shown = ax.images[0].get_array()
    assert shown[0, 1] == pytest.approx(-10)  # the second once the first is gone
    assert shown[0, 2] == pytest.approx(20)
    assert np.ma.getmaskarray(shown).diagonal().all() or np.isnan(np.asarray(shown).diagonal()).all()
    marks = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in ax.texts}
    assert marks == {(0, 1): "?", (1, 0): "?", (0, 2): "*", (2, 0): "*", (1, 2): "*", (2, 1): "*"}


def test_the_graph_joins_what_depends(pairs):
    ax = dependency_graph(pairs)
    assert len(ax.patches) == 1
    assert ax.patches[0].get_linewidth() == 3  # within a cluster
    assert {text.get_text() for text in ax.texts} == {"1-0", "2-0", "3-9"}
    assert not dependency_graph(pairs.assign(important="yes")).patches
    assert not dependency_graph(pairs.assign(first_kind="small")).texts
