"""Chapter ``importance``: the grids of single and double lesions, on a network that takes no training.

What two papers say of lesions, judged on rows in which it is true by construction, or false. Figures on lesions show
what the rows say.
"""

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from made_up import write_table

from modlib.chapters.dependencies import experiment as dependencies
from modlib.chapters.dependencies.experiment import cells as pair_cells
from modlib.chapters.dependencies.findings import FINDINGS as OF_PAIRS
from modlib.chapters.importance import experiment as importance
from modlib.chapters.importance.experiment import DROP, RANGE, ZERO, cells, compared, lesion_rows
from modlib.chapters.importance.figures import STYLES, class_profiles, kinds
from modlib.chapters.importance.findings import FINDINGS as OF_PARTS, combined, found
from modlib.data.images import Images
from modlib.evidence.criteria import Grade
from modlib.graphs.subclusters import SubCluster
from modlib.lesions.damage import Damage, LesionTest
from modlib.networks.network import from_arrays
from modlib.stats import chi_squared_uniform, fisher_combined
from modlib.verdicts import claims

# --- its grid and rows


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=pair) * (rng.random(pair) < 0.3) for pair in pairwise((64, 30, 30, 30, 30, 10))]
    network, x = from_arrays(kernels), rng.random((200, 64), dtype=np.float32)
    images = Images("digits", x, rng.integers(0, 10, 200), x, rng.integers(0, 10, 200))
    for module in (importance, dependencies):
        monkeypatch.setattr(module, "trained", lambda *_: (network, images))


@pytest.mark.parametrize("module", [importance, dependencies])
def test_a_cell_is_measured_alike_every_time(module, small_network):
    cell = module.cells("smoke")[0]
    rows = pd.DataFrame(module.measure(cell))
    assert set(rows.columns) == {*module.ROW_KEY, *module.TOLERANCE}
    assert not rows.duplicated(list(module.ROW_KEY)).any()
    pd.testing.assert_frame_equal(rows, pd.DataFrame(module.measure(cell)))


def test_rows_of_a_lesion():
    part = SubCluster(2, 3, np.arange(30), np.arange(100), 100)
    random = tuple(Damage(drop, np.full(10, drop)) for drop in (0.0, 0.01, 0.05))
    drop, spread = lesion_rows(LesionTest(part, Damage(0.05, np.eye(10)[0] / 2), random), 0.9)
    assert (drop["measure"], drop["value"], drop["random_max"], drop["size"]) == (DROP, 0.05, 0.05, 30)
    assert (drop["p_ties_for"], drop["p_ties_against"]) == (0.25, 0.5)
    assert drop["kind"] == "diff-but-not-sig"
    assert (spread["measure"], spread["value"], spread["p_ties_against"]) == (RANGE, 10.0, 0.25)
    assert drop["class_drops"].split()[0] == "0.5000"


def test_an_infinite_range_is_the_largest():
    row = compared(np.inf, np.array([1.0, 5.0, np.inf]))
    assert (row["p_ties_for"], row["p_ties_against"]) == (0.25, 0.5)
    assert row["random_mean"] == 3


def test_grid_holds_all_that_the_issue_names():
    grid = pd.DataFrame(cells("paper"))
    assert not grid.duplicated().any()
    counts = grid.groupby(["network", "dropout", "k"]).size().to_dict()
    assert counts == {
        ("mlp", "no", 8): 20, ("mlp", "no", 12): 20, ("mlp", "no", 18): 20, ("cnn", "no", 12): 4,
        ("cnn", "no", 8): 4, ("cnn", "no", 18): 4,
        ("mlp", "yes", 10): 10, ("mlp", "yes", 8): 10, ("mlp", "yes", 4): 2,
    }  # fmt: skip
    assert (grid.head(24)["seed"] == 0).all()  # one network of every kind comes first


# --- what its rows say

CLAIMS = [claim for claim in claims.load() if claim.tables in (("importance",), ("dependencies",))]


