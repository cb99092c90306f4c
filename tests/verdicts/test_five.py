"""What trained networks are by five notions is told from rows: other rows, another answer."""

import re
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.importance.experiment import DROP, ZERO
from modlib.verdicts import five, stored_rows

TELL = {tell.__name__: (tables, tell) for *_, tables, tell in five.NOTIONS}


@pytest.fixture(scope="module")
def stored() -> dict[str, list[pd.DataFrame]]:
    """Rows of the tables of every notion."""
    return {name: [stored_rows(table) for table in tables] for name, (tables, _) in TELL.items()}


@pytest.fixture(scope="module")
def told(stored: dict[str, list[pd.DataFrame]]) -> dict[str, five.Told]:
    return {name: tell(*stored[name]) for name, (_, tell) in TELL.items()}


def nothing_below(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(p=1.0, ncut=rows["ncut"] + 0.4)


def harmless(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(value=rows["random_max"] - 0.001)


def no_contrast(rows: pd.DataFrame) -> pd.DataFrame:
    trained = ~rows["network"].str.endswith("untrained")
    return rows.assign(value=rows["value"].mask(trained, rows["value"] * 0.5))


def low_q(rows: pd.DataFrame) -> pd.DataFrame:
    trained = rows["sweep"] != "untrained"
    return rows.assign(q=rows["q"].mask(trained, rows["q"] * 0.3), element_similarity=" ".join(["0.1"] * 8))


def reused(rows: pd.DataFrame) -> pd.DataFrame:
    """Masks of one operation are the same."""
    if "task" not in rows:
        return rows
    one = rows["task"].str.startswith("double")
    return rows.assign(**{name: rows[name].mask(one, rows["kept"]) for name in ("shared", "union")})


def the_same(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(mutual_information=0.5)


OTHERWISE: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str, str, str]] = {
    "weights": (nothing_below, "Hardly", "cut into 4 groups, 0 of 30 pruned", "45% of a group's weight stays inside"),
    "lesions": (harmless, "Hardly", "silenced, 0% of the groups in 10", "by chance 5% would"),
    "coherence": (no_contrast, "Hardly", "in 0 of 19 perceptrons and 0 of 6", "43% less and 48% less; in untrained"),
    "alike": (low_q, "Hardly", "in 0 of 251 trained perceptrons than", "Q, at random 0, is 0.06 with"),
    "masks": (reused, "Yes", "in 4 of 4 kinds of network", "one operation on other numbers 100%, random"),
    "agree": (the_same, "Largely", "mutual information of 0.50, one notion", "in 20 untrained networks 0.50"),
}


@pytest.mark.parametrize("name", TELL)
def test_other_rows_tell_something_else(
    name: str, stored: dict[str, list[pd.DataFrame]], told: dict[str, five.Told]
) -> None:
    change, answer, found, beyond = OTHERWISE[name]
    other = TELL[name][1](*map(change, stored[name]))
    assert other.answer == answer != told[name].answer
    assert found in other.found
    assert beyond in other.beyond
    assert other.modular is not told[name].modular
    assert other.found != told[name].found
    means = [{key: by.mean() for key, by in of.points.items()} for of in (other, told[name])]
    assert means[0] != means[1]


def test_one_group_that_matters_in_each_network_is_what_chance_gives(stored: dict[str, list[pd.DataFrame]]) -> None:
    """Of some twenty groups one beats twenty random sets by chance."""
    (rows,) = map(harmless, stored["lesions"])
    own = rows[(rows["measure"] == DROP) & (rows["biases"] == ZERO) & (rows["size"] >= 0.05 * rows["width"])]
    first = own.groupby(["network", "dataset", "dropout", "seed", "k"]).head(1).index
    told = five.lesions(rows.assign(value=rows["value"].mask(rows.index.isin(first), 0.9)))
    assert told is not None
    assert (told.points["perceptrons"] > told.chance["by chance"][0]).mean() >= 0.5
    assert not told.modular


def test_groups_that_matter_less_than_chance_gives_are_no_modules(stored: dict[str, list[pd.DataFrame]]) -> None:
    """That many that cost less are surely no chance, but the other way."""
    (rows,) = map(harmless, stored["lesions"])
    told = five.lesions(pd.concat([rows] * 8, ignore_index=True))
    assert told is not None
    assert not told.modular


def test_the_stored_rows_are_told_with_numbers_of_networks(
    stored: dict[str, list[pd.DataFrame]], told: dict[str, five.Told]
) -> None:
    assert [of.modular for of in told.values()] == [True, True, True, True, False, False]
    for of in told.values():
        for words in (of.found, of.beyond, of.raised):
            assert any(letter.isdigit() for letter in words)
            assert not {"nan", "None", "inf"} & set(words.split())
        assert all(by.notna().all() and len(by) for by in (*of.points.values(), *of.chance.values()))
        assert 2 <= len(of.points) + len(of.chance) <= 4
    shown = told["weights"]
    assert [len(by) for by in (*shown.points.values(), *shown.chance.values())] == [30, 30, 60]
    for k, words in ((4, "cut into 4 groups, "), (12, "; into 12, ")):
        both = []
        for rows in reversed(stored["weights"][:2]):
            rows = rows[(rows["null"] == "layer") & (rows["stage"] == "pruned") & (rows["k"] == k)]
            both.append(f"{(rows['p'] * (rows['n_shuffles'] + 1) < 1.5).sum()} of {len(rows)}")
        told_of_both = shown.found.partition(words)[2]
        assert re.findall(r"\d+ of \d+", told_of_both)[:2] == both
    assert "in 10 perceptrons and 11% in 4 small CNNs" in told["lesions"].found
    assert "(17 networks, of one kind 1)" in told["masks"].found
    assert "1 network each" in told["masks"].raised


def test_either_number_of_groups_has_its_own_count(stored: dict[str, list[pd.DataFrame]]) -> None:
    plain, dropped, *others = stored["weights"]
    for k, found in ((4, "cut into 4 groups, 0 of 30 pruned"), (12, "; into 12, 0 of 30 and")):
        changed = five.weights(plain, dropped.assign(p=dropped["p"].mask(dropped["k"] == k, 1.0)), *others)
        assert changed is not None
        assert found in changed.found
        assert changed.found.count(" 30 of 30 ") == 1


@pytest.mark.parametrize(
    ("name", "table", "query", "gone", "stays"),
    [
        ("weights", 2, "stage == 'unpruned'", "learning random", "pruning ("),
        ("weights", 3, "method != 'initialisation'", "a start in clusters", "dropout ("),
        ("lesions", 0, "dropout == 'no'", "dropout (", "pruning and learning were not tested"),
        ("coherence", 0, "network != 'mlp' or dropout == 'no'", "dropout (", "learning ("),
        ("masks", 1, "dropout == 'yes'", "dropout (", "pruning and learning were not tested"),
        ("agree", 0, "stage != 'unpruned'", "pruning (", "learning ("),
    ],
)
def test_what_is_not_there_is_not_said_to_change_anything(
    name: str, table: int, query: str, gone: str, stays: str,
    stored: dict[str, list[pd.DataFrame]], told: dict[str, five.Told],
) -> None:  # fmt: skip
    """Without networks to compare with, a change is left out; the others stay."""
    assert gone in told[name].raised
    rows = list(stored[name])
    rows[table] = rows[table].query(query)
    changed = TELL[name][1](*rows).raised
    assert gone not in changed
    assert stays in changed
    assert not changed.startswith(";")
    assert "nan" not in changed


@pytest.mark.parametrize(
    ("name", "table", "query"),
    [
        ("weights", 0, "stage == 'unpruned'"),
        ("weights", 1, "k == 4"),
        ("lesions", 0, "network == 'mlp'"),
        ("coherence", 0, "network != 'mlp untrained'"),
        ("alike", 0, "sweep != 'untrained'"),
        ("alike", 0, "sweep != 'l2'"),
        ("masks", 0, "task != 'double addition'"),
        ("agree", 0, "stage == 'pruned'"),
    ],
)
def test_a_notion_of_which_rows_are_missing_is_not_told(
    name: str, table: int, query: str, stored: dict[str, list[pd.DataFrame]]
) -> None:
    rows = list(stored[name])
    rows[table] = rows[table].query(query)
    assert len(rows[table])
    assert TELL[name][1](*rows) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([0, 0, 0], [1, 1, 1], "raised by it (0 to 3 of 3)"),
        ([1, 1, 1], [0, 0, 0], "lowered by it (3 to 0 of 3)"),
        ([0, 1, 0], [1, 0, 0], "not clearly raised by it (1 to 1 of 3)"),
    ],
)
def test_a_change_says_which_way(before: list[int], after: list[int], told: str) -> None:
    assert five._raised(five._counted("it", pd.Series(before), pd.Series(after))) == told


