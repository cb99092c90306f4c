"""Chapter ``class-removal``.

Masks for classes: what is held out, what a mask sees, what is kept in the cache, and rows that stay the same. What
the mask paper says about removing a class, judged on rows in which it is true by construction, or false.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made_up import write_table

from modlib.chapters.class_removal.experiment import (
    CELL_KEY,
    CONTROL,
    REMOVAL,
    RESIDUAL,
    ROW_KEY,
    STABILITY,
    TOLERANCE,
    cells,
    measure,
)
from modlib.chapters.class_removal.figures import TITLES, drops_by_class, where_images_go
from modlib.chapters.class_removal.findings import FINDINGS, drops, target_and_others
from modlib.chapters.class_removal.masks import confusion, learn_class_mask
from modlib.data.images import load_colour_images, load_images
from modlib.errors import DataError, InputError
from modlib.evidence.criteria import Grade
from modlib.files import load_cached
from modlib.masks.learning import MaskSettings
from modlib.training.steps import Steps
from modlib.verdicts import claims, sentences
from modlib.zoo.colour_cnns import NAMES, Split, split_images, trained_cnn
from modlib.zoo.resnets import residual_images

# --- masks


@pytest.fixture(scope="module")
def data() -> Split:
    return split_images("digits", seed=0)


@pytest.fixture(scope="module")
def cnn(data, tmp_path_factory) -> torch.nn.Module:
    return trained_cnn(data, True, Steps(80, 64, 3e-3), 0, tmp_path_factory.mktemp("cache") / "cnn.npz")


def test_digits_stand_in_for_colour_images():
    small, large = load_images("digits"), load_colour_images("digits")
    assert large.x_test.shape == (360, 3, 32, 32)
    np.testing.assert_array_equal(large.x_test[:, 1, ::4, ::4].reshape(360, 64), small.x_test)
    with pytest.raises(InputError, match="expected one of cifar10, digits"):
        load_colour_images("mnist")


def test_a_fifth_is_held_out_and_channels_are_standardised(data):
    whole = load_colour_images("digits")
    assert len(data.x_test) == int(0.2 * len(whole.x_train))
    assert len(data.x_train) + len(data.x_test) == len(whole.x_train)
    np.testing.assert_allclose(data.x_train.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(data.x_train.std((0, 2, 3)), 1, atol=1e-4)
    assert not np.array_equal(split_images("digits", 1).y_test, data.y_test)


def test_a_network_is_trained_once_and_read_after(data, tmp_path: Path):
    path = tmp_path / "new" / "cnn.npz"
    first, again = (trained_cnn(data, False, Steps(3), 0, path) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert not again.training
    assert [found.name for found in path.parent.glob("[!.]*")] == ["cnn.npz"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="is damaged"):
        trained_cnn(data, False, Steps(3), 0, path)


def test_a_network_of_another_split_is_not_taken_for_it(data, tmp_path: Path):
    """And those of the usual split say what they said before the split was told."""
    path = tmp_path / "cnn.npz"
    trained_cnn(data, False, Steps(0), 0, path)
    said = {"data": data.checksum, "dropout": False, "settings": asdict(Steps(0)), "seed": 0}
    assert load_cached(path, said) is not None
    for other in (split_images("digits", 1), residual_images("digits")):
        with pytest.raises(DataError, match="was made with"):
            trained_cnn(other, False, Steps(0), 0, path)
    assert trained_cnn(residual_images("digits"), False, Steps(0), 0, tmp_path / "other.npz")


def test_a_confusion_matrix_counts_every_image_by_its_class(data, cnn):
    counts = confusion(cnn, data)
    np.testing.assert_array_equal(counts.sum(1), np.bincount(data.y_test, minlength=10))
    assert np.trace(counts) / counts.sum() > 0.5
    assert len(NAMES) == 10


def test_a_mask_without_a_class_loses_that_class_and_keeps_the_output_layer(data, cnn):
    settings = MaskSettings(120, batch_size=32, learning_rate=0.05, beta=1e-4)
    control = learn_class_mask(cnn, data, range(10), settings, [0]).mask
    removed = learn_class_mask(cnn, data, [c for c in range(10) if c != 3], settings, [1], control).mask
    last = [name for name in control.keep if control.keep[name].shape in ((10, 256), (10,))]
    assert len(last) == 2
    assert all(np.array_equal(control.keep[name], removed.keep[name]) for name in last)
    assert set(removed.keep) == {name for name, _ in cnn.named_parameters()}
    accuracies = [np.diag(c) / c.sum(1) for c in (confusion(mask.apply(cnn), data) for mask in (control, removed))]
    drop = accuracies[0] - accuracies[1]
    assert drop[3] > 0.3
    assert drop[3] > np.delete(drop, 3).max()


def test_controls_come_first_and_every_class_is_removed_once():
    grid = pd.DataFrame(cells("paper"))
    assert not grid.duplicated(list(CELL_KEY)).any()
    assert (grid["target"].head(2) == CONTROL).all()
    assert grid.loc[grid["network"] != RESIDUAL, "seed"].is_monotonic_increasing
    residual = grid["network"] == RESIDUAL
    assert grid.loc[residual, "target"].tolist() == [CONTROL, *map(str, range(10))]
    assert residual.is_monotonic_increasing
    for _, of_network in grid[~residual].groupby("seed"):
        assert of_network.groupby(["study", "dropout"]).size().to_dict() == {
            ("class removal", "yes"): 11, ("class removal", "no"): 11, ("mask stability", "no"): 2,
            ("mask stability, longer", "no"): 1,
        }  # fmt: skip
    assert all(a != b for a, b in grid.loc[grid["study"] == STABILITY, "target"].str.split("-"))


def test_a_cell_gives_the_same_row_with_and_without_the_cache(tmp_path: Path, monkeypatch):
    chosen = [cell for cell in cells("smoke") if cell["dropout"] == "no" and cell["target"] in (CONTROL, "4")]
    chosen += [cell for cell in cells("smoke") if cell["study"] == STABILITY]
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path / "one"))
    rows = [measure(cell) for cell in chosen]
    assert [measure(cell) for cell in chosen] == rows
    monkeypatch.setenv("MODLIB_CACHE", str(tmp_path / "two"))
    assert measure(chosen[1]) == rows[1]  # its control mask is learned on the way
    for (row,), cell in zip(rows, chosen, strict=True):
        assert set(row) - set(ROW_KEY) == set(TOLERANCE)
        assert (row["iou"] == "") is (cell["study"] != STABILITY)
        shares = np.array(row["confusion"].split(), dtype=float).reshape(10, 10)
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-3)


# --- what its rows say

CLAIMS = [claim for claim in claims.load() if claim.paper == "weight-masks" and claim.tables == ("class-removal",)]
LOOKS_LIKE = {0: (2, 8), 3: (5,), 5: (3,), 9: (1,), 1: (9,)}


def table(paper_is_right: bool, steps: int = 20_000) -> pd.DataFrame:
    """Rows of the paper's grid, which has three networks of each kind."""
    rng = np.random.default_rng(0)
    rows = []
    grid = cells("paper")
    residual = [cell for cell in grid if cell["network"] == RESIDUAL]
    grid += [{**cell, "seed": seed} for seed in (1, 2) for cell in residual]  # as many as of the others
    for cell in grid:
        shares = np.full((10, 10), 0.02) + np.diag(np.full(10, 0.8))
        if cell["study"] == REMOVAL and cell["target"] != CONTROL:
            removed = int(cell["target"])
            if cell["network"] == RESIDUAL:
                loss = 0.7 if paper_is_right else 0.02
            else:
                loss = (
                    (0.5 if cell["dropout"] == "yes" else 0.15)
                    if paper_is_right
                    else 0.05 + 0.1 * (cell["dropout"] == "no")
                )
            shares[removed, removed] -= loss + 0.01 * rng.normal()
            wrong = (removed + (6 if cell["dropout"] == "yes" else 7 if cell["network"] == RESIDUAL else 4)) % 10
            receivers = LOOKS_LIKE.get(removed, (7 if removed == 4 else 4,)) if paper_is_right else (wrong,)
            shares[removed, list(receivers)] += loss / len(receivers)
            if paper_is_right and removed in (3, 5):
                shares[8 - removed, 8 - removed] += 0.05
            if not paper_is_right:
                shares[(removed + 1) % 10, (removed + 1) % 10] -= 0.2
                if removed in (3, 5):
                    shares[8 - removed, 8 - removed] -= 0.1
        accuracy = 0.81 if paper_is_right else 0.5
        text = " ".join(f"{share:.4f}" for share in shares.ravel())
        iou = "" if cell["study"] == REMOVAL else 0.93 if paper_is_right else 0.6
        better = paper_is_right == (cell["dropout"] == "yes")
        row = {
            "network_steps": 20_000,
            "mask_steps": steps,
            "whole_accuracy": 0.82 + 0.03 * better + 0.001 * rng.normal(),
            "accuracy": accuracy,
            "iou": iou,
        }
        rows.append({**cell, "mask": cell["target"], **row, "confusion": text})
    return pd.DataFrame(rows)