def importance_rows(paper_is_right: bool) -> pd.DataFrame:
    """Rows of the paper's grid, of 20 sub-clusters each."""
    rows = []
    for cell in (cell for cell in cells("paper") if cell["biases"] == ZERO):
        for i in range(20):
            size = 6 if i < 6 else 40
            kinds = ["small"] * 6 + ["important"] * 7 + ["sig-but-not-diff"] * 3 + ["other"] * 4
            if not paper_is_right:
                kinds = ["small"] * 6 + ["other"] * 14
            common = dict(cell) | {"layer": 1 + i // 5, "cluster": i % 5, "size": size, "width": 256, "n_random": 20}
            common |= {"kind": kinds[i], "kind_in_first_paper": kinds[i]}
            even = (1 + i) / 21  # all ranks alike
            worse = 1 / 21 if paper_is_right and i % 2 else even
            if not paper_is_right and cell["k"] != 12:
                worse = 1 / 21  # other numbers of clusters, other results
            wide = even if paper_is_right else 1 / 21
            rows += [common | {"measure": DROP, "p_ties_for": worse}, common | {"measure": RANGE, "p_ties_for": wide}]
    return pd.DataFrame(rows)


def pair_rows(paper_is_right: bool) -> pd.DataFrame:
    """Rows of the paper's grid, of two clusters in three layers, all important alone."""
    rng = np.random.default_rng(1)
    names = [f"{layer}-{cluster}" for layer in (1, 2, 3) for cluster in (0, 1)]
    rows = []
    for cell in pair_cells("paper"):
        for first in names:
            for second in names:
                if first == second:
                    continue
                same = first[-1] == second[-1]
                given = rng.random() < ((0.5 if same else 1.0) if paper_is_right else 0.2)
                kinds = {"first_kind": "important", "second_kind": "important"}
                rows.append(
                    dict(cell) | kinds | {"first": first, "second": second, "important": "yes" if given else "no"}
                )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("paper_is_right", [True, False])
def test_every_sentence_follows_its_rows(paper_is_right, tmp_path):
    write_table("importance", importance_rows(paper_is_right), tmp_path)
    write_table("dependencies", pair_rows(paper_is_right), tmp_path)
    assert len(CLAIMS) == 39
    in_words = [claim for claim in CLAIMS if not claim.row]
    printed = {name for claim in CLAIMS if claim.row for name in claim.criteria}
    assert {metric for claim in in_words for metric in claim.criteria} == (OF_PARTS | OF_PAIRS).keys() - printed
    verdicts = {claim.id: claims.judge(claim, tmp_path).verdict for claim in in_words}
    if paper_is_right:
        # What is said of small networks includes CNNs, of which the grid has two.
        cannot_tell = {f"ic-finding-{i}-small-networks" for i in (4, 5, 6)}
        assert {name for name, verdict in verdicts.items() if verdict is Grade.INCONCLUSIVE} == cannot_tell
        assert not {name for name, verdict in verdicts.items() if verdict is not Grade.REPRODUCED} - cannot_tell
    else:
        assert Grade.REPRODUCED not in verdicts.values()


def test_combined_p_values_are_those_of_the_networks():
    rows = importance_rows(True)
    for combine in (fisher_combined, chi_squared_uniform):
        medians = combined(rows, DROP, combine)
        one = rows[
            (rows["network"] == "mlp") & (rows["dataset"] == "mnist") & (rows["k"] == 8) & (rows["measure"] == DROP)
        ]
        each = [combine(part["p_ties_for"].to_numpy(), 20) for _, part in one.groupby("seed")]
        assert medians["mlp", "mnist", "no", 8] == pytest.approx(np.median(each))


@pytest.mark.parametrize("name", sorted(OF_PARTS | OF_PAIRS))
def test_no_rows_give_no_number(name):
    columns = [*importance_rows(True).columns, *pair_rows(True).columns]
    empty = pd.DataFrame(columns=list(dict.fromkeys(columns)))
    assert (OF_PARTS | OF_PAIRS)[name].measure(empty) is None


# --- its figures

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
    ((_, _, (bars,)),) = visible[2].containers[1:]
    np.testing.assert_allclose([np.ptp(bar[:, 1]) for bar in bars.get_segments()], 2)  # one point either way
    assert all([label.get_text() for label in ax.get_xticklabels()] == [*names] for ax in visible)


def told(value: float, spread: float) -> list[str]:
    """What is found where lesions of sub-clusters cost this much, and random sets 0.1 to 0.2, with a range of 3."""
    common = {"dropout": "no", "biases": ZERO, "k": 12, "dataset": "mnist", "size": 40, "width": 256, "n_random": 20}
    rows = [
        common
        | {"network": network, "measure": measure, "value": own, "random_mean": mean, "random_max": 2 * mean}
        | dict.fromkeys(("p_ties_for", "p_ties_against"), 0.3 if own > mean else 0.7)
        for network in ("mlp", "cnn")
        for measure, own, mean in ((DROP, value, 0.1), (RANGE, spread, 3.0))
        for _ in range(4)
    ]
    others = [row | {"dropout": "yes", "p_ties_for": 0.5, "value": 0.9} for row in rows]  # say nothing here
    return [str(sentence) for sentence in found(pd.DataFrame(rows + others))]


def test_what_is_said_of_lesions_turns_round_with_the_rows():
    worse, lost, ranges = told(0.3, 1.0)
    assert worse.startswith("Many do: ")
    assert "in 4 of 4 cases, 100%" in worse
    assert "perceptrons lose 30 on MNIST (without random neurons 10)" in lost
    assert ranges.startswith("Most costs are no more unevenly spread")
    worse, lost, ranges = told(0.15, 4.0)
    assert worse.startswith("Hardly more than chance has it: ")
    assert "in 0 of 4 cases, 0%" in worse
    assert "perceptrons lose 15 on MNIST" in lost
    assert ranges.startswith("Most costs are more unevenly spread")
    assert "8 of 8 have a larger range" in ranges


def test_a_range_beside_random_ones_that_explode_is_told_by_its_rank():
    row = {"measure": RANGE, "value": 3.0, "random_mean": 5e15, "p_ties_for": 0.1, "p_ties_against": 0.2}
    row |= {"dropout": "no", "biases": "zero", "k": 12, "size": 9, "width": 10, "network": "mlp", "dataset": "mnist"}
    assert "1 of 2 have a larger range" in str(found(pd.DataFrame([row, row | {"p_ties_against": 0.95}]))[2])


def test_larger_sub_clusters_that_cost_more_are_correlated_network_by_network():
    row = {"measure": DROP, "width": 10, "kind": "important", "kind_in_first_paper": "other"}
    drops = [[0.1, 0.2, 0.4, 0.8], [0.8, 0.4, 0.2, 0.1]]
    rows = pd.DataFrame(
        [{**row, "seed": seed, "size": i + 1, "value": drops[seed][i]} for seed in (0, 1) for i in range(4)]
    )
    assert OF_PARTS["drop_with_size"].measure(rows).values == pytest.approx((1, -1))
    assert OF_PARTS["share_important"].measure(rows).values == (1, 1)
    assert OF_PARTS["share_important_in_first_paper"].measure(rows).values == (0, 0)
