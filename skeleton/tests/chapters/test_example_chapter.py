"""Chapter ``example-chapter``: its grid, what its rows hold, and what is found in them."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from modlib.chapters.example_chapter.experiment import EXPERIMENT, KINDS, cells, measure
from modlib.chapters.example_chapter.figures import ncut_and_z
from modlib.chapters.example_chapter.findings import FINDINGS, found
from modlib.tables import PROFILES


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return pd.DataFrame([{**cell, **row} for cell in cells("smoke") for row in measure(cell)])


def effect(rows: pd.DataFrame) -> float | None:
    sample = FINDINGS["example_chapter_effect"].measure(rows)
    return None if sample is None else sample.mean


@pytest.mark.parametrize("profile", PROFILES)
def test_every_seed_has_a_network_of_each_kind(profile: str) -> None:
    grid = pd.DataFrame(cells(profile))
    assert (grid.groupby("seed")["network"].apply(tuple) == KINDS).all()
    assert not grid.duplicated().any()


def test_rows_have_the_columns_of_the_experiment_and_no_key_twice(rows: pd.DataFrame) -> None:
    key = [*EXPERIMENT.cell_key, *EXPERIMENT.row_key]
    assert {*key, *EXPERIMENT.tolerance} <= set(rows.columns)
    assert not rows.duplicated(key).any()


def test_planted_modules_are_found_and_none_in_noise(rows: pd.DataFrame) -> None:
    z = rows.groupby("network")["z"].mean()
    assert z["planted"] < -5
    assert abs(z["random"]) < 3


def test_the_finding_is_the_mean_difference_of_pairs() -> None:
    made = pd.DataFrame(
        [("planted", 0, -9.0), ("random", 0, 1.0), ("planted", 1, -5.0), ("random", 1, -1.0), ("planted", 2, 0.0)],
        columns=["network", "seed", "z"],
    )
    assert effect(made) == pytest.approx((-10 - 4) / 2)
    assert effect(made[made["network"] == "planted"]) is None


def test_what_is_said_turns_round_with_the_rows(rows: pd.DataFrame) -> None:
    answer, below, ncut = found(rows)
    assert str(answer).startswith("Yes: ")
    assert "lower on average with modules" in str(ncut)
    turned = rows.assign(network=rows["network"].map({"planted": "random", "random": "planted"}))
    assert str(found(turned)[0]).startswith("No: ")
    assert found(turned)[1] != below
    assert "no lower on average with modules" in str(found(turned)[2])
    assert found(rows[rows["network"] == "planted"]) == (None, None, None)


def test_the_figure_has_every_network(rows: pd.DataFrame) -> None:
    ax = ncut_and_z(rows)
    assert sum(len(points.get_offsets()) for points in ax.collections) == len(rows)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == sorted(KINDS)
    plt.close(ax.figure)