def test_only_networks_that_are_there_twice_are_compared() -> None:
    """Means of other networks than those whose difference decides would say something else."""
    before, after = pd.Series({"a": 0.1, "b": 0.2, "c": 0.9}), pd.Series({"a": 0.3, "b": 0.5})
    name, by = five._shared("it", before, after)
    assert name == "it (15% to 40%; 2 networks each)"
    assert by is not None
    assert by.n == 2
    assert five._moved("it", before, after)[0] == "it (0.15 to 0.40)"
    assert five._raised(five._moved("it", before, pd.Series({"d": 1.0}))) == ""


@pytest.mark.parametrize(
    ("share", "answer"), [(1, "Yes"), (0.94, "Mostly"), (0.5, "Mostly"), (0.4, "In part"), (0, "Hardly")]
)
def test_an_answer_is_the_share_in_a_word(share: float, answer: str) -> None:
    assert five._answer(share) == answer


def test_what_stays_inside_groups_is_what_an_n_cut_leaves() -> None:
    """Of a cluster, the share of the weight that leads out and the share that stays are 1 together."""
    from modlib.graphs import ncut, neuron_graph

    rng = np.random.default_rng(0)
    graph = neuron_graph([rng.random((6, 5)), rng.random((5, 4))])
    labels = rng.integers(3, size=graph.n_vertices)
    dense = graph.adjacency.toarray()
    stay = [dense[np.ix_(labels == c, labels == c)].sum() / dense[labels == c].sum() for c in range(3)]
    row = {"null": "layer", "ncut": ncut(graph, labels), "k": 3, "shuffled": "1.5 1.2 0.3", "p": 1.0, "n_shuffles": 3}
    [found] = five._beside_shuffles(pd.DataFrame([row])).to_dict("records")
    assert found["inside"] == pytest.approx(np.mean(stay))
    assert found["shuffled"] == pytest.approx(1 - 1.2 / 3)  # the median, not the mean


def test_without_rows_nothing_is_told(tmp_path) -> None:
    found = five.notions(tmp_path)
    assert len(found) == 6
    assert all(notion.told is None for notion in found)
    assert {field.name for field in fields(found[0])} >= {"asks", "axis", "chapters"}


def test_masks_share_of_the_smaller_one_beside_random_masks_of_their_sizes(
    stored: dict[str, list[pd.DataFrame]],
) -> None:
    rows, removed = stored["masks"]
    rows = rows[rows["layer"] == 0].assign(kept=100, shared=20.0, by_chance=5.0, union=380.0)  # the other one keeps 300
    told = five.masks(rows, removed)
    assert told is not None
    for shown, share in ((told.points, 0.2), (told.chance, 0.05)):
        assert pd.concat(shown.values()).tolist() == pytest.approx([share] * sum(map(len, shown.values())))