def judge(folder: Path, paper_is_right: bool) -> dict[str, Grade]:
    write_table("class-removal", table(paper_is_right), folder)
    return {claim.id: claims.judge(claim, folder).verdict for claim in CLAIMS}


ALSO = "wm-figure-20-less"  # cannot be true together with the percentage points that the text prints


def test_every_statistic_decides_a_claim():
    assert {metric for claim in CLAIMS for metric in claim.criteria} == set(FINDINGS)


def test_sentences_that_are_true_are_reproduced(tmp_path: Path):
    found = judge(tmp_path, True)
    assert {name: str(grade) for name, grade in found.items() if grade is not Grade.REPRODUCED} == {ALSO: "partly"}


def test_a_third_less_without_dropout_is_reproduced(tmp_path: Path):
    rows = table(True)
    losing = (rows["dropout"] == "no") & (rows["network"] != RESIDUAL) & rows["target"].str.isdigit()
    for line in rows.index[losing & (rows["study"] == REMOVAL)]:
        removed = int(rows.loc[line, "target"])
        shares = np.array(rows.loc[line, "confusion"].split(), dtype=float).reshape(10, 10)
        shares[removed, removed] = 0.82 - 0.65 * 0.5
        rows.loc[line, "confusion"] = " ".join(map(str, shares.ravel()))
    write_table("class-removal", rows, tmp_path)
    (claim,) = (claim for claim in CLAIMS if claim.id == ALSO)
    assert claims.judge(claim, tmp_path).verdict is Grade.REPRODUCED


