"""Masks: set operations, sharing against the definition, chance against simulation, and files."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from damaged import damaged
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from modlib.errors import DataError, InputError
from modlib.masks.mask import (
    TOTAL,
    Mask,
    chance_sharing,
    fingerprint,
    intersection_over_union,
    parameter_names,
    sharing,
)


def perceptron(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


def random_mask(module: nn.Module, seed: int, density: float = 0.5) -> Mask:
    rng = np.random.default_rng(seed)
    keep = {name: rng.random(parameter.shape) < density for name, parameter in module.named_parameters()}
    return Mask(keep, fingerprint(module))


pairs = hnp.arrays(bool, (2, 3, 4), elements=st.booleans())


@given(pairs)
def test_set_operations_and_ratios_are_those_of_sets(bits: np.ndarray):
    first, second = (Mask({"w": kept}, "n") for kept in bits)
    one, two = ({tuple(place) for place in np.argwhere(kept).tolist()} for kept in bits)
    for mask, places in ((first | second, one | two), (first & second, one & two)):
        assert {tuple(place) for place in np.argwhere(mask.keep["w"]).tolist()} == places
    assert (~first).remaining() == {"w": 12 - len(one), TOTAL: 12 - len(one)}
    share, iou = sharing(first, second)["w"], intersection_over_union(first, second)["w"]
    assert share == pytest.approx(len(one & two) / len(one)) if one else math.isnan(share)
    assert iou == pytest.approx(len(one & two) / len(one | two)) if one | two else math.isnan(iou)


def test_the_total_is_over_weights_not_over_parameters():
    first = Mask({"a": np.array([True]), "b": np.array([True, True, True, False])}, "n")
    second = Mask({"a": np.array([True]), "b": np.array([False, False, False, True])}, "n")
    assert sharing(first, second) == {"a": 1.0, "b": 0.0, TOTAL: 0.25}
    assert first.size() == {"a": 1, "b": 4, TOTAL: 5}


def test_chance_sharing_is_what_independent_masks_share():
    rng = np.random.default_rng(0)
    base = {"a": np.arange(60) < 20, "b": np.arange(40) < 30}
    counts, ps = [], []
    for _ in range(400):
        first, second = (Mask({name: rng.permutation(kept) for name, kept in base.items()}, "n") for _ in range(2))
        chance = chance_sharing(first, second)
        counts.append(chance[TOTAL].shared)
        ps.append([chance["a"].p, chance[TOTAL].p])
    assert chance["a"].expected == pytest.approx(20 * 20 / 60)
    assert chance[TOTAL].expected == pytest.approx(np.mean(counts), abs=4 * chance[TOTAL].sd / 20)
    assert chance[TOTAL].sd == pytest.approx(np.std(counts), rel=0.15)
    assert (np.mean(np.array(ps) < 0.05, axis=0) < 0.08).all()  # discrete, so below the nominal rate for one parameter


def test_masks_that_are_equal_or_disjoint_are_no_chance():
    kept = np.arange(200) < 60
    mask, elsewhere = Mask({"w": kept}, "n"), Mask({"w": np.roll(kept, 60)}, "n")
    for other, shared in ((mask, 60), (elsewhere, 0)):
        chance = chance_sharing(mask, other)
        assert chance["w"].shared == shared
        assert max(chance["w"].p, chance[TOTAL].p) < 1e-6


@pytest.mark.parametrize("shared", [0, 1, 3, 4])
def test_the_p_value_of_sharing_counts_both_tails(shared: int):
    """Of 8 weights both masks keep 4; by chance C(4, s) C(4, 4 - s) of 70 draws share s."""
    first, second = np.arange(8) < 4, np.isin(np.arange(8), np.r_[0:shared, 4 : 8 - shared])
    found = chance_sharing(Mask({"w": first}, "n"), Mask({"w": second}, "n"))
    as_far = sum(math.comb(4, s) ** 2 for s in range(5) if abs(s - 2) >= abs(shared - 2))
    assert found["w"].p == pytest.approx(as_far / 70)
    z = (shared - 2) / math.sqrt(4 * 4 * 4 * 4 / (64 * 7))
    assert found[TOTAL].p == pytest.approx(math.erfc(abs(z) / math.sqrt(2)))


def test_a_mask_that_keeps_all_or_nothing_is_compared_without_nan_p():
    full = Mask({"w": np.ones(5, bool)}, "n")
    for other in (full, ~full):
        chance = chance_sharing(full, other)
        assert chance["w"].p == chance[TOTAL].p == 1.0


def test_a_masked_copy_computes_with_the_kept_weights_only():
    module, x = perceptron(), torch.randn(6, 4)
    mask = random_mask(module, 1)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    first, last = (
        {kind: getattr(module[i], kind) * torch.as_tensor(mask.keep[f"{i}.{kind}"]) for kind in ("weight", "bias")}
        for i in (0, 2)
    )
    expected = torch.relu(x @ first["weight"].T + first["bias"]) @ last["weight"].T + last["bias"]
    torch.testing.assert_close(mask.apply(module)(x), expected)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_a_mask_fits_its_own_network_only():
    mask = random_mask(perceptron(), 1)
    with pytest.raises(InputError, match="other weights"):
        mask.apply(perceptron(seed=1))
    with pytest.raises(InputError, match=r"has 0.weight \(6, 4\); the mask expects 0.weight \(5, 4\)"):
        mask.apply(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)))
    with pytest.raises(InputError, match="has the parameters weight, bias"):
        mask.apply(nn.Linear(4, 5))


def test_masks_of_other_networks_or_parameters_are_not_compared():
    mask = random_mask(perceptron(), 1)
    with pytest.raises(InputError, match="two different networks"):
        _ = mask | random_mask(perceptron(1), 1)
    with pytest.raises(InputError, match="same parameters"):
        sharing(mask, Mask({"0.weight": mask.keep["0.weight"]}, mask.network))
    with pytest.raises(InputError, match=r"w \(float64\)"):
        Mask({"w": np.ones(3)}, "n")
    with pytest.raises(InputError, match="nothing"):
        Mask({}, "n")


def test_a_file_gives_the_mask_back(tmp_path: Path):
    mask = random_mask(perceptron(), 1)
    mask.save(tmp_path / "mask.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["mask.npz"]
    again = Mask.load(tmp_path / "mask.npz")
    assert again.network == mask.network
    assert list(again.keep) == list(mask.keep)
    assert all(np.array_equal(again.keep[name], kept) for name, kept in mask.keep.items())


def test_files_that_are_no_masks_are_refused(tmp_path: Path):
    mask = random_mask(perceptron(), 1)
    mask.save(tmp_path / "mask.npz")
    (tmp_path / "half.npz").write_bytes((tmp_path / "mask.npz").read_bytes()[:200])
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    np.savez(tmp_path / "pickle.npz", network=np.array({"a": 1}, dtype=object))
    for name in ("half.npz", "other.npz", "pickle.npz", "missing.npz"):
        with pytest.raises(DataError, match="does not read as a mask") as caught:
            Mask.load(tmp_path / name)
        assert "DataError" not in str(caught.value)


def test_a_mask_of_which_bytes_are_damaged_is_refused(tmp_path: Path):
    """Or it is the mask, as where the damage is in a date."""
    mask, path = random_mask(perceptron(), 1), tmp_path / "mask.npz"
    mask.save(path)
    refused = 0
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        try:
            again = Mask.load(path)
        except DataError:
            refused += 1
        else:
            assert all(np.array_equal(kept, mask.keep[name]) for name, kept in again.keep.items())
    assert refused > 200


def test_a_mask_that_claims_more_weights_than_it_holds_is_refused(tmp_path: Path):
    """Of a terabyte of them nothing is unpacked."""
    claimed = {"keep/w": np.zeros(2, dtype=np.uint8), "shape/w": np.array([2**40])}
    np.savez(tmp_path / "mask.npz", network=np.array("a network"), **claimed)
    with pytest.raises(DataError, match="does not read as a mask"):
        Mask.load(tmp_path / "mask.npz")


def test_parameters_are_chosen_by_patterns_and_tied_ones_have_one_name():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.out = nn.Embedding(7, 3), nn.Linear(3, 7)
            self.out.weight = self.embedding.weight

    assert parameter_names(Tied()) == ["embedding.weight", "out.bias"]
    assert parameter_names(Tied(), ["out.weight"]) == ["embedding.weight"]
    assert parameter_names(Tied(), unmasked=["embedding.*"]) == ["out.bias"]
    assert parameter_names(perceptron(), ["*.weight"]) == ["0.weight", "2.weight"]
    with pytest.raises(InputError, match=r"'conv.\*' matches no parameter; there are 0.weight, 0.bias"):
        parameter_names(perceptron(), ["conv.*"])
    with pytest.raises(InputError, match="leave no parameter"):
        parameter_names(perceptron(), unmasked=["*"])
    with pytest.raises(InputError, match="expected a list"):
        parameter_names(perceptron(), "*.weight")  # type: ignore[arg-type]


def test_a_parameter_that_is_named_as_all_together_is_refused():
    with pytest.raises(InputError, match="a parameter named total arrived"):
        Mask({"total": np.ones(3, dtype=bool)}, "a network")


@pytest.mark.parametrize("place", ["file/mask.npz", "folder", None])
def test_a_mask_that_cannot_be_written_leaves_nothing(place: str | None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    mask = Mask({"weight": np.array([True, False])}, "")
    with pytest.raises((DataError, InputError), match=r"cannot be written|expected the name of a file"):
        mask.save(place if place is None else tmp_path / place)  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
