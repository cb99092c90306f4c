"""Networks for ImageNet: kernels of a file that was made up here, damaged files, random weights, and no network."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from modlib.errors import DataError, InputError
from modlib.zoo import imagenet, imagenet_network

KERNEL = np.random.default_rng(0).normal(size=(7, 7, 3, 64)).astype(np.float32)  # of the first convolution


def contents() -> dict[str, Any]:
    """What a file of ResNet-18 holds, of which only the first convolution is there."""
    names = [name for name, part in resnet18().named_modules() if isinstance(part, torch.nn.Conv2d)]
    order = [{"conv": name, "present": name == "conv1"} for name in names]
    order[0]["bn"] = "bn1"
    return {
        "__order__": order,
        "__bn_eps__": np.array(0.5),
        "conv1/kernel": KERNEL,
        "bn1/gamma": np.full(64, 3.0),
        "bn1/var": np.full(64, 0.25),
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODLIB_DATA", str(tmp_path))
    (tmp_path / "imagenet").mkdir()
    return tmp_path / "imagenet"


def write(folder: Path, arrays: dict[str, Any]) -> None:
    order = arrays.get("__order__")
    text = order if isinstance(order, str) else json.dumps(order)
    np.savez(folder / "resnet18.npz", **{**arrays, "__order__": np.array(text)})


def test_kernels_of_a_file_become_those_of_the_network_and_missing_ones_are_no_edges(folder: Path) -> None:
    write(folder, contents())
    found = imagenet_network("resnet-18", "kernels")
    np.testing.assert_array_equal(found.module.conv1.weight.permute(2, 3, 1, 0).numpy(force=True), KERNEL)
    norm = found.module.bn1
    assert (norm.eps, norm.weight[0].item(), norm.running_var[0].item()) == (0.5, 3.0, 0.25)
    assert not found.module.layer1[0].conv1.weight.any()
    other = found.module.layer1[0].bn1  # a norm of which nothing is known multiplies by 1
    assert (other.weight / (other.running_var + other.eps).sqrt())[0].item() == pytest.approx(1)
    assert "not for commercial use" in found.note
    assert not found.module.training


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "another shape": ({"conv1/kernel": KERNEL[:3]}, r"conv1/kernel of shape \(3, 7, 3, 64\) arrived"),
    "numbers that are not finite": ({"bn1/var": np.full(64, np.nan)}, "bn1/var of shape .* expected finite numbers"),
    "fewer layers": ({"__order__": contents()["__order__"][:3]}, "tells of 3 convolutions; expected the 20"),
    "no list of layers": ({"__order__": {"conv": "conv1"}}, "resnet18.npz"),
    "no JSON": ({"__order__": "{"}, "is damaged"),
    "layers without a name": ({"__order__": [{}] * 20}, "is damaged"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_damaged_file_is_refused(folder: Path, name: str) -> None:
    changed, said = FAULTS[name]
    write(folder, {**contents(), **changed})
    with pytest.raises(DataError, match=said):
        imagenet_network("resnet-18", "kernels")


def test_an_array_that_is_missing_is_named(folder: Path) -> None:
    arrays = contents()
    del arrays["conv1/kernel"]
    write(folder, arrays)
    with pytest.raises(DataError, match="conv1/kernel is missing; expected finite numbers of shape"):
        imagenet_network("resnet-18", "kernels")


def test_a_file_that_is_cut_off_or_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="is not there"):
        imagenet_network("resnet-18", "kernels")
    (folder / "resnet18.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="is damaged"):
        imagenet_network("resnet-18", "kernels")
    with pytest.raises(DataError, match="files of resnet-18 and inception-v3 only"):
        imagenet_network("vgg-16", "kernels")


def test_random_weights_follow_their_seed_and_draw_from_no_other_generator() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (imagenet_network("resnet-18", "random", seed) for seed in (0, 0, 1))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(first.module.conv1.weight, again.module.conv1.weight)
    assert not torch.equal(first.module.conv1.weight, other.module.conv1.weight)
    assert (first.side, first.accuracy) == (224, None)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="did you mean resnet-18"):
        imagenet_network("resnet-19", "random")
    with pytest.raises(InputError, match="did you mean torchvision"):
        imagenet_network("resnet-18", "torchvison")


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def test_without_a_network_the_error_says_where_to_put_the_file(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagenet, "unanswered", lambda addresses: OSError("no route"))
    with pytest.raises(DataError, match=r"resnet18-f37072fd\.pth is not in .*checkpoints.*no route"):
        imagenet_network("resnet-18", "torchvision")


def test_a_kept_file_is_checked_by_the_sum_in_its_name(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.random.fork_rng(devices=[]):
        state = resnet18().state_dict()
    path = checkpoints / "resnet18-f37072fd.pth"
    torch.save(state, path)
    with pytest.raises(DataError, match="expected f37072fd: delete it"):
        imagenet_network("resnet-18", "torchvision")
    monkeypatch.setattr(imagenet, "check_sum_in_name", lambda path: None)
    found = imagenet_network("resnet-18", "torchvision")
    assert torch.equal(found.module.conv1.weight, state["conv1.weight"])
    assert (found.note, found.accuracy) == ("IMAGENET1K_V1", 0.69758)