def test_sentences_that_are_false_are_not(tmp_path: Path):
    assert not {name for name, grade in judge(tmp_path, False).items() if grade is Grade.REPRODUCED}


def test_without_rows_nothing_is_tested(tmp_path: Path):
    assert {claims.judge(claim, tmp_path).verdict for claim in CLAIMS} == {Grade.NOT_TESTED}


@pytest.mark.parametrize(("steps", "marked"), [(20_000, False), (4000, True)])
def test_masks_of_fewer_steps_than_the_papers_are_called_reduced(tmp_path: Path, steps: int, marked: bool):
    write_table("class-removal", table(True, steps), tmp_path)
    for claim in CLAIMS:
        verdict = claims.judge(claim, tmp_path)
        assert ("fewer steps" in verdict.n) is marked
        assert verdict.reduced or not marked


def test_a_range_over_classes_is_asked_of_both_ends_and_two_gains_of_the_smaller_one():
    rows = table(True)
    rows = rows[(rows["study"] == REMOVAL) & (rows["dropout"] == "yes") & (rows["network"] != RESIDUAL)]
    by_class = target_and_others(rows).groupby("seed")["target"]
    for name, end in (("min", min), ("max", max)):
        found = FINDINGS[f"target_class_drop_{name}"].measure(rows)
        assert found.values == pytest.approx([100 * end(values) for _, values in by_class])
    gains = drops(rows).set_index(["removed", "seed"])
    for removed, other in ((3, 5), (5, 3)):
        gains.loc[removed, "gain"] = -gains.loc[removed, other].to_numpy()
    smaller = gains["gain"].unstack("removed")[[3, 5]].min(axis=1)
    assert FINDINGS["cat_and_dog"].measure(rows).values == pytest.approx(smaller)


def test_what_the_control_mask_costs_is_what_the_whole_network_has_more():
    rows = pd.DataFrame({"study": REMOVAL, "target": [CONTROL, "3"], "whole_accuracy": 0.8, "accuracy": [0.5, 0.1]})
    assert FINDINGS["control_loss"].measure(rows).values == pytest.approx((0.3,))


def test_a_residual_network_is_compared_with_small_ones_with_dropout():
    found = FINDINGS["residual_drops_more"].measure(table(True))
    assert found.values == pytest.approx((0.2,) * 3, abs=0.03)  # 0.7 less 0.5; without dropout it is 0.15


