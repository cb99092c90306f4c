"""What two papers say of lesions, judged on rows in which it is true by construction, or false."""

import numpy as np
import pandas as pd
import pytest

from modlib.chapters.dependencies.experiment import cells as pair_cells
from modlib.chapters.dependencies.findings import FINDINGS as OF_PAIRS
from modlib.chapters.dependencies.findings import dependent_pairs, relevant_pairs
from modlib.chapters.importance.experiment import DROP, RANGE, ZERO, cells
from modlib.chapters.importance.findings import FINDINGS as OF_PARTS
from modlib.chapters.importance.findings import combined
from modlib.evidence.criteria import Grade
from modlib.stats import chi_squared_uniform, fisher_combined
from modlib.verdicts import claims

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
                given = rng.random() < ((0.3 if same else 0.95) if paper_is_right else 0.2)
                kinds = {"first_kind": "important", "second_kind": "important"}
                rows.append(
                    dict(cell) | kinds | {"first": first, "second": second, "important": "yes" if given else "no"}
                )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("paper_is_right", [True, False])
def test_every_sentence_follows_its_rows(paper_is_right, tmp_path):
    importance_rows(paper_is_right).to_csv(tmp_path / "importance.csv", index=False)
    pair_rows(paper_is_right).to_csv(tmp_path / "dependencies.csv", index=False)
    assert len(CLAIMS) == 25
    in_words = [claim for claim in CLAIMS if not claim.row]
    assert {metric for claim in in_words for metric in claim.criteria} == (OF_PARTS | OF_PAIRS).keys() - {
        "fisher_p",
        "chi2_p",
    }
    verdicts = {claim.id: claims.judge(claim, tmp_path).verdict for claim in in_words}
    if paper_is_right:
        assert not {name for name, verdict in verdicts.items() if verdict is not Grade.REPRODUCED}
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
    ).assign(seed=0)
    assert len(relevant_pairs(rows)) == 4
    found = dependent_pairs(rows).set_index("pair")
    assert found["dependent"].to_dict() == {"1-0|2-0": True, "1-0|2-1": False}
    assert found["same"].to_dict() == {"1-0|2-0": True, "1-0|2-1": False}
    assert OF_PAIRS["given"].measure(rows, "averaged").mean == 0.75
    assert OF_PAIRS["own_cluster"].measure(rows, "averaged").values == (1.0,)


@pytest.mark.parametrize("name", sorted(OF_PARTS | OF_PAIRS))
def test_no_rows_give_no_number(name):
    columns = [*importance_rows(True).columns, *pair_rows(True).columns]
    empty = pd.DataFrame(columns=list(dict.fromkeys(columns)))
    assert (OF_PARTS | OF_PAIRS)[name].measure(empty, "averaged") is None
