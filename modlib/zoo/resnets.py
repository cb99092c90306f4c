"""Residual networks that others trained on CIFAR-10, and the images as they saw them.

Chapter: ``class-removal``.
"""

from __future__ import annotations

from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch

from modlib.checks import choice
from modlib.data.images import check_sum_in_name, load_colour_images, out_of_reach, unanswered
from modlib.errors import DataError
from modlib.files import data_folder
from modlib.networks.residual import ResidualNetwork, cifar_resnet
from modlib.processor import device
from modlib.zoo.colour_cnns import Split

# The files of akamaster/pytorch_resnet_cifar10; a name ends with the first digits of the file's SHA-256.
FILES = {"resnet-20": "resnet20-12fca82f.th", "resnet-56": "resnet56-4bfd9763.th"}
ADDRESS = "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/"
MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of each channel, by which they were standardised


def residual_images(dataset: str) -> Split:
    """All training images, and all test images as those held out, standardised as the trained networks saw them.

    Args:
        dataset: see ``modlib.data.images.load_colour_images``.

    Source: weight-masks C.7.3; that its ResNet-110 is measured on the test images: the authors' code. Chapter:
    ``class-removal``.
    """
    images = load_colour_images(dataset)
    mean, sd = (np.array(values, dtype=np.float32)[:, None, None] for values in (MEAN, SD))
    x_train, x_test = ((x - mean) / sd for x in (images.x_train, images.x_test))
    return Split(x_train, images.y_train, x_test, images.y_test, images.checksum)


def trained_resnet(name: str) -> ResidualNetwork:
    """A residual network that others trained on CIFAR-10, on a GPU if there is one.

    The file is taken from ``resnet_cifar10`` in ``$MODLIB_DATA``, and downloaded once if it is not there.

    Args:
        name: ``resnet-20`` or ``resnet-56``.

    Raises:
        InputError: if there is no such network.
        DataError: if the file cannot be downloaded, is damaged, or is of another network.

    Source: weight-masks C.7.3, where the network is deeper. Chapter: ``class-removal``.
    """
    path = data_folder() / "resnet_cifar10" / FILES[choice(name, FILES, "network")]
    if not path.exists():
        _download(path)
    check_sum_in_name(path)
    module = cifar_resnet(int(name.removeprefix("resnet-")), np.random.default_rng(0))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        module.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    except (OSError, EOFError, UnpicklingError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        why = str(error).partition("\n")[0]
        raise DataError(f"{path} does not hold {name} ({why}); delete it to download it afresh") from error
    return module.eval().to(device())


def _download(path: Path) -> None:
    from torch.hub import download_url_to_file

    address = ADDRESS + path.name
    fault = unanswered([address])
    if fault is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            download_url_to_file(address, str(path), progress=False)
        except (OSError, HTTPException) as error:
            fault = error
    if fault:
        raise out_of_reach(path, address, fault) from fault
