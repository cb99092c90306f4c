"""Chapter ``dependencies``: pairs of lesions, what they say, and how they are drawn."""

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.dependencies import experiment as dependencies
from modlib.chapters.dependencies.figures import dependency_graph, pair_matrix
from modlib.chapters.dependencies.findings import FINDINGS as OF_PAIRS, dependent_pairs, found, relevant_pairs
from modlib.data.images import Images
from modlib.networks.network import from_arrays
from modlib.networks.planted import random_weights


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    weights = random_weights((64, 30, 30, 30, 30, 10), rng, density=0.3)
    network, x = from_arrays(weights), rng.random((200, 64), dtype=np.float32)
    images = Images("digits", x, rng.integers(0, 10, 200), x, rng.integers(0, 10, 200))
    monkeypatch.setattr(dependencies, "trained", lambda *_: (network, images))


def test_every_pair_has_both_orders(small_network):
    rows = pd.DataFrame(dependencies.measure(dependencies.cells("smoke")[0]))
    pairs = set(zip(rows["first"], rows["second"], strict=True))
    assert pairs == {(second, first) for first, second in pairs}
    # both orders end at the same place: l(X) + delta(Y, X) = l(Y) + delta(X, Y)
    end = (rows["first_drop"] + rows["delta"]).set_axis(pd.MultiIndex.from_frame(rows[["first", "second"]]))
    assert all(end[first, second] == pytest.approx(end[second, first], abs=2e-5) for first, second in pairs)


def test_pairs():
    rows = pd.DataFrame(
        [
            ("1-0", "2-0", "no", "important", "important"),
            ("2-0", "1-0", "yes", "important", "important"),
            ("1-0", "2-1", "yes", "important", "important"),
            ("2-1", "1-0", "yes", "important", "important"),
            ("2-0", "2-1", "no", "important", "important"),  # the same layer
            ("2-1", "2-0", "no", "important", "important"),
            ("1-0", "3-0", "no", "important", "small"),  # not important alone
            ("3-0", "1-0", "no", "small", "important"),
        ],
        columns=["first", "second", "important", "first_kind", "second_kind"],
    ).assign(k=3, seed=0)
    assert len(relevant_pairs(rows)) == 4
    found = dependent_pairs(rows).set_index("pair")
    assert found["dependent"].to_dict() == {"1-0|2-0": True, "1-0|2-1": False}
    assert found["same"].to_dict() == {"1-0|2-0": True, "1-0|2-1": False}
    assert OF_PAIRS["given"].measure(rows).mean == 0.75
    assert OF_PAIRS["own_cluster"].measure(rows).values == (1.0,)


def test_pairs_of_one_name_at_other_numbers_of_clusters_are_others(pairs):
    of_two = pd.concat([pairs, pairs.assign(k=8, important="yes")])
    assert len(dependent_pairs(of_two)) == 2 * len(dependent_pairs(pairs))
    assert dependent_pairs(of_two)["dependent"].sum() == dependent_pairs(pairs)["dependent"].sum() == 1


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
    return pd.DataFrame(rows).assign(k=10, seed=0)


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


def told(needed: list[str]) -> list[str]:
    """What is found of two clusters in two layers of two networks, where some are unimportant given any other."""
    names = ("1-0", "1-1", "2-0", "2-1")
    rows = pd.DataFrame([(a, b) for a in names for b in names if a != b], columns=["first", "second"])
    rows = rows.assign(k=3, first_kind="important", second_kind="important")
    rows = pd.concat([rows.assign(seed=seed) for seed in (0, 1)], ignore_index=True)
    return [
        str(sentence) for sentence in found(rows.assign(important=np.where(rows["second"].isin(needed), "no", "yes")))
    ]


def test_what_is_said_of_dependencies_turns_round_with_the_rows():
    few, clusters, order = told(["2-0"])
    assert few.startswith("Most need each other: ")
    assert "in 4 of 16 cases the other is no longer important" in few
    assert few.endswith("In one direction at least, that is so of 4 of 8 pairs, 50%.")
    assert "not clearly more or less often than two of different clusters: 2 of 4 pairs against 2 of 4" in clusters
    assert order.startswith("What depends on the other is more often the one nearer the output")
    most, _, order = told(["1-0", "1-1", "2-0"])
    assert most.startswith("Most need each other: ")
    assert "in 12 of 16 cases" in most
    assert order.startswith("What depends on the other is more often the one nearer the input")
    alone = pd.DataFrame([("1-0", "2-0"), ("2-0", "1-0"), ("1-0", "2-1"), ("2-1", "1-0")], columns=["first", "second"])
    alone = alone.assign(k=3, seed=0, first_kind="important", second_kind="important")
    alone["important"] = ["no", "no", "yes", "yes"]  # only within the cluster
    assert "depend on each other not clearly more or less often than" in str(found(alone)[1])  # one network cannot tell
    both = pd.concat([alone, alone.assign(seed=1)])
    assert "depend on each other more often than" in str(found(both)[1])


def cells(deltas: np.ndarray) -> pd.DataFrame:
    """All ordered pairs of the sub-clusters of one network."""
    pairs = [(a, b) for a, b in np.ndindex(deltas.shape) if a != b]
    rows = [{"first": str(a), "second": str(b), "delta": deltas[a, b], "seed": 0} for a, b in pairs]
    return pd.DataFrame(rows)


def test_the_correlation_of_both_orders_is_that_of_a_matrix_with_its_transpose():
    noise = np.random.default_rng(0).normal(size=(12, 12))
    measure = OF_PAIRS["cells_both_orders"].measure
    assert measure(cells(noise + noise.T)).mean == pytest.approx(1)
    assert measure(cells(noise - noise.T)).mean == pytest.approx(-1)
    assert abs(measure(cells(noise)).mean) < 0.3


def test_printed_cells_are_pairs_in_whole_percent():
    lines = [
        ("1-0_1-0", "delta_percent", "9"),
        ("1-0_2-0", "delta_percent", "0.17"),
        ("2-0_1-0", "delta_percent", "0.8"),
    ]
    lines += [("1-0_1-0", "mark", "star"), ("1-0_2-0", "mark", "question"), ("2-0_1-0", "mark", "star")]
    table = pd.DataFrame(lines, columns=["row", "metric", "value"])
    printed = {name: OF_PAIRS[name].of_table(table) for name in ("cells_positive", "cells_significant")}
    assert printed == {"cells_positive": 0.5, "cells_significant": 0.5}  # single lesions, on the diagonal, do not count


def test_shares_of_cells_are_those_of_each_network():
    p, deltas = [1 / 51, 0.5, 1.0, 1.0, 1 / 51, 1 / 51], [0.2, 0.004, -0.1, 0.006, 0.3, 0.2]
    rows = pd.DataFrame({"p": p, "delta": deltas, "seed": [0] * 4 + [1] * 2})
    expected = {"cells_significant": (0.25, 1.0), "cells_harmless": (0.5, 0.0), "cells_positive": (0.5, 1.0)}
    assert {name: OF_PAIRS[name].measure(rows).values for name in expected} == expected
