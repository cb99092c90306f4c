"""Residual networks of others: read, checked, and right about the images if the file is there."""

from pathlib import Path

import numpy as np
import pytest
import torch

from modlib.data.images import load_colour_images
from modlib.errors import DataError, InputError
from modlib.files import data_folder
from modlib.networks.network import answers
from modlib.networks.residual import cifar_resnet
from modlib.zoo import resnets
from modlib.zoo.resnets import FILES, residual_images, trained_resnet


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODLIB_DATA", str(tmp_path))
    (tmp_path / "resnet_cifar10").mkdir()
    return tmp_path / "resnet_cifar10" / FILES["resnet-20"]


def test_images_are_standardised_as_the_networks_saw_them() -> None:
    images, found = load_colour_images("digits"), residual_images("digits")
    assert len(found.x_test) == len(images.x_test)
    for channel, (mean, sd) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        np.testing.assert_allclose(found.x_train[:5, channel] * sd + mean, images.x_train[:5, channel], atol=1e-6)


def test_without_a_network_the_error_says_where_to_put_the_file(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resnets, "unanswered", lambda addresses: OSError("no route"))
    with pytest.raises(DataError, match=r"resnet20-12fca82f\.th is not in .*resnet_cifar10.*no route"):
        trained_resnet("resnet-20")
    with pytest.raises(InputError, match="did you mean resnet-20"):
        trained_resnet("resnet-21")


def test_a_file_is_checked_by_the_sum_in_its_name_and_by_what_it_holds(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = cifar_resnet(20, np.random.default_rng(1)).state_dict()
    torch.save({"state_dict": {f"module.{name}": values for name, values in state.items()}}, kept)
    with pytest.raises(DataError, match="expected 12fca82f: delete it"):
        trained_resnet("resnet-20")
    monkeypatch.setattr(resnets, "check_sum_in_name", lambda path: None)
    found = trained_resnet("resnet-20")
    assert all(torch.equal(values.cpu(), state[name]) for name, values in found.state_dict().items())
    assert not found.training
    for other in (cifar_resnet(8, np.random.default_rng(1)).state_dict(), [1]):
        torch.save({"state_dict": other}, kept)
        with pytest.raises(DataError, match="does not hold resnet-20"):
            trained_resnet("resnet-20")
    kept.write_bytes(b"no file of torch")
    with pytest.raises(DataError, match="does not hold resnet-20"):
        trained_resnet("resnet-20")


@pytest.mark.skipif(
    not (data_folder() / "resnet_cifar10" / FILES["resnet-20"]).exists()
    or not (data_folder() / "cifar10.npz").exists(),
    reason="neither network nor images are here",
)
def test_the_trained_network_knows_most_images() -> None:
    images = residual_images("cifar10")
    chosen = np.random.default_rng(0).permutation(len(images.x_test))[:300]
    assert (answers(trained_resnet("resnet-20"), images.x_test[chosen]) == images.y_test[chosen]).mean() > 0.7