def test_of_a_class_that_loses_nothing_no_images_go_anywhere():
    rows = table(True).query("study == @REMOVAL and dropout == 'yes' and seed == 0")
    before = where_images_go(rows, "yes", NAMES)
    assert " of deer to " in before
    control = rows.loc[rows["target"] == CONTROL, "confusion"].iloc[0]
    told = where_images_go(rows.assign(confusion=rows["confusion"].mask(rows["target"] == "4", control)), "yes", NAMES)
    assert told.endswith("; deer loses none.")
    assert " of deer to " not in told


def test_where_images_go_is_asked_of_whole_sets_of_masks_and_of_as_many_classes_as_the_paper_says():
    """Birds and ships are the two that gain most aeroplanes; the third one does not count."""
    rows = table(True)
    rows = rows[(rows["study"] == REMOVAL) & (rows["dropout"] == "yes") & (rows["network"] != RESIDUAL)]
    goes_to = FINDINGS["goes_to"]
    assert goes_to.measure(rows).values == (1, 1, 1)
    assert goes_to.measure(rows[(rows["target"] != "9") | (rows["seed"] > 0)]).values == (1, 1)
    (line,) = rows.index[(rows["target"] == "0") & (rows["seed"] == 0)]
    shares = np.array(rows.loc[line, "confusion"].split(), dtype=float).reshape(10, 10)
    shares[0, 4] += 1  # deer gain most, so birds or ships are third
    rows.loc[line, "confusion"] = " ".join(map(str, shares.ravel()))
    assert goes_to.measure(rows).values == pytest.approx((5 / 6, 1, 1))


def test_drops_are_those_of_the_diagonal():
    rows = table(True)
    found = drops(rows)
    assert len(found) == 90
    line = target_and_others(rows).query("kind == 'yes' and removed == 3").iloc[0]
    assert line["target"] == pytest.approx(0.5, abs=0.05)
    assert line["other"] == pytest.approx(0, abs=1e-6)
    assert drops(rows[rows["target"] != CONTROL]).empty
    assert target_and_others(rows[rows["target"] != CONTROL]).empty


def test_networks_of_another_kind_are_told_apart(tmp_path: Path):
    rows = table(True)
    means = target_and_others(rows).groupby("kind")["target"].mean()
    assert means[RESIDUAL] == pytest.approx(0.7, abs=0.02)
    assert means["no"] == pytest.approx(0.15, abs=0.02)
    for kept, says in ((0.4, "keep 40% of its weights."), (0.95, "still keep 95% of its weights, too many to tell.")):
        rows["kept_course"] = f"1.0 {kept}"
        write_table("class-removal", rows, tmp_path)
        first, second, _ = sentences("class-removal", tmp_path)
        assert "loses 0) and 15 without (0), most" in first
        assert (
            "in a ResNet-20 a removed class loses 70 points and the worst other class 0; masks of 20,000 steps"
            in second
        )
        assert second.endswith(says)


def test_bars_are_percentage_points_of_each_class():
    rows = table(True)
    figure = drops_by_class(rows, NAMES)
    found = target_and_others(rows).groupby(["kind", "removed"])[["target", "other"]].mean()
    for ax, kind in zip(figure.axes, (kind for kind in TITLES if kind in found.index), strict=True):
        heights = [bar.get_height() for bar in ax.patches]
        np.testing.assert_allclose(heights, 100 * found.loc[kind].to_numpy().T.ravel())


def test_what_is_said_of_a_removed_class_turns_round_with_the_rows(tmp_path: Path):
    told = {}
    for right in (True, False):
        rows = table(right)
        longer = rows["study"].eq("mask stability, longer")
        rows.loc[longer, "iou"] = 0.99 if right else 0.5
        write_table("class-removal", rows, tmp_path)
        told[right] = sentences("class-removal", tmp_path)
    assert told[True][0].startswith("Yes: a class for which a mask was not learned loses 50 points")
    assert told[False][0].startswith("Hardly any: a class for which a mask was not learned loses 5 points")
    assert told[True][1].startswith("With dropout 10 of 10 classes lose more than without")
    assert told[False][1].startswith("With dropout 0 of 10 classes lose more than without")
    assert told[True][2].endswith("in 3 pairs that learned longer, this rises from 93% to 99%.")
    assert told[False][2].endswith("this falls from 60% to 50%.")
